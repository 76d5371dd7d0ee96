/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOMMU_LU_VFIO_H
#define IOMMU_LU_VFIO_H

#ifdef CONFIG_IOMMU_LIVEUPDATE
int vfio_lu_init(void);
void vfio_lu_exit(void);
#else
static inline int vfio_lu_init(void) { return 0; }
static inline void vfio_lu_exit(void) { }
#endif

#endif
