// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-Vi live update: domains and devices in the new kernel.
 *
 * A device that is probed finds its entry in place. It is compared with what the driver
 * would write; if it is equal, the driver's own structures are brought up to date and
 * nothing is written. If not, the device is stopped before anything is taken away.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include "internal.h"

static int block_rid(struct pci_dev *pdev, u16 rid, void *arg)
{
	struct amd_iommu_pci_seg *pci_seg = arg;

	if (rid <= pci_seg->last_bdf)
		amd_lu_block_rid(pci_seg, rid);
	return 0;
}

/**
 * amd_lu_probe - look at what a device brings along
 * @iommu: unit that translates for it
 * @dev: device that is being probed
 *
 * With a record the core decides. An entry that nobody has a record of goes, after the
 * device was stopped. The id of a bridge may be that of a device behind it, so its entry
 * is left to that one.
 */
void amd_lu_probe(struct amd_iommu *iommu, struct device *dev)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);

	if (!iommu_lu_inherited() || !dev_is_pci(dev) || pci_is_bridge(to_pci_dev(dev)) ||
	    !amd_lu_dte_translates(&get_dev_table(iommu)[dev_data->devid]) ||
	    iommu_lu_device_incoming(iommu->pci_seg->id, dev_data->devid))
		return;

	iommu_lu_pci_quiesce(dev);
	amd_lu_walk_rids(iommu, dev, block_rid, iommu->pci_seg);
	amd_iommu_flush_all_caches(iommu);
	pr_err("%s: not taken over: there is no record of it; bus master is off\n",
	       dev_name(dev));
}

/*
 * In the recorded format, whatever the command line wants for new domains
 * (amd_iommu=pgtbl_v2).
 */
struct iommu_domain *amd_lu_restore_domain(struct device *dev, struct iommu_lu_domain *ldom)
{
	struct iommu_domain *domain;
	int ret;

	if (ldom->ser.format != IOMMU_DOMAIN_SER_FMT_AMDV1)
		return ERR_PTR(-EOPNOTSUPP);
	domain = amd_iommu_domain_alloc_paging_v1(dev, 0);
	if (IS_ERR(domain))
		return domain;
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	domain->owner = &amd_iommu_ops;
	ret = iommu_lu_pt_adopt(domain, &ldom->ser);
	if (!ret)
		return domain;
	iommu_domain_free(domain);
	return ERR_PTR(ret);
}

/* The domain's own id; it was taken when the unit was adopted. */
static int restore_id(struct iommu_lu_domain *ldom, struct protection_domain *domain, u16 did)
{
	if (domain->id == did)
		return 0;
	/* a domain has one id, and the first of its devices has brought it */
	if (!list_empty(&domain->dev_list) || !amd_lu_give_id(ldom, did))
		return -EINVAL;
	amd_iommu_pdom_id_free(domain->id);
	domain->id = did;
	return 0;
}

static bool has_rid(const struct iommu_device_ser *ser, u16 rid)
{
	int i;

	for (i = 0; i < ser->nr_rids; i++)
		if (ser->rids[i] == rid)
			return true;
	return false;
}

/* This kernel would leave alone what it does not know of, when the domain is replaced. */
static int check_rids(struct amd_iommu *iommu, struct device *dev,
		      const struct iommu_device_ser *recorded)
{
	struct iommu_device_ser now = {};
	bool same;
	int ret, i;

	ret = amd_lu_rids(iommu, dev, &now);
	if (ret)
		return ret;
	same = now.nr_rids == recorded->nr_rids;
	for (i = 0; i < now.nr_rids && same; i++)
		same = has_rid(recorded, now.rids[i]) && search_dev_data(iommu, now.rids[i]);
	if (same)
		return 0;
	dev_err(dev, "iommu_lu: its requester ids are not those that were recorded\n");
	return -EINVAL;
}

/* Every entry through which the hardware reaches the tables is what attach would write. */
int amd_lu_restore_device(struct device *dev, struct iommu_domain *domain,
			  struct iommu_lu_device *ldev)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	struct amd_iommu *iommu = get_amd_iommu_from_dev(dev);
	struct protection_domain *pdom = to_pdomain(domain);
	struct dev_table_entry *live, want;
	int ret, i;

	ret = check_rids(iommu, dev, &ldev->ser) ?:
	      restore_id(ldev->domain, pdom, ldev->ser.amd.did);
	if (ret)
		return ret;
	want = amd_lu_want(dev_data, pdom);
	for (i = 0; i < ldev->ser.nr_rids; i++) {
		live = &get_dev_table(iommu)[ldev->ser.rids[i]];
		if (amd_lu_dte_equal(live, &want))
			continue;
		pr_err("iommu%d: device table entry is %#llx:%#llx, the restored domain needs %#llx:%#llx\n",
		       iommu->index, live->data[1], live->data[0], want.data[1], want.data[0]);
		return -EINVAL;
	}
	return 0;
}

