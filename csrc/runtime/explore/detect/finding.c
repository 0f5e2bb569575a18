// SPDX-License-Identifier: GPL-2.0-only
/* What an execution shows to be wrong. The fast pass only notes what and where. */
#include "detect.h"

struct op_class op_finding = { .name = "!", .remark = REMARK };

struct finding *finding_add(int kind, u64 addr, const void *pc, const char *text)
{
	struct finding *f;
	int i;

	if (engine.current)
		pc = place_of(engine.current, pc);
	for (i = 0; i < engine.nr_findings; i++) {
		f = &engine.findings[i];
		if (f->kind == kind && f->pc == pc && f->text == text)
			return f;
	}
	if (engine.nr_findings == MAX_FINDINGS)
		return &engine.findings[MAX_FINDINGS - 1];
	f = &engine.findings[engine.nr_findings++];
	*f = (struct finding){
		.kind = kind,
		.task = engine.current ? engine.current->id : 0,
		.other_task = -1,
		.addr = addr,
		.object = addr ? heap_find(addr) : -1,
		.pc = pc,
		.text = text,
		.node = engine.depth - 1,
		.event = engine.nr_events,
	};
	note(&op_finding, addr, pc, NULL, (u64)kind);
	return f;
}

/* The task, or its work, is over, and holds a lock: the place is where it took it, and not where it ended. */
void finding_kept_lock(const struct task *t, const char *text)
{
	struct finding *f = finding_add(FINDING_WARN, t->held[t->nr_held - 1].addr, NULL, text);

	f->kept_lock = true;
	f->pc = t->held[t->nr_held - 1].pc;
}

void finding_fatal(int kind, u64 addr, const void *pc, const char *text)
{
	finding_add(kind, addr, pc, text);
	engine_stop(END_FAILED);
}
