// SPDX-License-Identifier: GPL-2.0
/*
 * Arm SMMUv3 live update. Start reading here.
 *
 * Old kernel
 *	alloc.c		stream tables and context descriptor tables that can be handed over
 *	preserve.c	records SMMUs, devices and domains
 *	shutdown.c	blocks everything else and leaves the SMMU running
 * New kernel
 *	adopt.c		takes SMMUs over while they are enabled, or blocks them
 *	restore.c	devices and domains: compares, attaches without a write
 *	replace.c	another domain in place of the restored one, without a gap
 * Page tables
 *	lpae.h		part of io-pgtable-arm.c: preserve walk and adoption
 *	io_pgtable.h	its interface
 * Functions of values, with KUnit tests
 *	entry.c		stream table entries, context descriptors, registers
 * Interfaces
 *	smmuv3.h	what the hooks in drivers/iommu/arm call, see hooks/
 *	internal.h	between the files of this directory
 *
 * What a device's requests go through, and where it is kept:
 *
 *	stage 1		stream table -> context descriptor table -> page tables
 *	stage 2		stream table -> page tables
 *
 * SMMU_STRTAB_BASE cannot be written while the SMMU is enabled, so there is no second
 * table to switch to: the stream table in use is handed over, and the entries of
 * everything else are made to abort at shutdown. A context descriptor table belongs to a
 * device, and page tables belong to a domain; both are handed over in place.
 *
 * Numbers of sections, and names of registers and fields, are those of Arm IHI 0070, issue
 * E.a, the SMMUv3 architecture specification.
 */
#include "internal.h"

const struct iommu_lu_ops smmu_lu_ops = {
	.preserve_unit = smmu_lu_preserve_unit,
	.unpreserve_unit = smmu_lu_unpreserve_unit,
	.preserve_device = smmu_lu_preserve_device,
	.unpreserve_device = smmu_lu_unpreserve_device,
	.freeze_device = smmu_lu_freeze_device,
	.preserve_domain = smmu_lu_preserve_domain,
	.unpreserve_domain = smmu_lu_unpreserve_domain,
	.restore_domain = smmu_lu_restore_domain,
	.next_mapping = smmu_lu_next_mapping,
	.restore_device = smmu_lu_restore_device,
	.quiesce_device = smmu_lu_quiesce_device,
	.forget_device = smmu_lu_forget_device,
};

/**
 * smmu_lu_read_regs - what the record of an SMMU says of its registers, as they are now
 * @smmu: SMMU
 * @ser: filled in
 */
void smmu_lu_read_regs(struct arm_smmu_device *smmu, struct iommu_smmuv3_ser *ser)
{
	ser->strtab_base = readq_relaxed(smmu->base + ARM_SMMU_STRTAB_BASE);
	ser->strtab_pa = ser->strtab_base & STRTAB_BASE_ADDR_MASK;
	ser->strtab_base_cfg = readl_relaxed(smmu->base + ARM_SMMU_STRTAB_BASE_CFG);
	ser->cr0 = readl_relaxed(smmu->base + ARM_SMMU_CR0);
	ser->cr1 = readl_relaxed(smmu->base + ARM_SMMU_CR1);
	ser->cr2 = readl_relaxed(smmu->base + ARM_SMMU_CR2);
	ser->iidr = readl_relaxed(smmu->base + ARM_SMMU_IIDR);
	ser->aidr = readl_relaxed(smmu->base + ARM_SMMU_AIDR);
	ser->idr0 = readl_relaxed(smmu->base + ARM_SMMU_IDR0);
	ser->idr1 = readl_relaxed(smmu->base + ARM_SMMU_IDR1);
	ser->idr3 = readl_relaxed(smmu->base + ARM_SMMU_IDR3);
	ser->idr5 = readl_relaxed(smmu->base + ARM_SMMU_IDR5);
}

