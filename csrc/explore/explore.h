/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The explorer's face: a scenario goes in as numbers, what the search found comes out as structs.
 *
 * One search at a time for a process. Everything that a struct points to belongs to the explorer and is good until the
 * next xp_explore(), xp_replay() or xp_register_core(): whoever calls copies it out. Nothing is written anywhere, and
 * nothing but the progress callback calls back.
 */
#ifndef IOPF_EXPLORE_H
#define IOPF_EXPLORE_H

#include <stddef.h>
#include <stdint.h>

/* cdef-begin */

/*
 * ---- the scenario ----
 *
 * An array of records of XP_WORDS int32 each: an opcode and eight operands, called a to h. Which value of an operation is
 * in which of them, and of what kind, says the table in scenario/operands.h. First the definitions, then sections: at most
 * one XP_SETUP, any number of XP_TASK and XP_WORK, at most one XP_TEARDOWN, each followed by its operations, then one
 * XP_END. Queues, devices, locks, tasks and work bodies are numbered from 0 in the order of their records. -1 in an operand
 * that names something means "none". A group's index and a PASID are 32 bits without a sign; a PASID is 0 for none.
 *
 * Tasks run concurrently, setup before them and teardown after them. Before setup the explorer itself allocates the
 * queues, adds the devices to theirs and attaches them; after teardown it answers the groups that are still held with
 * INVALID, detaches, removes devices that are still added, frees queues that are still there, waits for a grace period,
 * drops the devices, and looks for what leaked and which responses are missing.
 */
#define XP_WORDS 9

#define XP_NOTHING 0		/* a record that was taken out, and keeps the numbers of the others */

/* --- definitions --- */
#define XP_DEF_QUEUE 1		/* a: workers, 0: as many as there are items, -1: none: a work runs in the task that reports,
				   after its report, or in one that flushes or frees the queue */
#define XP_DEF_DEVICE 2		/* a: queue or -1; b: handler XP_H_*, -1: not attached; c: pasid, below 2^20;
				   d: lock taken inside page_response, or -1; e: XP_D_*, as bits;
				   f: device whose iommu group it shares, or -1; g: address space of XP_H_SVA + 1, or 0;
				   h: 1 its domain is nested */
#define XP_D_USER_TABLE 1	/* the guest owns the PASID table */
#define XP_D_NO_RESPONSE 2	/* its driver has no page_response */
#define XP_D_NO_IOMMU 4		/* no IOMMU stands before it: it has no struct dev_iommu */
#define XP_D_INSIDE 8		/* times 1 + the index of the group that page_response answers from inside */
#define XP_DEF_LOCK 3		/* a driver's mutex */
#define XP_DEF_EXPECT 4		/* a: XP_K_*: the scenario expects a failure of this kind; it is no failure then */
#define XP_DEF_ALLOC_MAY_FAIL 5	/* every allocation of the tasks is a choice */
#define XP_DEF_MEMORY 6		/* a: bytes of shared memory for the low-level operations, zeroed, at most 4096 */
#define XP_DEF_SPACE 7		/* an address space: a process, in which nothing is mapped yet */

/* --- sections --- */
#define XP_SETUP 10
#define XP_TASK 11		/* a: tasks with the same a >= 0 are identical, -1: like no other */
#define XP_WORK 12		/* the body of a work item of the low-level operations */
#define XP_TEARDOWN 13
#define XP_END 14

/*
 * --- operations on the framework ---
 * returns of those marked (r): XP_ANY: the result has to be 0 or an error that the core's contract allows there; else it
 * has to be exactly that.
 */
#define XP_TRY_QUEUE 19		/* (r) allocates a queue, and frees it again */
#define XP_REPORT 20		/* (r) perm: IOMMU_FAULT_PERM_* bits; operand e: XP_R_* */
#define XP_RESPOND 21		/* answers a held group, waits for it. code: 0 success 1 invalid 2 failure; free: 1 frees it,
				   0 it stays held. Nobody brings one any more: gives up */
