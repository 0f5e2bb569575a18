# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios as numbers: what ``csrc/explore/explore.h`` describes, from operations, and back to text.

A record is an opcode and eight operands, all int32. One table for each form of scenario says which value of an
operation goes to which operand; compiling, checking of JSON, and the disassembler all read it. It is made of the explorer's
own (csrc/explore/scenario/operands.h), which has the kind of each value; here is how a value of a kind becomes a number.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .._checks import parse_perm
from . import _operands

if TYPE_CHECKING:
    from .scenario import BaseScenario, Operation, Section

__all__ = ["FRAMEWORK", "LOW_LEVEL", "Compiled", "Record", "Table", "compile_scenario", "disassemble"]

WORDS = 9
OPERANDS = "abcdefgh"


def _none(value: Any) -> int:
    return -1 if value is None else int(value)


def _u32(value: Any) -> int:
    """32 bits without a sign, as the int32 that has the same; 0 for None."""
    number = int(value or 0) & 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


def _upper(value: Any) -> int:
    """The upper half of 64 bits."""
    return _u32(int(value) >> 32)


def _number(value: Any) -> int:
    """Of something, from 1; 0: none."""
    return 0 if value is None else int(value) + 1


def _mapped(value: str) -> int:
    return parse_perm(value, "rwx")


#: XP_R_*
def _other(value: Any) -> int:
    return 2 if value == "other" else 0


def _raw(value: Any) -> int:
    return 0 if value is None else 4 | int(value) << 8


def _code(value: str) -> int:
    return ("success", "invalid", "failure").index(value)


#: How a value of a kind becomes a number; of the other kinds: int(), and 0 if there is none. None of the values of an
#: operation that share an operand has bits of another.
_NUMBERS: dict[str, Callable[[Any], int]] = {
    **dict.fromkeys(("ID", "PASID", "LOWER", "LENGTH"), _u32),
    "UPPER": _upper, "PERM": parse_perm, "MAPPED": _mapped, "OTHER_TYPE": _other, "RAW_FLAGS": _raw, "CODE": _code,
    "SPACE_OF_SVA": _number,
    **dict.fromkeys(("RESULT", "QUEUE_OR_NULL", "HANDLER", "LOCK", "BODY", "RCU_BODY"), _none),
    **dict.fromkeys(("REGISTER", "REGISTER_OR_NONE", "RCU_REGISTER", "BASE", "SPINLOCK_BASE"), _none),
    **dict.fromkeys(_operands.WORDS, _none),
}  # fmt: skip

#: The operations of a form of scenario by name: opcode, then the operand of each value: its letter, its name, how it becomes
#: a number. ``lock``, ``body`` and what has names become numbers in :func:`compile_scenario`; ``returns`` None is XP_ANY.
Table = Mapping[str, tuple[str, tuple[tuple[str, str, Callable[[Any], int]], ...]]]


def _table(rows: Mapping[str, _operands.Row]) -> Table:
    return {
        name: (opcode, tuple((operand, value, _NUMBERS.get(kind, int)) for operand, value, kind in values))
        for name, (opcode, values) in rows.items()
    }


FRAMEWORK: Table = _table(_operands.FRAMEWORK)
LOW_LEVEL: Table = {**_table(_operands.LOW_LEVEL), **{name: FRAMEWORK[name] for name in ("fail_next_alloc", "repeat")}}

#: Values that are names in Python and constants in C, by operation: how the constant begins, and the names.
NAMED: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    (name, value): _operands.WORDS[kind]
    for name, (_, values) in (*_operands.FRAMEWORK.items(), *_operands.LOW_LEVEL.items())
    for _, value, kind in values
    if kind in _operands.WORDS
}
#: What a device may be besides, and the bit of it.
DEVICE = {"user_pasid_table": "XP_D_USER_TABLE", "no_response": "XP_D_NO_RESPONSE", "no_iommu": "XP_D_NO_IOMMU"}
SECTIONS = ("XP_SETUP", "XP_TASK", "XP_WORK", "XP_TEARDOWN")
DEFINITIONS = (
    "XP_DEF_QUEUE",
    "XP_DEF_DEVICE",
    "XP_DEF_LOCK",
    "XP_DEF_EXPECT",
    "XP_DEF_ALLOC_MAY_FAIL",
    "XP_DEF_MEMORY",
    "XP_DEF_SPACE",
)


class Record(NamedTuple):
    """What a record was made from: None for a definition, and a section's own record has no operation."""

    section: str | None = None
    operation: Operation | None = None

    def __str__(self) -> str:
        return f"{self.section}: {self.operation}" if self.operation else self.section or "definition"


class Compiled(NamedTuple):
    """The numbers, and for each record what it was made from."""

    words: array.array[int]
    records: tuple[Record, ...]


