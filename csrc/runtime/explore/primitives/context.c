// SPDX-License-Identifier: GPL-2.0-only
/* What must not be done where: sleeping inside an RCU reader; putting, allocating and freeing under some locks. */
#include "primitives.h"

void (*under_lock)(enum under_lock what, const void *pc);

void might_sleep(const void *pc, const char *text)
{
	finding_add(FINDING_RCU, ADDR_RCU, pc, text);
}
