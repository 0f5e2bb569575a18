/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The I/O page fault structures: one superset that every form of drivers/iommu/io-pgfault.c since v6.9 compiles
 * against, and the few fields that our own core adds (marked). Nothing in those files depends on sizes or on the
 * order of fields, so a field that an era does not know does no harm.
 *
 * It also brings what those files expect to come with it: devices, mutexes, RCU, reference counts, errors.
 */
#ifndef __LINUX_IOMMU_H
#define __LINUX_IOMMU_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/container_of.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

struct mm_struct;
struct iopf_group;
struct iommu_domain;
struct iopf_device_param;

typedef unsigned int ioasid_t;

#define IOMMU_NO_PASID 0u
#define IOMMU_PASID_INVALID ((ioasid_t)-1)

#define IOMMU_FAULT_PAGE_REQ 1

#define IOMMU_FAULT_PAGE_REQUEST_PASID_VALID (1u << 0)
#define IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE (1u << 1)
#define IOMMU_FAULT_PAGE_RESPONSE_NEEDS_PASID (1u << 2)

#define IOMMU_FAULT_PERM_READ (1u << 0)
#define IOMMU_FAULT_PERM_WRITE (1u << 1)
#define IOMMU_FAULT_PERM_EXEC (1u << 2)
#define IOMMU_FAULT_PERM_PRIV (1u << 3)

struct iommu_fault_page_request {
	u32 flags;
	u32 pasid;		/* counts where PASID_VALID is set */
	u32 grpid;
	u32 perm;
	u64 addr;
	u64 private_data[2];
};

struct iommu_fault {
	u32 type;
	struct iommu_fault_page_request prm;
};

enum iommu_page_response_code {
	IOMMU_PAGE_RESP_SUCCESS = 0,	/* try the access again */
	IOMMU_PAGE_RESP_INVALID,	/* do not try again */
	IOMMU_PAGE_RESP_FAILURE,	/* general error: send no more */
};

#define IOMMU_PAGE_RESP_PASID_VALID (1u << 0)

struct iommu_page_response {
	u32 flags;		/* the first refcounted forms alone */
	u32 pasid;
	u32 grpid;
	u32 code;
};

/* A stored request. */
struct iopf_fault {
	struct iommu_fault fault;
	struct list_head list;		/* on the fault param while partial, then in its group */
};

/* A page request group: complete, launched with one fault param, freed by one owner. */
struct iopf_group {
	struct iopf_fault last_fault;
	struct list_head faults;	/* in the order of arrival, the last fault at the tail */
	size_t fault_count;
	struct list_head pending_node;	/* on iommu_fault_param.faults until it is answered */
	struct work_struct work;
	struct device *dev;		/* before the group had its fault param */
	struct iommu_domain *domain;	/* up to v6.10 */
	struct iommu_attach_handle *attach_handle;
	struct iommu_fault_param *fault_param;
	struct list_head node;		/* the owner's */
	u32 cookie;			/* the owner's */
	bool responded;			/* ours: the owner has been through iopf_group_response() */
};

struct iopf_queue {
	struct workqueue_struct *wq;
	struct list_head devices;
	struct mutex lock;
};

/* Ours (csrc/core/keyed.h): nodes by a key, under the lock of whoever has the table. */
#define KEYED_FIRST_BUCKETS 8
struct keyed_table {
	struct hlist_head *buckets;	/* first, or a larger array */
	unsigned int nr_buckets;	/* a power of two */
	unsigned int nr_nodes;
	struct hlist_head first[KEYED_FIRST_BUCKETS];
};

/*
 * What a device has while it is on a queue, and for as long as somebody still holds a reference.
 *
 * lock covers partial, partial_index, faults, every pending_node on it, and (ours) the writing of queue.
 *
 * What is written by who takes a reference and by who takes the lock lies a cache line apart: reporters and workers would
 * else take the one from each other for the sake of the other (a third of what a group costs that a work answers).
 */
struct iommu_fault_param {
	refcount_t users;
	struct device *dev;			/* ours: counted */
	struct iopf_queue __rcu *queue;		/* ours: NULL once disassociated */
	struct rcu_head rcu;
	struct mutex lock;
	struct list_head faults;
	struct list_head partial;
	struct keyed_table partial_index;
	struct list_head queue_list;		/* under the queue's lock */
	/* Before v6.9: what the driver registered. */
	int (*handler)(struct iommu_fault *fault, void *data);
	void *data;
};

struct iommu_ops {
	/*
	 * Under the fault param's lock: takes no lock of the framework, calls nothing of it, waits for nobody.
	 * It returns void since v6.9's last step; int serves every form, the later ones drop the value.
	 */
	int (*page_response)(struct device *dev, struct iopf_fault *evt, struct iommu_page_response *msg);
	u8 user_pasid_table : 1;		/* the guest owns the PASID table */
};

struct iommu_device {
	const struct iommu_ops *ops;
};

struct dev_iommu {
	struct mutex lock;			/* the writing of fault_param */
	struct iommu_fault_param __rcu *fault_param;
	struct iopf_device_param *iopf_param;	/* before v6.9: the queue's half of fault_param */
	struct iommu_device *iommu_dev;
	u32 max_pasids;
	/* Ours: responses that did nothing, because removal had answered or because the owner had. */
	atomic_long_t dropped_responses;
	atomic_long_t repeated_responses;
};

enum iommu_domain_type {
	IOMMU_DOMAIN_UNMANAGED = 1,
	IOMMU_DOMAIN_SVA,
	IOMMU_DOMAIN_NESTED,
};

struct iommu_domain {
	unsigned int type;
	int (*iopf_handler)(struct iopf_group *group);	/* 0: the handler owns the group */
	struct mm_struct *mm;				/* IOMMU_DOMAIN_SVA */
	refcount_t users;				/* ours: handles pin their domain */
	void (*release)(struct iommu_domain *domain);
};

/*
 * One attachment of a domain to a PASID (0: the device's own requests) of an iommu_group. Our core counts it, so that
 * a group in flight may outlive the attachment; the kernel's is freed when detaching returns.
 */
struct iommu_attach_handle {
	struct hlist_node node;
	struct iommu_domain *domain;
	refcount_t users;
	ioasid_t pasid;
	void (*release)(struct iommu_attach_handle *handle);
};

/* Devices that translate together share their attachments. */
struct iommu_group {
	struct mutex lock;
	struct keyed_table handles;
	refcount_t users;
	void (*release)(struct iommu_group *group);
};

#endif
