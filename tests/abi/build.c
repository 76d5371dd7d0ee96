// SPDX-License-Identifier: GPL-2.0
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif
#include "build.h"

#define P4K	4096ULL

/* Tables are as large as they are aligned. */
static uint64_t pa(struct built *b, uint64_t size)
{
	uint64_t at = (b->next_pa + size - 1) & ~(size - 1);

	b->next_pa = at + size;
	return at;
}

void lu_build_init(struct built *b)
{
	memset(b, 0, sizeof(*b));
	b->hdr = (struct iommu_lu_hdr) {
		.magic = IOMMU_LU_MAGIC,
		.version = IOMMU_LU_VERSION,
		.min_version = IOMMU_LU_MIN_VERSION,
		.len = sizeof(b->hdr),
		.flags = IOMMU_LU_HDR_SEALED,
		.page_shift = 12,
		.hw_size = sizeof(b->hw[0]),
		.domain_size = sizeof(b->domain[0]),
		.device_size = sizeof(b->device[0]),
	};
	b->blob = (struct iommu_lu_blob) {
		.hdr = &b->hdr,
		.hw = b->hw,
		.domain = b->domain,
		.device = b->device,
		.hw_verdict = b->hw_verdict,
		.domain_verdict = b->domain_verdict,
		.device_verdict = b->device_verdict,
		.scratch = b->scratch,
		.scratch_len = MAX_SCRATCH,
	};
	b->next_pa = 0x140000000ULL;
}

static struct iommu_hw_ser *add_hw(struct built *b, uint32_t type, uint64_t token)
{
	struct iommu_hw_ser *hw = &b->hw[b->hdr.nr_hw++];

	hw->type = type;
	hw->token = token;
	return hw;
}

static struct iommu_domain_ser *add_domain(struct built *b, uint32_t format, uint8_t level,
					   uint8_t vasz, uint64_t top_size)
{
	struct iommu_domain_ser *d = &b->domain[b->hdr.nr_domains++];

	d->token = 0x1000 + b->hdr.nr_domains;
	d->iommufd_id = 1 + b->hdr.nr_domains / 3;
	d->top_pa = pa(b, top_size);
	d->nr_tables = 17;
	d->pgsize_bitmap = 0x40201000;
	d->format = format;
	d->top_level = level;
	d->vasz_lg2 = vasz;
	d->oasz_lg2 = 48;
	return d;
}

static struct iommu_device_ser *add_device(struct built *b, uint32_t segment, uint16_t bdf,
					   uint32_t hw, uint32_t domain)
{
	struct iommu_device_ser *d = &b->device[b->hdr.nr_devices++];

	d->segment = segment;
	d->bdf = bdf;
	d->vendor = 0x8086;
	d->device = 0x10c9;
	d->class = 0x020000;
	d->pasid = IOMMU_DEVICE_SER_NO_PASID;
	d->hw_index = hw;
	d->domain_index = domain;
	d->nr_rids = 1;
	d->rids[0] = bdf;
	return d;
}

static void set_context(struct built *b, struct iommu_device_ser *dev, uint16_t did)
{
	struct iommu_domain_ser *domain = &b->domain[dev->domain_index];

	dev->intel.did = did;
	dev->intel.context_lo = 1 | domain->top_pa;
	dev->intel.context_hi = (uint64_t)did << 8 | (domain->top_level - 1);
}

