# SPDX-License-Identifier: GPL-2.0-only
"""The names that patches use, under the explorer: each does what it is for (tests/csrc/kernel_api.c, whose checks run on
threads in tests/primitives/test_kernel_api.py). And the table of names (iopf/_kernel_api.py): what it calls real or a stub is
in that file, which compiles on every runtime; what it refuses is refused.
"""

import re
from pathlib import Path

import kernel_code
import pytest
from test_golden import quiet

import iopf
from iopf._kernel_api import REAL, REFUSED, STUBS
from iopf._source import CoreSourceError
from iopf.explore import Scenario, explore

TEXT = (Path(__file__).parents[1] / "csrc" / "kernel_api.c").read_text()
CHECKS = re.findall(r"\bC\((\w+)\)", TEXT.partition("kernel_api_checks[]")[2])[1:]
#: The number of a check that gives the line of what was wrong.
WRONG = len(CHECKS) + 1
RUN = (
    "static int run(struct device *dev, unsigned int n)\n"
    f"{{\n\treturn n == {WRONG} ? __LINE__ : iopf_kernel_api_check(n);\n}}\n"
)


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """The checks in a kernel file."""
    return kernel_code.core(tmp_path_factory.mktemp("kernel api"), TEXT + RUN)


@pytest.mark.parametrize("name", CHECKS)
def test_what_patches_use_does_what_it_is_for_under_the_explorer(core, name):
    """A check gives 0, or the line of what was wrong. In a task of its own, alone."""
    s = kernel_code.scenario(name, {"task": [CHECKS.index(name)]})
    result = explore(s, core=core, strategy="dpor", **quiet())
    assert ("pass", True) == (result.verdict, result.exhausted), result.failure or result


def test_a_check_that_fails_is_seen(core):
    """The control."""
    kinds = [
        explore(kernel_code.scenario("control", {"task": [n]}), core=core, strategy="dpor", **quiet()).verdict
        for n in (0, WRONG)
    ]
    assert ["pass", "fail"] == kinds


#: Rules of primitives that macros look after, in whatever function they stand; each is broken here.
BROKEN_RULES = {
    "lockdep_assert_held(&spin)": "lockdep_assert_held(&spin);",
    "lockdep_assert_held_read(&sem)": "lockdep_assert_held_read(&sem);",
    "lockdep_assert_held_write(&sem)": "lockdep_assert_held_write(&sem);",
    "rwsem_assert_held(&sem)": "rwsem_assert_held(&sem);",
    "lockdep_assert(!queue)": "lockdep_assert(!queue);",
    "lockdep_assert_once(!dev)": "lockdep_assert_once(!dev);",
    "assert_spin_locked(&spin)": "assert_spin_locked(&spin);",
    "spin_unlock_irqrestore": "spin_lock_irqsave(&spin, flags); flags = 0; spin_unlock_irqrestore(&spin, flags);",
    "rcu_dereference": "(void)rcu_dereference(pointer);",
    "rcu_dereference_protected": "(void)rcu_dereference_protected(pointer, false);",
    "srcu_dereference": "(void)srcu_dereference(pointer, &srcu);",
    "list_for_each_entry_rcu": "list_for_each_entry_rcu(node, &list, list) ;",
}


def test_a_rule_that_is_broken_where_a_driver_may_be_told_off_is_found(tmp_path):
    """A WARN of iopf_queue_remove_device() itself blames its caller, and fails no run: a rule of a primitive does."""
    broken = dict.fromkeys(("spinlock", "rwsem", "lockdep", "srcu", "rculist"))
    text = "".join(f"#include <linux/{name}.h>\n" for name in broken) + (kernel_code.FILES / "form-j.c").read_text()
    body = re.search(r"^void iopf_queue_remove_device\([^{]*\{\n(?:\t.*\n)+", text, re.M)
    rules = "".join(f"\t{use}\n" for use in BROKEN_RULES.values())
    code = (
        "\tstatic DEFINE_SPINLOCK(spin);\n\tstatic DECLARE_RWSEM(sem);\n\tDEFINE_STATIC_SRCU(srcu);\n\tstatic LIST_HEAD(list);\n"
        "\tstatic int __rcu *pointer;\n\tstruct { struct list_head list; } *node;\n\tunsigned long flags;\n\n"
    )
    (tmp_path / "code.c").write_text(f"{text[: body.end()]}{code}\tWARN_ON(queue);\n{rules}{text[body.end() :]}")
    s = Scenario("rules")
    queue = s.queue()
    s.task("task").remove(queue, s.device(queue, handler="inline", pasid=1))
    result = explore(s, core=iopf.Core.from_source(tmp_path / "code.c"), strategy="dpor", all_failures=True, **quiet())
    lines = (tmp_path / "code.c").read_text().splitlines()
    found = {int(line) for failure in result.failures for line in re.findall(r"code\.c:(\d+)", failure.message)}
    for rule in BROKEN_RULES.values():
        assert lines.index(f"\t{rule}") + 1 in found, (rule, result.failures)
    assert lines.index("\tWARN_ON(queue);") + 1 not in found


# --- the table ---

