# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: searches in tests, and the trace of a test that fails.

::

    def test_removal(explore):
        s = Scenario("remove races the work")
        ...
        explore(s).check()

``explore`` is :func:`iopf.explore.explore` with the defaults of the command line: ``--iopf-core`` (given more than
once, every test that uses the fixture runs on each), ``--iopf-budget``. When the test fails, the traces of what its
searches found stand in a section of their own in the report. A test that passes with a search that gave no verdict
(bounded, sampled, inconclusive) fails all the same, unless it said ``.check("sampled")``, or ``--iopf-accept`` did:
"nothing was found" means little where nothing may have been run. ``--iopf-replay TOKEN`` runs the one execution of a token
in place of the search of its scenario, on the token's core whatever ``--iopf-core`` says, and skips what searches other
scenarios. A run in which no test searches the token's fails.

Nothing of the explorer is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ._exit import ACCEPTABLE
from ._options import seconds

if TYPE_CHECKING:
    from collections.abc import Generator

    from typing_extensions import Unpack

    from .explore import Result
    from .explore.scenario import BaseScenario
    from .explore.search import Options
    from .explore.token import Token

__all__ = ["Explore", "NoVerdict"]


class NoVerdict(AssertionError):
    """A test passed, and a search of it has no verdict."""


DEFAULT_CORE = "iopf"
SECTION = "iopf: the execution that fails"
NOTHING_FAILED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("iopf", "iopf, I/O page faults explored")
    group.addoption(
        "--iopf-core",
        action="append",
        metavar="NAME",
        help="core that the explore fixture runs on (iopf), or a kernel file; repeatable",
    )
    group.addoption(
        "--iopf-budget", type=seconds, default=None, metavar="SECONDS", help="how long one search may take (60)"
    )
    group.addoption(
        "--iopf-accept",
        action="append",
        default=[],
        choices=ACCEPTABLE,
        help="a search with this verdict is enough for a test to pass; repeatable",
    )
    group.addoption("--iopf-replay", metavar="TOKEN", help="run the one execution of this token, and no search")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Several --iopf-core: each test that depends on the core runs on each."""
    cores = metafunc.config.getoption("--iopf-core") or []
    if "iopf_core" in metafunc.fixturenames and len(cores) > 1:
        metafunc.parametrize("iopf_core", cores, indirect=True)


@pytest.fixture
def iopf_core(request: pytest.FixtureRequest) -> str:
    """The name of the core that --iopf-core says, ``"iopf"`` without it."""
    cores = request.config.getoption("--iopf-core") or [DEFAULT_CORE]
    return str(getattr(request, "param", cores[0]))


class Explore:
    """What the ``explore`` fixture is: call it as :func:`iopf.explore.explore`. ``results`` keeps what it returned."""

    def __init__(self, core: str, budget: float | None, token: str | None):
        self.core = core
        self.budget = budget
        self.token = token
        self.results: list[Result] = []
        #: the token's scenario was this test's
        self.replayed = False

    def __repr__(self) -> str:
        return f"<explore on {self.core}, {len(self.results)} searches so far>"

    def __call__(self, scenario: BaseScenario, **options: Unpack[Options]) -> Result:
        from ._cores import named
        from .explore import DidNotReproduce, explore, replay

        if "core" not in options:
            core = named(self.core)
            assert core is not None
            options["core"] = core
        if self.budget is not None:
            options.setdefault("budget", self.budget)
        if self.token is None:
            result = explore(scenario, **options)
        else:
            from .explore.token import decode

            recorded = decode(self.token)
            if recorded.scenario != scenario:
                pytest.skip(f"--iopf-replay is of {recorded.scenario.name!r}, and this is {scenario.name!r}")
            self.replayed = True
            try:
                result = replay(self.token, core=_core_for(recorded, options["core"]))
            except DidNotReproduce as error:
                if error.result is not None:
                    self.results.append(error.result)
                raise
        self.results.append(result)
        return result


def _core_for(recorded: Token, chosen: Any) -> Any:
    """The core to replay on, None: that of the token. A file's is the chosen file, else the token's, if it is there and
    the same: ValueError says so when it is not."""
    if recorded.file is None:
        return None
    from .explore.corefile import core_file

    return chosen if core_file(chosen) is not None else recorded.file.core(recorded.core, option="--iopf-core")


_KEY: pytest.StashKey[Explore] = pytest.StashKey()
#: --iopf-replay: did any test search the token's scenario?
_REPLAYED: pytest.StashKey[bool] = pytest.StashKey()


@pytest.fixture
def explore(request: pytest.FixtureRequest, iopf_core: str) -> Iterator[Explore]:
    """Explores scenarios, with the core and the budget of the command line. It returns what was found and does not fail
    by itself: ``explore(s).check()`` does. A search without a verdict fails the test at its end, unless it was accepted:
    ``explore(s).check("sampled")``."""
    option = request.config.getoption
    caller = Explore(iopf_core, option("--iopf-budget"), option("--iopf-replay"))
    request.node.stash[_KEY] = caller
    yield caller
    if caller.replayed:
        request.config.stash[_REPLAYED] = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that passed, and a search of which says nothing, has shown nothing."""
    outcome = yield
    caller = item.stash.get(_KEY, None)
    accepted: list[str] = item.config.getoption("--iopf-accept") or []
    unknown = [
        result
        for result in (caller.results if caller is not None else ())
        if not result.accepted and result.verdict not in accepted
    ]
    if unknown:
        raise NoVerdict(
            "the test passed, and these searches say nothing: "
            + "; ".join(map(str, unknown))
            + '. Give them more budget, or say that it is enough: explore(...).check("'
            + unknown[0].verdict
            + '")'
        )
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows the traces of its searches in a section."""
    report = yield
    caller = item.stash.get(_KEY, None)
    if caller is not None and call.when == "call" and report.failed:
        for result in caller.results:
            if result.failure is not None:
                report.sections.append((SECTION, str(result.failure)))
            elif result.verdict != "pass":
                report.sections.append(("iopf", str(result)))
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist tells what its tests did."""
    if getattr(node, "workeroutput", {}).get("iopf_replayed"):
        node.config.stash[_REPLAYED] = True


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A replay that no test made is no pass."""
    config = session.config
    if config.getoption("--iopf-replay") is None or config.getoption("collectonly"):
        return
    replayed = config.stash.get(_REPLAYED, False)
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output["iopf_replayed"] = replayed
    elif not replayed and exitstatus in NOTHING_FAILED:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Says so."""
    if config.getoption("--iopf-replay") is None or config.getoption("collectonly"):
        return
    if not config.stash.get(_REPLAYED, False) and exitstatus in NOTHING_FAILED:
        terminalreporter.section("iopf: nothing was replayed", red=True)
        terminalreporter.line(
            "No test that ran explores the scenario of --iopf-replay: name the test that made the token, or run"
            " 'iopf replay TOKEN'."
        )