/* Two units; two domains on the first, one of them on the second, too. */
static void add_intel(struct built *b)
{
	uint32_t hw = b->hdr.nr_hw, domain = b->hdr.nr_domains;
	struct iommu_device_ser *dev;
	struct iommu_hw_ser *unit;
	int i;

	for (i = 0; i < 2; i++) {
		unit = add_hw(b, IOMMU_HW_SER_INTEL, 0xfed90000 + i * P4K);
		unit->intel.cap = 0x00d2008c222f0686;
		unit->intel.ecap = 0x0000000000f00f5a;
		unit->intel.root_pa = pa(b, P4K);
		unit->intel.nr_context_tables = 2 - i;
		unit->intel.irt_pa = pa(b, 1 << 20);
		unit->intel.irt_lg2 = 20;
	}
	add_domain(b, IOMMU_DOMAIN_SER_FMT_VTDSS, 3, 48, P4K);
	add_domain(b, IOMMU_DOMAIN_SER_FMT_VTDSS, 2, 39, P4K)->features =
		IOMMU_DOMAIN_SER_INCOHERENT;

	set_context(b, add_device(b, 0, 0x0100, hw, domain), 3);
	dev = add_device(b, 0, 0x0208, hw, domain);
	dev->nr_rids = 2;
	dev->rids[1] = 0x0200;
	set_context(b, dev, 3);
	set_context(b, add_device(b, 0, 0x0110, hw, domain + 1), 4);
	set_context(b, add_device(b, 0, 0x8000, hw + 1, domain), 7);
}

/* One unit; second-stage and first-stage domain. */
static void add_intel_scalable(struct built *b)
{
	uint32_t hw = b->hdr.nr_hw, domain = b->hdr.nr_domains;
	struct iommu_device_ser *dev;
	struct iommu_hw_ser *unit;
	uint64_t top;
	int i;

	unit = add_hw(b, IOMMU_HW_SER_INTEL, 0xfedc0000);
	unit->segment = 1;
	unit->intel.cap = 0x00d2008c222f0686;
	unit->intel.ecap = 0x00000804a0f00f5a;
	unit->intel.root_pa = pa(b, P4K);
	unit->intel.nr_context_tables = 1;
	unit->intel.flags = IOMMU_INTEL_SER_SCALABLE;
	unit->intel.prq_pa = pa(b, 1 << 16);
	unit->intel.prq_lg2 = 16;

	add_domain(b, IOMMU_DOMAIN_SER_FMT_VTDSS, 3, 48, P4K)->features =
		IOMMU_DOMAIN_SER_FORCE_SNOOP;
	add_domain(b, IOMMU_DOMAIN_SER_FMT_X86_64, 4, 57, P4K)->features =
		IOMMU_DOMAIN_SER_SIGN_EXTEND;

	for (i = 0; i < 2; i++) {
		dev = add_device(b, 1, 0x0300 + i, hw, domain + i);
		top = b->domain[dev->domain_index].top_pa;
		dev->intel.did = 2 + i;
		dev->intel.max_pasid = 1 << 20;
		dev->intel.nr_pasid_tables = 1;
		dev->intel.pasid_dir_pa = pa(b, dev->intel.max_pasid / 8);
		/* 2^20 / 64 directory entries: PDTS 7 */
		dev->intel.context_lo = 1 | 7 << 9 | dev->intel.pasid_dir_pa;
		dev->intel.pasid_entry[1] = dev->intel.did;
		if (i) {
			dev->intel.pasid_entry[0] = 1 | 1 << 6;
			dev->intel.pasid_entry[2] = 1 << 2 | top;
		} else {
			dev->intel.pasid_entry[0] = 1 | 2 << 6 | 2 << 2 | top;
		}
	}
}

