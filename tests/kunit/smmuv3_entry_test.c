// SPDX-License-Identifier: GPL-2.0
/*
 * Stream table entries, context descriptors and registers as values; and which of their
 * transitions the driver makes without a gap, because replacing a domain relies on it.
 */
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/io-pgtable.h>
#include <linux/sizes.h>

#include "../../drivers-smmuv3/entry.h"
#include "../../../arm/arm-smmu-v3/arm-smmu-v3.h"

/* --- what the tables consist of ------------------------------------------------- */

struct fixture {
	struct arm_smmu_device smmu;
	struct arm_smmu_master master;
	struct arm_smmu_domain domain;
	struct io_pgtable pgtable;
};

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->smmu.features = ARM_SMMU_FEAT_TRANS_S1 | ARM_SMMU_FEAT_TRANS_S2 |
			   ARM_SMMU_FEAT_COHERENCY | ARM_SMMU_FEAT_STALLS |
			   ARM_SMMU_FEAT_ATTR_TYPES_OVR;
	f->master.smmu = &f->smmu;
	f->master.cd_table.cdtab_dma = 0x40000000;
	f->domain.pgtbl_ops = &f->pgtable.ops;
}

static struct arm_smmu_ste s1(dma_addr_t cdtab)
{
	struct arm_smmu_ste ste;
	struct fixture f;

	set_up(&f);
	f.master.cd_table.cdtab_dma = cdtab;
	arm_smmu_make_cdtable_ste(&ste, &f.master, false, STRTAB_STE_1_S1DSS_SSID0);
	return ste;
}

static struct arm_smmu_ste s2(u16 vmid, u64 ttb)
{
	struct arm_smmu_ste ste;
	struct fixture f;

	set_up(&f);
	f.domain.stage = ARM_SMMU_DOMAIN_S2;
	f.domain.s2_cfg.vmid = vmid;
	f.pgtable.cfg.arm_lpae_s2_cfg.vttbr = ttb;
	f.pgtable.cfg.arm_lpae_s2_cfg.vtcr.tsz = 20;
	arm_smmu_make_s2_domain_ste(&ste, &f.master, &f.domain, false);
	return ste;
}

static struct arm_smmu_ste aborting(void)
{
	struct arm_smmu_ste ste;

	arm_smmu_make_abort_ste(&ste);
	return ste;
}

static struct arm_smmu_cd descriptor(u16 asid, u64 ttb)
{
	struct arm_smmu_cd cd;
	struct fixture f;

	set_up(&f);
	f.domain.cd.asid = asid;
	f.pgtable.cfg.arm_lpae_s1_cfg.ttbr = ttb;
	f.pgtable.cfg.arm_lpae_s1_cfg.tcr.tsz = 16;
	f.pgtable.cfg.arm_lpae_s1_cfg.mair = 0xff0444;
	arm_smmu_make_s1_cd(&cd, &f.master, &f.domain);
	return cd;
}

/* --- the driver's writer -------------------------------------------------------- */

struct watch {
	struct arm_smmu_entry_writer writer;
	const __le64 *entry;
	__le64 from[STRTAB_STE_DWORDS];
	__le64 to[STRTAB_STE_DWORDS];
	unsigned int syncs;
	bool gap;
};

static bool means(struct watch *w, const __le64 *what)
{
	__le64 used[STRTAB_STE_DWORDS] = {}, own[STRTAB_STE_DWORDS] = {};
	int i;

	w->writer.ops->get_used(what, used);
	w->writer.ops->get_used(w->entry, own);
	/* nothing in the device has ATS enabled while it changes */
	if (w->writer.ops->get_update_safe) {
		used[1] &= ~cpu_to_le64(STRTAB_STE_1_EATS);
		own[1] &= ~cpu_to_le64(STRTAB_STE_1_EATS);
	}
	for (i = 0; i < STRTAB_STE_DWORDS; i++)
		if (used[i] != own[i] || (w->entry[i] & used[i]) != (what[i] & used[i]))
			return false;
	return true;
}

