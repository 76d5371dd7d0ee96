// SPDX-License-Identifier: GPL-2.0
/*
 * Arm SMMUv3 live update: the new kernel takes an SMMU over.
 *
 * What the driver does when it finds an SMMU enabled is what is wanted if it cannot be
 * taken over: SMMU_GBPA is set to abort, then the SMMU is turned off, and comes back with a
 * stream table in which everything aborts. So this only has to decide, and the driver's
 * reset leaves out the steps that are not allowed while the SMMU is enabled.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/slab.h>

#include "internal.h"

/* --- ids ------------------------------------------------------------------ */

/* What has become of reserving them; the first SMMU that is found does it for all. */
static struct {
	struct mutex lock;	/* protects the rest */
	bool done;
	int ret;
} asids = {
	.lock = __MUTEX_INITIALIZER(asids.lock),
};

static int owner_of(struct xarray *owners, struct iommu_lu_device *ldev, const char *what)
{
	u16 did = ldev->ser.smmuv3.did;
	int ret;

	if (xa_load(owners, did) == ldev->domain)
		return 1;
	ret = xa_insert(owners, did, ldev->domain, GFP_KERNEL);
	if (ret != -EBUSY)
		return ret;
	pr_err("%04x:%02x:%02x.%x: %s %u belongs to another domain\n", ldev->ser.segment,
	       ldev->ser.bdf >> 8, (ldev->ser.bdf >> 3) & 0x1f, ldev->ser.bdf & 7, what, did);
	ldev->failed = -EINVAL;
	return 1;
}

static int reserve_asid(struct iommu_lu_device *ldev, void *owners)
{
	int ret;

	if (ldev->failed || ldev->unit->failed || ldev->unit->ser.type != IOMMU_HW_SER_SMMUV3 ||
	    ldev->domain->ser.format != IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1)
		return 0;
	ret = owner_of(owners, ldev, "ASID");
	if (ret)
		return min(ret, 0);
	return xa_reserve(&arm_smmu_asid_xa, ldev->ser.smmuv3.did, GFP_KERNEL);
}

/*
 * ASIDs are shared by all SMMUs. The default domains of one may be allocated before
 * another one is found, so all are reserved when the first one is.
 */
static int reserve_asids(void)
{
	struct xarray owners;

	guard(mutex)(&asids.lock);
	if (asids.done)
		return asids.ret;
	xa_init(&owners);
	asids.ret = iommu_lu_walk_incoming(reserve_asid, &owners);
	xa_destroy(&owners);
	asids.done = true;
	return asids.ret;
}

/* VMIDs belong to an SMMU; no domain of it exists yet. */
static int reserve_vmids(struct arm_smmu_device *smmu, struct iommu_lu_unit *unit)
{
	struct iommu_lu_device *ldev;
	struct xarray owners;
	int ret = 0;

	xa_init(&owners);
	for (ldev = unit->first; ldev && ret >= 0; ldev = ldev->next) {
		u16 vmid = ldev->ser.smmuv3.did;

		if (ldev->failed || ldev->domain->ser.format != IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2)
			continue;
		ret = owner_of(&owners, ldev, "VMID");
		if (!ret)
			ret = ida_alloc_range(&smmu->vmid_map, vmid, vmid, GFP_KERNEL);
	}
	xa_destroy(&owners);
	return min(ret, 0);
}

/* --- stream table ---------------------------------------------------------- */

/* Which streams have a right to be as they are, and where to read their entries. */
static int mark_sid(u32 sid, void *arg)
{
	return xa_err(xa_store(arg, sid, SMMU_LU_SID_RMR, GFP_KERNEL));
}

static int mark_devices(struct iommu_lu_unit *unit, struct xarray *sids)
{
	struct iommu_lu_device *ldev;
	int ret = 0, i;

	for (ldev = unit->first; ldev; ldev = ldev->next) {
		if (ldev->failed)
			continue;
		for (i = 0; i < ldev->ser.nr_rids && !ret; i++)
			ret = xa_err(xa_store(sids, ldev->ser.smmuv3.sids[i], SMMU_LU_SID_DEVICE,
					      GFP_KERNEL));
	}
	return ret;
}

