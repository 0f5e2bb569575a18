/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * api/trace/: a device that performs the memory accesses of a recorded program, page by page. trace.h is the face; this is
 * what the files of the room share.
 *
 * The room may use api/, whose queues and devices it drives, and what that may use.
 */
#ifndef IOPF_API_TRACE_INTERNAL_H
#define IOPF_API_TRACE_INTERNAL_H

#include <pthread.h>
#include <time.h>

#include "api.h"
#include "histogram.h"
#include "trace.h"

#define TRACE_PAGE_SHIFT 12

/* --- pages (trace_pages.c). Indices instead of pointers: the array moves when it grows. 0: none --- */

struct trace_page {
	u64 number;
	u32 next;		/* of its chain; of the free ones */
	u32 newer, older;	/* while present */
	u32 first_waiter, last_waiter;
	u8 perm;		/* while present: what its area allows */
	u8 asked;		/* a bit for each wanted permission that was requested while the page was present */
	bool present;
	bool in_flight;		/* requested and not answered for good */
	bool resumes;		/* an access to it is among those that go on */
	u8 ready;		/* perm while accesses need not wait for anything: present, and neither of the two before */
};

struct trace_pages {
	struct trace_page *array;
	u32 nr, capacity, first_free;
	u32 *chains;
	u32 mask, used;
	u32 newest, oldest;
	u64 limit, present, dropped;
};

int trace_pages_init(struct trace_pages *pages, u64 limit);
void trace_pages_destroy(struct trace_pages *pages);
/* The page's index; it is made when there is none. 0: no memory. */
u32 trace_page_get(struct trace_pages *pages, u64 number);
/* Present from now on, as the newest; the oldest ones go when there are too many. */
void trace_page_arrive(struct trace_pages *pages, u32 index, u8 perm);
/* Nothing more is known of the page than of one that was never seen? Then it costs no memory. */
void trace_page_settle(struct trace_pages *pages, u32 index);
void trace_page_make_newest(struct trace_pages *pages, u32 index);

static inline u32 trace_page_chain(const struct trace_pages *pages, u64 number)
{
	return (u32)((number * 0x9e3779b97f4a7c15u) >> 32) & pages->mask;
}

static inline u32 trace_page_find(const struct trace_pages *pages, u64 number)
{
	u32 i = pages->chains[trace_page_chain(pages, number)];

	while (i && pages->array[i].number != number)
		i = pages->array[i].next;
	return i;
}

/* Where nothing is ever dropped nobody asks which page is the oldest. */
static inline void trace_page_use(struct trace_pages *pages, u32 index)
{
	if (pages->limit && pages->newest != index)
		trace_page_make_newest(pages, index);
}

/* To be called when one of them was changed. */
static inline void trace_page_changed(struct trace_page *page)
{
	page->ready = page->present && !page->in_flight && !page->resumes ? page->perm : 0;
}

/* --- devices and groups (trace_device.c) --- */

struct trace_request {
	u32 page;
	u16 want;		/* IOPF_PERM_ bits */
	u16 device;
};

enum trace_group_state {
	TRACE_GROUP_IDLE,	/* free, or being put together */
	TRACE_GROUP_REPORTED,
	TRACE_GROUP_ANSWERED,
};

/* A page request group, and its index on the wire: no two that are outstanding have the same. */
struct trace_group {
	struct trace_group *next;	/* answered before it; free */
	struct trace_device *device;
	u32 index;
	u32 nr;
	int state;			/* the core's thread and ours */
	u32 code;
	u64 reported_at, answered_at;
	struct trace_request requests[];
};

struct trace_device {
	struct iopf_trace *trace;
	iopf_device *device;
	void (*release)(struct device *dev);
	struct trace_group *open;	/* not reported yet; NULL: no page in it */
	u32 pasid;
	bool on_queue;
};

/* An access, or the part of it in one page, that waits for the page. */
struct trace_waiter {
	struct trace_request access;
	u32 next;
};

struct trace_area {
	u64 start, end;
	u32 perm;
};

