// SPDX-License-Identifier: GPL-2.0
/*
 * Checks of the head of a blob, of its records, and of the records against
 * each other. See validate.h for the layers.
 *
 * A reserved field that is not zero is refused only if the writer knew no more
 * than we do ("strict"): a newer one may have given it a meaning that we are
 * allowed to ignore, or it would have raised the minimum version.
 */
#ifdef __KERNEL__
#include <asm/page.h>
#include <linux/errno.h>
#include <linux/kho/abi/block.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <string.h>
#endif
#include "validate.h"

#define PAGE_4K		4096ULL
/* Physical addresses above 52 bits exist on none of the architectures. */
#define MAX_PHYS	(1ULL << 52)
#define ADDR_51_12	0x000ffffffffff000ULL

#define FIELD(val, high, low) \
	(((__u64)(val) >> (low)) & (~0ULL >> (63 - (high) + (low))))

#ifdef __KERNEL__
static_assert(sizeof(struct iommu_lu_block) == sizeof(struct kho_block_header_ser));
static_assert(offsetof(struct iommu_lu_block, count) ==
	      offsetof(struct kho_block_header_ser, count));
#define BUILD_PAGE_SHIFT	PAGE_SHIFT
#define BUILD_HW_TYPES		IOMMU_LU_NOTE_HW_TYPES
#else
#define BUILD_PAGE_SHIFT	0
#define BUILD_HW_TYPES		(1 << IOMMU_HW_SER_INTEL | 1 << IOMMU_HW_SER_AMD | \
				 1 << IOMMU_HW_SER_AMD_SEGMENT | 1 << IOMMU_HW_SER_SMMUV3)
#endif

/** iommu_lu_this_build - what this kernel, or program, can read */
const struct iommu_lu_caps iommu_lu_this_build = {
	.version = IOMMU_LU_VERSION,
	.oldest = IOMMU_LU_OLDEST_VERSION,
	.page_shift = BUILD_PAGE_SHIFT,
	.understood = IOMMU_LU_UNDERSTOOD,
	.hw_types = BUILD_HW_TYPES,
};

/* --- errors --------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *text;
	int err;
} errors[IOMMU_LU_ERR_NR] = {
	[IOMMU_LU_OK] = { "OK", "ok", 0 },
#define X(n, e, t)		\
	[IOMMU_LU_##n] = { #n, t, e },
	IOMMU_LU_ERRORS(X)
#undef X
};

static unsigned int err_index(enum iommu_lu_err err)
{
	return (unsigned int)err < IOMMU_LU_ERR_NR ? err : IOMMU_LU_SCRATCH;
}

/** iommu_lu_strerror - the reason as a short phrase */
const char *iommu_lu_strerror(enum iommu_lu_err err)
{
	return errors[err_index(err)].text;
}

/** iommu_lu_err_name - the reason as an identifier */
const char *iommu_lu_err_name(enum iommu_lu_err err)
{
	return errors[err_index(err)].name;
}

/** iommu_lu_errno - the reason as 0 or a negative errno */
int iommu_lu_errno(enum iommu_lu_err err)
{
	return -errors[err_index(err)].err;
}

/* --- small things --------------------------------------------------------- */

static int all_zero(const void *p, __u64 len)
{
	const unsigned char *c = p;

	while (len--)
		if (*c++)
			return 0;
	return 1;
}

/* From field @f to the end of @s. */
#define ZERO_FROM(s, f) \
	all_zero((const char *)(s) + offsetof(__typeof__(*(s)), f), \
		 sizeof(*(s)) - offsetof(__typeof__(*(s)), f))

static int power_of_two(__u64 n)
{
	return n && !(n & (n - 1));
}

/**
 * struct region - memory that belongs to one record alone
 * @start: first byte
 * @size: bytes, not 0
 * @align: what @start must be a multiple of
 */
struct region {
	__u64 start;
	__u64 size;
	__u64 align;
};

static int region_misaligned(const struct region *r)
{
	return !r->start || r->start & (r->align - 1);
}

static int region_too_high(const struct region *r)
{
	/* no size that the checks let through comes near MAX_PHYS */
	return r->start > MAX_PHYS - r->size;
}

/* --- head ----------------------------------------------------------------- */

/* Records of an older writer may be shorter, of a newer one longer than ours. */
static int bad_record_size(const struct iommu_lu_hdr *hdr, const struct iommu_lu_caps *caps,
			   __u32 size, __u32 first, __u32 ours)
{
	if (size % 8 || size > (1U << hdr->page_shift) - sizeof(struct iommu_lu_block))
		return 1;
	if (hdr->version == caps->version)
		return size != ours;
	return hdr->version > caps->version ? size < ours : size < first || size > ours;
}

/**
 * iommu_lu_verify_hdr - may this blob be read at all?
 * @hdr: head of the blob
 * @len: bytes that can be read at @hdr
 * @caps: what the reader can read, usually &iommu_lu_this_build
 *
 * %IOMMU_LU_HDR_NOT_SEALED is found last: it means that all else is in order.
 */
enum iommu_lu_err iommu_lu_verify_hdr(const struct iommu_lu_hdr *hdr, __u64 len,
				      const struct iommu_lu_caps *caps)
{
	if (len < sizeof(*hdr))
		return IOMMU_LU_HDR_SHORT;
	if (hdr->magic != IOMMU_LU_MAGIC)
		return IOMMU_LU_HDR_MAGIC;
	if (hdr->min_version > hdr->version)
		return IOMMU_LU_HDR_VERSION;
	if (hdr->min_version > caps->version)
		return IOMMU_LU_HDR_TOO_NEW;
	if (hdr->version < caps->oldest || !hdr->min_version)
		return IOMMU_LU_HDR_TOO_OLD;
	if (hdr->must_understand & ~caps->understood)
		return IOMMU_LU_HDR_MUST_UNDERSTAND;
	if (hdr->len < sizeof(*hdr) || hdr->len > len)
		return IOMMU_LU_HDR_LEN;
	if (hdr->version <= caps->version) {
		if (hdr->len != sizeof(*hdr))
			return IOMMU_LU_HDR_LEN;
		if (hdr->flags & ~IOMMU_LU_HDR_SEALED)
			return IOMMU_LU_HDR_FLAGS;
		if (hdr->reserved0 || hdr->reserved1 ||
		    !all_zero(hdr->reserved, sizeof(hdr->reserved)))
			return IOMMU_LU_HDR_RESERVED;
	}
	if (hdr->page_shift < 12 || hdr->page_shift > 16 ||
	    (caps->page_shift && hdr->page_shift != caps->page_shift))
		return IOMMU_LU_HDR_PAGE_SIZE;
	if (bad_record_size(hdr, caps, hdr->hw_size, 128, sizeof(struct iommu_hw_ser)) ||
	    bad_record_size(hdr, caps, hdr->domain_size, 192, sizeof(struct iommu_domain_ser)) ||
	    bad_record_size(hdr, caps, hdr->device_size, 256, sizeof(struct iommu_device_ser)))
		return IOMMU_LU_HDR_RECORD_SIZE;
	if (hdr->nr_hw > IOMMU_LU_MAX_HW || hdr->nr_domains > IOMMU_LU_MAX_DOMAINS ||
	    hdr->nr_devices > IOMMU_LU_MAX_DEVICES)
		return IOMMU_LU_HDR_COUNT;
	if (!hdr->nr_hw != !hdr->hw_blocks || !hdr->nr_domains != !hdr->domain_blocks ||
	    !hdr->nr_devices != !hdr->device_blocks)
		return IOMMU_LU_HDR_LIST;
	if (!(hdr->flags & IOMMU_LU_HDR_SEALED))
		return IOMMU_LU_HDR_NOT_SEALED;
	return IOMMU_LU_OK;
}

