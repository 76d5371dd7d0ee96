// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer target over everything that reads what it cannot trust.
 *
 * The first byte says how to take the rest:
 *   0  a dump file
 *   1  physical memory from MEM_BASE on, 512 bytes of each page and zeros then;
 *      the header is at the start
 *   2  a kernel image
 *
 * Whatever passes is looked at again in the slow and obvious way.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/dumpfile.h"
#include "fuzz.h"

#define MEM_BASE	0x100000ULL
#define PAGE		4096
#define PART		512
#define MAX_PAGES	64
#define MAX_RECORDS	512

/* Not assert(): must not depend on NDEBUG, and the line is what matters. */
#define MUST(cond) do { if (!(cond)) __builtin_trap(); } while (0)

static int is_good(const struct iommu_lu_verdict *v)
{
	return !v->err;
}

static int rids_meet(const struct iommu_device_ser *a, const struct iommu_device_ser *b)
{
	int i, j;

	if (a->segment != b->segment)
		return 0;
	for (i = 0; i < a->nr_rids; i++)
		for (j = 0; j < b->nr_rids; j++)
			if (a->rids[i] == b->rids[j])
				return 1;
	return 0;
}

static uint64_t table_of(const struct iommu_hw_ser *hw)
{
	switch (hw->type) {
	case IOMMU_HW_SER_INTEL:
		return hw->intel.root_pa;
	case IOMMU_HW_SER_AMD_SEGMENT:
		return hw->amd_segment.dev_table_pa;
	case IOMMU_HW_SER_SMMUV3:
		return hw->smmuv3.strtab_pa;
	default:
		return hw->token;
	}
}

/* What a driver may rely on for records that passed, in O(n^2). */
static void look_again(const struct iommu_lu_blob *b)
{
	const struct iommu_lu_hdr *hdr = b->hdr;
	uint32_t i, j;

	for (i = 0; i < hdr->nr_hw; i++) {
		const struct iommu_hw_ser *hw = &b->hw[i];

		if (!is_good(&b->hw_verdict[i]))
			continue;
		MUST(hw->token && hw->token % PAGE == 0 && table_of(hw) % PAGE == 0);
		MUST(table_of(hw) && table_of(hw) < 1ULL << 52);
		if (hw->type == IOMMU_HW_SER_AMD) {
			MUST(hw->amd.segment_index < hdr->nr_hw);
			MUST(is_good(&b->hw_verdict[hw->amd.segment_index]));
			MUST(b->hw[hw->amd.segment_index].type == IOMMU_HW_SER_AMD_SEGMENT);
		}
		for (j = 0; j < i; j++) {
			if (!is_good(&b->hw_verdict[j]))
				continue;
			MUST(hw->token != b->hw[j].token && table_of(hw) != table_of(&b->hw[j]));
		}
	}
	for (i = 0; i < hdr->nr_domains; i++) {
		const struct iommu_domain_ser *dom = &b->domain[i];

		if (!is_good(&b->domain_verdict[i]))
			continue;
		MUST(dom->top_pa && dom->top_pa % PAGE == 0 && dom->top_pa < 1ULL << 52);
		MUST(dom->nr_tables && dom->iommufd_id && dom->top_level <= 5);
		for (j = 0; j < i; j++) {
			if (!is_good(&b->domain_verdict[j]))
				continue;
			MUST(dom->top_pa != b->domain[j].top_pa);
			MUST(dom->token != b->domain[j].token ||
			     dom->iommufd_id != b->domain[j].iommufd_id);
		}
		for (j = 0; j < hdr->nr_hw; j++)
			MUST(!is_good(&b->hw_verdict[j]) || table_of(&b->hw[j]) != dom->top_pa);
	}
	for (i = 0; i < hdr->nr_devices; i++) {
		const struct iommu_device_ser *dev = &b->device[i];

		if (!is_good(&b->device_verdict[i]))
			continue;
		MUST(dev->hw_index < hdr->nr_hw && is_good(&b->hw_verdict[dev->hw_index]));
		MUST(dev->domain_index < hdr->nr_domains);
		MUST(is_good(&b->domain_verdict[dev->domain_index]));
		MUST(dev->nr_rids && dev->nr_rids <= IOMMU_DEVICE_SER_MAX_RIDS);
		MUST(dev->rids[0] == dev->bdf);
		for (j = 0; j < i; j++) {
			const struct iommu_device_ser *other = &b->device[j];

			if (!is_good(&b->device_verdict[j]))
				continue;
			MUST(!rids_meet(dev, other));
			if (dev->hw_index != other->hw_index ||
			    b->hw[dev->hw_index].type != IOMMU_HW_SER_INTEL)
				continue;
			MUST((dev->intel.did == other->intel.did) ==
			     (dev->domain_index == other->domain_index));
		}
	}
}

