# SPDX-License-Identifier: GPL-2.0-only
"""Records a program for ``iopf run``: every memory access, by valgrind's lackey, and the address space that it had."""

from __future__ import annotations

import gzip
import lzma
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, cast

from ._processes import Terminated, Watchdog, held

__all__ = ["RecordError", "Recording", "record"]

CHUNK = 1 << 16
#: How often the map of the running program is copied.
MAPS_SECONDS = 0.01
#: A child that outlives the program may hold the pipe open: how long it is waited for when nothing comes.
LINGER_SECONDS = 0.3
#: How long a program may take to end once it was told to.
TERMINATE_SECONDS = 1.0


class RecordError(Exception):
    """Nothing was recorded; the message says why, in one line."""


@dataclass(frozen=True)
class Recording:
    """What was written."""

    command: tuple[str, ...]
    trace: str
    maps: str
    #: lines of the trace that are accesses
    accesses: int
    #: the program's exit status; negative: the signal that ended it
    status: int
    #: False: stopped by Ctrl-C before the program ended
    complete: bool

    def as_dict(self) -> dict[str, object]:
        """What ``iopf record --json`` prints."""
        return {
            "command": list(self.command),
            "trace": self.trace,
            "maps": self.maps,
            "accesses": self.accesses,
            "status": self.status,
            "complete": self.complete,
        }


def _open_now(path: str, flags: int) -> int:
    """Never waits: a FIFO that nobody reads is an error."""
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def _open_trace(path: str, name: str) -> IO[bytes]:
    if name.endswith(".xz"):
        return lzma.open(path, "wb")
    if name.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "wb"))  # a GzipFile, which has all that is used of it
    return open(path, "wb")


def _read_maps(pid: int) -> bytes | None:
    """A complete copy, or None: the process is not there any more, or has given up its memory."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            content = file.read()
    except OSError:
        return None
    return content if content.endswith(b"\n") else None


def _pump(
    child: subprocess.Popen[bytes], source: int, trace: IO[bytes], progress: Callable[[int], object], signals: held
) -> tuple[bytes | None, int, KeyboardInterrupt | None]:
    """Copies the trace until it and the program have ended. Returns the last map of the program, how many accesses came,
    and what interrupted it: after an interrupt what still comes is copied, and a second one is raised.

    The pipe keeps the program within 64 KiB of trace of what was read, so the last map is one of its last moments.
    """
    maps: bytes | None = None
    copied = silent_since = 0.0
    accesses = 0
    end = b"\n"
    interrupted: KeyboardInterrupt | None = None
    until = float("inf")
    sources = [source]
    while True:
        # What ends the program is often meant for this process, too: it has come when the program is seen to have ended,
        # and acts here before that counts.
        ended = child.poll() is not None
        try:
            signals.act()
        except KeyboardInterrupt as interrupt:
            if interrupted is not None:
                raise
            interrupted = interrupt
            if isinstance(interrupt, Terminated):
                child.send_signal(interrupt.signal)
                until = time.monotonic() + TERMINATE_SECONDS
        if ended and not sources:
            return maps, accesses, interrupted
        ready, _, _ = select.select(sources, [], [], MAPS_SECONDS)
        now = time.monotonic()
        if now - copied >= MAPS_SECONDS:
            maps = _read_maps(child.pid) or maps
            copied = now
        if now > until:
            child.kill()
        if not ready:
            if ended:
                silent_since = silent_since or now
                if now - silent_since > LINGER_SECONDS:
                    sources = []
            continue
        piece = os.read(source, CHUNK)
        if not piece:
            sources = []
            continue
        silent_since = 0.0
        trace.write(piece)
        joined = end[-2:] + piece
        accesses += joined.count(b"\nI ") + joined.count(b"\n ") - end[-2:].count(b"\n ")
        end = joined
        progress(accesses)


def record(
    command: Sequence[str],
    trace: str,
    maps: str,
    *,
    valgrind: str = "valgrind",
    progress: Callable[[int], object] = lambda accesses: None,
) -> Recording:
    """Runs ``command`` under valgrind and writes its trace and its map.

    :param trace: compressed when the name ends in .xz or .gz
    :param maps: gets the last complete copy of the program's /proc/PID/maps
    :param progress: called with the number of accesses so far

    Ctrl-C reaches the program, too, and what ends this process is passed on to it; what was recorded is kept. The
    program's children are not recorded. KeyboardInterrupt is for what came before anything was recorded, for a second
    one, and for one that came when the program had ended: then everything is kept.

    :raises RecordError: valgrind or the program is not there, a file can't be written, or nothing came
    """
    if shutil.which(valgrind) is None:
        raise RecordError(f"{valgrind} is not on the PATH: it makes the trace (Debian, Ubuntu: apt install valgrind)")
    if not command:
        raise RecordError("no program to record")
    if shutil.which(command[0]) is None:
        raise RecordError(f"{command[0]}: no such program")
    with held() as signals:
        return _record(list(command), trace, maps, valgrind, progress, signals)


def _record(
    command: list[str], trace: str, maps: str, valgrind: str, progress: Callable[[int], object], signals: held
) -> Recording:
    """Nothing interrupts it where something has to be put away; what comes once the program has ended comes after it."""
    partial = trace + ".part"
    try:
        output = _open_trace(partial, trace)
    except OSError as error:
        raise RecordError(f"{trace}: {error.strerror}") from error
    source, log = os.pipe()
    try:
        with output, Watchdog() as watchdog:
            child = watchdog.start(
                [
                    valgrind,
                    "--tool=lackey",
                    "--trace-mem=yes",
                    f"--log-fd={log}",
                    "--child-silent-after-fork=yes",
                    "--",
                    *command,
                ],
                session=False,
                pass_fds=[log],
            )
            os.close(log)
            log = -1
            content, accesses, interrupted = _pump(child, source, output, progress, signals)
            status = child.wait()
            watchdog.released()
        if not accesses or content is None:
            if interrupted is not None:
                raise interrupted
            raise RecordError(f"{command[0]}: valgrind recorded nothing (exit status {status})")
        with open(maps, "wb", opener=_open_now) as file:
            file.write(content)
        os.replace(partial, trace)
    except OSError as error:
        raise RecordError(f"{error.filename or trace}: {error.strerror}") from error
    finally:
        os.close(source)
        if log >= 0:
            os.close(log)
        if os.path.exists(partial):
            os.unlink(partial)
    return Recording(tuple(command), trace, maps, accesses, status, interrupted is None)