/* --- units ---------------------------------------------------------------- */

#define MAX_HW_REGIONS	4

static __u64 smmuv3_strtab_size(const struct iommu_smmuv3_ser *smmu)
{
	__u32 log2size = FIELD(smmu->strtab_base_cfg, 5, 0);
	__u32 split = FIELD(smmu->strtab_base_cfg, 10, 6);

	if (!FIELD(smmu->strtab_base_cfg, 17, 16))
		return 64ULL << log2size;
	return 8ULL << (log2size > split ? log2size - split : 0);
}

/* All memory and registers of a unit; its union member must be known. */
static unsigned int hw_regions(const struct iommu_hw_ser *ser, struct region *r)
{
	unsigned int n = 0;
	__u64 size;

	switch (ser->type) {
	case IOMMU_HW_SER_INTEL:
		r[n++] = (struct region) { ser->intel.root_pa, PAGE_4K, PAGE_4K };
		if (ser->intel.irt_lg2) {
			size = 1ULL << ser->intel.irt_lg2;
			r[n++] = (struct region) { ser->intel.irt_pa, size, PAGE_4K };
		}
		if (ser->intel.prq_lg2) {
			size = 1ULL << ser->intel.prq_lg2;
			r[n++] = (struct region) { ser->intel.prq_pa, size, PAGE_4K };
		}
		break;
	case IOMMU_HW_SER_AMD_SEGMENT:
		/* the table is the token */
		size = ser->amd_segment.dev_table_size;
		r[n++] = (struct region) { ser->amd_segment.dev_table_pa, size, PAGE_4K };
		return n;
	case IOMMU_HW_SER_SMMUV3:
		size = smmuv3_strtab_size(&ser->smmuv3);
		r[n++] = (struct region) { ser->smmuv3.strtab_pa, size,
					   size > PAGE_4K ? size : PAGE_4K };
		break;
	case IOMMU_HW_SER_MOCK:
		r[n++] = (struct region) { ser->mock.table_pa, PAGE_4K, PAGE_4K };
		break;
	}
	r[n++] = (struct region) { ser->token, PAGE_4K, PAGE_4K };
	return n;
}

static enum iommu_lu_err verify_intel(const struct iommu_intel_ser *ser, int strict)
{
	int scalable = !!(ser->flags & IOMMU_INTEL_SER_SCALABLE);

	if (strict && ser->flags & ~IOMMU_INTEL_SER_SCALABLE)
		return IOMMU_LU_HW_FLAGS;
	/* ECAP.SMTS */
	if (scalable && !FIELD(ser->ecap, 43, 43))
		return IOMMU_LU_HW_REGISTER;
	if (ser->nr_context_tables > (scalable ? 512 : 256))
		return IOMMU_LU_HW_TABLE_SIZE;
	if (!ser->irt_pa != !ser->irt_lg2 || !ser->prq_pa != !ser->prq_lg2)
		return IOMMU_LU_HW_TABLE_SIZE;
	/* IRTA_REG.S: 2 to 65536 entries of 16 bytes; PQA_REG.PQS: 1 to 128 pages */
	if ((ser->irt_lg2 && (ser->irt_lg2 < 12 || ser->irt_lg2 > 20)) ||
	    (ser->prq_lg2 && (ser->prq_lg2 < 12 || ser->prq_lg2 > 19)))
		return IOMMU_LU_HW_TABLE_SIZE;
	return IOMMU_LU_OK;
}

static enum iommu_lu_err verify_amd_segment(const struct iommu_hw_ser *ser)
{
	const struct iommu_amd_segment_ser *seg = &ser->amd_segment;

	if (ser->token != seg->dev_table_pa)
		return IOMMU_LU_HW_TOKEN;
	/* entries of 32 bytes, one for each of at most 65536 ids */
	if (!power_of_two(seg->dev_table_size) || seg->dev_table_size < PAGE_4K ||
	    seg->dev_table_size > 65536 * 32 ||
	    (seg->last_bdf + 1) * 32U > seg->dev_table_size)
		return IOMMU_LU_HW_TABLE_SIZE;
	return IOMMU_LU_OK;
}

static enum iommu_lu_err verify_smmuv3(const struct iommu_smmuv3_ser *ser, int strict)
{
	__u32 log2size = FIELD(ser->strtab_base_cfg, 5, 0);
	__u32 split = FIELD(ser->strtab_base_cfg, 10, 6);
	__u32 fmt = FIELD(ser->strtab_base_cfg, 17, 16);

	if (strict && ser->flags)
		return IOMMU_LU_HW_FLAGS;
	/* SMMUEN; STRTAB_BASE.ADDR */
	if (!(ser->cr0 & 1) || (ser->strtab_base & 0x000fffffffffffc0ULL) != ser->strtab_pa)
		return IOMMU_LU_HW_REGISTER;
	if (fmt > 1 || log2size > 32 || (fmt && split != 6 && split != 8 && split != 10))
		return IOMMU_LU_HW_TABLE_SIZE;
	if (ser->nr_l2_tables > (fmt ? smmuv3_strtab_size(ser) / 8 : 0))
		return IOMMU_LU_HW_TABLE_SIZE;
	return IOMMU_LU_OK;
}

static int hw_reserved_zero(const struct iommu_hw_ser *ser)
{
	__u64 used;

	switch (ser->type) {
	case IOMMU_HW_SER_INTEL:
		if (!all_zero(ser->intel.reserved0, sizeof(ser->intel.reserved0)))
			return 0;
		used = offsetof(struct iommu_intel_ser, reserved);
		break;
	case IOMMU_HW_SER_AMD:
		if (ser->amd.reserved0)
			return 0;
		used = offsetof(struct iommu_amd_ser, reserved);
		break;
	case IOMMU_HW_SER_AMD_SEGMENT:
		if (ser->amd_segment.reserved0)
			return 0;
		used = offsetof(struct iommu_amd_segment_ser, reserved);
		break;
	case IOMMU_HW_SER_SMMUV3:
		used = offsetof(struct iommu_smmuv3_ser, reserved);
		break;
	case IOMMU_HW_SER_MOCK:
		used = offsetof(struct iommu_mock_ser, reserved);
		break;
	default:
		return 0;
	}
	return all_zero((const char *)ser->raw + used, sizeof(ser->raw) - used);
}

