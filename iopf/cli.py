# SPDX-License-Identifier: GPL-2.0-only
"""The command line, ``python -m iopf`` and ``iopf``.

Exit codes are in _exit.py. Results go to standard output, as JSON with ``--json``; everything else goes to standard
error, what is wrong in one line, whatever went wrong (_mishaps.py).

A module that has commands of its own is named in COMMAND_MODULES, with those, and has a function ``register(subparsers)``
that adds their parsers. A command that is named loads what it needs itself, and not what the others need. Each sets ``run``, a function of the parsed options that returns the exit code or raises Unusable; a
verdict's is made by _exit.decide(). A command that knows its code before it prints leaves it in ``options.decided``:
that counts when the reader of its output goes away.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import iopf

from . import _exit, _mishaps
from ._commands import SUMMARIES
from ._exit import FINE, FOUND, INTERRUPTED, UNUSABLE
from ._extension import load_extension
from ._hints import closest, said
from ._options import integer
from ._processes import command_line

if TYPE_CHECKING:
    from . import run as runs

# An installation without its extensions says so whatever it is asked, and says it here. (It takes a millisecond.)
load_extension("native")

#: Modules that bring further commands.
COMMAND_MODULES = {
    "iopf.explore.cli": ("explore", "replay", "scenarios"),
    "iopf.explore.failures_cli": ("failures",),
    "iopf._check_command": ("check",),
}

#: Lines that ask for no command: each ends with what there is.
WITHOUT_COMMAND: tuple[list[str], ...] = ([], ["-h"], ["--help"], ["--version"])

Function = Callable[[argparse.Namespace], int]


class Unusable(Exception):
    """Input or options that can't be used: one line on standard error, exit code 2."""


_CHOICE = r"(?s)invalid choice: (?P<quoted>'(?P<name>.*)') \(choose from (?P<choices>.*)\)$"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and what may have been meant."""

    def error(self, message: str) -> NoReturn:
        match = re.search(_CHOICE, message)
        hint = closest(match["name"], re.findall(r"[\w.-]+", match["choices"])) if match else None
        self._fail(message if hint is None else f"{message}: did you mean {hint!r}?")

    def unrecognized(self, words: Sequence[str]) -> None:
        """Ends with what the parser of the command could not place."""
        hints = [closest(word.partition("=")[0], self._option_string_actions) for word in words if word[:1] == "-"]
        meant = ", ".join(hint for hint in hints if hint)
        self._fail(f"unrecognized arguments: {' '.join(words)}" + (f": did you mean {meant}?" if meant else ""))

    def _fail(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"{self.prog}: {said(' '.join(message.split())[:500])} (see {self.prog} --help)\n")


def print_json(value: object) -> None:
    """A command's result, for --json."""
    import json

    print(json.dumps(value, indent=2))


def _add(subparsers: Any, name: str, function: Function) -> argparse.ArgumentParser:
    help = SUMMARIES[name]
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}."
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.set_defaults(run=function)
    return parser


def _complain(options: argparse.Namespace, message: object) -> None:
    name = f"iopf {options.command or ''}".rstrip()
    print(f"{name}: {said(message)}", file=sys.stderr)


# --- run ---


def _add_run(subparsers: Any) -> None:
    from . import run as runs
    from ._runtime import RUNTIMES

    parser = _add(subparsers, "run", _run)
    parser.add_argument(
        "trace",
        metavar="TRACE",
        help="of valgrind --tool=lackey --trace-mem=yes; plain, or packed by"
        " xz, gzip, bzip2 or zstd; -: standard input",
    )
    parser.add_argument("--maps", required=True, metavar="MAPS", help="a copy of that process's /proc/PID/maps")
    parser.add_argument(
        "--group", type=integer, default=runs.GROUP, metavar="N", help="pages of a request group at most (%(default)s)"
    )
    parser.add_argument(
        "--outstanding",
        type=integer,
        default=runs.OUTSTANDING,
        metavar="N",
        help="groups without an answer at most (%(default)s)",
    )
    parser.add_argument(
        "--devices",
        type=integer,
        default=runs.DEVICES,
        metavar="N",
        help="that the accesses are dealt to, over one address space (%(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=integer,
        default=runs.WORKERS,
        metavar="N",
        help="threads that resolve; 0: the reporting one (%(default)s)",
    )
    parser.add_argument(
        "--resident",
        type=integer,
        metavar="PAGES",
        help="present pages at most: the least recently used ones are dropped (no limit)",
    )
    parser.add_argument(
        "--core",
        default="iopf",
        metavar="NAME",
        help="see iopf cores, or your io-pgfault.c, which is compiled and run (%(default)s)",
    )
    parser.add_argument("--runtime", default=RUNTIMES[0], choices=RUNTIMES, help="(%(default)s)")
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw the latencies and the requests over time: .svg, .png (needs iopf[plot]), .txt; -: on the terminal",
    )


