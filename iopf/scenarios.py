# SPDX-License-Identifier: GPL-2.0-only
"""The scenario library: the races of this framework, by name (``explore/races.py``).

The names are what ``iopf explore NAME``, ``iopf check`` and the catalogue in ``csrc/history/README.md`` use.

::

    from iopf import scenarios
    from iopf.explore import explore

    print(scenarios.get("remove-queued-work").story)
    result = explore(scenarios.build("remove-queued-work"), core="v6.14")
"""

from __future__ import annotations

from .explore.races import LibraryScenario, all_scenarios, build, get, names

__all__ = ["LibraryScenario", "all_scenarios", "build", "get", "names"]