/**
 * iommu_lu_verify_hw - is the record of a unit sound in itself?
 * @ser: record
 * @caps: of the reader
 * @strict: the writer was no newer than we are
 */
enum iommu_lu_err iommu_lu_verify_hw(const struct iommu_hw_ser *ser,
				     const struct iommu_lu_caps *caps, int strict)
{
	struct region r[MAX_HW_REGIONS];
	enum iommu_lu_err err;
	unsigned int i, n;

	if (!ser->token || ser->token % PAGE_4K || ser->token >= MAX_PHYS)
		return IOMMU_LU_HW_TOKEN;

	switch (ser->type) {
	case IOMMU_HW_SER_INTEL:
		err = verify_intel(&ser->intel, strict);
		break;
	case IOMMU_HW_SER_AMD:
		/* IommuEn */
		err = ser->amd.control & 1 ? IOMMU_LU_OK : IOMMU_LU_HW_REGISTER;
		break;
	case IOMMU_HW_SER_AMD_SEGMENT:
		err = verify_amd_segment(ser);
		break;
	case IOMMU_HW_SER_SMMUV3:
		err = verify_smmuv3(&ser->smmuv3, strict);
		break;
	case IOMMU_HW_SER_MOCK:
		err = IOMMU_LU_OK;
		break;
	default:
		return IOMMU_LU_HW_TYPE;
	}
	if (err)
		return err;
	if (!(caps->hw_types & 1U << ser->type))
		return IOMMU_LU_HW_DRIVER;
	if (ser->segment > 0xffff || (ser->type == IOMMU_HW_SER_SMMUV3 && ser->segment))
		return IOMMU_LU_HW_SEGMENT;

	n = hw_regions(ser, r);
	for (i = 0; i < n; i++) {
		if (region_misaligned(&r[i]))
			return IOMMU_LU_HW_TABLE;
		if (region_too_high(&r[i]))
			return IOMMU_LU_HW_TABLE_RANGE;
	}
	if (strict && !hw_reserved_zero(ser))
		return IOMMU_LU_HW_RESERVED;
	return IOMMU_LU_OK;
}

/* --- domains -------------------------------------------------------------- */

/* Limits of the formats: levels of the top table, sizes of the address spaces. */
static const struct {
	__u8 min_level;
	__u8 max_level;
	__u8 max_vasz_lg2;
	__u8 max_oasz_lg2;
	/* the top level moves as the tables grow, and does not limit vasz */
	__u8 grows;
	__u32 features;
} formats[] = {
	[IOMMU_DOMAIN_SER_FMT_VTDSS] = {
		2, 4, 57, 52, 0, IOMMU_DOMAIN_SER_INCOHERENT | IOMMU_DOMAIN_SER_FORCE_SNOOP,
	},
	[IOMMU_DOMAIN_SER_FMT_X86_64] = {
		3, 4, 57, 52, 0, IOMMU_DOMAIN_SER_INCOHERENT | IOMMU_DOMAIN_SER_SIGN_EXTEND |
				 IOMMU_DOMAIN_SER_FORCE_SNOOP | IOMMU_DOMAIN_SER_ENCRYPTED,
	},
	[IOMMU_DOMAIN_SER_FMT_AMDV1] = {
		0, 5, 64, 52, 1, IOMMU_DOMAIN_SER_INCOHERENT | IOMMU_DOMAIN_SER_FORCE_SNOOP |
				 IOMMU_DOMAIN_SER_ENCRYPTED,
	},
	[IOMMU_DOMAIN_SER_FMT_RISCV_64] = {
		1, 4, 57, 56, 0, IOMMU_DOMAIN_SER_INCOHERENT | IOMMU_DOMAIN_SER_SIGN_EXTEND,
	},
	[IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1] = { 0, 3, 52, 52, 0, 0 },
	[IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2] = { 0, 3, 52, 52, 0, 0 },
};

static int is_arm(const struct iommu_domain_ser *ser)
{
	return ser->format == IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1 ||
	       ser->format == IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2;
}

static struct region domain_region(const struct iommu_domain_ser *ser)
{
	__u64 size = PAGE_4K;

	/* a top table of less than a page lies alone in it */
	if (is_arm(ser) && ser->arm.top_lg2 > 12)
		size = 1ULL << ser->arm.top_lg2;
	return (struct region) { ser->top_pa, size, size };
}

static enum iommu_lu_err verify_arm(const struct iommu_domain_ser *ser, int strict)
{
	const struct iommu_domain_arm_ser *arm = &ser->arm;
	int s2 = ser->format == IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2;
	unsigned int i, bits;

	if (strict && arm->flags & ~(__u32)(IOMMU_DOMAIN_ARM_SER_DIRTY |
					    (s2 ? IOMMU_DOMAIN_ARM_SER_S2FWB : 0)))
		return IOMMU_LU_DOMAIN_FEATURES;
	if ((arm->granule_lg2 != 12 && arm->granule_lg2 != 14 && arm->granule_lg2 != 16) ||
	    arm->top_lg2 < 4 || arm->top_lg2 > arm->granule_lg2 + (s2 ? 4 : 0))
		return IOMMU_LU_DOMAIN_GEOMETRY;
	/* each level translates granule_lg2 - 3 bits, the top one top_lg2 - 3 */
	bits = arm->granule_lg2 + (arm->granule_lg2 - 3) * ser->top_level + arm->top_lg2 - 3;
	if (ser->vasz_lg2 > bits || (s2 && arm->mair))
		return IOMMU_LU_DOMAIN_GEOMETRY;

	if (arm->nr_sw_msi > IOMMU_DOMAIN_SER_MAX_SW_MSI ||
	    arm->sw_msi_start & (PAGE_4K - 1) || (arm->nr_sw_msi && !arm->sw_msi_start))
		return IOMMU_LU_DOMAIN_MSI;
	for (i = 0; i < IOMMU_DOMAIN_SER_MAX_SW_MSI; i++) {
		const struct iommu_sw_msi_ser *msi = &arm->sw_msi[i];

		if (i >= arm->nr_sw_msi) {
			if (msi->iova || msi->msi_pa)
				return IOMMU_LU_DOMAIN_MSI;
			continue;
		}
		if (msi->iova % PAGE_4K || msi->msi_pa % PAGE_4K || !msi->msi_pa ||
		    msi->msi_pa >= MAX_PHYS || msi->iova < arm->sw_msi_start ||
		    msi->iova >> ser->vasz_lg2)
			return IOMMU_LU_DOMAIN_MSI;
		if (i && msi->iova <= arm->sw_msi[i - 1].iova)
			return IOMMU_LU_DOMAIN_MSI;
	}
	if (strict && (!all_zero(arm->reserved0, sizeof(arm->reserved0)) ||
		       !all_zero((const char *)ser->raw +
					 offsetof(struct iommu_domain_arm_ser, reserved),
				 sizeof(ser->raw) -
					 offsetof(struct iommu_domain_arm_ser, reserved))))
		return IOMMU_LU_DOMAIN_RESERVED;
	return IOMMU_LU_OK;
}

