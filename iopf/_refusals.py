# SPDX-License-Identifier: GPL-2.0-only
"""What a file is that is none of the forms, and where in the user's file an error is that a compiler saw elsewhere.

Who gives the wrong file is told what it is, and what to give instead: a patch, a header, a merge that nobody finished,
the file's neighbour in the kernel. (What is the file, of a form that is not supported, is told by _facets.py.)
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["conflict", "in_the_file", "unfinished", "what_it_is"]

FILE = "io-pgfault.c"

#: A function of each file that lies beside it in the kernel.
NEIGHBOURS = {
    "iommu_sva_bind_device": "iommu-sva.c",
    "iommu_sva_domain_alloc": "iommu-sva.c",
    "iommu_attach_device": "iommu.c",
    "iommu_group_alloc": "iommu.c",
    "iommu_dma_init_domain": "dma-iommu.c",
    "iommufd_fault_alloc": "iommufd/fault.c",
    "iommufd_fault_iopf_handler": "iommufd/fault.c",
    "arm_smmu_handle_evt": "arm/arm-smmu-v3/arm-smmu-v3.c",
    "prq_event_thread": "intel/prq.c",
}


def conflict(text: str) -> int | None:
    """The line of the first conflict of a merge that is not resolved, from 1; None: there is none."""
    begun = None
    between = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("<<<<<<< "):
            begun, between = number, False
        elif line.rstrip("\r") == "=======" and begun is not None:
            between = True
        elif line.startswith(">>>>>>> ") and between:
            return begun
    return None


def what_it_is(path: Path, text: str) -> str | None:
    """What a text is that has none of the file's functions, in a sentence that says what to do; None: nobody knows."""
    if re.search(r"^(?:diff --git |--- (?:a/|/dev/null)|Index: )", text, re.M) and re.search(r"^@@ .* @@", text, re.M):
        return f"This is a patch, and not a file: apply it (git apply, git am), and give the {FILE} that comes of it."
    for function, file in NEIGHBOURS.items():
        if re.search(rf"^\w[\w \t*]{{0,200}}\b{function}\([^;{{}}]{{0,500}}\)\r?\n\{{", text, re.M):
            return f"This is drivers/iommu/{file}: what is checked is {_meant(path)}."
    guard = re.search(r"^#ifndef\s+(\w+)\n#define\s+\1\b", text, re.M)
    if path.suffix == ".h" or (guard and not re.search(r"^\w[^;{}=\n]{0,500}\)\r?\n\{", text, re.M)):
        return f"This is a header: what is checked is {_meant(path)}. The headers of its tree are found by themselves."
    if path.suffix == ".c" and (path.parent / FILE).is_file() and path.name != FILE:
        return f"None of the framework's functions is defined here: what is checked is {_meant(path)}."
    return None


def _meant(path: Path) -> str:
    beside = path.parent / FILE
    return str(beside) if beside.is_file() else f"drivers/iommu/{FILE}"


def in_the_file(first: str, output: str, source: str) -> str | None:
    """A compiler's error in a macro of a header, as one at the line of the user's file that uses the macro; None: the
    output does not lead there."""
    _, found, rest = output.partition(first)
    if not found:
        return None
    what = re.search(r"\berror: (.*)", first)
    for line in rest.split("\n")[1:]:
        if re.search(r": (?:fatal )?error: |: warning: ", line):
            return None
        use = re.match(rf"{re.escape(source)}:(\d+):(\d+): note: (?:in expansion of|expanded from) macro '(\w+)'", line)
        if use and what:
            return f"{source}:{use[1]}:{use[2]}: error: {what[1]} (in {use[3]})"
    return None


def unfinished(code: str) -> str | None:
    """What of a file is not closed at its end, given its code without comments and strings; None: all of it is."""
    depth = {"{": 0, "(": 0}
    for char in code:
        if char in depth:
            depth[char] += 1
        elif char in ")}":
            depth["(" if char == ")" else "{"] -= 1
    for opening, name in (("{", "brace"), ("(", "parenthesis")):
        if depth[opening] > 0:
            return f"a {name} that is opened is not closed"
    return None
