// SPDX-License-Identifier: GPL-2.0
/*
 * Arm SMMUv3 live update: domains and devices in the new kernel.
 *
 * A device that is probed finds its entries in place. They are compared with its record
 * and with what the driver would write; if all is equal, the driver's own structures are
 * brought up to date and nothing is written. If not, the device is stopped before anything
 * is taken away.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/slab.h>

#include "internal.h"

/* --- probe ---------------------------------------------------------------- */

static bool same_streams(struct arm_smmu_master *master, const struct iommu_device_ser *ser)
{
	u32 sids[IOMMU_DEVICE_SER_MAX_RIDS];

	return smmu_lu_sids(master, sids, ARRAY_SIZE(sids)) == ser->nr_rids &&
	       !memcmp(sids, ser->smmuv3.sids, ser->nr_rids * sizeof(sids[0]));
}

static bool all_invalid(const struct arm_smmu_cd *cd, size_t nr)
{
	return !memchr_inv(cd, 0, nr * sizeof(*cd));
}

static const char *adopt_linear(struct arm_smmu_ctx_desc_cfg *cd_table,
				const struct iommu_device_smmuv3_ser *ser)
{
	size_t nr = 1UL << ser->s1cdmax;
	struct arm_smmu_cd *table;

	table = smmu_lu_restore_table(ser->cdtab_pa, nr * sizeof(*table));
	if (!table)
		return "context descriptor table is not inherited memory";
	cd_table->linear.table = table;
	cd_table->linear.num_ents = nr;
	if (!smmu_lu_cd_is(&table[0], ser->cd) || !all_invalid(&table[1], nr - 1))
		return "context descriptor differs";
	return NULL;
}

static const char *adopt_two_level(struct arm_smmu_ctx_desc_cfg *cd_table,
				   const struct iommu_device_smmuv3_ser *ser)
{
	size_t nr = DIV_ROUND_UP(1UL << ser->s1cdmax, CTXDESC_L2_ENTRIES);
	struct arm_smmu_cdtab_l1 *l1 = phys_to_virt(ser->cdtab_pa);
	phys_addr_t pa, first = 0;
	size_t i, found = 0;

	for (i = 0; i < nr; i++) {
		if (smmu_lu_parse_cd_l1(le64_to_cpu(l1[i].l2ptr), &pa))
			return "context descriptor table is damaged";
		found += !!pa;
		if (!i)
			first = pa;
	}
	/* one for the device itself; others would be for its PASIDs */
	if (!first || found != ser->nr_cd_tables)
		return "context descriptor table is damaged";

	cd_table->l2.l2ptrs = kzalloc_objs(*cd_table->l2.l2ptrs, nr);
	if (!cd_table->l2.l2ptrs)
		return "out of memory";
	cd_table->l2.num_l1_ents = nr;
	cd_table->l2.l1tab = smmu_lu_restore_table(ser->cdtab_pa, nr * sizeof(*l1));
	if (!cd_table->l2.l1tab)
		return "context descriptor table is not inherited memory";
	for (i = 0; i < nr; i++) {
		smmu_lu_parse_cd_l1(le64_to_cpu(l1[i].l2ptr), &pa);
		if (!pa)
			continue;
		cd_table->l2.l2ptrs[i] = smmu_lu_restore_table(pa, sizeof(*cd_table->l2.l2ptrs[i]));
		if (!cd_table->l2.l2ptrs[i])
			return "context descriptor table is not inherited memory";
		if (!all_invalid(&cd_table->l2.l2ptrs[i]->cds[!i], CTXDESC_L2_ENTRIES - !i))
			return "context descriptor differs";
	}
	if (!smmu_lu_cd_is(&cd_table->l2.l2ptrs[0]->cds[0], ser->cd))
		return "context descriptor differs";
	return NULL;
}

/*
 * Make the inherited context descriptor table the device's own. When this fails the
 * table is in @cd_table as far as it was restored, for the caller to free when
 * nobody uses it.
 */
static const char *adopt_device(struct arm_smmu_master *master, const struct iommu_device_ser *ser,
				struct arm_smmu_ctx_desc_cfg *cd_table)
{
	const struct iommu_device_smmuv3_ser *own = &ser->smmuv3;
	struct arm_smmu_ste *ste;
	int i;

