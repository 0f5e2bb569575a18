# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: searches in tests, and the trace of a test that fails.

::

    def test_removal(explore):
        s = Scenario("remove races the work")
        ...
        explore(s).check()

``explore`` is :func:`iopf.explore.explore` with the defaults of the command line: ``--iopf-core`` (given more than
once, every test that uses the fixture runs on each), ``--iopf-budget``. When the test fails, the trace of each thing that its
searches found stands in the report once, in a section of its own, with the line that runs just that again: the test, and
``--iopf-replay`` with the id of the failure, which is kept (explore/kept.py). Where no report is shown
(``--tb=no``), the lines stand at the end. A test that passes with a search that gave no verdict
(bounded, sampled, inconclusive) fails all the same, unless it said ``.check("sampled")``, or ``--iopf-accept`` did:
"nothing was found" means little where nothing may have been run. ``--iopf-replay ID`` runs the one execution of an id or a token
in place of the search of its scenario, on the token's core whatever ``--iopf-core`` says, and skips what searches other
scenarios. A run in which no test searches the token's fails.

Tests of which a failure is kept go first, and a search tries first what is kept of its scenario and core. What is kept is what
was when the session began, so that the order and the searches are the same in each worker, and whatever the tests of this
session keep; ``--iopf-no-kept`` leaves both away.

Nothing of the explorer is imported before a test asks for it.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from ._exit import ACCEPTABLE
from ._options import seconds

if TYPE_CHECKING:
    from collections.abc import Generator

    from typing_extensions import Unpack

    from ._cores import Core
    from .explore import Failure, Result
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
    group.addoption(
        "--iopf-replay", metavar="ID|TOKEN", help="run the one execution of this failure, or token, and no search"
    )
    group.addoption(
        "--iopf-no-kept",
        action="store_true",
        help="do not run first, and try first, what failed before and is kept ('iopf failures' lists it)",
    )
    group.addoption(
        "--iopf-long-token", action="store_true", help="print tokens, which need no file, and keep no failures"
    )


def pytest_configure(config: pytest.Config) -> None:
    """--iopf-replay of an id: its token, before any test has changed the directory."""
    given = config.getoption("--iopf-replay")
    if given is not None:
        from .explore.kept import resolve

        try:
            config.stash[_TOKEN] = resolve(given, base=config.invocation_params.dir)
        except ValueError as error:
            raise pytest.UsageError(f"--iopf-replay: {error}") from error


def _kept(config: pytest.Config) -> list[tuple[str, tuple[str, ...]]]:
    """Failures of the session's beginning: each token with the tests that met it. A worker has them from who started it."""
    known: list[tuple[str, tuple[str, ...]]] | None = config.stash.get(_KEPT, None)
    if known is None:
        given = getattr(config, "workerinput", {}).get("iopf_kept")
        if given is not None:
            known = [(str(token), tuple(tests)) for token, tests in given]
        elif config.getoption("--iopf-no-kept") or config.stash.get(_TOKEN, None) or not _may_be_kept(config):
            known = []
        else:
            from .explore.kept import of_project

            known = [(one.token, one.tests) for one in of_project(base=config.invocation_params.dir)[0]]
        config.stash[_KEPT] = known
    return known


