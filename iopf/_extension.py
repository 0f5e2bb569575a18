# SPDX-License-Identifier: GPL-2.0-only
"""Loads the extension modules, each when it is first asked for, and says what to do where one is missing.

No cffi object leaves the package.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import threading

from ._csrc_tools import in_checkout, tool

TYPE_CHECKING = False  # (_registry.py says why)
if TYPE_CHECKING:
    from typing import Any

    class CData:
        """An object of cffi, a pointer, a structure or an array, as type checkers see it: what it has is C's to say, and
        so Any; the object itself has a type, and a place that takes or gives one says so."""

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: object) -> None: ...
        def __getitem__(self, index: int) -> Any: ...
        def __len__(self) -> int: ...
else:
    CData = object

__all__ = ["CData", "MissingExtension", "check_interpreter", "load_extension", "loading"]

_BUILD = (
    "Install iopf with pip (it needs gcc or clang and the Python headers), or, in a checkout, build the extensions again"
    " with: pip install ."
)
_SUBINTERPRETER = (
    "iopf works in the main interpreter only, and this is a subinterpreter: C calls the handlers in the interpreter that"
    " loaded it first. Use iopf in the main interpreter, or in a process of its own (multiprocessing)"
)

#: Held while the package's names are loaded. A fork waits for it: the child could not load what a thread that it does
#: not have was in the middle of.
loading = threading.RLock()
os.register_at_fork(before=loading.acquire, after_in_parent=loading.release, after_in_child=loading.release)


class MissingExtension(ImportError):
    """An extension module is missing, broken, older than the sources beside it, or cannot be used in this interpreter."""


def _in_subinterpreter() -> bool:
    """Python has no public way to ask. Where its private one is missing, nothing can have made a subinterpreter with it."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        # An object, or from 3.13 on a tuple that begins with the number.
        return bool(interpreters.get_current() != interpreters.get_main())
    return False


def check_interpreter() -> None:
    """MissingExtension in an interpreter that no extension can be used in: what has to say so early says so at import."""
    if _in_subinterpreter():
        raise MissingExtension(_SUBINTERPRETER)


@functools.cache
def _checkout_hash() -> str | None:
    """The hash of the sources, when the package is used from a checkout."""
    if not in_checkout() or os.environ.get("IOPF_ALLOW_STALE"):
        return None
    return str(tool("build").sources_hash())


def load_extension(name: str) -> Any:
    """The extension module ``iopf._<name>``; MissingExtension says what to do when there is none that fits."""
    if not sys.platform.startswith("linux"):
        raise MissingExtension(f"iopf runs on Linux only, this is {sys.platform}")
    check_interpreter()
    try:
        module = importlib.import_module(f"iopf._{name}")
    except ImportError as error:
        if "subinterpreter" in str(error):  # of cffi, or of Python
            raise MissingExtension(_SUBINTERPRETER) from error
        left_out = name == "explore" and isinstance(error, ModuleNotFoundError)
        raise MissingExtension(
            f"the extension iopf._{name} can't be loaded: {error}. {_BUILD}"
            + (
                "  (The build leaves the explorer out, and says so, where its fiber switch has no form for the machine.)"
                if left_out
                else ""
            )
        ) from error
    expected = _checkout_hash()
    built = module.ffi.string(module.lib.iopf_sources_hash).decode()
    if expected is not None and built != expected:
        raise MissingExtension(
            f"the extension iopf._{name} was built from other sources than those in csrc (build {built}, sources"
            f" {expected}). {_BUILD}  (IOPF_ALLOW_STALE=1 uses it all the same.)"
        )
    return module
