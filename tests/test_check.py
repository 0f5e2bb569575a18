# SPDX-License-Identifier: GPL-2.0-only
"""``iopf check``: the table, its exit codes, and a user's own file as a column of it."""

import contextlib
import importlib.util
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from iopf import Core, check as checking, scenarios

ROOT = Path(__file__).resolve().parent.parent
FILES = Path(__file__).resolve().parent / "kernel_files"
QUICK = ("remove-queued-work", "remove-held-group", "refusal", "partial", "free-queue-pending", "partial-two-pasids")


def beside(name):
    spec = importlib.util.spec_from_file_location(f"kernel_files_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CHANGES, SAME_AS = beside("changes"), beside("forms").SAME_AS

#: change: a scenario that shows it, and code on a line that its trace has to name
SHOWN = {
    "a stored partial keeps the reference": ("partial", "kzalloc"),
    "a response leaves the group pending": ("flush-then-remove", "kfree(group)"),
    "removal poisons instead of initialising": ("remove-held-group", "mutex_lock(&fp->lock)"),
    "a response keeps the lock": ("flush-then-remove", "mutex_lock(&fp->lock)"),
    "the param does not wait for readers": ("remove-late-report", "kfree(fp)"),
    "the lookup revives a param without references": ("remove-late-report", "refcount_inc(&fp->users)"),
    "an aborted group is not answered": ("refusal", "kfree("),
    "removal leaves the pointer": ("remove-late-report", "mutex_unlock("),
    "removal keeps the base reference": ("partial", "kzalloc"),
    "a freed group keeps its reference": ("partial", "kzalloc"),
    "partials of a group stay stored": ("partial", "list_for_each_entry"),
    "discarding does not lock": ("discard-report", "list_for_each_entry"),
    "a response does not ask whether the group is pending": ("remove-held-group", "mutex_lock("),
}


@pytest.fixture
def cache(kernel_trees):
    return kernel_trees.cache


@pytest.fixture
def check(cache):
    """Runs ``iopf check``: a function of its arguments that gives the finished process."""

    def check(*arguments, **environment):
        env = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment}
        return subprocess.run(
            [sys.executable, "-m", "iopf", "check", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=env,
            timeout=300,
            check=False,
        )

    return check


def only(*names):
    return [argument for name in names for argument in ("--scenario", name)]


def kinds(data, core):
    """Kinds and contracts of the findings of a core, by scenario."""
    return {
        cell["scenario"]: {(finding["kind"], finding["contract"]) for finding in cell["findings"]}
        for cell in data["cells"]
        if cell["core"] == core
    }


# --- the table ---


def test_the_whole_table_takes_less_than_a_minute_and_ours_passes_everywhere(check):
    """Exit code 0: what fails is history. No colours where there is no terminal. The minute is one of processors."""
    begin = os.times()
    done = check()
    assert 0 == done.returncode, done.stdout + done.stderr
    end = os.times()
    assert end.children_user + end.children_system - begin.children_user - begin.children_system < 60
    assert "\033" not in done.stdout
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line[:1].isalpha()}
    for name in scenarios.names():
        assert re.match(rf"{name} +✓ \d", rows[name]), rows[name]
    assert "deadlock" in rows["flush-pending-work"] or "deadlk" in rows["flush-pending-work"]


