# SPDX-License-Identifier: GPL-2.0-only
"""The table of operations in ``README.md``, made from the code: signatures, docstrings, and ranges by trying them.

::

    python -m iopf.explore.manual
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from .bytecode import FRAMEWORK
from .scenario import CODES, HANDLERS, KINDS, TYPES, Scenario, Task

__all__ = ["markdown"]

#: What makes up a scenario, beside the operations of its tasks.
PARTS = ("queue", "space", "device", "task", "tasks", "alloc_may_fail", "expect")


def _sentence(function: Callable[..., Any]) -> str:
    """The first paragraph of a docstring, on one line."""
    text = inspect.cleandoc(function.__doc__ or "").partition("\n\n")[0]
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def _arguments(function: Callable[..., Any]) -> str:
    """A signature as it is called: names, defaults, ``*`` where names have to be said."""
    shown, keyword_only = [], False
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            shown.append("*")
        name = f"*{parameter.name}" if parameter.kind is parameter.VAR_POSITIONAL else parameter.name
        default = parameter.default
        if default is parameter.empty:
            shown.append(name)
        else:
            shown.append(f"{name}={default:#x}" if parameter.name == "addr" else f"{name}={default!r}")
    return ", ".join(shown)


def _accepted(accepts: Callable[[int], object], number: int) -> bool:
    try:
        accepts(number)
    except ValueError:
        return False
    return True


def _largest(accepts: Callable[[int], object]) -> str:
    """The largest number that a call accepts, as a power where it is one: by bisection from what it takes."""
    low, high = _smallest(accepts), 1 << 80
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _accepted(accepts, middle) else (low, middle)
    bits = (low + 1).bit_length() - 1
    return f"2**{bits} - 1" if low > 10_000 and low + 1 == 1 << bits else str(low)


def _smallest(accepts: Callable[[int], object]) -> int:
    return next(number for number in (-(2**20), -1, 0, 1) if _accepted(accepts, number))


def _queue(workers: int) -> object:
    return Scenario("trial").queue(workers)


def _name(length: int) -> object:
    # Nobody needs a string of 2**79 characters to learn that it is too long.
    return Scenario("trial").task("t" * min(max(length, 0), 1 << 20))


def _ranges() -> list[tuple[str, str]]:
    """What the arguments take, found out by trying."""

    def report(**values: int) -> Callable[[int], object]:
        def accepts(number: int) -> object:
            s = Scenario("trial")
            dev = s.device(s.queue(), handler="sva", pasid=1)
            arguments: dict[str, Any] = {"grpid": 1, **values, name: number}
            return s.task("t").report(dev, **arguments)

        name = next(iter(values))
        return accepts

    def number(name: str, make: Callable[[int], object]) -> tuple[str, str]:
        return name, f"{_smallest(make)} to {_largest(make)}"

    def section(name: str) -> Callable[[int], object]:
        return lambda value: getattr(Scenario("trial").task("t").fail_next_alloc(), name)(value)

    def names(choices: tuple[str, ...]) -> str:
        return ", ".join(f'`"{choice}"`' for choice in choices)

    return [
        ("queue, dev", "what `s.queue()` and `s.device()` returned"),
        ("handler", names(HANDLERS)),
        ("space", "what `s.space()` returned"),
        ("code", names(CODES)),
        ("type", names(TYPES)),
        number("flags", report(flags=0)),
        number("grpid", report(grpid=0)),
        (number("pasid", report(pasid=0))[0], f"None: without one; {number('pasid', report(pasid=0))[1]}"),
        number("addr", report(addr=0)),
        ("perm", "letters of `rwxp`: read, write, execute, privileged"),
        (
            "returns",
            "None: 0, and the errors that the core's contract allows there; a number: exactly that (`-errno.EBUSY`)",
        ),
        number("n of fail_next_alloc", section("fail_next_alloc")),
        number("n of repeat", section("repeat")),
        number("n of tasks", lambda value: Scenario("trial").tasks("t", value)),
        (number("workers", _queue)[0], f"None: as many as there are works; {number('workers', _queue)[1]}"),
        ("name", f"of a task or a lock: {number('', _name)[1]} printable characters"),
        ("kinds", names(KINDS)),
    ]


def markdown() -> str:
    """The tables: what a scenario is made of, the operations of a task, what their arguments take."""
    lines = ["| of a scenario `s` | |", "|---|---|"]
    lines += [
        f"| `{name}({_arguments(getattr(Scenario, name))})` | {_sentence(getattr(Scenario, name))} |" for name in PARTS
    ]
    lines += ["", "| of a task, of `s.setup` and `s.teardown` | |", "|---|---|"]
    operations = [name for name in vars(Task) if not name.startswith("_")]
    operations += [name for name in FRAMEWORK if name not in operations]
    for name in operations:
        function = getattr(Task, name)
        lines.append(f"| `{name}({_arguments(function)})` | {_sentence(function)} |")
    lines += ["", "| argument | takes |", "|---|---|"]
    lines += [f"| {name} | {re.sub(r'  +', ' ', takes)} |" for name, takes in _ranges()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