#define XP_REMOVE 22
#define XP_ADD 23		/* (r) */
#define XP_FLUSH 24		/* (r) */
#define XP_DISCARD 25		/* (r) queue -1: NULL */
#define XP_FREE_QUEUE 26	/* queue -1: NULL */
#define XP_CLOSE 27		/* drops the scenario's reference to the device */
#define XP_ATTACH 28		/* (r) handler: XP_H_*; space: of XP_H_SVA, + 1, or 0; nested: 1 the domain is */
#define XP_DETACH 29
#define XP_REPLACE 30		/* (r) as XP_ATTACH */
#define XP_FAIL_ALLOC 31	/* the n-th allocation of this task from here on fails */
#define XP_LOCK 32
#define XP_UNLOCK 33
#define XP_REPEAT 34		/* n: times in all, operations: how many records before this one are the body */
#define XP_EXIT 35		/* the process ends, and lets go of what it has mapped */
#define XP_MAP 36		/* perm: XP_PERM_*; in place of what is mapped there */
#define XP_UNMAP 37
#define XP_BIND 38		/* (r) -ESRCH: the process has exited */
#define XP_UNBIND 39

#define XP_PERM_READ 1
#define XP_PERM_WRITE 2
#define XP_PERM_EXEC 4

#define XP_H_SVA 0		/* a work resolves the group against an address space; any address resolves if it is given none */
#define XP_H_INLINE 1		/* answers SUCCESS inside the handler, and frees */
#define XP_H_REFUSE 2		/* returns -EINVAL */
#define XP_H_HELD 3		/* kept until an XP_RESPOND frees it, or the end */
#define XP_H_DROP 4		/* frees it unanswered */
#define XP_H_NONE 5		/* a domain without a handler */

#define XP_R_LAST 1		/* the last page */
#define XP_R_OTHER 2		/* a fault that is no page request */
#define XP_R_RAW 4		/* its flags are those from bit XP_R_FLAGS on; else PASID_VALID where there is a pasid, LAST_PAGE */
#define XP_R_FLAGS 8

#define XP_ANY (-2147483647 - 1)

/*
 * --- low-level operations: programs that are no core, over the same primitives ---
 *
 * Memory: the bytes of XP_DEF_MEMORY, and objects. A task has XP_REGISTERS registers of 64 bits, all 0 at its start.
 * Sizes of primitives in memory: XP_SIZE_*, aligned to 8. Accesses go through the hooks that the core's own go through.
 */
#define XP_REGISTERS 8
#define XP_WORKQUEUES 8
#define XP_SIZE_REFCOUNT 4
#define XP_SIZE_MUTEX 64
#define XP_SIZE_WORK 64
#define XP_SIZE_LIST 16
#define XP_SIZE_RCU_HEAD 32
#define XP_SIZE_SPINLOCK 64
#define XP_SIZE_COMPLETION 8
#define XP_SIZE_WAITQUEUE 8

#define XP_LOAD 40
#define XP_STORE 41		/* of a register, or of the value where that is none */
#define XP_RMW 42		/* how: XP_RMW_*; register: the old value */
#define XP_CAS 43		/* register: 1 it was swapped */
#define XP_REF 44		/* how: XP_REF_*; value: of set */
#define XP_MUTEX 45		/* how: XP_MUTEX_* */
#define XP_RCU 46		/* how: XP_RCU_*; register: of the object, offset: of its rcu_head (kfree_rcu, call_rcu);
				   body: the callback (call_rcu; its register 0 is the object) */
#define XP_ALLOC 47		/* size bytes, zeroed. 0 when it fails */
#define XP_FREE 48
#define XP_FREE_AT 49		/* kfree of an address */
#define XP_MOVE 50		/* register = source, or the value where that is none */
#define XP_SUM 51		/* register += value */
#define XP_ADDRESS 52
#define XP_SKIP 53		/* skips so many records if the register is 0 (nonzero 0) or is not (1), or is none */
#define XP_LIST 54		/* how: XP_LIST_*; of the node, and of the head where there is one */
#define XP_WORK_INIT 55		/* register 0 of the body: the work's address */
#define XP_QUEUE_WORK 56
#define XP_WQ 57		/* how: XP_WQ_*; workers: of XP_WQ_NEW */
#define XP_OUT 58		/* the register's value belongs to the outcome */
#define XP_AWAIT 59		/* waits until it is not the value */
#define XP_RECURSE 60		/* so many frames of 512 bytes */
#define XP_WARN 61		/* WARN_ON(true) */
#define XP_DEREF 62		/* rcu_dereference; locked: 1 lockdep says yes */
#define XP_PUBLISH 63		/* rcu_assign_pointer of a register, or of NULL */
#define XP_SPIN 64		/* loads (relaxed) again and again until it is not the value */
#define XP_SPINLOCK 65		/* how: XP_SPINLOCK_*; form: enum spin_form */
#define XP_COMPLETION 66	/* how: XP_COMPLETION_* */
#define XP_WAITQUEUE 67		/* how: XP_WAITQUEUE_*; wait_event: head_base, head are the address of 8 bytes (relaxed) that
				   it waits for to be not the value */
