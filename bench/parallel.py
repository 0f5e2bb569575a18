# SPDX-License-Identifier: GPL-2.0-only
"""One search by one process, by two, and by a Dask cluster of two worker processes: what each comes to, and how long it took.

::

    python bench/parallel.py [--seconds LEAST] [--no-dask]

Five scenarios, each of which takes seconds. Ends with 1 where anything differs but what was cut short: classes, executions,
outcomes and how many executions had each, verdict, failures. Times are of this machine, which should have two idle CPUs:
the last column is what two processes are worth.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

from iopf.explore import Result, Scenario, explore
from iopf.explore.programs import rcget


def reporters(n: int, handler: str, *, same: bool, flush: bool = False) -> Scenario:
    """Reporters, identical or each with a group of its own, and a removal."""
    s = Scenario(f"{n} {'identical ' if same else ''}reporters, {handler}{', flush' if flush else ''}, and a removal")
    queue = s.queue()
    dev = s.device(queue, handler=handler, pasid=1)
    if same:
        s.tasks("irq", n).report(dev, grpid=1, pasid=1)
    else:
        for index in range(n):
            s.task(f"irq{index}").report(dev, grpid=index + 1, pasid=1)
    if flush:
        s.task("flush").flush(dev)
    s.task("teardown").remove(queue, dev)
    return s


SCENARIOS = (
    reporters(3, "inline", same=False),
    reporters(3, "sva", same=True),
    reporters(2, "sva", same=False, flush=True),
    rcget(6),
    reporters(4, "inline", same=True),
)


def facts(result: Result) -> tuple[object, ...]:
    """What has to be equal."""
    return (
        result.verdict,
        result.classes,
        result.executions,
        {outcome.text: outcome.count for outcome in result.outcomes},
        {failure.signature for failure in result.failures},
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=0.0, help="leave out what one process does in less")
    parser.add_argument("--no-dask", action="store_true", help="without the cluster")
    parser.add_argument("--only", type=int, nargs="*", help="these scenarios, from 1")
    arguments = parser.parse_args()
    chosen = [SCENARIOS[i - 1] for i in arguments.only] if arguments.only else SCENARIOS
    different = 0
    with contextlib.ExitStack() as stack:
        ways = {"one": {}, "two processes": {"jobs": 2}}
        if not arguments.no_dask:
            from distributed import Client, LocalCluster

            cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
            client = stack.enter_context(Client(stack.enter_context(cluster)))
            ways["Dask, two workers"] = {"executor": stack.enter_context(client.get_executor()), "jobs": 2}
        print("| scenario | by | verdict | classes | cut short | outcomes | seconds | times |")
        print("|---|---|---|---|---|---|---|---|")
        for scenario in chosen:
            first: tuple[object, ...] | None = None
            alone = 0.0
            for way, options in ways.items():
                begun = time.monotonic()
                result = explore(scenario, strategy="dpor", budget=None, notes=False, **options)
                took = time.monotonic() - begun
                if first is None:
                    first, alone = facts(result), took
                    if took < arguments.seconds:
                        break
                same = facts(result) == first
                different += not same
                print(
                    f"| {scenario.name} | {way} | {result.verdict} | {result.classes:,}{'' if same else ' DIFFERENT'} |"
                    f" {result.blocked:,} | {len(result.outcomes)} | {took:.2f} | {alone / took:.2f} |",
                    flush=True,
                )
                for remark in result.remarks:
                    print(f"  {remark}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
