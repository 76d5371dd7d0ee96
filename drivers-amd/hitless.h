/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Replacing what a device is attached to while it is doing DMA: which store
 * comes next. No registers, no locks, no allocation; checked by KUnit.
 */
#ifndef AMD_LU_HITLESS_H
#define AMD_LU_HITLESS_H

#include "dte.h"

/**
 * struct amd_lu_update - from what the hardware uses now to what it shall use
 * @entry: the entry that is in use
 * @want: what shall be in it, but for interrupts
 *
 * Both are valid and lead to host page tables (Mode is not 0, GV = 0).
 */
struct amd_lu_update {
	struct dev_table_entry *entry;
	struct dev_table_entry want;
};

/**
 * struct amd_lu_store - a store of 128 bits, seen by hardware as a whole or not at all
 * @at: where to, aligned to 16 bytes
 * @val: value
 */
struct amd_lu_store {
	u128 *at;
	u128 val;
};

bool amd_lu_next_store(const struct amd_lu_update *u, struct amd_lu_store *store);

#endif
