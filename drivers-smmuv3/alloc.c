// SPDX-License-Identifier: GPL-2.0
/*
 * Arm SMMUv3 live update: memory of stream tables and context descriptor tables.
 *
 * It must be memory that can be handed over in place. What the DMA API allocates may lie in
 * CMA. In a kernel that was itself started by a live update, CMA is part of the scratch memory
 * of KHO, and that is where the next kernel allocates from before it knows what it inherits.
 * Nor need it be a folio of its own, which is what KHO hands over. So tables come from
 * iommu-pages, like page tables: one naturally aligned folio each.
 */
#include <linux/device/devres.h>
#include <linux/dma-mapping.h>
#include <linux/liveupdate.h>
#include <linux/memblock.h>

#include "internal.h"

/**
 * smmu_lu_init_pages - decide once where the tables of an SMMU come from
 * @smmu: SMMU that has no table yet
 *
 * From the DMA API if live update is off, or if the SMMU does not snoop, does not see all
 * memory, or not at the same addresses. It cannot be preserved then.
 */
void smmu_lu_init_pages(struct arm_smmu_device *smmu)
{
	smmu->lu.own_pages = liveupdate_enabled() && smmu->features & ARM_SMMU_FEAT_COHERENCY &&
			     !smmu->dev->dma_range_map &&
			     PFN_PHYS(max_pfn) - 1 <= DMA_BIT_MASK(smmu->oas);
}

/**
 * smmu_lu_own_pages - is a table of this size allocated here?
 * @smmu: SMMU
 * @size: in bytes
 *
 * Always the same for an SMMU and a size, so that what is freed is known to have been
 * allocated in the same way. What is larger than any folio comes from the DMA API.
 */
bool smmu_lu_own_pages(struct arm_smmu_device *smmu, size_t size)
{
	return smmu->lu.own_pages && size <= PAGE_SIZE << MAX_PAGE_ORDER;
}

/**
 * smmu_lu_alloc_table - allocate a table that the SMMU reads
 * @smmu: SMMU
 * @size: in bytes
 * @dma: where the SMMU finds it
 *
 * Return: the table, all zero and aligned to its size, or NULL.
 */
void *smmu_lu_alloc_table(struct arm_smmu_device *smmu, size_t size, dma_addr_t *dma)
{
	void *table;

	/* What is left running for the next kernel cannot refer to anything new. */
	if (smmu->lu.shut)
		return NULL;
	if (!smmu_lu_own_pages(smmu, size))
		return dma_alloc_coherent(smmu->dev, size, dma, GFP_KERNEL);
	table = iommu_alloc_pages_node_sz(dev_to_node(smmu->dev), GFP_KERNEL, size);
	if (!table)
		return NULL;
	*dma = virt_to_phys(table);
	/* memory that was added since the SMMU was set up */
	if (*dma + size - 1 > DMA_BIT_MASK(smmu->oas)) {
		iommu_free_pages(table);
		return NULL;
	}
	return table;
}

/** smmu_lu_free_table - undo smmu_lu_alloc_table() */
void smmu_lu_free_table(struct arm_smmu_device *smmu, size_t size, void *table, dma_addr_t dma)
{
	if (smmu_lu_own_pages(smmu, size))
		iommu_free_pages(table);
	else
		dma_free_coherent(smmu->dev, size, table, dma);
}

/** smmu_lu_free_strtabs - give stream tables back that nobody uses */
void smmu_lu_free_strtabs(struct arm_smmu_device *smmu)
{
	iommu_put_pages_list(&smmu->lu.tables);
	INIT_LIST_HEAD(&smmu->lu.tables.pages);
}

static void release_strtabs(void *arg)
{
	struct arm_smmu_device *smmu = arg;

	smmu_lu_abandon(smmu);
	if (smmu->lu.adopted)
		dev_err(smmu->dev, "iommu_lu: may still be using its stream table, leaked\n");
	else
		smmu_lu_free_strtabs(smmu);
}

/**
 * smmu_lu_manage_strtabs - stream tables go when the driver leaves the SMMU
 * @smmu: SMMU
 *
 * All of them at once, also those that are allocated later. To be called before the driver has
 * an action that turns the SMMU off, so that this one comes after it.
 */
int smmu_lu_manage_strtabs(struct arm_smmu_device *smmu)
{
	int ret;

	if (smmu->lu.managed)
		return 0;
	ret = devm_add_action(smmu->dev, release_strtabs, smmu);
	smmu->lu.managed = !ret;
	return ret;
}

/**
 * smmu_lu_alloc_strtab - the same for stream tables, which are managed
 * @smmu: SMMU
 * @size: in bytes
 * @dma: where the SMMU finds it
 *
 * Context: the driver is setting the SMMU up, or its streams_mutex is held.
 */
void *smmu_lu_alloc_strtab(struct arm_smmu_device *smmu, size_t size, dma_addr_t *dma)
{
	void *table;

	if (smmu->lu.shut)
		return NULL;
	if (!smmu_lu_own_pages(smmu, size))
		return dmam_alloc_coherent(smmu->dev, size, dma, GFP_KERNEL);
	if (smmu_lu_manage_strtabs(smmu))
		return NULL;
	table = smmu_lu_alloc_table(smmu, size, dma);
	if (table)
		iommu_pages_list_add(&smmu->lu.tables, table);
	return table;
}

/**
 * smmu_lu_restore_table - take an inherited table over
 * @pa: its physical address
 * @size: as large as it must be, in bytes
 *
 * Return: the table, or NULL if nothing of that size was handed over. It is not freed
 * then: the hardware may be using it.
 */
void *smmu_lu_restore_table(phys_addr_t pa, size_t size)
{
	void *table = iommu_restore_page(pa);

	return table && folio_size(virt_to_folio(table)) >= size ? table : NULL;
}
