# SPDX-License-Identifier: GPL-2.0-only
"""Steps that are taken for independent are: exchanged in random executions, nothing is different afterwards.

All reductions rest on that. The exchanging is C's (csrc/explore/oracle.c), which no strategy of ``explore`` offers: it
says nothing about a core, and collects no failures.
"""

import importlib.util
import shutil

import core_scenarios as sc
import micro
import mutants
import pytest

from iopf.explore import Scenario, _engine
from iopf.explore._engine import text
from iopf.explore.bytecode import compile_scenario
from iopf.explore.loader import load
from iopf.explore.programs import rcget
from iopf.explore.search import find_core

EXCHANGES = 5000


def exchanged(scenario, core="iopf", commute=True, exchanges=EXCHANGES, seed=0):
    """How many executions were compared, and what was different: None, or two steps as text."""
    with _engine.turn() as engine:
        compiled = compile_scenario(scenario, engine.lib)
        options = engine.ffi.new("struct xp_options *")
        options.core = find_core(core)
        options.strategy = engine.lib.XP_S_ORACLE
        options.flags = engine.lib.XP_O_COMMUTE if commute else 0
        options.max_executions, options.seed = exchanges, seed
        result = engine.ffi.new("struct xp_result *")
        code = engine.ffi.from_buffer("int32_t[]", compiled.words)
        engine.check(engine.lib.xp_explore(code, len(compiled.words), options, result), scenario.name)
        return result.executions, text(engine.ffi, result.why)


SCENARIOS = (
    sc.work_against_removal, sc.two_reporters_against_removal, sc.flush_beside_removal, sc.late_response_after_readding,
    sc.discard_against_partials, sc.partials_against_removal, sc.free_with_work_pending, sc.no_memory_against_removal,
    sc.refusal_against_removal, sc.detach_against_report, sc.add_against_report, sc.held_against_removal,
    sc.second_removal, sc.attach_beside_detach,
)  # fmt: skip


@pytest.mark.parametrize("commute", [False, True], ids=["", "commute"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.__name__ for scenario in SCENARIOS])
def test_independent_steps_of_the_core_commute(scenario, commute):
    """Of races over the real code: locks, counts, RCU, works, allocations that fail."""
    compared, difference = exchanged(scenario(), commute=commute)
    assert (None, True) == (difference, compared >= EXCHANGES), difference


@pytest.mark.parametrize("number", range(30))
def test_independent_steps_of_random_programs_commute(number):
    """Of programs over two mutexes, two counts, two atomics, RCU and a work."""
    assert exchanged(micro.random_program(number), exchanges=1000)[1] is None


@pytest.mark.parametrize("number", range(25))
def test_independent_steps_of_programs_of_callbacks_commute(number):
    """Callbacks, readers, grace periods and barriers."""
    assert exchanged(micro.random_rcu_program(number), exchanges=1000)[1] is None


def test_independent_steps_of_the_golden_program_commute():
    """rcget, whose classes are known."""
    assert exchanged(rcget(4))[1] is None


def two_devices():
    """Two devices on two queues: their reports have nothing in common."""
    s = Scenario("reports of two devices")
    for name in ("irq 1", "irq 2"):
        s.task(name).report(s.device(s.queue(), handler="inline", pasid=1), grpid=1, pasid=1)
    return s


#: State that the explorer does not see, under a lock of each device's own: who comes first is answered otherwise.
HIDDEN = mutants.mutant(
    "hidden-state",
    mutants.FAULT,
    two_devices,
    set(),
    (
        "static inline void iopf_respond(",
        """static noinline __attribute__((no_sanitize("thread"))) int iopf_turn(void)
{
	static int turn;

	return turn++ & 1;
}

static inline void iopf_respond(""",
    ),
    ("		.code = code,\n", "		.code = iopf_turn() ? IOMMU_PAGE_RESP_FAILURE : code,\n"),
)


def test_steps_that_do_not_commute_are_found(tmp_path):
    """The control: a core that keeps state where no hook sees it, on a scenario where the unchanged core passes."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    assert exchanged(two_devices())[1] is None
    library = mutants.compile_mutant(HIDDEN, tmp_path, importlib.util.find_spec("iopf._explore").origin)
    compared, difference = exchanged(two_devices(), core=load(library, "iopf_core_iopf"))
    assert compared < EXCHANGES and "commute, and do not" in difference
