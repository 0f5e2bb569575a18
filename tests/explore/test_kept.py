# SPDX-License-Identifier: GPL-2.0-only
"""Failures that are kept: short ids, where their files are, and what becomes of one that is not as it was left."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import threading
from pathlib import Path

import pytest

from iopf import cli
from iopf.explore import as_test, explore, kept, replay
from iopf.scenarios import build

ROOT = Path(__file__).resolve().parents[2]
SCENARIO, CORE = "remove-queued-work", "v6.14"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory of the user's, without what the tests set: failures are kept below it, or in the cache beside it."""
    monkeypatch.delenv(kept.VARIABLE)
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def failure():
    return explore(build(SCENARIO), core=CORE).failure


@pytest.fixture
def run(capsys):
    def run(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def files(folder):
    return sorted(path.name for path in folder.glob("*.json"))


def test_a_trace_ends_with_an_id_that_a_replay_finds(here, run, failure):
    """Of explore, replay and check; ten digits, the beginning of a hash of the token, so the same one every time."""
    code, out, _ = run("explore", SCENARIO, "--core", CORE)
    (found,) = re.findall(r"^  iopf replay (\S+)$", out, re.M)
    assert 1 == code and found == failure.id == hashlib.sha256(failure.token.encode()).hexdigest()[:10]
    assert failure.token not in out
    for given in (found, found.upper(), found[:6], f" {found}\n"):
        code, out, _ = run("replay", given)
        assert 1 == code and failure.message in out and f"iopf replay {found}\n" in out
    code, out, _ = run("check", "--core", CORE, "--scenario", SCENARIO, "--all")
    (checked,) = re.findall(r"^  iopf replay (\S+)$", out, re.M)
    assert 10 == len(checked) and 1 == run("replay", checked)[0]
    assert f"{failure.about}" in (here / ".iopf" / "failures" / files(here / ".iopf" / "failures")[0]).read_text()


def test_the_token_is_printed_on_demand_and_nothing_is_kept(here, run, failure):
    """--long-token, of explore and check; the data of --json has the token in any case."""
    assert failure.token in run("explore", SCENARIO, "--core", CORE, "--long-token")[1]
    assert "iopf replay iopf2." in run("check", "--core", CORE, "--scenario", SCENARIO, "--all", "--long-token")[1]
    assert failure.token == json.loads(run("explore", SCENARIO, "--core", CORE, "--json")[1])["failure"]["token"]
    assert [] == list(here.iterdir())


def test_python_writes_nothing_unless_it_is_asked(here, failure):
    """A Result and its trace have the token; keep() puts it where its id is found, by replay() and as_test() too."""
    assert failure.token in str(failure) and [] == list(here.iterdir())
    with pytest.raises(ValueError, match=f"no failure {failure.id} is kept in"):
        replay(failure.id)
    assert (
        failure.keep() and failure.id in failure.render(short=True) and failure.token not in failure.render(short=True)
    )
    assert failure.signature == replay(failure.id).failure.signature
    assert as_test(failure.token) == as_test(failure.id)


def test_git_never_sees_them(here, failure):
    """.iopf ignores all that is in it, itself included; a .gitignore that is there stays as it is."""
    failure.keep()
    assert b"*\n" == (here / ".iopf" / ".gitignore").read_bytes()
    (here / ".iopf" / ".gitignore").write_text("mine\n")
    failure.keep()
    assert "mine\n" == (here / ".iopf" / ".gitignore").read_text()


def test_an_id_and_a_token_are_never_taken_for_each_other(here, run, failure):
    """No id has a dot, and a token always has; what is neither gets a line that says what both look like."""
    failure.keep()
    assert "." in failure.token and re.fullmatch(r"[0-9a-f]{10}", failure.id)
    assert failure.token == kept.resolve(failure.token) and failure.token == kept.resolve(failure.id)
    for text in ("abc", "0123456789x", "iopf2", "a" * 33):
        code, out, err = run("replay", text)
        assert (2, "") == (code, out) and "this is no token of iopf" in err and "10 hexadecimal digits" in err
        assert 1 == len(err.splitlines())


def test_an_unknown_id_says_where_was_looked_and_what_to_do(here, run):
    """One line, exit code 2."""
    code, out, err = run("replay", "0123456789")
    assert (2, "", 1) == (code, out, len(err.splitlines()))
    for part in ("no failure 0123456789 is kept in", str(here / ".iopf" / "failures"), "failures", "--long-token"):
        assert part in err


def test_an_id_of_two_failures_asks_for_more_digits(here, run, failure):
    """Their ids are listed; with enough digits one is found."""
    failure.keep()
    folder = here / ".iopf" / "failures"
    other = failure.id[:6] + ("0" if failure.id[6] != "0" else "1") + "0" * 25
    (folder / f"{other}.json").write_text("{}")
    code, _, err = run("replay", failure.id[:6])
    assert 2 == code and "is the beginning of 2 ids" in err and failure.id in err and other[:10] in err
    assert 1 == run("replay", failure.id[:7])[0]


#: What may lie under a name of ours, and what is said of it.
STRANGE = {
    "cut": (lambda good: good[:-40], "damaged"),
    "empty": (lambda good: b"", "damaged"),
    "nonsense": (lambda good: b"\xff\x00\x01", "damaged"),
    "another token": (lambda good: good.replace(b"iopf2.", b"iopf2.A"), "is damaged: remove it"),
    "somebody's": (lambda good: b'{"name": "value"}', "is no failure that iopf kept"),
    "a list": (lambda good: b"[1, 2]", "is no failure that iopf kept"),
    "deep": (lambda good: b"[" * 100_000, "damaged"),
    "newer": (lambda good: good.replace(b'"iopf-failure": 2', b'"iopf-failure": 3'), "another version of iopf"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_file_that_is_not_as_it_was_left_is_said(what, here, run, failure):
    """One line with its path, exit code 2. Whoever finds the failure again writes it anew."""
    failure.keep()
    (file,) = (here / ".iopf" / "failures").glob("*.json")
    change, says = STRANGE[what]
    file.write_bytes(change(file.read_bytes()))
    code, out, err = run("replay", failure.id)
    assert (2, "", 1) == (code, out, len(err.splitlines())) and says in err and str(file) in err
    assert 1 == run("explore", SCENARIO, "--core", CORE)[0] == run("replay", failure.id)[0]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_said_and_never_waited_for(make, here, run, failure):
    """A directory or a pipe under the name of a failure."""
    folder = here / ".iopf" / "failures"
    folder.mkdir(parents=True)
    make(folder / f"{hashlib.sha256(failure.token.encode()).hexdigest()[:32]}.json")
    code, _, err = run("replay", failure.id)
    assert 2 == code and "can't be read" in err
    (folder / "mine.json").write_text("{}")  # and a file of another name is the user's
    assert "no failure 1234 is kept" in run("replay", "1234")[2]


def test_where_nothing_can_be_written_the_cache_has_them(here, run, failure):
    """A directory in the way, or .iopf as a link elsewhere: no error, and the id works as anywhere."""
    for index, block in enumerate((lambda path: path.write_text("a file"), lambda path: path.symlink_to(here.parent))):
        folder = here / str(index)
        folder.mkdir()
        block(folder / ".iopf")
        with changed_to(folder):
            code, out, err = run("explore", SCENARIO, "--core", CORE)
            assert (1, "") == (code, err) and f"iopf replay {failure.id}\n" in out
            assert 1 == run("replay", failure.id)[0]
    assert 1 == len(files(here.parent / "cache" / "failures")) and [".iopf"] == [one.name for one in folder.iterdir()]


@contextlib.contextmanager
def changed_to(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def test_where_nothing_can_be_written_at_all_the_token_is_printed(here, run, failure, monkeypatch):
    """What is printed always leads somewhere."""
    monkeypatch.setattr(kept, "_places", lambda base: iter(()))
    assert failure.keep() is False
    for line in (("explore", SCENARIO, "--core", CORE), ("check", "--core", CORE, "--scenario", SCENARIO, "--all")):
        assert "iopf replay iopf2." in run(*line)[1]


def test_a_directory_that_is_gone_is_no_error(here, failure):
    """The current directory was deleted."""
    folder = here / "gone"
    folder.mkdir()
    with changed_to(folder):
        folder.rmdir()
        assert failure.keep()
    assert 1 == len(files(here.parent / "cache" / "failures"))


def test_the_variable_names_another_place(here, run, failure, monkeypatch, caplog, tmp_path):
    """IOPF_FAILURES_DIR; one that can't be used is told once, and the cache serves."""
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path / "mine"))
    assert 1 == run("explore", SCENARIO, "--core", CORE)[0] == run("replay", failure.id)[0]
    assert 1 == len(files(tmp_path / "mine")) and [] == list(here.iterdir())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path / "file"))
    assert failure.keep() and failure.keep()
    assert 1 == caplog.text.count(f"{kept.VARIABLE}={tmp_path / 'file'}: ")
    assert failure.token == kept.resolve(failure.id)


