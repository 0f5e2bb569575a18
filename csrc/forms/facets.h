/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a form of the framework can differ, and what is taken for granted where its facets say nothing: our own.
 *
 * A form gives its facets as macros, in a header (CORE_FACETS) or on the command line. Only the files of this room ask
 * for them, and they ask for properties, never for whose form it is. What is asked after the source may be said in it: who
 * it is (FACET_NAME and what goes with it: table.c), and what only it knows of its structures (layout.c).
 */
#ifndef IOPF_CORE_FACETS_H
#define IOPF_CORE_FACETS_H

/* --- the types of its functions --- */

#ifndef FACET_REPORT_RETURN
#define FACET_REPORT_RETURN int		/* or void */
#endif
#ifndef FACET_RESPONSE_RETURN
#define FACET_RESPONSE_RETURN void	/* or int */
#endif
#ifndef FACET_REMOVE_RETURN
#define FACET_REMOVE_RETURN void	/* or int */
#endif
/* iopf_group_dequeue(): a handler that keeps a group takes it from removal. */
#ifndef FACET_HAS_DEQUEUE
#define FACET_HAS_DEQUEUE 1
#endif

/* --- its entry points --- */

/*
 * 1: before v6.9. A driver registers a handler for the single fault, iommu_queue_iopf() is one, and who resolved a
 * group answers with iommu_page_response(). 0: domains have a handler for groups.
 */
#ifndef FACET_REGISTERED_HANDLER
#define FACET_REGISTERED_HANDLER 0
#endif

/* --- what a group is launched with --- */

#define FACET_HOLDS_DEVICE 1	/* the bare device: response and handler find the fault param again */
#define FACET_HOLDS_PARAM 2	/* the fault param, counted */
#ifndef FACET_GROUP_HOLDS
#define FACET_GROUP_HOLDS FACET_HOLDS_PARAM
#endif

#define FACET_BY_DOMAIN 1		/* group->domain, not counted (up to v6.10) */
#define FACET_BY_HANDLE 2		/* group->attach_handle, not counted (since v6.11) */
#define FACET_BY_COUNTED_HANDLE 3	/* group->attach_handle, counted and pinning its domain */
#ifndef FACET_LOOKUP
#define FACET_LOOKUP FACET_BY_COUNTED_HANDLE
#endif

/* --- what it does --- */

/* Who answers the last request of a group when report fails. */
#define FACET_ANSWERS_NOTHING 0	/* the driver */
#define FACET_ANSWERS_ABORTS 1	/* the core once it began to make a group, the driver before that */
#define FACET_ANSWERS_ALL 2	/* the core, or nobody: the driver never does */
#ifndef FACET_ANSWERS
#define FACET_ANSWERS FACET_ANSWERS_ALL
#endif

/* 1: what is pending is a copy of the last fault, and a response is matched by its index; 0: the group. */
#ifndef FACET_PENDING_IS_COPIES
#define FACET_PENDING_IS_COPIES 0
#endif

/* What removal does with groups that are pending. */
#define FACET_REMOVE_REFUSES 0	/* -EBUSY, and nothing is removed */
#define FACET_REMOVE_ANSWERS 1	/* INVALID; the owner frees */
#define FACET_REMOVE_FREES 2	/* INVALID, and frees what somebody may still hold */
#ifndef FACET_REMOVE
#define FACET_REMOVE FACET_REMOVE_ANSWERS
#endif

/* 1: iopf_group_response() answers whether the group is pending or not. */
#ifndef FACET_RESPONSE_UNCONDITIONAL
#define FACET_RESPONSE_UNCONDITIONAL 0
#endif

/* 1: an answer is given for every request without a handler, also for one that is not the last of its group. */
#ifndef FACET_ANSWERS_PARTIALS
#define FACET_ANSWERS_PARTIALS 0
#endif

/* 1: a partial fault is stored, and then goes on as if it were the last of its group. */
#ifndef FACET_LOST_RETURN
#define FACET_LOST_RETURN 0
#endif

/* 1: flush waits for the works with the device's lock held. */
#ifndef FACET_FLUSH_HOLDS_LOCK
#define FACET_FLUSH_HOLDS_LOCK 0
#endif

/* 1: a handler that refuses makes report put its reference twice. */
#ifndef FACET_REFUSAL_BREAKS
#define FACET_REFUSAL_BREAKS 0
#endif

/*
 * 1: a lock is held round the handler, or round a flush, that a response takes: it never returns. (The first form's response
 * does without the device's lock, and frees beside one instead.)
 */
#ifndef FACET_RESPONSE_WAITS
#define FACET_RESPONSE_WAITS (FACET_FLUSH_HOLDS_LOCK && !FACET_REGISTERED_HANDLER)
#endif

/* --- what follows from them --- */

/* A group counts its attach handle, which pins the domain: it is found and counted in one step. */
#define FACET_COUNTS_HANDLES (FACET_LOOKUP == FACET_BY_COUNTED_HANDLE)

#if FACET_LOOKUP == FACET_BY_DOMAIN
#define facet_group_domain(group) ((group)->domain)
#else
#define facet_group_domain(group) ((group)->attach_handle->domain)
#endif

/* The way to the workqueue, as that era's handlers went it: nothing is checked, nothing is held. */
#if FACET_GROUP_HOLDS == FACET_HOLDS_DEVICE
#define facet_group_queue(group) ((group)->dev->iommu->fault_param->queue)
#else
#define facet_group_queue(group) ((group)->fault_param->queue)
#endif

#endif
