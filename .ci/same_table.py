# SPDX-License-Identifier: GPL-2.0-only
"""Compares what ``iopf check --json`` says of two builds: ``same_table.py ONE TWO``.

Every cell has to have the same verdict, classes, executions and kinds of failures. How many places a kind is found at
may differ: a compiler decides which accesses are one, and what is compiled into what.
"""

import json
import sys
from pathlib import Path


def cells(path):
    """Of each cell: what has to be the same."""
    return {
        (cell["scenario"], cell["core"]): (
            cell["verdict"], cell["why"], cell["classes"], cell["executions"],
            sorted({(finding["kind"], finding["contract"]) for finding in cell["findings"]}),
        )
        for cell in json.loads(Path(path).read_text())["cells"]
    }


one, two = map(cells, sys.argv[1:3])
different = [f"{' on '.join(key)}: {one.get(key)} and {two.get(key)}" for key in sorted({*one, *two})
             if one.get(key) != two.get(key)]
print(*different, f"{len(one)} cells, {len(different)} different", sep="\n")
sys.exit(bool(different) or not one)
