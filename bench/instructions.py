# SPDX-License-Identifier: GPL-2.0-only
"""Instructions per fault, counted by valgrind: exact, and the same on a machine that is busy.

    python bench/instructions.py [--core NAME] [--runtime NAME] [--functions] [--record]

Two runs of the loop, N and 2N groups: what is not per group is in both and goes away in the difference. --record keeps
the counts for this compiler in instructions.json, where test_a_one_page.py finds them. Needs valgrind.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ITEMS = {"A": 1, "B": 8}  # pages
GROUPS = 2000
RECORDED = Path(__file__).with_name("instructions.json")
LOOP = """
from iopf._bench import Stand
with Stand({core!r}, {runtime!r}) as stand:
    stand.driver(1)
    stand.groups({warm_up}, {pages})
    stand.groups({n}, {pages})
"""


def collect(core, runtime, pages, n):
    """Instructions inside the loop of n groups, by function."""
    code = LOOP.format(core=core, runtime=runtime, pages=pages, n=n, warm_up=100)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=iopf_bench_groups",
             f"--callgrind-out-file={out}", sys.executable, "-c", code],
            capture_output=True, text=True,
        )
        if done.returncode:
            raise RuntimeError(f"valgrind: exit {done.returncode}\n{done.stderr[-2000:]}")
        return by_function(out.read_text())


def by_function(text):
    """The self cost of each function, from callgrind's file: its names are abbreviated to numbers after the first."""
    names, cost, function, skip = {}, Counter(), None, False
    for line in text.splitlines():
        if line.startswith("fn="):
            number, name = re.match(r"fn=\((\d+)\)(?: (.*))?", line).groups()
            function = names.setdefault(number, name)
        elif line.startswith("cfn="):
            number, name = re.match(r"cfn=\((\d+)\)(?: (.*))?", line).groups()
            names.setdefault(number, name)
        elif line.startswith("calls="):
            skip = True  # the next line is what the callee cost
        elif re.match(r"[+\-*\d]", line):
            if not skip:
                cost[function] += int(line.split()[-1])
            skip = False
    return cost


def per_group(core="iopf", runtime="native", pages=1, n=GROUPS):
    """Instructions per group, by function."""
    once, twice = (collect(core, runtime, pages, count) for count in (n, 2 * n))
    return Counter({name: (twice[name] - once[name]) / n for name in twice if twice[name] != once[name]})


def per_fault(item, core="iopf", runtime="native"):
    """Instructions per fault."""
    return sum(per_group(core, runtime, ITEMS[item]).values()) / ITEMS[item]


def compiler():
    """What the extensions were compiled with: another one counts differently."""
    from iopf import build_info

    return build_info()["compiler"]


def recorded():
    """Counts of the items, as they were recorded for this compiler; empty for another one."""
    return json.loads(RECORDED.read_text()).get(compiler(), {}) if RECORDED.exists() else {}


def record(counts):
    """Keeps counts for this compiler, beside those for others."""
    every = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    every[compiler()] = counts
    RECORDED.write_text(json.dumps(every, indent=2, sort_keys=True) + "\n")


def available():
    """Is valgrind installed?"""
    return shutil.which("valgrind") is not None


def main():
    """Prints A and B."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", default="iopf")
    parser.add_argument("--runtime", default="native")
    parser.add_argument("--functions", action="store_true", help="where they are")
    parser.add_argument("--record", action="store_true", help="keep them: ours on native")
    args = parser.parse_args()
    if args.record and (args.core, args.runtime) != ("iopf", "native"):
        parser.error("what is recorded is iopf on native")
    if not available():
        sys.exit("valgrind is not installed")
    counts = {}
    for item, pages in ITEMS.items():
        costs = per_group(args.core, args.runtime, pages)
        counts[item] = round(sum(costs.values()) / pages, 1)
        print(f"{item}  {args.core} on {args.runtime}: {counts[item]} instructions per fault")
        if args.functions:
            for name, count in costs.most_common():
                print(f"   {count / pages:8.1f}  {name}")
    if args.record:
        record(counts)


if __name__ == "__main__":
    main()
