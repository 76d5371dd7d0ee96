// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update, legacy mode.
 *
 * Old kernel. The tables the hardware uses are shared with devices that are not
 * preserved, and change while the system runs. So each unit gets a second root
 * table, which holds the context entries of the preserved requester ids and of
 * nothing else. Hardware is pointed to it once, at shutdown, when no CPU but
 * this one runs: preserved devices see an equal entry, all others see none and
 * are blocked. Undoing a preserve never touches the hardware.
 *
 * New kernel. The unit is adopted with translation on. That root table becomes
 * the unit's own, the domain ids in it are taken, and drivers attach devices to
 * it as to any other. The first attach of a restored domain finds its entry in
 * place and writes nothing.
 *
 * Register names and sections are those of the VT-d specification.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/dmar.h>
#include <linux/iommu-liveupdate.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <asm/cmpxchg.h>

#include "../../intel/iommu.h"
#include "../../iommu-pages.h"
#include "context.h"
#include "vtd.h"

#define ROOT_ENTRY_NR (VTD_PAGE_SIZE / sizeof(struct root_entry))

/**
 * struct intel_lu_shadow - the tables a unit is switched to
 * @root: root table
 * @context: context table of each bus, if any
 * @users: preserved requester ids on each bus
 */
struct intel_lu_shadow {
	struct root_entry *root;
	struct context_entry *context[ROOT_ENTRY_NR];
	u16 users[ROOT_ENTRY_NR];
};

static struct intel_iommu *to_intel_iommu(struct iommu_device *iommu)
{
	return container_of(iommu, struct intel_iommu, iommu);
}

static void *alloc_table(struct intel_iommu *iommu)
{
	void *table = iommu_alloc_pages_node_sz(iommu->node, GFP_KERNEL, SZ_4K);

	if (!table)
		return NULL;
	__iommu_flush_cache(iommu, table, SZ_4K);
	if (iommu_preserve_page(table)) {
		iommu_free_pages(table);
		return NULL;
	}
	return table;
}

static void free_table(void *table)
{
	iommu_unpreserve_page(table);
	iommu_free_pages(table);
}

/* --- old kernel --------------------------------------------------------- */

static int intel_lu_preserve_unit(struct iommu_device *iommu_dev, struct iommu_lu_unit *unit)
{
	struct intel_iommu *iommu = to_intel_iommu(iommu_dev);
	struct intel_lu_shadow *shadow;
	int ret;

	if (sm_supported(iommu)) {
		pr_err("%s: scalable mode is not carried\n", iommu->name);
		return -EOPNOTSUPP;
	}
	if (!system_has_cmpxchg128()) {
		pr_err("%s: the CPU cannot store a context entry at once\n", iommu->name);
		return -EOPNOTSUPP;
	}

	shadow = kzalloc_obj(*shadow);
	if (!shadow)
		return -ENOMEM;
	shadow->root = alloc_table(iommu);
	if (!shadow->root) {
		kfree(shadow);
		return -ENOMEM;
	}
	ret = intel_lu_irq_preserve(iommu, &unit->ser.intel);
	if (ret) {
		free_table(shadow->root);
		kfree(shadow);
		return ret;
	}

	unit->priv = shadow;
	unit->ser.token = iommu->reg_phys;
	unit->ser.type = IOMMU_HW_SER_INTEL;
	unit->ser.segment = iommu->segment;
	unit->ser.intel.cap = iommu->cap;
	unit->ser.intel.ecap = iommu->ecap;
	unit->ser.intel.root_pa = virt_to_phys(shadow->root);
	return 0;
}

static void intel_lu_unpreserve_unit(struct iommu_device *iommu_dev, struct iommu_lu_unit *unit)
{
	struct intel_lu_shadow *shadow = unit->priv;

	intel_lu_irq_unpreserve(&unit->ser.intel);
	free_table(shadow->root);
	kfree(shadow);
}

static struct intel_lu_context read_context(struct intel_iommu *iommu, u16 rid)
{
	struct intel_lu_context entry = {};
	struct context_entry *context;

	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
	if (context) {
		entry.lo = READ_ONCE(context->lo);
		entry.hi = READ_ONCE(context->hi);
	}
	spin_unlock(&iommu->lock);
	return entry;
}

