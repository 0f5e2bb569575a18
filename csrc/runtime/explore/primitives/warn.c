// SPDX-License-Identifier: GPL-2.0-only
/*
 * WARN: counted by place for the length of an execution. The site's own counters are not used: they would carry what one
 * execution did into the next.
 */
#include <linux/bug.h>
#include <string.h>

#include "primitives.h"

struct op_class op_warn = { .name = "WARN", .remark = REMARK };

struct warn_hit warn_hits[MAX_WARNS];
int nr_warn_hits;
unsigned int caller_warns[MAX_TASKS];

void warn_reset(void)
{
	nr_warn_hits = 0;
	forget_tasks(caller_warns);
}

/*
 * The WARNs that tell a driver off: report without a fault param, remove of what is not on the queue, flush after
 * removal, free while pending, detach of nothing. In forms of the kernel they stand in the same functions.
 */
bool warn_is_callers(const struct warn_site *site)
{
	static const char *const functions[] = {
		"iommu_report_device_fault", "iopf_queue_remove_device", "iopf_queue_flush_dev", "iopf_free_group",
		"iopf_answer_forgotten", "iommu_detach_device_pasid",
	};
	size_t i;

	if (site->rule || strstr(site->reason, "is_held") || strstr(site->reason, "mutex_"))
		return false;
	for (i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (!strcmp(site->function, functions[i]))
			return true;
	return false;
}

void warn_slowpath(struct warn_site *site)
{
	const void *pc = caller_pc();
	struct finding *f;
	int i;

	if (!engine.current)
		return;
	caller_warns[engine.current->id] += warn_is_callers(site);
	for (i = 0; i < nr_warn_hits && warn_hits[i].site != site; i++)
		;
	if (i == MAX_WARNS)
		return;
	if (i == nr_warn_hits)
		warn_hits[nr_warn_hits++] = (struct warn_hit){ .site = site };
	else if (site->once)
		return;
	warn_hits[i].hits++;
	note(&op_warn, 0, pc, NULL, (u64)site);
	if (warn_is_callers(site))
		return;
	f = finding_add(strstr(site->reason, "suspicious") ? FINDING_RCU : FINDING_WARN, 0, pc, site->reason);
	f->detail = (u64)site;
}

void bug_slowpath(struct warn_site *site)
{
	struct finding *f;

	note(&op_warn, 0, caller_pc(), NULL, (u64)site);
	f = finding_add(FINDING_WARN, 0, caller_pc(), site->reason);
	f->detail = (u64)site;
	engine_stop(END_FAILED);
}
