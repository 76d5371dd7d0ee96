// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update: replacing the restored domain of a device.
 *
 * The order is that of 6.5.3.3 "Guidance to Software for Invalidations" for a context
 * entry that is present and stays so: store; context cache, by device; PASID cache, by
 * the old domain id (scalable mode); IOTLB, by the old domain id; device-TLB, which would
 * else be filled from the IOTLB again. Each command waits for its completion. Until the
 * last one is done a request uses one set of tables or the other, and both map memory of
 * the device's owner only. After it the old tables and the old PASID directory are used by
 * nobody.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <asm/cmpxchg.h>

#include "hitless.h"
#include "internal.h"

struct replace {
	struct intel_iommu *iommu;
	struct intel_lu_update update;
	u64 *dir;
	u16 old_did;
};

static void do_store(struct intel_iommu *iommu, const struct intel_lu_store *store)
{
	if (store->qwords == 2) {
		u128 new = (u128)store->val[1] << 64 | store->val[0];
		u128 old = (u128)store->at[1] << 64 | store->at[0];

		while (!try_cmpxchg128((u128 *)store->at, &old, new))
			;
	} else {
		WRITE_ONCE(*store->at, store->val[0]);
	}
	/* A unit that does not snoop must see them in the same order. */
	__iommu_flush_cache(iommu, store->at, store->qwords * sizeof(u64));
	dma_wmb();
}

static int store_entries(u16 rid, void *arg)
{
	struct replace *replace = arg;
	struct intel_iommu *iommu = replace->iommu;
	struct context_entry *context;
	struct intel_lu_store store;

	guard(spinlock)(&iommu->lock);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
	if (!context)
		return 0;
	replace->update.context = &context->lo;
	while (intel_lu_next_store(&replace->update, &store))
		do_store(iommu, &store);
	return 0;
}

static int flush_context(u16 rid, void *arg)
{
	struct replace *replace = arg;

	replace->iommu->flush.flush_context(replace->iommu, replace->old_did, rid,
					    DMA_CCMD_MASK_NOBIT, DMA_CCMD_DEVICE_INVL);
	return 0;
}

/* All of it: translations of other PASIDs are only lost. */
static void flush_device_tlb(struct device_domain_info *info)
{
	/* an unplugged device would never complete it */
	if (!info->ats_enabled || !pci_device_is_present(to_pci_dev(info->dev)))
		return;
	qi_flush_dev_iotlb(info->iommu, PCI_DEVID(info->bus, info->devfn), info->pfsid,
			   info->ats_qdep, 0, MAX_AGAW_PFN_WIDTH);
	quirk_extra_dev_tlb_flush(info, 0, MAX_AGAW_PFN_WIDTH, IOMMU_NO_PASID, info->ats_qdep);
}

static void flush(struct replace *replace, struct device *dev, struct dmar_domain *old, u16 new_did)
{
	struct intel_iommu *iommu = replace->iommu;

	/* 6.8 "Write Buffer Flushing", for units that need it */
	iommu_flush_write_buffer(iommu);
	intel_lu_walk_rids(dev, flush_context, replace);
	if (sm_supported(iommu)) {
		/* The domains of other PASIDs are affected as well: their tables have moved. */
		if (intel_lu_other_pasids(dev_iommu_priv_get(dev)))
			qi_flush_pasid_cache(iommu, 0, QI_PC_GLOBAL, 0);
		else
			qi_flush_pasid_cache(iommu, replace->old_did, QI_PC_ALL_PASIDS, 0);
		if (intel_domain_is_fs_paging(old))
			qi_flush_piotlb_all(iommu, replace->old_did, IOMMU_NO_PASID);
		/* An emulated unit looks at the new entry only when it is told to. */
		if (cap_caching_mode(iommu->cap)) {
			qi_flush_pasid_cache(iommu, new_did, QI_PC_PASID_SEL, IOMMU_NO_PASID);
			qi_flush_piotlb_all(iommu, new_did, IOMMU_NO_PASID);
		}
	}
	iommu->flush.flush_iotlb(iommu, replace->old_did, 0, 0, DMA_TLB_DSI_FLUSH);
	flush_device_tlb(dev_iommu_priv_get(dev));
}

/*
 * A directory and a table as those in use, but for the device's own entry. Other
 * PASIDs may have been attached since the restore; the group mutex keeps them as they
 * are meanwhile.
 */
