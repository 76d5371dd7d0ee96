/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Replacing what a device is attached to while it is doing DMA: which store
 * comes next. No registers, no locks, no allocation; checked by KUnit.
 */
#ifndef INTEL_LU_HITLESS_H
#define INTEL_LU_HITLESS_H

#include "entry.h"

/**
 * struct intel_lu_update - from where the hardware looks now to where it shall look
 * @context: the context entry that is in use, its first 128 bits
 * @dir: entry 0 of a fresh PASID directory; NULL in legacy mode
 * @entry: entry of the device itself in a fresh PASID table; NULL in legacy mode
 * @want_context: what shall be in @context
 * @want_dir: what shall be in @dir
 * @want_entry: what shall be in @entry
 *
 * Fresh tables are not referred to by anything the hardware can reach.
 */
struct intel_lu_update {
	u64 *context;
	u64 *dir;
	u64 *entry;
	struct intel_lu_context want_context;
	u64 want_dir;
	struct intel_lu_pasid want_entry;
};

/**
 * struct intel_lu_store - a store that the hardware sees as a whole or not at all
 * @at: where to
 * @qwords: 1 or 2; 2 is a locked store of 128 bits, aligned to 16 bytes
 * @val: value
 */
struct intel_lu_store {
	u64 *at;
	unsigned int qwords;
	u64 val[2];
};

bool intel_lu_next_store(const struct intel_lu_update *u, struct intel_lu_store *store);

#endif