	if (!same_streams(master, ser))
		return "stream ids differ";
	/* the driver has a table for it already, or would use an entry of another kind */
	if (master->ats_always_on || master->stall_enabled)
		return "it would be set up differently";
	for (i = 0; i < ser->nr_rids; i++) {
		ste = arm_smmu_get_step_for_sid(master->smmu, own->sids[i]);
		if (!smmu_lu_ste_is(ste, own->ste))
			return "stream table entry differs";
	}
	if (!own->cdtab_pa)
		return NULL;
	cd_table->cdtab_dma = own->cdtab_pa;
	cd_table->s1fmt = own->s1fmt;
	cd_table->s1cdmax = own->s1cdmax;
	cd_table->in_ste = true;
	return own->s1fmt == STRTAB_STE_0_S1FMT_LINEAR ? adopt_linear(cd_table, own) :
							 adopt_two_level(cd_table, own);
}

static void free_cd_table(struct arm_smmu_ctx_desc_cfg *cd_table)
{
	unsigned int i;

	if (cd_table->s1fmt == STRTAB_STE_0_S1FMT_LINEAR) {
		iommu_free_pages(cd_table->linear.table);
		return;
	}
	for (i = 0; cd_table->l2.l2ptrs && i < cd_table->l2.num_l1_ents; i++)
		iommu_free_pages(cd_table->l2.l2ptrs[i]);
	kfree(cd_table->l2.l2ptrs);
	iommu_free_pages(cd_table->l2.l1tab);
}

/* The record of a device, if it is one of this SMMU's. */
static struct iommu_lu_device *incoming(struct arm_smmu_master *master)
{
	struct iommu_lu_device *ldev;
	struct pci_dev *pdev;

	if (!dev_is_pci(master->dev))
		return NULL;
	pdev = to_pci_dev(master->dev);
	ldev = iommu_lu_device_incoming(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	return ldev && ldev->unit && ldev->unit->iommu == &master->smmu->iommu ? ldev : NULL;
}

static bool has_entries(struct arm_smmu_master *master)
{
	struct arm_smmu_ste *ste;
	unsigned int i;

	for (i = 0; i < master->num_streams; i++) {
		ste = arm_smmu_get_step_for_sid(master->smmu, master->streams[i].id);
		/* bypass: smmu_lu_adopt() has left it for streams of the firmware only */
		if (!smmu_lu_ste_blocks(ste) && !smmu_lu_ste_bypasses(ste))
			return true;
	}
	return false;
}

/*
 * The device is stopped: take away what the SMMU still has for it. Nothing of that may be given
 * to somebody else if this fails.
 */
static int block(struct arm_smmu_master *master)
{
	struct arm_smmu_ste abort;
	int ret;

	arm_smmu_make_abort_ste(&abort);
	arm_smmu_install_ste_for_dev(master, &abort);
	/* An id that belongs to no domain must not be in the TLB. */
	ret = smmu_lu_flush_all(master->smmu);
	if (ret)
		dev_err(master->smmu->dev, "iommu_lu: does not respond, %s may not be blocked\n",
			dev_name(master->dev));
	return ret;
}

/**
 * smmu_lu_probe - look at what a device brings along
 * @master: device that is being probed; nothing was set up for it
 *
 * A device that was handed over keeps its entries, and has its context descriptor table
 * afterwards. One whose entries are not as recorded is stopped, and they are removed.
 */
void smmu_lu_probe(struct arm_smmu_master *master)
{
	struct arm_smmu_device *smmu = master->smmu;
	struct arm_smmu_ctx_desc_cfg cd_table = {};
	const char *why = "there is no record of it";
	struct device *dev = master->dev;
	struct iommu_lu_device *ldev;

	if (!smmu->lu.adopted || !has_entries(master))
		return;
	ldev = incoming(master);
	if (ldev && !ldev->dev) {
		why = "its record is not sound";
		if (!ldev->failed) {
			why = adopt_device(master, &ldev->ser, &cd_table);
			if (!why) {
				if (cd_table.in_ste)
					master->cd_table = cd_table;
				return;
			}
			ldev->failed = -EINVAL;
		}
	}

	if (dev_is_pci(dev))
		iommu_lu_pci_quiesce(dev);
	if (!block(master))
		free_cd_table(&cd_table);
	pr_err("%s: not taken over: %s; bus master is off\n", dev_name(dev), why);
}

/* --- restored domains ----------------------------------------------------- */

struct iommu_domain *smmu_lu_restore_domain(struct device *dev, struct iommu_lu_domain *ldom)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);
	int ret;

	if (IS_ERR(domain))
		return domain;
	ret = arm_lpae_lu_adopt(to_smmu_domain(domain)->pgtbl_ops, &ldom->ser);
	if (!ret) {
		smmu_lu_set_msi(ldom);
		return domain;
	}
	iommu_domain_free(domain);
	return ERR_PTR(ret);
}

