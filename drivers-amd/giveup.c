// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-Vi live update: the driver does not start.
 *
 * A unit may be turned off, or its table be freed, only when the devices that are running
 * have been stopped, and that takes PCI. Before, units are left as they are: on, with a
 * table in memory that belongs to nobody else, and blocking all but what was preserved.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/acpi.h>

#include "internal.h"

static void stop_devices(void)
{
	iommu_lu_quiesce_incoming(NULL);
	amd_lu_disown();
	pr_err("AMD-Vi is given up\n");
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
	if (!list_empty(&pci_root_buses) && iommu_lu_inherited())
		stop_devices();
}

/*
 * V = 0, IV = 0: everything passes. QEMU's unit looks at interrupts in its table even when
 * it is off, so the memory stays what it is.
 */
static void __init open_table(u64 base)
{
	void *table = iommu_restore_page(base & PM_ADDR_MASK);

	if (table)
		memset(table, 0, folio_size(virt_to_folio(table)));
}

static void __init turn_off(u64 mmio_phys)
{
	void __iomem *base = ioremap(mmio_phys, SZ_16K);
	u64 control;

	if (!base) {
		pr_err("unit %#llx: cannot be turned off\n", mmio_phys);
		return;
	}
	control = readq(base + MMIO_CONTROL_OFFSET) & ~AMD_LU_CONTROL_QUEUES;
	writeq(control, base + MMIO_CONTROL_OFFSET);
	if (control & BIT_ULL(CONTROL_IOMMU_EN))
		open_table(readq(base + MMIO_DEV_TABLE_OFFSET));
	writeq(control & ~BIT_ULL(CONTROL_IOMMU_EN), base + MMIO_CONTROL_OFFSET);
	iounmap(base);
}

/**
 * amd_lu_turn_off - the driver is told not to start, or has failed before there was PCI
 *
 * It knows of no units then, so they are looked up in the table of firmware (IVRS).
 *
 * Context: PCI is there, its drivers are not.
 */
void __init amd_lu_turn_off(void)
{
	struct acpi_table_header *ivrs;
	u8 *p, *end;

	if (!iommu_lu_inherited() || !list_empty(&amd_iommu_list) ||
	    ACPI_FAILURE(acpi_get_table(ACPI_SIG_IVRS, 0, &ivrs)))
		return;
	stop_devices();
	end = (u8 *)ivrs + ivrs->length;
	for (p = (u8 *)ivrs + sizeof(struct acpi_table_ivrs); p < end;
	     p += ((struct acpi_ivrs_header *)p)->length) {
		struct acpi_ivrs_hardware_10 *ivhd = (struct acpi_ivrs_hardware_10 *)p;

		if (!ivhd->header.length)
			break;
		/* a unit may be there in several formats, of which this is the common part */
		if (ivhd->header.type == ACPI_IVRS_TYPE_HARDWARE1 ||
		    ivhd->header.type == ACPI_IVRS_TYPE_HARDWARE2 ||
		    ivhd->header.type == ACPI_IVRS_TYPE_HARDWARE3)
			turn_off(ivhd->base_address);
	}
	acpi_put_table(ivrs);
}
