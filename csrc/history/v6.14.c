// SPDX-License-Identifier: GPL-2.0-only
/*
 * v6.14: "iommu: Fix potential memory leak in iopf_queue_remove_device()", 9759ae2cee7c (CVE-2025-21770).
 *
 * Released in v6.14 to v7.1, 6.13.4 and 6.12.16. The delta to `v6.12` is one call: removal frees the groups that it
 * answered. Nothing leaked as long as owners kept their contract; now a group has two freers.
 *
 * What it gets wrong:
 *  - a work that is queued or running frees a group that removal has freed (CVE-2025-38594), a fault file reads and
 *    answers one (CVE-2026-74520), a reporter between linking and calling the handler passes one on;
 *  - out of memory removal frees the abort group, which is on the stack of report;
 *  - freeing a queue removes the devices first and then drains the works of the freed groups, though draining is what
 *    freeing is there for;
 *  - the rest as in `v6.12`.
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
#include "remove-frees.h"
