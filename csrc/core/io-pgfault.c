// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resolving the page faults of devices: the reviewed design.
 *
 * A device that meets a page that is not present sends page requests. Those of one group share an index; the last one
 * completes the group. report collects them, hands the group to the handler of the domain that the fault belongs to,
 * and in the end the device gets exactly one response for the group.
 *
 * The idea is in who holds what. The fault param is looked up once, in report, and never again: its reference, and
 * that of the attach handle, move into the group in the section that makes the group pending, travel with it through
 * handler, work and response, and are put when the group is freed. Removal therefore needs to wait for nobody. It
 * answers what is outstanding, clears param->queue (the param is disassociated) and puts the base reference; whoever
 * still holds a group finds that its response does nothing, and frees it. A group has one freer, always its owner.
 *
 * Lock order: queue->lock, dev->iommu->lock, param->lock. Under param->lock nothing is allocated, freed or put, and
 * nobody is waited for: a last put may free the lock itself.
 *
 * The design is that of Jason Gunthorpe's review of "iommu: Use refcount for fault data access" (11 and 12 December
 * 2023). Where the kernel went another way since, csrc/README.md says how and why.
 */
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"
#include "keyed.h"

/*
 * Partial faults, by key. The first of a key stands for all of it: the others hang on the ring through its iopf.list,
 * in the order of arrival. So neither finding a key nor taking all that it has depends on how much is stored.
 */
struct iopf_partial {
	struct iopf_fault iopf;
	struct list_head node;		/* of the first: on param->partial */
	struct hlist_node index;	/* of the first: in param->partial_index */
	size_t count;			/* of the first: how many the ring has */
};

static struct iopf_partial *to_partial(struct iopf_fault *iopf)
{
	return container_of(iopf, struct iopf_partial, iopf);
}

/* Index, PASID_VALID and, where that is set, the PASID: what tells one outstanding group of a device from another. */
static inline u64 iopf_key(const struct iommu_fault_page_request *prm)
{
	if (!(prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID))
		return prm->grpid;
	return (u64)prm->grpid | (u64)(prm->pasid & 0x7fffffff) << 32 | 1ULL << 63;
}

static inline bool iopf_same_key(const struct iommu_fault_page_request *a, const struct iommu_fault_page_request *b)
{
	bool pasid_valid = a->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;

	if (a->grpid != b->grpid || pasid_valid != !!(b->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID))
		return false;
	return !pasid_valid || a->pasid == b->pasid;
}

static u64 iopf_partial_key(struct hlist_node *node)
{
	return iopf_key(&hlist_entry_safe(node, struct iopf_partial, index)->iopf.fault.prm);
}

/* The first partial of the key, or NULL. */
static inline struct iopf_partial *
iopf_find_partial(struct iommu_fault_param *param, const struct iommu_fault_page_request *prm)
{
	struct iopf_partial *first;

	lockdep_assert_held(&param->lock);

	hlist_for_each_entry(first, keyed_chain(&param->partial_index, iopf_key(prm)), index)
		if (iopf_same_key(&first->iopf.fault.prm, prm))
			return first;
	return NULL;
}

/* Moves what is stored of the key to the front of faults. Returns how many that were. */
static size_t iopf_take_partials(struct iommu_fault_param *param, const struct iommu_fault_page_request *prm,
				 struct list_head *faults)
{
	struct iopf_partial *first = iopf_find_partial(param, prm);
	struct list_head ring;

	if (!first)
		return 0;
	list_del(&first->node);
	keyed_del(&param->partial_index, &first->index);

	/* A head put before the first node of a ring makes the ring a list. */
	list_add_tail(&ring, &first->iopf.list);
	list_splice_init(&ring, faults);
	return first->count;
}

