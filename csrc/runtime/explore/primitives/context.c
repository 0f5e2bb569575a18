// SPDX-License-Identifier: GPL-2.0-only
/* What must not be done where: sleeping inside an RCU reader or with a spinlock held; putting, allocating and freeing under some locks. */
#include <linux/kernel.h>
#include <linux/sched.h>

#include "primitives.h"

void (*under_lock)(enum under_lock what, const void *pc);

void sleeps_wrongly(const void *pc, const char *in_reader, const char *with_spinlock)
{
	if (engine.current->rcu_nesting)
		finding_add(FINDING_RCU, ADDR_RCU, pc, in_reader);
	else
		finding_add(FINDING_SLEEP, 0, pc, with_spinlock);
}

void __might_sleep(void)
{
	check_sleep(caller_pc(), "might_sleep inside an RCU reader", "might_sleep with a spinlock held");
}

/* Others may run at any point; a loop of these is one of what it looks at. */
int cond_resched(void)
{
	check_sleep(caller_pc(), "cond_resched inside an RCU reader", "cond_resched with a spinlock held");
	return 0;
}
