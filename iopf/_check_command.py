# SPDX-License-Identifier: GPL-2.0-only
"""``iopf check``, the command: options, what is printed and written, and the exit code (_exit.py).

Which columns the options mean is in _check_columns.py, the text in _check_render.py, the files for other tools in
_check_reports.py.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TextIO, cast

from . import __version__, _exit
from ._check_columns import Columns, chosen
from ._commands import SUMMARIES
from ._cores import cores, named
from ._exit import ACCEPTABLE_TO_CHECK, UNUSABLE
from ._files import check_writable, write_whole
from ._hints import said, unknown
from ._options import jobs, parse_facets, seconds
from .check import BUDGET, Comparison, Table, check, compare, render, render_bugs, render_comparison
from .exceptions import CoreSourceError
from .explore.kept_where import any_kept

__all__ = ["register", "run"]

#: Where there is no terminal to ask.
WIDTH = 80


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``iopf check``."""
    parser = subparsers.add_parser(
        "check",
        help=SUMMARIES["check"],
        description="Explores every scenario of the library on every core and prints what was found. With SOURCE, an"
        " unmodified drivers/iommu/io-pgfault.c (v6.9 or newer) or a kernel tree, that file is a core, too: it is"
        " compiled and run. With --baseline, only what differs is judged.",
        epilog=_exit.epilog(("check", "check --baseline", "check --bisect")),
    )
    parser.add_argument("source", nargs="*", metavar="SOURCE", help="your io-pgfault.c, or a kernel tree (several)")
    parser.add_argument(
        "--core", action="append", metavar="NAME", help="beside it, only this core, or this file (may be repeated)"
    )
    parser.add_argument(
        "--baseline",
        metavar="NAME",
        help="what SOURCE is compared with: a core, a file, a tree, or a revision of the tree",
    )
    parser.add_argument(
        "--contract", choices=("kept",), help="of differences, only those in which the driver kept its contract"
    )
    parser.add_argument(
        "--rev",
        action="append",
        default=[],
        metavar="A[..B]",
        help="the file at this commit of the tree, or at each of A..B that touches it or its headers (may be repeated)",
    )
    parser.add_argument(
        "--scenario",
        action="append",
        metavar="NAME",
        help="only this scenario: a name, file.py:name, file.json (may be repeated)",
    )
    parser.add_argument("--budget", type=seconds, default=BUDGET, metavar="SECONDS", help=f"for one cell ({BUDGET:g})")
    parser.add_argument(
        "--jobs",
        type=jobs,
        metavar="N",
        help="so many processes, which share a cell that takes long (else as many as there are CPUs, a cell each)",
    )
    parser.add_argument(
        "--facet",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a facet of every file (may be repeated)",
    )
    parser.add_argument(
        "--member",
        action="append",
        default=[],
        metavar="TEXT",
        help="a member that the headers of your files add: 'struct iopf_group: bool response_pending' (may be repeated)",
    )
    parser.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="FILE",
        help="a header of yours, included before each file and after ours (may be repeated)",
    )
    parser.add_argument(
        "--call",
        action="append",
        default=[],
        metavar="KNOWN=NAME",
        help="dequeue=NAME: the function of your files that does what iopf_group_dequeue() did",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        choices=ACCEPTABLE_TO_CHECK,
        help="this verdict is enough, too; moved: with --baseline, the same kind of failure at another place is not new"
        " (may be repeated)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="judge also what upstream chose against its own documentation, which is labelled with the commit and counted"
        " apart",
    )
    parser.add_argument(
        "--bisect",
        action="store_true",
        help="exit codes for git bisect run: 0 good, 1 bad, 125 neither; without SOURCE: the tree that this is in",
    )
    parser.add_argument(
        "--all", action="store_true", help="print the traces of all failures, also of those in brackets and of cores"
    )
    parser.add_argument(
        "--report",
        metavar="CORE",
        help="in place of the table, a text for a maintainer: what this core or file does wrong with the contract kept",
    )
    parser.add_argument("--long-token", action="store_true", help="print tokens, which need no file, and keep none")
    parser.add_argument(
        "--no-kept", action="store_true", help="do not try first what is kept of these scenarios ('iopf failures')"
    )
    parser.add_argument("--no-cache", action="store_true", help="explore also what was explored before")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    parser.add_argument("--junit", metavar="FILE", help="write the table as JUnit XML, too")
    parser.add_argument(
        "--html",
        metavar="FILE",
        help="write the table as a page, too, whose cells open what failed; it needs nothing else",
    )
    parser.add_argument("--github", action="store_true", help="print annotations for GitHub Actions, too")
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
    if arguments.report is not None:
        return _report(arguments)
    try:
        facets = parse_facets(arguments.facet)
        _add_by_hand(arguments, facets)
        wanted = _wanted(arguments, facets)
        rows = list(dict.fromkeys(arguments.scenario or scenarios.names()))
        try:
            table = check(
                wanted.columns,
                rows,
                budget=arguments.budget,
                progress=_progress(sys.stderr),
                baseline=wanted.baseline,
                all_failures=wanted.is_range,
                cache=not arguments.no_cache,
                said=facets,
                strict=arguments.strict,
                kept=not arguments.no_kept,
                jobs=arguments.jobs,
            )
        except KeyboardInterrupt as interrupted:
            if not interrupted.args or not isinstance(interrupted.args[0], Table):
                raise
            table = interrupted.args[0]
    except CoreSourceError as error:
        return _usage(error)
    except (KeyError, ValueError) as error:
        return _usage(error.args[0] if error.args else error)
    comparison = _compared(table, wanted, arguments)
    evidence = comparison.evidence() if comparison else table.evidence(arguments.accept)
    code = arguments.decided = _exit.decide(evidence)
    changes = _changes(table, wanted) if wanted.is_range and comparison is None else []
    if arguments.json:
        print(json.dumps(_data(table, comparison, changes, wanted, evidence, code), indent=1))
    else:
        # What is kept now, and not what is about to be.
        told = [] if arguments.no_kept or not any_kept() else _kept_in(table)
        _print(table, comparison, changes, wanted, tuple(facets), arguments.all, arguments.long_token)
        for line in told:
            print(line)
    if arguments.junit is not None:
        from ._check_reports import write_junit

        try:
            write_junit(arguments.junit, table, comparison, arguments.accept)
        except OSError as error:
            return _usage(f"--junit {arguments.junit}: the report can't be written: {error.strerror}")
    if arguments.html is not None:
        from ._check_page import check_page

        try:
            write_whole(arguments.html, check_page(table, comparison, arguments.budget))
        except OSError as error:
            return _usage(f"--html {arguments.html}: the page can't be written: {error.strerror}")
    if arguments.github:
        from ._check_reports import github_lines

        for line in github_lines(table, comparison, wanted.revisions, arguments.accept):
            print(line, file=sys.stderr if arguments.json else sys.stdout)
    _tell_unknown(code, evidence)
    return code