/* Moves everything that is stored to faults, in no promised order. */
static void iopf_take_all_partials(struct iommu_fault_param *param, struct list_head *faults)
{
	struct iopf_partial *first, *next;

	lockdep_assert_held(&param->lock);

	list_for_each_entry_safe(first, next, &param->partial, node)
		iopf_take_partials(param, &first->iopf.fault.prm, faults);
}

static size_t iopf_count_partials(struct iommu_fault_param *param)
{
	struct iopf_partial *first;
	size_t count = 0;

	list_for_each_entry(first, &param->partial, node)
		count += first->count;
	return count;
}

static void iopf_free_partials(struct list_head *faults)
{
	struct iopf_fault *iopf, *next;

	list_for_each_entry_safe(iopf, next, faults, list)
		kfree(to_partial(iopf));
}

/*
 * The one lookup. RCU keeps the memory until inc_not_zero has said whether the object is still alive; the reference
 * keeps it from then on.
 */
static inline struct iommu_fault_param *iopf_get_dev_fault_param(struct device *dev)
{
	struct iommu_fault_param *param;

	if (!dev->iommu)
		return NULL;

	rcu_read_lock();
	param = rcu_dereference(dev->iommu->fault_param);
	if (likely(param) && !refcount_inc_not_zero(&param->users))
		param = NULL;
	rcu_read_unlock();
	return param;
}

static noinline void iopf_release_fault_param(struct iommu_fault_param *param)
{
	struct device *dev = param->dev;

	kfree(keyed_array(&param->partial_index));
	kfree_rcu(param, rcu);
	put_device(dev);
}

static inline void iopf_put_dev_fault_param(struct iommu_fault_param *param)
{
	if (unlikely(refcount_dec_and_test(&param->users)))
		iopf_release_fault_param(param);
}

static inline bool iopf_is_disassociated(struct iommu_fault_param *param)
{
	return !rcu_dereference_check(param->queue, lockdep_is_held(&param->lock));
}

/* Where the group's work goes; NULL: removal came first. In an RCU reader. */
static inline struct iopf_queue *iopf_group_queue(const struct iopf_group *group)
{
	return rcu_dereference(group->fault_param->queue);
}

/* The response carries index and PASID as they came; what of it goes on the wire is the driver's matter. */
static inline void iopf_respond(struct device *dev, struct iopf_fault *last, enum iommu_page_response_code code)
{
	struct iommu_page_response resp = {
		.pasid = last->fault.prm.pasid,
		.grpid = last->fault.prm.grpid,
		.code = code,
	};
	const struct iommu_ops *ops = dev_iommu_ops(dev);

	/* Without the op the device was never on a queue, and expects nothing. */
	if (ops->page_response)
		ops->page_response(dev, last, &resp);
}

/* Answers a group that is still pending; afterwards it is not. */
static inline void iopf_answer_pending(struct iommu_fault_param *param, struct iopf_group *group,
				       enum iommu_page_response_code code)
{
	lockdep_assert_held(&param->lock);

	list_del_init(&group->pending_node);
	iopf_respond(param->dev, &group->last_fault, code);
}

/* A response that did nothing. Only removal can have answered a group whose owner has not been here before. */
static noinline void iopf_count_idle_response(struct iopf_group *group)
{
	struct device *dev = group->fault_param->dev;

	if (group->responded) {
		atomic_long_inc(&dev->iommu->repeated_responses);
		return;
	}
	atomic_long_inc(&dev->iommu->dropped_responses);
	dev_warn_ratelimited(dev, "response after removal dropped, group %u\n", group->last_fault.fault.prm.grpid);
}

/**
 * iopf_group_response - answer a group
 * @group: the group; its owner calls
 * @code: what the device gets
 *
 * Does nothing when the group is not pending any more: removal has answered it, or the owner did. Which of the two is
 * counted on the device.
 */
