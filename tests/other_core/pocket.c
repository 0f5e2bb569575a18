// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small core of another layout: that a core is one file and brings its structures with it is tested with this one.
 *
 * It promises what the reviewed design promises, and has nothing of its structures. What a device has on a queue is a
 * struct iopf_device_param of its own; a handler gets the front part of a larger group; what waits for an answer is a chain
 * that is singly linked, and partial requests are one list in the order of arrival, so that all of it is looked through each
 * time. At its end it says what only it can know: how its objects are called, and what is stored in them.
 */
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"

struct iopf_device_param {
	struct list_head sibling;		/* on queue->devices */
	struct iopf_queue __rcu *home;		/* NULL: removed. Written under door */
	struct device *owner;			/* counted */
	refcount_t holders;
	struct mutex door;			/* of the three below */
	struct pocket_group *waiting;
	struct list_head early;			/* partial requests, of all keys */
	struct rcu_head rcu;
};

struct pocket_group {
	struct iopf_group front;
	struct iopf_device_param *param;	/* counted */
	struct pocket_group *next;		/* that waits for its answer, too */
	bool waits, spoken;			/* spoken: its owner has called iopf_group_response() */
};

static struct pocket_group *to_pocket(const struct iopf_group *group)
{
	return container_of((struct iopf_group *)group, struct pocket_group, front);
}

static struct iopf_device_param *pocket_get(struct device *dev)
{
	struct iopf_device_param *param = NULL;

	rcu_read_lock();
	if (dev->iommu)
		param = rcu_dereference(dev->iommu->iopf_param);
	if (param && !refcount_inc_not_zero(&param->holders))
		param = NULL;
	rcu_read_unlock();
	return param;
}

static void pocket_put(struct iopf_device_param *param)
{
	struct device *owner = param->owner;

	if (!refcount_dec_and_test(&param->holders))
		return;
	kfree_rcu(param, rcu);
	put_device(owner);
}

static bool pocket_same_key(const struct iommu_fault_page_request *a, const struct iommu_fault_page_request *b)
{
	u32 has = IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;

	return a->grpid == b->grpid && (a->flags & has) == (b->flags & has) && (!(a->flags & has) || a->pasid == b->pasid);
}

/* What came early of the key (NULL: of all), in the order in which it came. Under door. */
static size_t pocket_take(struct iopf_device_param *param, const struct iommu_fault_page_request *prm, struct list_head *to)
{
	struct iopf_fault *iopf, *next;
	size_t n = 0;

	list_for_each_entry_safe(iopf, next, &param->early, list)
		if (!prm || pocket_same_key(&iopf->fault.prm, prm)) {
			list_move_tail(&iopf->list, to);
			n++;
		}
	return n;
}

static void pocket_drop(struct list_head *faults)
{
	struct iopf_fault *iopf, *next;

	list_for_each_entry_safe(iopf, next, faults, list)
		kfree(iopf);
}

static void pocket_answer(struct device *dev, struct iopf_fault *last, enum iommu_page_response_code code)
{
	struct iommu_page_response msg = { .pasid = last->fault.prm.pasid, .grpid = last->fault.prm.grpid, .code = code };

	if (dev_iommu_ops(dev)->page_response)
		dev_iommu_ops(dev)->page_response(dev, last, &msg);
}

/* Under door. Afterwards the group waits no more. */
static void pocket_answer_waiting(struct pocket_group *group, enum iommu_page_response_code code)
{
	struct pocket_group **at = &group->param->waiting;

	while (*at != group)
		at = &(*at)->next;
	*at = group->next;
	group->waits = false;
	pocket_answer(group->param->owner, &group->front.last_fault, code);
}

void iopf_group_response(struct iopf_group *front, enum iommu_page_response_code code)
{
	struct pocket_group *group = to_pocket(front);
	struct device *dev = group->param->owner;
	bool waits;

	mutex_lock(&group->param->door);
	waits = group->waits;
	if (waits)
		pocket_answer_waiting(group, code);
	mutex_unlock(&group->param->door);

	if (!waits && group->spoken)
		atomic_long_inc(&dev->iommu->repeated_responses);
	else if (!waits)
		atomic_long_inc(&dev->iommu->dropped_responses);
	group->spoken = true;
}

