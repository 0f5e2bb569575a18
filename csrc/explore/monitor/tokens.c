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

u64 token_of_fault(const struct iommu_fault *fault, bool *as_reported)
{
	bool known = (fault->prm.private_data[1] ^ TOKEN_MAGIC) == 0 && fault->prm.private_data[0] - 1 < (u64)nr_tokens;

	*as_reported = known && is_as_reported(fault);
	return known ? fault->prm.private_data[0] : 0;
}
