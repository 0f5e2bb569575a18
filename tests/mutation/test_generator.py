# SPDX-License-Identifier: GPL-2.0-only
"""The generator of mutants: each operator makes what it says of a small text, and nothing else of it changes."""

import difflib
import re

import generator
import pytest
import targets
from ctext import Source

TEXT = """
#define UNUSED(x) { x; }
struct thing { int a; };
/* A comment { with a bracket. */
static int f(struct thing *t, int code)
{
	struct thing *other = NULL;
	const char *s = "a } in a string";
	int ret = -EINVAL;

	if (!t || t->a == 2)
		return ret;
	mutex_lock(&t->lock);
	list_add(&t->node, &t->list);
	list_for_each_entry_safe(other, t, &t->list, node)
		kfree(other);
	t->grpid = t->pasid;
	respond(t, IOMMU_PAGE_RESP_INVALID);
	mutex_unlock(&t->lock);
	rcu_assign_pointer(t->p, other);
	if (t->b)
		goto out;
	else
		t->b++;
out:
	put_thing(t);
	return 0;
}

static void g(void)
{
	lockdep_assert_held(&lock);
}
"""


def made(operator):
    """What stands in the text instead, for each mutant of the operator: lines that went, lines that came."""
    found = []
    for mutant in generator.mutants("f.c", TEXT):
        if mutant.operator == operator:
            lines = [
                line
                for line in difflib.ndiff(TEXT.splitlines(), mutant.edit.apply(TEXT).splitlines())
                if line.startswith(("- ", "+ "))
            ]
            found.append(
                tuple(" ".join(" ".join(line[2:] for line in lines if line[0] == sign).split()) for sign in "-+")
            )
    return found


def test_functions_and_statements_are_found():
    """Comments, strings and macros with brackets lead nowhere; every statement has its kind."""
    source = Source(TEXT)
    assert ["f", "g"] == [function.name for function in source.functions]
    assert ["declaration"] * 3 + ["if"] + ["expression"] * 2 + ["loop"] + ["expression"] * 4 + [
        "if",
        "label",
        "expression",
        "return",
    ] == [each.kind for each in source.functions[0].body.inside]


@pytest.mark.parametrize(
    "operator, gone, come",
    [
        ("delete", "list_add(&t->node, &t->list);", ";"),
        ("delete", "return ret;", ";"),
        ("drop", "mutex_unlock(&t->lock);", ";"),
        ("drop", "kfree(other);", ";"),
        ("double", "put_thing(t);", "{ put_thing(t); put_thing(t); }"),
        ("negate", "if (!t || t->a == 2)", "if (!(!t || t->a == 2))"),
        ("unasked", "if (t->b)", "if ((t->b), true)"),
        ("unasked", "if (t->b)", "if ((t->b), false)"),
        ("operand", "if (!t || t->a == 2)", "if (t->a == 2)"),
        ("operand", "if (!t || t->a == 2)", "if (!t)"),
        ("relation", "if (!t || t->a == 2)", "if (!t && t->a == 2)"),
        ("relation", "if (!t || t->a == 2)", "if (!t || t->a != 2)"),
        ("relation", "t->b++;", "t->b--;"),
        ("list", "list_add(&t->node, &t->list);", "list_add_tail(&t->node, &t->list);"),
        ("list", "list_add(&t->node, &t->list);", "list_add(&t->list, &t->node);"),
        ("list", "list_for_each_entry_safe(other, t, &t->list, node)", "list_for_each_entry(other, &t->list, node)"),
        ("code", "respond(t, IOMMU_PAGE_RESP_INVALID);", "respond(t, IOMMU_PAGE_RESP_SUCCESS);"),
        ("code", "respond(t, IOMMU_PAGE_RESP_INVALID);", "respond(t, IOMMU_PAGE_RESP_FAILURE);"),
        ("code", "int ret = -EINVAL;", "int ret = 0;"),
        ("constant", "return 0;", "return 1;"),
        ("order", "rcu_assign_pointer(t->p, other);", "(t->p = other);"),
        ("order", "rcu_assign_pointer(t->p, other);", "WRITE_ONCE(t->p, other);"),
        ("key", "t->grpid = t->pasid;", "t->grpid = t->grpid;"),
    ],
)
def test_an_operator_makes_what_it_says(operator, gone, come):
    """The line, or lines, that went, and what came."""
    assert (gone, come) in made(operator), made(operator)


def test_neighbours_change_places():
    """The second stands before the first; with a lock or a put among them it is called cross."""
    for operator, first, second in (
        ("swap", "t->grpid = t->pasid;", "respond(t, IOMMU_PAGE_RESP_INVALID);"),
        ("cross", "list_add(&t->node, &t->list);", "mutex_lock(&t->lock);"),
    ):
        texts = [mutant.edit.apply(TEXT) for mutant in generator.mutants("f.c", TEXT) if mutant.operator == operator]
        order = (second, first) if operator == "swap" else (first, second)
        assert any(re.search(r"\s+".join(map(re.escape, order)), text) for text in texts)


def test_one_of_a_pair_moves_to_both_ends_of_its_block():
    """Behind the declarations, and before the label or the return."""
    texts = [mutant.edit.apply(TEXT) for mutant in generator.mutants("f.c", TEXT) if mutant.operator == "move"]
    assert any("mutex_unlock(&t->lock); if (!t ||" in text for text in texts)
    assert any("t->b++; mutex_lock(&t->lock);" in text for text in texts)


def test_what_only_asserts_is_no_statement_to_lose():
    """lockdep_assert_held() says what holds, and does nothing."""
    assert [] == [mutant for mutant in generator.mutants("f.c", TEXT) if mutant.function == "g"]


@pytest.mark.parametrize("file", targets.FILES)
def test_ids_are_names_and_texts_differ(file):
    """No id and no text twice, none the unchanged one; and the same in every run."""
    text = targets.text_of(file)
    made = list(generator.mutants(file, text))
    assert (
        len(made) == len({mutant.id for mutant in made}) == len({mutant.edit.apply(text) for mutant in made} - {text})
    )
    assert [mutant.id for mutant in made] == [mutant.id for mutant in generator.mutants(file, text)]


@pytest.mark.parametrize("file", targets.FILES)
def test_an_id_does_not_depend_on_lines_or_on_other_functions(file):
    """A comment and a function in front of everything change no id."""
    text = targets.text_of(file)
    ids = [mutant.id for mutant in generator.mutants(file, text)]
    moved = "/* A new comment. */\n\nstatic void a_new_function(void) { if (true) return; }\n" + text
    assert ids == [mutant.id for mutant in generator.mutants(file, moved) if mutant.function != "a_new_function"]


@pytest.mark.parametrize("file", targets.FILES)
def test_every_operator_has_something_to_do(file):
    """In the large files all of them, in the handlers most."""
    operators = {mutant.operator for mutant in targets.mutants_of(file)}
    every = {"delete", "drop", "swap", "cross", "double", "move", "negate", "unasked", "operand", "relation", "list", "code",
             "constant", "order", "key"}  # fmt: skip
    assert every - operators <= (
        {"list", "operand", "key", "order"}
        if file.startswith("iommu-sva")
        else {"list", "order"}
        if file == "attach.c"
        else set()
    )
