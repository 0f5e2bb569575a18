# SPDX-License-Identifier: GPL-2.0-only
"""iopf check in the hands of somebody who does everything wrong: one clear message, the right exit code, no traceback."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import iopf
from iopf import _check_pool, _source, check
from iopf.check import ENDED, HUNG, Cell

FILES = Path(__file__).resolve().parent / "kernel_files"
SPEC = importlib.util.spec_from_file_location("iopf_test_sessions", FILES.parent / "sessions.py")
sessions = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(sessions)
FORM = sessions.FORM
ONE = ("--scenario", "partial", "--core", "iopf")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, so that what is left behind can be seen."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    return tmp_path / "cache" / "iopf" / "cores"


def process(*arguments, stdout=subprocess.PIPE, **env):
    """The same in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "iopf", *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **env},
        timeout=120,
        check=False,
    )


# --- what is refused ---


def unusable(result, *words):
    """Exit code 2, nothing on standard output, and an error that says this."""
    code, output, errors = result
    assert (2, "") == (code, output)
    assert errors.startswith("iopf: ")
    assert "Traceback" not in errors
    for word in words:
        assert word in errors


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_without_a_compiler_it_says_what_to_install(command, monkeypatch, tmp_path, option):
    monkeypatch.setenv("PATH", str(tmp_path))
    unusable(command("check", FORM, *ONE, *option), "apt install gcc", "dnf", "name one with CC")


@pytest.mark.parametrize(
    ("cc", "says"),
    [
        ("/no/such/cc", "can't be found"),
        ("gcc '", "is no command: No closing quotation"),
        ("/", "can't be found"),
        ("true", "compiled nothing and said nothing"),
        ("false", "exit 1"),
    ],
)
def test_a_compiler_that_is_none_is_named(command, monkeypatch, cc, says):
    monkeypatch.setenv("CC", cc)
    unusable(command("check", FORM, *ONE), says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "This is not an io-pgfault.c"),
        (b"# A heading\n\nSome prose.\n", "This is not an io-pgfault.c"),
        (bytes(range(256)) * 8, "This is not an io-pgfault.c"),
        (b'#include "iommu-sva.h"\nint iommu_queue_iopf(struct iommu_fault *f, void *c)\n{\n}\n', "v6.8 or older"),
    ],
)
def test_a_file_that_is_no_such_file_is_refused_by_name(command, tmp_path, content, says):
    """With what is supported."""
    path = tmp_path / "file.c"
    path.write_bytes(content)
    unusable(command("check", path), str(path), says, "Supported: drivers/iommu/io-pgfault.c of v6.9 or newer")


def test_what_can_not_be_read_is_refused_with_the_reason(command, tmp_path, monkeypatch):
    unusable(command("check", tmp_path), f"{tmp_path}: Is a directory")
    unusable(command("check", tmp_path / "none.c"), "none.c: No such file")

    def denied(path, what):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(_source, "read_small", denied)
    unusable(command("check", FORM), f"{FORM}: Permission denied")


def test_a_syntax_error_is_shown_with_the_line_of_the_file(command, tmp_path, cache):
    """The compiler's first error, and nothing stays of the attempt."""
    path = tmp_path / "syntax.c"
    path.write_text(f"{FORM.read_text()}int broken( {{\n")
    line = FORM.read_text().count("\n") + 1
    unusable(command("check", path, *ONE), f"{path}:{line}:", "error: ", "Facets: ")
    assert [] == list(cache.iterdir())


@pytest.mark.parametrize(
    ("facet", "says"),
    [
        ("response=int", "--facet NAME=VALUE"),
        ("nosuch=1", "no facet nosuch; there are answers"),
        ("nosuch", "takes NAME=VALUE"),
        ("dequeue=maybe", "True or False"),
        ("removal=eats", "refuses, answers, frees"),
    ],
)
def test_a_facet_that_can_not_be_is_refused(command, facet, says):
    """A wrong type by the compiler, whose message has the way to say it right."""
    unusable(command("check", FORM, *ONE, "--facet", facet), says)


