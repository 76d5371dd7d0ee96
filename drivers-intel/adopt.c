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

#include "internal.h"

static bool translation_on(struct intel_iommu *iommu)
{
	return readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES;
}

/**
 * intel_lu_keep_mode - go on in the mode the unit was left in
 * @iommu: unit that is being found, registers mapped
 *
 * The translation table mode can be changed only while translation is off (Root Table
 * Address Register, TTM), so what the previous kernel has chosen stays, whatever the
 * command line says. It has chosen for all units that can do scalable mode.
 */
void intel_lu_keep_mode(struct intel_iommu *iommu)
{
	bool scalable;

	if (intel_iommu_enabled || !ecap_smts(iommu->ecap) || !iommu_lu_inherited() ||
	    !translation_on(iommu))
		return;
	scalable = readq(iommu->reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT;
	if (scalable == !!intel_iommu_sm)
		return;
	pr_warn("%s: was left in %s mode, so this kernel uses it too\n", iommu->name,
		scalable ? "scalable" : "legacy");
	intel_iommu_sm = scalable;
}

/**
 * intel_lu_running - must translation stay on?
 * @iommu: unit that is being set up
 *
 * At boot every unit counts that is on, because the record of one may be what is
 * damaged. One that is added later counts if it has a record.
 *
 * Return: true if it is on, and was left on by a live update.
 */
bool intel_lu_running(struct intel_iommu *iommu)
{
	if (!iommu_lu_inherited() || !translation_on(iommu))
		return false;
	return !intel_iommu_enabled || iommu_lu_unit_incoming(iommu->reg_phys);
}

static int adopt_root(struct intel_iommu *iommu, const struct iommu_intel_ser *ser,
		      const char **why)
{
	u64 rtaddr = readq(iommu->reg + DMAR_RTADDR_REG), entry;
	bool scalable = ser->flags & IOMMU_INTEL_SER_SCALABLE;
	unsigned int nr = 0, i;
	struct root_entry *root;

	*why = "scalable mode differs";
	if (scalable != sm_supported(iommu) || scalable != !!(rtaddr & DMA_RTADDR_SMT))
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
	struct iommu_lu_device *ldev;
	struct xarray owners;
	int ret = 0;

	xa_init(&owners);
	for (ldev = unit->first; ldev && !ret; ldev = ldev->next) {
		u16 did = ldev->ser.intel.did;

		if (xa_load(&owners, did) == ldev->domain)
			continue;
		/* 0 and 1 are not given to domains */
		if (did < IDA_START_DID || xa_load(&owners, did)) {
			pr_err("%s: domain id %u belongs to another domain\n", iommu->name, did);
			ldev->failed = -EINVAL;
			ldev->ser.intel.did = 0;
			continue;
		}
		ret = xa_insert(&owners, did, ldev->domain, GFP_KERNEL) ?:
		      min(ida_alloc_range(&iommu->domain_ida, did, did, GFP_KERNEL), 0);
	}
	xa_destroy(&owners);
	return ret;
}

/* Does the domain of a device have its id on the unit? Then it goes with the domain. */
static bool id_is_domains(struct intel_iommu *iommu, struct iommu_lu_device *ldev)
{
	struct iommu_domain *domain = ldev->domain->domain;

	return domain && xa_load(&to_dmar_domain(domain)->iommu_array, iommu->seq_id);
}

/**
 * intel_lu_drop_id - release the domain id of a device that is not taken over
 * @iommu: unit that has taken the id
 * @ldev: record, failed; its entries are removed, so the id is in no cache any more
 *
 * Unless the domain has got it, or another device may still come for it. Happens rarely,
 * so that looking for that one may take its time.
 */
void intel_lu_drop_id(struct intel_iommu *iommu, struct iommu_lu_device *ldev)
{
	struct iommu_lu_device *other;
	u16 did = ldev->ser.intel.did;

	if (!did || id_is_domains(iommu, ldev))
		return;
	for (other = ldev->unit->first; other; other = other->next)
		if (other->ser.intel.did == did && !other->failed)
			return;
	for (other = ldev->unit->first; other; other = other->next)
		if (other->ser.intel.did == did)
			other->ser.intel.did = 0;
	ida_free(&iommu->domain_ida, did);
}

/**
 * intel_lu_in_use - is a unit needed by devices that were, or are to be, handed over?
 * @iommu: unit that is about to be removed, or NULL
 */
bool intel_lu_in_use(struct intel_iommu *iommu)
{
	struct iommu_lu_device *ldev;
	struct iommu_lu_unit *unit;

	if (!iommu)
		return false;
	unit = READ_ONCE(iommu->iommu.lu);
	if (!unit) {
		unit = iommu_lu_unit_incoming(iommu->reg_phys);
		for (ldev = unit ? unit->first : NULL; ldev && !ldev->held; ldev = ldev->next)
			;
		if (!ldev)
			return false;
	}
	pr_err("%s: devices behind it are preserved or taken over, it cannot be removed\n",
	       iommu->name);
	return true;
}

/**
 * intel_lu_adopt - take a unit over with translation on
 * @iommu: unit, no root table yet
 *
 * Return: true if the unit has got its root table. If not, and it is
 * intel_lu_running(), it shall go on with an empty one.
 */
bool intel_lu_adopt(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit;
	const char *why = "no usable record";

	if (!intel_lu_running(iommu))
		return false;
	/* Not for the recovery of crashed kernels, which copies the tables. */
	iommu->flags &= ~VTD_FLAG_TRANS_PRE_ENABLED;

	guard(iommu_lu_fail)("adopt");
	unit = iommu_lu_unit_incoming(iommu->reg_phys);
	if (unit && !unit->failed) {
		why = "a domain id cannot be had";
		unit->failed = intel_lu_adopt_ids(iommu, unit) ?:
			       adopt_root(iommu, &unit->ser.intel, &why);
	}
	if (!unit || unit->failed) {
		/* All of them are invalidated before a domain gets one. */
		ida_destroy(&iommu->domain_ida);
		pr_err("%s: not taken over: %s; everything behind it is blocked\n", iommu->name,
		       why);
		return false;
	}

	unit->iommu = &iommu->iommu;
	intel_lu_irq_adopt(iommu, &unit->ser.intel);
	pr_info("%s: adopted, %s mode\n", iommu->name,
		sm_supported(iommu) ? "scalable" : "legacy");
	return true;
}

/**
 * intel_lu_abandon - the driver gives up after units were adopted
 * @iommu: unit that is about to be turned off and freed
 *
 * Stop the devices first, all of them: units are turned off one after the other, but the
 * driver gives up all of them. Then the ids that intel_lu_adopt_ids() took are nobody's,
 * and turning translation off harms nothing. Root and context tables are ordinary
 * memory by now; PASID tables and page tables were not given back to the allocator
 * yet, so they just stay reserved.
 */
void intel_lu_abandon(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit;

	if (!intel_lu_running(iommu))
		return;
	iommu_lu_quiesce_incoming(NULL);

	unit = iommu_lu_unit_incoming(iommu->reg_phys);
	if (unit && unit->iommu == &iommu->iommu) {
		unit->failed = -EIO;
		unit->iommu = NULL;
		ida_destroy(&iommu->domain_ida);
	}
	pr_err("%s: given up\n", iommu->name);
}

/**
 * intel_lu_quiesce - stop what is running before translation is turned off
 *
 * For a kernel that is told not to use its IOMMUs, or one of them.
 */
void intel_lu_quiesce(void)
{
	iommu_lu_quiesce_incoming(NULL);
}
