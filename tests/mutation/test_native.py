# SPDX-License-Identifier: GPL-2.0-only
"""Every mutant of the native primitives is found by tests/primitives; the unchanged ones, built the same way, are not."""

import importlib.util
import shutil

import native_mutants
import pytest


@pytest.mark.parametrize("one", native_mutants.MUTANTS, ids=[one.id for one in native_mutants.MUTANTS])
def test_the_text_of_a_mutant_is_there_once(one):
    """An edit whose text is gone has to be brought up to date; and it changes something."""
    text = (native_mutants.NATIVE / one.file).read_text()
    assert one.apply(text) != text


def test_there_are_mutants_of_every_primitive():
    """Two dozen, each with a name of its own, over mutexes, counts, RCU and workqueues."""
    assert 24 <= len({one.id for one in native_mutants.MUTANTS}) == len(native_mutants.MUTANTS)
    assert {"mutex.c", "mutex.h", "refcount.c", "refcount.h", "rcu.c", "worker.c", "workqueue.c"} == {
        one.file for one in native_mutants.MUTANTS
    }


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    """Builds copies of the package with a native extension of their own."""
    if shutil.which("gcc") is None or importlib.util.find_spec("iopf._native") is None:
        pytest.skip("needs gcc")
    return native_mutants.Builder(tmp_path_factory.mktemp("native-mutants"))


@pytest.mark.long
def test_the_unchanged_primitives_pass(builder):
    """The control: no mutant is found for the way in which it was built."""
    assert ("passes", "") == native_mutants.test_primitives(builder.package())


@pytest.mark.long
@pytest.mark.parametrize("one", native_mutants.MUTANTS, ids=[one.id for one in native_mutants.MUTANTS])
def test_a_mutant_of_the_primitives_is_found(builder, one):
    """By the short mode of the tests: what is rare when two threads run beside each other has a test of its own."""
    how, where = native_mutants.test_primitives(builder.package(one), first=one.file)
    assert how != "passes", one.shows
    print(one.id, how, where)
