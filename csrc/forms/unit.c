// SPDX-License-Identifier: GPL-2.0-only
/*
 * One core, whichever it is: the source that the build names, the parts that every core shares, and the table.
 *
 *	CORE_SOURCE	the file, in quotes
 *	CORE_ID		a C identifier; the table is called iopf_core_<CORE_ID>
 *	CORE_FACETS	a header that tells how this form differs, in quotes; the FACET_ macros on the command line do as
 *			well. Without either: the reviewed design
 *
 * The framework's functions are declared static before the file is included. C gives a later definition without a
 * storage class the linkage of the declaration before it, so an unmodified kernel file keeps all its functions to
 * itself, and any number of cores share one extension.
 */
#include <linux/iommu.h>
#include <linux/mm.h>

#include "iommu-priv.h"

#ifdef CORE_FACETS
#include CORE_FACETS
#endif
#include "facets.h"

static FACET_REPORT_RETURN iommu_report_device_fault(struct device *dev, struct iopf_fault *evt);
static FACET_REMOVE_RETURN iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev);
static int iopf_queue_flush_dev(struct device *dev);
static int iopf_queue_discard_partial(struct iopf_queue *queue);
static int iopf_queue_add_device(struct iopf_queue *queue, struct device *dev);
static struct iopf_queue *iopf_queue_alloc(const char *name);
static void iopf_queue_free(struct iopf_queue *queue);
#if FACET_REGISTERED_HANDLER
static int iommu_register_device_fault_handler(struct device *dev, int (*handler)(struct iommu_fault *, void *),
					       void *data);
static int iommu_unregister_device_fault_handler(struct device *dev);
static int iommu_queue_iopf(struct iommu_fault *fault, void *cookie);
#else
static FACET_RESPONSE_RETURN iopf_group_response(struct iopf_group *group, enum iommu_page_response_code code);
static void iopf_free_group(struct iopf_group *group);
#endif
#if FACET_GROUP_HOLDS == FACET_HOLDS_DEVICE
static int iommu_page_response(struct device *dev, struct iommu_page_response *msg);
#endif
#if FACET_HAS_DEQUEUE
static void iopf_group_dequeue(struct iopf_group *group);
#endif

#include "attach.c"
#if !FACET_COUNTS_HANDLES
#include "lookup.c"
#endif
#include "iommu-sva-mm.c"
#include CORE_SOURCE
#if FACET_COUNTS_HANDLES
#include "iommu-sva.c"
#elif !FACET_REGISTERED_HANDLER
#include "../history/iommu-sva.c"
#endif
#if FACET_REGISTERED_HANDLER
#include "../history/registered-handler.c"
#endif
#include "layout.c"
#include "table.c"
