# SPDX-License-Identifier: GPL-2.0-only
"""Barriers under the explorer: they change no interleaving, and order what the race detector looks at, as C11's fences do.

One race in all of these. The sender writes plain data and then a flag; the receiver reads the flag, and the data when it is
set. What orders the two, or does not, is between the accesses of each.
"""

import kernel_code
import pytest
from test_golden import quiet

from iopf.explore import explore

CODE = """
#include <linux/atomic.h>
#include <linux/barrier.h>
#include <linux/bitops.h>
#include <linux/slab.h>

struct message {
	int data, flag;
	atomic_t count, other;
	unsigned long bits;
};
"""

#: One case. Its setup, sender, receiver and teardown are four numbers of run().
CASE = """
static int case_NUMBER(struct device *dev, unsigned int role)
{
	struct message *m = *shared(dev);
	int was __maybe_unused = 0;

	switch (role) {
	case 0:
		*shared(dev) = kzalloc(sizeof(*m), GFP_KERNEL);
		return *shared(dev) ? 0 : -ENOMEM;
	case 1:
		m->data = 1;
		SENDS;
		return 0;
	case 2:
		if (RECEIVES) {
			BEHIND;
			if (m->data != 1)
				return -EIO;
		}
		return 0;
	default:
		kfree(m);
		return 0;
	}
}
"""
RUN = """
static int run(struct device *dev, unsigned int n)
{
	static int (*const cases[])(struct device *dev, unsigned int role) = { CASES };

	return cases[n / 4](dev, n % 4);
}
"""


def code_of(cases):
    """The code of several cases: of each what the sender does, how the receiver looks, and what it does then."""
    functions = [
        CASE.replace("NUMBER", str(n)).replace("SENDS", sends).replace("RECEIVES", receives).replace("BEHIND", behind)
        for n, (sends, receives, behind) in enumerate(cases)
    ]
    return CODE + "".join(functions) + RUN.replace("CASES", ", ".join(f"case_{n}" for n in range(len(cases))))


def searched(core, number, **options):
    """A complete search of one of the cases."""
    first = 4 * number
    s = kernel_code.scenario(
        f"case {number}", {"sender": [first + 1], "receiver": [first + 2]}, setup=[first], teardown=[first + 3]
    )
    result = explore(s, core=core, **{"strategy": "dpor", **options}, **quiet())
    assert result.exhausted, result
    return result


