# SPDX-License-Identifier: GPL-2.0-only
"""Every pair of public calls, in two threads, on the same objects: a program of its own, which test_pairs.py runs.

    python tests/pairs.py --runtime native --rounds 5 --seed 1

What is called is found by looking: each public method, each property, and each special method of the classes below, and
the collector. A method that takes arguments has a recipe here; one without a recipe ends the program with a sentence.
Any exception but the package's own ends it, too, and so does whatever the process dies of. Freed memory is poisoned by
who starts it: MALLOC_PERTURB_ for what is the C library's, IOPF_POISON for native's objects, or a sanitizer.
"""

import argparse
import contextlib
import faulthandler
import gc
import inspect
import itertools
import random
import struct
import sys
import threading

import iopf

CLASSES = (iopf.Queue, iopf.Device, iopf.AddressSpace, iopf.Group)
#: Special methods that are part of the public surface; ``with`` is one call, of __enter__ and __exit__.
SPECIAL = ("__repr__", "__enter__")
REQUEST = struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, 3, 1, 5, 1, 0x1000, 0, 0)


class Stand:
    """The objects of one round: two devices of one iommu group on a queue, with a group out and works on the way."""

    def __init__(self, runtime, workers):
        self.runtime = runtime
        self.groups = []
        self.space = iopf.AddressSpace()
        self.space.map(0x1000, 0x3000, "rw")
        self.queue = iopf.Queue("q", runtime=runtime, workers=workers)
        self.device = iopf.Device("d", on_response=lambda response: None)
        self.sibling = iopf.Device("s", group=self.device)
        self.queue.add(self.device)
        self.queue.add(self.sibling)
        self.device.attach(iopf.SVA(self.space), pasid=1)
        self.device.attach(self.groups.append, pasid=2)
        self.device.attach(iopf.Work(lambda group: group.respond()), pasid=3)
        self.device.report(addr=0x1000, grpid=7, pasid=2)
        self.group = self.groups.pop()
        self.device.report(addr=0x1000, grpid=1, pasid=1, last=False)
        self.device.report(addr=0x1000, grpid=2, pasid=1)
        self.device.report(addr=0x1000, grpid=3, pasid=3)
        self.device.report_many(REQUEST * 60)

    def end(self):
        """Whatever the round left open."""
        for closed in (self.device, self.sibling, self.queue):
            closed.close()
        if not self.group.answered:
            with contextlib.suppress(iopf.AlreadyAnswered):
                self.group.respond()
        while self.groups:
            self.groups.pop().respond()


def _other_queue(stand):
    """Moves the device to a queue that comes and goes."""
    with iopf.Queue("other", runtime=stand.runtime) as other:
        stand.queue.remove(stand.device)
        other.add(stand.device)
        stand.device.report(addr=0x1000, grpid=9, pasid=1)


#: How a method with arguments is called.
RECIPES = {
    "Queue.add": lambda s: s.queue.add(s.device),
    "Queue.remove": lambda s: s.queue.remove(s.device),
    "Device.attach": lambda s: s.device.attach(iopf.SVA(s.space), pasid=4),
    "Device.replace": lambda s: s.device.replace(iopf.Work(lambda group: group.respond()), pasid=1),
    "Device.detach": lambda s: s.device.detach(pasid=1),
    "Device.report": lambda s: s.device.report(addr=0x1000, grpid=4, pasid=1),
    "Device.report_many": lambda s: s.device.report_many(REQUEST * 3),
    "AddressSpace.map": lambda s: s.space.map(0x8000, 0x1000, "r"),
    "AddressSpace.unmap": lambda s: s.space.unmap(0x1000, 0x1000),
    "AddressSpace.protect": lambda s: s.space.protect(0x1000, 0x1000, "r"),
    "Group.respond": lambda s: s.group.respond(iopf.ResponseCode.SUCCESS),
}
#: What is no method: the collector, the last reference, a second device, another queue.
BESIDE = {
    "collect": lambda s: gc.collect(0),
    "drop the device": lambda s: s.__dict__.update(device=s.sibling),
    "drop the queue": lambda s: s.__dict__.update(queue=s.sibling.queue or s.queue),
    "close the sibling": lambda s: s.sibling.close(),
    "another of the iommu group": lambda s: iopf.Device("t", group=s.sibling),
    "to another queue and back": _other_queue,
    "live_objects": lambda s: iopf.live_objects(),
}


class NoRecipe(Exception):
    """A public method that the table above does not know how to call."""


def _subject(stand, cls):
    return getattr(
        stand, {"Queue": "queue", "Device": "device", "AddressSpace": "space", "Group": "group"}[cls.__name__]
    )


