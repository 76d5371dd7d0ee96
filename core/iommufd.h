/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the hooks in drivers/iommu/iommufd and drivers/vfio call.
 */
#ifndef IOMMU_LU_IOMMUFD_H
#define IOMMU_LU_IOMMUFD_H

#include <linux/types.h>
#include <uapi/linux/iommufd-liveupdate.h>

struct device;
struct file;
struct iommu_attach_handle;
struct iommu_domain;
struct iommufd_ctx;
struct iommufd_hw_pagetable;
struct iommufd_object;
struct iommufd_ucmd;
struct liveupdate_session;
struct msi_desc;

#ifdef CONFIG_IOMMU_LIVEUPDATE

bool iommufd_lu_ctx_release(struct iommufd_ctx *ictx);
void iommufd_lu_ctx_free(struct iommufd_ctx *ictx);
int iommufd_hwpt_lu_mark(struct iommufd_ucmd *ucmd);
int iommufd_hwpt_lu_get(struct iommufd_ucmd *ucmd);
int iommufd_hwpt_lu_verify(struct iommufd_ucmd *ucmd);
void iommufd_hwpt_restored_destroy(struct iommufd_object *obj);
int iommufd_lu_may_bind(struct iommufd_ctx *ictx, struct device *dev);
void iommufd_lu_replace_begin(struct iommufd_hw_pagetable *old, struct iommufd_hw_pagetable *hwpt);
void iommufd_lu_replace_end(struct iommufd_hw_pagetable *old, struct iommufd_hw_pagetable *hwpt);
int iommufd_lu_preserved_id(struct iommufd_ctx *ictx, struct liveupdate_session *session, u64 *id);
int iommufd_lu_init(void);
void iommufd_lu_exit(void);

/* sw_msi.c, built in as iommufd/driver.c */
int iommufd_lu_sw_msi(struct iommu_attach_handle *handle, struct iommu_domain *domain,
		      struct msi_desc *desc, phys_addr_t msi_addr);

/* in iommufd/main.c */
struct file *iommufd_lu_open(void);

#else

static inline bool iommufd_lu_ctx_release(struct iommufd_ctx *ictx) { return false; }
static inline void iommufd_lu_ctx_free(struct iommufd_ctx *ictx) { }
static inline int iommufd_lu_may_bind(struct iommufd_ctx *ictx, struct device *dev) { return 0; }
static inline int iommufd_lu_sw_msi(struct iommu_attach_handle *handle, struct iommu_domain *domain,
				    struct msi_desc *desc, phys_addr_t msi_addr)
{
	return 0;
}

static inline void iommufd_lu_replace_begin(struct iommufd_hw_pagetable *old,
					    struct iommufd_hw_pagetable *hwpt)
{
}

static inline void iommufd_lu_replace_end(struct iommufd_hw_pagetable *old,
					  struct iommufd_hw_pagetable *hwpt)
{
}

static inline int iommufd_lu_init(void) { return 0; }
static inline void iommufd_lu_exit(void) { }

#endif
#endif
