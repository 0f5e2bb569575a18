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

from typing import TYPE_CHECKING

from .._extension import loading as _loading
from .._lazy import attribute as _attribute
from ._forms import knows_all as _knows_all

if TYPE_CHECKING:  # what __getattr__ gives, for type checkers; each from where it is defined
    from ._again import again
    from ._as_test import as_test
    from ._replay import DidNotReproduce, replay
    from .answer import Again
    from .failure import Failure, Run, Site, Step
    from .library import ScenarioError, find_scenario, scenario_names
    from .progress import Progress
    from .result import ExplorationFailed, Hot, Outcome, Result
    from .scenario import KINDS, Device, Operation, Queue, Scenario, Space, Task
    from .search import Interrupted, explore
    from .token import VersionMismatch

# fmt: off
__all__ = [
    "KINDS", "Again", "Device", "DidNotReproduce", "ExplorationFailed", "Failure", "Hot", "Interrupted", "Operation", "Outcome",
    "Progress", "Queue", "Result", "Run", "Scenario", "ScenarioError", "Site", "Space", "Step", "Task", "VersionMismatch",
    "again", "as_test", "explore", "find_scenario", "replay", "scenario_names",
]

#: What each of them is loaded from when it is first used: few programs need all.
_FROM = {
    "_again": ("again",),
    "_as_test": ("as_test",),
    "_replay": ("DidNotReproduce", "replay"),
    "answer": ("Again",),
    "failure": ("Failure", "Run", "Site", "Step"),
    "library": ("ScenarioError", "find_scenario", "scenario_names"),
    "progress": ("Progress",),
    "result": ("ExplorationFailed", "Hot", "Outcome", "Result"),
    "scenario": ("KINDS", "Device", "Operation", "Queue", "Scenario", "Space", "Task"),
    "search": ("Interrupted", "explore"),
    "token": ("VersionMismatch",),
}
# fmt: on
_MODULES = (
    "failure",
    "kept",
    "library",
    "lines",
    "programs",
    "races",
    "result",
    "scenario",
    "search",
    "token",
    "trace",
)


def _load(name: str) -> object:
    value = globals()[name] = _attribute(__name__, name, _MODULES, _FROM)
    return value


def _load_forms() -> None:
    with _loading:
        from . import programs as programs


_knows_all(_load_forms)

if not TYPE_CHECKING:  # to a type checker a module with this function has every name
    __getattr__ = _load


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "annotations"})
