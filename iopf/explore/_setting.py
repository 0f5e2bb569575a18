# SPDX-License-Identifier: GPL-2.0-only
"""What is searched, and by which rules: the same for every part of a search, wherever it is done.

As data it is what a worker gets, and what a checkpoint is held against. A core is its name, or a file, with a hash of what
is in that and how it is compiled.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from . import _engine
from ._engine import text
from .scenario import BaseScenario

if TYPE_CHECKING:
    from .._cores import Core

__all__ = ["Setting", "build"]


@functools.cache
def build() -> str:
    """The version of iopf, and a hash of the C that it was built from: parts of one search are made by equal builds."""
    engine = _engine.get()
    return f"{__version__} ({text(engine.ffi, engine.lib.iopf_sources_hash)})"


def _core_to_data(core: Core | str) -> dict[str, Any]:
    if isinstance(core, str):
        return {"name": core}
    if core.source is None:
        return {"name": core.name}
    import hashlib  # few searches are of a file

    from .._source import included_by

    read = core.prepared_for("explore")
    parts = (str(read.facets), *(f"{member.struct}: {member.text}" for member in read.added.members))
    included = b"\0".join(text for _, text in included_by(read.facets))
    content = hashlib.sha256(read.content + included + "\0".join(parts).encode()).hexdigest()
    return {
        "name": core.name,
        "file": str(core.source),
        "content": content,
        "facets": dataclasses.asdict(read.facets),
        "compiler": core.compiler,
    }


def _core_of(data: dict[str, Any]) -> Core | str:
    if "file" not in data:
        return str(data["name"])
    from .._cores import Core
    from .._facets import Facets

    core = Core(str(data["name"]), "", "", "", "", True, Path(data["file"]), Facets(**data["facets"]), data["compiler"])
    if _core_to_data(core)["content"] != data["content"]:
        raise ValueError(f"{data['file']} was changed since the search began, or is another file on this machine")
    return core


@dataclass(frozen=True)
class Setting:
    """A scenario, a core, and the options that make another search of it."""

    scenario: BaseScenario
    core: Core | str
    #: that is asked for; which one is at work is another matter
    strategy: str
    #: XP_O_*
    flags: int
    after_failure: int
    max_steps: int | None
    #: what a user calls these options, for a message
    named: dict[str, Any]

    @functools.cached_property
    def data(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "build": build(),
            "scenario": self.scenario.to_dict(),
            "core": _core_to_data(self.core),
            "strategy": self.strategy,
            "flags": self.flags,
            "after_failure": self.after_failure,
            "max_steps": self.max_steps,
            "named": self.named,
        }

    @classmethod
    def from_data(cls, data: Any) -> Setting:
        """From that. ValueError: of another build, or the core's file is not what it was."""
        if data["build"] != build():
            raise ValueError(f"the search is one of iopf {data['build']}, and this process has iopf {build()}")
        return cls(
            BaseScenario.from_dict(data["scenario"]),
            _core_of(data["core"]),
            str(data["strategy"]),
            int(data["flags"]),
            int(data["after_failure"]),
            data["max_steps"],
            dict(data["named"]),
        )

    def difference(self, data: Any) -> str | None:
        """Why that is the data of another setting, in words for whoever wants to go on with it; None: it is not."""
        mine = json.loads(json.dumps(self.data))
        core, other = mine["core"], data["core"]
        if data["build"] != mine["build"]:
            return f"it was written by iopf {data['build']}, and this is iopf {mine['build']}"
        if data["scenario"] != mine["scenario"]:
            name, this = data["scenario"].get("name"), mine["scenario"]["name"]
            return (
                f"it is of the scenario {name!r}, and this is {this!r}"
                if name != this
                else f"the scenario {name!r} has changed since"
            )
        if core["name"] != other["name"] or ("file" in core) != ("file" in other):
            return f"it is of the core {other['name']}, and this is {core['name']}"
        if core.get("content") != other.get("content"):
            return f"{core['file']}, or what it is compiled with, has changed since"
        for name, value in mine["named"].items():
            if data["named"].get(name) != value:
                return f"it was made with {name}={data['named'].get(name)!r}, and this is {name}={value!r}"
        if {**data, "core": 0} != {**mine, "core": 0}:
            return "its options are others"
        return None