/* A segment with two units; a domain on both, one on the second. */
static void add_amd(struct built *b)
{
	uint32_t hw = b->hdr.nr_hw, domain = b->hdr.nr_domains;
	struct iommu_device_ser *dev;
	struct iommu_hw_ser *unit;
	uint64_t table;
	int i;

	for (i = 0; i < 2; i++) {
		unit = add_hw(b, IOMMU_HW_SER_AMD, 0xfd100000 + i * 0x80000);
		unit->segment = 2;
		unit->amd.efr = 0x246577efa2254afa;
		unit->amd.efr2 = 0x10;
		unit->amd.control = 0x0000000000041d01;
		unit->amd.devid = 0x0002 + i * 0x8000;
		unit->amd.segment_index = hw + 2;
	}
	table = pa(b, 1 << 21);
	unit = add_hw(b, IOMMU_HW_SER_AMD_SEGMENT, table);
	unit->segment = 2;
	unit->amd_segment.dev_table_pa = table;
	unit->amd_segment.dev_table_size = 1 << 21;
	unit->amd_segment.last_bdf = 0xffff;

	add_domain(b, IOMMU_DOMAIN_SER_FMT_AMDV1, 2, 64, P4K)->oasz_lg2 = 52;
	add_domain(b, IOMMU_DOMAIN_SER_FMT_AMDV1, 3, 64, P4K)->oasz_lg2 = 52;

	for (i = 0; i < 3; i++) {
		struct iommu_domain_ser *d = &b->domain[domain + i / 2];

		dev = add_device(b, 2, 0x4100 + i * 0x100, hw + !!i, domain + i / 2);
		dev->amd.did = 5 + i / 2;
		/* V, TV, HAD, Mode, IR and IW */
		dev->amd.dte[0] = 3 | 3 << 7 | (d->top_level + 1) << 9 | d->top_pa | 3ULL << 61;
		dev->amd.dte[1] = dev->amd.did;
		dev->amd.dte[2] = 0x3;
	}
}

/* Two units: stage 1 with an MSI doorbell, stage 2 with concatenated top tables. */
static void add_smmuv3(struct built *b)
{
	uint32_t hw = b->hdr.nr_hw, domain = b->hdr.nr_domains;
	struct iommu_device_ser *dev;
	struct iommu_domain_ser *d;
	struct iommu_hw_ser *unit;
	int i;

	for (i = 0; i < 2; i++) {
		unit = add_hw(b, IOMMU_HW_SER_SMMUV3, 0x09050000 + i * 0x20000);
		unit->smmuv3.strtab_pa = pa(b, i ? 64 << 8 : P4K);
		unit->smmuv3.strtab_base = unit->smmuv3.strtab_pa | 1ULL << 62;
		/* two levels, 16 bits of stream id, SPLIT 8; linear, 8 bits */
		unit->smmuv3.strtab_base_cfg = i ? 8 : 1 << 16 | 8 << 6 | 16;
		unit->smmuv3.nr_l2_tables = i ? 0 : 2;
		unit->smmuv3.cr0 = 1;
		unit->smmuv3.cr1 = 0xd75;
		unit->smmuv3.cr2 = 0x6;
		unit->smmuv3.iidr = 0x43b;
		unit->smmuv3.aidr = 0x1;
		unit->smmuv3.idr0 = 0x0d44101b;
		unit->smmuv3.idr1 = 0x0e739d10;
		unit->smmuv3.idr3 = 0x4;
		unit->smmuv3.idr5 = 0x74;
	}

	d = add_domain(b, IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1, 3, 48, P4K);
	d->arm.tcr = 0x0000000200003510;
	d->arm.mair = 0x0000000000f404ff;
	d->arm.sw_msi_start = 0x8000000;
	d->arm.hw_index = hw;
	d->arm.granule_lg2 = 12;
	d->arm.top_lg2 = 12;
	d->arm.nr_sw_msi = 1;
	d->arm.sw_msi[0].iova = 0x8000000;
	d->arm.sw_msi[0].msi_pa = 0x08080000;

	d = add_domain(b, IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2, 2, 40, P4K * 2);
	d->oasz_lg2 = 40;
	d->arm.tcr = 0x0000000000023558;
	d->arm.flags = IOMMU_DOMAIN_ARM_SER_S2FWB;
	d->arm.hw_index = hw + 1;
	d->arm.granule_lg2 = 12;
	d->arm.top_lg2 = 13;

	for (i = 0; i < 2; i++) {
		dev = add_device(b, 3, 0x0008 + i * 8, hw, domain);
		dev->smmuv3.did = 11;
		dev->smmuv3.s1cdmax = 0;
		dev->smmuv3.cdtab_pa = pa(b, P4K);
		dev->smmuv3.sids[0] = 0x10008 + i * 8;
		dev->smmuv3.ste[0] = 1 | 5 << 1 | dev->smmuv3.cdtab_pa;
		dev->smmuv3.cd[0] = 11ULL << 48 | 1ULL << 41 | 1U << 31 | 0x3510;
		dev->smmuv3.cd[1] = b->domain[domain].top_pa;
		dev->smmuv3.cd[3] = 0x0000000000f404ff;
	}
	dev = add_device(b, 4, 0x0010, hw + 1, domain + 1);
	dev->smmuv3.did = 11;
	dev->smmuv3.sids[0] = 0x10;
	dev->smmuv3.ste[0] = 1 | 6 << 1;
	dev->smmuv3.ste[2] = 11 | 0x23558ULL << 32;
	dev->smmuv3.ste[3] = b->domain[domain + 1].top_pa;
}

