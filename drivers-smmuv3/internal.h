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
 * @sids: stream ids that stay as they are, by whose they are: SMMU_LU_SID_*
 * @tables: by index into the first level: how many of @sids are in that table
 */
struct smmu_lu_unit {
	struct xarray sids;
	struct xarray tables;
};

#define SMMU_LU_SID_DEVICE	xa_mk_value(1)
#define SMMU_LU_SID_RMR		xa_mk_value(2)

/* Where iommufd finds the MSI doorbells that are mapped in a domain. */
static inline void smmu_lu_set_msi(struct iommu_lu_domain *ldom)
{
	ldom->msi = ldom->ser.arm.sw_msi;
	ldom->nr_msi = &ldom->ser.arm.nr_sw_msi;
	ldom->msi_start = &ldom->ser.arm.sw_msi_start;
}

/* alloc.c */
bool smmu_lu_own_pages(struct arm_smmu_device *smmu, size_t size);
void *smmu_lu_restore_table(phys_addr_t pa, size_t size);
int smmu_lu_manage_strtab(struct arm_smmu_device *smmu, void *table);

/* smmuv3.c */
void smmu_lu_read_regs(struct arm_smmu_device *smmu, struct iommu_smmuv3_ser *ser);
void smmu_lu_issue(struct arm_smmu_device *smmu, struct arm_smmu_cmd cmd);
void smmu_lu_flush_all(struct arm_smmu_device *smmu);
int smmu_lu_walk_rmrs(struct arm_smmu_device *smmu, int (*fn)(u32 sid, void *arg), void *arg);
bool smmu_lu_keeps_stream(struct xarray *sids, u32 sid, const struct arm_smmu_ste *ste);
void smmu_lu_abort_stream(struct arm_smmu_ste *ste);
int smmu_lu_sids(struct arm_smmu_master *master, u32 *sids, unsigned int max);
void smmu_lu_want_ste(struct arm_smmu_master *master, struct arm_smmu_domain *domain,
		      struct arm_smmu_ste *ste);

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

/* replace.c */
int smmu_lu_replace(struct arm_smmu_domain *new, struct arm_smmu_master *master,
		    struct arm_smmu_domain *old);

#endif
