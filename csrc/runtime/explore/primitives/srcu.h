/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_SRCU_H
#define IOPF_EXPLORE_SRCU_H

struct srcu_struct {
	u32 execution;			/* in which it has its number */
	int number;
};

#define __SRCU_INITIALIZER(name) { 0, 0 }

#endif
