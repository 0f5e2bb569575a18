// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of a scenario's devices: what a real one would own and do around the framework.
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

static struct op_class op_hold = { .name = "handler keeps the group", .pending_mode = PENDING_WRITE };

struct driver_device {
	struct device dev;
	struct dev_iommu iommu;
	s64 index;
	s64 response_lock;
	s64 inside;		/* the index of the group that page_response answers, -1: none */
	u32 inside_pasid;
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
/* The group that each task answers, and whether it does so inside page_response. */
static struct { struct iopf_group *group; u64 token; bool inside; } answering[MAX_TASKS];
static struct lock_class lock_classes[MAX_LOCKS];
static char lock_names[MAX_LOCKS][16];

/* Only addresses, one for each domain: nobody looks inside (csrc/runtime/explore/primitives/mm.c). */
static char address_spaces[MAX_SPACES];

/* Those that the scenario made. The process has a reference until it exits; who exits, binds or maps asks it first. */
static struct {
	struct mm_struct *mm;
	bool exited;
} processes[MAX_PROCESSES];

static u64 process_addr(int process)
{
	return ADDR_PROCESS + 8 * (u64)process;
}

/*
 * What is wanted of a page, by the request of the group that it is of. Where two of the group are of the same page and want
 * different things, nobody knows which one it is: -1. Forms whose groups the table makes: of any group of that key.
 */
static int wanted_of(u64 addr, u64 number)
{
	const struct token *last = &tokens[number - 1];
	int wanted = -1, i;

	for (i = 0; i < nr_tokens; i++) {
		const struct record *r = &scenario.records[tokens[i].record];

		if (core->facts.group_handlers ? tokens[i].in_group != last->in_group :
		    tokens[i].device != last->device || tokens[i].grpid != last->grpid || tokens[i].pasid != last->pasid)
			continue;
		if (record_u64(r->f, r->h) != addr)
			continue;
		if (wanted >= 0 && wanted != r->d)
			return -1;
		wanted = r->d;
	}
	return wanted;
}

/* What the space says of the page: more may be wanted than what the area allows. */
static int code_of(const struct vm_area_struct *vma, u64 addr, u64 number)
{
	int wanted = wanted_of(addr, number);

	if (!vma)
		return IOMMU_PAGE_RESP_INVALID;
	if (wanted < 0)
		return -1;
	wanted &= XP_PERM_READ | XP_PERM_WRITE | XP_PERM_EXEC;
	return (unsigned long)wanted & ~vma->vm_flags ? IOMMU_PAGE_RESP_INVALID : IOMMU_PAGE_RESP_SUCCESS;
}

static void resolve(struct mm_struct *mm, const struct vm_area_struct *vma, u64 addr, const void *pc)
{
	u64 number = monitor_request(pc);

	if (!number || number > (u64)nr_tokens)
		return;
	/* A request without a PASID is of no process, whatever it asks for. */
	if (!tokens[number - 1].pasid)
		vma = NULL;
	if (mm_is_object(mm))
		monitor_resolve((int)mm->number, code_of(vma, addr, number), pc);
	else
		monitor_resolve((int)((char *)mm - address_spaces), vma ? -1 : IOMMU_PAGE_RESP_INVALID, pc);
}

/* The access that the request asks for, by the process whose the page is: so it is said. */
static void faulted_in(unsigned long addr, unsigned int flags, bool failed, const void *pc)
{
	u64 number = monitor_request(pc);
	unsigned int right = FAULT_FLAG_REMOTE;
	int wanted;

	if (!number || number > (u64)nr_tokens)
		return;
	monitor_faulted();
	if (failed)
		monitor_not_resolved(pc);
	wanted = wanted_of(addr, number);
	if (wanted < 0)
		return;
	right |= wanted & IOMMU_FAULT_PERM_WRITE ? FAULT_FLAG_WRITE : 0;
	right |= wanted & IOMMU_FAULT_PERM_EXEC ? FAULT_FLAG_INSTRUCTION : 0;
	right |= wanted & IOMMU_FAULT_PERM_PRIV ? 0 : FAULT_FLAG_USER;
	if (flags != right)
		finding_add(XP_K_WARN, 0, pc, "a page is faulted in with other flags than its request asks for");
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
static struct { bool gone; long dropped, repeated, owners_repeated; } counted[MAX_DEVICES];
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
		if (counted[i].gone && counted[i].repeated != counted[i].owners_repeated)
			finding_add(XP_K_WRONG_COUNT, 0, NULL, "the device counted another number of repeated responses than there were");
	}
}

