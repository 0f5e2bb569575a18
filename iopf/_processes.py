# SPDX-License-Identifier: GPL-2.0-only
"""How long processes live: this one, those that explore for it, and the programs that it starts.

Whatever tells this process to end, it puts away what it made; and whatever it dies of, nothing that it started goes on:

* :func:`command_line`: SIGTERM and a lost terminal become an exception, as Ctrl-C is one, and the exit code says which.
* :class:`held`: while there is something that has to be put away, a signal that would end the process is only noted,
  and acts where :meth:`held.act` is called, however often it comes. So nothing interrupts the putting away.
* :func:`be_a_worker`: a worker ends with its parent, by the kernel. :func:`deaf_to_the_terminal`: and only then.
* :class:`Watchdog`: a foreign program is ended by a shell that waits for the end of this process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ._extension import load_extension

if TYPE_CHECKING:
    import subprocess

__all__ = ["Ending", "Terminated", "Watchdog", "be_a_worker", "command_line", "commanded", "held"]

#: What ends a process from outside, and what a terminal does when it goes.
TERMINATING = (signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
#: More of it within that time is no impatience but somebody who signals a process and its group, as timeout(1) does:
#: it must not hit what the first one has begun to put away.
AGAIN_SECONDS = 1.0


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: handled wherever an interrupt is; ``signal`` is its number."""

    def __init__(self, number: int):
        super().__init__(number)
        self.signal = number


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


# --- the command line ---


class Ending:
    """What told a command line to end, if anything did."""

    def __init__(self) -> None:
        self.signal: int | None = None
        #: It is on its way out, and what comes now comes too late.
        self.over = False
        self._since: float | None = None

    def code(self, code: int) -> int:
        """The exit code of a command that ended with ``code``."""
        self.over = self.signal is not None or code == INTERRUPTED
        return code if self.signal is None else 128 + self.signal

    def __call__(self, number: int, _frame: Any) -> None:
        """The signal handler."""
        if number in TERMINATING:
            self.signal = number
        now = time.monotonic()
        if self._since is not None and now - self._since < AGAIN_SECONDS:
            return
        self._since = now
        if number == signal.SIGHUP:
            _leave_the_terminal()
        raise Terminated(number) if number in TERMINATING else KeyboardInterrupt


def _leave_the_terminal() -> None:
    """What is still printed goes nowhere: to write to a terminal that is lost is an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _unheard(before: Callable[[Any], object]) -> Callable[[Any], object]:
    """A hook for what cannot be raised, without the signal that came while it was being ignored: Python reports that one
    as an error ("Signal 2 ignored due to race condition"), and being ignored is what was wanted."""

    def hook(unraisable: Any) -> object:
        error = unraisable.exc_value
        return (
            None if isinstance(error, OSError) and "ignored due to race condition" in str(error) else before(unraisable)
        )

    return hook


_commanded = False


def commanded() -> bool:
    """Does a command line run, so that who is to read it reads standard error?"""
    return _commanded


@contextlib.contextmanager
def command_line(*, whole_process: bool) -> Iterator[Ending]:
    """Around a command line: SIGTERM and SIGHUP raise Terminated, Ctrl-C raises KeyboardInterrupt, none of them many
    times in a row; unless the process was started with them ignored.

    ``whole_process``: it ends when the command line is through, so what told it to end once has no more to say.
    """
    global _commanded
    outer, _commanded = _commanded, True
    ending = Ending()
    before: dict[int, Any] = {}
    if _in_main_thread():
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, *TERMINATING)}
        before = {
            number: handler
            for number, handler in before.items()
            if handler is (signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        }
        for number in before:
            signal.signal(number, ending)
    try:
        yield ending
    finally:
        _commanded = outer
        over = whole_process and ending.over
        if over:
            sys.unraisablehook = _unheard(sys.unraisablehook)
        while before:
            number, handler = next(iter(before.items()))
            with contextlib.suppress(KeyboardInterrupt):  # one that came just now
                signal.signal(number, signal.SIG_IGN if over else handler)
                del before[number]


# --- what nothing may interrupt ---


class _Default(BaseException):
    """A signal whose action is the system's, on its way out to where it can act."""