#define XP_ONE_WORK 68		/* how: XP_ONE_WORK_* */

#define XP_PLAIN 0
#define XP_ONCE 1		/* READ_ONCE, WRITE_ONCE */
#define XP_RELAXED 2
#define XP_ACQUIRE 3
#define XP_RELEASE 4
#define XP_ACQ_REL 5
#define XP_SEQ_CST 6

#define XP_RMW_ADD 0
#define XP_RMW_XCHG 1

#define XP_REF_SET 0
#define XP_REF_READ 1
#define XP_REF_INC 2
#define XP_REF_INC_NOT_ZERO 3
#define XP_REF_DEC 4
#define XP_REF_DEC_AND_TEST 5

#define XP_MUTEX_INIT 0
#define XP_MUTEX_LOCK 1
#define XP_MUTEX_TRYLOCK 2
#define XP_MUTEX_UNLOCK 3
#define XP_MUTEX_IS_LOCKED 4
#define XP_MUTEX_DESTROY 5
#define XP_MUTEX_ASSERT_HELD 6

#define XP_SPINLOCK_INIT 0
#define XP_SPINLOCK_LOCK 1
#define XP_SPINLOCK_TRYLOCK 2
#define XP_SPINLOCK_UNLOCK 3
#define XP_SPINLOCK_IS_LOCKED 4
#define XP_SPINLOCK_ASSERT_HELD 5
#define XP_SPINLOCK_PREEMPT_DISABLE 6	/* of no lock */
#define XP_SPINLOCK_PREEMPT_ENABLE 7

#define XP_COMPLETION_INIT 0
#define XP_COMPLETION_COMPLETE 1
#define XP_COMPLETION_COMPLETE_ALL 2
#define XP_COMPLETION_WAIT 3
#define XP_COMPLETION_WAIT_TIMEOUT 4	/* register: 1 it was completed, 0: the time was over */
#define XP_COMPLETION_TRY_WAIT 5
#define XP_COMPLETION_DONE 6
#define XP_COMPLETION_REINIT 7

#define XP_WAITQUEUE_INIT 0
#define XP_WAITQUEUE_WAKE_UP 1
#define XP_WAITQUEUE_WAIT_EVENT 2
#define XP_WAITQUEUE_WAIT_EVENT_TIMEOUT 3	/* register: 1 it held, 0: the time was over */
#define XP_WAITQUEUE_ACTIVE 4

#define XP_ONE_WORK_FLUSH 0
#define XP_ONE_WORK_CANCEL 1
#define XP_ONE_WORK_CANCEL_SYNC 2
#define XP_ONE_WORK_PENDING 3

#define XP_RCU_READ_LOCK 0
#define XP_RCU_READ_UNLOCK 1
#define XP_RCU_SYNCHRONIZE 2
#define XP_RCU_BARRIER 3
#define XP_RCU_KFREE 4
#define XP_RCU_CALL 5

#define XP_LIST_INIT 0		/* of the node alone */
#define XP_LIST_ADD 1
#define XP_LIST_ADD_TAIL 2
#define XP_LIST_DEL 3
#define XP_LIST_DEL_INIT 4
#define XP_LIST_EMPTY 5		/* of the node; register: 1 it is */
#define XP_LIST_FIRST 6		/* register: the node after the head, the first address, or 0 when it is empty */

#define XP_WQ_NEW 0
#define XP_WQ_FLUSH 1
#define XP_WQ_DESTROY 2

