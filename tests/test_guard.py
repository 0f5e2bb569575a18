# SPDX-License-Identifier: GPL-2.0-only
"""Who is in a call on a C object holds it, whatever others do meanwhile: the races, step by step.

What C is called with is watched through a library that does something else first. tests/pairs.py tries everything
beside everything; here each step has its place.
"""

import ast
import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

import iopf
from iopf import _held, _runtime

PACKAGE = Path(iopf.__file__).parent
PAIRS = Path(__file__).with_name("pairs.py")
SANITIZED = "-fsanitize=" in iopf.build_info()["flags"]


class Watched:
    """The C functions of a runtime; ``before[name]`` is called first, once, with the call's arguments."""

    def __init__(self, lib):
        self._lib = lib
        self.before = {}

    def __getattr__(self, name):
        function = getattr(self._lib, name)
        hook = self.__dict__["before"].get(name)
        if hook is None:
            return function

        def call(*arguments):
            if self.before.pop(name, None):
                hook(*arguments)
            return function(*arguments)

        return call


@pytest.fixture
def watched(runtime, monkeypatch):
    """The runtime's library, watched."""
    found = _runtime.get(runtime)
    watched = Watched(found.lib)
    monkeypatch.setattr(found, "lib", watched)
    return watched


def queue_objects():
    """Live C queues."""
    return sum(n for site, n in iopf.live_objects(detail=True).items() if site.function == "iopf_queue_alloc")


def in_another_thread(call):
    """Makes a call in a thread of its own, and waits for it."""
    errors = []

    def main():
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=main)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "the call waits for the one that it runs beside"
    if errors:
        raise errors[0]


@pytest.mark.threads
class TestFlush:
    """A flush waits in C for a queue's works: every queue that it may come to outlives it."""

    def test_a_queue_that_is_closed_meanwhile_goes_with_the_flush(self, runtime, watched, expect_warnings):
        """
        1. A flush is about to enter C.
        2. Another thread closes the queue, and comes back.
        3. The flush goes on, on a queue that is still there. When it is over the queue is not.
        """
        expect_warnings("iopf_queue_flush_dev")
        queue, device = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        queue.add(device)
        there = []

        def close(_pointer):
            in_another_thread(queue.close)
            there.append((queue.closed, queue_objects()))

        watched.before["iopf_device_flush"] = close
        expected = queue_objects()
        with pytest.raises(iopf.NotOnQueue):
            device.flush()
        assert ([(True, expected)], 0) == (there, queue_objects())

    def test_so_does_a_queue_that_the_device_came_to_meanwhile(self, runtime, watched, expect_warnings):
        """
        1. A flush is about to enter C, with the device on the first queue.
        2. Another thread moves the device to a second queue and closes that one.
        3. Whichever of them the flush finds, both are still there.
        """
        expect_warnings("iopf_queue_flush_dev")
        first, second = iopf.Queue("first", runtime=runtime), iopf.Queue("second", runtime=runtime)
        device = iopf.Device("d")
        first.add(device)
        both, there = queue_objects(), []

        def move():
            first.remove(device)
            second.add(device)
            first.close()
            second.close()

        def move_meanwhile(_pointer):
            in_another_thread(move)
            there.append(queue_objects())

        watched.before["iopf_device_flush"] = move_meanwhile
        with pytest.raises(iopf.NotOnQueue):
            device.flush()
        assert ([both], 0) == (there, queue_objects())

    def test_of_a_device_on_no_queue_it_does_not_touch_that_device(self, runtime, watched, expect_warnings):
        """It could be added to a queue meanwhile, and that queue closed: C counts the mistake on another device."""
        device = iopf.Device("d")
        queue = iopf.Queue("q", runtime=runtime)
        queue.add(device)
        queue.remove(device)
        flushed = []
        watched.before["iopf_device_flush"] = flushed.append
        with pytest.raises(iopf.NotOnQueue):
            device.flush()
        assert [False] == [pointer == device._helds[-1].pointer for pointer in flushed]
        expect_warnings("iopf_queue_flush_dev")
        queue.close()

    def test_a_device_that_is_added_while_its_queue_closes_is_not_left_there(self, runtime, watched):
        """
        1. A device is about to be added, in C.
        2. Another thread closes the queue: there is no device on it yet.
        3. The add finds out, takes the device off again and says so; the queue goes with it.
        """
        queue, device = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        _runtime.get(runtime)  # the device takes the runtime before the hook
        device._group.decide(queue._runtime, queue.core)
        watched.before["iopf_queue_add"] = lambda *_: in_another_thread(queue.close)
        with pytest.raises(iopf.Closed):
            queue.add(device)
        assert (None, 0) == (device.queue, queue_objects())


