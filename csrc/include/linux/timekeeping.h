/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_TIMEKEEPING_H
#define __LINUX_TIMEKEEPING_H

#include <linux/ktime.h>

#endif
