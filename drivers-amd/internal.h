/* SPDX-License-Identifier: GPL-2.0 */
/* AMD-Vi live update: shared between the files of this directory. */
#ifndef AMD_LU_INTERNAL_H
#define AMD_LU_INTERNAL_H

#include <asm/cmpxchg.h>
#include <linux/iommu-liveupdate.h>
#include <linux/pci.h>

#include "../../amd/amd_iommu.h"
#include "../../iommu-pages.h"
#include "amd.h"
#include "dte.h"

/**
 * struct amd_lu_segment - the device table of a PCI segment, while units of it are preserved
 * @unit: its record; those of the units link to it
 * @pci_seg: the segment
 * @rids: requester ids of preserved devices, one bit each
 * @switched: at shutdown: everything else is blocked
 */
struct amd_lu_segment {
	struct iommu_lu_unit unit;
	struct amd_iommu_pci_seg *pci_seg;
	unsigned long *rids;
	bool switched;
};

static inline struct amd_iommu *to_amd_iommu(struct iommu_device *iommu)
{
	return container_of(iommu, struct amd_iommu, iommu);
}

static inline struct amd_lu_segment *amd_lu_segment_of(struct iommu_lu_unit *unit)
{
	return container_of(unit->link, struct amd_lu_segment, unit);
}

/* Device Table Base Address Register: Size is in pages of 4 KiB, less one. */
#define AMD_LU_DEV_TABLE_SIZE(base)	((((base) & GENMASK(8, 0)) + 1) << 12)

/* At least as many as there are requester ids that firmware tells of. */
static inline u32 amd_lu_nr_entries(struct amd_iommu_pci_seg *pci_seg)
{
	return pci_seg->dev_table_size / sizeof(*pci_seg->dev_table);
}

/* The IOMMU driver has made sure that the CPU can (X86_FEATURE_CX16). */
static inline void amd_lu_store128(u128 *at, u128 val)
{
	u128 old = *at;

	while (!try_cmpxchg128(at, &old, val))
		;
}

/*
 * An entry that is in use stays, but for interrupts, or becomes one that blocks. Lower half
 * first: the fields of guest page tables are in use until GV is 0.
 */
static inline void amd_lu_store_dte(struct dev_table_entry *dte,
				    const struct dev_table_entry *new)
{
	if (dte->data128[0] != new->data128[0])
		amd_lu_store128(&dte->data128[0], new->data128[0]);
	if (dte->data128[1] != new->data128[1])
		amd_lu_store128(&dte->data128[1], new->data128[1]);
}

/* What shutdown turns off in the Control Register; all else stays as recorded. */
#define AMD_LU_CONTROL_QUEUES	(BIT_ULL(CONTROL_EVT_LOG_EN) | BIT_ULL(CONTROL_EVT_INT_EN) | \
				 BIT_ULL(CONTROL_COMWAIT_EN) | BIT_ULL(CONTROL_CMDBUF_EN) | \
				 BIT_ULL(CONTROL_PPRLOG_EN) | BIT_ULL(CONTROL_PPRINT_EN) | \
				 BIT_ULL(CONTROL_GALOG_EN) | BIT_ULL(CONTROL_GAINT_EN))

/* queues.c */
void amd_lu_stop_queues(struct amd_iommu *iommu);

/* preserve.c */
int amd_lu_walk_rids(struct amd_iommu *iommu, struct device *dev,
		     int (*fn)(struct pci_dev *pdev, u16 rid, void *arg), void *arg);
int amd_lu_rids(struct amd_iommu *iommu, struct device *dev, struct iommu_device_ser *ser);
struct dev_table_entry amd_lu_want(struct iommu_dev_data *dev_data,
				   struct protection_domain *domain);
int amd_lu_preserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit);
void amd_lu_unpreserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit);
int amd_lu_preserve_device(struct device *dev, struct iommu_domain *domain,
			   struct iommu_lu_device *ldev);
void amd_lu_unpreserve_device(struct device *dev, struct iommu_domain *domain,
			      struct iommu_lu_device *ldev);
int amd_lu_freeze_device(struct device *dev, struct iommu_lu_device *ldev);
int amd_lu_preserve_domain(struct iommu_domain *domain, struct iommu_lu_domain *ldom);

/* shutdown.c */
bool amd_lu_shutdown(struct amd_iommu *iommu);

/* adopt.c */
int amd_lu_adopt_ids(struct iommu_lu_unit *unit);
bool amd_lu_give_id(struct iommu_lu_domain *ldom, u16 did);
void amd_lu_drop_id(struct iommu_lu_device *ldev);
bool amd_lu_is_disowned(void);
void amd_lu_disown(void);

/* block.c */
void amd_lu_block_rid(struct amd_iommu_pci_seg *pci_seg, u16 rid);
void amd_lu_flush_segment(struct amd_iommu_pci_seg *pci_seg);
void amd_lu_block_inherited(struct amd_iommu *iommu, struct iommu_lu_device *ldev);
void amd_lu_forget_device(struct iommu_lu_device *ldev);
void amd_lu_sweep(void);

/* restore.c */
struct iommu_domain *amd_lu_restore_domain(struct device *dev, struct iommu_lu_domain *ldom);
int amd_lu_restore_device(struct device *dev, struct iommu_domain *domain,
			  struct iommu_lu_device *ldev);
void amd_lu_quiesce_device(struct device *dev);

/* replace.c */
int amd_lu_replace(struct protection_domain *new, struct device *dev);

#endif
