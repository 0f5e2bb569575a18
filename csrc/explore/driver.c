// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of a scenario's devices: what a real one would own and do around the framework.
 *
 * Devices, their iommu groups, domains and attach handles are objects of the heap like the core's own, each freed by
 * whoever drops the last reference to it: one that stays is a leak of whoever took the reference. An allocation of the
 * driver itself never fails.
 *
 * Every request carries a token in its private data, by which its answer is known again (monitor.c).
 */
#include <linux/mutex.h>
#include <linux/slab.h>
#include <stdio.h>
#include <string.h>

#include "monitor.h"

#define TOKEN_MAGIC 0x70726771746f6b65ull

struct driver_device {
	struct device dev;
	struct dev_iommu iommu;
	s64 index;
	s64 response_lock;
};

struct held {
	int device;
	u32 grpid;
	u32 pasid;		/* 0: none */
	struct iopf_group *group;	/* NULL: no longer */
	u64 token;
	bool answered;
};

static struct driver_device *devices[MAX_DEVICES];
static struct mutex *locks[MAX_LOCKS];
static struct held held[MAX_HELD_GROUPS];
static int nr_held;
static struct lock_class lock_classes[MAX_LOCKS];
static char lock_names[MAX_LOCKS][16];

/* Only addresses, one for each domain: nobody looks inside (csrc/runtime/explore/mm.c). */
static char address_spaces[MAX_SPACES];

static void resolve(struct mm_struct *mm, const void *pc)
{
	monitor_resolve((int)((char *)mm - address_spaces), pc);
}

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

#define DRIVER_ALLOC(type, what) ({							\
	static struct slab_site __site = { .file = "driver", .function = what };	\
	(type *)driver_alloc(&__site, sizeof(type)); })

/*
 * A last put may free the lock that is held, and what waits for memory under the param's lock makes everybody wait: on
 * the forms that promise it, nothing is put under a lock of the framework, and nothing allocated or freed under that one.
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

	if (!t->depth || !core->facts.counts_handles)
		return;
	for (i = 0; i < t->nr_held; i++) {
		const char *name = t->held[i].class ? t->held[i].class->name : "";

		if (!strcmp(name, "&param->lock") ||
		    (what == UNDER_LOCK_PUT && (!strcmp(name, "&queue->lock") || !strcmp(name, "&d->iommu.lock")))) {
			finding_add(XP_K_UNDER_LOCK, 0, pc, texts[what]);
			return;
		}
	}
}

/* What devices counted when they went: responses that did nothing. */
static struct { bool gone; long dropped, repeated, owners_repeated; } counted[MAX_DEVICES];

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
		if (counted[i].gone && counted[i].repeated != counted[i].owners_repeated)
			finding_add(XP_K_WRONG_COUNT, 0, NULL, "the device counted another number of repeated responses than there were");
	}
}

void driver_reset(void)
{
	int i;

	nr_held = 0;
	under_lock = is_under_lock;
	memset(counted, 0, sizeof(counted));
	mm_resolves = resolve;
	for (i = 0; i < scenario.nr_locks; i++) {
		snprintf(lock_names[i], sizeof(lock_names[i]), "lock %d", i);
		lock_classes[i] = (struct lock_class){ lock_names[i], "driver", i };
		locks[i] = DRIVER_ALLOC(struct mutex, "driver lock");
		__mutex_init(locks[i], &lock_classes[i]);
	}
}

void driver_free_locks(void)
{
	int i;

	for (i = 0; i < scenario.nr_locks; i++)
		kfree(locks[i]);
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
	if (d->response_lock >= 0)
		mutex_unlock(locks[d->response_lock]);
	return 0;
}

static const struct iommu_ops ops = { .page_response = page_response };
static const struct iommu_ops ops_user_table = { .page_response = page_response, .user_pasid_table = 1 };
static struct iommu_device iommu_device = { .ops = &ops };
static struct iommu_device iommu_device_user_table = { .ops = &ops_user_table };

static void group_put(struct iommu_group *group)
{
	if (refcount_dec_and_test(&group->users))
		group->release(group);
}

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
	group_put(group);
}

static const char *const device_names[MAX_DEVICES] = {
	"dev0", "dev1", "dev2", "dev3", "dev4", "dev5", "dev6", "dev7",
	"dev8", "dev9", "dev10", "dev11", "dev12", "dev13", "dev14", "dev15",
};

struct device *driver_device_new(int index, const struct record *r)
{
	struct driver_device *d = DRIVER_ALLOC(struct driver_device, "device");
	struct iommu_group *group;

