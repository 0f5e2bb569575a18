/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * forms/: how any file becomes a core, and what everything above sees of one: struct iopf_core.
 *
 * unit.c compiles a source file as one core. A form's facets (facets.h) say how it differs, table.c makes the one table
 * of it that leaves the object, lookup.c has the kernel's uncounted ways from a fault to its domain, and cores.c is the
 * list of those that are built in. The room may use core/, history/ and the kernel API (include/), which it gets from
 * whatever runtime it is compiled for.
 *
 * A core has its structures to itself. Those above share with it what handlers and drivers see: of struct iopf_group its
 * faults, work, node, cookie, and the attach handle or domain; of struct iopf_queue its wq; domains, attach handles and
 * iommu groups (attach.c). A fault param, what is pending and what is partial are the core's, which answers for them
 * (layout.c). The first two may be part of larger structures.
 */
#ifndef IOPF_CORE_H
#define IOPF_CORE_H

#include <linux/iommu.h>

/* The domain that a group's faults belong to, whichever way its form remembers it. */
static inline struct iommu_domain *iopf_group_domain(const struct iopf_group *group)
{
	return group->attach_handle ? group->attach_handle->domain : group->domain;
}

/* Who answers the last request of a group when report fails. The table's report has done it when it returns. */
enum iopf_core_answers {
	IOPF_ANSWERS_NOTHING,	/* the driver, always */
	IOPF_ANSWERS_ABORTS,	/* the core once it began to make a group, the driver before that */
	IOPF_ANSWERS_ALL,	/* the core. A report that is void leaves a fault without a fault param unanswered */
};

/* What removal does with a group that is pending. */
enum iopf_core_removal {
	IOPF_REMOVAL_REFUSES,	/* -EBUSY, nothing is removed, and drivers do not listen */
	IOPF_REMOVAL_ANSWERS,	/* INVALID; its owner frees it */
	IOPF_REMOVAL_FREES,	/* INVALID, and frees it, whoever still has it */
};

/*
 * What a form demands of its driver. A failure in an execution that breaks one of these is tagged so; ours demands
 * none of them.
 */
#define IOPF_DEMANDS_QUIET (1u << 0)	/* no report runs or comes once remove is called: reception off, hardware drained */
#define IOPF_DEMANDS_FLUSH (1u << 1)	/* no work is queued or running when remove is called */
#define IOPF_DEMANDS_IDLE (1u << 2)	/* nothing at all is pending when remove is called */
#define IOPF_DEMANDS_DRAINED (1u << 3)	/* no report runs and no group is out when its attachment is detached or replaced */
#define IOPF_DEMANDS_DEQUEUE (1u << 4)	/* a handler that keeps a group calls dequeue_group first */
#define IOPF_DEMANDS_DEVICE (1u << 5)	/* the device outlives the works and groups of its faults */

/*
 * What breaks this form where there is nothing round it but threads: memory is corrupted, or a call never returns. Ours
 * has none. The explorer runs such a thing safely, a native runtime does not.
 */
#define IOPF_HAZARD_PARTIALS (1u << 0)	/* a partial request: it is freed twice */
#define IOPF_HAZARD_REFUSAL (1u << 1)	/* a handler that refuses: the fault param is put twice */
#define IOPF_HAZARD_LOCK (1u << 2)	/* flush with works pending, an answer inside the handler: they never return */
#define IOPF_HAZARD_REMOVAL (1u << 3)	/* removal with groups out: it frees what their owners still use */
#define IOPF_HAZARD_QUEUE (1u << 4)	/* a queue freed while a handler keeps a group: its device stays on it */
#define IOPF_HAZARD_BESIDE (1u << 5)	/* a report beside removal, a detach with faults in flight */

/* Facts that judge an execution: what is this form's way, and not a failure of the scenario. */
struct iopf_core_facts {
	enum iopf_core_answers answers;
	enum iopf_core_removal removal;
	unsigned int demands;		/* IOPF_DEMANDS_ bits */
	unsigned int hazards;		/* IOPF_HAZARD_ bits */
	bool report_returns;		/* false: it is void, and the table's gives 0 */
	bool returns_refusal;		/* the error of a handler is what report returns; elsewhere report gives 0 */
	bool answers_partials;		/* bad setup answers each request, also those that are not the last of a group */
	bool rejects_late_reports;	/* a report that meets a removed fault param is bad setup (law 7) */
	bool response_looks_up;		/* the response finds the fault param from the device again, if there is one */
	bool response_matches_copies;	/* pending is a copy of the last fault, found by its index */
	bool response_checks_pending;	/* a second response, or one after removal, does nothing */
	bool free_answers;		/* free_group answers a group that is still pending */
	bool has_dequeue;
	bool counts_handles;		/* a group pins its attach handle and domain; elsewhere detach frees the handle */
	bool counts_faults;		/* a group says how many requests it has: owners go by that */
	bool finds_nested;		/* the fault of a PASID that nobody attached is the nested domain's, where there is one */
	bool flush_holds_device_lock;
	bool group_handlers;		/* false: domains have none, and the table makes a group of each last fault for them */
};

