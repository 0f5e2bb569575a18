# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios: small concurrent programs, as data.

A scenario is queues, devices, and tasks that run concurrently, each a list of operations; ``setup`` runs before them
and ``teardown`` after them. It holds no Python functions: it compiles to numbers (``bytecode.py``) that the explorer
interprets in C, goes into a token as JSON, and prints as text.

Everything is checked when it is said, so that an error points at the line that made it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, SupportsIndex, TypeVar, cast

from .._checks import check_pages, parse_perm
from .._hints import closest, unknown
from . import _forms
from .bytecode import FRAMEWORK, LOW_LEVEL, Table

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    from .programs import Program

__all__ = ["KINDS", "Device", "Operation", "Queue", "Scenario", "Section", "Space", "Task"]

# fmt: off
#: Every kind of failure, as results name them.
KINDS = (
    "use-after-free", "double-free", "invalid-free", "bad-access", "leak", "data-race", "refcount", "rcu", "sleep",
    "deadlock",
    "livelock", "lock-order", "stack-overflow", "lost-response", "double-response", "wrong-response", "late-response",
    "wrong-code", "wrong-group", "under-lock", "unexpected-return", "wrong-count", "missing-warn", "warn",
)
# fmt: on
HANDLERS = ("sva", "inline", "refuse", "held", "drop")
CODES = ("success", "invalid", "failure")
TYPES = ("page-request", "other")

FORMAT = 1
#: A device has PASIDs below; a request may carry any of 32 bits.
MAX_PASID = 1 << 20
MAX_INT = 2**31 - 1
MAX_TASKS = 32
MAX_SPACES = 8
MAX_FLAGS = (1 << 16) - 1
#: Of these, the one of iopf.RequestFlags.
PASID_VALID = 1
MAX_ERRNO = 4095

#: What an operation is told: numbers (True and False too), names; None is not said.
Value = int | str | None


def integer(name: str, value: object, low: int, high: int) -> int:
    """An integer in low ≤ value ≤ high, or TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{name} is an integer, not {type(value).__name__}")
    number = value.__index__()
    if not low <= number <= high:
        raise ValueError(f"{name} {number}: out of range {low} ≤ {name} ≤ {high}")
    return number


def label(what: str, value: object) -> str:
    """A name that a person can read in a column, or TypeError, ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    if not value or not value.isprintable() or len(value) > 200:
        raise ValueError(f"{what} {value!r}: takes 1 to 200 printable characters")
    return value


def one_of(what: str, value: object, choices: tuple[str, ...]) -> str:
    """One of the names, or ValueError that lists them."""
    if value not in choices:
        meant = closest(value, choices) if isinstance(value, str) else None
        hint = "" if meant is None else f"; did you mean {meant!r}?"
        raise ValueError(f"{what} {value!r}: takes {', '.join(map(repr, choices))}{hint}")
    return str(value)


def _pasid(value: object, limit: int = MAX_PASID) -> int | None:
    if value is None:
        return None
    if value == 0:
        raise ValueError("pasid 0 stands for requests without a PASID: say pasid=None")
    return integer("pasid", value, 1, limit - 1)


def _bound(value: object) -> int:
    return integer("pasid", value, 1, MAX_PASID - 1)


def _check_domain(handler: str | None, pasid: int | None, space: Space | None, nested: bool) -> None:
    if space is not None and handler != "sva":
        raise ValueError(f"space is what an 'sva' handler resolves against, and the handler is {handler!r}")
    if nested and pasid is not None:
        raise ValueError("nested is a domain of requests without a PASID, for the guest's PASIDs: say pasid=None")


def _returns(value: object) -> int | None:
    return None if value is None else integer("returns", value, -MAX_ERRNO, MAX_INT)


def returned(value: int) -> str:
    """A result as people write it: ``0``, ``-EINVAL``."""
    return f"-{errno.errorcode[-value]}" if -value in errno.errorcode else str(value)


class _Part:
    """Something of one scenario that operations name."""

    def __init__(self, scenario: Scenario, index: int, name: str):
        self._scenario = scenario
        self.index = index
        self.name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.name} of {self._scenario.name!r}>"


