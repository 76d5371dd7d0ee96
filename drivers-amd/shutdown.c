// SPDX-License-Identifier: GPL-2.0
/* AMD-Vi live update: the old kernel leaves the units on. */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include "internal.h"

/* Interrupts of these reach the next kernel before it has set up remapping. */
static bool is_legacy_source(struct amd_iommu_pci_seg *pci_seg, u16 rid)
{
	u32 sbdf = PCI_SEG_DEVID_TO_SBDF(pci_seg->id, rid);
	struct devid_map *map;

	list_for_each_entry(map, &ioapic_map, list)
		if (map->devid == sbdf)
			return true;
	list_for_each_entry(map, &hpet_map, list)
		if (map->devid == sbdf)
			return true;
	return false;
}

static void block_others(struct amd_lu_segment *seg)
{
	struct amd_iommu_pci_seg *pci_seg = seg->pci_seg;
	struct dev_table_entry *dte, new;
	u32 rid;

	for (rid = 0; rid < amd_lu_nr_entries(pci_seg); rid++) {
		dte = &pci_seg->dev_table[rid];
		new = amd_lu_dte_gap(dte, test_bit(rid, seg->rids),
				     is_legacy_source(pci_seg, rid));
		amd_lu_store_dte(dte, &new);
	}
}

/**
 * amd_lu_shutdown - leave a unit on for the preserved devices of its segment
 * @iommu: unit that is about to be turned off
 *
 * Everything that is not preserved is blocked when this returns for the last unit of
 * the segment: it has entries that block, and what was cached of the old ones is gone. A
 * device that was given addresses by its device-TLB cannot use them any more, because
 * requests that are translated already need an entry with I = 1.
 *
 * Context: only this CPU runs.
 * Return: false if nothing in its segment is preserved.
 */
bool amd_lu_shutdown(struct amd_iommu *iommu)
{
	struct iommu_lu_unit *unit = iommu->iommu.lu;
	struct amd_lu_segment *seg;

	if (!unit || !iommu_lu_sealed())
		return false;

	seg = amd_lu_segment_of(unit);
	if (!seg->switched)
		block_others(seg);
	seg->switched = true;
	amd_iommu_flush_all_caches(iommu);
	/* It does not say whether that was done in time. This waits for the same commands. */
	if (iommu_completion_wait(iommu))
		pr_crit("iommu%d: does not invalidate, old translations may be in use\n",
			iommu->index);
	amd_lu_stop_queues(iommu);
	pr_info("iommu%d: switched to the preserved tables\n", iommu->index);
	return true;
}
