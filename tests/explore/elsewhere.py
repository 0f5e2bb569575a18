# SPDX-License-Identifier: GPL-2.0-only
"""Another process: what a test wants done there, as JSON on stdin; what came of it, as JSON on stdout.

``{"libraries": [[path, symbol]...], "replay": [token...], "explore": [[scenario, core]...]}`` gives ``{"address": the
explorer's place in memory, "replayed": [the failure's signature or why it did not reproduce...], "explored": [...]}``.
"""

import json
import mmap
import os
import random
import subprocess
import sys
from pathlib import Path

import iopf

TIMED = ("seconds", "reset_ns")


def explored(scenario, core):
    """Everything that a complete search finds, as JSON, but for what a clock said."""
    from iopf.explore import explore, find_scenario

    result = explore(find_scenario(scenario), core=core, strategy="dpor", all_failures=True, estimate=False)
    return result, json.dumps({key: value for key, value in result.to_dict().items() if key not in TIMED})


def address():
    """Where the explorer lies in this process."""
    from iopf.explore import _engine

    engine = _engine.get()
    return int(engine.ffi.cast("uintptr_t", engine.lib.xp_core(0)))


def another_process(**wanted):
    """What came of it. The explorer lies elsewhere there: asserted."""
    # The package of this process, checkout or installed: a core that was compiled here is linked against its extension.
    path = os.pathsep.join([str(Path(iopf.__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert found["address"] != address(), "both processes have the explorer in the same place: nothing is shown"
    return found


def assert_replays(failures, **more):
    """Every failure, by its token, in another process: with its signature."""
    assert failures
    found = another_process(replay=[failure.token for failure in failures], **more)["replayed"]
    assert len(failures) == len(found)
    others = [
        (failure.signature, other, failure.token)
        for failure, other in zip(failures, found)
        if failure.signature != other
    ]
    assert [] == others, f"{len(others)} of {len(failures)} do not replay"


def main():
    wanted = json.load(sys.stdin)
    # Also where addresses are not randomised nothing is where it was.
    room = mmap.mmap(-1, random.SystemRandom().randrange(1, 4096) * mmap.PAGESIZE)
    from iopf.explore import DidNotReproduce, replay
    from iopf.explore.loader import load

    for path, symbol in wanted.get("libraries", ()):
        load(path, symbol)
    replayed = []
    for token in wanted.get("replay", ()):
        try:
            replayed.append(replay(token).failure.signature)
        except (DidNotReproduce, ValueError) as error:
            replayed.append(f"{type(error).__name__}: {error}")
    cells = [explored(*cell)[1] for cell in wanted.get("explore", ())]
    json.dump({"address": address(), "replayed": replayed, "explored": cells}, sys.stdout)
    room.close()


if __name__ == "__main__":
    main()
