// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of a scenario's devices: what a real one would own and do around the framework. Its handlers are in handlers.c,
 * the address spaces in processes.c.
 *
 * Devices, their iommu groups, domains and attach handles are objects of the heap like the core's own, each freed by
 * whoever drops the last reference to it: one that stays is a leak of whoever took the reference. An allocation of the
 * driver itself never fails.
 *
 * Every request carries a token in its private data, by which its answer is known again (monitor/tokens.c).
 */
#include <driver.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <stdio.h>
#include <string.h>

#include "primitives/mm.h"
#include "program.h"

static struct driver_device *devices[MAX_DEVICES];
static struct mutex *locks[MAX_LOCKS];
static struct lock_class lock_classes[MAX_LOCKS];
static char lock_names[MAX_LOCKS][16];

static void *driver_alloc(struct slab_site *site, size_t size)
{
	struct task *t = engine.current;
	unsigned long fail_nth = t->fail_nth;
	bool may_fail = engine.alloc_may_fail;
	void *object;

	t->fail_nth = 0;
	engine.alloc_may_fail = false;
	object = slab_alloc(site, size, GFP_KERNEL | __GFP_ZERO);
	t->fail_nth = fail_nth;
	engine.alloc_may_fail = may_fail;
	return object;
}

#define DRIVER_ALLOC_SIZE(type, size, what) ({						\
	static struct slab_site __site = { .file = "driver", .function = what };	\
	(type *)driver_alloc(&__site, size); })
#define DRIVER_ALLOC(type, what) DRIVER_ALLOC_SIZE(type, sizeof(type), what)

bool driver_asks_under_lock;

/*
 * A last put may free the lock that is held, and what waits for memory under the param's lock makes everybody wait: on
 * the form that promises it, nothing is put under a lock of the framework, and nothing allocated or freed under that one.
 * Elsewhere it is worth a note, and no failure.
 */
static void is_under_lock(enum under_lock what, const void *pc)
{
	static const char *const texts[] = {
		[UNDER_LOCK_ALLOC] = "allocated with the fault param's lock held",
		[UNDER_LOCK_FREE] = "freed with the fault param's lock held",
		[UNDER_LOCK_PUT] = "a reference is put with a lock of the framework held",
	};
	const struct task *t = engine.current;
	int i;

	if (!t->depth || !(core->facts.counts_handles || driver_asks_under_lock))
		return;
	for (i = 0; i < t->nr_held; i++) {
		int object = heap_find(t->held[i].addr);

		if (object >= 0 && record_forbids(object, what)) {
			finding_add(XP_K_UNDER_LOCK, 0, pc, texts[what]);
			return;
		}
	}
}

/* What devices counted when they went: responses that did nothing. */
static struct { bool gone; long dropped, repeated; } counted[MAX_DEVICES];
static int nr_counted;

/* A group that removal answered has an owner, whose first response does nothing. */
void driver_check_counts(void)
{
	int i, k;

	for (i = 0; i < scenario.nr_devices && core->facts.counts_handles && !monitor_clauses && !engine.nr_findings; i++) {
		long dropped = 0;

		for (k = 0; k < nr_tokens; k++)
			dropped += tokens[k].device == i && tokens[k].by_removal;
		if (counted[i].gone && counted[i].dropped != dropped)
			finding_add(XP_K_WRONG_COUNT, 0, NULL, "the device counted another number of dropped responses than there were");
		if (counted[i].gone && counted[i].repeated != handlers_repeated(i))
			finding_add(XP_K_WRONG_COUNT, 0, NULL, "the device counted another number of repeated responses than there were");
	}
}

void driver_reset(void)
{
	int i;

	handlers_reset();
	under_lock = is_under_lock;
	memset(counted, 0, sizeof(counted[0]) * (size_t)nr_counted);
	nr_counted = scenario.nr_devices;
	mm_resolves = process_resolves;
	mm_faults = process_faulted_in;
	for (i = 0; i < scenario.nr_locks; i++) {
		snprintf(lock_names[i], sizeof(lock_names[i]), "lock %d", i);
		lock_classes[i] = (struct lock_class){ lock_names[i], "driver", i };
		locks[i] = DRIVER_ALLOC(struct mutex, "driver lock");
		__mutex_init(locks[i], &lock_classes[i]);
	}
	for (i = 0; i < scenario.nr_spaces; i++)
		process_new(i, DRIVER_ALLOC(struct mm_struct, "space"));
}

void driver_free_locks(void)
{
	int i;

	for (i = 0; i < scenario.nr_locks; i++)
		kfree(locks[i]);
}

/* What a driver's probe does that fails later. */
int driver_try_queue(void)
{
	struct iopf_queue *queue = core->queue_alloc("tried");

	if (!queue)
		return -ENOMEM;
	core->queue_free(queue);
	return 0;
}

struct mutex *driver_lock(int index)
{
	return locks[index];
}

struct device *driver_device(int index)
{
	return &devices[index]->dev;
}

/* --- devices --- */

static struct driver_device *to_driver(struct device *dev)
{
	return container_of(dev, struct driver_device, dev);
}

