// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-Vi live update: command buffer, event log, page request log, guest interrupt log.
 *
 * The unit reads and writes them, and their memory belongs to one kernel. So they are off
 * between the two kernels; the new one has fresh ones, and may only tell the unit their
 * addresses while they do not run (Event Log Base Address Register: else undefined).
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/iopoll.h>

#include "internal.h"

#define STATUS_CMDBUF_RUN	BIT(4)
/* Written as 1 to clear them. While one is set, there is no further interrupt of its kind. */
#define STATUS_EVENTS		(MMIO_STATUS_EVT_OVERFLOW_MASK | MMIO_STATUS_EVT_INT_MASK | \
				 MMIO_STATUS_COM_WAIT_INT_MASK | \
				 MMIO_STATUS_PPR_OVERFLOW_MASK | MMIO_STATUS_PPR_INT_MASK | \
				 MMIO_STATUS_GALOG_OVERFLOW_MASK | MMIO_STATUS_GALOG_INT_MASK)
#define STATUS_RUN		(MMIO_STATUS_EVT_RUN_MASK | STATUS_CMDBUF_RUN | \
				 MMIO_STATUS_PPR_RUN_MASK | MMIO_STATUS_GALOG_RUN_MASK)

/**
 * amd_lu_stop_queues - let a unit stop reading commands and writing logs
 * @iommu: unit, without commands under way
 *
 * Translation goes on. With the event log off, faults are not recorded. What the logs have
 * raised is cleared with them, as nobody will handle it.
 */
void amd_lu_stop_queues(struct amd_iommu *iommu)
{
	u64 control = readq(iommu->mmio_base + MMIO_CONTROL_OFFSET);
	u32 status;

	control &= ~AMD_LU_CONTROL_QUEUES;
	writeq(control, iommu->mmio_base + MMIO_CONTROL_OFFSET);
	if (readl_poll_timeout_atomic(iommu->mmio_base + MMIO_STATUS_OFFSET, status,
				      !(status & STATUS_RUN), 1, USEC_PER_SEC))
		pr_err("iommu%d: logs do not stop, status is %#x\n", iommu->index, status);
	writel(STATUS_EVENTS, iommu->mmio_base + MMIO_STATUS_OFFSET);
}
