# SPDX-License-Identifier: GPL-2.0-only
"""Devices: they report page requests, get responses, and have domains attached."""

from __future__ import annotations

import contextlib
import errno
import itertools
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import _registry, _runtime
from ._checks import check_name, check_range, parse_perm
from ._held import Counted, Held, Unique
from ._types import PAGE_REQUEST_FORMAT, PageResponse, RequestFlags
from .exceptions import Closed, ForkedError, NoPasidWarning, error_for
from .handlers import SVA, Inline, Refuse, Work
from .responses import RESPONSE_BYTES, Responses

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._extension import CData
    from ._runtime import Runtime
    from .group import Group
    from .handlers import Handler
    from .queue import Queue

DEFAULT_RUNTIME = "native"
DEFAULT_CORE = "iopf"
REQUEST_BYTES = 48
MAX_PASID = 1 << 20

_LAST, _VALID = RequestFlags.LAST_PAGE.value, RequestFlags.PASID_VALID.value

_ids = itertools.count(1)

_REPORT_ADVICE = {
    errno.EINVAL: "bad setup: the device is on no queue, or no handler is attached for this PASID;"
    " a last request has been answered INVALID",
    errno.ENOMEM: "no memory to store the partial request: the device waits for its last one",
    errno.EOPNOTSUPP: "this is no page request",
}


class PythonHandler:
    """A callable under the number that C knows it by."""

    __slots__ = ("__weakref__", "function", "id")

    def __init__(self, function: Callable[[Group], object]):
        self.function = function
        self.id = next(_ids)
        _registry.remember(_registry.handlers, self.id, self)


@dataclass(frozen=True)
class DeviceStatistics:
    """Counts of one device since it was made; the last two are of now."""

    reported: int
    success: int
    invalid: int
    failure: int
    #: responses that came after removal had answered, and did nothing
    dropped: int
    #: responses to what had been answered already: each second ``Group.respond()``, which raised AlreadyAnswered
    already_answered: int
    #: stored requests that wait for the last one of their group
    partials: int
    #: groups without an answer
    pending: int

    @property
    def answered(self) -> int:
        """Responses that the device got."""
        return self.success + self.invalid + self.failure


def statistics_fields(held: Held) -> dict[str, int]:
    """The C statistics of a device as a dict."""
    raw = held.runtime.ffi.new("struct iopf_statistics *")
    held.runtime.lib.iopf_device_statistics(held.pointer, raw)
    return {name: int(getattr(raw, name)) for name in DeviceStatistics.__dataclass_fields__}


@dataclass(frozen=True, eq=False)
class _Attachment:
    """What a group has attached: enough to attach it again in another runtime."""

    handler: Handler
    python: PythonHandler | None
    user_pasid_table: bool  # of the device that attached it

    def keep(self) -> None:
        """Before it goes: a Python handler stays for what is still in flight."""
        if self.python is not None:
            _registry.detached[self.python.id] = self.python


