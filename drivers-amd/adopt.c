// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-Vi live update: the new kernel takes the units of a segment over.
 *
 * A unit that is on stays on: turned off, a running device would use I/O virtual addresses
 * as physical ones. Nor may the address of its device table change meanwhile, with one
 * exception: replace_table(). So the driver goes on with the table that is in use.
 *
 * Whatever the records say, an entry with page tables in it stays until its device is
 * probed: the old kernel has left only those of preserved devices, and the tables are in
 * memory that is not given to anybody. There the device is either taken over, or stopped
 * before its entry is made to block. All other entries block.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/xarray.h>

#include "internal.h"

/* Units whose setup is done, by index: they may be turned off like any other. */
static u32 set_up;
static_assert(BITS_PER_TYPE(set_up) >= MAX_IOMMUS);
/* The driver does not start; recorded devices are stopped. */
static bool disowned;

/**
 * amd_lu_running - must a unit stay on?
 * @iommu: unit, registers mapped
 *
 * Until it is set up, any one that is on, because the record of one may be what is
 * damaged.
 *
 * Return: true if it is on, and was left on by a live update.
 */
bool amd_lu_running(struct amd_iommu *iommu)
{
	return !(set_up & BIT(iommu->index)) && !disowned && iommu_lu_inherited() &&
	       readq(iommu->mmio_base + MMIO_CONTROL_OFFSET) & BIT_ULL(CONTROL_IOMMU_EN);
}

/**
 * amd_lu_keep_on - the driver wants to turn a unit off
 * @iommu: unit, registers mapped
 *
 * At shutdown, and in the next kernel before it is set up.
 *
 * Return: true if it has to stay on.
 */
bool amd_lu_keep_on(struct amd_iommu *iommu)
{
	return amd_lu_shutdown(iommu) || amd_lu_running(iommu);
}

/** amd_lu_is_disowned - has amd_lu_disown() been called? */
bool amd_lu_is_disowned(void)
{
	return disowned;
}

/** amd_lu_disown - what was inherited is not used, devices are stopped */
void amd_lu_disown(void)
{
	struct iommu_lu_unit *unit;
	struct amd_iommu *iommu;

	disowned = true;
	for_each_iommu(iommu) {
		unit = iommu_lu_unit_incoming(iommu->mmio_phys);
		if (!unit)
			continue;
		unit->failed = -EIO;
		unit->iommu = NULL;
	}
}

/* Ids that were taken and that no domain of this kernel has got yet, by index of the domain. */
static DEFINE_XARRAY(ids);

/**
 * amd_lu_adopt_ids - take the domain ids before the first domain is allocated
 * @unit: record of a unit
 *
 * Ids are those of the driver, not of a unit: a domain has one. A device whose record names
 * an id that cannot be its domain's is marked as failed, and all others go on.
 *
 * Return: 0; or an error if an id could not be taken. It would go to another domain later,
 * while cached translations still bear it, so the unit cannot be taken over.
 */
