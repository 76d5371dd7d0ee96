// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update: interrupt remapping over the gap.
 *
 * A device can send an interrupt request with any DMA write to 0xfeexxxxx,
 * whatever its MSI capability says. Between the two kernels nobody owns a
 * vector, so each request must be dropped; and the table that hardware looks it
 * up in must not be memory that has been given to somebody else, where an entry
 * in posted format is an address to write to.
 *
 * So remapping stays on, the table is emptied at shutdown, and its memory goes to
 * the next kernel, which sets its own table while remapping is on.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include "internal.h"

#define IRTA_EIME	BIT_ULL(11)

/**
 * intel_lu_irq_preserve - keep the memory of the interrupt remapping table
 * @iommu: unit
 * @ser: its record
 *
 * Return: 0 or an errno from KHO.
 */
int intel_lu_irq_preserve(struct intel_iommu *iommu, struct iommu_intel_ser *ser)
{
	void *base;
	int ret;

	if (!iommu->ir_table || !(iommu->gcmd & DMA_GCMD_IRE))
		return 0;
	base = iommu->ir_table->base;
	ret = iommu_preserve_page(base);
	if (ret)
		return ret;
	ser->irt_pa = virt_to_phys(base);
	ser->irt_lg2 = ilog2(folio_size(virt_to_folio(base)));
	return 0;
}

/**
 * intel_lu_irq_unpreserve - undo intel_lu_irq_preserve()
 * @ser: record
 */
void intel_lu_irq_unpreserve(const struct iommu_intel_ser *ser)
{
	if (ser->irt_pa)
		iommu_unpreserve_page(phys_to_virt(ser->irt_pa));
}

/**
 * intel_lu_irq_shutdown - from here on no interrupt request gets through
 * @iommu: unit
 * @ser: its record
 *
 * Every entry becomes not present with fault processing disabled (VT-d, 9.9
 * "Interrupt Remapping Table Entry", P and FPD), so that a device that goes on
 * sending does not fill the fault registers. The interrupt entry cache is
 * invalidated afterwards.
 *
 * Context: only this CPU runs, and expects no interrupt.
 */
void intel_lu_irq_shutdown(struct intel_iommu *iommu, const struct iommu_intel_ser *ser)
{
	struct qi_desc desc = { .qw0 = QI_IEC_TYPE };
	size_t size = 1UL << ser->irt_lg2, i;
	struct irte *table;

	if (!ser->irt_pa)
		return;
	table = phys_to_virt(ser->irt_pa);
	for (i = 0; i < size / sizeof(*table); i++) {
		WRITE_ONCE(table[i].low, 0);
		table[i].high = 0;
		table[i].fpd = 1;
	}
	__iommu_flush_cache(iommu, table, size);
	qi_submit_sync(iommu, &desc, 1, 0);
}

/**
 * intel_lu_keep_irq - may interrupt remapping stay on while it is set up?
 * @iommu: unit whose remapping the previous kernel left on
 * @eim: this kernel wants extended interrupt mode
 *
 * Turning it off, even for a moment, would let compatibility-format requests of
 * running devices through. The mode must not change while it is on.
 */
bool intel_lu_keep_irq(struct intel_iommu *iommu, bool eim)
{
	if (!iommu_lu_inherited())
		return false;
	if (!!(readq(iommu->reg + DMAR_IRTA_REG) & IRTA_EIME) == eim)
		return true;
	pr_warn("%s: interrupt remapping was left in another mode, so it is off for a moment\n",
		iommu->name);
	return false;
}

/**
 * intel_lu_need_irq - did the previous kernel leave interrupt remapping on?
 *
 * Then this kernel uses it too, whatever the command line says: with remapping on and
 * nobody to fill the table no interrupt gets through, and turned off the devices that
 * are running could send any.
 *
 * Context: before units are set up.
 */
bool __init intel_lu_need_irq(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	if (!iommu_lu_inherited() || dmar_table_init())
		return false;
	for_each_iommu(iommu, drhd) {
		if (!(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_IRES))
			continue;
		pr_warn("%s: interrupt remapping was left on, so this kernel uses it too\n",
			iommu->name);
		return true;
	}
	return false;
}

/**
 * intel_lu_irq_adopt - free the old table, if the unit has got a new one
 * @iommu: unit
 * @ser: its record
 */
void intel_lu_irq_adopt(struct intel_iommu *iommu, const struct iommu_intel_ser *ser)
{
	u64 irta;

	if (!ser->irt_pa)
		return;
	irta = readq(iommu->reg + DMAR_IRTA_REG) & VTD_PAGE_MASK;
	if (irta == ser->irt_pa && (readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_IRES))
		return;
	iommu_free_pages(iommu_restore_page(ser->irt_pa));
}
