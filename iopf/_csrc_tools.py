# SPDX-License-Identifier: GPL-2.0-only
"""The C sources, and the Python modules among them that the build and the package share: build.py,
compilers.py, lines.py.

In a checkout they lie beside the package, in an installation inside it, as package data.
"""

from __future__ import annotations

import functools
import os
import sys

TYPE_CHECKING = False  # (_registry.py says why)
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

_PACKAGE = os.path.dirname(os.path.realpath(__file__))
#: Where a checkout has them, and where an installation.
_CHECKOUT, _INSTALLED = os.path.join(os.path.dirname(_PACKAGE), "csrc"), os.path.join(_PACKAGE, "_csrc")


def _has_them(folder: str) -> bool:
    return all(os.path.exists(os.path.join(folder, *file)) for file in (("build.py",), ("forms", "unit.c")))


@functools.cache
def in_checkout() -> bool:
    """Is the package used from a checkout?"""
    return _has_them(_CHECKOUT)


@functools.cache
def csrc() -> Path | None:
    """The folder of the sources; None: this installation has lost them."""
    from pathlib import Path

    if in_checkout():
        return Path(_CHECKOUT)
    return Path(_INSTALLED) if _has_them(_INSTALLED) else None


@functools.cache
def tool(name: str) -> Any:
    """The module ``csrc/<name>.py``; None where the sources are missing."""
    folder = csrc()
    if folder is None:
        return None
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"iopf._csrc_{name}", folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