class Queue(_Part):
    """A queue of a scenario: what ``Scenario.queue`` returns."""


class Device(_Part):
    """A device of a scenario: what ``Scenario.device`` returns."""


class Space(_Part):
    """An address space of a scenario, and the process whose it is: what ``Scenario.space`` returns."""


@dataclass(frozen=True)
class Operation:
    """One operation: its name, and its values by name."""

    op: str
    values: dict[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.op in LOW_LEVEL and self.op not in FRAMEWORK:
            return _low_level_text(self.op, self.values)
        shown = []
        for key, value in self.values.items():
            if key in ("queue", "device") and value is not None:
                shown.append(f"{'queue' if key == 'queue' else 'dev'}{value}")
            elif key == "space" and value is not None:
                shown.append(f"space{value}")
            elif value is None and key in ("queue", "handler"):
                shown.append("None" if key == "queue" else "handler=None")
            elif key == "returns":
                shown += [f"returns={returned(value)}"] if isinstance(value, int) else []
            elif value is not None and DEFAULTS.get((self.op, key), _NO_DEFAULT) != value:
                shown.append(f"{key}={value:#x}" if key in _HEX else f"{key}={value}")
        return f"{self.op}({', '.join(shown)})"

    def to_json(self) -> list[str | dict[str, Value]]:
        """``[name, {values}]`` without what is None, but for a domain's handler: there None is said."""
        return [self.op, {key: value for key, value in self.values.items() if value is not None or key == "handler"}]


def _low_level_text(op: str, values: dict[str, Value]) -> str:
    """``mutex_lock(memory[0])``, ``load(r1, r0[8], order=once)``."""
    shown = [f"r{values['register']}"] if "register" in values else []
    for base, offset in (("base", "offset"), ("head_base", "head")):
        if offset in values:
            shown.append(f"r{values[base]}[{values[offset]}]" if base in values else f"memory[{values[offset]}]")
    shown += [
        f"{key}={value}"
        for key, value in values.items()
        if key not in ("register", "base", "offset", "head_base", "head", "how", "size")
        and (key, value) != ("order", "plain")
    ]
    return f"{op.rstrip('_')}{'_' + str(values['how']) if 'how' in values else ''}({', '.join(shown)})"


_HEX = ("addr", "start", "length", "flags")
_NO_DEFAULT = object()
# fmt: off
#: Values that need not be shown.
DEFAULTS = {
    ("report", "addr"): 0x1000, ("report", "perm"): "r", ("report", "last"): True, ("respond", "code"): "success",
    ("respond", "free"): True, ("attach", "nested"): False, ("replace", "nested"): False,
    ("fail_next_alloc", "n"): 1, ("repeat", "operations"): 1,
}
# fmt: on


_S = TypeVar("_S", bound="Section")


class Section:
    """A list of operations: a task, the setup or the teardown. Operations chain: each returns the section."""

    def __init__(self, scenario: BaseScenario, name: str, copies: int = 1):
        self._scenario: Any = scenario  # of the form that the section is of
        self.name = name
        self.copies = copies
        self.operations: list[Operation] = []

    def _add(self: _S, op: str, **values: Value) -> _S:
        self.operations.append(Operation(op, values))
        return self

    def __repr__(self) -> str:
        times = f" x{self.copies}" if self.copies > 1 else ""
        return f"<{self.name}{times}: {'; '.join(map(str, self.operations)) or 'nothing'}>"

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def repeat(self: _S, n: int, operations: int = 1) -> _S:
        """The last ``operations`` operations (one, if not said) run ``n`` times in all."""
        n = integer("n", n, 1, 1000)
        operations = integer("operations", operations, 1, MAX_INT)
        if operations > len(self.operations):
            raise ValueError(f"repeat of {operations} operations: {self.name} has {len(self.operations)} so far")
        if any(operation.op == "repeat" for operation in self.operations[-operations:]):
            raise ValueError("repeat inside repeat: write the inner operations out")
        return self._add("repeat", n=n, operations=operations)

    def fail_next_alloc(self: _S, n: int = 1) -> _S:
        """The n-th allocation of this task from here on fails."""
        return self._add("fail_next_alloc", n=integer("n", n, 1, MAX_INT))


class Task(Section):
    """A section of framework operations.

    Operations with ``returns`` are checked: None takes 0 and the errors that the contract of the core allows there, a
    number demands exactly that result (``returns=-errno.EBUSY``).
    """

    def _device(self, dev: object) -> int:
        if not isinstance(dev, Device):
            raise TypeError(f"dev is what Scenario.device() returned, not {type(dev).__name__}")
        if dev._scenario is not self._scenario:
            raise ValueError(f"{dev!r} belongs to another scenario")
        return dev.index

    def _queue(self, queue: object) -> int:
        if not isinstance(queue, Queue):
            raise TypeError(f"queue is what Scenario.queue() returned, not {type(queue).__name__}")
        if queue._scenario is not self._scenario:
            raise ValueError(f"{queue!r} belongs to another scenario")
        return queue.index

    def _space(self, space: object) -> int:
        if not isinstance(space, Space):
            raise TypeError(f"space is what Scenario.space() returned, not {type(space).__name__}")
        if space._scenario is not self._scenario:
            raise ValueError(f"{space!r} belongs to another scenario")
        return space.index

    def report(
        self,
        dev: Device,
        *,
        grpid: int,
        pasid: int | None = None,
        addr: int = 0x1000,
        perm: str = "r",
        last: bool = True,
        flags: int | None = None,
        type: str = "page-request",
        returns: int | None = None,
    ) -> Task:
        """The device has a page request; ``last`` completes its group.

        :param grpid: the group's index, 32 bits
        :param pasid: 32 bits and not 0; None: a request without one
        :param addr: byte address, 64 bits
        :param flags: 16 bits, as the hardware has them, in place of what ``pasid`` and ``last`` say: 1 the PASID is
            valid, 2 the last page. Without the first the PASID is only a number that the answer repeats
        :param type: ``"other"``: a fault that is no page request; nobody answers it
        """
        parse_perm(perm)
        if flags is not None:
            flags = integer("flags", flags, 0, MAX_FLAGS)
            if pasid is None and flags & PASID_VALID:
                raise ValueError(f"flags {flags:#x} say that the PASID is valid: say which, pasid=1")
        one_of("type", type, TYPES)
        return self._add(
            "report",
            device=self._device(dev),
            grpid=integer("grpid", grpid, 0, 2**32 - 1),
            pasid=_pasid(pasid, 1 << 32),
            addr=integer("addr", addr, 0, 2**64 - 1),
            perm=perm,
            last=bool(last),
            flags=flags,
            type=None if type == "page-request" else type,
            returns=_returns(returns),
        )

    def report_partial(
        self,
        dev: Device,
        *,
        grpid: int,
        pasid: int | None = None,
        addr: int = 0x1000,
        perm: str = "r",
        returns: int | None = None,
    ) -> Task:
        """A page request that does not complete its group."""
        return self.report(dev, grpid=grpid, pasid=pasid, addr=addr, perm=perm, last=False, returns=returns)

    def respond(
        self, dev: Device, *, grpid: int, pasid: int | None = None, code: str = "success", free: bool = True
    ) -> Task:
        """Waits for a group that a ``"held"`` handler keeps, answers and frees it.

        When nobody can bring such a group any more, it gives up without a failure.

        :param free: False: the group is answered and stays held, for another ``respond`` that answers it again; if
            none comes, the end frees it. Two that may run at the same time need a lock of the driver around them
        """
        return self._add(
            "respond",
            device=self._device(dev),
            grpid=integer("grpid", grpid, 0, 2**32 - 1),
            pasid=_pasid(pasid, 1 << 32),
            code=one_of("code", str(code).lower(), CODES),
            free=bool(free),
        )

    def remove(self, queue: Queue, dev: Device) -> Task:
        """Removes the device from the queue."""
        return self._add("remove", queue=self._queue(queue), device=self._device(dev))

    def add(self, queue: Queue, dev: Device, *, returns: int | None = None) -> Task:
        """Adds the device to the queue."""
        return self._add("add", queue=self._queue(queue), device=self._device(dev), returns=_returns(returns))

    def flush(self, dev: Device, *, returns: int | None = None) -> Task:
        """Waits for the works that were queued for the device's queue."""
        return self._add("flush", device=self._device(dev), returns=_returns(returns))

    def discard_partial(self, queue: Queue | None, *, returns: int | None = None) -> Task:
        """Drops the partial requests that the queue's devices have stored. None, no queue, is refused: -EINVAL."""
        return self._add(
            "discard_partial", queue=None if queue is None else self._queue(queue), returns=_returns(returns)
        )

    def free_queue(self, queue: Queue | None) -> Task:
        """Frees the queue, and removes the devices on it. None: what a driver does that never got a queue."""
        return self._add("free_queue", queue=None if queue is None else self._queue(queue))

    def try_queue(self, *, returns: int | None = None) -> Task:
        """Allocates a queue that nobody uses, and frees it again: what a probe does that fails later.

        -ENOMEM: an allocation was to fail, and there is no queue.
        """
        return self._add("try_queue", returns=_returns(returns))

    def close(self, dev: Device) -> Task:
        """Drops the scenario's reference to the device."""
        return self._add("close", device=self._device(dev))

    def attach(
        self,
        dev: Device,
        *,
        handler: str | None,
        pasid: int | None = None,
        space: Space | None = None,
        nested: bool = False,
        returns: int | None = None,
    ) -> Task:
        """Attaches a domain for the faults of a PASID (None: of requests without one).

        :param handler: its handler; None: a domain without one, whose faults nobody resolves
        :param space: what an ``"sva"`` handler resolves against; None: any address resolves
        :param nested: a nested domain: where the guest owns the PASID table, it stands for PASIDs that nobody attached
        """
        return self._add("attach", **self._domain(dev, handler, pasid, space, nested), returns=_returns(returns))

    def replace(
        self,
        dev: Device,
        *,
        handler: str | None,
        pasid: int | None = None,
        space: Space | None = None,
        nested: bool = False,
        returns: int | None = None,
    ) -> Task:
        """Exchanges the domain of a PASID. The arguments are those of ``attach``."""
        return self._add("replace", **self._domain(dev, handler, pasid, space, nested), returns=_returns(returns))

    def _domain(
        self, dev: Device, handler: str | None, pasid: int | None, space: Space | None, nested: bool
    ) -> dict[str, Value]:
        _check_domain(handler, pasid, space, nested)
        return {
            "device": self._device(dev),
            "handler": None if handler is None else one_of("handler", handler, HANDLERS),
            "pasid": _pasid(pasid),
            "space": None if space is None else self._space(space),
            "nested": nested or None,
        }

    def detach(self, dev: Device, *, pasid: int | None = None) -> Task:
        """Detaches the handler of a PASID."""
        return self._add("detach", device=self._device(dev), pasid=_pasid(pasid))

    def bind(self, dev: Device, space: Space, pasid: int, *, returns: int | None = None) -> Task:
        """Binds the process: the PASID's faults are resolved against its address space.

        -ESRCH, without a call of the framework: the process has exited.
        """
        return self._add(
            "bind", device=self._device(dev), space=self._space(space), pasid=_bound(pasid), returns=_returns(returns)
        )

    def unbind(self, dev: Device, pasid: int) -> Task:
        """Takes away what the PASID is bound to. It waits for nothing: flush after it, or before."""
        return self._add("unbind", device=self._device(dev), pasid=_bound(pasid))

    def exit(self, space: Space) -> Task:
        """The process ends: nothing can be faulted in any more, and what it mapped goes with the last who uses it."""
        return self._add("exit", space=self._space(space))

    def map(self, space: Space, start: int, length: int, perm: str) -> Task:
        """Maps a range of the address space, in place of what is there. Nothing happens when its process has exited.

        :param start, length: bytes, of whole pages of 4096
        :param perm: what is allowed there, of ``r``, ``w`` and ``x``
        """
        start, length = check_pages(start, length)
        parse_perm(perm, "rwx")
        return self._add("map", space=self._space(space), start=start, length=length, perm=perm)

    def unmap(self, space: Space, start: int, length: int) -> Task:
        """Takes a range of the address space away; what is not mapped is fine."""
        start, length = check_pages(start, length)
        return self._add("unmap", space=self._space(space), start=start, length=length)

    def lock(self, name: str) -> Task:
        """Takes a mutex of the driver; it comes into being by its name."""
        return self._add("lock", lock=self._scenario._lock(name))

    def unlock(self, name: str) -> Task:
        """Releases it."""
        return self._add("unlock", lock=self._scenario._lock(name, known=True))


if TYPE_CHECKING:  # the sections of a form; whoever does not care says BaseScenario, and has Sections
    _SectionT = TypeVarWithDefault("_SectionT", bound=Section, default=Section, covariant=True)
else:
    _SectionT = TypeVar("_SectionT", covariant=True)
_ScenarioT = TypeVar("_ScenarioT", bound="BaseScenario")


class BaseScenario(Generic[_SectionT]):
    """What scenarios of the framework and low-level programs share: a name, sections, and how they are written down."""

    form: ClassVar[str]
    section: ClassVar[type[Section]]
    #: its operations, and how each becomes numbers
    _table: ClassVar[Table]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "form" in vars(cls):  # a user's subclass of Scenario is no form of its own
            _forms.by_name[cls.form] = cls

    def __init__(self, name: str):
        self.name = label("a scenario's name", name)
        self.setup = self._section("setup")
        self.teardown = self._section("teardown")
        self._tasks: list[_SectionT] = []
        self._expected: list[str] = []
        self._alloc_may_fail = False

    # --- building ---

    def _section(self, name: str, copies: int = 1) -> _SectionT:
        return cast("_SectionT", self.section(self, name, copies))

    def _new_task(self, name: str, copies: int) -> _SectionT:
        label("a task's name", name)
        if any(task.name == name for task in self._tasks):
            raise ValueError(f"there is a task {name!r} already: names tell tasks apart in a trace")
        if sum(task.copies for task in self._tasks) + copies > MAX_TASKS:
            raise ValueError(f"more than {MAX_TASKS} tasks")
        task = self._section(name, copies)
        self._tasks.append(task)
        return task

    def task(self, name: str) -> _SectionT:
        """A task that runs beside the others."""
        return self._new_task(name, 1)

    def tasks(self, name: str, n: int) -> _SectionT:
        """``n`` identical tasks; the search explores their order once, and not n! times."""
        return self._new_task(name, integer("n", n, 1, MAX_TASKS))

    def alloc_may_fail(self: _ScenarioT, may: bool = True) -> _ScenarioT:
        """Every allocation of the tasks is a choice: it succeeds, and it fails."""
        self._alloc_may_fail = bool(may)
        return self

    def expect(self: _ScenarioT, *kinds: str) -> _ScenarioT:
        """Failures of these kinds are what the scenario expects, and no failures."""
        for kind in kinds:
            one_of("kind", kind, KINDS)
            if kind not in self._expected:
                self._expected.append(kind)
        return self

    # --- reading ---

    @property
    def expected(self) -> tuple[str, ...]:
        """The kinds that are expected."""
        return tuple(self._expected)

    @property
    def sections(self) -> tuple[_SectionT, ...]:
        """Setup, the tasks in their order, teardown."""
        return (self.setup, *self._tasks, self.teardown)

    @property
    def task_names(self) -> tuple[str, ...]:
        """One name for each task that runs; identical ones are numbered."""
        return tuple(
            task.name if task.copies == 1 else f"{task.name}#{copy + 1}"
            for task in self._tasks
            for copy in range(task.copies)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseScenario) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.form, self.name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}): {len(self.task_names)} tasks"

    def __str__(self) -> str:
        lines = [self.name]
        for what, text in self._definitions():
            lines.append(f"  {what}: {text}")
        if self._alloc_may_fail:
            lines.append("  every allocation may fail")
        if self._expected:
            lines.append(f"  expected: {', '.join(self._expected)}")
        for section in self.sections:
            if section.operations or section in self._tasks:
                times = f" x{section.copies}" if section.copies > 1 else ""
                lines.append(f"  {section.name}{times}: {'; '.join(map(str, section.operations)) or 'nothing'}")
        return "\n".join(lines)

    def _definitions(self) -> list[tuple[str, str]]:
        raise NotImplementedError

    def copy(self: _ScenarioT) -> _ScenarioT:
        """An equal scenario that can be changed."""
        return cast("_ScenarioT", type(self).from_dict(self.to_dict()))

    def __copy__(self: _ScenarioT) -> _ScenarioT:
        # A shallow copy would share the tasks: what is added to one would be in both.
        return self.copy()

    # --- JSON ---

    def to_dict(self) -> dict[str, object]:
        """The scenario as JSON-able data."""
        data: dict[str, object] = {"format": FORMAT, "form": self.form, "name": self.name, **self._parts_to_dict()}
        for key, section in (("setup", self.setup), ("teardown", self.teardown)):
            if section.operations:
                data[key] = [operation.to_json() for operation in section]
        data["tasks"] = [
            {
                "name": task.name,
                **({"copies": task.copies} if task.copies > 1 else {}),
                "operations": [operation.to_json() for operation in task],
            }
            for task in self._tasks
        ]
        if self._expected:
            data["expect"] = list(self._expected)
        if self._alloc_may_fail:
            data["alloc_may_fail"] = True
        return data

    def to_json(self) -> str:
        """The scenario as JSON text; :meth:`from_json` takes it back."""
        import json

        return json.dumps(self.to_dict(), indent=1)

    def _parts_to_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def _parts_from_dict(self, data: dict[str, Any]) -> None:
        raise NotImplementedError

    def _replay_operation(self, section: Any, op: str, values: dict[str, Any]) -> None:
        raise NotImplementedError

    @staticmethod
    def from_dict(data: object) -> Scenario | Program:
        """The scenario that :meth:`to_dict` wrote; everything is checked again. ValueError says what is wrong."""
        if not isinstance(data, dict) or not isinstance(data.get("name"), str):
            raise ValueError("this is no scenario: it takes an object with name and tasks")
        if data.get("format") != FORMAT:
            raise ValueError(f"a scenario of format {data.get('format')!r}: this iopf reads format {FORMAT}")
        form = _forms.find(data.get("form"))
        try:
            scenario = cast("Scenario | Program", form(data["name"]))
            scenario._parts_from_dict(data)
            for key, section in (("setup", scenario.setup), ("teardown", scenario.teardown)):
                for op, values in data.get(key, ()):
                    scenario._replay_operation(section, op, dict(values))
            for task in data.get("tasks", ()):
                section = scenario.tasks(task["name"], task.get("copies", 1))
                for op, values in task["operations"]:
                    scenario._replay_operation(section, op, dict(values))
            scenario.expect(*data.get("expect", ()))
            scenario.alloc_may_fail(data.get("alloc_may_fail", False))
        except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise ValueError(f"the scenario {data['name'][:200]!r} is malformed: {error}") from error
        return scenario

    @staticmethod
    def from_json(text: str) -> Scenario | Program:
        """The scenario that :meth:`to_json` wrote."""
        import json

        try:
            data = json.loads(text)
        except RecursionError as error:
            raise ValueError("this is no scenario: its JSON is nested too deep") from error
        except ValueError as error:
            raise ValueError(f"this is no JSON: {error}") from error
        return BaseScenario.from_dict(data)


