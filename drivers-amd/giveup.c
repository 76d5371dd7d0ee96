// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-Vi live update: the driver does not start.
 *
 * A unit may be turned off, or its table be freed, only when the devices that are running
 * have been stopped, and that takes PCI. Before, units are left as they are: on, with a
 * table in memory that belongs to nobody else, and blocking all but what was preserved.
 *
 *	amd_lu_abandon()	the driver fails, and knows its units: stops the devices; then the
 *				driver turns the units off, or opens their entries
 *	amd_lu_turn_off()	the driver knows of no units: it was told not to start, or has
 *				failed before there was PCI. Stops the devices, turns the units off
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/acpi.h>

#include "internal.h"

/*
 * Devices that no record tells of, or one that cannot be trusted. What this kernel has
 * attached to a domain of its own is not running yet: there are no drivers.
 */
static void __init stop_translated(u32 segment, const struct dev_table_entry *table, u32 nr)
{
	struct iommu_dev_data *dev_data;
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (pci_domain_nr(pdev->bus) != segment || pci_dev_id(pdev) >= nr ||
		    !amd_lu_dte_translates(&table[pci_dev_id(pdev)]))
			continue;
		dev_data = dev_iommu_priv_get(&pdev->dev);
		if (!dev_data || !dev_data->domain)
			iommu_lu_pci_quiesce(&pdev->dev);
	}
}

/**
 * amd_lu_abandon - the driver gives up, and is about to turn units off
 *
 * Page tables of restored domains were not given back to the allocator yet, so they just
 * stay reserved.
 *
 * Context: any, also on a machine of another kind, before there is memory to read into what
 * was inherited.
 */
void __init amd_lu_abandon(void)
{
	struct amd_iommu_pci_seg *pci_seg;

	if (list_empty(&pci_root_buses) || !iommu_lu_inherited())
		return;
	iommu_lu_quiesce_incoming(NULL);
	for_each_pci_segment(pci_seg)
		if (pci_seg->dev_table)
			stop_translated(pci_seg->id, pci_seg->dev_table, pci_seg->last_bdf + 1);
	amd_lu_disown();
	pr_err("AMD-Vi is given up\n");
}

/* --- without the driver ------------------------------------------------------ */

#define DEV_TABLE_PA(base)	((base) & PM_ADDR_MASK)

static void __init stop_behind(u32 segment, void __iomem *base)
{
	u64 entry = readq(base + MMIO_DEV_TABLE_OFFSET);
	struct dev_table_entry *table;
	size_t size = AMD_LU_DEV_TABLE_SIZE(entry);

	if (!(readq(base + MMIO_CONTROL_OFFSET) & BIT_ULL(CONTROL_IOMMU_EN)))
		return;
	table = memremap(DEV_TABLE_PA(entry), size, MEMREMAP_WB);
	if (!table)
		return;
	stop_translated(segment, table, size / sizeof(*table));
	memunmap(table);
}

/*
 * V = 0, IV = 0: everything passes. QEMU's unit looks at interrupts of devices in its table
 * even when it is off, so the table is left in memory that stays what it is. What real
 * units do then is not known (not checked in 48882).
 */
static void __init open_table(u64 base)
{
	void *table = iommu_restore_page(DEV_TABLE_PA(base));

	if (table)
		memset(table, 0, folio_size(virt_to_folio(table)));
}

static void __init turn_off(u32 segment, void __iomem *base)
{
	u64 control = readq(base + MMIO_CONTROL_OFFSET) & ~AMD_LU_CONTROL_QUEUES;

	writeq(control, base + MMIO_CONTROL_OFFSET);
	if (control & BIT_ULL(CONTROL_IOMMU_EN))
		open_table(readq(base + MMIO_DEV_TABLE_OFFSET));
	writeq(control & ~BIT_ULL(CONTROL_IOMMU_EN), base + MMIO_CONTROL_OFFSET);
}

/* Units are looked up in the table of firmware, where one may be in several formats. */
static void __init walk_ivhds(struct acpi_table_header *ivrs,
			      void (*fn)(u32 segment, void __iomem *base))
{
	u8 *p, *end = (u8 *)ivrs + ivrs->length;
	struct acpi_ivrs_hardware_10 *ivhd;
	void __iomem *base;

	for (p = (u8 *)ivrs + sizeof(struct acpi_table_ivrs); p < end; p += ivhd->header.length) {
		/* the part that all formats have */
		ivhd = (struct acpi_ivrs_hardware_10 *)p;
		if (!ivhd->header.length)
			return;
		if (ivhd->header.type != ACPI_IVRS_TYPE_HARDWARE1 &&
		    ivhd->header.type != ACPI_IVRS_TYPE_HARDWARE2 &&
		    ivhd->header.type != ACPI_IVRS_TYPE_HARDWARE3)
			continue;
		base = ioremap(ivhd->base_address, SZ_16K);
		if (base)
			fn(ivhd->pci_segment_group, base);
		else
			pr_err("unit %#llx: cannot be turned off\n", ivhd->base_address);
		iounmap(base);
	}
}

/* Whoever does not want them: iommu=off, amd_iommu=off, a failure before there was PCI. */
static void __init amd_lu_turn_off(void)
{
	struct acpi_table_header *ivrs;

	if (ACPI_FAILURE(acpi_get_table(ACPI_SIG_IVRS, 0, &ivrs)))
		return;
	iommu_lu_quiesce_incoming(NULL);
	walk_ivhds(ivrs, stop_behind);
	walk_ivhds(ivrs, turn_off);
	amd_lu_disown();
	acpi_put_table(ivrs);
	pr_err("AMD-Vi is given up\n");
}

/*
 * The driver has had its chance in pci_iommu_init(), an initcall of the same level that is
 * linked earlier: PCI is there, drivers of devices are not.
 */
static int __init amd_lu_init_done(void)
{
	if (!iommu_lu_inherited() || amd_lu_is_disowned())
		return 0;
	if (list_empty(&amd_iommu_list))
		amd_lu_turn_off();
	else
		amd_lu_sweep();
	return 0;
}
rootfs_initcall(amd_lu_init_done);