class _IommuGroup:
    """Devices that share attachments, and with them a runtime and a core.

    Which these are is decided by the first queue that adds one of the devices. Attachments may come before that, so a
    group starts on the defaults and moves, with its attachments, when the queue turns out to be of another kind.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.decided = False
        self.attachments: dict[int, _Attachment] = {}
        self._members: dict[int, weakref.ref[Device]] = {}
        self.held: Held | None = _new_group(_runtime.get(DEFAULT_RUNTIME), DEFAULT_CORE)

    def join(self, device: Device) -> None:
        """One more member, until it is collected."""
        identifier, members = device._id, self._members
        members[identifier] = weakref.ref(device, lambda _: members.pop(identifier, None))

    def members(self) -> list[Device]:
        """The devices of the group. One call copies the table: other threads change it."""
        found = [reference() for reference in list(self._members.values())]
        return [device for device in found if device is not None]

    def decide(self, runtime: Runtime, core_name: str) -> None:
        """Settles runtime and core; ValueError when they were settled differently."""
        with self.lock:
            held = self.held
            if held is None:
                raise Closed(errno.EBADF, "the device's iommu group was collected")
            if (held.runtime, held.core_name) != (runtime, core_name):
                if self.decided:
                    raise ValueError(
                        f"the device runs core {held.core_name!r} on {held.runtime.name!r}, as the queue that added it"
                        f" (or a device of its group) first; this queue runs {core_name!r} on {runtime.name!r}:"
                        " use a new device"
                    )
                self._move(held, runtime, core_name)
            self.decided = True

    def _move(self, old_group: Held, runtime: Runtime, core_name: str) -> None:
        """All or nothing: the attachments are made anew over there before anything changes here."""
        members = [device for device in self.members() if device._helds]
        made: list[Held] = []
        attachments: dict[int, _Attachment] = {}
        # Any device of the group can detach what all of them share.
        old_device = _new_device(old_group, "", 0, 0)
        group = _new_group(runtime, core_name)
        try:
            for device in members:
                made.append(device._new_device(group))
            for index, old in self.attachments.items():
                flags = runtime.lib.IOPF_DEVICE_USER_PASID_TABLE if old.user_pasid_table else 0
                made.append(_new_device(group, "", 0, flags))
                result, python = call_attach(made[-1], runtime.lib.iopf_attach, index, old.handler)
                if result:
                    raise error_for(result, {errno.ENOMEM: "no memory to attach"})
                attachments[index] = _Attachment(old.handler, python, old.user_pasid_table)
        except BaseException:
            for held in (*made, group, old_device):
                held.let_go()
            raise
        for index, attachment in self.attachments.items():
            attachment.keep()
            old_device.runtime.lib.iopf_detach(old_device.pointer, index)
        old_device.let_go()
        old_group.let_go()
        self.held, self.attachments = group, attachments
        for device, held in zip(members, made):
            device._take(held)
        for held in made[len(members) :]:
            held.let_go()
        old_group.runtime.collect_handlers()

    def let_go(self, device: Device) -> None:
        """``device`` was closed: with the last one the attachments go, and not only when the objects are collected.

        A form that does not count its handles would free them under a group that is out: there they stay until then.
        """
        with self.lock:
            if any(not member._closed for member in self.members()) or not self.attachments or not device._helds:
                return
            held = device._helds[-1]
            if "beside" in held.runtime.hazards_of(held.core_name):
                return
            runtime, attachments, self.attachments = held.runtime, self.attachments, {}
            for index, attachment in attachments.items():
                attachment.keep()
                runtime.lib.iopf_detach(held.pointer, index)
            del held
        runtime.after()

    def __del__(self) -> None:
        held = getattr(self, "held", None)
        if held is not None and held.of_this_process:
            for attachment in self.attachments.values():
                attachment.keep()
            held.let_go()
            self.held = None
            runtime = held.runtime
            del held
            runtime.collect_handlers()


def _new_group(runtime: Runtime, core_name: str) -> Held:
    pointer = runtime.lib.iopf_iommu_group_new(runtime.cores[core_name])
    if not pointer:
        raise MemoryError("no memory for an iommu group")
    return Held(runtime, pointer, runtime.lib.iopf_iommu_group_put, core_name)


def _new_device(group: Held, name: str, identifier: int, flags: int) -> Held:
    """A device of the group, of its runtime and core."""
    lib = group.runtime.lib
    core = group.runtime.cores[group.core_name]
    pointer = lib.iopf_device_new(core, name.encode()[:63], group.pointer, identifier, flags)
    if not pointer:
        raise MemoryError("no memory for a device")
    return Held(group.runtime, pointer, lib.iopf_device_put, group.core_name)


@contextlib.contextmanager
def stranger(runtime: Runtime, core_name: str) -> Iterator[Held]:
    """A device that nobody knows and that is on no queue: for a caller's mistake that the core itself is to count."""
    group = _new_group(runtime, core_name)
    try:
        held = _new_device(group, "stranger", 0, 0)
        try:
            yield held
        finally:
            held.let_go()
    finally:
        group.let_go()