def _kept_in(table: Table) -> list[str]:
    from ._check_kept import kept_in

    return kept_in(table)


def _report(arguments: argparse.Namespace) -> int:
    """``iopf check --report CORE``."""
    import shlex

    from . import scenarios
    from ._bug_report import bug_reports, render_bug_reports
    from ._probe import as_it_behaves

    others = (
        "source",
        "core",
        "baseline",
        "rev",
        "bisect",
        "junit",
        "html",
        "github",
        "json",
        "contract",
        "accept",
        "all",
    )
    if any(getattr(arguments, name) for name in others):
        return _usage("--report is about one core, and takes no other column, baseline or form of output")
    if arguments.jobs is not None:
        return _usage("--report explores one scenario after the other, in this process: it takes no --jobs")
    try:
        facets = parse_facets(arguments.facet)
        _add_by_hand(arguments, facets)
        core = named(arguments.report, facets)
        rows = list(dict.fromkeys(arguments.scenario or scenarios.names()))
        for row in rows:
            if row not in scenarios.names():
                raise ValueError(unknown("scenario", row, scenarios.names()))
        if isinstance(core, str):
            if core not in cores():
                raise ValueError(unknown("core", core, cores()))
        else:
            core, told = as_it_behaves(core, facets)
            for line in told:
                print(f"iopf: {line}", file=sys.stderr)
        found = bug_reports(core, rows, _progress(sys.stderr), arguments.budget)
    except (CoreSourceError, ValueError) as error:
        return _usage(error)
    options = "".join(f" --facet {shlex.quote(text)}" for text in arguments.facet)
    option = f"--core {shlex.quote(arguments.report)}{options}"
    print(render_bug_reports(arguments.report, found, option), end="")
    evidence = found.judged(arguments.strict)
    code = arguments.decided = _exit.decide(evidence)
    _tell_unknown(code, evidence)
    return code


def _tell_unknown(code: int, evidence: _exit.Evidence) -> None:
    """Why there is no verdict."""
    if code == _exit.NO_VERDICT:
        first, *others = evidence.unknown or ("nothing was shown to be good",)
        more = f", and {len(others)} more" if others else ""
        print(f"iopf: no verdict: {first}{more}", file=sys.stderr)


def _add_by_hand(arguments: argparse.Namespace, facets: dict[str, str | bool]) -> None:
    """Puts --member and --include where they belong, which is among the facets. ValueError: they can't be had."""
    if arguments.member:
        from ._members import by_hand

        text = "; ".join(part.strip().rstrip(";") for part in arguments.member)
        by_hand(text)  # what is wrong is said without a file
        facets["members"] = text
    if arguments.include:
        paths = [os.path.abspath(name) for name in arguments.include]
        for name, path in zip(arguments.include, paths):
            if not name or not os.path.isfile(path):
                raise ValueError(f"--include {name}: there is no such file")
            if os.pathsep in path:
                raise ValueError(f"--include {name}: a path without a {os.pathsep!r} in it is needed")
        facets["include"] = os.pathsep.join(paths)