/* ---- kinds of failure, and their rank: the larger the graver ---- */
#define XP_K_NONE 0
#define XP_K_USE_AFTER_FREE 1
#define XP_K_DOUBLE_FREE 2
#define XP_K_INVALID_FREE 3
#define XP_K_BAD_ACCESS 4
#define XP_K_LEAK 5
#define XP_K_DATA_RACE 6
#define XP_K_REFCOUNT 7
#define XP_K_RCU 8
#define XP_K_DEADLOCK 9
#define XP_K_LIVELOCK 10
#define XP_K_LOCK_ORDER 11
#define XP_K_STACK_OVERFLOW 12
#define XP_K_LOST_RESPONSE 13
#define XP_K_DOUBLE_RESPONSE 14
#define XP_K_WRONG_RESPONSE 15
#define XP_K_LATE_RESPONSE 16
#define XP_K_UNEXPECTED_RETURN 17
#define XP_K_WARN 18
#define XP_K_EXPLORER 19	/* the explorer is at a limit of its own, or in the wrong: the result is inconclusive */
#define XP_K_WRONG_CODE 20
#define XP_K_WRONG_GROUP 21
#define XP_K_MISSING_WARN 22
#define XP_K_UNDER_LOCK 23
#define XP_K_WRONG_COUNT 24
#define XP_K_SLEEP 25		/* sleeping where nobody must: with a spinlock held */
#define XP_KINDS 26

const char *xp_kind_name(int kind);	/* "use-after-free" ... */

/* ---- what of a driver's contract an execution broke, as bits ---- */
#define XP_C_RECEPTION 1	/* a report beside remove, or when the device was on no queue (the kernel's forms) */
#define XP_C_FLUSH 2		/* remove with works outstanding and no flush (the kernel's forms; ours needs none) */
#define XP_C_FREE_BESIDE 4	/* the queue was freed beside another call on it */
#define XP_C_ANSWER 8		/* the handler did not answer, or answered twice */
#define XP_C_FLUSH_AFTER_REMOVE 16
#define XP_C_NOT_ON_QUEUE 32	/* remove of a device that was not on that queue, or is being removed */
#define XP_C_DETACH_NOTHING 64
#define XP_C_DEVICE_GONE 128	/* the device was dropped beside a call on it */
#define XP_C_DETACH 256		/* detach with faults in flight (forms of the kernel; ours counts its handles) */
#define XP_C_IDLE 512		/* remove with requests unanswered (forms of the kernel whose removal refuses that) */
#define XP_C_INDEX 1024		/* an index used again before its answer (forms that find what is pending by its index) */
#define XP_C_INSIDE 2048		/* page_response called back into the framework */
#define XP_CLAUSES 12

const char *xp_clause_text(int bit);	/* 0 .. XP_CLAUSES - 1 */
const char *xp_clause_name(int bit);	/* in one word */

/* ---- strategies ---- */
#define XP_S_AUTO 0		/* estimate, short random burst (unless DPOR takes no longer), then DPOR; when that does not
				   come to its end, PCT, random walks and bounds in turn */
#define XP_S_DPOR 1		/* source sets and sleep sets: one execution for each class. Complete */
#define XP_S_NAIVE 2		/* every interleaving */
#define XP_S_SLEEP 3		/* all enabled tasks and sleep sets, no race analysis: complete; lists all failures */
#define XP_S_BOUND 4		/* iterative preemption bounds 0, 1, 2 ... up to options.bound */
#define XP_S_RANDOM 5		/* uniform random walk */
#define XP_S_ESTIMATE 6		/* only the estimate */
#define XP_S_PCT 7		/* random priorities, which change at options.depth - 1 of the steps */
#define XP_S_ORACLE 8		/* no search: a test of the explorer itself, for its own tests and not for users.
				   Random walks; exchanges all neighbours that are said to commute, and compares.
				   Failures are not collected. result.executions: exchanges. A difference:
				   inconclusive, why says which */
#define XP_S_GIVEN 9		/* only what options.given has, and no search */
#define XP_STRATEGIES 10

const char *xp_strategy_name(int strategy);