static void done(struct built *b)
{
	lu_lay_out(b, NULL, 0);
}

void lu_build_intel(struct built *b)
{
	lu_build_init(b);
	add_intel(b);
	done(b);
}

void lu_build_scalable(struct built *b)
{
	lu_build_init(b);
	add_intel_scalable(b);
	done(b);
}

void lu_build_amd(struct built *b)
{
	lu_build_init(b);
	add_amd(b);
	done(b);
}

void lu_build_smmuv3(struct built *b)
{
	lu_build_init(b);
	add_smmuv3(b);
	done(b);
}

/* No machine has all of them; records of one kind must not disturb another. */
void lu_build_mixed(struct built *b)
{
	lu_build_init(b);
	add_intel(b);
	add_intel_scalable(b);
	add_amd(b);
	add_smmuv3(b);
	done(b);
}

const struct backend lu_backends[] = {
	{ "intel", lu_build_intel },
	{ "intel-scalable", lu_build_scalable },
	{ "amd", lu_build_amd },
	{ "smmuv3", lu_build_smmuv3 },
	{ "mixed", lu_build_mixed },
	{ NULL, NULL },
};

static const void *map(void *ctx, __u64 at, __u64 len)
{
	struct memory *m = ctx;

	if (at < MEM_BASE || at - MEM_BASE > (uint64_t)m->nr * MEM_PAGE ||
	    len > (uint64_t)m->nr * MEM_PAGE - (at - MEM_BASE))
		return NULL;
	return (uint8_t *)m->page + (at - MEM_BASE);
}

static uint64_t lay_out_list(struct memory *m, unsigned int *used, const void *records,
			     size_t size, size_t nr, size_t per_block)
{
	uint64_t head = nr ? MEM_BASE + *used * MEM_PAGE : 0;
	struct iommu_lu_block block;
	unsigned int page;

	while (nr) {
		page = (*used)++;
		block.count = nr < per_block ? nr : per_block;
		nr -= block.count;
		block.next = nr ? MEM_BASE + *used * MEM_PAGE : 0;
		if (m) {
			memcpy(m->page[page], &block, sizeof(block));
			memcpy(m->page[page] + sizeof(block), records, block.count * size);
		}
		records = (const char *)records + block.count * size;
	}
	return head;
}

/**
 * lu_lay_out - put a blob into memory
 * @b: its header is completed
 * @m: filled in; NULL if only the header is wanted
 * @per_block: records in a block, 0 for as many as fit
 */
void lu_lay_out(struct built *b, struct memory *m, unsigned int per_block)
{
	size_t room = MEM_PAGE - sizeof(struct iommu_lu_block);
	unsigned int used = 1;

	if (m)
		memset(m, 0, sizeof(*m));
#define LIST(array, nr) \
	lay_out_list(m, &used, array, sizeof((array)[0]), nr, \
		     per_block ? per_block : room / sizeof((array)[0]))
	b->hdr.hw_blocks = LIST(b->hw, b->hdr.nr_hw);
	b->hdr.domain_blocks = LIST(b->domain, b->hdr.nr_domains);
	b->hdr.device_blocks = LIST(b->device, b->hdr.nr_devices);
#undef LIST
	if (!m)
		return;
	memcpy(m->page[0], &b->hdr, sizeof(b->hdr));
	m->nr = used;
	m->mem.map = map;
	m->mem.ctx = m;
}