/**
 * iommu_lu_verify_domain - is the record of a domain sound in itself?
 * @ser: record
 * @strict: the writer was no newer than we are
 */
enum iommu_lu_err iommu_lu_verify_domain(const struct iommu_domain_ser *ser, int strict)
{
	enum iommu_lu_err err;
	struct region r;

	if (!ser->iommufd_id)
		return IOMMU_LU_DOMAIN_IOMMUFD;
	if (!ser->format || ser->format > IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2)
		return IOMMU_LU_DOMAIN_FORMAT;
	/* A feature changes what the tables mean: unknown ones never pass. */
	if (ser->features & ~formats[ser->format].features)
		return IOMMU_LU_DOMAIN_FEATURES;

	if (ser->top_level < formats[ser->format].min_level ||
	    ser->top_level > formats[ser->format].max_level ||
	    ser->vasz_lg2 <= 12 || ser->vasz_lg2 > formats[ser->format].max_vasz_lg2 ||
	    ser->oasz_lg2 <= 12 || ser->oasz_lg2 > formats[ser->format].max_oasz_lg2)
		return IOMMU_LU_DOMAIN_GEOMETRY;
	if (!is_arm(ser) && !formats[ser->format].grows &&
	    ser->vasz_lg2 > 12 + 9 * (ser->top_level + 1))
		return IOMMU_LU_DOMAIN_GEOMETRY;
	if (is_arm(ser)) {
		err = verify_arm(ser, strict);
		if (err)
			return err;
	}

	r = domain_region(ser);
	if (region_misaligned(&r))
		return IOMMU_LU_DOMAIN_TABLE;
	if (region_too_high(&r))
		return IOMMU_LU_DOMAIN_TABLE_RANGE;
	if (!ser->nr_tables || ser->nr_tables > MAX_PHYS / PAGE_4K ||
	    (!ser->top_level && ser->nr_tables != 1))
		return IOMMU_LU_DOMAIN_COUNT;
	if (!ser->pgsize_bitmap || ser->pgsize_bitmap & (PAGE_4K - 1) ||
	    (ser->vasz_lg2 < 64 && ser->pgsize_bitmap >> ser->vasz_lg2))
		return IOMMU_LU_DOMAIN_PGSIZE;

	if (strict && (!all_zero(ser->reserved0, sizeof(ser->reserved0)) ||
		       (!is_arm(ser) && !all_zero(ser->raw, sizeof(ser->raw)))))
		return IOMMU_LU_DOMAIN_RESERVED;
	return IOMMU_LU_OK;
}

/* --- devices -------------------------------------------------------------- */

/**
 * iommu_lu_verify_device - is the record of a device sound in itself?
 * @ser: record
 * @strict: the writer was no newer than we are
 *
 * Without its unit the union cannot be judged: see iommu_lu_verify_links().
 */
enum iommu_lu_err iommu_lu_verify_device(const struct iommu_device_ser *ser, int strict)
{
	unsigned int i, j;

	if (ser->segment > 0xffff || ser->class > 0xffffff)
		return IOMMU_LU_DEVICE_IDENTITY;
	if (ser->pasid != IOMMU_DEVICE_SER_NO_PASID)
		return IOMMU_LU_DEVICE_PASID;
	if (!ser->nr_rids || ser->nr_rids > IOMMU_DEVICE_SER_MAX_RIDS)
		return IOMMU_LU_DEVICE_RID_COUNT;
	if (ser->rids[0] != ser->bdf)
		return IOMMU_LU_DEVICE_RID_OWN;
	for (i = 1; i < IOMMU_DEVICE_SER_MAX_RIDS; i++) {
		if (i >= ser->nr_rids) {
			if (ser->rids[i])
				return IOMMU_LU_DEVICE_RID_UNUSED;
			continue;
		}
		for (j = 0; j < i; j++)
			if (ser->rids[i] == ser->rids[j])
				return IOMMU_LU_DEVICE_RID_REPEATED;
	}
	if (strict && ser->flags)
		return IOMMU_LU_DEVICE_FLAGS;
	if (ser->ats_control && !(ser->ats_control & IOMMU_DEVICE_SER_ATS_ENABLE))
		return IOMMU_LU_DEVICE_CONTROL;
	if (ser->pasid_control && !(ser->pasid_control & IOMMU_DEVICE_SER_PASID_ENABLE))
		return IOMMU_LU_DEVICE_CONTROL;
	if (strict &&
	    (ser->ats_control & ~(IOMMU_DEVICE_SER_ATS_ENABLE | IOMMU_DEVICE_SER_ATS_STU) ||
	     ser->pasid_control & ~IOMMU_DEVICE_SER_PASID_KNOWN))
		return IOMMU_LU_DEVICE_CONTROL;
	if (strict && ser->reserved)
		return IOMMU_LU_DEVICE_RESERVED;
	return IOMMU_LU_OK;
}

/* Size 0: the device has no table of its own. */
static struct region device_region(const struct iommu_hw_ser *hw,
				   const struct iommu_device_ser *ser)
{
	struct region r = { 0, 0, PAGE_4K };
	__u32 s1cdmax;

	if (hw->type == IOMMU_HW_SER_INTEL && ser->intel.pasid_dir_pa) {
		r.start = ser->intel.pasid_dir_pa;
		r.size = ser->intel.max_pasid / 8;
	} else if (hw->type == IOMMU_HW_SER_SMMUV3 && ser->smmuv3.cdtab_pa) {
		/* descriptors of 64 bytes; two levels: 8 bytes for 1024 of them */
		s1cdmax = ser->smmuv3.s1cdmax;
		r.start = ser->smmuv3.cdtab_pa;
		if (!ser->smmuv3.s1fmt)
			r.size = 64ULL << s1cdmax;
		else
			r.size = 8ULL << (s1cdmax > 10 ? s1cdmax - 10 : 0);
		if (r.size < PAGE_4K)
			r.size = PAGE_4K;
		r.align = r.size;
	}
	return r;
}

/* 0, which no domain has, for a type that is missing here. */
static __u32 device_did(const struct iommu_hw_ser *hw, const struct iommu_device_ser *ser)
{
	switch (hw->type) {
	case IOMMU_HW_SER_INTEL:
		return ser->intel.did;
	case IOMMU_HW_SER_AMD:
		return ser->amd.did;
	case IOMMU_HW_SER_SMMUV3:
		return ser->smmuv3.did;
	case IOMMU_HW_SER_MOCK:
		return ser->mock.did;
	default:
		return 0;
	}
}