/* ---- verdicts ---- */
#define XP_V_PASS 1		/* every class was executed, none fails */
#define XP_V_BOUNDED 2		/* every schedule with at most result.bound preemptions */
#define XP_V_SAMPLED 3
#define XP_V_FAIL 4
#define XP_V_INCONCLUSIVE 5	/* result.why */

const char *xp_verdict_name(int verdict);

/* ---- options ---- */
#define XP_O_ALL_FAILURES 1	/* search on after a failure and keep one of each signature */
#define XP_O_POINTS_UNLOCK 2	/* mutex_unlock is a scheduling point, too */
#define XP_O_POINTS_FREE 4	/* kfree is a scheduling point, too */
#define XP_O_POINTS_PLAIN 8	/* every plain access is a scheduling point, too */
#define XP_O_CLASSES 16		/* hash the happens-before class of every execution: result.classes is their number */
#define XP_O_NO_SYMMETRY 32
#define XP_O_NO_SHRINK 64
#define XP_O_NO_SELF_CHECK 128
#define XP_O_NO_ESTIMATE 256
#define XP_O_ALL_ORDERS 1024	/* judge every order of calls and answers, also where no monitor compares them */
#define XP_O_NO_UNDER_LOCK 4096	/* nor is it noted where it is none */
#define XP_O_AS_UPSTREAM 8192	/* what upstream chose against its own documentation is no failure */
#define XP_O_UNDER_LOCK 2048	/* what is put, allocated or freed under a lock is a failure on every core */
#define XP_O_COMMUTE 512	/* increments of a count commute, and decrements that do not end it */

struct xp_progress {
	double seconds;
	double mass;		/* done part of the tree, 0 to 1, never falls; 0 where the strategy has none */
	double estimate;	/* classes, by all that is known meanwhile, 0: unknown */
	double eta;		/* seconds, -1: unknown */
	uint64_t executions;
	uint64_t blocked;
	int strategy;		/* the one at work */
	int failures;
	int bound;		/* of XP_S_BOUND, else -1 */
};

/* Not 0: stop; what was found stays. */
typedef int (*xp_progress_fn)(void *arg, const struct xp_progress *progress);

/* A place in the code: an address in a core (or in the explorer), to be looked up in the line map of its file. */
struct xp_place {
	const char *file;	/* of the shared object, NULL: an operation of the scenario itself */
	uint64_t offset;	/* in that file, as objdump shows it; of an operation its record */
	const char *symbol;	/* when it is known without a map, else NULL */
};

/*
 * The function of the source that a place is in, or what the operation is called; NULL: not known. The text has to stay for
 * the search. Asked for the signatures of what fails, and seldom.
 */
typedef const char *(*xp_function_fn)(const struct xp_place *place);

struct xp_options {
	const void *core;	/* struct iopf_core, from xp_core(); NULL: the default core */
	int strategy;
	int bound;		/* of XP_S_BOUND: the last one, -1: until nothing is left. Others: no meaning */
	int depth;		/* of XP_S_PCT, and what auto does of it: 1 to 16. 0: 3, and auto takes several */
	unsigned int flags;
	double budget;		/* seconds, 0: none */
	uint64_t max_executions;	/* 0: none */
	uint64_t max_runs;	/* executions with those that are cut short, of xp_do_job(); 0: none */
	uint64_t seed;
	uint64_t after_failure;	/* how many further executions after the first failure look for a graver one */
	int workers;		/* of xp_plan(): processes that will do the parts, 0: one */
	int max_steps;		/* of one execution, 0: 4000. More is a livelock */
	xp_progress_fn progress;	/* NULL: none */
	void *progress_arg;
	double progress_interval;	/* seconds, 0: 0.05 */
	xp_function_fn function;	/* NULL: functions are those of the symbol table, operations "record 7" */
	const struct xp_schedule *given;	/* failures of another time: tried before the search (strategy/follow.c) */
	int nr_given;
};

/* ---- results ---- */
#define XP_PREEMPTIONS 16

/* Which objects make the branches: how many races each had. */
struct xp_contention {
	const char *object;
	const char *op, *other_op;
	uint64_t races;
};

