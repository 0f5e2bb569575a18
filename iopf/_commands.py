# SPDX-License-Identifier: GPL-2.0-only
"""The commands, and what each is for, in the order of ``iopf --help``: to list them takes none of their modules."""

from __future__ import annotations

__all__ = ["SUMMARIES"]

SUMMARIES = {
    "run": "perform a real program's memory accesses and resolve their page faults",
    "record": "record a program's memory accesses and address space, with valgrind",
    "explore": "execute every interleaving of a scenario",
    "replay": "run one execution again, by its id or token",
    "scenarios": "list the scenarios",
    "failures": "list the failures that are kept, or try them again",
    "check": "the verdict table: scenarios × cores",
    "bench": "time the hot paths, native against plain",
    "cores": "the implementations of the framework in this build",
    "info": "how this build was made",
}
