/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Context entries and PASID table entries as values: no registers, no locks, no
 * allocation.
 *
 * VT-d specification, 9.3 "Context Entry", 9.4 "Scalable-Mode Context Entry",
 * 9.5 "Scalable-Mode PASID Directory Entry", 9.6 "Scalable-Mode PASID Table
 * Entry".
 */
#ifndef INTEL_LU_ENTRY_H
#define INTEL_LU_ENTRY_H

#include <linux/bits.h>
#include <linux/types.h>

/* In every entry, and in a root entry in front of each context table pointer. */
#define INTEL_ENTRY_PRESENT		BIT_ULL(0)
#define INTEL_ENTRY_POINTER		GENMASK_ULL(51, 12)

/* 00b untranslated requests through second-stage tables, 01b and translation requests */
#define INTEL_CONTEXT_TT		GENMASK_ULL(3, 2)
#define INTEL_CONTEXT_AW		GENMASK_ULL(2, 0)
#define INTEL_CONTEXT_DID		GENMASK_ULL(23, 8)
/* scalable mode: translation requests are answered (DTE) */
#define INTEL_CONTEXT_DTE		BIT_ULL(2)
/* What hardware looks at. High 6:3 are available to software. */
#define INTEL_CONTEXT_LO_USED		(INTEL_ENTRY_PRESENT | BIT_ULL(1) | INTEL_CONTEXT_TT | \
					 INTEL_ENTRY_POINTER)
#define INTEL_CONTEXT_HI_USED		(INTEL_CONTEXT_AW | INTEL_CONTEXT_DID)

/* Fields of a PASID table entry; the number is that of the quadword. */
#define INTEL_PASID0_AW			GENMASK_ULL(4, 2)
#define INTEL_PASID0_PGTT		GENMASK_ULL(8, 6)
#define INTEL_PASID0_SSADE		BIT_ULL(9)
#define INTEL_PASID1_DID		GENMASK_ULL(15, 0)
#define INTEL_PASID1_PWSNP		BIT_ULL(23)
#define INTEL_PASID1_PGSNP		BIT_ULL(24)
#define INTEL_PASID2_FSPM		GENMASK_ULL(3, 2)

#define INTEL_PGTT_FIRST		1
#define INTEL_PGTT_SECOND		2

/**
 * struct intel_lu_context - a legacy-mode context entry, or the half of a
 *			     scalable-mode context entry that has contents
 * @lo: bits 63:0
 * @hi: bits 127:64
 */
struct intel_lu_context {
	u64 lo;
	u64 hi;
};

/**
 * struct intel_lu_pasid - a PASID table entry
 * @val: 512 bits, lowest first
 */
struct intel_lu_pasid {
	u64 val[8];
};

struct intel_lu_context intel_lu_context_make(u64 ssptptr, u8 aw, u16 did, bool dev_iotlb);
bool intel_lu_context_equal(struct intel_lu_context a, struct intel_lu_context b);
bool intel_lu_context_ats(struct intel_lu_context c, bool scalable);

struct intel_lu_pasid intel_lu_pasid_second(u64 ssptptr, u8 aw, u16 did, bool coherent,
					    bool dirty);
struct intel_lu_pasid intel_lu_pasid_first(u64 fsptptr, bool level5, u8 agaw, u16 did,
					   bool coherent, bool force_snoop);

#endif
