// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update: domains and devices in the new kernel.
 *
 * A device that is probed finds its entries in place. They are compared with its
 * record and with what the driver would write; if all is equal, the driver's own
 * structures are brought up to date and nothing is written. If not, the device is
 * stopped before anything is taken away.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/pci-ats.h>
#include <linux/slab.h>

#include "internal.h"

/* --- probe ---------------------------------------------------------------- */

/*
 * Make the inherited PASID directory the device's own. What has been restored when
 * this fails is in *dir and *table, for the caller to free when nobody uses it.
 */
static const char *adopt_pasid(struct device_domain_info *info,
			       const struct iommu_device_intel_ser *ser,
			       struct intel_lu_context context, u64 **dir, u64 **table)
{
	struct pasid_table *pasid_table;
	u32 i;

	if (context.lo != ser->context_lo || context.hi != ser->context_hi)
		return "context entry differs";
	*dir = iommu_restore_page(ser->pasid_dir_pa);
	if (!*dir || folio_size(virt_to_folio(*dir)) < ser->max_pasid / 8)
		return "PASID directory is not inherited memory";
	if (ser->nr_pasid_tables != 1 ||
	    ((*dir)[0] & ~INTEL_ENTRY_POINTER) != INTEL_ENTRY_PRESENT)
		return "PASID directory is damaged";
	for (i = 1; i < ser->max_pasid >> PASID_PDE_SHIFT; i++)
		if ((*dir)[i])
			return "PASID directory is damaged";

	*table = iommu_restore_page((*dir)[0] & INTEL_ENTRY_POINTER);
	if (!*table)
		return "PASID table is not inherited memory";
	if (memcmp(*table, ser->pasid_entry, sizeof(ser->pasid_entry)) ||
	    memchr_inv((char *)*table + sizeof(ser->pasid_entry), 0,
		       SZ_4K - sizeof(ser->pasid_entry)))
		return "PASID table entry differs";

	pasid_table = kzalloc_obj(*pasid_table);
	if (!pasid_table)
		return "out of memory";
	pasid_table->table = *dir;
	pasid_table->max_pasid = ser->max_pasid;
	info->pasid_table = pasid_table;
	return NULL;
}

static int clear_context(u16 rid, void *arg)
{
	struct intel_iommu *iommu = arg;
	struct context_entry *context;

	scoped_guard(spinlock, &iommu->lock) {
		context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
		if (!context || !context_present(context))
			return 0;
		context_clear_present(context);
		__iommu_flush_cache(iommu, context, sizeof(*context));
	}
	/*
	 * 6.5.3.3: context cache, PASID cache, IOTLB. Of a table that is not to be
	 * trusted nobody knows which domain ids were used, hence globally.
	 */
	iommu->flush.flush_context(iommu, 0, 0, 0, DMA_CCMD_GLOBAL_INVL);
	if (sm_supported(iommu))
		qi_flush_pasid_cache(iommu, 0, QI_PC_GLOBAL, 0);
	iommu->flush.flush_iotlb(iommu, 0, 0, 0, DMA_TLB_GLOBAL_FLUSH);
	context_clear_entry(context);
	__iommu_flush_cache(iommu, context, sizeof(*context));
	return 0;
}

/**
 * intel_lu_probe - look at what a device brings along
 * @dev: device that is being probed; nothing was set up for it
 *
 * A device that was handed over keeps its entries; in scalable mode it has its PASID
 * table afterwards. A device with entries that are not its own, or not as recorded,
 * is stopped, and the entries are removed: those of a device that has vanished, those
 * left behind by a finished live update, those of a record that is not sound.
 */
void intel_lu_probe(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_iommu *iommu = info->iommu;
	const char *why = "there is no record of it";
	u64 *dir = NULL, *table = NULL;
	struct iommu_lu_device *ldev;
	struct intel_lu_context context;

	if (!iommu_lu_inherited() || !dev_is_pci(dev) || dev_is_real_dma_subdevice(dev))
		return;
	context = intel_lu_read_context(iommu, PCI_DEVID(info->bus, info->devfn));
	if (!(context.lo & INTEL_ENTRY_PRESENT))
		return;

	ldev = iommu_lu_device_incoming(info->segment, PCI_DEVID(info->bus, info->devfn));
	if (ldev && !ldev->dev && ldev->unit && ldev->unit->iommu == &iommu->iommu) {
		why = "its record is not sound";
		if (!ldev->failed) {
			why = sm_supported(iommu) ?
			      adopt_pasid(info, &ldev->ser.intel, context, &dir, &table) : NULL;
			if (!why) {
				/* What the previous kernel did not use is not turned on now. */
				if (!intel_lu_context_ats(context, sm_supported(iommu)))
					info->ats_supported = 0;
				return;
			}
			ldev->failed = -EINVAL;
		}
	}

	iommu_lu_pci_quiesce(dev);
	intel_lu_for_each_rid(dev, clear_context, iommu);
	iommu_free_pages(table);
	iommu_free_pages(dir);
	pr_err("%s: not taken over: %s; bus master is off\n", dev_name(dev), why);
}

