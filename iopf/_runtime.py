# SPDX-License-Identifier: GPL-2.0-only
"""The edge to C: the extension modules, callbacks, kernel messages, and what a fork does.

No cffi object leaves the package. C calls Python in three places only, and never with a lock of a core held: a handler,
a response, and "shall I go on waiting?". An exception cannot pass through C, so it is kept for the thread and raised
when the call that caused it is back; one from a work item is kept with its queue.
"""

from __future__ import annotations

import atexit
import errno
import functools
import importlib
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from ._csrc_tools import CHECKOUT, csrc, tool

if TYPE_CHECKING:

    class CData:
        """An object of cffi, a pointer, a structure or an array, as type checkers see it: what it has is C's to say, and
        so Any; the object itself has a type, and a place that takes or gives one says so."""

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: object) -> None: ...
        def __getitem__(self, index: int) -> Any: ...
        def __len__(self) -> int: ...
else:
    CData = object

log = logging.getLogger("iopf")
log.addHandler(logging.NullHandler())

#: The runtimes that run on threads.
RUNTIMES = ("native", "plain")

_BUILD = (
    "Install iopf with pip (it needs gcc or clang and the Python headers), or, in a checkout, build the extensions again"
    " with: pip install ."
)

#: Counts forks: an object from before one is dead in the child.
generation = 0


class MissingExtension(ImportError):
    """An extension module is missing, broken, older than the sources beside it, or cannot be used in this interpreter."""


_SUBINTERPRETER = (
    "iopf works in the main interpreter only, and this is a subinterpreter: C calls the handlers in the interpreter that"
    " loaded it first. Use iopf in the main interpreter, or in a process of its own (multiprocessing)"
)


def _in_subinterpreter() -> bool:
    """Python has no public way to ask. Where its private one is missing, nothing can have made a subinterpreter with it."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        # An object, or from 3.13 on a tuple that begins with the number.
        return bool(interpreters.get_current() != interpreters.get_main())
    return False


class _Followed(threading.local):
    """What this thread has of threading.settrace() and setprofile(); foreign: it is none of Python's."""

    any = False  # of all threads
    foreign: bool | None = None
    trace: Any = None
    profile: Any = None


_followed = _Followed()


def _follow() -> None:
    """Lets debuggers, profilers and coverage see the handlers on a worker, as they see every thread that Python starts.

    Such a thread asks once, when it begins. A worker is C's, so it asks at each callback, and takes out what it put in
    when it is not wanted any more. What a debugger sets for this thread alone is left as it is.
    """
    mine = _followed
    if mine.foreign is None:
        known = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]
        mine.foreign = known is None or isinstance(known, threading._DummyThread)
    if not mine.foreign:
        return
    _Followed.any = True
    trace, profile = threading.gettrace(), threading.getprofile()
    if profile is not mine.profile:
        mine.profile = profile
        sys.setprofile(profile)
    if trace is not mine.trace:
        mine.trace = trace
        sys.settrace(trace)


class _Pending(threading.local):
    """Exceptions of callbacks that the current call of this thread has to raise."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []


pending = _Pending()

#: How many exceptions of callbacks are kept until a call can raise them.
KEPT = 100


class NotKept(Exception):
    """In the place of the exceptions of callbacks that came after the first hundred which no call had raised yet."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 1

    def __str__(self) -> str:
        return f"after {KEPT} exceptions that were kept {self.count} more came and were not"


def keep_first(errors: list[BaseException], error: BaseException) -> None:
    """Keeps an exception among others, or counts it."""
    last = errors[-1] if errors else None
    if isinstance(last, NotKept):
        last.count += 1
    else:
        errors.append(error if len(errors) < KEPT else NotKept())


#: Python handlers by number, from when they are detached until no group in flight needs them.
detached: dict[int, Any] = {}


@functools.cache
def _checkout_hash() -> str | None:
    """The hash of the sources, when the package is used from a checkout."""
    if csrc() != CHECKOUT or os.environ.get("IOPF_ALLOW_STALE"):
        return None
    return str(tool("build").sources_hash())


