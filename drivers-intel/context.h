/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Legacy-mode context entries as values: no registers, no locks, no allocation.
 *
 * VT-d specification, 9.3 "Context Entry". An entry is 128 bits, aligned to 16
 * bytes, so it lies within one cache line. One locked 128-bit store changes it
 * without an intermediate state that the hardware could fetch.
 */
#ifndef INTEL_LU_CONTEXT_H
#define INTEL_LU_CONTEXT_H

#include <linux/bits.h>
#include <linux/types.h>

#define INTEL_CONTEXT_PRESENT		BIT_ULL(0)
/* 00b untranslated requests through second-stage tables, 01b and translation requests */
#define INTEL_CONTEXT_TT		GENMASK_ULL(3, 2)
#define INTEL_CONTEXT_SSPTPTR		GENMASK_ULL(51, 12)
#define INTEL_CONTEXT_AW		GENMASK_ULL(2, 0)
#define INTEL_CONTEXT_DID		GENMASK_ULL(23, 8)
/* bits that software uses freely (hi 6:3 are available, and ignored by hardware) */
#define INTEL_CONTEXT_LO_USED		(INTEL_CONTEXT_PRESENT | BIT_ULL(1) | INTEL_CONTEXT_TT | \
					 INTEL_CONTEXT_SSPTPTR)
#define INTEL_CONTEXT_HI_USED		(INTEL_CONTEXT_AW | INTEL_CONTEXT_DID)

/**
 * struct intel_lu_context - a context entry
 * @lo: bits 63:0
 * @hi: bits 127:64
 */
struct intel_lu_context {
	u64 lo;
	u64 hi;
};

struct intel_lu_context intel_lu_context_make(u64 ssptptr, u8 aw, u16 did, bool dev_iotlb);
bool intel_lu_context_equal(struct intel_lu_context a, struct intel_lu_context b);
u16 intel_lu_context_did(struct intel_lu_context c);

#endif
