/* SPDX-License-Identifier: GPL-2.0 */
/* Intel VT-d live update: shared between the files of this directory. */
#ifndef INTEL_LU_INTERNAL_H
#define INTEL_LU_INTERNAL_H

#include <linux/dmar.h>
#include <linux/iommu-liveupdate.h>
#include <linux/pci.h>

#include "../../intel/iommu.h"
#include "../../intel/pasid.h"
#include "../../iommu-pages.h"
#include "entry.h"
#include "vtd.h"

/* Context tables: one per bus, two of half the size in scalable mode (9.1, 9.2). */
#define INTEL_LU_ROOT_ENTRIES	(VTD_PAGE_SIZE / sizeof(struct root_entry))
#define INTEL_LU_TABLES		(2 * INTEL_LU_ROOT_ENTRIES)

/* Beside VTD_FLAG_* in the flags of a unit: translation was on before this kernel set it up. */
#define INTEL_LU_FLAG_LEFT_ON	BIT(31)

static inline struct intel_iommu *to_intel_iommu(struct iommu_device *iommu)
{
	return container_of(iommu, struct intel_iommu, iommu);
}

static inline bool intel_lu_is_on(struct intel_iommu *iommu)
{
	return readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES;
}

/* Root Table Address Register, TTM: it must not change while translation is on. */
static inline bool intel_lu_in_other_mode(struct intel_iommu *iommu)
{
	return sm_supported(iommu) != !!(readq(iommu->reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT);
}

static inline u64 *intel_lu_root_half(struct root_entry *root, unsigned int table)
{
	return table & 1 ? &root[table / 2].hi : &root[table / 2].lo;
}

/* tables.c */
struct intel_lu_context intel_lu_read_context(struct intel_iommu *iommu, u16 rid);
bool intel_lu_uses_id_of_bridge(struct pci_dev *pdev);
int intel_lu_walk_rids(struct device *dev, int (*fn)(u16 rid, void *arg), void *arg);
struct intel_lu_pasid *intel_lu_device_pasid(struct device_domain_info *info);
bool intel_lu_other_pasids(struct device_domain_info *info);
struct intel_lu_pasid intel_lu_want_pasid(struct intel_iommu *iommu, struct dmar_domain *domain);
struct intel_lu_context intel_lu_want_context(struct device_domain_info *info,
					      struct dmar_domain *domain);

/* shadow.c */
int intel_lu_shadow_alloc(struct intel_iommu *iommu, struct iommu_lu_unit *unit);
void intel_lu_shadow_free(struct iommu_lu_unit *unit);
struct root_entry *intel_lu_shadow_root(struct iommu_lu_unit *unit);
int intel_lu_shadow_add(struct iommu_lu_unit *unit, u16 rid, struct intel_lu_context entry);
void intel_lu_shadow_remove(struct iommu_lu_unit *unit, u16 rid);
int intel_lu_shadow_pasid(struct intel_iommu *iommu, struct device_domain_info *info,
			  struct iommu_device_intel_ser *ser);
void intel_lu_shadow_pasid_free(struct iommu_device_intel_ser *ser);

/* preserve.c */
int intel_lu_preserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit);
void intel_lu_unpreserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit);
int intel_lu_preserve_device(struct device *dev, struct iommu_domain *domain,
			     struct iommu_lu_device *ldev);
void intel_lu_unpreserve_device(struct device *dev, struct iommu_domain *domain,
				struct iommu_lu_device *ldev);
int intel_lu_freeze_device(struct device *dev, struct iommu_lu_device *ldev);
int intel_lu_preserve_domain(struct iommu_domain *domain, struct iommu_lu_domain *ldom);

/* adopt.c */
struct iommu_lu_unit *intel_lu_unit(struct intel_iommu *iommu);
struct iommu_lu_unit *intel_lu_adopted(struct intel_iommu *iommu);
int intel_lu_adopt_ids(struct intel_iommu *iommu, struct iommu_lu_unit *unit);
int intel_lu_clear_unnamed(struct intel_iommu *iommu, struct iommu_lu_unit *unit);
void intel_lu_drop_id(struct intel_iommu *iommu, struct iommu_lu_device *ldev);

/* giveup.c */
#if IS_ENABLED(CONFIG_KUNIT)
bool intel_lu_stop(struct iommu_lu_unit *unit);
#endif

/* restore.c */
int intel_lu_restore_id(struct intel_iommu *iommu, struct dmar_domain *domain, u16 did);
struct iommu_domain *intel_lu_restore_domain(struct device *dev, struct iommu_lu_domain *ldom);
int intel_lu_restore_device(struct device *dev, struct iommu_domain *domain,
			    struct iommu_lu_device *ldev);
void intel_lu_quiesce_device(struct device *dev);
void intel_lu_forget_device(struct iommu_lu_device *ldev);

/* replace.c */
int intel_lu_replace(struct dmar_domain *new, struct device *dev, struct dmar_domain *old);

/* prq.c */
int intel_lu_prq_preserve(struct intel_iommu *iommu, struct iommu_intel_ser *ser);
void intel_lu_prq_unpreserve(const struct iommu_intel_ser *ser);

/* irq.c */
int intel_lu_irq_preserve(struct intel_iommu *iommu, struct iommu_intel_ser *ser);
void intel_lu_irq_unpreserve(const struct iommu_intel_ser *ser);
void intel_lu_irq_shutdown(struct intel_iommu *iommu, const struct iommu_intel_ser *ser);
void intel_lu_irq_adopt(struct intel_iommu *iommu, const struct iommu_intel_ser *ser);

#endif
