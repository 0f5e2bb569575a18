# SPDX-License-Identifier: GPL-2.0-only
"""The edge to C of the run half: the runtimes, their cores and callbacks, and kernel messages."""

from __future__ import annotations

import errno
import os
import threading
from functools import partial
from typing import Any

from ._callbacks import on_handle, on_poll, on_poll_error, on_response
from ._extension import load_extension
from ._registry import detached, pending, unraisable

#: The runtimes that run on threads.
RUNTIMES = ("native", "plain")


class Runtime:
    """One extension: its functions, its cores, and what breaks them."""

    def __init__(self, name: str):
        module = load_extension(name)
        self.name = name
        self.ffi = module.ffi
        self.lib = module.lib
        #: how many: an array of struct iopf_request
        self.new_requests = partial(self.ffi.new, self.ffi.typeof("struct iopf_request[]"))
        self.cores: dict[str, Any] = {}
        self.core_info: dict[str, dict[str, Any]] = {}
        #: what can break a core, by name: in the order of their bits
        self.hazards = self._read_hazards()
        self._read_cores()
        # The functions are the module's for good; it is one object for the life of the process.
        self.ffi.def_extern(name="iopf_on_handle", error=-errno.EINVAL)(partial(on_handle, self))
        self.ffi.def_extern(name="iopf_on_response")(partial(on_response, self))
        self.ffi.def_extern(name="iopf_on_poll", error=1, onerror=on_poll_error)(on_poll)
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
            text = {
                key: self.ffi.string(getattr(info, key)).decode()
                for key in ("name", "title", "commit", "releases", "summary")
            }
            self.cores[text["name"]] = core
            self.core_info[text["name"]] = {**text, "claims_correct": bool(info.claims_correct)}
            index += 1

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
        from ._log import LEVELS, log

        level = self.ffi.new("int *")
        text = self.ffi.new("char[256]")
        while self.lib.iopf_next_message(level, text, len(text)):
            log.log(LEVELS[level[0]], "%s", self.ffi.string(text).decode(errors="replace"))
        dropped = self.lib.iopf_messages_dropped()
        if dropped:
            log.warning("%d kernel messages were dropped", dropped)


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
    global _runtimes_lock
    _runtimes_lock = threading.Lock()
    for runtime in _runtimes.values():
        runtime.lib.iopf_after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
