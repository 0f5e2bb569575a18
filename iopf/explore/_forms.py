# SPDX-License-Identifier: GPL-2.0-only
"""The forms of scenarios by name. One that is asked for and is not there yet is loaded by who knows them all, which is the
package: few programs use more than one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scenario import BaseScenario

__all__ = ["by_name", "find", "knows_all"]

by_name: dict[str, type[BaseScenario]] = {}
_load_all: list[Callable[[], object]] = []


def knows_all(load: Callable[[], object]) -> None:
    """``load`` defines every form."""
    _load_all.append(load)


def find(name: object) -> type[BaseScenario]:
    """The form of that name. ValueError says which there are."""
    form = by_name.get(name) if isinstance(name, str) else None
    if form is None:
        for load in _load_all:
            load()
        form = by_name.get(name) if isinstance(name, str) else None
    if form is None:
        raise ValueError(f"a scenario of form {name!r}: takes {', '.join(by_name)}")
    return form
