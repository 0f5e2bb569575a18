# SPDX-License-Identifier: GPL-2.0-only
"""``iopf explore``, ``iopf replay``, ``iopf scenarios``; ``iopf failures`` is beside it. Exit codes: iopf/_exit.py."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from .. import _exit
from .._commands import SUMMARIES
from .._exit import ACCEPTABLE, FINE, FOUND, NO_VERDICT, UNUSABLE
from .._files import check_writable, write_whole
from .._hints import said
from .._options import count, count_or_zero, depth, jobs, parse_facets, seconds, small_or_zero
from ..exceptions import CoreSourceError

if TYPE_CHECKING:
    from .failure import Failure
    from .progress import Progress
    from .result import Result

__all__ = ["register"]

STRATEGIES = ("auto", "dpor", "naive", "sleep", "bound", "random", "pct", "estimate")


def register(subparsers: Any) -> None:
    """Adds the commands; each sets ``run``, a function of the parsed arguments that returns the exit code."""
    explore = subparsers.add_parser(
        "explore",
        help=SUMMARIES["explore"],
        description="Executes every interleaving of a scenario on a core and checks each one.",
        epilog=_exit.epilog(("check", "explore")),
    )
    explore.add_argument(
        "scenario",
        metavar="SCENARIO",
        help="a name ('iopf scenarios' lists them), file.py:name (file.py alone lists its names), file.json",
    )
    explore.add_argument(
        "--core", default="iopf", metavar="NAME", help="the core to run it on (iopf), or a kernel file"
    )
    explore.add_argument("--strategy", default="auto", choices=STRATEGIES, help="how to search (auto)")
    explore.add_argument(
        "--budget", type=seconds, metavar="SECONDS", help="stop after that long (60; with a checkpoint: never)"
    )
    explore.add_argument("--max-executions", type=count, metavar="N", help="stop after so many executions")
    explore.add_argument("--bound", type=small_or_zero, metavar="N", help="of strategy bound: at most N preemptions")
    explore.add_argument(
        "--depth",
        type=depth,
        metavar="N",
        help="of strategy pct: bugs that take N orderings, 1 to 16 (3; in auto 2 to 4)",
    )
    explore.add_argument("--seed", type=count_or_zero, default=0, metavar="N", help="of what is random (0)")
    explore.add_argument(
        "--accept",
        action="append",
        default=[],
        choices=ACCEPTABLE,
        help="this verdict is enough, too (may be repeated)",
    )
    explore.add_argument("--jobs", type=jobs, metavar="N", help="so many processes share the search (1)")
    explore.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="write the search there every 30 seconds, on Ctrl-C and on SIGTERM, so that it can go on; FILE is new",
    )
    explore.add_argument(
        "--resume", metavar="FILE", help="go on with that checkpoint of the same search, and write it there"
    )
    explore.add_argument("--all-failures", action="store_true", help="search on after a failure, list one of each")
    explore.add_argument("--every-event", action="store_true", help="traces with every event, nothing folded")
    explore.add_argument("--long-token", action="store_true", help="print tokens, which need no file, and keep none")
    explore.add_argument(
        "--no-kept",
        action="store_true",
        help="do not try first what is kept of this scenario and core ('iopf failures')",
    )
    explore.add_argument("--json", action="store_true", help="the result as JSON")
    _add_pictures(explore)
    explore.set_defaults(run=run_explore)

    replay = subparsers.add_parser(
        "replay",
        help=SUMMARIES["replay"],
        description="Runs the execution that a token describes, or that of a failure which was kept under that id. Exit code 1: it fails as recorded; 0: it passes now;"
        " 3: it did not reproduce, because it does not follow the recorded schedule any more or fails in another way.",
    )
    replay.add_argument(
        "token", metavar="ID|TOKEN", help="what a trace ends with; of an id, as many digits as only it has"
    )
    replay.add_argument("--core", metavar="NAME", help="another core than the token's, or a kernel file")
    replay.add_argument(
        "--facet",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a facet of the kernel file that --core names (may be repeated)",
    )
    replay.add_argument("--every-event", action="store_true", help="the trace with every event, nothing folded")
    replay.add_argument(
        "--as-test", action="store_true", help="run nothing: print the failure as a pytest file, and exit with 0"
    )
    replay.add_argument("--long-token", action="store_true", help="print the token, which needs no file")
    replay.add_argument("--json", action="store_true", help="the result as JSON")
    _add_pictures(replay)
    replay.set_defaults(run=run_replay)

    scenarios = subparsers.add_parser(
        "scenarios", help=SUMMARIES["scenarios"], description="Lists the scenarios by name."
    )
    scenarios.add_argument("name", nargs="?", metavar="SCENARIO", help="show this one; file.py: list those of the file")
    scenarios.add_argument("--json", action="store_true", help="as JSON")
    scenarios.set_defaults(run=run_scenarios)


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--html", metavar="FILE", help="write what failed as a page, too: it needs no network and nothing else"
    )
    parser.add_argument(
        "--perfetto", metavar="FILE", help="write it for ui.perfetto.dev and chrome://tracing, too (Trace Event Format)"
    )


# --- progress ---


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def large(number: float) -> str:
    """``950``, ``12.3 k``, ``4.50 M``."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:.0f}"


