# SPDX-License-Identifier: GPL-2.0-only
"""The operands of scenarios for Python, from the one table: ``python csrc/operands.py > iopf/explore/_operands.py``.

csrc/explore/scenario/operands.h says which value of an operation lies in which operand, and of what kind it is; the names
that a kind's numbers have are the constants of csrc/explore/explore.h. tests/explore/test_operands.py says when the module
is not what this makes of them.
"""

import re
from pathlib import Path

CSRC = Path(__file__).resolve().parent
#: Opcodes below are the framework's.
LOW_LEVEL = 40
#: Kinds whose numbers have names, and how their constants begin: HOW_MUTEX is of XP_MUTEX_.
NAMED = {"HANDLER": "XP_H_", "ORDER": "XP_", "ATOMIC_ORDER": "XP_"}
#: Those of memory orders, which begin as all constants do; an atomic operation is no plain one.
ATOMIC_ORDERS = ("RELAXED", "ACQUIRE", "RELEASE", "ACQ_REL", "SEQ_CST")
ORDERS = ("PLAIN", "ONCE", *ATOMIC_ORDERS)

_OPERATION = re.compile(r"OPERATION\((XP_\w+), (\w+)((?:,?\s+V\(\w, \w+, \w+\))*)\)")
_VALUE = re.compile(r"V\((\w), (\w+), (\w+)\)")
_CONSTANT = re.compile(r"^#define (XP_\w+) (\d+)\b", re.M)


def operations(text=None):
    """Each row of the table: opcode, name, and (operand, value, kind) of each value."""
    text = (CSRC / "explore/scenario/operands.h").read_text() if text is None else text
    text = re.sub(r"/\*.*?\*/|^#.*?$", "", text, flags=re.S | re.M)
    rest = _OPERATION.sub("", text).strip()
    if rest:
        raise ValueError(f"operands.h has what is no OPERATION(opcode, name, V(operand, value, kind) ...): {rest[:80]}")
    return [(opcode, name, tuple(_VALUE.findall(values))) for opcode, name, values in _OPERATION.findall(text)]


def constants():
    """The numbers of explore.h by name."""
    return {name: int(number) for name, number in _CONSTANT.findall((CSRC / "explore/explore.h").read_text())}


def words(kind):
    """How the constants of a kind begin, and the rest of their names, by their numbers; None: it has none."""
    prefix = f"XP_{kind[4:]}_" if kind.startswith("HOW_") else NAMED.get(kind)
    if prefix is None:
        return None
    numbers = constants()
    if kind.endswith("ORDER"):
        found = [prefix + order for order in (ORDERS if kind == "ORDER" else ATOMIC_ORDERS)]
    else:
        found = [name for name in numbers if name.startswith(prefix)]
    return prefix, tuple(name[len(prefix) :].lower() for name in sorted(found, key=numbers.__getitem__))


def module():
    """The text of iopf/explore/_operands.py."""
    rows, numbers = operations(), constants()
    kinds = dict.fromkeys(kind for _, _, values in rows for _, _, kind in values)
    lines = [
        "# SPDX-License-Identifier: GPL-2.0-only",
        '"""The operands of scenarios: made by csrc/operands.py of csrc/explore/scenario/operands.h, which is to be edited."""',
        "",
        "from __future__ import annotations",
        "",
        "# fmt: off",
        "#: Of an operation: its opcode, and of each value the operand, the name and the kind.",
        "Row = tuple[str, tuple[tuple[str, str, str], ...]]",
    ]
    for name, text, is_of_it in (
        ("FRAMEWORK", "Operations of the framework", lambda number: number < LOW_LEVEL),
        ("LOW_LEVEL", "Low-level operations", lambda number: number >= LOW_LEVEL),
    ):
        lines += ["", f"#: {text} by name.", f"{name}: dict[str, Row] = {{"]
        for opcode, operation, values in rows:
            if is_of_it(numbers[opcode]):
                lines.append(f'    "{operation}": ("{opcode}", (')
                lines += [f'        ("{operand}", "{value}", "{kind}"),' for operand, value, kind in values]
                lines.append("    )),")
        lines.append("}")
    lines += ["", "#: Of kinds whose numbers have names: how their constants begin, and what follows.",
              "WORDS: dict[str, tuple[str, tuple[str, ...]]] = {"]  # fmt: skip
    for kind in kinds:
        if found := words(kind):
            lines.append(f'    "{kind}": ("{found[0]}", (')
            lines += [f'        "{word}",' for word in found[1]]
            lines.append("    )),")
    return "\n".join([*lines, "}", "# fmt: on", ""])


if __name__ == "__main__":
    print(module(), end="")
