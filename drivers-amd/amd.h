/* SPDX-License-Identifier: GPL-2.0 */
/*
 * AMD-Vi live update: what the hooks in drivers/iommu/amd call.
 */
#ifndef AMD_LU_AMD_H
#define AMD_LU_AMD_H

#include <linux/types.h>

struct amd_iommu;
struct amd_iommu_pci_seg;
struct device;
struct iommu_domain;

#ifdef CONFIG_IOMMU_LIVEUPDATE_AMD

extern const struct iommu_lu_ops amd_lu_ops;
#define AMD_LU_OPS	.lu_ops = &amd_lu_ops,

bool amd_lu_running(struct amd_iommu *iommu);
bool amd_lu_keep_on(struct amd_iommu *iommu);
bool amd_lu_adopt(struct amd_iommu *iommu);
void amd_lu_abandon(void);
bool amd_lu_uninit(struct amd_iommu_pci_seg *pci_seg);
void amd_lu_probe(struct amd_iommu *iommu, struct device *dev);
bool amd_lu_ignore(struct amd_iommu *iommu, struct device *dev);
bool amd_lu_wants_v1(struct device *dev);
bool amd_lu_attach(struct iommu_domain *domain, struct device *dev, int *ret);

#else

#define AMD_LU_OPS

static inline bool amd_lu_running(struct amd_iommu *iommu) { return false; }
static inline bool amd_lu_keep_on(struct amd_iommu *iommu) { return false; }
static inline bool amd_lu_adopt(struct amd_iommu *iommu) { return false; }
static inline void amd_lu_abandon(void) { }
static inline bool amd_lu_uninit(struct amd_iommu_pci_seg *pci_seg) { return false; }
static inline void amd_lu_probe(struct amd_iommu *iommu, struct device *dev) { }
static inline bool amd_lu_ignore(struct amd_iommu *iommu, struct device *dev) { return false; }
static inline bool amd_lu_wants_v1(struct device *dev) { return false; }
static inline bool amd_lu_attach(struct iommu_domain *domain, struct device *dev, int *ret)
{
	return false;
}

#endif
#endif
