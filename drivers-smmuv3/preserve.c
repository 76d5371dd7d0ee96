// SPDX-License-Identifier: GPL-2.0
/*
 * Arm SMMUv3 live update: what the old kernel records.
 *
 * All tables are those in use. They are handed over in place, so nothing is prepared but
 * the list of what stays as it is: stream ids, and the second-level stream tables that
 * they are in.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/slab.h>

#include "internal.h"

/* --- units ---------------------------------------------------------------- */

static void *strtab_top(struct arm_smmu_device *smmu)
{
	struct arm_smmu_strtab_cfg *cfg = &smmu->strtab_cfg;

	return smmu->features & ARM_SMMU_FEAT_2_LVL_STRTAB ? (void *)cfg->l2.l1tab :
							     (void *)cfg->linear.table;
}

static void put_l2(struct arm_smmu_device *smmu, struct iommu_lu_unit *unit, u32 sid)
{
	struct smmu_lu_unit *own = unit->priv;
	u32 idx = arm_smmu_strtab_l1_idx(sid);
	unsigned long users;

	if (!(smmu->features & ARM_SMMU_FEAT_2_LVL_STRTAB))
		return;
	users = xa_to_value(xa_load(&own->tables, idx)) - 1;
	if (users) {
		/* replaces an entry: allocates nothing */
		xa_store(&own->tables, idx, xa_mk_value(users), GFP_KERNEL);
		return;
	}
	xa_erase(&own->tables, idx);
	iommu_unpreserve_page(smmu->strtab_cfg.l2.l2ptrs[idx]);
	unit->ser.smmuv3.nr_l2_tables--;
}

/* KHO does not count, and a table is shared by up to 256 stream ids. */
static int get_l2(struct arm_smmu_device *smmu, struct iommu_lu_unit *unit, u32 sid)
{
	struct smmu_lu_unit *own = unit->priv;
	u32 idx = arm_smmu_strtab_l1_idx(sid);
	void *old = xa_load(&own->tables, idx);
	unsigned long users = old ? xa_to_value(old) : 0;
	int ret;

	if (!(smmu->features & ARM_SMMU_FEAT_2_LVL_STRTAB))
		return 0;
	ret = xa_err(xa_store(&own->tables, idx, xa_mk_value(users + 1), GFP_KERNEL));
	if (ret || users)
		return ret;
	ret = iommu_preserve_page(smmu->strtab_cfg.l2.l2ptrs[idx]);
	if (ret) {
		xa_erase(&own->tables, idx);
		return ret;
	}
	unit->ser.smmuv3.nr_l2_tables++;
	return 0;
}

static void put_sid(struct arm_smmu_device *smmu, struct iommu_lu_unit *unit, u32 sid)
{
	struct smmu_lu_unit *own = unit->priv;

	xa_erase(&own->sids, sid);
	put_l2(smmu, unit, sid);
}

static int get_sid(struct arm_smmu_device *smmu, struct iommu_lu_unit *unit, u32 sid, void *whose)
{
	struct smmu_lu_unit *own = unit->priv;
	int ret;

	ret = xa_insert(&own->sids, sid, whose, GFP_KERNEL);
	if (ret)
		return ret;
	ret = get_l2(smmu, unit, sid);
	if (ret)
		xa_erase(&own->sids, sid);
	return ret;
}

static int get_rmr(u32 sid, void *arg)
{
	struct iommu_lu_unit *unit = arg;
	struct arm_smmu_device *smmu = to_smmu(unit->iommu);
	int ret;

	/* the driver has reported it, and let it be */
	if (!smmu_lu_find_step(smmu, sid))
		return 0;
	ret = get_sid(smmu, unit, sid, SMMU_LU_SID_RMR);
	return ret == -EBUSY ? 0 : ret;
}

static void put_all(struct arm_smmu_device *smmu, struct iommu_lu_unit *unit)
{
	struct smmu_lu_unit *own = unit->priv;
	unsigned long sid;
	void *whose;

	xa_for_each(&own->sids, sid, whose)
		put_sid(smmu, unit, sid);
	xa_destroy(&own->sids);
	xa_destroy(&own->tables);
	kfree(own);
}

/* What smmu_lu_shutdown() will leave of the registers. */
static void read_kept_regs(struct arm_smmu_device *smmu, struct iommu_smmuv3_ser *ser)
{
	smmu_lu_read_regs(smmu, ser);
	ser->cr0 &= CR0_SMMUEN | CR0_ATSCHK;
}

/* Are the registers what the record says, and what the next kernel wants them to be? */
static const char *check_regs(struct arm_smmu_device *smmu, const struct iommu_smmuv3_ser *ser)
{
	struct iommu_smmuv3_ser now = {};

	read_kept_regs(smmu, &now);
	return smmu_lu_regs_differ(ser, &now, smmu_lu_want_cr1(), smmu_lu_want_cr2(smmu));
}