struct xp_result {
	int verdict;
	const char *why;		/* inconclusive: why; else NULL */
	int strategy;			/* the one that gave the verdict */
	int bound;			/* XP_V_BOUNDED */
	int exhausted;			/* the strategy came to its end */
	int interrupted;		/* by the progress callback */
	uint64_t executions;		/* complete ones */
	uint64_t blocked;		/* cut short, sleep-blocked */
	uint64_t classes;		/* DPOR: equals executions; with XP_O_CLASSES counted */
	uint64_t first_failure;		/* at which execution, from 1; 0: none */
	uint64_t sampled[XP_STRATEGIES];	/* of auto without a pass: the executions, by the strategy that chose them */
	uint64_t self_checks;
	double seconds;
	double estimate;		/* classes by the estimate before the search, 0: none was made */
	double estimate_low, estimate_high;	/* at least, at most: each with 99 in 100; 0: nobody knows */
	const char *estimate_why;	/* why there is none, though it was tried; else NULL */
	double mass;
	int deepest;			/* points of the longest execution */
	int nr_failures;
	int nr_notes;			/* lock-order cycles beside a deadlock of their locks; under-lock where it is not promised */
	int nr_outcomes;
	int nr_contended;
	int nr_tasks;			/* with works and callbacks; the explorer's own sequential parts are task 0 */
	uint64_t preemptions[XP_PREEMPTIONS];	/* executions by preemptions, the last: that many or more */
	double reset_ns;		/* an execution without its steps: mean of the resets */
};

/* One line of a trace. */
struct xp_step {
	int task;
	int task_ordinal;	/* which step of its task, from 1 */
	int record;		/* index of the scenario's record that runs (in records from the start), -1: none */
	int depth;		/* C calls deep */
	const char *op;		/* "mutex_lock", "refcount_inc_not_zero", "report begins" ... */
	const char *object;	/* "param#1.users", NULL: none */
	int has_values;
	int64_t before, after;
	int point;		/* 1: a scheduling point, 0: an event inside the step of one */
	int preempted;		/* the task before could have gone on: the number of this preemption, else 0 */
	uint64_t others;	/* of a point: bit i: the task with number i could have run in its place */
	int nr_held;		/* locks that the task holds after this step */
	struct xp_place place;
	const char *text;	/* more to say, or NULL */
};

#define XP_SITE_CALL 1		/* a call that led to the place above it */
#define XP_SITE_CALLERS 2	/* calls that were compiled into their callers belong below it, too */
#define XP_SITE_MORE 4		/* says more about the site above it */
#define XP_SITE_MEMORY 8	/* where the object's memory comes from, or went to */

struct xp_site {
	int task;		/* -1: not known */
	int step;		/* index in the trace, -1: none */
	unsigned int flags;	/* XP_SITE_* */
	struct xp_place place;
	const char *what;	/* "allocated", "freed", "accessed", "wrote", "read", "waits for" ... */
	const char *object;
};

/* A schedule: runs of steps of one task, each with what is expected next. */
struct xp_run {
	int task;
	int steps;
	const char *op;		/* the first operation of the run */
	const char *object;
};

/* Two steps of different tasks whose order is one of dependence, and follows from no other two: indices. */
struct xp_order {
	int32_t first, then;
};

/*
 * The numbers of a search's tasks: number i + 1 is that of the nth task that task number parent started (0: the explorer).
 * Which of them an execution started, and what that is, depends on what of the scenario it dropped.
 */
struct xp_task {
	int parent, nth;
	const char *name;	/* of a failure: as xp_task_name() has it. NULL: it did not start */
	int section;
};

/* One execution, as it was written down. */
struct xp_schedule {
	const struct xp_run *runs;
	int nr_runs;
	const struct xp_task *tasks;	/* what the runs call them; more may come */
	int nr_tasks;
	const int32_t *dropped;		/* records that are not executed */
	int nr_dropped;
	const struct xp_run *points;	/* of what is to be followed as far as it fits: each step; op NULL: not known */
	int nr_points;
	int kind;			/* and what it is to show */
	const char *signature;
};

/* Between a schedule that was given and the execution that followed it. */
struct xp_difference {
	int added;		/* 1: a step that the schedule does not have; 0: one that it has, and that did not come */
	int step;		/* where: of the execution, or of the schedule */
	int task;
	const char *op, *object;	/* NULL: not known */
};

