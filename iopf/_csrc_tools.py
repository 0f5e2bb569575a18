# SPDX-License-Identifier: GPL-2.0-only
"""The C sources, and the Python modules among them that the build and the package share: build.py,
compilers.py, lines.py.

In a checkout they lie beside the package, in an installation inside it, as package data.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent
#: Where a checkout has them.
CHECKOUT = _PACKAGE.parent / "csrc"


@functools.cache
def csrc() -> Path | None:
    """The folder of the sources; None: this installation has lost them."""
    for folder in (CHECKOUT, _PACKAGE / "_csrc"):
        if (folder / "build.py").exists() and (folder / "forms" / "unit.c").exists():
            return folder
    return None


@functools.cache
def tool(name: str) -> Any:
    """The module ``csrc/<name>.py``; None where the sources are missing."""
    folder = csrc()
    if folder is None:
        return None
    spec = importlib.util.spec_from_file_location(f"iopf._csrc_{name}", folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
