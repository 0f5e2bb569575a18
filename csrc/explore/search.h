/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the search tell each other. */
#ifndef IOPF_EXPLORE_SEARCH_H
#define IOPF_EXPLORE_SEARCH_H

#include <core.h>
#include <linux/iommu.h>

#include "../runtime/explore/engine.h"
#include "../runtime/explore/heap.h"
#include "../runtime/explore/internal.h"
#include "explore.h"

#pragma GCC visibility push(hidden)

#define MAX_DEVICES 16
#define MAX_QUEUES 8
#define MAX_LOCKS 16
#define MAX_PROCESSES 8		/* address spaces of a scenario's own */
#define MAX_SECTIONS 48
#define MAX_RECORDS 4096

/* --- scenario.c --- */

/* A device has PASIDs below. */
#define PASID_LIMIT (1 << 20)

struct record {
	s32 op, a, b, c, d, e, f, g, h;
};

struct section {
	int begin, end;		/* records */
	int twins;		/* of a task: the number that identical ones share, -1 */
};

struct scenario {
	const struct record *records;
	int nr_records;
	int nr_queues, nr_devices, nr_locks, nr_tasks, nr_works, nr_spaces;
	int queues[MAX_QUEUES], devices[MAX_DEVICES];	/* their records */
	struct section setup, teardown, tasks[MAX_SECTIONS], works[MAX_SECTIONS];
	int memory;
	u32 expected;		/* kinds, as bits */
	bool alloc_may_fail, may_fail;	/* some task can meet a failed allocation */
	u8 dropped[MAX_RECORDS];	/* not executed: what shrinking took away */
};

extern struct scenario scenario;

static inline u64 record_u64(s32 lower, s32 upper)
{
	return (u64)(u32)upper << 32 | (u32)lower;
}

/* Of an XP_REPORT: its flags on the wire, and what they mean. */
static inline u32 request_flags(const struct record *r)
{
	if (r->e & XP_R_RAW)
		return (u32)r->e >> XP_R_FLAGS;
	return (r->c ? IOMMU_FAULT_PAGE_REQUEST_PASID_VALID : 0) | (r->e & XP_R_LAST ? IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE : 0);
}

/* Does it complete a group, and so get an answer. */
static inline bool request_is_last(const struct record *r)
{
	return request_flags(r) & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE && !(r->e & XP_R_OTHER);
}

/* The PASID that it is of, 0: none, whatever the field says. */
static inline u32 request_pasid(const struct record *r)
{
	return request_flags(r) & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID ? (u32)r->c : 0;
}

/* Checks and loads. NULL, or what is wrong with it. */
const char *scenario_load(const s32 *code, size_t nr_words);

/* --- program.c: the scenario as it runs, in fibers --- */

extern const struct iopf_core *core;

void program_main(void);	/* task 0 */
void program_quiet(void);
bool program_respond_ready(struct task *t);
/* Which task of the scenario it is; -1: a work, a callback, or the sequential part. */
int program_task_index(const struct task *t);

/* lowlevel.c */
int lowlevel_run(int i, int end, s64 *registers);
void lowlevel_begin(void);
void lowlevel_end(void);
void program_records(const struct section *section, s64 *registers);

/* --- driver.c: devices, their handlers, what they answer --- */

struct device *driver_device_new(int index, const struct record *definition);
struct device *driver_device(int index);
void driver_reset(void);
/* What is attached: a handler; process: the address space of the scenario's that it resolves against, -1: any. */
struct attaching {
	int device, pasid, handler, process;
	bool nested, replace;
};
int driver_attach(const struct attaching *a, int space);
void driver_exit(int process);
void driver_map(const struct record *r);
/* Those that have not exited do. */
void driver_end_processes(void);
void driver_detach(int device, int pasid);
int driver_report(const struct record *r);
int driver_respond(const struct record *r, bool gives_up);
bool driver_is_held(int device, u32 grpid, u32 pasid);
void driver_answer_held(void);
u64 driver_token_of(const struct iopf_group *group, const void *pc);
void driver_look_at(struct iopf_group *group, const void *pc);	/* which requests it consists of */
u64 driver_held_addr(int device, u32 grpid, u32 pasid);
struct mutex *driver_lock(int index);
void driver_free_locks(void);
void driver_check_counts(void);
bool driver_is_mute(int index);
int driver_try_queue(void);
extern bool driver_asks_under_lock;	/* also where the core does not promise it */
void driver_name_lock(const struct lock_class *class, char *text, size_t room);

/* --- monitor.c: responses, returns, the driver's contract --- */

