# SPDX-License-Identifier: GPL-2.0-only
"""One table of operands (csrc/explore/scenario/operands.h): Python's is made of it, and the explorer refuses by it.

The C check is a rule for each kind. What is wrong with a scenario is said of its first record that is wrong: so one of no
operation at all stands behind the record that is tried, and nothing ever runs.
"""

import re
from pathlib import Path

import pytest

from iopf._csrc_tools import tool
from iopf.explore import _engine, _operands, programs

operands = tool("operands")
MODULE = Path(_operands.__file__)
ROWS = {**_operands.FRAMEWORK, **_operands.LOW_LEVEL}
LIMIT = 65536
NEVER = 999

#: Of each kind: numbers that fit into the record below and that do not, where others are as they are there.
ANY = ((0, -1, 2**31 - 1, -(2**31)), ())
REGISTERS, OR_NONE = ((0, 7), (-1, 8)), ((-1, 0, 7), (-2, 8))
EXAMPLES = {
    **dict.fromkeys(("ID", "LOWER", "UPPER", "RESULT", "NUMBER", "OTHER_TYPE", "RAW_FLAGS"), ANY),
    **dict.fromkeys(("DEVICE", "QUEUE", "LOCK", "SPACE", "BODY", "RCU_BODY"), ((0,), (-1, 1))),
    "QUEUE_OR_NULL": ((-1, 0), (-2, 1)), "SPACE_OF_SVA": ((0, 1), (-1, 2)), "HANDLER": ((0, 5), (-1, 6)),
    "PASID": ((0, 2**20 - 1), (-1, 2**20)), "PERM": ((0, 15), (-1, 16)), "MAPPED": ((0, 7), (-1, 8)),
    "REQUEST": ((0, 2**24 - 1), (-1, 2**24)), "LENGTH": ((1, 4096), (0,)), "CODE": ((0, 2), (-1, 3)),
    "FLAG": ((0, 1), (-1, 2)), "NATURAL": ((0, 2**31 - 1), (-1,)), "TIMES": ((1, 1000), (0, 1001)),
    "REPEATED": ((1,), (0, 2)), "SKIPPED": ((0, 1), (-1, 2)), "REGISTER": REGISTERS, "REGISTER_OR_NONE": OR_NONE,
    "RCU_REGISTER": REGISTERS, "BASE": OR_NONE, "SPINLOCK_BASE": OR_NONE,
    **dict.fromkeys(("OFFSET", "RCU_OFFSET", "SPINLOCK_OFFSET"), ((0, LIMIT - 1), (-1, LIMIT))),
    "BYTES": ((1, 2, 4, 8), (0, 3, 16, -1)), "ALLOCATED": ((1, LIMIT - 1), (0, LIMIT)), "ORDER": ((0, 6), (-1, 7)),
    "ATOMIC_ORDER": ((2, 6), (1, 7)), "WORKQUEUE": ((0, 7), (-1, 8)), "FORM": ((0, 3), (-1, 4)),
    # As many as the constants: one that is added to the face is one more here and in the check.
    **{kind: ((0, len(words) - 1), (-1, len(words))) for kind, (_, words) in _operands.WORDS.items()
       if kind.startswith("HOW_")},
}  # fmt: skip
#: What the operands have that are not tried.
USUAL = {"how": {"rcu": 5}, "order": 2, "size": 8, "n": 1, "operations": 1, "length": 4096}


def record(lib, name, **changed):
    """The record of an operation, all of it right but for what is changed."""
    opcode, values = ROWS[name]
    words = dict.fromkeys("abcdefgh", 0)
    for operand, value, kind in values:
        usual = USUAL.get(value, 0)
        usual = usual.get(name, 0) if isinstance(usual, dict) else usual
        if not words[operand] and kind != "UPPER":
            words[operand] = 1 if kind == "ALLOCATED" else usual
    return [getattr(lib, opcode), *{**words, **changed}.values()]


def refused(engine, name, memory=64, **changed):
    """What the explorer says of it, the second record of a task."""
    lib = engine.lib
    code = [
        *([lib.XP_DEF_QUEUE] + [0] * 8),
        *[lib.XP_DEF_DEVICE, 0, -1, 0, -1, 0, -1, 0, 0],
        *([lib.XP_DEF_LOCK] + [0] * 8),
        *([lib.XP_DEF_SPACE] + [0] * 8),
        *([lib.XP_DEF_MEMORY if memory else lib.XP_NOTHING, memory] + [0] * 7),
        *([lib.XP_WORK] + [0] * 8),
        *[lib.XP_TASK, -1, 0, 0, 0, 0, 0, 0, 0],
        *([lib.XP_WARN] + [0] * 8),
        *record(lib, name, **changed),
        *([NEVER] + [0] * 8),
        *([lib.XP_END] + [0] * 8),
    ]
    options = engine.ffi.new("struct xp_options *")
    options.core = lib.xp_find_core(b"iopf")
    result = engine.ffi.new("struct xp_result *")
    assert lib.xp_explore(engine.ffi.new("int32_t[]", code), len(code), options, result) == -22
    return _engine.text(engine.ffi, lib.xp_error())