static void shadow_remove(struct iommu_lu_unit *unit, struct intel_iommu *iommu, u16 rid)
{
	struct intel_lu_shadow *shadow = unit->priv;
	u8 bus = PCI_BUS_NUM(rid);

	context_clear_entry(&shadow->context[bus][rid & 0xff]);
	if (--shadow->users[bus])
		return;
	shadow->root[bus].lo = 0;
	__iommu_flush_cache(iommu, &shadow->root[bus], sizeof(shadow->root[bus]));
	free_table(shadow->context[bus]);
	shadow->context[bus] = NULL;
	unit->ser.intel.nr_context_tables--;
}

static int shadow_add(struct iommu_lu_unit *unit, struct intel_iommu *iommu, u16 rid,
		      struct intel_lu_context entry)
{
	struct intel_lu_shadow *shadow = unit->priv;
	struct context_entry *context;
	u8 bus = PCI_BUS_NUM(rid);

	if (!shadow->context[bus]) {
		shadow->context[bus] = alloc_table(iommu);
		if (!shadow->context[bus])
			return -ENOMEM;
		shadow->root[bus].lo = virt_to_phys(shadow->context[bus]) | 1;
		__iommu_flush_cache(iommu, &shadow->root[bus], sizeof(shadow->root[bus]));
		unit->ser.intel.nr_context_tables++;
	}

	context = &shadow->context[bus][rid & 0xff];
	context->lo = entry.lo;
	context->hi = entry.hi;
	__iommu_flush_cache(iommu, context, sizeof(*context));
	shadow->users[bus]++;
	return 0;
}

static int intel_lu_preserve_device(struct device *dev, struct iommu_domain *domain,
				    struct iommu_lu_device *ldev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct iommu_device_ser *ser = &ldev->ser;
	struct intel_iommu *iommu = info->iommu;
	struct intel_lu_context entry;
	int ret, i;

	if (info->domain != dmar_domain || !intel_domain_is_ss_paging(dmar_domain)) {
		dev_err(dev, "iommu_lu: this kind of attachment is not carried\n");
		return -EOPNOTSUPP;
	}
	ret = iommu_lu_pci_rids(dev, ser);
	if (ret)
		return ret;

	/* A reference of our own: the id stays with the domain whatever happens. */
	ret = domain_attach_iommu(dmar_domain, iommu);
	if (ret)
		return ret;

	entry = read_context(iommu, ser->rids[0]);
	ser->intel.did = domain_id_iommu(dmar_domain, iommu);
	ser->intel.context_lo = entry.lo;
	ser->intel.context_hi = entry.hi;

	for (i = 0; i < ser->nr_rids; i++) {
		ret = -EOPNOTSUPP;
		if (!(entry.lo & INTEL_CONTEXT_PRESENT) ||
		    intel_lu_context_did(entry) != ser->intel.did ||
		    !intel_lu_context_equal(entry, read_context(iommu, ser->rids[i]))) {
			dev_err(dev, "iommu_lu: context entry of %02x:%02x.%x is not its domain's\n",
				PCI_BUS_NUM(ser->rids[i]), PCI_SLOT(ser->rids[i]),
				PCI_FUNC(ser->rids[i]));
			goto err_remove;
		}
		ret = shadow_add(ldev->unit, iommu, ser->rids[i], entry);
		if (ret)
			goto err_remove;
	}
	return 0;

err_remove:
	while (i--)
		shadow_remove(ldev->unit, iommu, ser->rids[i]);
	domain_detach_iommu(dmar_domain, iommu);
	return ret;
}

static void intel_lu_unpreserve_device(struct device *dev, struct iommu_domain *domain,
				       struct iommu_lu_device *ldev)
{
	struct intel_iommu *iommu = to_intel_iommu(ldev->unit->iommu);
	int i;

	for (i = 0; i < ldev->ser.nr_rids; i++)
		shadow_remove(ldev->unit, iommu, ldev->ser.rids[i]);
	domain_detach_iommu(to_dmar_domain(domain), iommu);
}

static int intel_lu_freeze_device(struct device *dev, struct iommu_lu_device *ldev)
{
	struct intel_iommu *iommu = to_intel_iommu(ldev->unit->iommu);
	struct intel_lu_context recorded = {
		.lo = ldev->ser.intel.context_lo,
		.hi = ldev->ser.intel.context_hi,
	};
	int i;

	for (i = 0; i < ldev->ser.nr_rids; i++) {
		if (intel_lu_context_equal(recorded, read_context(iommu, ldev->ser.rids[i])))
			continue;
		dev_err(dev, "iommu_lu: its context entry changed after it was preserved\n");
		return -EBUSY;
	}
	return 0;
}