#define MAX_TOKENS 512
#define NOT_TRIED (-1)
#define MAX_HELD_GROUPS 256
#define MAX_SPACES 4096		/* of domains: those of the scenario's own address spaces are the last ones */
struct token {
	u64 number;
	s16 task, nth;		/* whose report, and which of its */
	s16 device;
	u16 members;		/* of the group that its handler got, itself included; 0: none yet */
	u16 in_group;		/* the number of the last request of the group that it was part of, 0: none */
	s16 perhaps_removals;	/* of the device, before the report */
	u16 queues;		/* that the device may have been on when report began, as bits */
	s16 space;		/* the PASID's address space, -1: it changed */
	s16 resolved;		/* the one that its work resolved against, -1: none yet */
	s16 removals, launched;	/* removals of the device before the report, and before its handler was called */
	bool queued;		/* its work, for certain, when report returned */
	bool by_removal;	/* answered, the first time */
	bool last, returned, flushed, readded;	/* readded: perhaps, beside report or that removal */
	bool has_work, may_have_work;	/* by the handler that it met: for certain, or not */
	s16 answers;
	s8 code;		/* of the first answer, -1: none */
	s8 fault_in;		/* what the address space says of its group's pages so far, NOT_TRIED: nothing */
	s8 handled;		/* by which kind of handler, -1: none */
	bool unsure;		/* of a page of its group nobody knows what the space says */
	s16 tried;		/* pages of its group that were looked for in a space of the scenario's */
	bool other;		/* no page request: nobody answers it */
	s8 report_code;		/* of the answer that its report gave, -1: none */
	u32 grpid, pasid;
	u64 group;		/* that its handler got, 0: none */
	int record;
	int begun, ended;	/* dates of the call */
	int removal_began, removal_ended;	/* dates of the removal that it belongs to, 0: none yet */
	u32 returned_at, answered_at;	/* stamps */
	s16 answered_by;	/* the first answer: task, place, event */
	const void *answer_pc, *resolved_at;
	int answer_event;
	s32 result;
};
extern struct token tokens[MAX_TOKENS];
extern int nr_tokens;

extern unsigned int monitor_clauses;	/* broken so far */

void monitor_reset(void);
int monitor_report_begin(int device, const struct record *r);
void monitor_report_end(int token, int result);
void monitor_response(int device, u64 private_0, u64 private_1, const struct iommu_page_response *msg, const void *pc);
/* Calls that change what a device is: begin, end. queue may be -1. */
void monitor_change_begin(int op, int device, int queue);
void monitor_change_end(int op, int device, int queue, int result);
void monitor_flush_begin(int device);
void monitor_flush_end(int device, int result);
/* Returns the number of the address space of the domain that is attached. */
int monitor_attach_begin(int op, const struct attaching *a);
void monitor_attach_end(int op, int device, int pasid, int result);
void monitor_call_begin(int queue);
void monitor_call_end(int queue, int result);
/* The result of the operation that ended just now: the one that is demanded, or one that the contract allows. */
void monitor_result(const struct record *r, int result);
void monitor_end(void);
bool monitor_is_added(int device, int *queue);
bool monitor_is_closed(int device);
bool monitor_queue_is_freed(int queue);
/* The outcome of the execution that just ran. */
u64 monitor_outcome(void);
/* The words of an outcome: *o is otherwise made already. What it gets is freed by outcomes_reset(). */
void monitor_outcome_words(struct xp_outcome *o);
/* The group that the current task is about to answer, by its token; 0: nobody said. */
void monitor_answering(u64 token, enum iommu_page_response_code code);
void monitor_freeing(u64 token);
void monitor_answered(void);
void monitor_work_of(u64 work, u64 token);
void monitor_handler(u64 token, int handler);
/* The owner of a held group answers it: the call begins, and ends. */
void monitor_owner_begin(int held);
void monitor_owner_end(int held);
void monitor_drop(void);
void monitor_inside(void);	/* page_response calls back */
/* Of a fault against it, the address space says code; -1: anything resolves there. */
void monitor_resolve(int space, int code, const void *pc);
void monitor_faulted(void);
void monitor_not_resolved(const void *pc);
/* Which request the current task is answering; 0: nobody said. */
u64 monitor_request(const void *pc);
void monitor_member(u64 last, u64 number, bool as_reported, const void *pc);
void monitor_group(u64 last, u64 count, const void *pc);	/* behind its members */
void monitor_value(s64 value);	/* XP_OUT */

/* --- orders.c: the orders that the class of the execution that just ran leaves open --- */

void orders_reset(void);
/* Of every execution of a search: also those that are not judged. */
void orders_run(void);
const char *orders_judge(u64 execution, bool *news);
u64 orders_verdict(void);

/* --- leak.c --- */

void leak_find(void);
void leak_sites(struct xp_site *sites, int *n, const struct finding *f, const int *index_of);
const char *leak_message(const struct finding *f);

/* --- lockorder.c --- */

void lock_order_reset(void);
/* An execution begins; it is over, and the driver broke these clauses. */
void lock_order_begin(void);
void lock_order_end(unsigned int clauses);
/* The execution that just ended did in a deadlock of these tasks. */
void lock_order_deadlock(u64 tasks, bool kept);
void lock_order_taken(struct task *t, const struct lock_class *class, u64 addr, const void *pc);
extern bool lock_order_new;		/* a cycle that was not there before */
#define MAX_CYCLES 8
struct lock_cycle {
	int length;
	const struct lock_class *classes[8];
	const void *held_pc[8], *pc[8];
	s16 tasks[8];
	unsigned int clauses;
};
extern struct lock_cycle lock_cycles[MAX_CYCLES];
/* A deadlock of these locks was found. */
bool lock_order_came_true(const struct lock_cycle *c);
extern int nr_lock_cycles;