@pytest.mark.threads
class TestClose:
    """close() waits for works alone: called from a callback, a finaliser or a signal handler it comes back."""

    def closing(self, runtime):
        queue = iopf.Queue("q", runtime=runtime)
        device = iopf.Device("d", on_response=lambda response: queue.close())
        queue.add(device)
        kept = []
        device.attach(kept.append)
        device.report(addr=0)
        return queue, device, kept

    @pytest.mark.parametrize("what", ["remove", "close", "close of the device", "respond"])
    def test_from_a_callback_of_the_same_queue(self, runtime, what):
        """The call it is made from is on the queue, too."""
        queue, device, kept = self.closing(runtime)
        {
            "remove": lambda: queue.remove(device),
            "close": queue.close,
            "close of the device": device.close,
            "respond": lambda: kept[0].respond(),
        }[what]()
        if what != "respond":
            assert kept.pop().respond() is False
        assert (True, 0) == (queue.closed, queue_objects())

    def test_of_two_queues_in_each_others_callbacks(self, runtime):
        """Each thread is in the middle of closing one, and closes the other: neither waits for the other."""
        barrier = threading.Barrier(2, timeout=30)
        queues = [iopf.Queue(name, runtime=runtime) for name in "ab"]
        devices, kept = [], []
        for i in range(2):

            def cross(response, other=queues[1 - i]):
                barrier.wait()
                other.close()

            device = iopf.Device("d", on_response=cross)
            queues[i].add(device)
            device.attach(kept.append)
            device.report(addr=0)
            devices.append(device)
        thread = threading.Thread(target=queues[0].close)
        thread.start()
        queues[1].close()
        thread.join(30)
        assert not thread.is_alive()
        assert ([True, True], 0) == ([queue.closed for queue in queues], queue_objects())
        for group in kept:
            group.respond()

    def test_from_a_signal_handler_in_a_flush(self, runtime):
        """The handler runs between two slices of the flush's wait, which the queue outlives."""
        began, go = threading.Event(), threading.Event()

        def work(group):
            began.set()
            go.wait(30)
            group.respond()

        def handler(*_):
            go.set()
            queue.close()

        queue, device = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        queue.add(device)
        device.attach(iopf.Work(work))
        device.report(addr=0)
        assert began.wait(30)
        before = signal.signal(signal.SIGUSR1, handler)
        try:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            device.flush()
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert (True, 0) == (queue.closed, queue_objects())

    def test_from_a_finaliser_in_a_callback_of_the_queue(self, runtime):
        """As the collector would run it, at any moment."""
        queue = iopf.Queue("q", runtime=runtime)

        class Closes:
            def __del__(self):
                queue.close()

        def collect(response):
            Closes()

        device = iopf.Device("d", on_response=collect)
        queue.add(device)
        device.attach(iopf.Inline())
        device.report(addr=0)
        queue.remove(device) if not queue.closed else None
        assert (True, 0) == (queue.closed, queue_objects())

    def test_from_a_work_beside_another_close(self, runtime):
        """
        1. A work runs.
        2. Another thread closes the queue and waits for it.
        3. The work closes the queue: told at once that it would wait for itself, and it does not wait for the other.
        """
        began, told = threading.Event(), []

        def work(group):
            began.set()
            while not queue._closing:
                pass
            try:
                queue.close()
            except iopf.WouldDeadlock as error:
                told.append(error.errno)
            group.respond()

        queue, device = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        queue.add(device)
        device.attach(iopf.Work(work))
        device.report(addr=0)
        assert began.wait(30)
        in_another_thread(queue.close)
        assert 1 == len(told)


