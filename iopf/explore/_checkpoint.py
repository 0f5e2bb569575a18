# SPDX-License-Identifier: GPL-2.0-only
"""A search on disk: what is left to do and what came of the rest, so that it can go on later, elsewhere, with other workers.

The file is written as a whole or not at all, so whenever the process dies there is one that can be gone on with: what was
done since it was written is done again, and is counted once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .._files import check_writable, read_small, write_whole
from ._jobs import Job, Part
from ._setting import Setting
from ._wire import MAX_BYTES, pack, unpack

__all__ = ["Checkpoint"]

KIND = "checkpoint"
#: Those that are at work in parts.
STRATEGIES = ("dpor", "naive", "sleep", "bound")


@dataclass(frozen=True)
class Checkpoint:
    """A search between two of its parts."""

    setting: Setting
    #: the strategy at work
    strategy: str
    part: Part
    jobs: tuple[Job, ...]
    #: that it took so far
    seconds: float
    estimate: float | None
    #: of strategy "bound": the last bound that was completed, or -1
    bound: int
    #: what happened to it
    remarks: tuple[str, ...] = ()

    def write(self, path: str) -> None:
        """OSError: it can't be."""
        write_whole(
            path,
            pack(
                KIND,
                {
                    "setting": self.setting.data,
                    "strategy": self.strategy,
                    "part": self.part.to_data(),
                    "jobs": [job.to_data() for job in self.jobs],
                    "seconds": self.seconds,
                    "estimate": self.estimate,
                    "bound": self.bound,
                    "remarks": list(self.remarks),
                },
            ),
        )

    @classmethod
    def read(cls, path: str, setting: Setting) -> Checkpoint:
        """The checkpoint of that search. ValueError: there is none there, or it is of another search."""
        try:
            data: Any = unpack(KIND, read_small(path, "a checkpoint", MAX_BYTES))
        except OSError as error:
            raise ValueError(f"the checkpoint {path} can't be read: {error.strerror}") from error
        except ValueError as error:
            raise ValueError(f"{path} is no checkpoint that can be gone on with: {error}") from error
        try:
            why = setting.difference(data["setting"])
            if why is None:
                if data["strategy"] not in STRATEGIES:
                    raise ValueError(f"a strategy {data['strategy']!r:.40}")
                return cls(
                    setting,
                    data["strategy"],
                    Part.from_data(data["part"]),
                    tuple(Job.from_data(job) for job in data["jobs"]),
                    float(data["seconds"]),
                    None if data["estimate"] is None else float(data["estimate"]),
                    int(data["bound"]),
                    tuple(map(str, data["remarks"])),
                )
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no checkpoint that can be gone on with: it is damaged ({error})") from error
        raise ValueError(f"{path} is no checkpoint of this search: {why}")


def check_new(path: str) -> None:
    """ValueError: nothing can be written there, or something is there, which would be lost."""
    check_writable("checkpoint", path)
    if os.path.exists(path):
        raise ValueError(f"checkpoint {path}: it is there already: go on with it (--resume, resume=), or remove it")