def load_extension(name: str) -> Any:
    """The extension module ``iopf._<name>``; MissingExtension says what to do when there is none that fits."""
    if not sys.platform.startswith("linux"):
        raise MissingExtension(f"iopf runs on Linux only, this is {sys.platform}")
    if _in_subinterpreter():
        raise MissingExtension(_SUBINTERPRETER)
    try:
        module = importlib.import_module(f"iopf._{name}")
    except ImportError as error:
        if "subinterpreter" in str(error):  # of cffi, or of Python
            raise MissingExtension(_SUBINTERPRETER) from error
        left_out = name == "explore" and isinstance(error, ModuleNotFoundError)
        raise MissingExtension(
            f"the extension iopf._{name} can't be loaded: {error}. {_BUILD}" + (
                "  (The build leaves the explorer out, and says so, where its fiber switch has no form for the machine.)"
                if left_out else "")
        ) from error
    expected = _checkout_hash()
    built = module.ffi.string(module.lib.iopf_sources_hash).decode()
    if expected is not None and built != expected:
        raise MissingExtension(
            f"the extension iopf._{name} was built from other sources than those in csrc (build {built}, sources"
            f" {expected}). {_BUILD}  (IOPF_ALLOW_STALE=1 uses it all the same.)"
        )
    return module


class Runtime:
    """One extension: its functions, and the registries through which its callbacks find Python objects."""

    def __init__(self, name: str):
        module = load_extension(name)
        self.name = name
        self.ffi = module.ffi
        self.lib = module.lib
        self.cores: dict[str, Any] = {}
        self.core_info: dict[str, dict[str, Any]] = {}
        #: what can break a core, by name: in the order of their bits
        self.hazards = self._read_hazards()
        self._read_cores()
        # The functions are the module's for good; it is one object for the life of the process.
        self.ffi.def_extern(name="iopf_on_handle", error=-errno.EINVAL)(self._on_handle)
        self.ffi.def_extern(name="iopf_on_response")(self._on_response)
        self.ffi.def_extern(name="iopf_on_poll", error=1, onerror=_keep_error)(_on_poll)
        self._callbacks = self.ffi.new("struct iopf_callbacks *")
        self._callbacks.handle = self.lib.iopf_on_handle
        self._callbacks.response = self.lib.iopf_on_response
        self._callbacks.poll = self.lib.iopf_on_poll
        self.lib.iopf_set_callbacks(self._callbacks)

    def _read_hazards(self) -> dict[str, str]:
        hazards: dict[str, str] = {}
        while name := self.lib.iopf_hazard_name(len(hazards)):
            text = self.lib.iopf_hazard_text(len(hazards))
            hazards[self.ffi.string(name).decode()] = self.ffi.string(text).decode()
        return hazards

    def hazards_of(self, core: str) -> tuple[str, ...]:
        """The names of what breaks a core, by the name under which it is loaded here."""
        info = self.ffi.new("struct iopf_core_info *")
        self.lib.iopf_core_describe(self.cores[core], info)
        return tuple(name for bit, name in enumerate(self.hazards) if info.hazards >> bit & 1)

    def _read_cores(self) -> None:
        info = self.ffi.new("struct iopf_core_info *")
        index = 0
        while core := self.lib.iopf_core_at(index):
            self.lib.iopf_core_describe(core, info)
            text = {key: self.ffi.string(getattr(info, key)).decode() for key in ("name", "title", "commit", "releases", "summary")}
            self.cores[text["name"]] = core
            self.core_info[text["name"]] = {**text, "claims_correct": bool(info.claims_correct)}
            index += 1

    # --- called from C ---

    def _on_handle(self, handler: int, device: int, group: Any, work_of: int) -> int:
        if work_of and (threading.gettrace() or threading.getprofile() or _Followed.any):
            _follow()
        kept, pending.errors = pending.errors, []
        error = None
        try:
            return handle(self, handler, device, group)
        except _HandlerFailed as failed:
            error = failed.__cause__
            return failed.result
        except BaseException as unexpected:  # nothing may pass through C
            error = unexpected
            return -errno.EINVAL
        finally:
            pending.errors = kept
            if error is not None:
                keep(error, work_of)
            del error, kept  # the error's traceback has this frame: no cycle

    def _on_response(self, device: int, response: Any, work_of: int) -> None:
        if work_of and (threading.gettrace() or threading.getprofile() or _Followed.any):
            _follow()
        kept, pending.errors = pending.errors, []
        error = None
        try:
            respond(self, device, response)
        except BaseException as raised:  # nothing may pass through C
            error = raised
        finally:
            pending.errors = kept
            if error is not None:
                keep(error, work_of)
            del error, kept  # the error's traceback has this frame: no cycle

    # --- called after every call into C that may have run callbacks ---

    def after(self) -> None:
        """Hands kernel messages to logging and raises what a callback of this call raised."""
        if self.lib.iopf_has_messages():
            self.fetch_messages()
        if detached:
            self.collect_handlers()
        if pending.errors:
            (first, *others), pending.errors = pending.errors, []
            for error in others:
                unraisable(error, "a later callback of the same call")
            try:
                raise first
            finally:
                # The traceback has this frame: without a cycle what it refers to goes as soon as it is handled.
                del first, others

    def collect_handlers(self) -> None:
        """Forgets the detached Python handlers whose last group is gone."""
        ids = self.ffi.new("uint64_t[64]")
        while count := self.lib.iopf_released_handlers(ids, len(ids)):
            for i in range(count):
                detached.pop(ids[i], None)

    def fetch_messages(self) -> None:
        """Kernel messages so far go to ``logging.getLogger("iopf")``."""
        level = self.ffi.new("int *")
        text = self.ffi.new("char[256]")
        while self.lib.iopf_next_message(level, text, len(text)):
            log.warning("%s", self.ffi.string(text).decode(errors="replace"))
        dropped = self.lib.iopf_messages_dropped()
        if dropped:
            log.warning("%d kernel messages were dropped", dropped)