static int fresh_tables(struct replace *replace, struct device_domain_info *info)
{
	size_t size = info->pasid_table->max_pasid / 8;
	struct intel_iommu *iommu = replace->iommu;
	u64 *dir, *table;

	dir = iommu_alloc_pages_node_sz(iommu->node, GFP_KERNEL, size);
	if (!dir)
		return -ENOMEM;
	table = iommu_alloc_pages_node_sz(iommu->node, GFP_KERNEL, SZ_4K);
	if (!table) {
		iommu_free_pages(dir);
		return -ENOMEM;
	}
	memcpy(dir, info->pasid_table->table, size);
	dir[0] = 0;
	memcpy(table, intel_lu_device_pasid(info), SZ_4K);
	memset(table, 0, sizeof(struct intel_lu_pasid));
	__iommu_flush_cache(iommu, dir, size);
	__iommu_flush_cache(iommu, table, SZ_4K);

	replace->dir = dir;
	replace->update.dir = dir;
	replace->update.entry = table;
	replace->update.want_dir = virt_to_phys(table) | INTEL_ENTRY_PRESENT;
	return 0;
}

static int prepare(struct replace *replace, struct device_domain_info *info,
		   struct dmar_domain *new)
{
	struct intel_lu_update *update = &replace->update;
	struct intel_lu_context context;
	int ret;

	if (!sm_supported(info->iommu)) {
		update->want_context = intel_lu_want_context(info, new);
		return 0;
	}
	ret = fresh_tables(replace, info);
	if (ret)
		return ret;
	context = intel_lu_read_context(info->iommu, PCI_DEVID(info->bus, info->devfn));
	update->want_entry = intel_lu_want_pasid(info->iommu, new);
	update->want_context.lo = (context.lo & ~INTEL_ENTRY_POINTER) |
				  virt_to_phys(replace->dir);
	update->want_context.hi = context.hi;
	return 0;
}

static void free_old_tables(struct replace *replace, struct device_domain_info *info)
{
	u64 *dir = info->pasid_table->table;
	void *table = intel_lu_device_pasid(info);

	/* Who walks them in memory (debugfs) comes from the context entry, and holds the lock. */
	scoped_guard(spinlock, &info->iommu->lock)
		info->pasid_table->table = replace->dir;
	iommu_free_pages(table);
	iommu_free_pages(dir);
}

/*
 * What was asked of all devices of the domain between preparing the entry and getting on
 * its list.
 */
static void catch_up(struct intel_iommu *iommu, struct device *dev, struct dmar_domain *new,
		     const struct intel_lu_pasid *entry)
{
	lockdep_assert_held(&new->lock);
	if (intel_domain_is_fs_paging(new)) {
		if (new->force_snooping && !(entry->val[1] & INTEL_PASID1_PGSNP))
			intel_pasid_setup_page_snoop_control(iommu, dev, IOMMU_NO_PASID);
	} else if (new->dirty_tracking != !!(entry->val[0] & INTEL_PASID0_SSADE)) {
		/* fails if there is no entry, and there is one */
		intel_pasid_setup_dirty_tracking(iommu, dev, IOMMU_NO_PASID, new->dirty_tracking);
	}
}

/**
 * intel_lu_replace - move a device from its restored domain to a new one
 * @new: new domain
 * @dev: device
 * @old: restored domain that it is attached to
 *
 * Context: group mutex held.
 * Return: 0, or an error before anything has changed.
 */
int intel_lu_replace(struct dmar_domain *new, struct device *dev, struct dmar_domain *old)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_iommu *iommu = info->iommu;
	struct replace replace = { .iommu = iommu };
	unsigned long flags;
	int ret;

	ret = paging_domain_compatible(&new->domain, dev);
	if (ret)
		return ret;
	ret = domain_attach_iommu(new, iommu);
	if (ret)
		return ret;
	ret = cache_tag_assign_domain(new, dev, IOMMU_NO_PASID);
	if (ret)
		goto err_detach;
	ret = prepare(&replace, info, new);
	if (ret)
		goto err_tag;
	ret = iopf_for_domain_replace(&new->domain, &old->domain, dev);
	if (ret)
		goto err_tables;

	/* From here on nothing fails. */
	replace.old_did = domain_id_iommu(old, iommu);
	intel_lu_walk_rids(dev, store_entries, &replace);
	flush(&replace, dev, old, domain_id_iommu(new, iommu));
	if (replace.dir)
		free_old_tables(&replace, info);

	spin_lock_irqsave(&old->lock, flags);
	list_del(&info->link);
	spin_unlock_irqrestore(&old->lock, flags);
	spin_lock_irqsave(&new->lock, flags);
	info->domain = new;
	list_add(&info->link, &new->devices);
	if (replace.dir)
		catch_up(iommu, dev, new, &replace.update.want_entry);
	spin_unlock_irqrestore(&new->lock, flags);

	cache_tag_unassign_domain(old, dev, IOMMU_NO_PASID);
	domain_detach_iommu(old, iommu);
	return 0;

err_tables:
	iommu_free_pages(replace.update.entry);
	iommu_free_pages(replace.dir);
err_tag:
	cache_tag_unassign_domain(new, dev, IOMMU_NO_PASID);
err_detach:
	domain_detach_iommu(new, iommu);
	return ret;
}
