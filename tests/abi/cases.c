// SPDX-License-Identifier: GPL-2.0
/*
 * Tables of cases, and what runs them. Needs nothing but memory and strings:
 * compiled for the host and for the kernel.
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <string.h>
#endif
#include "cases.h"

#define NR(a)	(sizeof(a) / sizeof((a)[0]))

#define result(run, ...)	((run)->result(run, __VA_ARGS__))
#define note(run, ...)		((run)->note(run, __VA_ARGS__))

/*
 * A reader with all drivers, for any page size: the outcome must not depend on
 * what is built into the kernel that the cases run in.
 */
static const struct iommu_lu_caps everything = {
	.version = IOMMU_LU_VERSION,
	.oldest = IOMMU_LU_OLDEST_VERSION,
	.understood = IOMMU_LU_UNDERSTOOD,
	.hw_types = 1 << IOMMU_HW_SER_INTEL | 1 << IOMMU_HW_SER_AMD |
		    1 << IOMMU_HW_SER_AMD_SEGMENT | 1 << IOMMU_HW_SER_SMMUV3,
};

/* --- changes to a blob ----------------------------------------------------- */

enum op { END, OP_SET, OP_COPY, OP_ADD };

/**
 * struct change - one thing done to struct built
 * @op: what is done
 * @to: offset of a field
 * @size: its size
 * @value: what to store or add, or the offset of another field
 */
struct change {
	enum op op;
	size_t to;
	size_t size;
	uint64_t value;
};

#define FIELD_AT(f)	offsetof(struct built, f), sizeof(((struct built *)0)->f)
#define SET(f, v)	{ OP_SET, FIELD_AT(f), (v) }
#define ADD(f, v)	{ OP_ADD, FIELD_AT(f), (v) }
#define COPY(f, g)	{ OP_COPY, FIELD_AT(f), offsetof(struct built, g) }
#define MAX_CHANGES	5

static void apply(struct built *b, const struct change *c)
{
	for (; c->op; c++) {
		char *to = (char *)b + c->to;
		uint64_t v = 0;

		if (c->op == OP_COPY) {
			memmove(to, (char *)b + c->value, c->size);
			continue;
		}
		if (c->op == OP_ADD)
			memcpy(&v, to, c->size);
		v += c->value;
		memcpy(to, &v, c->size);
	}
}

/* --- head ------------------------------------------------------------------- */

static const struct {
	enum iommu_lu_err err;
	struct change change[MAX_CHANGES];
} hdr_cases[] = {
	{ IOMMU_LU_OK, { { 0 } } },
	{ IOMMU_LU_OK, { SET(hdr.nr_hw, 0), SET(hdr.hw_blocks, 0), SET(hdr.nr_devices, 0),
			 SET(hdr.device_blocks, 0) } },
	{ IOMMU_LU_HDR_MAGIC, { ADD(hdr.magic, 1) } },
	{ IOMMU_LU_HDR_MAGIC, { SET(hdr.magic, 0) } },
	{ IOMMU_LU_HDR_VERSION, { SET(hdr.min_version, 2) } },
	{ IOMMU_LU_HDR_VERSION, { SET(hdr.version, 0) } },
	{ IOMMU_LU_HDR_TOO_NEW, { SET(hdr.version, 2), SET(hdr.min_version, 2) } },
	{ IOMMU_LU_HDR_TOO_NEW, { SET(hdr.version, 0xffff), SET(hdr.min_version, 0xffff) } },
	{ IOMMU_LU_HDR_TOO_OLD, { SET(hdr.version, 0), SET(hdr.min_version, 0) } },
	{ IOMMU_LU_HDR_TOO_OLD, { SET(hdr.min_version, 0) } },
	{ IOMMU_LU_HDR_MUST_UNDERSTAND, { SET(hdr.must_understand, 1) } },
	{ IOMMU_LU_HDR_MUST_UNDERSTAND, { SET(hdr.must_understand, 1ULL << 63) } },
	{ IOMMU_LU_HDR_LEN, { SET(hdr.len, 0) } },
	{ IOMMU_LU_HDR_LEN, { SET(hdr.len, sizeof(struct iommu_lu_hdr) - 1) } },
	{ IOMMU_LU_HDR_LEN, { SET(hdr.len, sizeof(struct iommu_lu_hdr) + 8) } },
	{ IOMMU_LU_HDR_LEN, { SET(hdr.len, 0xffffffff) } },
	{ IOMMU_LU_HDR_LEN, { SET(hdr.version, 2), SET(hdr.len, 0xffffffff) } },
	{ IOMMU_LU_HDR_LEN, { SET(hdr.version, 2), ADD(hdr.len, -8) } },
	{ IOMMU_LU_HDR_FLAGS, { SET(hdr.flags, 3) } },
	{ IOMMU_LU_HDR_RESERVED, { SET(hdr.reserved0, 1) } },
	{ IOMMU_LU_HDR_RESERVED, { SET(hdr.reserved1, 1) } },
	{ IOMMU_LU_HDR_RESERVED, { SET(hdr.reserved[3], 1ULL << 63) } },
	{ IOMMU_LU_HDR_PAGE_SIZE, { SET(hdr.page_shift, 11) } },
	{ IOMMU_LU_HDR_PAGE_SIZE, { SET(hdr.page_shift, 17) } },
	{ IOMMU_LU_HDR_PAGE_SIZE, { SET(hdr.page_shift, 64 + 12) } },
	{ IOMMU_LU_HDR_RECORD_SIZE, { SET(hdr.hw_size, 0) } },
	{ IOMMU_LU_HDR_RECORD_SIZE, { ADD(hdr.hw_size, 8) } },
	{ IOMMU_LU_HDR_RECORD_SIZE, { ADD(hdr.domain_size, -8) } },
	{ IOMMU_LU_HDR_RECORD_SIZE, { SET(hdr.device_size, 0xfff8) } },
	{ IOMMU_LU_HDR_RECORD_SIZE, { SET(hdr.version, 2), ADD(hdr.device_size, 4) } },
	{ IOMMU_LU_HDR_RECORD_SIZE, { SET(hdr.version, 2), ADD(hdr.device_size, -8) } },
	{ IOMMU_LU_HDR_RECORD_SIZE, { SET(hdr.version, 2), SET(hdr.device_size, 4088) } },
	{ IOMMU_LU_HDR_COUNT, { SET(hdr.nr_hw, IOMMU_LU_MAX_HW + 1) } },
	{ IOMMU_LU_HDR_COUNT, { SET(hdr.nr_domains, 0xffffffff) } },
	{ IOMMU_LU_HDR_COUNT, { SET(hdr.nr_devices, 0xffffffff) } },
	{ IOMMU_LU_HDR_LIST, { SET(hdr.nr_hw, 0) } },
	{ IOMMU_LU_HDR_LIST, { SET(hdr.domain_blocks, 0) } },
	{ IOMMU_LU_HDR_LIST, { SET(hdr.nr_devices, 0) } },
	{ IOMMU_LU_HDR_NOT_SEALED, { SET(hdr.flags, 0) } },
};

void lu_cases_head(struct lu_run *run)
{
	struct iommu_lu_caps caps = everything;
	struct built *b = &run->b;
	enum iommu_lu_err err;
	size_t i;

	for (i = 0; i < NR(hdr_cases); i++) {
		lu_build_intel(b);
		apply(b, hdr_cases[i].change);
		err = iommu_lu_verify_hdr(&b->hdr, sizeof(b->hdr), &everything);
		run->reached[err]++;
		result(run, err == hdr_cases[i].err, "A5 header %zu: %s%s%s", i,
		       iommu_lu_err_name(hdr_cases[i].err), err == hdr_cases[i].err ? "" : ", got ",
		       err == hdr_cases[i].err ? "" : iommu_lu_err_name(err));
	}

	lu_build_intel(b);
	b->hdr.len += 8;
	result(run, iommu_lu_verify_hdr(&b->hdr, sizeof(b->hdr) + 8, &everything) ==
	       IOMMU_LU_HDR_LEN, "A5 header: longer than this version's");

	lu_build_intel(b);
	for (i = 0; i < sizeof(b->hdr); i++)
		if (iommu_lu_verify_hdr(&b->hdr, i, &everything) != IOMMU_LU_HDR_SHORT)
			break;
	run->reached[IOMMU_LU_HDR_SHORT]++;
	result(run, i == sizeof(b->hdr), "A6 header: HDR_SHORT at every length");

	caps.page_shift = 16;
	err = iommu_lu_verify_hdr(&b->hdr, sizeof(b->hdr), &caps);
	result(run, err == IOMMU_LU_HDR_PAGE_SIZE, "A6 header: page size of the kernel differs");

	result(run, iommu_lu_errno(IOMMU_LU_HDR_NOT_SEALED) == -ESTALE &&
	       !strcmp(iommu_lu_strerror(IOMMU_LU_HDR_NOT_SEALED), "not sealed"),
	       "A6 header: errno and text");
}

/* --- records ---------------------------------------------------------------- */

