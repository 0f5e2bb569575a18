# SPDX-License-Identifier: GPL-2.0-only
"""``iopf failures``: what is kept (kept.py), and what became of it (_again.py). Exit codes: iopf/_exit.py."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from .. import _exit
from .._commands import SUMMARIES
from .._exit import UNUSABLE
from .._hints import said
from .._options import parse_facets, seconds

if TYPE_CHECKING:
    from .answer import Again
    from .kept import Kept
    from .result import Result

__all__ = ["register"]

#: So many steps that differ are printed; --json has more.
SHOWN = 6


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command; it sets ``run``, a function of the parsed arguments that returns the exit code."""
    parser = subparsers.add_parser(
        "failures",
        help=SUMMARIES["failures"],
        description="Lists the failures that are kept for this directory (.iopf/failures, or where IOPF_FAILURES_DIR says), the"
        " last ones first. With --run each is tried again on its core as it is now: its schedule is followed as far as it fits,"
        ' and where that does not show it, its scenario is explored. The answers: "still fails": an execution shows it;'
        ' "passes now": every interleaving was executed, and none fails; "cannot be told": everything else, with the reason.',
        epilog=_exit.epilog(("failures --run",)),
    )
    parser.add_argument(
        "id", nargs="*", metavar="ID", help="only these; of an id, as many digits as only it has (all that are kept)"
    )
    parser.add_argument("--run", action="store_true", dest="again", help="try them again")
    parser.add_argument("--core", metavar="NAME", help="with --run: on another core than theirs, or a kernel file")
    parser.add_argument(
        "--facet",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a facet of the kernel file that --core names (may be repeated)",
    )
    parser.add_argument(
        "--budget",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="with --run: for the search of one scenario (60)",
    )
    parser.add_argument(
        "--forget",
        action="store_true",
        help="remove the files of those that are named; with --run, of those that pass now",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def _fail(message: object) -> int:
    print(f"iopf: {said(message)}", file=sys.stderr)
    return UNUSABLE


def run(arguments: argparse.Namespace) -> int:
    """``iopf failures``."""
    from .._cores import named
    from ..exceptions import CoreSourceError
    from .kept import find, forget, of_project

    wrong: list[str] = []
    try:
        if not arguments.again and (arguments.core or arguments.facet):
            raise ValueError("--core and --facet say what --run runs on: add --run")
        if arguments.forget and not arguments.again and not arguments.id:
            raise ValueError("--forget takes ids, or --run, which forgets those that pass now")
        if arguments.id:
            found = list({one.path: one for one in map(find, arguments.id)}.values())
        else:
            found, wrong = of_project()
        core = named(arguments.core, parse_facets(arguments.facet))
        if not arguments.again:
            for one in found if arguments.forget else ():
                forget(one)
            _list(found, wrong, arguments.json, arguments.forget)
            # It was asked what there is, and that is the answer.
            return _exit.decide(_exit.Evidence(good=1, unknown=tuple(wrong)))
        return _again(found, wrong, core, arguments)
    except (CoreSourceError, ValueError) as error:
        return _fail(error)


def _list(found: list[Kept], wrong: list[str], as_json: bool, forgotten: bool) -> None:
    if as_json:
        print(json.dumps({"failures": [_data(one) for one in found], "unusable": wrong}, indent=1))
        return
    for one in found:
        print(f"{'forgotten: ' if forgotten else ''}{one.id}  {one.about}")
        for name in (one.source, *one.tests):
            if name:
                print(f"            {name}")
    if not found and not wrong:
        print("No failure is kept here.")
    for line in wrong:
        print(f"iopf: {line}", file=sys.stderr)


def _data(one: Kept) -> dict[str, object]:
    return {
        "id": one.id,
        "about": one.about,
        "scenario": one.scenario,
        "core": one.core,
        "source": one.source,
        "tests": list(one.tests),
        "token": one.token,
    }


def _groups(found: list[Kept]) -> list[list[Kept]]:
    """Those that are one failure: of one scenario, one core, one signature; the one that was kept last is the first."""
    from .token import decode

    groups: dict[object, list[Kept]] = {}
    for one in found:
        try:
            recorded = decode(one.token)
            file = recorded.file
            where = (recorded.core, None) if file is None else (file.path, file.facet_arguments)
            key: object = (recorded.scenario.to_json(), where, recorded.flags, recorded.max_steps, recorded.signature)
        except ValueError:
            key = one.path
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _again(found: list[Kept], wrong: list[str], core: Any, arguments: argparse.Namespace) -> int:
    from ._again import again
    from .answer import CANNOT_BE_TOLD, PASSES_NOW, STILL_FAILS
    from .kept import forget

    searches: dict[object, Result] = {}
    told: list[dict[str, object]] = []
    counts = {STILL_FAILS: 0, PASSES_NOW: 0, CANNOT_BE_TOLD: 0}
    unknown = list(wrong)
    for group in _groups(found):
        answer, result = again(*(one.token for one in group), core=core, budget=arguments.budget, searches=searches)
        counts[answer.answer] += 1
        if answer.answer == CANNOT_BE_TOLD:
            unknown.append(str(answer))
        command = _shown_by(answer, result, group[0], arguments.json)
        if arguments.json:
            more = {"answer": answer.answer, "why": answer.why, "left_out": answer.left_out, "added": answer.added}
            others = [one.id for one in group[1:]]
            told.append(
                {**_data(group[0]), **more, "differences": answer.differences, "command": command, "others": others}
            )
        else:
            _print(answer, group, command)
        if answer.answer == PASSES_NOW and arguments.forget:
            for one in group:
                forget(one)
    if arguments.json:
        print(json.dumps({"failures": told, "unusable": wrong}, indent=1))
    else:
        for line in wrong:
            print(f"iopf: {line}", file=sys.stderr)
        print(
            ", ".join(f"{number} {answer}" for answer, number in counts.items() if number) or "No failure is kept here."
        )
    return _exit.decide(_exit.Evidence(counts[PASSES_NOW], counts[STILL_FAILS], tuple(unknown)))


def _shown_by(answer: Again, result: Result | None, first: Kept, as_token: bool) -> str:
    """The line that runs what shows it now; "": nothing does."""
    from ._again import shown_in

    failure = shown_in(answer, result)
    if failure is None or not failure.token:
        return ""
    if as_token or not failure.keep(source=first.source):
        return failure.command
    return failure.command.replace(failure.token, failure.id)


def _print(answer: Again, group: list[Kept], command: str) -> None:
    from .answer import PASSES_NOW

    print(f"{answer.answer}: {answer.id}  {group[0].about}")
    if len(group) > 1:
        print(f"  also kept as {', '.join(one.id for one in group[1:])}")
    print(f"  {answer.why}")
    for what, steps in (("left out", answer.left_out), ("new", answer.added)):
        if steps and answer.answer != PASSES_NOW:
            more = f"; and {len(steps) - SHOWN} more" if len(steps) > SHOWN else ""
            print(f"  steps {what}: {'; '.join(steps[:SHOWN])}{more}")
    if command:
        print(f"  {command}")
