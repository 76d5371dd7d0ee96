// SPDX-License-Identifier: GPL-2.0
#include <linux/bitfield.h>

#include "context.h"

/**
 * intel_lu_context_make - the entry that attaches a requester id to a domain
 * @ssptptr: physical address of the top second-stage table
 * @aw: address width of the tables, as in the entry
 * @did: domain id
 * @dev_iotlb: also accept translation requests
 *
 * Fault reporting is on (FPD = 0).
 */
struct intel_lu_context intel_lu_context_make(u64 ssptptr, u8 aw, u16 did, bool dev_iotlb)
{
	return (struct intel_lu_context) {
		.lo = INTEL_CONTEXT_PRESENT | FIELD_PREP(INTEL_CONTEXT_TT, dev_iotlb) |
		      (ssptptr & INTEL_CONTEXT_SSPTPTR),
		.hi = FIELD_PREP(INTEL_CONTEXT_AW, aw) | FIELD_PREP(INTEL_CONTEXT_DID, did),
	};
}

/**
 * intel_lu_context_equal - do two entries mean the same to the hardware?
 * @a: entry
 * @b: entry
 */
bool intel_lu_context_equal(struct intel_lu_context a, struct intel_lu_context b)
{
	return !((a.lo ^ b.lo) & INTEL_CONTEXT_LO_USED) &&
	       !((a.hi ^ b.hi) & INTEL_CONTEXT_HI_USED);
}

/**
 * intel_lu_context_did - the domain id of an entry
 * @c: entry
 */
u16 intel_lu_context_did(struct intel_lu_context c)
{
	return FIELD_GET(INTEL_CONTEXT_DID, c.hi);
}
