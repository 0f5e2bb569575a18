# SPDX-License-Identifier: GPL-2.0-only
"""What every test starts from and has to leave behind.

After each test there is a grace period, and then no object of a core is alive, exactly those warnings were counted that
the test said, and no kernel message was lost. A test that expects no warning is so a clean test of every guard that it
passes.
"""

import concurrent.futures
import gc
import importlib.util
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import iopf
from iopf import _runtime

#: How long a test waits for what must happen, in seconds.
PATIENCE = 60

#: Live objects after the test before: 0, but after a failed one, whose traceback holds objects.
LEFT = pytest.StashKey()


def beside(name):
    """A module of the tests that is none of tests."""
    path = Path(__file__).resolve().parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"iopf_tests_{name}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KINDS, SESSIONS = beside("kinds"), beside("sessions")


def pytest_addoption(parser):
    group = parser.getgroup("iopf's own tests")
    group.addoption("--long", action="store_true", help="run the tests that take minutes, too")
    group.addoption("--seed", type=int, default=None, help="of the random tests (default: a new one, shown on top)")


#: Where failures that tests find are kept, instead of the directory that the tests run in.
FAILURES = pytest.StashKey()


def pytest_configure(config):
    config.stash[FAILURES] = tempfile.TemporaryDirectory(prefix="iopf-failures-")
    os.environ["IOPF_FAILURES_DIR"] = config.stash[FAILURES].name
    # The kernel's forms run in many tests, each with what they can take; tests/test_hazards.py is about the warning.
    config.addinivalue_line("filterwarnings", "ignore::iopf.UnsafeCoreWarning")
    # A shell starts what is in the background with SIGINT ignored, and children inherit that: here it is as in front.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--seed") is None:
        config.option.seed = random.SystemRandom().randrange(1 << 32)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A directory for each test: what another one kept would be tried first."""
    os.environ["IOPF_FAILURES_DIR"] = tempfile.mkdtemp(dir=item.config.stash[FAILURES].name)


def pytest_unconfigure(config):
    config.stash[FAILURES].cleanup()


def pytest_report_header(config):
    return f"iopf: --seed={config.getoption('--seed')}, {'long' if config.getoption('--long') else 'short'} mode"


#: Beside tests/explore: what asks the explorer.
EXPLORING = {
    "test_catalogue.py",
    "test_check.py",
    "test_check_baseline.py",
    "test_check_misuse.py",
    "test_check_reports.py",
    "test_check_results.py",
    "test_check_revisions.py",
    "test_members.py",
    "test_refusals.py",
}


def pytest_collection_modifyitems(config, items):
    for item in items:
        if KINDS.touches_processes(str(item.path), getattr(item, "originalname", item.name)):
            item.add_marker("processes")
    if importlib.util.find_spec("iopf._explore") is None:
        reason = "this build has no explorer: its fiber switch has no form for the machine"
        for item in items:
            if item.path.parent.name == "explore" or item.path.name in EXPLORING:
                item.add_marker(pytest.mark.skip(reason=reason))
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="takes minutes: --long")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)


def pytest_collection_finish(session):
    # What is there before the first test stays: the collection after each test has only its own objects to look at.
    gc.collect()
    gc.freeze()


@pytest.fixture
def seed(request):
    """The seed of the random tests; ``--seed`` repeats a run."""
    return request.config.getoption("--seed")


@pytest.fixture
def long_mode(request):
    """Is it the long mode?"""
    return request.config.getoption("--long")


@pytest.fixture(scope="session")
def kernel_trees(tmp_path_factory):
    """Every kernel-style file in a kernel tree of its own, compiled once: see kernel_files/trees.py."""
    return beside("kernel_files/trees").Trees(tmp_path_factory.mktemp("trees"))


@pytest.fixture(scope="session")
def semantics():
    """The kernel primitives by themselves, for each runtime: see semantics.py."""
    return beside("semantics")


@pytest.fixture(params=_runtime.RUNTIMES)
def runtime(request):
    """The name of a runtime that runs on threads; a test with this fixture runs on each."""
    return request.param


@pytest.fixture
def lib(runtime):
    """The C functions of the runtime, for what only a test asks: fail-nth and the clock. Both end with the test."""
    found = _runtime.get(runtime).lib
    yield found
    found.iopf_fail_nth(0)
    found.iopf_set_clock(0)


class ExpectedWarnings:
    """The kernel WARNs that a test brings about: so many in each function of a core."""

    def __init__(self):
        self.exactly = Counter()
        self.allowed = set()

    def __call__(self, function, count=1):
        """Expects ``count`` more WARNs in the C function."""
        self.exactly[function] += count

    def allow(self, function):
        """Any number of WARNs in this function is fine: a race decides."""
        self.allowed.add(function)

    def fulfilled(self, counted):
        """Did exactly these come?"""
        return self.exactly == Counter({name: n for name, n in counted.items() if name not in self.allowed})


class Messages(logging.Handler):
    """Every kernel message of a test."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


