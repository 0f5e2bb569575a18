# SPDX-License-Identifier: GPL-2.0-only
"""The main job: a device performs the memory accesses of a real program, and its page faults are resolved.

The trace is what ``valgrind --tool=lackey --trace-mem=yes`` prints, plain, or compressed by xz, gzip, bzip2 or zstd; the
address space is built from a copy of that process's ``/proc/PID/maps``. :func:`run_trace` does it all; :class:`TraceRun`
is the same in steps, for a caller that has the trace in pieces or wants to look at the figures in between.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import os
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, SupportsIndex

from . import _registry, _runtime, inputs
from ._checks import PAGE_SIZE, check_range
from ._held import Unique
from .device import space_for
from .exceptions import Closed, ForkedError, IopfError, UnsafeCore
from .inputs import Source, TraceError
from .queue import MAX_WORKERS, Queue
from .space import AddressSpace

if TYPE_CHECKING:
    from ._cores import Core
    from ._extension import CData

__all__ = ["Latency", "LostAnswers", "TraceError", "TraceResult", "TraceRun", "read_maps", "read_trace", "run_trace"]

#: Defaults of run_trace() and of the command line.
GROUP, OUTSTANDING, DEVICES, WORKERS = 8, 32, 1, 1
#: A trace is given up when so many bytes hold no access.
MUCH_OF_NOTHING = 64 << 20


class LostAnswers(IopfError):
    """EIO: the core will never answer some groups, or it answered what was not outstanding."""


# --- what comes in ---


def read_trace(source: Source, seen: Callable[[int, int | None], object] | None = None) -> Iterator[bytes]:
    """The trace in pieces of about 1 MiB, each of whole lines, decompressed (xz, gzip, bzip2, zstd).

    :param source: a path, ``"-"`` for standard input, or a binary file
    :param seen: called before each piece with how many bytes of the file were read, and its size where it has one
    :raises TraceError: it can't be read, or is something else; or it is cut or damaged: the pieces before have come
    """
    return inputs.pieces(source, seen=seen)


_MAPS_LINE = re.compile(rb"([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-])([w-])([x-])[ps](?: |$)")
#: A process has 65530 areas unless its system allows it more.
LARGEST_MAPS = 256 << 20
A_MAP = "it should be a copy of /proc/PID/maps"


def read_maps(source: str | os.PathLike[str] | IO[bytes] | IO[str]) -> AddressSpace:
    """The address space that a copy of ``/proc/PID/maps`` describes.

    Every line is an area with the permissions it names, the kernel's own (``[vdso]``, ``[vsyscall]``) like any other;
    one with ``---p`` is mapped and allows nothing. A line that came twice counts once. A line ends at a line feed and
    nowhere else: paths may hold any other byte. The file may be compressed, as a trace may.

    :param source: a path, or a file, binary or text
    :raises TraceError: it can't be read, or is no such file
    """
    name = inputs.name_of(source)
    space = AddressSpace()
    known = set()
    size = 0
    for number, line in enumerate(inputs.lines(_binary(source), inputs.no_map, A_MAP), 1):
        size += len(line) + 1
        if size > LARGEST_MAPS:
            raise TraceError(f"{name}: more than {LARGEST_MAPS >> 20} MiB: {A_MAP}")
        if not line.strip():
            continue
        found = _MAPS_LINE.match(line)
        if found is None:
            raise TraceError(f"{name}, line {number}: not a line of /proc/PID/maps: {inputs.shown(line)}")
        start, end = int(found[1], 16), int(found[2], 16)
        perm = b"".join(letter for letter in found.group(3, 4, 5) if letter != b"-").decode()
        if (start, end, perm) in known:
            continue
        known.add((start, end, perm))
        where = f"{name}, line {number}: {found[1].decode()}-{found[2].decode()}"
        if start % PAGE_SIZE or end % PAGE_SIZE or start >= end:
            raise TraceError(f"{where} is no range of whole pages")
        try:
            space.map(start, end - start, perm)
        except IopfError as error:
            if error.errno != errno.EEXIST:
                raise
            raise TraceError(f"{where} overlaps an area above") from None
    if not known:
        raise TraceError(f"{name}: no areas in it: {A_MAP}")
    return space


def _binary(source: Any) -> Any:
    """A file of text as one of bytes, without a line end more than it has."""
    if not isinstance(source, io.TextIOBase):
        return source
    if isinstance(source, io.TextIOWrapper):
        with contextlib.suppress(io.UnsupportedOperation):  # somebody has read from it
            source.reconfigure(newline="\n", errors="surrogateescape")
    content = io.BytesIO(source.read(LARGEST_MAPS + 1).encode("utf-8", "surrogatepass"))
    content.name = inputs.name_of(source)
    return content


# --- what comes out ---


@dataclass(frozen=True)
class Latency:
    """Nanoseconds from the report of a group's last request to its response; known to 3 %, ``max`` exactly."""

    p50: int
    p99: int
    p999: int
    max: int


