// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the monitors know of an execution so far, and where they say what is wrong with it: the files of the room stand on
 * this one, and do not know each other by it.
 */
#include "monitor.h"

struct token tokens[MAX_TOKENS];
int nr_tokens;
u16 monitor_nth_report[MAX_TASKS];

struct device_state device_states[MAX_DEVICES];
struct queue_state queue_states[MAX_QUEUES];

unsigned int monitor_clauses;
int monitor_date;
const struct moment *monitor_now;
bool ended_well;

void (*monitor_alarm)(int kind, const void *pc, const char *text, u64 detail);

void monitor_wrong(int kind, const void *pc, const char *text, u64 detail)
{
	if (monitor_alarm) {
		monitor_alarm(kind, pc, text, detail);
	} else {
		struct finding *f = finding_add(kind, 0, pc, text);

		f->detail = detail;
		f->of_monitor = true;
	}
}

void monitor_overflow(const char *text)
{
	if (monitor_alarm)
		monitor_alarm(XP_K_EXPLORER, NULL, text, 0);
	else
		finding_fatal(XP_K_EXPLORER, 0, NULL, text);
}
