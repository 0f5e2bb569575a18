# SPDX-License-Identifier: GPL-2.0-only
"""The file that a core was compiled from, as a token names it: so that a replay finds it, and notices that it changed.

A token holds no code. It says where the file was, what was in it (a hash), and which facets were set against what its
text shows. A replay in another process compiles that file again, if it is still there and the same; else it asks for one.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._cores import Core
    from .._facets import Facets

__all__ = ["CoreFile", "core_file"]


@dataclass(frozen=True)
class CoreFile:
    """A user's kernel file, as a core."""

    path: str
    #: of its content, in hexadecimal
    sha256: str
    #: those that were not what the text shows, by name
    facets: dict[str, str | bool] = field(default_factory=dict)

    def core(self, name: str, option: str = "--core") -> Core:
        """The core again. ValueError says what to do when the file is not what it was, with that option."""
        facets = self.facet_arguments if option == "--core" else ""
        hint = f"name the file with {option} FILE{facets} (core= in Python) to run the token on that"
        try:
            content = Path(self.path).read_bytes()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ValueError(f"the token is of the core {self.path}, which can't be read ({why}): {hint}") from error
        if _hash(content) != self.sha256:
            raise ValueError(f"the token is of the core {self.path}, which has changed since: {hint}")
        from .._cores import Core

        return Core._from_source(
            self.path, "explore", facets=self.facets, name=None if name == os.path.basename(self.path) else name
        )

    @property
    def facet_arguments(self) -> str:
        """``--facet NAME=VALUE`` for each, with a space before it."""
        import shlex

        return "".join(f" --facet {shlex.quote(f'{name}={_text(value)}')}" for name, value in self.facets.items())

    @property
    def arguments(self) -> str:
        """What a command line says of it: ``--core FILE --facet NAME=VALUE``."""
        import shlex

        return f"--core {shlex.quote(self.path)}{self.facet_arguments}"

    def to_dict(self) -> dict[str, object]:
        """As JSON-able data."""
        return {"path": self.path, "sha256": self.sha256, "facets": self.facets}

    @classmethod
    def from_dict(cls, data: dict[str, object]) -> CoreFile:
        """From what to_dict() gave; KeyError, TypeError or ValueError when it is something else."""
        path, given = data["path"], data["facets"]
        if not isinstance(path, str) or not isinstance(given, dict):
            raise TypeError("a file and its facets")
        if "\0" in path:
            raise ValueError("a path without zero bytes")
        facets = {str(name): value if isinstance(value, bool) else str(value) for name, value in given.items()}
        return cls(path, str(data["sha256"]), facets)


def _hash(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def _text(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value


@functools.lru_cache(maxsize=64)
def _describe(path: str, facets: Facets, _stamp: tuple[int, int]) -> CoreFile | None:
    from .._facets import detect
    from ..exceptions import CoreSourceError

    try:
        content = Path(path).read_bytes()
    except OSError:
        return None
    try:
        shown = dataclasses.asdict(detect(content.decode(errors="replace")))
    except CoreSourceError:
        shown = {}
    chosen = {name: value for name, value in dataclasses.asdict(facets).items() if shown.get(name) != value}
    return CoreFile(path, _hash(content), chosen)


def core_file(core: object) -> CoreFile | None:
    """What a token says of a core; None: it is part of the build, or a name."""
    if isinstance(core, str):
        return None
    from .._cores import Core

    if not isinstance(core, Core) or core.source is None or core.facets is None:
        return None
    try:
        stat = os.stat(core.source)
    except OSError:
        return None
    return _describe(str(core.source), core.facets, (stat.st_mtime_ns, stat.st_size))