ONCE = "WRITE_ONCE(m->flag, 1)"
READ = "READ_ONCE(m->flag)"
#: What the sender does, how the receiver looks, what it does then, and whether that orders.
CASES = {
    "nothing": (ONCE, READ, "", False),
    "smp_mb": (f"smp_mb(); {ONCE}", READ, "smp_mb()", True),
    "smp_wmb-and-smp_rmb": (f"smp_wmb(); {ONCE}", READ, "smp_rmb()", True),
    "C11-fences": (f"__atomic_thread_fence(__ATOMIC_RELEASE); {ONCE}", READ, "__atomic_thread_fence(__ATOMIC_ACQUIRE)", True),
    "sender-alone": (f"smp_mb(); {ONCE}", READ, "", False),
    "receiver-alone": (ONCE, READ, "smp_mb()", False),
    "behind-the-flag": (f"{ONCE}; smp_mb()", READ, "smp_mb()", False),
    "wrong-side": (f"smp_rmb(); {ONCE}", READ, "smp_wmb()", False),
    "compiler-alone": (f"barrier(); {ONCE}", READ, "barrier()", False),
    "a-relaxed-fence": (f"__atomic_thread_fence(__ATOMIC_RELAXED); {ONCE}", READ, "smp_mb()", False),
    "release-and-smp_rmb": ("smp_store_release(&m->flag, 1)", READ, "smp_rmb()", True),
    "smp_wmb-and-acquire": (f"smp_wmb(); {ONCE}", "smp_load_acquire(&m->flag)", "", True),
    "smp_store_mb": ("smp_store_mb(m->flag, 1)", READ, "smp_mb()", False),
    "atomic_inc": ("atomic_inc(&m->count)", "atomic_read(&m->count)", "", False),
    "atomic_inc-with-fences": (
        "smp_mb__before_atomic(); atomic_inc(&m->count)", "atomic_read(&m->count)", "smp_rmb()", True,
    ),
    "atomic_inc_return": ("atomic_inc_return(&m->count)", "atomic_read_acquire(&m->count)", "", True),
    "atomic_inc_return_relaxed": ("atomic_inc_return_relaxed(&m->count)", "atomic_read_acquire(&m->count)", "", False),
    "atomic_inc_return-is-a-full-barrier": (f"atomic_inc_return(&m->other); {ONCE}", READ, "atomic_inc_return(&m->other)", True),
    "atomic_inc-is-no-barrier": (f"atomic_inc(&m->other); {ONCE}", READ, "atomic_inc(&m->other)", False),
    "cmpxchg": ("cmpxchg(&m->flag, 0, 1)", "cmpxchg(&m->flag, 1, 2) == 1", "", True),
    "cmpxchg-that-fails-orders-nothing": (
        f"atomic_cmpxchg(&m->other, 5, 6); {ONCE}", READ, "atomic_cmpxchg(&m->other, 5, 6)", False,
    ),
    "cmpxchg-that-succeeds-is-a-barrier": (
        f"atomic_cmpxchg(&m->other, 0, 1); {ONCE}", READ, "smp_rmb()", True,
    ),
    "xchg": ("xchg(&m->flag, 1)", "xchg(&m->flag, 0)", "", True),
    "xchg_relaxed": ("xchg_relaxed(&m->flag, 1)", "xchg_relaxed(&m->flag, 0)", "", False),
    "xchg_release-and-acquire": ("xchg_release(&m->flag, 1)", "xchg_acquire(&m->flag, 0)", "", True),
    "try_cmpxchg": ("try_cmpxchg(&m->flag, &was, 1)", "smp_load_acquire(&m->flag)", "", True),
    "set_bit": ("set_bit(3, &m->bits)", "test_bit(3, &m->bits)", "smp_rmb()", False),
    "set_bit-with-a-fence": ("smp_wmb(); set_bit(3, &m->bits)", "test_bit(3, &m->bits)", "smp_rmb()", True),
    "test_and_set_bit": ("test_and_set_bit(3, &m->bits)", "test_and_clear_bit(3, &m->bits)", "", True),
    "clear_bit_unlock": ("clear_bit_unlock(3, &m->bits); set_bit(2, &m->bits)", "test_bit_acquire(2, &m->bits)", "", True),
}  # fmt: skip


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """All cases in a kernel file."""
    return kernel_code.core(tmp_path_factory.mktemp("fences"), code_of([case[:3] for case in CASES.values()]))


@pytest.mark.parametrize("name", CASES)
def test_what_orders_leaves_no_race_and_what_does_not_leaves_one(core, name):
    """In both directions: with the barrier no data race, without it, or in the wrong place, one. Never inconclusive."""
    result = searched(core, list(CASES).index(name), all_failures=True)
    assert (set() if CASES[name][3] else {"data-race"}) == {failure.kind for failure in result.failures}


def test_a_fence_changes_no_interleaving(tmp_path):
    """Store buffering: each writes its own and reads the other's. With barriers or without: the same three classes, and under
    sequential consistency one of the two sees the other.
    """
    cases = [
        (
            f"WRITE_ONCE(m->flag, 1); {fence} (void)atomic_read(&m->count)",
            f"(atomic_set(&m->count, 1), ({{ {fence} READ_ONCE(m->flag); }})) && 0",
            "",
        )
        for fence in ("", "smp_mb();")
    ]
    core = kernel_code.core(tmp_path, code_of(cases))
    found = [searched(core, n, strategy="naive", classes=True) for n in (0, 1)]
    assert ["pass", "pass"] == [result.verdict for result in found]
    assert (found[0].classes, found[0].executions) == (found[1].classes, found[1].executions)
    assert 3 == found[0].classes
