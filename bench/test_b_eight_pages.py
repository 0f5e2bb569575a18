# SPDX-License-Identifier: GPL-2.0-only
"""B: what does a fault cost when groups have eight pages? Seven are stored, the last one completes the group."""

import pytest


@pytest.mark.parametrize(("state", "at_least"), [("owned", 1.5), ("worked", 1.5), ("shared", 1.5), ("worn", 0.8)])
def test_c_eight_page_group(experiment, state, at_least):
    """Per fault, native is at least 1.5 times as fast for one thread at a time, and about as fast where that helps no more."""
    experiment("B", "8-page group, per fault", at_least, state)
