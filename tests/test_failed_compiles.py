# SPDX-License-Identifier: GPL-2.0-only
"""A file that does not compile is compiled once; one that was checked alone is not explored again beside a baseline."""

from pathlib import Path

import pytest

from iopf import Core, CoreSourceError, _check_pool, _failed_compiles as failed, _source
from iopf.check import check

FORM = (Path(__file__).resolve().parent / "kernel_files" / "form-g.c").read_text()
BROKEN = FORM.replace("return 0;", "return no_such_name;", 1)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "io-pgfault.c"
    path.write_text(BROKEN)
    return path


@pytest.fixture
def compiles(monkeypatch):
    """What the compiler was started for since."""
    started = []
    run = _source._run

    def counted(words, *rest):
        started.extend([words] if "-c" in words else [])
        return run(words, *rest)

    monkeypatch.setattr(_source, "_run", counted)
    return started


def errors(tmp_path):
    return sorted((tmp_path / "cache" / "errors").glob("*.error"))


def compiled(path, **options):
    with pytest.raises(CoreSourceError) as raised:
        Core._from_source(path, "explore", **options)
    error = raised.value
    return str(error), error.errno, error.first_error, error.output, type(error)


def test_a_file_with_an_error_is_compiled_once(file, compiles, tmp_path, command):
    """The error is the same to the letter, from Python and from the command line; another runtime is another compile."""
    first = compiled(file)
    assert 1 == len(compiles) == len(errors(tmp_path)) and "no_such_name" in first[2]
    assert first == compiled(file) and CoreSourceError is first[-1]
    for _ in range(2):
        code, _, err = command("check", file, "--scenario", "partial")
        assert 2 == code and "no_such_name" in err
    assert 1 == len(compiles)
    with pytest.raises(CoreSourceError, match="no_such_name"):
        Core.from_source(file)
    assert 2 == len(compiles)


def test_what_changed_is_compiled_again(file, compiles, tmp_path):
    """Another error, other facets, another path, and the file mended: each is asked; the first one is still known."""
    compiled(file)
    file.write_text(BROKEN.replace("no_such_name", "another_name"))
    assert "another_name" in compiled(file)[2]
    compiled(file, facets={"kzalloc_obj": True})
    assert 3 == len(compiles) == len(errors(tmp_path))
    file.write_text(FORM)
    assert Core._from_source(file, "explore").source == file
    file.write_text(BROKEN)
    number = len(compiles)
    assert "no_such_name" in compiled(file)[2] and number == len(compiles)


def test_what_is_no_matter_of_the_file_is_asked_again(file, compiles, tmp_path, monkeypatch):
    """A compiler that was killed, or that is none: it may be otherwise the next time."""
    compiler = tmp_path / "cc"
    for says in ("kill -9 $$", "echo hello; exit 1", "echo 'error: No space left on device' >&2; exit 1"):
        compiler.write_text(f"#!/bin/sh\n{says}\n")
        compiler.chmod(0o755)
        monkeypatch.setenv("CC", str(compiler))
        before = len(compiles)
        compiled(file)
        between = len(compiles)
        compiled(file)
        assert before < between < len(compiles) or "space" in says
    assert [] == errors(tmp_path)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-9]), lambda path: path.write_text(""),
                                    lambda path: path.write_bytes(failed.HEADER + b"0\n{}")])  # fmt: skip
def test_a_damaged_file_is_as_good_as_none(damage, file, compiles, tmp_path):
    """It is compiled again, and kept again."""
    first = compiled(file)
    (kept,) = errors(tmp_path)
    damage(kept)
    assert first == compiled(file) and 2 == len(compiles)
    assert first == compiled(file) and 2 == len(compiles)


def test_their_number_is_bounded(file, tmp_path, monkeypatch):
    """The oldest go."""
    monkeypatch.setattr(failed, "MAX_FILES", 2)
    for name in ("one", "two", "three"):
        file.write_text(BROKEN.replace("no_such_name", name))
        compiled(file)
    assert 2 == len(errors(tmp_path))


# --- results ---


def test_what_was_checked_alone_is_known_beside_a_baseline(file, tmp_path, monkeypatch):
    """Of the file no cell is explored again, and of the baseline none that was checked; what is found is what a table
    without a cache finds."""
    new, old = file, tmp_path / "old.c"
    new.write_text((Path(__file__).resolve().parent / "kernel_files" / "form-j.c").read_text())
    old.write_text(FORM)
    rows = ["partial", "remove-held-group", "free-queue-pending", "bad-setup-partial"]
    explored = []
    explore_all = _check_pool.explore_all

    def counted(jobs, take, *rest):
        explored.extend((job.name, job.scenario) for job in jobs)
        explore_all(jobs, take, *rest)

    monkeypatch.setattr(_check_pool, "explore_all", counted)
    cores = [Core._of_source(path, "explore") for path in (new, old)]
    check([cores[0]], rows, cache=True)
    assert 4 == len(explored)
    both = check([cores[0]], rows, baseline=cores[1], cache=True)
    assert [(old.name, row) for row in rows] == explored[4:]
    assert {cell.core for cell in both.cells if cell.cached} == {new.name}
    fresh = check([cores[0]], rows, baseline=cores[1])
    assert [cell.findings for cell in fresh.cells] == [cell.findings for cell in both.cells]
    check([cores[1]], rows, cache=True)  # and the other way round
    assert 16 == len(explored)
