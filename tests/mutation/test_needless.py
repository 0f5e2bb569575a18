# SPDX-License-Identifier: GPL-2.0-only
"""What the generator does not make since nobody could see it: each rule, and beside it an edit that somebody could see.

The fast tests are about small texts. The long one explores every edit of the seven files that is not made.
"""

import re

import generator
import pytest
import targets
from test_score import needs_an_explorer, rows_of

TEXT = """
static void %(name)s(struct thing *t, struct owner *owner, struct thing *old)
{
	struct thing *new = kzalloc(sizeof(*new), GFP_KERNEL);
	unsigned int bits = 0;

	if (!new)
		return;
	nothing();
%(body)s
}

static void uses(struct owner *owner)
{
	struct thing *t;

	mutex_lock(&owner->lock);
	list_for_each_entry(t, &owner->things, node)
		change(t);
	list_for_each_entry(t, &owner->late, late_node)
		change(t);
	mutex_unlock(&owner->lock);
	if (list_empty(&t->asked))
		t->spec.part = 1;
}

static void change(struct thing *t)
{
	t->count++;
}

static void opens(struct thing *t)
{
	mutex_unlock(&t->owner->lock);
}
"""


def edits(body, operator, needless):
    """What is made, or not made, of a body that stands in a function with an object of its own: the texts, in one line each."""
    text = TEXT % {"name": "f", "body": "\n".join(f"\t{line}" for line in body)}
    found = [
        mutant.edit
        for mutant in generator.mutants("f.c", text, needless)
        if mutant.function == "f" and mutant.operator in operator
    ]
    return [" ".join(edit.apply(text).split()) for edit in found]


def is_made(body, operator, becomes):
    """Is the edit made by which ``becomes`` stands there? It has to be among those that are counted, in any case."""
    operator = (operator,) if isinstance(operator, str) else operator
    wanted = " ".join(becomes.split())
    made, unmade = (sum(wanted in text for text in edits(body, operator, needless)) for needless in (False, True))
    assert made + unmade == 1, (made, unmade, becomes)
    return bool(made)


