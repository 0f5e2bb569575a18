# SPDX-License-Identifier: GPL-2.0-only
"""Tokens: one execution on one line, to paste.

``iopf1.`` and then base64url of zlib of JSON: the whole scenario, the core's name, the schedule, and what it has to
come to. Nothing in it is code. The schedule says who runs for how many steps, and before each run which operation on
which object comes next, so that a replay notices the first step that is not the one that was recorded.

The number behind ``iopf`` is that of the format. A token also says which version of iopf wrote it: what one step is may
change between versions, so another version refuses it (:class:`VersionMismatch`) instead of running something else.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .result import Run

if TYPE_CHECKING:
    from .scenario import BaseScenario

__all__ = ["Token", "VersionMismatch", "decode", "encode"]

PREFIX = "iopf"
FORMAT = 1
#: A token is for a small program: what unpacks to more than this is none.
MAX_BYTES = 4 << 20


class VersionMismatch(ValueError):
    """The token was written by another version of iopf."""


@dataclass(frozen=True)
class Token:
    """What a token says."""

    version: str
    core: str
    scenario: BaseScenario
    runs: tuple[Run, ...]
    #: records of the scenario that do not run
    dropped: tuple[int, ...]
    kind: str
    signature: str
    #: of the steps
    hash: int
    flags: int
    max_steps: int | None


def _version() -> str:
    from .. import __version__

    return __version__


def encode(
    *, scenario: BaseScenario, core: str, runs: tuple[Run, ...], dropped: tuple[int, ...], kind: str, signature: str,
    hash: int, flags: int, max_steps: int | None,
) -> str:
    """The token of an execution."""
    strings: dict[str, int] = {}

    def index(text: str | None) -> int:
        return -1 if text is None else strings.setdefault(text, len(strings))

    schedule = [[run.task, run.steps, index(run.op), index(run.object)] for run in runs]
    data = {
        "iopf": _version(),
        "core": core,
        "scenario": scenario.to_dict(),
        "strings": list(strings),
        "runs": schedule,
        "kind": kind,
        "signature": signature,
        "hash": f"{hash:x}",
        "flags": flags,
    }
    if dropped:
        data["dropped"] = list(dropped)
    if max_steps:
        data["max_steps"] = max_steps
    packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)
    return f"{PREFIX}{FORMAT}." + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(token: str) -> Token:
    """What a token says. ValueError: it is damaged; VersionMismatch: it is of another version."""
    from .scenario import BaseScenario

    if not isinstance(token, str):
        raise TypeError(f"a token is a str, not {type(token).__name__}")
    head, _, body = "".join(token.split()).partition(".")
    if not head.startswith(PREFIX) or not body:
        raise ValueError(f"this is no token of iopf: one begins with {PREFIX}{FORMAT}.")
    if head != f"{PREFIX}{FORMAT}":
        raise VersionMismatch(
            f"the token has format {head.removeprefix(PREFIX)}, this is iopf {_version()}, which reads format {FORMAT}:"
            " use the version that wrote it, or run explore again"
        )
    damaged = "the token is damaged: was it pasted whole?"
    try:
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        unpack = zlib.decompressobj()
        text = unpack.decompress(packed, MAX_BYTES)
        if not unpack.eof or unpack.unused_data:
            raise ValueError(damaged)
        data = json.loads(text)
        version = data["iopf"]
    except (binascii.Error, zlib.error, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(damaged) from error
    if version != _version():
        raise VersionMismatch(
            f"the token was written by iopf {version}, this is iopf {_version()}: use that version, or run explore"
            " again"
        )
    try:
        strings = [*map(str, data["strings"]), None]  # -1 is None

        def text_at(index: int) -> str | None:
            if not -1 <= index < len(strings) - 1:
                raise IndexError(index)
            return strings[index]

        return Token(
            version=version,
            core=str(data["core"]),
            scenario=BaseScenario.from_dict(data["scenario"]),
            runs=tuple(
                Run(int(task), int(steps), text_at(op) or "", text_at(of)) for task, steps, op, of in data["runs"]
            ),
            dropped=tuple(map(int, data.get("dropped", ()))),
            kind=str(data["kind"]),
            signature=str(data["signature"]),
            hash=int(data["hash"], 16),
            flags=int(data["flags"]),
            max_steps=data.get("max_steps"),
        )
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{damaged} ({type(error).__name__}: {error})") from error
