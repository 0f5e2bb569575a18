# SPDX-License-Identifier: GPL-2.0-only
"""The command line: what is printed where, JSON, exit codes. Mistakes are one line on standard error, no traceback."""

import io
import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import iopf
from iopf import _progress
from iopf._kernel_api import REFUSED, STUBS
from iopf.cli import main
from iopf.record import record
from iopf.run import read_trace

SAMPLES = Path(iopf.__file__).parent / "samples"
TRACE, MAPS = SAMPLES / "perl.lackey.xz", SAMPLES / "perl.maps"
COMMANDS = ("run", "record", "explore", "replay", "scenarios", "check", "bench", "cores", "info")
GOOD = b"I  00001000,4\n L 00002000,8\n S 00002008,8\n"
GOOD_MAPS = "00001000-00002000 r-xp 0 00:00 0\n00002000-00003000 rw-p 0 00:00 0\n"

#: A sanitizer's run time that is preloaded would get into the recorded program, too.
needs_valgrind = pytest.mark.skipif(
    shutil.which("valgrind") is None or "san" in os.environ.get("LD_PRELOAD", ""), reason="needs valgrind, alone"
)


@pytest.fixture
def files(tmp_path):
    """A trace of three accesses and its map, as strings."""
    (tmp_path / "trace").write_bytes(GOOD)
    (tmp_path / "maps").write_text(GOOD_MAPS)
    return str(tmp_path / "trace"), str(tmp_path / "maps")


@pytest.fixture
def cli(capsys):
    """``cli(*arguments)``: exit code, standard output, standard error."""

    def cli(*arguments):
        code = main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return code, output.out, output.err

    return cli


def one_line(error):
    return error.endswith("\n") and error.count("\n") == 1 and "Traceback" not in error