void iopf_free_group(struct iopf_group *front)
{
	struct pocket_group *group = to_pocket(front);

	if (!group->spoken) {
		mutex_lock(&group->param->door);
		if (WARN_ON(group->waits))
			pocket_answer_waiting(group, IOMMU_PAGE_RESP_INVALID);
		mutex_unlock(&group->param->door);
	}
	list_del(&front->last_fault.list);
	pocket_drop(&front->faults);
	iommu_attach_handle_put(front->attach_handle);
	pocket_put(group->param);
	kfree(group);
}

void iopf_group_dequeue(struct iopf_group *group)
{
}

static struct iopf_queue *iopf_group_queue(const struct iopf_group *group)
{
	return rcu_dereference(to_pocket(group)->param->home);
}

/* Nobody resolves it, or nobody can (FAILURE): what came early of its key goes. Takes over the reference, if there is one. */
static int pocket_give_up(struct device *dev, struct iopf_device_param *param, struct iopf_fault *evt,
			  enum iommu_page_response_code code)
{
	bool answer = evt->fault.prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE;
	LIST_HEAD(dropped);

	if (param) {
		mutex_lock(&param->door);
		if (rcu_access_pointer(param->home)) {
			pocket_take(param, &evt->fault.prm, &dropped);
			if (answer)
				pocket_answer(dev, evt, code);
			answer = false;
		} else {
			code = IOMMU_PAGE_RESP_INVALID;
		}
		mutex_unlock(&param->door);
		pocket_drop(&dropped);
		pocket_put(param);
	}
	if (answer && dev->iommu)
		pocket_answer(dev, evt, code);
	return code == IOMMU_PAGE_RESP_FAILURE ? 0 : -EINVAL;
}

static int pocket_report_early(struct device *dev, struct iopf_device_param *param, struct iopf_fault *evt)
{
	struct iopf_fault *early = kzalloc(sizeof(*early), GFP_KERNEL);
	bool stored = false;

	if (!early) {
		pocket_put(param);
		return -ENOMEM;
	}
	early->fault = evt->fault;
	mutex_lock(&param->door);
	if (rcu_access_pointer(param->home)) {
		list_add_tail(&early->list, &param->early);
		stored = true;
	}
	mutex_unlock(&param->door);
	if (!stored) {
		kfree(early);
		return pocket_give_up(dev, param, evt, IOMMU_PAGE_RESP_INVALID);
	}
	pocket_put(param);
	return 0;
}

static int pocket_report_last(struct device *dev, struct iopf_device_param *param, struct iommu_attach_handle *handle,
			      struct iopf_fault *evt)
{
	struct pocket_group *group = kzalloc(sizeof(*group), GFP_KERNEL);

	if (!group) {
		iommu_attach_handle_put(handle);
		return pocket_give_up(dev, param, evt, IOMMU_PAGE_RESP_FAILURE);
	}
	group->front.last_fault.fault = evt->fault;
	group->front.attach_handle = handle;
	group->param = param;
	INIT_LIST_HEAD(&group->front.faults);

	mutex_lock(&param->door);
	if (!rcu_access_pointer(param->home)) {
		mutex_unlock(&param->door);
		kfree(group);
		iommu_attach_handle_put(handle);
		return pocket_give_up(dev, param, evt, IOMMU_PAGE_RESP_INVALID);
	}
	group->front.fault_count = 1 + pocket_take(param, &evt->fault.prm, &group->front.faults);
	list_add_tail(&group->front.last_fault.list, &group->front.faults);
	group->waits = true;
	group->next = param->waiting;
	param->waiting = group;
	mutex_unlock(&param->door);

	if (handle->domain->iopf_handler(&group->front)) {
		iopf_group_response(&group->front, IOMMU_PAGE_RESP_FAILURE);
		iopf_free_group(&group->front);
	}
	return 0;
}

int iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	const struct iommu_fault_page_request *prm = &evt->fault.prm;
	struct iommu_attach_handle *handle;
	struct iopf_device_param *param;

	if (evt->fault.type != IOMMU_FAULT_PAGE_REQ)
		return -EOPNOTSUPP;
	param = pocket_get(dev);
	if (!(prm->flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE)) {
		if (!iommu_attach_handle_resolves_fault(dev, prm) || WARN_ON(!param))
			return pocket_give_up(dev, param, evt, IOMMU_PAGE_RESP_INVALID);
		return pocket_report_early(dev, param, evt);
	}
	handle = iommu_attach_handle_get_for_fault(dev, prm);
	if (!handle || !handle->domain->iopf_handler || WARN_ON(!param)) {
		if (handle)
			iommu_attach_handle_put(handle);
		return pocket_give_up(dev, param, evt, IOMMU_PAGE_RESP_INVALID);
	}
	return pocket_report_last(dev, param, handle, evt);
}

int iopf_queue_flush_dev(struct device *dev)
{
	struct iopf_device_param *param;
	struct iopf_queue *queue = NULL;

	rcu_read_lock();
	param = dev->iommu ? rcu_dereference(dev->iommu->iopf_param) : NULL;
	if (param)
		queue = rcu_dereference(param->home);
	rcu_read_unlock();
	if (WARN_ON(!queue))
		return -ENODEV;
	flush_workqueue(queue->wq);
	return 0;
}

int iopf_queue_discard_partial(struct iopf_queue *queue)
{
	struct iopf_device_param *param;
	LIST_HEAD(dropped);

	if (!queue)
		return -EINVAL;
	mutex_lock(&queue->lock);
	list_for_each_entry(param, &queue->devices, sibling) {
		mutex_lock(&param->door);
		pocket_take(param, NULL, &dropped);
		mutex_unlock(&param->door);
	}
	mutex_unlock(&queue->lock);
	pocket_drop(&dropped);
	return 0;
}

int iopf_queue_add_device(struct iopf_queue *queue, struct device *dev)
{
	struct iopf_device_param *param;
	int ret = -EBUSY;

	if (!dev->iommu || !dev_iommu_ops(dev)->page_response)
		return -ENODEV;
	param = kzalloc(sizeof(*param), GFP_KERNEL);
	if (!param)
		return -ENOMEM;
	mutex_init(&param->door);
	refcount_set(&param->holders, 1);
	INIT_LIST_HEAD(&param->early);
	RCU_INIT_POINTER(param->home, queue);

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	if (!rcu_access_pointer(dev->iommu->iopf_param)) {
		param->owner = get_device(dev);
		list_add(&param->sibling, &queue->devices);
		rcu_assign_pointer(dev->iommu->iopf_param, param);
		ret = 0;
	}
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);
	if (ret)
		kfree(param);
	return ret;
}

void iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev)
{
	struct iopf_device_param *param = NULL;
	LIST_HEAD(dropped);

	if (WARN_ON(!dev->iommu))
		return;
	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	param = rcu_dereference_check(dev->iommu->iopf_param, lockdep_is_held(&dev->iommu->lock));
	if (WARN_ON(!param || rcu_access_pointer(param->home) != queue)) {
		mutex_unlock(&dev->iommu->lock);
		mutex_unlock(&queue->lock);
		return;
	}
	mutex_lock(&param->door);
	rcu_assign_pointer(param->home, NULL);
	pocket_take(param, NULL, &dropped);
	while (param->waiting)
		pocket_answer_waiting(param->waiting, IOMMU_PAGE_RESP_INVALID);
	mutex_unlock(&param->door);
	list_del(&param->sibling);
	rcu_assign_pointer(dev->iommu->iopf_param, NULL);
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);

	pocket_drop(&dropped);
	pocket_put(param);
}

struct iopf_queue *iopf_queue_alloc(const char *name)
{
	struct iopf_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL);

	if (!queue)
		return NULL;
	queue->wq = alloc_workqueue("pocket/%s", WQ_UNBOUND, 0, name);
	if (!queue->wq) {
		kfree(queue);
		return NULL;
	}
	INIT_LIST_HEAD(&queue->devices);
	mutex_init(&queue->lock);
	return queue;
}

void iopf_queue_free(struct iopf_queue *queue)
{
	struct iopf_device_param *param;
	struct device *dev;

	while (queue) {
		mutex_lock(&queue->lock);
		param = list_first_entry_or_null(&queue->devices, struct iopf_device_param, sibling);
		dev = param ? get_device(param->owner) : NULL;
		mutex_unlock(&queue->lock);
		if (!dev)
			break;
		iopf_queue_remove_device(queue, dev);
		put_device(dev);
	}
	if (!queue)
		return;
	synchronize_rcu();	/* a handler that still saw home has queued its work */
	destroy_workqueue(queue->wq);
	kfree(queue);
}