/* VT-d 9.3 "Context Entry" */
static enum iommu_lu_err link_intel_legacy(const struct iommu_device_intel_ser *ser,
					   const struct iommu_domain_ser *domain, int ats)
{
	if (domain->format != IOMMU_DOMAIN_SER_FMT_VTDSS)
		return IOMMU_LU_DEVICE_FORMAT;
	/* P; TT is untranslated only, or with translation requests */
	if (!(ser->context_lo & 1) || FIELD(ser->context_lo, 3, 2) > 1 ||
	    (ser->context_lo & ADDR_51_12) != domain->top_pa ||
	    FIELD(ser->context_hi, 2, 0) != domain->top_level - 1U ||
	    FIELD(ser->context_hi, 23, 8) != ser->did)
		return IOMMU_LU_DEVICE_ENTRY;
	if (ats && !FIELD(ser->context_lo, 3, 2))
		return IOMMU_LU_DEVICE_ATS;
	return IOMMU_LU_OK;
}

/* VT-d 9.4 "Scalable-Mode Context Entry", 9.6 "Scalable-Mode PASID Table Entry" */
static enum iommu_lu_err link_intel_scalable(const struct iommu_device_intel_ser *ser,
					     const struct iommu_domain_ser *domain, int ats)
{
	const __u64 *pe = ser->pasid_entry;

	if (!power_of_two(ser->max_pasid) || ser->max_pasid < 1 << 15 ||
	    ser->max_pasid > 1 << 20 || !ser->nr_pasid_tables ||
	    ser->nr_pasid_tables > ser->max_pasid / 64)
		return IOMMU_LU_DEVICE_TABLE_SIZE;
	/* P; PDTS is the number of directory entries, 128 for 0 */
	if (!(ser->context_lo & 1) || (ser->context_lo & ADDR_51_12) != ser->pasid_dir_pa ||
	    128ULL << FIELD(ser->context_lo, 11, 9) != ser->max_pasid / 64)
		return IOMMU_LU_DEVICE_ENTRY;
	/* DTE */
	if (ats && !FIELD(ser->context_lo, 2, 2))
		return IOMMU_LU_DEVICE_ATS;
	/* P, DID; PGTT 1 is first stage, 2 second stage */
	if (!(pe[0] & 1) || FIELD(pe[1], 15, 0) != ser->did)
		return IOMMU_LU_DEVICE_ENTRY;
	if (domain->format == IOMMU_DOMAIN_SER_FMT_VTDSS) {
		if (FIELD(pe[0], 8, 6) != 2 || (pe[0] & ADDR_51_12) != domain->top_pa ||
		    FIELD(pe[0], 4, 2) != domain->top_level - 1U)
			return IOMMU_LU_DEVICE_ENTRY;
	} else if (domain->format == IOMMU_DOMAIN_SER_FMT_X86_64) {
		if (FIELD(pe[0], 8, 6) != 1 || (pe[2] & ADDR_51_12) != domain->top_pa ||
		    FIELD(pe[2], 3, 2) != domain->top_level - 3U)
			return IOMMU_LU_DEVICE_ENTRY;
	} else {
		return IOMMU_LU_DEVICE_FORMAT;
	}
	return IOMMU_LU_OK;
}

static enum iommu_lu_err link_intel(const struct iommu_hw_ser *hw,
				    const struct iommu_domain_ser *domain,
				    const struct iommu_device_ser *dev, int strict)
{
	const struct iommu_device_intel_ser *ser = &dev->intel;
	enum iommu_lu_err err;

	/* CAP.ND */
	if (!ser->did || ser->did >= 1U << (4 + 2 * FIELD(hw->intel.cap, 2, 0)))
		return IOMMU_LU_DEVICE_DID;
	if (hw->intel.flags & IOMMU_INTEL_SER_SCALABLE) {
		err = link_intel_scalable(ser, domain, !!dev->ats_control);
	} else {
		err = link_intel_legacy(ser, domain, !!dev->ats_control);
		if (!err && !ZERO_FROM(ser, pasid_dir_pa))
			err = IOMMU_LU_DEVICE_RESERVED;
	}
	if (err)
		return err;
	if (strict && !all_zero(ser->reserved, sizeof(ser->reserved)))
		return IOMMU_LU_DEVICE_RESERVED;
	return IOMMU_LU_OK;
}

/* AMD IOMMU specification 2.2.2.1 "Device Table Entry Format" */
static enum iommu_lu_err link_amd(const struct iommu_hw_ser *segment,
				  const struct iommu_domain_ser *domain,
				  const struct iommu_device_ser *dev, int strict)
{
	const struct iommu_device_amd_ser *ser = &dev->amd;
	unsigned int i;

	if (domain->format != IOMMU_DOMAIN_SER_FMT_AMDV1)
		return IOMMU_LU_DEVICE_FORMAT;
	if (!ser->did)
		return IOMMU_LU_DEVICE_DID;
	/* V and TV, Mode, page table root, no GV; DomainID */
	if ((ser->dte[0] & 3) != 3 || FIELD(ser->dte[0], 11, 9) != domain->top_level + 1U ||
	    (ser->dte[0] & ADDR_51_12) != domain->top_pa || FIELD(ser->dte[0], 55, 55) ||
	    FIELD(ser->dte[1], 15, 0) != ser->did)
		return IOMMU_LU_DEVICE_ENTRY;
	if (segment)
		for (i = 0; i < dev->nr_rids; i++)
			if (dev->rids[i] > segment->amd_segment.last_bdf)
				return IOMMU_LU_DEVICE_ENTRY;
	/* I: translation requests are answered */
	if (dev->ats_control && !FIELD(ser->dte[1], 32, 32))
		return IOMMU_LU_DEVICE_ATS;
	/* These would change what the entry means: zero whoever wrote it. */
	if (ser->gcr3_did || ser->gcr3_levels || ser->gcr3_pa)
		return IOMMU_LU_DEVICE_RESERVED;
	if (strict && !all_zero(ser->reserved0, sizeof(ser->reserved0)))
		return IOMMU_LU_DEVICE_RESERVED;
	return IOMMU_LU_OK;
}