class ProgressLine:
    """One line on a terminal, written over and over."""

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.last = 0.0
        self.shown = False

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.last < 0.1:
            return
        self.last = now
        parts = [progress.strategy + (f" with {progress.bound} preemptions" if progress.bound is not None else "")]
        if progress.done is not None:
            filled = int(20 * progress.done)
            parts.append(f"[{'#' * filled}{'-' * (20 - filled)}] {100 * progress.done:.0f} %")
        parts.append(f"{large(progress.executions)} executions")
        parts.append(f"{large(progress.executions_per_second)}/s")
        if progress.estimate:
            parts.append(f"of about {large(progress.estimate)}")
        if progress.eta is not None:
            parts.append(f"{duration(progress.eta)} to go")
        if progress.failures:
            parts.append(f"{progress.failures} failing")
        self.stream.write("\r\033[K" + ", ".join(parts))
        self.stream.flush()
        self.shown = True

    def clear(self) -> None:
        """Removes the line."""
        if self.shown:
            self.stream.write("\r\033[K")
            self.stream.flush()


# --- commands ---


def _fail(message: object) -> int:
    print(f"iopf: {said(message)}", file=sys.stderr)
    return UNUSABLE


def _json(value: object) -> str:
    import json

    return json.dumps(value, indent=1)


def _print_failure(failure: Failure, every_event: bool, long_token: bool, source: str | None = None) -> None:
    from .trace import wants_color

    short = not long_token and failure.keep(source=source)
    print(failure.render(color=wants_color(sys.stdout), every_event=every_event, short=short))


def _print_result(
    result: Result, every_event: bool, all_failures: bool, long_token: bool, source: str | None = None
) -> None:
    for failure in result.failures if all_failures else result.failures[:1]:
        _print_failure(failure, every_event, long_token, source)
        print()
    for one in result.kept:
        print(one)
    print(result)
    others = result.failures[1:]
    if others and not all_failures:
        print("  also found: " + ", ".join(f"{failure.kind} ({failure.count}x)" for failure in others))
    for note in result.notes:
        where = f" in {note.place.function}" if note.place is not None and note.place.function else ""
        print(f"  note: {note.kind}{where}: {note.message}")
    if result.size and (result.strategy == "estimate" or result.verdict in ("sampled", "bounded", "inconclusive")):
        print(f"  {result.size}")
    if result.executions:
        speed = f"{large(result.executions_per_second)} executions/s, " if result.executions >= 10_000 else ""
        outcomes = len(result.outcomes)
        print(f"  {speed}{result.deepest} points in the longest, {outcomes} outcome{'' if outcomes == 1 else 's'}")
    if result.chance is not None and result.verdict == "sampled":
        least = 1 - (1 - result.chance) ** result.executions
        print(
            f"  a bug of depth {result.depth} is met by one execution with a chance of at least 1 in {large(1 / result.chance)}"
            f" ({len(result.tasks) - 1} tasks, {result.deepest} steps), and by these with {100 * least:.2g} %"
        )
    for remark in result.remarks:
        print(f"  {remark}")
    if result.hottest:
        print("  most branches come from " + "; ".join(map(str, result.hottest[:3])))


def _evidence(result: Result, accept: list[str]) -> _exit.Evidence:
    """What an exploration shows. "pass" has its own evidence (result.verdict_of)."""
    good = result.verdict == "pass" or result.verdict in accept
    return _exit.Evidence(
        good=int(good and result.executions > 0),
        bad=len(result.failures),
        unknown=() if good or result.failures else (str(result),),
        interrupted=result.interrupted,
    )


def _check_pictures(arguments: argparse.Namespace) -> None:
    """ValueError: one of them can't be put where it is asked for."""
    for option in ("html", "perfetto"):
        if getattr(arguments, option) is not None:
            check_writable(f"--{option}", getattr(arguments, option))


def _write_pictures(arguments: argparse.Namespace, result: Result, failures: Sequence[Failure]) -> None:
    """Writes what was asked for; also where nothing failed, so that no page of an earlier run is taken for this one's."""
    title = f"{result.scenario} on {result.core}"
    if arguments.html is not None:
        from .page import page

        write_whole(arguments.html, page(failures, title=title, summary=str(result)))
    if arguments.perfetto is not None:
        from .perfetto import trace_events

        write_whole(arguments.perfetto, trace_events(failures, title=title))


def _source(name: str) -> str:
    """The scenario's name, as it is said elsewhere: with the whole path of its file."""
    path, colon, attribute = name.rpartition(":")
    if colon and path.endswith(".py"):
        return f"{os.path.abspath(path)}:{attribute}"
    return os.path.abspath(name) if name.endswith(".json") else name