	d->index = index;
	d->response_lock = r->d;
	d->dev.init_name = device_names[index];
	d->dev.iommu = &d->iommu;
	d->dev.release = device_release;
	refcount_set(&d->dev.users, 1);
	mutex_init(&d->iommu.lock);
	d->iommu.iommu_dev = r->e & 1 ? &iommu_device_user_table : &iommu_device;
	d->iommu.max_pasids = PASID_LIMIT;

	if (r->f >= 0) {
		group = devices[r->f]->dev.iommu_group;
		refcount_inc(&group->users);
	} else {
		group = DRIVER_ALLOC(struct iommu_group, "iommu_group");
		group->release = group_release;
		refcount_set(&group->users, 1);
		core->group_init(group);
	}
	d->dev.iommu_group = group;
	devices[index] = d;
	return &d->dev;
}

/* --- handlers --- */

u64 driver_token_of(const struct iopf_group *group, const void *pc)
{
	const u64 *private = group->last_fault.fault.prm.private_data;

	shadow_access((u64)private, 2 * sizeof(*private), PLAIN_READ, pc);
	return (private[1] ^ TOKEN_MAGIC) == 0 ? private[0] : 0;
}

static void group_is_of(const struct iopf_group *group, u64 token)
{
	if (token && token <= (u64)nr_tokens)
		tokens[token - 1].group = (u64)group;
}

/* As the device had it: what was reported, by its token. */
static struct iommu_fault reported[MAX_TOKENS];

static bool is_as_reported(const struct iommu_fault *fault)
{
	const struct iommu_fault *r = &reported[fault->prm.private_data[0] - 1];

	return fault->type == r->type && fault->prm.flags == r->prm.flags && fault->prm.pasid == r->prm.pasid &&
	       fault->prm.grpid == r->prm.grpid && fault->prm.perm == r->prm.perm && fault->prm.addr == r->prm.addr;
}

void driver_look_at(struct iopf_group *group, const void *pc)
{
	u64 last = driver_token_of(group, pc);
	struct iopf_fault *iopf;
	struct list_head *node;
	bool known;

	shadow_access((u64)&group->faults, sizeof(group->faults), PLAIN_READ, pc);
	group_is_of(group, last);
	for (node = group->faults.next; node != &group->faults; node = node->next) {
		iopf = list_entry(node, struct iopf_fault, list);
		shadow_access((u64)iopf, sizeof(*iopf), PLAIN_READ, pc);
		known = (iopf->fault.prm.private_data[1] ^ TOKEN_MAGIC) == 0 && iopf->fault.prm.private_data[0] - 1 < (u64)nr_tokens;
		monitor_member(last, known ? iopf->fault.prm.private_data[0] : 0, known && is_as_reported(&iopf->fault), pc);
	}
}

/* A handler gets a group, and looks at all of it. */
static void handed(struct iopf_group *group, const void *pc)
{
	u64 token = driver_token_of(group, pc);

	monitor_handler(token);
	driver_look_at(group, pc);
	monitor_group(token, group->fault_count, pc);
}

static void answer(struct iopf_group *group, u64 token, enum iommu_page_response_code code)
{
	monitor_answering(token, code);
	core->respond(group, code);
	monitor_answered();
}

static void free_group(struct iopf_group *group, u64 token)
{
	monitor_freeing(token);
	core->free_group(group);
	monitor_answered();
}

static int handle_sva(struct iopf_group *group)
{
	handed(group, caller_pc());
	monitor_work_of((u64)&group->work, driver_token_of(group, caller_pc()));
	return core->sva_handler(group);
}

static int handle_inline(struct iopf_group *group)
{
	u64 token;

	handed(group, caller_pc());
	token = driver_token_of(group, caller_pc());
	answer(group, token, IOMMU_PAGE_RESP_SUCCESS);
	free_group(group, token);
	return 0;
}

static int handle_refuse(struct iopf_group *group)
{
	handed(group, caller_pc());
	return -EINVAL;
}

static int handle_held(struct iopf_group *group)
{
	const struct iommu_fault_page_request *prm = &group->last_fault.fault.prm;
	u64 token = driver_token_of(group, caller_pc());
	struct held *h;

	handed(group, caller_pc());
	shadow_access((u64)prm, sizeof(*prm), PLAIN_READ, caller_pc());
	core->dequeue_group(group);
	if (nr_held == MAX_HELD_GROUPS)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "too many held groups in one execution");
	h = &held[nr_held++];
	*h = (struct held){
		.device = token ? tokens[token - 1].device : 0,
		.grpid = prm->grpid,
		.pasid = prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID ? prm->pasid : 0,
		.group = group,
		.token = token,
	};
	sync_release_join(driver_held_addr(h->device, h->grpid, h->pasid));
	commit(OP_HOLD, MODE_WRITE, driver_held_addr(h->device, h->grpid, h->pasid), NULL);
	return 0;
}