/* IHI 0070 5.2 "Stream Table Entry", 5.4 "Context Descriptor" */
static enum iommu_lu_err link_smmuv3(const struct iommu_domain_ser *domain,
				     const struct iommu_device_ser *dev, int strict)
{
	const struct iommu_device_smmuv3_ser *ser = &dev->smmuv3;
	unsigned int i;

	if (!is_arm(domain))
		return IOMMU_LU_DEVICE_FORMAT;
	if (domain->arm.hw_index != dev->hw_index)
		return IOMMU_LU_DEVICE_OTHER_UNIT;
	if (!ser->did)
		return IOMMU_LU_DEVICE_DID;
	for (i = dev->nr_rids; i < IOMMU_DEVICE_SER_MAX_RIDS; i++)
		if (ser->sids[i])
			return IOMMU_LU_DEVICE_RID_UNUSED;
	/* V */
	if (!(ser->ste[0] & 1))
		return IOMMU_LU_DEVICE_ENTRY;
	/* EATS */
	if (dev->ats_control && !FIELD(ser->ste[1], 29, 28))
		return IOMMU_LU_DEVICE_ATS;

	if (domain->format == IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2) {
		/* Config 110b; S2VMID, S2TTB */
		if (FIELD(ser->ste[0], 3, 1) != 6 || FIELD(ser->ste[2], 15, 0) != ser->did ||
		    (ser->ste[3] & 0x000ffffffffffff0ULL) != domain->top_pa)
			return IOMMU_LU_DEVICE_ENTRY;
		if (ser->cdtab_pa || ser->nr_cd_tables || ser->s1fmt || ser->s1cdmax ||
		    !all_zero(ser->cd, sizeof(ser->cd)))
			return IOMMU_LU_DEVICE_RESERVED;
	} else {
		/* 10b is two levels with 64 KiB leaves; 16 KiB if linear for 1024 */
		if ((ser->s1fmt && ser->s1fmt != 2) || ser->s1cdmax > (ser->s1fmt ? 20 : 10) ||
		    !ser->nr_cd_tables != !ser->s1fmt || ser->nr_cd_tables > 1024)
			return IOMMU_LU_DEVICE_TABLE_SIZE;
		if (!ser->cdtab_pa)
			return IOMMU_LU_DEVICE_TABLE;
		/* Config 101b, S1Fmt, S1ContextPtr, S1CDMax */
		if (FIELD(ser->ste[0], 3, 1) != 5 || FIELD(ser->ste[0], 5, 4) != ser->s1fmt ||
		    (ser->ste[0] & 0x000fffffffffffc0ULL) != ser->cdtab_pa ||
		    FIELD(ser->ste[0], 63, 59) != ser->s1cdmax)
			return IOMMU_LU_DEVICE_ENTRY;
		/* V, AA64, ASID, TTB0 */
		if (!FIELD(ser->cd[0], 31, 31) || !FIELD(ser->cd[0], 41, 41) ||
		    FIELD(ser->cd[0], 63, 48) != ser->did ||
		    (ser->cd[1] & 0x000ffffffffffff0ULL) != domain->top_pa)
			return IOMMU_LU_DEVICE_ENTRY;
	}
	if (strict && ser->reserved)
		return IOMMU_LU_DEVICE_RESERVED;
	return IOMMU_LU_OK;
}

static enum iommu_lu_err link_mock(const struct iommu_domain_ser *domain,
				   const struct iommu_device_ser *dev, int strict)
{
	const struct iommu_device_mock_ser *ser = &dev->mock;

	if (domain->format != IOMMU_DOMAIN_SER_FMT_AMDV1)
		return IOMMU_LU_DEVICE_FORMAT;
	if (!ser->did)
		return IOMMU_LU_DEVICE_DID;
	if (!(ser->entry & 1) || (ser->entry & ADDR_51_12) != domain->top_pa ||
	    FIELD(ser->entry, 11, 9) != domain->top_level + 1U ||
	    FIELD(ser->entry, 63, 52) != ser->did)
		return IOMMU_LU_DEVICE_ENTRY;
	if (strict && !all_zero(ser->reserved, sizeof(ser->reserved)))
		return IOMMU_LU_DEVICE_RESERVED;
	return IOMMU_LU_OK;
}

/**
 * iommu_lu_verify_links - do a device, its unit and its domain fit together?
 * @blob: with its units and domains; verdicts and scratch are not used
 * @ser: the device, passed by iommu_lu_verify_device()
 * @strict: the writer was no newer than we are
 *
 * Unit and domain are taken for sound in themselves.
 */
enum iommu_lu_err iommu_lu_verify_links(const struct iommu_lu_blob *blob,
					const struct iommu_device_ser *ser, int strict)
{
	const struct iommu_hw_ser *hw, *segment = NULL;
	const struct iommu_domain_ser *domain;
	enum iommu_lu_err err;
	struct region r;
	__u64 used;

	if (ser->hw_index >= blob->hdr->nr_hw)
		return IOMMU_LU_DEVICE_HW_LINK;
	if (ser->domain_index >= blob->hdr->nr_domains)
		return IOMMU_LU_DEVICE_DOMAIN_LINK;
	hw = &blob->hw[ser->hw_index];
	domain = &blob->domain[ser->domain_index];

	switch (hw->type) {
	case IOMMU_HW_SER_INTEL:
		err = hw->segment == ser->segment ? link_intel(hw, domain, ser, strict) :
						    IOMMU_LU_DEVICE_SEGMENT;
		used = sizeof(ser->intel);
		break;
	case IOMMU_HW_SER_AMD:
		if (hw->amd.segment_index < blob->hdr->nr_hw)
			segment = &blob->hw[hw->amd.segment_index];
		err = hw->segment == ser->segment ? link_amd(segment, domain, ser, strict) :
						    IOMMU_LU_DEVICE_SEGMENT;
		used = sizeof(ser->amd);
		break;
	case IOMMU_HW_SER_SMMUV3:
		err = link_smmuv3(domain, ser, strict);
		used = sizeof(ser->smmuv3);
		break;
	case IOMMU_HW_SER_MOCK:
		err = hw->segment == ser->segment ? link_mock(domain, ser, strict) :
						    IOMMU_LU_DEVICE_SEGMENT;
		used = sizeof(ser->mock);
		break;
	default:
		return IOMMU_LU_DEVICE_HW_TYPE;
	}
	if (err)
		return err;

	r = device_region(hw, ser);
	if (r.size) {
		if (region_misaligned(&r))
			return IOMMU_LU_DEVICE_TABLE;
		if (region_too_high(&r))
			return IOMMU_LU_DEVICE_TABLE_RANGE;
	} else if (hw->type == IOMMU_HW_SER_INTEL && hw->intel.flags & IOMMU_INTEL_SER_SCALABLE) {
		return IOMMU_LU_DEVICE_TABLE;
	}
	if (strict && !all_zero((const char *)ser->raw + used, sizeof(ser->raw) - used))
		return IOMMU_LU_DEVICE_RESERVED;
	return IOMMU_LU_OK;
}

/* --- records against each other ------------------------------------------- */

/**
 * iommu_lu_scratch_len - how much scratch memory the checks of a blob need
 * @hdr: head, checked
 *
 * Return: number of struct iommu_lu_scratch, at least 1.
 */
__u64 iommu_lu_scratch_len(const struct iommu_lu_hdr *hdr)
{
	return (__u64)hdr->nr_hw * MAX_HW_REGIONS + hdr->nr_domains +
	       (__u64)hdr->nr_devices * IOMMU_DEVICE_SER_MAX_RIDS + 1;
}

static struct iommu_lu_verdict *verdict_of(const struct iommu_lu_blob *blob, __u32 kind,
					   __u32 index)
{
	if (kind == IOMMU_LU_HW)
		return &blob->hw_verdict[index];
	if (kind == IOMMU_LU_DOMAIN)
		return &blob->domain_verdict[index];
	return &blob->device_verdict[index];
}

/* The first reason stays. */
static void refuse(struct iommu_lu_verdict *v, enum iommu_lu_err err, __u32 kind, __u32 index)
{
	if (v->err || !err)
		return;
	v->err = err;
	v->kind = kind;
	v->index = index;
}

struct keys {
	const struct iommu_lu_blob *blob;
	__u64 n;
};

