# SPDX-License-Identifier: GPL-2.0-only
"""The explorer: every interleaving of a small scenario, executed on the real C, checked, shrunk, replayable.

::

    from iopf.explore import Scenario, explore, replay

    s = Scenario("remove races the work")
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)

    result = explore(s)
    result.verdict       # "pass": every interleaving was executed, none fails
    print(result.failure)  # None, or the trace

``README.md`` beside this file says what is explored and what is not, and how to read a trace.
"""

from __future__ import annotations

from .again import again
from .as_test import as_test
from .library import ScenarioError, find_scenario, scenario_names
from .replay import DidNotReproduce, replay
from .result import Again, ExplorationFailed, Failure, Hot, Outcome, Progress, Result, Run, Site, Step
from .scenario import KINDS, Device, Operation, Queue, Scenario, Space, Task
from .search import Interrupted, explore
from .token import VersionMismatch

# fmt: off
__all__ = [
    "KINDS", "Again", "Device", "DidNotReproduce", "ExplorationFailed", "Failure", "Hot", "Interrupted", "Operation", "Outcome",
    "Progress", "Queue", "Result", "Run", "Scenario", "ScenarioError", "Site", "Space", "Step", "Task", "VersionMismatch",
    "again", "as_test", "explore", "find_scenario", "replay", "scenario_names",
]
# fmt: on
