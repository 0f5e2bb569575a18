# SPDX-License-Identifier: GPL-2.0-only
"""The kernel primitives, in every runtime that runs on threads.

Each test gets the face of one runtime (``tests/csrc/primitives.h``, without its prefix) and leaves nothing behind: when
it is over there is a grace period, and then no object more than before and no warning that the test did not ask for.
That makes every test that expects none a clean one for every guard it passes.
"""

import importlib
import queue
import threading
import time
from concurrent.futures import Future, wait

import pytest

#: How long a test waits for what must happen, and for what must not, in seconds.
PATIENCE = 60
MOMENT = 0.05


class Thread:
    """A thread that makes the calls it is sent, one after the other."""

    def __init__(self):
        self._calls = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()

    def _main(self):
        while call := self._calls.get():
            future, function, args = call
            try:
                future.set_result(function(*args))
            except BaseException as error:
                future.set_exception(error)

    def start(self, function, *args):
        """Sends a call and returns its future."""
        future = Future()
        self._calls.put((future, function, args))
        return future

    def call(self, function, *args):
        """Sends a call and waits for its result."""
        return self.start(function, *args).result(PATIENCE)

    def end(self):
        """Lets the thread end once it has made its calls."""
        self._calls.put(None)

    def join(self):
        """Waits for its end."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


class Runtime:
    """The primitives of one runtime: every function and constant of the face, without ``iopf_prim_``."""

    def __init__(self, name, semantics):
        self.name = name
        self.ffi, self.lib = semantics.load(name)
        self._sanitizers = semantics.sanitizers(importlib.import_module(f"iopf._{name}"))
        self._threads = []

    def __getattr__(self, name):
        prefix = "IOPF_PRIM_" if name.isupper() else "iopf_prim_"
        return getattr(self.lib, prefix + name)

    def skip_under(self, sanitizer, reason):
        """Skips the test in a build with this sanitizer."""
        if any(sanitizer in flag.partition("=")[2].split(",") for flag in self._sanitizers):
            pytest.skip(reason)

    def thread(self):
        """Another thread, which ends with the test."""
        self._threads.append(Thread())
        return self._threads[-1]

    def end_threads(self):
        """Ends all that thread() made."""
        ending, self._threads = self._threads, []
        for thread in ending:
            thread.end()
        for thread in ending:
            thread.join()

    def text(self, chars):
        """A C string as a str."""
        return self.ffi.string(chars).decode()

    def warning_places(self):
        """Every warning that was counted: file, function, reason and hits."""
        places = self.ffi.new("struct iopf_prim_warning[64]")
        n = self.warnings(places, 64)
        return [(self.text(p.file), self.text(p.function), self.text(p.reason), p.hits) for p in places[0:n]]

    def warned(self):
        """How often each reason was counted since the last call."""
        hits = {}
        for _file, _function, reason, n in self.warning_places():
            hits[reason] = hits.get(reason, 0) + n
        self.warn_clear()
        self.read_messages()
        return hits

    def read_messages(self):
        """The kernel messages since the last call."""
        text = self.ffi.new("char[]", self.TEXT)
        messages = []
        while self.message(text) >= 0:
            messages.append(self.text(text))
        self.messages_dropped()
        return messages

    def live(self):
        """How many objects are allocated, once everything that was deferred has been freed."""
        self.rcu_barrier()
        return self.slab_live()

    def eventually(self, condition):
        """Waits until the condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "what the test waits for did not come"
            time.sleep(0.001)

    def moment(self, seconds=MOMENT):
        """Gives others time: for what must not happen, or so that they mostly come first. On a slow machine the test
        shows less then; it never fails for it."""
        time.sleep(seconds)

    def blocked(self, future):
        """Is the call still going on after a moment?"""
        return not wait([future], MOMENT).done


@pytest.fixture(autouse=True)
def _clean():
    """In place of the accounting around every other test: here ``runtime`` does it, for one runtime."""


@pytest.fixture(scope="module", params=["native", "plain"])
def _runtime(request, semantics):
    return Runtime(request.param, semantics)


@pytest.fixture
def runtime(_runtime):
    """The primitives of a runtime. Afterwards: no object and no warning is left."""
    _runtime.warned()
    before = _runtime.live()
    yield _runtime
    while _runtime.rcu_read_lock_held():
        _runtime.rcu_read_unlock()
    _runtime.end_threads()
    assert (0, {}) == (_runtime.live() - before, _runtime.warned())


@pytest.fixture
def native(runtime):
    """The primitives of native alone: for what only that runtime does, such as barriers that others are made to pass."""
    if runtime.name != "native":
        pytest.skip("this is native's way")
    return runtime


@pytest.fixture
def other(runtime):
    """One more thread."""
    return runtime.thread()