def _may_be_kept(config: pytest.Config) -> bool:
    """Is there such a directory? Without it nothing of the explorer has to be loaded."""
    return bool(os.environ.get("IOPF_FAILURES_DIR")) or (config.invocation_params.dir / ".iopf").is_dir()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """What a worker of pytest-xdist is to take for kept."""
    node.workerinput["iopf_kept"] = [[token, list(tests)] for token, tests in _kept(node.config)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of which a failure is kept go first, in the order that they have."""
    first = {name for _, tests in _kept(config) for name in tests}
    if first:
        items.sort(key=lambda item: item.nodeid not in first)


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

    def __init__(
        self, core: str, budget: float | None, token: str | None, kept: Sequence[tuple[str, tuple[str, ...]]] = ()
    ):
        self.core = core
        self.kept = kept
        self.budget = budget
        self.token = token
        self.results: list[Result] = []
        #: the failures whose traces are in the report, by token
        self.shown: set[str] = set()
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
            if self.kept and "kept" not in options:
                options["kept"] = _tokens(self.kept, scenario, options["core"])
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


def _tokens(kept: Sequence[tuple[str, tuple[str, ...]]], scenario: Any, core: Core | str) -> list[str]:
    """What is kept of a scenario and a core."""
    if not kept:
        return []
    from .explore.given import tokens_for
    from .explore.scenario import BaseScenario

    return tokens_for(scenario, core, among=[token for token, _ in kept]) if isinstance(scenario, BaseScenario) else []


def _core_for(recorded: Token, chosen: Any) -> Any:
    """The core to replay on, None: that of the token. A file's is the chosen file, else the token's, if it is there and
    the same: ValueError says so when it is not."""
    if recorded.file is None:
        return None
    from .explore.corefile import core_file

    return chosen if core_file(chosen) is not None else recorded.file.core(recorded.core, option="--iopf-core")


_KEY: pytest.StashKey[Explore] = pytest.StashKey()
#: The token of --iopf-replay.
_TOKEN: pytest.StashKey[str] = pytest.StashKey()
#: What is kept, since the session began.
_KEPT: pytest.StashKey[list[tuple[str, tuple[str, ...]]]] = pytest.StashKey()
#: --iopf-replay: did any test search the token's scenario?
_REPLAYED: pytest.StashKey[bool] = pytest.StashKey()


@pytest.fixture
def explore(request: pytest.FixtureRequest, iopf_core: str) -> Iterator[Explore]:
    """Explores scenarios, with the core and the budget of the command line. It returns what was found and does not fail
    by itself: ``explore(s).check()`` does. A search without a verdict fails the test at its end, unless it was accepted:
    ``explore(s).check("sampled")``."""
    option = request.config.getoption
    caller = Explore(iopf_core, option("--iopf-budget"), request.config.stash.get(_TOKEN, None), _kept(request.config))
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
    """A test that fails shows the trace of what each of its searches found, once: what check() raised says it in a line."""
    raised = _raised(call.excinfo.value, set()) if call.excinfo is not None else []
    words = [error.args for error in raised]
    for error in raised:
        if error.result.failure is not None:
            error.args = (f"{error.result.failure.about} (the trace is below)",)
    try:
        report = yield
    finally:
        for error, arguments in zip(raised, words):
            error.args = arguments
    if not report.failed:
        return report
    caller = item.stash.get(_KEY, None)
    own = list(caller.results) if caller is not None else []
    shown = caller.shown if caller is not None else set()
    known = {id(result) for result in own}
    others = [error.result for error in raised if id(error.result) not in known]
    report.iopf_commands = []  # type: ignore[attr-defined]
    for result in (*own, *others):
        failure = result.failure
        again = [str(one) for one in result.kept if one.answer == "still fails"]
        if again and call.when == "call":
            _add(report, "iopf: what was kept", "\n".join(again))
        if failure is None:
            if result.verdict != "pass" and call.when == "call" and str(result) not in report.longreprtext:
                _add(report, "iopf", str(result))
        elif (failure.token or failure.about) not in shown:
            shown.add(failure.token or failure.about)
            _show(item, report, failure, id(result) in known)
    return report


def _raised(error: BaseException | None, seen: set[int]) -> list[Any]:
    """What check() raised, among an exception, those that it comes from, and those of a group."""
    module = sys.modules.get("iopf.explore.result")
    if module is None or error is None or id(error) in seen:
        return []
    seen.add(id(error))
    found = [error] if isinstance(error, module.ExplorationFailed) else []
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        found += _raised(other, seen)
    return found


def _add(report: pytest.TestReport, title: str, text: str) -> None:
    """A section of a report: below the exception, whatever --show-capture says."""
    add = getattr(report.longrepr, "addsection", None)
    if add is not None:
        add(title, text)
    else:
        report.sections.append((title, text))


def _show(item: pytest.Item, report: pytest.TestReport, failure: Failure, is_own: bool) -> None:
    """The trace, unless the test shows it itself, and the line that runs just this again.

    :param is_own: the fixture found it: the test replays it with --iopf-replay. Else the command line does
    """
    from .explore.kept import keep

    config = item.config
    token = failure.token
    if token and not config.getoption("--iopf-long-token"):
        token = keep(token, failure.about, base=config.invocation_params.dir, test=item.nodeid) or token
    command = failure.command.replace(failure.token, token) if token else ""
    if token and is_own:
        cores = [word for core in config.getoption("--iopf-core") or () for word in ("--iopf-core", core)]
        named: Any = config
        nodeid = named.cwd_relative_nodeid(item.nodeid)
        command = shlex.join(["pytest", nodeid, *cores, "--iopf-replay", token])
    if command:
        report.iopf_commands.append(command)
    # A trace ends with the token, or the id.
    if token and any(failure.token in text or failure.id in text for text in _seen(report, config)):
        _add(report, SECTION, f"Its trace is in this report already. To run exactly this again:\n  {command}")
    else:
        _add(report, SECTION, failure.render(command=command or None))


def _seen(report: pytest.TestReport, config: pytest.Config) -> Iterable[str]:
    """What people will see of a report so far."""
    yield report.longreprtext
    wanted: str = config.getoption("showcapture") or "all"
    for title, text in report.sections:
        if wanted == "all" or (wanted != "no" and wanted in title):
            yield text


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
    """Says so; and how to run again what failed, where the reports of failures are not shown."""
    if config.getoption("tbstyle") == "no":
        reports = [report for kind in ("failed", "error") for report in terminalreporter.getreports(kind)]
        commands = [line for report in reports for line in getattr(report, "iopf_commands", ())]
        if commands:
            terminalreporter.section("iopf: to run again what failed, each by itself")
            for line in dict.fromkeys(commands):
                terminalreporter.line(line)
    if config.getoption("--iopf-replay") is None or config.getoption("collectonly"):
        return
    if not config.stash.get(_REPLAYED, False) and exitstatus in NOTHING_FAILED:
        terminalreporter.section("iopf: nothing was replayed", red=True)
        terminalreporter.line(
            "No test that ran explores the scenario of --iopf-replay: name the test that made the token, or run"
            " 'iopf replay TOKEN'."
        )
