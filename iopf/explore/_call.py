# SPDX-License-Identifier: GPL-2.0-only
"""What every call into the explorer's C takes beside a scenario: the core, and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hints import unknown
from . import _engine
from ._engine import Engine, text
from .bytecode import Compiled
from .copier import named_fields

if TYPE_CHECKING:
    from .._cores import Core
    from .._extension import CData
    from .corefile import CoreFile
    from .scenario import BaseScenario

__all__ = ["file_of", "find_core", "new_options"]


def find_core(core: Core | str) -> CData:
    """A core as C knows it, of its name or a Core; one of a file is compiled and loaded. ValueError lists the names.

    Not inside of a turn: loading takes one.
    """
    engine = _engine.get()
    if not isinstance(core, str):
        from .._cores import Core  # what knows files takes longer to load than most searches take

        if isinstance(core, Core) and core.source is not None:
            from .loader import load_table

            compiled = core.compile_for("explore")
            table: CData = load_table(compiled.library, compiled.symbol)[1]
            return table
    name = core if isinstance(core, str) else getattr(core, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"core is a Core, or the name of one, not {type(core).__name__}")
    found: CData = engine.lib.xp_find_core(name.encode())
    if not found:
        known = [
            text(engine.ffi, engine.lib.xp_core_name(engine.lib.xp_core(i))) for i in range(engine.lib.xp_nr_cores())
        ]
        file = "; a file is one by its path: Core.from_source(path), --core FILE" if name.endswith(".c") else ""
        raise ValueError(f"{unknown('core', name, known)}{file}")
    return found


def file_of(core: Core | str) -> CoreFile | None:
    """What a token says of a core; None: it is part of the build."""
    if isinstance(core, str):
        return None
    from .corefile import core_file

    return core_file(core)


def new_options(engine: Engine, table: Any, scenario: BaseScenario, compiled: Compiled) -> Any:
    """Options of a search on a core; the engine is told what signatures call the scenario's operations."""

    def name(index: int) -> str:
        record = compiled.records[index]
        return named_fields(scenario, str(record.operation or record.section or "the set-up"))

    engine.on_record = name
    options = engine.ffi.new("struct xp_options *")
    options.core = table
    options.function = engine.lib.xp_on_function
    return options
