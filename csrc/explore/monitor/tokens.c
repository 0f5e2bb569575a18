// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tokens: which request is which.
 *
 * A request carries the number of its token in its private data, as a device's own mark, and its response and the group
 * that it becomes a part of still have it. So an answer is known again whatever the core has made of its fields.
 */
#include "monitor.h"

/* As the device had it: what was reported, by its token. */
static struct iommu_fault reported[MAX_TOKENS];

void token_give(struct iommu_fault *fault, int token)
{
	fault->prm.private_data[0] = (u64)token + 1;
	fault->prm.private_data[1] = TOKEN_MAGIC;
	reported[token] = *fault;
}

u64 token_of(const struct iopf_group *group, const void *pc)
{
	const u64 *private = group->last_fault.fault.prm.private_data;

	shadow_access((u64)private, 2 * sizeof(*private), PLAIN_READ, pc);
	return (private[1] ^ TOKEN_MAGIC) == 0 ? private[0] : 0;
}

void token_has_group(u64 token, const struct iopf_group *group)
{
	if (token && token <= (u64)nr_tokens)
		tokens[token - 1].group = (u64)group;
}

static bool is_as_reported(const struct iommu_fault *fault)
{
	const struct iommu_fault *r = &reported[fault->prm.private_data[0] - 1];

	return fault->type == r->type && fault->prm.flags == r->prm.flags && fault->prm.pasid == r->prm.pasid &&
	       fault->prm.grpid == r->prm.grpid && fault->prm.perm == r->prm.perm && fault->prm.addr == r->prm.addr;
}

void token_look_at(struct iopf_group *group, const void *pc)
{
	u64 last = token_of(group, pc);
	struct iopf_fault *iopf;
	struct list_head *node;
	bool known;

	shadow_access((u64)&group->faults, sizeof(group->faults), PLAIN_READ, pc);
	token_has_group(last, group);
	for (node = group->faults.next; node != &group->faults; node = node->next) {
		iopf = list_entry(node, struct iopf_fault, list);
		shadow_access((u64)iopf, sizeof(*iopf), PLAIN_READ, pc);
		known = (iopf->fault.prm.private_data[1] ^ TOKEN_MAGIC) == 0 && iopf->fault.prm.private_data[0] - 1 < (u64)nr_tokens;
		monitor_member(last, known ? iopf->fault.prm.private_data[0] : 0, known && is_as_reported(&iopf->fault), pc);
	}
}
