#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Mutants found per second, by each strategy.

    python tests/mutation/strategies.py [--every N] [--begin K] [--file NAME] [--large] [--seconds S] [--seeds N]

Each mutant of the sample is searched by each strategy, in a process of its own, until something fails that does not on the
unchanged file (README.md says what counts), or until so many seconds of CPU are used up. Time is that of the processor, from
the first execution to the finding, without the compiler.

A strategy that knows no end has to be told when to try the next scenario. So all take turns alike: each scenario gets a slice, then
each one twice as long, and so on; who came to the end of a scenario does not come back to it. That is in favour of nobody, and
at most doubles what a search takes that has to begin again.

Most mutants fail in whatever way they are executed. The second table leaves out those that fail in the first execution of a
scenario that a search without preemptions makes: there what a strategy chooses does not matter.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import targets  # noqa: E402

STRATEGIES = ("dpor", "sleep", "random", "bound", "pct", "auto")
#: Seconds of the first slice of a scenario.
SLICE = 0.01


class State:
    """What the processes of the pool know: they are forked from one that has it."""

    home = None
    scenarios = {}
    base = {}
    seconds = 5.0


def large_scenarios():
    """Those of the explorer's tests in which three report beside a removal: up to some hundred thousand classes."""
    sys.path.insert(0, str(targets.ROOT / "tests" / "explore"))
    import core_scenarios

    return {
        f"tests: {name}": make
        for name, make in sorted(vars(core_scenarios).items())
        if callable(make) and name.startswith("three_")
    }


def is_new(name, result, base):
    """Does a search show with the contract kept what the unchanged file does not?"""
    found = [(failure.kind, failure.contract, failure.signature) for failure in result.failures]
    return targets.new_in(found, base.get(name, ["pass", True, []]), False).what == "killed"


def first_finding(core, scenarios, base, strategy, seed, seconds):
    """Up to the first finding: seconds of CPU, executions in all, the scenario, which of its executions. Scenario None: there
    was none in so many seconds."""
    from iopf.explore import explore

    began, executions, slice, over = time.process_time(), 0, SLICE, set()
    while True:
        for name, make in scenarios.items():
            left = seconds - (time.process_time() - began)
            if left <= 0 or len(over) == len(scenarios):
                return time.process_time() - began, executions, None, 0
            if name in over:
                continue
            result = explore(
                make(),
                core=core,
                strategy=strategy,
                seed=seed,
                budget=min(slice, left),
                shrink=False,
                estimate=False,
                notes=False,
                after_failure=0,
            )
            executions += result.executions
            if is_new(name, result, base):
                return time.process_time() - began, executions, name, result.first_failure
            if result.exhausted or result.failures:
                over.add(name)
        slice *= 2


def search(job):
    """The same, of one strategy on a compiled mutant."""
    library, file, strategy, seed = job

    def work(write):
        core = targets.load(library)
        write(first_finding(core, State.scenarios, State.base[file], strategy, seed, State.seconds))

    lines, back = targets.in_a_process(work, int(State.seconds) + targets.CPU)
    if lines and lines[-1][0] != "error":
        return tuple(lines[-1])
    if lines and not lines[-1][1].startswith("MemoryError"):
        raise RuntimeError(f"{strategy}: {lines[-1][1]}")
    # A mutant that takes the process along is found by whoever comes to that.
    return (State.seconds, 0, None, 0) if back else (0.0, 1, "it never came back", 1)


