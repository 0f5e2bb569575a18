// SPDX-License-Identifier: GPL-2.0-only
/*
 * v6.12: "iommu: Add attach handle to struct iopf_group", 14678219cf40 (v6.11), as released in v6.12 and v6.13.
 *
 * The group knows the attachment that its fault belongs to, which iommufd needs, and report returns a code again. Here
 * removal answers and the owner frees.
 *
 * What it gets wrong:
 *  - the attach handle is not counted: detaching frees it under a report that has just found it, and under a group that
 *    is still out;
 *  - bad setup is answered once per request instead of once per group, and leaves earlier partials of the index behind,
 *    which a later group of that index swallows;
 *  - removal leaves freed partials on param->partial (remove-answers.h), and a group linked after it is answered late;
 *  - a group that its owner forgets leaks, for which `v6.14` is the wrong cure.
 */
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"

#include "queue.h"
#include "queue-devices.h"
#include "refcounted.h"
#include "attach-handle.h"
#include "response-pending.h"
#include "remove-answers.h"
