# SPDX-License-Identifier: GPL-2.0-only
"""Exceptions and results travel: through pickle, copy, and a pool of processes.

An exception whose constructor takes other arguments than ``args`` raises when it is unpickled, and then the parent of a
process pool waits for ever. So every exception class of the package, found by walking its modules, goes there and back
with all its attributes; one that nobody has made an example of fails the test.
"""

import copy
import copyreg
import errno
import importlib
import inspect
import multiprocessing
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor

import pytest

import iopf
from iopf import scenarios
from iopf._registry import NotKept
from iopf.explore import (
    DidNotReproduce,
    ExplorationFailed,
    Interrupted,
    Scenario,
    ScenarioError,
    VersionMismatch,
    explore,
)
from iopf.explore.library import FileAlone
from iopf.explore.programs import rcget

#: Modules that do something when they are imported, or are no modules of Python.
LEFT_OUT = {"iopf.__main__"}
EXTENSIONS = ("_native", "_plain", "_explore")


def exception_classes():
    """Every exception class that a module of the package defines under a public name."""
    found = set()
    for info in pkgutil.walk_packages(iopf.__path__, "iopf."):
        if info.name in LEFT_OUT or info.name.rpartition(".")[2] in EXTENSIONS or "_csrc" in info.name:
            continue
        module = importlib.import_module(info.name)
        found |= {
            value
            for name, value in vars(module).items()
            if inspect.isclass(value)
            and issubclass(value, BaseException)
            and value.__module__ == info.name
            and not name.startswith("_")
        }
    return sorted(found, key=lambda cls: (cls.__module__, cls.__name__))


@pytest.fixture(scope="module")
def results():
    """A result that passes, one that fails."""
    return explore(rcget(2)), explore(rcget(2, bug=True))


def special(cls, results):
    """Examples of classes that take more than a message; None: it takes one, or an errno and one."""
    passed, failed = results
    examples = {
        ExplorationFailed: lambda: ExplorationFailed(failed),
        Interrupted: lambda: Interrupted(passed),
        DidNotReproduce: lambda: DidNotReproduce("no", step=3, expected="a", found="b", result=failed),
        iopf.CoreSourceError: lambda: iopf.CoreSourceError("no", number=2, first_error="e", output="o"),
        iopf.ForkedError: lambda: iopf.ForkedError("the queue q"),
        ScenarioError: lambda: ScenarioError("mine.py:3: no", "mine.py", 3),
        FileAlone: lambda: FileAlone("mine.py", {"a": "about"}),
        NotKept: NotKept,
        iopf.MissingExtension: lambda: iopf.MissingExtension("no", name="iopf._native", path="/x"),
    }
    return examples.get(cls)


def example(cls, results):
    make = special(cls, results)
    if make is not None:
        error = make()
    elif issubclass(cls, iopf.IopfError):
        error = cls(errno.EBUSY, "what to do next")
    else:
        error = cls("what to do next")
    error.added = ["by a caller"]
    error.__cause__ = ValueError("the cause")
    return error


def attributes(error):
    """All that an exception has, but its traceback."""
    names = [name for name in dir(error) if not name.startswith("_") and not callable(getattr(error, name, len))]
    return {name: getattr(error, name) for name in names} | {"str": str(error), "args": error.args}