static bool can_preserve(struct arm_smmu_device *smmu, const struct iommu_smmuv3_ser *ser)
{
	struct smmu_lu_strtab strtab;
	const char *why = NULL;

	if (!(smmu->features & ARM_SMMU_FEAT_COHERENCY))
		why = "it does not snoop the CPU's caches";
	else if (smmu->impl_ops)
		why = "the extensions of this implementation are not carried";
	else if (smmu_lu_parse_strtab_cfg(ser->strtab_base_cfg, &strtab) ||
		 !smmu_lu_own_pages(smmu, strtab.size))
		why = "its stream table is not in memory that can be handed over";
	else
		why = check_regs(smmu, ser);
	if (why)
		dev_err(smmu->dev, "iommu_lu: %s\n", why);
	return !why;
}

int smmu_lu_preserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit)
{
	struct arm_smmu_device *smmu = to_smmu(iommu);
	struct iommu_smmuv3_ser *ser = &unit->ser.smmuv3;
	struct smmu_lu_unit *own;
	int ret;

	read_kept_regs(smmu, ser);
	if (!can_preserve(smmu, ser))
		return -EOPNOTSUPP;

	own = kzalloc_obj(*own);
	if (!own)
		return -ENOMEM;
	xa_init(&own->sids);
	xa_init(&own->tables);
	unit->priv = own;
	ret = iommu_preserve_page(strtab_top(smmu));
	if (ret) {
		kfree(own);
		return ret;
	}
	ret = smmu_lu_walk_rmrs(smmu, get_rmr, unit);
	if (ret) {
		put_all(smmu, unit);
		iommu_unpreserve_page(strtab_top(smmu));
		return ret;
	}

	unit->ser.token = smmu->lu.base;
	unit->ser.type = IOMMU_HW_SER_SMMUV3;
	return 0;
}

void smmu_lu_unpreserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit)
{
	struct arm_smmu_device *smmu = to_smmu(iommu);

	put_all(smmu, unit);
	iommu_unpreserve_page(strtab_top(smmu));
}

/* --- devices -------------------------------------------------------------- */

static void put_cd_table(struct arm_smmu_master *master, unsigned int nr_l2)
{
	struct arm_smmu_ctx_desc_cfg *cd = &master->cd_table;
	unsigned int i;

	if (cd->s1fmt == STRTAB_STE_0_S1FMT_LINEAR) {
		iommu_unpreserve_page(cd->linear.table);
		return;
	}
	for (i = 0; nr_l2; i++) {
		if (!cd->l2.l2ptrs[i])
			continue;
		iommu_unpreserve_page(cd->l2.l2ptrs[i]);
		nr_l2--;
	}
	iommu_unpreserve_page(cd->l2.l1tab);
}

static int get_cd_table(struct arm_smmu_master *master, struct iommu_device_smmuv3_ser *ser)
{
	struct arm_smmu_ctx_desc_cfg *cd = &master->cd_table;
	unsigned int i;
	int ret;

	if (cd->s1fmt == STRTAB_STE_0_S1FMT_LINEAR)
		return iommu_preserve_page(cd->linear.table);

	ret = iommu_preserve_page(cd->l2.l1tab);
	if (ret)
		return ret;
	for (i = 0; i < cd->l2.num_l1_ents; i++) {
		if (!cd->l2.l2ptrs[i])
			continue;
		ret = iommu_preserve_page(cd->l2.l2ptrs[i]);
		if (ret) {
			put_cd_table(master, ser->nr_cd_tables);
			return ret;
		}
		ser->nr_cd_tables++;
	}
	return 0;
}

/* What the hardware uses for a device, compared with its record. */
static int check_live(struct arm_smmu_master *master, const struct iommu_device_ser *ser)
{
	const struct iommu_device_smmuv3_ser *own = &ser->smmuv3;
	struct device *dev = master->dev;
	struct arm_smmu_cd *cd;
	int i;

	if (arm_smmu_ssids_in_use(&master->cd_table)) {
		dev_err(dev, "iommu_lu: PASIDs are in use, they are not carried\n");
		return -EOPNOTSUPP;
	}
	for (i = 0; i < ser->nr_rids; i++) {
		if (smmu_lu_ste_is(arm_smmu_get_step_for_sid(master->smmu, own->sids[i]),
				   own->ste))
			continue;
		dev_err(dev, "iommu_lu: entry of stream %#x is not its domain's\n", own->sids[i]);
		return -EBUSY;
	}
	if (!own->cdtab_pa)
		return 0;
	cd = arm_smmu_get_cd_ptr(master, IOMMU_NO_PASID);
	if (!cd || !smmu_lu_cd_is(cd, own->cd)) {
		dev_err(dev, "iommu_lu: its context descriptor is not its domain's\n");
		return -EBUSY;
	}
	return 0;
}