def command(*arguments, **options):
    """``python -m iopf`` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "iopf", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


# --- run ---


def test_run_prints_the_figures(cli, files):
    """Requests, groups, answers by code, faults per second, latency."""
    trace, maps = files
    code, output, error = cli("run", trace, "--maps", maps, "--group", 1)
    assert (0, "") == (code, error)
    assert "accesses   3 " in output
    assert "requests   2 in 2 groups (0 merged)" in output and "faults/s" in output
    assert "success 2, invalid 0, failure 0" in output
    assert all(f"{name} " in output for name in ("p50", "p99", "p99.9", "max"))


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--runtime", "plain"),
        ("--workers", 0),
        ("--devices", 3, "--outstanding", 1, "--resident", 2),
        ("--core", "v6.14"),
    ],
    ids=str,
)
def test_run_json_has_the_documented_keys(cli, files, options):
    """All of them, nothing else, as numbers that add up."""
    trace, maps = files
    code, output, _ = cli("run", trace, "--maps", maps, "--json", *options)
    found = json.loads(output)
    assert 0 == code
    assert {
        "accesses": int,
        "malformed": int,
        "requests": int,
        "groups": int,
        "merged": int,
        "answers": dict,
        "seconds": float,
        "faults_per_second": float,
        "latency_ns": dict,
    } == {name: type(value) for name, value in found.items()}
    assert {"success": int, "invalid": int, "failure": int} == {k: type(v) for k, v in found["answers"].items()}
    assert {"p50": int, "p99": int, "p99.9": int, "max": int} == {k: type(v) for k, v in found["latency_ns"].items()}
    assert (3, 0, 2) == (found["accesses"], found["malformed"], found["requests"])
    assert found["requests"] == sum(found["answers"].values()) + found["merged"]


def test_run_reads_standard_input(files):
    """With -, packed or not."""
    _, maps = files
    for content in (GOOD, lzma.compress(GOOD)):
        process = command("run", "-", "--maps", maps, "--json", stdin=subprocess.PIPE)
        output, error = process.communicate(content, timeout=60)
        assert (0, b"") == (process.returncode, error)
        assert 3 == json.loads(output)["accesses"]


def test_run_shows_the_first_malformed_lines(cli, files):
    """On standard error, with their numbers; the rest was usable, so the exit code is 0."""
    trace, maps = files
    Path(trace).write_bytes(GOOD + b"rubbish\n" + GOOD + b"more\n")
    code, output, error = cli("run", trace, "--maps", maps, "--json")
    assert 0 == code and one_line(error)
    assert error == "iopf run: 2 malformed lines; the first: line 4: 'rubbish', line 8: 'more'\n"
    assert 2 == json.loads(output)["malformed"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no line is an access"),
        (b"rubbish\n", "no line is an access"),
        (b"==1== valgrind alone\n", "no line is an access"),
        (b"\x7fELF\0\0\n" * 50, "it is an ELF file"),
        (b"\n", "no line is an access"),
    ],
)
def test_run_of_nothing_usable_is_exit_code_2(cli, files, content, says):
    """No figures are printed for it."""
    trace, maps = files
    Path(trace).write_bytes(content)
    code, output, error = cli("run", trace, "--maps", maps)
    assert (2, "") == (code, output)
    assert says in error and "Traceback" not in error


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda trace, maps: os.unlink(trace), "No such file"),
        (lambda trace, maps: os.unlink(maps), "No such file"),
        (lambda trace, maps: (os.unlink(trace), os.mkdir(trace)), "Is a directory"),
        (lambda trace, maps: Path(trace).write_bytes(lzma.compress(GOOD)[:30]), "damaged compressed file"),
        (lambda trace, maps: Path(trace).write_bytes(b"\x1f\x8b\x08rubbish"), "damaged compressed file|Not a gzipped"),
        (lambda trace, maps: Path(maps).write_text("rubbish\n"), "maps, line 1: not a line of /proc/PID/maps"),
        (lambda trace, maps: Path(maps).write_bytes(b"\xff\xfe\n"), "not a line of /proc/PID/maps"),
        (lambda trace, maps: Path(maps).write_text(""), "no areas"),
    ],
)
def test_run_of_files_that_cannot_be_used_is_exit_code_2(cli, files, change, message):
    """One line says which and why."""
    trace, maps = files
    change(trace, maps)
    code, output, error = cli("run", trace, "--maps", maps)
    assert (2, "") == (code, output)
    assert one_line(error) and error.startswith("iopf run: ") and re.search(message, error)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--group", "0"),
        ("--group", "many"),
        ("--outstanding", "0"),
        ("--devices", "0"),
        ("--devices", "1000"),
        ("--workers", "-1"),
        ("--resident", "0"),
        ("--core", "none"),
        ("--runtime", "none"),
        ("--unknown",),
        ("extra",),
    ],
    ids=str,
)
def test_run_with_wrong_options_is_exit_code_2(cli, files, arguments):
    """One line says what is wrong."""
    trace, maps = files
    code, output, error = cli("run", trace, "--maps", maps, *arguments)
    assert (2, "") == (code, output)
    assert (one_line(error) and error.startswith("iopf run: ")) or error.startswith("iopf: unrecognized")


def test_run_that_loses_answers_is_exit_code_1(cli, files, monkeypatch):
    """It found something: the figures so far, and a line that says what."""
    from iopf import run as runs

    def finish(self):
        raise runs.LostAnswers(5, "core x will not answer 1 groups any more")

    monkeypatch.setattr(runs.TraceRun, "finish", finish)
    trace, maps = files
    code, output, error = cli("run", trace, "--maps", maps)
    assert 1 == code and "requests" in output
    assert "iopf run: core x will not answer 1 groups any more\n" == error


@pytest.mark.parametrize("module", ["iopf.cli", "argparse", "iopf.info", "iopf._native"])
def test_interrupt_while_the_command_line_is_loading_is_silent(module):
    """Ctrl-C at the moment when a module is asked for: exit code 130 and no word, as later."""
    program = f"""
import signal, sys

class Interrupter:
    def find_spec(self, name, *_):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.modules.pop("argparse", None)