/*
 * What nobody has a sound record of aborts from here on. The stores take effect when
 * all configuration is invalidated, as soon as there is a command queue.
 */
static void block_unknown(struct arm_smmu_device *smmu, struct xarray *sids,
			  struct arm_smmu_ste *stes, u32 nr, u32 first)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (smmu_lu_ste_blocks(&stes[i]) ||
		    smmu_lu_keeps_stream(sids, first + i, &stes[i]))
			continue;
		dev_err(smmu->dev, "iommu_lu: stream %#x is blocked: there is no record of it\n",
			first + i);
		smmu_lu_abort_stream(&stes[i]);
	}
}

static int adopt_linear(struct arm_smmu_device *smmu, const struct iommu_smmuv3_ser *ser,
			const struct smmu_lu_strtab *strtab, struct xarray *sids, const char **why)
{
	struct arm_smmu_strtab_cfg *cfg = &smmu->strtab_cfg;
	struct arm_smmu_ste *table;

	*why = "stream table is not inherited memory";
	table = smmu_lu_restore_table(ser->strtab_pa, strtab->size);
	if (!table)
		return -EINVAL;
	block_unknown(smmu, sids, table, strtab->entries, 0);
	cfg->linear.table = table;
	cfg->linear.ste_dma = ser->strtab_pa;
	cfg->linear.num_ents = strtab->entries;
	*why = "out of memory";
	return smmu_lu_manage_strtab(smmu, table);
}

static int adopt_two_level(struct arm_smmu_device *smmu, const struct iommu_smmuv3_ser *ser,
			   const struct smmu_lu_strtab *strtab, struct xarray *sids,
			   const char **why)
{
	struct arm_smmu_strtab_cfg *cfg = &smmu->strtab_cfg;
	struct arm_smmu_strtab_l1 *l1 = phys_to_virt(ser->strtab_pa);
	struct arm_smmu_strtab_l2 **l2ptrs;
	phys_addr_t pa;
	u32 i, nr = 0;

	*why = "stream table is damaged";
	for (i = 0; i < strtab->entries; i++) {
		if (smmu_lu_parse_l1(le64_to_cpu(l1[i].l2ptr), &pa))
			return -EINVAL;
		nr += !!pa;
	}
	if (nr != ser->nr_l2_tables)
		return -EINVAL;

	*why = "out of memory";
	l2ptrs = devm_kcalloc(smmu->dev, strtab->entries, sizeof(*l2ptrs), GFP_KERNEL);
	if (!l2ptrs)
		return -ENOMEM;
	*why = "stream tables are not inherited memory";
	if (!smmu_lu_restore_table(ser->strtab_pa, strtab->size))
		return -EINVAL;
	for (i = 0; i < strtab->entries; i++) {
		smmu_lu_parse_l1(le64_to_cpu(l1[i].l2ptr), &pa);
		if (!pa)
			continue;
		l2ptrs[i] = smmu_lu_restore_table(pa, sizeof(*l2ptrs[i]));
		if (!l2ptrs[i])
			return -EINVAL;
		block_unknown(smmu, sids, l2ptrs[i]->stes, STRTAB_NUM_L2_STES,
			      i * STRTAB_NUM_L2_STES);
	}

	*why = "out of memory";
	if (smmu_lu_manage_strtab(smmu, l1))
		return -ENOMEM;
	for (i = 0; i < strtab->entries; i++)
		if (l2ptrs[i] && smmu_lu_manage_strtab(smmu, l2ptrs[i]))
			return -ENOMEM;
	cfg->l2.l1tab = l1;
	cfg->l2.l2ptrs = l2ptrs;
	cfg->l2.l1_dma = ser->strtab_pa;
	cfg->l2.num_l1_ents = strtab->entries;
	return 0;
}

/* What arm_smmu_device_reset() programs. */
static u32 want_cr1(void)
{
	return FIELD_PREP(CR1_TABLE_SH, ARM_SMMU_SH_ISH) |
	       FIELD_PREP(CR1_TABLE_OC, CR1_CACHE_WB) | FIELD_PREP(CR1_TABLE_IC, CR1_CACHE_WB) |
	       FIELD_PREP(CR1_QUEUE_SH, ARM_SMMU_SH_ISH) |
	       FIELD_PREP(CR1_QUEUE_OC, CR1_CACHE_WB) | FIELD_PREP(CR1_QUEUE_IC, CR1_CACHE_WB);
}

