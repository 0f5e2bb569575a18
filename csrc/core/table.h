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

#if FACET_REGISTERED_HANDLER

/*
 * Before v6.9 a device's driver registers one handler for single faults. This is the driver: it adds the device to the
 * queue, and passes faults to iommu_queue_iopf() where an SVA domain is attached, or nothing. Handlers for groups did
 * not exist; for a domain that has one the driver plays what a driver with a handler of its own did: it makes a group of
 * each last fault and lets partial ones go.
 */
static int core_sva_handler(struct iopf_group *group)
{
	return -EOPNOTSUPP;	/* never called: a mark that the domain's faults are for iommu_queue_iopf() */
}

static int core_fault_handler(struct iommu_fault *fault, void *data)
{
	struct iommu_domain *domain;
	struct device *dev = data;
	struct iopf_group *group;
	int ret;

	domain = iommu_get_domain_for_dev_pasid(
		dev, fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID ? fault->prm.pasid : IOMMU_NO_PASID, 0);
	if (!domain || !domain->iopf_handler || domain->iopf_handler == core_sva_handler)
		return iommu_queue_iopf(fault, dev);

	if (fault->type != IOMMU_FAULT_PAGE_REQ)
		return -EOPNOTSUPP;
	if (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE))
		return 0;
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return -ENOMEM;
	group->dev = dev;
	group->domain = domain;
	group->last_fault.fault = *fault;
	group->fault_count = 1;
	INIT_LIST_HEAD(&group->faults);
	list_add(&group->last_fault.list, &group->faults);
	ret = domain->iopf_handler(group);
	if (ret)
		kfree(group);
	return ret;
}

static int core_add_device(struct iopf_queue *queue, struct device *dev)
{
	int ret = -ENODEV;

	if (dev->iommu && dev_iommu_ops(dev)->page_response)
		ret = iopf_queue_add_device(queue, dev);
	if (ret)
		return ret;
	ret = iommu_register_device_fault_handler(dev, core_fault_handler, dev);
	if (ret) {
		iopf_queue_remove_device(queue, dev);
		return ret;
	}
	/* The form has no use for these two; who asks a device for its queue finds it as with the others. */
	mutex_lock(&dev->iommu->lock);
	if (dev->iommu->fault_param) {
		dev->iommu->fault_param->dev = dev;
		rcu_assign_pointer(dev->iommu->fault_param->queue, queue);
	}
	mutex_unlock(&dev->iommu->lock);
	return 0;
}

/* A handler that can't be unregistered keeps the device on its queue. */
static int core_remove_device(struct iopf_queue *queue, struct device *dev)
{
	int ret;

	get_device(dev);
	ret = iommu_unregister_device_fault_handler(dev);
	if (!ret)
		ret = iopf_queue_remove_device(queue, dev);
	put_device(dev);
	return ret;
}

/* The driver lets go of its devices first: what is in works is waited for, what a handler kept stays in the way. */
static void core_queue_free(struct iopf_queue *queue)
{
	struct iopf_device_param *param, *next;

	if (queue) {
		list_for_each_entry_safe(param, next, &queue->devices, queue_list) {
			struct device *dev = param->dev;

			if (core_remove_device(queue, dev) != -EBUSY)
				continue;
			iopf_queue_flush_dev(dev);
			core_remove_device(queue, dev);
		}
	}
	iopf_queue_free(queue);
}

static void core_respond(struct iopf_group *group, enum iommu_page_response_code code)
{
	iopf_complete_group(group, code);
}

static void core_free_group(struct iopf_group *group)
{
	kfree(group);
}

/* Inside report, which holds the device's lock. */
static int core_queue_group_work(struct iopf_group *group, work_func_t func)
{
	struct iopf_device_param *param = group->dev->iommu->iopf_param;

	if (!param)
		return -ENODEV;
	INIT_WORK(&group->work, func);
	queue_work(param->queue->wq, &group->work);
	return 0;
}