struct iopf_trace {
	/* The thread that uses the trace. */
	const iopf_core *core;
	iopf_queue *queue;
	struct iopf_trace_options options;
	struct iopf_trace_counts counts;
	int error;			/* sticky */
	bool ended;
	u32 turn;			/* the device whose turn it is */
	u32 in_flight;			/* groups */
	u64 polled;
	struct trace_pages pages;
	struct trace_group *free_groups, **free_tail;
	void *groups;
	size_t group_size;
	u32 nr_groups;
	struct trace_request *alone;	/* pages to be asked once more: a ring */
	u32 alone_first, alone_nr, alone_room;
	struct trace_waiter waiters[IOPF_TRACE_WINDOW + 1];
	u32 free_waiter, nr_waiting;
	u32 first_resumed, last_resumed;
	struct trace_area *areas;
	size_t nr_areas;
	struct histogram latency;
	u64 spin_ns;

	/* The line that the last chunk ended within, and malformed ones. */
	char line[128];
	size_t line_length;		/* more than the room: too long, and dropped */
	u64 sample_line[IOPF_TRACE_SAMPLES];
	char sample[IOPF_TRACE_SAMPLES][96];

	/* Both sides. */
	struct trace_group *answered __attribute__((aligned(64)));	/* pushed by page_response, newest first */
	u64 strays;
	int sleeping;
	pthread_mutex_t lock;		/* the driver's inner lock: sleeping and waking, nothing else */
	pthread_cond_t wake;
	int users;			/* the owner, and each device */

	struct trace_device devices[] __attribute__((aligned(64)));
};

int trace_devices_init(struct iopf_trace *t, iopf_space *space);
void trace_devices_remove(struct iopf_trace *t);
void trace_put(struct iopf_trace *t);
/* Reports the group, which has a page. There is room for one more in flight. */
int trace_report(struct iopf_trace *t, struct trace_group *group);
/* Sleeps or spins until there is an answer. 0, -EINTR, IOPF_TRACE_LOST. */
int trace_wait(struct iopf_trace *t);
int trace_poll(struct iopf_trace *t);
struct trace_group *trace_group_take(struct iopf_trace *t, struct trace_device *device);
void trace_group_give_back(struct iopf_trace *t, struct trace_group *group);

/* --- the rules (trace_access.c) --- */

/* Is there nothing that comes before the next access? */
static inline bool trace_is_settled(struct iopf_trace *t)
{
	return !__atomic_load_n(&t->answered, __ATOMIC_RELAXED) && t->in_flight < t->options.outstanding &&
	       t->nr_waiting < IOPF_TRACE_WINDOW;
}

static inline u32 trace_next_turn(struct iopf_trace *t)
{
	u32 turn = t->turn;

	t->counts.accesses++;
	t->turn = turn + 1 == t->options.devices ? 0 : turn + 1;
	return turn;
}

int trace_touch_pages(struct iopf_trace *t, u64 addr, u64 size, u32 want);

/* One access of the device whose turn it is. Nearly all of them are to one page that is there and allows it. */
static inline int trace_access(struct iopf_trace *t, u64 addr, u64 size, u32 want)
{
	u64 number = addr >> TRACE_PAGE_SHIFT;
	u32 page;

	if (likely((addr + size - 1) >> TRACE_PAGE_SHIFT == number && trace_is_settled(t))) {
		page = trace_page_find(&t->pages, number);
		if (likely(page && !(want & ~t->pages.array[page].ready))) {
			trace_page_use(&t->pages, page);
			trace_next_turn(t);
			return 0;
		}
	}
	return trace_touch_pages(t, addr, size, want);
}

/* Takes note of the answers that have come. */
void trace_collect(struct iopf_trace *t);
/* Until nothing waits and all is answered. */
int trace_drain(struct iopf_trace *t);

/* --- lines (trace_lines.c) --- */

int trace_lines(struct iopf_trace *t, const char *text, size_t length);
int trace_last_line(struct iopf_trace *t);

static inline u64 trace_now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (u64)time.tv_sec * 1000000000u + (u64)time.tv_nsec;
}

#endif