@pytest.mark.threads
class TestCollection:
    """What has been finalised may be met again, through a weak reference or in a cycle: it is closed then."""

    def test_the_last_device_of_a_group_detaches_with_its_own(self, runtime, watched):
        """
        1. Two devices of an iommu group; the first is closed.
        2. The second is closed, and about to detach what they share.
        3. The first is collected meanwhile. It is not what C was given.
        """
        devices = [iopf.Device("a")]
        second = iopf.Device("b", group=devices[0])
        with iopf.Queue("q", runtime=runtime) as queue:
            queue.add(second)
        second.attach(iopf.Inline(), pasid=1)
        devices[0].close()
        used = []

        def collect(pointer, _index):
            devices.clear()
            gc.collect()
            used.append(pointer)

        watched.before["iopf_detach"] = collect
        second.close()
        assert [True] == [pointer == second._helds[-1].pointer for pointer in used]

    def test_a_device_found_while_it_is_finalised_is_closed(self, runtime):
        """Its finaliser answers what is outstanding, and whoever is told may have a weak reference."""
        found = []
        queue = iopf.Queue("q", runtime=runtime)
        device = iopf.Device("d", on_response=lambda response: found.append(reference()))
        reference = weakref.ref(device)
        queue.add(device)
        kept = []
        device.attach(kept.append)
        device.report(addr=0)
        del device
        gc.collect()
        queue.close()
        kept.pop().respond()
        again = [device for device in found if device is not None]
        for device in again:
            for call in (
                iopf.Device.flush,
                iopf.Device.statistics,
                lambda device: device.responses,
                queue.add,
                lambda device: device.report(addr=0),
                lambda device: device.attach(iopf.Inline()),
                iopf.Device.clear_responses,
            ):
                with pytest.raises(iopf.Closed):
                    call(device)
            repr(device)
        found.clear()

    def test_a_finaliser_of_the_same_cycle_is_told_that_it_is_closed(self, runtime):
        """Python runs them in no promised order: whatever it calls is either done or refused."""
        called = []

        class Last:
            def __init__(self, things):
                self.things, self.me = things, self

            def __del__(self):
                device, queue, space = self.things
                for call in (
                    device.flush,
                    lambda: device.report(addr=0),
                    device.detach,
                    device.close,
                    repr,
                    device.statistics,
                    queue.statistics,
                    queue.close,
                    lambda: space.map(0x1000, 0x1000, "r"),
                    lambda: space.areas,
                    lambda: device.attach(iopf.SVA(space), pasid=2),
                    lambda: iopf.Device("x", group=device),
                ):
                    try:
                        call(device) if call is repr else call()
                    except iopf.IopfError:
                        pass
                    called.append(1)

        for first in (True, False):
            things = [iopf.Device("d"), iopf.Queue("q", runtime=runtime), iopf.AddressSpace()]
            things[1].add(things[0])
            things[0].attach(iopf.SVA(things[2]), pasid=1)
            for thing in things:
                thing.cycle = things
            last = Last(things)
            things.append(last) if first else things.insert(0, last)
            last.things = [thing for thing in things if thing is not last]
            del things, last, thing
            gc.collect()
        assert 24 == len(called)
        iopf.clear_warnings()  # of calls that were done

    def test_nothing_of_what_was_collected_is_kept(self, runtime):
        """The table of owners is empty of it."""
        before = len(_held._owned)
        for _ in range(20):
            with iopf.Queue("q", runtime=runtime) as queue:
                device = iopf.Device("d", group=iopf.Device("e"))
                queue.add(device)
                device.attach(iopf.SVA(iopf.AddressSpace()), pasid=1)
        del device, queue
        gc.collect()
        assert before >= len(_held._owned)


@pytest.mark.parametrize(
    "how",
    [copy.copy, copy.deepcopy, pickle.dumps, lambda thing: thing.__reduce__()],
    ids=["copy", "deepcopy", "pickle", "reduce"],
)
@pytest.mark.parametrize("what", ["Queue", "Device", "AddressSpace", "Group"])
def test_what_stands_for_a_c_object_is_not_copied(runtime, what, how):
    """A copy would free it a second time. What contains one is not copied deeply, either."""
    kept = []
    space, device = iopf.AddressSpace(), iopf.Device("d")
    with iopf.Queue("q", runtime=runtime) as queue:
        queue.add(device)
        device.attach(kept.append)
        device.report(addr=0)
        thing = {"Queue": queue, "Device": device, "AddressSpace": space, "Group": kept[0]}[what]
        with pytest.raises(TypeError, match=f"{what} can't be copied or pickled.*make another one"):
            how(thing)
        if what == "AddressSpace" and how in (copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="AddressSpace can't be copied"):
                how(iopf.SVA(space))
        kept.pop().respond()


def test_every_class_that_has_a_pointer_is_one_that_is_not_copied():
    """By looking at every module of the package: who keeps a Held, a Counted or a C group."""
    for path in sorted(PACKAGE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.ClassDef)
                and any(isinstance(part, ast.FunctionDef) and part.name == "__del__" for part in node.body)
                and not node.name.startswith("_")
                and path.name != "_held.py"
            ):
                assert "Unique" in [ast.unparse(base) for base in node.bases], (
                    f"{path.name}: {node.name} has a finaliser"
                )