def _member_call(cls, name):
    found = inspect.getattr_static(cls, name)
    label = f"{cls.__name__}.{name}"
    if label in RECIPES:
        return RECIPES[label]
    if isinstance(found, property):
        return lambda stand: getattr(_subject(stand, cls), name)
    if name == "__enter__":

        def enter_and_exit(stand):
            with _subject(stand, cls):
                pass

        return enter_and_exit
    function = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
    needs = [p for p in list(inspect.signature(function).parameters.values())[1:] if p.default is p.empty]
    if needs:
        raise NoRecipe(
            f"{label} takes {', '.join(p.name for p in needs)}: say in RECIPES of tests/pairs.py how to call it"
        )
    return lambda stand: getattr(_subject(stand, cls), name)()


def calls():
    """Every call by its name."""
    found = {}
    for cls in CLASSES:
        for name in dir(cls):
            if not name.startswith("_") and (
                callable(getattr(cls, name)) or isinstance(inspect.getattr_static(cls, name), (property,))
            ):
                found[f"{cls.__name__}.{name}"] = _member_call(cls, name)
        for name in SPECIAL:
            if name in vars(cls):
                found[f"{cls.__name__}.{name}"] = _member_call(cls, name)
    return {**found, **BESIDE}


class Pair:
    """Two threads that begin together, round after round."""

    def __init__(self):
        self._barrier = threading.Barrier(2)
        self._wanted = None
        self._error = None
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()

    def _main(self):
        while True:
            self._barrier.wait()
            if self._wanted is None:
                return
            call, stand = self._wanted
            try:
                attempt(call, stand)
            except BaseException as error:
                self._error = error
            del call, stand
            self._barrier.wait()

    def round(self, first, second, stand):
        """One call in each thread."""
        self._wanted = (second, stand)
        self._barrier.wait()
        try:
            attempt(first, stand)
        finally:
            self._barrier.wait()
            self._wanted = None
        if self._error is not None:
            raise self._error

    def end(self):
        """The thread ends."""
        self._wanted = None
        self._barrier.wait()
        self._thread.join()


def attempt(call, stand):
    """What a call of the package may say is fine: closed, not on a queue, taken, answered before."""
    for _ in range(3):
        try:
            call(stand)
        except iopf.IopfError:
            pass


def unguarded(name):
    """For the negative control: a way into C as it would be without the guard."""
    from iopf import _runtime

    runtime = _runtime.get(name)
    queue = iopf.Queue("q", runtime=name, workers=0)
    device = iopf.Device("d", record=False)
    queue.add(device)
    device_pointer, queue_pointer = device._helds[-1].pointer, queue._held._pointer
    raw = runtime.ffi.new("struct iopf_statistics *")
    queue.remove(device)
    print("freeing", flush=True)
    if "queue" in sys.argv:
        queue.close()
        runtime.lib.iopf_queue_wait_idle(queue_pointer, 0)
    else:
        del device  # nothing comes between that could use the memory again
        runtime.lib.iopf_device_statistics(device_pointer, raw)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runtime", default="native")
    parser.add_argument("--rounds", type=int, default=5, help="of each pair")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=int, default=500, help="seconds, then the stacks are shown and it ends")
    parser.add_argument("--only", action="append", help="a call; twice: this pair")
    parser.add_argument("--unguarded", choices=["device", "queue"], help="the negative control: has to die")
    arguments = parser.parse_args()
    faulthandler.enable()
    faulthandler.dump_traceback_later(arguments.patience, exit=True)
    sys.setswitchinterval(1e-6)
    if arguments.unguarded:
        unguarded(arguments.runtime)
        return
    rng = random.Random(arguments.seed)
    table = calls()
    pairs = list(itertools.combinations_with_replacement(sorted(table), 2))
    if arguments.only:
        pairs = [pair for pair in pairs if set(arguments.only) <= set(pair)]
    rng.shuffle(pairs)
    pair, rounds = Pair(), 0
    done = dict.fromkeys(table, 0)
    for names in pairs:
        for i in range(arguments.rounds):
            first, second = names if rng.random() < 0.5 else names[::-1]
            stand = Stand(arguments.runtime, rng.choice([0, 1, 2]))
            try:
                pair.round(table[first], table[second], stand)
            except BaseException as error:
                print(
                    f"{first} beside {second}, round {i}: {type(error).__name__}: {error}", file=sys.stderr, flush=True
                )
                raise
            stand.end()
            done[first] += 1
            done[second] += 1
            rounds += 1
            del stand
    pair.end()
    gc.collect()
    live = iopf.live_objects()
    if live:
        raise SystemExit(f"{live} live objects: {iopf.live_objects(detail=True)}")
    late = [str(site) for site in iopf.warnings() if "kfree" in site.reason]
    if late:
        raise SystemExit(f"freed memory was used: {late}")
    print(f"{len(table)} calls, {len(pairs)} pairs, {rounds} rounds, seed {arguments.seed}")
    print("never called:", ", ".join(sorted(name for name, n in done.items() if not n)) or "none")


if __name__ == "__main__":
    main()
