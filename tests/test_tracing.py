# SPDX-License-Identifier: GPL-2.0-only
"""Debuggers, profilers and coverage see the handlers on workers, as on every thread that Python starts."""

import sys
import threading

import pytest

import iopf


@pytest.fixture
def no_hooks():
    """The hooks of the run itself (coverage has some) come back after the test."""
    trace, profile, own = threading.gettrace(), threading.getprofile(), sys.gettrace()
    threading.settrace(None)
    threading.setprofile(None)
    yield
    threading.settrace(trace)
    threading.setprofile(profile)
    sys.settrace(own)


@pytest.fixture
def worker(runtime, no_hooks):
    """``worker(function)`` calls it in a handler on the queue's only worker, and comes back when it did."""
    with iopf.Queue("q", runtime=runtime) as queue:
        device = iopf.Device("d")
        queue.add(device)
        calls = []

        def handler(group):
            group.respond()
            calls.pop()()

        device.attach(iopf.Work(handler))

        def worker(function):
            calls.append(function)
            device.report(addr=0)
            device.flush()

        yield worker


def collector(seen):
    """A trace or profile function that notes which functions of this file were called, and in which thread."""

    def note(frame, event, arg):
        if event == "call" and frame.f_code.co_filename == __file__:
            seen.append((frame.f_code.co_name, threading.get_ident()))
        return note

    return note


@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_handlers_on_workers_are_seen_once_the_hook_is_set_and_not_after(worker, kind):
    """
    1. The worker has run a handler: it is a thread already.
    2. A hook for all threads is set: the next handler is seen.
    3. It is taken back: the next handler is not, and nothing is left on the thread.
    """
    set_hook, get_here = getattr(threading, f"set{kind}"), getattr(sys, f"get{kind}")
    seen, here = [], []

    def look():
        here.append(get_here())

    worker(look)
    hook = collector(seen)
    set_hook(hook)
    worker(look)
    assert {"handler", "look"} == {name for name, _ in seen}
    assert {threading.get_ident()}.isdisjoint({thread for _, thread in seen})
    set_hook(None)
    seen.clear()
    worker(look)
    assert ([], [None, hook, None]) == (seen, here)


def test_a_response_on_a_worker_is_seen_too(runtime, no_hooks):
    """on_response runs there when the work answered."""
    seen = []

    def told(response):
        pass

    with iopf.Queue("q", runtime=runtime) as queue:
        device = iopf.Device("d", on_response=told)
        queue.add(device)
        device.attach(iopf.SVA(iopf.AddressSpace()), pasid=1)
        threading.settrace(collector(seen))
        device.report(addr=0, pasid=1)
        device.flush()
    assert ["told"] == [name for name, _ in seen]


def test_a_thread_of_python_keeps_what_it_has(runtime, no_hooks):
    """With no workers the works run in the thread that reports, whose hooks are its own."""
    seen, here = [], []
    with iopf.Queue("q", runtime=runtime, workers=0) as queue:
        device = iopf.Device("d")
        queue.add(device)
        device.attach(iopf.Work(lambda group: (here.append(sys.gettrace()), group.respond())))
        threading.settrace(collector(seen))
        before = sys.gettrace()
        device.report(addr=0)
    assert ([before], []) == (here, seen)


def test_what_a_debugger_sets_in_a_handler_stays(worker):
    """breakpoint() sets a trace function of that thread; the hook for all threads has not changed."""
    here = []

    def mine(frame, event, arg):
        return None

    worker(lambda: sys.settrace(mine))
    worker(lambda: here.append(sys.gettrace()))
    worker(lambda: sys.settrace(None))
    assert [mine] == here