#: The names that somebody found missing in an everyday patch, and those that were there.
EVERYDAY = """
    guard scoped_guard __free DEFINE_FREE no_free_ptr cancel_work_sync flush_work drain_workqueue work_pending
    queue_delayed_work mod_delayed_work alloc_ordered_workqueue WQ_HIGHPRI WQ_MEM_RECLAIM spin_lock down_read down_write
    srcu_read_lock synchronize_srcu kref_get kref_put atomic_inc atomic_dec_and_test atomic64_add xchg cmpxchg smp_mb smp_rmb
    smp_wmb cpu_relax cond_resched wait_for_completion complete xa_store xa_load xa_erase xa_alloc list_add_rcu list_del_rcu
    list_for_each_entry_rcu hlist_add_head hlist_del llist_add llist_del_all list_splice list_replace_init init_rcu_head
    kfree_rcu_mightsleep KMEM_CACHE timer_setup mod_timer dev_err dev_dbg pr_err pr_warn might_sleep ktime_get jiffies min max
    BUILD_BUG_ON static_assert IS_ENABLED trace_io_page_fault EXPORT_SYMBOL_NS_GPL kmalloc kmalloc_array krealloc kstrdup
    BUG_ON ARRAY_SIZE
""".split()


def made_by_pasting(name, text):
    """atomic_add and so on: a macro makes them for three types."""
    return any(
        name.startswith(f"{kind}_") and re.search(rf"\bp##_{re.escape(name[len(kind) + 1 :])}\b", text)
        for kind in ("atomic", "atomic_long", "atomic64")
    )


@pytest.mark.parametrize("name", [*REAL, *STUBS])
def test_each_name_of_the_table_is_used_in_a_check(name):
    """So it compiles in a kernel file, on every runtime, and something is asked of it."""
    assert re.search(rf"(?<!#){re.escape(name)}\b", TEXT) or made_by_pasting(name, TEXT)


@pytest.mark.parametrize("name", EVERYDAY)
def test_what_everyday_patches_use_is_in_the_table(name):
    """Real, or a stub by necessity."""
    assert name in REAL or name in STUBS


def test_the_table_names_headers_that_exist():
    """And no name is two things."""
    include = Path(__file__).parents[2] / "csrc" / "include" / "linux"
    assert [] == [header for header in set(REAL.values()) if not (include / header).exists()]
    assert not set(REAL) & set(STUBS) and not set(REFUSED) & {*REAL, *STUBS}


INCLUDES = "".join(
    f"#include <linux/{name}.h>\n"
    for name in ("init", "kref", "rhashtable", "slab", "tracepoint", "workqueue", "xarray")
)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_in_the_line_that_uses_it(tmp_path, name):
    """The first error is that line of the file, and says what there is in its place."""
    use, instead = REFUSED[name]
    inside = use.endswith(";")
    body = f"\t{use}\n\treturn 0;" if inside else "\treturn 0;"
    code = f"{INCLUDES}static int run(struct device *dev, unsigned int n)\n{{\n{body}\n}}\n" + (
        "" if inside else use + "\n"
    )
    with pytest.raises(CoreSourceError) as caught:
        kernel_code.core(tmp_path, code).compile_for("explore")
    where = (tmp_path / "code.c").read_text().splitlines().index(f"\t{use}" if inside else use) + 1
    assert caught.value.first_error.startswith(f"{tmp_path / 'code.c'}:{where}:"), caught.value.first_error
    assert name in caught.value.first_error
    assert f"is not here: {instead}" in caught.value.first_error


def test_a_file_that_uses_nothing_refused_compiles(tmp_path):
    """The control: the headers alone refuse nothing."""
    code = f"{INCLUDES}static int run(struct device *dev, unsigned int n)\n{{\n\treturn 0;\n}}\n"
    kernel_code.core(tmp_path, code).compile_for("explore")


@pytest.mark.parametrize(
    ("use", "says"),
    [
        ("BUILD_BUG_ON(sizeof(struct kref) > 1);", "BUILD_BUG_ON failed: sizeof(struct kref) > 1"),
        ('BUILD_BUG_ON_MSG(sizeof(int) == 4, "ints are ints");', "ints are ints"),
        ("kfree(krealloc(NULL, 8, GFP_KERNEL | __GFP_ZERO));", "krealloc with __GFP_ZERO is not here: use kzalloc()"),
        (
            'kmem_cache_destroy(kmem_cache_create("x", 64, 64, 0, NULL));',
            "objects are aligned to 16 bytes here, no more",
        ),
    ],
)
def test_what_the_optimiser_has_to_find_out_is_an_error_too(tmp_path, use, says):
    """It says what is wrong, and names the line that uses it."""
    code = f"{INCLUDES}static int run(struct device *dev, unsigned int n)\n{{\n\t{use}\n\treturn 0;\n}}\n"
    with pytest.raises(CoreSourceError) as caught:
        kernel_code.core(tmp_path, code).compile_for("explore")
    where = (tmp_path / "code.c").read_text().splitlines().index(f"\t{use}") + 1
    assert re.search(rf"code\.c:{where}:", caught.value.output), caught.value.output
    assert says in caught.value.first_error
