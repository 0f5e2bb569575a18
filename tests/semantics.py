# SPDX-License-Identifier: GPL-2.0-only
"""The C of the semantic tests (tests/csrc): one shared object for each runtime, compiled when a test first asks for it.

It is linked against the extension that is installed, so that what is tested is what ships: the primitives out of line
are the extension's, and those in line come from the headers that it was built from. No wheel holds it. Who has no
compiler cannot run these tests; they fail then, and are not skipped.

Environment: ``CC``, the compiler; ``IOPF_TESTS_CSRC``, other headers (a mutant's) than those of the package.
"""

import atexit
import hashlib
import importlib
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cffi

from iopf import _csrc_tools, _source

SOURCES = Path(__file__).resolve().parent / "csrc"
FACE = SOURCES / "primitives.h"

_loaded = {}
_folder = None


def _made_here():
    """A folder for the life of the process. The tests' own processes are told of it, and make none."""
    global _folder
    if _folder is None:
        _folder = os.environ.get("IOPF_TESTS_OBJECTS")
        if _folder is None:
            _folder = os.environ["IOPF_TESTS_OBJECTS"] = tempfile.mkdtemp(prefix="iopf-semantics-")
            atexit.register(_remove, _folder, os.getpid())
    return Path(_folder)


def _remove(folder, owner):
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command, folder):
    # A compiler may not survive a sanitizer's runtime that is preloaded for the tests.
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)
    if done.returncode:
        raise RuntimeError(f"the C of the semantic tests: {' '.join(command)}\n{done.stderr}")


def sanitizers(extension):
    """The flags of the sanitizers that an extension was built with."""
    return re.findall(r"-fsanitize=\S+", extension.ffi.string(extension.lib.iopf_build_flags).decode())


def build(runtime):
    """The shared object for a runtime, "native" or "plain": made once for all processes that share the folder."""
    extension = importlib.import_module(f"iopf._{runtime}")
    rules, compilers = _csrc_tools.tool("build"), _csrc_tools.tool("compilers")
    csrc = Path(os.environ.get("IOPF_TESTS_CSRC", _csrc_tools.csrc()))
    command = rules.without_link_time(_source._compiler(None))
    flavour = rules.run_flavour(runtime)
    (unit,) = (unit for unit in flavour.units if unit.name == "runtime")
    flags = [
        *compilers.flags_for(command[:1], [*rules.CFLAGS, *flavour.flags]),
        "-fPIC",
        "-DRUNTIME_IS_ELSEWHERE",
        *sanitizers(extension),
        *(f"-I{csrc / folder}" for folder in unit.include),
    ]
    key = hashlib.sha256("\0".join([extension.__file__, str(csrc), *command, *flags]).encode()).hexdigest()[:16]
    folder = _made_here()
    library = folder / f"{runtime}-{key}.so"
    if library.exists():
        return library
    with tempfile.TemporaryDirectory(dir=folder) as scratch, ThreadPoolExecutor(os.cpu_count()) as pool:
        sources = sorted(SOURCES.glob("*.c"))
        for compiled in [
            pool.submit(_run, [*command, *flags, "-c", str(source), "-o", f"{source.stem}.o"], scratch)
            for source in sources
        ]:
            compiled.result()
        _run([*command, "-shared", "-o", "semantics.so", *(f"{source.stem}.o" for source in sources), extension.__file__,
              "-Wl,-z,defs", "-Wl,-z,now", *sanitizers(extension), "-lpthread"], scratch)  # fmt: skip
        os.replace(Path(scratch) / "semantics.so", library)
    return library


def load(runtime):
    """cffi's ``(ffi, lib)`` for the functions of tests/csrc/primitives.h over the installed runtime."""
    if runtime not in _loaded:
        ffi = cffi.FFI()
        ffi.cdef(_csrc_tools.tool("build").face_cdef(FACE))
        _loaded[runtime] = ffi, ffi.dlopen(str(build(runtime)), ffi.RTLD_NOW)
    return _loaded[runtime]
