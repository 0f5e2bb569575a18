/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The face of the run half: flat functions over one runtime and the cores compiled with it.
 *
 * Everything returns 0 (or a count) or -errno. A call may run Python's callbacks, but never with a lock of a core held:
 * responses are noted under the lock and delivered when the call, or the work item, is through. Any thread may call
 * anything, except where a function says otherwise; who uses an object keeps it.
 */
#ifndef IOPF_API_RUN_H
#define IOPF_API_RUN_H

#include <stddef.h>
#include <stdint.h>

/* cdef-begin */
typedef struct iopf_core iopf_core;
typedef struct iopf_queue iopf_queue;
typedef struct iopf_group iopf_group;
typedef struct iopf_device iopf_device;
typedef struct iopf_iommu_group iopf_iommu_group;
typedef struct mm_struct iopf_space;

#define IOPF_PASID_VALID 1
#define IOPF_LAST_PAGE 2
#define IOPF_NEEDS_PASID 4
#define IOPF_PERM_READ 1
#define IOPF_PERM_WRITE 2
#define IOPF_PERM_EXEC 4
#define IOPF_PERM_PRIV 8
#define IOPF_SUCCESS 0
#define IOPF_INVALID 1
#define IOPF_FAILURE 2
#define IOPF_PAGE_REQ 1

/* One request: struct iommu_fault, 48 bytes. */
struct iopf_request {
	uint32_t type;			/* IOPF_PAGE_REQ */
	uint32_t padding;
	uint32_t flags, pasid, grpid, perm;
	uint64_t addr;
	uint64_t private_data[2];
};

struct iopf_response {
	uint32_t pasid, grpid, code;
	uint32_t flags;			/* of the last request: PASID_VALID tells whether pasid counts */
};

/* What Python does when C asks. Errors stay with Python; a handler's result is 0 (it has the group) or -errno. */
struct iopf_callbacks {
	/*
	 * The group has `faults` requests and belongs to `core`. work_of: iopf_queue_identity() of the queue in whose work
	 * item this is; 0: in nobody's
	 */
	int (*handle)(uint64_t handler, uint64_t device, const iopf_core *core, iopf_group *group, size_t faults,
		      uint64_t work_of);
	void (*response)(uint64_t device, struct iopf_response *response, uint64_t work_of);
	/* Not 0: give the wait up. Asked every 50 ms by calls that say so. */
	int (*poll)(void);
};

void iopf_set_callbacks(struct iopf_callbacks *callbacks);
void iopf_after_fork(void);

/* --- cores --- */
struct iopf_core_info {
	const char *name, *title, *commit, *releases, *summary;
	int claims_correct;
	unsigned int hazards;	/* what breaks it, a bit for each */
};
/* The index-th core of this extension, or NULL. */
const iopf_core *iopf_core_at(int index);
void iopf_core_describe(const iopf_core *core, struct iopf_core_info *info);
/* A word for a hazard, and what it is; NULL: there is no such bit. */
const char *iopf_hazard_name(int bit);
const char *iopf_hazard_text(int bit);

/* --- queues --- */
/* NULL: no memory. workers 0: works wait for iopf_queue_run(), a flush, or the end. */
iopf_queue *iopf_queue_new(const iopf_core *core, const char *name, unsigned int workers);
/* Removes what is on it and drains. No other call on the queue may run, nor may a work of it call this. */
void iopf_queue_delete(const iopf_core *core, iopf_queue *queue);
int iopf_queue_add(const iopf_core *core, iopf_queue *queue, iopf_device *device);
/* Calls no callback: what the device was answered is told by iopf_deliver(), in the same thread. */
int iopf_queue_remove(const iopf_core *core, iopf_queue *queue, iopf_device *device);
void iopf_deliver(void);
int iopf_queue_discard(const iopf_core *core, iopf_queue *queue);
/* Runs pending works of a queue without workers. Returns how many times it took some. */
unsigned long iopf_queue_run(iopf_queue *queue);
/* 1: no work is pending or running; 0: the time was over first. */
int iopf_queue_wait_idle(iopf_queue *queue, uint64_t timeout_ns);
/* Is the caller inside a work of this queue? */
int iopf_queue_in_work(iopf_queue *queue);
uint64_t iopf_queue_identity(iopf_queue *queue);
/* Is the device on this queue now? */
int iopf_queue_has(iopf_queue *queue, iopf_device *device);

/* --- devices --- */
/* Devices of one iommu group share their attachments. Each device holds a reference, and so does the creator. */
iopf_iommu_group *iopf_iommu_group_new(const iopf_core *core);
void iopf_iommu_group_put(iopf_iommu_group *group);