def test_what_is_neither_a_core_nor_a_file_is_refused(command):
    """With what there is; an option without what it is about, too."""
    unusable(command("check", "--core", "none.c"), "none.c: No such file")
    unusable(command("check", "--core", "v1.0"), "no core 'v1.0': there are iopf, v5.14", "also a file")
    unusable(command("check", FORM, "--baseline", "v1.0"), "--baseline: no core 'v1.0'", "a revision needs a TREE")
    unusable(command("check", "--baseline", "v7.2"), "a SOURCE, a TREE, --rev or --core")
    unusable(command("check", FORM, "--contract", "kept"), "--contract is about what differs from a --baseline")
    unusable(command("check", FORM, "--accept", "moved"), "--accept moved is about what differs")
    unusable(command("check", FORM, "--rev", "HEAD"), "--rev is about one TREE")
    unusable(command("check", FORM, "--junit", "/nowhere/junit.xml"), "--junit /nowhere/junit.xml: no file can be")
    unusable(command("check", "--scenario", "nope"), "no scenario 'nope': there are remove-queued-work")
    unusable(command("check", "--facet", "dequeue=true"), "--facet is about a SOURCE")
    for budget in ("0", "nan", "-1", "inf", "1e400"):
        code, output, errors = command("check", "--budget", budget)
        assert (2, "") == (code, output)
        assert errors.startswith(f"iopf check: argument --budget: {budget}: takes a number above 0")


def test_no_place_to_compile_is_said(command, monkeypatch, tmp_path):
    """Neither the cache nor a temporary directory; a disk that is full."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/proc/none")
    unusable(command("check", FORM, *ONE), "No place for compiled cores", "Set IOPF_CACHE_DIR")
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "full"))

    def full(self, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    unusable(command("check", FORM, *ONE), f"{tmp_path / 'full'}: No space left on device")


# --- what works ---


@pytest.mark.parametrize("name", ["io pg'\"fault.c", "a\nb.c", "é=ü,.c", "$x;`y`.c", os.fsdecode(b"\xff.c"), "v7.2"])
def test_any_name_will_do(tmp_path, name):
    """Also one that is a core's own: the column has another name then."""
    folder = tmp_path / "a 'b\" c"
    folder.mkdir()
    shutil.copy(FORM, folder / name)
    done = process("check", folder / name, *ONE, "--json")
    assert (0, "") == (done.returncode, done.stderr)
    (core, ours) = json.loads(done.stdout)["cores"]
    assert {"v7.2": "./v7.2", os.fsdecode(b"\xff.c"): "\ufffd.c"}.get(name, name) == core["name"]
    assert str(folder / name) == core["source"]["path"]
    assert ("handle", True) == (core["source"]["facets"]["lookup"], core["source"]["facets"]["dequeue"])
    assert {"name": "iopf", "claims_correct": True} == ours


def test_carriage_returns_do_no_harm(tmp_path):
    """The line of a failure is that of the file."""
    path = tmp_path / "crlf.c"
    path.write_bytes((FILES / "form-e-lost-return.c").read_bytes().replace(b"\n", b"\r\n"))
    done = process("check", path, *ONE)
    assert (1, "") == (done.returncode, done.stderr)
    assert f"{path}:" in done.stdout


def test_a_facet_against_the_text_is_shown_as_such():
    done = process("check", FORM, *ONE, "--facet", "removal=answers")
    assert 0 == done.returncode
    assert "by --facet, whatever the text shows: removal\n" in done.stdout


def test_what_is_named_twice_is_checked_once():
    done = process(
        "check", "--core", "iopf", "--core", "iopf", "--scenario", "partial", "--scenario", "partial", "--json"
    )
    assert [("partial", "iopf")] == [(cell["scenario"], cell["core"]) for cell in json.loads(done.stdout)["cells"]]


def test_a_damaged_cache_is_made_again(cache):
    """Half a library, and a file that is missing: compiled again, and not used."""
    assert not _source.compile_core(FORM).cached
    (home,) = cache.iterdir()
    assert _source.compile_core(FORM).cached
    (home / "core.so").write_bytes(b"junk")
    assert not _source.compile_core(FORM).cached
    (home / "warnings.txt").unlink()
    assert not _source.compile_core(FORM).cached
    assert _source.compile_core(FORM).cached
    assert [home] == list(cache.iterdir())


