# SPDX-License-Identifier: GPL-2.0-only
"""Low-level programs: the explorer without the framework, for its own tests and for models of a few lines.

A program has shared memory with named fields, objects that it allocates, and tasks with eight registers of 64 bits.
Its operations are the kernel primitives that the cores use, and loads and stores that take the same way through the
hooks as a core's own. An *address* is a field of the shared memory, or a field of the object that a register points to.

:func:`rcget` is the example to read, and the golden scenario of the explorer's tests: its counts are known from other
model checkers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .._hints import unknown
from .bytecode import LOW_LEVEL, NAMED
from .scenario import MAX_INT, BaseScenario, Section, Value, integer, label, one_of

__all__ = ["Address", "Layout", "Program", "ProgramTask", "rcget"]

#: Bytes of primitives in memory (csrc/explore/explore.h, XP_SIZE_).
SIZES = {"refcount": 4, "mutex": 64, "work": 64, "list": 16, "rcu_head": 32, "spinlock": 64,
         "completion": 8, "waitqueue": 8, "u8": 1, "u16": 2, "u32": 4, "u64": 8,
         "pointer": 8}  # fmt: skip
SCALARS = {1, 2, 4, 8}
MEMORY = 4096
REGISTERS = 8
WORKQUEUES = 8
FORMS = ("plain", "bh", "irq", "irqsave")
_RANGES = {
    "register": (0, REGISTERS - 1), "base": (0, REGISTERS - 1), "source": (0, REGISTERS - 1),
    "head_base": (0, REGISTERS - 1), "offset": (0, MEMORY - 1), "head": (0, MEMORY - 1), "wq": (0, WORKQUEUES - 1),
    "workers": (0, 32), "size": (1, MEMORY), "records": (0, 1000), "frames": (1, 100_000), "nonzero": (0, 1),
    "locked": (0, 1), "form": (0, 3), "n": (1, MAX_INT), "operations": (1, 1000),
}  # fmt: skip


@dataclass(frozen=True)
class Address:
    """A place in memory: ``base`` None is the shared memory, else the register that holds a pointer."""

    base: int | None
    offset: int
    size: int
    name: str


class Layout:
    """The fields of an object, aligned to 8: ``Layout(count="refcount", payload="u64")``; ``layout.count(1)`` is the
    field ``count`` of what register 1 points to."""

    def __init__(self, **fields: str):
        self.fields: dict[str, tuple[int, int]] = {}
        self.size = 0
        for name, kind in fields.items():
            size = SIZES[one_of("a field's type", kind, tuple(SIZES))]
            self.fields[name] = (self.size, size)
            self.size += (size + 7) // 8 * 8

    def __getattr__(self, name: str) -> Callable[[int], Address]:
        fields: dict[str, tuple[int, int]] = self.__dict__.get("fields", {})
        if name not in fields:
            raise AttributeError(f"the layout has no field {name!r}: it has {', '.join(fields)}")
        offset, size = fields[name]
        return lambda register: Address(integer("register", register, 0, REGISTERS - 1), offset, size, name)

    def __repr__(self) -> str:
        return f"Layout({', '.join(self.fields)}; {self.size} bytes)"


class ProgramTask(Section):
    """A task, a work body, the setup or the teardown of a program. Registers are numbers from 0 to 7."""

    def _at(self, op: str, address: Address, **values: Value) -> ProgramTask:
        if not isinstance(address, Address):
            raise TypeError(f"{op} takes a field of the program or of a layout, not {address!r}")
        values = {"base": address.base, "offset": address.offset, **values}
        if "size" in values:
            values["size"] = address.size
            if address.size not in SCALARS:
                raise ValueError(f"{op} of {address.name}: its {address.size} bytes are no scalar")
        return self._checked(op, values)

    def _checked(self, op: str, values: dict[str, Value]) -> ProgramTask:
        """Adds an operation when each of its values is one that the table knows and in range."""
        layout = LOW_LEVEL[op][1]
        known = {key for _, key, _ in layout}
        if set(values) - known:
            wrong = ", ".join(sorted(set(values) - known))
            raise ValueError(f"{op} takes {', '.join(sorted(known)) or 'nothing'}, not {wrong}")
        checked: dict[str, Value] = {}
        for _, key, _ in layout:
            value = values.get(key)
            if value is None:
                continue
            if key == "body":
                one_of("body", value, tuple(body.name for body in self._scenario.works))
            elif (op, key) in NAMED:
                one_of(key, value, NAMED[op, key][1])
            else:
                value = integer(key, value, *_RANGES.get(key, (-MAX_INT - 1, MAX_INT)))
            checked[key] = value
        return self._add(op, **checked)

    # --- memory ---

    def load(self, register: int, address: Address, order: str = "plain") -> ProgramTask:
        """register = *address."""
        return self._at("load", address, register=register, order=order, size=0)

    def store(
        self, address: Address, value: int = 0, *, register: int | None = None, order: str = "plain"
    ) -> ProgramTask:
        """*address = a number, or what a register has."""
        return self._at("store", address, register=register, order=order, value=value, size=0)

    def add(self, address: Address, value: int = 1, *, register: int = 7, order: str = "seq_cst") -> ProgramTask:
        """Atomically: register = *address; *address += value."""
        return self._at("rmw", address, register=register, order=order, value=value, how="add", size=0)

    def exchange(self, address: Address, value: int, *, register: int = 7, order: str = "seq_cst") -> ProgramTask:
        """Atomically: register = *address; *address = value."""
        return self._at("rmw", address, register=register, order=order, value=value, how="xchg", size=0)

    def compare_exchange(
        self, register: int, address: Address, expected: int, value: int, order: str = "seq_cst"
    ) -> ProgramTask:
        """Atomically: *address = value if it is ``expected``; register: 1 if it was."""
        return self._at("cas", address, register=register, order=order, expected=expected, value=value, size=0)

    def kzalloc(self, register: int, layout: Layout | int) -> ProgramTask:
        """register = a new object, all zero; 0 when there is no memory."""
        size = layout.size if isinstance(layout, Layout) else layout
        return self._checked("alloc", {"register": register, "size": size})

    def kfree(self, register: int) -> ProgramTask:
        """Frees what the register points to."""
        return self._checked("free", {"register": register})

    def kfree_at(self, address: Address) -> ProgramTask:
        """kfree() of an address, which may be none that kzalloc() gave."""
        return self._at("free_at", address)

    # --- registers ---

    def move(self, register: int, value: int = 0, *, source: int | None = None) -> ProgramTask:
        """register = a number, or another register."""
        return self._checked("move", {"register": register, "source": source, "value": value})

    def sum(self, register: int, value: int) -> ProgramTask:
        """register += value."""
        return self._checked("sum", {"register": register, "value": value})

    def address(self, register: int, address: Address) -> ProgramTask:
        """register = &address."""
        return self._at("address", address, register=register)

    @contextlib.contextmanager
    def when(self, register: int, nonzero: bool = True) -> Iterator[ProgramTask]:
        """The operations of the ``with`` block run when the register is not 0 (or is 0, with ``nonzero=False``)."""
        self._checked("skip", {"register": register, "records": 0, "nonzero": int(not nonzero)})
        skip, start = self.operations[-1], len(self.operations)
        yield self
        skip.values["records"] = len(self.operations) - start

    def out(self, register: int) -> ProgramTask:
        """The register's value belongs to the outcome."""
        return self._checked("out", {"register": register})

    # --- reference counts ---

    def refcount_set(self, address: Address, n: int = 1) -> ProgramTask:
        """refcount_set()."""
        return self._at("ref", address, how="set", value=n)

    def refcount_read(self, register: int, address: Address) -> ProgramTask:
        """refcount_read()."""
        return self._at("ref", address, how="read", register=register)

    def refcount_inc(self, address: Address) -> ProgramTask:
        """refcount_inc()."""
        return self._at("ref", address, how="inc")

    def refcount_inc_not_zero(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if the reference was taken."""
        return self._at("ref", address, how="inc_not_zero", register=register)

    def refcount_dec(self, address: Address) -> ProgramTask:
        """refcount_dec()."""
        return self._at("ref", address, how="dec")

    def refcount_dec_and_test(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if it was the last reference."""
        return self._at("ref", address, how="dec_and_test", register=register)

    # --- mutexes ---

    def mutex_init(self, address: Address) -> ProgramTask:
        """mutex_init()."""
        return self._at("mutex", address, how="init")

    def mutex_lock(self, address: Address) -> ProgramTask:
        """mutex_lock()."""
        return self._at("mutex", address, how="lock")

    def mutex_trylock(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if it was taken."""
        return self._at("mutex", address, how="trylock", register=register)

    def mutex_unlock(self, address: Address) -> ProgramTask:
        """mutex_unlock()."""
        return self._at("mutex", address, how="unlock")

    def mutex_is_locked(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if somebody holds it."""
        return self._at("mutex", address, how="is_locked", register=register)

    def mutex_destroy(self, address: Address) -> ProgramTask:
        """mutex_destroy()."""
        return self._at("mutex", address, how="destroy")

    def lockdep_assert_held(self, address: Address) -> ProgramTask:
        """lockdep_assert_held()."""
        return self._at("mutex", address, how="assert_held")

    # --- spinlocks; ``form``: "plain", "bh", "irq" or "irqsave" ---

    def _spinlock(self, how: str, address: Address, form: str = "plain", register: int | None = None) -> ProgramTask:
        return self._at("spinlock", address, how=how, form=FORMS.index(one_of("form", form, FORMS)), register=register)

    def spin_lock_init(self, address: Address) -> ProgramTask:
        """spin_lock_init()."""
        return self._spinlock("init", address)

    def spin_lock(self, address: Address, form: str = "plain") -> ProgramTask:
        """spin_lock(), or spin_lock_irq() and so on."""
        return self._spinlock("lock", address, form)

    def spin_trylock(self, register: int, address: Address, form: str = "plain") -> ProgramTask:
        """register: 1 if it was taken."""
        return self._spinlock("trylock", address, form, register)

    def spin_unlock(self, address: Address, form: str = "plain") -> ProgramTask:
        """spin_unlock(), in the form that locked."""
        return self._spinlock("unlock", address, form)

    def spin_is_locked(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if somebody holds it."""
        return self._spinlock("is_locked", address, register=register)

    def spin_assert_held(self, address: Address) -> ProgramTask:
        """lockdep_assert_held()."""
        return self._spinlock("assert_held", address)

    def preempt_disable(self) -> ProgramTask:
        """preempt_disable()."""
        return self._checked("spinlock", {"how": "preempt_disable", "offset": 0, "form": 0})

    def preempt_enable(self) -> ProgramTask:
        """preempt_enable()."""
        return self._checked("spinlock", {"how": "preempt_enable", "offset": 0, "form": 0})

    # --- completions ---

    def _completion(self, how: str, address: Address, register: int | None = None) -> ProgramTask:
        return self._at("completion", address, how=how, register=register)

    def init_completion(self, address: Address) -> ProgramTask:
        """init_completion()."""
        return self._completion("init", address)

    def reinit_completion(self, address: Address) -> ProgramTask:
        """reinit_completion()."""
        return self._completion("reinit", address)

    def complete(self, address: Address) -> ProgramTask:
        """complete()."""
        return self._completion("complete", address)

    def complete_all(self, address: Address) -> ProgramTask:
        """complete_all()."""
        return self._completion("complete_all", address)

    def wait_for_completion(self, address: Address) -> ProgramTask:
        """wait_for_completion()."""
        return self._completion("wait", address)

    def wait_for_completion_timeout(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if it was completed, 0 if the time was over, which may be at once."""
        return self._completion("wait_timeout", address, register)

    def try_wait_for_completion(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if it was completed."""
        return self._completion("try_wait", address, register)

    def completion_done(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if a wait would go on."""
        return self._completion("done", address, register)

    # --- wait queues ---

    def _waitqueue(self, how: str, address: Address, register: int | None = None, **values: Value) -> ProgramTask:
        return self._at("waitqueue", address, how=how, register=register, **{"head": 0, "value": 0, **values})

    def init_waitqueue_head(self, address: Address) -> ProgramTask:
        """init_waitqueue_head()."""
        return self._waitqueue("init", address)

    def wake_up(self, address: Address) -> ProgramTask:
        """wake_up()."""
        return self._waitqueue("wake_up", address)

    def wait_event(self, address: Address, condition: Address, value: int = 0) -> ProgramTask:
        """wait_event(wq, READ_ONCE(*condition) != value); the condition is a u64."""
        return self._waitqueue("wait_event", address, head_base=condition.base, head=condition.offset, value=value)

    def wait_event_timeout(self, register: int, address: Address, condition: Address, value: int = 0) -> ProgramTask:
        """register: 1 if the condition held, 0 if the time was over, which may be at once."""
        return self._waitqueue(
            "wait_event_timeout", address, register, head_base=condition.base, head=condition.offset, value=value
        )

    def waitqueue_active(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if somebody waits."""
        return self._waitqueue("active", address, register)

    # --- RCU ---

    def rcu_read_lock(self) -> ProgramTask:
        """rcu_read_lock()."""
        return self._checked("rcu", {"how": "read_lock"})

    def rcu_read_unlock(self) -> ProgramTask:
        """rcu_read_unlock()."""
        return self._checked("rcu", {"how": "read_unlock"})

    def synchronize_rcu(self) -> ProgramTask:
        """synchronize_rcu()."""
        return self._checked("rcu", {"how": "synchronize"})

    def rcu_barrier(self) -> ProgramTask:
        """rcu_barrier()."""
        return self._checked("rcu", {"how": "barrier"})

    def kfree_rcu(self, head: Address) -> ProgramTask:
        """kfree_rcu() of the object whose rcu_head that is."""
        return self._checked("rcu", {"how": "kfree", "register": head.base, "offset": head.offset})

    def call_rcu(self, head: Address, body: ProgramTask) -> ProgramTask:
        """call_rcu(): the body runs after a grace period; its register 0 is the object."""
        return self._checked("rcu", {"how": "call", "register": head.base, "offset": head.offset, "body": body.name})

    def rcu_dereference(self, register: int, address: Address, *, locked: bool = False) -> ProgramTask:
        """rcu_dereference(); ``locked``: a lock protects it, as rcu_dereference_check() is told."""
        return self._at("deref", address, register=register, locked=int(locked))

    def rcu_assign_pointer(self, address: Address, register: int | None) -> ProgramTask:
        """rcu_assign_pointer(); None: NULL."""
        return self._at("publish", address, register=register)

    # --- lists ---

    def _list(self, how: str, node: Address, head: Address | None = None, register: int | None = None) -> ProgramTask:
        where = {} if head is None else {"head_base": head.base, "head": head.offset}
        return self._at("list", node, how=how, register=register, **where)

    def list_init(self, node: Address) -> ProgramTask:
        """INIT_LIST_HEAD()."""
        return self._list("init", node)

    def list_add(self, node: Address, head: Address) -> ProgramTask:
        """list_add()."""
        return self._list("add", node, head)

    def list_add_tail(self, node: Address, head: Address) -> ProgramTask:
        """list_add_tail()."""
        return self._list("add_tail", node, head)

    def list_del(self, node: Address) -> ProgramTask:
        """list_del()."""
        return self._list("del", node)

    def list_del_init(self, node: Address) -> ProgramTask:
        """list_del_init()."""
        return self._list("del_init", node)

    def list_empty(self, register: int, node: Address) -> ProgramTask:
        """register: 1 if it is empty."""
        return self._list("empty", node, register=register)

    def list_first(self, register: int, head: Address) -> ProgramTask:
        """register = the first node, 0 if there is none."""
        return self._list("first", head, register=register)

    # --- works ---

    def init_work(self, address: Address, body: ProgramTask) -> ProgramTask:
        """INIT_WORK(); register 0 of the body is the work's address."""
        return self._at("work_init", address, body=body.name)

    def queue_work(self, address: Address, wq: int = 0, *, register: int = 7) -> ProgramTask:
        """queue_work(); register: 1 if it was not pending."""
        return self._at("queue_work", address, wq=wq, register=register)

    def flush_work(self, address: Address, *, register: int = 7) -> ProgramTask:
        """flush_work(); register: 1 if it had to wait."""
        return self._at("one_work", address, how="flush", register=register)

    def cancel_work(self, address: Address, *, register: int = 7) -> ProgramTask:
        """cancel_work(); register: 1 if it was pending."""
        return self._at("one_work", address, how="cancel", register=register)

    def cancel_work_sync(self, address: Address, *, register: int = 7) -> ProgramTask:
        """cancel_work_sync(); register: 1 if it was pending."""
        return self._at("one_work", address, how="cancel_sync", register=register)

    def work_pending(self, register: int, address: Address) -> ProgramTask:
        """register: 1 if it is queued and does not run yet."""
        return self._at("one_work", address, how="pending", register=register)

    def alloc_workqueue(self, wq: int = 0, workers: int = 0) -> ProgramTask:
        """A workqueue by number; ``workers`` 0: as many as there are works."""
        return self._checked("wq", {"how": "new", "wq": wq, "workers": workers})

    def flush_workqueue(self, wq: int = 0) -> ProgramTask:
        """flush_workqueue()."""
        return self._checked("wq", {"how": "flush", "wq": wq})

    def destroy_workqueue(self, wq: int = 0) -> ProgramTask:
        """destroy_workqueue()."""
        return self._checked("wq", {"how": "destroy", "wq": wq})

    # --- the rest ---

    def await_not(self, register: int, address: Address, value: int = 0) -> ProgramTask:
        """Waits until *address is not ``value``; register = what it is then."""
        return self._at("await_", address, register=register, value=value, size=0)

    def spin_while(self, register: int, address: Address, value: int = 0) -> ProgramTask:
        """Loads *address again and again while it is ``value``."""
        return self._at("spin", address, register=register, value=value, size=0)

    def recurse(self, frames: int) -> ProgramTask:
        """Calls itself so deep, 512 bytes of stack each."""
        return self._checked("recurse", {"frames": frames})

    def warn(self) -> ProgramTask:
        """WARN_ON(true)."""
        return self._checked("warn", {})


class Program(BaseScenario[ProgramTask]):
    """A low-level program.

    :param name: what it is about
    :param shared: the fields of its shared memory: ``Program("counter", count="u32", lock="mutex")``; they become
        attributes of :attr:`at`
    """

    form = "program"
    section = ProgramTask
    _table = LOW_LEVEL

    def __init__(self, name: str, **shared: str):
        super().__init__(name)
        self.works: list[ProgramTask] = []
        self.memory = 0
        #: addresses of the shared fields by name
        self.at: dict[str, Address] = {}
        for field, kind in shared.items():
            self.field(field, kind)

    def field(self, name: str, kind: str = "u64") -> Address:
        """A field of the shared memory, zero at the start: its address."""
        label("a field's name", name)
        size = SIZES[one_of("a field's type", kind, tuple(SIZES))]
        if self.memory + size > MEMORY:
            raise ValueError(f"the shared memory ends at {MEMORY} bytes")
        self.at[name] = Address(None, self.memory, size, name)
        self.memory += (size + 7) // 8 * 8
        return self.at[name]

    def work(self, name: str) -> ProgramTask:
        """A body for works and RCU callbacks."""
        label("a work's name", name)
        if any(section.name == name for section in (*self._tasks, *self.works)):
            raise ValueError(f"there is a section {name!r} already")
        self.works.append(ProgramTask(self, name))
        return self.works[-1]

    @property
    def sections(self) -> tuple[ProgramTask, ...]:
        """Setup, the tasks, the work bodies, teardown."""
        return (self.setup, *self._tasks, *self.works, self.teardown)

    def _definitions(self) -> list[tuple[str, str]]:
        return [("shared", ", ".join(self.at))] if self.at else []

    def _parts_to_dict(self) -> dict[str, Any]:
        return {
            "memory": self.memory,
            "fields": {name: [address.offset, address.size] for name, address in self.at.items()},
            "works": [
                {"name": body.name, "operations": [operation.to_json() for operation in body]} for body in self.works
            ],
        }

    def _parts_from_dict(self, data: dict[str, Any]) -> None:
        self.memory = integer("memory", data.get("memory", 0), 0, MEMORY)
        for name, (offset, size) in data.get("fields", {}).items():
            self.at[label("a field's name", name)] = Address(
                None, integer("offset", offset, 0, MEMORY), integer("size", size, 1, MEMORY), name
            )
        for body in data.get("works", ()):
            self.work(body["name"])
        for body, section in zip(data.get("works", ()), self.works):
            for op, values in body["operations"]:
                self._replay_operation(section, op, dict(values))

    def _replay_operation(self, section: Any, op: str, values: dict[str, Any]) -> None:
        if op not in LOW_LEVEL:
            raise ValueError(f"there is {unknown('low-level operation', op, LOW_LEVEL)}")
        section._checked(op, values)


#: The object that rcget's readers and remover share.
OBJECT = Layout(count="refcount", payload="u64")


def rcget(n: int, *, symmetric: bool = False, bug: bool = False) -> Program:
    """*rcget-n*: ``n`` readers and a remover share one counted object that a slot publishes under a mutex.

    A reader locks, reads the slot, takes a reference unless the count is zero, unlocks, reads the payload, drops the
    reference, and frees the object when that was the last one. The remover locks, clears the slot, unlocks, drops the
    slot's reference, and frees at zero.

    :param symmetric: the readers are identical tasks: n! times fewer classes
    :param bug: the readers drop the mutex before they take the reference, so that the object may be gone by then

    With ``explore(..., commute=False)``, which tells the order of increments and of decrements apart:

    ====  ============================================  =======
    n     interleavings of lock, get, unlock and put    classes
    ====  ============================================  =======
    2     110                                           22
    3     3,666                                         354
    4     221,352                                       10,632
    ====  ============================================  =======
    """
    program = Program(f"rcget-{n}" + (" with the lookup bug" if bug else ""), lock="mutex", slot="pointer")
    lock, slot = program.at["lock"], program.at["slot"]
    pointer, got, value, last = 0, 1, 2, 3

    setup = program.setup
    setup.mutex_init(lock).kzalloc(pointer, OBJECT).refcount_set(OBJECT.count(pointer), 1)
    setup.store(slot, register=pointer)

    readers = [program.tasks("reader", n)] if symmetric else [program.task(f"reader{i + 1}") for i in range(n)]
    for reader in readers:
        reader.mutex_lock(lock).load(pointer, slot)
        if bug:
            reader.mutex_unlock(lock)
        with reader.when(pointer):
            reader.refcount_inc_not_zero(got, OBJECT.count(pointer))
        if not bug:
            reader.mutex_unlock(lock)
        with reader.when(got):
            reader.load(value, OBJECT.payload(pointer)).refcount_dec_and_test(last, OBJECT.count(pointer))
            with reader.when(last):
                reader.kfree(pointer)

    remover = program.task("remover")
    remover.mutex_lock(lock).load(pointer, slot).store(slot, 0).mutex_unlock(lock)
    remover.refcount_dec_and_test(last, OBJECT.count(pointer))
    with remover.when(last):
        remover.kfree(pointer)
    return program