def _perform(run: runs.TraceRun, trace: str, course: list[tuple[int, int, float]]) -> None:
    from . import run as runs
    from ._progress import Progress

    def fed(position: int, size: int | None) -> None:
        course.append(run.progress())
        if progress.active:
            result = run.result()
            done = min(position / size, 1.0) if size else None
            progress.show(f"{result.accesses:,} accesses, {result.requests:,} requests", done)

    with Progress("run") as progress:
        runs.perform(run, trace, fed)


def _run(options: argparse.Namespace) -> int:
    from . import run as runs
    from ._cores import named
    from ._probe import as_it_behaves
    from .exceptions import CoreSourceError, UnsafeCore

    code = FINE
    run: runs.TraceRun | None = None
    course: list[tuple[int, int, float]] = []
    try:
        if options.plot is not None:
            from ._plots import check_plot

            if options.json and options.plot == "-":
                raise Unusable("--plot - and --json both write to standard output: name a file for the plot")
            check_plot("--plot", options.plot)
        space = runs.read_maps(options.maps)
        core, told = as_it_behaves(named(options.core))
        run = runs.TraceRun(
            space,
            group=options.group,
            outstanding=options.outstanding,
            devices=options.devices,
            workers=options.workers,
            resident=options.resident,
            core=core,
            runtime=options.runtime,
        )
        for line in told:
            print(f"iopf: {line}", file=sys.stderr)
        _perform(run, options.trace, course)
    except runs.LostAnswers as error:
        _complain(options, error.strerror)
        code = FOUND
    except runs.TraceError as error:
        if error.result is None:
            if run is not None:
                _malformed(options, run.result())
            raise Unusable(error) from error
        _complain(options, f"{error}; the figures are of what came before")
        code = UNUSABLE
    except KeyboardInterrupt:
        if run is None:
            raise
        code = INTERRUPTED
    except CoreSourceError as error:
        raise Unusable(error) from error
    except UnsafeCore as error:
        raise Unusable(error.strerror) from error
    except ValueError as error:
        raise Unusable(error) from error
    finally:
        if run is not None:
            _stop(run)
    assert run is not None  # without one it raised
    code = _report(options, run.result(), code)
    if options.plot is not None:
        from ._plots import plot_of_run, write_plot

        try:
            write_plot(options.plot, plot_of_run(run.result(), [*course, run.progress()]))
        except OSError as error:
            raise Unusable(f"--plot {options.plot}: {error.strerror or error}") from error
    return code


def _stop(run: runs.TraceRun) -> None:
    """One Ctrl-C more ends the wait for answers; the figures are there all the same."""
    try:
        run.stop()
    except KeyboardInterrupt:
        run.stop()


def _malformed(options: argparse.Namespace, result: runs.TraceResult) -> None:
    if result.malformed:
        lines = ", ".join(f"line {number}: {text!r}" for number, text in result.malformed_lines)
        _complain(options, f"{result.malformed} malformed lines; the first: {lines}")


def _report(options: argparse.Namespace, result: runs.TraceResult, code: int) -> int:
    options.decided = code
    _malformed(options, result)
    if code == INTERRUPTED:
        _complain(options, "interrupted, the figures are partial")
    if options.json:
        print_json(result.as_dict())
    else:
        print(_figures(result))
    return code


def _nanoseconds(value: int) -> str:
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value} ns"


