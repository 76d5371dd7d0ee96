// SPDX-License-Identifier: GPL-2.0
/*
 * Arm SMMUv3 live update: the old kernel leaves the SMMU running.
 *
 * The stream table stays where it is, so what is not preserved is taken out of it: streams
 * abort, and second-level tables that are not handed over are unlinked. Then nothing in the
 * SMMU refers to memory of this kernel any more but what is preserved.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/interrupt.h>

#include "internal.h"

static void block_streams(struct smmu_lu_unit *own, struct arm_smmu_ste *stes, u32 nr, u32 first)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (!smmu_lu_keeps_stream(&own->sids, first + i, &stes[i]))
			smmu_lu_abort_stream(&stes[i]);
}

static void block_others(struct arm_smmu_device *smmu, struct smmu_lu_unit *own)
{
	struct arm_smmu_strtab_cfg *cfg = &smmu->strtab_cfg;
	u32 i;

	if (!(smmu->features & ARM_SMMU_FEAT_2_LVL_STRTAB)) {
		block_streams(own, cfg->linear.table, cfg->linear.num_ents, 0);
		return;
	}
	for (i = 0; i < cfg->l2.num_l1_ents; i++) {
		if (!cfg->l2.l2ptrs[i])
			continue;
		if (xa_load(&own->tables, i))
			block_streams(own, cfg->l2.l2ptrs[i]->stes, STRTAB_NUM_L2_STES,
				      i * STRTAB_NUM_L2_STES);
		else
			WRITE_ONCE(cfg->l2.l1tab[i].l2ptr, 0);
	}
}

static void sync_irq(int irq)
{
	if (irq > 0)
		synchronize_irq(irq);
}

/**
 * smmu_lu_shutdown - leave an SMMU running for its preserved devices
 * @smmu: SMMU
 *
 * Queues and interrupts go off with acknowledgment: from there on the SMMU neither reads
 * commands nor writes events. Events of the gap are lost. SMMUEN stays set throughout.
 * Interrupts go off when all is invalidated: an error of the command queue is dealt with by
 * the handler of one.
 *
 * Should the SMMU not acknowledge, it is turned off, see smmu_lu_turn_off(); the next kernel
 * sees that it is off. An SMMU with nothing preserved behind it is turned off like that, too.
 *
 * Context: device_shutdown(). Other CPUs may still run; the lock and @smmu->lu.shut keep
 * them from changing the tables.
 * Return: false if this is no live update: the SMMU is to be turned off as usual.
 */
bool smmu_lu_shutdown(struct arm_smmu_device *smmu)
{
	struct iommu_lu_unit *unit = smmu->iommu.lu;
	int ret, ret_irq;

	if (!iommu_lu_sealed())
		return false;
	if (!unit) {
		/* queues that an implementation has beside those of the SMMU */
		if (smmu->impl_ops && smmu->impl_ops->device_disable)
			smmu->impl_ops->device_disable(smmu);
		if (!smmu_lu_turn_off(smmu))
			dev_info(smmu->dev,
				 "iommu_lu: nothing is preserved, everything behind it is blocked\n");
		return true;
	}

	scoped_guard(mutex, &arm_smmu_asid_lock) {
		guard(mutex)(&smmu->streams_mutex);
		smmu->lu.shut = true;
		block_others(smmu, unit->priv);
		/* the entries must be visible to the SMMU before it is told to read them */
		dma_wmb();
		ret = smmu_lu_flush_all(smmu);
	}

	ret_irq = arm_smmu_write_reg_sync(smmu, 0, ARM_SMMU_IRQ_CTRL, ARM_SMMU_IRQ_CTRLACK);
	sync_irq(smmu->combined_irq);
	sync_irq(smmu->evtq.q.irq);
	sync_irq(smmu->gerr_irq);
	sync_irq(smmu->priq.q.irq);

	ret = ret ?: ret_irq ?: arm_smmu_update_gbpa(smmu, GBPA_ABORT, 0);
	ret = ret ?: arm_smmu_write_reg_sync(smmu, unit->ser.smmuv3.cr0, ARM_SMMU_CR0,
					     ARM_SMMU_CR0ACK);
	if (ret) {
		dev_err(smmu->dev, "iommu_lu: does not respond, everything behind it is blocked\n");
		smmu_lu_turn_off(smmu);
		return true;
	}
	dev_info(smmu->dev, "iommu_lu: everything that is not preserved is blocked\n");
	return true;
}
