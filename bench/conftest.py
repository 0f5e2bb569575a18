# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmarks share: the clock that C advances, two sides in turn, and ``--quick``."""

import gc
import importlib.util
from pathlib import Path

import pytest

from iopf import _bench


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="bench: few and short rounds, to see that everything runs")


class CClock:
    """Stands still unless an experiment says how long it took in C: seconds, as pytest-benchmark wants them."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds

    def advance(self, ns):
        self.seconds += ns * 1e-9


CLOCK = CClock()


def pytest_collection_modifyitems(config, items):
    """The layer of a benchmark is in its name; the layers are timed differently."""
    longest = 0.05 if config.getoption("--quick") else 1.0
    for item in items:
        if item.name.startswith("test_c_"):
            item.add_marker(pytest.mark.benchmark(group="c", timer=CLOCK))
        elif item.name.startswith("test_py_"):
            # Without a least time pytest-benchmark picks one call a round, and reads its own clock.
            item.add_marker(pytest.mark.benchmark(group="py", warmup=True, min_time=0.0005, max_time=longest))
        elif item.name.startswith("test_e2e_"):
            item.add_marker(pytest.mark.benchmark(group="e2e"))


@pytest.fixture
def quick(pytestconfig):
    """Is this only a look?"""
    return pytestconfig.getoption("--quick") or pytestconfig.getoption("benchmark_disable")


@pytest.fixture
def take_turns(benchmark, quick):
    """Runs turns as a benchmark of the c_ layer: its time is the first side's, the ratios are in extra_info."""

    def run(turns, rounds=40):
        gc.collect()
        with turns:
            benchmark.pedantic(lambda: CLOCK.advance(turns.round()), rounds=4 if quick else rounds)
            first = turns.sides[0].label
            while turns.comparison.tried[first] < 8:  # --benchmark-disable: one call
                turns.round()
            # Threads that were to meet: for rounds that do not count there are others, but not without end.
            enough = min(8, turns.comparison.tried[first])
            while (
                turns.comparison.fewest() < enough and turns.comparison.tried[first] < _bench.MORE_ROUNDS * 2 * rounds
            ):
                turns.round()
        benchmark.extra_info.update(turns.comparison.as_info())
        return turns.comparison

    return run


@pytest.fixture
def experiment(take_turns, quick):
    """Runs a line of the table, by what it is called there, and holds it to a ratio."""

    def run(item, case, at_least, state="worked"):
        """``at_least``: what the ratio to plain has to be, in that state of the device."""
        found = next(e for e in _bench.experiments() if (e.item, e.case, e.state) == (item, case, state))
        if found.threads > _bench.cpus():
            pytest.skip(f"needs {found.threads} CPUs")
        comparison = take_turns(found.turns(quick=quick), found.rounds[0])
        if not comparison.fewest():
            pytest.skip("no round in which both threads ran: the machine does other things")
        # A few short rounds of two threads, beside whatever else runs, show nothing.
        if not (quick and found.threads > 1):
            assert at_least < comparison.ratio("plain")
        return comparison

    return run


@pytest.fixture(scope="session")
def instructions():
    """The module instructions.py: files in this folder are not importable by name."""
    spec = importlib.util.spec_from_file_location("instructions", Path(__file__).with_name("instructions.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Every benchmark ends with the live objects that it began with."""
    import iopf

    before = iopf.live_objects()
    yield
    gc.collect()
    assert before == iopf.live_objects()