sys.meta_path.insert(0, Interrupter())
from iopf.__main__ import main
raise SystemExit(main())
"""
    done = subprocess.run([sys.executable, "-c", program, "info"], capture_output=True, text=True)
    assert (130, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("runtime", ["native", "plain"])
def test_interrupt_prints_partial_figures_and_is_exit_code_130(runtime):
    """Ctrl-C in the middle of a trace whose end has not come yet."""
    text = b""
    for piece in read_trace(TRACE):
        text += piece
        if len(text) > 3_000_000:
            break
    process = command(
        "run", "-", "--maps", MAPS, "--resident", 8, "--json", "--runtime", runtime, stdin=subprocess.PIPE
    )
    # The pipe is small: when all of it is in, most of it has been read and performed.
    process.stdin.write(text)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert (130, b"iopf run: interrupted, the figures are partial\n") == (process.returncode, error)
    found = json.loads(output)
    assert found["accesses"] > 0
    assert found["requests"] == sum(found["answers"].values()) + found["merged"]


# --- record ---


@needs_valgrind
@pytest.mark.parametrize("program, status", [("true", 0), ("false", 1)])
def test_record_writes_what_run_reads(cli, tmp_path, program, status):
    """Trace and map of a real program, whose exit status is told. The map is of when it ran."""
    trace, maps = tmp_path / "trace.lackey.xz", tmp_path / "trace.maps"
    code, output, error = cli("record", "--output", trace, "--json", "--", program)
    assert (0, "") == (code, error)
    recording = json.loads(output)
    assert (status, [program], str(maps), True) == tuple(
        recording[name] for name in ("status", "command", "maps", "complete")
    )
    assert trace.read_bytes().startswith(b"\xfd7zXZ")
    assert "[stack]" in maps.read_text()
    code, output, error = cli("run", trace, "--maps", maps, "--json")
    assert (0, "") == (code, error)
    assert recording["accesses"] == json.loads(output)["accesses"] > 10_000
    assert json.loads(output)["answers"]["success"] > 10


@needs_valgrind
def test_record_without_names_uses_the_programs(cli, tmp_path, monkeypatch):
    """PROGRAM.lackey, plain, and PROGRAM.maps, in the current directory."""
    monkeypatch.chdir(tmp_path)
    code, output, _ = cli("record", "--", "/bin/true")
    assert 0 == code and "(exit status 0): true.lackey, true.maps" in output
    assert {"true.lackey", "true.maps"} == set(os.listdir())
    assert (tmp_path / "true.lackey").read_bytes().startswith(b"==")


def test_record_without_valgrind_says_where_to_get_it(cli, tmp_path, monkeypatch):
    """It is not on the PATH: exit code 2, nothing is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, output, error = cli("record", "--", sys.executable)
    assert (2, "") == (code, output)
    assert one_line(error) and "valgrind is not on the PATH" in error and "apt install valgrind" in error
    assert [] == os.listdir()


@pytest.fixture
def imitation(tmp_path):
    """A valgrind that is a few lines of Python; ``log`` is the descriptor that it is given."""

    def imitation(script):
        path = tmp_path / "valgrind"
        path.write_text(
            f"#!{sys.executable}\nimport os, sys, time\n"
            f"log = next(int(text.partition('=')[2]) for text in sys.argv if text.startswith('--log-fd='))\n{script}\n"
        )
        path.chmod(0o755)
        return str(path)

    return imitation


def test_record_counts_accesses_over_the_boundaries_of_pieces(tmp_path, imitation):
    """However the trace comes out of the pipe."""
    valgrind = imitation(
        "for piece in (b'==1== x\\nI', b'  00001000,4\\n L ', b'1000,4\\n', b' ', b'S 1000,4\\n') * 3:\n"
        "    os.write(log, piece)\n    time.sleep(0.02)"
    )
    recording = record(["true"], str(tmp_path / "t"), str(tmp_path / "m"), valgrind=valgrind)
    assert (9, 0) == (recording.accesses, recording.status)
    assert 12 == (tmp_path / "t").read_text().count("\n")


@needs_valgrind
def test_interrupt_of_a_recording_keeps_what_there_is(tmp_path, eventually):
    """Ctrl-C ends the program; its trace so far is written, and the exit code is 130."""
    process = command("record", "-o", "t.lackey", "--json", "--", "sleep", "60", cwd=tmp_path, start_new_session=True,
                      env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(iopf.__file__).parent.parent),
                                                                        os.environ.get("PYTHONPATH", "")])})  # fmt: skip
    partial = tmp_path / "t.lackey.part"
    eventually(lambda: partial.exists() and partial.stat().st_size)
    os.killpg(process.pid, signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert (130, b"") == (process.returncode, error)
    recording = json.loads(output)
    assert (-signal.SIGINT, False) == (recording["status"], recording["complete"])
    assert recording["accesses"] > 0
    assert {"t.lackey", "t.maps"} == set(os.listdir(tmp_path))


def test_record_of_nothing_is_exit_code_2(cli, tmp_path, imitation, monkeypatch):
    """Valgrind could not run the program: no file is left behind."""
    imitation("sys.exit(127)")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    code, output, error = cli("record", "-o", tmp_path / "t", "--", sys.executable)
    assert (2, "") == (code, output)
    assert one_line(error) and "recorded nothing (exit status 127)" in error
    assert ["valgrind"] == os.listdir(tmp_path)


@needs_valgrind
@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "what to record is missing"),
        (("--",), "what to record is missing"),
        (("--", "no-such-program"), "no-such-program: no such program"),
        (("-o", "none/trace", "--", "true"), "none/trace: No such file"),
    ],
)
def test_record_with_wrong_arguments_is_exit_code_2(cli, tmp_path, monkeypatch, arguments, message):
    """One line says what is wrong."""
    monkeypatch.chdir(tmp_path)
    code, output, error = cli("record", *arguments)
    assert (2, "") == (code, output)
    assert one_line(error) and message in error