class held:
    """Inside, SIGINT, SIGTERM and SIGHUP are noted, and act in act() or, when all is put away, at the end.

    Whatever acts is what was there before: a handler is called, which may raise; where there is none the process ends by
    that signal when the block has been left. While an interrupt is on its way out, further ones have no more to say.
    Blocks may be nested. In other threads than the main one, which signals do not interrupt, it does nothing.
    """

    _depth = 0
    _noted: ClassVar[list[tuple[int, Any]]] = []
    _before: ClassVar[dict[int, Any]] = {}

    def __enter__(self) -> held:
        self._here = _in_main_thread()
        if self._here and not held._depth:
            held._noted = []
            try:
                for number in (signal.SIGINT, *TERMINATING):
                    before = signal.getsignal(number)
                    if before is not None and before is not signal.SIG_IGN:
                        held._before[number] = before
                        signal.signal(number, self._note)
            except BaseException:  # one that was faster
                self._restore()
                raise
        held._depth += self._here
        return self

    @classmethod
    def _restore(cls) -> None:
        try:
            while held._before:
                number = next(iter(held._before))
                signal.signal(number, held._before[number])
                del held._before[number]
        finally:
            if held._before:  # a signal that acted at once
                cls._restore()

    @staticmethod
    def _note(number: int, frame: Any) -> None:
        held._noted.append((number, frame))

    def act(self) -> None:
        """Lets a signal act that was noted."""
        while self._here and held._noted:
            number, frame = held._noted.pop(0)
            before = held._before[number]
            if not callable(before):
                raise _Default(number)
            before(number, frame)

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        if not self._here:
            return
        held._depth -= 1
        if held._depth:
            return
        noted, held._noted = held._noted, []
        self._restore()
        if isinstance(error, _Default):
            signal.raise_signal(error.args[0])
        elif not isinstance(error, KeyboardInterrupt):  # it is on its way out
            for number, _ in noted:
                signal.raise_signal(number)


# --- workers ---


@contextlib.contextmanager
def deaf_to_the_terminal() -> Iterator[None]:
    """Processes that are started inside leave what a terminal says to their parent, from their first instruction on.

    That goes for the helper process of multiprocessing, too, which is started first: it unblocks SIGINT when it is.
    """
    from multiprocessing import resource_tracker

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def be_a_worker(parent: int) -> None:
    """At the start of a process that explores for another one: ends with it; what a terminal says is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ImportError):  # what it is given to explore says it again
        result = load_extension("explore").lib.xp_end_with(parent)
        if result:
            raise OSError(-result, f"ending with the parent: {os.strerror(-result)}")


# --- foreign programs ---


class Watchdog:
    """Starts a foreign program, and kills it if this process does not live to see its end.

    A context manager: start() inside, once; leaving without released() kills the program, too. From when start() has
    begun there is no moment in which this process can go and leave the program behind: the program says itself who it
    is before it becomes itself, and where the process has gone that wanted it, it does not become.
    """

    #: The shell reads the end of a pipe whose other end this process has, and nobody else.
    SCRIPT = 'read -r target && { read -r over || kill -s KILL -- "$target"; }'

    #: What the program is at first. The end of this process's pipe is there as long as this process is; it is not
    #: inherited, since a program that had it would be waited for.
    INTRODUCTION = 'pipe=$1 target=$2$$; shift 2; echo "$target" 2>/dev/null >"$pipe" || exit; exec "$@"'

    def __enter__(self) -> Watchdog:
        import subprocess  # who runs no program needs none of it

        source, self._pipe = os.pipe()
        try:
            self._shell: subprocess.Popen[bytes] = subprocess.Popen(
                ["/bin/sh", "-c", self.SCRIPT],
                stdin=source,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(source)
        return self

    def start(self, command: list[str], *, session: bool, **options: Any) -> subprocess.Popen[bytes]:
        """subprocess.Popen() of a program, which is killed with all of its session if it is to have one of its own.

        A program that can't be executed is a program that ends with exit status 126 or 127, and says why.
        """
        import subprocess

        introduction = [self.INTRODUCTION, "sh", f"/proc/{os.getpid()}/fd/{self._pipe}", "-" if session else ""]
        shell = ["/bin/sh", "-c", *introduction, *command]
        started: subprocess.Popen[Any] = subprocess.Popen(shell, start_new_session=session, **options)
        return started

    def released(self) -> None:
        """The program has ended."""
        with contextlib.suppress(OSError):  # the shell was killed
            os.write(self._pipe, b"over\n")

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._pipe)
        self._shell.wait()
