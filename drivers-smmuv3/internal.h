/* SPDX-License-Identifier: GPL-2.0 */
/* Arm SMMUv3 live update: shared between the files of this directory. */
#ifndef SMMUV3_LU_INTERNAL_H
#define SMMUV3_LU_INTERNAL_H

#include <linux/acpi_iort.h>
#include <linux/io-pgtable.h>
#include <linux/iommu-liveupdate.h>
#include <linux/pci.h>
#include <linux/xarray.h>

#include "../../arm/arm-smmu-v3/arm-smmu-v3.h"
#include "../../iommu-pages.h"
#include "entry.h"
#include "io_pgtable.h"

static inline struct arm_smmu_device *to_smmu(struct iommu_device *iommu)
{
	return container_of(iommu, struct arm_smmu_device, iommu);
}

/**
 * struct smmu_lu_unit - what is prepared for an SMMU in the old kernel
 * @sids: stream ids that stay as they are, by whose they are: struct iommu_lu_device, or
 *	SMMU_LU_SID_RMR
 * @tables: by index into the first level: how many of @sids are in that table
 */
struct smmu_lu_unit {
	struct xarray sids;
	struct xarray tables;
};

#define SMMU_LU_SID_RMR		xa_mk_value(1)

/* Where iommufd finds the MSI doorbells that are mapped in a domain. */
static inline void smmu_lu_set_msi(struct iommu_lu_domain *ldom)
{
	ldom->msi = ldom->ser.arm.sw_msi;
	ldom->nr_msi = &ldom->ser.arm.nr_sw_msi;
	ldom->msi_start = &ldom->ser.arm.sw_msi_start;
}

/* alloc.c */
void smmu_lu_init_pages(struct arm_smmu_device *smmu);
bool smmu_lu_own_pages(struct arm_smmu_device *smmu, size_t size);
void *smmu_lu_restore_table(phys_addr_t pa, size_t size);
int smmu_lu_manage_strtabs(struct arm_smmu_device *smmu);
void smmu_lu_free_strtabs(struct arm_smmu_device *smmu);

/* smmuv3.c */
void smmu_lu_read_regs(struct arm_smmu_device *smmu, struct iommu_smmuv3_ser *ser);
u32 smmu_lu_want_cr1(void);
u32 smmu_lu_want_cr2(struct arm_smmu_device *smmu);
int smmu_lu_issue(struct arm_smmu_device *smmu, struct arm_smmu_cmd cmd);
int smmu_lu_flush_all(struct arm_smmu_device *smmu);
int smmu_lu_turn_off(struct arm_smmu_device *smmu);
struct arm_smmu_ste *smmu_lu_find_step(struct arm_smmu_device *smmu, u32 sid);
int smmu_lu_walk_rmrs(struct arm_smmu_device *smmu, int (*fn)(u32 sid, void *arg), void *arg);
bool smmu_lu_keeps_stream(struct xarray *sids, u32 sid, const struct arm_smmu_ste *ste);
void smmu_lu_abort_stream(struct arm_smmu_ste *ste);
int smmu_lu_sids(struct arm_smmu_master *master, u32 *sids, unsigned int max);
void smmu_lu_want_ste(struct arm_smmu_master *master, struct arm_smmu_domain *domain,
		      struct arm_smmu_ste *ste);

/* adopt.c */
void smmu_lu_drop_id(struct iommu_lu_device *ldev);
#if IS_ENABLED(CONFIG_KUNIT)
int smmu_lu_reserve_asid(struct iommu_lu_device *ldev, void *owners);
int smmu_lu_reserve_vmids(struct arm_smmu_device *smmu, struct iommu_lu_unit *unit);
#endif

/* preserve.c */
int smmu_lu_preserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit);
void smmu_lu_unpreserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit);
int smmu_lu_preserve_device(struct device *dev, struct iommu_domain *domain,
			    struct iommu_lu_device *ldev);
void smmu_lu_unpreserve_device(struct device *dev, struct iommu_domain *domain,
			       struct iommu_lu_device *ldev);
int smmu_lu_freeze_device(struct device *dev, struct iommu_lu_device *ldev);
int smmu_lu_preserve_domain(struct iommu_domain *domain, struct iommu_lu_domain *ldom);
void smmu_lu_unpreserve_domain(struct iommu_domain *domain, struct iommu_lu_domain *ldom);

/* restore.c */
struct iommu_domain *smmu_lu_restore_domain(struct device *dev, struct iommu_lu_domain *ldom);
int smmu_lu_next_mapping(struct iommu_domain *domain, u64 iova, struct iommu_lu_mapping *m);
int smmu_lu_restore_device(struct device *dev, struct iommu_domain *domain,
			   struct iommu_lu_device *ldev);
void smmu_lu_quiesce_device(struct device *dev);
void smmu_lu_forget_device(struct iommu_lu_device *ldev);
bool smmu_lu_is_attached(struct arm_smmu_domain *domain, struct arm_smmu_master *master);

/* replace.c */
int smmu_lu_replace(struct arm_smmu_domain *new, struct arm_smmu_master *master,
		    struct arm_smmu_domain *old);

#endif
