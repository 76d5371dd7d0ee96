// SPDX-License-Identifier: GPL-2.0
/* Intel VT-d live update: what the old kernel records, and leaves running. */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <asm/cmpxchg.h>

#include "internal.h"

int intel_lu_preserve_unit(struct iommu_device *iommu_dev, struct iommu_lu_unit *unit)
{
	struct intel_iommu *iommu = to_intel_iommu(iommu_dev);
	struct iommu_intel_ser *ser = &unit->ser.intel;
	int ret;

	if (!sm_supported(iommu) && !system_has_cmpxchg128()) {
		pr_err("%s: the CPU cannot store a context entry at once\n", iommu->name);
		return -EOPNOTSUPP;
	}

	ret = intel_lu_shadow_alloc(iommu, unit);
	if (ret)
		return ret;
	ret = intel_lu_irq_preserve(iommu, ser);
	if (ret)
		goto err_shadow;
	ret = intel_lu_prq_preserve(iommu, ser);
	if (ret)
		goto err_irq;

	unit->ser.token = iommu->reg_phys;
	unit->ser.type = IOMMU_HW_SER_INTEL;
	unit->ser.segment = iommu->segment;
	ser->cap = iommu->cap;
	ser->ecap = iommu->ecap;
	if (sm_supported(iommu))
		ser->flags |= IOMMU_INTEL_SER_SCALABLE;
	return 0;

err_irq:
	intel_lu_irq_unpreserve(ser);
err_shadow:
	intel_lu_shadow_free(unit);
	return ret;
}

void intel_lu_unpreserve_unit(struct iommu_device *iommu_dev, struct iommu_lu_unit *unit)
{
	intel_lu_prq_unpreserve(&unit->ser.intel);
	intel_lu_irq_unpreserve(&unit->ser.intel);
	intel_lu_shadow_free(unit);
}

static int collect_rid(u16 rid, void *arg)
{
	return iommu_lu_add_rid(arg, rid);
}

/*
 * The context entry that is in use, if the device is attached as recorded. In scalable mode
 * the record has a PASID directory of its own; the one in use is the driver's.
 */
static struct intel_lu_context live_context(struct device_domain_info *info,
					    const struct iommu_device_intel_ser *ser)
{
	struct intel_lu_context entry = { .lo = ser->context_lo, .hi = ser->context_hi };

	if (sm_supported(info->iommu)) {
		entry.lo &= ~INTEL_ENTRY_POINTER;
		entry.lo |= virt_to_phys(info->pasid_table->table);
	}
	return entry;
}

static struct intel_lu_pasid *recorded_pasid(struct iommu_device_intel_ser *ser)
{
	static_assert(sizeof(struct intel_lu_pasid) == sizeof(ser->pasid_entry));
	return (struct intel_lu_pasid *)ser->pasid_entry;
}

/* What hardware uses for a device, compared with its record. */
static int check_live(struct device *dev, struct iommu_device_ser *ser)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_lu_context live = live_context(info, &ser->intel), entry;
	struct intel_iommu *iommu = info->iommu;
	struct intel_lu_pasid *pasid;
	int i;

	for (i = 0; i < ser->nr_rids; i++) {
		entry = intel_lu_read_context(iommu, ser->rids[i]);
		if (entry.lo == live.lo && entry.hi == live.hi)
			continue;
		dev_err(dev, "iommu_lu: context entry of %02x:%02x.%x is not its domain's\n",
			PCI_BUS_NUM(ser->rids[i]), PCI_SLOT(ser->rids[i]), PCI_FUNC(ser->rids[i]));
		return -EBUSY;
	}
	if (!sm_supported(iommu))
		return 0;

	if (intel_lu_other_pasids(info)) {
		dev_err(dev, "iommu_lu: PASIDs are in use, they are not carried\n");
		return -EBUSY;
	}
	pasid = intel_lu_device_pasid(info);
	if (!pasid || memcmp(pasid, recorded_pasid(&ser->intel), sizeof(*pasid))) {
		dev_err(dev, "iommu_lu: its PASID table entry is not its domain's\n");
		return -EBUSY;
	}
	return 0;
}

/* Fill in the record as it should be, and see whether the hardware agrees. */
static int record(struct device *dev, struct dmar_domain *domain, struct iommu_device_ser *ser)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct iommu_device_intel_ser *intel = &ser->intel;
	struct intel_iommu *iommu = info->iommu;
	struct intel_lu_context entry;
	int ret;

	ret = intel_lu_walk_rids(dev, collect_rid, ser);
	if (ret) {
		dev_err(dev, "iommu_lu: more than %u requester ids\n", IOMMU_DEVICE_SER_MAX_RIDS);
		return -EOPNOTSUPP;
	}
	intel->did = domain_id_iommu(domain, iommu);

	if (sm_supported(iommu)) {
		entry = intel_lu_read_context(iommu, ser->rids[0]);
		*recorded_pasid(intel) = intel_lu_want_pasid(iommu, domain);
	} else {
		entry = intel_lu_want_context(info, domain);
	}
	intel->context_lo = entry.lo;
	intel->context_hi = entry.hi;
	/* Nothing has changed yet: what differs now is a kind of attachment not known here. */
	return check_live(dev, ser) ? -EOPNOTSUPP : 0;
}

