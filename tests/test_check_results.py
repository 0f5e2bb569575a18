# SPDX-License-Identifier: GPL-2.0-only
"""The cache of results: what was explored is not explored again, and nothing else is ever believed.

That a cell came from it is seen in the cell (``cached``); the explorer is not there where it must not be asked.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from iopf import Core, CoreSourceError, _cache, _check_pool, _check_results as results, _source, cli, scenarios
from iopf._check_table import ENDED, Cell, Finding
from iopf.check import check
from iopf.explore.scenario import Scenario

FILES = Path(__file__).resolve().parent / "kernel_files"
FORM = FILES / "form-g.c"
ROWS = ("partial", "refusal")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The place that the user named, and a temporary directory of the test's own: where the files of results are."""
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(_cache, "_full", {})
    monkeypatch.setattr(_cache, "_told", set())
    return tmp_path / "cache" / "results"


@pytest.fixture
def fallback(tmp_path):
    return tmp_path / "temporary" / f"iopf-results-{os.getuid()}"


@pytest.fixture
def no_explorer(monkeypatch):
    """Calling it: from then on nothing may be explored."""

    def forbid():
        def asked(job):
            raise AssertionError(f"{job.scenario} on {job.name} is explored")

        monkeypatch.setattr(_check_pool, "explore_cell", asked)
        monkeypatch.setattr(_check_pool, "explore_all", lambda jobs, *rest: [asked(job) for job in jobs])

    return forbid


class Here:
    """An executor that does it at once, in this process."""

    def submit(self, function, *arguments):
        from concurrent.futures import Future

        future = Future()
        future.set_result(function(*arguments))
        return future


def run(cores=("v7.2",), rows=ROWS, **options):
    """A table with the cache, in this process."""
    return check(cores, rows, executor=Here(), cache=True, **options)


def cell(**changes):
    finding = Finding("leak", "kept", (), "m", "t", "c", "trace", "leak of x; contract kept", "f.c", 3, "f")
    return replace(Cell("row", "core", "fail", None, 3, 4, 0.1, (finding,), True), **changes)


def column(core="core", **options):
    return results.Column(core, options)


def kept(the_cell, core="core"):
    """What comes back of a cell that is put."""
    one = column(core)
    one.put("key", the_cell)
    one.save()
    return column(core).get("key", "row", "core")


# --- what comes back ---


def test_a_column_that_did_not_change_is_not_explored_again(no_explorer):
    """All of its cells are what they were, and say that they are known; with the command's default, too."""
    first = run()
    no_explorer()
    again = run()
    assert not any(cell.cached for cell in first.cells) and all(cell.cached for cell in again.cells)
    assert [replace(cell, cached=True) for cell in first.cells] == list(again.cells)
    assert 0 == again.cells[0].verdict.count("?")
    with pytest.raises(AssertionError, match="is explored"):
        run(rows=(*ROWS, "no-queue"))


def test_the_command_keeps_results_unless_it_is_told_not_to(capsys, no_explorer):
    line = ["check", str(FORM), "--core", "v7.2", "--scenario", "partial"]
    assert 0 == cli.main(line)
    assert "known from before" not in capsys.readouterr().out
    no_explorer()
    assert 0 == cli.main(line)
    assert "2 cells, 2 of them known from before, 0 executions" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="is explored"):
        check(["v7.2"], ["partial"])  # in Python it is said
    # What is a bug of ours to the command is that it was asked.
    assert 70 == cli.main([*line, "--no-cache"])
    assert "is explored" in capsys.readouterr().err


def test_a_file_whose_results_are_known_is_not_even_compiled(no_explorer, monkeypatch):
    core = Core._of_source(FORM, "explore")
    run([core])
    no_explorer()
    monkeypatch.setattr(_source.Prepared, "compile", lambda *given: pytest.fail("it is compiled"))
    assert all(cell.cached for cell in run([core]).cells)


def test_a_file_that_is_saved_meanwhile_puts_nothing_under_the_name_of_what_it_was(tmp_path):
    """Read with one content and explored with another: that is said, and nothing is kept of it."""
    source = tmp_path / "f.c"
    source.write_text(FORM.read_text())

    class Saved(Here):
        def submit(self, function, *arguments):
            source.write_text(f"{FORM.read_text()}\n/* another */\n")
            return super().submit(function, *arguments)

    core = Core._of_source(source, "explore")
    with pytest.raises(CoreSourceError, match=r"f\.c, or what it includes, was changed while it was being checked"):
        check([core], ROWS, executor=Saved(), cache=True)
    source.write_text(FORM.read_text())
    assert not any(cell.cached for cell in run([core]).cells)


