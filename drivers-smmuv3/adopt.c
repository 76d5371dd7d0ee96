// SPDX-License-Identifier: GPL-2.0
/*
 * Arm SMMUv3 live update: the new kernel takes an SMMU over.
 *
 * One that cannot be taken over is turned off, see smmu_lu_turn_off(), and the driver sets it
 * up with a stream table in which everything aborts. In the reset of one that is taken over
 * the driver leaves out the steps that are not allowed while the SMMU is enabled.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <kunit/visibility.h>
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
	/* nothing to give back */
	ldev->ser.smmuv3.did = 0;
	return 1;
}

/**
 * smmu_lu_reserve_asid - nobody but its domain gets the ASID of a device
 * @ldev: record; failed afterwards if the ASID is that of another domain
 * @owners: xarray of the domains that have an ASID, by ASID
 */
VISIBLE_IF_KUNIT int smmu_lu_reserve_asid(struct iommu_lu_device *ldev, void *owners)
{
	int ret;

	if (ldev->failed || ldev->unit->ser.type != IOMMU_HW_SER_SMMUV3 ||
	    ldev->domain->ser.format != IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1)
		return 0;
	if (ldev->unit->failed) {
		ldev->ser.smmuv3.did = 0;
		return 0;
	}
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
	asids.ret = iommu_lu_walk_incoming(smmu_lu_reserve_asid, &owners);
	xa_destroy(&owners);
	asids.done = true;
	return asids.ret;
}

/**
 * smmu_lu_reserve_vmids - nobody but their domains get the VMIDs of devices
 * @smmu: SMMU; VMIDs belong to it, and no domain of it exists yet
 * @unit: its record; of two devices with one VMID and different domains the second has failed
 *	afterwards
 */
VISIBLE_IF_KUNIT int smmu_lu_reserve_vmids(struct arm_smmu_device *smmu,
					   struct iommu_lu_unit *unit)
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

static bool has_id(struct iommu_domain *domain, void *did)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);

	return *(u16 *)did == (smmu_domain->stage == ARM_SMMU_DOMAIN_S1 ?
			       smmu_domain->cd.asid : smmu_domain->s2_cfg.vmid);
}

/**
 * smmu_lu_drop_id - release the ASID or VMID of a device that is not taken over
 * @ldev: record, failed itself or with its unit; its entries are removed or the SMMU is off,
 *	so the id is in no TLB any more
 *
 * Unless the domain has got it, or another device may still come for it.
 */
void smmu_lu_drop_id(struct iommu_lu_device *ldev)
{
	struct iommu_lu_domain *ldom = ldev->domain;
	struct iommu_lu_unit *unit = ldev->unit;
	struct iommu_lu_device *other;
	u16 did = ldev->ser.smmuv3.did;

	if (!did || iommu_lu_domain_is(ldom, has_id, &did))
		return;
	for (other = unit->first; other; other = other->next)
		if (other->domain == ldom && other->ser.smmuv3.did == did &&
		    !other->failed && !unit->failed)
			return;
	for (other = unit->first; other; other = other->next)
		if (other->domain == ldom && other->ser.smmuv3.did == did)
			other->ser.smmuv3.did = 0;
	if (ldom->ser.format == IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1) {
		guard(mutex)(&arm_smmu_asid_lock);
		xa_release(&arm_smmu_asid_xa, did);
	} else if (unit->iommu) {
		ida_free(&to_smmu(unit->iommu)->vmid_map, did);
	}
}

/* Those of the SMMU itself go with it. */
static void drop_ids(struct iommu_lu_unit *unit)
{
	struct iommu_lu_device *ldev;

	for (ldev = unit->first; ldev; ldev = ldev->next)
		smmu_lu_drop_id(ldev);
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
			ret = xa_err(xa_store(sids, ldev->ser.smmuv3.sids[i], ldev, GFP_KERNEL));
	}
	return ret;
}

/*
 * What is not as somebody's sound record says aborts from here on. The stores take effect
 * when all configuration is invalidated, as soon as there is a command queue.
 */
