// SPDX-License-Identifier: GPL-2.0
/*
 * MSI doorbells of a device that is on its restored domain.
 *
 * Where an IOMMU translates the writes that are MSIs, the page they go to is mapped into
 * the domain when the first interrupt is set up. The inherited tables cannot change, but
 * may have the page already: then it is used where it is.
 */
#define pr_fmt(fmt) "iommufd: liveupdate: " fmt

#include <linux/iommu.h>
#include <linux/iommu-liveupdate.h>
#include <linux/msi.h>

#include "../../iommufd/iommufd_private.h"

/**
 * iommufd_lu_sw_msi - set up an MSI of a device on its restored domain
 * @idev: device
 * @domain: its domain
 * @desc: the MSI
 * @msi_addr: physical address that it is to be written to
 *
 * Context: group mutex held.
 * Return: 0, or -EBUSY if it can be set up only after the domain was replaced.
 */
int iommufd_lu_sw_msi(struct iommufd_device *idev, struct iommu_domain *domain,
		      struct msi_desc *desc, phys_addr_t msi_addr)
{
	const struct iommu_lu_domain *ldom = domain->lu;
	struct iommufd_ctx *ictx = idev->ictx;
	struct iommufd_sw_msi_map *map;
	unsigned int i;

	for (i = 0; ldom->msi && i < *ldom->nr_msi; i++)
		if (ldom->msi[i].msi_pa == (msi_addr & PAGE_MASK))
			break;
	if (!ldom->msi || i == *ldom->nr_msi) {
		pr_err("%s: interrupts need its domain to be replaced first\n",
		       dev_name(idev->dev));
		return -EBUSY;
	}

	/* The domain that replaces this one needs it as well. */
	guard(mutex)(&ictx->sw_msi_lock);
	list_for_each_entry(map, &ictx->sw_msi_list, sw_msi_item)
		if (map->msi_addr == ldom->msi[i].msi_pa && map->sw_msi_start == *ldom->msi_start)
			__set_bit(map->id, idev->igroup->required_sw_msi.bitmap);
	msi_desc_set_iommu_msi_iova(desc, ldom->msi[i].iova, PAGE_SHIFT);
	return 0;
}