/* The hardware may look at the entry whenever the driver waits for it. */
static void watch_sync(struct arm_smmu_entry_writer *writer)
{
	struct watch *w = container_of(writer, struct watch, writer);

	w->syncs++;
	w->gap |= !means(w, w->from) && !means(w, w->to);
}

static const struct arm_smmu_entry_writer_ops ste_ops = {
	.get_used = arm_smmu_get_ste_used,
	.get_update_safe = arm_smmu_get_ste_update_safe,
	.sync = watch_sync,
};

static const struct arm_smmu_entry_writer_ops cd_ops = {
	.get_used = arm_smmu_get_cd_used,
	.sync = watch_sync,
};

static struct watch write_entry(struct kunit *test, const struct arm_smmu_entry_writer_ops *ops,
				const __le64 *from, const __le64 *to)
{
	struct watch w = { .writer.ops = ops };
	__le64 entry[STRTAB_STE_DWORDS];

	memcpy(entry, from, sizeof(entry));
	memcpy(w.from, from, sizeof(entry));
	memcpy(w.to, to, sizeof(entry));
	w.entry = entry;
	arm_smmu_write_entry(&w.writer, entry, to);
	KUNIT_EXPECT_MEMEQ(test, entry, to, sizeof(entry));
	return w;
}

static struct watch write_ste(struct kunit *test, struct arm_smmu_ste from, struct arm_smmu_ste to)
{
	return write_entry(test, &ste_ops, from.data, to.data);
}

static struct watch write_cd(struct kunit *test, struct arm_smmu_cd from, struct arm_smmu_cd to)
{
	return write_entry(test, &cd_ops, from.data, to.data);
}

/* --- cases ---------------------------------------------------------------------- */

static void equal_entries_are_not_written(struct kunit *test)
{
	unsigned int qword = 99;
	struct arm_smmu_ste a = s1(0x40000000), b = s2(3, 0x50000000);

	KUNIT_EXPECT_EQ(test, write_ste(test, a, a).syncs, 0);
	KUNIT_EXPECT_EQ(test, write_ste(test, b, b).syncs, 0);
	KUNIT_EXPECT_EQ(test, write_cd(test, descriptor(1, 0x1000), descriptor(1, 0x1000)).syncs,
			0);
	KUNIT_EXPECT_TRUE(test, smmu_lu_ste_one_store(&a, &a, &qword));
	KUNIT_EXPECT_EQ(test, qword, 99);
}

/* What replacing a stage 1 domain does. */
static void another_descriptor_table_is_one_store(struct kunit *test)
{
	struct arm_smmu_ste from = s1(0x40000000), to = s1(0x40010000);
	struct watch w = write_ste(test, from, to);
	unsigned int qword = 99;

	KUNIT_EXPECT_FALSE(test, w.gap);
	KUNIT_EXPECT_EQ(test, w.syncs, 1);
	KUNIT_EXPECT_TRUE(test, smmu_lu_ste_one_store(&from, &to, &qword));
	KUNIT_EXPECT_EQ(test, qword, 0);
}

/* EATS may differ beside it, nothing else. */
static void ats_may_come_with_it(struct kunit *test)
{
	struct arm_smmu_ste from = s1(0x40000000), to = s1(0x40010000);
	unsigned int qword = 99;

	to.data[1] |= cpu_to_le64(FIELD_PREP(STRTAB_STE_1_EATS, STRTAB_STE_1_EATS_TRANS));
	KUNIT_EXPECT_TRUE(test, smmu_lu_ste_one_store(&from, &to, &qword));
	KUNIT_EXPECT_EQ(test, qword, 0);
	KUNIT_EXPECT_FALSE(test, write_ste(test, from, to).gap);

	to.data[1] |= cpu_to_le64(STRTAB_STE_1_MEV);
	KUNIT_EXPECT_FALSE(test, smmu_lu_ste_one_store(&from, &to, &qword));
}

/* Why a stage 1 domain is not replaced in the descriptor itself. */
static void another_domain_in_a_descriptor_is_not(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, write_cd(test, descriptor(1, 0x1000), descriptor(2, 0x2000)).gap);
	KUNIT_EXPECT_FALSE(test, write_cd(test, descriptor(1, 0x1000), descriptor(2, 0x1000)).gap);
	KUNIT_EXPECT_FALSE(test, write_cd(test, descriptor(1, 0x1000), descriptor(1, 0x2000)).gap);
}