def test_json_has_every_cell_with_clauses_and_tokens(check):
    """The same as data: a failure names what the driver broke, and how to run it again."""
    done = check("--json", "--core", "v6.14", "--core", "iopf", *only("remove-queued-work", "free-queue-pending"))
    data = json.loads(done.stdout)
    assert 0 == done.returncode
    assert [("v6.14", False), ("iopf", True)] == [(core["name"], core["claims_correct"]) for core in data["cores"]]
    assert 4 == len(data["cells"]) and data["complete"] and [] == data["bugs"]
    found = kinds(data, "v6.14")
    assert {("use-after-free", "broken")} == found["remove-queued-work"]
    assert {("use-after-free", "kept")} == found["free-queue-pending"]
    broken = next(
        cell for cell in data["cells"] if cell["core"] == "v6.14" and cell["scenario"] == "remove-queued-work"
    )
    assert "flush" in broken["findings"][0]["clauses"][0]
    assert broken["findings"][0]["token"].startswith("iopf")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--core", "v9.99"), "no core 'v9.99'"),
        (("--scenario", "nothing"), "no scenario 'nothing'"),
        (("--budget", "0"), "--budget"),
        (("--facet", "removal=frees"), "there is none"),
        (("no-such-file.c",), "No such file"),
        ((FILES / "form-g.c", "--facet", "removal=maybe"), "removal is one of"),
        ((FILES / "form-g.c", "--facet", "removal"), "NAME=VALUE"),
        ((FILES / "changes.py",), "Supported"),
    ],
    ids=str,
)
def test_what_cannot_be_checked_is_said_in_a_line(check, arguments, says):
    """Exit code 2, a message, never a traceback."""
    done = check(*arguments)
    assert 2 == done.returncode
    assert says in done.stderr and "Traceback" not in done.stderr and "" == done.stdout


def test_a_missing_compiler_and_a_compile_error_are_said(check, tmp_path):
    """With the compiler's first error, by the file's own path."""
    done = check(FILES / "form-g.c", CC="no-such-compiler")
    assert 2 == done.returncode and "no-such-compiler" in done.stderr and "Traceback" not in done.stderr
    bad = tmp_path / "io-pgfault.c"
    bad.write_text((FILES / "form-g.c").read_text() + "\nint broken(void) { return missing; }\n")
    done = check(bad)
    assert 2 == done.returncode
    assert "missing" in done.stderr and str(bad) in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c_prints_what_is_done_and_exits_with_130(cache, session):
    """The table of the cells that were finished: it comes when a terminal shows that some are."""
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    terminal, stderr = os.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        run = session(sys.executable, "-m", "iopf", "check", "--no-cache", stderr=stderr, env=env)
        os.close(stderr)
        progress = b""
        while not re.search(rb"\d of \d+ cells", progress):
            more = shown.read(4096)
            assert more, progress
            progress += more
        os.kill(run.pid, signal.SIGINT)
        out, _ = run.end()
        with contextlib.suppress(OSError):  # how a terminal ends
            progress += shown.read(1 << 16)
    assert (130, True) == (run.process.returncode, "scenario" in out), progress
    assert re.search(r"^[1-9]\d* cells, ", out, re.M), out
    assert b"Traceback" not in progress


# --- a user's file ---


@pytest.fixture(scope="module")
def tables(kernel_trees):
    """Every kernel-style file, each in a kernel tree of its own with an iommu-priv.h that is an #error; and ours."""
    jobs = {
        **dict.fromkeys([*SAME_AS, "form-e-vendor", "form-f-lost-return", "ours"], QUICK),
        **{name: shown[:1] for name, shown in SHOWN.items()},
    }
    kernel_trees.compile([(name, "explore") for name in jobs])
    done = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(kernel_trees.cache))
        with ProcessPoolExecutor(os.cpu_count() or 1, multiprocessing.get_context("spawn")) as pool:
            for name, rows in jobs.items():
                table = checking.check([Core._from_source(kernel_trees.paths[name], "explore")], rows, executor=pool)
                done[name] = table.exit_code, table.to_dict(), kernel_trees.paths[name]
            done["history"] = checking.check(sorted(set(SAME_AS.values())), QUICK, executor=pool).to_dict()
    return done


@pytest.mark.parametrize("form", SAME_AS)
def test_a_form_fails_where_its_revision_does(form, tables):
    """A file that is none of ours gets the verdicts of the revision whose facets it has."""
    code, data, _ = tables[form]
    expected = kinds(tables["history"], SAME_AS[form])
    assert expected == kinds(data, "io-pgfault.c")
    assert int(any(contract == "kept" for row in expected.values() for _, contract in row)) == code