static void key(struct keys *k, __u64 a, __u64 b, __u32 kind, __u32 index)
{
	k->blob->scratch[k->n++] = (struct iommu_lu_scratch) {
		.a = a, .b = b, .kind = kind, .index = index,
	};
}

static int same_record(const struct iommu_lu_scratch *s, const struct iommu_lu_scratch *t)
{
	return s->kind == t->kind && s->index == t->index;
}

/* No two records may have the same @a and @b: none of them can be believed. */
static void refuse_equal(struct keys *k, enum iommu_lu_err err)
{
	struct iommu_lu_scratch *s = k->blob->scratch;
	__u64 i;

	iommu_lu_sort(s, k->n);
	for (i = 1; i < k->n; i++) {
		if (s[i].a != s[i - 1].a || s[i].b != s[i - 1].b || same_record(&s[i], &s[i - 1]))
			continue;
		refuse(verdict_of(k->blob, s[i].kind, s[i].index), err, s[i - 1].kind,
		       s[i - 1].index);
		refuse(verdict_of(k->blob, s[i - 1].kind, s[i - 1].index), err, s[i].kind,
		       s[i].index);
	}
	k->n = 0;
}

/* All records with the same @a must have the same @b. */
static void refuse_different(struct keys *k, enum iommu_lu_err err)
{
	struct iommu_lu_scratch *s = k->blob->scratch;
	__u64 i, first, end;

	iommu_lu_sort(s, k->n);
	for (first = 0; first < k->n; first = end) {
		for (end = first + 1; end < k->n && s[end].a == s[first].a;)
			end++;
		if (s[end - 1].b == s[first].b)
			continue;
		for (i = first; i < end; i++) {
			/* sorted by @b: the first or the last one differs */
			const struct iommu_lu_scratch *o =
				s[i].b == s[first].b ? &s[end - 1] : &s[first];

			refuse(verdict_of(k->blob, s[i].kind, s[i].index), err, o->kind, o->index);
		}
	}
	k->n = 0;
}

/* @a is the start, @b the last byte. Both sides of an overlap are refused. */
static void refuse_overlap(struct keys *k)
{
	static const __u16 err[] = {
		[IOMMU_LU_HW] = IOMMU_LU_HW_OVERLAP,
		[IOMMU_LU_DOMAIN] = IOMMU_LU_DOMAIN_OVERLAP,
		[IOMMU_LU_DEVICE] = IOMMU_LU_DEVICE_OVERLAP,
	};
	struct iommu_lu_scratch *s = k->blob->scratch;
	__u64 i, reach = 0;

	iommu_lu_sort(s, k->n);
	for (i = 1; i < k->n; i++) {
		/* @reach is the one that extends furthest so far */
		if (s[i].a <= s[reach].b) {
			refuse(verdict_of(k->blob, s[i].kind, s[i].index), err[s[i].kind],
			       s[reach].kind, s[reach].index);
			refuse(verdict_of(k->blob, s[reach].kind, s[reach].index),
			       err[s[reach].kind], s[i].kind, s[i].index);
		}
		if (s[i].b > s[reach].b)
			reach = i;
	}
	k->n = 0;
}

static void verify_units(const struct iommu_lu_blob *blob, const struct iommu_lu_caps *caps,
			 int strict)
{
	struct keys k = { .blob = blob };
	__u32 i, nr = blob->hdr->nr_hw;

	for (i = 0; i < nr; i++)
		refuse(&blob->hw_verdict[i], iommu_lu_verify_hw(&blob->hw[i], caps, strict), 0, 0);

	for (i = 0; i < nr; i++) {
		const struct iommu_hw_ser *hw = &blob->hw[i], *segment;

		if (hw->type != IOMMU_HW_SER_AMD || blob->hw_verdict[i].err)
			continue;
		if (hw->amd.segment_index >= nr) {
			refuse(&blob->hw_verdict[i], IOMMU_LU_HW_LINK, 0, 0);
			continue;
		}
		segment = &blob->hw[hw->amd.segment_index];
		if (segment->type != IOMMU_HW_SER_AMD_SEGMENT || segment->segment != hw->segment)
			refuse(&blob->hw_verdict[i], IOMMU_LU_HW_LINK_TYPE, IOMMU_LU_HW,
			       hw->amd.segment_index);
	}

	for (i = 0; i < nr; i++)
		if (!blob->hw_verdict[i].err)
			key(&k, blob->hw[i].token, 0, IOMMU_LU_HW, i);
	refuse_equal(&k, IOMMU_LU_HW_TWICE);

	for (i = 0; i < nr; i++)
		if (!blob->hw_verdict[i].err && blob->hw[i].type == IOMMU_HW_SER_AMD_SEGMENT)
			key(&k, blob->hw[i].segment, 0, IOMMU_LU_HW, i);
	refuse_equal(&k, IOMMU_LU_HW_SEGMENT_TWICE);
}

static void verify_domains(const struct iommu_lu_blob *blob, int strict)
{
	struct keys k = { .blob = blob };
	__u32 i, hw, nr = blob->hdr->nr_domains;

	for (i = 0; i < nr; i++) {
		struct iommu_lu_verdict *v = &blob->domain_verdict[i];

		refuse(v, iommu_lu_verify_domain(&blob->domain[i], strict), 0, 0);
		if (v->err || !is_arm(&blob->domain[i]))
			continue;
		hw = blob->domain[i].arm.hw_index;
		if (hw >= blob->hdr->nr_hw)
			refuse(v, IOMMU_LU_DOMAIN_LINK, 0, 0);
		else if (blob->hw[hw].type != IOMMU_HW_SER_SMMUV3)
			refuse(v, IOMMU_LU_DOMAIN_LINK_TYPE, IOMMU_LU_HW, hw);
	}

	for (i = 0; i < nr; i++)
		if (!blob->domain_verdict[i].err)
			key(&k, blob->domain[i].iommufd_id, blob->domain[i].token,
			    IOMMU_LU_DOMAIN, i);
	refuse_equal(&k, IOMMU_LU_DOMAIN_TWICE);
}

/* What failed in itself fails first, so that the reason given is the cause. */
static void fail_dependent(const struct iommu_lu_blob *blob)
{
	const struct iommu_lu_hdr *hdr = blob->hdr;
	__u32 i, link;

	for (i = 0; i < hdr->nr_hw; i++) {
		if (blob->hw[i].type != IOMMU_HW_SER_AMD || blob->hw_verdict[i].err)
			continue;
		link = blob->hw[i].amd.segment_index;
		if (blob->hw_verdict[link].err)
			refuse(&blob->hw_verdict[i], IOMMU_LU_HW_LINK_FAILED, IOMMU_LU_HW, link);
	}
	for (i = 0; i < hdr->nr_domains; i++) {
		if (!is_arm(&blob->domain[i]) || blob->domain_verdict[i].err)
			continue;
		link = blob->domain[i].arm.hw_index;
		if (blob->hw_verdict[link].err)
			refuse(&blob->domain_verdict[i], IOMMU_LU_DOMAIN_LINK_FAILED, IOMMU_LU_HW,
			       link);
	}
	for (i = 0; i < hdr->nr_devices; i++) {
		const struct iommu_device_ser *dev = &blob->device[i];

		if (blob->device_verdict[i].err)
			continue;
		if (blob->hw_verdict[dev->hw_index].err)
			refuse(&blob->device_verdict[i], IOMMU_LU_DEVICE_HW_FAILED, IOMMU_LU_HW,
			       dev->hw_index);
		else if (blob->domain_verdict[dev->domain_index].err)
			refuse(&blob->device_verdict[i], IOMMU_LU_DEVICE_DOMAIN_FAILED,
			       IOMMU_LU_DOMAIN, dev->domain_index);
	}
}

