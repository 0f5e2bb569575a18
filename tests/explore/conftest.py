# SPDX-License-Identifier: GPL-2.0-only
"""What the explorer's tests share: scenarios and mutants in modules beside them, and a look at the classes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture
def class_hashes():
    """Calling it gives the happens-before classes of the last search, as a set of hashes."""
    from iopf.explore import _engine

    def hashes():
        engine = _engine.get()
        count = engine.lib.xp_classes(engine.ffi.NULL, 0)
        found = engine.ffi.new("uint64_t[]", max(count, 1))
        engine.lib.xp_classes(found, count)
        return set(found[0:count])

    return hashes
