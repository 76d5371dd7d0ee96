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
		if (!context)
			return 0;
		if (!context_present(context)) {
			/* what intel_lu_clear_unnamed() has left is in no cache */
			context_clear_entry(context);
			__iommu_flush_cache(iommu, context, sizeof(*context));
			return 0;
		}
		context_clear_present(context);
		__iommu_flush_cache(iommu, context, sizeof(*context));
	}
	/* 6.8 "Write Buffer Flushing", for units that need it */
	iommu_flush_write_buffer(iommu);
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

/*
 * Does DMA of an inherited device bear this requester id? Of one that is running, or that is
 * to come: bridges are probed before what is behind them.
 */
static bool is_id_of_incoming(struct intel_iommu *iommu, u16 rid)
{
	struct iommu_lu_unit *unit = intel_lu_adopted(iommu);
	struct iommu_lu_device *ldev;
	int i;

	for (ldev = unit ? unit->first : NULL; ldev; ldev = ldev->next) {
		if (ldev->failed || (ldev->dev && !READ_ONCE(ldev->held)))
			continue;
		for (i = 0; i < ldev->ser.nr_rids; i++)
			if (ldev->ser.rids[i] == rid)
				return true;
	}
	return false;
}

/**
 * intel_lu_probe - look at what a device brings along
 * @dev: device that is being probed; nothing was set up for it
 *
 * A device that was handed over keeps its entries; in scalable mode it has its PASID
 * table afterwards. So does a bridge keep the entry through which a device behind it does
 * its DMA. A device with entries that are not its own, or not as recorded, is stopped, and
 * the entries are removed: those of a device that has vanished, those left behind by a
 * finished live update, those of a record that is not sound.
 *
 * Context: iommu_probe_device_lock held.
 */
void intel_lu_probe(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_iommu *iommu = info->iommu;
	const char *why = "there is no record of it";
	u64 *dir = NULL, *table = NULL;
	struct iommu_lu_device *ldev;
	struct intel_lu_context context;
	u16 rid;

	if (!iommu_lu_inherited() || !dev_is_pci(dev) || dev_is_real_dma_subdevice(dev))
		return;
	rid = PCI_DEVID(info->bus, info->devfn);
	context = intel_lu_read_context(iommu, rid);
	if (!context.lo && !context.hi)
		return;

	ldev = iommu_lu_device_incoming(info->segment, rid);
	if (!ldev && pci_is_bridge(to_pci_dev(dev)) && is_id_of_incoming(iommu, rid))
		return;
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
	intel_lu_walk_rids(dev, clear_context, iommu);
	iommu_free_pages(table);
	iommu_free_pages(dir);
	pr_err("%s: not taken over: %s; bus master is off\n", dev_name(dev), why);
}

/**
 * intel_lu_unprobe - undo intel_lu_probe(): the driver cannot go on with a device
 * @dev: device
 *
 * The hardware is still using the PASID table that was taken over, so stop the device and
 * remove its entries before it is freed. The core sees that the probe has failed and drops
 * what else there is.
 *
 * Context: iommu_probe_device_lock held.
 */
void intel_lu_unprobe(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (!info->pasid_table ||
	    !iommu_lu_device_incoming(info->segment, PCI_DEVID(info->bus, info->devfn)))
		return;
	iommu_lu_pci_quiesce(dev);
	intel_lu_walk_rids(dev, clear_context, info->iommu);
	intel_pasid_free_table(dev);
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
		/* the PASID directory and table were compared by intel_lu_probe() */
		ret = check_pasid(info, dmar_domain);
		want.lo = ldev->ser.intel.context_lo;
		want.hi = ldev->ser.intel.context_hi;
	} else {
		want = intel_lu_want_context(info, dmar_domain);
	}
	for (i = 0; i < ldev->ser.nr_rids && !ret; i++)
		ret = check_context(iommu, ldev->ser.rids[i], want);
	return ret;
}

void intel_lu_quiesce_device(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct iommu_lu_device *ldev;

	/* it is on a domain of this kernel, and none of its entries is inherited */
	if (info->domain_attached)
		return;
	/*
	 * Take away the entries of all its requester ids, and invalidate. There is no domain
	 * to be detached from (info->domain is NULL), but device_block_translation() does
	 * nothing unless it believes that there are entries.
	 */
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

struct in_place {
	struct intel_iommu *iommu;
	struct intel_lu_context want;
};

static int not_in_place(u16 rid, void *arg)
{
	struct in_place *in_place = arg;

	return !intel_lu_context_equal(intel_lu_read_context(in_place->iommu, rid),
				       in_place->want);
}

/*
 * Is the hardware attached? Not after somebody has blocked the device meanwhile, for a reset
 * say. The domain has its id, see intel_lu_restore_id().
 */
static bool is_in_place(struct device *dev, struct dmar_domain *domain)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct in_place in_place = { .iommu = info->iommu };
	struct intel_lu_context context;
	struct intel_lu_pasid want;

	if (!xa_load(&domain->iommu_array, info->iommu->seq_id))
		return false;
	if (!sm_supported(info->iommu)) {
		in_place.want = intel_lu_want_context(info, domain);
		return !intel_lu_walk_rids(dev, not_in_place, &in_place);
	}
	want = intel_lu_want_pasid(info->iommu, domain);
	context = intel_lu_read_context(info->iommu, PCI_DEVID(info->bus, info->devfn));
	return context.lo & INTEL_ENTRY_PRESENT && info->pasid_table &&
	       intel_lu_device_pasid(info) &&
	       !memcmp(intel_lu_device_pasid(info), &want, sizeof(want));
}

/*
 * Take a bridge off the domain that its group could not get. Only for software: its
 * requester id, and so the entry, is that of the device behind it, which has not moved.
 */
static void leave_domain(struct device_domain_info *info)
{
	struct dmar_domain *domain = info->domain;

	if (!domain)
		return;
	cache_tag_unassign_domain(domain, info->dev, IOMMU_NO_PASID);
	scoped_guard(spinlock_irqsave, &domain->lock)
		list_del(&info->link);
	domain_detach_iommu(domain, info->iommu);
	info->domain = NULL;
	info->domain_attached = false;
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

/* See intel_lu_attach(). */
static bool attach(struct dmar_domain *domain, struct device *dev, int *ret)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	/* back to it, because attaching another one has failed: it was never left */
	if (info->domain == domain) {
		*ret = 0;
		return true;
	}
	/* likewise: bridges in the group of a device have not been on it */
	if (pci_is_bridge(to_pci_dev(dev))) {
		if (is_id_of_incoming(info->iommu, PCI_DEVID(info->bus, info->devfn)))
			leave_domain(info);
		else
			device_block_translation(dev);
		*ret = 0;
		return true;
	}
	if (info->domain_attached || !is_in_place(dev, domain))
		return false;
	*ret = attach_restored(domain, dev);
	return true;
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
 * Return: false if this is neither of the two, or if the device is not attached to the
 * restored domain any more: go on as usual, block it and write its entries.
 */
bool intel_lu_attach(struct iommu_domain *domain, struct device *dev,
		     struct iommu_domain *old, int *ret)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (iommu_lu_is_restored(domain))
		return attach(to_dmar_domain(domain), dev, ret);
	if (iommu_lu_is_restored(old) && info->domain == to_dmar_domain(old)) {
		*ret = intel_lu_replace(to_dmar_domain(domain), dev, to_dmar_domain(old));
		return true;
	}
	return false;
}
