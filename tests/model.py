# SPDX-License-Identifier: GPL-2.0-only
"""The framework as a model: dicts and lists, one thread, no memory management. What test_model.py holds the core to.

A call gives its errno or None, and notes on the device what the core would answer. Works run when they are queued,
since the real queue has no workers: the reporting thread runs them.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

SUCCESS, INVALID, FAILURE = 0, 1, 2


@dataclass(eq=False)
class Param:
    """What a device has while it is on a queue."""

    queue: Queue | None
    partials: dict[tuple, list[int]] = field(default_factory=dict)
    pending: list[Group] = field(default_factory=list)


@dataclass(eq=False)
class Group:
    """A group that its owner kept."""

    device: Device
    param: Param
    grpid: int
    pasid: int | None
    pages: list[int]

    def respond(self, code: int) -> bool:
        """True: the device got it."""
        if self not in self.param.pending:
            self.device.dropped += 1
            return False
        self.param.pending.remove(self)
        self.device.answer(self.grpid, self.pasid, code)
        return True


@dataclass(eq=False)
class Queue:
    """The devices that are on it."""

    devices: list[Device] = field(default_factory=list)
    closed: bool = False

    def add(self, device: Device) -> int | None:
        if device.param is not None:
            return errno.EBUSY
        device.param = Param(self)
        self.devices.append(device)
        return None

    def remove(self, device: Device, warnings: list[str]) -> None:
        if device.param is None or device.param.queue is not self:
            warnings.append("iopf_queue_remove_device")
            return
        param, device.param = device.param, None
        param.queue = None
        for group in param.pending:
            device.answer(group.grpid, group.pasid, INVALID)
        param.pending.clear()
        self.devices.remove(device)

    def discard_partial(self) -> None:
        for device in self.devices:
            device.param.partials.clear()

    def close(self) -> None:
        for device in list(self.devices):
            self.remove(device, [])
        self.closed = True


@dataclass(eq=False)
class Device:
    """A device; ``handlers`` are its iommu group's: what to do by PASID, None for requests without one."""

    handlers: dict[int | None, str]
    mapped: set[int]
    param: Param | None = None
    kept: list[Group] = field(default_factory=list)
    answers: list[tuple] = field(default_factory=list)
    reported: int = 0
    dropped: int = 0
    #: second answers of owners
    answered_again: int = 0

    def answer(self, grpid: int, pasid: int | None, code: int) -> None:
        self.answers.append((grpid, pasid, code))

    def attach(self, pasid: int | None, handler: str) -> int | None:
        if pasid in self.handlers:
            return errno.EBUSY
        self.handlers[pasid] = handler
        return None

    def replace(self, pasid: int | None, handler: str) -> int | None:
        if pasid not in self.handlers:
            return errno.EINVAL
        self.handlers[pasid] = handler
        return None

    def detach(self, pasid: int | None, warnings: list[str]) -> None:
        if self.handlers.pop(pasid, None) is None:
            warnings.append("iommu_detach_device_pasid")

    def flush(self, warnings: list[str]) -> int | None:
        if self.param is None:
            warnings.append("iopf_queue_flush_dev")
            return errno.ENODEV
        return None

    def report(self, page: int, grpid: int, pasid: int | None, last: bool, warnings: list[str]) -> int | None:
        self.reported += 1
        key, handler, param = (grpid, pasid), self.handlers.get(pasid), self.param
        if handler is None or param is None:
            if handler is not None:
                warnings.append("iommu_report_device_fault")
            if param is not None:
                param.partials.pop(key, None)
            if last:
                self.answer(grpid, pasid, INVALID)
            return errno.EINVAL
        if not last:
            param.partials.setdefault(key, []).append(page)
            return None
        group = Group(self, param, grpid, pasid, [*param.partials.pop(key, []), page])
        param.pending.append(group)
        if handler in ("keep", "work keep"):
            self.kept.append(group)
        elif handler == "sva":
            group.respond(SUCCESS if pasid is not None and self.mapped.issuperset(group.pages) else INVALID)
        else:
            group.respond({"inline": SUCCESS, "refuse": FAILURE, "work": INVALID, "raise in work": FAILURE}[handler])
        return None