static int intel_lu_preserve_domain(struct iommu_domain *domain, struct iommu_lu_domain *ldom)
{
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);

	if (!intel_domain_is_ss_paging(dmar_domain) || dmar_domain->nested_parent ||
	    dmar_domain->dirty_tracking)
		return -EOPNOTSUPP;
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
 * for the others. The type of the table does not change.
 *
 * Fault events are masked (Fault Event Control Register, IM): their message
 * would go to a vector that nobody owns. Faults are still recorded.
 *
 * Context: only this CPU runs.
 * Return: false if nothing behind the unit is preserved.
 */
bool intel_lu_shutdown(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit = iommu->iommu.lu;
	struct intel_lu_shadow *shadow;

	if (!unit || !iommu_lu_sealed())
		return false;

	shadow = unit->priv;
	writel(DMA_FECTL_IM, iommu->reg + DMAR_FECTL_REG);
	readl(iommu->reg + DMAR_FECTL_REG);

	intel_lu_irq_shutdown(iommu, &unit->ser.intel);

	iommu->root_entry = shadow->root;
	iommu_set_root_entry(iommu);
	pr_info("%s: switched to the preserved tables\n", iommu->name);
	return true;
}

/* --- new kernel --------------------------------------------------------- */

static int adopt_root(struct intel_iommu *iommu, const struct iommu_intel_ser *ser,
		      const char **why)
{
	u64 rtaddr = readq(iommu->reg + DMAR_RTADDR_REG);
	struct root_entry *root;
	unsigned int nr = 0;
	int bus;

	*why = "translation is not on";
	if (!(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES))
		return -EINVAL;
	*why = "scalable mode differs";
	if ((ser->flags & IOMMU_INTEL_SER_SCALABLE) || sm_supported(iommu) ||
	    (rtaddr & DMA_RTADDR_SMT))
		return -EINVAL;
	*why = "capabilities differ";
	if (ser->cap != iommu->cap || ser->ecap != iommu->ecap)
		return -EINVAL;
	*why = "root table pointer differs";
	if ((rtaddr & VTD_PAGE_MASK) != ser->root_pa)
		return -EINVAL;

	root = phys_to_virt(ser->root_pa);
	*why = "root table is damaged";
	for (bus = 0; bus < ROOT_ENTRY_NR; bus++) {
		if (!root[bus].lo && !root[bus].hi)
			continue;
		if (root[bus].hi || (root[bus].lo & ~VTD_PAGE_MASK) != 1)
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
	for (bus = 0; bus < ROOT_ENTRY_NR; bus++)
		if (root[bus].lo && !iommu_restore_page(root[bus].lo & VTD_PAGE_MASK))
			return -EINVAL;

	iommu->root_entry = root;
	return 0;
}

/*
 * Take the domain ids before the first domain is allocated: one per domain. One
 * that cannot be taken would go to another domain later, while cached
 * translations still bear it: then the unit is not taken over.
 */
static int adopt_ids(struct intel_iommu *iommu, struct iommu_lu_unit *unit, const char **why)
{
	struct iommu_lu_device *ldev;
	struct xarray owners;
	int ret = 0;

	*why = "a domain id is not free";
	xa_init(&owners);
	for (ldev = unit->first; ldev; ldev = ldev->next) {
		u16 did = ldev->ser.intel.did;

		if (xa_load(&owners, did) == ldev->domain)
			continue;
		ret = xa_insert(&owners, did, ldev->domain, GFP_KERNEL);
		if (ret)
			break;
		ret = ida_alloc_range(&iommu->domain_ida, did, did, GFP_KERNEL);
		if (ret < 0)
			break;
		ret = 0;
	}
	xa_destroy(&owners);
	return ret;
}

/**
 * intel_lu_adopt - take a unit over with translation on
 * @iommu: unit, queued invalidation is up, no root table yet
 *
 * In a kernel that inherited something, translation that is on stays on. If the
 * unit cannot be taken over, it goes on with an empty root table: everything
 * behind it is blocked, and its devices are stopped when they are probed.
 *
 * Return: true if the unit has got its root table.
 */
bool intel_lu_adopt(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit;
	const char *why = "no usable record";

	if (!(iommu->flags & VTD_FLAG_TRANS_PRE_ENABLED) || !iommu_lu_inherited())
		return false;
	iommu->flags &= ~VTD_FLAG_TRANS_PRE_ENABLED;
	guard(iommu_lu_fail)("adopt");

	unit = iommu_lu_unit_incoming(iommu->reg_phys);
	if (unit && !unit->failed)
		unit->failed = adopt_root(iommu, &unit->ser.intel, &why) ?:
			       adopt_ids(iommu, unit, &why);
	if (!unit || unit->failed) {
		pr_err("%s: not taken over: %s; everything behind it is blocked\n", iommu->name,
		       why);
		iommu->root_entry = NULL;
		return false;
	}

	unit->iommu = &iommu->iommu;
	intel_lu_irq_adopt(iommu, &unit->ser.intel);
	pr_info("%s: adopted\n", iommu->name);
	return true;
}

/**
 * intel_lu_quiesce - stop what is running before translation is turned off
 *
 * For a kernel that is told not to use its IOMMUs.
 */
void intel_lu_quiesce(void)
{
	iommu_lu_quiesce_incoming();
}

static struct iommu_domain *intel_lu_restore_domain(struct device *dev,
						    struct iommu_lu_domain *ldom)
{
	struct iommu_domain *domain = iommu_lu_pt_restore(dev, ldom);

	if (!IS_ERR(domain) && ldom->ser.features & IOMMU_DOMAIN_SER_FORCE_SNOOP) {
		struct dmar_domain *dmar_domain = to_dmar_domain(domain);

		dmar_domain->sspt.vtdss_pt.common.features |= BIT(PT_FEAT_VTDSS_FORCE_COHERENCE);
		dmar_domain->force_snooping = true;
	}
	return domain;
}

/**
 * intel_lu_check_context - is the entry that is present the domain's?
 * @iommu: unit
 * @domain: domain that is being attached
 * @context: present entry
 *
 * Context: iommu->lock held.
 * Return: 0, or -EINVAL for a restored domain whose entry differs.
 */
int intel_lu_check_context(struct intel_iommu *iommu, struct dmar_domain *domain,
			   const struct context_entry *context)
{
	struct intel_lu_context present = { .lo = context->lo, .hi = context->hi };
	struct pt_iommu_vtdss_hw_info pt_info;
	struct intel_lu_context want;

	if (!iommu_lu_is_restored(&domain->domain))
		return 0;
	pt_iommu_vtdss_hw_info(&domain->sspt, &pt_info);
	want = intel_lu_context_make(pt_info.ssptptr, pt_info.aw, domain_id_iommu(domain, iommu),
				     false);
	if (intel_lu_context_equal(present, want))
		return 0;
	pr_err("%s: context entry is %#llx:%#llx, the restored domain needs %#llx:%#llx\n",
	       iommu->name, present.hi, present.lo, want.hi, want.lo);
	return -EINVAL;
}

/*
 * Give the domain the id it has on this unit. The count starts at zero: the
 * attach that follows takes the first reference, the last detach frees the id.
 */
static int restore_id(struct intel_iommu *iommu, struct dmar_domain *domain, u16 did)
{
	struct iommu_domain_info *id, *curr;

	id = kzalloc_obj(*id);
	if (!id)
		return -ENOMEM;
	id->did = did;
	id->iommu = iommu;

	guard(mutex)(&iommu->did_lock);
	curr = xa_cmpxchg(&domain->iommu_array, iommu->seq_id, NULL, id, GFP_KERNEL);
	if (!curr)
		return 0;
	kfree(id);
	if (xa_is_err(curr))
		return xa_err(curr);
	return curr->did == did ? 0 : -EINVAL;
}

/*
 * Compare before attach_dev does: its error path removes the entries, and the
 * device must have been stopped by then.
 */
static int intel_lu_restore_device(struct device *dev, struct iommu_domain *domain,
				   struct iommu_lu_device *ldev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct intel_iommu *iommu = info->iommu;
	struct intel_lu_context entry;
	struct context_entry context;
	int ret, i;

	ret = restore_id(iommu, dmar_domain, ldev->ser.intel.did);
	for (i = 0; i < ldev->ser.nr_rids && !ret; i++) {
		entry = read_context(iommu, ldev->ser.rids[i]);
		context.lo = entry.lo;
		context.hi = entry.hi;
		ret = intel_lu_check_context(iommu, dmar_domain, &context);
	}
	return ret;
}

/**
 * intel_lu_free_ids - drop ids that were restored and never used
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

static void intel_lu_quiesce_device(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (info->domain_attached)
		return;
	/* The inherited entry is still there; no domain of this kernel owns it. */
	info->domain_attached = true;
	device_block_translation(dev);
}

