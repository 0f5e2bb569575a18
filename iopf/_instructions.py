# SPDX-License-Identifier: GPL-2.0-only
"""Instructions per fault, counted by valgrind: exact, and the same on a machine that is busy.

Two runs of the loop, N and 2N groups: what is not per group is in both and goes away in the difference.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

#: Pages of a group, by item.
ITEMS = {"A": 1, "B": 8}
GROUPS = 2000
LOOP = """
from iopf import _bench
from iopf._cores import named
with _bench.Rig(named({core!r}), {runtime!r}, state={state!r}) as rig:
    rig.driver(1)
    rig.groups({warm_up}, {pages})
    rig.groups({n}, {pages})
"""


def available() -> bool:
    """Is valgrind installed?"""
    return shutil.which("valgrind") is not None


def collect(core: str, runtime: str, state: str, pages: int, n: int) -> Counter[str]:
    """Instructions inside the loop of n groups, by function."""
    code = LOOP.format(core=core, runtime=runtime, state=state, pages=pages, n=n, warm_up=100)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        done = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--collect-atstart=no",
                "--toggle-collect=iopf_bench_groups",
                f"--callgrind-out-file={out}",
                sys.executable,
                "-c",
                code,
            ],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"valgrind: exit {done.returncode}\n{done.stderr[-2000:]}")
        return by_function(out.read_text())


def by_function(text: str) -> Counter[str]:
    """The self cost of each function, from callgrind's file: its names are abbreviated to numbers after the first."""
    names: dict[str, str] = {}
    cost: Counter[str] = Counter()
    function, skip = "", False
    for line in text.split("\n"):
        if named := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
            number, name = named.groups()
            names.setdefault(number, name)
            if line.startswith("fn="):
                function = names[number]
        elif line.startswith("calls="):
            skip = True  # the next line is what the callee cost
        elif re.match(r"[+\-*\d]", line):
            if not skip:
                cost[function] += int(line.split()[-1])
            skip = False
    return cost


def per_group(core: str = "iopf", runtime: str = "native", state: str = "owned", pages: int = 1) -> dict[str, float]:
    """Instructions per group, by function."""
    once, twice = (collect(core, runtime, state, pages, n) for n in (GROUPS, 2 * GROUPS))
    return {name: (twice[name] - once[name]) / GROUPS for name in twice if twice[name] != once[name]}


def per_fault(item: str, core: str = "iopf", runtime: str = "native", state: str = "owned") -> float:
    """Instructions per fault."""
    return sum(per_group(core, runtime, state, ITEMS[item]).values()) / ITEMS[item]
