# SPDX-License-Identifier: GPL-2.0-only
"""Cores that are compiled later: a shared object with a ``struct iopf_core``, loaded into the explorer.

The object stays for the life of the process: results point into it, and its name may be looked up again.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from .._csrc_tools import tool
from . import _engine
from .lines import map_path

__all__ = ["load", "write_map"]

_loaded: dict[tuple[str, str], tuple[str, Any]] = {}
_objects: list[Any] = []


def write_map(library: str | os.PathLike[str]) -> bool:
    """Makes sure that a shared object has a line map beside it; False: there is none, traces show offsets."""
    if map_path(library).exists():
        return True
    module = tool("lines")
    if module is None:
        return False
    with contextlib.suppress(OSError, module.NoLines):
        module.write_line_map(library, map_path(library))
        return True
    return False


def load(library: str | os.PathLike[str], symbol: str = "iopf_core_user") -> str:
    """Loads a core for the explorer: its name, by which ``explore(core=...)`` finds it.

    :param library: a shared object that is linked against the extension ``iopf._explore``
    :param symbol: its ``struct iopf_core``
    :raises ValueError: there is no such table in it
    """
    return load_table(library, symbol)[0]


def load_table(library: str | os.PathLike[str], symbol: str) -> tuple[str, Any]:
    """The same, with the table: the name alone may be that of another file's core, too."""
    import ctypes

    path = os.path.abspath(library)
    if (path, symbol) in _loaded:
        return _loaded[path, symbol]
    write_map(path)
    with _engine.turn() as engine:
        try:
            shared = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
            address = ctypes.addressof(ctypes.c_char.in_dll(shared, symbol))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is no core: {error}") from error
        table = engine.ffi.cast("void *", address)
        engine.check(engine.lib.xp_register_core(table), f"loading {path}")
        name = _engine.text(engine.ffi, engine.lib.xp_core_name(table)) or "?"
    _objects.append(shared)
    _loaded[path, symbol] = name, table
    return name, table
