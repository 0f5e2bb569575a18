# SPDX-License-Identifier: GPL-2.0-only
"""Tokens of one Python, replayed by another: ``tokens.py write FILE`` with the one, ``tokens.py replay FILE`` with the other.

All failures of the library: signature and place have to be the same there, too.
"""

import dataclasses
import json
import sys
from pathlib import Path

import iopf
from iopf.explore import explore, find_scenario, replay, scenario_names


def described(failure):
    return {
        "token": failure.token,
        "signature": failure.signature,
        "place": failure.place and json.loads(json.dumps(dataclasses.asdict(failure.place))),
    }


def main(what, file):
    if what == "write":
        failures = [
            failure
            for scenario in scenario_names()
            for core in iopf.cores()
            for failure in explore(find_scenario(scenario), core=core, strategy="dpor", estimate=False).failures
        ]
        Path(file).write_text(json.dumps([described(failure) for failure in failures]))
        return 0
    recorded = json.loads(Path(file).read_text())
    assert len(recorded) > 200, len(recorded)
    for entry in recorded:
        assert described(replay(entry["token"]).failure) == entry, entry["signature"]
    print(f"{len(recorded)} tokens replayed on {sys.version.split()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
