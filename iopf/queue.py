# SPDX-License-Identifier: GPL-2.0-only
"""Queues: devices, their workqueue, and who waits for whom at the end."""

from __future__ import annotations

import contextlib
import errno
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import _registry, _runtime
from ._checks import check_name, check_range
from ._cores import resolve
from ._held import Counted, Held, Unique
from .device import Device, DeviceStatistics, stranger
from .exceptions import Closed, ForkedError, HandlerError, IopfError, UnsafeCoreWarning, WouldDeadlock, error_for

if TYPE_CHECKING:
    from ._cores import Core
    from ._extension import CData

SLICE_NS = 50_000_000
SLICE_SECONDS = 0.05
MAX_WORKERS = 256
#: How long the end of the interpreter waits for works that do not come back.
EXIT_SECONDS = 5.0
#: How long the collection of a queue waits for them, before a thread does.
COLLECT_SECONDS = 1.0

#: In the place of the thread that closes a queue: the interpreter has ended, and nobody closes it any more.
ABANDONED = -1


class _Here(threading.local):
    """How many queues this thread is in the middle of closing: callbacks of one may close others."""

    closing = 0


_here = _Here()


@dataclass(frozen=True)
class QueueStatistics(DeviceStatistics):
    """The counts of all devices that are on the queue now."""

    devices: int