def test_the_oldest_go(here, monkeypatch):
    """Of more than MAX_FILES those that were kept longest ago, and what a killed process left; what is not ours stays."""
    monkeypatch.setattr(kept, "MAX_FILES", 4)
    folder = here / ".iopf" / "failures"
    ids = []
    for number in range(4):
        ids.append(kept.keep(f"token.{number}"))
        os.utime(next(folder.glob(f"{ids[-1]}*")), (1000 + number, 1000 + number))
    for name in (kept.ASIDE + "left", "readme.txt"):
        (folder / name).write_text("")
        os.utime(folder / name, (1, 1))
    kept.keep("token.0")  # which is used again
    ids.append(kept.keep("token.4"))
    assert sorted(one[:10] for one in files(folder)) == sorted(ids[:1] + ids[2:])
    assert (folder / "readme.txt").exists() and not (folder / (kept.ASIDE + "left")).exists()


def test_no_file_is_ever_seen_half_written(here):
    """A file comes into its place whole: the name is taken by a rename, as the last step."""
    seen = []
    rename = os.replace

    def watched(made, path):
        seen.append((json.loads(Path(made).read_text())["token"], os.path.exists(path)) if path.suffix else None)
        rename(made, path)

    kept.os.replace = watched
    try:
        kept.keep("a.token")
    finally:
        kept.os.replace = rename
    assert ("a.token", False) in seen


def _keep_many(folder, begin):
    os.chdir(folder)
    for number in range(40):
        assert kept.keep(f"token.{begin + number % 20}")


def test_many_processes_and_threads_keep_at_the_same_time(here):
    """The same failures and others: all are there afterwards, and nothing else."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_keep_many, args=(here, 10 * number)) for number in range(3)]
    for process in processes:
        process.start()
    threads = [threading.Thread(target=lambda: [kept.keep(f"token.{n}") for n in range(40)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for one in (*threads, *processes):
        one.join()
    assert [0, 0, 0] == [process.exitcode for process in processes]
    folder = here / ".iopf" / "failures"
    assert 40 == len(files(folder)) == len(list(folder.iterdir()))
    assert all(kept.resolve(kept.failure_id(f"token.{n}")) == f"token.{n}" for n in range(40))


def test_a_prediction_has_nothing_to_keep():
    """No token, no id, no file."""
    assert "" == kept.failure_id("") and kept.keep("") is None


def test_the_tests_keep_nothing_in_the_checkout():
    """What conftest.py sets names a directory that is neither the checkout nor in it."""
    folder = Path(os.environ[kept.VARIABLE]).resolve()
    assert folder.is_dir() and ROOT not in (folder, *folder.parents)