def test_two_at_once_share_the_cache(cache):
    """Both compile, one is faster; the other takes what is there. Same result, one copy of each."""
    arguments = [sys.executable, "-m", "iopf", "check", str(FORM), *ONE, "--json"]
    both = [subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    results = [process.communicate(timeout=120) for process in both]
    assert [0, 0] == [process.returncode for process in both]
    assert ["", ""] == [errors for _, errors in results]
    first, second = ([(cell["core"], cell["verdict"]) for cell in json.loads(text)["cells"]] for text, _ in results)
    assert first == second
    assert 1 == len(list(cache.iterdir()))  # for the explorer alone


@pytest.mark.parametrize("env", [{"HOME": "/proc/none"}, {"HOME": ""}])
def test_a_home_that_can_not_be_written_is_no_hindrance(env, tmp_path):
    """A directory of ours among the temporary ones serves."""
    done = process("check", FORM, *ONE, XDG_CACHE_HOME="", TMPDIR=str(tmp_path), **env)
    assert (0, "") == (done.returncode, done.stderr)
    assert any(path.name.startswith("iopf-cores-") for path in tmp_path.iterdir()) or env["HOME"] == ""


# --- where it writes to ---


def test_who_reads_may_stop(tmp_path):
    """| head: no complaint."""
    read, write = os.pipe()
    os.close(read)
    done = process("check", *ONE, stdout=write)
    os.close(write)
    assert (0, "") == (done.returncode, done.stderr)


def test_a_full_disk_is_said():
    with open("/dev/full", "w") as full:
        done = process("check", *ONE, stdout=full)
    assert (2, "iopf check: the result can't be written: No space left on device\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_are_nothing_special(closed):
    """The exit code tells, as ever."""
    arguments = f"{sys.executable} -m iopf check --core iopf --scenario partial"
    done = subprocess.run(f"{arguments} {closed}", shell=True, capture_output=True, text=True, timeout=120, check=False)
    assert (0, "") == (done.returncode, done.stderr)


def test_an_encoding_without_the_mark_gets_another_one():
    done = process("check", *ONE, PYTHONIOENCODING="ascii")
    assert (0, "") == (done.returncode, done.stderr)
    assert "partial   + 1" in done.stdout


def test_colours_are_for_terminals_that_want_them():
    """A pipe gets none; a terminal does, but with NO_COLOR."""
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        ours, theirs = os.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        child = subprocess.Popen(
            [sys.executable, "-m", "iopf", "check", *ONE],
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            env={**environment, **env},
        )
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 4096):
                text += piece
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert 0 == child.wait(timeout=60)
        assert coloured == (b"\033[" in text)
    assert "\033[" not in process("check", *ONE).stdout


# --- cores that take the process along, or never come back ---


EXIT = 'asm volatile("mov $60, %%eax; mov $3, %%edi; syscall" ::: "memory");'


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="a system call of x86-64")
def test_a_core_that_ends_its_process_is_found_and_the_rest_is_checked(tmp_path):
    """Its cells are gone, which is exit code 1; the other cores' are what they are without it."""
    done = process("check", sessions.changed(tmp_path / "changed.c", EXIT), "--scenario", "partial", "--scenario", "flush-pending-work",
                   "--core", "iopf", "--core", "v6.9", "--json")  # fmt: skip
    assert (1, "") == (done.returncode, done.stderr)
    table = json.loads(done.stdout)
    assert table["complete"]
    cells = {(cell["scenario"], cell["core"]): (cell["verdict"], cell["why"]) for cell in table["cells"]}
    assert {("inconclusive", ENDED)} == {cells[scenario, "changed.c"] for scenario in table["scenarios"]}
    assert ["pass", "pass"] == [cells[scenario, "iopf"][0] for scenario in table["scenarios"]]
    assert "fail" == cells["partial", "v6.9"][0]


def test_a_core_that_never_comes_back_is_left_behind(tmp_path, monkeypatch):
    """It is tried once more alone, and then no more: its other scenarios are left out. The other core's are checked.

    The clock that patience goes by is the processor time of the process that has used the most: only a process that does
    not come back uses much of it, on any machine.
    """

    def clock():
        # The times of processes that were waited for go up as well, when one ends: no matter, there it begins anew.
        return 5 * max((sessions.seconds(pid) for pid in sessions.children(os.getpid())), default=0.0)

    monkeypatch.setattr(_check_pool, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(_check_pool, "PATIENCE", 5.0)
    core = iopf.Core.from_source(sessions.endless(tmp_path))
    table = check.check([core, "iopf"], ["partial", "refusal"], budget=0.5)
    assert table.complete
    assert HUNG == table.cell("partial", "endless.c").why
    assert "left out" in table.cell("refusal", "endless.c").why
    assert ["pass", "pass"] == [table.cell(scenario, "iopf").verdict for scenario in table.scenarios]
    assert 1 == table.exit_code
    text = check.render(table, width=120, color=False)
    assert "partial   gone " in text
    assert "gone: the core took the process with it" in text


def test_only_a_core_that_claims_to_be_correct_is_blamed_for_it():
    """A cell of the history that is gone is no bug of ours: it says nothing, and that is no verdict."""

    def table(claims):
        cell = Cell("partial", "v6.9", "inconclusive", ENDED, None, 0, 0.0, ())
        return check.Table(("partial",), ("v6.9",), (claims,), (cell,), 0.0, True, (None,))

    assert (3, 1) == (table(False).exit_code, table(True).exit_code)