void iopf_group_response(struct iopf_group *group, enum iommu_page_response_code code)
{
	struct iommu_fault_param *param = group->fault_param;

	mutex_lock(&param->lock);
	if (likely(!list_empty(&group->pending_node))) {
		iopf_answer_pending(param, group, code);
		mutex_unlock(&param->lock);
	} else {
		mutex_unlock(&param->lock);
		iopf_count_idle_response(group);
	}
	group->responded = true;	/* the owner's own note */
}
EXPORT_SYMBOL_GPL(iopf_group_response);

/* The owner frees a group and has not answered. Removal may have. */
static noinline void iopf_answer_forgotten(struct iopf_group *group)
{
	struct iommu_fault_param *param = group->fault_param;

	mutex_lock(&param->lock);
	if (WARN_ON(!list_empty(&group->pending_node)))
		iopf_answer_pending(param, group, IOMMU_PAGE_RESP_INVALID);
	mutex_unlock(&param->lock);
}

static noinline void iopf_free_group_partials(struct iopf_group *group)
{
	list_del(&group->last_fault.list);
	iopf_free_partials(&group->faults);
}

/**
 * iopf_free_group - free a group and put what it holds
 * @group: the group; its owner calls, and nobody else is in a call on it
 *
 * A group that nobody answered is the owner's bug: WARN, and the device gets INVALID.
 */
void iopf_free_group(struct iopf_group *group)
{
	/* An owner that has been through iopf_group_response() knows without the lock. */
	if (unlikely(!group->responded))
		iopf_answer_forgotten(group);
	if (group->fault_count > 1)
		iopf_free_group_partials(group);
	iommu_attach_handle_put(group->attach_handle);
	iopf_put_dev_fault_param(group->fault_param);
	kfree(group);
}
EXPORT_SYMBOL_GPL(iopf_free_group);

/**
 * iopf_group_dequeue - the kernel's way for a handler to keep a group (since 738e6f32e61d)
 * @group: the group
 *
 * There it takes the group from removal, which would free it. Here removal frees no group and answers everybody's, so
 * there is nothing to take.
 */
void iopf_group_dequeue(struct iopf_group *group)
{
}
EXPORT_SYMBOL_GPL(iopf_group_dequeue);

/*
 * A fault that nobody can resolve. Stored partials of its key will never be completed: dropped. A last request is
 * answered INVALID, under the lock where removal could answer too, a partial one is not. Takes over the reference on
 * param, which may be NULL.
 */
static noinline __cold int
iopf_bad_setup(struct device *dev, struct iommu_fault_param *param, struct iopf_fault *evt)
{
	bool last = evt->fault.prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE;
	LIST_HEAD(dropped);

	if (param) {
		mutex_lock(&param->lock);
		if (!iopf_is_disassociated(param)) {
			iopf_take_partials(param, &evt->fault.prm, &dropped);
			if (last)
				iopf_respond(dev, evt, IOMMU_PAGE_RESP_INVALID);
			last = false;
		}
		mutex_unlock(&param->lock);
		iopf_free_partials(&dropped);
		iopf_put_dev_fault_param(param);
	}
	if (last && dev->iommu)
		iopf_respond(dev, evt, IOMMU_PAGE_RESP_INVALID);
	return -EINVAL;
}

/* A larger index costs memory that only helps speed: without it the old one stays. */
static void iopf_grow_partial_index(struct iommu_fault_param *param, unsigned int nr_buckets)
{
	struct hlist_head *buckets = kcalloc(nr_buckets, sizeof(*buckets), GFP_KERNEL);

	mutex_lock(&param->lock);
	buckets = keyed_grow(&param->partial_index, buckets, nr_buckets, iopf_partial_key);
	mutex_unlock(&param->lock);
	kfree(buckets);
}