/* What replacing a stage 2 domain does: the new one takes over the VMID. */
static void another_stage_2_table_is_one_store(struct kunit *test)
{
	struct arm_smmu_ste from = s2(3, 0x50000000), to = s2(3, 0x60000000);
	struct watch w = write_ste(test, from, to);
	unsigned int qword = 99;

	KUNIT_EXPECT_FALSE(test, w.gap);
	KUNIT_EXPECT_EQ(test, w.syncs, 1);
	KUNIT_EXPECT_TRUE(test, smmu_lu_ste_one_store(&from, &to, &qword));
	KUNIT_EXPECT_EQ(test, qword, 3);
}

/* Why stage 2 domains of another VMID, and domains of another stage, are refused. */
static void another_stage_2_domain_is_not(struct kunit *test)
{
	struct arm_smmu_ste from = s2(3, 0x50000000), to = s2(4, 0x60000000);
	struct arm_smmu_ste stage1 = s1(0x40000000);
	unsigned int qword;

	KUNIT_EXPECT_TRUE(test, write_ste(test, from, to).gap);
	KUNIT_EXPECT_FALSE(test, smmu_lu_ste_one_store(&from, &to, &qword));
	KUNIT_EXPECT_TRUE(test, write_ste(test, stage1, to).gap);
	KUNIT_EXPECT_FALSE(test, smmu_lu_ste_one_store(&stage1, &to, &qword));
	KUNIT_EXPECT_TRUE(test, write_ste(test, to, stage1).gap);
	KUNIT_EXPECT_FALSE(test, smmu_lu_ste_one_store(&to, &stage1, &qword));
}

/* What shutdown does to streams, and what is done to devices that are stopped. */
static void blocking_is_one_store(struct kunit *test)
{
	struct arm_smmu_ste from = s1(0x40000000), to = aborting();
	struct watch w;

	KUNIT_EXPECT_FALSE(test, write_ste(test, from, to).gap);
	KUNIT_EXPECT_FALSE(test, write_ste(test, to, from).gap);

	w = (struct watch) { .writer.ops = &ste_ops, .entry = from.data };
	from.data[0] = to.data[0];
	memcpy(w.to, to.data, sizeof(w.to));
	KUNIT_EXPECT_TRUE(test, means(&w, w.to));
	KUNIT_EXPECT_TRUE(test, smmu_lu_ste_blocks(&from));
}

static void what_blocks(struct kunit *test)
{
	struct arm_smmu_ste ste = {};
	unsigned int config;

	KUNIT_EXPECT_TRUE(test, smmu_lu_ste_blocks(&ste));
	for (config = 0; config < 8; config++) {
		ste.data[0] = cpu_to_le64(STRTAB_STE_0_V | FIELD_PREP(STRTAB_STE_0_CFG, config));
		KUNIT_EXPECT_EQ(test, smmu_lu_ste_blocks(&ste), config < 4);
		KUNIT_EXPECT_EQ(test, smmu_lu_ste_bypasses(&ste), config == 4);
		ste.data[0] &= ~cpu_to_le64(STRTAB_STE_0_V);
		KUNIT_EXPECT_TRUE(test, smmu_lu_ste_blocks(&ste));
		KUNIT_EXPECT_FALSE(test, smmu_lu_ste_bypasses(&ste));
	}
}

static void records_keep_everything(struct kunit *test)
{
	struct arm_smmu_ste ste = s2(3, 0x50000000);
	struct arm_smmu_cd cd = descriptor(1, 0x1000);
	u64 record[STRTAB_STE_DWORDS];
	int i;

	smmu_lu_ste_record(&ste, record);
	for (i = 0; i < 512; i++) {
		KUNIT_EXPECT_TRUE(test, smmu_lu_ste_is(&ste, record));
		record[i / 64] ^= BIT_ULL(i % 64);
		KUNIT_EXPECT_FALSE(test, smmu_lu_ste_is(&ste, record));
		record[i / 64] ^= BIT_ULL(i % 64);
	}
	smmu_lu_cd_record(&cd, record);
	KUNIT_EXPECT_TRUE(test, smmu_lu_cd_is(&cd, record));
	record[7] = 1;
	KUNIT_EXPECT_FALSE(test, smmu_lu_cd_is(&cd, record));
}

