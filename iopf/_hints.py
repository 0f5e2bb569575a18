# SPDX-License-Identifier: GPL-2.0-only
"""What to say about a name that nothing has: the one that was probably meant, and those that there are."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["closest", "said", "unknown"]


def closest(name: object, choices: Iterable[object]) -> str | None:
    """The choice that a misspelt name most likely stands for; None: it resembles none."""
    import difflib  # a name that is wrong is rare

    by_lower = {str(choice).lower(): str(choice) for choice in reversed(list(choices))}
    wanted = str(name).lower().replace("_", "-")[:200]
    dashed = {lower.replace("_", "-"): choice for lower, choice in by_lower.items()}
    found = difflib.get_close_matches(wanted, dashed, n=1, cutoff=0.7)
    if found:
        return dashed[found[0]]
    beginning = [choice for lower, choice in dashed.items() if len(wanted) > 1 and lower.startswith(wanted)]
    return beginning[0] if len(beginning) == 1 else None


def unknown(what: str, name: object, choices: Iterable[object]) -> str:
    """``no core 'v6.41': did you mean 'v6.14'? There are iopf, v5.14 ...``"""
    listed = list(choices)
    shown = repr(name) if len(repr(name)) <= 200 else f"{repr(name)[:200]}..."
    hint = closest(name, listed)
    there = ", ".join(map(str, listed))
    if hint is None:
        return f"no {what} {shown}: there are {there}"
    return f"no {what} {shown}: did you mean {hint!r}? There are {there}"


def said(message: object) -> str:
    """A message as it can be shown: what a user gave is in it, and may be as long as they like, and bytes of no
    encoding."""
    text = str(message).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 3000 else f"{text[:1000]} [...] {text[-1000:]}"