def _named(text: str | None, facets: dict[str, str | bool] | None = None) -> Any:
    """As _cores.named(), which knows files; a name is one without it."""
    if text is None or facets or text.endswith(".c"):
        from .._cores import named

        return named(text, facets)
    return text


def _budget(arguments: argparse.Namespace) -> float | None:
    """Seconds. What can go on later is not ended by a budget that nobody gave."""
    budget: float | None = arguments.budget
    if budget is None and arguments.checkpoint is None and arguments.resume is None:
        return 60.0
    return budget


def run_explore(arguments: argparse.Namespace) -> int:
    """``iopf explore``."""
    from .library import FileAlone, find_scenario
    from .search import Interrupted, explore

    try:
        _check_pictures(arguments)
    except ValueError as error:
        return _fail(error)
    line = ProgressLine(sys.stderr) if sys.stderr.isatty() else None
    try:
        scenario = find_scenario(arguments.scenario)
        result = explore(
            scenario,
            core=_named(arguments.core),
            strategy=arguments.strategy,
            budget=_budget(arguments),
            max_executions=arguments.max_executions,
            seed=arguments.seed,
            bound=arguments.bound,
            depth=arguments.depth,
            all_failures=arguments.all_failures,
            progress=line,
            kept=not arguments.no_kept and arguments.strategy != "estimate",
            jobs=arguments.jobs,
            checkpoint=arguments.checkpoint,
            resume=arguments.resume,
        )
        evidence = _evidence(result, arguments.accept)
    except Interrupted as interrupted:
        result, evidence = interrupted.result, _exit.Evidence(interrupted=True)
    except FileAlone as file:
        return _fail(f"{file.path}: which of its scenarios? {file.path}:NAME. {file.listed()}")
    except (CoreSourceError, LookupError, ValueError) as error:
        return _fail(error)
    except OSError as error:
        return _fail(f"{error.filename or arguments.checkpoint}: it can't be written: {error.strerror}")
    finally:
        if line is not None:
            line.clear()
    code = arguments.decided = _exit.decide(evidence)
    try:
        _write_pictures(arguments, result, result.failures if arguments.all_failures else result.failures[:1])
    except OSError as error:
        return _fail(f"{error.filename}: it can't be written: {error.strerror}")
    if arguments.json:
        print(result.to_json())
    else:
        source = _source(arguments.scenario)
        _print_result(result, arguments.every_event, arguments.all_failures, arguments.long_token, source)
    return code


def run_replay(arguments: argparse.Namespace) -> int:
    """``iopf replay``."""
    from ._replay import DidNotReproduce, replay

    if arguments.as_test:
        from ._as_test import as_test

        try:
            print(as_test(arguments.token), end="")
        except ValueError as error:
            return _fail(error)
        return FINE
    try:
        _check_pictures(arguments)
        result = replay(arguments.token, core=_named(arguments.core, parse_facets(arguments.facet)))
    except DidNotReproduce as error:
        passes = error.step is None and error.result is not None and error.result.failure is None
        if arguments.json:
            print(
                _json(
                    {
                        "reproduced": False,
                        "message": str(error),
                        "step": error.step,
                        "expected": error.expected,
                        "found": error.found,
                        "result": error.result.to_dict() if error.result else None,
                    }
                )
            )
        else:
            print(f"{'It passes now' if passes else 'It did not reproduce'}: {error}")
            if error.result is not None and error.result.failure is not None:
                _print_failure(error.result.failure, arguments.every_event, arguments.long_token)
        return FINE if passes else NO_VERDICT
    except (CoreSourceError, ValueError) as error:
        return _fail(error)
    try:
        _write_pictures(arguments, result, result.failures)
    except OSError as error:
        return _fail(f"{error.filename}: it can't be written: {error.strerror}")
    if arguments.json:
        print(_json({"reproduced": True, "result": result.to_dict()}))
    elif result.failure is not None:
        _print_failure(result.failure, arguments.every_event, arguments.long_token)
    return FOUND


def run_scenarios(arguments: argparse.Namespace) -> int:
    """``iopf scenarios``."""
    from .library import FileAlone, find_scenario, scenario_names

    names = None
    if arguments.name:
        try:
            scenario = find_scenario(arguments.name)
        except FileAlone as file:
            names = file.names
            if not names:
                return _fail(f"{file.path}: {file.listed()}")
        except (LookupError, ValueError) as error:
            return _fail(error)
        else:
            print(scenario.to_json() if arguments.json else scenario)
            return FINE
    if names is None:
        names = scenario_names()
    if arguments.json:
        print(_json([{"name": name, "summary": summary} for name, summary in names.items()]))
        return FINE
    width = max(map(len, names), default=0)
    for name, summary in names.items():
        print(f"{name:<{width}}  {summary}".rstrip())
    return FINE
