// SPDX-License-Identifier: GPL-2.0
/*
 * Arm SMMUv3 live update: memory of stream tables and context descriptor tables.
 *
 * It must be memory that can be handed over in place. The DMA API may take it from
 * CMA, and in a kernel that was itself started by a live update CMA lies where the
 * next kernel allocates; it may also be smaller than what was handed over says. So it comes
 * from iommu-pages, like the page tables: one naturally aligned folio each.
 */
#include <linux/device/devres.h>
#include <linux/dma-mapping.h>
#include <linux/liveupdate.h>
#include <linux/memblock.h>

#include "internal.h"

/**
 * smmu_lu_own_pages - is a table of this size allocated here?
 * @smmu: SMMU
 * @size: in bytes
 *
 * Always the same for an SMMU and a size, so that what is freed is known to have been
 * allocated in the same way. If not, the DMA API is used, and the SMMU cannot be preserved:
 * it does not snoop, does not see all memory, or not at the same addresses; or the table
 * is larger than any folio.
 */
bool smmu_lu_own_pages(struct arm_smmu_device *smmu, size_t size)
{
	return liveupdate_enabled() && smmu->features & ARM_SMMU_FEAT_COHERENCY &&
	       !smmu->dev->dma_range_map && size <= PAGE_SIZE << MAX_PAGE_ORDER &&
	       PFN_PHYS(max_pfn) - 1 <= DMA_BIT_MASK(smmu->oas);
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
	if (table)
		*dma = virt_to_phys(table);
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

static void free_strtab(void *table)
{
	iommu_free_pages(table);
}

/**
 * smmu_lu_manage_strtab - let a stream table live as long as the driver is bound
 * @smmu: SMMU
 * @table: from iommu-pages; not freed on error
 */
int smmu_lu_manage_strtab(struct arm_smmu_device *smmu, void *table)
{
	return devm_add_action(smmu->dev, free_strtab, table);
}

/**
 * smmu_lu_alloc_strtab - the same for stream tables, which are managed
 * @smmu: SMMU
 * @size: in bytes
 * @dma: where the SMMU finds it
 */
void *smmu_lu_alloc_strtab(struct arm_smmu_device *smmu, size_t size, dma_addr_t *dma)
{
	void *table;

	if (smmu->lu.shut)
		return NULL;
	if (!smmu_lu_own_pages(smmu, size))
		return dmam_alloc_coherent(smmu->dev, size, dma, GFP_KERNEL);
	table = smmu_lu_alloc_table(smmu, size, dma);
	if (table && smmu_lu_manage_strtab(smmu, table)) {
		iommu_free_pages(table);
		return NULL;
	}
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