void driver_reset(void)
{
	int i;

	nr_held = 0;
	forget_tasks(answering);
	under_lock = is_under_lock;
	memset(counted, 0, sizeof(counted[0]) * (size_t)nr_counted);
	nr_counted = scenario.nr_devices;
	mm_resolves = resolve;
	mm_faults = faulted_in;
	for (i = 0; i < scenario.nr_locks; i++) {
		snprintf(lock_names[i], sizeof(lock_names[i]), "lock %d", i);
		lock_classes[i] = (struct lock_class){ lock_names[i], "driver", i };
		locks[i] = DRIVER_ALLOC(struct mutex, "driver lock");
		__mutex_init(locks[i], &lock_classes[i]);
	}
	for (i = 0; i < scenario.nr_spaces; i++) {
		processes[i].mm = DRIVER_ALLOC(struct mm_struct, "space");
		processes[i].exited = false;
		mm_init(processes[i].mm, (u32)(MAX_SPACES - 1 - i));
	}
}

/* --- processes --- */

void driver_exit(int process)
{
	u64 addr = process_addr(process);

	wait_op(&op_store, addr, NULL);
	commit(&op_store, MODE_WRITE, addr, NULL);
	sync_acquire(addr);
	if (processes[process].exited)
		return;
	processes[process].exited = true;
	mmput(processes[process].mm);
}

void driver_end_processes(void)
{
	int i;

	for (i = 0; i < scenario.nr_spaces; i++)
		driver_exit(i);
}

/* The space, for what is done inside this step; NULL: the process has exited. Whoever got it calls process_done(). */
static struct mm_struct *process_step(int process)
{
	u64 addr = process_addr(process);

	wait_op(&op_load, addr, NULL);
	commit(&op_load, MODE_READ, addr, NULL);
	return processes[process].exited ? NULL : processes[process].mm;
}

static void process_done(int process)
{
	sync_release_join(process_addr(process));
}

void driver_map(const struct record *r)
{
	u64 start = record_u64(r->b, r->c), end = start + record_u64(r->e, r->f);
	struct mm_struct *mm = process_step(r->a);
	bool fits;

	if (!mm)
		return;
	fits = r->op == XP_MAP ? mm_map_within(mm, start, end, (unsigned long)r->d) : mm_unmap_within(mm, start, end);
	if (!fits)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "too many areas in one address space");
	process_done(r->a);
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

static struct held *find_held(int device, u32 grpid, u32 pasid);
static void answer(struct iopf_group *group, u64 token, enum iommu_page_response_code code);

/*
 * What a driver must not do, as the framework may hold its locks: answer a group inside page_response. It may be the group
 * whose answer this is.
 */
