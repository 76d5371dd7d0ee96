// SPDX-License-Identifier: GPL-2.0
#include "hitless.h"

/**
 * amd_lu_next_store - the next store on the way to a new translation
 * @u: the update; memory is read, not written
 * @store: filled in
 *
 * Page tables, their depth, permissions and domain id are all in the lower half, so one
 * store changes the translation. What the upper half has for DMA means something with
 * guest page tables only (GV = 1), of which there are none before or after; it comes
 * first, and with it go the bits about interrupts as they are.
 *
 * Return: false when everything is as it shall be.
 */
bool amd_lu_next_store(const struct amd_lu_update *u, struct amd_lu_store *store)
{
	struct dev_table_entry next = *u->entry;

	amd_lu_dte_copy_dma(&next, &u->want);
	if (u->entry->data128[1] != next.data128[1])
		*store = (struct amd_lu_store) { &u->entry->data128[1], next.data128[1] };
	else if (u->entry->data128[0] != next.data128[0])
		*store = (struct amd_lu_store) { &u->entry->data128[0], next.data128[0] };
	else
		return false;
	return true;
}