/* --- hitless replace ------------------------------------------------------ */

struct replace {
	struct intel_iommu *iommu;
	struct intel_lu_context entry;
	u16 old_did;
};

static int store_context(struct pci_dev *pdev, u16 rid, void *arg)
{
	struct replace *replace = arg;
	struct intel_iommu *iommu = replace->iommu;
	struct context_entry *context;
	u128 old, new;

	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
	if (context) {
		new = (u128)replace->entry.hi << 64 | replace->entry.lo;
		old = (u128)context->hi << 64 | context->lo;
		while (!try_cmpxchg128((u128 *)context, &old, new))
			;
		__iommu_flush_cache(iommu, context, sizeof(*context));
	}
	spin_unlock(&iommu->lock);
	return 0;
}

static int flush_context(struct pci_dev *pdev, u16 rid, void *arg)
{
	struct replace *replace = arg;

	replace->iommu->flush.flush_context(replace->iommu, replace->old_did, rid,
					    DMA_CCMD_MASK_NOBIT, DMA_CCMD_DEVICE_INVL);
	return 0;
}

static int replace_domain(struct dmar_domain *new, struct device *dev, struct dmar_domain *old)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_iommu *iommu = info->iommu;
	struct replace replace = { .iommu = iommu };
	struct pt_iommu_vtdss_hw_info pt_info;
	unsigned long flags;
	int ret;

	ret = paging_domain_compatible(&new->domain, dev);
	if (ret)
		return ret;
	ret = domain_attach_iommu(new, iommu);
	if (ret)
		return ret;
	ret = cache_tag_assign_domain(new, dev, IOMMU_NO_PASID);
	if (ret) {
		domain_detach_iommu(new, iommu);
		return ret;
	}

	/* From here on nothing fails. */
	pt_iommu_vtdss_hw_info(&new->sspt, &pt_info);
	replace.entry = intel_lu_context_make(pt_info.ssptptr, pt_info.aw,
					      domain_id_iommu(new, iommu), false);
	replace.old_did = domain_id_iommu(old, iommu);
	pci_for_each_dma_alias(to_pci_dev(dev), store_context, &replace);

	/*
	 * Context cache before IOTLB, both with the old domain id (6.5.3.3 and
	 * Context Command Register, ICC: cached entries tag the IOTLB). What is
	 * still in flight uses one set of tables or the other, and both map
	 * memory of this device's owner only.
	 */
	pci_for_each_dma_alias(to_pci_dev(dev), flush_context, &replace);
	iommu->flush.flush_iotlb(iommu, replace.old_did, 0, 0, DMA_TLB_DSI_FLUSH);

	spin_lock_irqsave(&old->lock, flags);
	list_del(&info->link);
	spin_unlock_irqrestore(&old->lock, flags);
	spin_lock_irqsave(&new->lock, flags);
	info->domain = new;
	list_add(&info->link, &new->devices);
	spin_unlock_irqrestore(&new->lock, flags);

	cache_tag_unassign_domain(old, dev, IOMMU_NO_PASID);
	domain_detach_iommu(old, iommu);
	return 0;
}