struct record_case {
	enum iommu_lu_err err;
	builder build;
	enum iommu_lu_kind kind;
	/* the record that is looked at, and how many are refused in all */
	uint32_t index;
	int refused;
	struct change change[MAX_CHANGES];
	void (*hit)(struct built *b);
	/* drivers that there are, 0 for all */
	uint32_t hw_types;
};

static void second_table(struct built *b)
{
	struct iommu_hw_ser *hw = &b->hw[b->hdr.nr_hw++];

	*hw = b->hw[2];
	hw->token += 1 << 21;
	hw->amd_segment.dev_table_pa = hw->token;
}

static void one_level_cd_table(struct built *b)
{
	b->device[0].smmuv3.s1fmt = 2;
	b->device[0].smmuv3.s1cdmax = 20;
	b->device[0].smmuv3.nr_cd_tables = 0;
}

static void five_doorbells(struct built *b)
{
	struct iommu_domain_arm_ser *arm = &b->domain[0].arm;
	int i;

	arm->nr_sw_msi = IOMMU_DOMAIN_SER_MAX_SW_MSI + 1;
	for (i = 0; i < IOMMU_DOMAIN_SER_MAX_SW_MSI; i++) {
		arm->sw_msi[i].iova = arm->sw_msi_start + i * 4096;
		arm->sw_msi[i].msi_pa = 0x08080000;
	}
}

#define HW	IOMMU_LU_HW
#define DOMAIN	IOMMU_LU_DOMAIN
#define DEVICE	IOMMU_LU_DEVICE
#define INTEL	lu_build_intel
#define SCALABLE lu_build_scalable
#define AMD	lu_build_amd
#define SMMU	lu_build_smmuv3
#define MIXED	lu_build_mixed
#define HIGH	(1ULL << 52)
#define HUGE	0xfffffffffffff000ULL

/*
 * intel: unit 0 has devices 0 to 2, unit 1 has 3; domain 0 has devices 0, 1, 3
 * amd: unit 0 has device 0, unit 1 has 1 and 2; domain 0 has 0 and 1
 * smmuv3: unit 0 has domain 0 and devices 0, 1; unit 1 has domain 1, device 2
 * mixed: all of these, after each other
 */
