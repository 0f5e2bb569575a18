# SPDX-License-Identifier: GPL-2.0-only
"""B: what does a fault cost when groups have eight pages? Seven are stored, the last one completes the group."""


def test_c_eight_page_group(experiment):
    """Per fault, native is at least 1.5 times as fast as plain."""
    experiment("B", "8-page group, per fault", at_least=1.5)