# --- the rest ---


def test_help_lists_the_commands(cli):
    """On standard output, exit code 0; each command has a help of its own."""
    code, output, error = cli("--help")
    assert (0, "") == (code, error)
    for name in COMMANDS:
        assert f"    {name}" in output
        code, output_of_command, _ = cli(name, "--help")
        assert 0 == code and output_of_command.startswith(f"usage: iopf {name} ")


@pytest.mark.parametrize("arguments", [(), ("none",), ("--none",), ("cores", "extra"), ("run",)], ids=str)
def test_wrong_commands_are_exit_code_2(cli, arguments):
    """One line says what is wrong."""
    code, output, error = cli(*arguments)
    assert (2, "") == (code, output)
    assert one_line(error) and error.startswith("iopf")


def test_version(cli):
    """--version prints the package's."""
    assert (0, f"iopf {iopf.__version__}\n", "") == cli("--version")


def test_cores_lists_every_core(cli):
    """By name with its title; in JSON with everything that iopf.cores() knows."""
    code, output, _ = cli("cores")
    assert 0 == code
    assert list(iopf.cores()) == [text.split()[0] for text in output.splitlines()]
    code, output, _ = cli("cores", "--json")
    cores = iopf.cores()
    assert list(cores) == [core["name"] for core in json.loads(output)]
    for core in json.loads(output):
        assert json.loads(json.dumps({name: getattr(cores[core["name"]], name) for name in core})) == core


def test_info_says_how_the_build_was_made(cli):
    """build_info() and the versions, in both forms."""
    code, output, _ = cli("info", "--json")
    assert 0 == code
    found = json.loads(output)
    assert iopf.build_info().items() <= found.items()
    assert iopf.__version__ == found["iopf"]
    code, output, _ = cli("info")
    assert 0 == code
    assert list(found) == [text.split()[0] for text in output.splitlines()]


def test_info_names_the_parts_of_the_kernels_api_that_do_nothing(cli):
    """Stubs, and what is refused: the table's, and a name of each for who reads this."""
    found = json.loads(cli("info", "--json")[1])
    assert (list(STUBS), list(REFUSED)) == (found["stubs"], found["refused"])
    assert "trace_io_page_fault" in cli("info")[1]
    assert "rhashtable_init" in cli("info")[1]


def test_a_reader_that_has_had_enough_is_no_error():
    """Standard output is a pipe whose other end is closed: no traceback, exit code 0."""
    source, sink = os.pipe()
    os.close(source)
    done = subprocess.run([sys.executable, "-m", "iopf", "cores"], stdout=sink, stderr=subprocess.PIPE, timeout=60)
    os.close(sink)
    assert (0, b"") == (done.returncode, done.stderr)


# --- progress ---


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def without_rich(monkeypatch):
    """An environment where rich is not installed."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(_progress, "EVERY_SECONDS", 0)


def test_progress_rewrites_one_line_and_takes_it_away(without_rich):
    """Nothing of it is left when the results are printed."""
    stream = Terminal()
    with _progress.Progress("run", stream) as progress:
        progress.show("a longer text", 0.5)
        progress.show("short", 1.0)
    assert "\rrun  50% a longer text\rrun 100% short" in stream.getvalue()
    assert stream.getvalue().endswith("\r" + " " * len("run 100% short") + "\r")
    assert "\n" not in stream.getvalue()


def test_progress_is_for_terminals_alone(without_rich):
    """A file or a pipe gets none."""
    stream = io.StringIO()
    with _progress.Progress("run", stream) as progress:
        progress.show("text", 0.5)
    assert "" == stream.getvalue() and not progress.active


def test_progress_is_rate_limited(monkeypatch):
    """Whoever works asks as often as it likes."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    stream = Terminal()
    with _progress.Progress("run", stream) as progress:
        for number in range(1000):
            progress.show(str(number))
    assert stream.getvalue().count("\r") < 100


def test_run_shows_progress_on_a_terminal(cli, files, monkeypatch, without_rich):
    """On standard error, while the results stay clean."""
    trace, maps = files
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    code, output, _ = cli("run", trace, "--maps", maps, "--json")
    assert 0 == code and 3 == json.loads(output)["accesses"]
    assert "run 100% 3 accesses" in terminal.getvalue()
