# SPDX-License-Identifier: GPL-2.0-only
"""``iopf check``, the command: options, the table on standard output, and the exit code (_exit.py)."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from typing import TextIO

from . import _exit
from ._cores import Core, CoreSourceError, cores
from ._exit import ACCEPTABLE, UNUSABLE
from ._facets import parse_facets
from ._hints import said, unknown
from ._options import seconds
from .check import BUDGET, Table, check, render, render_bugs

__all__ = ["register", "run"]


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``iopf check``."""
    parser = subparsers.add_parser(
        "check",
        help="the verdict table: scenarios × cores",
        description="Explores every scenario of the library on every core and prints what was found. With SOURCE, an"
        " unmodified drivers/iommu/io-pgfault.c (v6.9 or newer), that file is a core, too: it is compiled and run.",
        epilog=_exit.epilog(("check", "check --bisect")),
    )
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="your io-pgfault.c")
    parser.add_argument("--core", action="append", metavar="NAME", help="only this core (may be repeated)")
    parser.add_argument(
        "--scenario",
        action="append",
        metavar="NAME",
        help="only this scenario: a name, file.py:name, file.json (may be repeated)",
    )
    parser.add_argument("--budget", type=seconds, default=BUDGET, metavar="SECONDS", help=f"for one cell ({BUDGET:g})")
    parser.add_argument(
        "--facet",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a facet of SOURCE (may be repeated)",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        choices=ACCEPTABLE,
        help="this verdict is enough, too (may be repeated)",
    )
    parser.add_argument(
        "--bisect", action="store_true", help="exit codes for git bisect run: 0 good, 1 bad, 125 neither"
    )
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    parser.set_defaults(run=run)


def _usage(message: object) -> int:
    print(f"iopf: {said(message)}", file=sys.stderr)
    return UNUSABLE


def _progress(stream: TextIO) -> Callable[[int, int], None] | None:
    if not stream.isatty():
        return None

    def show(done: int, total: int) -> None:
        stream.write(f"\r\033[K{done} of {total} cells" if done < total else "\r\033[K")
        stream.flush()

    return show


def run(arguments: argparse.Namespace) -> int:
    """``iopf check``."""
    from . import scenarios

    os.getcwd()  # one that was deleted: said here, and not by each process that starts in it
    known = cores()
    wanted: list[Core | str] = []
    try:
        named = list(dict.fromkeys(arguments.core or ()))
        for name in named:
            if name not in known:
                hint = f"; a file is SOURCE: iopf check {name}" if os.path.exists(name) else ""
                raise ValueError(f"{unknown('core', name, known)}{hint}")
        if arguments.source is not None:
            facets = parse_facets(arguments.facet)
            file = os.path.basename(arguments.source)
            source = Core._from_source(
                arguments.source, "explore", facets=facets, name=f"./{file}" if file in known else None
            )
            if not arguments.json:
                print(f"{source.source}: {source.title}\n  facets: {source.facets}")
                if facets:
                    print(f"  by --facet, whatever the text shows: {', '.join(facets)}")
                print()
            wanted.append(source)
            wanted += named or ["iopf"]
        elif arguments.facet:
            raise ValueError("--facet is about a SOURCE, and there is none")
        else:
            wanted += named or list(known)
        rows = list(dict.fromkeys(arguments.scenario or scenarios.names()))
        table = check(wanted, rows, budget=arguments.budget, progress=_progress(sys.stderr))
    except CoreSourceError as error:
        return _usage(error)
    except (KeyError, ValueError) as error:
        return _usage(error.args[0] if error.args else error)
    except KeyboardInterrupt as interrupted:
        if not interrupted.args or not isinstance(interrupted.args[0], Table):
            raise
        table = interrupted.args[0]
    evidence = table.evidence(arguments.accept)
    code = arguments.decided = _exit.decide(evidence)
    if arguments.json:
        print(json.dumps({**table.to_dict(), "exit_code": code, "unknown": list(evidence.unknown)}, indent=1))
    else:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        text = render(table, width=shutil.get_terminal_size((160, 24)).columns, color=color)
        try:
            text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            text = text.replace("✓", "+")  # the columns stay where they are
        print(text)
        bugs = render_bugs(table)
        if bugs:
            print(bugs)
    if code == _exit.NO_VERDICT:
        first, *others = evidence.unknown or ("nothing was shown to be good",)
        more = f", and {len(others)} more" if others else ""
        print(f"iopf: no verdict: {first}{more}", file=sys.stderr)
    return code
