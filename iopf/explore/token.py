# SPDX-License-Identifier: GPL-2.0-only
"""Tokens: one execution on one line, to paste.

``iopf2.`` and then base64url of zlib of JSON: the whole scenario, the core, the schedule, and what it has to come to.
Nothing in it is code. The core is its name; for a user's file also where that was, a hash of it, and the facets that
were set. The schedule says who runs for how many steps, and before each run which operation on which object comes next,
so that a replay notices the first step that is not the one that was recorded. Tasks go by the numbers that they had in
the search, which depend on what it met first; so the token has those, too. And it has the schedule step by step, by
operation and object, of the whole scenario: a replay has no need of that, but when the core was edited it is what finds the
place again (_again.py). Tokens without are as good for a replay.

The number after ``iopf`` is that of the format. A token also says which version of iopf wrote it: what one step is may
change between versions, so another version refuses it (:class:`VersionMismatch`) instead of running something else.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any

from .. import __version__
from .corefile import CoreFile
from .failure import Run
from .packed import DAMAGED, FORMAT, PREFIX, unpack
from .scenario import BaseScenario

__all__ = ["Token", "VersionMismatch", "command", "decode", "encode"]

#: More than the engine has: what is more than these was not written by it.
MAX_TASKS, MAX_RUNS, MAX_STEPS, MAX_RECORDS = 64, 30_000, 30_000, 4096


class VersionMismatch(ValueError):
    """The token was written by another version of iopf."""


@dataclass(frozen=True)
class Token:
    """What a token says."""

    version: str
    core: str
    #: of a user's core
    file: CoreFile | None
    scenario: BaseScenario
    runs: tuple[Run, ...]
    #: task number i + 1 by who started it, since numbers differ from search to search: its parent, and which of the
    #: parent's children it is, from 0
    tasks: tuple[tuple[int, int], ...]
    #: records of the scenario that do not run
    dropped: tuple[int, ...]
    kind: str
    signature: str
    #: of the steps
    hash: int
    flags: int
    max_steps: int | None
    #: the schedule step by step, of the whole scenario, with nothing dropped; (): it was not written down
    steps: tuple[Run, ...] = ()

    @property
    def points(self) -> tuple[Run, ...]:
        """The steps, or what the runs say of them. An operation that is not known is ""."""
        return self.steps or tuple(
            Run(run.task, 1, "" if number else run.op, None if number else run.object)
            for run in self.runs
            for number in range(run.steps)
        )


def encode(
    *,
    scenario: BaseScenario,
    core: str,
    file: CoreFile | None = None,
    runs: tuple[Run, ...],
    tasks: tuple[tuple[int, int], ...] = (),
    dropped: tuple[int, ...],
    kind: str,
    signature: str,
    hash: int,
    flags: int,
    max_steps: int | None,
    steps: tuple[Run, ...] = (),
) -> str:
    """The token of an execution."""
    strings: dict[str, int] = {}

    def index(text: str | None) -> int:
        return -1 if text is None else strings.setdefault(text, len(strings))

    schedule = [[run.task, run.steps, index(run.op), index(run.object)] for run in runs]
    each = [number for step in steps for number in (step.task, index(step.op), index(step.object))]
    data = {
        "iopf": __version__,
        "core": core,
        "scenario": scenario.to_dict(),
        "strings": list(strings),
        "runs": schedule,
        "tasks": [list(task) for task in tasks],
        "kind": kind,
        "signature": signature,
        "hash": f"{hash:x}",
        "flags": flags,
    }
    if each:
        data["steps"] = each
    if file is not None:
        data["file"] = file.to_dict()
    if dropped:
        data["dropped"] = list(dropped)
    if max_steps:
        data["max_steps"] = max_steps
    packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)
    return f"{PREFIX}{FORMAT}." + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def command(token: str, file: CoreFile | None) -> str:
    """The line that runs a token again."""
    return f"iopf replay {token}" + (f" {file.arguments}" if file is not None else "")


def _number(value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{value!r:.40} is no number from {low} to {high}")
    return value


def _read(data: dict[str, Any]) -> Token:
    """What the JSON says. ValueError, and what Python raises for data of another form."""
    strings = [*map(str, data["strings"]), None]  # -1 is None

    def text_at(index: Any) -> str | None:
        return strings[_number(index, -1, len(strings) - 2)]

    def several(name: str, most: int) -> list[Any]:
        found = data.get(name, [])
        if not isinstance(found, list) or len(found) > most:
            raise ValueError(f"{name} is no list of at most {most}")
        return found

    each = several("steps", 3 * MAX_STEPS)
    if len(each) % 3:
        raise ValueError("steps of three numbers each")
    runs = tuple(
        Run(_number(task, 0, MAX_TASKS - 1), _number(steps, 1, MAX_STEPS), text_at(op) or "", text_at(of))
        for task, steps, op, of in several("runs", MAX_RUNS)
    )
    if sum(run.steps for run in runs) > MAX_STEPS:
        raise ValueError("more steps than an execution has")
    return Token(
        version=str(data["iopf"]),
        core=str(data["core"]),
        file=CoreFile.from_dict(data["file"]) if data.get("file") is not None else None,
        scenario=BaseScenario.from_dict(data["scenario"]),
        runs=runs,
        steps=tuple(
            Run(_number(task, 0, MAX_TASKS - 1), 1, text_at(op) or "", text_at(of))
            for task, op, of in zip(each[::3], each[1::3], each[2::3])
        ),
        tasks=tuple(
            (_number(parent, 0, MAX_TASKS - 1), _number(nth, 0, MAX_TASKS - 1))
            for parent, nth in several("tasks", MAX_TASKS)
        ),
        dropped=tuple(_number(index, 0, MAX_RECORDS) for index in several("dropped", MAX_RECORDS)),
        kind=str(data["kind"]),
        signature=str(data["signature"]),
        hash=_number(int(data["hash"], 16), 0, 2**64 - 1),
        flags=_number(data["flags"], 0, 2**32 - 1),
        max_steps=_number(data["max_steps"], 1, MAX_STEPS) if data.get("max_steps") is not None else None,
    )


def decode(token: str) -> Token:
    """What a token says. ValueError: it is damaged; VersionMismatch: it is of another version."""
    if not isinstance(token, str):
        raise TypeError(f"a token is a str, not {type(token).__name__}")
    head, _, body = "".join(token.split()).partition(".")
    if not head.startswith(PREFIX) or not body:
        raise ValueError(
            f"this is no token of iopf: one begins with {PREFIX}{FORMAT}. (the id of a failure that is kept has 10"
            " hexadecimal digits)"
        )
    if head != f"{PREFIX}{FORMAT}":
        raise VersionMismatch(
            f"the token has format {head.removeprefix(PREFIX)}, this is iopf {__version__}, which reads format {FORMAT}:"
            " use the version that wrote it, or run explore again"
        )
    data = unpack(body)
    if not isinstance(data, dict) or not isinstance(data.get("iopf"), str):
        raise ValueError(DAMAGED)
    if data["iopf"] != __version__:
        raise VersionMismatch(
            f"the token was written by iopf {data['iopf']}, this is iopf {__version__}: use that version, or run explore"
            " again"
        )
    try:
        return _read(data)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{DAMAGED} ({type(error).__name__}: {error})") from error