#: The rule, two neighbours, and whether their exchange is made.
NEIGHBOURS = [
    # the compiler's own freedom
    ("two members", "t->a = 1;", "t->b = 2;", False),
    ("one member", "t->a = 1;", "old->a = 2;", True),
    ("a member that the other reads", "t->a = 1;", "t->b = old->a;", True),
    ("a pointer that the other follows", "t = old;", "t->b = 2;", True),
    ("a member that leads to the other", "t->owner = owner;", "t->owner->x = 1;", True),
    ("a structure, and a part of it", "t->spec = old->spec;", "t->part = 1;", True),
    ("what a pointer may lead to", "*t = *old;", "old->b = 2;", True),
    ("an element", "t->array[0] = 1;", "t->b = 2;", True),
    ("a call that may look at it", "t->a = 1;", "change(t);", True),
    ("a count", "t->a = 1;", "t->b++;", False),
    ("two lists", "list_add(&t->node, &owner->things);", "list_add(&t->late_node, &owner->late);", False),
    ("one list", "list_add(&t->node, &owner->things);", "list_add_tail(&old->node, &owner->things);", True),
    ("a list and its head", "list_add(&t->node, &owner->things);", "INIT_LIST_HEAD(&owner->things);", True),
    ("a list by a pointer", "list_add(&t->node, &owner->things);", "list_del(old);", True),
    ("two heads", "INIT_LIST_HEAD(&t->things);", "INIT_LIST_HEAD(&t->node);", False),
    ("a list and a member", "list_del(&t->node);", "t->a = 1;", False),
    ("a table", "keyed_del(&t->table, &old->index);", "list_del(&old->node);", False),
    ("one table", "keyed_del(&t->table, &old->index);", "keyed_add(&t->table, owner->key, &new->index);", True),
    ("a table's key", "owner->key = 1;", "keyed_add(&t->table, owner->key, &t->index);", True),
    ("a marked access and a plain one", "WRITE_ONCE(t->a, 1);", "t->b = 2;", False),
    ("two marked ones", "WRITE_ONCE(t->a, 1);", "WRITE_ONCE(t->b, 2);", True),
    ("NULL and a plain one", "list_del(&t->node);", "rcu_assign_pointer(owner->p, NULL);", False),
    ("a publication", "t->a = 1;", "rcu_assign_pointer(owner->p, t);", True),
    ("a publication, then a write", "rcu_assign_pointer(owner->p, t);", "t->a = 1;", True),
    ("two bits", "if (owner->r) bits |= READ;", "if (owner->w) bits |= WRITE;", False),
    ("a bit that is asked for", "if (owner->w) bits |= WRITE;", "if (bits & WRITE) bits |= BOTH;", True),
    # into a lock, not out of it
    ("into a lock", "t->a = 1;", "mutex_lock(&owner->lock);", False),
    ("out of a lock", "mutex_lock(&owner->lock);", "t->a = 1;", True),
    ("in behind the unlock", "mutex_unlock(&owner->lock);", "t->a = 1;", False),
    ("out behind the unlock", "t->a = 1;", "mutex_unlock(&owner->lock);", True),
    ("by what the lock is found", "owner = t->owner;", "mutex_lock(&owner->lock);", True),
    ("into a reader's section", "t->a = 1;", "rcu_read_lock();", True),
    ("an allocation", "t = kzalloc(8, GFP_KERNEL);", "mutex_lock(&owner->lock);", True),
    ("a marked access into a lock", "WRITE_ONCE(t->a, 1);", "mutex_lock(&owner->lock);", True),
    # nobody has it yet
    ("two of the own object", "refcount_set(&new->users, 1);", "mutex_init(&new->lock);", False),
    ("of another's", "refcount_set(&t->users, 1);", "mutex_init(&t->lock);", True),
    ("one reads the other", "new->a = take(owner);", "new->b = new->a;", True),
    ("a structure of the own object", "new->spec = old->spec;", "mutex_lock(&owner->lock);", False),
    ("its value by a call", "new->a = take(owner);", "mutex_lock(&owner->lock);", True),
    ("initialised late, before it is freed", "mutex_init(&new->lock);", "if (!owner->wq) { kfree(new); return; }", False),
    ("initialised early", "if (!owner->wq) { kfree(new); return; }", "mutex_init(&new->lock);", False),
    ("initialised late, and used there", "mutex_init(&new->lock);", "if (!owner->wq) { destroy(&new->lock); kfree(new); return; }", True),
    ("initialised late, and another way out", "mutex_init(&new->lock);", "if (!owner->wq) goto out;", True),
    ("initialised before there was memory", "if (!new) return;", "mutex_init(&new->lock);", True),
    ("initialised when it is handed on", "mutex_init(&new->lock);", "owner->p = new;", True),
    # an assertion
    ("an assertion, later", "lockdep_assert_held(&owner->lock);", "if (t->a) return;", False),
    ("an assertion, asked more often", "if (t->a) return;", "lockdep_assert_held(&owner->lock);", True),
    ("an assertion, over a call", "lockdep_assert_held(&owner->lock);", "change(t);", False),
    ("an assertion, over what unlocks", "lockdep_assert_held(&owner->lock);", "opens(t);", True),
]  # fmt: skip


@pytest.mark.parametrize("first, second, made", [each[1:] for each in NEIGHBOURS], ids=[each[0] for each in NEIGHBOURS])
def test_an_exchange_is_made_if_somebody_could_see_it(first, second, made):
    """Two neighbours, and what the rules say of them."""
    assert made == is_made([first, second], ("swap", "cross"), f"{second} {first}")


def test_the_object_has_to_be_the_functions_own_still():
    """Behind the call to which it is handed, or the list on which it hangs, somebody may see it."""
    two = ["refcount_set(&new->users, 1);", "mutex_init(&new->lock);"]
    for handing_on in (
        "hand_on(new);",
        "list_add(&new->node, &owner->things);",
        "owner->p = new;",
        "t->lock = &new->lock;",
    ):
        assert not is_made([*two, handing_on], ("swap", "cross"), f"{two[1]} {two[0]}")
        assert is_made([handing_on, *two], ("swap", "cross"), f"{two[1]} {two[0]}")
        assert not is_made([two[0], handing_on], "double", f"{{ {two[0]} {two[0]} }}")
        assert is_made([handing_on, two[0]], "double", f"{{ {two[0]} {two[0]} }}")


CALLER = """
static void helper(struct thing *spare)
{
	struct thing *new = kzalloc(sizeof(*new), GFP_KERNEL);

	if (!new)
		new = spare;
	new->spec = *source;
	mutex_init(&new->lock);
	list_add(&new->node, &things);
}

void caller(void)
{
	struct thing own = {};

	%s
	helper(&own);
}
"""