def _figures(result: runs.TraceResult) -> str:
    latency = result.latency
    return "\n".join(
        (
            f"accesses   {result.accesses:,} in {result.seconds:.3f} s",
            f"requests   {result.requests:,} in {result.groups:,} groups ({result.merged:,} merged),"
            f" {result.faults_per_second:,.0f} faults/s",
            f"answers    success {result.success:,}, invalid {result.invalid:,}, failure {result.failure:,}",
            f"pages      {result.present:,} present, {result.dropped:,} dropped, {result.refused:,} accesses refused",
            f"latency    p50 {_nanoseconds(latency.p50)}, p99 {_nanoseconds(latency.p99)},"
            f" p99.9 {_nanoseconds(latency.p999)}, max {_nanoseconds(latency.max)}",
        )
    )


# --- record ---


def _add_record(subparsers: Any) -> None:
    parser = _add(subparsers, "record", _record)
    parser.usage = "%(prog)s [--output TRACE] [--maps MAPS] [--json] -- PROGRAM [ARGS ...]"
    parser.add_argument("-o", "--output", metavar="TRACE", help="where to; .xz and .gz are compressed (PROGRAM.lackey)")
    parser.add_argument("--maps", metavar="MAPS", help="where the map goes (TRACE's name with .maps)")
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="-- PROGRAM ARGS")


def _record(options: argparse.Namespace) -> int:
    from pathlib import PurePath

    from ._progress import Progress
    from .record import RecordError, record

    command = options.program[1:] if options.program[:1] == ["--"] else options.program
    if not command:
        raise Unusable("what to record is missing: iopf record -- PROGRAM ARGS")
    trace = options.output or f"{PurePath(command[0]).name}.lackey"
    maps = options.maps
    if maps is None:
        stem = trace
        for suffix in (".xz", ".gz", ".lackey"):
            stem = stem.removesuffix(suffix)
        maps = f"{stem}.maps"
    try:
        with Progress("record") as progress:
            recording = record(command, trace, maps, progress=lambda n: progress.show(f"{n:,} accesses"))
    except RecordError as error:
        raise Unusable(error) from error
    if options.json:
        print_json(recording.as_dict())
    else:
        how = f"exit status {recording.status}" if recording.status >= 0 else f"ended by signal {-recording.status}"
        print(f"{recording.accesses:,} accesses of {command[0]} ({how}): {trace}, {maps}")
    return FINE if recording.complete else INTERRUPTED


# --- what there is ---


def _add_about(subparsers: Any) -> None:
    _add(subparsers, "cores", _cores)
    _add(subparsers, "info", _info)


def _cores(options: argparse.Namespace) -> int:
    cores = iopf.cores()
    if options.json:
        print_json(
            [
                {
                    "name": core.name,
                    "title": core.title,
                    "commit": core.commit,
                    "summary": core.summary,
                    "claims_correct": core.claims_correct,
                    "hazards": list(core.hazards),
                }
                for core in cores.values()
            ]
        )
        return FINE
    width = max(map(len, cores))
    for core in cores.values():
        breaks = f"; on a queue it breaks by: {', '.join(core.hazards)}" if core.hazards else ""
        print(f"{core.name:{width}}  {core.title}" + (f" ({core.commit})" if core.commit else "") + breaks)
    return FINE


def _info(options: argparse.Namespace) -> int:
    import platform

    import cffi

    from ._kernel_api import REFUSED, STUBS

    info = {
        "iopf": iopf.__version__,
        "python": platform.python_version(),
        "cffi": cffi.__version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **iopf.build_info(),
        "stubs": [*STUBS],
        "refused": [*REFUSED],
    }
    if options.json:
        print_json(info)
        return FINE
    width = max(map(len, info))
    for name, value in info.items():
        print(f"{name:{width}}  {', '.join(value) if isinstance(value, list) else value}")
    return FINE


# --- bench ---


def _add_bench(subparsers: Any) -> None:
    from . import bench_table

    parser = subparsers.add_parser(
        "bench",
        help=SUMMARIES["bench"],
        description="Times the hot paths, native against plain, in turn in one process.",
    )
    bench_table.add_arguments(parser)
    parser.set_defaults(run=bench_table.main)