@dataclass(frozen=True)
class TraceResult:
    """What a run came to. ``requests == groups + merged`` and ``groups == success + invalid + failure``."""

    #: lines of the trace that are accesses; a modify (load and store) is one
    accesses: int
    #: lines that are neither accesses nor valgrind's own
    malformed: int
    #: the first of them: line number, text
    malformed_lines: tuple[tuple[int, str], ...]
    #: pages asked for
    requests: int
    #: page request groups, each answered once
    groups: int
    #: groups by answer
    success: int
    invalid: int
    failure: int
    #: touches of a page that the address space does not allow
    refused: int
    #: pages taken away because more than ``resident`` were present
    dropped: int
    #: pages present at the end
    present: int
    #: while the device ran, without reading and decompressing the trace
    seconds: float
    latency: Latency
    #: False for partial figures, of a run that was not finished
    complete: bool
    #: latencies in nanoseconds, lowest first, each with how many groups had it
    latencies: tuple[tuple[int, int], ...] = ()

    @property
    def merged(self) -> int:
        """Requests that shared the group of another one: requests beyond the first of each group."""
        return self.requests - self.groups

    @property
    def faults_per_second(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, object]:
        """What ``iopf run --json`` prints."""
        return {
            "accesses": self.accesses,
            "malformed": self.malformed,
            "requests": self.requests,
            "groups": self.groups,
            "merged": self.merged,
            "answers": {"success": self.success, "invalid": self.invalid, "failure": self.failure},
            "seconds": round(self.seconds, 6),
            "faults_per_second": round(self.faults_per_second, 1),
            "latency_ns": {
                "p50": self.latency.p50,
                "p99": self.latency.p99,
                "p99.9": self.latency.p999,
                "max": self.latency.max,
            },
        }


class _TraceQueue(Queue):
    """Nothing to warn of: a run meets one hazard, and refuses to; its end waits for every answer."""

    _warns = False