/* The record's context entry, leading to the PASID directory that is preserved. */
static int shadow_pasid(struct device_domain_info *info, struct iommu_device_intel_ser *intel)
{
	int ret;

	if (!sm_supported(info->iommu))
		return 0;
	ret = intel_lu_shadow_pasid(info->iommu, info, intel);
	if (ret)
		return ret;
	intel->context_lo &= ~INTEL_ENTRY_POINTER;
	intel->context_lo |= intel->pasid_dir_pa;
	return 0;
}

static void shadow_remove(struct iommu_lu_device *ldev, int nr_rids)
{
	while (nr_rids--)
		intel_lu_shadow_remove(ldev->unit, ldev->ser.rids[nr_rids]);
	if (ldev->ser.intel.pasid_dir_pa)
		intel_lu_shadow_pasid_free(&ldev->ser.intel);
}

int intel_lu_preserve_device(struct device *dev, struct iommu_domain *domain,
			     struct iommu_lu_device *ldev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct iommu_device_ser *ser = &ldev->ser;
	struct intel_iommu *iommu = info->iommu;
	struct intel_lu_context entry;
	int ret, i;

	if (info->domain != dmar_domain || dev_is_real_dma_subdevice(dev)) {
		dev_err(dev, "iommu_lu: this kind of attachment is not carried\n");
		return -EOPNOTSUPP;
	}
	if (sm_supported(iommu) && intel_lu_uses_id_of_bridge(to_pci_dev(dev))) {
		dev_err(dev, "iommu_lu: a bridge does its DMA, its PASID table is not carried\n");
		return -EOPNOTSUPP;
	}
	/* A reference of our own: the id stays with the domain whatever happens. */
	ret = domain_attach_iommu(dmar_domain, iommu);
	if (ret)
		return ret;
	ret = record(dev, dmar_domain, ser);
	if (ret)
		goto err_detach;
	ret = shadow_pasid(info, &ser->intel);
	if (ret)
		goto err_detach;

	entry.lo = ser->intel.context_lo;
	entry.hi = ser->intel.context_hi;
	for (i = 0; i < ser->nr_rids; i++) {
		ret = intel_lu_shadow_add(ldev->unit, ser->rids[i], entry);
		if (ret) {
			shadow_remove(ldev, i);
			goto err_detach;
		}
	}
	return 0;

err_detach:
	domain_detach_iommu(dmar_domain, iommu);
	return ret;
}

void intel_lu_unpreserve_device(struct device *dev, struct iommu_domain *domain,
				struct iommu_lu_device *ldev)
{
	shadow_remove(ldev, ldev->ser.nr_rids);
	domain_detach_iommu(to_dmar_domain(domain), to_intel_iommu(ldev->unit->iommu));
}

int intel_lu_freeze_device(struct device *dev, struct iommu_lu_device *ldev)
{
	return check_live(dev, &ldev->ser);
}

int intel_lu_preserve_domain(struct iommu_domain *domain, struct iommu_lu_domain *ldom)
{
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);

	if (!intel_domain_is_fs_paging(dmar_domain) &&
	    (!intel_domain_is_ss_paging(dmar_domain) || dmar_domain->nested_parent ||
	     dmar_domain->dirty_tracking)) {
		pr_err("domain %#llx: nested domains and dirty tracking are not carried\n",
		       ldom->ser.token);
		return -EOPNOTSUPP;
	}
	if (dmar_domain->force_snooping)
		ldom->ser.features |= IOMMU_DOMAIN_SER_FORCE_SNOOP;
	return iommu_lu_pt_preserve(domain, ldom);
}

/**
 * intel_lu_shutdown - leave a unit running for its preserved devices
 * @iommu: unit
 *
 * Translation stays enabled. Software may set the root table pointer while it is
 * (Global Command Register, SRTP), if requests in flight resolve to the same
 * result through both tables. Those of preserved devices do, and nobody waits
 * for the others. The mode of translation (Root Table Address Register, TTM)
 * must not change meanwhile, and does not.
 *
 * From here on everything that is not preserved is blocked: it has no context
 * entry, and what was cached for it is gone, because iommu_set_root_entry()
 * invalidates context cache, PASID cache (in scalable mode) and IOTLB globally, in
 * this order (6.5.3.3 "Guidance to Software for Invalidations", root table pointer),
 * or the hardware has done so itself (Capability Register, ESRTPS).
 * A device that was given addresses by its device-TLB cannot use them any more,
 * because translated requests need a present context entry as well.
 *
 * Fault, page request and performance events are masked (IM in their control
 * registers): their messages would go to a vector that nobody owns. Faults are still
 * recorded, and cleared by the next kernel.
 *
 * Context: only this CPU runs.
 * Return: false if nothing behind the unit is preserved.
 */
bool intel_lu_shutdown(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit = iommu->iommu.lu;

	if (!unit || !iommu_lu_sealed())
		return false;

	writel(DMA_FECTL_IM, iommu->reg + DMAR_FECTL_REG);
	if (ecap_prs(iommu->ecap))
		writel(DMA_FECTL_IM, iommu->reg + DMAR_PECTL_REG);
	if (ecap_pms(iommu->ecap))
		writel(DMA_FECTL_IM, iommu->reg + DMAR_PERFINTRCTL_REG);
	readl(iommu->reg + DMAR_FECTL_REG);

	intel_lu_irq_shutdown(iommu, &unit->ser.intel);

	iommu->root_entry = intel_lu_shadow_root(unit);
	iommu_set_root_entry(iommu);
	pr_info("%s: switched to the preserved tables\n", iommu->name);
	return true;
}