def call_attach(held: Held, call: Callable[..., int], index: int, handler: Handler) -> tuple[int, PythonHandler | None]:
    """Attaches or replaces in C. Returns what C did, and the Python handler that lives as long as the attachment."""
    runtime = held.runtime
    lib = runtime.lib
    raw = runtime.ffi.new("struct iopf_handler *")
    python = space = None
    if isinstance(handler, SVA):
        space = handler.space._live()  # held to the end of the call
        raw.kind = lib.IOPF_SVA
        raw.space = space_for(runtime, space)
    elif isinstance(handler, Inline):
        raw.kind = lib.IOPF_INLINE
        raw.code = handler.code
    elif isinstance(handler, Refuse):
        raw.kind = lib.IOPF_REFUSE
    else:
        raw.kind = lib.IOPF_WORK if isinstance(handler, Work) else lib.IOPF_CALL
        python = PythonHandler(handler.function if isinstance(handler, Work) else handler)
        raw.id = python.id
    result = call(held.pointer, index, raw)
    if result and python is not None:
        runtime.collect_handlers()
    return result, python


class Device(Unique):
    """A device that faults.

    :param name: as in kernel messages, up to 63 bytes
    :param group: another device: both are of one iommu group and share attachments (fault params stay per device)
    :param record: keep every response for :attr:`responses`
    :param on_response: called with each :class:`PageResponse` after the core's lock is dropped, in the thread that
        caused it; what it raises is raised by that call (from a work: by flush or close, as HandlerError)
    :param user_pasid_table: the guest owns the PASID table: faults of unattached PASIDs go to the device's own domain

    All methods may be called from any thread.
    """

    def __init__(
        self,
        name: str,
        *,
        group: Device | None = None,
        record: bool = True,
        on_response: Callable[[PageResponse], object] | None = None,
        user_pasid_table: bool = False,
    ):
        if group is not None and not isinstance(group, Device):
            raise TypeError(f"group is another Device, not {type(group).__name__}")
        if on_response is not None and not callable(on_response):
            raise TypeError(f"on_response is a callable, not {type(on_response).__name__}")
        self.name = check_name("a device", name)
        self._generation = _registry.generation
        self._closed = False
        self._collected = False
        self._queue: Queue | None = None
        self._on_response = on_response
        self._record = record
        self._user_pasid_table = user_pasid_table
        self._id = next(_ids)
        #: C devices, one for each runtime that it has been in: the last is in use. None: it was collected.
        self._helds: tuple[Held, ...] = ()
        #: Held while it goes on a queue or comes off one, so that C and _queue agree; never while Python is called.
        self._place = threading.RLock()
        self._flushes: list[Flush] = []
        if group is not None:
            group._live()
        self._group: _IommuGroup = _IommuGroup() if group is None else group._group
        with self._group.lock:
            if self._group.held is None:
                raise Closed(errno.EBADF, f"the device {group.name if group else name} was collected")
            self._helds = (self._new_device(self._group.held),)
            self._group.join(self)
        _registry.remember(_registry.devices, self._id, self)

    # --- the C device ---

    def _new_device(self, group: Held) -> Held:
        lib = group.runtime.lib
        flags = (
            (lib.IOPF_DEVICE_RECORD if self._record else 0)
            | (lib.IOPF_DEVICE_NOTIFY if self._on_response is not None else 0)
            | (lib.IOPF_DEVICE_USER_PASID_TABLE if self._user_pasid_table else 0)
        )
        return _new_device(group, self.name, self._id, flags)

    def _take(self, held: Held) -> None:
        """Its group has moved. One that is being collected meanwhile needs nothing any more."""
        self._helds = (*self._helds, held)
        if self._collected:
            held.let_go()
            self._helds = ()

    def _live(self) -> Held:
        """The C device in use; whoever has the result holds it."""
        if self._generation != _registry.generation:
            raise ForkedError(f"the device {self.name}")
        helds = self._helds
        if self._closed or not helds:
            raise Closed(errno.EBADF, f"the device {self.name} is closed")
        return helds[-1]

    def _readable(self) -> tuple[Held, ...]:
        """The C devices, also of a device that was closed."""
        if self._generation != _registry.generation:
            raise ForkedError(f"the device {self.name}")
        helds = self._helds
        if not helds:
            raise Closed(errno.EBADF, f"the device {self.name} was collected")
        return helds

    # --- attachments ---

    @staticmethod
    def _pasid(pasid: int | None) -> int:
        if pasid is None:
            return 0
        pasid = check_range("pasid", pasid, MAX_PASID)
        if pasid == 0:
            raise ValueError("pasid 0 stands for requests without a PASID: say pasid=None")
        return pasid

    @staticmethod
    def _check_handler(handler: object) -> None:
        if not isinstance(handler, (SVA, Inline, Refuse, Work)) and not callable(handler):
            raise TypeError(f"a handler is SVA, Inline, Refuse, Work or a callable, not {type(handler).__name__}")

    def _warn_of_no_pasid(self, handler: Handler, index: int) -> None:
        """With the guest's PASID table, requests of unattached PASIDs come to the device's own domain: that is fine."""
        if index or not isinstance(handler, SVA) or any(device._user_pasid_table for device in self._group.members()):
            return
        warnings.warn(
            "SVA without a PASID answers every request INVALID: it resolves addresses of a process, and a request"
            " without a PASID names none. Say attach(handler, pasid=N), and report(..., pasid=N)",
            NoPasidWarning,
            stacklevel=3,
        )

    def attach(self, handler: Handler, *, pasid: int | None = None) -> None:
        """Lets ``handler`` resolve the faults of ``pasid`` (None: requests without one). EBUSY when it is taken.

        SVA without a PASID resolves nothing, and is warned of: :class:`iopf.NoPasidWarning`.
        """
        self._check_handler(handler)
        index = self._pasid(pasid)
        self._warn_of_no_pasid(handler, index)
        self._live()
        with self._group.lock:
            held = self._live()
            result, python = call_attach(held, held.runtime.lib.iopf_attach, index, handler)
            del held
            if not result:
                self._group.attachments[index] = _Attachment(handler, python, self._user_pasid_table)
        if result:
            raise error_for(
                result,
                {
                    errno.EBUSY: f"{_index_name(index)} has a handler: use replace(), or detach() first",
                    errno.ENOMEM: "no memory to attach",
                },
            )

    def replace(self, handler: Handler, *, pasid: int | None = None) -> None:
        """Exchanges the handler of ``pasid``; groups in flight keep the old one. EINVAL when there is none."""
        self._check_handler(handler)
        index = self._pasid(pasid)
        self._warn_of_no_pasid(handler, index)
        self._live()
        with self._group.lock:
            held = self._live()
            runtime = held.runtime
            old = self._group.attachments.get(index)
            if old is not None:
                old.keep()
            result, python = call_attach(held, runtime.lib.iopf_replace, index, handler)
            del held
            if not result:
                self._group.attachments[index] = _Attachment(handler, python, self._user_pasid_table)
            elif old is not None and old.python is not None:
                _registry.detached.pop(old.python.id, None)
        runtime.after()
        if result:
            raise error_for(
                result,
                {
                    errno.EINVAL: f"{_index_name(index)} has no handler to replace: use attach()",
                    errno.ENOMEM: "no memory to attach",
                },
            )

    def detach(self, *, pasid: int | None = None) -> None:
        """Takes the handler away. Groups in flight keep it; flush() waits for them. Nothing there: counted WARN."""
        index = self._pasid(pasid)
        self._live()
        with self._group.lock:
            held = self._live()
            runtime = held.runtime
            old = self._group.attachments.pop(index, None)
            if old is not None:
                old.keep()
            runtime.lib.iopf_detach(held.pointer, index)
            del held
        runtime.after()

    # --- faults ---

    def report(
        self,
        *,
        addr: int,
        perm: str | int = "r",
        grpid: int = 0,
        pasid: int | None = None,
        last: bool = True,
        flags: int | None = None,
    ) -> None:
        """Reports one page request.

        :param addr: byte address, 0 ≤ addr < 2**64
        :param perm: what the access wants, of r, w, x, p (privileged)
        :param grpid: the page request group's index, 32 bits
        :param pasid: the process address space, below 2**32; None: without one
        :param last: completes the group; a partial request is stored until then
        :param flags: the raw flag bits instead of those that follow from pasid and last

        :raises BadSetup: nobody can resolve it (EINVAL); a last request has been answered INVALID
        :raises IopfError: ENOMEM, a partial request was lost
        """
        held = self._live()
        runtime = held.runtime
        if flags is None:
            raw_flags = _LAST if last else 0
            if pasid is not None:
                raw_flags |= _VALID
        else:
            raw_flags = check_range("flags", flags, 1 << 32)
        if addr.__class__ is not int or not 0 <= addr < 1 << 64:
            addr = check_range("addr", addr, 1 << 64)
        if grpid.__class__ is not int or not 0 <= grpid < 1 << 32:
            grpid = check_range("grpid", grpid, 1 << 32)
        if pasid is None:
            pasid = 0
        elif pasid.__class__ is not int or not 0 <= pasid < 1 << 32:
            pasid = check_range("pasid", pasid, 1 << 32)
        result = runtime.lib.iopf_report(held.pointer, addr, parse_perm(perm), grpid, pasid, raw_flags)
        del held  # what is raised from here on has a traceback, and that keeps what this frame has
        self._after_report(runtime)
        if result:
            raise error_for(result, _REPORT_ADVICE)

    def _after_report(self, runtime: Runtime) -> None:
        queue = self._queue
        if queue is not None and queue.workers == 0:
            queue._run_pending()
        runtime.after()

    def report_many(self, buffer: Buffer, results: Buffer | None = None) -> int:
        """Reports the 48-byte records of ``buffer`` (see PAGE_REQUEST_FORMAT) in order, without Python in between.

        :param buffer: C-contiguous bytes, a multiple of 48; in NumPy an array of ``page_request_dtype``
        :param results: filled with report's return values, int32, one a record: 0 or -errno
        :returns: how many records were accepted
        :raises: what a handler or ``on_response`` raised, when all records are through; KeyboardInterrupt, after the
            record at which it came
        """
        held = self._live()
        runtime = held.runtime
        ffi = runtime.ffi
        data = ffi.from_buffer(buffer)
        count, rest = divmod(len(data), REQUEST_BYTES)
        if rest:
            raise ValueError(f"{len(data)} bytes: records are {REQUEST_BYTES} bytes ({PAGE_REQUEST_FORMAT})")
        raw_results = ffi.NULL
        if results is not None:
            raw_results = ffi.from_buffer("int32_t[]", results, require_writable=True)
            if memoryview(results).itemsize not in (1, 4) or len(raw_results) < count:
                raise ValueError(f"results takes at least {count} int32")
        accepted: int = runtime.lib.iopf_report_many(held.pointer, data, count, raw_results)
        del held
        self._after_report(runtime)
        return accepted

    def flush(self) -> None:
        """Waits until every work that was queued before, of any device of the queue, has answered and freed its group.

        Ctrl-C works. Not from a handler that runs as a work of the queue: WouldDeadlock.

        :raises NotOnQueue: the device is on no queue (ENODEV); counted as a WARN, too
        :raises HandlerError: a handler raised in a work since the last flush
        """
        held = self._live()
        flush = Flush()
        with self._place:
            queue = self._queue
            queue_pointer = None
            if queue is not None:
                queue_pointer = flush.hold(queue._held)
                self._flushes.append(flush)
        if queue is None or queue_pointer is None:
            # The device itself could be added meanwhile, to a queue that this call does not hold.
            runtime, core_name = held.runtime, held.core_name
            del held
            with stranger(runtime, core_name) as nobody:
                runtime.lib.iopf_device_flush(nobody.pointer)
            runtime.after()
            raise error_for(-errno.ENODEV, {errno.ENODEV: "the device is on no queue: add it to one first"})
        try:
            result = queue._flush(queue_pointer, held)
        finally:
            del held
            with self._place:
                self._flushes.remove(flush)
            flush.end()
        queue._after_flush(self, result)

    # --- what came of it ---

    @property
    def responses(self) -> Responses:
        """The responses so far, oldest first: a sequence of their own, that does not change. Also after close()."""
        found = b""
        for held in self._readable():
            lib, ffi = held.runtime.lib, held.runtime.ffi
            count = lib.iopf_device_responses(held.pointer, 0, 0, ffi.NULL)
            raw = ffi.new("struct iopf_response[]", count)
            count = min(count, lib.iopf_device_responses(held.pointer, 0, count, raw))
            found += ffi.buffer(raw)[: count * RESPONSE_BYTES]
        return Responses(found)

    def clear_responses(self) -> None:
        """Forgets the recorded responses."""
        self._live()
        for held in self._readable():
            held.runtime.lib.iopf_device_clear_responses(held.pointer)

    def _count_answered_again(self) -> None:
        """A group of the device was answered again. The core never hears of it: the first answer took the group."""
        helds = self._helds
        if helds:
            held = helds[-1]
            held.runtime.lib.iopf_device_answered_again(held.pointer)

    def statistics(self) -> DeviceStatistics:
        """A snapshot of the device's counts. Also after close()."""
        parts = [statistics_fields(held) for held in self._readable()]
        return DeviceStatistics(**{name: sum(part[name] for part in parts) for name in parts[0]})

    @property
    def queue(self) -> Queue | None:
        """The queue that the device is on."""
        return self._queue

    @property
    def closed(self) -> bool:
        """Has close() been called?"""
        return self._closed

    def close(self) -> None:
        """Removes the device from its queue, and detaches its handlers when no device of its group is open any more.

        Groups in flight keep their handler. Responses and statistics stay readable; a second call is fine.
        """
        if self._closed:
            return
        self._live()
        self._closed = True  # first: from here on nothing is added or attached
        with self._place:
            queue = self._queue
        if queue is not None:
            queue._remove_if_there(self)
        self._group.let_go(self)

    def __enter__(self) -> Device:
        self._live()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._generation != _registry.generation:
            return f"<Device {self.name} of another process>"
        if self._closed or not self._helds:
            return f"<Device {self.name}, closed>"
        queue = self._queue
        statistics = self.statistics()
        where = "on no queue" if queue is None else f"on {queue.name}"
        return f"<Device {self.name} {where}: {statistics.reported} reported, {statistics.pending} pending>"

    def __del__(self) -> None:
        # At the end of the interpreter the names of modules are gone before the last objects.
        if not getattr(self, "_helds", None) or _registry is None or self._generation != _registry.generation:
            return
        queue = self._queue
        try:
            if queue is not None:
                queue._remove_if_there(self)
        finally:
            self._collected = True
            helds, self._helds = self._helds, ()
            while helds:
                helds[0].let_go()
                helds = helds[1:]


class Flush:
    """The queues that a flush may come to: the device's, and those that it is added to meanwhile. None is freed."""

    def __init__(self) -> None:
        self._held: list[Counted] = []

    def hold(self, queue: Counted) -> CData:
        """One more, under the device's _place; its pointer. Closed: it is gone."""
        pointer = queue.enter()
        self._held.append(queue)
        return pointer

    def end(self) -> None:
        """The flush is over."""
        while self._held:
            self._held.pop().leave()


def space_for(runtime: Runtime, space: Held) -> CData:
    """Spaces are the same in every runtime: plain memory and a lock. Whoever passes it to C holds the space."""
    raw: CData = runtime.ffi.cast("iopf_space *", int(space.runtime.ffi.cast("uintptr_t", space.pointer)))
    return raw


def _index_name(index: int) -> str:
    return f"pasid {index}" if index else "the device itself (no PASID)"
