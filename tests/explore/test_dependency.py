# SPDX-License-Identifier: GPL-2.0-only
"""Litmus tests of address dependencies: what READ_ONCE() of a published pointer orders, and what it does not."""

import pytest

from iopf.explore import explore
from iopf.explore.programs import Layout, Program

OBJECT = Layout(payload="u64", next="pointer")
A, B, C = 0, 1, 2


def published(by="release", reader="once", *, late=False, through=lambda t, p: t.load(B, OBJECT.payload(A)).out(B)):
    """A writer fills an object and publishes it; a reader takes the pointer, and goes through it."""
    p = Program("publication", slot="pointer", other="u64", second="pointer")
    writer = p.task("writer").kzalloc(A, OBJECT).store(OBJECT.payload(A), 5).store(p.at["other"], 6)
    if by == "rcu_assign_pointer":
        writer.rcu_assign_pointer(p.at["slot"], A)
    else:
        writer.store(p.at["slot"], register=A, order=by)
    if late:
        writer.store(OBJECT.payload(A), 7)
    t = p.task("reader").load(A, p.at["slot"], order=reader)
    with t.when(A):
        through(t, p)
    return p


def kinds(program):
    """What a complete search finds, but for the object that nobody frees."""
    program.expect("leak")
    result = explore(program, all_failures=True)
    assert result.exhausted
    return {failure.kind for failure in result.failures}


@pytest.mark.parametrize("by", ["release", "seq_cst", "rcu_assign_pointer"])
@pytest.mark.parametrize("reader", ["once", "relaxed", "acquire"])
def test_a_marked_load_orders_what_is_read_through_the_pointer(by, reader):
    """``p = READ_ONCE(slot); if (p) p->payload``: the writer's stores before the release are visible through it."""
    assert set() == kinds(published(by, reader))


def test_a_plain_load_of_the_pointer_races():
    """The compiler may read it again, or guess it: with the store that published it, and through it."""
    assert {"data-race"} == kinds(published(reader="plain"))


@pytest.mark.parametrize("by", ["once", "relaxed"])
def test_a_pointer_that_is_not_released_orders_nothing(by):
    """WRITE_ONCE() of the pointer publishes no stores before it."""
    assert {"data-race"} == kinds(published(by))


def test_what_is_stored_behind_the_release_races():
    """The dependency orders what came before the publication, and nothing after it."""
    assert {"data-race"} == kinds(published(late=True))


def test_other_data_is_not_ordered_by_the_pointer():
    """``p = READ_ONCE(slot); if (p) other``: a control dependency, which orders no read."""
    assert {"data-race"} == kinds(published(through=lambda t, p: t.load(B, p.at["other"]).out(B)))


@pytest.mark.parametrize("order", ["once", "relaxed"])
def test_a_flag_or_an_index_orders_no_read(order):
    """Only an acquire does: the number is no pointer, and what follows it is a control dependency."""

    def program(order):
        p = Program("flag", flag="u64", data="u64")
        p.task("writer").store(p.at["data"], 5).store(p.at["flag"], 1, order="release")
        t = p.task("reader").load(A, p.at["flag"], order=order)
        with t.when(A):
            t.load(B, p.at["data"]).out(B)
        return p

    assert {"data-race"} == kinds(program(order))
    assert set() == kinds(program("acquire"))


def test_a_chain_of_pointers_is_a_chain_of_dependencies():
    """``p = READ_ONCE(slot); q = p->next; q->payload``: the object that the published one points to was there before, too."""

    def program(by):
        p = Program("chain", slot="pointer")
        p.task("writer").kzalloc(B, OBJECT).store(OBJECT.payload(B), 5).kzalloc(A, OBJECT).store(
            OBJECT.next(A), register=B
        ).store(p.at["slot"], register=A, order=by)
        t = p.task("reader").load(A, p.at["slot"], order="once")
        with t.when(A):
            t.load(B, OBJECT.next(A)).load(C, OBJECT.payload(B)).out(C)
        return p

    assert set() == kinds(program("release"))
    assert {"data-race"} == kinds(program("once"))


@pytest.mark.parametrize(("order", "found"), [("release", set()), ("once", {"data-race"})])
def test_who_releases_hands_on_what_it_saw(order, found):
    """A release is cumulative: the third task, that acquires, comes after the writer, whom it never met."""
    p = published(through=lambda t, p: t.store(p.at["second"], register=A, order=order))
    t = p.task("third").load(A, p.at["second"], order="acquire")
    with t.when(A):
        t.load(B, OBJECT.payload(A)).out(B)
    assert found == kinds(p)


def test_the_object_may_be_freed_through_the_pointer():
    """kfree() is an access through it as well. With the pointer not released, nothing orders it after the stores."""
    assert set() == kinds(published(through=lambda t, p: t.kfree(A)))
    assert "use-after-free" in kinds(published("once", through=lambda t, p: t.kfree(A)))
