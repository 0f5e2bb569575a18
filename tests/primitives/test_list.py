# SPDX-License-Identifier: GPL-2.0-only
"""Lists and hash chains, and the poison that deleting leaves."""

import pytest


@pytest.fixture
def node(runtime):
    """Makes nodes that the test frees, or a list with them."""
    nodes = []

    def make(value):
        nodes.append(runtime.node_new(value))
        return nodes[-1]

    yield make
    for made in nodes:
        runtime.node_free(made)


@pytest.fixture
def lists(runtime):
    """Two lists. They are empty in the end."""
    two = [runtime.list_new(), runtime.list_new()]
    yield two
    assert [True, True] == [runtime.list_empty(one) for one in two]
    for one in two:
        runtime.list_free(one)


def read(runtime, a_list):
    """The values in a list, whose links backwards agree."""
    values = runtime.ffi.new("int[64]")
    n = runtime.list_read(a_list, values, 64)
    assert n >= 0
    return list(values[0:n])


def read_chain(runtime, chain):
    """The values in a hash chain, whose links backwards agree."""
    values = runtime.ffi.new("int[64]")
    n = runtime.hlist_read(chain, values, 64)
    assert n >= 0
    return list(values[0:n])


def fill(runtime, a_list, node, values):
    """Adds nodes at the tail."""
    nodes = [node(value) for value in values]
    for one in nodes:
        runtime.list_add_tail(one, a_list)
    return nodes


def empty(runtime, *nodes):
    """Takes nodes off their lists."""
    for one in nodes:
        runtime.list_del(one)


def test_a_new_list_is_empty(runtime, lists):
    """No node, no first, no last, and not singular."""
    new = lists[0]
    assert ([], True, False, 0) == (
        read(runtime, new),
        runtime.list_empty(new),
        runtime.list_is_singular(new),
        runtime.list_count_nodes(new),
    )
    assert (-1, -1) == (runtime.list_first(new), runtime.list_last(new))


def test_add_is_a_stack_and_add_tail_a_queue(runtime, lists, node):
    """list_add() puts after the head, list_add_tail() before it."""
    nodes = [node(value) for value in (1, 2, 3, 4)]
    runtime.list_add(nodes[0], lists[0])
    runtime.list_add(nodes[1], lists[0])
    runtime.list_add_tail(nodes[2], lists[0])
    runtime.list_add_tail(nodes[3], lists[0])
    assert [2, 1, 3, 4] == read(runtime, lists[0])
    assert (2, 4, 3) == (runtime.list_first(lists[0]), runtime.list_last(lists[0]), runtime.list_next(nodes[0]))
    empty(runtime, *nodes)


def test_singular_means_one_node(runtime, lists, node):
    """list_is_singular() and list_count_nodes() for none, one and two nodes."""
    seen = []
    nodes = [node(1), node(2)]
    for one in nodes:
        seen.append((runtime.list_is_singular(lists[0]), runtime.list_count_nodes(lists[0])))
        runtime.list_add(one, lists[0])
    seen.append((runtime.list_is_singular(lists[0]), runtime.list_count_nodes(lists[0])))
    assert [(False, 0), (True, 1), (False, 2)] == seen
    empty(runtime, *nodes)


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_del_unlinks_and_poisons(runtime, lists, node, victim):
    """First, middle or last: the neighbours meet, and the node points to no object."""
    nodes = fill(runtime, lists[0], node, [0, 1, 2])
    runtime.list_del(nodes[victim])
    assert [value for value in range(3) if value != victim] == read(runtime, lists[0])
    assert (True, False) == (runtime.node_is_poisoned(nodes[victim]), runtime.node_is_alone(nodes[victim]))
    del nodes[victim]
    empty(runtime, *nodes)


def test_del_init_unlinks_and_leaves_an_empty_list(runtime, lists, node):
    """list_empty() of the node says that it is on no list; deleting it again is harmless."""
    nodes = fill(runtime, lists[0], node, [0, 1, 2])
    assert not runtime.node_is_alone(nodes[1])
    runtime.list_del_init(nodes[1])
    assert (True, False) == (runtime.node_is_alone(nodes[1]), runtime.node_is_poisoned(nodes[1]))
    runtime.list_del_init(nodes[1])
    assert [0, 2] == read(runtime, lists[0])
    empty(runtime, nodes[0], nodes[2])


