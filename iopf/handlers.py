# SPDX-License-Identifier: GPL-2.0-only
"""Who resolves a group: the ready-made handlers, and how Python callables are called.

A handler is attached to a device (``Device.attach``), for a PASID or for the device's own requests. Besides the classes
here any callable of one argument, the :class:`~iopf.Group`, is a handler: it is called in the thread that reports, as
the kernel calls ``iopf_handler``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._types import ResponseCode
from .space import AddressSpace

if TYPE_CHECKING:
    from .group import Group

__all__ = ["SVA", "Handler", "Inline", "Refuse", "Work"]


@dataclass(frozen=True, eq=False)
class SVA:
    """Shared virtual addressing: a work resolves the group's faults against ``space``, in C."""

    space: AddressSpace

    def __post_init__(self) -> None:
        if not isinstance(self.space, AddressSpace):
            raise TypeError(f"SVA takes an AddressSpace, not {type(self.space).__name__}")


@dataclass(frozen=True, eq=False)
class Inline:
    """Answers ``code`` at once, in the thread that reports, in C."""

    code: ResponseCode = ResponseCode.SUCCESS

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", ResponseCode(self.code))


@dataclass(frozen=True, eq=False)
class Refuse:
    """Refuses every group, in C: the core answers FAILURE."""


@dataclass(frozen=True, eq=False)
class Work:
    """Calls ``function(group)`` on the queue's workers, as SVA resolves; with ``workers=0`` where the works run."""

    function: Callable[[Group], object]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"Work takes a callable, not {type(self.function).__name__}")


Handler = SVA | Inline | Refuse | Work | Callable[["Group"], object]