struct xp_fit {
	int shows;		/* the failure showed */
	int nr_differences;	/* of the execution in which it did, else of that with the fewest */
	int nr_told;		/* of these, the first */
	const struct xp_difference *told;
};

struct xp_failure {
	int kind;
	int rank;
	int confirmed;		/* 0: a prediction (lock order), the execution itself did not fail */
	int contract_kept;
	unsigned int clauses;	/* XP_C_*: what was broken */
	const char *message;
	const char *signature;	/* in words: csrc/explore/report/signature.c */
	const char *object;	/* NULL: none */
	uint64_t execution;	/* at which it was found first */
	uint64_t count;		/* executions that showed it */
	int preemptions;	/* of the trace */
	int minimal;		/* 1: no schedule with fewer preemptions shows it */
	int nr_sites;		/* accessed, freed, allocated; or one for each task in the cycle */
	int nr_steps;
	int nr_runs;
	int nr_points;
	int nr_tasks;
	int nr_orders;
	int culprit_first, culprit_second;	/* indices of steps: in the other order it passes; -1: none found */
	int nr_dropped;		/* records of the scenario that it does not need */
	uint64_t hash;		/* of the steps; a replay has to come to the same */
	const struct xp_site *sites;
	const struct xp_step *steps;
	const struct xp_run *runs;
	const struct xp_run *points;	/* the same step by step */
	const struct xp_task *tasks;
	const struct xp_order *orders;	/* by their second step */
	const int32_t *dropped;	/* their indices; the trace and the schedule are of the scenario without them */
};

/* What a call of the scenario returned. */
struct xp_return {
	const char *task;	/* as xp_task_name() has it */
	int record;
	int64_t value;
};

/* One distinct outcome, and how many executions had it. */
struct xp_outcome {
	uint64_t hash;
	uint64_t count;
	const char *responses;	/* "task 0: dev0 grpid 1 success; task 1: dev0 grpid 2 unanswered" */
	const char *warnings;	/* "WARN in iopf_queue_flush_dev (1)" */
	const struct xp_return *returns;
	int nr_returns;
};

/*
 * ---- parts of a search ----
 *
 * A part of the tree of choices of XP_S_DPOR, XP_S_NAIVE, XP_S_SLEEP or XP_S_BOUND: a path, the last step of which is yet to
 * be made, and what of the tree at its nodes was done before or by others. All of the tree is a job without nodes.
 */
struct xp_job_node {
	uint8_t task, alternative;
	uint64_t done;			/* tasks that were tried at the node before, here or by others */
	uint64_t alternatives_done;	/* of its task */
	uint64_t backtrack;		/* tasks to be tried, of the job's own nodes */
};

struct xp_job {
	const struct xp_job_node *nodes;
	int nr_nodes;
	int floor;		/* nodes before it are others' */
	int alternatives;	/* but for the alternatives of the last one of them, which are the job's */
	int bound;		/* XP_S_BOUND: preemptions */
	double mass;		/* of the tree, which has 1 */
	const struct xp_task *tasks;	/* what the nodes call them; more may come */
	int nr_tasks;
};

#define XP_SHOWS_FAILURE 0
#define XP_SHOWS_ORDER 1	/* in which locks are taken, or a deadlock of these locks */
#define XP_SHOWS_OUTCOME 2

/* An execution that shows something which the part has not seen before. */
struct xp_witness {
	int shows;
	int kept;		/* the driver kept its contract in it */
	uint64_t key;		/* of what it shows: equal in every part of a search */
	uint64_t count;		/* executions of the part that showed it */
	uint64_t execution;	/* the first one, from 1 */
	const uint8_t *choices;	/* task, alternative, task, alternative ... */
	int nr_choices;		/* pairs */
};

struct xp_part {
	int verdict;		/* 0; or the search is over (plan), and that is it */
	int strategy;		/* the one at work; of a plan the one that is to follow */
	int taken;		/* 0: the job was not begun, and is left as it was */
	int stopped;		/* by the progress callback */
	int was_cut;		/* XP_S_BOUND: the bound kept something out */
	int unproved;		/* a prediction did not come true: no verdict, unless some part found a data race */
	int deepest;
	const char *why;	/* no verdict can come of it any more, or NULL */
	uint64_t executions, blocked, self_checks, first_failure;
	uint64_t further;	/* what counts as executions after the first failure of the part */
	double seconds, estimate;
	double mass;		/* of the job: what is over */
	uint64_t preemptions[XP_PREEMPTIONS];
	int nr_jobs;		/* what is left of the job: xp_job() */
	int nr_witnesses;
	int nr_contended;
	int nr_tasks;		/* their numbers in what this part says: xp_part_task() */
};

