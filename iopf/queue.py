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

from . import _runtime
from ._types import check_name, check_range
from ._cores import resolve
from .device import Device, DeviceStatistics
from .exceptions import Closed, ForkedError, HandlerError, IopfError, UnsafeCoreWarning, WouldDeadlock, error_for

if TYPE_CHECKING:
    from ._cores import Core
    from ._runtime import CData

SLICE_NS = 50_000_000
SLICE_SECONDS = 0.05
MAX_WORKERS = 256
#: How long the end of the interpreter waits for works that do not come back.
EXIT_SECONDS = 5.0
#: How long the collection of a queue waits for them, before a thread does.
COLLECT_SECONDS = 1.0

#: Queues by the identity of their workqueue: who gets the exception of a work.
queues: weakref.WeakValueDictionary[int, Queue] = weakref.WeakValueDictionary()


@dataclass(frozen=True)
class QueueStatistics(DeviceStatistics):
    """The counts of all devices that are on the queue now."""

    devices: int


class Queue:
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
        self._generation = _runtime.generation
        self._state = threading.Condition()
        self._calls = 0
        self._closing = False
        self._pointer: CData | None = None
        self._errors: list[BaseException] = []
        self._devices: weakref.WeakSet[Device] = weakref.WeakSet()
        pointer = self._runtime.lib.iopf_queue_new(self._core, name.encode(), self.workers)
        if not pointer:
            raise IopfError(errno.ENOMEM, "no memory for a queue")
        self._pointer = pointer
        queues[self._runtime.lib.iopf_queue_identity(pointer)] = self

    def _warn_of_hazards(self) -> None:
        hazards = self._runtime.hazards_of(self.core)
        if hazards:
            warnings.warn(
                f"core {self.core} can corrupt this process's memory, or hang: "
                + "; ".join(self._runtime.hazards[hazard] for hazard in hazards)
                + ". iopf explore and iopf check run it safely.",
                UnsafeCoreWarning, stacklevel=3,
            )

    # --- calls on the C queue: it is not freed beside one ---

    @contextlib.contextmanager
    def _call(self) -> Iterator[CData]:
        if self._generation != _runtime.generation:
            raise ForkedError(f"the queue {self.name}")
        with self._state:
            if self._pointer is None or self._closing:
                raise Closed(errno.EBADF, f"the queue {self.name} is closed")
            self._calls += 1
        try:
            yield self._pointer
        finally:
            with self._state:
                self._calls -= 1
                self._state.notify_all()

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
            _, device_pointer = device._live()
            result = self._runtime.lib.iopf_queue_add(self._core, pointer, device_pointer)
            if not result:
                device._queue = self
                self._devices.add(device)
        if result:
            raise error_for(result, {
                errno.EBUSY: f"{device.name} is on a queue: remove it there first",
                errno.ENOMEM: "no memory for a fault param",
            })

    def remove(self, device: Device) -> None:
        """Takes ``device`` off: every outstanding request is answered INVALID. Never fails.

        A device that is not on this queue is the caller's bug: counted in :func:`iopf.warnings`, no exception.
        """
        _check_device(device)
        device_runtime, device_pointer = device._live()
        with self._call() as pointer:
            if device._queue is self:
                device._queue = None
                self._devices.discard(device)
            if (device_runtime, device._group.core_name) == (self._runtime, self.core):
                self._runtime.lib.iopf_queue_remove(self._core, pointer, device_pointer)
            else:
                self._remove_stranger(pointer)
        self._runtime.after()

    def _remove_stranger(self, pointer: CData) -> None:
        """A device of another runtime or core can't be on this queue, nor be looked at by its core: any other can."""
        lib = self._runtime.lib
        group = lib.iopf_iommu_group_new(self._core)
        stranger = group and lib.iopf_device_new(self._core, b"stranger", group, 0, 0)
        if stranger:
            lib.iopf_queue_remove(self._core, pointer, stranger)
            lib.iopf_device_put(stranger)
        if group:
            lib.iopf_iommu_group_put(group)

    def _remove_if_there(self, device: Device) -> None:
        """For a device that is going away; its queue may be going, too."""
        _, device_pointer = device._pointers[-1]
        with contextlib.suppress(Closed):
            with self._call() as pointer:
                device._queue = None
                if self._runtime.lib.iopf_queue_has(pointer, device_pointer):
                    self._runtime.lib.iopf_queue_remove(self._core, pointer, device_pointer)
            self._runtime.after()

    def discard_partial(self) -> None:
        """Drops every stored partial request, as after an overflow of the hardware queue."""
        with self._call() as pointer:
            result = self._runtime.lib.iopf_queue_discard(self._core, pointer)
        self._runtime.after()
        if result:
            raise error_for(result, {})

    def _flush(self, device: Device, device_pointer: CData) -> None:
        with self._call() as pointer:
            self._not_from_a_work(pointer, "flush")
            result = self._runtime.lib.iopf_device_flush(device_pointer)
        self._runtime.after()
        self._raise_handler_error()
        if result:
            raise error_for(result, {
                errno.ENODEV: f"{device.name} was removed from the queue: flush before removing",
                errno.EINTR: "the flush was interrupted; works may still be running",
            })

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
            members = [device for device in list(self._devices) if device._queue is self]
            parts = [device.statistics() for device in members]
        names = DeviceStatistics.__dataclass_fields__
        return QueueStatistics(**{name: sum(getattr(part, name) for part in parts) for name in names}, devices=len(members))

    @property
    def runtime(self) -> str:
        """The name of the runtime."""
        return self._runtime.name

    @property
    def devices(self) -> list[Device]:
        """The devices that are on the queue, in no promised order."""
        return [device for device in list(self._devices) if device._queue is self]

    @property
    def closed(self) -> bool:
        """Has close() been through?"""
        return self._pointer is None

    # --- the end ---

    def _raise_handler_error(self) -> None:
        if self._errors:
            cause = self._errors.pop(0)
            raise HandlerError(
                errno.EIO, f"a handler raised {type(cause).__name__} in a work of {self.name}: {cause}"
            ) from cause

    def close(self) -> None:
        """Removes every device, runs or waits for what is queued, and frees the queue. A second call is fine.

        Ctrl-C leaves the queue usable, without its devices.

        :raises HandlerError: a handler raised in a work; further ones go to ``sys.unraisablehook``
        """
        self._close(deadline=None)
        if self._errors:
            errors, self._errors = self._errors, []
            for extra in errors[1:]:
                _runtime.unraisable(extra, f"a handler raised in a work of {self.name}")
            self._errors = errors[:1]
            self._raise_handler_error()

    def _close(self, deadline: float | None) -> bool:
        """False: the deadline came first, and the queue is as it was, without its devices."""
        if self._generation != _runtime.generation:
            raise ForkedError(f"the queue {self.name}")
        lib = self._runtime.lib
        with self._state:
            while self._closing:
                self._state.wait(SLICE_SECONDS)
                if deadline is not None and time.monotonic() > deadline:
                    return False
            if self._pointer is None:
                return True
            self._not_from_a_work(self._pointer, "close")
            self._closing = True
        try:
            pointer = self._pointer
            for device in list(self._devices):
                if device._queue is self:
                    device._queue = None
                    if lib.iopf_queue_has(pointer, device._pointers[-1][1]):
                        lib.iopf_queue_remove(self._core, pointer, device._pointers[-1][1])
            self._devices.clear()
            while True:
                if self.workers == 0:
                    lib.iopf_queue_run(pointer)
                if self._calls == 0 and lib.iopf_queue_wait_idle(pointer, SLICE_NS):
                    break
                with self._state:
                    if self._calls:
                        self._state.wait(SLICE_SECONDS)
                if deadline is not None and time.monotonic() > deadline:
                    return False
            self._pointer = None
            lib.iopf_queue_delete(self._core, pointer)
        finally:
            with self._state:
                self._closing = False
                self._state.notify_all()
        self._runtime.after()
        return True

    def _close_quietly(self, deadline: float | None = None) -> bool:
        """For collection and exit: what goes wrong is reported, not raised."""
        closed = True
        try:
            closed = self._close(deadline)
        except BaseException as error:
            _runtime.unraisable(error, f"closing {self.name}")
        errors, self._errors = self._errors, []
        for kept in errors:
            _runtime.unraisable(kept, f"a handler raised in a work of {self.name}")
        return closed

    def __enter__(self) -> Queue:
        with self._call():
            return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._generation != _runtime.generation:
            return f"<Queue {self.name} of another process>"
        if self._pointer is None:
            return f"<Queue {self.name}, closed>"
        return (
            f"<Queue {self.name}: core {self.core} on {self.runtime}, {self.workers} workers,"
            f" {len(self.devices)} devices>"
        )

    def __del__(self) -> None:
        if getattr(self, "_pointer", None) is None or self._generation != _runtime.generation:
            return
        # Collected by its own worker, or with a work that does not end: somebody else has to wait for that one.
        in_work = self._runtime.lib.iopf_queue_in_work(self._pointer)
        if not in_work and self._close_quietly(time.monotonic() + COLLECT_SECONDS):
            return
        heir = Queue.__new__(Queue)
        heir.__dict__.update(self.__dict__)
        queues[self._runtime.lib.iopf_queue_identity(self._pointer)] = heir
        self._pointer = None
        if not sys.is_finalizing():
            threading.Thread(target=heir._close_quietly, name=f"close {self.name}", daemon=True).start()


def keep_error(error: BaseException, work_of: int) -> None:
    """A callback raised in a work: its queue's next flush or close raises it."""
    queue = queues.get(work_of)
    if queue is None:
        _runtime.unraisable(error, "a handler raised in a work of a queue that is gone")
    else:
        queue._errors.append(error)


def _check_device(device: object) -> None:
    if not isinstance(device, Device):
        raise TypeError(f"a queue takes a Device, not {type(device).__name__}")


def _close_all() -> None:
    """At exit."""
    for queue in list(queues.values()):
        if queue._generation == _runtime.generation and queue._pointer is not None:
            if not queue._close_quietly(time.monotonic() + EXIT_SECONDS):
                _runtime.log.warning("queue %s: works did not come back, left as it is", queue.name)
                queue._pointer = None