/* With all that this kernel knows as aliases of the device. */
static void block(struct device *dev)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	struct amd_iommu *iommu = get_amd_iommu_from_dev(dev);
	struct dev_table_entry *live, new;
	u16 did;

	live = &get_dev_table(iommu)[dev_data->devid];
	did = amd_lu_dte_did(live);
	new = amd_lu_dte_blocking(live);
	amd_iommu_update_dte(iommu, dev_data, &new);
	if (did)
		amd_iommu_flush_tlb_domid(iommu, did);
}

void amd_lu_quiesce_device(struct device *dev)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	struct amd_iommu *iommu = get_amd_iommu_from_dev(dev);
	struct iommu_lu_device *ldev;

	scoped_guard(mutex, &dev_data->mutex)
		if (!dev_data->domain)
			block(dev);
	ldev = iommu_lu_device_incoming(iommu->pci_seg->id, dev_data->devid);
	/* What a record says that is not sound may be about others; amd_lu_sweep() comes. */
	if (!ldev || !ldev->unit)
		return;
	amd_lu_block_inherited(iommu, ldev);
	amd_lu_drop_id(ldev);
}

/**
 * amd_lu_ignore - the driver cannot handle a device
 * @iommu: unit that translates for it
 * @dev: device; its entry is about to be cleared, and that lets all its DMA through
 *
 * Return: true if it is one that was running. It was stopped, and its entries block now.
 */
bool amd_lu_ignore(struct amd_iommu *iommu, struct device *dev)
{
	struct iommu_lu_device *ldev;
	u16 devid;

	if (!iommu_lu_inherited() || !dev_is_pci(dev))
		return false;
	iommu_lu_pci_quiesce(dev);
	devid = pci_dev_id(to_pci_dev(dev));
	ldev = iommu_lu_device_incoming(iommu->pci_seg->id, devid);
	if (ldev)
		ldev->failed = -ENOMEM;
	else if (!amd_lu_dte_translates(&get_dev_table(iommu)[devid]))
		return false;
	amd_lu_walk_rids(iommu, dev, block_rid, iommu->pci_seg);
	amd_iommu_flush_all_caches(iommu);
	pr_err("%s: not taken over: the IOMMU ignores it; bus master is off\n", dev_name(dev));
	return true;
}

/**
 * amd_lu_wants_v1 - must a new domain have host page tables, whatever the command line says?
 * @dev: device it is allocated for
 *
 * Only such a domain can replace a restored one.
 */
bool amd_lu_wants_v1(struct device *dev)
{
	return iommu_lu_held(dev);
}

/*
 * The hardware is attached already. amd_lu_restore_device() has compared, so only the
 * driver has to learn of it.
 */
static int attach_restored(struct protection_domain *domain, struct device *dev)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	int ret;

	guard(mutex)(&dev_data->mutex);
	ret = pdom_attach_iommu(get_amd_iommu_from_dev(dev), domain);
	if (ret)
		return ret;
	dev_data->domain = domain;
	dev_data->use_vapic = AMD_IOMMU_GUEST_IR_VAPIC(amd_iommu_guest_ir);
	guard(spinlock_irqsave)(&domain->lock);
	list_add(&dev_data->list, &domain->dev_list);
	return 0;
}

static bool is_v1(struct protection_domain *domain)
{
	return domain->domain.type & __IOMMU_DOMAIN_PAGING && domain->pd_mode == PD_MODE_V1;
}

/**
 * amd_lu_attach - attach a restored domain, or another one in place of it
 * @domain: domain to be attached, another one than now
 * @dev: device
 * @ret: result, if it was done here
 *
 * The device goes on doing DMA: there is no moment without a translation.
 *
 * Bridges in the group of a device are left to the driver: they have no domain before,
 * and get that of the device.
 *
 * Context: group mutex held.
 * Return: false if this is neither of the two: go on as usual.
 */
bool amd_lu_attach(struct iommu_domain *domain, struct device *dev, int *ret)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	struct protection_domain *old = dev_data->domain;

	if (!iommu_lu_is_restored(domain) && (!old || !iommu_lu_is_restored(&old->domain)))
		return false;
	if (!dev_is_pci(dev) || pci_is_bridge(to_pci_dev(dev)))
		return false;

	if (!old) {
		*ret = attach_restored(to_pdomain(domain), dev);
		return true;
	}
	if (is_v1(to_pdomain(domain)) && is_v1(old)) {
		*ret = amd_lu_replace(to_pdomain(domain), dev);
		return true;
	}
	/* Userspace may choose another one. The kernel attaches its own when nobody cares. */
	if (domain->type != IOMMU_DOMAIN_UNMANAGED)
		return false;
	dev_err(dev, "iommu_lu: only host (v1) page tables can replace the restored ones\n");
	*ret = -EINVAL;
	return true;
}
