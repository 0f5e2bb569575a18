# SPDX-License-Identifier: GPL-2.0-only
"""What the explorer's tests share: scenarios and mutants in modules beside them, and a look at the classes."""

import argparse
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """The mutants' shared objects, compiled once, beside each other; or the exception that one met."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    extension = importlib.util.find_spec("iopf._explore").origin
    return importlib.import_module("mutants").compile_all(tmp_path_factory.mktemp("mutants"), extension, os.cpu_count())


@pytest.fixture
def run(capsys):
    """Runs a command line: exit code, output, errors."""

    def run(*arguments):
        from iopf.explore.cli import register

        parser = argparse.ArgumentParser(prog="iopf")
        register(parser.add_subparsers(required=True))
        try:
            parsed = parser.parse_args(arguments)
            code = parsed.run(parsed)
        except SystemExit as error:
            code = error.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def class_hashes():
    """Calling it gives the happens-before classes of the last search, as a set of hashes."""
    from iopf.explore import _engine

    def hashes():
        engine = _engine.get()
        count = engine.lib.xp_classes(engine.ffi.NULL, 0)
        found = engine.ffi.new("uint64_t[]", max(count, 1))
        engine.lib.xp_classes(found, count)
        return set(found[0:count])

    return hashes