class Queue(Unique):
    """An I/O page fault queue: one for each IOMMU, as a driver has.

    :param name: of the workqueue, in messages
    :param core: which implementation, see :func:`iopf.cores`. All but ours can corrupt this process's memory, or hang, in
        uses that ours takes: an :class:`iopf.UnsafeCoreWarning` names them (``Core.hazards``)
    :param runtime: ``"native"``, or ``"plain"``, the baseline
    :param workers: threads that run works, 0 to 256. With 0 the reporting thread runs them after report, or flush(),
        or close().

    All methods may be called from any thread. close() (or the end of ``with``) removes every device, answers what is
    outstanding, and waits for works that run.
    """

    #: whether a core's hazards are warned of
    _warns = True

    def __init__(self, name: str, *, core: Core | str = "iopf", runtime: str = "native", workers: int = 1):
        self.name = check_name("a queue", name)
        self.workers = check_range("workers", workers, MAX_WORKERS + 1)
        self._runtime = _runtime.get(runtime)
        self.core = resolve(core, self._runtime)
        self._core = self._runtime.cores[self.core]
        if self._warns:
            self._warn_of_hazards()
        self._generation = _registry.generation
        self._state = threading.Condition()
        self._closing = 0  # by which thread
        self._errors: list[BaseException] = []
        self._devices: dict[int, weakref.ref[Device]] = {}
        lib, core = self._runtime.lib, self._core
        pointer = lib.iopf_queue_new(core, name.encode(), self.workers)
        if not pointer:
            raise IopfError(errno.ENOMEM, "no memory for a queue")
        self._held = Counted(pointer, lambda pointer: lib.iopf_queue_delete(core, pointer), f"the queue {name}")
        self._identity = lib.iopf_queue_identity(pointer)
        _registry.queues[self._identity] = self

    def _warn_of_hazards(self) -> None:
        hazards = self._runtime.hazards_of(self.core)
        if hazards:
            warnings.warn(
                f"core {self.core} can corrupt this process's memory, or hang: "
                + "; ".join(self._runtime.hazards[hazard] for hazard in hazards)
                + ". iopf explore and iopf check run it safely.",
                UnsafeCoreWarning,
                stacklevel=3,
            )

    @contextlib.contextmanager
    def _call(self) -> Iterator[CData]:
        """A call on the C queue: it is not freed beside one."""
        if self._generation != _registry.generation:
            raise ForkedError(f"the queue {self.name}")
        if self._closing:
            raise Closed(errno.EBADF, f"the queue {self.name} is closed")
        with self._held as pointer:
            yield pointer

    def _members(self) -> list[Device]:
        """The devices that are on the queue. One call copies the table: other threads change it."""
        found = [reference() for reference in list(self._devices.values())]
        return [device for device in found if device is not None and device._queue is self]

    def add(self, device: Device) -> None:
        """Puts ``device`` on the queue; from then on its faults are resolved.

        Every :class:`Device` can be answered, so the -ENODEV of a driver without page_response does not come up here.

        :raises AlreadyOnQueue: it is on a queue (EBUSY)
        :raises ValueError: it has been on a queue with another core or runtime
        """
        _check_device(device)
        device._live()
        with self._call() as pointer:
            device._group.decide(self._runtime, self.core)
            with device._place:
                held = device._live()
                for flush in device._flushes:
                    flush.hold(self._held)
                result = self._runtime.lib.iopf_queue_add(self._core, pointer, held.pointer)
                if not result:
                    device._queue = self
                    devices, identifier = self._devices, device._id
                    devices[identifier] = weakref.ref(device, lambda _: devices.pop(identifier, None))
                del held
            if not result and (self._closing or self._held.closed):
                # close() may have looked for the devices before.
                self._take_off(pointer, device)
                self._runtime.after()
                raise Closed(errno.EBADF, f"the queue {self.name} is closed")
        if result:
            raise error_for(
                result,
                {
                    errno.EBUSY: f"{device.name} is on a queue: remove it there first",
                    errno.ENOMEM: "no memory for a fault param",
                },
            )

    def remove(self, device: Device) -> None:
        """Takes ``device`` off: every outstanding request is answered INVALID. Never fails.

        A device that is not on this queue is the caller's bug: counted in :func:`iopf.warnings`, no exception.
        """
        _check_device(device)
        device._live()
        with self._call() as pointer:
            if not self._take_off(pointer, device):
                # Nor could every core look at a device of another one, or of another runtime.
                with stranger(self._runtime, self.core) as nobody:
                    self._runtime.lib.iopf_queue_remove(self._core, pointer, nobody.pointer)
        self._runtime.after()

    def _take_off(self, pointer: CData, device: Device) -> bool:
        """False: it was not on this queue. Its answers are delivered when nothing is locked any more."""
        lib = self._runtime.lib
        with device._place:
            held = device._helds[-1] if device._helds else None
            if held is None or (held.runtime, held.core_name) != (self._runtime, self.core):
                return False
            on_queue = lib.iopf_queue_has(pointer, held.pointer)
            if on_queue:
                lib.iopf_queue_remove(self._core, pointer, held.pointer)
            if device._queue is self:
                device._queue = None
                self._devices.pop(device._id, None)
            del held
        lib.iopf_deliver()
        return bool(on_queue)

    def _remove_if_there(self, device: Device) -> None:
        """For a device that is going away; its queue may be going, too."""
        with contextlib.suppress(Closed):
            with self._call() as pointer:
                self._take_off(pointer, device)
            self._runtime.after()

    def discard_partial(self) -> None:
        """Drops every stored partial request, as after an overflow of the hardware queue."""
        with self._call() as pointer:
            result = self._runtime.lib.iopf_queue_discard(self._core, pointer)
        self._runtime.after()
        if result:
            raise error_for(result, {})

    def _flush(self, pointer: CData, held: Held) -> int:
        self._not_from_a_work(pointer, "flush")
        return int(self._runtime.lib.iopf_device_flush(held.pointer))

    def _after_flush(self, device: Device, result: int) -> None:
        self._runtime.after()
        self._raise_handler_error()
        if result:
            raise error_for(
                result,
                {
                    errno.ENODEV: f"{device.name} was removed from the queue: flush before removing",
                    errno.EINTR: "the flush was interrupted; works may still be running",
                },
            )

    def _run_pending(self) -> None:
        with contextlib.suppress(Closed):
            with self._call() as pointer:
                self._runtime.lib.iopf_queue_run(pointer)

    def _not_from_a_work(self, pointer: CData, what: str) -> None:
        if self._runtime.lib.iopf_queue_in_work(pointer):
            raise WouldDeadlock(
                errno.EDEADLK, f"{what} would wait for the work that calls it: call it from another thread"
            )

    def statistics(self) -> QueueStatistics:
        """A snapshot of the counts of the devices that are on the queue."""
        with self._call():
            members = self._members()
            parts = [device.statistics() for device in members]
        names = DeviceStatistics.__dataclass_fields__
        return QueueStatistics(
            **{name: sum(getattr(part, name) for part in parts) for name in names}, devices=len(members)
        )

    @property
    def runtime(self) -> str:
        """The name of the runtime."""
        return self._runtime.name

    @property
    def devices(self) -> list[Device]:
        """The devices that are on the queue, in no promised order."""
        return self._members()

    @property
    def closed(self) -> bool:
        """Has close() been through?"""
        return self._held.closed

    # --- the end ---

    def _keep_error(self, error: BaseException) -> None:
        """A callback raised in a work: the next flush or close raises it."""
        with self._state:
            _registry.keep_first(self._errors, error)

    def _raise_handler_error(self) -> None:
        with self._state:
            errors = self._errors
            cause = errors.pop(0) if errors else None
            not_kept = errors[-1] if errors and isinstance(errors[-1], _registry.NotKept) else None
            if len(errors) == 1 and not_kept is not None:
                errors.clear()  # it is said here
        if cause is not None:
            text = f"a handler raised {type(cause).__name__} in a work of {self.name}: {cause}"
            raise HandlerError(errno.EIO, text if not_kept is None else f"{text} ({not_kept})") from cause

    def _take_errors(self) -> list[BaseException]:
        with self._state:
            errors, self._errors = self._errors, []
        return errors

    def close(self) -> None:
        """Removes every device, runs or waits for what is queued, and frees the queue. A second call is fine.

        It waits for works, never for calls: what other threads, or this one further up, are in the middle of goes on,
        and the last of these calls frees the queue. Ctrl-C leaves the queue usable, without its devices.

        :raises HandlerError: a handler raised in a work; further ones go to ``sys.unraisablehook``
        :raises WouldDeadlock: a work of the queue closes it
        """
        self._close(deadline=None)
        errors = self._take_errors()
        for extra in errors[1:]:
            _registry.unraisable(extra, f"a handler raised in a work of {self.name}")
        with self._state:
            self._errors[:0] = errors[:1] + [error for error in errors[1:] if isinstance(error, _registry.NotKept)]
        self._raise_handler_error()

    def _close(self, deadline: float | None) -> bool:
        """False: the deadline came first, and the queue is as it was, without its devices."""
        if self._generation != _registry.generation:
            raise ForkedError(f"the queue {self.name}")
        try:
            with self._held as pointer:
                self._not_from_a_work(pointer, "close")
            if not self._begin_closing(deadline):
                return self._held.closed or deadline is None
            try:
                with self._held as pointer:
                    if not self._empty(pointer, deadline):
                        return False
                    self._held.close()
            finally:
                with self._state:
                    self._closing = 0
                    self._state.notify_all()
        except Closed:
            return True
        self._runtime.after()
        return True

    def _begin_closing(self, deadline: float | None) -> bool:
        """False: another call closes it, or has. One that waits for this thread is not waited for."""
        me = threading.get_ident()
        with self._state:
            while self._closing:
                if self._closing in (me, ABANDONED) or _here.closing:
                    return False
                self._state.wait(SLICE_SECONDS)
                if deadline is not None and time.monotonic() > deadline:
                    return False
            if self._held.closed:
                return False
            self._closing = me
        return True

    def _empty(self, pointer: CData, deadline: float | None) -> bool:
        """Takes all devices off and waits for the works. False: the deadline came first."""
        lib = self._runtime.lib
        _here.closing += 1
        try:
            for device in self._members():
                self._take_off(pointer, device)
            self._devices.clear()
            while True:
                if self.workers == 0:
                    lib.iopf_queue_run(pointer)
                if lib.iopf_queue_wait_idle(pointer, SLICE_NS):
                    return True
                if deadline is not None and time.monotonic() > deadline:
                    return False
        finally:
            _here.closing -= 1

    def _close_quietly(self, deadline: float | None = None) -> bool:
        """For collection and exit: what goes wrong is reported, not raised."""
        closed = True
        try:
            closed = self._close(deadline)
        except BaseException as error:
            _registry.unraisable(error, f"closing {self.name}")
        for kept in self._take_errors():
            _registry.unraisable(kept, f"a handler raised in a work of {self.name}")
        return closed

    def _close_at_exit(self) -> None:
        """The interpreter ends."""
        if self._generation == _registry.generation and not self.closed:
            if not self._close_quietly(time.monotonic() + EXIT_SECONDS):
                from ._log import log

                log.warning("queue %s: works did not come back, left as it is", self.name)
                self._closing = ABANDONED

    def __enter__(self) -> Queue:
        with self._call():
            return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._generation != _registry.generation:
            return f"<Queue {self.name} of another process>"
        if self.closed:
            return f"<Queue {self.name}, closed>"
        return (
            f"<Queue {self.name}: core {self.core} on {self.runtime}, {self.workers} workers,"
            f" {len(self.devices)} devices>"
        )

    def __del__(self) -> None:
        held = getattr(self, "_held", None)
        # At the end of the interpreter the names of modules are gone before the last objects.
        if held is None or _registry is None or self._closing == ABANDONED or self._generation != _registry.generation:
            return
        # Collected by its own worker, or with a work that does not end: somebody else has to wait for that one.
        try:
            with held as pointer:
                in_work = self._runtime.lib.iopf_queue_in_work(pointer)
        except Closed:
            return
        if not in_work and self._close_quietly(time.monotonic() + COLLECT_SECONDS):
            return
        heir = Queue.__new__(Queue)
        heir.__dict__.update(self.__dict__)
        _registry.queues[self._identity] = heir
        if not sys.is_finalizing():
            threading.Thread(target=heir._close_quietly, name=f"close {self.name}", daemon=True).start()


def _check_device(device: object) -> None:
    if not isinstance(device, Device):
        raise TypeError(f"a queue takes a Device, not {type(device).__name__}")
