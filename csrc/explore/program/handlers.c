// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who takes groups in a scenario: its handlers, and the owners of the groups that they keep.
 */
#include <linux/slab.h>
#include <string.h>

#include "program.h"

static struct op_class op_hold = { .name = "handler keeps the group", .pending_mode = PENDING_WRITE };

struct held {
	int device;
	u32 grpid;
	u32 pasid;		/* 0: none */
	struct iopf_group *group;	/* NULL: no longer */
	u64 token;
	bool answered;
};

static struct held held[MAX_HELD_GROUPS];
static int nr_held;
/* The group that each task answers, and whether it does so inside page_response. */
static struct { struct iopf_group *group; u64 token; bool inside; } answering[MAX_TASKS];
/* Of each device: how often an owner answered a group that it had answered. */
static long repeated[MAX_DEVICES];
static int nr_repeated;

void handlers_reset(void)
{
	nr_held = 0;
	forget_tasks(answering);
	memset(repeated, 0, sizeof(repeated[0]) * (size_t)nr_repeated);
	nr_repeated = scenario.nr_devices;
}

long handlers_repeated(int device)
{
	return repeated[device];
}

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

int (*driver_handler(int handler))(struct iopf_group *group)
{
	return handlers[handler];
}

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
	repeated[h->device] += h->answered;
	h->answered = true;
	answer(group, h->token, code);
	monitor_owner_end((int)(h - held), h->token);
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

/*
 * What a driver must not do, as the framework may hold its locks: answer a group inside page_response. It may be the group
 * whose answer this is.
 */
void handler_answers_inside(int device, u32 grpid, u32 pasid)
{
	u64 addr = driver_held_addr(device, grpid, pasid), token = answering[engine.current->id].token;
	int task = engine.current->id;
	struct held *h;

	if (answering[task].inside)
		return;
	wait_op(&op_store, addr, NULL);
	commit(&op_store, MODE_WRITE, addr, NULL);
	sync_acquire(addr);
	h = find_held(device, grpid, pasid);
	if (!h && (!token || tokens[token - 1].device != device || tokens[token - 1].grpid != grpid))
		return;
	answering[task].inside = true;
	monitor_inside();
	answer(h ? h->group : answering[task].group, h ? h->token : token, IOMMU_PAGE_RESP_SUCCESS);
	answering[task].inside = false;
}
