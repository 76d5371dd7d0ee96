/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Intel VT-d live update: what the hooks in drivers/iommu/intel call.
 */
#ifndef INTEL_LU_VTD_H
#define INTEL_LU_VTD_H

#include <linux/types.h>

struct device;
struct dmar_domain;
struct intel_iommu;
struct iommu_domain;

#ifdef CONFIG_IOMMU_LIVEUPDATE_INTEL

extern const struct iommu_lu_ops intel_lu_ops;
#define INTEL_LU_OPS	.lu_ops = &intel_lu_ops,

bool intel_lu_shutdown(struct intel_iommu *iommu);
void intel_lu_keep_mode(struct intel_iommu *iommu);
bool intel_lu_running(struct intel_iommu *iommu);
bool intel_lu_adopt(struct intel_iommu *iommu);
void intel_lu_abandon(struct intel_iommu *iommu);
bool intel_lu_in_use(struct intel_iommu *iommu);
void intel_lu_quiesce(void);
void intel_lu_probe(struct device *dev);
bool intel_lu_attach(struct iommu_domain *domain, struct device *dev,
		     struct iommu_domain *old, int *ret);
void intel_lu_free_ids(struct dmar_domain *domain);
void intel_lu_prq_adopt(struct intel_iommu *iommu);
#ifdef CONFIG_IRQ_REMAP
bool intel_lu_keep_irq(struct intel_iommu *iommu, bool eim);
bool intel_lu_need_irq(void);
#endif

#else

#define INTEL_LU_OPS

static inline bool intel_lu_shutdown(struct intel_iommu *iommu) { return false; }
static inline void intel_lu_keep_mode(struct intel_iommu *iommu) { }
static inline bool intel_lu_running(struct intel_iommu *iommu) { return false; }
static inline bool intel_lu_adopt(struct intel_iommu *iommu) { return false; }
static inline void intel_lu_abandon(struct intel_iommu *iommu) { }
static inline bool intel_lu_in_use(struct intel_iommu *iommu) { return false; }
static inline void intel_lu_quiesce(void) { }
static inline void intel_lu_probe(struct device *dev) { }
static inline bool intel_lu_attach(struct iommu_domain *domain, struct device *dev,
				   struct iommu_domain *old, int *ret)
{
	return false;
}

static inline void intel_lu_free_ids(struct dmar_domain *domain) { }
static inline void intel_lu_prq_adopt(struct intel_iommu *iommu) { }
static inline bool intel_lu_keep_irq(struct intel_iommu *iommu, bool eim) { return false; }
static inline bool intel_lu_need_irq(void) { return false; }

#endif
#endif