def test_a_copy_takes_what_is_known_of_the_original(no_explorer, tmp_path):
    """In one table; its traces name the file that they are of."""
    core = Core._of_source(FORM, "explore")
    run([core], all_failures=True)
    shutil.copy(FORM, tmp_path / "copy.c")
    no_explorer()
    copy = Core._of_source(tmp_path / "copy.c", "explore")
    table = run([copy], baseline=core)
    assert all(cell.cached for cell in table.cells) and ("copy.c", None) == table.same_as
    # Alone it is another core: its traces would name a file that may be gone.
    with pytest.raises(AssertionError, match="is explored"):
        run([copy])


def test_what_a_result_depends_on_is_in_its_name(monkeypatch, tmp_path):
    """The core, the options, the package's code, the explorer's build; of a scenario all that it says."""
    names = {column()._name, column("other")._name, column(budget=1)._name, column(budget=2)._name}
    for what in ("_package", "_explorer"):
        with monkeypatch.context() as patch:
            patch.setattr(results, what, lambda: "others")
            names.add(column()._name)
    assert 6 == len(names)
    assert column()._name in names

    def scenario(grpid):
        made = Scenario("one")
        queue = made.queue()
        device = made.device(queue, handler="inline", pasid=1)
        made.task("irq").report(device, grpid=grpid, pasid=1)
        return made

    keys = [results.scenario_key(scenario(number)) for number in (1, 2, 1)]
    assert keys[0] == keys[2] != keys[1]
    assert 88 <= len({results.scenario_key(scenarios.build(name)) for name in scenarios.names()})
    core = Core._of_source(FORM, "explore")
    other = tmp_path / FORM.name
    other.write_text(FORM.read_text() + "\n")
    prepared = [
        core.prepared_for("explore").digest,
        Core._of_source(other, "explore").prepared_for("explore").digest,
        Core._of_source(FORM, "explore", facets={"answers_partials": False}).prepared_for("explore").digest,
    ]
    assert 3 == len(set(prepared))


