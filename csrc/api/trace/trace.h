/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The face of the trace device: it performs the memory accesses of a recorded program in the program's address space,
 * and a page that is not present becomes a page request. csrc/api/trace/access.c has the rules.
 *
 * One thread at a time uses a trace. A call may run Python's poll, nothing else of Python's.
 */
#ifndef IOPF_API_TRACE_H
#define IOPF_API_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "../run.h"

/* cdef-begin */
typedef struct iopf_trace iopf_trace;

#define IOPF_TRACE_MAX_GROUP 512
#define IOPF_TRACE_MAX_OUTSTANDING 4096
#define IOPF_TRACE_MAX_DEVICES 256
/* So many accesses at most wait for pages. */
#define IOPF_TRACE_WINDOW 256
/* Malformed lines that are kept to be shown. */
#define IOPF_TRACE_SAMPLES 3
/* No answer will come any more: the queue is idle. */
#define IOPF_TRACE_LOST -61

struct iopf_trace_options {
	uint32_t group;			/* pages of a group, at most */
	uint32_t outstanding;		/* groups without an answer, at most, of all devices */
	uint32_t devices;
	uint32_t workers;		/* of the queue: with 0 works run in the thread that reports */
	uint64_t resident;		/* present pages at most; 0: any number */
};

struct iopf_trace_counts {
	uint64_t lines, accesses, malformed;
	uint64_t requests, groups;	/* reported; a group counts when its last request is */
	uint64_t answers[3];		/* by code */
	uint64_t strays;		/* responses to what was not outstanding */
	uint64_t refused;		/* touches of a page that ended without the permission, asked or known */
	uint64_t present, dropped;	/* pages: now; taken away because there were too many */
	uint64_t unanswered;		/* groups without an answer, now */
	uint64_t latencies;		/* groups in the histogram */
};

struct iopf_trace_latency {
	uint64_t p50, p99, p999, max;	/* nanoseconds from the report of a group's last request to its response */
};

/*
 * Puts the devices on the queue and attaches them to the space, whose areas must not change any more. Returns 0 and
 * the trace, or -errno.
 */
int iopf_trace_new(const iopf_core *core, iopf_queue *queue, iopf_space *space,
		   const struct iopf_trace_options *options, iopf_trace **trace);
/*
 * Performs the accesses of the next bytes of a trace, which may end within a line. 0; -EINTR on poll's word, -ENOMEM,
 * IOPF_TRACE_LOST: then only iopf_trace_end() makes sense.
 */
int iopf_trace_feed(iopf_trace *trace, const char *text, size_t length);
/* The last line and everything that waits, until all is answered. Returns as iopf_trace_feed() does. */
int iopf_trace_finish(iopf_trace *trace);
/*
 * Takes the devices off the queue, which answers what is still outstanding; the counts are final then. It first waits
 * for answers, but not for ever. A second call does nothing.
 */
void iopf_trace_end(iopf_trace *trace);
/* Instead of that when the queue was deleted before the trace: it has removed the devices. */
void iopf_trace_orphan(iopf_trace *trace);
void iopf_trace_delete(iopf_trace *trace);

void iopf_trace_count(iopf_trace *trace, struct iopf_trace_counts *counts);
void iopf_trace_measure(iopf_trace *trace, struct iopf_trace_latency *latency);
/* Latencies in nanoseconds, lowest first, each with how many groups had it. Returns how many there are. */
size_t iopf_trace_latencies(iopf_trace *trace, size_t max, uint64_t (*values)[2]);
/* The index-th malformed line, cut to what there is room for: its number from 1 on, or 0: there is none. */
uint64_t iopf_trace_malformed(iopf_trace *trace, unsigned int index, char *text, size_t capacity);
/* cdef-end */

#endif