static void answer_inside(const struct driver_device *d)
{
	u64 addr = driver_held_addr((int)d->index, (u32)d->inside, d->inside_pasid), token = answering[engine.current->id].token;
	int task = engine.current->id;
	struct held *h;

	if (answering[task].inside)
		return;
	wait_op(&op_store, addr, NULL);
	commit(&op_store, MODE_WRITE, addr, NULL);
	sync_acquire(addr);
	h = find_held((int)d->index, (u32)d->inside, d->inside_pasid);
	if (!h && (!token || tokens[token - 1].device != (int)d->index || tokens[token - 1].grpid != (u32)d->inside))
		return;
	answering[task].inside = true;
	monitor_inside();
	answer(h ? h->group : answering[task].group, h ? h->token : token, IOMMU_PAGE_RESP_SUCCESS);
	answering[task].inside = false;
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
		answer_inside(d);
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
	struct driver_device *d = DRIVER_ALLOC(struct driver_device, "device");
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

/* --- handlers --- */

/* A handler gets a group, and looks at all of it. */
static void handed(struct iopf_group *group, int handler, const void *pc)
{
	u64 token = token_of(group, pc);

	monitor_handler(token, handler);
	monitor_look_at(group, pc);
	monitor_group(token, group->fault_count, pc);
}

static void answer(struct iopf_group *group, u64 token, enum iommu_page_response_code code)
{
	int task = engine.current->id;
	struct iopf_group *outer = answering[task].group;
	u64 outer_token = answering[task].token;

	answering[task].group = group;
	answering[task].token = token;
	monitor_answering(token, code);
	core->respond(group, code);
	monitor_answered();
	answering[task].group = outer;
	answering[task].token = outer_token;
}

static void free_group(struct iopf_group *group, u64 token)
{
	monitor_freeing(token);
	core->free_group(group);
	monitor_answered();
}

static int handle_sva(struct iopf_group *group)
{
	handed(group, XP_H_SVA, caller_pc());
	monitor_work_of((u64)&group->work, token_of(group, caller_pc()));
	return core->sva_handler(group);
}

static int handle_inline(struct iopf_group *group)
{
	u64 token;

	handed(group, XP_H_INLINE, caller_pc());
	token = token_of(group, caller_pc());
	answer(group, token, IOMMU_PAGE_RESP_SUCCESS);
	free_group(group, token);
	return 0;
}

static int handle_refuse(struct iopf_group *group)
{
	handed(group, XP_H_REFUSE, caller_pc());
	return -EINVAL;
}

static int handle_held(struct iopf_group *group)
{
	const struct iommu_fault_page_request *prm = &group->last_fault.fault.prm;
	u64 token = token_of(group, caller_pc());
	struct held *h;

	handed(group, XP_H_HELD, caller_pc());
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
	commit(&op_hold, MODE_WRITE, driver_held_addr(h->device, h->grpid, h->pasid), NULL);
	return 0;
}

static int handle_drop(struct iopf_group *group)
{
	handed(group, XP_H_DROP, caller_pc());
	monitor_drop();
	token_has_group(token_of(group, caller_pc()), group);
	free_group(group, token_of(group, caller_pc()));
	return 0;
}

static int (*const handlers[])(struct iopf_group *group) = {
	[XP_H_SVA] = handle_sva,
	[XP_H_INLINE] = handle_inline,
	[XP_H_REFUSE] = handle_refuse,
	[XP_H_HELD] = handle_held,
	[XP_H_DROP] = handle_drop,
	[XP_H_NONE] = NULL,
};

/* Where the held groups of one key are, for the scheduler. */
u64 driver_held_addr(int device, u32 grpid, u32 pasid)
{
	return ADDR_HELD + ((u64)grpid * 31 + (pasid ? (u64)pasid + 1 : 0) * 7 + (u64)device) % 0xe00;
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

static bool can_respond(const struct task *t)
{
	const struct record *r = &scenario.records[t->record];

	return t->gives_up || driver_is_held(r->a, (u32)r->b, (u32)r->c);
}

struct op_class op_respond = { .name = "take a held group", .ready = can_respond, .pending_mode = PENDING_WRITE };

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

	commit(&op_respond, MODE_WRITE, addr, NULL);
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

/* Where removal frees what it answers, an owner that has not come yet never does: there is nothing left of its group. */
static bool is_freed_by_removal(const struct held *h)
{
	return core->facts.removal == IOPF_REMOVAL_FREES && h->token && tokens[h->token - 1].by_removal;
}

void driver_answer_held(void)
{
	int i;

	for (i = 0; i < nr_held; i++) {
		struct iopf_group *group = held[i].group;

		if (!group || is_freed_by_removal(&held[i]))
			continue;
		held[i].group = NULL;
		if (!held[i].answered)
			answer_held(&held[i], group, IOMMU_PAGE_RESP_INVALID);
		free_group(group, held[i].token);
	}
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
	struct mm_struct *mm = (struct mm_struct *)&address_spaces[space];
	struct iommu_attach_handle *handle;
	struct iommu_domain *domain;
	struct device *dev;
	int ret;

	if (a->process >= 0) {
		mm = process_step(a->process);
		if (!mm)
			return -ESRCH;
		mm_grab_within(mm);
		process_done(a->process);
	}
	domain = DRIVER_ALLOC(struct iommu_domain, "domain");
	handle = DRIVER_ALLOC(struct iommu_attach_handle, "handle");
	dev = driver_device(a->device);

	/* Where domains have no handlers of their own, the core's one is a mark and never called. */
	driver_domain_init(domain, a->nested ? IOMMU_DOMAIN_NESTED :
			   a->handler == XP_H_SVA ? IOMMU_DOMAIN_SVA : IOMMU_DOMAIN_UNMANAGED,
			   a->handler == XP_H_SVA && !core->facts.group_handlers ? core->sva_handler : handlers[a->handler],
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
