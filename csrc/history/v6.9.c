// SPDX-License-Identifier: GPL-2.0-only
/*
 * v6.9: "iommu: Make iommu_report_device_fault() return void", 3dfa64aecbaf.
 *
 * Released in v6.9 and v6.10; fixed by fca5b78511e9 in v6.11 and 6.10.y. The delta to `void-response`: report returns
 * nothing, the core answers instead of the driver, and the return after a partial fault got lost.
 *
 * What it gets wrong:
 *  - a partial fault goes on as if it were the last, with a reference that was put already: it gets a group and an
 *    answer of its own. The last fault is part of its group and is told from the partials by its flag alone, so freeing
 *    such a group frees the same memory twice, and the param is put once too often;
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

void iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault *fault = &evt->fault;
	struct iopf_group *group, abort_group = {};
	struct iommu_fault_param *param;

	param = iopf_get_dev_fault_param(dev);
	if (WARN_ON(!param))
		return;

	if (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE)) {
		report_partial_fault(param, fault);
		iopf_put_dev_fault_param(param);
		/* Here the return is missing. */
	}

	group = iopf_group_alloc(param, evt, &abort_group);
	if (group == &abort_group)
		goto abort;

	group->domain = get_domain_for_iopf(dev, fault);
	if (!group->domain)
		goto abort;

	if (group->domain->iopf_handler(group))
		goto abort;
	return;

abort:
	iopf_abort(group, &abort_group);
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);