static void count_again(const struct iommu_lu_blob *b, int refused)
{
	uint32_t i;
	int n = 0;

	for (i = 0; i < b->hdr->nr_hw; i++)
		n += !is_good(&b->hw_verdict[i]);
	for (i = 0; i < b->hdr->nr_domains; i++)
		n += !is_good(&b->domain_verdict[i]);
	for (i = 0; i < b->hdr->nr_devices; i++)
		n += !is_good(&b->device_verdict[i]);
	MUST(n == refused);
}

static void fuzz_flat(const uint8_t *data, size_t size)
{
	struct dumpfile d;

	if (!dumpfile_parse(data, size, &iommu_lu_this_build, &d) &&
	    (!d.err || d.err == IOMMU_LU_HDR_NOT_SEALED)) {
		count_again(&d.blob, d.refused);
		if (d.hdr.nr_hw + d.hdr.nr_domains + d.hdr.nr_devices <= MAX_RECORDS)
			look_again(&d.blob);
	}
	dumpfile_free(&d);
}

static _Alignas(8) uint8_t memory[MAX_PAGES * PAGE];
static size_t nr_pages;

static const void *map(void *ctx, __u64 pa, __u64 len)
{
	(void)ctx;
	if (pa < MEM_BASE || pa - MEM_BASE >= nr_pages * PAGE)
		return NULL;
	if (len > nr_pages * PAGE - (pa - MEM_BASE))
		return NULL;
	return memory + (pa - MEM_BASE);
}

static void fuzz_blocks(const uint8_t *data, size_t size)
{
	struct iommu_lu_memory mem = { .map = map };
	struct iommu_lu_hdr hdr;
	struct iommu_lu_blob b = { .hdr = &hdr };
	enum iommu_lu_kind kind;
	size_t i;

	nr_pages = (size + PART - 1) / PART;
	if (!nr_pages || nr_pages > MAX_PAGES)
		return;
	for (i = 0; i < nr_pages; i++) {
		size_t len = size - i * PART < PART ? size - i * PART : PART;

		memcpy(memory + i * PAGE, data + i * PART, len);
		/* what is beyond stays zero, except in a page that was shorter before */
		memset(memory + i * PAGE + len, 0, PART - len);
	}
	memcpy(&hdr, memory, sizeof(hdr));
	if (iommu_lu_verify_hdr(&hdr, PAGE, &iommu_lu_this_build))
		return;
	if (hdr.nr_hw > MAX_RECORDS || hdr.nr_domains > MAX_RECORDS ||
	    hdr.nr_devices > MAX_RECORDS)
		return;

	/* no byte more than there may be, for the sanitizer to see */
	b.scratch_len = iommu_lu_scratch_len(&hdr);
	b.hw = malloc(hdr.nr_hw * sizeof(*b.hw));
	b.domain = malloc(hdr.nr_domains * sizeof(*b.domain));
	b.device = malloc(hdr.nr_devices * sizeof(*b.device));
	b.hw_verdict = malloc(hdr.nr_hw * sizeof(*b.hw_verdict));
	b.domain_verdict = malloc(hdr.nr_domains * sizeof(*b.domain_verdict));
	b.device_verdict = malloc(hdr.nr_devices * sizeof(*b.device_verdict));
	b.scratch = malloc(b.scratch_len * sizeof(*b.scratch));
	if (!iommu_lu_read_blob(&mem, &b, &kind)) {
		count_again(&b, iommu_lu_verify_blob(&b, &iommu_lu_this_build));
		look_again(&b);
	}
	free(b.hw);
	free(b.domain);
	free(b.device);
	free(b.hw_verdict);
	free(b.domain_verdict);
	free(b.device_verdict);
	free(b.scratch);
}

static void fuzz_image(const uint8_t *data, size_t size)
{
	struct iommu_lu_caps caps;

	if (!iommu_lu_find_note(data, size, &caps))
		MUST(caps.version >= caps.oldest && caps.oldest);
}

/*
 * Every second time, copy a field over another one of the same size: what
 * records say of each other goes wrong by values that are right elsewhere.
 */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size_t len = 2U << (seed >> 1) % 3, n, from, to;

	if (seed & 1 || size < 64)
		return LLVMFuzzerMutate(data, size, max_size);
	/* behind the byte that says how to read it, fields are aligned */
	n = (size - 1) / len;
	seed >>= 3;
	to = seed % n;
	from = seed / n % n;
	/* most often from nearby, where the record before or after it is */
	if (seed & 0x1000000)
		from = (to + n + (seed >> 16) % 256 - 128) % n;
	memmove(data + 1 + to * len, data + 1 + from * len, len);
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (data[0] % 3) {
	case 0:
		fuzz_flat(data + 1, size - 1);
		break;
	case 1:
		fuzz_blocks(data + 1, size - 1);
		break;
	case 2:
		fuzz_image(data + 1, size - 1);
		break;
	}
	return 0;
}
