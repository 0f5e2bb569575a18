/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one thing that leaves a core's object: struct iopf_core, the same for every form.
 *
 * Where a form returns less than the table does, the value is 0; where a form left an answer to its driver, this file
 * plays that driver. Included last by unit.c.
 */
#include "core.h"

#define CORE_PASTE(prefix, id) prefix##id
#define CORE_SYMBOL(prefix, id) CORE_PASTE(prefix, id)

/* f(args) as an int, whatever f returns. */
#define CORE_IS_INT(f, args...) __builtin_types_compatible_p(__typeof__(f(args)), int)
#define CORE_INT(f, args...) __builtin_choose_expr(CORE_IS_INT(f, args), f(args), (f(args), 0))

static int core_report(struct device *dev, struct iopf_fault *evt)
{
	return CORE_INT(iommu_report_device_fault, dev, evt);
}

static int core_remove_device(struct iopf_queue *queue, struct device *dev)
{
	return CORE_INT(iopf_queue_remove_device, queue, dev);
}

static void core_respond(struct iopf_group *group, enum iommu_page_response_code code)
{
	(void)CORE_INT(iopf_group_response, group, code);
}

static void core_dequeue_group(struct iopf_group *group)
{
#if FACET_HAS_DEQUEUE
	iopf_group_dequeue(group);
#endif
}

/* What is stored for the device now: partial faults, and groups without an answer. */
static void core_count_stored(struct device *dev, u64 *partials, u64 *pending)
{
	struct iommu_fault_param *param = iopf_get_dev_fault_param(dev);

	*partials = *pending = 0;
	if (!param)
		return;
	mutex_lock(&param->lock);
	*partials = FACET_COUNT_PARTIALS(param);
	*pending = list_count_nodes(&param->faults);
	mutex_unlock(&param->lock);
	iopf_put_dev_fault_param(param);
}

static void core_group_init(struct iommu_group *group)
{
	mutex_init(&group->lock);
	keyed_init(&group->handles);
}

/* The caller is the last one: nobody reports, attaches or detaches. */
static void core_group_destroy(struct iommu_group *group)
{
	struct iommu_attach_handle *handle;
	struct hlist_node *next;
	unsigned int i;

	for (i = 0; i < group->handles.nr_buckets; i++)
		hlist_for_each_entry_safe(handle, next, &group->handles.buckets[i], node)
			iommu_attach_handle_put(handle);
	kfree(keyed_array(&group->handles));
}

const struct iopf_core CORE_SYMBOL(iopf_core_, CORE_ID) = {
	.name = FACET_NAME,
	.title = FACET_TITLE,
	.commit = FACET_COMMIT,
	.summary = FACET_SUMMARY,
	.claims_correct = FACET_CLAIMS_CORRECT,
	.queue_alloc = iopf_queue_alloc,
	.queue_free = iopf_queue_free,
	.add_device = iopf_queue_add_device,
	.remove_device = core_remove_device,
	.flush_dev = iopf_queue_flush_dev,
	.discard_partial = iopf_queue_discard_partial,
	.report = core_report,
	.respond = core_respond,
	.free_group = iopf_free_group,
	.dequeue_group = core_dequeue_group,
	.attach = iommu_attach_device_pasid,
	.replace = iommu_replace_device_pasid,
	.detach = iommu_detach_device_pasid,
	.count_stored = core_count_stored,
	.group_init = core_group_init,
	.group_destroy = core_group_destroy,
	.sva_handler = iommu_sva_iopf_handler,
	.queue_group_work = iopf_queue_group_work,
	.domain_put = iommu_domain_put,
};
