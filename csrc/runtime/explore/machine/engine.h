/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine/: the state of the deterministic scheduler, which all rooms above share: tasks on fibers, their operations, clocks,
 * and the path that was taken. The room may use the kernel API's types alone.
 *
 * An execution runs the tasks of a scenario on fibers, one at a time. A task runs until its next *visible operation*
 * (a lock, an atomic, a grace period, ...), announces it in wait_op(), the only function that switches, and does it when
 * the strategy picks the task again. From one visible operation to the next is one *step*. What an operation did is
 * recorded by commit(), once its real mode is known: an increment that was refused is a read.
 *
 * There is one engine; everything in it that belongs to an execution carries the execution's number or is counted from
 * zero by engine_run(), so that beginning anew clears next to nothing.
 */
#ifndef IOPF_EXPLORE_ENGINE_H
#define IOPF_EXPLORE_ENGINE_H

#include <linux/compiler.h>

#include "clock.h"
#include "fiber.h"

/* All of it is inside one extension: said here, the compiler needs no table to find it by. */
#pragma GCC visibility push(hidden)

#define MAX_FINDINGS 16
#define MAX_HELD 24
#define MAX_OBJECTS 8192
#define MAX_VARS 4096
#define MAX_CHILDREN 63
#define MOST_DEPENDENCIES 16
#define NO_NODE (-1)

/* --- operations --- */

/* How an operation touches its object: what decides whether two of them commute. */
enum access_mode {
	MODE_READ,
	MODE_WRITE,
	MODE_INC,		/* commute among themselves */
	MODE_DEC,		/* likewise; only those that left 2 or more */
	MODE_DEC_TO_1,		/* a MODE_DEC where it happened, a write for whoever has yet to come: it could end the count */
	MODE_ADD,		/* commute among themselves, always: items on a queue */
	MODE_LOCK,
	MODE_UNLOCK,
	MODE_TRYLOCK,		/* a lock that could also have failed, before the last unlock */
};

/* What a pending operation would do to its object, if it ran now. */
enum pending_mode {
	PENDING_NOTHING,
	PENDING_READ,
	PENDING_WRITE,
	PENDING_LOCK,		/* takes it */
	PENDING_LOOK,		/* at whether it is free */
};

/* Operations that identical tasks do to the same things: the first of them is done in the order of the tasks. */
enum gate { GATES_NEVER, GATES_ALWAYS, GATES_UNLESS_COMMUTING /* ordering what commutes saves nothing */ };

/* What is no operation and only said in the history. */
enum remark { NO_REMARK, REMARK, REMARK_BEGINS /* a call of the scenario */, REMARK_RETURNS };

struct task;

/*
 * What an operation is: whoever has one defines this, and the scheduler, happens-before, the search for deadlocks and the
 * trace go by it. Names are of one operation each.
 */
struct op_class {
	const char *name;
	/* Can the task do what it has announced? NULL: always. */
	bool (*ready)(const struct task *t);
	/* The tasks that it waits for, as bits. NULL: nobody can say. */
	u64 (*waits_for)(const struct task *t);
	u8 pending_mode;
	u8 gates;
	u8 remark;
	bool spins;		/* a loop of these is one that waits */
	bool touches_nothing;	/* a point where something is told: no order of it and another is looked at */
	u64 id;			/* made of the name, by op_id() */
};

struct op {
	struct op_class *class;
	u8 alternatives;	/* of a choice */
	u16 index;		/* of what the wait is for, in a table of the primitive's file */
	u64 addr;		/* identity of the object */
	const void *pc;		/* in the core */
	s64 expected;		/* of a wait for a value to be another */
};

u64 op_make_id(struct op_class *class);

/* The same in every build. */
static inline u64 op_id(struct op_class *class)
{
	return class->id ? class->id : op_make_id(class);
}

/* Objects that are no memory. */
#define ADDR_RCU 0x10u
#define ADDR_HELD 0x100u		/* groups that a handler keeps, by their key */
#define ADDRS_HELD 0xf00u
#define ADDR_PROCESS 0x1000u	/* of a scenario, 8 for each */
#define ADDR_FIRST 0x10000u	/* below there is no memory */
/* An object that is a mutex, or can be asked whether it is free: its address with this bit, no other object has it. */
#define ADDR_LOCK_BIT (1ull << 62)

/* --- tasks --- */

enum task_state { TASK_UNUSED, TASK_LIVE, TASK_FINISHED };