static void core_count_stored(struct device *dev, u64 *partials, u64 *pending)
{
	*partials = *pending = 0;
	if (!dev->iommu)
		return;
	mutex_lock(&dev->iommu->lock);
	if (dev->iommu->iopf_param)
		*partials = list_count_nodes(&dev->iommu->iopf_param->partial);
	if (dev->iommu->fault_param) {
		mutex_lock(&dev->iommu->fault_param->lock);
		*pending = list_count_nodes(&dev->iommu->fault_param->faults);
		mutex_unlock(&dev->iommu->fault_param->lock);
	}
	mutex_unlock(&dev->iommu->lock);
}

#else

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

/* What is stored for the device now: partial faults, and groups without an answer. */
static void core_count_stored(struct device *dev, u64 *partials, u64 *pending)
{
	struct iommu_fault_param *param;

	*partials = *pending = 0;
	if (!dev->iommu)
		return;
	mutex_lock(&dev->iommu->lock);
	param = rcu_dereference_check(dev->iommu->fault_param, lockdep_is_held(&dev->iommu->lock));
	if (param) {
		mutex_lock(&param->lock);
		*partials = FACET_COUNT_PARTIALS(param);
		*pending = list_count_nodes(&param->faults);
		mutex_unlock(&param->lock);
	}
	mutex_unlock(&dev->iommu->lock);
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
		.demands = FACET_IS_OURS ? 0 :
			   IOPF_DEMANDS_QUIET | IOPF_DEMANDS_FLUSH | IOPF_DEMANDS_DRAINED | IOPF_DEMANDS_DEVICE |
			   (FACET_REMOVE == FACET_REMOVE_REFUSES ? IOPF_DEMANDS_IDLE : 0) |
			   (FACET_HAS_DEQUEUE ? IOPF_DEMANDS_DEQUEUE : 0),
		.hazards = FACET_IS_OURS ? 0 :
			   IOPF_HAZARD_BESIDE |
			   (FACET_LOST_RETURN ? IOPF_HAZARD_PARTIALS : 0) |
			   (FACET_PENDING_IS_COPIES && FACET_GROUP_HOLDS == FACET_HOLDS_PARAM ? IOPF_HAZARD_REFUSAL : 0) |
			   /* The first form's response does without the device's lock, and frees beside one instead. */
			   (FACET_FLUSH_HOLDS_LOCK && !FACET_REGISTERED_HANDLER ? IOPF_HAZARD_LOCK : 0) |
			   (FACET_REMOVE == FACET_REMOVE_FREES || FACET_REGISTERED_HANDLER ? IOPF_HAZARD_REMOVAL : 0) |
			   (FACET_REMOVE == FACET_REMOVE_REFUSES ? IOPF_HAZARD_QUEUE : 0),
		.report_returns = CORE_IS_INT(iommu_report_device_fault, (struct device *)NULL, (struct iopf_fault *)NULL),
		.returns_refusal = FACET_ANSWERS != FACET_ANSWERS_ALL,
		.answers_partials = FACET_ANSWERS_PARTIALS,
		.rejects_late_reports = FACET_IS_OURS,
		.response_looks_up = FACET_GROUP_HOLDS == FACET_HOLDS_DEVICE,
		.response_matches_copies = FACET_PENDING_IS_COPIES,
		.response_checks_pending = !FACET_RESPONSE_UNCONDITIONAL,
		.free_answers = FACET_IS_OURS,
		.has_dequeue = FACET_HAS_DEQUEUE,
		.counts_handles = FACET_IS_OURS,
		.counts_faults = FACET_LOOKUP != FACET_BY_DOMAIN,
		.finds_nested = FACET_LOOKUP != FACET_BY_DOMAIN,
		.flush_holds_device_lock = FACET_FLUSH_HOLDS_LOCK,
		.group_handlers = !FACET_REGISTERED_HANDLER,
	},
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
	.count_stored = core_count_stored,
	.group_init = core_group_init,
	.group_destroy = core_group_destroy,
	.sva_handler = core_sva_handler,
	.queue_group_work = core_queue_group_work,
	.domain_put = iommu_domain_put,
};
