# SPDX-License-Identifier: GPL-2.0-only
"""Counters that are changed and not looked at: the order of two changes is nobody's business, so there is one class of it.

Every change that tells what it found, every look, and a fence that passes something on with a change, makes it somebody's.
"""

import kernel_code
import pytest
from test_golden import quiet

from iopf.explore import explore

MENU = kernel_code.Menu(
    """
#include <linux/atomic.h>
#include <linux/barrier.h>
#include <linux/mutex.h>
#include <linux/slab.h>

struct state { atomic_t a; atomic_long_t l; atomic64_t q; int data; struct mutex lock; };
""",
    {
        "begin": "\ts = *shared(dev) = kzalloc(sizeof(*s), GFP_KERNEL);\n\tmutex_init(&s->lock);",
        "end": "\tkfree(s);",
        "inc": "\tatomic_inc(&s->a);",
        "dec": "\tatomic_dec(&s->a);",
        "add": "\tatomic_add(3, &s->a);",
        "sub": "\tatomic_sub(3, &s->a);",
        "long inc": "\tatomic_long_inc(&s->l);",
        "long sub": "\tatomic_long_sub(2, &s->l);",
        "64 add": "\tatomic64_add(1LL << 40, &s->q);",
        "64 sub": "\tatomic64_sub(1LL << 40, &s->q);",
        "or": "\tatomic_or(1, &s->a);",
        "set": "\tatomic_set(&s->a, 1);",
        "read": "\treturn atomic_read(&s->a) < 0 ? -EIO : 0;",
        "inc_return": "\treturn atomic_inc_return(&s->a) < 0 ? -EIO : 0;",
        "none": "\tif (atomic_read(&s->a) || atomic_long_read(&s->l) || atomic64_read(&s->q))\n\t\treturn -EIO;",
        "send": "\ts->data = 1;\n\tsmp_wmb();\n\tatomic_inc(&s->a);",
        "pass on": "\tatomic_inc(&s->a);",
        "locked inc": "\tmutex_lock(&s->lock);\n\tatomic_inc(&s->a);\n\tmutex_unlock(&s->lock);",
        "plain": (
            "\tint now;\n\n\tmutex_lock(&s->lock);\n\tnow = s->a.counter;\n\tmutex_unlock(&s->lock);\n"
            "\treturn now < 0 ? -EIO : 0;"
        ),
        "receive": "\tatomic_inc(&s->a);\n\tsmp_rmb();\n\treturn s->data > 1 ? -EIO : 0;",
    },
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """``searched(tasks)``: a complete search, of tasks that run pieces."""
    core = MENU.core(tmp_path_factory.mktemp("counters"))

    def searched(tasks, teardown=("end",), **options):
        scenario = MENU.scenario("counters", tasks, setup=["begin"], teardown=teardown)
        result = explore(scenario, core=core, **{"strategy": "dpor", **quiet(), "commute": True, **options})
        assert result.exhausted
        return result

    return searched


@pytest.mark.parametrize(
    "pieces",
    [("inc", "inc", "dec"), ("add", "sub", "inc"), ("long inc", "long sub", "long sub"), ("64 add", "64 sub")],
    ids=" ".join,
)
def test_changes_that_tell_nothing_are_one_class(searched, pieces):
    """Whatever their order the number is the same; and with counts that do not commute each order is one."""
    tasks = {f"{index} {piece}": [piece] for index, piece in enumerate(pieces)}
    result = searched(tasks)
    assert ("pass", 1) == (result.verdict, result.classes)
    every = searched(tasks, commute=False)
    assert ("pass", {2: 2, 3: 6}[len(pieces)]) == (every.verdict, every.classes)


def test_what_they_come_to_is_what_they_add_up_to(searched):
    """What each adds another one takes off again: of 32 bits and of 64, over both halves."""
    tasks = {"one": ["add", "long inc", "64 add", "long inc"], "other": ["sub", "long sub", "64 sub"]}
    assert "pass" == searched(tasks, teardown=("none", "end")).verdict
    assert "fail" == searched({"one": ["64 add"]}, teardown=("none", "end")).verdict


@pytest.mark.parametrize("other", ["or", "set", "read", "inc_return"])
def test_whatever_tells_or_does_something_else_has_an_order(searched, other):
    """The control: the change comes before it, or behind."""
    assert 2 == searched({"one": ["inc"], "other": [other]}).classes


@pytest.mark.parametrize("first", ["sender", "receiver"])
def test_a_change_that_passes_something_on_has_an_order(searched, first):
    """Who takes it with a fence sees the data when its change came behind, and races for it when it came before: both are
    executed, whichever the search executes first. A third change between the two hands it on."""
    roles = {"sender": ["send"], "receiver": ["receive"], "between": ["pass on"]}
    tasks = {name: roles[name] for name in sorted(roles, key=lambda name: (name != first, name))}
    for names in (("sender", "receiver"), ("sender", "receiver", "between")):
        some = {name: pieces for name, pieces in tasks.items() if name in names}
        result = searched(some, all_failures=True)
        assert {"data-race"} == {failure.kind for failure in result.failures}
        every = searched(some, all_failures=True, commute=False)
        assert {failure.signature for failure in every.failures} == {failure.signature for failure in result.failures}
        assert 1 < result.classes <= every.classes


@pytest.mark.parametrize("first", ["without", "with"])
def test_a_race_with_one_of_them_is_found_whichever_came_last(searched, first):
    """A plain read that a lock orders behind one change and not behind the other: both are remembered, in either order."""
    pieces = {"without": "inc", "with": "locked inc"}
    tasks = {name: [pieces[name]] for name in sorted(pieces, key=lambda name: name != first)}
    racing = searched({**tasks, "reader": ["plain"]}, all_failures=True)
    assert {"data-race"} == {failure.kind for failure in racing.failures}
    assert "pass" == searched({"with": ["locked inc"], "other": ["locked inc"], "reader": ["plain"]}).verdict
