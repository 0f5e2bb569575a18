# SPDX-License-Identifier: GPL-2.0-only
"""Instructions per fault by state of the device, counted by valgrind, and the record of them.

    python bench/instructions.py [--core NAME] [--runtime NAME] [--functions] [--record]

--record keeps the counts for this compiler in instructions.json, where test_a_one_page.py finds them. Needs valgrind.
"""

import argparse
import json
import sys
from pathlib import Path

from iopf._bench import STATES
from iopf._instructions import ITEMS, available, per_fault, per_group  # noqa: F401 (per_fault: for the tests)

RECORDED = Path(__file__).with_name("instructions.json")


def compiler():
    """What the extensions were compiled with: another one counts differently."""
    from iopf import build_info

    return build_info()["compiler"]


def recorded():
    """Counts by item and state, as they were recorded for this compiler; empty for another one."""
    return json.loads(RECORDED.read_text()).get(compiler(), {}) if RECORDED.exists() else {}


def record(counts):
    """Keeps counts for this compiler, beside those for others."""
    every = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    every[compiler()] = counts
    RECORDED.write_text(json.dumps(every, indent=2, sort_keys=True) + "\n")


def main():
    """Prints A and B in every state."""
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
    counts = {item: {} for item in ITEMS}
    for item, pages in ITEMS.items():
        for state in STATES:
            costs = per_group(args.core, args.runtime, state, pages)
            counts[item][state] = round(sum(costs.values()) / pages, 1)
            print(f"{item}  {state}  {args.core} on {args.runtime}: {counts[item][state]} instructions per fault")
            if args.functions:
                for name, count in sorted(costs.items(), key=lambda cost: -cost[1]):
                    print(f"   {count / pages:8.1f}  {name}")
    if args.record:
        record(counts)


if __name__ == "__main__":
    main()