class TraceRun(Unique):
    """A device that performs accesses, in steps: :meth:`feed` the trace, :meth:`finish`, read :meth:`result`.

    The devices share the address space and its present pages; each has a PASID of its own and is dealt the accesses in
    turn. An access to a page that is not present requests it, with up to ``group`` pages in a request group. A page in
    flight is not requested again: the access waits (at most 256 do), and the device goes on with others. While
    ``outstanding`` groups have no answer it performs none at all. An access that its area forbids is a request each time
    the page is not present, and once for each wanted permission when it is; after INVALID for several pages each is
    asked once more alone. More than ``resident`` present pages: the least recently used ones are dropped.

    :param space: of the program; its areas must not change during the run
    :param group: pages of a request group at most, 1 to 512
    :param outstanding: groups without an answer at most, of all devices, 1 to 4096
    :param devices: 1 to 256
    :param workers: threads that resolve, 0 to 256; 0: this thread does
    :param resident: present pages at most; None: any number
    :param core: which implementation, see :func:`iopf.cores`
    :param runtime: ``"native"``, or ``"plain"``, the baseline

    :raises UnsafeCore: the core frees memory twice at the first group of several pages, as v6.9 does

    One thread at a time uses it. Ctrl-C in a call raises KeyboardInterrupt; :meth:`stop` and :meth:`result` then give
    the figures so far.
    """

    def __init__(
        self,
        space: AddressSpace,
        *,
        group: int = GROUP,
        outstanding: int = OUTSTANDING,
        devices: int = DEVICES,
        workers: int = WORKERS,
        resident: int | None = None,
        core: Core | str = "iopf",
        runtime: str = "native",
    ):
        if not isinstance(space, AddressSpace):
            raise TypeError(f"space is an AddressSpace, not {type(space).__name__}")
        self._trace: CData | None = None
        self._generation = _registry.generation
        self._runtime = _runtime.get(runtime)
        lib, ffi = self._runtime.lib, self._runtime.ffi
        options = ffi.new("struct iopf_trace_options *")
        options.group = _within("group", group, 1, lib.IOPF_TRACE_MAX_GROUP)
        options.outstanding = _within("outstanding", outstanding, 1, lib.IOPF_TRACE_MAX_OUTSTANDING)
        options.devices = _within("devices", devices, 1, lib.IOPF_TRACE_MAX_DEVICES)
        options.workers = _within("workers", workers, 0, MAX_WORKERS)
        options.resident = 0 if resident is None else _within("resident", resident, 1, (1 << 32) - 2)
        self._space = space
        #: Taken by each call, which does not wait for it: whatever interrupts one, C has one at a time.
        self._busy = threading.Lock()
        self._queue = _TraceQueue("trace", core=core, runtime=runtime, workers=workers)
        self._seconds = 0.0
        self._complete = False
        self._result: TraceResult | None = None
        if options.group > 1 and "partials" in self._runtime.hazards_of(self._queue.core):
            self._queue.close()
            raise UnsafeCore(
                errno.EOPNOTSUPP,
                f"core {self._queue.core} can't run groups of several pages: {self._runtime.hazards['partials']}, in this"
                " process. Take group=1 (--group 1), or look at it safely: iopf explore partial --core"
                f" {core if isinstance(core, str) else getattr(core, 'source', None) or core}",
            )
        made = ffi.new("iopf_trace **")
        try:
            self._held_space = space._live()
            raw_space = space_for(self._runtime, self._held_space)
            with self._queue._call() as pointer:
                result = lib.iopf_trace_new(self._queue._core, pointer, raw_space, options, made)
            if result:
                raise IopfError(-result, f"no trace device: {os.strerror(-result)}")
        except BaseException:
            self._queue.close()
            raise
        self._trace = made[0]
        _runs.add(self)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if self._generation != _registry.generation:
            raise ForkedError("the trace run")
        if not self._busy.acquire(blocking=False):
            raise IopfError(errno.EBUSY, "another call on this trace run is not over: one thread at a time uses it")
        try:
            yield
        finally:
            self._busy.release()

    def _call(self, function: Callable[..., int], *arguments: object) -> None:
        with self._alone():
            if self._trace is None:
                raise Closed(errno.EBADF, "the trace run is stopped")
            begin = time.perf_counter()
            try:
                with self._queue._call():
                    result = function(self._trace, *arguments)
            finally:
                self._seconds += time.perf_counter() - begin
            lost = self._counts().unanswered if result == self._runtime.lib.IOPF_TRACE_LOST else 0
        self._runtime.after()
        if result == -errno.ENOMEM:
            raise MemoryError("no memory for the run")
        if result == self._runtime.lib.IOPF_TRACE_LOST:
            raise LostAnswers(errno.EIO, f"core {self._queue.core} will not answer {lost} groups any more")
        if result:
            raise IopfError(-result, f"the run ended: {os.strerror(-result)}")

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Performs the accesses of the next bytes of a trace, which may end within a line."""
        self._call(self._runtime.lib.iopf_trace_feed, self._runtime.ffi.from_buffer(data), len(data))

    def finish(self) -> TraceResult:
        """The trace is over: waits until everything is answered.

        :raises LostAnswers: the core answered more, or less, than it was asked
        """
        self._call(self._runtime.lib.iopf_trace_finish)
        self._complete = True
        with self._alone():
            strays = self._counts().strays if self._trace is not None else 0
        self.stop()
        if strays:
            raise LostAnswers(errno.EIO, f"core {self._queue.core} sent {strays} responses to what was not outstanding")
        return self.result()

    def stop(self) -> None:
        """Takes the devices off and closes the queue; without finish() the figures are partial. A second call is fine."""
        if self._trace is None or self._generation != _registry.generation:
            return
        with self._alone():
            if self._trace is not None:
                self._end()
        self._queue.close()
        self._runtime.after()

    def _end(self) -> None:
        begin = time.perf_counter()
        lib = self._runtime.lib
        try:
            with self._queue._held:
                lib.iopf_trace_end(self._trace)
        except Closed:
            # Collected in a cycle, the queue may have gone first.
            lib.iopf_trace_orphan(self._trace)
        if not self._complete:
            self._seconds += time.perf_counter() - begin
        self._result = self._read()
        trace, self._trace = self._trace, None
        lib.iopf_trace_delete(trace)

    def _counts(self) -> CData:
        counts: CData = self._runtime.ffi.new("struct iopf_trace_counts *")
        self._runtime.lib.iopf_trace_count(self._trace, counts)
        return counts

    def _read(self) -> TraceResult:
        lib, ffi = self._runtime.lib, self._runtime.ffi
        counts = self._counts()
        latency = ffi.new("struct iopf_trace_latency *")
        lib.iopf_trace_measure(self._trace, latency)
        kinds = lib.iopf_trace_latencies(self._trace, 0, ffi.NULL)
        latencies = ffi.new("uint64_t[][2]", kinds)
        lib.iopf_trace_latencies(self._trace, kinds, latencies)
        text = ffi.new("char[128]")
        malformed = []
        for index in range(lib.IOPF_TRACE_SAMPLES):
            number = lib.iopf_trace_malformed(self._trace, index, text, len(text))
            if not number:
                break
            malformed.append((number, ffi.string(text).decode(errors="replace")))
        return TraceResult(
            accesses=counts.accesses,
            malformed=counts.malformed,
            malformed_lines=tuple(malformed),
            requests=counts.requests,
            groups=counts.groups,
            success=counts.answers[lib.IOPF_SUCCESS],
            invalid=counts.answers[lib.IOPF_INVALID],
            failure=counts.answers[lib.IOPF_FAILURE],
            refused=counts.refused,
            dropped=counts.dropped,
            present=counts.present,
            seconds=self._seconds,
            latency=Latency(latency.p50, latency.p99, latency.p999, latency.max),
            complete=self._complete,
            latencies=tuple((one[0], one[1]) for one in latencies),
        )

    def progress(self) -> tuple[int, int, float]:
        """Accesses, requests and seconds so far: (0, 0, 0.0) before the first, the result's once it has ended."""
        result = self._result
        if result is not None:
            return result.accesses, result.requests, result.seconds
        with self._alone():
            counts = self._counts()
            return counts.accesses, counts.requests, self._seconds

    def result(self) -> TraceResult:
        """The figures: of now while it runs, final after finish() or stop()."""
        if self._result is not None:
            return self._result
        with self._alone():
            return self._result if self._result is not None else self._read()

    def __enter__(self) -> TraceRun:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        if self._generation != _registry.generation:
            return "<TraceRun of another process>"
        try:
            result = self.result()
        except IopfError:
            return "<TraceRun busy>"
        state = "running" if self._trace is not None else "finished" if result.complete else "stopped"
        return f"<TraceRun {state}: {result.accesses} accesses, {result.requests} requests>"

    def __del__(self) -> None:
        # At the end of the interpreter the names of modules are gone before the last objects.
        if getattr(self, "_trace", None) is not None and _registry is not None:
            self.stop()


