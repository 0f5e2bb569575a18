# SPDX-License-Identifier: GPL-2.0-only
"""Processes that do parts of a search: an executor whose workers die one at a time.

``ProcessPoolExecutor`` gives up all that it runs when one of its processes dies. Here each process is a pool of its own, so
that a death costs one job, and who did it is known; the next job gets a new process. Processes are started by spawn, since
this one may have threads, and end with their parent, whatever that dies of (_processes.py).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import Any

from .._processes import be_a_worker, deaf_to_the_terminal

__all__ = ["Processes"]


class Processes(Executor):
    """So many processes. From one thread, which is here until :meth:`end`: a worker ends with the thread that started it."""

    def __init__(self, workers: int):
        self.workers = workers
        self._pools: list[ProcessPoolExecutor | None] = [None] * workers
        self._running: list[Future[Any] | None] = [None] * workers

    def idle(self) -> list[int]:
        """Which of them have nothing to do."""
        return [index for index, running in enumerate(self._running) if running is None or running.done()]

    def start(self, fn: Callable[..., Any], /, *args: Any) -> None:
        """Starts all of them, each with that to do first."""
        for _ in range(self.workers):
            self.submit(fn, *args)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs it in a process that has nothing to do. RuntimeError: there is none."""
        idle = self.idle()
        if not idle:
            raise RuntimeError("every process has something to do")
        index = idle[0]
        before = self._running[index]
        if before is not None and not before.cancelled() and isinstance(before.exception(), BrokenExecutor):
            self._forget(index)
        pool = self._pools[index]
        with deaf_to_the_terminal():
            if pool is None:
                pool = self._pools[index] = ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), initializer=be_a_worker, initargs=(os.getpid(),)
                )
            try:
                future = pool.submit(fn, *args, **kwargs)
            except BrokenExecutor:  # it died while it had nothing to do
                self._forget(index)
                return self.submit(fn, *args, **kwargs)
        self._running[index] = future
        return future

    def _forget(self, index: int) -> None:
        pool, self._pools[index], self._running[index] = self._pools[index], None, None
        if pool is not None:
            _kill(pool)
            pool.shutdown(wait=True, cancel_futures=True)

    def kill(self, future: Future[Any]) -> None:
        """Ends the process that does that."""
        for pool, running in zip(self._pools, self._running):
            if running is future and pool is not None:
                _kill(pool)

    def end(self) -> None:
        """Ends every process, whatever it does, and comes back when they have ended."""
        for pool in self._pools:
            if pool is not None:
                _kill(pool)
        for index in range(self.workers):
            self._forget(index)


def _kill(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        process.kill()
