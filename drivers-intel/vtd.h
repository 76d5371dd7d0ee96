/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Intel VT-d live update: what the hooks in drivers/iommu/intel call: from where, and which
 * lock is held.
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

/* dmar.c: dmar_table_init(), before the first unit is found */
void intel_lu_keep_mode(void);
/* dmar.c: removal of units, dmar_global_lock held for writing, as below */
bool intel_lu_may_remove(struct intel_iommu *iommu);

/* iommu.c: init_dmars() and intel_iommu_add(), in this order; dmar_global_lock */
bool intel_lu_running(struct intel_iommu *iommu);
int intel_lu_adopt(struct intel_iommu *iommu);
/* iommu.c: disable_dmar_iommu(); dmar_global_lock */
bool intel_lu_abandon(struct intel_iommu *iommu);
/* iommu.c: init_dmars() and intel_disable_iommus(), in place of all others; dmar_global_lock */
bool intel_lu_leave_out(struct intel_iommu *iommu);
/* prq.c: intel_iommu_enable_prq(), the unit has its own queue; no lock that matters */
void intel_lu_prq_adopt(struct intel_iommu *iommu);
/* iommu.c: intel_iommu_shutdown(), for each unit; only this CPU runs */
bool intel_lu_shutdown(struct intel_iommu *iommu);

/* iommu.c: intel_iommu_probe_device(), and when that fails; iommu_probe_device_lock */
void intel_lu_probe(struct device *dev);
void intel_lu_unprobe(struct device *dev);
/* iommu.c: intel_iommu_attach_device(), before all else; group mutex */
bool intel_lu_attach(struct iommu_domain *domain, struct device *dev,
		     struct iommu_domain *old, int *ret);
/* iommu.c: intel_iommu_domain_free(), no device is attached; no lock */
void intel_lu_free_ids(struct dmar_domain *domain);

/* intel/irq_remapping.c: intel_setup_irq_remapping(); at boot none, later dmar_global_lock */
bool intel_lu_keep_irq(struct intel_iommu *iommu, bool eim);
/* irq_remapping.c: irq_remapping_prepare(); at boot, one CPU */
bool intel_lu_need_irq(void);

#else

#define INTEL_LU_OPS

static inline bool intel_lu_shutdown(struct intel_iommu *iommu) { return false; }
static inline void intel_lu_keep_mode(void) { }
static inline bool intel_lu_running(struct intel_iommu *iommu) { return false; }
static inline int intel_lu_adopt(struct intel_iommu *iommu) { return 0; }
static inline bool intel_lu_abandon(struct intel_iommu *iommu) { return false; }
static inline bool intel_lu_may_remove(struct intel_iommu *iommu) { return true; }
static inline bool intel_lu_leave_out(struct intel_iommu *iommu) { return false; }
static inline void intel_lu_probe(struct device *dev) { }
static inline void intel_lu_unprobe(struct device *dev) { }
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
