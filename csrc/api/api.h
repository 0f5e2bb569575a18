/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * api/: what Python calls of the run half: queues, devices with the driver that answers for them, handlers, requests,
 * address spaces, over one runtime on threads and the cores compiled with it. run.h is the face; here are the objects that
 * it hands out, as the files of the room share them.
 *
 * The room may use forms/ (a core, by its table), driver/, what a runtime offers (runtime.h) and the kernel API.
 */
#ifndef IOPF_API_H
#define IOPF_API_H

#include <pthread.h>

#include "core.h"
#include "run.h"

/* A device and the driver model that answers for it. Gone with the last reference: Python's, or a fault param's. */
struct iopf_device {
	struct device dev;
	struct dev_iommu iommu;		/* dev.iommu, but where the core's is longer */
	struct iommu_device iommu_device;
	struct iommu_ops ops;
	const struct iopf_core *core;
	struct iopf_iommu_group *group;
	u64 id;				/* Python's */
	int flags;
	char name[64];
	u64 reported;			/* relaxed */

	/* An inner driver lock: taken in page_response, where the core's own is held. */
	struct mutex lock;
	u64 answered[3];
	struct iopf_response *responses;
	size_t nr_responses, capacity;
};

struct iopf_iommu_group {
	struct iommu_group group;
	const struct iopf_core *core;
};

struct iopf_domain {
	const struct iopf_core *core;
	int code;
	u64 handler;			/* Python's, 0: none */
	struct iommu_domain domain;	/* the last: a core's may be longer */
};

extern struct iopf_callbacks api_callbacks;

/* Hands the noted responses to Python. No lock of a core is held. */
void api_deliver(void);
/* page_response of our devices. */
int api_page_response(struct device *dev, struct iopf_fault *evt, struct iommu_page_response *msg);
/* Did this thread's last api_page_response() happen since the flag was cleared? */
extern __thread bool api_answered_here;

struct iommu_domain *api_domain_new(struct iopf_device *device, u32 pasid, const struct iopf_handler *handler);

void api_handlers_after_fork(void);
void api_queues_after_fork(void);

#endif