def test_a_trace_is_kept_for_the_width_that_it_was_made_for(monkeypatch):
    """It is as wide as the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    run()
    assert all(cell.cached for cell in run().cells)
    monkeypatch.setenv("COLUMNS", "120")
    assert not any(cell.cached for cell in run().cells)


def test_the_explorer_and_the_package_are_told_by_their_content(tmp_path):
    """Not by a version or a time."""
    assert results._package() == results._package.__wrapped__()
    code = "import sys; sys.path.insert(0, sys.argv[1])\nfrom iopf import _check_results as r; print(r._package())"
    shutil.copytree(
        Path(results.__file__).parent, tmp_path / "copy" / "iopf", ignore=shutil.ignore_patterns("__pycache__")
    )
    source = tmp_path / "copy" / "iopf" / "explore" / "trace.py"

    def told():
        return subprocess.run(
            [sys.executable, "-c", code, tmp_path / "copy"], capture_output=True, text=True, check=True, cwd=tmp_path,
            env={**os.environ, "IOPF_ALLOW_STALE": "1"},
        ).stdout  # fmt: skip

    before = told()
    source.write_text(source.read_text() + "\n")
    assert before != told()


# --- what never comes back ---


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "inconclusive", "why": "the time is up"},
        {"verdict": "inconclusive", "why": ENDED, "executions": 0},
        {"verdict": "bounded", "findings": ()},
        {"verdict": "sampled", "findings": ()},
        {"exhausted": False},
        {"executions": 0},
    ],
    ids=str,
)
def test_what_is_not_final_is_never_kept(changes):
    """The next time it may end otherwise."""
    assert kept(cell()) == cell(cached=True)
    assert kept(cell(**changes), "another") is None


def test_an_inconclusive_search_is_made_again(monkeypatch):
    asked = []
    real = _check_pool.explore

    def counted(what, **options):
        asked.append(what.name)
        return real(what, **options)

    monkeypatch.setattr(_check_pool, "explore", counted)
    for _ in range(2):
        table = run(budget=1e-9)
        assert not any(cell.cached for cell in table.cells)
    assert [*ROWS, *ROWS] == asked


def damaged(path, how):
    content = path.read_bytes()
    if how == "half":
        path.write_bytes(content[: len(content) // 2])
    elif how == "a bit":
        path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "junk":
        path.write_bytes(os.urandom(1000))
    elif how == "another form":
        path.write_bytes(content.replace(b"results 1", b"results 9"))
    elif how == "a directory":
        path.unlink()
        path.mkdir()
    elif how == "a pipe":
        path.unlink()
        os.mkfifo(path)
    elif how == "a link":
        path.rename(path.with_suffix(".moved"))
        path.symlink_to(path.with_suffix(".moved"))


@pytest.mark.parametrize("how", ["half", "a bit", "empty", "junk", "another form", "a directory", "a pipe", "a link"])
def test_a_damaged_entry_is_as_good_as_none(cache, how):
    """It is explored again, and kept again where that can be."""
    first = run()
    (path,) = cache.iterdir()
    damaged(path, how)
    again = run()
    assert not any(cell.cached for cell in again.cells)
    assert [cell.verdict for cell in first.cells] == [cell.verdict for cell in again.cells]
    if how != "a directory":
        assert all(cell.cached for cell in run().cells)


@pytest.mark.parametrize(
    "what", [{"findings": None}, {"more": 1}, {"verdict": "bounded"}, {"findings": [{"kind": "leak"}]}]
)
def test_a_cell_of_another_form_is_none(what):
    """As another version may have written it, under a name that comes to the same."""
    one = column()
    one.put("key", cell())
    one._new["key"] |= what
    one.save()
    assert column().get("key", "row", "core") is None
    assert column().get("other key", "row", "core") is None


# --- bounded and shared ---


@pytest.mark.parametrize("bound", ["MAX_FILES", "MAX_BYTES"])
def test_the_least_recently_used_columns_go(cache, monkeypatch, bound):
    """By number and by bytes; what was asked for again stays."""
    kept(cell(), "a")
    size = next(cache.iterdir()).stat().st_size
    monkeypatch.setattr(results, bound, {"MAX_FILES": 3, "MAX_BYTES": 3 * size + 5}[bound])
    for core in "bc":
        kept(cell(), core)
    now = time.time()
    for age, core in enumerate("cba"):
        os.utime(cache / column(core)._name, (now - 100 - age,) * 2)
    assert column("a").get("key", "row", "core")  # used now
    kept(cell(), "d")
    there = {core for core in "abcd" if (cache / column(core)._name).exists()}
    assert there == {"a", "c", "d"}
    assert not list(cache.glob(".*"))


def test_what_killed_processes_left_goes(cache):
    kept(cell())
    left, now = cache / ".writing-old", cache / ".writing-now"
    for path in (left, now):
        path.write_bytes(b"")
    os.utime(left, (0, 0))
    kept(cell(), "another")
    assert not left.exists() and now.exists()


def test_two_that_write_one_column_keep_the_cells_of_both():
    """The second looks again before it writes."""
    first, second = column(), column()
    first.put("one", cell())
    second.put("two", cell())
    first.save()
    second.save()
    assert all(column().get(key, "row", "core") for key in ("one", "two"))


def test_processes_share_it(tmp_path):
    line = [sys.executable, "-m", "iopf", "check", "--core", "iopf", "--scenario", "partial", "--json"]
    cached = []
    for _ in range(2):
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        cached += [cell["cached"] for cell in json.loads(done.stdout)["cells"]]
    assert [False, True] == cached


# --- where it can't be had ---


def test_noexec_does_not_matter_to_what_nobody_runs(cache, monkeypatch):
    real = os.statvfs

    def noexec(path):
        state = real(path)
        return os.statvfs_result((*state[:8], state.f_flag | os.ST_NOEXEC, state.f_namemax))

    monkeypatch.setattr(os, "statvfs", noexec)
    run()
    assert all(cell.cached for cell in run().cells) and list(cache.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.get)
def test_a_place_without_room_is_left_for_the_next_one(cache, fallback, monkeypatch, number):
    """And where there is none anywhere, nothing is kept and nothing is said."""
    real = os.replace

    def full(source, target):
        if Path(target).is_relative_to(cache):
            raise OSError(number, os.strerror(number))
        return real(source, target)

    monkeypatch.setattr(os, "replace", full)
    run()
    assert [] == list(cache.iterdir()) and list(fallback.iterdir())
    assert all(cell.cached for cell in run().cells)
    shutil.rmtree(fallback)
    monkeypatch.setattr(_cache, "_full", {})
    monkeypatch.setattr(results, "_write", lambda *given: full("x", cache / "y"))
    for _ in range(2):
        assert not any(cell.cached for cell in run().cells)


def test_what_lies_in_a_read_only_place_is_used(cache, fallback, monkeypatch):
    run()
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_relative_to(cache))
    assert all(cell.cached for cell in run().cells) and not fallback.exists()
    run(["v6.12"])
    assert list(fallback.iterdir())


def test_a_place_where_others_can_write_is_not_believed(cache):
    """Who could write there could make a verdict."""
    run()
    cache.chmod(0o777)
    assert not any(cell.cached for cell in run().cells)


def test_compiled_cores_and_results_do_not_push_each_other_out(cache, monkeypatch):
    """Where the user named one place for all of it."""
    run()
    monkeypatch.setattr(_cache, "MAX_ENTRIES", 1)
    for name in ("one", "two"):
        Core._from_source(FORM, "explore", name=name)
    assert all(cell.cached for cell in run().cells) and cache.is_dir()


def test_an_interrupt_keeps_what_was_found(monkeypatch):
    """The next run goes on from there."""
    done = []

    def interrupted(jobs, take, *rest):
        for job in jobs:
            if done:
                raise KeyboardInterrupt
            done.append(take(_check_pool.explore_cell(job)))

    with monkeypatch.context() as patch:
        patch.setattr(_check_pool, "explore_all", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            check(["v7.2"], ROWS, cache=True)
    assert 1 == len(caught.value.args[0].cells)
    assert [True, False] == [cell.cached for cell in run().cells]