class _Compiler:
    def __init__(self, lib: Any):
        self.lib = lib
        self.words = array.array("i")
        self.records: list[Record] = []
        self.locks: list[str] = []
        self.bodies: list[str] = []

    def record(self, opcode: str, made_from: Record | None = None, **operands: int) -> None:
        self.words.extend([getattr(self.lib, opcode), *(int(operands.get(letter, 0)) for letter in OPERANDS)])
        self.records.append(made_from or Record())

    def operation(self, section: Section, operation: Operation, table: Table) -> None:
        opcode, layout = table[operation.op]
        operands: dict[str, int] = {}
        for letter, key, number in layout:
            value = operation.values.get(key)
            named = NAMED.get((operation.op, key))
            if key == "returns" and value is None:
                operands[letter] = self.lib.XP_ANY
            elif key == "lock":
                operands[letter] = self.locks.index(str(value))
            elif key == "body" and value is not None:
                operands[letter] = self.bodies.index(str(value))
            elif key == "handler" and value is None:
                operands[letter] = self.lib.XP_H_NONE
            elif named and value is not None:
                operands[letter] = getattr(self.lib, named[0] + str(value).upper())
            elif value is None:
                operands[letter] = operands.get(letter, 0) | (-1 if number is _none else 0)
            else:
                operands[letter] = operands.get(letter, 0) | number(value)
        self.record(opcode, Record(section.name, operation), **operands)


def compile_scenario(scenario: BaseScenario, lib: Any) -> Compiled:
    """The scenario as the explorer takes it; ``lib`` is the extension's, whose constants are used."""
    compiler = _Compiler(lib)
    data = scenario._parts_to_dict()
    compiler.locks = data.get("locks", [])
    compiler.bodies = [body.name for body in getattr(scenario, "works", ())]
    for workers in data.get("queues", ()):
        compiler.record("XP_DEF_QUEUE", a=0 if workers is None else workers or -1)
    for _space in range(data.get("spaces", 0)):
        compiler.record("XP_DEF_SPACE")
    for device in data.get("devices", ()):
        lock = device.get("response_lock")
        handler = device.get("handler")
        compiler.record(
            "XP_DEF_DEVICE",
            a=device.get("queue", -1),
            b=getattr(lib, f"XP_H_{handler.upper()}") if handler else lib.XP_H_NONE if device.get("pasid") else -1,
            c=device.get("pasid") or 0,
            d=-1 if lock is None else compiler.locks.index(lock),
            e=sum(getattr(lib, constant) for name, constant in DEVICE.items() if device.get(name))
            + lib.XP_D_INSIDE * (device.get("answers_inside", -1) + 1),
            f=device.get("group", -1),
            g=_number(device.get("space")),
            h=int(device.get("nested", False)),
        )
    for _lock in compiler.locks:
        compiler.record("XP_DEF_LOCK")
    for kind in scenario.expected:
        compiler.record("XP_DEF_EXPECT", a=getattr(lib, "XP_K_" + kind.upper().replace("-", "_")))
    if scenario._alloc_may_fail:
        compiler.record("XP_DEF_ALLOC_MAY_FAIL")
    if data.get("memory"):
        compiler.record("XP_DEF_MEMORY", a=data["memory"])

    def section(opcode: str, part: Section, name: str, **operands: int) -> None:
        compiler.record(opcode, Record(name), **operands)
        for operation in part:
            compiler.operation(part, operation, scenario._table)

    if scenario.setup.operations:
        section("XP_SETUP", scenario.setup, "setup")
    names = iter(scenario.task_names)
    for number, task in enumerate(scenario._tasks):
        for _copy in range(task.copies):
            section("XP_TASK", task, next(names), a=number if task.copies > 1 else -1)
    for body in getattr(scenario, "works", ()):
        section("XP_WORK", body, body.name)
    if scenario.teardown.operations:
        section("XP_TEARDOWN", scenario.teardown, "teardown")
    compiler.record("XP_END")
    return Compiled(compiler.words, tuple(compiler.records))


def disassemble(compiled: Compiled, lib: Any) -> str:
    """The records as text, one a line: number, opcode, operands, and what it was made from."""
    opcodes = {
        getattr(lib, name): name
        for name in (*DEFINITIONS, *SECTIONS, "XP_END", *(op for op, _ in (*FRAMEWORK.values(), *LOW_LEVEL.values())))
    }
    lines = []
    for index, record in enumerate(compiled.records):
        opcode, *operands = compiled.words[index * WORDS : (index + 1) * WORDS]
        shown = " ".join("any" if value == lib.XP_ANY else str(value) for value in operands)
        lines.append(f"{index:4} {opcodes.get(opcode, f'nothing ({opcode})')[3:]:<16} {shown:<40} {record}".rstrip())
    return "\n".join(lines)