/* --- restored domains ----------------------------------------------------- */

struct iommu_domain *intel_lu_restore_domain(struct device *dev, struct iommu_lu_domain *ldom)
{
	struct iommu_domain *domain = iommu_lu_pt_restore(dev, ldom);
	struct dmar_domain *dmar_domain;

	if (!IS_ERR(domain) && ldom->ser.features & IOMMU_DOMAIN_SER_FORCE_SNOOP) {
		dmar_domain = to_dmar_domain(domain);
		/* second stage: a bit in each leaf entry; first stage: PGSNP */
		if (intel_domain_is_ss_paging(dmar_domain))
			dmar_domain->sspt.vtdss_pt.common.features |=
				BIT(PT_FEAT_VTDSS_FORCE_COHERENCE);
		dmar_domain->force_snooping = true;
	}
	return domain;
}

/**
 * intel_lu_restore_id - give a restored domain the id it has on a unit
 * @iommu: unit that has taken the id
 * @domain: restored domain
 * @did: the id
 *
 * It has the id until it is freed, whoever is attached meanwhile: another device of the
 * domain may be probed after the last one has left.
 *
 * Return: 0, also when it has that id already; -EINVAL it has another one; -ENOMEM.
 */
int intel_lu_restore_id(struct intel_iommu *iommu, struct dmar_domain *domain, u16 did)
{
	struct iommu_domain_info *id, *curr;

	id = kzalloc_obj(*id);
	if (!id)
		return -ENOMEM;
	id->did = did;
	id->iommu = iommu;
	id->refcnt = 1;

	guard(mutex)(&iommu->did_lock);
	curr = xa_cmpxchg(&domain->iommu_array, iommu->seq_id, NULL, id, GFP_KERNEL);
	if (!curr)
		return 0;
	kfree(id);
	if (xa_is_err(curr))
		return xa_err(curr);
	return curr->did == did ? 0 : -EINVAL;
}

/**
 * intel_lu_free_ids - undo intel_lu_restore_id() for all units
 * @domain: about to be freed
 */
void intel_lu_free_ids(struct dmar_domain *domain)
{
	struct iommu_domain_info *id;
	unsigned long index;

	if (!iommu_lu_is_restored(&domain->domain))
		return;
	xa_for_each(&domain->iommu_array, index, id) {
		ida_free(&id->iommu->domain_ida, id->did);
		xa_erase(&domain->iommu_array, index);
		kfree(id);
	}
}

static int check_context(struct intel_iommu *iommu, u16 rid, struct intel_lu_context want)
{
	struct intel_lu_context present = intel_lu_read_context(iommu, rid);

	if (intel_lu_context_equal(present, want))
		return 0;
	pr_err("%s: context entry is %#llx:%#llx, the restored domain needs %#llx:%#llx\n",
	       iommu->name, present.hi, present.lo, want.hi, want.lo);
	return -EINVAL;
}

static int check_pasid(struct device_domain_info *info, struct dmar_domain *domain)
{
	struct intel_lu_pasid want = intel_lu_want_pasid(info->iommu, domain);
	struct intel_lu_pasid *present = info->pasid_table ? intel_lu_device_pasid(info) : NULL;

	if (present && !memcmp(present, &want, sizeof(want)))
		return 0;
	pr_err("%s: PASID table entry is %#llx:%#llx:%#llx, the restored domain needs %#llx:%#llx:%#llx\n",
	       info->iommu->name, present ? present->val[2] : 0, present ? present->val[1] : 0,
	       present ? present->val[0] : 0, want.val[2], want.val[1], want.val[0]);
	return -EINVAL;
}

/*
 * Whatever the device translates itself it will be told to forget by a driver that knows
 * of it, and in the units that it uses.
 */