/* --- strategies --- */

extern const struct strategy strategy_dpor, strategy_naive, strategy_sleep, strategy_bound, strategy_shortest,
	strategy_random, strategy_walk, strategy_repeat, strategy_schedule;

/* path.c: the tree of choices that the exhaustive ones walk */
struct path_rules {
	bool sleep, all, bounded;
	bool moments;		/* are points within a bound, too */
};
void path_begin(struct path_rules rules);
int path_pick(u64 enabled, int previous);
bool path_next(void);
void path_want(int node, u64 tasks);
extern double path_mass;
extern int path_bound;		/* of preemptions */
extern bool path_was_cut;	/* the bound kept something out */

/* random.c */
void random_seed(u64 seed);
u64 random_next(void);
double random_unit(void);
/* Chance of the last walk. */
extern double random_probability;
bool random_learn(void);
void random_forget(void);

/* estimate.c */
/* brief: ends sooner where there is little to explore. collect is asked behind every walk, and may end it. 0: none. */
double estimate_classes(double seconds, bool brief, bool (*collect)(int probe));

/* oracle.c */
const char *oracle_run(u64 *exchanges);

/* replay.c */
void replay_runs(const struct xp_run *runs, int nr_runs, struct xp_divergence *divergence);
struct choice {
	u8 task, alternative;
};
extern const struct choice *schedule_choices;
extern int schedule_length, schedule_diverged;
extern bool schedule_free_after, schedule_lenient;	/* behind its end: lowest task first, without preemption */

/* --- signature.c: what makes two failures the same --- */

void signatures_reset(void);
/* Equal where the words are, but for what the driver broke of its contract. Of the execution that just ran. */
u64 finding_signature(const struct finding *f);
const char *signature_text(const struct finding *f, unsigned int clauses);

/* --- failures: failure.c, record.c, shrink.c --- */

struct found {
	struct finding finding;
	u64 signature;
	u64 count, execution;
	unsigned int clauses;
	const char *type;	/* of its object */
	int rank, order;	/* order: in which they were found */
	int length;
	struct choice *choices;
	int preemptions;
	bool minimal, is_note;
	int culprit[2];
	int nr_dropped;
	s32 *dropped;
	struct xp_failure face;
};

#define MAX_FOUND 64
extern struct found found[MAX_FOUND];
extern int nr_found;

void failures_reset(void);
/* Notes what the execution that just ended showed. True: something that was not known. */
bool failures_collect(u64 execution);
void failures_merge_predictions(void);
/* What the execution that just ended shows of that kind is noted, and is no failure. */
void failures_note(int kind);
bool failures_know(u64 signature);
/* In the execution that just ran. */
bool failure_shows(const struct found *f);
/* Runs a schedule; true when the same failure shows. */
bool failure_reproduces(const struct choice *choices, int length, u64 signature);
struct choice *copy_schedule(int *length);
/* Writes the trace of a failure, from its schedule. */
void record_failure(struct found *f);
void record_reset(void);
const char *record_text(const char *format, ...) __printf(1, 2);
const char *record_object(u64 addr);
const char *record_whole(int object);	/* without a member */
const char *record_type(int object);	/* without a number */
const char *record_field(int object, u64 addr, char *text, size_t room);
const char *record_task(int task);
struct xp_place record_place(const void *pc);
void record_site(struct xp_site *sites, int *n, int task, int step, const void *pc, const char *what, const char *object);
/* The calls that led to an event of the history, inside the core. */
#define MAX_SITES 40
void record_callers(struct xp_site *sites, int *n, int event);
void record_sites(struct found *f, const struct finding *finding, const int *index_of);
void shrink(struct found *f, double deadline);
void failures_finish(void);

/* --- hot.c: which objects make the branches --- */
void hot_reset(void);
void hot_race(const struct node *earlier, const struct node *later);
void hot_finish(void);		/* names them */
int hot_shown(void);

/* --- outcome.c: distinct outcomes and classes --- */
void outcomes_reset(void);
void outcomes_collect(void);
void outcomes_collect_class(void);
u64 outcomes_nr_classes(void);
int outcomes_finish(void);

/* --- crash.c: for the length of a search --- */
void crash_guard_begin(void);
void crash_guard_end(void);

/* --- watchdog.c: likewise --- */
void watchdog_begin(void);
void watchdog_end(void);
extern bool watchdog_repeats;	/* a schedule that showed its failure before: a loop in it is known at once */

/* --- search.c --- */

double now_seconds(void);
/* The callback and the budget: true, stop. */
bool search_must_stop(void);
/* The callback alone: true, what is left to do is to be left. */
bool search_interrupted(void);
/* In the middle of an execution that comes to no point: true, it is to be given up. */
bool search_gives_up(void);
int search_run(const struct strategy *strategy);
extern struct xp_options options;

#pragma GCC visibility pop

#endif
