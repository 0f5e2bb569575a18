# SPDX-License-Identifier: GPL-2.0-only
"""Processes that tests start, watch and end, each with a session of its own: what it leaves behind is found there.

Tests wait for what can be seen of a process: a file that it makes, what it prints, a process that it starts, the
processor time that it has used. Nothing here depends on how fast the machine is.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

#: How long a test waits for what must happen, in seconds.
PATIENCE = 60

#: What a runner may ignore, which a child would inherit: a shell's background, nohup.
RESET = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

FORM = Path(__file__).resolve().parent / "kernel_files" / "form-j.c"


def eventually(condition):
    """Waits until the condition holds, and gives what it gave."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "what the test waits for did not come"
        time.sleep(0.002)
    return found


def in_some_round(measure, below, least=5):
    """Measures until one round stays below a limit, and gives all rounds. Others that run, and a slow machine, spoil some
    rounds and never all; what is broken is so in each, and fails after PATIENCE seconds and ``least`` rounds."""
    found = [measure()]
    end = time.monotonic() + PATIENCE
    while found[-1] >= below:
        assert len(found) < least or time.monotonic() < end, f"never below {below}: {found}"
        found.append(measure())
    return found


def counting():
    """Processor time in which Python counts to a million here, in seconds: what a machine is measured by."""
    begin = time.process_time()
    sum(number & 1 for number in range(1_000_000))
    return time.process_time() - begin


@contextlib.contextmanager
def default_signals():
    """Around the start of a process: it begins with every signal as a terminal's shell would leave it."""
    ignored = [number for number in RESET if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def _stat(pid):
    """Fields of /proc/PID/stat after the name; None: there is no such process any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None


def seconds(pid):
    """Processor time of a process that runs; 0: it does not."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def runs(pid):
    """Is there such a process, and has it not ended?"""
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def _maps(pid):
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


def command(pid):
    """Its command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def children(parent):
    """The processes that a process has started, and that run."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (fields := _stat(entry.name)) and fields[0] not in "ZX" and int(fields[1]) == parent
    ]


class Session:
    """A process, and all that it starts."""

    def __init__(self, *command, **options):
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            **options,
        }
        with default_signals():
            self.process = subprocess.Popen([str(part) for part in command], start_new_session=True, **options)
        self.pid = self.process.pid

    def members(self):
        """Those that run, with the processes in sessions that those made."""
        parents, found = {}, set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(entry.name)) and fields[0] not in "ZX":
                pid = int(entry.name)
                parents[pid] = int(fields[1])
                if int(fields[3]) == self.pid:
                    found.add(pid)
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def until(self, condition):
        """Waits for a state, which comes before the end."""

        def look():
            found = condition()
            assert found or self.process.poll() is None, self.process.communicate()
            return found

        return eventually(look)

    def until_a_worker_explores(self):
        """Waits until a process of the pool has loaded the core that was compiled."""
        self.until(lambda: any("/core.so" in _maps(pid) for pid in self.members() - {self.pid}))

    def end(self):
        """Output and errors of the process, once it has ended."""
        return self.process.communicate(timeout=PATIENCE)

    def kill(self):
        """Ends what is left."""
        for pid in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
            if stream is not None:
                stream.close()
        self.process.wait()


def iopf(*arguments):
    """The command line."""
    return [sys.executable, "-m", "iopf", *map(str, arguments)]


def changed(path, statement):
    """A kernel file with a statement at the head of report."""
    text = FORM.read_text()
    head = text.index("\n{\n", text.index("int iommu_report_device_fault(")) + 3
    path.write_text(f"{text[:head]}\t{statement}\n{text[head:]}")
    return path


#: The thread has no signals any more, and the explorer's watchdog needs one: rt_sigprocmask(SIG_BLOCK, all of them).
NO_SIGNALS = {
    "x86_64": 'unsigned long all = -1; register long size asm("r10") = 8;'
    ' asm volatile("syscall" :: "a"(14), "D"(0), "S"(&all), "d"(0), "r"(size) : "rcx", "r11", "memory");',
    "aarch64": 'unsigned long all = -1; register long how asm("x0") = 0; register void *set asm("x1") = &all;'
    ' register long old asm("x2") = 0; register long size asm("x3") = 8; register long call asm("x8") = 135;'
    ' asm volatile("svc 0" : "+r"(how) : "r"(set), "r"(old), "r"(size), "r"(call) : "memory");',
}


def endless(folder):
    """A kernel file that an exploration never comes back from, not even by its watchdog."""
    return changed(folder / "endless.c", f"{NO_SIGNALS[os.uname().machine]} for (;;) ;")


def waiting_compiler(folder):
    """A compiler that has begun when ``begun`` is there, and never ends. It has a process of its own under it."""
    path = folder / "waiting-cc"
    path.write_text(
        f"#!/bin/sh\ncase \"$*\" in --version) echo waiting; exit;; esac\nsleep 1000 &\n: >'{folder}/begun'\nwait\n"
    )
    path.chmod(0o755)
    return path, folder / "begun"
