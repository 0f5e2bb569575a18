// SPDX-License-Identifier: GPL-2.0-only
/*
 * void-response: "iommu: Make iopf_group_response() return void", b554e396e51c.
 *
 * A step of the series that became v6.9; no release carries it alone. Nobody could do anything with the code of a
 * response, so there is none. report answers FAILURE itself when there is no domain, no memory or the handler refuses,
 * and still returns the error: a driver written for the revision before answers a second time.
 *
 * What it gets wrong:
 *  - the abort group is on report's stack and pending all the same: removal finds it there. Here that is harmless,
 *    since removal frees nothing;
 *  - the early errors are not answered, so a driver has to know which is which;
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

int iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault *fault = &evt->fault;
	struct iopf_group *group, abort_group = {};
	struct iommu_fault_param *param;
	int ret;

	param = iopf_get_dev_fault_param(dev);
	if (!param)
		return -ENODEV;

	if (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE)) {
		ret = report_partial_fault(param, fault);
		iopf_put_dev_fault_param(param);
		return ret;
	}

	group = iopf_group_alloc(param, evt, &abort_group);
	if (group == &abort_group) {
		ret = -ENOMEM;
		goto abort;
	}
	group->domain = get_domain_for_iopf(dev, fault);
	if (!group->domain) {
		ret = -EINVAL;
		goto abort;
	}
	ret = group->domain->iopf_handler(group);
	if (!ret)
		return 0;
abort:
	iopf_abort(group, &abort_group);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);
