/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arm SMMUv3 live update: what the hooks in drivers/iommu/arm call.
 */
#ifndef SMMUV3_LU_SMMUV3_H
#define SMMUV3_LU_SMMUV3_H

#include <linux/iommu.h>
#include <linux/types.h>

#include <asm/barrier.h>

struct arm_smmu_attach_state;
struct arm_smmu_device;
struct arm_smmu_master;
struct arm_smmu_ste;
struct device;
struct iommu_domain;

#ifdef CONFIG_IOMMU_LIVEUPDATE_SMMUV3

/**
 * struct smmu_lu - live update state of an SMMU
 * @base: physical address of its registers
 * @tables: stream tables that were taken over or allocated in alloc.c, freed when the SMMU is off
 * @managed: that is going to happen
 * @own_pages: tables are allocated in alloc.c, not by the DMA API
 * @adopted: it was taken over with translation on
 * @shut: it was left running for the next kernel; its tables do not change any more
 */
struct smmu_lu {
	phys_addr_t base;
	struct iommu_pages_list tables;
	bool managed;
	bool own_pages;
	bool adopted;
	bool shut;
};

extern const struct iommu_lu_ops smmu_lu_ops;
#define SMMU_LU_OPS	.lu_ops = &smmu_lu_ops,

void *smmu_lu_alloc_table(struct arm_smmu_device *smmu, size_t size, dma_addr_t *dma);
void *smmu_lu_alloc_strtab(struct arm_smmu_device *smmu, size_t size, dma_addr_t *dma);
void smmu_lu_free_table(struct arm_smmu_device *smmu, size_t size, void *table, dma_addr_t dma);
void smmu_lu_l1_written(struct arm_smmu_device *smmu, u32 sid);
/* what a second-level table says must be visible to the SMMU before the table is */
static inline void smmu_lu_l2_filled(struct arm_smmu_device *smmu)
{
	dma_wmb();
}

#define smmu_lu_set_base(smmu, addr)	((smmu)->lu.base = (addr))
#define smmu_lu_is_shut(smmu)		((smmu)->lu.shut)
bool smmu_lu_is_fixed(struct device *dev);
bool smmu_lu_shutdown(struct arm_smmu_device *smmu);
bool smmu_lu_adopt(struct arm_smmu_device *smmu, int *ret);
u32 smmu_lu_keep_cr0(struct arm_smmu_device *smmu);
int smmu_lu_take_over(struct arm_smmu_device *smmu, u32 keep);
bool smmu_lu_abandon(struct arm_smmu_device *smmu);
void smmu_lu_write_rmr(struct arm_smmu_ste *ste, const struct arm_smmu_ste *bypass);
void smmu_lu_probe(struct arm_smmu_master *master);
void smmu_lu_prepare(struct arm_smmu_attach_state *state);
bool smmu_lu_attach(struct iommu_domain *domain, struct device *dev,
		    struct iommu_domain *old, int *ret);

#else

struct smmu_lu {};

#define SMMU_LU_OPS

#define smmu_lu_alloc_table(smmu, size, dma)	\
	dma_alloc_coherent((smmu)->dev, size, dma, GFP_KERNEL)
#define smmu_lu_alloc_strtab(smmu, size, dma)	\
	dmam_alloc_coherent((smmu)->dev, size, dma, GFP_KERNEL)
#define smmu_lu_free_table(smmu, size, table, dma)	\
	dma_free_coherent((smmu)->dev, size, table, dma)
/* the structure is not complete here */
#define smmu_lu_write_rmr(ste, bypass)	(*(ste) = *(bypass))

static inline void smmu_lu_set_base(struct arm_smmu_device *smmu, phys_addr_t base) { }
static inline bool smmu_lu_is_shut(struct arm_smmu_device *smmu) { return false; }
static inline void smmu_lu_l2_filled(struct arm_smmu_device *smmu) { }
static inline void smmu_lu_l1_written(struct arm_smmu_device *smmu, u32 sid) { }
static inline bool smmu_lu_is_fixed(struct device *dev) { return false; }
static inline bool smmu_lu_shutdown(struct arm_smmu_device *smmu) { return false; }
static inline bool smmu_lu_adopt(struct arm_smmu_device *smmu, int *ret) { return false; }
static inline u32 smmu_lu_keep_cr0(struct arm_smmu_device *smmu) { return 0; }
static inline int smmu_lu_take_over(struct arm_smmu_device *smmu, u32 keep) { return 0; }
static inline bool smmu_lu_abandon(struct arm_smmu_device *smmu) { return false; }
static inline void smmu_lu_probe(struct arm_smmu_master *master) { }
static inline void smmu_lu_prepare(struct arm_smmu_attach_state *state) { }
static inline bool smmu_lu_attach(struct iommu_domain *domain, struct device *dev,
				  struct iommu_domain *old, int *ret)
{
	return false;
}

#endif
#endif
