# SPDX-License-Identifier: GPL-2.0-only
"""A search in parts, as data: what is left to do (jobs), what one of them came to, and what they came to together.

A job is a path of choices, and for each of its nodes what was done there before (csrc/explore/strategy/job.c); a few hundred
bytes, without an address, the same on every machine. What a part saw is numbers, and one execution for each failure, lock
order and outcome; executions that show the same thing have the same key in every process. So putting parts together is
adding, in any order.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["ROOT", "Job", "Part", "Totals", "Witness"]

#: More than the engine has.
MAX_TASKS, MAX_NODES, MAX_MASK = 64, 30_000, 2**64 - 1
#: The first character of a choice: a task, and after "~" one of its alternatives.
FIRST, ALTERNATIVE = 35, "~"

#: What a task's number stands for: the task that started it, and which of its children it is.
Tasks = tuple[tuple[int, int], ...]


def number(value: Any, most: int = MAX_MASK) -> int:
    """An integer from 0 to ``most``, of data that anybody may have written."""
    if type(value) is int and 0 <= value <= most:
        return value
    raise ValueError(f"{value!r:.40} is no number from 0 to {most}")


def fraction(value: Any) -> float:
    """A number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1 + 1e-9:
        raise ValueError(f"{value!r:.40} is no number from 0 to 1")
    return float(value)


def _tasks_to_data(tasks: Tasks) -> list[int]:
    return [part for task in tasks for part in task]


def _tasks(data: Any) -> Tasks:
    if not isinstance(data, list) or len(data) % 2 or len(data) > 2 * MAX_TASKS:
        raise ValueError("tasks are pairs of numbers")
    pairs = tuple((number(a, MAX_TASKS - 1), number(b, MAX_TASKS - 1)) for a, b in zip(data[::2], data[1::2]))
    if any(parent > index for index, (parent, _) in enumerate(pairs)) or len(set(pairs)) < len(pairs):
        raise ValueError("tasks are started by tasks before them")
    return pairs


#: From tasks to their characters, and back; what is no task's character becomes NO_TASK.
NO_TASK = 255
_TO_TEXT = bytes((FIRST + task) & 255 for task in range(256))
_OF_TEXT = bytes(code - FIRST if 0 <= code - FIRST < MAX_TASKS else NO_TASK for code in range(256))


def choices_to_text(choices: bytes) -> str:
    """One character for each step, two where an alternative was taken."""
    tasks, alternatives = choices[::2].translate(_TO_TEXT).decode("ascii"), choices[1::2]
    if not any(alternatives):
        return tasks
    return "".join(
        f"{ALTERNATIVE}{chr(FIRST + alternative)}{task}" if alternative else task
        for task, alternative in zip(tasks, alternatives)
    )


def choices_of(text: Any) -> bytes:
    """Pairs of a task and an alternative. (As a whole, and not one by one: a search in parts reads thousands of them.)"""
    if not isinstance(text, str) or len(text) > 3 * MAX_NODES or not text.isascii():
        raise ValueError("choices are a text")
    without, *pieces = text.split(ALTERNATIVE)
    alternatives = bytearray(len(without))
    for piece in pieces:
        if len(piece) < 2:
            raise ValueError("an alternative is one of a task")
        alternatives.append(number(ord(piece[0]) - FIRST, 63))
        alternatives += bytes(len(piece) - 2)
    tasks = (without + "".join(piece[1:] for piece in pieces)).encode("ascii").translate(_OF_TEXT)
    if NO_TASK in tasks:
        raise ValueError(f"a choice is none of {MAX_TASKS} tasks")
    found = bytearray(2 * len(tasks))
    found[::2], found[1::2] = tasks, alternatives
    return bytes(found)


