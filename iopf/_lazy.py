# SPDX-License-Identifier: GPL-2.0-only
"""Names of a package that are loaded when they are used, each with the module that it is defined in."""

from __future__ import annotations

import importlib

from ._extension import loading

TYPE_CHECKING = False  # (_registry.py says why)
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["attribute"]


def attribute(package: str, name: str, modules: Collection[str], names: Mapping[str, Collection[str]]) -> object:
    """What a package's ``__getattr__`` gives: one of its ``modules``, or one of the names that are in a module of ``names``.
    AttributeError: neither. From any thread.
    """
    if name in modules:
        return importlib.import_module(f"{package}.{name}")
    module = next((module for module, defined in names.items() if name in defined), None)
    if module is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    with loading:
        value: object = getattr(importlib.import_module(f"{package}.{module}"), name)
    return value
