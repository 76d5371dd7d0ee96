/* SPDX-License-Identifier: GPL-2.0 */
/* Live update of the page tables of io-pgtable-arm.c: what the driver calls. */
#ifndef SMMUV3_LU_IO_PGTABLE_H
#define SMMUV3_LU_IO_PGTABLE_H

#include <linux/types.h>

struct io_pgtable_ops;
struct iommu_domain_ser;
struct iommu_lu_mapping;

int arm_lpae_lu_preserve(struct io_pgtable_ops *ops, struct iommu_domain_ser *ser);
void arm_lpae_lu_unpreserve(struct io_pgtable_ops *ops, const struct iommu_domain_ser *ser);
int arm_lpae_lu_adopt(struct io_pgtable_ops *ops, const struct iommu_domain_ser *ser);
bool arm_lpae_lu_next(struct io_pgtable_ops *ops, u64 iova, struct iommu_lu_mapping *m);
bool arm_lpae_lu_agree(struct io_pgtable_ops *a, struct io_pgtable_ops *b);

#endif
