// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-Vi live update: entries of the previous kernel that nobody comes for.
 *
 * Their devices may be at work without being seen by this kernel, so the entries are made
 * to block, and what is cached of them is invalidated, before the memory that they lead to
 * is given to somebody else.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/bitmap.h>

#include "internal.h"

/**
 * amd_lu_block_rid - let no DMA of a requester id through any more
 * @pci_seg: segment
 * @rid: at most @last_bdf
 *
 * Nor interrupts, if they are remapped. The caller invalidates what is cached.
 */
void amd_lu_block_rid(struct amd_iommu_pci_seg *pci_seg, u16 rid)
{
	struct dev_table_entry *dte = &pci_seg->dev_table[rid], new;

	new = amd_lu_dte_blocking(dte);
	new.data[2] |= dte->data[2] & AMD_LU_DTE2_IV;
	amd_lu_store_dte(dte, &new);
}

/**
 * amd_lu_flush_segment - forget everything that is cached
 * @pci_seg: segment
 */
void amd_lu_flush_segment(struct amd_iommu_pci_seg *pci_seg)
{
	struct amd_iommu *iommu;

	for_each_iommu(iommu)
		if (iommu->pci_seg == pci_seg)
			amd_iommu_flush_all_caches(iommu);
}

/**
 * amd_lu_block_inherited - block what a device that was not taken over has left
 * @iommu: unit that translates for it
 * @ldev: its record
 *
 * A requester id that this kernel has given to a device of its own has another entry by now:
 * that one stays.
 */
void amd_lu_block_inherited(struct amd_iommu *iommu, struct iommu_lu_device *ldev)
{
	struct dev_table_entry *dte;
	u16 rid;
	int i;

	for (i = 0; i < min(ldev->ser.nr_rids, IOMMU_DEVICE_SER_MAX_RIDS); i++) {
		rid = ldev->ser.rids[i];
		if (rid > iommu->pci_seg->last_bdf)
			continue;
		dte = &iommu->pci_seg->dev_table[rid];
		if (amd_lu_dte_translates(dte) && (amd_lu_dte_did(dte) == ldev->ser.amd.did ||
						   !search_dev_data(iommu, rid)))
			amd_lu_block_rid(iommu->pci_seg, rid);
	}
	amd_lu_flush_segment(iommu->pci_seg);
}

void amd_lu_forget_device(struct iommu_lu_device *ldev)
{
	amd_lu_block_inherited(to_amd_iommu(ldev->unit->iommu), ldev);
	amd_lu_drop_id(ldev);
}

struct rid_map {
	struct amd_iommu_pci_seg *pci_seg;
	bool sound;
	unsigned long *rids;
};

static int mark_rids(struct iommu_lu_device *ldev, void *arg)
{
	struct rid_map *map = arg;
	int i;

	if (ldev->ser.segment != map->pci_seg->id)
		return 0;
	if (map->sound && (ldev->failed || ldev->unit->failed || !ldev->unit->iommu))
		return 0;
	for (i = 0; i < min(ldev->ser.nr_rids, IOMMU_DEVICE_SER_MAX_RIDS); i++)
		if (ldev->ser.rids[i] <= map->pci_seg->last_bdf)
			__set_bit(ldev->ser.rids[i], map->rids);
	return 0;
}

/*
 * Requester ids that were recorded, one bit each; sound: only those that may still be
 * taken over. NULL without memory.
 */
static unsigned long *recorded_rids(struct amd_iommu_pci_seg *pci_seg, bool sound)
{
	struct rid_map map = { .pci_seg = pci_seg, .sound = sound };

	map.rids = bitmap_zalloc(pci_seg->last_bdf + 1, GFP_KERNEL);
	if (map.rids)
		iommu_lu_walk_incoming(mark_rids, &map);
	return map.rids;
}

static struct amd_iommu *unit_of(struct amd_iommu_pci_seg *pci_seg)
{
	struct amd_iommu *iommu;

	for_each_iommu(iommu)
		if (iommu->pci_seg == pci_seg)
			return iommu;
	return NULL;
}

/* Nobody has come: no device of this kernel has the requester id. */
static bool is_left_over(struct amd_iommu_pci_seg *pci_seg, u16 rid)
{
	return amd_lu_dte_translates(&pci_seg->dev_table[rid]) &&
	       !search_dev_data(unit_of(pci_seg), rid);
}

static void __init sweep_segment(struct amd_iommu_pci_seg *pci_seg)
{
	unsigned long *rids = recorded_rids(pci_seg, true);
	bool found = false;
	u32 rid;

	for (rid = 0; rid <= pci_seg->last_bdf; rid++) {
		if (!is_left_over(pci_seg, rid) || (rids && test_bit(rid, rids)))
			continue;
		amd_lu_block_rid(pci_seg, rid);
		found = true;
		pr_err("%04x:%02x:%02x.%x: nobody knows whose entry this is, it is blocked now\n",
		       pci_seg->id, PCI_BUS_NUM(rid), PCI_SLOT(rid), PCI_FUNC(rid));
	}
	bitmap_free(rids);
	if (found)
		amd_lu_flush_segment(pci_seg);
}

/**
 * amd_lu_sweep - block entries that no device has come for, and none can be taken over by
 *
 * Those of a sound record stay: nobody can ask for the memory until its session is
 * finished, and then amd_lu_forget_device() comes.
 *
 * Context: all devices that are there were probed.
 */
void __init amd_lu_sweep(void)
{
	struct amd_iommu_pci_seg *pci_seg;

	for_each_pci_segment(pci_seg)
		if (pci_seg->dev_table && unit_of(pci_seg))
			sweep_segment(pci_seg);
}

/**
 * amd_lu_uninit - the driver gives up, and is about to open all entries of a segment
 * @pci_seg: segment
 *
 * It leaves its units on for the sake of interrupts, and lets all DMA through. What was
 * inherited blocks instead: its devices were stopped, but some may not be seen.
 *
 * Return: false if nothing is inherited, and nothing was done.
 */
bool __init amd_lu_uninit(struct amd_iommu_pci_seg *pci_seg)
{
	struct dev_table_entry *dte;
	unsigned long *rids;
	u32 rid;

	if (!iommu_lu_inherited() || !pci_seg->dev_table)
		return false;
	rids = recorded_rids(pci_seg, false);
	for (rid = 0; rid <= pci_seg->last_bdf; rid++) {
		dte = &pci_seg->dev_table[rid];
		if (!rids || test_bit(rid, rids) || is_left_over(pci_seg, rid))
			amd_lu_block_rid(pci_seg, rid);
		else
			amd_lu_store128(&dte->data128[0], 0);
	}
	bitmap_free(rids);
	return true;
}
