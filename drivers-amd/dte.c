// SPDX-License-Identifier: GPL-2.0
#include "dte.h"

/**
 * amd_lu_dte_blocking - an entry that lets nothing through
 * @flags: entry with the flags that firmware wants (IVRS)
 *
 * SysMgt and the pass bits are kept; IV = 0, which the caller may change. IW of @flags is
 * not kept: without page tables (Mode = 0) it would let writes through untranslated.
 */
struct dev_table_entry amd_lu_dte_blocking(const struct dev_table_entry *flags)
{
	return (struct dev_table_entry) { .data = {
		DTE_FLAG_V | DTE_FLAG_TV,
		flags->data[1] & DTE_DATA1_SYSMGT_MASK,
		flags->data[2] & AMD_LU_DTE2_PASS,
		0,
	} };
}

/**
 * amd_lu_dte_gap - what an entry is between the two kernels
 * @dte: entry of the old kernel
 * @preserved: it is that of a preserved requester id
 * @legacy: it is that of an IOAPIC or HPET
 *
 * DMA: what is preserved gets through, as before. Interrupts: a device can send one with
 * any write to the interrupt address range, and nobody owns a vector now; nor may the unit
 * look into the old kernel's interrupt tables, which will be somebody else's memory. So
 * they are aborted for all but IOAPICs and HPETs, whose interrupts pass as they are; their
 * drivers have masked them.
 */
struct dev_table_entry amd_lu_dte_gap(const struct dev_table_entry *dte, bool preserved,
				      bool legacy)
{
	struct dev_table_entry new = amd_lu_dte_blocking(dte);

	if (!legacy)
		new.data[2] |= AMD_LU_DTE2_IV;
	if (preserved)
		amd_lu_dte_copy_dma(&new, dte);
	return new;
}

/**
 * amd_lu_dte_equal - do two entries mean the same for DMA?
 * @a: entry
 * @b: entry
 *
 * The part about interrupts is not looked at.
 */
bool amd_lu_dte_equal(const struct dev_table_entry *a, const struct dev_table_entry *b)
{
	return a->data[0] == b->data[0] && a->data[1] == b->data[1] &&
	       !((a->data[2] ^ b->data[2]) & AMD_LU_DTE2_DMA) && a->data[3] == b->data[3];
}

/** amd_lu_dte_translates - does an entry lead to host page tables, and to no guest ones? */
bool amd_lu_dte_translates(const struct dev_table_entry *dte)
{
	return (dte->data[0] & (DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_GV)) ==
	       (DTE_FLAG_V | DTE_FLAG_TV) && FIELD_GET(DTE_MODE_MASK, dte->data[0]);
}

/** amd_lu_dte_copy_dma - copy all that is not about interrupts */
void amd_lu_dte_copy_dma(struct dev_table_entry *to, const struct dev_table_entry *from)
{
	to->data128[0] = from->data128[0];
	to->data[2] &= ~AMD_LU_DTE2_DMA;
	to->data[2] |= from->data[2] & AMD_LU_DTE2_DMA;
	to->data[3] = from->data[3];
}

/** amd_lu_dte_did - the domain id of an entry */
u16 amd_lu_dte_did(const struct dev_table_entry *dte)
{
	return FIELD_GET(DTE_DOMID_MASK, dte->data[1]);
}
