# SPDX-License-Identifier: GPL-2.0-only
"""Graphs of who needs whom, for the tests that keep the house: C files (test_rooms.py), modules (test_import_graph.py)."""


def circles(arrows):
    """Those that reach each other, in groups, sorted: each a circle, or several that hang together.

    ``arrows``: of each one, those that it needs.
    """

    def reached(start):
        seen, left = set(), list(arrows[start])
        while left:
            each = left.pop()
            if each not in seen:
                seen.add(each)
                left += arrows.get(each, ())
        return seen

    reach = {one: reached(one) for one in arrows}
    return sorted(
        {
            tuple(sorted(other for other in arrows if other in reach[one] and one in reach[other]))
            for one in arrows
            if one in reach[one]
        }
    )