static int check_ats(struct device_domain_info *info, const struct iommu_device_ser *ser)
{
	u16 want = PCI_ATS_CTRL_ENABLE | PCI_ATS_CTRL_STU(VTD_PAGE_SHIFT - PCI_ATS_MIN_STU);

	if (!ser->ats_control || (info->ats_supported && ser->ats_control == want))
		return 0;
	dev_err(info->dev, "iommu_lu: ATS control is %#x, %s\n", ser->ats_control,
		info->ats_supported ? "in other units" : "the driver does not use it");
	return -EINVAL;
}

/* Every entry through which the hardware reaches the tables is what attach would write. */
int intel_lu_restore_device(struct device *dev, struct iommu_domain *domain,
			    struct iommu_lu_device *ldev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct intel_iommu *iommu = info->iommu;
	struct intel_lu_context want;
	int ret, i;

	ret = check_ats(info, &ldev->ser) ?:
	      intel_lu_restore_id(iommu, dmar_domain, ldev->ser.intel.did);
	if (ret)
		return ret;
	if (sm_supported(iommu)) {
		/* the way there was compared with the record by intel_lu_probe() */
		return check_pasid(info, dmar_domain);
	}
	want = intel_lu_want_context(info, dmar_domain);
	for (i = 0; i < ldev->ser.nr_rids && !ret; i++)
		ret = check_context(iommu, ldev->ser.rids[i], want);
	return ret;
}

void intel_lu_quiesce_device(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct iommu_lu_device *ldev;

	if (info->domain_attached)
		return;
	/* The inherited entry is still there; no domain of this kernel owns it. */
	info->domain_attached = true;
	device_block_translation(dev);

	ldev = iommu_lu_device_incoming(info->segment, PCI_DEVID(info->bus, info->devfn));
	if (ldev && ldev->unit && ldev->unit->iommu == &info->iommu->iommu)
		intel_lu_drop_id(info->iommu, ldev);
}

/*
 * The device itself cannot be told to forget what it has translated: it is not there, or
 * nobody knows how to reach it. A translated request needs a present context entry, too.
 * The tables that only the device has used stay reserved.
 */
void intel_lu_forget_device(struct iommu_lu_device *ldev)
{
	struct intel_iommu *iommu = to_intel_iommu(ldev->unit->iommu);
	int i;

	for (i = 0; i < ldev->ser.nr_rids; i++)
		clear_context(ldev->ser.rids[i], iommu);
	intel_lu_drop_id(iommu, ldev);
}

/*
 * The hardware is attached already. intel_lu_restore_device() has compared, so only
 * the driver has to learn of it.
 */
static int attach_restored(struct dmar_domain *domain, struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_iommu *iommu = info->iommu;
	int ret;

	/* back to it, because attaching another one has failed: it was never left */
	if (info->domain == domain)
		return 0;
	/* likewise: bridges in the group of a device do no DMA of their own */
	if (pci_is_bridge(to_pci_dev(dev))) {
		device_block_translation(dev);
		return 0;
	}

	ret = paging_domain_compatible(&domain->domain, dev);
	if (ret)
		return ret;
	ret = domain_attach_iommu(domain, iommu);
	if (ret)
		return ret;
	/* In scalable mode probe_finalize() does it. It is on already: nothing is written. */
	if (!sm_supported(iommu))
		iommu_enable_pci_ats(info);
	ret = cache_tag_assign_domain(domain, dev, IOMMU_NO_PASID);
	if (ret) {
		domain_detach_iommu(domain, iommu);
		return ret;
	}

	info->domain = domain;
	info->domain_attached = true;
	guard(spinlock_irqsave)(&domain->lock);
	list_add(&info->link, &domain->devices);
	return 0;
}

/**
 * intel_lu_attach - attach a restored domain, or another one in place of it
 * @domain: domain to be attached
 * @dev: device
 * @old: domain it is on
 * @ret: result, if it was done here
 *
 * The device goes on doing DMA: there is no moment without a translation.
 *
 * Context: group mutex held.
 * Return: false if this is neither of the two: go on as usual.
 */
bool intel_lu_attach(struct iommu_domain *domain, struct device *dev,
		     struct iommu_domain *old, int *ret)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (iommu_lu_is_restored(domain)) {
		*ret = attach_restored(to_dmar_domain(domain), dev);
		return true;
	}
	if (iommu_lu_is_restored(old) && info->domain == to_dmar_domain(old)) {
		*ret = intel_lu_replace(to_dmar_domain(domain), dev, to_dmar_domain(old));
		return true;
	}
	return false;
}