static u32 want_cr2(struct arm_smmu_device *smmu)
{
	return CR2_PTM | CR2_RECINVSID | (smmu->features & ARM_SMMU_FEAT_E2H ? CR2_E2H : 0);
}

static int check_unit(struct arm_smmu_device *smmu, const struct iommu_smmuv3_ser *ser,
		      struct smmu_lu_strtab *strtab, const char **why)
{
	struct iommu_smmuv3_ser now = {};
	u32 gerror;

	*why = "it does not snoop the CPU's caches";
	if (!(smmu->features & ARM_SMMU_FEAT_COHERENCY))
		return -EINVAL;
	*why = "the extensions of this implementation are not carried";
	if (smmu->impl_ops)
		return -EINVAL;
	smmu_lu_read_regs(smmu, &now);
	*why = smmu_lu_regs_differ(ser, &now, want_cr1(), want_cr2(smmu));
	if (*why)
		return -EINVAL;
	*why = "it does not respond";
	if (readl_relaxed(smmu->base + ARM_SMMU_CR0ACK) != now.cr0)
		return -EINVAL;
	/* 12.3 "Service Failure Mode": it aborts everything, and SMMUEN is to be cleared */
	*why = "it is in service failure mode";
	gerror = readl_relaxed(smmu->base + ARM_SMMU_GERROR) ^
		 readl_relaxed(smmu->base + ARM_SMMU_GERRORN);
	if (gerror & GERROR_SFM_ERR)
		return -EIO;
	*why = "kind of stream table is not known";
	if (smmu_lu_parse_strtab_cfg(now.strtab_base_cfg, strtab) ||
	    !smmu_lu_own_pages(smmu, strtab->size))
		return -EINVAL;
	return 0;
}

static int adopt(struct arm_smmu_device *smmu, struct iommu_lu_unit *unit, const char **why)
{
	const struct iommu_smmuv3_ser *ser = &unit->ser.smmuv3;
	struct smmu_lu_strtab strtab;
	struct xarray sids;
	int ret;

	ret = check_unit(smmu, ser, &strtab, why);
	if (ret)
		return ret;
	*why = "an ASID or VMID cannot be had";
	ret = reserve_asids() ?: reserve_vmids(smmu, unit);
	if (ret)
		return ret;

	*why = "out of memory";
	xa_init(&sids);
	ret = smmu_lu_walk_rmrs(smmu, mark_sid, &sids) ?: mark_devices(unit, &sids);
	if (!ret)
		ret = strtab.two_level ? adopt_two_level(smmu, ser, &strtab, &sids, why) :
					 adopt_linear(smmu, ser, &strtab, &sids, why);
	xa_destroy(&sids);
	if (ret)
		return ret;
	/* the kind of table is in use already, whatever this kernel would choose */
	if (strtab.two_level)
		smmu->features |= ARM_SMMU_FEAT_2_LVL_STRTAB;
	else
		smmu->features &= ~ARM_SMMU_FEAT_2_LVL_STRTAB;
	return 0;
}

/**
 * smmu_lu_adopt - take an SMMU over while it is enabled
 * @smmu: SMMU, no stream table yet
 *
 * Return: true if the SMMU has got its stream table. If not, it shall have a new one.
 */
bool smmu_lu_adopt(struct arm_smmu_device *smmu)
{
	struct iommu_lu_unit *unit;
	const char *why = "no usable record";

	if (!iommu_lu_inherited())
		return false;

	guard(iommu_lu_fail)("adopt");
	/* also for an SMMU that has nothing to take over: ASIDs are shared */
	reserve_asids();
	unit = iommu_lu_unit_incoming(smmu->lu.base);
	if (unit && !unit->failed)
		unit->failed = adopt(smmu, unit, &why);
	if (!unit || unit->failed) {
		memset(&smmu->strtab_cfg, 0, sizeof(smmu->strtab_cfg));
		ida_destroy(&smmu->vmid_map);
		if (unit || readl_relaxed(smmu->base + ARM_SMMU_CR0) & CR0_SMMUEN)
			dev_err(smmu->dev,
				"iommu_lu: not taken over: %s; everything behind it is blocked\n",
				why);
		return false;
	}

	unit->iommu = &smmu->iommu;
	smmu->lu.adopted = true;
	dev_info(smmu->dev, "iommu_lu: adopted, %s stream table\n",
		 smmu->features & ARM_SMMU_FEAT_2_LVL_STRTAB ? "2-level" : "linear");
	return true;
}

