# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios by name, for the command line.

A name is looked up among the registered scenarios, those of ``iopf.scenarios`` included; ``file.py:name`` takes a
scenario, or a function that returns one, from a Python file; ``file.json`` reads what ``Scenario.to_json`` wrote.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

from .programs import rcget
from .scenario import BaseScenario

__all__ = ["find_scenario", "register", "scenario_names"]

_factories: dict[str, tuple[Callable[[], BaseScenario], str]] = {}


def register(name: str, summary: str = "") -> Callable[[Callable[[], BaseScenario]], Callable[[], BaseScenario]]:
    """A decorator: the function makes the scenario of that name. The summary is its docstring's first line, if not
    given."""

    def take(factory: Callable[[], BaseScenario]) -> Callable[[], BaseScenario]:
        if name in _factories:
            raise ValueError(f"there is a scenario {name!r} already")
        _factories[name] = (factory, summary or (factory.__doc__ or "").strip().partition("\n")[0])
        return factory

    return take


def _load() -> None:
    try:
        importlib.import_module("iopf.scenarios")  # registers its own
    except ModuleNotFoundError as error:
        if error.name != "iopf.scenarios":
            raise


def scenario_names() -> dict[str, str]:
    """What each registered scenario is about, by name."""
    _load()
    return {name: summary for name, (_, summary) in sorted(_factories.items())}


def find_scenario(name: str) -> BaseScenario:
    """The scenario of a name. LookupError says what there is; ValueError what is wrong with a file."""
    _load()
    if name in _factories:
        return _factories[name][0]()
    match = re.fullmatch(r"rcget-([1-9]\d?)", name)
    if match:
        return rcget(int(match[1]))
    path, colon, attribute = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_python(Path(path), attribute)
    if name.endswith(".json"):
        try:
            return BaseScenario.from_json(Path(name).read_text(encoding="utf-8"))
        except OSError as error:
            raise LookupError(f"{name}: {error.strerror}") from error
    raise LookupError(
        f"no scenario {name!r}: there are {', '.join(scenario_names())}; also file.py:name, and file.json"
    )


def _from_python(path: Path, attribute: str) -> BaseScenario:
    if not path.is_file():
        raise LookupError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"iopf_scenarios_of_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise LookupError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, attribute, None)
    if callable(found) and not isinstance(found, BaseScenario):
        found = found()
    if not isinstance(found, BaseScenario):
        raise LookupError(f"{path} has no scenario {attribute!r}: name one, or a function that returns one")
    return found


for _n in (2, 3, 4):
    register(f"rcget-{_n}", f"{_n} readers take a reference, a remover drops the last: the golden counts")(
        functools.partial(rcget, _n)
    )