static const struct record_case record_cases[] = {
	{ IOMMU_LU_HW_TOKEN, INTEL, HW, 0, 4, { SET(hw[0].token, 0) } },
	{ IOMMU_LU_HW_TOKEN, INTEL, HW, 0, 4, { ADD(hw[0].token, 4) } },
	{ IOMMU_LU_HW_TOKEN, INTEL, HW, 0, 4, { SET(hw[0].token, HIGH) } },
	{ IOMMU_LU_HW_TOKEN, MIXED, HW, 6, 4, { SET(hw[6].token, HUGE) } },
	{ IOMMU_LU_HW_TOKEN, AMD, HW, 2, 6, { ADD(hw[2].token, 4096) } },
	{ IOMMU_LU_HW_TYPE, INTEL, HW, 0, 4, { SET(hw[0].type, 0) } },
	{ IOMMU_LU_HW_TYPE, INTEL, HW, 0, 4, { SET(hw[0].type, 31) } },
	{ IOMMU_LU_HW_TYPE, INTEL, HW, 0, 4, { SET(hw[0].type, 0xffffffff) } },
	{ IOMMU_LU_HW_DRIVER, INTEL, HW, 0, 6, { { 0 } }, NULL, 1 << IOMMU_HW_SER_AMD },
	{ IOMMU_LU_HW_DRIVER, MIXED, HW, 6, 6 + 7, { { 0 } }, NULL,
	  1 << IOMMU_HW_SER_INTEL | 1 << IOMMU_HW_SER_AMD },
	{ IOMMU_LU_HW_SEGMENT, INTEL, HW, 0, 4, { SET(hw[0].segment, 0x10000) } },
	{ IOMMU_LU_HW_SEGMENT, SMMU, HW, 0, 4, { SET(hw[0].segment, 1) } },
	{ IOMMU_LU_HW_FLAGS, INTEL, HW, 1, 2, { SET(hw[1].intel.flags, 2) } },
	{ IOMMU_LU_HW_FLAGS, SMMU, HW, 1, 3, { SET(hw[1].smmuv3.flags, 1) } },
	{ IOMMU_LU_HW_REGISTER, INTEL, HW, 0, 4, { SET(hw[0].intel.flags, 1) } },
	{ IOMMU_LU_HW_REGISTER, AMD, HW, 0, 2, { SET(hw[0].amd.control, 0) } },
	{ IOMMU_LU_HW_REGISTER, SMMU, HW, 0, 4, { SET(hw[0].smmuv3.cr0, 0x1e) } },
	{ IOMMU_LU_HW_REGISTER, SMMU, HW, 0, 4, { ADD(hw[0].smmuv3.strtab_base, 4096) } },
	{ IOMMU_LU_HW_TABLE, INTEL, HW, 0, 4, { SET(hw[0].intel.root_pa, 0) } },
	{ IOMMU_LU_HW_TABLE, INTEL, HW, 0, 4, { ADD(hw[0].intel.root_pa, 0x800) } },
	{ IOMMU_LU_HW_TABLE, INTEL, HW, 0, 4, { ADD(hw[0].intel.irt_pa, 8) } },
	{ IOMMU_LU_HW_TABLE, SMMU, HW, 1, 3, { ADD(hw[1].smmuv3.strtab_pa, 4096),
		ADD(hw[1].smmuv3.strtab_base, 4096) } },
	{ IOMMU_LU_HW_TABLE_RANGE, INTEL, HW, 0, 4, { SET(hw[0].intel.root_pa, HIGH) } },
	{ IOMMU_LU_HW_TABLE_RANGE, INTEL, HW, 0, 4, { SET(hw[0].intel.root_pa, HUGE) } },
	{ IOMMU_LU_HW_TABLE_RANGE, INTEL, HW, 0, 4, { SET(hw[0].intel.irt_pa, HIGH - 4096) } },
	{ IOMMU_LU_HW_TABLE_SIZE, INTEL, HW, 0, 4, { SET(hw[0].intel.nr_context_tables, 257) } },
	{ IOMMU_LU_HW_TABLE_SIZE, SCALABLE, HW, 0, 3,
	  { SET(hw[0].intel.nr_context_tables, 513) } },
	{ IOMMU_LU_HW_TABLE_SIZE, INTEL, HW, 0, 4, { SET(hw[0].intel.irt_lg2, 11) } },
	{ IOMMU_LU_HW_TABLE_SIZE, INTEL, HW, 0, 4, { SET(hw[0].intel.irt_lg2, 255) } },
	{ IOMMU_LU_HW_TABLE_SIZE, INTEL, HW, 0, 4, { SET(hw[0].intel.irt_lg2, 0) } },
	{ IOMMU_LU_HW_TABLE_SIZE, INTEL, HW, 0, 4, { SET(hw[0].intel.irt_pa, 0) } },
	{ IOMMU_LU_HW_TABLE_SIZE, SCALABLE, HW, 0, 3, { SET(hw[0].intel.prq_lg2, 20) } },
	{ IOMMU_LU_HW_TABLE_SIZE, AMD, HW, 2, 6, { SET(hw[2].amd_segment.dev_table_size, 0) } },
	{ IOMMU_LU_HW_TABLE_SIZE, AMD, HW, 2, 6,
	  { SET(hw[2].amd_segment.dev_table_size, 3 << 19) } },
	{ IOMMU_LU_HW_TABLE_SIZE, AMD, HW, 2, 6,
	  { SET(hw[2].amd_segment.dev_table_size, 1 << 22) } },
	{ IOMMU_LU_HW_TABLE_SIZE, AMD, HW, 2, 6,
	  { SET(hw[2].amd_segment.dev_table_size, 1 << 20) } },
	{ IOMMU_LU_HW_TABLE_SIZE, AMD, HW, 2, 6,
	  { SET(hw[2].amd_segment.dev_table_size, 3 << 19),
	    SET(hw[2].amd_segment.last_bdf, 0x4fff) } },
	{ IOMMU_LU_HW_TABLE_SIZE, AMD, HW, 2, 6,
	  { SET(hw[2].amd_segment.dev_table_size, 2048), SET(hw[2].amd_segment.last_bdf, 9) } },
	{ IOMMU_LU_HW_TABLE_SIZE, SMMU, HW, 0, 4,
	  { SET(hw[0].smmuv3.strtab_base_cfg, 2 << 16 | 8 << 6 | 16) } },
	{ IOMMU_LU_HW_TABLE_SIZE, SMMU, HW, 0, 4,
	  { SET(hw[0].smmuv3.strtab_base_cfg, 1 << 16 | 7 << 6 | 16) } },
	{ IOMMU_LU_HW_TABLE_SIZE, SMMU, HW, 0, 4,
	  { SET(hw[0].smmuv3.strtab_base_cfg, 1 << 16 | 8 << 6 | 33) } },
	{ IOMMU_LU_HW_TABLE_SIZE, SMMU, HW, 0, 4, { SET(hw[0].smmuv3.nr_l2_tables, 257) } },
	{ IOMMU_LU_HW_TABLE_SIZE, SMMU, HW, 1, 3, { SET(hw[1].smmuv3.nr_l2_tables, 1) } },
	{ IOMMU_LU_HW_RESERVED, INTEL, HW, 0, 4, { SET(hw[0].intel.reserved0[5], 1) } },
	{ IOMMU_LU_HW_RESERVED, INTEL, HW, 0, 4, { SET(hw[0].intel.reserved[0], 1) } },
	{ IOMMU_LU_HW_RESERVED, INTEL, HW, 0, 4, { SET(hw[0].raw[13], 1ULL << 63) } },
	{ IOMMU_LU_HW_RESERVED, AMD, HW, 0, 2, { SET(hw[0].amd.reserved0, 1) } },
	{ IOMMU_LU_HW_RESERVED, AMD, HW, 0, 2, { SET(hw[0].raw[6], 1) } },
	{ IOMMU_LU_HW_RESERVED, AMD, HW, 2, 6, { SET(hw[2].amd_segment.reserved0, 1) } },
	{ IOMMU_LU_HW_RESERVED, AMD, HW, 2, 6, { SET(hw[2].amd_segment.reserved[1], 1) } },
	{ IOMMU_LU_HW_RESERVED, SMMU, HW, 1, 3, { SET(hw[1].smmuv3.reserved[1], 1) } },
	{ IOMMU_LU_HW_LINK, AMD, HW, 0, 2, { SET(hw[0].amd.segment_index, 3) } },
	{ IOMMU_LU_HW_LINK, AMD, HW, 0, 2, { SET(hw[0].amd.segment_index, 0xffffffff) } },
	{ IOMMU_LU_HW_LINK_TYPE, AMD, HW, 0, 2, { SET(hw[0].amd.segment_index, 0) } },
	{ IOMMU_LU_HW_LINK_TYPE, AMD, HW, 0, 2, { SET(hw[0].amd.segment_index, 1) } },
	{ IOMMU_LU_HW_LINK_TYPE, AMD, HW, 0, 5, { SET(hw[2].segment, 7) } },
	{ IOMMU_LU_HW_TWICE, INTEL, HW, 0, 6, { COPY(hw[1].token, hw[0].token) } },
	{ IOMMU_LU_HW_TWICE, MIXED, HW, 7, 5 + 2,
	  { COPY(hw[7].token, hw[0].token) } },
	{ IOMMU_LU_HW_SEGMENT_TWICE, AMD, HW, 2, 7, { { 0 } }, second_table },
	{ IOMMU_LU_HW_OVERLAP, INTEL, HW, 0, 6,
	  { COPY(hw[1].intel.root_pa, hw[0].intel.root_pa) } },
	{ IOMMU_LU_HW_OVERLAP, INTEL, HW, 0, 6, { COPY(hw[1].intel.root_pa, hw[0].intel.irt_pa),
		ADD(hw[1].intel.root_pa, (1 << 20) - 4096) } },
	{ IOMMU_LU_HW_OVERLAP, INTEL, HW, 1, 6, { COPY(hw[0].intel.root_pa, hw[1].token) } },
	{ IOMMU_LU_HW_OVERLAP, INTEL, HW, 0, 4, { COPY(hw[0].intel.prq_pa, hw[0].intel.irt_pa),
		ADD(hw[0].intel.prq_pa, 8192), SET(hw[0].intel.prq_lg2, 12) } },
	{ IOMMU_LU_HW_LINK_FAILED, AMD, HW, 1, 6, { SET(hw[2].amd_segment.dev_table_size, 1) } },

	{ IOMMU_LU_DOMAIN_IOMMUFD, INTEL, DOMAIN, 1, 2, { SET(domain[1].iommufd_id, 0) } },
	{ IOMMU_LU_DOMAIN_FORMAT, INTEL, DOMAIN, 1, 2, { SET(domain[1].format, 0) } },
	{ IOMMU_LU_DOMAIN_FORMAT, INTEL, DOMAIN, 1, 2, { SET(domain[1].format, 7) } },
	{ IOMMU_LU_DOMAIN_FORMAT, INTEL, DOMAIN, 0, 4, { SET(domain[0].format, 0xffffffff) } },
	{ IOMMU_LU_DOMAIN_FEATURES, INTEL, DOMAIN, 1, 2, { SET(domain[1].features, 1U << 31) } },
	{ IOMMU_LU_DOMAIN_FEATURES, INTEL, DOMAIN, 1, 2,
	  { SET(domain[1].features, IOMMU_DOMAIN_SER_SIGN_EXTEND) } },
	{ IOMMU_LU_DOMAIN_FEATURES, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.flags, 4) } },
	{ IOMMU_LU_DOMAIN_FEATURES, SMMU, DOMAIN, 0, 3,
	  { SET(domain[0].arm.flags, IOMMU_DOMAIN_ARM_SER_S2FWB) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, INTEL, DOMAIN, 1, 2, { SET(domain[1].top_level, 1) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, INTEL, DOMAIN, 1, 2, { SET(domain[1].top_level, 5) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, INTEL, DOMAIN, 1, 2, { SET(domain[1].top_level, 255) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, INTEL, DOMAIN, 1, 2, { SET(domain[1].vasz_lg2, 12) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, INTEL, DOMAIN, 1, 2, { SET(domain[1].vasz_lg2, 40) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, AMD, DOMAIN, 1, 2, { SET(domain[1].vasz_lg2, 65) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, INTEL, DOMAIN, 1, 2, { SET(domain[1].oasz_lg2, 53) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, INTEL, DOMAIN, 1, 2, { SET(domain[1].oasz_lg2, 0) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.granule_lg2, 13) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.top_lg2, 13) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, SMMU, DOMAIN, 1, 2, { SET(domain[1].arm.top_lg2, 17) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, SMMU, DOMAIN, 1, 2, { SET(domain[1].arm.top_lg2, 0) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, SMMU, DOMAIN, 0, 3, { SET(domain[0].vasz_lg2, 49) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, SMMU, DOMAIN, 1, 2, { SET(domain[1].arm.mair, 0xff) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, SMMU, DOMAIN, 1, 2, { SET(domain[1].arm.top_lg2, 3),
		SET(domain[1].vasz_lg2, 30), SET(domain[1].pgsize_bitmap, 0x201000) } },
	{ IOMMU_LU_DOMAIN_GEOMETRY, INTEL, DOMAIN, 1, 2, { SET(domain[1].top_level, 1),
		SET(domain[1].vasz_lg2, 30), SET(domain[1].pgsize_bitmap, 0x201000) } },
	{ IOMMU_LU_DOMAIN_TABLE, INTEL, DOMAIN, 1, 2, { SET(domain[1].top_pa, 0) } },
	{ IOMMU_LU_DOMAIN_TABLE, INTEL, DOMAIN, 1, 2, { ADD(domain[1].top_pa, 1) } },
	{ IOMMU_LU_DOMAIN_TABLE, SMMU, DOMAIN, 1, 2, { ADD(domain[1].top_pa, 4096) } },
	{ IOMMU_LU_DOMAIN_TABLE_RANGE, INTEL, DOMAIN, 1, 2, { SET(domain[1].top_pa, HIGH) } },
	{ IOMMU_LU_DOMAIN_TABLE_RANGE, INTEL, DOMAIN, 1, 2, { SET(domain[1].top_pa, HUGE) } },
	{ IOMMU_LU_DOMAIN_COUNT, INTEL, DOMAIN, 1, 2, { SET(domain[1].nr_tables, 0) } },
	{ IOMMU_LU_DOMAIN_COUNT, INTEL, DOMAIN, 1, 2, { SET(domain[1].nr_tables, ~0ULL) } },
	{ IOMMU_LU_DOMAIN_COUNT, AMD, DOMAIN, 1, 2, { SET(domain[1].top_level, 0) } },
	{ IOMMU_LU_DOMAIN_PGSIZE, INTEL, DOMAIN, 1, 2, { SET(domain[1].pgsize_bitmap, 0) } },
	{ IOMMU_LU_DOMAIN_PGSIZE, INTEL, DOMAIN, 1, 2, { ADD(domain[1].pgsize_bitmap, 0x800) } },
	{ IOMMU_LU_DOMAIN_PGSIZE, INTEL, DOMAIN, 1, 2,
	  { ADD(domain[1].pgsize_bitmap, 1ULL << 39) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.nr_sw_msi, 5) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.nr_sw_msi, 255) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.nr_sw_msi, 0) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.sw_msi_start, 0) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { ADD(domain[0].arm.sw_msi_start, 1) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { ADD(domain[0].arm.sw_msi_start, 4096) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { ADD(domain[0].arm.sw_msi[0].iova, 8) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3,
	  { SET(domain[0].arm.sw_msi[0].iova, 1ULL << 48) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.sw_msi[0].msi_pa, 0) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.sw_msi[0].msi_pa, HIGH) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.sw_msi[3].msi_pa, 4096) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.nr_sw_msi, 2),
		COPY(domain[0].arm.sw_msi[1], domain[0].arm.sw_msi[0]) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.sw_msi_start, 8) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.sw_msi[3].iova, 4096) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { ADD(domain[0].arm.sw_msi[0].msi_pa, 8) } },
	{ IOMMU_LU_DOMAIN_MSI, SMMU, DOMAIN, 0, 3, { { 0 } }, five_doorbells },
	{ IOMMU_LU_DOMAIN_RESERVED, INTEL, DOMAIN, 1, 2, { SET(domain[1].reserved0[4], 1) } },
	{ IOMMU_LU_DOMAIN_RESERVED, INTEL, DOMAIN, 1, 2, { SET(domain[1].raw[0], 1) } },
	{ IOMMU_LU_DOMAIN_RESERVED, INTEL, DOMAIN, 1, 2, { SET(domain[1].raw[15], 1) } },
	{ IOMMU_LU_DOMAIN_RESERVED, SMMU, DOMAIN, 1, 2, { SET(domain[1].arm.reserved0[0], 1) } },
	{ IOMMU_LU_DOMAIN_RESERVED, SMMU, DOMAIN, 1, 2, { SET(domain[1].arm.reserved[1], 1) } },
	{ IOMMU_LU_DOMAIN_RESERVED, SMMU, DOMAIN, 1, 2, { SET(domain[1].raw[15], 1) } },
	{ IOMMU_LU_DOMAIN_LINK, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.hw_index, 2) } },
	{ IOMMU_LU_DOMAIN_LINK, SMMU, DOMAIN, 0, 3, { SET(domain[0].arm.hw_index, ~0U) } },
	{ IOMMU_LU_DOMAIN_LINK_TYPE, MIXED, DOMAIN, 6, 3, { SET(domain[6].arm.hw_index, 0) } },
	{ IOMMU_LU_DOMAIN_TWICE, INTEL, DOMAIN, 1, 6, { COPY(domain[1].token, domain[0].token),
		COPY(domain[1].iommufd_id, domain[0].iommufd_id) } },
	{ IOMMU_LU_DOMAIN_OVERLAP, INTEL, DOMAIN, 0, 6,
	  { COPY(domain[1].top_pa, domain[0].top_pa) } },
	{ IOMMU_LU_DOMAIN_OVERLAP, INTEL, DOMAIN, 0, 5,
	  { COPY(domain[0].top_pa, hw[1].intel.root_pa) } },
	{ IOMMU_LU_DOMAIN_LINK_FAILED, SMMU, DOMAIN, 0, 4, { SET(hw[0].smmuv3.cr0, 0) } },

	{ IOMMU_LU_DEVICE_IDENTITY, INTEL, DEVICE, 0, 1, { SET(device[0].segment, 0x10000) } },
	{ IOMMU_LU_DEVICE_IDENTITY, INTEL, DEVICE, 0, 1, { SET(device[0].class, 1 << 24) } },
	{ IOMMU_LU_DEVICE_PASID, INTEL, DEVICE, 0, 1, { SET(device[0].pasid, 0) } },
	{ IOMMU_LU_DEVICE_RID_COUNT, INTEL, DEVICE, 0, 1, { SET(device[0].nr_rids, 0) } },
	{ IOMMU_LU_DEVICE_RID_COUNT, INTEL, DEVICE, 0, 1, { SET(device[0].nr_rids, 9) } },
	{ IOMMU_LU_DEVICE_RID_COUNT, INTEL, DEVICE, 0, 1, { SET(device[0].nr_rids, 0xffff) } },
	{ IOMMU_LU_DEVICE_RID_OWN, INTEL, DEVICE, 0, 1, { SET(device[0].rids[0], 0x0101) } },
	{ IOMMU_LU_DEVICE_RID_REPEATED, INTEL, DEVICE, 1, 1, { SET(device[1].rids[1], 0x0208) } },
	{ IOMMU_LU_DEVICE_RID_UNUSED, INTEL, DEVICE, 0, 1, { SET(device[0].rids[7], 1) } },
	{ IOMMU_LU_DEVICE_RID_UNUSED, SMMU, DEVICE, 0, 1, { SET(device[0].smmuv3.sids[7], 1) } },
	{ IOMMU_LU_DEVICE_FLAGS, INTEL, DEVICE, 0, 1, { SET(device[0].flags, 1) } },
	{ IOMMU_LU_OK, INTEL, DEVICE, 0, 0,
	  { SET(device[0].ats_control, 0x801f), ADD(device[0].intel.context_lo, 1 << 2),
	    SET(device[0].pasid_control, 7) } },
	{ IOMMU_LU_OK, SCALABLE, DEVICE, 0, 0,
	  { SET(device[0].ats_control, 0x8000), ADD(device[0].intel.context_lo, 1 << 2) } },
	{ IOMMU_LU_OK, AMD, DEVICE, 0, 0,
	  { SET(device[0].ats_control, 0x8000), ADD(device[0].amd.dte[1], 1ULL << 32) } },
	{ IOMMU_LU_OK, SMMU, DEVICE, 0, 0,
	  { SET(device[0].ats_control, 0x8000), ADD(device[0].smmuv3.ste[1], 1 << 28) } },
	{ IOMMU_LU_DEVICE_CONTROL, INTEL, DEVICE, 0, 1, { SET(device[0].ats_control, 1) } },
	{ IOMMU_LU_DEVICE_CONTROL, INTEL, DEVICE, 0, 1, { SET(device[0].ats_control, 0x8020) } },
	{ IOMMU_LU_DEVICE_CONTROL, INTEL, DEVICE, 0, 1, { SET(device[0].pasid_control, 2) } },
	{ IOMMU_LU_DEVICE_CONTROL, INTEL, DEVICE, 0, 1, { SET(device[0].pasid_control, 0x11) } },
	{ IOMMU_LU_DEVICE_ATS, INTEL, DEVICE, 0, 1, { SET(device[0].ats_control, 0x8000) } },
	{ IOMMU_LU_DEVICE_ATS, SCALABLE, DEVICE, 1, 1, { SET(device[1].ats_control, 0x8000) } },
	{ IOMMU_LU_DEVICE_ATS, AMD, DEVICE, 1, 1, { SET(device[1].ats_control, 0x8000) } },
	{ IOMMU_LU_DEVICE_ATS, SMMU, DEVICE, 2, 1, { SET(device[2].ats_control, 0x8000) } },
	{ IOMMU_LU_DEVICE_RESERVED, INTEL, DEVICE, 0, 1, { SET(device[0].reserved, 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, INTEL, DEVICE, 0, 1, { SET(device[0].intel.reserved[2], 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, INTEL, DEVICE, 0, 1, { SET(device[0].raw[23], 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, INTEL, DEVICE, 0, 1,
	  { SET(device[0].intel.pasid_dir_pa, 0x1000) } },
	{ IOMMU_LU_DEVICE_RESERVED, INTEL, DEVICE, 0, 1,
	  { SET(device[0].intel.pasid_entry[7], 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, AMD, DEVICE, 0, 1, { SET(device[0].amd.gcr3_pa, 0x1000) } },
	{ IOMMU_LU_DEVICE_RESERVED, AMD, DEVICE, 0, 1, { SET(device[0].amd.gcr3_did, 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, AMD, DEVICE, 0, 1, { SET(device[0].amd.gcr3_levels, 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, AMD, DEVICE, 0, 1, { SET(device[0].amd.reserved0[2], 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, AMD, DEVICE, 0, 1, { SET(device[0].raw[6], 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, SMMU, DEVICE, 0, 1, { SET(device[0].smmuv3.reserved, 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, SMMU, DEVICE, 2, 1, { SET(device[2].smmuv3.cd[7], 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, SMMU, DEVICE, 2, 1,
	  { SET(device[2].smmuv3.cdtab_pa, 0x1000) } },
	{ IOMMU_LU_DEVICE_RESERVED, SMMU, DEVICE, 2, 1, { SET(device[2].raw[23], 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, SMMU, DEVICE, 2, 1, { SET(device[2].smmuv3.nr_cd_tables, 1) } },
	{ IOMMU_LU_DEVICE_RESERVED, SMMU, DEVICE, 2, 1, { SET(device[2].smmuv3.s1fmt, 2) } },
	{ IOMMU_LU_DEVICE_RESERVED, SMMU, DEVICE, 2, 1, { SET(device[2].smmuv3.s1cdmax, 1) } },
	{ IOMMU_LU_DEVICE_HW_LINK, INTEL, DEVICE, 0, 1, { SET(device[0].hw_index, 2) } },
	{ IOMMU_LU_DEVICE_HW_LINK, INTEL, DEVICE, 0, 1, { SET(device[0].hw_index, ~0U) } },
	{ IOMMU_LU_DEVICE_DOMAIN_LINK, INTEL, DEVICE, 0, 1, { SET(device[0].domain_index, 2) } },
	{ IOMMU_LU_DEVICE_DOMAIN_LINK, INTEL, DEVICE, 0, 1, { SET(device[0].domain_index, ~0U) } },
	{ IOMMU_LU_DEVICE_HW_TYPE, AMD, DEVICE, 0, 1, { SET(device[0].hw_index, 2) } },
	{ IOMMU_LU_DEVICE_SEGMENT, INTEL, DEVICE, 3, 1, { SET(device[3].segment, 1) } },
	{ IOMMU_LU_DEVICE_SEGMENT, AMD, DEVICE, 0, 1, { SET(device[0].segment, 0) } },
	{ IOMMU_LU_DEVICE_FORMAT, MIXED, DEVICE, 0, 1, { SET(device[0].domain_index, 4) } },
	{ IOMMU_LU_DEVICE_FORMAT, MIXED, DEVICE, 0, 1, { SET(device[0].domain_index, 3) } },
	{ IOMMU_LU_DEVICE_FORMAT, MIXED, DEVICE, 4, 1, { SET(device[4].domain_index, 5) } },
	{ IOMMU_LU_DEVICE_FORMAT, MIXED, DEVICE, 6, 1, { SET(device[6].domain_index, 3) } },
	{ IOMMU_LU_DEVICE_FORMAT, MIXED, DEVICE, 9, 1, { SET(device[9].domain_index, 0) } },
	{ IOMMU_LU_DEVICE_FORMAT, MIXED, DEVICE, 4, 1, { SET(device[4].hw_index, 3),
		SET(device[4].segment, 2) } },
	{ IOMMU_LU_DEVICE_OTHER_UNIT, SMMU, DEVICE, 0, 1, { SET(device[0].hw_index, 1) } },
	{ IOMMU_LU_DEVICE_DID, INTEL, DEVICE, 0, 1, { SET(device[0].intel.did, 0) } },
	{ IOMMU_LU_DEVICE_DID, INTEL, DEVICE, 0, 1, { ADD(hw[0].intel.cap, -6),
		SET(device[0].intel.did, 16) } },
	{ IOMMU_LU_DEVICE_DID, AMD, DEVICE, 0, 1, { SET(device[0].amd.did, 0) } },
	{ IOMMU_LU_DEVICE_DID, SMMU, DEVICE, 0, 1, { SET(device[0].smmuv3.did, 0) } },
	{ IOMMU_LU_DEVICE_TABLE, SCALABLE, DEVICE, 0, 1, { SET(device[0].intel.pasid_dir_pa, 0),
		SET(device[0].intel.context_lo, 1 | 7 << 9) } },
	{ IOMMU_LU_DEVICE_TABLE, SMMU, DEVICE, 0, 1, { SET(device[0].smmuv3.cdtab_pa, 0) } },
	{ IOMMU_LU_DEVICE_TABLE, SMMU, DEVICE, 0, 1, { ADD(device[0].smmuv3.cdtab_pa, 64),
		ADD(device[0].smmuv3.ste[0], 64) } },
	{ IOMMU_LU_DEVICE_TABLE_RANGE, SCALABLE, DEVICE, 0, 1,
	  { SET(device[0].intel.pasid_dir_pa, HIGH - 4096),
	    SET(device[0].intel.context_lo, (1 | 7 << 9) + HIGH - 4096) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SCALABLE, DEVICE, 0, 1,
	  { SET(device[0].intel.max_pasid, 3 << 15) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SCALABLE, DEVICE, 0, 1,
	  { SET(device[0].intel.max_pasid, 1 << 21) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SCALABLE, DEVICE, 0, 1,
	  { SET(device[0].intel.nr_pasid_tables, 0) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SCALABLE, DEVICE, 0, 1,
	  { SET(device[0].intel.nr_pasid_tables, 16385) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SCALABLE, DEVICE, 0, 1,
	  { SET(device[0].intel.max_pasid, 1 << 14) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SMMU, DEVICE, 0, 1, { SET(device[0].smmuv3.s1fmt, 1),
		SET(device[0].smmuv3.nr_cd_tables, 1) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SMMU, DEVICE, 0, 1, { SET(device[0].smmuv3.s1fmt, 1) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SMMU, DEVICE, 0, 1, { SET(device[0].smmuv3.s1cdmax, 11) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SMMU, DEVICE, 0, 1,
	  { SET(device[0].smmuv3.nr_cd_tables, 1) } },
	{ IOMMU_LU_DEVICE_TABLE_SIZE, SMMU, DEVICE, 0, 1, { { 0 } }, one_level_cd_table },
	{ IOMMU_LU_DEVICE_ENTRY, INTEL, DEVICE, 0, 1, { ADD(device[0].intel.context_lo, -1) } },
	{ IOMMU_LU_DEVICE_ENTRY, INTEL, DEVICE, 0, 1, { ADD(device[0].intel.context_lo, 8) } },
	{ IOMMU_LU_DEVICE_ENTRY, INTEL, DEVICE, 0, 1, { ADD(device[0].intel.context_lo, 4096) } },
	{ IOMMU_LU_DEVICE_ENTRY, INTEL, DEVICE, 0, 1, { ADD(device[0].intel.context_hi, 1) } },
	{ IOMMU_LU_DEVICE_ENTRY, INTEL, DEVICE, 0, 1, { ADD(device[0].intel.context_hi, 256) } },
	{ IOMMU_LU_DEVICE_ENTRY, INTEL, DEVICE, 2, 1, { SET(device[2].domain_index, 0) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 0, 1,
	  { ADD(device[0].intel.context_lo, -512) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 0, 1, { ADD(device[0].intel.pasid_dir_pa, 8) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 0, 1,
	  { ADD(device[0].intel.pasid_entry[0], -1) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 0, 1,
	  { ADD(device[0].intel.pasid_entry[0], 4) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 0, 1,
	  { ADD(device[0].intel.pasid_entry[1], 1) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 1, 1,
	  { SET(device[1].intel.pasid_entry[0], 0x81) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 1, 1,
	  { ADD(device[1].intel.pasid_entry[2], 4096) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 1, 1,
	  { ADD(device[1].intel.pasid_entry[2], 4) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 1, 1, { SET(device[1].domain_index, 0) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 0, 1, { ADD(device[0].intel.context_lo, -1) } },
	{ IOMMU_LU_DEVICE_ENTRY, SCALABLE, DEVICE, 0, 1,
	  { ADD(device[0].intel.pasid_entry[0], 1 << 6) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 0, 1, { ADD(device[0].smmuv3.ste[0], 2 << 4) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 0, 1,
	  { ADD(device[0].smmuv3.cd[0], -(1ULL << 41)) } },
	{ IOMMU_LU_DEVICE_ENTRY, AMD, DEVICE, 0, 1, { ADD(device[0].amd.dte[0], -1) } },
	{ IOMMU_LU_DEVICE_ENTRY, AMD, DEVICE, 0, 1, { ADD(device[0].amd.dte[0], 1 << 9) } },
	{ IOMMU_LU_DEVICE_ENTRY, AMD, DEVICE, 0, 1, { ADD(device[0].amd.dte[0], 4096) } },
	{ IOMMU_LU_DEVICE_ENTRY, AMD, DEVICE, 0, 1, { ADD(device[0].amd.dte[0], 1ULL << 55) } },
	{ IOMMU_LU_DEVICE_ENTRY, AMD, DEVICE, 0, 1, { ADD(device[0].amd.dte[1], 1) } },
	{ IOMMU_LU_DEVICE_ENTRY, AMD, DEVICE, 2, 1, { SET(hw[2].amd_segment.last_bdf, 0x4200) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 0, 1, { ADD(device[0].smmuv3.ste[0], -1) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 0, 1, { ADD(device[0].smmuv3.ste[0], 2) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 0, 1, { ADD(device[0].smmuv3.ste[0], 1ULL << 59) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 0, 1, { ADD(device[0].smmuv3.cd[0], 1ULL << 48) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 0, 1,
	  { ADD(device[0].smmuv3.cd[0], -(1ULL << 31)) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 0, 1, { ADD(device[0].smmuv3.cd[1], 4096) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 2, 1, { ADD(device[2].smmuv3.ste[2], 1) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 2, 1, { ADD(device[2].smmuv3.ste[3], 8192) } },
	{ IOMMU_LU_DEVICE_ENTRY, SMMU, DEVICE, 2, 1, { ADD(device[2].smmuv3.ste[0], -2) } },
	{ IOMMU_LU_DEVICE_TWICE, INTEL, DEVICE, 2, 2, { COPY(device[2].bdf, device[0].bdf),
		COPY(device[2].rids[0], device[0].bdf) } },
	{ IOMMU_LU_DEVICE_TWICE, INTEL, DEVICE, 3, 2, { COPY(device[3], device[0]) } },
	{ IOMMU_LU_DEVICE_RID_TAKEN, INTEL, DEVICE, 0, 2, { SET(device[0].nr_rids, 2),
		SET(device[0].rids[1], 0x0200) } },
	{ IOMMU_LU_DEVICE_RID_TAKEN, INTEL, DEVICE, 1, 2, { SET(device[1].rids[1], 0x0110) } },
	{ IOMMU_LU_DEVICE_SID_TAKEN, SMMU, DEVICE, 0, 2,
	  { COPY(device[1].smmuv3.sids[0], device[0].smmuv3.sids[0]) } },
	{ IOMMU_LU_DEVICE_DID_TAKEN, INTEL, DEVICE, 1, 3, { SET(device[2].intel.did, 3),
		ADD(device[2].intel.context_hi, -256) } },
	{ IOMMU_LU_DEVICE_TWO_DIDS, INTEL, DEVICE, 0, 2, { SET(device[1].intel.did, 9),
		ADD(device[1].intel.context_hi, 6 << 8) } },
	/* on each kind of unit it is its own field that is compared */
	{ IOMMU_LU_DEVICE_TWO_DIDS, AMD, DEVICE, 1, 2,
	  { SET(device[2].hw_index, 1), SET(device[2].domain_index, 0),
	    COPY(device[2].amd.dte, device[0].amd.dte), ADD(device[2].amd.dte[1], 2),
	    SET(device[2].amd.did, 7) } },
	{ IOMMU_LU_DEVICE_TWO_DIDS, SMMU, DEVICE, 0, 2,
	  { SET(device[1].smmuv3.did, 12), ADD(device[1].smmuv3.cd[0], 1ULL << 48) } },
	{ IOMMU_LU_DEVICE_OVERLAP, SCALABLE, DEVICE, 0, 2,
	  { COPY(device[1].intel.pasid_dir_pa, device[0].intel.pasid_dir_pa),
	    COPY(device[1].intel.context_lo, device[0].intel.context_lo) } },
	{ IOMMU_LU_DEVICE_OVERLAP, SMMU, DEVICE, 0, 4,
	  { COPY(device[0].smmuv3.cdtab_pa, hw[0].smmuv3.strtab_pa),
	    COPY(device[0].smmuv3.ste[0], hw[0].smmuv3.strtab_pa),
	    ADD(device[0].smmuv3.ste[0], 11) } },
	{ IOMMU_LU_DEVICE_HW_FAILED, INTEL, DEVICE, 3, 2, { SET(hw[1].type, 9) } },
	{ IOMMU_LU_DEVICE_DOMAIN_FAILED, INTEL, DEVICE, 2, 2, { SET(domain[1].nr_tables, 0) } },
};

static struct iommu_lu_verdict *verdict(struct built *b, enum iommu_lu_kind kind, uint32_t index)
{
	return kind == HW ? &b->hw_verdict[index] :
	       kind == DOMAIN ? &b->domain_verdict[index] : &b->device_verdict[index];
}

static const char *const kinds[] = { "blob", "unit", "domain", "device" };

void lu_cases_records(struct lu_run *run)
{
	struct built *b = &run->b, *c = &run->c;
	struct memory *m = &run->m;
	enum iommu_lu_kind kind;
	size_t i;

	for (i = 0; i < NR(record_cases); i++) {
		const struct record_case *t = &record_cases[i];
		struct iommu_lu_caps caps = everything;
		struct iommu_lu_verdict *v;
		int ok, refused;

		if (t->hw_types)
			caps.hw_types = t->hw_types;
		t->build(b);
		apply(b, t->change);
		if (t->hit)
			t->hit(b);

		/* by way of memory, with blocks that are not full */
		lu_lay_out(b, m, 1 + i % 3);
		lu_build_init(c);
		c->hdr = b->hdr;
		ok = iommu_lu_verify_hdr(&c->hdr, sizeof(c->hdr), &caps) == IOMMU_LU_OK &&
		     iommu_lu_read_blob(&m->mem, &c->blob, &kind) == IOMMU_LU_OK &&
		     !memcmp(b->hw, c->hw, sizeof(b->hw)) &&
		     !memcmp(b->domain, c->domain, sizeof(b->domain)) &&
		     !memcmp(b->device, c->device, sizeof(b->device));

		refused = iommu_lu_verify_blob(&c->blob, &caps);
		v = verdict(c, t->kind, t->index);
		run->reached[v->err]++;
		ok = ok && v->err == t->err && refused == t->refused;
		result(run, ok, "A6 record %zu: %s %u: %s, %d refused", i, kinds[t->kind], t->index,
		       iommu_lu_err_name(t->err), t->refused);
		if (!ok)
			note(run, "got %s, %d refused", iommu_lu_err_name(v->err), refused);
	}
}

void lu_cases_sound(struct lu_run *run)
{
	struct built *b = &run->b;
	const struct backend *be;
	uint32_t i;
	int ok;

	for (be = lu_backends; be->name; be++) {
		be->build(b);
		ok = iommu_lu_verify_hdr(&b->hdr, sizeof(b->hdr), &everything) == IOMMU_LU_OK &&
		     !iommu_lu_verify_blob(&b->blob, &everything);
		for (i = 0; i < b->hdr.nr_hw; i++)
			ok = ok && !iommu_lu_verify_hw(&b->hw[i], &everything, 1);
		for (i = 0; i < b->hdr.nr_domains; i++)
			ok = ok && !iommu_lu_verify_domain(&b->domain[i], 1);
		for (i = 0; i < b->hdr.nr_devices; i++)
			ok = ok && !iommu_lu_verify_device(&b->device[i], 1) &&
			     !iommu_lu_verify_links(&b->blob, &b->device[i], 1);
		result(run, ok, "A1 A2 A3 sound blob: %s", be->name);
	}

	b->blob.scratch_len = iommu_lu_scratch_len(&b->hdr) - 1;
	result(run, iommu_lu_verify_blob(&b->blob, &everything) == -ENOSPC,
	       "A6 scratch memory one element too short");
	run->reached[IOMMU_LU_SCRATCH]++;

	lu_build_intel(b);
	b->hw[0].type = IOMMU_HW_SER_AMD_SEGMENT;
	b->hw[0].amd_segment.dev_table_pa = b->hw[0].token;
	result(run, iommu_lu_verify_links(&b->blob, &b->device[0], 1) == IOMMU_LU_DEVICE_HW_TYPE,
	       "A6 link of one device, without the whole");

	lu_build_intel(b);
	b->device[0].hw_index = 2;
	b->device[1].domain_index = 2;
	result(run, iommu_lu_verify_links(&b->blob, &b->device[0], 1) == IOMMU_LU_DEVICE_HW_LINK &&
	       iommu_lu_verify_links(&b->blob, &b->device[1], 1) == IOMMU_LU_DEVICE_DOMAIN_LINK,
	       "A6 link out of range of one device, without the whole");

	/* who clashes with whom */
	lu_build_intel(b);
	b->hw[1].token = b->hw[0].token;
	iommu_lu_verify_blob(&b->blob, &everything);
	result(run, b->hw_verdict[0].kind == HW && b->hw_verdict[0].index == 1 &&
	       b->hw_verdict[1].kind == HW && b->hw_verdict[1].index == 0 &&
	       b->device_verdict[3].kind == HW && b->device_verdict[3].index == 1,
	       "A6 verdicts name the other record");
}

/* --- blocks ----------------------------------------------------------------- */

/* One record in a block: page 1, 2 units; 3, 4 domains; 5 to 8 devices. */
#define PAGE_AT(n)	(MEM_BASE + (n) * MEM_PAGE)

static const struct {
	enum iommu_lu_err err;
	enum iommu_lu_kind kind;
	/* @page 0: no block is changed, but the header */
	unsigned int page;
	int count;
	uint64_t value;
	struct change change[MAX_CHANGES];
} block_cases[] = {
	{ IOMMU_LU_OK, IOMMU_LU_BLOB, 0, 0, 0, { { 0 } } },
	{ IOMMU_LU_BLOCK_ADDRESS, HW, 1, 0, PAGE_AT(2) + 8, { { 0 } } },
	{ IOMMU_LU_BLOCK_ADDRESS, HW, 1, 0, HIGH, { { 0 } } },
	{ IOMMU_LU_BLOCK_ADDRESS, DEVICE, 8, 0, ~0ULL, { { 0 } } },
	{ IOMMU_LU_BLOCK_ADDRESS, DOMAIN, 0, 0, 0, { ADD(hdr.domain_blocks, 1) } },
	{ IOMMU_LU_BLOCK_ADDRESS, DEVICE, 8, 0, 16, { { 0 } } },
	/* the header is not a block: its magic is not the address of one */
	{ IOMMU_LU_BLOCK_ADDRESS, DEVICE, 8, 0, MEM_BASE, { { 0 } } },
	{ IOMMU_LU_BLOCK_UNMAPPED, HW, 2, 0, PAGE_AT(9), { { 0 } } },
	{ IOMMU_LU_BLOCK_UNMAPPED, HW, 0, 0, 0, { SET(hdr.hw_blocks, MEM_BASE - MEM_PAGE) } },
	{ IOMMU_LU_BLOCK_UNMAPPED, DEVICE, 6, 0, HIGH - MEM_PAGE, { { 0 } } },
	{ IOMMU_LU_BLOCK_EMPTY, HW, 1, 1, 0, { { 0 } } },
	{ IOMMU_LU_BLOCK_EMPTY, DEVICE, 8, 1, 0, { { 0 } } },
	{ IOMMU_LU_BLOCK_COUNT, HW, 1, 1, 32, { { 0 } } },
	{ IOMMU_LU_BLOCK_COUNT, DOMAIN, 4, 1, ~0ULL, { { 0 } } },
	{ IOMMU_LU_BLOCK_CYCLE, HW, 1, 0, PAGE_AT(1), { { 0 } } },
	{ IOMMU_LU_BLOCK_CYCLE, HW, 2, 0, PAGE_AT(1), { { 0 } } },
	{ IOMMU_LU_BLOCK_CYCLE, DEVICE, 8, 0, PAGE_AT(5), { { 0 } } },
	{ IOMMU_LU_BLOCK_CYCLE, DEVICE, 8, 0, PAGE_AT(7), { { 0 } } },
	{ IOMMU_LU_BLOCK_SHARED, IOMMU_LU_BLOB, 0, 0, 0,
	  { COPY(hdr.domain_blocks, hdr.hw_blocks) } },
	{ IOMMU_LU_BLOCK_SHARED, IOMMU_LU_BLOB, 3, 0, PAGE_AT(2), { { 0 } } },
	{ IOMMU_LU_BLOCK_EXCESS, HW, 0, 0, 0, { SET(hdr.nr_hw, 1) } },
	{ IOMMU_LU_BLOCK_EXCESS, HW, 2, 0, PAGE_AT(5), { { 0 } } },
	{ IOMMU_LU_BLOCK_EXCESS, DEVICE, 7, 1, 15, { { 0 } } },
	{ IOMMU_LU_BLOCK_MISSING, HW, 1, 0, 0, { { 0 } } },
	{ IOMMU_LU_BLOCK_MISSING, DEVICE, 0, 0, 0, { ADD(hdr.nr_devices, 1) } },
};

void lu_cases_blocks(struct lu_run *run)
{
	struct built *b = &run->b, *c = &run->c;
	struct memory *m = &run->m;
	enum iommu_lu_kind kind;
	enum iommu_lu_err err;
	__u64 n = 0;
	size_t i;

	for (i = 0; i < NR(block_cases); i++) {
		struct iommu_lu_block *block;

		lu_build_intel(b);
		lu_lay_out(b, m, 1);
		apply(b, block_cases[i].change);
		block = (struct iommu_lu_block *)m->page[block_cases[i].page];
		if (block_cases[i].page && block_cases[i].count)
			block->count = block_cases[i].value;
		else if (block_cases[i].page)
			block->next = block_cases[i].value;

		lu_build_init(c);
		c->hdr = b->hdr;
		err = iommu_lu_read_blob(&m->mem, &c->blob, &kind);
		run->reached[err]++;
		result(run, err == block_cases[i].err && kind == block_cases[i].kind,
		       "A6 blocks %zu: %s in list of %s", i, iommu_lu_err_name(block_cases[i].err),
		       kinds[block_cases[i].kind]);
		if (err != block_cases[i].err || kind != block_cases[i].kind)
			note(run, "got %s in list of %s", iommu_lu_err_name(err), kinds[kind]);
	}

	c->blob.scratch_len = 1;
	result(run, iommu_lu_read_blob(&m->mem, &c->blob, &kind) == IOMMU_LU_SCRATCH,
	       "A6 blocks: scratch memory too short");

	/* a chain as long as memory, all of it in the list */
	memset(m, 0, sizeof(*m));
	lu_build_intel(b);
	lu_lay_out(b, m, 0);
	for (m->nr = 0; m->nr < MEM_PAGES; m->nr++) {
		struct iommu_lu_block *block = (struct iommu_lu_block *)m->page[m->nr];

		block->next = m->nr + 1 < MEM_PAGES ? PAGE_AT(m->nr + 1) : 0;
		block->count = 1;
	}
	err = iommu_lu_read_list(&m->mem, MEM_BASE, 12, 128, 1, b->hw, 128, b->scratch, &n);
	result(run, err == IOMMU_LU_BLOCK_EXCESS && n <= 1, "A6 blocks: endless chain, not copied");
}

/* --- versions --------------------------------------------------------------- */

/* What a later version may do: longer header and records, reserved fields in use. */
static void make_newer(struct built *b, struct memory *m, struct iommu_lu_hdr *longer)
{
	struct iommu_lu_block *block;
	size_t grow = 16, i;
	uint8_t *to;

	b->hdr.version = 2;
	b->hdr.flags |= 1 << 7;
	b->hdr.reserved[0] = 0x1234;
	b->hdr.hw_size += grow;
	b->hw[0].intel.reserved[1] = 42;
	b->device[0].reserved = 42;
	b->device[0].pasid_control = 0x11;
	b->device[0].flags = 1 << 5;
	b->device[0].intel.reserved[0] = 1;
	b->device[0].raw[20] = 1;
	b->domain[0].reserved0[4] = 1;
	lu_lay_out(b, m, 0);

	/* the units again, further apart */
	block = (struct iommu_lu_block *)m->page[(b->hdr.hw_blocks - MEM_BASE) / MEM_PAGE];
	to = (uint8_t *)(block + 1);
	for (i = 0; i < b->hdr.nr_hw; i++, to += sizeof(b->hw[0]) + grow) {
		memcpy(to, &b->hw[i], sizeof(b->hw[0]));
		memset(to + sizeof(b->hw[0]), 0xee, grow);
	}
	memset(longer, 0xee, 2 * sizeof(*longer));
	b->hdr.len = sizeof(*longer) + 8;
	*longer = b->hdr;
}

void lu_cases_versions(struct lu_run *run)
{
	struct iommu_lu_caps now = everything, v2 = now, v3 = now;
	struct built *b = &run->b, *c = &run->c;
	struct iommu_lu_hdr *longer = run->longer;
	struct memory *m = &run->m;
	uint8_t records[3 * 144];
	enum iommu_lu_kind kind;
	enum iommu_lu_err err;
	__u64 n = 0;

	v2.version = 2;
	v3.version = 3;
	v3.oldest = 2;

	lu_build_mixed(b);
	err = iommu_lu_verify_hdr(&b->hdr, sizeof(b->hdr), &v2);
	result(run, !err && !iommu_lu_verify_blob(&b->blob, &v2),
	       "A5 a reader of version 2 takes a blob of version 1");
	result(run, iommu_lu_verify_hdr(&b->hdr, sizeof(b->hdr), &v3) == IOMMU_LU_HDR_TOO_OLD,
	       "A5 a reader that has given up version 1 refuses it");

	b->device[0].flags = 1;
	result(run, iommu_lu_verify_blob(&b->blob, &v2) == 1,
	       "A5 reserved fields of an older writer must be zero");

	/* what a record gains in a later version is 0 in an older one */
	lu_build_amd(b);
	lu_lay_out(b, m, 0);
	memset(records, 0xee, sizeof(records));
	err = iommu_lu_read_list(&m->mem, b->hdr.hw_blocks, 12, 128, 3, records, 144,
				 b->scratch, &n);
	result(run, !err && !memcmp(records + 144, &b->hw[1], 128) && !records[144 + 128] &&
	       !records[143] && !records[3 * 144 - 1],
	       "A5 shorter records are filled up with zeros");

	lu_build_intel(b);
	make_newer(b, m, longer);
	lu_build_init(c);
	c->hdr = longer[0];
	err = iommu_lu_verify_hdr(longer, sizeof(run->longer), &now);
	if (!err)
		err = iommu_lu_read_blob(&m->mem, &c->blob, &kind);
	result(run, !err && !iommu_lu_verify_blob(&c->blob, &now) &&
	       !memcmp(b->hw, c->hw, 2 * sizeof(b->hw[0])),
	       "A5 a reader of version 1 takes a compatible blob of version 2");

	c->hw[0].intel.root_pa = 0;
	result(run, iommu_lu_verify_blob(&c->blob, &now) == 4, "A5 and still checks what it knows");

	longer->must_understand = 1ULL << 40;
	err = iommu_lu_verify_hdr(longer, sizeof(run->longer), &now);
	v2.understood = 1ULL << 40;
	longer->len = sizeof(*longer);
	longer->flags = IOMMU_LU_HDR_SEALED;
	memset(longer->reserved, 0, sizeof(longer->reserved));
	longer->hw_size = sizeof(b->hw[0]);
	result(run, err == IOMMU_LU_HDR_MUST_UNDERSTAND &&
	       !iommu_lu_verify_hdr(longer, sizeof(run->longer), &v2),
	       "A5 a must-understand bit is refused by who does not know it");

	longer->min_version = 2;
	result(run, iommu_lu_verify_hdr(longer, sizeof(run->longer), &now) == IOMMU_LU_HDR_TOO_NEW,
	       "A5 an incompatible blob of version 2 is refused");
}

/* --- images ------------------------------------------------------------------ */

static void put_note(uint8_t *image, size_t at, uint16_t version, uint16_t oldest,
		     uint32_t hw_types)
{
	struct iommu_lu_note note = {
		.magic = IOMMU_LU_NOTE_MAGIC,
		.caps = {
			.version = version,
			.oldest = oldest,
			.page_shift = 12,
			.hw_types = hw_types,
		},
	};
	size_t i;

	for (i = 0; i < sizeof(note.caps); i++)
		((uint8_t *)&note.inverse)[i] = ~((uint8_t *)&note.caps)[i];
	memcpy(image + at, &note, sizeof(note));
}

static void put32(uint8_t *image, size_t at, uint32_t v)
{
	memcpy(image + at, &v, sizeof(v));
}

/* Boot protocol 2.15. */
void lu_make_bzimage(uint8_t *image)
{
	memset(image, 'i', IMAGE_LEN);
	memcpy(image, "MZ", 2);
	image[0x1f1] = 2;
	image[0x1fe] = 0x55;
	image[0x1ff] = 0xaa;
	memcpy(image + 0x202, "HdrS\x0f\x02", 6);
	put32(image, 0x268, 0x1000);
	memcpy(image + IMAGE_INFO, "LToP", 4);
	put32(image, IMAGE_INFO + 4, 16);
	put32(image, IMAGE_INFO + 8, 16 + sizeof(struct iommu_lu_note));
	put_note(image, IMAGE_INFO + 16, 1, 1, 2);
}

static void make_arm64(uint8_t *image)
{
	memset(image, 'i', IMAGE_LEN);
	memcpy(image + 56, "ARM\x64", 4);
	put_note(image, 12345, 1, 1, 1 << IOMMU_HW_SER_SMMUV3);
}

void lu_make_elf(uint8_t *image)
{
	memset(image, 0, IMAGE_LEN);
	memcpy(image, "\177ELF", 4);
	put_note(image, 777, 1, 1, 2);
}

static void expect_image(struct lu_run *run, enum iommu_lu_err err, size_t len, const char *what)
{
	struct iommu_lu_caps caps;
	enum iommu_lu_err got;

	got = iommu_lu_find_note(run->image, len, &caps);
	if (!got)
		got = iommu_lu_verify_caps(&caps, IOMMU_LU_VERSION, IOMMU_LU_MIN_VERSION,
					   IOMMU_LU_UNDERSTOOD, 0, 12);
	run->reached[got]++;
	result(run, got == err, "A7 image: %s: %s", what, iommu_lu_err_name(err));
	if (got != err)
		note(run, "got %s", iommu_lu_err_name(got));
}

void lu_cases_images(struct lu_run *run)
{
	uint8_t *image = run->image;
	struct iommu_lu_caps caps;
	size_t i;
	int ok = 1;

	lu_make_bzimage(image);
	expect_image(run, IOMMU_LU_OK, IMAGE_LEN, "bzImage");
	iommu_lu_find_note(image, IMAGE_LEN, &caps);
	result(run, caps.version == 1 && caps.oldest == 1 && caps.page_shift == 12 &&
	       caps.hw_types == 2, "A7 image: what the note says");
	put_note(image, 8000, 7, 7, 0);
	expect_image(run, IOMMU_LU_OK, IMAGE_LEN, "bzImage with another note outside kernel_info");
	put32(image, IMAGE_INFO + 8, 16);
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN, "bzImage, empty kernel_info");
	put32(image, IMAGE_INFO + 8, 0xffffffff);
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN, "bzImage, kernel_info beyond the end");
	lu_make_bzimage(image);
	put32(image, IMAGE_INFO + 4, 8);
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN, "bzImage, kernel_info too short");
	lu_make_bzimage(image);
	put32(image, IMAGE_INFO + 4, 200);
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN,
		     "bzImage, kernel_info of negative length");
	lu_make_bzimage(image);
	put32(image, 0x268, 0xfffffff0);
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN, "bzImage, kernel_info outside");
	lu_make_bzimage(image);
	image[0x206] = 14;
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN, "bzImage without kernel_info");
	lu_make_bzimage(image);
	image[IMAGE_INFO + 16 + 20] ^= 1;
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN, "damaged note");
	lu_make_bzimage(image);
	for (i = 0; i < IMAGE_LEN; i++)
		ok &= iommu_lu_find_note(image, i, &caps) == IOMMU_LU_OK ||
		      i < IMAGE_INFO + 16 + sizeof(struct iommu_lu_note);
	result(run, ok, "A7 image: cut off anywhere");
	lu_make_bzimage(image);
	put_note(image, IMAGE_INFO + 16, 1, 1, 0);
	image[IMAGE_INFO + 16 + 18] = 0;
	image[IMAGE_INFO + 16 + 18 + 24] = 0xff;
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN, "note of version 0");

	make_arm64(image);
	expect_image(run, IOMMU_LU_OK, IMAGE_LEN, "Image");
	put_note(image, 15000, 1, 1, 1 << IOMMU_HW_SER_SMMUV3);
	expect_image(run, IOMMU_LU_OK, IMAGE_LEN, "Image, same note twice");
	put_note(image, 15000, 2, 1, 1 << IOMMU_HW_SER_SMMUV3);
	expect_image(run, IOMMU_LU_IMAGE_AMBIGUOUS, IMAGE_LEN, "Image, another note in it");
	make_arm64(image);
	memset(image + 12345 + 16, 0, 48);
	memcpy(image + 4000, IOMMU_LU_NOTE_MAGIC, 16);
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN, "Image, magic in a string");
	make_arm64(image);
	put_note(image, IMAGE_LEN - sizeof(struct iommu_lu_note), 1, 1, 1 << IOMMU_HW_SER_SMMUV3);
	expect_image(run, IOMMU_LU_OK, IMAGE_LEN, "Image, note at the very end");

	lu_make_elf(image);
	expect_image(run, IOMMU_LU_OK, IMAGE_LEN, "vmlinux");
	put_note(image, 777, 5, 2, 2);
	expect_image(run, IOMMU_LU_IMAGE_TOO_NEW, IMAGE_LEN, "vmlinux that gave up our version");
	memset(image + 777, 0, sizeof(struct iommu_lu_note));
	expect_image(run, IOMMU_LU_IMAGE_NO_NOTE, IMAGE_LEN, "vmlinux without us");

	memcpy(image, "MZ\0\0zimg", 8);
	expect_image(run, IOMMU_LU_IMAGE_COMPRESSED, IMAGE_LEN, "zboot");
	memcpy(image, "\x1f\x8b", 2);
	expect_image(run, IOMMU_LU_IMAGE_COMPRESSED, IMAGE_LEN, "Image.gz");
	memcpy(image, "\xfd\x37zXZ", 5);
	expect_image(run, IOMMU_LU_IMAGE_COMPRESSED, IMAGE_LEN, "Image.xz");
	memcpy(image, "\x28\xb5\x2f\xfd", 4);
	expect_image(run, IOMMU_LU_IMAGE_COMPRESSED, IMAGE_LEN, "Image.zst");
	memset(image, 0, 8);
	expect_image(run, IOMMU_LU_IMAGE_UNKNOWN, IMAGE_LEN, "something else");
	expect_image(run, IOMMU_LU_IMAGE_UNKNOWN, 0, "empty file");

	caps = (struct iommu_lu_caps) { .version = 3, .oldest = 2, .page_shift = 12,
					.understood = 5, .hw_types = 2 };
#define CAPS(err, ...) \
	do { \
		enum iommu_lu_err got = iommu_lu_verify_caps(&caps, __VA_ARGS__); \
		run->reached[got]++; \
		result(run, got == (err), "A7 range: %s", iommu_lu_err_name(err)); \
	} while (0)
	CAPS(IOMMU_LU_OK, 2, 1, 4, 2, 12);
	CAPS(IOMMU_LU_OK, 9, 3, 0, 0, 0);
	CAPS(IOMMU_LU_IMAGE_TOO_OLD, 9, 4, 0, 0, 0);
	CAPS(IOMMU_LU_IMAGE_TOO_NEW, 1, 1, 0, 0, 0);
	CAPS(IOMMU_LU_IMAGE_MUST_UNDERSTAND, 2, 1, 2, 2, 12);
	CAPS(IOMMU_LU_IMAGE_PAGE_SIZE, 2, 1, 0, 2, 16);
	CAPS(IOMMU_LU_IMAGE_DRIVER, 2, 1, 0, 6, 12);
#undef CAPS
}

/* --- all names --------------------------------------------------------------- */

void lu_cases_errors(struct lu_run *run)
{
	int i, j, ok = 1;

	for (i = 0; i < IOMMU_LU_ERR_NR; i++) {
		ok &= !i == !iommu_lu_errno(i) && iommu_lu_errno(i) <= 0 && *iommu_lu_strerror(i);
		for (j = 0; j < i; j++)
			ok &= strcmp(iommu_lu_strerror(i), iommu_lu_strerror(j)) &&
			      strcmp(iommu_lu_err_name(i), iommu_lu_err_name(j));
	}
	ok &= iommu_lu_errno(IOMMU_LU_ERR_NR) < 0 && *iommu_lu_strerror(-1);
	result(run, ok, "A6 every error has a name, a text and an errno");
}

/* After all the others: every error has a case. */
void lu_cases_reached(struct lu_run *run)
{
	int i, ok = 1;

	for (i = 0; i < IOMMU_LU_ERR_NR; i++) {
		if (run->reached[i])
			continue;
		note(run, "no case for %s", iommu_lu_err_name(i));
		ok = 0;
	}
	result(run, ok, "A6 every one of %d errors was reached", IOMMU_LU_ERR_NR - 1);
}