/* A request that is not the last of its group waits on the param for the one that is. */
static int iopf_report_partial(struct device *dev, struct iommu_fault_param *param, struct iopf_fault *evt)
{
	struct iopf_partial *partial, *first;
	unsigned int nr_buckets = 0;
	int ret = 0;

	partial = kzalloc(sizeof(*partial), GFP_KERNEL);
	if (!partial) {
		ret = -ENOMEM;
		goto put;
	}
	partial->iopf.fault = evt->fault;
	partial->count = 1;
	INIT_LIST_HEAD(&partial->iopf.list);

	mutex_lock(&param->lock);
	if (iopf_is_disassociated(param)) {
		mutex_unlock(&param->lock);
		kfree(partial);
		return iopf_bad_setup(dev, param, evt);
	}
	first = iopf_find_partial(param, &evt->fault.prm);
	if (first) {
		list_add_tail(&partial->iopf.list, &first->iopf.list);
		first->count++;
	} else {
		list_add_tail(&partial->node, &param->partial);
		keyed_add(&param->partial_index, iopf_key(&evt->fault.prm), &partial->index);
		nr_buckets = keyed_crowded(&param->partial_index);
	}
	mutex_unlock(&param->lock);

	if (nr_buckets)
		iopf_grow_partial_index(param, nr_buckets);
put:
	iopf_put_dev_fault_param(param);
	return ret;
}

/* No memory for a group: its partials go, and the device is told to send no more. */
static noinline __cold int
iopf_report_no_memory(struct device *dev, struct iommu_fault_param *param, struct iopf_fault *evt)
{
	LIST_HEAD(dropped);

	mutex_lock(&param->lock);
	if (iopf_is_disassociated(param)) {
		mutex_unlock(&param->lock);
		return iopf_bad_setup(dev, param, evt);
	}
	iopf_take_partials(param, &evt->fault.prm, &dropped);
	iopf_respond(dev, evt, IOMMU_PAGE_RESP_FAILURE);
	mutex_unlock(&param->lock);

	iopf_free_partials(&dropped);
	iopf_put_dev_fault_param(param);
	return 0;
}

/* The handler refused: the group is ours again. It is still pending unless removal came by. */
static noinline __cold void iopf_abort_group(struct iopf_group *group)
{
	iopf_group_response(group, IOMMU_PAGE_RESP_FAILURE);
	iopf_free_group(group);
}

/* The last request of a group: complete it, make it pending, and hand it over. */
static int iopf_report_last(struct device *dev, struct iommu_fault_param *param,
			    struct iommu_attach_handle *handle, struct iopf_fault *evt)
{
	struct iopf_group *group;

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group) {
		int ret = iopf_report_no_memory(dev, param, evt);

		iommu_attach_handle_put(handle);
		return ret;
	}
	group->last_fault.fault = evt->fault;
	group->fault_count = 1;
	INIT_LIST_HEAD(&group->faults);
	list_add(&group->last_fault.list, &group->faults);
	INIT_LIST_HEAD(&group->node);

	mutex_lock(&param->lock);
	if (iopf_is_disassociated(param)) {
		mutex_unlock(&param->lock);
		kfree(group);
		iommu_attach_handle_put(handle);
		return iopf_bad_setup(dev, param, evt);
	}
	if (param->partial_index.nr_nodes)
		group->fault_count += iopf_take_partials(param, &evt->fault.prm, &group->faults);
	/* From here on removal answers the group, and the group holds both references. */
	group->fault_param = param;
	group->attach_handle = handle;
	list_add_tail(&group->pending_node, &param->faults);
	mutex_unlock(&param->lock);

	/*
	 * A handler that returns 0 has owned the group since the call, and may have freed it by now together with the
	 * last references: nothing of it is touched any more.
	 */
	if (handle->domain->iopf_handler(group))
		iopf_abort_group(group);
	return 0;
}

/**
 * iommu_report_device_fault - the driver has a page request
 * @dev: the device, which the caller holds
 * @evt: the request; copied
 *
 * Returns 0 when the request was accepted, or answered already; the driver itself never answers one.
 * -EOPNOTSUPP: not a page request, nothing was answered. -EINVAL: nobody can resolve it (no domain, no handler, no
 * queue, or removal came first); a last request has been answered INVALID. -ENOMEM: a partial one was lost, the device
 * waits for its last one.
 */
int iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	const struct iommu_fault_page_request *prm = &evt->fault.prm;
	struct iommu_attach_handle *handle;
	struct iommu_fault_param *param;

	if (evt->fault.type != IOMMU_FAULT_PAGE_REQ)
		return -EOPNOTSUPP;

	param = iopf_get_dev_fault_param(dev);
	if (!(prm->flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE)) {
		if (!iommu_attach_handle_resolves_fault(dev, prm) || WARN_ON(!param))
			return iopf_bad_setup(dev, param, evt);
		return iopf_report_partial(dev, param, evt);
	}

	handle = iommu_attach_handle_get_for_fault(dev, prm);
	if (!handle)
		return iopf_bad_setup(dev, param, evt);
	if (!handle->domain->iopf_handler || WARN_ON(!param)) {
		iommu_attach_handle_put(handle);
		return iopf_bad_setup(dev, param, evt);
	}
	return iopf_report_last(dev, param, handle, evt);
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);

/**
 * iopf_queue_flush_dev - wait for the works of a queue
 * @dev: a device of the queue
 *
 * When it returns, every work that was queued before the call, of any device of the queue, has answered and freed its
 * group. Running reports, groups without a work and stored partials are not waited for. The queue has to outlive the
 * call; never call it from a work of the queue. After removal it is a bug of the caller: WARN and -ENODEV.
 */
int iopf_queue_flush_dev(struct device *dev)
{
	struct iopf_queue *queue = NULL;
	struct iommu_fault_param *param;

	rcu_read_lock();
	param = dev->iommu ? rcu_dereference(dev->iommu->fault_param) : NULL;
	if (param)
		queue = rcu_dereference(param->queue);
	rcu_read_unlock();

	if (WARN_ON(!queue))
		return -ENODEV;
	flush_workqueue(queue->wq);
	return 0;
}
EXPORT_SYMBOL_GPL(iopf_queue_flush_dev);

/**
 * iopf_queue_discard_partial - drop all stored partial faults
 * @queue: the queue whose hardware lost requests: the last ones will not come
 *
 * Returns 0, or -EINVAL for no queue.
 */
int iopf_queue_discard_partial(struct iopf_queue *queue)
{
	struct iommu_fault_param *param;
	LIST_HEAD(dropped);

	if (!queue)
		return -EINVAL;

	mutex_lock(&queue->lock);
	list_for_each_entry(param, &queue->devices, queue_list) {
		mutex_lock(&param->lock);
		iopf_take_all_partials(param, &dropped);
		mutex_unlock(&param->lock);
	}
	mutex_unlock(&queue->lock);

	iopf_free_partials(&dropped);
	return 0;
}
EXPORT_SYMBOL_GPL(iopf_queue_discard_partial);

/**
 * iopf_queue_add_device - let a device's faults be resolved
 * @queue: the queue
 * @dev: the device; pinned until its fault param goes
 *
 * Returns 0; -ENODEV: the driver cannot respond; -EBUSY: the device is on a queue; -ENOMEM.
 */
int iopf_queue_add_device(struct iopf_queue *queue, struct device *dev)
{
	struct iommu_fault_param *param;
	int ret = 0;

	if (!dev->iommu || !dev_iommu_ops(dev)->page_response)
		return -ENODEV;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	if (rcu_dereference_check(dev->iommu->fault_param, lockdep_is_held(&dev->iommu->lock))) {
		ret = -EBUSY;
		goto unlock;
	}

	param = kzalloc(sizeof(*param), GFP_KERNEL);
	if (!param) {
		ret = -ENOMEM;
		goto unlock;
	}
	mutex_init(&param->lock);
	refcount_set(&param->users, 1);
	param->dev = get_device(dev);
	INIT_LIST_HEAD(&param->partial);
	keyed_init(&param->partial_index);
	INIT_LIST_HEAD(&param->faults);
	RCU_INIT_POINTER(param->queue, queue);
	list_add(&param->queue_list, &queue->devices);

	/* Last: from here on reporters find it. */
	rcu_assign_pointer(dev->iommu->fault_param, param);
unlock:
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iopf_queue_add_device);