@dataclass(frozen=True)
class Job:
    """A part of the tree of choices that is to be searched."""

    #: task, alternative, tasks that were tried before, alternatives that were, tasks to try: of each step of its path
    nodes: tuple[tuple[int, int, int, int, int], ...] = ()
    #: nodes before it are others',
    floor: int = 0
    #: but for the alternatives of the last one of them
    alternatives: bool = False
    #: of the tree, which has 1
    mass: float = 1.0
    #: of strategy "bound": preemptions
    bound: int = 0
    #: by their numbers, from 1
    tasks: Tasks = ()

    def to_data(self) -> list[Any]:
        """As JSON-able data: a path is a text, and numbers are only where they are not 0."""
        return [
            choices_to_text(bytes(part for node in self.nodes for part in node[:2])),
            self.floor,
            int(self.alternatives),
            self.mass,
            self.bound,
            _tasks_to_data(self.tasks),
            [[index, *node[2:]] for index, node in enumerate(self.nodes) if any(node[2:])],
        ]

    @classmethod
    def from_data(cls, data: Any) -> Job:
        """From what to_data() gave. ValueError or TypeError: it is something else."""
        text, floor, own, mass, bound, tasks, masks = data
        path = choices_of(text)
        nodes = [(task, alternative, 0, 0, 0) for task, alternative in zip(path[::2], path[1::2])]
        for index, *three in masks:
            done, alternatives, backtrack = map(number, three)
            nodes[number(index, len(nodes) - 1)] = (*nodes[index][:2], done, alternatives, backtrack)
        floor, bound = number(floor, len(nodes)), number(bound, 2**31 - 1)
        return cls(tuple(nodes), floor, bool(own), fraction(mass), bound, _tasks(tasks))


#: All of the tree.
ROOT = Job()


@dataclass(frozen=True)
class Witness:
    """An execution that shows something."""

    shows: int
    key: int
    #: the driver kept its contract
    kept: bool
    #: executions that showed it, and the first of them, from 1
    count: int
    execution: int
    choices: bytes

    def to_data(self) -> list[Any]:
        return [self.shows, self.key, int(self.kept), self.count, self.execution, choices_to_text(self.choices)]

    @classmethod
    def from_data(cls, data: Any) -> Witness:
        shows, key, kept, count, execution, choices = data
        return cls(number(shows, 2), number(key), bool(kept), number(count), number(execution), choices_of(choices))

    def renumbered(self, numbers: bytes) -> Witness:
        """With the tasks' numbers of another search: those of each of ours, NO_TASK where there is none."""
        choices = bytearray(self.choices)
        tasks = choices[::2].translate(numbers)
        if NO_TASK in tasks:
            raise ValueError(f"there is no task {choices[2 * tasks.index(NO_TASK)]}")
        choices[::2] = tasks
        return Witness(self.shows, self.key, self.kept, self.count, self.execution, bytes(choices))


@dataclass
class Part:
    """What a job came to, or a search so far: how much, and what it showed."""

    executions: int = 0
    blocked: int = 0
    self_checks: int = 0
    first_failure: int = 0
    #: as executions, after the first failure
    further: int = 0
    deepest: int = 0
    was_cut: bool = False
    #: an order that was predicted did not come true: no verdict, unless some part found a data race
    unproved: bool = False
    why: str | None = None
    preemptions: list[int] = field(default_factory=list)
    tasks: Tasks = ()
    witnesses: list[Witness] = field(default_factory=list)
    #: object, operation, other operation; and how many races
    contended: dict[tuple[str, str, str], int] = field(default_factory=dict)
    #: hashes of classes, where they are counted
    classes: set[int] | None = None

    def to_data(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "executions": self.executions,
            "blocked": self.blocked,
            "self_checks": self.self_checks,
            "first_failure": self.first_failure,
            "further": self.further,
            "deepest": self.deepest,
            "was_cut": self.was_cut,
            "unproved": self.unproved,
            "why": self.why,
            "preemptions": self.preemptions,
            "tasks": _tasks_to_data(self.tasks),
            "witnesses": [witness.to_data() for witness in self.witnesses],
            "contended": [[*pair, races] for pair, races in self.contended.items()],
            "classes": None
            if self.classes is None
            else base64.b64encode(array("Q", sorted(self.classes)).tobytes()).decode(),
        }

    @classmethod
    def from_data(cls, data: Any) -> Part:
        """From what to_data() gave. ValueError, TypeError, KeyError: it is something else."""
        classes = None
        if data["classes"] is not None:
            hashes = array("Q")
            hashes.frombytes(base64.b64decode(data["classes"], validate=True))
            classes = set(hashes)
        counts = ("executions", "blocked", "self_checks", "first_failure", "further", "deepest")
        return cls(
            **{name: number(data[name]) for name in counts},
            was_cut=bool(data["was_cut"]),
            unproved=bool(data["unproved"]),
            why=None if data["why"] is None else str(data["why"]),
            preemptions=[number(count) for count in data["preemptions"]],
            tasks=_tasks(data["tasks"]),
            witnesses=[Witness.from_data(witness) for witness in data["witnesses"]],
            contended={(str(a), str(b), str(c)): number(races) for a, b, c, races in data["contended"]},
            classes=classes,
        )


