// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update: the new kernel takes a unit over.
 *
 * Translation that is on stays on: turned off, a running device would use I/O
 * virtual addresses as physical ones. If the unit cannot be taken over, it goes on
 * with an empty root table: everything behind it is blocked, and its devices are
 * stopped when they are probed. Each unit stands for itself.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <kunit/static_stub.h>
#include <linux/acpi.h>

#include "internal.h"

/**
 * intel_lu_unit - the record of a unit
 * @iommu: unit, possibly one that was not taken over
 *
 * Return: NULL if there is none, or if its live update is finished.
 */
struct iommu_lu_unit *intel_lu_unit(struct intel_iommu *iommu)
{
	KUNIT_STATIC_STUB_REDIRECT(intel_lu_unit, iommu);
	return iommu_lu_unit_incoming(iommu->reg_phys);
}

/**
 * intel_lu_adopted - the record of a unit that was taken over
 * @iommu: unit
 *
 * Return: NULL if it was not.
 */
struct iommu_lu_unit *intel_lu_adopted(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit = intel_lu_unit(iommu);

	return unit && !unit->failed && unit->iommu == &iommu->iommu ? unit : NULL;
}

/* The mode of a unit that can do both and was left on: 0 or 1; else -1. */
static int mode_left(u64 reg_phys)
{
	void __iomem *reg = ioremap(reg_phys, VTD_PAGE_SIZE);
	int mode = -1;

	if (!reg)
		return -1;
	if (ecap_smts(readq(reg + DMAR_ECAP_REG)) && readl(reg + DMAR_GSTS_REG) & DMA_GSTS_TES)
		mode = !!(readq(reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT);
	iounmap(reg);
	return mode;
}

/**
 * intel_lu_keep_mode - go on in the mode the units were left in
 *
 * The translation table mode can be changed only while translation is off (Root Table
 * Address Register, TTM), so what the previous kernel has chosen stays, whatever the
 * command line says. It has chosen for all units that can do scalable mode, and here it is
 * chosen before the first of them is set up: their address widths depend on it.
 */
void __init intel_lu_keep_mode(void)
{
	struct acpi_dmar_header *entry;
	struct acpi_table_header *dmar;
	int mode = -1;
	void *end;

	if (!iommu_lu_inherited() || ACPI_FAILURE(acpi_get_table(ACPI_SIG_DMAR, 0, &dmar)))
		return;
	end = (void *)dmar + dmar->length;
	for (entry = (void *)dmar + sizeof(struct acpi_table_dmar);
	     (void *)(entry + 1) <= end && entry->length && mode < 0;
	     entry = (void *)entry + entry->length)
		if (entry->type == ACPI_DMAR_TYPE_HARDWARE_UNIT)
			mode = mode_left(((struct acpi_dmar_hardware_unit *)entry)->address);
	acpi_put_table(dmar);

	if (mode < 0 || mode == !!intel_iommu_sm)
		return;
	pr_warn("units were left in %s mode, so this kernel uses it too\n",
		mode ? "scalable" : "legacy");
	intel_iommu_sm = mode;
}

/**
 * intel_lu_running - must translation stay on?
 * @iommu: unit that is being set up
 *
 * Every unit counts that is on, because the record of one may be what is damaged, or not be
 * there any more when the unit is added.
 *
 * Return: true if it is on, may have been left on by a live update, and was not set up yet.
 */
bool intel_lu_running(struct intel_iommu *iommu)
{
	return iommu_lu_inherited() && !iommu->root_entry && intel_lu_is_on(iommu);
}

static int adopt_root(struct intel_iommu *iommu, const struct iommu_intel_ser *ser,
		      const char **why)
{
	u64 rtaddr = readq(iommu->reg + DMAR_RTADDR_REG), entry;
	bool scalable = ser->flags & IOMMU_INTEL_SER_SCALABLE;
	unsigned int nr = 0, i;
	struct root_entry *root;

	*why = "scalable mode differs";
	if (scalable != sm_supported(iommu))
		return -EINVAL;
	*why = "capabilities differ";
	if (ser->cap != iommu->cap || ser->ecap != iommu->ecap)
		return -EINVAL;
	*why = "root table pointer differs";
	if ((rtaddr & VTD_PAGE_MASK) != ser->root_pa)
		return -EINVAL;

	root = phys_to_virt(ser->root_pa);
	*why = "root table is damaged";
	for (i = 0; i < INTEL_LU_TABLES; i++) {
		entry = *intel_lu_root_half(root, i);
		if (!entry)
			continue;
		/* the second half is reserved in legacy mode */
		if ((i & 1 && !scalable) || (entry & ~INTEL_ENTRY_POINTER) != INTEL_ENTRY_PRESENT)
			return -EINVAL;
		nr++;
	}
	if (nr != ser->nr_context_tables)
		return -EINVAL;

	/*
	 * Nothing is freed if one of these fails: the hardware is still using
	 * it. The memory stays reserved.
	 */
	*why = "tables are not inherited memory";
	if (!iommu_restore_page(ser->root_pa))
		return -EINVAL;
	for (i = 0; i < INTEL_LU_TABLES; i++) {
		entry = *intel_lu_root_half(root, i);
		if (entry && !iommu_restore_page(entry & INTEL_ENTRY_POINTER))
			return -EINVAL;
	}
	iommu->root_entry = root;
	return 0;
}

/**
 * intel_lu_clear_unnamed - let nobody through of whom there is no sound record
 * @iommu: unit that has its root table, caches are not invalidated yet
 * @unit: its record
 *
 * Nobody has reserved the domain ids that such entries bear. What is left of them, not
 * present, tells intel_lu_probe() to stop the device.
 *
 * Return: 0 or -ENOMEM.
 */
int intel_lu_clear_unnamed(struct intel_iommu *iommu, struct iommu_lu_unit *unit)
{
	unsigned long *named = bitmap_zalloc(U16_MAX + 1, GFP_KERNEL);
	struct context_entry *context;
	struct iommu_lu_device *ldev;
	u32 rid;
	int i;

	if (!named)
		return -ENOMEM;
	for (ldev = unit->first; ldev; ldev = ldev->next)
		for (i = 0; i < ldev->ser.nr_rids && !ldev->failed; i++)
			__set_bit(ldev->ser.rids[i], named);

	guard(spinlock)(&iommu->lock);
	for (rid = 0; rid <= U16_MAX; rid++) {
		if (test_bit(rid, named))
			continue;
		context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
		if (!context || !context_present(context))
			continue;
		context_clear_present(context);
		__iommu_flush_cache(iommu, context, sizeof(*context));
		pr_err("%s: context entry of %02x:%02x.%x is nobody's, it is blocked\n",
		       iommu->name, PCI_BUS_NUM(rid), PCI_SLOT(rid), PCI_FUNC(rid));
	}
	bitmap_free(named);
	return 0;
}

/**
 * intel_lu_adopt_ids - take the domain ids before the first domain is allocated
 * @iommu: unit
 * @unit: its record
 *
 * Ids belong to a unit: one for each domain that has a device behind it. A device whose
 * record names an id that cannot be its domain's is marked as failed, and all others go on.
 *
 * Return: 0; or an error if an id could not be taken. It would go to another domain later,
 * while cached translations still bear it, so the unit cannot be taken over.
 */
int intel_lu_adopt_ids(struct intel_iommu *iommu, struct iommu_lu_unit *unit)
{
	struct iommu_lu_domain *owner;
	struct iommu_lu_device *ldev;
	struct xarray owners;
	int ret = 0;

	xa_init(&owners);
	for (ldev = unit->first; ldev && !ret; ldev = ldev->next) {
		u16 did = ldev->ser.intel.did;

		owner = xa_load(&owners, did);
		/* 0 and 1 are not given to domains */
		if (did < IDA_START_DID || (owner && owner != ldev->domain)) {
			pr_err("%s: domain id %u belongs to another domain\n", iommu->name, did);
			ldev->failed = -EINVAL;
			continue;
		}
		if (!owner)
			ret = xa_insert(&owners, did, ldev->domain, GFP_KERNEL) ?:
			      min(ida_alloc_range(&iommu->domain_ida, did, did, GFP_KERNEL), 0);
		ldev->has_id = !ret;
	}
	xa_destroy(&owners);
	return ret;
}

static bool has_id_on(struct iommu_domain *domain, void *iommu)
{
	return xa_load(&to_dmar_domain(domain)->iommu_array,
		       ((struct intel_iommu *)iommu)->seq_id);
}

/* Does the domain of a device have its id on the unit? Then it goes with the domain. */
static bool id_is_domains(struct intel_iommu *iommu, struct iommu_lu_device *ldev)
{
	return iommu_lu_domain_is(ldev->domain, has_id_on, iommu);
}

/**
 * intel_lu_drop_id - release the domain id of a device that is not taken over
 * @iommu: unit that has taken the id
 * @ldev: record, failed; its entries are removed, so the id is in no cache any more
 *
 * Unless the id is not its domain's, or the domain has got it, or another device may still
 * come for it, or the last of them has released it. Happens rarely, so that looking for
 * those may take its time.
 */
void intel_lu_drop_id(struct intel_iommu *iommu, struct iommu_lu_device *ldev)
{
	struct iommu_lu_device *other;

	if (!ldev->has_id || id_is_domains(iommu, ldev))
		return;
	ldev->has_id = false;
	for (other = ldev->unit->first; other; other = other->next)
		if (other->domain == ldev->domain && other->has_id)
			return;
	ida_free(&iommu->domain_ida, ldev->ser.intel.did);
}

/* Is there a device that goes on through the unit, or one that may still come, or an id? */
static bool needed(struct intel_iommu *iommu, struct iommu_lu_unit *unit)
{
	struct iommu_lu_device *ldev;

	for (ldev = unit->first; ldev; ldev = ldev->next)
		if (READ_ONCE(ldev->held) || (!ldev->dev && !ldev->failed) ||
		    id_is_domains(iommu, ldev))
			return true;
	return false;
}

/**
 * intel_lu_may_remove - may a unit go, as no device handed over, or to be, needs it?
 * @iommu: unit that is about to be removed, or NULL
 *
 * If so, it is an ordinary one from here on.
 *
 * Context: dmar_global_lock held.
 */
bool intel_lu_may_remove(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit;

	if (!iommu)
		return true;
	unit = intel_lu_adopted(iommu);
	if (READ_ONCE(iommu->iommu.lu) || (unit && needed(iommu, unit))) {
		pr_err("%s: devices behind it are preserved or taken over, it cannot be removed\n",
		       iommu->name);
		return false;
	}
	iommu->flags &= ~INTEL_LU_FLAG_LEFT_ON;
	return true;
}

static int adopt(struct intel_iommu *iommu, struct iommu_lu_unit *unit, const char **why)
{
	int ret;

	*why = "a domain id cannot be had";
	ret = intel_lu_adopt_ids(iommu, unit) ?: adopt_root(iommu, &unit->ser.intel, why);
	if (ret)
		return ret;
	*why = "out of memory";
	ret = intel_lu_clear_unnamed(iommu, unit);
	if (ret)
		/* it is still the one that the hardware is using */
		iommu->root_entry = NULL;
	return ret;
}

/**
 * intel_lu_adopt - take a unit over with translation on
 * @iommu: unit, no root table yet
 *
 * Context: dmar_global_lock held.
 * Return: 1 if the unit has got its root table. 0 if not; and if it is
 * intel_lu_running(), it shall go on with an empty one. -EBUSY if it can have neither, as it
 * is on in another mode than this kernel uses: never at boot, see intel_lu_keep_mode().
 */
int intel_lu_adopt(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit;
	const char *why = "no usable record";

	if (!intel_lu_running(iommu))
		return 0;
	/* Not for the recovery of crashed kernels, which copies the tables. */
	iommu->flags &= ~VTD_FLAG_TRANS_PRE_ENABLED;
	iommu->flags |= INTEL_LU_FLAG_LEFT_ON;
	/* No device will be found behind it, so it stays as it is, and its session unfinished. */
	if (iommu->drhd->ignored)
		return 0;
	if (intel_lu_in_other_mode(iommu)) {
		pr_err("%s: not set up: it is on in another mode than the other units\n",
		       iommu->name);
		return -EBUSY;
	}

	guard(iommu_lu_fail)("adopt");
	unit = intel_lu_unit(iommu);
	if (unit && !unit->failed)
		unit->failed = adopt(iommu, unit, &why);
	if (!unit || unit->failed) {
		/* All of them are invalidated before a domain gets one. */
		ida_destroy(&iommu->domain_ida);
		pr_err("%s: not taken over: %s; everything behind it is blocked\n", iommu->name,
		       why);
		return 0;
	}

	unit->iommu = &iommu->iommu;
	intel_lu_irq_adopt(iommu, &unit->ser.intel);
	pr_info("%s: adopted, %s mode\n", iommu->name,
		sm_supported(iommu) ? "scalable" : "legacy");
	return 1;
}
