# SPDX-License-Identifier: GPL-2.0-only
"""Devices: they report page requests, get responses, and have domains attached."""

from __future__ import annotations

import errno
import itertools
import threading
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import _runtime
from ._types import PAGE_REQUEST_FORMAT, PageResponse, RequestFlags, ResponseCode, check_name, check_range, parse_perm
from .exceptions import Closed, ForkedError, IopfError, NoPasidWarning, error_for
from .handlers import SVA, Inline, Refuse, Work

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._runtime import CData, Runtime
    from .group import Group
    from .handlers import Handler
    from .queue import Queue
    from .space import AddressSpace

DEFAULT_RUNTIME = "native"
DEFAULT_CORE = "iopf"
REQUEST_BYTES = 48
MAX_PASID = 1 << 20

_ids = itertools.count(1)
#: Devices by the number that C knows them by.
devices: weakref.WeakValueDictionary[int, Device] = weakref.WeakValueDictionary()
#: Python handlers by the number that C knows them by. Who has one attached keeps it (a handler may well refer to its
#: own device, and the two are garbage together); what is detached with groups in flight is in _runtime.detached.
handlers: weakref.WeakValueDictionary[int, _PythonHandler] = weakref.WeakValueDictionary()

_REPORT_ADVICE = {
    errno.EINVAL: "bad setup: the device is on no queue, or no handler is attached for this PASID;"
    " a last request has been answered INVALID",
    errno.ENOMEM: "no memory to store the partial request: the device waits for its last one",
    errno.EOPNOTSUPP: "this is no page request",
}


class _PythonHandler:
    """A callable under the number that C knows it by."""

    __slots__ = ("__weakref__", "function", "id")

    def __init__(self, function: Callable[[Group], object]):
        self.function = function
        self.id = next(_ids)
        handlers[self.id] = self


@dataclass(frozen=True)
class DeviceStatistics:
    """Counts of one device since it was made; the last two are of now."""

    reported: int
    success: int
    invalid: int
    failure: int
    #: responses that came after removal had answered, and did nothing
    dropped: int
    #: responses to what its owner had answered already
    already_answered: int
    #: stored requests that wait for the last one of their group
    partials: int
    #: groups without an answer
    pending: int

    @property
    def answered(self) -> int:
        """Responses that the device got."""
        return self.success + self.invalid + self.failure


def statistics_fields(runtime: Runtime, pointer: CData) -> dict[str, int]:
    """The C statistics of a device as a dict."""
    raw = runtime.ffi.new("struct iopf_statistics *")
    runtime.lib.iopf_device_statistics(pointer, raw)
    return {name: int(getattr(raw, name)) for name in DeviceStatistics.__dataclass_fields__}


@dataclass(frozen=True, eq=False)
class _Attachment:
    """What a group has attached: enough to attach it again in another runtime."""

    handler: Handler
    python: _PythonHandler | None
    user_pasid_table: bool  # of the device that attached it

    def keep(self) -> None:
        """Before it goes: a Python handler stays for what is still in flight."""
        if self.python is not None:
            _runtime.detached[self.python.id] = self.python


