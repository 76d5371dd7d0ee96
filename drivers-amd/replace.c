// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-Vi live update: replacing the restored domain of a device.
 *
 * Store; INVALIDATE_DEVTAB_ENTRY for each requester id, COMPLETION_WAIT;
 * INVALIDATE_IOMMU_PAGES for the old domain id, COMPLETION_WAIT. Until the last one is
 * done a request uses one set of tables or the other, and both map memory of the device's
 * owner only. After it the old tables are used by nobody.
 *
 * ATS is not in use with a restored domain, so there is no device-TLB. It stays off until
 * the device is attached the next time.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include "hitless.h"
#include "internal.h"

static int store_entry(struct pci_dev *pdev, u16 rid, void *arg)
{
	struct amd_iommu *iommu = get_amd_iommu_from_dev(&pdev->dev);
	struct iommu_dev_data *dev_data = search_dev_data(iommu, rid);
	struct amd_lu_update *update = arg;
	struct amd_lu_store store;

	/* amd_lu_restore_device() has seen that every requester id has one. */
	guard(spinlock)(&dev_data->dte_lock);
	update->entry = &get_dev_table(iommu)[rid];
	while (amd_lu_next_store(update, &store))
		amd_lu_store128(store.at, store.val);
	return 0;
}

/**
 * amd_lu_replace - move a device from one domain to another
 * @new: new domain
 * @dev: device; one of the two domains is restored, both have host page tables
 *
 * Context: group mutex held.
 * Return: 0, or an error before anything has changed.
 */
int amd_lu_replace(struct protection_domain *new, struct device *dev)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	struct amd_iommu *iommu = get_amd_iommu_from_dev(dev);
	struct protection_domain *old = dev_data->domain;
	struct amd_lu_update update;
	int ret;

	guard(mutex)(&dev_data->mutex);
	ret = pdom_attach_iommu(iommu, new);
	if (ret)
		return ret;

	/* From here on nothing fails. */
	scoped_guard(spinlock_irqsave, &old->lock)
		list_del(&dev_data->list);
	/*
	 * Tables that grow get a new top under this lock, and then it is stored for every
	 * device on the list.
	 */
	scoped_guard(spinlock_irqsave, &new->lock) {
		dev_data->domain = new;
		list_add(&dev_data->list, &new->dev_list);
		update.want = amd_lu_want(dev_data, new);
		amd_lu_walk_rids(iommu, dev, store_entry, &update);
	}
	device_flush_dte(dev_data);
	iommu_completion_wait(iommu);
	amd_iommu_flush_tlb_domid(iommu, old->id);

	pdom_detach_iommu(iommu, old);
	/* as amd_iommu_attach_device() */
	dev_data->use_vapic = AMD_IOMMU_GUEST_IR_VAPIC(amd_iommu_guest_ir) &&
			      new->domain.type == IOMMU_DOMAIN_UNMANAGED;
	return 0;
}
