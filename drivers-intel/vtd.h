/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Intel VT-d: what the hooks in drivers/iommu/intel call.
 */
#ifndef INTEL_LU_VTD_H
#define INTEL_LU_VTD_H

#include <linux/types.h>

struct context_entry;
struct device;
struct dmar_domain;
struct intel_iommu;
struct iommu_domain;

#ifdef CONFIG_IOMMU_LIVEUPDATE_INTEL

extern const struct iommu_lu_ops intel_lu_ops;
#define INTEL_LU_OPS	.lu_ops = &intel_lu_ops,

bool intel_lu_shutdown(struct intel_iommu *iommu);
bool intel_lu_adopt(struct intel_iommu *iommu);
void intel_lu_quiesce(void);
int intel_lu_check_context(struct intel_iommu *iommu, struct dmar_domain *domain,
			   const struct context_entry *context);
bool intel_lu_replace(struct iommu_domain *domain, struct device *dev,
		      struct iommu_domain *old, int *ret);
void intel_lu_free_ids(struct dmar_domain *domain);

/* irq.c */
struct iommu_intel_ser;

#ifdef CONFIG_IRQ_REMAP
bool intel_lu_keep_irq(struct intel_iommu *iommu, bool eim);
int intel_lu_irq_preserve(struct intel_iommu *iommu, struct iommu_intel_ser *ser);
void intel_lu_irq_unpreserve(const struct iommu_intel_ser *ser);
void intel_lu_irq_shutdown(struct intel_iommu *iommu, const struct iommu_intel_ser *ser);
void intel_lu_irq_adopt(struct intel_iommu *iommu, const struct iommu_intel_ser *ser);
#else
static inline int intel_lu_irq_preserve(struct intel_iommu *iommu, struct iommu_intel_ser *ser)
{
	return 0;
}

static inline void intel_lu_irq_unpreserve(const struct iommu_intel_ser *ser) { }
static inline void intel_lu_irq_shutdown(struct intel_iommu *iommu,
					 const struct iommu_intel_ser *ser) { }
static inline void intel_lu_irq_adopt(struct intel_iommu *iommu,
				      const struct iommu_intel_ser *ser) { }
#endif

#else

#define INTEL_LU_OPS

static inline bool intel_lu_shutdown(struct intel_iommu *iommu) { return false; }
static inline bool intel_lu_adopt(struct intel_iommu *iommu) { return false; }
static inline bool intel_lu_keep_irq(struct intel_iommu *iommu, bool eim) { return false; }
static inline void intel_lu_quiesce(void) { }
static inline int intel_lu_check_context(struct intel_iommu *iommu, struct dmar_domain *domain,
					 const struct context_entry *context)
{
	return 0;
}

static inline bool intel_lu_replace(struct iommu_domain *domain, struct device *dev,
				    struct iommu_domain *old, int *ret)
{
	return false;
}

static inline void intel_lu_free_ids(struct dmar_domain *domain) { }

#endif
#endif
