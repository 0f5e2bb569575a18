# SPDX-License-Identifier: GPL-2.0-only
"""What breaks a core outside the explorer: it is data, it is true, and whoever is about to do it is told."""

import errno
import inspect
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import iopf
from iopf import scenarios
from iopf.explore import explore
from iopf.run import TraceRun, run_trace

FILES = Path(__file__).resolve().parent / "kernel_files"
SAMPLES = Path(iopf.__file__).resolve().parent / "samples"
CORES = list(iopf.cores())

#: hazard: a scenario that is it, and what the explorer finds in it exactly where the core has the hazard
SHOWN = {
    "partials": ("partial", {"use-after-free"}, "group#"),
    "refusal": ("refusal", {"use-after-free"}, "param#"),
    "lock": ("answer-in-handler", {"deadlock"}, ""),
    "removal": ("free-queue-pending", {"use-after-free"}, ""),
    "queue": ("free-queue-held", {"unexpected-return"}, "-16"),
    "beside": ("detach-report", {"use-after-free"}, ""),
}


def iopf_command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "iopf", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


def test_each_hazard_has_a_name_and_says_what_happens():
    assert list(SHOWN) == list(iopf.HAZARDS)
    assert all(text and not text.endswith(".") for text in iopf.HAZARDS.values())
    assert {"HAZARDS", "UnsafeCore", "UnsafeCoreWarning"} <= set(iopf.__all__)


@pytest.mark.parametrize("hazard", SHOWN)
def test_a_core_has_the_hazards_that_the_explorer_shows(hazard):
    """For every core, both ways: who has the hazard fails in the scenario, and nobody else does in that way."""
    scenario, kinds, message = SHOWN[hazard]
    failing = {
        core
        for core in CORES
        if any(
            failure.kind in kinds and message in failure.message
            for failure in explore(scenarios.build(scenario), core=core).failures
        )
    }
    assert {name for name, core in iopf.cores().items() if hazard in core.hazards} == failing


def test_ours_has_none():
    assert () == iopf.cores()["iopf"].hazards
    assert all(core.hazards for name, core in iopf.cores().items() if name != "iopf")


@pytest.mark.parametrize(
    ("form", "hazards"),
    [
        ("form-b.c", {"refusal", "beside"}),
        ("form-e-lost-return.c", {"partials", "beside"}),
        ("form-e.c", {"beside"}),
        ("form-g.c", {"beside"}),
        ("form-j.c", {"removal", "beside"}),
    ],
)
def test_a_users_file_has_those_of_its_form(form, hazards):
    assert hazards == set(iopf.Core.from_source(FILES / form).hazards)


# --- a queue ---


@pytest.mark.parametrize("core", CORES)
def test_a_queue_warns_of_a_core_that_can_break_the_process(core):
    """Once for each queue, at the line that makes it, with each hazard in words; ours says nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = inspect.currentframe().f_lineno + 1
        iopf.Queue("q", core=core).close()
    hazards = iopf.cores()[core].hazards
    assert bool(hazards) == bool(caught)
    for warning in caught:
        assert warning.category is iopf.UnsafeCoreWarning
        assert (__file__, line) == (warning.filename, warning.lineno)
        assert all(iopf.HAZARDS[hazard] in str(warning.message) for hazard in hazards)


def test_as_an_error_the_warning_leaves_nothing_behind():
    """The queue does not come to be: nothing of it is alive afterwards, which the end of every test looks at."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", iopf.UnsafeCoreWarning)
        with pytest.raises(iopf.UnsafeCoreWarning, match=r"core v7\.2 can corrupt"):
            iopf.Queue("q", core="v7.2")


# --- a run ---


def run(core, group):
    return run_trace(SAMPLES / "perl.lackey.xz", SAMPLES / "perl.maps", core=core, group=group, resident=64)


def test_a_run_refuses_what_would_free_memory_twice():
    """An exception that is both: of this package, and of a value that can't be used. It says what to do."""
    with pytest.raises(iopf.UnsafeCore) as caught:
        run("v6.9", 2)
    assert errno.EOPNOTSUPP == caught.value.errno
    assert isinstance(caught.value, (iopf.IopfError, ValueError))
    for words in ("core v6.9", "group=1", "--group 1", "iopf explore partial --core v6.9", "freed twice"):
        assert words in str(caught.value)
    with pytest.raises(iopf.UnsafeCore):
        TraceRun(iopf.AddressSpace(), core=iopf.cores()["v6.9"], runtime="plain")


def test_with_groups_of_one_page_it_runs():
    """Nothing is partial then: every request is answered, and nothing is left."""
    result = run("v6.9", 1)
    assert result.complete
    assert (0, result.requests) == (result.merged, result.groups)


def test_a_run_warns_of_nothing():
    """It does nothing else that could break a core."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run("v7.2", 8).complete


@pytest.mark.parametrize("core", ["v6.9", FILES / "form-e-lost-return.c"])
def test_the_command_refuses_in_one_line(core):
    """Exit code 2, nothing on standard output, with --json too."""
    for json_option in ((), ("--json",)):
        done = iopf_command(
            "run", SAMPLES / "perl.lackey.xz", "--maps", SAMPLES / "perl.maps", "--core", core, *json_option
        )
        assert (2, "") == (done.returncode, done.stdout)
        assert 1 == done.stderr.count("\n")
        assert f"iopf explore partial --core {core}" in done.stderr
        assert "--group 1" in done.stderr


def test_the_list_of_cores_names_them():
    listed = {core["name"]: core["hazards"] for core in json.loads(iopf_command("cores", "--json").stdout)}
    assert {name: list(core.hazards) for name, core in iopf.cores().items()} == listed
    lines = iopf_command("cores").stdout.splitlines()
    assert lines[0].startswith("iopf ") and "breaks" not in lines[0]
    assert lines[-1].endswith("; on a queue it breaks by: removal, beside")


# --- the bench ---


def test_the_bench_takes_a_file_and_leaves_out_what_its_form_can_not_run():
    done = iopf_command("bench", "--quick", "--json", "--core", FILES / "form-e-lost-return.c")
    assert (0, "") == (done.returncode, done.stderr)
    result = json.loads(done.stdout)
    assert {"form-e-lost-return.c"} == {row["core"] for row in result["rows"]}
    assert "B 8-page group, per fault: in this form a partial fault frees memory twice" in result["skipped"]
    parallel = {"C"} if len(os.sched_getaffinity(0)) > 1 else set()  # two threads on one CPU never meet
    assert {"A", "E", "F", *parallel} <= {row["item"] for row in result["rows"]}
    assert "stock" in {row["baseline"] for row in result["rows"]}


@pytest.mark.parametrize("core", ["v1.0", "no-such-file.c"])
def test_the_bench_refuses_what_is_no_core(core):
    done = iopf_command("bench", "--quick", "--core", core)
    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("iopf bench: ")
    assert core in done.stderr
    assert "Traceback" not in done.stderr