def _called(pairs: Sequence[str]) -> str | None:
    """What --call says has taken the place of iopf_group_dequeue(); None: nothing. ValueError: another call."""
    found = None
    for pair in pairs:
        known, _, name = pair.partition("=")
        if known != "dequeue" or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"--call {pair}: takes dequeue=NAME, what takes the place of iopf_group_dequeue()")
        found = name
    return found


def _wanted(arguments: argparse.Namespace, facets: Mapping[str, str | bool]) -> Columns:
    """The columns that the options ask for. ValueError: they do not fit together."""
    if arguments.junit is not None:
        check_writable("--junit", arguments.junit)
    if arguments.html is not None:
        check_writable("--html", arguments.html)
    wanted = chosen(
        arguments.source,
        arguments.core or (),
        arguments.rev,
        arguments.baseline,
        facets,
        arguments.bisect,
        _called(arguments.call),
    )
    if wanted.baseline is None and (arguments.contract or "moved" in arguments.accept):
        option = "--contract" if arguments.contract else "--accept moved"
        raise ValueError(f"{option} is about what differs from a --baseline, and there is none")
    return wanted


def _compared(table: Table, wanted: Columns, arguments: argparse.Namespace) -> Comparison | None:
    """What differs from the baseline; None: there is none."""
    if table.baseline is None:
        return None
    # What is judged comes first among the columns, and keeps its order; what was named twice is one.
    others = [core for core in table.cores if core != table.baseline]
    judged = others[: len(dict.fromkeys(wanted.judged))]
    return compare(table, judged, contract=arguments.contract, accept=arguments.accept)


def _changes(table: Table, wanted: Columns) -> list[Comparison]:
    """Of a range, each column beside those before it, of a merge each; in place of one that could not be run, of which
    nothing says what is new, those before that."""
    ran = {cell.core for cell in table.cells if cell.executions}

    def before(label: str) -> Iterator[str]:
        for one in wanted.before[label]:
            if one in ran:
                yield one
            else:
                yield from before(one)

    return [
        compare(replace(table, baseline=one), [label])
        for label in table.cores
        if label in wanted.revisions
        for one in dict.fromkeys(before(label))
    ]


def _data(
    table: Table,
    comparison: Comparison | None,
    changes: list[Comparison],
    wanted: Columns,
    evidence: _exit.Evidence,
    code: int,
) -> dict[str, object]:
    data = {"iopf": __version__, **table.to_dict(), "exit_code": code, "unknown": list(evidence.unknown)}
    if comparison is not None:
        data["comparison"] = comparison.to_dict()
    if wanted.revisions:
        folded = {found.short: label for found, label in wanted.folded}
        data["revisions"] = [
            {"commit": found.commit, "subject": found.subject, "core": folded.get(label, label)}
            for label, found in wanted.revisions.items()
        ]
    if changes:
        data["changes"] = [change.to_dict() for change in changes]
    return data


def _print(
    table: Table,
    comparison: Comparison | None,
    changes: list[Comparison],
    wanted: Columns,
    facets: tuple[str, ...],
    everything: bool,
    long_token: bool,
) -> None:
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    text = "".join(f"{line}\n" for line in _head(table, wanted, facets))
    text += render(table, width=width, color=color, comparison=comparison)
    if comparison is not None:
        text += f"\n\n{render_comparison(comparison, width=width)}"
    for change in changes:
        label = change.cores[0]
        text += f"\n\n{label} {wanted.revisions[label].subject}\n{render_comparison(change, width=width, traces=False)}"
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = text.replace("✓", "+")  # the columns stay where they are
    bugs = render_bugs(table, everything) if everything or (comparison is None and not wanted.is_range) else ""
    if bugs:
        text += f"\n{bugs}"
    if not long_token:
        failures = [
            (one.token, f"{one.kind} in {cell.scenario!r} on {cell.core}: {one.message}")
            for cell in table.cells
            for one in cell.findings
        ]
        if failures:
            from .explore.kept import shortened

            text = shortened(text, failures)
    print(text)


def _head(table: Table, wanted: Columns, facets: tuple[str, ...]) -> list[str]:
    """The files among the columns, and how they were read."""
    lines = [wanted.note] if wanted.note else []
    for label, source in zip(table.cores, table.sources):
        found = wanted.revisions.get(label)
        if found is not None:
            lines.append(f"{label} {found.subject}" + (f": {source['form']}" if source else ""))
        elif source is not None:
            lines.append(f"{source['path']}: {source['form']}")
        if source is None:
            continue
        if found is None or not wanted.is_range:
            from ._facets import Facets

            lines.append(f"  facets: {Facets(**cast('dict[str, Any]', source['facets']))}")
        probed = source["probed"]
        if isinstance(probed, list):
            lines += [f"  {one}" for one in probed]
        if source["members"]:
            members = source["members"]
            lines.append(f"  its headers add: {'; '.join(members) if isinstance(members, list) else members}")
    if lines and facets:
        lines.append(f"  by --facet, whatever the text shows: {', '.join(facets)}")
    lines += [f"{found.short} {found.subject}: nothing new in it for {label}" for found, label in wanted.folded]
    return [*lines, ""] if lines else []