def test_move_takes_a_node_to_either_end(runtime, lists, node):
    """list_move() to the head, list_move_tail() to the tail, of the same list or of another."""
    nodes = fill(runtime, lists[0], node, [0, 1, 2, 3])
    runtime.list_move(nodes[2], lists[0])
    assert [2, 0, 1, 3] == read(runtime, lists[0])
    runtime.list_move_tail(nodes[0], lists[0])
    assert [2, 1, 3, 0] == read(runtime, lists[0])
    runtime.list_move(nodes[3], lists[1])
    runtime.list_move_tail(nodes[1], lists[1])
    assert ([2, 0], [3, 1]) == (read(runtime, lists[0]), read(runtime, lists[1]))
    empty(runtime, *nodes)


@pytest.mark.parametrize(
    ("splice", "both"), [("list_splice_init", [2, 3, 0, 1]), ("list_splice_tail_init", [0, 1, 2, 3])]
)
def test_splice_moves_all_nodes_in_their_order(runtime, lists, node, splice, both):
    """To the head or to the tail, and the list that gave them is empty."""
    nodes = fill(runtime, lists[0], node, [0, 1]) + fill(runtime, lists[1], node, [2, 3])
    getattr(runtime, splice)(lists[1], lists[0])
    assert (both, []) == (read(runtime, lists[0]), read(runtime, lists[1]))
    empty(runtime, *nodes)


@pytest.mark.parametrize("splice", ["list_splice_init", "list_splice_tail_init"])
def test_splice_of_nothing_or_to_nothing(runtime, lists, node, splice):
    """An empty list adds nothing; an empty target gets everything."""
    nodes = fill(runtime, lists[0], node, [0, 1])
    getattr(runtime, splice)(lists[1], lists[0])
    assert [0, 1] == read(runtime, lists[0])
    getattr(runtime, splice)(lists[0], lists[1])
    assert ([], [0, 1]) == (read(runtime, lists[0]), read(runtime, lists[1]))
    empty(runtime, *nodes)


@pytest.mark.parametrize("values", [[], [1], [2], [1, 2, 3, 4], [2, 1, 3, 5], [1, 3, 5]])
def test_the_safe_walk_survives_deleting(runtime, values):
    """list_for_each_entry_safe() goes on after a node that was deleted and freed."""
    a_list = runtime.list_new()
    for value in values:
        runtime.list_add_tail(runtime.node_new(value), a_list)
    runtime.list_delete_odd(a_list)
    assert [value for value in values if value % 2 == 0] == read(runtime, a_list)
    runtime.list_free(a_list)


def test_a_chain_is_a_stack(runtime, node):
    """hlist_add_head() puts first, and an empty chain has no node."""
    chain = runtime.hlist_new()
    assert [] == read_chain(runtime, chain)
    for value in (1, 2, 3):
        runtime.hlist_add_head(node(value), chain)
    assert [3, 2, 1] == read_chain(runtime, chain)
    runtime.kfree(chain)


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_hlist_del_unlinks_and_poisons(runtime, node, victim):
    """First, middle or last: no head is needed, the neighbours meet."""
    chain = runtime.hlist_new()
    nodes = [node(value) for value in range(3)]
    for one in nodes:
        runtime.hlist_add_head(one, chain)
    runtime.hlist_del(nodes[victim])
    assert [value for value in (2, 1, 0) if value != victim] == read_chain(runtime, chain)
    assert runtime.node_is_hpoisoned(nodes[victim])
    runtime.kfree(chain)


@pytest.mark.parametrize("values", [[], [1], [2], [1, 2, 3, 4], [1, 3, 5]])
def test_the_safe_walk_of_a_chain_survives_deleting(runtime, values):
    """hlist_for_each_entry_safe() goes on after a node that was deleted and freed."""
    chain = runtime.hlist_new()
    for value in reversed(values):
        runtime.hlist_add_head(runtime.node_new(value), chain)
    runtime.hlist_delete_odd(chain)
    assert [value for value in values if value % 2 == 0] == read_chain(runtime, chain)
    runtime.hlist_free(chain)