class Scenario(BaseScenario[Task]):
    """A concurrent program over queues and devices.

    :param name: what it is about, in a few words

    ::

        s = Scenario("remove races the work")
        queue = s.queue()
        dev = s.device(queue, handler="sva", pasid=1)
        s.task("irq").report(dev, grpid=1, pasid=1)
        s.task("teardown").remove(queue, dev)
    """

    form = "iopf"
    section = Task
    _table = FRAMEWORK

    def __init__(self, name: str):
        super().__init__(name)
        self._queues: list[int | None] = []
        self._devices: list[dict[str, Any]] = []
        self._locks: list[str] = []
        self._spaces = 0

    def space(self) -> Space:
        """The address space of a process, in which nothing is mapped yet."""
        if self._spaces == MAX_SPACES:
            raise ValueError(f"more than {MAX_SPACES} address spaces")
        self._spaces += 1
        return Space(self, self._spaces - 1, f"space{self._spaces - 1}")

    def queue(self, workers: int | None = None) -> Queue:
        """A queue. ``workers`` None: every work may run beside every other, as on an unbound workqueue.

        With 0 of them a work runs in the task that reports, after its report, or in one that flushes or frees the queue.
        """
        self._queues.append(None if workers is None else integer("workers", workers, 0, MAX_TASKS))
        index = len(self._queues) - 1
        return Queue(self, index, f"queue{index}")

    def device(
        self,
        queue: Queue | None,
        *,
        handler: str | None = "sva",
        pasid: int | None = None,
        response_lock: str | None = None,
        user_pasid_table: bool = False,
        group: Device | None = None,
        space: Space | None = None,
        nested: bool = False,
        answers_inside: int | None = None,
        no_response: bool = False,
        no_iommu: bool = False,
    ) -> Device:
        """A device, on the queue (None: on none) and with the handler attached (None: with none) when the tasks start.

        :param handler: ``"sva"`` a work resolves the group, ``"inline"`` SUCCESS inside the handler, ``"refuse"`` the
            handler returns -EINVAL, ``"held"`` kept until a task's ``respond``, ``"drop"`` freed unanswered; None: no
            domain is attached, but with a ``pasid`` one without a handler
        :param pasid: what the handler is attached for; None: requests without a PASID
        :param response_lock: a mutex of the driver, by name, that is taken inside page_response
        :param user_pasid_table: the guest owns the PASID table
        :param space: what an ``"sva"`` handler resolves against; None: any address resolves
        :param nested: the domain is nested: where the guest owns the PASID table, it is also for PASIDs that nobody
            attached
        :param group: a device whose iommu group, and with it attachments, it shares
        :param answers_inside: the driver's page_response answers, from inside, the group of that index and of ``pasid``
            that a ``"held"`` handler keeps, or once more the one that it is called for: what no driver may do
        :param no_response: its driver has no ``page_response``: no queue takes it, and nobody can answer its requests
        :param no_iommu: there is no IOMMU before it (``dev->iommu`` is NULL), so neither is possible here. Our core
            promises what happens then; forms of the kernel take for granted that a device has one
        """
        if queue is not None and (not isinstance(queue, Queue) or queue._scenario is not self):
            raise TypeError(f"queue is what queue() of this scenario returned, or None, not {queue!r}")
        if group is not None and (not isinstance(group, Device) or group._scenario is not self):
            raise TypeError(f"group is a device of this scenario, or None, not {group!r}")
        if space is not None and (not isinstance(space, Space) or space._scenario is not self):
            raise TypeError(f"space is an address space of this scenario, or None, not {space!r}")
        _check_domain(handler, pasid, space, nested)
        if nested and handler is None:
            raise ValueError("nested is said of a domain: say its handler")
        if (no_response or no_iommu) and (queue is not None or user_pasid_table):
            raise ValueError(
                "no queue takes a device without page_response or IOMMU, nor does it have a guest's PASID table:"
                " say queue None"
            )
        self._devices.append(
            {
                "queue": None if queue is None else queue.index,
                "handler": None if handler is None else one_of("handler", handler, HANDLERS),
                "pasid": _pasid(pasid),
                "response_lock": None if response_lock is None else self._lock(response_lock),
                "user_pasid_table": bool(user_pasid_table),
                "group": None if group is None else group.index,
                "space": None if space is None else space.index,
                "nested": bool(nested),
                "answers_inside": None
                if answers_inside is None
                else integer("answers_inside", answers_inside, 0, MAX_FLAGS),
                "no_response": bool(no_response),
                "no_iommu": bool(no_iommu),
            }
        )
        index = len(self._devices) - 1
        return Device(self, index, f"dev{index}")

    def _lock(self, name: str, known: bool = False) -> str:
        label("a lock's name", name)
        if name not in self._locks:
            if known:
                raise ValueError(f"there is no lock {name!r} yet: lock({name!r}) comes before unlock")
            self._locks.append(name)
        return name

    def _definitions(self) -> list[tuple[str, str]]:
        lines = [
            (f"queue{index}", "workers as needed" if workers is None else f"{workers or 'no'} workers")
            for index, workers in enumerate(self._queues)
        ]
        lines += [(f"space{index}", "nothing is mapped") for index in range(self._spaces)]
        for index, device in enumerate(self._devices):
            what = [f"on queue{device['queue']}" if device["queue"] is not None else "on no queue"]
            nested = "nested, " if device["nested"] else ""
            no_handler = "no handler" if device["pasid"] is None else "a domain without a handler"
            what.append(f"{nested}handler {device['handler']}" if device["handler"] else no_handler)
            what += [f"of space{device['space']}"] if device["space"] is not None else []
            what += [f"pasid {device['pasid']}"] if device["pasid"] is not None else []
            what += [f"response lock {device['response_lock']}"] if device["response_lock"] else []
            what += ["the guest owns the PASID table"] if device["user_pasid_table"] else []
            inside = device["answers_inside"]
            what += [f"page_response answers group {inside}"] if inside is not None else []
            what += ["without page_response"] if device["no_response"] else []
            what += ["without an IOMMU"] if device["no_iommu"] else []
            what += [f"in the iommu group of dev{device['group']}"] if device["group"] is not None else []
            lines.append((f"dev{index}", ", ".join(what)))
        return lines

    def _parts_to_dict(self) -> dict[str, Any]:
        return {
            "queues": list(self._queues),
            "devices": [
                {key: value for key, value in device.items() if value is not None and value is not False}
                for device in self._devices
            ],
            "locks": list(self._locks),
            **({"spaces": self._spaces} if self._spaces else {}),
        }

    def _parts_from_dict(self, data: dict[str, Any]) -> None:
        for name in data.get("locks", ()):
            self._lock(name)
        spaces = [self.space() for _ in range(integer("spaces", data.get("spaces", 0), 0, MAX_SPACES))]
        queues = [self.queue(workers) for workers in data.get("queues", ())]
        devices: list[Device] = []
        for device in data.get("devices", ()):
            keys = dict(device)
            queue, group, handler = keys.pop("queue", None), keys.pop("group", None), keys.pop("handler", None)
            space = keys.pop("space", None)
            devices.append(
                self.device(
                    None if queue is None else queues[integer("queue", queue, 0, len(queues) - 1)],
                    handler=handler,
                    group=None if group is None else devices[integer("group", group, 0, len(devices) - 1)],
                    space=None if space is None else spaces[integer("space", space, 0, len(spaces) - 1)],
                    **keys,
                )
            )

    def _replay_operation(self, section: Any, op: str, values: dict[str, Any]) -> None:
        if op not in FRAMEWORK:
            raise ValueError(f"there is {unknown('operation', op, FRAMEWORK)}")
        arguments: list[Any] = []
        for key, kind, count in (("queue", Queue, len(self._queues)), ("device", Device, len(self._devices))):
            if key in values:
                index = integer(key, values.pop(key), 0, count - 1)
                arguments.append(kind(self, index, f"{key[:3] if key == 'device' else key}{index}"))
        if op in ("free_queue", "discard_partial") and not arguments:
            arguments.append(None)
        if "space" in values:
            index = integer("space", values.pop("space"), 0, self._spaces - 1)
            space = Space(self, index, f"space{index}")
            if op in ("attach", "replace"):
                values["space"] = space
            else:
                arguments.append(space)
        if "lock" in values:
            arguments.append(values.pop("lock"))
        getattr(section, op)(*arguments, **values)