class _IommuGroup:
    """Devices that share attachments, and with them a runtime and a core.

    Which these are is decided by the first queue that adds one of the devices. Attachments may come before that, so a
    group starts on the defaults and moves, with its attachments, when the queue turns out to be of another kind.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.decided = False
        self.members: weakref.WeakSet[Device] = weakref.WeakSet()
        self.attachments: dict[int, _Attachment] = {}
        self.generation = _runtime.generation
        self._make(_runtime.get(DEFAULT_RUNTIME), DEFAULT_CORE)

    def _make(self, runtime: Runtime, core_name: str) -> None:
        pointer = _new_group(runtime, core_name)
        self.runtime, self.core_name, self.pointer = runtime, core_name, pointer

    def decide(self, runtime: Runtime, core_name: str) -> None:
        """Settles runtime and core; ValueError when they were settled differently."""
        with self.lock:
            if (self.runtime, self.core_name) != (runtime, core_name):
                if self.decided:
                    raise ValueError(
                        f"the device runs core {self.core_name!r} on {self.runtime.name!r}, as the queue that added it"
                        f" (or a device of its group) first; this queue runs {core_name!r} on {runtime.name!r}:"
                        " use a new device"
                    )
                self._move(runtime, core_name)
            self.decided = True

    def _move(self, runtime: Runtime, core_name: str) -> None:
        """All or nothing: the attachments are made anew over there before anything changes here."""
        members = list(self.members)
        group = _new_group(runtime, core_name)
        pointers: list[CData] = []
        attachments: dict[int, _Attachment] = {}
        try:
            for device in members:
                pointers.append(device._new_device(runtime, core_name, group))
            for index, old in self.attachments.items():
                flags = runtime.lib.IOPF_DEVICE_USER_PASID_TABLE if old.user_pasid_table else 0
                pointers.append(_new_device(runtime, core_name, "", group, 0, flags))
                result, python = call_attach(runtime, pointers[-1], runtime.lib.iopf_attach, index, old.handler)
                if result:
                    raise error_for(result, {errno.ENOMEM: "no memory to attach"})
                attachments[index] = _Attachment(old.handler, python, old.user_pasid_table)
        except BaseException:
            for pointer in pointers:
                runtime.lib.iopf_device_put(pointer)
            runtime.lib.iopf_iommu_group_put(group)
            raise
        old_runtime, old_group, old_pointer = self.runtime, self.pointer, members[0]._pointers[-1][1]
        for index, attachment in self.attachments.items():
            attachment.keep()
            old_runtime.lib.iopf_detach(old_pointer, index)
        old_runtime.lib.iopf_iommu_group_put(old_group)
        self.runtime, self.core_name, self.pointer = runtime, core_name, group
        self.attachments = attachments
        for device, pointer in zip(members, pointers):
            device._pointers.append((runtime, pointer))
        for pointer in pointers[len(members):]:
            runtime.lib.iopf_device_put(pointer)
        old_runtime.collect_handlers()

    def let_go(self) -> None:
        """A device was closed: with the last one the attachments go, and not only when the objects are collected.

        A form that does not count its handles would free them under a group that is out: there they stay until then.
        """
        with self.lock:
            open_ones = [device for device in self.members if not device._closed]
            if open_ones or not self.attachments or "beside" in self.runtime.hazards_of(self.core_name):
                return
            pointer = next(iter(self.members))._pointers[-1][1]
            attachments, self.attachments = self.attachments, {}
            for index, attachment in attachments.items():
                attachment.keep()
                self.runtime.lib.iopf_detach(pointer, index)
        self.runtime.after()

    def __del__(self) -> None:
        if getattr(self, "pointer", None) and self.generation == _runtime.generation:
            for attachment in self.attachments.values():
                attachment.keep()
            self.runtime.lib.iopf_iommu_group_put(self.pointer)
            self.runtime.collect_handlers()


def _new_group(runtime: Runtime, core_name: str) -> CData:
    pointer: CData = runtime.lib.iopf_iommu_group_new(runtime.cores[core_name])
    if not pointer:
        raise MemoryError("no memory for an iommu group")
    return pointer


def _new_device(runtime: Runtime, core_name: str, name: str, group: CData, identifier: int, flags: int) -> CData:
    pointer: CData = runtime.lib.iopf_device_new(runtime.cores[core_name], name.encode()[:63], group, identifier, flags)
    if not pointer:
        raise MemoryError("no memory for a device")
    return pointer


def call_attach(
    runtime: Runtime, pointer: CData, call: Callable[..., int], index: int, handler: Handler
) -> tuple[int, _PythonHandler | None]:
    """Attaches or replaces in C. Returns what C did, and the Python handler that lives as long as the attachment."""
    lib = runtime.lib
    raw = runtime.ffi.new("struct iopf_handler *")
    python = None
    if isinstance(handler, SVA):
        raw.kind = lib.IOPF_SVA
        raw.space = runtime.ffi.cast("iopf_space *", int(_address(handler.space)))
    elif isinstance(handler, Inline):
        raw.kind = lib.IOPF_INLINE
        raw.code = handler.code
    elif isinstance(handler, Refuse):
        raw.kind = lib.IOPF_REFUSE
    else:
        raw.kind = lib.IOPF_WORK if isinstance(handler, Work) else lib.IOPF_CALL
        python = _PythonHandler(handler.function if isinstance(handler, Work) else handler)
        raw.id = python.id
    result = call(pointer, index, raw)
    if result and python is not None:
        runtime.collect_handlers()
    return result, python


class Device:
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
        self._generation = _runtime.generation
        self._closed = False
        self._queue: Queue | None = None
        self._on_response = on_response
        self._record = record
        self._user_pasid_table = user_pasid_table
        self._id = next(_ids)
        self._pointers: list[tuple[Runtime, CData]] = []  # (runtime, C device): the last is in use
        if group is not None:
            group._live()
        self._group: _IommuGroup = _IommuGroup() if group is None else group._group
        with self._group.lock:
            runtime = self._group.runtime
            self._pointers.append((runtime, self._new_device(runtime, self._group.core_name, self._group.pointer)))
            self._group.members.add(self)
        devices[self._id] = self

    # --- the C device ---

    def _new_device(self, runtime: Runtime, core_name: str, group: CData) -> CData:
        flags = (
            (runtime.lib.IOPF_DEVICE_RECORD if self._record else 0)
            | (runtime.lib.IOPF_DEVICE_NOTIFY if self._on_response is not None else 0)
            | (runtime.lib.IOPF_DEVICE_USER_PASID_TABLE if self._user_pasid_table else 0)
        )
        return _new_device(runtime, core_name, self.name, group, self._id, flags)

    def _live(self) -> tuple[Runtime, CData]:
        if self._generation != _runtime.generation:
            raise ForkedError(f"the device {self.name}")
        if self._closed:
            raise Closed(errno.EBADF, f"the device {self.name} is closed")
        return self._pointers[-1]

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
        if index or not isinstance(handler, SVA) or any(device._user_pasid_table for device in self._group.members):
            return
        warnings.warn(
            "SVA without a PASID answers every request INVALID: it resolves addresses of a process, and a request"
            " without a PASID names none. Say attach(handler, pasid=N), and report(..., pasid=N)",
            NoPasidWarning, stacklevel=3,
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
            runtime, pointer = self._live()
            result, python = call_attach(runtime, pointer, runtime.lib.iopf_attach, index, handler)
            if not result:
                self._group.attachments[index] = _Attachment(handler, python, self._user_pasid_table)
        if result:
            raise error_for(result, {
                errno.EBUSY: f"{_index_name(index)} has a handler: use replace(), or detach() first",
                errno.ENOMEM: "no memory to attach",
            })

    def replace(self, handler: Handler, *, pasid: int | None = None) -> None:
        """Exchanges the handler of ``pasid``; groups in flight keep the old one. EINVAL when there is none."""
        self._check_handler(handler)
        index = self._pasid(pasid)
        self._warn_of_no_pasid(handler, index)
        self._live()
        with self._group.lock:
            runtime, pointer = self._live()
            old = self._group.attachments.get(index)
            if old is not None:
                old.keep()
            result, python = call_attach(runtime, pointer, runtime.lib.iopf_replace, index, handler)
            if not result:
                self._group.attachments[index] = _Attachment(handler, python, self._user_pasid_table)
            elif old is not None and old.python is not None:
                del _runtime.detached[old.python.id]
        runtime.after()
        if result:
            raise error_for(result, {
                errno.EINVAL: f"{_index_name(index)} has no handler to replace: use attach()",
                errno.ENOMEM: "no memory to attach",
            })

    def detach(self, *, pasid: int | None = None) -> None:
        """Takes the handler away. Groups in flight keep it; flush() waits for them. Nothing there: counted WARN."""
        index = self._pasid(pasid)
        self._live()
        with self._group.lock:
            runtime, pointer = self._live()
            old = self._group.attachments.pop(index, None)
            if old is not None:
                old.keep()
            runtime.lib.iopf_detach(pointer, index)
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
        runtime, pointer = self._live()
        if flags is None:
            raw_flags = (RequestFlags.LAST_PAGE.value if last else 0) | (
                0 if pasid is None else RequestFlags.PASID_VALID.value
            )
        else:
            raw_flags = check_range("flags", flags, 1 << 32)
        result = runtime.lib.iopf_report(
            pointer,
            check_range("addr", addr, 1 << 64),
            parse_perm(perm),
            check_range("grpid", grpid, 1 << 32),
            0 if pasid is None else check_range("pasid", pasid, 1 << 32),
            raw_flags,
        )
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
        runtime, pointer = self._live()
        ffi = runtime.ffi
        data = ffi.from_buffer(buffer)
        count, rest = divmod(len(data), REQUEST_BYTES)
        if rest:
            raise ValueError(f"{len(data)} bytes: records are {REQUEST_BYTES} bytes ({PAGE_REQUEST_FORMAT})")
        raw_results = ffi.NULL
        if results is not None:
            raw_results = ffi.from_buffer("int32_t[]", results, require_writable=True)
            if memoryview(results).itemsize not in (1, 4) or len(raw_results) < count:
                raise ValueError(f"results needs room for {count} int32")
        done = ffi.new("size_t *")
        accepted: int = runtime.lib.iopf_report_many(pointer, data, count, raw_results, done)
        self._after_report(runtime)
        return accepted

    def flush(self) -> None:
        """Waits until every work that was queued before, of any device of the queue, has answered and freed its group.

        Ctrl-C works. Not from a handler that runs as a work of the queue: WouldDeadlock.

        :raises NotOnQueue: the device is on no queue (ENODEV); counted as a WARN, too
        :raises HandlerError: a handler raised in a work since the last flush
        """
        runtime, pointer = self._live()
        queue = self._queue
        if queue is None:
            result = runtime.lib.iopf_device_flush(pointer)
            runtime.after()
            raise error_for(result or -errno.ENODEV, {errno.ENODEV: "the device is on no queue: add it to one first"})
        queue._flush(self, pointer)

    # --- what came of it ---

    @property
    def responses(self) -> list[PageResponse]:
        """The responses so far, oldest first: a new list. Also after close()."""
        if self._generation != _runtime.generation:
            raise ForkedError(f"the device {self.name}")
        found: list[PageResponse] = []
        for runtime, pointer in self._pointers:
            count = runtime.lib.iopf_device_responses(pointer, 0, 0, runtime.ffi.NULL)
            raw = runtime.ffi.new("struct iopf_response[]", count)
            count = min(count, runtime.lib.iopf_device_responses(pointer, 0, count, raw))
            found += [page_response(raw[i]) for i in range(count)]
        return found

    def clear_responses(self) -> None:
        """Forgets the recorded responses."""
        self._live()
        for runtime, pointer in self._pointers:
            runtime.lib.iopf_device_clear_responses(pointer)

    def statistics(self) -> DeviceStatistics:
        """A snapshot of the device's counts. Also after close()."""
        if self._generation != _runtime.generation:
            raise ForkedError(f"the device {self.name}")
        parts = [statistics_fields(runtime, pointer) for runtime, pointer in self._pointers]
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
        queue = self._queue
        self._closed = True
        if queue is not None:
            queue._remove_if_there(self)
        self._group.let_go()

    def __enter__(self) -> Device:
        self._live()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._generation != _runtime.generation:
            return f"<Device {self.name} of another process>"
        if self._closed:
            return f"<Device {self.name}, closed>"
        queue = self._queue
        statistics = self.statistics()
        where = "on no queue" if queue is None else f"on {queue.name}"
        return f"<Device {self.name} {where}: {statistics.reported} reported, {statistics.pending} pending>"

    def __del__(self) -> None:
        if not getattr(self, "_pointers", None) or self._generation != _runtime.generation:
            return
        queue = self._queue
        try:
            if queue is not None:
                queue._remove_if_there(self)
        finally:
            for runtime, pointer in self._pointers:
                runtime.lib.iopf_device_put(pointer)


def page_response(raw: CData) -> PageResponse:
    """A response from its C structure."""
    pasid = raw.pasid if raw.flags & RequestFlags.PASID_VALID else None
    return PageResponse(pasid, raw.grpid, ResponseCode(raw.code))


def _address(space: AddressSpace) -> int:
    """Spaces are the same in every runtime: plain memory and a lock."""
    return int(space._ffi.cast("uintptr_t", space._live()))


def _index_name(index: int) -> str:
    return f"pasid {index}" if index else "the device itself (no PASID)"