ACCEPTED = f"record 9: there is no operation {NEVER}"


@pytest.fixture
def engine():
    with _engine.turn() as engine:
        yield engine


def test_the_module_is_what_the_table_makes():
    """Else: python csrc/operands.py > iopf/explore/_operands.py"""
    assert MODULE.read_text() == operands.module()


def test_a_change_of_the_table_is_one_of_the_module(monkeypatch):
    """The control: another kind, another operand; and what is no row is refused, not left out."""
    text = (operands.CSRC / "explore/scenario/operands.h").read_text()
    rows = operands.operations
    for old, new in (("V(a, n, NATURAL)", "V(a, n, TIMES)"), ("V(b, device, DEVICE)", "V(c, device, DEVICE)")):
        assert old in text
        monkeypatch.setattr(operands, "operations", lambda new=new, old=old: rows(text.replace(old, new)))
        assert MODULE.read_text() != operands.module()
    for broken in ("OPERATION(XP_WARN warn)", "OPERATION(XP_WARN, warn, W(a, n, NATURAL))", "V(a, n, NATURAL)"):
        with pytest.raises(ValueError, match="what is no OPERATION"):
            rows(text.replace("OPERATION(XP_WARN, warn)", broken))


def test_every_operation_of_the_face_is_in_the_table():
    """Those between the sections and the constants, by their numbers."""
    text = (operands.CSRC / "explore/explore.h").read_text()
    text = text[text.index("#define XP_END") : text.index("#define XP_PLAIN")]
    numbers = {name: int(number) for name, number in re.findall(r"^#define (XP_[A-Z_]+) (\d+)\b", text, re.M)}
    of_face = {name for name, number in numbers.items() if number > 14 and not name.startswith("XP_SIZE_")}
    assert of_face == {opcode for opcode, _ in ROWS.values()}


def test_python_and_the_face_have_the_same_numbers(engine):
    """Of registers and workqueues, which programs are checked with, and of sizes."""
    lib = engine.lib
    assert (lib.XP_REGISTERS, lib.XP_WORKQUEUES) == (programs.REGISTERS, programs.WORKQUEUES)
    sizes = {name[8:].lower(): number for name, number in operands.constants().items() if name.startswith("XP_SIZE_")}
    assert sizes == {name: programs.SIZES[name] for name in sizes} and len(sizes) == 8


CASES = [(name, *value) for name, (_, values) in ROWS.items() for value in values]


def test_every_kind_has_examples():
    """So a kind that is added is tried."""
    assert {kind for *_, kind in CASES} == set(EXAMPLES)


@pytest.mark.parametrize("name", ROWS)
def test_an_operation_whose_operands_are_right_is_taken(name, engine):
    """And each of its values to its bounds."""
    assert ACCEPTED == refused(engine, name)
    for operand, _, kind in ROWS[name][1]:
        for number in EXAMPLES[kind][0]:
            if not (name == "report" and operand == "e" and kind != "REQUEST"):  # of the operand's own rule
                assert ACCEPTED == refused(engine, name, **{operand: number}), (operand, kind, number)


@pytest.mark.parametrize(("name", "operand", "value", "kind"), CASES)
def test_an_operand_out_of_its_bounds_is_refused(name, operand, value, kind, engine):
    """With the number of its record and of its operation."""
    opcode = operands.constants()[ROWS[name][0]]
    for number in EXAMPLES[kind][1]:
        why = f"record 8: an operand of operation {opcode} names nothing"
        assert why == refused(engine, name, **{operand: number}), number


@pytest.mark.parametrize("name", [name for name, *_, kind in CASES if kind == "BASE"])
def test_the_shared_memory_is_a_base_only_where_there_is_one(name, engine):
    """-1 without XP_DEF_MEMORY."""
    assert ACCEPTED == refused(engine, name, b=-1)
    assert "names nothing" in refused(engine, name, memory=0, b=-1)
    assert ACCEPTED == refused(engine, name, memory=0, b=0)


def test_what_is_about_no_object_needs_no_address(engine):
    """rcu_read_lock() and preempt_disable(): their other operands mean nothing."""
    assert ACCEPTED == refused(engine, "rcu", d=0, a=-1, c=-1, f=-1)
    assert ACCEPTED == refused(engine, "rcu", d=4, f=-1)
    assert ACCEPTED == refused(engine, "spinlock", memory=0, d=6, b=-1, c=-1)
    assert "names nothing" in refused(engine, "spinlock", memory=0, d=5, b=-1)