static void block_unknown(struct arm_smmu_device *smmu, struct xarray *sids,
			  struct arm_smmu_ste *stes, u32 nr, u32 first)
{
	struct iommu_lu_device *ldev;
	void *whose;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (smmu_lu_ste_blocks(&stes[i]) ||
		    smmu_lu_keeps_stream(sids, first + i, &stes[i]))
			continue;
		whose = xa_load(sids, first + i);
		ldev = whose == SMMU_LU_SID_RMR ? NULL : whose;
		dev_err(smmu->dev, "iommu_lu: stream %#x is blocked: %s\n", first + i,
			ldev ? "stream table entry differs" : "there is no record of it");
		if (ldev)
			ldev->failed = -EINVAL;
		smmu_lu_abort_stream(&stes[i]);
	}
}

/* The table is the SMMU's own from here on, or given back if the SMMU cannot be taken over. */
static void *restore_strtab(struct arm_smmu_device *smmu, phys_addr_t pa, size_t size)
{
	void *table = smmu_lu_restore_table(pa, size);

	if (table)
		iommu_pages_list_add(&smmu->lu.tables, table);
	return table;
}

static int adopt_linear(struct arm_smmu_device *smmu, const struct iommu_smmuv3_ser *ser,
			const struct smmu_lu_strtab *strtab, struct xarray *sids, const char **why)
{
	struct arm_smmu_strtab_cfg *cfg = &smmu->strtab_cfg;
	struct arm_smmu_ste *table;

	*why = "stream table is not inherited memory";
	table = restore_strtab(smmu, ser->strtab_pa, strtab->size);
	if (!table)
		return -EINVAL;
	block_unknown(smmu, sids, table, strtab->entries, 0);
	cfg->linear.table = table;
	cfg->linear.ste_dma = ser->strtab_pa;
	cfg->linear.num_ents = strtab->entries;
	return 0;
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
	if (!restore_strtab(smmu, ser->strtab_pa, strtab->size))
		return -EINVAL;
	for (i = 0; i < strtab->entries; i++) {
		smmu_lu_parse_l1(le64_to_cpu(l1[i].l2ptr), &pa);
		if (!pa)
			continue;
		l2ptrs[i] = restore_strtab(smmu, pa, sizeof(*l2ptrs[i]));
		if (!l2ptrs[i])
			return -EINVAL;
		block_unknown(smmu, sids, l2ptrs[i]->stes, STRTAB_NUM_L2_STES,
			      i * STRTAB_NUM_L2_STES);
	}
	cfg->l2.l1tab = l1;
	cfg->l2.l2ptrs = l2ptrs;
	cfg->l2.l1_dma = ser->strtab_pa;
	cfg->l2.num_l1_ents = strtab->entries;
	return 0;
}

/*
 * A device with several streams goes on with all of them or with none, and one whose streams
 * have no table is not there. The SMMU has its table.
 */
static void block_failed(struct arm_smmu_device *smmu, struct iommu_lu_unit *unit,
			 struct xarray *sids)
{
	struct iommu_lu_device *ldev;
	struct arm_smmu_ste *ste;
	u32 sid;
	int i;

	for (ldev = unit->first; ldev; ldev = ldev->next) {
		for (i = 0; i < ldev->ser.nr_rids && !ldev->failed; i++) {
			sid = ldev->ser.smmuv3.sids[i];
			ste = smmu_lu_find_step(smmu, sid);
			if (ste && smmu_lu_ste_is(ste, ldev->ser.smmuv3.ste))
				continue;
			dev_err(smmu->dev, "iommu_lu: stream %#x is not as it was recorded\n", sid);
			ldev->failed = -EINVAL;
		}
		/* what was not sound from the beginning is in nobody's name, and is blocked */
		for (i = 0; i < ldev->ser.nr_rids && ldev->failed; i++) {
			sid = ldev->ser.smmuv3.sids[i];
			ste = smmu_lu_find_step(smmu, sid);
			if (ste && xa_load(sids, sid) == ldev)
				smmu_lu_abort_stream(ste);
		}
	}
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
	*why = smmu_lu_regs_differ(ser, &now, smmu_lu_want_cr1(), smmu_lu_want_cr2(smmu));
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
	ret = reserve_asids() ?: smmu_lu_reserve_vmids(smmu, unit);
	if (ret)
		return ret;