/* Fill in the record as it should be, and see whether the hardware agrees. */
static int record(struct arm_smmu_master *master, struct arm_smmu_domain *domain,
		  struct iommu_device_ser *ser)
{
	struct arm_smmu_ctx_desc_cfg *cd_table = &master->cd_table;
	struct iommu_device_smmuv3_ser *own = &ser->smmuv3;
	struct arm_smmu_ste ste;
	struct arm_smmu_cd cd;
	int ret;

	ret = iommu_lu_pci_rids(master->dev, ser);
	if (ret)
		return ret;
	ret = smmu_lu_sids(master, own->sids, ARRAY_SIZE(own->sids));
	if (ret != ser->nr_rids) {
		dev_err(master->dev, "iommu_lu: not one stream id for each requester id\n");
		return -EOPNOTSUPP;
	}

	smmu_lu_want_ste(master, domain, &ste);
	smmu_lu_ste_record(&ste, own->ste);
	if (domain->stage == ARM_SMMU_DOMAIN_S1) {
		arm_smmu_make_s1_cd(&cd, master, domain);
		smmu_lu_cd_record(&cd, own->cd);
		own->cdtab_pa = cd_table->cdtab_dma;
		own->s1fmt = cd_table->s1fmt;
		own->s1cdmax = cd_table->s1cdmax;
		own->did = domain->cd.asid;
	} else {
		own->did = domain->s2_cfg.vmid;
	}
	ret = check_live(master, ser);
	return ret == -EBUSY ? -EOPNOTSUPP : ret;
}

static const char *not_carried(struct arm_smmu_master *master)
{
	if (master->ats_enabled || master->ats_always_on)
		return "ATS is enabled, its state is not carried";
	if (master->stall_enabled)
		return "its transactions can be stalled, that is not carried";
	if (master->vmaster)
		return "nested translation is not carried";
	return NULL;
}

int smmu_lu_preserve_device(struct device *dev, struct iommu_domain *domain,
			    struct iommu_lu_device *ldev)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);
	struct iommu_device_ser *ser = &ldev->ser;
	const char *why = not_carried(master);
	int ret, i;

	if (why) {
		dev_err(dev, "iommu_lu: %s\n", why);
		return -EOPNOTSUPP;
	}
	ret = record(master, smmu_domain, ser);
	if (ret)
		return ret;

	for (i = 0; i < ser->nr_rids; i++) {
		ret = get_sid(master->smmu, ldev->unit, ser->smmuv3.sids[i], ldev);
		if (ret == -EBUSY) {
			dev_err(dev, "iommu_lu: firmware uses stream %#x, too\n",
				ser->smmuv3.sids[i]);
			ret = -EOPNOTSUPP;
		}
		if (ret)
			goto err_sids;
	}
	if (smmu_domain->stage == ARM_SMMU_DOMAIN_S1) {
		ret = get_cd_table(master, &ser->smmuv3);
		if (ret)
			goto err_sids;
	}
	return 0;

err_sids:
	while (i--)
		put_sid(master->smmu, ldev->unit, ser->smmuv3.sids[i]);
	return ret;
}

void smmu_lu_unpreserve_device(struct device *dev, struct iommu_domain *domain,
			       struct iommu_lu_device *ldev)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);
	struct iommu_device_smmuv3_ser *own = &ldev->ser.smmuv3;
	int i;

	if (own->cdtab_pa)
		put_cd_table(master, own->nr_cd_tables);
	for (i = 0; i < ldev->ser.nr_rids; i++)
		put_sid(master->smmu, ldev->unit, own->sids[i]);
}

int smmu_lu_freeze_device(struct device *dev, struct iommu_lu_device *ldev)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);
	const char *why = check_regs(master->smmu, &ldev->unit->ser.smmuv3);

	if (why) {
		dev_err(master->smmu->dev, "iommu_lu: %s\n", why);
		return -EBUSY;
	}
	return check_live(master, &ldev->ser);
}

/* --- domains -------------------------------------------------------------- */

int smmu_lu_preserve_domain(struct iommu_domain *domain, struct iommu_lu_domain *ldom)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);

	if (!(domain->type & __IOMMU_DOMAIN_PAGING) || smmu_domain->nest_parent ||
	    domain->dirty_ops) {
		pr_err("domain %#llx: nested domains and dirty tracking are not carried\n",
		       ldom->ser.token);
		return -EOPNOTSUPP;
	}
	/* the unit of its devices, known by the freeze */
	ldom->unit_index = &ldom->ser.arm.hw_index;
	smmu_lu_set_msi(ldom);
	return arm_lpae_lu_preserve(smmu_domain->pgtbl_ops, &ldom->ser);
}

void smmu_lu_unpreserve_domain(struct iommu_domain *domain, struct iommu_lu_domain *ldom)
{
	arm_lpae_lu_unpreserve(to_smmu_domain(domain)->pgtbl_ops, &ldom->ser);
}
