// SPDX-License-Identifier: GPL-2.0
/*
 * Arm SMMUv3 live update: replacing the restored domain of a device.
 *
 * Stage 1: a context descriptor of another domain differs in two places (ASID and TTB0),
 * so it cannot be changed in one store. Instead the device gets a second context descriptor
 * table, and the stream table entry, in which only S1ContextPtr differs, is changed in one.
 * Until the invalidations are done a request uses one table or the other, and both map
 * memory of the device's owner only.
 *
 * Stage 2: the entry itself holds S2VMID and S2TTB, in two places. So the new domain takes
 * over the VMID, and S2TTB alone is changed. Until the VMID is invalidated the TLB may hold
 * translations of both tables: that is allowed only where they agree, because entries of
 * different size for one address would be in conflict (3.20.1 "TLB conflict"). A VMID stands
 * for one table, so this is possible only if no other device is on the restored domain, or may
 * still come for it.
 *
 * From one stage to the other there is no way without a gap.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include "internal.h"

/* Restored entries are what this kernel writes, so no more than the pointer should differ. */
static bool one_store(struct arm_smmu_master *master, const struct arm_smmu_ste *target)
{
	unsigned int i, qword;

	for (i = 0; i < master->num_streams; i++)
		if (!smmu_lu_ste_one_store(arm_smmu_get_step_for_sid(master->smmu,
								     master->streams[i].id),
					   target, &qword))
			return false;
	return true;
}

/*
 * The device is on its new domain, and cannot go back. If the SMMU does not know of it, what it
 * had may still be in use, and is not given to anybody else.
 */
static bool must_be_done(struct arm_smmu_master *master, int ret)
{
	if (ret)
		dev_err(master->smmu->dev,
			"iommu_lu: does not respond, %s may go on with the domain it had\n",
			dev_name(master->dev));
	return !ret;
}

/* Descriptors that were read through the old pointer. */
static int forget_descriptors(struct arm_smmu_master *master)
{
	struct arm_smmu_cmd cmd;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < master->num_streams && !ret; i++) {
		cmd = arm_smmu_make_cmd_op(CMDQ_OP_CFGI_CD_ALL);
		cmd.data[0] |= FIELD_PREP(CMDQ_CFGI_0_SID, master->streams[i].id);
		ret = smmu_lu_issue(master->smmu, cmd);
	}
	return ret;
}

static int replace_s1(struct arm_smmu_domain *new, struct arm_smmu_master *master,
		      struct arm_smmu_attach_state *state)
{
	struct arm_smmu_ctx_desc_cfg old_table = master->cd_table, new_table;
	struct arm_smmu_ste ste;
	struct arm_smmu_cd *cd;
	bool done;
	int ret;

	memset(&master->cd_table, 0, sizeof(master->cd_table));
	cd = arm_smmu_alloc_cd_ptr(master, IOMMU_NO_PASID);
	ret = -ENOMEM;
	if (!cd)
		goto err_free;
	smmu_lu_want_ste(master, new, &ste);
	ret = -EOPNOTSUPP;
	if (!one_store(master, &ste))
		goto err_free;

	scoped_guard(mutex, &arm_smmu_asid_lock) {
		ret = arm_smmu_attach_prepare(state, &new->domain);
		if (ret)
			goto err_free;
		/* nobody refers to it yet */
		arm_smmu_make_s1_cd(cd, master, new);
		arm_smmu_make_cdtable_ste(&ste, master, state->ats_enabled,
					  STRTAB_STE_1_S1DSS_SSID0);
		arm_smmu_install_ste_for_dev(master, &ste);
		done = must_be_done(master, forget_descriptors(master));
		arm_smmu_attach_commit(state);
	}
	if (!done)
		return 0;

	new_table = master->cd_table;
	master->cd_table = old_table;
	arm_smmu_free_cd_tables(master);
	master->cd_table = new_table;
	return 0;

err_free:
	if (arm_smmu_cdtab_allocated(&master->cd_table))
		arm_smmu_free_cd_tables(master);
	master->cd_table = old_table;
	return ret;
}