	*why = "out of memory";
	xa_init(&sids);
	ret = smmu_lu_walk_rmrs(smmu, mark_sid, &sids) ?: mark_devices(unit, &sids);
	if (!ret)
		ret = strtab.two_level ? adopt_two_level(smmu, ser, &strtab, &sids, why) :
					 adopt_linear(smmu, ser, &strtab, &sids, why);
	if (ret)
		goto out;
	*why = "out of memory";
	ret = smmu_lu_manage_strtabs(smmu);
	if (ret)
		goto out;
	/* the kind of table is in use already, whatever this kernel would choose */
	if (strtab.two_level)
		smmu->features |= ARM_SMMU_FEAT_2_LVL_STRTAB;
	else
		smmu->features &= ~ARM_SMMU_FEAT_2_LVL_STRTAB;
	block_failed(smmu, unit, &sids);
out:
	xa_destroy(&sids);
	return ret;
}

/**
 * smmu_lu_adopt - take an SMMU over while it is enabled
 * @smmu: SMMU, no stream table yet
 * @ret: 0 if it has got its stream table, or why the driver must not go on
 *
 * An SMMU that cannot be taken over is turned off at once, and blocks.
 *
 * Return: false if it shall have a new stream table.
 */
bool smmu_lu_adopt(struct arm_smmu_device *smmu, int *ret)
{
	struct iommu_lu_unit *unit;
	const char *why = "no usable record";
	bool running;

	INIT_LIST_HEAD(&smmu->lu.tables.pages);
	smmu_lu_init_pages(smmu);
	if (!iommu_lu_inherited())
		return false;

	guard(iommu_lu_fail)("adopt");
	/* also for an SMMU that has nothing to take over: ASIDs are shared */
	reserve_asids();
	unit = iommu_lu_unit_incoming(smmu->lu.base);
	if (unit && !unit->failed) {
		unit->failed = adopt(smmu, unit, &why);
		if (!unit->failed) {
			unit->iommu = &smmu->iommu;
			smmu->lu.adopted = true;
			dev_info(smmu->dev, "iommu_lu: adopted, %s stream table\n",
				 smmu->features & ARM_SMMU_FEAT_2_LVL_STRTAB ? "2-level" :
									       "linear");
			*ret = 0;
			return true;
		}
		drop_ids(unit);
		ida_destroy(&smmu->vmid_map);
		memset(&smmu->strtab_cfg, 0, sizeof(smmu->strtab_cfg));
	}

	running = readl_relaxed(smmu->base + ARM_SMMU_CR0) & CR0_SMMUEN;
	if (unit || running)
		dev_err(smmu->dev,
			"iommu_lu: not taken over: %s; everything behind it is blocked\n", why);
	/* what was restored is not given back while it may be in use */
	if (running) {
		*ret = smmu_lu_turn_off(smmu);
		if (*ret)
			return true;
	}
	smmu_lu_free_strtabs(smmu);
	return false;
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

/* The VMID of a domain that stays goes with the SMMU. */
static bool forget_vmid(struct iommu_domain *domain, void *smmu)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);

	if (smmu_domain->smmu == smmu && smmu_domain->stage == ARM_SMMU_DOMAIN_S2)
		smmu_domain->lu_id_given = true;
	return false;
}

/**
 * smmu_lu_abandon - the driver gives up after the SMMU was taken over
 * @smmu: SMMU that is about to be turned off
 *
 * Devices that are known already are stopped first; others are stopped when they are probed,
 * if an SMMU is found for them. @smmu->lu.adopted stays set if the SMMU cannot be turned off
 * and may still be using its tables.
 *
 * Return: true if it was turned off here, false if it was not taken over.
 */
bool smmu_lu_abandon(struct arm_smmu_device *smmu)
{
	struct iommu_lu_device *ldev;
	struct iommu_lu_unit *unit;

	/* at shutdown the driver may come by, too, and nobody gives up */
	if (!smmu->lu.adopted || system_state > SYSTEM_RUNNING)
		return false;
	unit = iommu_lu_unit_incoming(smmu->lu.base);
	if (unit && unit->iommu) {
		unit->failed = -EIO;
		unit->iommu = NULL;
		iommu_lu_quiesce_incoming(unit);
		for (ldev = unit->first; ldev; ldev = ldev->next)
			iommu_lu_domain_is(ldev->domain, forget_vmid, smmu);
		dev_err(smmu->dev, "iommu_lu: given up, everything behind it is blocked\n");
	}
	if (smmu_lu_turn_off(smmu))
		return true;
	smmu->lu.adopted = false;
	if (unit)
		drop_ids(unit);
	return true;
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