/**
 * intel_lu_replace - move a device from a restored domain to a new one
 * @domain: new domain
 * @dev: device
 * @old: domain it is on
 * @ret: result, if it was done here
 *
 * The device goes on doing DMA: there is no moment without a translation.
 *
 * Context: group mutex held.
 * Return: false if @old is not a restored domain: go on as usual.
 */
bool intel_lu_replace(struct iommu_domain *domain, struct device *dev,
		      struct iommu_domain *old, int *ret)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (!iommu_lu_is_restored(old) || !info->domain_attached ||
	    info->domain != to_dmar_domain(old) || sm_supported(info->iommu) ||
	    !intel_domain_is_ss_paging(to_dmar_domain(domain)))
		return false;
	*ret = replace_domain(to_dmar_domain(domain), dev, to_dmar_domain(old));
	return true;
}

const struct iommu_lu_ops intel_lu_ops = {
	.preserve_unit = intel_lu_preserve_unit,
	.unpreserve_unit = intel_lu_unpreserve_unit,
	.preserve_device = intel_lu_preserve_device,
	.unpreserve_device = intel_lu_unpreserve_device,
	.freeze_device = intel_lu_freeze_device,
	.preserve_domain = intel_lu_preserve_domain,
	.unpreserve_domain = iommu_lu_pt_unpreserve,
	.restore_domain = intel_lu_restore_domain,
	.restore_device = intel_lu_restore_device,
	.quiesce_device = intel_lu_quiesce_device,
};