#define IOPF_DEVICE_RECORD 1
#define IOPF_DEVICE_NOTIFY 2
#define IOPF_DEVICE_USER_PASID_TABLE 4
iopf_device *iopf_device_new(const iopf_core *core, const char *name, iopf_iommu_group *group, uint64_t id, int flags);
void iopf_device_put(iopf_device *device);
/* Copies recorded responses from the first-th on; returns how many there are in all. */
size_t iopf_device_responses(iopf_device *device, size_t first, size_t max, struct iopf_response *responses);
void iopf_device_clear_responses(iopf_device *device);
/* 0, or -ENODEV after removal, -EINTR: given up on poll's word. Not from a work of the queue. */
int iopf_device_flush(iopf_device *device);

struct iopf_statistics {
	uint64_t reported;		/* requests handed to report */
	uint64_t success, invalid, failure;	/* responses that the device got */
	uint64_t dropped;		/* responses that came after removal had answered */
	uint64_t already_answered;	/* responses to what the owner had answered */
	uint64_t partials, pending;	/* stored now; groups without an answer now */
};
void iopf_device_statistics(iopf_device *device, struct iopf_statistics *statistics);
/* The owner of a group answered it again, and had no group any more to say so to the core. Any thread. */
void iopf_device_answered_again(iopf_device *device);

/* --- attachments: domain kinds --- */
#define IOPF_SVA 0
#define IOPF_INLINE 1
#define IOPF_REFUSE 2
#define IOPF_CALL 3
#define IOPF_WORK 4
struct iopf_handler {
	int kind;
	int code;			/* IOPF_INLINE */
	iopf_space *space;		/* IOPF_SVA */
	uint64_t id;			/* IOPF_CALL, IOPF_WORK: Python's */
};
/* pasid 0: the device's own requests. -EBUSY, -ENOMEM; replace: -EINVAL when there is nothing. */
int iopf_attach(iopf_device *device, uint32_t pasid, struct iopf_handler *handler);
int iopf_replace(iopf_device *device, uint32_t pasid, struct iopf_handler *handler);
void iopf_detach(iopf_device *device, uint32_t pasid);
/* Ids of handlers that no domain uses any more; each is told once. */
size_t iopf_released_handlers(uint64_t *ids, size_t max);

/* --- reporting --- */
int iopf_report(iopf_device *device, uint64_t addr, uint32_t perm, uint32_t grpid, uint32_t pasid, uint32_t flags);
/*
 * count requests. results, when given, gets each return value. Stops early on the word of poll.
 * Returns how many were accepted.
 */
size_t iopf_report_many(iopf_device *device, const void *requests, size_t count, int32_t *results);

/* --- groups; the caller owns the group --- */
/* The first `max` requests, in order. Returns how many there are. */
size_t iopf_group_faults(iopf_group *group, size_t max, struct iopf_request *requests);
/* Answers and frees. 1: the device got it; 0: removal had answered. */
int iopf_group_finish(const iopf_core *core, iopf_group *group, int code);

/* --- address spaces: shared by all runtimes --- */
iopf_space *iopf_space_new(void);
void iopf_space_put(iopf_space *space);
int iopf_space_map(iopf_space *space, uint64_t start, uint64_t length, uint32_t perm);
int iopf_space_unmap(iopf_space *space, uint64_t start, uint64_t length);
int iopf_space_protect(iopf_space *space, uint64_t start, uint64_t length, uint32_t perm);
void iopf_space_exit(iopf_space *space);
int iopf_space_exited(iopf_space *space);
size_t iopf_space_areas(iopf_space *space, size_t max, uint64_t (*areas)[3]);

/* --- the runtime --- */
struct iopf_site {
	const char *file, *function, *reason;	/* reason: of warnings */
	int line;
	long count;
};
/* Warnings per place and reason; returns how many places there are. */
size_t iopf_warnings(struct iopf_site *sites, size_t max);
void iopf_clear_warnings(void);
/* Waits for a grace period and everything deferred, then counts objects that cores allocated. */
long iopf_live_objects(void);
size_t iopf_live_sites(struct iopf_site *sites, size_t max);
void iopf_rcu_barrier(void);
/* The n-th allocation of this thread from here on fails; 0: none. */
void iopf_fail_nth(unsigned long n);
unsigned long iopf_fail_nth_left(void);
/* 0: the real clock. */
void iopf_set_clock(uint64_t now_ns);
/* 1 and one message, or 0. */
int iopf_next_message(int *level, char *text, size_t capacity);
int iopf_has_messages(void);
unsigned long iopf_messages_dropped(void);
const char *iopf_runtime_name(void);
const char *iopf_compiler(void);
/* cdef-end */

#endif