static u32 base_cfg(u32 fmt, u32 split, u32 lg2)
{
	return FIELD_PREP(STRTAB_BASE_CFG_FMT, fmt) | FIELD_PREP(STRTAB_BASE_CFG_SPLIT, split) |
	       FIELD_PREP(STRTAB_BASE_CFG_LOG2SIZE, lg2);
}

static void stream_table_base_cfg(struct kunit *test)
{
	struct smmu_lu_strtab t;

	KUNIT_ASSERT_EQ(test, smmu_lu_parse_strtab_cfg(base_cfg(0, 0, 6), &t), 0);
	KUNIT_EXPECT_FALSE(test, t.two_level);
	KUNIT_EXPECT_EQ(test, t.entries, 64);
	KUNIT_EXPECT_EQ(test, t.size, SZ_4K);
	KUNIT_ASSERT_EQ(test, smmu_lu_parse_strtab_cfg(base_cfg(1, 8, 16), &t), 0);
	KUNIT_EXPECT_TRUE(test, t.two_level);
	KUNIT_EXPECT_EQ(test, t.entries, 256);
	KUNIT_EXPECT_EQ(test, t.size, SZ_2K);
	KUNIT_ASSERT_EQ(test, smmu_lu_parse_strtab_cfg(base_cfg(1, 8, 25), &t), 0);
	KUNIT_EXPECT_EQ(test, t.size, SZ_1M);

	/* the driver splits at 8; formats 2 and 3 are reserved; more than any folio */
	KUNIT_EXPECT_NE(test, smmu_lu_parse_strtab_cfg(base_cfg(1, 6, 16), &t), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_strtab_cfg(base_cfg(1, 10, 16), &t), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_strtab_cfg(base_cfg(1, 8, 7), &t), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_strtab_cfg(base_cfg(2, 8, 16), &t), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_strtab_cfg(base_cfg(3, 0, 6), &t), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_strtab_cfg(base_cfg(0, 0, 32), &t), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_strtab_cfg(base_cfg(1, 8, 63), &t), 0);
}

static void first_level_descriptors(struct kunit *test)
{
	const u64 table = 0x87654000;
	phys_addr_t pa = 1;

	KUNIT_EXPECT_EQ(test, smmu_lu_parse_l1(0, &pa), 0);
	KUNIT_EXPECT_EQ(test, pa, 0);
	KUNIT_EXPECT_EQ(test, smmu_lu_parse_l1(table | (STRTAB_SPLIT + 1), &pa), 0);
	KUNIT_EXPECT_EQ(test, pa, table);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_l1(table, &pa), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_l1(table | STRTAB_SPLIT, &pa), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_l1(STRTAB_SPLIT + 1, &pa), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_l1((table + SZ_4K) | (STRTAB_SPLIT + 1), &pa), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_l1(table | (STRTAB_SPLIT + 1) | BIT_ULL(63), &pa), 0);

	KUNIT_EXPECT_EQ(test, smmu_lu_parse_cd_l1(0, &pa), 0);
	KUNIT_EXPECT_EQ(test, pa, 0);
	KUNIT_EXPECT_EQ(test, smmu_lu_parse_cd_l1(0x87650000 | CTXDESC_L1_DESC_V, &pa), 0);
	KUNIT_EXPECT_EQ(test, pa, 0x87650000);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_cd_l1(0x87650000, &pa), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_cd_l1(CTXDESC_L1_DESC_V, &pa), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_cd_l1(0x87654000 | CTXDESC_L1_DESC_V, &pa), 0);
	KUNIT_EXPECT_NE(test, smmu_lu_parse_cd_l1(0x87650000 | CTXDESC_L1_DESC_V | BIT_ULL(1), &pa),
			0);
}

/* Every register of the record counts. */
#define IDR0_BTM	BIT(5)