/**
 * iopf_queue_remove_device - let go of a device
 * @queue: the queue that the device is on
 * @dev: the device
 *
 * Cannot fail. The driver stops the reception of requests and drains its hardware queue, calls this, and disables PRI
 * on the device. Every outstanding group is answered INVALID here; its owner still frees it, and a response that comes
 * after this does nothing. A device that is not on the queue is a bug of the caller: WARN, no change.
 */
void iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev)
{
	struct iommu_fault_param *param = NULL;
	struct iopf_group *group, *next;
	LIST_HEAD(dropped);

	if (WARN_ON(!dev->iommu))
		return;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	param = rcu_dereference_check(dev->iommu->fault_param, lockdep_is_held(&dev->iommu->lock));
	if (WARN_ON(!param || rcu_access_pointer(param->queue) != queue)) {
		mutex_unlock(&dev->iommu->lock);
		mutex_unlock(&queue->lock);
		return;
	}

	mutex_lock(&param->lock);
	iopf_take_all_partials(param, &dropped);
	rcu_assign_pointer(param->queue, NULL);
	list_for_each_entry_safe(group, next, &param->faults, pending_node)
		iopf_answer_pending(param, group, IOMMU_PAGE_RESP_INVALID);
	mutex_unlock(&param->lock);

	list_del(&param->queue_list);
	rcu_assign_pointer(dev->iommu->fault_param, NULL);
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);

	iopf_free_partials(&dropped);
	iopf_put_dev_fault_param(param);
}
EXPORT_SYMBOL_GPL(iopf_queue_remove_device);

/**
 * iopf_queue_alloc - a queue with its workqueue
 * @name: of the workqueue, after "iopf_queue/"
 *
 * Returns the queue, or NULL when there is no memory.
 */
struct iopf_queue *iopf_queue_alloc(const char *name)
{
	struct iopf_queue *queue;

	queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	if (!queue)
		return NULL;

	queue->wq = alloc_workqueue("iopf_queue/%s", WQ_UNBOUND, 0, name);
	if (!queue->wq) {
		kfree(queue);
		return NULL;
	}
	INIT_LIST_HEAD(&queue->devices);
	mutex_init(&queue->lock);
	return queue;
}
EXPORT_SYMBOL_GPL(iopf_queue_alloc);

/* The device of one that is still on the queue, pinned, or NULL. */
static struct device *iopf_queue_get_device(struct iopf_queue *queue)
{
	struct iommu_fault_param *param;
	struct device *dev = NULL;

	mutex_lock(&queue->lock);
	param = list_first_entry_or_null(&queue->devices, struct iommu_fault_param, queue_list);
	if (param)
		dev = get_device(param->dev);
	mutex_unlock(&queue->lock);
	return dev;
}

/**
 * iopf_queue_free - remove every device and free the queue
 * @queue: the queue, or NULL
 *
 * Works may be pending and reports running; other calls on the queue may not, nor may a work of it call this.
 */
void iopf_queue_free(struct iopf_queue *queue)
{
	struct device *dev;

	if (!queue)
		return;

	while ((dev = iopf_queue_get_device(queue))) {
		iopf_queue_remove_device(queue, dev);
		put_device(dev);
	}

	/* A handler that still saw the queue under RCU has queued its work; the drain takes that one too. */
	synchronize_rcu();
	destroy_workqueue(queue->wq);
	kfree(queue);
}
EXPORT_SYMBOL_GPL(iopf_queue_free);