struct task {
	struct fiber fiber;
	struct op pending;
	struct clock race;	/* what this task has seen, by memory order: for data races */
	u64 wait_mask;		/* readers that have to leave, of a grace period that it waits for */
	int id;
	int state;
	int last_node;		/* its last step, or the step that created it */
	u16 ordinal;		/* steps so far */
	u16 nr_children;
	int parent, nth;
	u64 name;		/* made of those: what other searches, which give other numbers, call it, too */
	int rcu_nesting;
	int unpreempted;	/* sections without preemption, of a spinlock or not */
	int depth;		/* C calls */
	int nr_held;
	unsigned long fail_nth;
	void *work_queue;	/* the workqueue whose item this is */
	u64 work;		/* the item's address */
	void (*main)(void *arg);
	void *arg;
	u32 arena;		/* bytes of its part of the heap that are used */
	int twin;		/* the identical task before this one, or -1 */
	int gate_node;		/* the step in which it first met its twins' things, or NO_NODE */
	bool gate_done;
	bool gives_up;		/* what it waits for will not come any more */
	int record;		/* of the scenario: what it is doing */
	u32 nr_depends;		/* pointers that were loaded by marked loads, with what that orders (depend.c) */
	u32 accesses;		/* since the last point: a loop that never comes to one */
	u64 spin_addr;		/* the last points were loads of this, */
	s64 spin_value;		/* all of them found this, */
	int spin_count;		/* so many times */
	int section;		/* of the scenario: which of its tasks this is; -1: a work, a callback, or task 0 */
	struct {
		u64 addr;
		const struct lock_class *class;
		const void *pc;		/* where it was taken */
	} held[MAX_HELD];	/* last: it is long, and little of it is in use */
};

/* --- the path: one node for each step --- */

struct footprint {
	u64 addr;
	u8 mode;
};

/* A task that need not run here, because what begins with it was explored elsewhere. */
struct sleeper {
	u8 task, alternative;
	u16 fp_len;
	u32 fp_off;
	u64 bloom;
};

/* A path is repeated far more often than it is made: what that takes is in the node's first line of the cache. */
struct node {
	struct op_class *op;
	u64 addr;
	u16 ordinal;
	u8 task, alternative, alternatives;
	s8 previous;		/* task of the step before if it could have gone on, else -1 */
	u16 preemptions;	/* on the way here, this step included */
	u16 fp_len, nr_sleepers;
	u32 fp_off, sleep_off;
	u64 bloom;
	_Alignas(16) struct clock clock;	/* happens-before: for each task, its last step that comes before this one */
	u64 enabled, backtrack, done;
	u64 alternatives_done;	/* of the task that was chosen last */
	u64 asleep;		/* tasks all of whose alternatives sleep here */
	double left, share;	/* of the tree: not begun yet, the current child's; the root has 1 */
	u64 class_sum;		/* hb_class() of the path up to here */
} __attribute__((aligned(64)));

/* --- what can be wrong --- */

/* What is found here. Whoever stands above has kinds of its own, behind these or between them. */
enum finding_kind {
	FINDING_USE_AFTER_FREE = 1,
	FINDING_DOUBLE_FREE = 2,
	FINDING_INVALID_FREE = 3,
	FINDING_BAD_ACCESS = 4,
	FINDING_DATA_RACE = 6,
	FINDING_REFCOUNT = 7,
	FINDING_RCU = 8,
	FINDING_DEADLOCK = 9,
	FINDING_LIVELOCK = 10,
	FINDING_STACK_OVERFLOW = 12,
	FINDING_WARN = 18,
	FINDING_SLEEP = 25,	/* where nobody must */
	FINDING_EXPLORER = 19,	/* the explorer is at a limit of its own, or in the wrong */
};

struct finding {
	int kind;		/* enum finding_kind, or what stands above */
	int task, other_task;
	u64 addr;
	int object;		/* index, -1 */
	const void *pc, *other_pc;
	const char *text;
	u64 detail;
	int node;		/* depth at which it was found */
	int event;		/* length of the history */
	bool by_order;		/* shown by the clocks, not by this order of events */
	bool of_monitor;	/* a monitor says so, of the order that was executed */
	bool kept_lock;		/* of a lock that was not let go: pc is where it was taken */
};

enum execution_end {
	END_COMPLETE,
	END_FAILED,		/* cut short by a finding */
	END_BLOCKED,		/* the strategy has nothing to run here that is new */
	END_DIVERGED,		/* a replay that does not fit */
	END_STOPPED,		/* given up in the middle: somebody said stop */
};

/* One event of a history. */
struct event {
	int node;		/* of the step, NO_NODE outside of the concurrent part */
	s16 task;
	u8 mode;
	bool point, has_values;
	u8 nr_held, depth;
	int record;
	struct op_class *op;
	u64 addr;
	s64 before, after;
	const void *pc;
	const char *text;
	u64 detail;
};

struct lock_class;

