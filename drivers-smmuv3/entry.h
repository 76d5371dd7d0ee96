/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stream table entries, context descriptors and registers as values: no locks, no
 * allocation, no access to registers. Checked by KUnit.
 *
 * 5.1 "Level 1 Stream Table Descriptor", 5.2 "Stream Table Entry", 5.3 "Level 1 Context
 * Descriptor", 5.4 "Context Descriptor", 6.3 "Register descriptions".
 */
#ifndef SMMUV3_LU_ENTRY_H
#define SMMUV3_LU_ENTRY_H

#include <linux/kho/abi/iommu-lu.h>
#include <linux/types.h>

struct arm_smmu_cd;
struct arm_smmu_cdtab_l1;
struct arm_smmu_ste;

/**
 * struct smmu_lu_strtab - what STRTAB_BASE_CFG says
 * @two_level: the table has two levels
 * @entries: number of entries of the table, or of its first level
 * @size: size of that in bytes
 */
struct smmu_lu_strtab {
	bool two_level;
	u32 entries;
	u32 size;
};

int smmu_lu_parse_strtab_cfg(u32 cfg, struct smmu_lu_strtab *strtab);
int smmu_lu_parse_l1(u64 desc, phys_addr_t *table);
int smmu_lu_parse_cd_l1(u64 desc, phys_addr_t *table);

bool smmu_lu_ste_blocks(const struct arm_smmu_ste *ste);
bool smmu_lu_ste_bypasses(const struct arm_smmu_ste *ste);
bool smmu_lu_ste_is(const struct arm_smmu_ste *ste, const u64 *record);
void smmu_lu_ste_record(const struct arm_smmu_ste *ste, u64 *record);
bool smmu_lu_ste_one_store(const struct arm_smmu_ste *from, const struct arm_smmu_ste *to,
			   unsigned int *qword);
bool smmu_lu_cd_is(const struct arm_smmu_cd *cd, const u64 *record);
void smmu_lu_cd_record(const struct arm_smmu_cd *cd, u64 *record);

const char *smmu_lu_regs_differ(const struct iommu_smmuv3_ser *record,
				const struct iommu_smmuv3_ser *now, u32 cr1, u32 cr2);

#endif
