// SPDX-License-Identifier: GPL-2.0-only
/*
 * v6.11: "iommu: Add attach handle to struct iopf_group" with the return of fca5b78511e9 restored, as released in v6.11.
 *
 * A group knows the attachment that its fault belongs to, which iommufd needs. Report is void still: it answers whatever
 * comes to nothing by way of a group, so a partial is never answered.
 *
 * What it gets wrong:
 *  - the attach handle is not counted: detaching frees it under a report that has just found it, and under a group that
 *    is still out;
 *  - a fault of a device that is on no queue is answered by nobody;
 *  - freed partials, late groups, indices without PASID: as in `track-group`.
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
#include "find-handle.h"
#include "groups.h"
#include "response-pending.h"
#include "abort-group.h"
#include "remove-answers.h"

static bool hand_over(struct device *dev, struct iopf_fault *evt, struct iopf_group *group)
{
	group->attach_handle = find_fault_handler(dev, evt);
	return group->attach_handle && !group->attach_handle->domain->iopf_handler(group);
}

#include "void-report.h"
