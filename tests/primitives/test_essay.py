# SPDX-License-Identifier: GPL-2.0-only
"""The essay on the native counts and locks names what discharges each obligation: all of that is there."""

import importlib.util
import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ESSAY = HERE.parents[1] / "csrc" / "runtime" / "native" / "README.md"


@pytest.fixture(scope="module")
def essay():
    if not ESSAY.exists():
        pytest.skip("no sources here")
    return ESSAY.read_text()


def native_mutants():
    """The ids, by the text: to import the module would take its neighbours."""
    text = (HERE.parent / "mutation" / "native_mutants.py").read_text()
    return dict(re.findall(r'NativeMutant\(\s*"([\w-]+)",\s*"([\w.]+)"', text))


def test_every_test_and_every_mutant_that_it_names_is_there(essay):
    """A row whose evidence was renamed, or is gone, is an obligation that nothing discharges."""
    tests = {name for path in HERE.glob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)}
    named = re.findall(r"`(test_\w+)`", essay)
    assert len(named) > 15 and set(named) <= tests, set(named) - tests
    mutants = set(re.findall(r"`((?:mutex|refcount|rcu|flush)-[\w-]+)`", essay))
    assert len(mutants) > 20 and mutants <= set(native_mutants()), mutants - set(native_mutants())


def test_every_mutant_of_a_mutex_a_count_or_a_reader_stands_for_an_obligation(essay):
    """One that is added has a row, or there is an obligation that nobody has written down."""
    of_these = {
        name for name, file in native_mutants().items() if file.partition(".")[0] in ("mutex", "refcount", "rcu")
    }
    assert len(of_these) > 20
    assert {name for name in of_these if f"`{name}`" not in essay} == set()


def test_every_part_that_the_model_can_leave_out_is_in_a_row(essay):
    """And each is left out by a test."""
    spec = importlib.util.spec_from_file_location("iopf_tests_protocols", HERE / "test_protocols.py")
    protocols = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(protocols)
    text = (HERE / "test_protocols.py").read_text()
    parts = set(re.findall(r'"([\w\' ]+)" (?:not )?in self\.without', text))
    left_out = {
        case[0]
        for test in (protocols.test_each_part_of_the_mutex_is_needed, protocols.test_each_part_of_the_counts_is_needed)
        for mark in test.pytestmark
        for case in mark.args[1]
    }
    assert len(parts) > 15 and parts == left_out
    assert {part for part in parts if f'"{part}"' not in essay} == set()