class _HandlerFailed(Exception):
    """A handler raised (``__cause__``); result is what C is told: 0, the group was answered, or -errno, it was not."""

    def __init__(self, result: int):
        super().__init__(result)
        self.result = result


# What the callbacks do. The modules that know the objects are loaded when one is first called, if they were not, and
# _callbacks puts its own functions in the place of these.


def handle(runtime: Runtime, handler: int, device: int, pointer: Any) -> int:
    from . import _callbacks

    return _callbacks._handle(runtime, handler, device, pointer)


def respond(runtime: Runtime, device: int, raw: Any) -> None:
    from . import _callbacks

    _callbacks._respond(runtime, device, raw)


def keep_for_queue(error: BaseException, work_of: int) -> None:
    from . import queue

    queue.keep_error(error, work_of)


def keep(error: BaseException, work_of: int) -> None:
    """Keeps a callback's exception for the call of this thread, or, from a work item, for its queue."""
    if work_of:
        keep_for_queue(error, work_of)
    else:
        keep_first(pending.errors, error)


def _keep_error(_type: Any, error: BaseException, _traceback: Any) -> int:
    pending.errors.append(error)
    return 1


def _on_poll() -> int:
    # Python runs signal handlers between bytecodes of the main thread; a loop makes sure that there are some.
    for _ in range(2):
        pass
    return 0


def unraisable(error: BaseException, what: str) -> None:
    """Reports an exception that no call can raise: to ``sys.unraisablehook``, which asks for a type that it hides.

    Python itself calls the hook for what a finaliser raises, so that is what this is.
    """
    def __del__(self: Any) -> None:
        raise self.error

    __del__.__qualname__ = f"iopf, {what}"
    teller = type("Unraisable", (), {"__del__": __del__})()
    vars(teller)["error"] = error


_runtimes: dict[str, Runtime] = {}
_runtimes_lock = threading.Lock()


def get(name: str) -> Runtime:
    """The runtime of that name, loaded when it is first asked for."""
    runtime = _runtimes.get(name)
    if runtime is None:
        if name not in RUNTIMES:
            raise ValueError(f"no runtime {name!r}: there are {', '.join(RUNTIMES)}")
        with _runtimes_lock:
            runtime = _runtimes.get(name) or Runtime(name)
            _runtimes[name] = runtime
    return runtime


def loaded() -> list[Runtime]:
    """The runtimes in use."""
    return list(_runtimes.values())


def _after_fork_in_child() -> None:
    global generation, _runtimes_lock
    generation += 1
    detached.clear()
    held = sys.modules.get("iopf._held")
    if held is not None:
        held.forget_parents()
    _runtimes_lock = threading.Lock()
    for runtime in _runtimes.values():
        runtime.lib.iopf_after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _at_exit() -> None:
    queue = sys.modules.get("iopf.queue")
    if queue is not None:
        queue._close_all()


# Here, which is at import: what a program registers after it runs before it, with its queues as they were.
atexit.register(_at_exit)

#: Held while the package's names are loaded. A fork waits for it: the child could not load what a thread that it does
#: not have was in the middle of.
loading = threading.RLock()
os.register_at_fork(before=loading.acquire, after_in_parent=loading.release, after_in_child=loading.release)