def test_the_fixed_form_of_the_lost_return_is_clean_where_that_was_not(tables):
    """6.10.y: one line less, and the partial is none any more."""
    assert set() == kinds(tables["form-e"][1], "io-pgfault.c")["partial"]
    # Two mixtures: the lost return with attach handles, and with removal that frees.
    for mixture in ("form-e-vendor", "form-f-lost-return"):
        assert ("use-after-free", "kept") in kinds(tables[mixture][1], "io-pgfault.c")["partial"], mixture
    assert ("use-after-free", "kept") in kinds(tables["form-e-lost-return"][1], "io-pgfault.c")["partial"]


def test_our_own_file_is_clean_as_a_users_file(tables):
    """The same way, the same verdict as built in."""
    code, data, _ = tables["ours"]
    assert 0 == code and [] == data["bugs"]
    assert {name: set() for name in QUICK} == kinds(data, "io-pgfault.c")
    assert {"pass"} == {cell["verdict"] for cell in data["cells"]}


@pytest.mark.parametrize("change", CHANGES.CHANGES, ids=[change.name for change in CHANGES.CHANGES])
def test_a_one_line_bug_turns_its_row_red(change, tables):
    """The expected kind, which the unchanged file does not have there; the trace names lines of that very file."""
    _, data, path = tables[change.name]
    scenario, code = SHOWN[change.name]
    (cell,) = data["cells"]
    assert ("fail", scenario) == (cell["verdict"], cell["scenario"])
    findings = [finding for finding in cell["findings"] if finding["kind"] in change.kinds]
    assert findings, [(finding["kind"], finding["message"]) for finding in cell["findings"]]
    text = path.read_text().split("\n")
    trace = "\n".join(finding["trace"] for finding in findings)
    lines = {int(number) for number in re.findall(r"io-pgfault\.c:(\d+)", trace)}
    assert lines and max(lines) <= len(text)
    assert any(code in text[number - 1] for number in lines), sorted((n, text[n - 1].strip()) for n in lines)
    # Columns have the file's name alone, places the path.
    assert all(str(path) in finding["trace"] for finding in findings)


def function_around(number, text):
    """The lines of the function that a line is in, counted from 1: kernel style, nothing else begins at the margin."""
    first = max(index for index, line in enumerate(text[:number], 1) if line == "{")
    return range(first, next(index for index, line in enumerate(text[first:], first + 1) if line == "}") + 1)


@pytest.mark.parametrize(
    "change", [change for change in CHANGES.CHANGES if change.kinds == ("leak",)], ids=lambda change: change.name
)
def test_a_missing_put_is_looked_for_in_its_function(change, tables, kernel_trees):
    """A line that is not there is named by those next to it: the leak's places lead into the function that lost it."""
    _, data, path = tables[change.name]
    leak = next(finding for finding in data["cells"][0]["findings"] if finding["kind"] == "leak")
    places = leak["trace"].split("\n\n")[-2]
    lines = {
        int(number)
        for row in places.splitlines()
        if re.match("  (last|freed|  )", row)
        for number in re.findall(rf"{re.escape(str(path))}:(\d+)", row)
    }
    lost_at = change.line(kernel_trees.paths[CHANGES.BASE].read_text())
    assert lines & set(function_around(lost_at, path.read_text().split("\n"))), (lost_at, places)
    assert "its count is still 1" in leak["message"] and "perhaps never put" in places


def test_the_base_of_the_changes_is_clean_in_their_rows(check, kernel_trees):
    """So that what a changed file shows is the change."""
    rows = sorted({scenario for scenario, _ in SHOWN.values()})
    data = json.loads(check("--json", kernel_trees.paths[CHANGES.BASE], *only(*rows)).stdout)
    assert {name: set() for name in rows} == kinds(data, "io-pgfault.c")


def test_facets_can_be_overridden_and_are_shown(check, tmp_path):
    """What the text shows, what the user says instead."""
    file = tmp_path / "mine.c"
    shutil.copy(FILES / "form-g.c", file)
    done = check(file, "--facet", "answers_partials=false", *only("partial"))
    assert 0 == done.returncode, done.stderr
    first, second = done.stdout.split("\n")[:2]
    assert f"{file}: v6.12 and v6.13, attach handles" == first
    assert "lookup=handle" in second and "answers_partials" not in second
