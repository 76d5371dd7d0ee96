// SPDX-License-Identifier: GPL-2.0
/* Arm SMMUv3 live update: table entries and registers as values. */
#include <linux/bitfield.h>
#include <linux/string.h>

#include "../../arm/arm-smmu-v3/arm-smmu-v3.h"
#include "entry.h"

/* the driver knows it from elsewhere */
#define SMMU_LU_IDR0_BTM	BIT(5)

/* Context descriptor tables of the second level have 1024 entries of 64 bytes. */
static_assert(sizeof(struct arm_smmu_cdtab_l2) == SZ_64K);
static_assert(sizeof(struct arm_smmu_strtab_l2) == SZ_16K);

/**
 * smmu_lu_parse_strtab_cfg - what kind of stream table is it?
 * @cfg: SMMU_STRTAB_BASE_CFG
 * @strtab: filled in
 *
 * Return: 0, or -EINVAL for what the driver cannot work with.
 */
int smmu_lu_parse_strtab_cfg(u32 cfg, struct smmu_lu_strtab *strtab)
{
	u32 lg2 = FIELD_GET(STRTAB_BASE_CFG_LOG2SIZE, cfg);
	u32 lg2_entry;

	switch (FIELD_GET(STRTAB_BASE_CFG_FMT, cfg)) {
	case STRTAB_BASE_CFG_FMT_LINEAR:
		strtab->two_level = false;
		lg2_entry = ilog2(sizeof(struct arm_smmu_ste));
		break;
	case STRTAB_BASE_CFG_FMT_2LVL:
		if (FIELD_GET(STRTAB_BASE_CFG_SPLIT, cfg) != STRTAB_SPLIT || lg2 < STRTAB_SPLIT)
			return -EINVAL;
		strtab->two_level = true;
		lg2 -= STRTAB_SPLIT;
		lg2_entry = ilog2(sizeof(struct arm_smmu_strtab_l1));
		break;
	default:
		return -EINVAL;
	}
	/* what a page allocator can hand out, and more than the driver ever asks for */
	if (lg2 + lg2_entry > 30)
		return -EINVAL;
	strtab->entries = 1U << lg2;
	strtab->size = 1U << (lg2 + lg2_entry);
	return 0;
}

/**
 * smmu_lu_parse_l1 - what does a first-level stream table descriptor refer to?
 * @desc: the descriptor
 * @table: physical address of the second level, 0 if there is none
 *
 * Return: 0, or -EINVAL for one that the driver would not have written.
 */
int smmu_lu_parse_l1(u64 desc, phys_addr_t *table)
{
	*table = desc & STRTAB_L1_DESC_L2PTR_MASK;
	if (!desc)
		return 0;
	if (desc & ~(STRTAB_L1_DESC_L2PTR_MASK | STRTAB_L1_DESC_SPAN) || !*table ||
	    FIELD_GET(STRTAB_L1_DESC_SPAN, desc) != STRTAB_SPLIT + 1 ||
	    *table % sizeof(struct arm_smmu_strtab_l2))
		return -EINVAL;
	return 0;
}

/**
 * smmu_lu_parse_cd_l1 - what does a first-level context descriptor refer to?
 * @desc: the descriptor
 * @table: physical address of the second level, 0 if there is none
 *
 * Return: 0, or -EINVAL for one that the driver would not have written.
 */
int smmu_lu_parse_cd_l1(u64 desc, phys_addr_t *table)
{
	*table = desc & CTXDESC_L1_DESC_L2PTR_MASK;
	if (!desc)
		return 0;
	if (desc & ~(CTXDESC_L1_DESC_L2PTR_MASK | CTXDESC_L1_DESC_V) || !*table ||
	    !(desc & CTXDESC_L1_DESC_V) || *table % sizeof(struct arm_smmu_cdtab_l2))
		return -EINVAL;
	return 0;
}

/* Config 0b0xx aborts. An entry that is not valid does so as well, with an event. */
bool smmu_lu_ste_blocks(const struct arm_smmu_ste *ste)
{
	u64 val = le64_to_cpu(READ_ONCE(ste->data[0]));

	return !(val & STRTAB_STE_0_V) || !(FIELD_GET(STRTAB_STE_0_CFG, val) & BIT(2));
}

