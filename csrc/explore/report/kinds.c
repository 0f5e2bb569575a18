// SPDX-License-Identifier: GPL-2.0-only
/* Kinds of failure and clauses of the contract: their numbers, ranks and words. */
#include "report.h"

static const struct { const char *name; int rank; } kinds[XP_KINDS] = {
	[XP_K_NONE] = { "none", 0 },
	[XP_K_USE_AFTER_FREE] = { "use-after-free", 9 },
	[XP_K_DOUBLE_FREE] = { "double-free", 9 },
	[XP_K_INVALID_FREE] = { "invalid-free", 9 },
	[XP_K_BAD_ACCESS] = { "bad-access", 9 },
	[XP_K_REFCOUNT] = { "refcount", 8 },
	[XP_K_RCU] = { "rcu", 8 },
	[XP_K_DEADLOCK] = { "deadlock", 7 },
	[XP_K_LIVELOCK] = { "livelock", 7 },
	[XP_K_STACK_OVERFLOW] = { "stack-overflow", 7 },
	[XP_K_DOUBLE_RESPONSE] = { "double-response", 6 },
	[XP_K_WRONG_RESPONSE] = { "wrong-response", 6 },
	[XP_K_LATE_RESPONSE] = { "late-response", 6 },
	[XP_K_WRONG_CODE] = { "wrong-code", 6 },
	[XP_K_WRONG_GROUP] = { "wrong-group", 6 },
	[XP_K_LOST_RESPONSE] = { "lost-response", 6 },
	[XP_K_LEAK] = { "leak", 5 },
	[XP_K_DATA_RACE] = { "data-race", 4 },
	[XP_K_LOCK_ORDER] = { "lock-order", 3 },
	[XP_K_SLEEP] = { "sleep", 8 },
	[XP_K_UNDER_LOCK] = { "under-lock", 3 },
	[XP_K_UNEXPECTED_RETURN] = { "unexpected-return", 2 },
	[XP_K_WRONG_COUNT] = { "wrong-count", 2 },
	[XP_K_MISSING_WARN] = { "missing-warn", 1 },
	[XP_K_WARN] = { "warn", 1 },
	[XP_K_EXPLORER] = { "explorer", 0 },
};

#define SAME(kind) _Static_assert((int)XP_K_##kind == (int)FINDING_##kind, "the face numbers kinds as the runtime does")

SAME(USE_AFTER_FREE);
SAME(DOUBLE_FREE);
SAME(INVALID_FREE);
SAME(BAD_ACCESS);
SAME(DATA_RACE);
SAME(REFCOUNT);
SAME(RCU);
SAME(DEADLOCK);
SAME(LIVELOCK);
SAME(STACK_OVERFLOW);
SAME(WARN);
SAME(SLEEP);
SAME(EXPLORER);

const char *xp_kind_name(int kind)
{
	return kind >= 0 && kind < XP_KINDS ? kinds[kind].name : "?";
}

int kind_rank(int kind)
{
	return kind >= 0 && kind < XP_KINDS ? kinds[kind].rank : 0;
}

static const char *const clauses[XP_CLAUSES] = {
	"reception was not stopped: a request was reported beside removal, or while the device was on no queue",
	"the driver removed the device without a flush, and works were not over",
	"the queue was freed beside another call on it",
	"the handler freed a group unanswered, or answered it twice",
	"the driver flushed a device that was not on a queue",
	"the driver removed a device that was not on that queue, or was being removed",
	"the driver detached what was not attached",
	"the driver dropped the device beside a call on it",
	"the driver detached, or replaced, what faults in flight still used",
	"the driver removed the device with requests unanswered",
	"the device used an index again before its request was answered",
	"page_response called back into the framework: it runs with the fault param's lock held",
};

static const char *const clause_names[XP_CLAUSES] = {
	"reception", "flush", "free-beside", "answer", "flush-after-remove", "not-on-queue", "detach-nothing", "device-gone",
	"detach", "idle", "index", "inside",
};

const char *xp_clause_name(int bit)
{
	return bit >= 0 && bit < XP_CLAUSES ? clause_names[bit] : "?";
}

const char *xp_clause_text(int bit)
{
	return bit >= 0 && bit < XP_CLAUSES ? clauses[bit] : "?";
}