@pytest.mark.parametrize("before, made", [("nothing();", False), ("show(&own);", True), ("helper(elsewhere);", True)])
def test_what_stands_for_the_object_has_to_be_the_callers_own(before, made):
    """Without memory a variable of the caller's takes its place, to which nobody may have a pointer."""
    text = CALLER % before
    found = [" ".join(mutant.edit.apply(text).split()) for mutant in generator.mutants("f.c", text)]
    assert made == any("mutex_init(&new->lock); new->spec = *source;" in each for each in found)


@pytest.mark.parametrize(
    "statement, becomes, made",
    [
        ("p = rcu_dereference(t->p);", "p = READ_ONCE(t->p);", False),
        ("p = rcu_dereference(t->p);", "p = (t->p);", True),
        ("p = READ_ONCE(t->p);", "p = (t->p);", True),
        ("rcu_assign_pointer(t->p, NULL);", "WRITE_ONCE(t->p, NULL);", False),
        ("rcu_assign_pointer(t->p, NULL);", "(t->p = NULL);", True),
        ("rcu_assign_pointer(t->p, old);", "WRITE_ONCE(t->p, old);", True),
        ("RCU_INIT_POINTER(new->p, old);", "(new->p = old);", False),
        ("RCU_INIT_POINTER(t->p, old);", "(t->p = old);", True),
    ],
)
def test_an_access_is_weakened_if_somebody_could_see_it(statement, becomes, made):
    """The kernel's own definitions of RCU's accesses, and what nobody has yet."""
    assert made == is_made(["nothing();", statement], "order", f"nothing(); {becomes}")


@pytest.mark.parametrize(
    "before, made",
    [
        ("mutex_lock(&t->lock);", False),
        ("nothing();", True),
        ("mutex_lock(&old->lock);", True),
        ("mutex_lock(&t->lock); mutex_unlock(&t->lock);", True),
        ("mutex_lock(&t->lock); if (bits) mutex_unlock(&t->lock);", True),
        ("if (bits) { mutex_lock(&t->lock); }", True),
    ],
)
def test_a_read_under_the_lock_that_it_names_is_plain_already(before, made):
    """And only there: the lock is held where the function has taken it on every way, and not dropped it."""
    body = [before, "p = rcu_dereference_check(t->p, lockdep_is_held(&t->lock));"]
    assert made == is_made(body, "order", f"{before} p = (t->p);")
    assert is_made([before, "p = rcu_dereference_check(t->p, true);"], "order", f"{before} p = (t->p);")


@pytest.mark.parametrize(
    "statement, becomes, made",
    [
        ("list_del(&t->node);", "list_del_init(&t->node);", False),
        ("list_del(&t->asked);", "list_del_init(&t->asked);", True),
        ("list_del(t);", "list_del_init(t);", True),
        ("list_del_init(&t->node);", "list_del(&t->node);", True),
    ],
)
def test_a_node_is_initialised_if_somebody_could_ask_it(statement, becomes, made):
    """list_empty() of the file tells which members are asked; that poison comes instead is always made."""
    assert made == is_made(["nothing();", statement], "list", f"nothing(); {becomes}")


def test_what_is_not_made_keeps_its_number():
    """The ids of the others are those of a generator without the rules."""
    body = ["t->a = 1;", "t->b = 2;", "change(t);", "t->c = 3;"]
    text = TEXT % {"name": "f", "body": "\n".join(f"\t{line}" for line in body)}
    ids = {
        needless: {
            mutant.id
            for mutant in generator.mutants("f.c", text, needless)
            if mutant.operator == "swap" and mutant.function == "f"
        }
        for needless in (False, True)
    }
    numbers = sorted(int(re.search(r"\d+$", name)[0]) for name in ids[False] | ids[True])
    assert ids[True] and not ids[False] & ids[True] and list(range(1, len(numbers) + 1)) == numbers


@pytest.mark.parametrize("file", targets.FILES)
def test_few_edits_are_not_made(file):
    """A rule that grew too wide would take the mutants away by which everything else is judged."""
    made, unmade = (len(targets.mutants_of(file, needless)) for needless in (False, True))
    assert unmade <= made / 10


@pytest.mark.long
@needs_an_explorer
def test_nobody_finds_what_is_not_made():
    """Every edit that the rules leave out, explored by the library and the suite: it lives, or is no other code."""
    rows = rows_of("--needless", "--suite", "--no-why")
    assert {mutant.id for file in targets.FILES for mutant in targets.mutants_of(file, True)} == set(rows)
    assert [] == [row for row in rows.values() if row["outcome"] not in ("lives", "same")]