bool smmu_lu_ste_bypasses(const struct arm_smmu_ste *ste)
{
	u64 val = le64_to_cpu(READ_ONCE(ste->data[0]));

	return val & STRTAB_STE_0_V &&
	       FIELD_GET(STRTAB_STE_0_CFG, val) == STRTAB_STE_0_CFG_BYPASS;
}

static bool equal_record(const __le64 *entry, const u64 *record)
{
	unsigned int i;

	for (i = 0; i < STRTAB_STE_DWORDS; i++)
		if (le64_to_cpu(READ_ONCE(entry[i])) != record[i])
			return false;
	return true;
}

static void to_record(const __le64 *entry, u64 *record)
{
	unsigned int i;

	static_assert(STRTAB_STE_DWORDS == CTXDESC_CD_DWORDS);
	for (i = 0; i < STRTAB_STE_DWORDS; i++)
		record[i] = le64_to_cpu(READ_ONCE(entry[i]));
}

bool smmu_lu_ste_is(const struct arm_smmu_ste *ste, const u64 *record)
{
	return equal_record(ste->data, record);
}

void smmu_lu_ste_record(const struct arm_smmu_ste *ste, u64 *record)
{
	to_record(ste->data, record);
}

bool smmu_lu_cd_is(const struct arm_smmu_cd *cd, const u64 *record)
{
	return equal_record(cd->data, record);
}

void smmu_lu_cd_record(const struct arm_smmu_cd *cd, u64 *record)
{
	to_record(cd->data, record);
}

/**
 * smmu_lu_ste_one_store - does one store lead from one translation to another?
 * @from: entry in use, valid
 * @to: entry that shall be in use, valid
 * @qword: which 64 bits differ; not set if none do
 *
 * The SMMU reads an entry in units of at least 64 bits (3.21.3 "Configuration
 * structures and configuration invalidation completion"), so an entry of which one
 * unit differs is always either the one or the other. EATS alone may differ beside
 * it: nothing in the device has ATS enabled then.
 *
 * Return: false if more than one of them differs.
 */
bool smmu_lu_ste_one_store(const struct arm_smmu_ste *from, const struct arm_smmu_ste *to,
			   unsigned int *qword)
{
	unsigned int i, nr = 0;
	u64 diff;

	for (i = 0; i < STRTAB_STE_DWORDS; i++) {
		diff = le64_to_cpu(from->data[i] ^ to->data[i]);
		if (i == 1)
			diff &= ~STRTAB_STE_1_EATS;
		if (!diff)
			continue;
		*qword = i;
		nr++;
	}
	return nr <= 1;
}

/**
 * smmu_lu_regs_differ - is this the SMMU that was handed over, as it was left?
 * @record: from the previous kernel
 * @now: registers as they are
 * @cr1: what this kernel would write to SMMU_CR1
 * @cr2: what this kernel would write to SMMU_CR2
 *
 * CR1.TABLE_*, CR2 and the stream table base are not to be written while the SMMU is
 * enabled, so they must be what is wanted already. CR2.E2H also decides which TLB
 * maintenance commands reach the entries. What the driver writes to CR2 need not stick:
 * PTM is RES0 without broadcast TLB maintenance, and E2H without EL2.
 *
 * Return: NULL if it can be taken over, or what is wrong.
 */
const char *smmu_lu_regs_differ(const struct iommu_smmuv3_ser *record,
				const struct iommu_smmuv3_ser *now, u32 cr1, u32 cr2)
{
	u32 res0 = (now->idr0 & SMMU_LU_IDR0_BTM ? 0 : CR2_PTM) |
		   (now->idr0 & IDR0_HYP ? 0 : CR2_E2H);

	if (record->idr0 != now->idr0 || record->idr1 != now->idr1 ||
	    record->idr3 != now->idr3 || record->idr5 != now->idr5 ||
	    record->iidr != now->iidr || record->aidr != now->aidr)
		return "identification differs";
	if (record->cr0 != now->cr0)
		return "it was not left running as recorded";
	if (record->strtab_base != now->strtab_base ||
	    record->strtab_base_cfg != now->strtab_base_cfg)
		return "stream table base differs";
	if (record->cr1 != now->cr1 || (record->cr2 ^ now->cr2) & ~res0)
		return "control registers differ";
	if (now->cr1 != cr1 || (now->cr2 ^ cr2) & ~res0)
		return "this kernel would control it differently";
	return NULL;
}
