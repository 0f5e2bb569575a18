# SPDX-License-Identifier: GPL-2.0-only
"""The edge to the explorer's C: the extension, loaded when it is first used, and whose turn it is.

What a search found belongs to C until the next one, so a search and the copying out of its result are one critical
section. Threads take turns; a search that is started from the progress callback of another one is a mistake.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .._extension import check_interpreter, load_extension
from ..exceptions import IopfError

if TYPE_CHECKING:
    from .lines import Place

__all__ = ["Engine", "get", "let_signals_run", "names", "text", "turn"]

check_interpreter()

#: How long a thread waits between looks at signals while another thread searches.
SLICE_SECONDS = 0.05


def let_signals_run(_raw: Any = None) -> int:
    """A callback of C that has nothing else to say. Python runs signal handlers between bytecodes of the main thread; a
    loop makes sure that there are some."""
    for _ in range(2):
        pass
    return 0


class Engine:
    """The extension ``iopf._explore``."""

    def __init__(self) -> None:
        module = load_extension("explore")
        self.ffi = module.ffi
        self.lib = module.lib
        self.pid = os.getpid()
        why = self.lib.xp_unusable()
        if why:
            raise RuntimeError(f"the explorer cannot work in this process: {text(self.ffi, why)}")
        #: Called with (struct xp_progress *): not 0 stops the search. Set by the search that runs.
        self.on_progress: Callable[[Any], int] | None = None
        #: What a record of the scenario is called in a signature. Set by the search that runs.
        self.on_record: Callable[[int], str] | None = None
        #: What a callback raised; the search re-raises it when C is back.
        self.error: BaseException | None = None
        self._functions: dict[str, Any] = {}
        #: places that were looked up in this turn, by shared object and offset: traces name few, and often
        self._places: dict[tuple[bytes, int], Place] = {}
        self.ffi.def_extern(name="xp_on_progress", error=1, onerror=self._keep)(self._progress)
        self.ffi.def_extern(name="xp_on_function", error=self.ffi.NULL, onerror=self._keep)(self._function)

    def _progress(self, _arg: Any, progress: Any) -> int:
        if self.error is not None:
            return 1
        return self.on_progress(progress) if self.on_progress is not None else 0

    def place(self, raw: Any) -> Place | None:
        """A ``struct xp_place`` with its file, line and function; None: it is an operation of the scenario."""
        if not raw.file:
            return None
        key = self.ffi.string(raw.file), raw.offset
        place = self._places.get(key)
        if place is None:
            from dataclasses import replace

            from .lines import find as find_line  # a search that finds nothing names no line

            place = find_line(os.fsdecode(key[0]), key[1])
            symbol = text(self.ffi, raw.symbol)
            if symbol and not place.function:
                place = replace(place, function=symbol)
            self._places[key] = place
        return place

    def _function(self, raw: Any) -> Any:
        place = self.place(raw)
        if place is not None:
            name = place.function or place.file
        elif self.on_record is not None:
            name = self.on_record(raw.offset)
        else:
            return self.ffi.NULL
        if name not in self._functions:  # it has to stay when this has returned
            self._functions[name] = self.ffi.new("char[]", name.encode())
        return self._functions[name]

    def _keep(self, _type: Any, error: BaseException, _traceback: Any) -> Any:
        # The first one: after it the search is told to stop. An interrupt in a function's name counts as well.
        self.error = self.error or error
        return None  # the value of error= above

    def check(self, result: int, what: str) -> None:
        """Raises what a result of the C face means."""
        if result == 0:
            return
        detail = text(self.ffi, self.lib.xp_error()) or os.strerror(-result)
        if result == -12:
            raise MemoryError(f"{what}: {detail}")
        if result == -22:
            raise ValueError(f"{what}: {detail}")
        raise IopfError(-result, f"{what}: {detail}")


def text(ffi: Any, pointer: Any) -> str | None:
    """A C string as str; None for NULL."""
    return ffi.string(pointer).decode(errors="replace") if pointer else None


_engine: Engine | None = None
_turn = threading.Lock()
_owner: int | None = None


def get() -> Engine:
    """The engine, loaded when it is first asked for. MissingExtension says what to do when there is none."""
    global _engine
    if _engine is None:
        _engine = Engine()
    return _engine


@contextlib.contextmanager
def turn() -> Iterator[Engine]:
    """The engine for one search and the copying out of what it found."""
    global _owner
    if _owner == threading.get_ident():
        raise RuntimeError("a search cannot be started from the progress callback of another one")
    engine = get()
    while not _turn.acquire(timeout=SLICE_SECONDS):
        pass  # signals are handled between the slices
    _owner = threading.get_ident()
    try:
        engine.error = None
        engine._places.clear()  # a core that is compiled anew has other lines
        yield engine
    finally:
        engine.on_progress = engine.on_record = None
        _owner = None
        _turn.release()


def names(what: str) -> dict[str, int]:
    """Numbers by name: ``strategy``, ``verdict`` or ``kind``."""
    engine = get()
    function = getattr(engine.lib, f"xp_{what}_name")
    first, last = {
        "strategy": (0, engine.lib.XP_STRATEGIES - 1),
        "verdict": (engine.lib.XP_V_PASS, engine.lib.XP_V_INCONCLUSIVE),
        "kind": (1, engine.lib.XP_KINDS - 1),
    }[what]
    return {text(engine.ffi, function(number)) or "?": number for number in range(first, last + 1)}


def _after_fork_in_child() -> None:
    # The child has the parent's extension, and no search of its own: C tells a search of the parent by the pid.
    global _turn, _owner
    _turn, _owner = threading.Lock(), None


os.register_at_fork(after_in_child=_after_fork_in_child)