/* --- what those above ask a core, since its structures are its own: forms/layout.c --- */

#include "core.h"

#ifndef FACET_NAME
#define FACET_NAME "pocket"
#define FACET_TITLE "the reviewed design in other structures"
#define FACET_COMMIT ""
#define FACET_RELEASES ""
#define FACET_SUMMARY "A core of the tests."
#define FACET_CLAIMS_CORRECT 1
#endif

#define MEMBER IOPF_CORE_MEMBER
static const struct iopf_core_member pocket_group_members[] = {
	MEMBER(struct pocket_group, front.last_fault), MEMBER(struct pocket_group, front.faults),
	MEMBER(struct pocket_group, front.fault_count), MEMBER(struct pocket_group, front.work),
	MEMBER(struct pocket_group, front.attach_handle), MEMBER(struct pocket_group, front), MEMBER(struct pocket_group, param),
	MEMBER(struct pocket_group, next), MEMBER(struct pocket_group, waits), MEMBER(struct pocket_group, spoken), { NULL, 0, 0 },
};
static const struct iopf_core_member pocket_param_members[] = {
	MEMBER(struct iopf_device_param, sibling), MEMBER(struct iopf_device_param, home), MEMBER(struct iopf_device_param, owner),
	MEMBER(struct iopf_device_param, holders), MEMBER(struct iopf_device_param, door), MEMBER(struct iopf_device_param, waiting),
	MEMBER(struct iopf_device_param, early), MEMBER(struct iopf_device_param, rcu), { NULL, 0, 0 },
};
static const struct iopf_core_member pocket_queue_members[] = {
	MEMBER(struct iopf_queue, wq), MEMBER(struct iopf_queue, devices), MEMBER(struct iopf_queue, lock), { NULL, 0, 0 },
};
static const struct iopf_core_member pocket_fault_members[] = {
	MEMBER(struct iopf_fault, fault), MEMBER(struct iopf_fault, list), { NULL, 0, 0 },
};
#define FACET_TYPES pocket_types
static const struct iopf_core_type pocket_types[] = {
	{ "pocket", sizeof(struct pocket_group), pocket_group_members, 0 },
	{ "half", sizeof(struct iopf_device_param), pocket_param_members,
	  IOPF_FORBIDS_PUT | IOPF_FORBIDS_ALLOC | IOPF_FORBIDS_FREE },
	{ "queue", sizeof(struct iopf_queue), pocket_queue_members, IOPF_FORBIDS_PUT },
	{ "early", sizeof(struct iopf_fault), pocket_fault_members, 0 },
	{ NULL, 0, NULL, 0 },
};

#define FACET_COUNT_STORED pocket_count_stored
static void pocket_count_stored(struct device *dev, u64 *partials, u64 *pending)
{
	struct iopf_device_param *param = pocket_get(dev);
	struct pocket_group *group;

	*partials = *pending = 0;
	if (!param)
		return;
	mutex_lock(&param->door);
	*partials = list_count_nodes(&param->early);
	for (group = param->waiting; group; group = group->next)
		++*pending;
	mutex_unlock(&param->door);
	pocket_put(param);
}

#define FACET_IS_ON_QUEUE pocket_is_on_queue
static bool pocket_is_on_queue(struct device *dev, const struct iopf_queue *queue)
{
	struct iopf_device_param *param = pocket_get(dev);
	bool is = param && rcu_access_pointer(param->home) == queue;

	if (param)
		pocket_put(param);
	return is;
}

#define FACET_GROUP_DEVICE pocket_group_device
static struct device *pocket_group_device(const struct iopf_group *group)
{
	return to_pocket(group)->param->owner;
}

#define FACET_CONTENDED pocket_contended
static void pocket_contended(struct device *dev, struct mutex **lock, refcount_t **users)
{
	struct iopf_device_param *param = rcu_dereference_protected(dev->iommu->iopf_param, true);

	*lock = param ? &param->door : NULL;
	*users = param ? &param->holders : NULL;
}