static void registers(struct kunit *test)
{
	const struct iommu_smmuv3_ser record = {
		.strtab_pa = 0x1000, .strtab_base = STRTAB_BASE_RA | 0x1000,
		.strtab_base_cfg = base_cfg(1, 8, 16), .cr0 = CR0_SMMUEN, .cr1 = 0xd75, .cr2 = 6,
		.iidr = 0x43b, .aidr = 1, .idr0 = IDR0_BTM | IDR0_HYP, .idr1 = 3, .idr3 = 4,
		.idr5 = 5,
	};
	static const size_t fields[] = {
		offsetof(struct iommu_smmuv3_ser, strtab_base),
		offsetof(struct iommu_smmuv3_ser, strtab_base_cfg),
		offsetof(struct iommu_smmuv3_ser, cr0), offsetof(struct iommu_smmuv3_ser, cr1),
		offsetof(struct iommu_smmuv3_ser, cr2), offsetof(struct iommu_smmuv3_ser, iidr),
		offsetof(struct iommu_smmuv3_ser, aidr), offsetof(struct iommu_smmuv3_ser, idr0),
		offsetof(struct iommu_smmuv3_ser, idr1), offsetof(struct iommu_smmuv3_ser, idr3),
		offsetof(struct iommu_smmuv3_ser, idr5),
	};
	struct iommu_smmuv3_ser now;
	unsigned int i;

	now = record;
	KUNIT_EXPECT_NULL(test, smmu_lu_regs_differ(&record, &now, 0xd75, 6));
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		now = record;
		*((u8 *)&now + fields[i]) ^= 0x40;
		KUNIT_EXPECT_NOT_NULL(test, smmu_lu_regs_differ(&record, &now, 0xd75, 6));
	}
	/* the same, but not what this kernel wants: another CR1, or E2H */
	KUNIT_EXPECT_NOT_NULL(test, smmu_lu_regs_differ(&record, &record, 0xd74, 6));
	KUNIT_EXPECT_NOT_NULL(test, smmu_lu_regs_differ(&record, &record, 0xd75, 7));
}

/* PTM is RES0 without broadcast TLB maintenance, E2H without EL2. The driver writes them. */
static void registers_that_are_res0(struct kunit *test)
{
	struct iommu_smmuv3_ser record = { .cr2 = CR2_RECINVSID }, now;
	const u32 want = CR2_PTM | CR2_RECINVSID | CR2_E2H;

	now = record;
	KUNIT_EXPECT_NULL(test, smmu_lu_regs_differ(&record, &now, 0, want));
	/* whether it sticks or not */
	now.cr2 |= CR2_PTM;
	KUNIT_EXPECT_NULL(test, smmu_lu_regs_differ(&record, &now, 0, want));
	now.cr2 = 0;
	KUNIT_EXPECT_NOT_NULL(test, smmu_lu_regs_differ(&record, &now, 0, want));

	record.idr0 = IDR0_BTM;
	now = record;
	KUNIT_EXPECT_NOT_NULL(test, smmu_lu_regs_differ(&record, &now, 0, want));
	record.idr0 = IDR0_HYP;
	now = record;
	KUNIT_EXPECT_NOT_NULL(test, smmu_lu_regs_differ(&record, &now, 0, want));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(equal_entries_are_not_written),
	KUNIT_CASE(another_descriptor_table_is_one_store),
	KUNIT_CASE(ats_may_come_with_it),
	KUNIT_CASE(another_domain_in_a_descriptor_is_not),
	KUNIT_CASE(another_stage_2_table_is_one_store),
	KUNIT_CASE(another_stage_2_domain_is_not),
	KUNIT_CASE(blocking_is_one_store),
	KUNIT_CASE(what_blocks),
	KUNIT_CASE(records_keep_everything),
	KUNIT_CASE(stream_table_base_cfg),
	KUNIT_CASE(first_level_descriptors),
	KUNIT_CASE(registers),
	KUNIT_CASE(registers_that_are_res0),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu_lu_smmuv3_entry",
	.test_cases = cases,
};

kunit_test_suite(suite);