static int page_response(struct device *dev, struct iopf_fault *evt, struct iommu_page_response *msg)
{
	struct driver_device *d = to_driver(dev);
	struct iommu_page_response copy;
	const u64 *private = evt->fault.prm.private_data;
	u64 words[2];

	shadow_access((u64)&d->index, sizeof(d->index), MARKED_READ, caller_pc());
	shadow_access((u64)&private[0], sizeof(words), PLAIN_READ, caller_pc());
	memcpy(words, private, sizeof(words));
	shadow_access((u64)msg, sizeof(*msg), PLAIN_READ, caller_pc());
	copy = *msg;
	if (d->response_lock >= 0)
		mutex_lock(locks[d->response_lock]);
	monitor_response((int)d->index, words[0], words[1] ^ TOKEN_MAGIC, &copy, caller_pc());
	if (d->inside >= 0 && engine.parallel)
		handler_answers_inside((int)d->index, (u32)d->inside, d->inside_pasid);
	if (d->response_lock >= 0)
		mutex_unlock(locks[d->response_lock]);
	return 0;
}

static const struct iommu_ops ops = { .page_response = page_response };
static const struct iommu_ops ops_user_table = { .page_response = page_response, .user_pasid_table = 1 };
static const struct iommu_ops ops_without = { .page_response = NULL };
static struct iommu_device iommu_device = { .ops = &ops };
static struct iommu_device iommu_device_user_table = { .ops = &ops_user_table };
static struct iommu_device iommu_device_without = { .ops = &ops_without };

static void group_release(struct iommu_group *group)
{
	core->group_destroy(group);
	kfree(group);
}

static void device_release(struct device *dev)
{
	struct iommu_group *group = dev->iommu_group;

	counted[to_driver(dev)->index].gone = true;
	counted[to_driver(dev)->index].dropped = to_driver(dev)->iommu.dropped_responses.counter;
	counted[to_driver(dev)->index].repeated = to_driver(dev)->iommu.repeated_responses.counter;
	kfree(to_driver(dev));
	driver_group_put(group);
}

static const char *const device_names[MAX_DEVICES] = {
	"dev0", "dev1", "dev2", "dev3", "dev4", "dev5", "dev6", "dev7",
	"dev8", "dev9", "dev10", "dev11", "dev12", "dev13", "dev14", "dev15",
};

struct device *driver_device_new(int index, const struct record *r)
{
	size_t size = offsetof(struct driver_device, iommu) + core->hosted[IOPF_HOSTED_IOMMU].size;
	struct driver_device *d = DRIVER_ALLOC_SIZE(struct driver_device, size, "device");
	struct iommu_group *group;

	d->index = index;
	d->response_lock = r->d;
	d->inside = r->e / XP_D_INSIDE - 1;
	d->inside_pasid = (u32)r->c;
	driver_device_init(&d->dev, r->e & XP_D_NO_IOMMU ? NULL : &d->iommu,
			   r->e & XP_D_USER_TABLE ? &iommu_device_user_table :
			   r->e & XP_D_NO_RESPONSE ? &iommu_device_without : &iommu_device,
			   device_names[index], device_release);
	d->iommu.max_pasids = PASID_LIMIT;

	if (r->f >= 0) {
		group = devices[r->f]->dev.iommu_group;
		refcount_inc(&group->users);
	} else {
		group = DRIVER_ALLOC(struct iommu_group, "iommu_group");
		driver_group_init(core, group, group_release);
	}
	d->dev.iommu_group = group;
	devices[index] = d;
	return &d->dev;
}

/* --- attachments --- */

/* The domain knows its space until it goes. */
static void domain_release(struct iommu_domain *domain)
{
	mmdrop(domain->mm);
	kfree(domain);
}

int driver_attach(const struct attaching *a, int space)
{
	struct mm_struct *mm = process_mm(a, space);
	struct iommu_attach_handle *handle;
	struct iommu_domain *domain;
	struct device *dev;
	int ret;

	if (!mm)
		return -ESRCH;
	domain = DRIVER_ALLOC_SIZE(struct iommu_domain, core->hosted[IOPF_HOSTED_DOMAIN].size, "domain");
	handle = DRIVER_ALLOC_SIZE(struct iommu_attach_handle, core->hosted[IOPF_HOSTED_HANDLE].size, "handle");
	dev = driver_device(a->device);

	/* Where domains have no handlers of their own, the core's one is a mark and never called. */
	driver_domain_init(domain, a->nested ? IOMMU_DOMAIN_NESTED :
			   a->handler == XP_H_SVA ? IOMMU_DOMAIN_SVA : IOMMU_DOMAIN_UNMANAGED,
			   a->handler == XP_H_SVA && !core->facts.group_handlers ? core->sva_handler :
			   driver_handler(a->handler),
			   domain_release);
	domain->mm = mm;
	ret = driver_attach_domain(core, a->replace, domain, dev, (ioasid_t)a->pasid, handle);
	/* The handle pins the domain from here on. */
	core->domain_put(domain);
	return ret;
}

void driver_detach(int device, int pasid)
{
	core->detach(driver_device(device), (ioasid_t)pasid);
}

/* --- requests --- */

int driver_report(const struct record *r)
{
	struct iopf_fault evt;
	int token = monitor_report_begin(r->a, r), ret;

	memset(&evt, 0, sizeof(evt));
	evt.fault.type = r->e & XP_R_OTHER ? IOMMU_FAULT_PAGE_REQ + 1 : IOMMU_FAULT_PAGE_REQ;
	evt.fault.prm.flags = request_flags(r);
	evt.fault.prm.pasid = (u32)r->c;
	evt.fault.prm.grpid = (u32)r->b;
	evt.fault.prm.perm = (u32)r->d;
	evt.fault.prm.addr = record_u64(r->f, r->h);
	token_give(&evt.fault, token);
	ret = core->report(driver_device(r->a), &evt);
	monitor_report_end(token, ret);
	monitor_result(r, ret);
	workqueue_run_by_hand();
	return ret;
}