/** smmu_lu_next_mapping - implements next_mapping() of struct iommu_lu_ops */
int smmu_lu_next_mapping(struct iommu_domain *domain, u64 iova, struct iommu_lu_mapping *m)
{
	return arm_lpae_lu_next(to_smmu_domain(domain)->pgtbl_ops, iova, m) ? 0 : -ENOENT;
}

/*
 * Give a restored domain the id it has. It was reserved by smmu_lu_adopt(); the one that
 * came with the allocation was never used.
 */
static int restore_id(struct arm_smmu_domain *domain, struct iommu_lu_domain *ldom, u16 did)
{
	bool s1 = domain->stage == ARM_SMMU_DOMAIN_S1;
	u16 *id = s1 ? &domain->cd.asid : &domain->s2_cfg.vmid;
	int ret;

	if (*id == did)
		return 0;
	/* another device is attached to it under another id */
	if (ldom->devices)
		return -EINVAL;
	if (s1) {
		guard(mutex)(&arm_smmu_asid_lock);
		/* a reserved entry looks empty */
		if (xa_load(&arm_smmu_asid_xa, did))
			return -EINVAL;
		ret = xa_err(xa_store(&arm_smmu_asid_xa, did, domain, GFP_KERNEL));
		if (ret)
			return ret;
		xa_erase(&arm_smmu_asid_xa, *id);
	} else {
		ida_free(&domain->smmu->vmid_map, *id);
	}
	*id = did;
	return 0;
}

/* Every entry through which the hardware reaches the tables is what attach would write. */
int smmu_lu_restore_device(struct device *dev, struct iommu_domain *domain,
			   struct iommu_lu_device *ldev)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);
	struct arm_smmu_cd cd, *present;
	struct arm_smmu_ste ste;
	int ret, i;

	if (smmu_domain->smmu != master->smmu)
		return -EINVAL;
	/* with context descriptors smmu_lu_probe() has looked, else entries are all there is */
	if (!same_streams(master, &ldev->ser)) {
		pr_err("%s: stream ids differ\n", dev_name(dev));
		return -EINVAL;
	}
	ret = restore_id(smmu_domain, ldev->domain, ldev->ser.smmuv3.did);
	if (ret) {
		pr_err("%s: id %u of its domain cannot be had\n", dev_name(dev),
		       ldev->ser.smmuv3.did);
		return ret;
	}

	if (smmu_domain->stage == ARM_SMMU_DOMAIN_S1) {
		present = arm_smmu_get_cd_ptr(master, IOMMU_NO_PASID);
		arm_smmu_make_s1_cd(&cd, master, smmu_domain);
		if (!present || memcmp(present, &cd, sizeof(cd))) {
			pr_err("%s: context descriptor is not what the restored domain needs\n",
			       dev_name(dev));
			return -EINVAL;
		}
	}
	smmu_lu_want_ste(master, smmu_domain, &ste);
	for (i = 0; i < ldev->ser.nr_rids; i++) {
		struct arm_smmu_ste *step =
			arm_smmu_get_step_for_sid(master->smmu, ldev->ser.smmuv3.sids[i]);

		if (memcmp(step, &ste, sizeof(ste))) {
			pr_err("%s: entry of stream %#x is not what the restored domain needs\n",
			       dev_name(dev), ldev->ser.smmuv3.sids[i]);
			return -EINVAL;
		}
	}
	return 0;
}

/*
 * Nobody else has the stream ids that a device was recorded with, as long as the entries are
 * as they were recorded.
 */
static bool abort_recorded(struct iommu_lu_device *ldev)
{
	struct arm_smmu_device *smmu = to_smmu(ldev->unit->iommu);
	struct arm_smmu_ste *ste;
	bool found = false;
	int i;

	for (i = 0; i < ldev->ser.nr_rids; i++) {
		ste = smmu_lu_find_step(smmu, ldev->ser.smmuv3.sids[i]);
		if (ste && smmu_lu_ste_is(ste, ldev->ser.smmuv3.ste)) {
			smmu_lu_abort_stream(ste);
			found = true;
		}
	}
	/* the entries must be visible to the SMMU before it is told to read them */
	dma_wmb();
	return found;
}

/* Its own entries, and those it was recorded with, should these be others. */
void smmu_lu_quiesce_device(struct device *dev)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);
	struct iommu_lu_device *ldev = incoming(master);
	bool found = has_entries(master);

	if (ldev)
		found |= abort_recorded(ldev);
	if (found && block(master))
		return;
	if (ldev)
		smmu_lu_drop_id(ldev);
}

