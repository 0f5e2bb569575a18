# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios by name, for the command line.

A name is looked up among the registered scenarios, those of ``races.py`` included; ``file.py:name`` takes a
scenario, or a function that returns one, from a Python file; ``file.json`` reads what ``Scenario.to_json`` wrote. Files
are regular ones of at most 4 MiB. A Python file is run, and what it raises is told with the line that raised it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .._files import read_small
from .._hints import closest, unknown
from ..exceptions import Travels
from .races import all_scenarios
from .scenario import BaseScenario

if TYPE_CHECKING:
    from .programs import Program

__all__ = ["FileAlone", "ScenarioError", "find_scenario", "register", "scenario_names"]


class ScenarioError(Travels, ValueError):
    """A scenario file raised. ``path`` and ``line`` say where, ``__cause__`` what; ``line`` 0: not in that file."""

    def __init__(self, message: str, path: str, line: int):
        super().__init__(message)
        self.path = path
        self.line = line


class FileAlone(Travels, LookupError):
    """A Python file was named, and none of its scenarios: ``names`` has them, with what they are about."""

    def __init__(self, path: str, names: dict[str, str]):
        super().__init__(path, names)
        self.path = path
        self.names = names

    def listed(self) -> str:
        """What is in it, in a sentence."""
        if self.names:
            return f"There are {', '.join(self.names)}"
        return "there is no scenario in it, nor a function that takes no arguments and may return one"

    def __str__(self) -> str:
        return f"{self.path}: name one of its scenarios, {self.path}:NAME. {self.listed()}"


#: What a function that returns a scenario may be annotated with.
RETURNED = ("Any", "BaseScenario", "Program", "Scenario")

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


def scenario_names() -> dict[str, str]:
    """What each registered scenario is about, by name."""
    return {name: summary for name, (_, summary) in sorted(_factories.items())}


def find_scenario(name: str) -> BaseScenario:
    """The scenario of a name. LookupError says what there is; ValueError what is wrong with a file."""
    if name in _factories:
        return _factories[name][0]()
    match = re.fullmatch(r"rcget-([1-9]\d?)", name)
    if match:
        return _rcget(int(match[1]))
    path, colon, attribute = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_python(path, attribute)
    if name.endswith(".py"):
        raise FileAlone(name, _in_python(name))
    if name.endswith(".json"):
        try:
            return BaseScenario.from_json(_read(name).decode())
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}: this is no JSON: it is not UTF-8") from error
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    raise LookupError(f"{unknown('scenario', name, scenario_names())}; also file.py:name, and file.json")


def _read(path: str) -> bytes:
    try:
        return read_small(path, "a scenario file")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise LookupError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


@contextlib.contextmanager
def _running(path: str) -> Iterator[None]:
    """The code of a scenario file runs, with the modules beside it at hand."""
    from pathlib import Path

    folder = str(Path(path).parent.absolute())
    sys.path.append(folder)
    try:
        yield
    except (Exception, SystemExit) as error:
        raise _raised(path, error) from error
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _raised(path: str, error: BaseException) -> ScenarioError:
    import traceback

    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines.append(error.lineno)
    line = next((number for number in reversed(lines) if number), 0)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    words = " ".join(f"{type(error).__name__}{': ' if text else ''}{text}".split())[:500]
    wanted, of = getattr(error, "name", None), getattr(error, "obj", None)
    if isinstance(error, AttributeError) and wanted and (meant := closest(wanted, _names_of(of))):
        words += f": did you mean {meant!r}?"
    return ScenarioError(f"{path}{f':{line}' if line else ''}: {words}", path, line)


def _names_of(value: object) -> list[str]:
    return [name for name in dir(value) if not name.startswith("_")]


def _load_python(path: str) -> types.ModuleType:
    """Runs a Python file. It is read here: nothing is written beside it."""
    source = _read(path)
    module = types.ModuleType(f"iopf_scenarios_of_{os.path.splitext(os.path.basename(path))[0]}")
    module.__file__ = path
    with _running(path):
        code = compile(source, path, "exec", dont_inherit=True)
        sys.modules[module.__name__] = module
        exec(code, vars(module))
    return module


def _may_be_one(value: object, module: types.ModuleType) -> bool:
    """A scenario, or a function of the file that may return one: to know, it has to be called."""
    import inspect

    if isinstance(value, BaseScenario):
        return True
    if not inspect.isfunction(value) or value.__module__ != module.__name__:
        return False
    signature = inspect.signature(value)
    if any(
        parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in signature.parameters.values()
    ):
        return False
    wanted = signature.return_annotation
    name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", "")
    return wanted is signature.empty or name.rpartition(".")[2].strip("'\"") in RETURNED


def _names_in(module: types.ModuleType) -> dict[str, str]:
    return {
        name: value.name if isinstance(value, BaseScenario) else (value.__doc__ or "").strip().partition("\n")[0]
        for name, value in vars(module).items()
        if not name.startswith("_") and _may_be_one(value, module)
    }


def _in_python(path: str) -> dict[str, str]:
    return _names_in(_load_python(path))


def _from_python(path: str, attribute: str) -> BaseScenario:
    module = _load_python(path)
    found = getattr(module, attribute, None)
    if callable(found) and not isinstance(found, BaseScenario):
        with _running(path):
            found = found()
    if not isinstance(found, BaseScenario):
        there = _names_in(module)
        if attribute in vars(module):
            raise LookupError(f"{path}: {attribute!r} is no scenario, nor a function that returns one")
        if not there:
            raise LookupError(f"{path} has no scenario {attribute!r}: name one, or a function that returns one")
        raise LookupError(f"{path} has {unknown('scenario', attribute, there)}")
    return found


def _rcget(readers: int) -> Program:
    from .programs import rcget

    return rcget(readers)


for _entry in all_scenarios():
    register(_entry.name, _entry.title)(_entry.build)
for _n in (2, 3, 4):
    register(f"rcget-{_n}", f"{_n} readers take a reference, a remover drops the last: the golden counts")(
        functools.partial(_rcget, _n)
    )
