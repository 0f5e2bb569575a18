# SPDX-License-Identifier: GPL-2.0-only
"""B: what does a fault cost when groups have eight pages? Seven are stored, the last one completes the group."""

import pytest


@pytest.mark.parametrize(("state", "at_least"), [("owned", 1.5), ("worked", 0.9), ("shared", 0.9)])
def test_c_eight_page_group(experiment, state, at_least):
    """Per fault, native is at least 1.5 times as fast as plain for one thread alone, and else about as fast."""
    experiment("B", "8-page group, per fault", at_least, state)
