/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: nobody listens, as when they are switched off. Arguments are checked, and not evaluated. */
#ifndef __TRACE_EVENTS_IOMMU_H
#define __TRACE_EVENTS_IOMMU_H

#include <linux/device.h>

static inline void trace_io_page_fault(struct device *dev, unsigned long iova, int flags)
{
	(void)dev;
	(void)iova;
	(void)flags;
}

#define trace_io_page_fault(dev, iova, flags) do {					\
	if (0)										\
		trace_io_page_fault(dev, iova, flags);					\
} while (0)
#define trace_io_page_fault_enabled() false

#endif