# --- all of it ---


def _add_module(module: str) -> Callable[[Any], None]:
    def add(subparsers: Any) -> None:
        importlib.import_module(module).register(subparsers)

    return add


#: What adds the parsers of commands, in the order of --help.
_PARSERS: tuple[tuple[tuple[str, ...], Callable[[Any], None]], ...] = (
    (("run",), _add_run),
    (("record",), _add_record),
    *((commands, _add_module(module)) for module, commands in COMMAND_MODULES.items()),
    (("bench",), _add_bench),
    (("cores", "info"), _add_about),
)


def _parser(command: str | None = None) -> argparse.ArgumentParser:
    """Of all commands, or of one and those that come with it."""
    parser, subparsers = _without_commands()
    for commands, add in _PARSERS:
        if command is None or command in commands:
            add(subparsers)
    return parser


def _overview() -> argparse.ArgumentParser:
    """A parser that lists the commands and knows nothing more of them: for a line that has none."""
    parser, subparsers = _without_commands()
    for command, summary in SUMMARIES.items():
        subparsers.add_parser(command, help=summary)
    return parser


def _without_commands() -> tuple[argparse.ArgumentParser, Any]:
    parser = _Parser(prog="iopf", description="The Linux I/O page fault framework in user space.")
    parser.add_argument("--version", action="version", version=f"iopf {iopf.__version__}")
    return parser, parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)


def _open_streams() -> None:
    """A closed standard stream is as good as /dev/null; what its encoding can't say is written as escapes."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _parse(arguments: list[str]) -> argparse.Namespace:
    known = any(arguments[:1] == [command] for commands, _ in _PARSERS for command in commands)
    if arguments in WITHOUT_COMMAND:
        _overview().parse_args(arguments)
    parser = _parser(arguments[0]) if known else _parser()
    options, rest = parser.parse_known_args(arguments)
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    command = commands.choices[options.command]
    several = next((action.dest for action in command._actions if action.nargs == "*"), None)
    if several and not any(word.startswith("-") for word in rest):
        getattr(options, several).extend(rest)  # argparse takes those before the first option alone
    elif rest:
        command.unrecognized(rest)
    for action in command._actions:  # before 3.13, argparse drops the value of "--option=--", and gives a list
        value = getattr(options, action.dest, None)
        dropped = (value == [] and action.default != []) or (isinstance(value, list) and [] in value)
        if action.nargs is None and dropped:
            command.error(f"argument {'/'.join(action.option_strings) or action.dest}: expected one argument")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and returns the exit code: 143 when SIGTERM ended it, 129 when the terminal was lost."""
    with command_line(whole_process=argv is None) as ending:
        try:
            return ending.code(_main(argv))
        except KeyboardInterrupt:
            return ending.code(INTERRUPTED)


def _main(argv: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    code = _command(arguments)
    return _exit.for_bisect(code) if _exit.wants_bisect(arguments) else code


def _command(arguments: list[str]) -> int:
    options = argparse.Namespace(command=arguments[0] if arguments else "")
    _open_streams()
    try:
        options = _parse(arguments)
        code = _exit.checked(options.command, options.run(options))
        sys.stdout.flush()
        return code
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else UNUSABLE
    except Unusable as error:
        _complain(options, error)
        return UNUSABLE
    except iopf.MissingExtension as error:
        _complain(options, error)
        return UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe has had enough; what was found stays found.
        _to_nowhere()
        return _exit.checked(options.command, getattr(options, "decided", _undecided(options.command)))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT) or error.filename is not None:
            return _mishaps.explain(options.command, error)
        _to_nowhere()
        _complain(options, f"the result can't be written: {error.strerror}")
        return UNUSABLE
    except Exception as error:
        return _mishaps.explain(options.command, error)


def _undecided(command: str) -> int:
    """The code when the output went away before a command had decided."""
    return FINE if command in _exit.WITHOUT_VERDICT else _exit.decide(_exit.Evidence())


def _to_nowhere() -> None:
    """What is still to be written; the interpreter would complain when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
