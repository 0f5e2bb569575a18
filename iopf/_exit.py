# SPDX-License-Identifier: GPL-2.0-only
"""Exit codes: what a script, a gate or ``git bisect run`` learns from a command.

A command that gives a verdict has to show evidence for it: how much was shown to be good, how much to be bad, and what
nobody knows. :func:`decide` alone makes a code of that, and "good" needs something that was shown to be good, and
nothing that is unknown. ``iopf.cli.main`` takes nothing else from such a command, so a new one cannot end with 0 by
having done nothing. The tables in the READMEs and in ``--help`` are made of :data:`MEANINGS`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

__all__ = [
    "ACCEPTABLE",
    "ACCEPTABLE_TO_CHECK",
    "BUG",
    "FINE",
    "FOUND",
    "INTERRUPTED",
    "MEANINGS",
    "NO_VERDICT",
    "SKIP",
    "TERMINATED",
    "UNUSABLE",
    "Code",
    "Evidence",
    "allowed",
    "decide",
    "epilog",
    "for_bisect",
    "markdown",
    "wants_bisect",
]

FINE, FOUND, UNUSABLE, NO_VERDICT, BUG = 0, 1, 2, 3, 70
#: What git bisect takes for "this commit can't be judged".
SKIP = 125
INTERRUPTED, TERMINATED = 130, 143

#: Verdicts that say less than "pass", and that --accept can call enough.
ACCEPTABLE = ("bounded", "sampled")

#: And a failure that is new only by its place.
ACCEPTABLE_TO_CHECK = (*ACCEPTABLE, "moved")

#: What the codes of a command mean; the first four are its own, EVERYWHERE are those of all.
MEANINGS: dict[str, dict[int, str]] = {
    "check": {
        FINE: "every core that claims to be correct (ours, your file) was explored exhaustively and passes with its"
        " contract kept",
        FOUND: "one of them fails with its contract kept, and not only as upstream chose against its own documentation"
        " (--strict: that, too)",
        NO_VERDICT: "no verdict: budget, sampled, bounded, inconclusive, nothing ran; --accept bounded, --accept sampled"
        " say that this is enough",
    },
    "check --baseline": {
        FINE: "every cell has a verdict, in the baseline too, and nothing fails that does not fail there",
        FOUND: "a failure that the baseline does not have, the contract kept or broken (--contract kept: kept)",
        NO_VERDICT: "no verdict in either column of a cell, for whatever reason of check's; --accept as above",
    },
    "check --bisect": {
        FINE: "good: what check calls 0; while git bisects the tree, what it calls 0 beside the good revision",
        FOUND: "bad: what it calls 1",
        SKIP: "everything that says neither: no verdict, usage, a file of no known form, or that does not compile, a bug",
    },
    "explore": {FINE: "pass", FOUND: "any failure", NO_VERDICT: "no verdict, as above; --accept as above"},
    "failures": {FINE: "listed, or forgotten", NO_VERDICT: "a file can't be used"},
    "failures --run": {
        FINE: "all of them pass now: each scenario was explored exhaustively, and passes",
        FOUND: "any still fails",
        NO_VERDICT: "cannot be told of any, or nothing is kept",
    },
    "replay": {FINE: "passes now", FOUND: "fails as recorded", NO_VERDICT: "did not reproduce"},
    "run": {FINE: "every request was answered once", FOUND: "answers were lost, or came twice"},
    "others": {FINE: "done"},
}
EVERYWHERE = {
    UNUSABLE: "usage or unusable input",
    BUG: "a bug in iopf",
    INTERRUPTED: "interrupted",
    TERMINATED: "terminated",
}
#: Commands that inform, record or measure: 0 means that they did. Every other one gives a verdict.
WITHOUT_VERDICT = ("run", "record", "replay", "bench", "cores", "info", "scenarios")


class Code(int):
    """An exit code that :func:`decide` made."""


class Evidence(NamedTuple):
    """What a command found out."""

    #: how many things were shown to be good
    good: int = 0
    #: and how many to be bad
    bad: int = 0
    #: what was asked for and has no verdict, one line each
    unknown: tuple[str, ...] = ()
    interrupted: bool = False


def decide(evidence: Evidence) -> Code:
    """The exit code: 0 takes something good, nothing bad, nothing unknown, and no interrupt."""
    if evidence.interrupted:
        return Code(INTERRUPTED)
    if evidence.bad:
        return Code(FOUND)
    if evidence.unknown or evidence.good <= 0:
        return Code(NO_VERDICT)
    return Code(FINE)


def allowed(command: str) -> tuple[int, ...]:
    """Every code with which a command may end."""
    own = MEANINGS.get(command, MEANINGS["others"])
    more = [code for name, codes in MEANINGS.items() if name.startswith(f"{command} --") for code in codes]
    return tuple(sorted({*own, *more, *EVERYWHERE}))


def checked(command: str, code: object) -> int:
    """What a command returned, when it is one that it may return. TypeError: the command is wrong, not its user."""
    if isinstance(code, bool) or not isinstance(code, int):
        raise TypeError(f"the command {command} returned {code!r}, which is no exit code")
    if command not in WITHOUT_VERDICT and not isinstance(code, Code) and code in (FINE, FOUND):
        raise TypeError(f"the command {command} returned {code} without evidence: it takes decide()")
    return int(code)


def wants_bisect(arguments: Sequence[str]) -> bool:
    """Is this ``check --bisect``, also when the rest of the line can't be parsed?"""
    return arguments[:1] == ["check"] and any(len(word) > 3 and "--bisect".startswith(word) for word in arguments[1:])


def for_bisect(code: int) -> int:
    """A code as ``git bisect run`` takes it. Interrupted and terminated stay: they end the bisection."""
    return code if code in (FINE, FOUND) or code > SKIP else SKIP


# --- as text ---

_COLUMNS = (FINE, FOUND, NO_VERDICT)


def markdown() -> str:
    """The table for the READMEs."""
    lines = ["| command | 0 | 1 | 3 |", "|---|---|---|---|"]
    for command, meanings in MEANINGS.items():
        cells = [meanings.get(code, "") for code in _COLUMNS]
        if SKIP in meanings:
            cells[-1] = f"({SKIP}: {meanings[SKIP]})"
        name = command if command == "others" else f"`{command}`"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"All: {_everywhere()}."])


def _everywhere() -> str:
    return ", ".join(f"{code} {meaning}" for code, meaning in EVERYWHERE.items())


def epilog(commands: Collection[str]) -> str:
    """The same below a command's ``--help``."""
    lines = []
    for command in commands:
        lines.append(
            f"exit codes of {command}: "
            + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS[command].items())
            + "."
        )
    return " ".join([*lines, f"All: {_everywhere()}."]).replace("%", "%%").replace("exit", "Exit", 1)


if __name__ == "__main__":
    print(markdown())
