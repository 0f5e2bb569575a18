# SPDX-License-Identifier: GPL-2.0-only
"""Progress on standard error, when that is a terminal: by rich where it is installed, else one line that rewrites itself."""

from __future__ import annotations

import sys
import time
from typing import Any

EVERY_SECONDS = 0.1


class Progress:
    """A context manager; :meth:`show` may be called as often as one likes."""

    def __init__(self, title: str, stream: Any = None):
        self.title = title
        self._stream = sys.stderr if stream is None else stream
        self._shown = 0.0
        self._width = 0
        self._rich: Any = None
        self._task: Any = None
        try:
            self.active = bool(self._stream.isatty())
        except (AttributeError, ValueError):
            self.active = False

    def __enter__(self) -> Progress:
        if self.active:
            try:
                from rich.console import Console
                from rich.progress import BarColumn, Progress as Bar, TextColumn
            except ImportError:
                return self
            self._rich = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                console=Console(file=self._stream),
                transient=True,
            )
            self._rich.start()
            self._task = self._rich.add_task(self.title, total=None, text="")
        return self

    def show(self, text: str, done: float | None = None) -> None:
        """``text`` is what to say; ``done`` how much of it is over, 0 to 1, where that is known."""
        now = time.monotonic()
        if not self.active or now - self._shown < EVERY_SECONDS:
            return
        self._shown = now
        if self._rich is not None:
            self._rich.update(self._task, text=text, total=None if done is None else 1.0, completed=done or 0.0)
            return
        line = f"{self.title} {text}" if done is None else f"{self.title} {done:4.0%} {text}"
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)

    def __exit__(self, *exc_info: object) -> None:
        if self._rich is not None:
            self._rich.stop()
        elif self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
