# SPDX-License-Identifier: GPL-2.0-only
"""Compares what ``iopf check --json`` says of two builds: ``same_table.py ONE TWO``.

Every cell has to have the same verdict, classes, executions and kinds of failures. How many places a kind is found at
may differ: a compiler decides which accesses are one, and what is compiled into what. What comes of a race, also with a
free, is a matter of the order of plain accesses, which is the compiler's, too: there the gravest kind has to be the same.
"""

import json
import sys
from pathlib import Path

RACES = {"data-race", "use-after-free"}


def kinds(findings):
    """Kinds and contracts of a cell's failures; after a race the first kind, which is the gravest."""
    found = [(finding["kind"], finding["contract"]) for finding in findings]
    return [found[0][0]] if RACES & {kind for kind, _ in found} else sorted(set(found))


def cells(path):
    """Of each cell: what has to be the same."""
    return {
        (cell["scenario"], cell["core"]): (
            cell["verdict"],
            cell["why"],
            cell["classes"],
            cell["executions"],
            kinds(cell["findings"]),
        )
        for cell in json.loads(Path(path).read_text())["cells"]
    }


one, two = map(cells, sys.argv[1:3])
different = [
    f"{' on '.join(key)}: {one.get(key)} and {two.get(key)}"
    for key in sorted({*one, *two})
    if one.get(key) != two.get(key)
]
print(*different, f"{len(one)} cells, {len(different)} different", sep="\n")
sys.exit(bool(different) or not one)