@pytest.mark.parametrize("cls", exception_classes(), ids=lambda cls: cls.__qualname__)
def test_every_exception_goes_there_and_back(cls, results):
    """By pickle, whatever its protocol, by copy and by deepcopy: the class, the attributes, what it says."""
    error = example(cls, results)
    ways = [
        lambda protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    for way in (*ways, lambda: copy.copy(error), lambda: copy.deepcopy(error)):
        again = way()
        assert type(again) is cls
        assert attributes(again) == attributes(error)


def test_the_walk_finds_the_public_ones():
    """Those of the package's face and of the explorer's are among them."""
    found = set(exception_classes())
    for module in (iopf, importlib.import_module("iopf.explore")):
        public = [getattr(module, name) for name in module.__all__ if not name.endswith("_dtype")]
        assert {cls for cls in public if inspect.isclass(cls) and issubclass(cls, BaseException)} <= found
    assert {Interrupted, DidNotReproduce, iopf.CoreSourceError, iopf.UnsafeCore, iopf.HandlerError} <= found


@pytest.fixture(autouse=True)
def _nobody_elses_way(monkeypatch):
    """Exceptions are pickled as they are: tblib, which distributed imports, registers a way of its own for all of them, and it
    would be in effect or not by what ran before."""
    for cls in [*copyreg.dispatch_table]:
        if inspect.isclass(cls) and issubclass(cls, BaseException):
            monkeypatch.delitem(copyreg.dispatch_table, cls)


class Stubborn(Exception):
    """A user's exception that pickles, and does not unpickle."""

    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def test_a_handlers_exception_travels_with_its_cause():
    """As it was raised; one that can't be unpickled as what it said, and not as a hang."""
    for cause, says in (
        (KeyError("x"), "'x'"),
        (Stubborn("a", "b"), "Stubborn: a b"),
        (RuntimeError(lambda: None), "RuntimeError: <function"),
    ):
        error = iopf.HandlerError(errno.EIO, "a handler raised")
        error.__cause__ = cause
        again = pickle.loads(pickle.dumps(error))
        assert says in str(again.__cause__)
        assert copy.copy(error).__cause__ is cause


def fail(what):
    """Runs in a worker."""
    if what == "source":
        iopf.Core.from_source("/no/such.c")
    if what == "unsafe":
        raise iopf.UnsafeCore(errno.EOPNOTSUPP, "no")
    explore(rcget(2, bug=True)).check()


def test_a_pool_of_processes_brings_them_home():
    """What was raised in a worker is raised in the parent, which hung."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for what, cls in (("check", ExplorationFailed), ("source", iopf.CoreSourceError), ("unsafe", iopf.UnsafeCore)):
            with pytest.raises(cls) as caught:
                pool.submit(fail, what).result(timeout=60)
            assert what != "check" or caught.value.result.failure.token.startswith("iopf")


# --- values ---


def test_results_and_failures_go_there_and_back(results):
    """Equal, and the failure renders and replays as before."""
    for result in results:
        for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
            assert again == result and again.to_json() == result.to_json()
    failure = pickle.loads(pickle.dumps(results[1].failure))
    assert str(failure) == str(results[1].failure) and failure.token == results[1].failure.token


def test_accepted_verdicts_stay_accepted():
    """What check() was told is part of a result, and no part of what it is equal by."""
    result = explore(rcget(3), strategy="random", max_executions=5)
    assert not result.accepted
    again = pickle.loads(pickle.dumps(result))
    assert result.check("sampled").accepted and not again.accepted and again == result
    with pytest.raises(ValueError, match="did you mean 'sampled'"):
        result.check("sampeld")


@pytest.mark.parametrize("name", ["partial", "driver-lock", "readd-late-response"])
def test_scenarios_go_there_and_back(name):
    """Equal, and open to more operations, with the handles that travelled along; the original stays as it is."""
    scenario = scenarios.build(name)
    for again in (pickle.loads(pickle.dumps(scenario)), copy.deepcopy(scenario), copy.copy(scenario)):
        assert again == scenario and str(again) == str(scenario) and again is not scenario
        again.task("one more").fail_next_alloc()
        assert again != scenario
    assert scenario == scenarios.build(name)
    assert scenarios.get(name) is pickle.loads(pickle.dumps(scenarios.get(name)))


def test_handles_travel_with_their_scenario():
    """A device that was pickled with its scenario belongs to the copy."""
    s = Scenario("pair")
    dev = s.device(s.queue(), handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    again, its_device = pickle.loads(pickle.dumps((s, dev)))
    again.task("more").report(its_device, grpid=2, pasid=1)
    with pytest.raises(ValueError, match="another scenario"):
        again.task("wrong").report(dev, grpid=3, pasid=1)
    program = pickle.loads(pickle.dumps(rcget(2)))
    assert program == rcget(2) and "pass" == explore(program).verdict


def test_a_token_that_is_of_another_version_travels_too():
    with pytest.raises(VersionMismatch) as caught:
        importlib.import_module("iopf.explore.token").decode("iopf9.xx")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