def c_calls(tree):
    """Each call of a C function, with the function it stands in."""
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.Lambda)):
            continue
        for node in ast.walk(function):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr.startswith("iopf_")
            ):
                yield function, node


def unheld(source):
    """C calls that are given a pointer which no local variable holds."""
    found = []
    for _function, call in c_calls(ast.parse(source)):
        for argument in call.args:
            for part in ast.walk(argument):
                if not isinstance(part, ast.Attribute) or ("pointer" not in part.attr and part.attr != "_held"):
                    continue
                if not (isinstance(part.value, ast.Name) and part.value.id != "self" and part.attr == "pointer"):
                    found.append(f"line {call.lineno}: {ast.unparse(call)}")
    return sorted(set(found))


@pytest.mark.parametrize("module", ["device", "queue", "space", "run"])
def test_every_pointer_that_goes_into_c_is_held_by_a_local_variable(module):
    """``self.thing.pointer`` would be held by an attribute, which another thread can change during the call."""
    assert [] == unheld((PACKAGE / f"{module}.py").read_text())


def test_a_pointer_that_nobody_holds_is_found():
    """The negative control of the test above."""
    wrong = "def f(self):\n lib.iopf_device_put(self._held.pointer)\n lib.iopf_detach(self._pointer, 0)\n"
    assert 2 == len(unheld(wrong + " held = self._live()\n lib.iopf_detach(held.pointer, 0)\n"))


def run_pairs(runtime, *arguments):
    env = {**os.environ, "MALLOC_PERTURB_": "165", "IOPF_POISON": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *filter(None, [env.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", str(PAIRS), "--runtime", runtime, *arguments],
        capture_output=True,
        text=True,
        env=env,
        timeout=7000,
    )


@pytest.mark.threads
def test_every_pair_of_public_calls_in_two_threads(runtime, seed):
    """With poisoned memory. Each pair a few times, and often those of a flush, a report and a close."""
    done = run_pairs(runtime, "--seed", str(seed), "--rounds", "1" if SANITIZED else "3")
    assert (0, "") == (done.returncode, done.stderr), f"--seed={seed}\n{done.stdout}"
    assert "never called: none" in done.stdout
    for only in (
        ("Device.flush", "Queue.close"),
        ("Device.close", "drop the device"),
        ("Device.report_many", "Queue.close"),
    ):
        words = [word for name in only for word in ("--only", name)]
        done = run_pairs(runtime, "--seed", str(seed), "--rounds", "50" if SANITIZED else "400", *words)
        assert (0, "") == (done.returncode, done.stderr), f"--seed={seed}\n{done.stdout}"


@pytest.mark.threads
@pytest.mark.long
def test_every_pair_of_public_calls_thousands_of_times(runtime, seed):
    """Minutes to an hour."""
    done = run_pairs(runtime, "--seed", str(seed), "--rounds", "200" if SANITIZED else "2000", "--patience", "6900")
    assert (0, "") == (done.returncode, done.stderr), f"--seed={seed}\n{done.stdout}"


@pytest.mark.parametrize("runtime, what", [("native", "device"), ("plain", "device"), ("native", "queue")])
def test_a_call_without_the_guard_dies(runtime, what):
    """The negative control: a device that was put, a queue that was closed, given to C all the same.

    plain's queue is the C library's memory at once, and somebody else's before the call comes.
    """
    done = run_pairs(runtime, "--unguarded", what)
    assert "freeing\n" == done.stdout
    assert done.returncode < 0 or (SANITIZED and done.returncode), done.stderr


def test_a_public_method_without_a_recipe_is_told(monkeypatch):
    """Whoever adds one that takes arguments is told where to say how it is called."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("pairs", PAIRS)
    pairs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pairs)
    known = set(pairs.calls())
    assert {
        "Queue.close",
        "Device.flush",
        "AddressSpace.areas",
        "Group.respond",
        "Device.queue",
        "Queue.__repr__",
    } <= known
    monkeypatch.setattr(iopf.Device, "new_call", lambda self, what: None, raising=False)
    with pytest.raises(pairs.NoRecipe, match=r"Device.new_call takes what: say in RECIPES"):
        pairs.calls()
    monkeypatch.setattr(iopf.Device, "new_call", lambda self: None)
    assert {"Device.new_call"} == set(pairs.calls()) - known
