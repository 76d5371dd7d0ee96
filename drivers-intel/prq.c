// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update: the page request queue over the gap.
 *
 * No device with page requests in use is carried. But the driver lets them in, in scalable
 * mode, from each device that could send some (PRE in its context entry), and the entry of a
 * preserved one stays as it is. So a device can send one, and the unit writes it to the queue
 * (7.4 "Page Request Queue"). The memory of the queue goes to the next kernel, which frees it
 * when it has set its own queue.
 */
#include "internal.h"

/**
 * intel_lu_prq_preserve - keep the memory of the queue
 * @iommu: unit
 * @ser: its record
 *
 * Return: 0 or an errno from KHO.
 */
int intel_lu_prq_preserve(struct intel_iommu *iommu, struct iommu_intel_ser *ser)
{
	int ret;

	if (!iommu->prq)
		return 0;
	ret = iommu_preserve_page(iommu->prq);
	if (ret)
		return ret;
	ser->prq_pa = virt_to_phys(iommu->prq);
	ser->prq_lg2 = ilog2(folio_size(virt_to_folio(iommu->prq)));
	return 0;
}

/** intel_lu_prq_unpreserve - undo intel_lu_prq_preserve() */
void intel_lu_prq_unpreserve(const struct iommu_intel_ser *ser)
{
	if (ser->prq_pa)
		iommu_unpreserve_page(phys_to_virt(ser->prq_pa));
}

/**
 * intel_lu_prq_adopt - free the old queue
 * @iommu: unit that has just got its own
 */
void intel_lu_prq_adopt(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit = intel_lu_adopted(iommu);

	if (!unit || !unit->ser.intel.prq_pa)
		return;
	/* the write of its address may still be on its way */
	readq(iommu->reg + DMAR_PQA_REG);
	iommu_free_pages(iommu_restore_page(unit->ser.intel.prq_pa));
}