class Totals:
    """What the parts of a search came to, together."""

    def __init__(self, part: Part | None = None) -> None:
        #: the numbers; tasks and witnesses come with whole()
        self.part = Part()
        self._numbers: dict[tuple[int, int], int] = {}
        self._witnesses: dict[tuple[int, int], Witness] = {}
        if part is not None:
            self.add(part)

    def _renumber(self, tasks: Tasks) -> bytes:
        """The part's numbers of tasks as those of the whole search; a new task gets the next one."""
        found = bytearray((0,)).ljust(256, bytes((NO_TASK,)))
        for index, (parent, nth) in enumerate(tasks, 1):
            found[index] = self._numbers.setdefault((found[parent], nth), len(self._numbers) + 1)
        return bytes(found)

    def add(self, part: Part) -> None:
        """Adds a part, which must not have been added before."""
        whole = self.part
        numbers = self._renumber(part.tasks)
        # What is wrong about a part shows here, before anything of it was added.
        witnesses = [witness.renumbered(numbers) for witness in part.witnesses]
        for one in witnesses:
            execution, count = one.execution + whole.executions, one.count
            known = self._witnesses.get((one.shows, one.key))
            if known is not None:
                execution, count = min(known.execution, execution), known.count + count
                # With the contract kept it is the graver for it.
                one = one if one.kept and not known.kept else known
            self._witnesses[one.shows, one.key] = replace(one, count=count, execution=execution)
        if whole.first_failure:
            whole.further += part.executions + part.blocked
        elif part.first_failure:
            whole.first_failure = whole.executions + part.first_failure
            whole.further = part.further
        whole.executions += part.executions
        whole.blocked += part.blocked
        whole.self_checks += part.self_checks
        whole.deepest = max(whole.deepest, part.deepest)
        whole.was_cut |= part.was_cut
        whole.unproved |= part.unproved
        whole.why = whole.why or part.why
        whole.preemptions = _sums(whole.preemptions, part.preemptions)
        for pair, races in part.contended.items():
            whole.contended[pair] = whole.contended.get(pair, 0) + races
        if part.classes is not None:
            whole.classes = whole.classes or set()
            whole.classes |= part.classes

    def whole(self) -> Part:
        """Everything, as one part."""
        return replace(self.part, tasks=tuple(self._numbers), witnesses=list(self._witnesses.values()))

    @property
    def failures(self) -> int:
        """How many different ones."""
        return sum(shows == 0 for shows, _ in self._witnesses)


def _sums(one: list[int], other: list[int]) -> list[int]:
    longest: Iterable[int] = range(max(len(one), len(other)))
    return [(one[i] if i < len(one) else 0) + (other[i] if i < len(other) else 0) for i in longest]
