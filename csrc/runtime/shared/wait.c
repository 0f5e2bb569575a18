// SPDX-License-Identifier: GPL-2.0-only
#include <runtime.h>

__thread int (*wait_poll)(void);
__thread bool wait_abandoned;

bool wait_interrupted(void)
{
	if (wait_poll && wait_poll())
		wait_abandoned = true;
	return wait_abandoned;
}
