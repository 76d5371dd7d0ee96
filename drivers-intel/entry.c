// SPDX-License-Identifier: GPL-2.0
#include <linux/bitfield.h>

#include "entry.h"

/**
 * intel_lu_context_make - the entry that attaches a requester id to a domain
 * @ssptptr: physical address of the top second-stage table
 * @aw: address width of the tables, as in the entry
 * @did: domain id
 * @dev_iotlb: also accept translation requests
 *
 * Legacy mode. Fault reporting is on (FPD = 0).
 */
struct intel_lu_context intel_lu_context_make(u64 ssptptr, u8 aw, u16 did, bool dev_iotlb)
{
	return (struct intel_lu_context) {
		.lo = INTEL_ENTRY_PRESENT | FIELD_PREP(INTEL_CONTEXT_TT, dev_iotlb) |
		      (ssptptr & INTEL_ENTRY_POINTER),
		.hi = FIELD_PREP(INTEL_CONTEXT_AW, aw) | FIELD_PREP(INTEL_CONTEXT_DID, did),
	};
}

/**
 * intel_lu_context_equal - do two legacy-mode entries mean the same to the hardware?
 * @a: entry
 * @b: entry
 */
bool intel_lu_context_equal(struct intel_lu_context a, struct intel_lu_context b)
{
	return !((a.lo ^ b.lo) & INTEL_CONTEXT_LO_USED) &&
	       !((a.hi ^ b.hi) & INTEL_CONTEXT_HI_USED);
}

/**
 * intel_lu_context_ats - may the device use ATS?
 * @c: context entry
 * @scalable: what kind of entry it is
 */
bool intel_lu_context_ats(struct intel_lu_context c, bool scalable)
{
	return scalable ? c.lo & INTEL_CONTEXT_DTE : FIELD_GET(INTEL_CONTEXT_TT, c.lo);
}

/**
 * intel_lu_pasid_second - the entry that attaches a PASID to a second-stage domain
 * @ssptptr: physical address of the top second-stage table
 * @aw: address width of the tables, as in the entry
 * @did: domain id
 * @coherent: the unit snoops the caches when it walks the tables (PWSNP)
 * @dirty: the unit writes accessed and dirty bits (SSADE)
 */
struct intel_lu_pasid intel_lu_pasid_second(u64 ssptptr, u8 aw, u16 did, bool coherent,
					    bool dirty)
{
	return (struct intel_lu_pasid) { .val = {
		INTEL_ENTRY_PRESENT | FIELD_PREP(INTEL_PASID0_AW, aw) |
			FIELD_PREP(INTEL_PASID0_PGTT, INTEL_PGTT_SECOND) |
			FIELD_PREP(INTEL_PASID0_SSADE, dirty) | (ssptptr & INTEL_ENTRY_POINTER),
		FIELD_PREP(INTEL_PASID1_DID, did) | FIELD_PREP(INTEL_PASID1_PWSNP, coherent),
	} };
}

/**
 * intel_lu_pasid_first - the entry that attaches a PASID to a first-stage domain
 * @fsptptr: physical address of the top first-stage table
 * @level5: the tables have five levels, not four (FSPM)
 * @agaw: address width of the unit; not used by hardware for first-stage tables
 * @did: domain id
 * @coherent: the unit snoops the caches when it walks the tables (PWSNP)
 * @force_snoop: every access snoops, whatever the device says (PGSNP)
 */
struct intel_lu_pasid intel_lu_pasid_first(u64 fsptptr, bool level5, u8 agaw, u16 did,
					   bool coherent, bool force_snoop)
{
	return (struct intel_lu_pasid) { .val = {
		INTEL_ENTRY_PRESENT | FIELD_PREP(INTEL_PASID0_AW, agaw) |
			FIELD_PREP(INTEL_PASID0_PGTT, INTEL_PGTT_FIRST),
		FIELD_PREP(INTEL_PASID1_DID, did) | FIELD_PREP(INTEL_PASID1_PWSNP, coherent) |
			FIELD_PREP(INTEL_PASID1_PGSNP, force_snoop),
		FIELD_PREP(INTEL_PASID2_FSPM, level5) | (fsptptr & INTEL_ENTRY_POINTER),
	} };
}