def run(mutants, strategies, seeds, jobs, progress=None):
    """For each mutant that compiles to code of its own: its id, and by strategy what came of each seed."""
    codes, found = {}, []
    with tempfile.TemporaryDirectory(prefix="iopf-strategies-") as home:
        State.home = home
        for file in dict.fromkeys(mutant.file for mutant in mutants):
            core = file if file.startswith("form-") else "io-pgfault.c"
            built = targets.compile_text(core, targets.text_of(core), Path(home) / f"base-{file}")
            codes[file, built.code] = "the unchanged file"
            State.base[file] = targets.base_of(built.library, State.scenarios)
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            for number, mutant in enumerate(mutants):
                built = targets.compile_text(
                    mutant.file, mutant.edit.apply(targets.text_of(mutant.file)), Path(home) / str(number)
                )
                if built.library is None or (mutant.file, built.code) in codes:
                    continue
                codes[mutant.file, built.code] = mutant.id
                wanted = [
                    (built.library, mutant.file, strategy, seed) for strategy in strategies for seed in range(seeds)
                ]
                results = pool.map(search, wanted, chunksize=1)
                found.append((mutant.id, {s: results[i * seeds : (i + 1) * seeds] for i, s in enumerate(strategies)}))
                if progress:
                    progress(number + 1, len(mutants))
    return found


def _table(found, strategies):
    lines = [
        "| strategy | found | seconds of CPU in all | found per second | median of a finding, ms | executions to it, median |",
        "|---|" + "---:|" * 5,
    ]
    for strategy in strategies:
        runs = [run for _, by in found for run in by[strategy]]
        hits = sorted(run[0] for run in runs if run[2] is not None)
        counts = sorted(run[1] for run in runs if run[2] is not None)
        total = sum(run[0] for run in runs)
        median = f"{1000 * hits[len(hits) // 2]:.1f} | {counts[len(counts) // 2]:,}" if hits else "- | -"
        lines.append(
            f"| {strategy} | {len(hits)} of {len(runs)} | {total:.1f} | {len(hits) / max(total, 1e-9):.1f} | {median} |"
        )
    return lines


def _takes_a_preemption(by):
    """Does no search that begins without preemptions find it at once?"""
    at_once = [run[3] == 1 for strategy in ("dpor", "sleep", "bound") for run in by.get(strategy, ())]
    return not any(at_once)


def report(found, strategies, seconds):
    """Both tables, in Markdown."""
    killable = [each for each in found if any(run[2] is not None for runs in each[1].values() for run in runs)]
    hard = [each for each in killable if _takes_a_preemption(each[1])]
    return "\n".join(
        [
            f"{len(found)} mutants with code of their own; {len(killable)} are found by some strategy within {seconds:g} seconds"
            " of CPU:",
            "",
            *_table(killable, strategies),
            "",
            f"{len(hard)} of these do not fail in the first execution of a scenario, without preemptions:",
            "",
            *_table(hard, strategies),
        ]
    )


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=50, metavar="N", help="only every N-th mutant (50)")
    parser.add_argument("--begin", type=int, default=0, metavar="K", help="the first of every N-th")
    parser.add_argument("--file", action="append", choices=targets.FILES, help="only this file (may be repeated)")
    parser.add_argument("--strategy", action="append", choices=STRATEGIES, help="only this one (may be repeated)")
    parser.add_argument(
        "--large", action="store_true", help="in scenarios with three reporters, in place of the library's"
    )
    parser.add_argument(
        "--seconds", type=float, default=5.0, metavar="S", help="of CPU, for a strategy and a mutant (5)"
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="so many searches of each (1)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")
    arguments = parser.parse_args()
    mutants = [mutant for file in arguments.file or targets.FILES for mutant in targets.mutants_of(file)]
    mutants = mutants[arguments.begin :: arguments.every]
    if not mutants:
        print("no such mutants", file=sys.stderr)
        return 2
    strategies = tuple(dict.fromkeys(arguments.strategy or STRATEGIES))
    State.scenarios = large_scenarios() if arguments.large else targets.library_scenarios()
    State.seconds = arguments.seconds

    def progress(done, total):
        print(f"{done} of {total}", file=sys.stderr, flush=True)

    found = run(mutants, strategies, arguments.seeds, arguments.jobs, progress if os.isatty(2) else None)
    print(f"Made by `{' '.join(['python tests/mutation/strategies.py', *sys.argv[1:]])}`.\n")
    print(report(found, strategies, arguments.seconds))
    return int(not any(run[2] is not None for _, by in found for runs in by.values() for run in runs))


if __name__ == "__main__":
    sys.exit(main())