/** smmu_lu_want_cr1 - what arm_smmu_device_reset() writes to SMMU_CR1 */
u32 smmu_lu_want_cr1(void)
{
	return FIELD_PREP(CR1_TABLE_SH, ARM_SMMU_SH_ISH) |
	       FIELD_PREP(CR1_TABLE_OC, CR1_CACHE_WB) | FIELD_PREP(CR1_TABLE_IC, CR1_CACHE_WB) |
	       FIELD_PREP(CR1_QUEUE_SH, ARM_SMMU_SH_ISH) |
	       FIELD_PREP(CR1_QUEUE_OC, CR1_CACHE_WB) | FIELD_PREP(CR1_QUEUE_IC, CR1_CACHE_WB);
}

/** smmu_lu_want_cr2 - what arm_smmu_device_reset() writes to SMMU_CR2 */
u32 smmu_lu_want_cr2(struct arm_smmu_device *smmu)
{
	return CR2_PTM | CR2_RECINVSID | (smmu->features & ARM_SMMU_FEAT_E2H ? CR2_E2H : 0);
}

/** smmu_lu_issue - issue a command and wait until it is complete */
int smmu_lu_issue(struct arm_smmu_device *smmu, struct arm_smmu_cmd cmd)
{
	return arm_smmu_cmdq_issue_cmdlist(smmu, &smmu->cmdq, &cmd, 1, true);
}

/**
 * smmu_lu_flush_all - forget all that is cached: entries, descriptors, translations
 * @smmu: SMMU whose command queue is enabled
 *
 * Return: 0, or -ETIMEDOUT if the SMMU does not respond: it may have forgotten nothing then.
 */
int smmu_lu_flush_all(struct arm_smmu_device *smmu)
{
	int ret;

	ret = smmu_lu_issue(smmu, arm_smmu_make_cmd_cfgi_all());
	if (!ret && smmu->features & ARM_SMMU_FEAT_HYP)
		ret = smmu_lu_issue(smmu, arm_smmu_make_cmd_op(CMDQ_OP_TLBI_EL2_ALL));
	return ret ?: smmu_lu_issue(smmu, arm_smmu_make_cmd_op(CMDQ_OP_TLBI_NSNH_ALL));
}

/**
 * smmu_lu_turn_off - turn an SMMU off so that it blocks what it no longer translates
 * @smmu: SMMU
 *
 * An SMMU that is off lets everything through unless SMMU_GBPA says that it aborts. Should
 * that not be possible, translation stays on, and only the queues go off: what the stream
 * table lets through is less than everything.
 *
 * Return: 0, or -ETIMEDOUT if the SMMU may still be using its tables.
 */
int smmu_lu_turn_off(struct arm_smmu_device *smmu)
{
	u32 keep = readl_relaxed(smmu->base + ARM_SMMU_CR0) & (CR0_SMMUEN | CR0_ATSCHK);
	int ret = arm_smmu_update_gbpa(smmu, GBPA_ABORT, 0);

	if (!ret)
		return arm_smmu_write_reg_sync(smmu, 0, ARM_SMMU_CR0, ARM_SMMU_CR0ACK);
	dev_err(smmu->dev, "iommu_lu: cannot be made to block while it is off, so it stays on\n");
	arm_smmu_write_reg_sync(smmu, keep, ARM_SMMU_CR0, ARM_SMMU_CR0ACK);
	return ret;
}

/** smmu_lu_find_step - the entry of a stream id that may be wrong, or NULL */
struct arm_smmu_ste *smmu_lu_find_step(struct arm_smmu_device *smmu, u32 sid)
{
	struct arm_smmu_strtab_cfg *cfg = &smmu->strtab_cfg;
	u32 idx = arm_smmu_strtab_l1_idx(sid);

	if (smmu->features & ARM_SMMU_FEAT_2_LVL_STRTAB ?
		    idx >= cfg->l2.num_l1_ents || !cfg->l2.l2ptrs[idx] :
		    sid >= cfg->linear.num_ents)
		return NULL;
	return arm_smmu_get_step_for_sid(smmu, sid);
}

/**
 * smmu_lu_l1_written - a new second-level stream table was linked
 * @smmu: SMMU
 * @sid: a stream id in it
 *
 * That there was none may be cached, because devices that are not preserved may be doing
 * DMA at any time. When the command queue is not yet enabled, all is invalidated later.
 */
