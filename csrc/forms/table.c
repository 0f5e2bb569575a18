// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one thing that leaves a core's object: struct iopf_core, the same for every form.
 *
 * Where a form returns less than the table does, the value is 0; where a form left an answer to its driver, this file
 * plays that driver. Included last by unit.c.
 */
#include "core.h"

#ifndef FACET_NAME
#define FACET_NAME "iopf"
#define FACET_TITLE "the reviewed design"
#define FACET_COMMIT ""
#define FACET_RELEASES ""
#define FACET_SUMMARY \
	"References travel from report to free; removal answers everything and frees nothing; a late response does nothing."
#define FACET_CLAIMS_CORRECT 1
#endif

#define CORE_PASTE(prefix, id) prefix##id
#define CORE_SYMBOL(prefix, id) CORE_PASTE(prefix, id)

/* f(args) as an int, whatever f returns. */
#define CORE_IS_INT(f, args...) __builtin_types_compatible_p(__typeof__(f(args)), int)
#define CORE_INT(f, args...) __builtin_choose_expr(CORE_IS_INT(f, args), f(args), (f(args), 0))

#if !FACET_REGISTERED_HANDLER

#define core_add_device iopf_queue_add_device
#define core_queue_free iopf_queue_free
#define core_free_group iopf_free_group
#define core_sva_handler iommu_sva_iopf_handler
#define core_queue_group_work iopf_queue_group_work

static int core_remove_device(struct iopf_queue *queue, struct device *dev)
{
	return CORE_INT(iopf_queue_remove_device, queue, dev);
}

static void core_respond(struct iopf_group *group, enum iommu_page_response_code code)
{
	(void)CORE_INT(iopf_group_response, group, code);
}

#endif

/* The form returned an error and has not answered: the last request of a group is the driver's to answer. */
static bool core_leaves_answer(int ret)
{
#if FACET_ANSWERS == FACET_ANSWERS_NOTHING
	return ret != 0;
#elif FACET_ANSWERS == FACET_ANSWERS_ABORTS
	return ret == -ENODEV;
#else
	return false;
#endif
}

static void core_driver_answers(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_page_response msg = {
		.pasid = evt->fault.prm.pasid,
		.grpid = evt->fault.prm.grpid,
		.code = IOMMU_PAGE_RESP_INVALID,
	};

	if (evt->fault.type != IOMMU_FAULT_PAGE_REQ || !(evt->fault.prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE))
		return;
	if (dev->iommu && dev_iommu_ops(dev)->page_response)
		dev_iommu_ops(dev)->page_response(dev, evt, &msg);
}

static int core_report(struct device *dev, struct iopf_fault *evt)
{
	int ret = CORE_INT(iommu_report_device_fault, dev, evt);

	if (core_leaves_answer(ret))
		core_driver_answers(dev, evt);
	return ret;
}

static void core_dequeue_group(struct iopf_group *group)
{
#if FACET_HAS_DEQUEUE
	iopf_group_dequeue(group);
#endif
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

/* A core that was compiled later is a library of its own, and this is what it exports. */
#ifdef RUNTIME_IS_ELSEWHERE
#define CORE_EXPORT __attribute__((visibility("default")))
#else
#define CORE_EXPORT
#endif

CORE_EXPORT const struct iopf_core CORE_SYMBOL(iopf_core_, CORE_ID) = {
	.name = FACET_NAME,
	.title = FACET_TITLE,
	.commit = FACET_COMMIT,
	.releases = FACET_RELEASES,
	.summary = FACET_SUMMARY,
	.claims_correct = FACET_CLAIMS_CORRECT,
	.facts = {
		.answers = FACET_ANSWERS == FACET_ANSWERS_ALL ? IOPF_ANSWERS_ALL :
			   FACET_ANSWERS == FACET_ANSWERS_ABORTS ? IOPF_ANSWERS_ABORTS : IOPF_ANSWERS_NOTHING,
		.removal = FACET_REMOVE == FACET_REMOVE_FREES ? IOPF_REMOVAL_FREES :
			   FACET_REMOVE == FACET_REMOVE_ANSWERS ? IOPF_REMOVAL_ANSWERS : IOPF_REMOVAL_REFUSES,
		.demands = FACET_COUNTS_HANDLES ? 0 :
			   IOPF_DEMANDS_QUIET | IOPF_DEMANDS_FLUSH | IOPF_DEMANDS_DRAINED | IOPF_DEMANDS_DEVICE |
			   (FACET_REMOVE == FACET_REMOVE_REFUSES ? IOPF_DEMANDS_IDLE : 0) |
			   (FACET_HAS_DEQUEUE ? IOPF_DEMANDS_DEQUEUE : 0),
		.hazards = FACET_COUNTS_HANDLES ? 0 :
			   IOPF_HAZARD_BESIDE |
			   (FACET_LOST_RETURN ? IOPF_HAZARD_PARTIALS : 0) |
			   (FACET_REFUSAL_BREAKS ? IOPF_HAZARD_REFUSAL : 0) |
			   (FACET_RESPONSE_WAITS ? IOPF_HAZARD_LOCK : 0) |
			   (FACET_REMOVE == FACET_REMOVE_FREES || FACET_REGISTERED_HANDLER ? IOPF_HAZARD_REMOVAL : 0) |
			   (FACET_REMOVE == FACET_REMOVE_REFUSES ? IOPF_HAZARD_QUEUE : 0),
		.report_returns = CORE_IS_INT(iommu_report_device_fault, (struct device *)NULL, (struct iopf_fault *)NULL),
		.returns_refusal = FACET_ANSWERS != FACET_ANSWERS_ALL,
		.answers_partials = FACET_ANSWERS_PARTIALS,
		.rejects_late_reports = FACET_COUNTS_HANDLES,
		.response_looks_up = FACET_GROUP_HOLDS == FACET_HOLDS_DEVICE,
		.response_matches_copies = FACET_PENDING_IS_COPIES,
		.response_checks_pending = !FACET_RESPONSE_UNCONDITIONAL,
		.free_answers = FACET_COUNTS_HANDLES,
		.has_dequeue = FACET_HAS_DEQUEUE,
		.counts_handles = FACET_COUNTS_HANDLES,
		.counts_faults = FACET_LOOKUP != FACET_BY_DOMAIN,
		.finds_nested = FACET_LOOKUP != FACET_BY_DOMAIN,
		.flush_holds_device_lock = FACET_FLUSH_HOLDS_LOCK,
		.group_handlers = !FACET_REGISTERED_HANDLER,
	},
	.types = FACET_TYPES,
	.hosted = FACET_HOSTED,
	.queue_alloc = iopf_queue_alloc,
	.queue_free = core_queue_free,
	.add_device = core_add_device,
	.remove_device = core_remove_device,
	.flush_dev = iopf_queue_flush_dev,
	.discard_partial = iopf_queue_discard_partial,
	.report = core_report,
	.respond = core_respond,
	.free_group = core_free_group,
	.dequeue_group = core_dequeue_group,
	.attach = iommu_attach_device_pasid,
	.replace = iommu_replace_device_pasid,
	.detach = iommu_detach_device_pasid,
	.count_stored = FACET_COUNT_STORED,
	.is_on_queue = FACET_IS_ON_QUEUE,
	.group_device = FACET_GROUP_DEVICE,
	.contended = FACET_CONTENDED,
	.group_init = core_group_init,
	.group_destroy = core_group_destroy,
	.sva_handler = core_sva_handler,
	.queue_group_work = core_queue_group_work,
	.domain_put = iommu_domain_put,
};
