# SPDX-License-Identifier: GPL-2.0-only
"""What a test touches, by its text: the marker ``processes`` comes from here, so that a new test gets it by itself.

A test touches processes and time when it, or a function or fixture of its module that it names, names something of
TOUCHES: signals, clocks, processes that run beside it. Programs in strings count. A command that is only run and looked
at is none of it.
"""

import ast
import functools
import re
from pathlib import Path

TOUCHES = re.compile(
    r"\b(fork|killpg|os\.kill|raise_signal|send_signal|SIG[A-Z]+|alarm|session|monotonic|process_time|perf_counter)\b"
)


@functools.cache
def _functions(path):
    """Source text of every function of a module by name, and the names that it mentions."""
    source = Path(path).read_text()
    lines = source.split("\n")
    found = {}
    module = ast.parse(source).body
    # What is defined inside of a function is part of its text, and nobody else's.
    for node in [*module, *(part for each in module if isinstance(each, ast.ClassDef) for part in each.body)]:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            if isinstance(node, ast.ClassDef) and any(isinstance(part, ast.FunctionDef) for part in node.body):
                continue  # its functions count one by one
            # Two of one name, in two classes: either may be meant.
            before, names = found.get(node.name, ("", set()))
            found[node.name] = before + text, names | set(re.findall(r"\w+", text))
    return found


@functools.cache
def touches_processes(path, function):
    """Does the function of this module touch processes or time?"""
    functions = _functions(path)
    seen, left = set(), [function]
    while left:
        name = left.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        text, names = functions[name]
        if TOUCHES.search(text):
            return True
        left += names & functions.keys()
    return False


def modules(folder):
    """The test modules of a folder with a test that touches processes: the others need not be collected for them."""
    return [
        path
        for path in sorted(Path(folder).rglob("test_*.py"))
        if any(name.startswith("test") and touches_processes(str(path), name) for name in _functions(str(path)))
    ]


if __name__ == "__main__":
    print(*modules(Path(__file__).resolve().parent), sep="\n")