void smmu_lu_l1_written(struct arm_smmu_device *smmu, u32 sid)
{
	if (smmu->lu.adopted && readl_relaxed(smmu->base + ARM_SMMU_CR0) & CR0_CMDQEN)
		smmu_lu_issue(smmu, arm_smmu_make_cmd_cfgi_ste(sid, false));
}

/**
 * smmu_lu_is_fixed - must the PASIDs of a device stay as they are?
 * @dev: device that is preserved, or on its restored domain
 */
bool smmu_lu_is_fixed(struct device *dev)
{
	return iommu_lu_preserved(dev) || iommu_lu_held(dev);
}

/** smmu_lu_walk_rmrs - call @fn for each stream that firmware needs unhindered */
int smmu_lu_walk_rmrs(struct arm_smmu_device *smmu, int (*fn)(u32 sid, void *arg), void *arg)
{
	struct iommu_iort_rmr_data *rmr;
	struct iommu_resv_region *region;
	int ret = 0, i;
	LIST_HEAD(list);

	iort_get_rmr_sids(dev_fwnode(smmu->dev), &list);
	list_for_each_entry(region, &list, list) {
		rmr = container_of(region, struct iommu_iort_rmr_data, rr);
		for (i = 0; i < rmr->num_sids && !ret; i++)
			ret = fn(rmr->sids[i], arg);
	}
	iort_put_rmr_sids(dev_fwnode(smmu->dev), &list);
	return ret;
}

/**
 * smmu_lu_keeps_stream - has a stream the right to be as it is?
 * @sids: by stream id whose it is: struct iommu_lu_device, or SMMU_LU_SID_RMR
 * @sid: stream id
 * @ste: its entry
 *
 * That of a device must be as recorded. RMR streams that firmware uses stay as they are,
 * unless a driver has set them up.
 */
bool smmu_lu_keeps_stream(struct xarray *sids, u32 sid, const struct arm_smmu_ste *ste)
{
	void *whose = xa_load(sids, sid);
	struct iommu_lu_device *ldev = whose;

	if (whose == SMMU_LU_SID_RMR)
		return smmu_lu_ste_bypasses(ste);
	return ldev && smmu_lu_ste_is(ste, ldev->ser.smmuv3.ste);
}

/**
 * smmu_lu_abort_stream - let a stream abort as soon as its entry is read again
 * @ste: its entry, in use
 *
 * One store is enough: an entry that aborts has nothing else that is used (5.2).
 */
void smmu_lu_abort_stream(struct arm_smmu_ste *ste)
{
	struct arm_smmu_ste abort;

	arm_smmu_make_abort_ste(&abort);
	WRITE_ONCE(ste->data[0], abort.data[0]);
}

/**
 * smmu_lu_sids - the stream ids of a device, in the order of its requester ids
 * @master: device
 * @sids: filled in, each one once
 * @max: room in it
 *
 * Return: how many there are, or -E2BIG.
 */
int smmu_lu_sids(struct arm_smmu_master *master, u32 *sids, unsigned int max)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(master->dev);
	unsigned int i, j, nr = 0;

	for (i = 0; i < fwspec->num_ids; i++) {
		for (j = 0; j < nr && sids[j] != fwspec->ids[i]; j++)
			;
		if (j < nr)
			continue;
		if (nr == max)
			return -E2BIG;
		sids[nr++] = fwspec->ids[i];
	}
	return nr;
}

/**
 * smmu_lu_want_ste - the entry that attaches a device to a domain, without ATS
 * @master: device; stage 1: with the context descriptor table to be used
 * @domain: domain of its SMMU
 * @ste: what arm_smmu_attach_dev() writes
 */
void smmu_lu_want_ste(struct arm_smmu_master *master, struct arm_smmu_domain *domain,
		      struct arm_smmu_ste *ste)
{
	if (domain->stage == ARM_SMMU_DOMAIN_S1)
		arm_smmu_make_cdtable_ste(ste, master, false, STRTAB_STE_1_S1DSS_SSID0);
	else
		arm_smmu_make_s2_domain_ste(ste, master, domain, false);
}
