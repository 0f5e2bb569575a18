# SPDX-License-Identifier: GPL-2.0-only
"""The kernel headers of each runtime: they compile by themselves, and refuse what they do not have."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from iopf._csrc_tools import tool

CSRC = Path(__file__).parents[2] / "csrc"
HEADERS = sorted(str(path.relative_to(CSRC / "include")) for path in (CSRC / "include").rglob("*.h"))
COMPILER = shutil.which(os.environ.get("CC", "gcc").split()[0])

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


def build_flags():
    """What the build compiles with."""
    flags = [flag for flag in tool("build").CFLAGS if not flag.startswith("-ffile-prefix-map")]
    compilers = tool("compilers")
    everything = "-ferror-limit=0" if compilers.is_clang(COMPILER) else "-fmax-errors=0"
    return [*compilers.flags_for([COMPILER], flags), everything]


class Compiler:
    """A C compiler with the headers of a runtime."""

    def __init__(self, runtime):
        include = [CSRC / "runtime" / runtime, CSRC / "include", CSRC / "runtime"]
        self.command = [COMPILER, *build_flags(), *(f"-I{folder}" for folder in include), "-fsyntax-only", "-xc", "-"]

    def complaints(self, source):
        """Everything it says about a source, warnings too."""
        return subprocess.run(self.command, input=source, capture_output=True, text=True).stderr

    def refused(self, uses):
        """Those uses that are errors, each in a function of its own. All are compiled at once: "#line" tells whose."""
        functions = "".join(
            f'#line 1 "use {number}"\nvoid function{number}(struct thing *thing, struct list_head *list);'
            f" void function{number}(struct thing *thing, struct list_head *list) {{ {statement} }}\n"
            for number, statement in enumerate(uses.values())
        )
        errors = self.complaints(
            "#include <linux/completion.h>\n#include <linux/iommu.h>\n#include <linux/kref.h>\n#include <linux/rhashtable.h>\n"
            "#include <linux/rwsem.h>\n#include <linux/sched.h>\n#include <linux/srcu.h>\n#include <linux/wait.h>\n#include <linux/xarray.h>\n"
            "struct thing { int first; struct list_head list; struct work_struct work; struct mutex lock; };\n"
            f"void function(void);\n{functions}"
        )
        # Each diagnostic with its notes: an error inside a macro names the use in "in expansion of".
        parts = re.split(r"^(?=.*: (?:error|warning): )", errors, flags=re.MULTILINE)
        numbers = {
            int(number) for part in parts if ": error: " in part for number in re.findall(r"\buse (\d+):\d+", part)
        }
        return [use for number, use in enumerate(uses) if number in numbers]


@pytest.fixture(scope="module", params=["native", "plain"])
def compiler(request):
    """A compiler for each runtime."""
    return Compiler(request.param)


@pytest.mark.parametrize("header", HEADERS)
def test_each_header_compiles_by_itself(compiler, header):
    """Nobody has to know what to include before, and there is no warning."""
    assert "" == compiler.complaints(f"#include <{header}>\n#include <{header}>\n")


#: What the kernel has and these headers do not: it must not compile, rather than mean something else.
UNKNOWN = {
    "spin_trylock of a mutex": "spin_trylock(&thing->lock);",
    "reader-writer spinlocks": "rwlock_t lock; read_lock(&lock);",
    "sequence locks": "seqlock_t lock; write_seqlock(&lock);",
    "semaphores": "struct semaphore sem; down(&sem);",
    "percpu references": "struct percpu_ref ref; percpu_ref_get(&ref);",
    "IDA": "DEFINE_IDA(ida); ida_alloc(&ida, GFP_KERNEL);",
    "marks of an xarray": "xa_set_mark(NULL, 1, 0);",
    "the advanced xarray": "XA_STATE(xas, NULL, 0); xas_load(&xas);",
    "resizable hash tables": "rhashtable_destroy(NULL);",
    "high-resolution timers": "struct hrtimer timer; hrtimer_init(&timer, 0, 0);",
    "interruptible locking": "if (mutex_lock_interruptible(&thing->lock)) return;",
    "lock classes of one's own": "mutex_lock_nested(&thing->lock, 1);",
    "nested semaphores": "struct rw_semaphore sem; down_write_nested(&sem, 1);",
    "refcount_sub_and_test": "refcount_t r; refcount_set(&r, 2); refcount_sub_and_test(2, &r);",
    "dec_and_mutex_lock": "refcount_t r; refcount_set(&r, 1); refcount_dec_and_mutex_lock(&r, &thing->lock);",
    "kref_put_mutex": "struct kref ref; kref_put_mutex(&ref, NULL, &thing->lock);",
    "GFP_DMA": "kfree(kmalloc(8, GFP_DMA));",
    "typesafe slabs": "return (void)KMEM_CACHE(thing, SLAB_TYPESAFE_BY_RCU);",
    "works in softirqs": 'alloc_workqueue("x", WQ_BH, 0);',
    "schedule_timeout": "schedule_timeout(1);",
}

#: Types that do not fit, where the kernel's macros refuse too.
MISFITS = {
    "container_of another member": "struct thing *t = container_of(list, struct thing, work); (void)t;",
    "container_of another type": "struct thing *t = container_of(&thing->work, struct thing, list); (void)t;",
    "list_entry of an int": "struct thing *t = list_entry(&thing->first, struct thing, list); (void)t;",
    "kfree_rcu of an object without a head": "kfree_rcu(thing, rcu);",
    "spin_lock of a mutex": "spin_lock(&thing->lock);",
    "completing a work": "complete(&thing->work);",
    "locking what is no mutex": "mutex_lock(&thing->list);",
    "counting an int": "refcount_inc(&thing->first);",
    "queue_work the wrong way round": "queue_work(&thing->work, NULL);",
    "min of two signs": "int a = -1; unsigned int b = 1; (void)min(a, b);",
    "ARRAY_SIZE of a pointer": "(void)ARRAY_SIZE(list);",
    "guard(mutex) of a spinlock": "DEFINE_SPINLOCK(lock); guard(mutex)(&lock);",
    "down_read of a mutex": "down_read(&thing->lock);",
    "a static assertion that fails": "static_assert(sizeof(struct thing) == 1);",
    "cancel_delayed_work of a work": "cancel_delayed_work_sync(&thing->work);",
    "srcu_read_unlock without its index": "struct srcu_struct srcu; srcu_read_unlock(&srcu);",
    "xa_store of no entry": "struct xarray xa; xa_store(&xa, 1, 5, GFP_KERNEL);",
    "an exported symbol that does not exist": "EXPORT_SYMBOL_GPL(no_such_function);",
}

#: The same uses, done right.
FITTING = {
    "container_of": "struct thing *t = container_of(list, struct thing, list); (void)t;",
    "container_of void": "void *p = list; struct thing *t = container_of(p, struct thing, list); (void)t;",
    "list_entry": "struct thing *t = list_entry(&thing->list, struct thing, list); (void)t;",
    "mutex_lock": "mutex_lock(&thing->lock); mutex_unlock(&thing->lock);",
    "refcount": "refcount_t r = REFCOUNT_INIT(1); refcount_inc(&r);",
    "queue_work": "queue_work(NULL, &thing->work);",
    "kfree": "kfree(kmalloc(8, GFP_KERNEL));",
    "list walks": "struct thing *t; list_for_each_entry(t, list, list) ;",
    "export": "EXPORT_SYMBOL_GPL(function);",
    "spinlock": "DEFINE_SPINLOCK(lock); unsigned long flags; spin_lock_irqsave(&lock, flags); lockdep_assert_held(&lock);"
    " spin_unlock_irqrestore(&lock, flags);",
    "completion": "DECLARE_COMPLETION_ONSTACK(done); wait_for_completion(&done);",
    "wait queue": "DECLARE_WAIT_QUEUE_HEAD(wq); int n = 1; if (wait_event_timeout(wq, n > 0, HZ)) wake_up(&wq);",
    "min": "int a = 1; unsigned int b = 1; (void)min(a, 3); (void)min(b, 3); (void)min_t(int, a, b);",
    "ARRAY_SIZE": "int numbers[3]; (void)ARRAY_SIZE(numbers);",
    "guard": "guard(mutex)(&thing->lock);",
    "semaphore": "DECLARE_RWSEM(sem); down_read(&sem); lockdep_assert_held_read(&sem); up_read(&sem);",
    "static assertion": "static_assert(sizeof(struct thing) > 1);",
    "xarray": "DEFINE_XARRAY(xa); xa_store(&xa, 1, thing, GFP_KERNEL);",
    "one item": "cancel_work_sync(&thing->work); flush_work(&thing->work);",
}


def test_what_the_headers_do_not_have_does_not_compile(compiler):
    """No shim stands in for a primitive that it does not implement."""
    assert list(UNKNOWN) == compiler.refused(UNKNOWN)


def test_types_that_do_not_fit_do_not_compile(compiler):
    """A pointer to something else than the member, the lock or the count is refused."""
    assert list(MISFITS) == compiler.refused(MISFITS)


def test_types_that_fit_compile(compiler):
    """The control: it is the misfit that is refused, not the form."""
    assert [] == compiler.refused(FITTING)