/* Its context descriptor table stays reserved. */
void smmu_lu_forget_device(struct iommu_lu_device *ldev)
{
	struct arm_smmu_device *smmu = to_smmu(ldev->unit->iommu);

	abort_recorded(ldev);
	if (smmu_lu_flush_all(smmu))
		dev_err(smmu->dev, "iommu_lu: does not respond, %04x:%02x:%02x.%x may not be blocked\n",
			ldev->ser.segment, PCI_BUS_NUM(ldev->ser.bdf), PCI_SLOT(ldev->ser.bdf),
			PCI_FUNC(ldev->ser.bdf));
	else
		smmu_lu_drop_id(ldev);
}

/**
 * smmu_lu_is_attached - is a device, without a PASID, attached to a domain?
 * @domain: paging domain
 * @master: device
 */
bool smmu_lu_is_attached(struct arm_smmu_domain *domain, struct arm_smmu_master *master)
{
	struct arm_smmu_master_domain *elm;

	guard(spinlock_irqsave)(&domain->devices_lock);
	list_for_each_entry(elm, &domain->devices, devices_elm)
		if (elm->master == master && elm->ssid == IOMMU_NO_PASID)
			return true;
	return false;
}

/*
 * The hardware is attached already. smmu_lu_restore_device() has compared, so only the
 * driver has to learn of it.
 */
static int attach_restored(struct arm_smmu_domain *domain, struct arm_smmu_master *master)
{
	struct arm_smmu_attach_state state = {
		.master = master,
		.ssid = IOMMU_NO_PASID,
		.disable_ats = true,
	};
	int ret;

	/* back to it, because attaching another one has failed: it was never left */
	if (smmu_lu_is_attached(domain, master))
		return 0;

	guard(mutex)(&arm_smmu_asid_lock);
	/* its VMID went to the domain that has replaced it for another device just now */
	if (domain->lu_id_given)
		return -ESTALE;
	ret = arm_smmu_attach_prepare(&state, &domain->domain);
	if (ret)
		return ret;
	arm_smmu_attach_commit(&state);
	return 0;
}

/* They do no DMA of their own. */
static bool is_bridge(struct device *dev)
{
	return dev_is_pci(dev) && pci_is_bridge(to_pci_dev(dev));
}

/**
 * smmu_lu_prepare - a device is about to leave a domain
 * @state: what the driver is going to do
 *
 * Bridges in the group of a device on its restored domain are not attached to that, nor to the
 * one that replaces it, whatever the group says. What was not attached must not be taken out
 * of the invalidations of the domain: they are those of the device.
 *
 * ATS was off in the previous kernel and stays off as long as the device is on what it
 * inherited: iommu_lu_pci_keep() lets nobody turn it on.
 *
 * Context: group mutex held.
 */
void smmu_lu_prepare(struct arm_smmu_attach_state *state)
{
	struct iommu_domain *old = state->old_domain;

	state->disable_ats |= iommu_lu_held(state->master->dev);
	if (old && old->type & __IOMMU_DOMAIN_PAGING && state->ssid == IOMMU_NO_PASID &&
	    is_bridge(state->master->dev) &&
	    !smmu_lu_is_attached(to_smmu_domain(old), state->master))
		state->old_domain = NULL;
}

/**
 * smmu_lu_attach - attach a restored domain, or another one in place of it
 * @domain: domain to be attached
 * @dev: device
 * @old: domain it is on, or NULL
 * @ret: result, if it was done here
 *
 * The device goes on doing DMA: there is no moment without a translation.
 *
 * Context: group mutex held.
 * Return: false if this is neither of the two: go on as usual.
 */
bool smmu_lu_attach(struct iommu_domain *domain, struct device *dev, struct iommu_domain *old,
		    int *ret)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);
	struct iommu_domain *blocked = master->smmu->iommu.ops->blocked_domain;

	/* its ids and invalidations are to be those of the device, which comes later */
	if (is_bridge(dev) && (iommu_lu_is_restored(domain) || iommu_lu_is_restored(old)) &&
	    domain->type == IOMMU_DOMAIN_UNMANAGED) {
		*ret = blocked->ops->attach_dev(blocked, dev, old);
		return true;
	}
	if (iommu_lu_is_restored(domain)) {
		*ret = attach_restored(to_smmu_domain(domain), master);
		return true;
	}
	if (iommu_lu_is_restored(old) && smmu_lu_is_attached(to_smmu_domain(old), master)) {
		*ret = smmu_lu_replace(to_smmu_domain(domain), master, to_smmu_domain(old));
		/* of another kind, and nobody asked for it to go on: as usual */
		return *ret != -EAGAIN;
	}
	return false;
}