/* The next device that has not been refused, from *@i on, or NULL. */
static const struct iommu_device_ser *next_good(const struct iommu_lu_blob *blob, __u32 *i)
{
	while (*i < blob->hdr->nr_devices && blob->device_verdict[*i].err)
		++*i;
	return *i < blob->hdr->nr_devices ? &blob->device[*i] : NULL;
}

static void verify_devices(const struct iommu_lu_blob *blob, int strict)
{
	__u32 i, j, nr = blob->hdr->nr_devices;
	const struct iommu_device_ser *dev;
	struct keys k = { .blob = blob };

	for (i = 0; i < nr; i++)
		refuse(&blob->device_verdict[i], iommu_lu_verify_device(&blob->device[i], strict),
		       0, 0);

	for (i = 0; (dev = next_good(blob, &i)); i++)
		key(&k, (__u64)dev->segment << 16 | dev->bdf, 0, IOMMU_LU_DEVICE, i);
	refuse_equal(&k, IOMMU_LU_DEVICE_TWICE);

	for (i = 0; (dev = next_good(blob, &i)); i++)
		for (j = 0; j < dev->nr_rids; j++)
			key(&k, (__u64)dev->segment << 16 | dev->rids[j], 0, IOMMU_LU_DEVICE, i);
	refuse_equal(&k, IOMMU_LU_DEVICE_RID_TAKEN);

	/* From here on links are followed. Out of range first, the rest if sound. */
	for (i = 0; (dev = next_good(blob, &i)); i++) {
		struct iommu_lu_verdict *v = &blob->device_verdict[i];

		if (dev->hw_index >= blob->hdr->nr_hw)
			refuse(v, IOMMU_LU_DEVICE_HW_LINK, 0, 0);
		else if (dev->domain_index >= blob->hdr->nr_domains)
			refuse(v, IOMMU_LU_DEVICE_DOMAIN_LINK, 0, 0);
	}
	fail_dependent(blob);
	for (i = 0; (dev = next_good(blob, &i)); i++)
		refuse(&blob->device_verdict[i], iommu_lu_verify_links(blob, dev, strict),
		       IOMMU_LU_HW, dev->hw_index);

	for (i = 0; (dev = next_good(blob, &i)); i++)
		if (blob->hw[dev->hw_index].type == IOMMU_HW_SER_SMMUV3)
			for (j = 0; j < dev->nr_rids; j++)
				key(&k, dev->hw_index, dev->smmuv3.sids[j], IOMMU_LU_DEVICE, i);
	refuse_equal(&k, IOMMU_LU_DEVICE_SID_TAKEN);

	/* ASIDs and VMIDs are numbered apart */
	for (i = 0; (dev = next_good(blob, &i)); i++)
		key(&k, (__u64)dev->hw_index << 33 |
			(__u64)(blob->domain[dev->domain_index].format ==
				IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2) << 32 |
			device_did(&blob->hw[dev->hw_index], dev),
		    dev->domain_index, IOMMU_LU_DEVICE, i);
	refuse_different(&k, IOMMU_LU_DEVICE_DID_TAKEN);

	for (i = 0; (dev = next_good(blob, &i)); i++)
		key(&k, (__u64)dev->hw_index << 32 | dev->domain_index,
		    device_did(&blob->hw[dev->hw_index], dev), IOMMU_LU_DEVICE, i);
	refuse_different(&k, IOMMU_LU_DEVICE_TWO_DIDS);
}

static void verify_overlaps(const struct iommu_lu_blob *blob)
{
	const struct iommu_lu_hdr *hdr = blob->hdr;
	struct keys k = { .blob = blob };
	struct region r[MAX_HW_REGIONS];
	unsigned int j, n;
	__u32 i;

	for (i = 0; i < hdr->nr_hw; i++) {
		if (blob->hw_verdict[i].err)
			continue;
		n = hw_regions(&blob->hw[i], r);
		for (j = 0; j < n; j++)
			key(&k, r[j].start, r[j].start + r[j].size - 1, IOMMU_LU_HW, i);
	}
	for (i = 0; i < hdr->nr_domains; i++) {
		if (blob->domain_verdict[i].err)
			continue;
		r[0] = domain_region(&blob->domain[i]);
		key(&k, r[0].start, r[0].start + r[0].size - 1, IOMMU_LU_DOMAIN, i);
	}
	for (i = 0; i < hdr->nr_devices; i++) {
		if (blob->device_verdict[i].err)
			continue;
		r[0] = device_region(&blob->hw[blob->device[i].hw_index], &blob->device[i]);
		if (r[0].size)
			key(&k, r[0].start, r[0].start + r[0].size - 1, IOMMU_LU_DEVICE, i);
	}
	refuse_overlap(&k);
}

static int count_refused(const struct iommu_lu_verdict *v, __u32 nr)
{
	int n = 0;

	while (nr--)
		n += !!v++->err;
	return n;
}

/**
 * iommu_lu_verify_blob - check all records, and against each other
 * @blob: as iommu_lu_read_blob() has filled it in; the verdicts are written
 * @caps: of the reader
 *
 * Takes O(n log n). Where two records contradict each other both are refused,
 * because there is no telling which one is damaged.
 *
 * Return: number of records that are refused, or -ENOSPC if there is less
 * scratch memory than iommu_lu_scratch_len() says.
 */
int iommu_lu_verify_blob(const struct iommu_lu_blob *blob, const struct iommu_lu_caps *caps)
{
	const struct iommu_lu_hdr *hdr = blob->hdr;
	int strict = hdr->version <= caps->version;

	if (blob->scratch_len < iommu_lu_scratch_len(hdr))
		return -ENOSPC;
	memset(blob->hw_verdict, 0, hdr->nr_hw * sizeof(*blob->hw_verdict));
	memset(blob->domain_verdict, 0, hdr->nr_domains * sizeof(*blob->domain_verdict));
	memset(blob->device_verdict, 0, hdr->nr_devices * sizeof(*blob->device_verdict));

	verify_units(blob, caps, strict);
	verify_domains(blob, strict);
	verify_devices(blob, strict);
	verify_overlaps(blob);
	fail_dependent(blob);

	return count_refused(blob->hw_verdict, hdr->nr_hw) +
	       count_refused(blob->domain_verdict, hdr->nr_domains) +
	       count_refused(blob->device_verdict, hdr->nr_devices);
}