def counted_warnings():
    """WARNs by function."""
    counts = Counter()
    for site, count in iopf.warnings().items():
        counts[site.function] += count
    return counts


def fetch_messages():
    for runtime in _runtime.loaded():
        runtime.fetch_messages()


@pytest.fixture(autouse=True, scope="module")
def _settled():
    """What is left of a module, its reports above all, stays to the end: no collection has to look at it again."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean(request):
    """Around each test: objects, warnings and messages are accounted for."""
    before = request.config.stash.get(LEFT, 0)
    fetch_messages()
    iopf.clear_warnings()
    messages = Messages()
    expected = ExpectedWarnings()
    logger = logging.getLogger("iopf")
    logger.addHandler(messages)
    pid = os.getpid()
    try:
        yield expected, messages
    finally:
        logger.removeHandler(messages)
    if os.getpid() != pid:
        return  # a child that a test lost; its parent tells
    if request.node.funcargs:  # None: Ctrl-C in the middle of a test has taken them away
        request.node.funcargs.clear()  # devices of fixtures are the test's, too
    logger.addHandler(messages)
    gc.collect()
    after = request.config.stash[LEFT] = iopf.live_objects()
    fetch_messages()
    logger.removeHandler(messages)
    counted = counted_warnings()
    sites = {str(site): n for site, n in iopf.warnings().items()}
    iopf.clear_warnings()
    assert expected.fulfilled(counted), f"expected WARNs {dict(expected.exactly)}, counted {sites}"
    assert [] == [text for text in messages.texts if text.endswith("kernel messages were dropped")]
    detail = "" if after == before else ", ".join(f"{n} x {site}" for site, n in iopf.live_objects(detail=True).items())
    assert 0 <= after <= before, f"live objects before and after the test; now: {detail}"


@pytest.fixture
def expect_warnings(_clean):
    """``expect_warnings(function, count=1)``: so many kernel WARNs in this C function belong to the test."""
    return _clean[0]


@pytest.fixture
def kernel_messages(_clean):
    """Calling it gives the texts of the kernel messages of the test so far."""

    def texts():
        fetch_messages()
        return list(_clean[1].texts)

    return texts


@pytest.fixture
def start(_clean):
    """``start(function, *args)`` runs it in a thread of its own and gives the Future. All have ended with the test."""
    threads = []

    def start(function, *args, **kwargs):
        future = concurrent.futures.Future()

        def main():
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        thread = threading.Thread(target=main, daemon=True)
        threads.append(thread)
        thread.start()
        return future

    yield start
    for thread in threads:
        thread.join(PATIENCE)
    assert [] == [thread for thread in threads if thread.is_alive()]


@pytest.fixture
def session():
    """``session(*command, **options)`` starts a process: see sessions.py. With the test all of them have ended."""
    sessions = []

    def session(*command, **options):
        sessions.append(SESSIONS.Session(*command, **options))
        return sessions[-1]

    yield session
    for each in sessions:
        each.kill()


@pytest.fixture
def command(capsys):
    """``command(*arguments)``: a command line in this process: exit code, output, errors."""
    from iopf import cli

    def command(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture(scope="session")
def circles():
    """Calling it with who needs whom gives the groups that reach each other: see graphs.py."""
    return beside("graphs").circles


@pytest.fixture
def eventually():
    """``eventually(condition)`` waits until the condition holds."""
    return SESSIONS.eventually


@pytest.fixture
def in_some_round():
    """``in_some_round(measure, limit)`` measures until one round stays below the limit."""
    return SESSIONS.in_some_round


@pytest.fixture
def counting():
    """``counting()``: the processor time in which Python counts to a million."""
    return SESSIONS.counting


@pytest.fixture
def moment():
    """``moment(seconds)`` gives others time: for what must not happen, or so that they mostly come first. On a slow
    machine the test shows less then; it never fails for it."""
    return time.sleep
