// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <runtime.h>

__thread int (*wait_poll)(void);
__thread bool wait_abandoned;

void __might_sleep(void)
{
	might_sleep_in_reader();
}

bool wait_interrupted(void)
{
	if (wait_poll && wait_poll())
		wait_abandoned = true;
	return wait_abandoned;
}
