/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Device table entries as values: no registers, no locks, no allocation.
 *
 * Their format is in section 2.2.2.1 of 48882, interrupt tables are in 2.2.5. Hardware reads
 * the 256 bits of an entry at once, as drivers/iommu/amd says (section not checked), software
 * writes 128 bits at once. The lower half is about DMA. So are in the upper half
 * GuestPagingMode, in data[2], and data[3], which is about guests and attributes (not
 * checked) and which the driver leaves 0. The rest is about interrupts.
 */
#ifndef AMD_LU_DTE_H
#define AMD_LU_DTE_H

#include "../../amd/amd_iommu_types.h"

/* InitPass, EIntPass, NMIPass, Lint0Pass, Lint1Pass: firmware wants them */
#define AMD_LU_DTE2_PASS	(GENMASK_ULL(58, 56) | GENMASK_ULL(63, 62))
/* What is not about interrupts */
#define AMD_LU_DTE2_DMA		(~DTE_DATA2_INTR_MASK)
/* IV: look at the rest. IntCtl = 00b aborts fixed and arbitrated interrupts (2.2.2.1). */
#define AMD_LU_DTE2_IV		BIT_ULL(0)

struct dev_table_entry amd_lu_dte_blocking(const struct dev_table_entry *flags);
struct dev_table_entry amd_lu_dte_gap(const struct dev_table_entry *dte, bool preserved,
				      bool legacy);
bool amd_lu_dte_translates(const struct dev_table_entry *dte);
void amd_lu_dte_copy_dma(struct dev_table_entry *to, const struct dev_table_entry *from);
bool amd_lu_dte_equal(const struct dev_table_entry *a, const struct dev_table_entry *b);
u16 amd_lu_dte_did(const struct dev_table_entry *dte);

#endif
