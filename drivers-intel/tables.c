// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update: reading the tables that are in use, and what they
 * should contain.
 */
#include "internal.h"

/**
 * intel_lu_read_context - the context entry of a requester id
 * @iommu: unit
 * @rid: PCI bus << 8 | devfn
 *
 * In scalable mode the rest of the entry is reserved and zero (9.4).
 */
struct intel_lu_context intel_lu_read_context(struct intel_iommu *iommu, u16 rid)
{
	struct intel_lu_context entry = {};
	struct context_entry *context;

	guard(spinlock)(&iommu->lock);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
	if (context) {
		entry.lo = READ_ONCE(context->lo);
		entry.hi = READ_ONCE(context->hi);
	}
	return entry;
}

static int is_bridges_own(struct pci_dev *pdev, u16 rid, void *arg)
{
	return pdev != arg && rid == pci_dev_id(pdev);
}

/**
 * intel_lu_uses_id_of_bridge - does DMA of a device bear the requester id of a bridge?
 * @pdev: device
 *
 * As behind conventional PCI bridges. In scalable mode the bridge has a PASID table of its
 * own for that id.
 */
bool intel_lu_uses_id_of_bridge(struct pci_dev *pdev)
{
	return pci_for_each_dma_alias(pdev, is_bridges_own, pdev);
}

struct rid_walk {
	struct pci_dev *pdev;
	bool scalable;
	int (*fn)(u16 rid, void *arg);
	void *arg;
};

static int visit_rid(struct pci_dev *pdev, u16 rid, void *arg)
{
	struct rid_walk *walk = arg;

	/* As pci_pasid_table_setup(): no entry for the bridges above it. */
	if (walk->scalable && pdev != walk->pdev)
		return 0;
	return walk->fn(rid, walk->arg);
}

/**
 * intel_lu_walk_rids - every requester id whose entry belongs to a device
 * @dev: PCI device
 * @fn: called for each, possibly more than once; anything but 0 ends the walk
 * @arg: for @fn
 */
int intel_lu_walk_rids(struct device *dev, int (*fn)(u16 rid, void *arg), void *arg)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct rid_walk walk = {
		.pdev = to_pci_dev(dev),
		.scalable = sm_supported(info->iommu),
		.fn = fn,
		.arg = arg,
	};

	return pci_for_each_dma_alias(walk.pdev, visit_rid, &walk);
}

/**
 * intel_lu_device_pasid - the PASID table entry for a device's own requests
 * @info: device in scalable mode
 *
 * Return: the entry that is in use, or NULL if there is no table for it.
 */
struct intel_lu_pasid *intel_lu_device_pasid(struct device_domain_info *info)
{
	struct pasid_dir_entry *dir = info->pasid_table->table;
	struct pasid_entry *table = get_pasid_table_from_pde(&dir[0]);

	static_assert(IOMMU_NO_PASID == 0);
	static_assert(sizeof(*table) == sizeof(struct intel_lu_pasid));
	return (struct intel_lu_pasid *)table;
}

/**
 * intel_lu_other_pasids - is a PASID in use that is not the device's own?
 * @info: device in scalable mode
 */
bool intel_lu_other_pasids(struct device_domain_info *info)
{
	struct pasid_dir_entry *dir = info->pasid_table->table;
	u32 pasid, nr = info->pasid_table->max_pasid;
	struct pasid_entry *table;

	for (pasid = 0; pasid < nr; pasid++) {
		table = get_pasid_table_from_pde(&dir[pasid >> PASID_PDE_SHIFT]);
		if (!table)
			pasid |= PASID_PTE_MASK;
		else if (pasid != IOMMU_NO_PASID &&
			 pasid_pte_is_present(&table[pasid & PASID_PTE_MASK]))
			return true;
	}
	return false;
}

/**
 * intel_lu_want_pasid - the entry that attaches a device to a domain, scalable mode
 * @iommu: unit
 * @domain: first-stage or second-stage domain that has an id on @iommu
 *
 * What intel_pasid_setup_first_level() and intel_pasid_setup_second_level() write.
 */
struct intel_lu_pasid intel_lu_want_pasid(struct intel_iommu *iommu, struct dmar_domain *domain)
{
	u16 did = domain_id_iommu(domain, iommu);

	if (intel_domain_is_fs_paging(domain)) {
		struct pt_iommu_x86_64_hw_info fs;

		pt_iommu_x86_64_hw_info(&domain->fspt, &fs);
		return intel_lu_pasid_first(fs.gcr3_pt, fs.levels == 5, iommu->agaw, did,
					    !(domain->fspt.x86_64_pt.common.features &
					      BIT(PT_FEAT_DMA_INCOHERENT)),
					    domain->force_snooping);
	} else {
		struct pt_iommu_vtdss_hw_info ss;

		pt_iommu_vtdss_hw_info(&domain->sspt, &ss);
		return intel_lu_pasid_second(ss.ssptptr, ss.aw, did,
					     !(domain->sspt.vtdss_pt.common.features &
					       BIT(PT_FEAT_DMA_INCOHERENT)),
					     domain->dirty_tracking);
	}
}

/**
 * intel_lu_want_context - the entry that attaches a device to a domain, legacy mode
 * @info: device
 * @domain: second-stage domain that has an id on its unit
 *
 * What domain_context_mapping_one() writes.
 */
struct intel_lu_context intel_lu_want_context(struct device_domain_info *info,
					      struct dmar_domain *domain)
{
	struct pt_iommu_vtdss_hw_info ss;

	pt_iommu_vtdss_hw_info(&domain->sspt, &ss);
	return intel_lu_context_make(ss.ssptptr, ss.aw, domain_id_iommu(domain, info->iommu),
				     info->ats_supported);
}
