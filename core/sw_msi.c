// SPDX-License-Identifier: GPL-2.0
/*
 * MSI doorbells of a device that is on its restored domain.
 *
 * Where an IOMMU translates the writes that are MSIs, the page they go to is mapped into
 * the domain when the first interrupt is set up. The inherited tables cannot change, but
 * may have the page already: then it is used where it is, if the domain that replaces this
 * one will have it in the same place.
 */
#define pr_fmt(fmt) "iommufd: liveupdate: " fmt

#include <linux/iommu.h>
#include <linux/iommu-liveupdate.h>
#include <linux/msi.h>

#include "../../iommufd/iommufd_private.h"

/* Where this kernel maps doorbells for a device. */
static phys_addr_t doorbell_window(struct device *dev)
{
	struct iommu_resv_region *region;
	phys_addr_t start = PHYS_ADDR_MAX;
	LIST_HEAD(regions);

	iommu_get_resv_regions(dev, &regions);
	list_for_each_entry(region, &regions, list)
		if (region->type == IOMMU_RESV_SW_MSI)
			start = region->start;
	iommu_put_resv_regions(dev, &regions);
	return start;
}

/**
 * iommufd_lu_sw_msi - set up an MSI of a device on its restored domain
 * @handle: its attachment, or an error pointer if it was claimed but not attached
 * @domain: its domain
 * @desc: the MSI
 * @msi_addr: physical address that it is to be written to
 *
 * Context: group mutex held.
 * Return: 0, or -EBUSY if it can be set up only after the domain was attached, or replaced.
 */
int iommufd_lu_sw_msi(struct iommu_attach_handle *handle, struct iommu_domain *domain,
		      struct msi_desc *desc, phys_addr_t msi_addr)
{
	const struct iommu_lu_domain *ldom = domain->lu;
	struct device *dev = msi_desc_to_dev(desc);
	struct iommufd_sw_msi_map *map;
	struct iommufd_device *idev;
	unsigned int i;

	if (IS_ERR(handle)) {
		pr_err("%s: interrupts need its HWPT to be attached first\n", dev_name(dev));
		return -EBUSY;
	}
	idev = to_iommufd_handle(handle)->idev;

	for (i = 0; ldom->msi && i < *ldom->nr_msi; i++)
		if (ldom->msi[i].msi_pa == (msi_addr & PAGE_MASK))
			break;
	if (!ldom->msi || i == *ldom->nr_msi || *ldom->msi_start != doorbell_window(dev)) {
		pr_err("%s: interrupts need its domain to be replaced first\n", dev_name(dev));
		return -EBUSY;
	}

	/* The domain that replaces this one needs it as well. */
	guard(mutex)(&idev->ictx->sw_msi_lock);
	list_for_each_entry(map, &idev->ictx->sw_msi_list, sw_msi_item)
		if (map->msi_addr == ldom->msi[i].msi_pa && map->sw_msi_start == *ldom->msi_start)
			__set_bit(map->id, idev->igroup->required_sw_msi.bitmap);
	msi_desc_set_iommu_msi_iova(desc, ldom->msi[i].iova, PAGE_SHIFT);
	return 0;
}