#: Those that may still be running: the end of the interpreter stops them, before queues are closed.
_runs: weakref.WeakSet[TraceRun] = weakref.WeakSet()


def _stop_all() -> None:
    for run in list(_runs):
        try:
            run.stop()
        except IopfError as error:  # a thread is still in it
            from ._log import log

            log.warning("the trace run is left as it is: %s", error)


atexit.register(_stop_all)


def _within(name: str, value: SupportsIndex, least: int, most: int) -> int:
    number = check_range(name, value, most + 1)
    if number < least:
        raise ValueError(f"{name} {number}: out of range {least} ≤ {name} ≤ {most}")
    return number


def run_trace(
    trace: Source,
    maps: str | os.PathLike[str] | IO[bytes] | IO[str] | AddressSpace,
    *,
    group: int = GROUP,
    outstanding: int = OUTSTANDING,
    devices: int = DEVICES,
    workers: int = WORKERS,
    resident: int | None = None,
    core: Core | str = "iopf",
    runtime: str = "native",
) -> TraceResult:
    """Performs a whole trace; the options are those of :class:`TraceRun`.

    :param trace: a path (plain, or compressed by xz, gzip, bzip2 or zstd), ``"-"`` for standard input, or a binary file
    :param maps: a copy of the process's /proc/PID/maps, as a path or a file, or an address space
    :raises TraceError: one of the two can't be read, or no line of the trace is an access; where a trace is cut or
        damaged, ``result`` has the figures up to there
    :raises LostAnswers: the core answered more, or less, than it was asked
    :raises UnsafeCore: as :class:`TraceRun`
    """
    space = maps if isinstance(maps, AddressSpace) else read_maps(maps)
    with TraceRun(
        space,
        group=group,
        outstanding=outstanding,
        devices=devices,
        workers=workers,
        resident=resident,
        core=core,
        runtime=runtime,
    ) as run:
        perform(run, trace)
        return run.result()


def perform(run: TraceRun, trace: Source, fed: Callable[[int, int | None], object] = lambda *_: None) -> None:
    """Feeds a whole trace and finishes.

    :param fed: called after each piece with how many bytes of the file were read, and its size where it has one

    :raises TraceError: it can't be read, or no line is an access; where it is cut or damaged, what came before has been
        finished, and ``result`` has its figures
    """
    size = 0
    read: tuple[int, int | None] = (0, None)

    def seen(position: int, whole: int | None) -> None:
        nonlocal read
        read = position, whole

    try:
        for piece in read_trace(trace, seen):
            run.feed(piece)
            fed(*read)
            size += len(piece)
            if size > MUCH_OF_NOTHING and not run.result().accesses:
                break  # and this may go on for ever
    except TraceError as error:
        if run.result().accesses:
            error.result = replace(run.finish(), complete=False)
        raise
    if not run.finish().accesses:
        raise TraceError(nothing_usable(trace, run.result()))


def nothing_usable(trace: Source, result: TraceResult) -> str:
    """Why there was nothing to run, in one line."""
    text = f"{inputs.name_of(trace)}: no line is an access as valgrind --tool=lackey --trace-mem=yes prints them"
    if result.malformed_lines:
        number, line = result.malformed_lines[0]
        text += f"; line {number} is {inputs.shown(line)}"
    return text