/* Is there no device, and will there be none, that shares the domain with this one? */
static bool alone(struct arm_smmu_domain *domain, struct arm_smmu_master *master)
{
	struct iommu_lu_domain *ldom = domain->domain.lu;
	struct iommu_lu_device *ldev = master->dev->iommu->lu;

	scoped_guard(spinlock_irqsave, &domain->devices_lock)
		if (!list_is_singular(&domain->devices))
			return false;
	/* it was here before, and had to come back */
	if (!ldev)
		return false;
	for (ldev = ldev->unit->first; ldev; ldev = ldev->next)
		if (ldev->domain == ldom && !ldev->dev && !ldev->failed)
			return false;
	return true;
}

/* Nobody maps or unmaps in @new meanwhile, see iommufd_lu_replace_begin(). */
static int replace_s2(struct arm_smmu_domain *new, struct arm_smmu_master *master,
		      struct arm_smmu_domain *old, struct arm_smmu_attach_state *state)
{
	u16 vmid = old->s2_cfg.vmid, own = new->s2_cfg.vmid;
	struct arm_smmu_ste ste;
	int ret;

	if (new->nest_parent || !arm_lpae_lu_agree(old->pgtbl_ops, new->pgtbl_ops))
		return -EOPNOTSUPP;

	guard(mutex)(&arm_smmu_asid_lock);
	if (!alone(old, master)) {
		dev_err(master->dev, "iommu_lu: another device is on its restored domain\n");
		return -EOPNOTSUPP;
	}
	/* it is known to the TLB by its own VMID already */
	if (!list_empty(&new->devices))
		return -EOPNOTSUPP;
	new->s2_cfg.vmid = vmid;
	smmu_lu_want_ste(master, new, &ste);
	ret = one_store(master, &ste) ? arm_smmu_attach_prepare(state, &new->domain) : -EOPNOTSUPP;
	if (ret) {
		new->s2_cfg.vmid = own;
		return ret;
	}
	arm_smmu_make_s2_domain_ste(&ste, master, new, state->ats_enabled);
	arm_smmu_install_ste_for_dev(master, &ste);
	ret = smmu_lu_issue(master->smmu, arm_smmu_make_cmd_tlbi(CMDQ_OP_TLBI_S12_VMALL, 0, vmid));
	must_be_done(master, ret);
	arm_smmu_attach_commit(state);
	/* nobody can be attached to it any more */
	old->lu_id_given = true;
	ida_free(&master->smmu->vmid_map, own);
	return 0;
}

/**
 * smmu_lu_replace - move a device from its restored domain to a new one
 * @new: new domain
 * @master: device
 * @old: restored domain that it is attached to
 *
 * Context: group mutex held.
 * Return: 0; -EAGAIN if it cannot be done without a gap and need not; or an error before
 * anything has changed, -EOPNOTSUPP if there is no way without a gap.
 */
int smmu_lu_replace(struct arm_smmu_domain *new, struct arm_smmu_master *master,
		    struct arm_smmu_domain *old)
{
	struct arm_smmu_attach_state state = {
		.master = master,
		.old_domain = &old->domain,
		.ssid = IOMMU_NO_PASID,
	};
	int ret = -EOPNOTSUPP;

	if (new->smmu != master->smmu)
		return -EINVAL;
	if (new->stage == old->stage)
		ret = old->stage == ARM_SMMU_DOMAIN_S1 ? replace_s1(new, master, &state) :
							 replace_s2(new, master, old, &state);
	if (ret != -EOPNOTSUPP)
		return ret;
	/* The default domain is attached when the device is given up: it is stopped. */
	if (new->domain.type != IOMMU_DOMAIN_UNMANAGED)
		return -EAGAIN;
	dev_err(master->dev, "iommu_lu: its domain cannot be replaced by this one without a gap\n");
	return ret;
}