/* What the parts of a search came to, together. */
struct xp_totals {
	int strategy, bound, deepest, exhausted, interrupted;
	int unproved;		/* of any part */
	int race_walks;		/* random executions after a race, as XP_S_AUTO does them */
	const char *why;
	uint64_t executions, blocked, classes, self_checks, first_failure;
	double seconds, estimate, mass;
	uint64_t preemptions[XP_PREEMPTIONS];
	const struct xp_witness *witnesses;
	int nr_witnesses;
	const struct xp_task *tasks;
	int nr_tasks;
};

struct xp_divergence {
	int happened;		/* the replay did not follow its schedule */
	int run, step;		/* where: index of the run, of the point in the execution */
	const char *expected_op, *expected_object;
	const char *found_op, *found_object;	/* NULL: that task had nothing to run */
	int kind;		/* the run ended with this kind of failure, XP_K_NONE: it passed */
};

/* NULL, or why the explorer cannot work in this process (libtsan is here, ...). */
const char *xp_unusable(void);

/* Ends this process when the thread ends that started it, whose process has to be this one. 0 or -errno. */
int xp_end_with(int parent);

/* Cores: those built in, then those registered. */
int xp_nr_cores(void);
const void *xp_core(int index);
const void *xp_find_core(const char *name);
const char *xp_core_name(const void *core);
/* table: struct iopf_core of a shared object that was loaded; the object has to stay. 0 or -errno. */
int xp_register_core(const void *table);

/* 0; -EINVAL: the scenario is wrong, see xp_error(); -EBUSY: another search runs; -EPERM: another process's; -ENOMEM. */
int xp_explore(const int32_t *code, size_t nr_words, const struct xp_options *options, struct xp_result *result);
/*
 * Up to where a search begins that may take long: *result is that of the whole search where part->verdict is not 0, else
 * part says with which strategy it has to go on, and what was met so far.
 */
int xp_plan(const int32_t *code, size_t nr_words, const struct xp_options *options, struct xp_result *result,
	    struct xp_part *part);
/*
 * Executes a job, for options.budget seconds or options.max_executions, or options.max_runs with those that are cut short.
 * What is left of it is at least so many jobs, where there is enough to divide. Nothing but a job's own figures counts.
 */
int xp_do_job(const int32_t *code, size_t nr_words, const struct xp_options *options, const struct xp_job *job, int wanted,
	      struct xp_part *part);
/* The result of a search from that of its parts. */
int xp_conclude(const int32_t *code, size_t nr_words, const struct xp_options *options, const struct xp_totals *totals,
		struct xp_result *result);
const struct xp_job *xp_job(int index);
const struct xp_witness *xp_witness(int index);
const struct xp_task *xp_part_task(int index);
/* Strict: stops where the schedule does not fit. The failures are those of this one execution. */
int xp_replay(const int32_t *code, size_t nr_words, const struct xp_options *options, const struct xp_schedule *schedule,
	      struct xp_result *result, struct xp_divergence *divergence);
const char *xp_error(void);
/* How the schedule fitted that options.given has there; NULL: no such, or it was not tried. */
const struct xp_fit *xp_fit(int index);

/* Of the last search, by rank; NULL: no such. */
const struct xp_failure *xp_failure(int index);
const struct xp_failure *xp_note(int index);
const struct xp_outcome *xp_outcome(int index);
const struct xp_contention *xp_contention(int index);
/* "task 2", "work 1 of task 2" ...: what a task is; NULL: no such. *section: index of its XP_TASK record, or -1. */
const char *xp_task_name(int task, int *section);
/* The distinct happens-before classes (XP_O_CLASSES), at most max of them, sorted. Returns how many there are. */
size_t xp_classes(uint64_t *hashes, size_t max);

/* cdef-end */

#endif
