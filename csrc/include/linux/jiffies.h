/* SPDX-License-Identifier: GPL-2.0-only */
/* The unit of timeouts. A tick is a millisecond. */
#ifndef __LINUX_JIFFIES_H
#define __LINUX_JIFFIES_H

#define HZ 1000
#define MAX_SCHEDULE_TIMEOUT (~0ul >> 1)	/* waits for ever */

static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return ms;
}

static inline unsigned int jiffies_to_msecs(unsigned long jiffies)
{
	return (unsigned int)jiffies;
}

#endif
