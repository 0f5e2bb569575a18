# SPDX-License-Identifier: GPL-2.0-only
"""Processes end with their parent, however that ends; what tells a command to end is heard, and nothing is left behind."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from iopf._processes import Terminated, Watchdog, command_line, held
from iopf.record import RecordError, Recording, record

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("iopf_test_sessions", HERE / "sessions.py")
sessions = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(sessions)
eventually, iopf = sessions.eventually, sessions.iopf

#: signal: exit code of the command line. Nobody can hear the last one.
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -signal.SIGKILL}
ROOT = Path(sys.modules["iopf"].__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, so that what is left behind can be seen."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return tmp_path / "cache" / "iopf" / "cores"


@pytest.fixture
def stage(session, tmp_path):
    """``stage(name)``: an ``iopf check`` that has come to a state and stays there: compiling, starting, exploring."""

    def stage(name):
        if name.startswith("compiling"):
            compiler, begun = sessions.waiting_compiler(tmp_path)
            files = [sessions.FORM]
            if name == "compiling two":  # it answers what it is asked before, and then each file waits for one
                files.append(sessions.FORM.with_name("form-g.c"))
                compiler.write_text(
                    f"#!/bin/sh\ncase \"$*\" in *' -c '*) sleep 1000 & : >'{begun}'; : >'{begun}.'$$; wait;; *) exec cc \"$@\";; esac\n"
                )
            run = session(*iopf("check", *files), env={**os.environ, "CC": str(compiler)})
            run.until(begun.exists)
            if len(files) > 1:  # as many at a time as there are CPUs
                run.until(lambda: len(list(begun.parent.glob("begun.*"))) >= min(2, os.cpu_count() or 1))
            run.others = run.members() - {run.pid}
            assert len(run.others) >= 2  # the compiler, and what it started
        else:
            run = session(*iopf("check", sessions.endless(tmp_path), "--budget", 1000, "--scenario", "partial"))
            if name == "starting":
                run.until(lambda: any("spawn_main" in sessions.command(pid) for pid in run.members()))
            else:
                run.until_a_worker_explores()
            run.others = run.members() - {run.pid}
        return run

    return stage


def left(run):
    """Who is there of those that were seen, and of the session."""
    return run.members() | {pid for pid in run.others if sessions.runs(pid)}


def check_that_it_ended(run, code, cache):
    output, errors = run.end()  # and with it, that nobody holds standard output
    assert code == run.process.returncode, (output, errors)
    if code > 0:
        assert "" == errors
    eventually(lambda: not left(run))
    return output


@pytest.mark.parametrize("whole_group", [True, False], ids=["the terminal's", "kill"])
@pytest.mark.parametrize("when", ["compiling", "compiling two", "starting", "exploring"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_what_ends_a_check_ends_it_at_once_and_leaves_nothing(number, when, whole_group, stage, cache):
    """Exit code 130 or 143, no traceback of anybody, no process, and no scratch directory. It would go on for ever."""
    run = stage(when)
    (os.killpg if whole_group else os.kill)(run.pid, number)
    output = check_that_it_ended(run, CODES[number], cache)
    assert ("cells" in output) == (not when.startswith("compiling"))
    assert [] == list(cache.glob(".compiling-*"))


@pytest.mark.parametrize("when", ["compiling", "compiling two", "exploring"])
@pytest.mark.parametrize("number", CODES, ids=[number.name for number in CODES])
def test_nothing_outlives_a_check(number, when, stage, cache):
    """Workers, the compiler and what it started: also when the parent is killed and can do nothing about them."""
    run = stage(when)
    os.kill(run.pid, number)
    check_that_it_ended(run, CODES[number], cache)
    assert number == signal.SIGKILL or [] == list(cache.glob(".compiling-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_the_same_again_and_again_changes_nothing(number, stage, cache):
    """While a file is compiled: the directory goes, whenever the second signal comes and the third."""
    run = stage("compiling")
    while run.process.poll() is None:
        os.kill(run.pid, number)
    check_that_it_ended(run, CODES[number], cache)
    assert [] == list(cache.glob(".compiling-*"))


def test_a_signal_that_comes_while_it_is_being_ignored_is_told_to_nobody():
    """Python makes an error of it, which nobody can raise; other errors go where they went."""
    from types import SimpleNamespace

    from iopf._processes import _unheard

    told = []
    hook = _unheard(told.append)
    other = SimpleNamespace(exc_value=OSError("the disk is full"))
    hook(SimpleNamespace(exc_value=OSError("Signal 2 ignored due to race condition")))
    hook(other)
    assert [other] == told


@pytest.mark.parametrize("when", ["compiling", "exploring"])
def test_a_terminal_that_is_lost_ends_a_check(when, stage, cache, session):
    """The signal of a terminal that goes is heard, though nothing can be written there any more."""
    run = stage(when)
    os.killpg(run.pid, signal.SIGHUP)
    check_that_it_ended(run, 129, cache)


def test_what_is_printed_to_a_lost_terminal_is_no_error(session, tmp_path):
    """A terminal on all three streams; its other end is closed. The session's leader gets the signal from the kernel."""
    ours, theirs = os.openpty()
    take = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.orig_argv[:1] + sys.argv[1:])"
    run = session(
        sys.executable,
        "-c",
        take,
        *iopf("check", sessions.endless(tmp_path), "--budget", 1000)[1:],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    run.until_a_worker_explores()
    run.others = run.members() - {run.pid}
    os.close(ours)
    assert 129 == run.process.wait(sessions.PATIENCE)
    eventually(lambda: not left(run))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_search_that_is_ended_says_what_it_found(number, session):
    """``iopf explore``: the result so far. It is ended when it shows on a terminal that it is at work."""
    ours, theirs = os.openpty()
    run = session(*iopf("explore", "rcget-7", "--strategy", "naive", "--budget", 1000, "--json"), stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"executions" not in shown:
        shown += os.read(ours, 4096)
    os.kill(run.pid, number)
    output, _ = run.end()
    os.close(ours)
    assert CODES[number] == run.process.returncode
    assert json.loads(output)["interrupted"] and json.loads(output)["executions"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_is_ended_prints_its_figures(number, times, session):
    """``iopf run`` on a trace that does not end: the second signal comes with the first."""
    samples = ROOT / "iopf" / "samples"
    run = session(*iopf("run", "-", "--maps", samples / "perl.maps", "--json"), stdin=-1, text=False)
    access = b" S 1fff0006d0,8\n" * 4096
    for _ in range(64):  # more than it reads at once: it has performed some of it
        run.process.stdin.write(access)
    run.process.stdin.flush()
    for _ in range(times):
        os.kill(run.pid, number)
    output, errors = run.end()
    assert CODES[number] == run.process.returncode, errors
    if times == 1:
        assert json.loads(output)["accesses"] > 0


#: Says that it was started, writes a trace, and never ends of itself.
VALGRIND = r"""
log = next(int(text.partition('=')[2]) for text in sys.argv if text.startswith('--log-fd='))
os.write(log, b'==1== x\nI  00001000,4\n L 1000,4\n')
if 'deaf' in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
import fcntl, struct, termios
while struct.unpack('i', fcntl.ioctl(log, termios.FIONREAD, bytes(4)))[0]:  # until it has been read, and the map before
    time.sleep(0.001)
open('begun', 'w').close()
while True:
    time.sleep(1000)
"""


@pytest.fixture
def recording(session, tmp_path):
    """``recording(how)``: an ``iopf record`` of a program that runs. A few lines of Python stand for valgrind."""

    def recording(how):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "valgrind").write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{VALGRIND}")
        (folder / "valgrind").chmod(0o755)
        run = session(
            *iopf("record", "-o", "t", "--maps", "m", "--json", "--", "echo", how),
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        )
        run.until(lambda: (tmp_path / "begun").exists() and (tmp_path / "t.part").exists())
        run.others = run.members() - {run.pid}
        return run

    return recording


@pytest.mark.parametrize("how", ["hears", "deaf"])
def test_a_recording_that_is_terminated_ends_the_program_and_keeps_what_there_is(how, recording, tmp_path):
    """The signal is passed on; a program that does not hear it is killed. Nothing that had come before is lost."""
    run = recording(how)
    os.kill(run.pid, signal.SIGTERM)
    output, errors = run.end()
    assert (143, "") == (run.process.returncode, errors)
    found = json.loads(output)
    assert (2, False) == (found["accesses"], found["complete"])
    assert (-signal.SIGKILL if how == "deaf" else -signal.SIGTERM) == found["status"]
    assert (tmp_path / "m").stat().st_size > 0
    eventually(lambda: not left(run))


def test_an_interrupt_of_a_recording_loses_nothing_that_came_before(recording, tmp_path):
    """The program has said all that it will: no more comes after the interrupt, and what came is counted."""
    run = recording("hears")
    os.killpg(run.pid, signal.SIGINT)
    output, errors = run.end()
    assert 130 == run.process.returncode
    assert "" != output, errors
    assert 2 == json.loads(output)["accesses"]


#: As VALGRIND, and then it ends of itself; or it ends at once and has recorded nothing.
ENDING = f"""#!{sys.executable} -ISE
import fcntl, os, struct, sys, termios
log = next(int(text.partition('=')[2]) for text in sys.argv if text.startswith('--log-fd='))
if sys.argv[-1] == 'nothing':
    sys.exit(3)
os.write(log, b'==1== x\\nI  00001000,4\\n L 1000,4\\n')
while struct.unpack('i', fcntl.ioctl(log, termios.FIONREAD, bytes(4)))[0]:
    pass
"""


@pytest.fixture
def at_a_line(handlers, tmp_path, monkeypatch):
    """``at_a_line(k, how)`` records, and Ctrl-C comes before the k-th of the lines of record.py that are reached, each
    counted once. Gives what was recorded or raised, and whether there was such a line."""
    valgrind = tmp_path / "valgrind"
    valgrind.write_text(ENDING)
    valgrind.chmod(0o755)
    monkeypatch.chdir(tmp_path)

    def at_a_line(k, how=""):
        reached = set()

        def look(frame, event, _):
            if (
                frame.f_code.co_name in ("record", "_record", "_pump")
                and frame.f_code.co_filename == record.__code__.co_filename
            ):
                if event == "line" and frame.f_lineno not in reached and len(reached) <= k:
                    reached.add(frame.f_lineno)
                    if len(reached) == k + 1:
                        signal.raise_signal(signal.SIGINT)
                return look
            return None

        before = sys.gettrace()
        try:
            sys.settrace(look)
            outcome = record(["echo", how], "t", "m", valgrind=str(valgrind))
        except (KeyboardInterrupt, RecordError) as error:
            outcome = error
        finally:
            sys.settrace(before)
        assert signal.default_int_handler is signal.getsignal(signal.SIGINT)
        return outcome, len(reached) == k + 1

    return at_a_line


def test_an_interrupt_at_any_line_of_a_recording_loses_nothing(at_a_line, tmp_path):
    """Once there is something: it is recorded and says so, or all of it is kept and the interrupt is raised."""
    kinds, k = [], 0
    while True:
        outcome, came = at_a_line(k)
        assert not (tmp_path / "t.part").exists()
        if not came:
            break
        kept = [path.unlink() for path in (tmp_path / "t", tmp_path / "m") if path.exists() and path.stat().st_size]
        if isinstance(outcome, Recording):
            assert (2, 2, False) == (len(kept), outcome.accesses, outcome.complete), k
            kinds.append("cut")
        else:
            assert isinstance(outcome, KeyboardInterrupt), k
            kinds.append("kept" if len(kept) == 2 else "nothing")
        k += 1
    assert outcome.complete and 2 == outcome.accesses  # the control: none came
    assert ["nothing", "cut", "kept"] == list(dict.fromkeys(kinds)), kinds


def test_an_interrupt_before_anything_was_recorded_is_an_interrupt(at_a_line, tmp_path):
    """And no error of valgrind's, which it is without one."""
    outcome, _ = at_a_line(1 << 20, "nothing")
    assert isinstance(outcome, RecordError) and "recorded nothing (exit status 3)" in str(outcome)
    k = 0
    while True:
        outcome, came = at_a_line(k, "nothing")
        if not came:
            break
        assert isinstance(outcome, KeyboardInterrupt), k
        k += 1
    assert k > 30 and [tmp_path / "valgrind"] == list(tmp_path.iterdir())


def test_a_map_to_a_fifo_that_nobody_reads_is_an_error(session, tmp_path):
    """It would wait for a reader, and hear nothing."""
    os.mkfifo(tmp_path / "m")
    (tmp_path / "valgrind").write_text(ENDING)
    (tmp_path / "valgrind").chmod(0o755)
    run = session(
        *iopf("record", "-o", "t", "--maps", "m", "--", "echo"),
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    _, errors = run.end()
    assert (2, 1) == (run.process.returncode, len(errors.splitlines()))
    assert errors.startswith("iopf record: m: ")


def test_a_program_that_is_recorded_does_not_outlive_the_recording(recording):
    """When the parent is killed."""
    run = recording("hears")
    os.kill(run.pid, signal.SIGKILL)
    run.end()
    eventually(lambda: not left(run))


# --- what that is made of ---


@pytest.fixture
def handlers():
    """Signal handlers are after the test what they were before."""
    before = {number: signal.getsignal(number) for number in sessions.RESET}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_nothing_interrupts_what_is_held(handlers):
    """A signal is noted; it acts where it may, once; what comes on the way out comes too late."""
    steps = []
    with pytest.raises(KeyboardInterrupt), held() as signals:
        with held():
            signal.raise_signal(signal.SIGINT)
            steps.append("noted")
        steps.append("still held")
        try:
            signals.act()
        finally:
            signal.raise_signal(signal.SIGINT)
            steps.append("put away")
    assert ["noted", "still held", "put away"] == steps
    assert signal.default_int_handler is signal.getsignal(signal.SIGINT)


def test_what_is_held_to_the_end_acts_then(handlers):
    """Without act(): when everything is put away."""
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with held():
            signal.raise_signal(signal.SIGINT)
            steps.append("held")
        steps.append("never")
    assert ["held"] == steps


def test_a_handler_that_only_looks_is_called_and_the_work_goes_on(handlers):
    """A program's own handler, with the frame that was interrupted."""
    seen = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append((number, frame is not None)))
    with held() as signals:
        signal.raise_signal(signal.SIGTERM)
        assert [] == seen
        signals.act()
        assert [(signal.SIGTERM, True)] == seen
        signal.raise_signal(signal.SIGTERM)
    assert 2 == len(seen)


def test_in_other_threads_nothing_is_held(handlers):
    """Signals do not interrupt them, and they cannot set a handler."""
    seen = []

    def main():
        with held() as signals:
            signals.act()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
    assert [signal.default_int_handler] == seen


def test_a_signal_whose_action_is_the_systems_ends_the_process_when_all_is_put_away(session):
    """A program without a handler for SIGTERM: it ends by that signal, and not before."""
    run = session(
        sys.executable,
        "-c",
        (
            "import signal\nfrom iopf._processes import held\n"
            "with held() as signals:\n"
            "    try:\n        signal.raise_signal(signal.SIGTERM)\n        signals.act()\n"
            "    finally:\n        print('put away', flush=True)\n"
        ),
    )
    output, errors = run.end()
    assert (-signal.SIGTERM, "put away\n", "") == (run.process.returncode, output, errors)


def test_a_command_line_hears_what_it_was_not_told_to_ignore(handlers):
    """nohup and the like stay in force; afterwards every handler is what it was."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with command_line(whole_process=False) as ending:
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(Terminated) as caught:
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # timeout(1) tells a process and then its group
    assert (signal.SIGTERM, 143) == (caught.value.signal, ending.code(130))
    assert (signal.SIG_DFL, signal.SIG_IGN) == tuple(map(signal.getsignal, (signal.SIGTERM, signal.SIGHUP)))


#: A program that starts another one and says who it is; then what is asked of it happens.
WATCHING = """
import os, signal, subprocess
from iopf._processes import Watchdog
with Watchdog() as watchdog:
    up = ["sh", "-c", "echo up; exec sleep 1000 >&2"]
    program = watchdog.start(up, session={session}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert program.stdout.read() == b"up\\n"
    print(program.pid, flush=True)
    {then}
print("left", flush=True)
program.{ending}()
os._exit(0)  # nobody waits for what was released
"""


@pytest.mark.parametrize("own_session", [True, False], ids=["a session", "a process"])
def test_a_watchdog_kills_what_was_not_released_and_nothing_else(own_session, session):
    """The negative control: the same program, released, lives."""
    for released in (True, False):
        then, ending = ("watchdog.released()", "poll") if released else ("pass", "wait")
        run = session(sys.executable, "-c", WATCHING.format(session=own_session, then=then, ending=ending))
        program = int(run.process.stdout.readline())
        try:
            assert "left\n" == run.process.stdout.read() and 0 == run.process.wait(sessions.PATIENCE)
            assert released == sessions.runs(program)
        finally:
            if released:
                os.kill(program, signal.SIGKILL)


@pytest.mark.parametrize("own_session", [True, False], ids=["a session", "a process"])
def test_a_program_does_not_outlive_who_was_killed_as_soon_as_it_was_there(own_session, session):
    """Who started it comes to nothing more, not even to tell the watchdog whom it has started."""
    then = "os.kill(os.getpid(), signal.SIGKILL)"
    run = session(sys.executable, "-c", WATCHING.format(session=own_session, then=then, ending="wait"))
    program = int(run.process.stdout.readline())
    assert "" == run.process.stdout.read() and -signal.SIGKILL == run.process.wait(sessions.PATIENCE)
    eventually(lambda: not sessions.runs(program))


def test_a_program_does_not_become_when_who_wanted_it_has_gone(tmp_path):
    """The race: killed before the program was there. Its first step is to look for the pipe of who wanted it."""
    began = tmp_path / "began"
    there, gone = os.pipe()
    for process, status in ((os.getpid(), 0), (1 << 22, 2)):  # one that is there, and a number that no process has
        pipe = f"/proc/{process}/fd/{gone}"
        run = subprocess.run(
            ["/bin/sh", "-c", Watchdog.INTRODUCTION, "sh", pipe, "-", "touch", began], capture_output=True
        )
        assert (bool(status), b"") == (bool(run.returncode), run.stderr)
        assert began.exists() == (not status)
        began.unlink(missing_ok=True)
    os.close(gone)
    with os.fdopen(there) as said:
        (line,) = said
    assert int(line) < 0


def test_a_worker_whose_parent_is_another_process_ends(session):
    """It comes up after the parent has gone, and somebody else has taken it in."""
    run = session(sys.executable, "-c", "from iopf._processes import be_a_worker\nbe_a_worker(1 << 22)\nprint('alive')")
    assert ("", -signal.SIGKILL) == (run.end()[0], run.process.returncode)
    run = session(
        sys.executable, "-c", (f"from iopf._processes import be_a_worker\nbe_a_worker({os.getpid()})\nprint('alive')")
    )
    assert ("alive\n", 0) == (run.end()[0], run.process.returncode)


# --- the suite itself ---


def test_an_interrupt_of_a_test_is_all_that_the_suite_says(session, tmp_path):
    """What looks at each test afterwards finds one that was cut, whose fixtures pytest has taken away."""
    (tmp_path / "test_it.py").write_text("import iopf\n\ndef test_it(expect_warnings):\n    raise KeyboardInterrupt\n")
    run = session(sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml",
                  "--rootdir", tmp_path, tmp_path / "test_it.py", cwd=tmp_path,
                  env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ["PYTHONPATH"]])})  # fmt: skip
    output, errors = run.end()
    assert 2 == run.process.returncode, (output, errors)
    assert "KeyboardInterrupt" in output and "Error:" not in output and "error" not in output, output
