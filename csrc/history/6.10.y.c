// SPDX-License-Identifier: GPL-2.0-only
/*
 * 6.10.y: "iommu: Restore lost return in iommu_report_device_fault()", fca5b78511e9 (v6.11-rc), as released in 6.10.y.
 *
 * The delta to `v6.9`: a partial fault ends its report.
 *
 * What it gets wrong:
 *  - a fault of a device that is on no queue is answered by nobody;
 *  - freed partials, late groups, uncounted domains, indices without PASID: as in `track-group`.
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
#include "domain.h"
#include "groups.h"
#include "response-pending.h"
#include "abort-group.h"
#include "remove-answers.h"

static bool hand_over(struct device *dev, struct iopf_fault *evt, struct iopf_group *group)
{
	group->domain = get_domain_for_iopf(dev, &evt->fault);
	return group->domain && !group->domain->iopf_handler(group);
}

#include "void-report.h"