struct strategy {
	const char *name;
	bool wants_footprints;
	/* A new search; seed where there is chance in it. */
	void (*begin)(void);
	/* Which of the enabled tasks goes on (with a choice: engine.alternative, too); -1: nothing new here. */
	int (*pick)(u64 enabled, int previous);
	/* The step of the newest node conflicts with that of an earlier one, and nothing orders them. May be NULL. */
	void (*race)(int earlier);
	/* Prepares the next execution; false: there is none. */
	bool (*next)(void);
};

struct engine {
	struct task *current;	/* NULL: the host runs */
	u32 execution;
	bool parallel;		/* the concurrent part */
	bool repeating;		/* the step is one of those before fresh_from */
	bool running_up;	/* a task runs to its first point */
	bool step_open;
	bool logging, hashing, classes;
	bool closely;		/* accesses and calls of the core take the long way, which looks at more (watch.c) */
	bool points_unlock, points_free, points_plain, symmetry, commute, alloc_may_fail;
	u64 live;		/* unfinished tasks but for task 0 */
	u64 waiting;		/* tasks whose pending operation is one that may have to wait */
	u64 twins;		/* tasks with a twin before them that have not met its things */
	int depth;		/* steps so far */
	int fresh_from;		/* nodes before it are a repetition: the strategy is not asked, and they stay as they are */
	int max_steps;
	u32 turns;		/* scheduling points that were reached, ever; also those of a task that is alone */
	u32 alone;		/* those, in this execution */
	bool cut;		/* ended because a task came to no point */
	u64 turn_hash;		/* hash, and length of the history, at the last point */
	int turn_events;
	int alternative;	/* of the last choice */
	int preemptions;
	const struct strategy *strategy;
	struct node *nodes;
	int end;
	u64 hash;
	u64 rcu_readers;
	int nr_findings;
	struct finding findings[MAX_FINDINGS];
	int nr_events, events_capacity;
	struct event *events;
	struct fiber host;
	struct fiber pause;	/* an execution that the host is looking at */
	struct task *paused;
	/* What is to become of it, by the host: 0: it goes on, or how it ends. */
	int (*look)(struct task *t);
	void (*main)(void);	/* what task 0 runs */
	void (*reset)(void);	/* the primitives forget the execution before */
	void (*task_ends)(struct task *t);	/* and look at what one leaves */
	void (*quiet)(void);	/* nothing is enabled: may make something so */
	void (*work_ends)(u64 work);
	void (*lock_order)(struct task *t, const struct lock_class *class, u64 addr, const void *pc);
	struct task tasks[MAX_TASKS];
	int nr_ids;		/* task numbers given out in this search */
	int most_ids;		/* and in any, ever */
	u8 children[MAX_TASKS][MAX_CHILDREN + 1];
	u64 used;		/* tasks of this execution */
};

extern struct engine engine;

/* Of a static array with a place for each task: zero again, as far as any task ever came. */
#define forget_tasks(array) memset((array), 0, sizeof((array)[0]) * (size_t)(engine.most_ids + 1))

/* Forgets the numbers of tasks: a new scenario. */
void engine_new_scenario(void);
/* The next number is that of the nth task that task number parent started, as in another search. False: it cannot be. */
bool engine_number_task(int parent, int nth);
/* Does one come before the other in the tree of who started whom, whatever their numbers are. */
bool task_precedes(const struct task *a, const struct task *b);
extern char *engine_stacks;
/* Whose stack is that, or -1; is it below what that task uses now. */
int engine_stack_owner(u64 addr);
bool engine_stack_is_dead(const struct task *owner, u64 addr);

/* --- ending and putting aside --- */

/* Of a handler of a signal that met a task: the host looks at it (engine.look), and perhaps does not come back. */
void engine_pause(void);
/* The execution is over, whatever the tasks are doing. */
void __attribute__((noreturn)) engine_stop(int end);

/* --- small things --- */

static inline u64 footprint_bit(u64 addr)
{
	return 1ull << ((addr * 0x9e3779b97f4a7c15ull) >> 58);
}

/* What the task did so far is over: later accesses have another date. */
static inline void race_tick(struct task *t)
{
	t->race.at[t->id]++;
}

#define caller_pc() __builtin_return_address(0)

/* An operation of the scenario itself, in place of an address in a core. */
#define PC_RECORDS 65536u

static inline bool place_is_code(const void *place)
{
	return (u64)place >= PC_RECORDS;
}

/* In its place, an operation of the scenario. */
static inline const void *place_of_record(int record)
{
	return (const void *)(u64)(record + 1);
}

static inline const void *place_of(const struct task *t, const void *pc)
{
	return t->depth ? pc : place_of_record(t->record);
}

static inline void watch_turn(void)
{
	engine.turns++;
	if (unlikely(engine.hashing || engine.logging)) {
		engine.turn_hash = engine.hash;
		engine.turn_events = engine.nr_events;
	}
}

#pragma GCC visibility pop

#endif