/* --- reset ---------------------------------------------------------------- */

/**
 * smmu_lu_keep_cr0 - what must stay set in SMMU_CR0 while the driver resets an SMMU
 * @smmu: SMMU
 *
 * Return: 0 if it was not taken over.
 */
u32 smmu_lu_keep_cr0(struct arm_smmu_device *smmu)
{
	if (!smmu->lu.adopted)
		return 0;
	return readl_relaxed(smmu->base + ARM_SMMU_CR0) & (CR0_SMMUEN | CR0_ATSCHK);
}

/**
 * smmu_lu_take_over - the part of the driver's reset before the queues are set up
 * @smmu: SMMU that was taken over
 * @keep: from smmu_lu_keep_cr0()
 *
 * Queue bases may be written while their queue is disabled, whatever SMMUEN is. SMMU_GBPA
 * comes first of all that could go wrong: should the SMMU be turned off after all, it blocks.
 * A command queue error that is still active would stop the new queue (7.1).
 */
int smmu_lu_take_over(struct arm_smmu_device *smmu, u32 keep)
{
	int ret;

	ret = arm_smmu_update_gbpa(smmu, GBPA_ABORT, 0);
	ret = ret ?: arm_smmu_write_reg_sync(smmu, 0, ARM_SMMU_IRQ_CTRL, ARM_SMMU_IRQ_CTRLACK);
	ret = ret ?: arm_smmu_write_reg_sync(smmu, keep, ARM_SMMU_CR0, ARM_SMMU_CR0ACK);
	if (ret)
		return ret;
	writel_relaxed(readl_relaxed(smmu->base + ARM_SMMU_GERROR), smmu->base + ARM_SMMU_GERRORN);
	return 0;
}

/**
 * smmu_lu_abandon - the driver gives up after the SMMU was taken over
 * @smmu: SMMU that is about to be turned off
 *
 * SMMU_GBPA aborts from then on. Devices that are known already are stopped first; others
 * are stopped when they are probed, if an SMMU is found for them.
 */
void smmu_lu_abandon(struct arm_smmu_device *smmu)
{
	struct iommu_lu_device *ldev;
	struct iommu_lu_unit *unit;
	struct pci_dev *pdev;

	/* at shutdown the driver may come by, too, and nobody gives up */
	if (!smmu->lu.adopted || system_state > SYSTEM_RUNNING)
		return;
	smmu->lu.adopted = false;
	unit = iommu_lu_unit_incoming(smmu->lu.base);
	if (!unit)
		return;
	unit->failed = -EIO;
	unit->iommu = NULL;
	for (ldev = unit->first; ldev; ldev = ldev->next) {
		pdev = pci_get_domain_bus_and_slot(ldev->ser.segment, ldev->ser.bdf >> 8,
						   ldev->ser.bdf & 0xff);
		if (pdev)
			iommu_lu_pci_quiesce(&pdev->dev);
		pci_dev_put(pdev);
	}
	dev_err(smmu->dev, "iommu_lu: given up, everything behind it is blocked\n");
}

/**
 * smmu_lu_write_rmr - let a stream through that firmware needs
 * @ste: its entry; the table may be in use
 * @bypass: what shall be there
 *
 * Nothing but the first 64 bits of an entry that aborts is used, so they come last. An
 * inherited entry that translates stays.
 */
void smmu_lu_write_rmr(struct arm_smmu_ste *ste, const struct arm_smmu_ste *bypass)
{
	unsigned int i;

	if (!smmu_lu_ste_blocks(ste))
		return;
	for (i = 1; i < STRTAB_STE_DWORDS; i++)
		WRITE_ONCE(ste->data[i], bypass->data[i]);
	dma_wmb();
	WRITE_ONCE(ste->data[0], bypass->data[0]);
}
