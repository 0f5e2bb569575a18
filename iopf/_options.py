# SPDX-License-Identifier: GPL-2.0-only
"""Types of option values, for argparse: each says what it takes, and everything that it lets through can be used."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ._limits import MAX_COUNT, MAX_JOBS, MAX_SECONDS

__all__ = ["count", "count_or_zero", "integer", "jobs", "parse_facets", "seconds", "small_or_zero"]


def _integer(text: str, least: int, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        range_ = f"{least} or more" if most == MAX_COUNT and value <= most else f"an integer from {least} to {most}"
        raise argparse.ArgumentTypeError(f"{_shown(text)}: takes {range_}")
    return value


def _shown(text: str) -> str:
    return text if len(text) <= 40 and text.isprintable() else ascii(text[:40]) + ("..." if len(text) > 40 else "")


def count_or_zero(text: str) -> int:
    """0 or more."""
    return _integer(text, 0, MAX_COUNT)


def count(text: str) -> int:
    """1 or more."""
    return _integer(text, 1, MAX_COUNT)


def small_or_zero(text: str) -> int:
    """0 or more, what a C int holds."""
    return _integer(text, 0, 2**31 - 1)


def jobs(text: str) -> int:
    """A number of processes."""
    return _integer(text, 1, MAX_JOBS)


def depth(text: str) -> int:
    """Of a bug: how many orderings it takes, 1 to 16."""
    return _integer(text, 1, 16)


def integer(text: str) -> int:
    """An integer that C can hold; whoever takes it says its range."""
    return _integer(text, -MAX_COUNT, MAX_COUNT)


def seconds(text: str) -> float:
    """A time above 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{_shown(text)}: takes a number above 0, of seconds, up to {MAX_SECONDS:g}")
    return value


def parse_facets(pairs: Iterable[str]) -> dict[str, str | bool]:
    """What a command line's ``NAME=VALUE`` set, by name; ValueError: one is of another form."""
    found: dict[str, str | bool] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"--facet {pair}: takes NAME=VALUE")
        found[name] = {"true": True, "false": False}.get(value, value)
    return found
