# SPDX-License-Identifier: GPL-2.0-only
"""The kernel-style files in trees as a developer has them, and what they were compiled to: once for a whole session.

The base of the changes is there with each change, too, under the change's name, and our own file as "ours". The real
headers lie around every file, as #errors.
"""

import importlib.util
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iopf._source import CoreSourceError, compile_core

HERE = Path(__file__).resolve().parent


def beside(name):
    """A module that lies with the kernel files."""
    spec = importlib.util.spec_from_file_location(f"kernel_files_{name}", HERE / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHANGES = beside("changes")
FORMS = {path.stem: path.read_text() for path in sorted(HERE.glob("*.c"))}
CHANGED = {change.name: change.apply(FORMS[CHANGES.BASE]) for change in CHANGES.CHANGES}
OURS = {"ours": (HERE.parents[1] / "csrc" / "core" / "io-pgfault.c").read_text()}


def plant(tree, text):
    """Puts a file into a tree and gives its path."""
    folder = tree / "drivers" / "iommu"
    folder.mkdir(parents=True)
    (tree / "include" / "linux").mkdir(parents=True)
    for decoy in (folder / "iommu-priv.h", tree / "include" / "linux" / "iommu.h", folder / "iommu-sva.h"):
        decoy.write_text('#error "the compiler opened a header of the kernel tree"\n')
    path = folder / "io-pgfault.c"
    path.write_text(text)
    return path


class Trees:
    """A tree for each file, and compiled cores by name and runtime."""

    def __init__(self, home):
        self.cache = home / "cache"
        self.paths = {name: plant(home / name, text) for name, text in (FORMS | CHANGED | OURS).items()}
        self._done = {}

    def compile(self, wanted):
        """Compiles pairs of a name and a runtime, as many at a time as there are CPUs."""

        def attempt(pair):
            try:
                return compile_core(self.paths[pair[0]], pair[1])
            except CoreSourceError as error:
                return error

        missing = [pair for pair in wanted if pair not in self._done]
        with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(os.cpu_count()) as pool:
            patch.setenv("XDG_CACHE_HOME", str(self.cache))
            self._done.update(zip(missing, pool.map(attempt, missing)))

    def core(self, name, runtime):
        """What a file was compiled to; the error is raised that it met."""
        core = self._done[name, runtime]
        if isinstance(core, Exception):
            raise core
        return core