static int handle_drop(struct iopf_group *group)
{
	handed(group, caller_pc());
	monitor_drop();
	group_is_of(group, driver_token_of(group, caller_pc()));
	free_group(group, driver_token_of(group, caller_pc()));
	return 0;
}

static int (*const handlers[])(struct iopf_group *group) = {
	[XP_H_SVA] = handle_sva,
	[XP_H_INLINE] = handle_inline,
	[XP_H_REFUSE] = handle_refuse,
	[XP_H_HELD] = handle_held,
	[XP_H_DROP] = handle_drop,
};

/* Where the held groups of one key are, for the scheduler. */
u64 driver_held_addr(int device, u32 grpid, u32 pasid)
{
	return 0x100 + (((u64)grpid * 31 + (pasid ? (u64)pasid + 1 : 0) * 7 + (u64)device) % 0xe00);
}

static struct held *find_held(int device, u32 grpid, u32 pasid)
{
	int i;

	for (i = 0; i < nr_held; i++)
		if (held[i].group && held[i].device == device && held[i].grpid == grpid && held[i].pasid == pasid)
			return &held[i];
	return NULL;
}

bool driver_is_held(int device, u32 grpid, u32 pasid)
{
	return find_held(device, grpid, pasid);
}

static void answer_held(struct held *h, struct iopf_group *group, enum iommu_page_response_code code)
{
	monitor_owner_begin((int)(h - held));
	counted[h->device].owners_repeated += h->answered;
	h->answered = true;
	answer(group, h->token, code);
	monitor_owner_end((int)(h - held));
}

int driver_respond(const struct record *r, bool gives_up)
{
	u64 addr = driver_held_addr(r->a, (u32)r->b, r->c);
	struct iopf_group *group;
	struct held *h;

	commit(OP_RESPOND, MODE_WRITE, addr, NULL);
	if (gives_up)
		return -ENOENT;
	h = find_held(r->a, (u32)r->b, r->c);
	group = h->group;
	if (r->e)
		h->group = NULL;
	sync_acquire(addr);
	answer_held(h, group, (enum iommu_page_response_code)r->d);
	if (r->e)
		free_group(group, h->token);
	return 0;
}

void driver_answer_held(void)
{
	int i;

	for (i = 0; i < nr_held; i++) {
		struct iopf_group *group = held[i].group;

		if (!group)
			continue;
		held[i].group = NULL;
		if (!held[i].answered)
			answer_held(&held[i], group, IOMMU_PAGE_RESP_INVALID);
		free_group(group, held[i].token);
	}
}

/* --- attachments --- */

static void handle_release(struct iommu_attach_handle *handle)
{
	kfree(handle);
}

static void domain_release(struct iommu_domain *domain)
{
	kfree(domain);
}

int driver_attach(int device, int handler, int pasid, bool replace, int space)
{
	struct iommu_domain *domain = DRIVER_ALLOC(struct iommu_domain, "domain");
	struct iommu_attach_handle *handle = DRIVER_ALLOC(struct iommu_attach_handle, "handle");
	struct device *dev = driver_device(device);
	int ret;

	domain->type = handler == XP_H_SVA ? IOMMU_DOMAIN_SVA : IOMMU_DOMAIN_UNMANAGED;
	/* Where domains have no handlers of their own, the core's one is a mark and never called. */
	domain->iopf_handler = handler == XP_H_SVA && !core->facts.group_handlers ? core->sva_handler : handlers[handler];
	domain->mm = (struct mm_struct *)&address_spaces[space];
	domain->release = domain_release;
	refcount_set(&domain->users, 1);
	handle->release = handle_release;

	ret = replace ? core->replace(domain, dev, (ioasid_t)pasid, handle) :
			core->attach(domain, dev, (ioasid_t)pasid, handle);
	if (ret)
		kfree(handle);
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
	evt.fault.type = IOMMU_FAULT_PAGE_REQ;
	evt.fault.prm.flags = (r->c ? IOMMU_FAULT_PAGE_REQUEST_PASID_VALID : 0) |
			      (r->e & 1 ? IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE : 0);
	evt.fault.prm.pasid = (u32)r->c;
	evt.fault.prm.grpid = (u32)r->b;
	evt.fault.prm.perm = (u32)r->d;
	evt.fault.prm.addr = (u64)(u32)r->h << 32 | (u32)r->f;
	evt.fault.prm.private_data[0] = (u64)token + 1;
	evt.fault.prm.private_data[1] = TOKEN_MAGIC;
	reported[token] = evt.fault;
	ret = core->report(driver_device(r->a), &evt);
	monitor_report_end(token, ret);
	monitor_result(r, ret);
	return ret;
}