int amd_lu_adopt_ids(struct iommu_lu_unit *unit)
{
	struct iommu_lu_device *ldev;
	void *id;
	int ret;

	for (ldev = unit->first; ldev; ldev = ldev->next) {
		u16 did = ldev->ser.amd.did;

		id = xa_load(&ids, ldev->domain->index);
		if (id && xa_to_value(id) == did)
			continue;
		ret = !did || id ? -ENOSPC : amd_iommu_pdom_id_reserve(did, GFP_KERNEL);
		if (ret == -ENOSPC) {
			pr_err("domain id %u belongs to another domain\n", did);
			ldev->failed = -EINVAL;
			continue;
		}
		if (ret >= 0)
			ret = xa_insert(&ids, ldev->domain->index, xa_mk_value(did), GFP_KERNEL);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * amd_lu_give_id - a restored domain gets the id that was taken for it
 * @ldom: its record
 * @did: the id its devices were recorded with
 *
 * Return: true if it is there, and the domain's from now on.
 */
bool amd_lu_give_id(struct iommu_lu_domain *ldom, u16 did)
{
	void *id = xa_load(&ids, ldom->index);

	if (!id || xa_to_value(id) != did)
		return false;
	xa_erase(&ids, ldom->index);
	return true;
}

/* Entries of a domain bear its id until their devices are taken over, stopped or forgotten. */
static bool id_in_use(u16 did)
{
	struct amd_iommu_pci_seg *pci_seg;
	u32 rid;

	for_each_pci_segment(pci_seg)
		for (rid = 0; rid <= pci_seg->last_bdf; rid++)
			if (amd_lu_dte_translates(&pci_seg->dev_table[rid]) &&
			    amd_lu_dte_did(&pci_seg->dev_table[rid]) == did)
				return true;
	return false;
}

/**
 * amd_lu_drop_id - release the domain id of a device that is not taken over
 * @ldev: its record; its entries block, and what was cached of them is gone
 *
 * Unless the domain has got it, or another entry still bears it. Happens rarely, so that
 * looking for that one may take its time.
 */
void amd_lu_drop_id(struct iommu_lu_device *ldev)
{
	void *id = ldev->domain ? xa_load(&ids, ldev->domain->index) : NULL;

	if (!id || id_in_use(xa_to_value(id)))
		return;
	id = xa_erase(&ids, ldev->domain->index);
	if (id)
		amd_iommu_pdom_id_free(xa_to_value(id));
}

static int check_unit(struct amd_iommu *iommu, struct iommu_lu_unit *unit, const char **why)
{
	const struct iommu_amd_ser *ser = &unit->ser.amd;
	u64 control = readq(iommu->mmio_base + MMIO_CONTROL_OFFSET);

	*why = "its record is not sound";
	if (unit->failed || unit->ser.type != IOMMU_HW_SER_AMD)
		return unit->failed ?: -EINVAL;
	*why = "features differ";
	if (ser->efr != readq(iommu->mmio_base + MMIO_EXT_FEATURES) ||
	    ser->efr2 != readq(iommu->mmio_base + MMIO_EXT_FEATURES2) ||
	    ser->devid != iommu->devid || unit->ser.segment != iommu->pci_seg->id)
		return -EINVAL;
	*why = "mode differs";
	if ((ser->control ^ control) & ~AMD_LU_CONTROL_QUEUES)
		return -EINVAL;
	*why = "a domain id cannot be had";
	return amd_lu_adopt_ids(unit);
}

/* The record of the device table, if it says the same as a unit of the segment. */
static struct iommu_lu_unit *check_segment(struct amd_iommu *iommu, u64 base)
{
	struct iommu_lu_unit *unit = iommu_lu_unit_incoming(base & PM_ADDR_MASK);

	if (!unit || unit->failed || unit->ser.type != IOMMU_HW_SER_AMD_SEGMENT ||
	    unit->ser.segment != iommu->pci_seg->id ||
	    unit->ser.amd_segment.dev_table_size != AMD_LU_DEV_TABLE_SIZE(base) ||
	    unit->ser.amd_segment.last_bdf != iommu->pci_seg->last_bdf)
		return NULL;
	return unit;
}

/*
 * What the driver has prepared for this boot goes into the table that is in use: flags of
 * firmware, and whether interrupts are remapped. No interrupt gets through until the
 * driver gives a device an interrupt table, if it remaps them.
 *
 * Cached translations bear the domain id of an entry, so nobody else may get that id. Of
 * those that no record has told of it is taken for good.
 */
static void fill_table(struct amd_iommu_pci_seg *pci_seg, struct dev_table_entry *table)
{
	struct dev_table_entry *fresh, new;
	bool translates;
	u32 rid;
	int ret;

	for (rid = 0; rid < amd_lu_nr_entries(pci_seg); rid++) {
		fresh = &pci_seg->dev_table[rid];
		translates = amd_lu_dte_translates(&table[rid]);
		new = amd_lu_dte_blocking(fresh);
		new.data[2] |= fresh->data[2] & AMD_LU_DTE2_IV;
		if (rid > pci_seg->last_bdf) {
			/* Linux knows of no unit in front of these, and does not probe them. */
			if (!translates)
				new = *fresh;
		} else if (translates) {
			ret = amd_iommu_pdom_id_reserve(amd_lu_dte_did(&table[rid]), GFP_KERNEL);
			if (ret >= 0 || ret == -ENOSPC)
				amd_lu_dte_copy_dma(&new, &table[rid]);
		}
		amd_lu_store_dte(&table[rid], &new);
	}
}

/*
 * The one exception to "its address does not change": somebody has written to the register,
 * or to KHO's records, so the table in use is not memory that was handed over and may be
 * anybody's. Then a table that blocks everything is the lesser evil, put there by one store
 * of 64 bits. What units make of that while they are on is not checked in 48882.
 */
static void replace_table(struct amd_iommu *iommu)
{
	struct amd_iommu_pci_seg *pci_seg = iommu->pci_seg;
	u64 base = virt_to_phys(pci_seg->dev_table) | ((pci_seg->dev_table_size >> 12) - 1);

	writeq(base, iommu->mmio_base + MMIO_DEV_TABLE_OFFSET);
	pr_err("iommu%d: its device table is not inherited memory\n", iommu->index);
}

/* Inherited memory that is large enough to be the device table. */
static struct dev_table_entry *restore_table(struct amd_iommu_pci_seg *pci_seg, u64 base)
{
	struct dev_table_entry *table;

	if (AMD_LU_DEV_TABLE_SIZE(base) != pci_seg->dev_table_size)
		return NULL;
	table = iommu_restore_page(base & PM_ADDR_MASK);
	if (!table || folio_size(virt_to_folio(table)) < pci_seg->dev_table_size)
		return NULL;
	return table;
}

static struct amd_iommu *first_running(struct amd_iommu_pci_seg *pci_seg)
{
	struct amd_iommu *iommu;

	for_each_iommu(iommu)
		if (iommu->pci_seg == pci_seg && amd_lu_running(iommu))
			return iommu;
	return NULL;
}

/* The table that is in use becomes the driver's, in place of the one it has made. */
static void adopt_segment(struct amd_iommu_pci_seg *pci_seg)
{
	struct amd_iommu *iommu = first_running(pci_seg);
	struct iommu_lu_unit *segment, *unit;
	struct dev_table_entry *table;
	const char *why;
	u64 base;

	if (!iommu)
		return;

	guard(iommu_lu_fail)("adopt");
	base = readq(iommu->mmio_base + MMIO_DEV_TABLE_OFFSET);
	segment = check_segment(iommu, base);
	table = restore_table(pci_seg, base);

	for_each_iommu(iommu) {
		if (iommu->pci_seg != pci_seg || !amd_lu_running(iommu))
			continue;
		why = "no usable record";
		unit = iommu_lu_unit_incoming(iommu->mmio_phys);
		if (unit)
			unit->failed = check_unit(iommu, unit, &why);
		if (unit && !unit->failed &&
		    (!segment || !table ||
		     readq(iommu->mmio_base + MMIO_DEV_TABLE_OFFSET) != base)) {
			why = "device table differs";
			unit->failed = -EINVAL;
		}
		if (!unit || unit->failed) {
			pr_err("iommu%d: not taken over: %s; its devices are stopped\n",
			       iommu->index, why);
			continue;
		}
		unit->iommu = &iommu->iommu;
		pr_info("iommu%d: adopted\n", iommu->index);
	}

	fill_table(pci_seg, table ?: pci_seg->dev_table);
	if (table) {
		iommu_free_pages(pci_seg->dev_table);
		pci_seg->dev_table = table;
	}
}

static bool is_segment_set_up(struct amd_iommu_pci_seg *pci_seg)
{
	struct amd_iommu *iommu;

	for_each_iommu(iommu)
		if (iommu->pci_seg == pci_seg && set_up & BIT(iommu->index))
			return true;
	return false;
}

/**
 * amd_lu_adopt - take a unit over while it is on
 * @iommu: unit that is about to get its device table
 *
 * Return: true if it has its device table.
 */
bool amd_lu_adopt(struct amd_iommu *iommu)
{
	bool running;
	u64 base;

	if (!is_segment_set_up(iommu->pci_seg))
		adopt_segment(iommu->pci_seg);

	running = amd_lu_running(iommu);
	if (running) {
		base = readq(iommu->mmio_base + MMIO_DEV_TABLE_OFFSET) & PM_ADDR_MASK;
		if (base != virt_to_phys(iommu->pci_seg->dev_table))
			replace_table(iommu);
		amd_lu_stop_queues(iommu);
	}
	set_up |= BIT(iommu->index);
	return running;
}