/*
 * What a form allocates, for whoever names objects in a trace and looks at what is done under their locks.
 */
struct iopf_core_member {
	const char *name;		/* NULL: the end */
	size_t offset, size;
};

#define IOPF_CORE_MEMBER(type, m) { #m, offsetof(type, m), sizeof(((type *)0)->m) }

/* What a form that promises it (counts_handles) does not do with a lock of the object held. */
#define IOPF_FORBIDS_ALLOC (1u << 0)	/* allocate */
#define IOPF_FORBIDS_FREE (1u << 1)	/* free */
#define IOPF_FORBIDS_PUT (1u << 2)	/* put a reference */

struct iopf_core_type {
	const char *name;		/* NULL: the end */
	size_t size;			/* told apart by it: of two that have the same, nobody knows which one it is */
	const struct iopf_core_member *members;	/* the first that has an offset names it */
	unsigned int forbids;		/* IOPF_FORBIDS_ bits */
};

/*
 * What a driver allocates and a form uses. A tree's headers may add members to the end of these structs: how long they are is
 * the form's to say, and the driver gives that much, zeroed.
 */
enum iopf_hosted { IOPF_HOSTED_DOMAIN, IOPF_HOSTED_IOMMU, IOPF_HOSTED_HANDLE, IOPF_HOSTED_NR };

struct iopf_core_hosted {
	size_t size;
	const struct iopf_core_member *members;	/* those that were added */
};

struct iopf_core {
	const char *name;
	const char *title;
	const char *commit;		/* upstream, or "" */
	const char *releases;		/* that carry it, or "" */
	const char *summary;
	bool claims_correct;		/* a failure with the contract kept is a bug, not history */
	struct iopf_core_facts facts;
	const struct iopf_core_type *types;
	const struct iopf_core_hosted *hosted;	/* IOPF_HOSTED_NR */

	struct iopf_queue *(*queue_alloc)(const char *name);
	void (*queue_free)(struct iopf_queue *queue);
	int (*add_device)(struct iopf_queue *queue, struct device *dev);
	int (*remove_device)(struct iopf_queue *queue, struct device *dev);
	int (*flush_dev)(struct device *dev);
	int (*discard_partial)(struct iopf_queue *queue);
	int (*report)(struct device *dev, struct iopf_fault *evt);
	void (*respond)(struct iopf_group *group, enum iommu_page_response_code code);
	void (*free_group)(struct iopf_group *group);
	void (*dequeue_group)(struct iopf_group *group);	/* a handler that keeps a group calls it */

	int (*attach)(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
		      struct iommu_attach_handle *handle);
	int (*replace)(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
		       struct iommu_attach_handle *handle);
	void (*detach)(struct device *dev, ioasid_t pasid);
	/* What is stored for the device now: partial requests, and groups without an answer. Takes the locks that it needs. */
	void (*count_stored)(struct device *dev, u64 *partials, u64 *pending);
	bool (*is_on_queue)(struct device *dev, const struct iopf_queue *queue);
	struct device *(*group_device)(const struct iopf_group *group);
	/* What all reports of a device go through: a lock, and a count; NULL: none, or it is on no queue. For benchmarks. */
	void (*contended)(struct device *dev, struct mutex **lock, refcount_t **users);
	void (*group_init)(struct iommu_group *group);
	void (*group_destroy)(struct iommu_group *group);	/* detaches what is left */

	/* Ready-made handlers. */
	int (*sva_handler)(struct iopf_group *group);
	int (*queue_group_work)(struct iopf_group *group, work_func_t func);
	void (*domain_put)(struct iommu_domain *domain);
};

/* cores.c: those that were built into this extension, in the order in which they are listed. NULL: no such. */
const struct iopf_core *iopf_core_of_build(int index);

#endif
