// SPDX-License-Identifier: GPL-2.0
/*
 * Taking a blob out of its chains of blocks.
 *
 * Nothing in a block is believed before it is checked, and memory is reached
 * only by way of the caller: the kernel and the tests use the same code.
 */
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif
#include "validate.h"

#define MAX_PHYS	(1ULL << 52)

static int less(const struct iommu_lu_scratch *s, const struct iommu_lu_scratch *t)
{
	if (s->a != t->a)
		return s->a < t->a;
	if (s->b != t->b)
		return s->b < t->b;
	if (s->kind != t->kind)
		return s->kind < t->kind;
	return s->index < t->index;
}

static void sift_down(struct iommu_lu_scratch *s, __u64 i, __u64 n)
{
	struct iommu_lu_scratch tmp = s[i];
	__u64 child;

	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && less(&s[child], &s[child + 1]))
			child++;
		if (!less(&tmp, &s[child]))
			break;
		s[i] = s[child];
		i = child;
	}
	s[i] = tmp;
}

/**
 * iommu_lu_sort - sort by all members, in place
 * @s: elements
 * @n: number of them
 *
 * Heapsort: O(n log n) whatever the input is, no recursion.
 */
void iommu_lu_sort(struct iommu_lu_scratch *s, __u64 n)
{
	struct iommu_lu_scratch tmp;
	__u64 i;

	for (i = n / 2; i--;)
		sift_down(s, i, n);
	for (i = n; i-- > 1;) {
		tmp = s[0];
		s[0] = s[i];
		s[i] = tmp;
		sift_down(s, 0, i);
	}
}

static const struct iommu_lu_block *map_block(const struct iommu_lu_memory *mem, __u64 pa,
					      __u32 page_shift, enum iommu_lu_err *err)
{
	const struct iommu_lu_block *block;
	__u64 size = 1ULL << page_shift;

	*err = IOMMU_LU_BLOCK_ADDRESS;
	if (pa & (size - 1) || pa > MAX_PHYS - size)
		return NULL;
	*err = IOMMU_LU_BLOCK_UNMAPPED;
	block = mem->map(mem->ctx, pa, size);
	if (block)
		*err = IOMMU_LU_OK;
	return block;
}

/*
 * Brent: a marker stays behind while the walk goes on, and is moved up at every
 * power of two. A walk in a cycle meets it. The limit is more than a sound list
 * can have, as no block is empty.
 */
static enum iommu_lu_err find_cycle(const struct iommu_lu_memory *mem, __u64 head_pa,
				    __u32 page_shift, __u32 nr)
{
	const struct iommu_lu_block *block;
	__u64 pa = head_pa, marker = 0, steps = 0, limit = 4ULL * nr + 16, move_at = 1;
	enum iommu_lu_err err;

	while (pa && steps < limit) {
		if (pa == marker)
			return IOMMU_LU_BLOCK_CYCLE;
		if (++steps == move_at) {
			marker = pa;
			move_at *= 2;
		}
		block = map_block(mem, pa, page_shift, &err);
		if (!block)
			return err;
		pa = block->next;
	}
	return pa ? IOMMU_LU_BLOCK_EXCESS : IOMMU_LU_OK;
}

/**
 * iommu_lu_read_list - copy the records of one list
 * @mem: memory
 * @head_pa: first block, 0 if there is none
 * @page_shift: log2 of the size of a block, 12 to 16
 * @stride: distance of two records in a block, as the writer knew it
 * @nr: number of records according to the header
 * @records: where to copy them, @nr times @size bytes
 * @size: size of a record as we know it
 * @blocks: where to note the addresses of the blocks; room for @nr
 * @nr_blocks: incremented by the number of blocks
 *
 * Shorter records are filled up with zeros, longer ones are cut off.
 */
enum iommu_lu_err iommu_lu_read_list(const struct iommu_lu_memory *mem, __u64 head_pa,
				     __u32 page_shift, __u32 stride, __u32 nr,
				     void *records, __u32 size,
				     struct iommu_lu_scratch *blocks, __u64 *nr_blocks)
{
	__u32 copy = stride < size ? stride : size;
	const struct iommu_lu_block *block;
	enum iommu_lu_err err;
	__u64 pa, count, fit;
	char *to = records;
	__u32 done = 0;

	fit = ((1ULL << page_shift) - sizeof(*block)) / stride;
	err = find_cycle(mem, head_pa, page_shift, nr);
	if (err)
		return err;

	for (pa = head_pa; pa; pa = block->next) {
		const char *from;

		block = map_block(mem, pa, page_shift, &err);
		if (!block)
			return err;
		count = block->count;
		if (!count)
			return IOMMU_LU_BLOCK_EMPTY;
		if (count > fit)
			return IOMMU_LU_BLOCK_COUNT;
		if (count > nr - done)
			return IOMMU_LU_BLOCK_EXCESS;
		done += count;
		blocks[(*nr_blocks)++] = (struct iommu_lu_scratch) { .a = pa };

		for (from = (const char *)(block + 1); count--; from += stride, to += size) {
			memcpy(to, from, copy);
			memset(to + copy, 0, size - copy);
		}
	}
	return done == nr ? IOMMU_LU_OK : IOMMU_LU_BLOCK_MISSING;
}

/**
 * iommu_lu_read_blob - copy all records out of their blocks
 * @mem: memory
 * @blob: @hdr, scratch memory and room for the records; those are filled in
 * @kind: which list was damaged, %IOMMU_LU_BLOB if it is more than one
 *
 * The header was checked by iommu_lu_verify_hdr(). What was copied on failure
 * means nothing.
 */
enum iommu_lu_err iommu_lu_read_blob(const struct iommu_lu_memory *mem,
				     const struct iommu_lu_blob *blob, enum iommu_lu_kind *kind)
{
	const struct iommu_lu_hdr *hdr = blob->hdr;
	struct iommu_lu_scratch *s = blob->scratch;
	enum iommu_lu_err err;
	__u64 i, n = 0;

	*kind = IOMMU_LU_BLOB;
	if (blob->scratch_len < iommu_lu_scratch_len(hdr))
		return IOMMU_LU_SCRATCH;

	*kind = IOMMU_LU_HW;
	err = iommu_lu_read_list(mem, hdr->hw_blocks, hdr->page_shift, hdr->hw_size, hdr->nr_hw,
				 blob->hw, sizeof(*blob->hw), s, &n);
	if (err)
		return err;
	*kind = IOMMU_LU_DOMAIN;
	err = iommu_lu_read_list(mem, hdr->domain_blocks, hdr->page_shift, hdr->domain_size,
				 hdr->nr_domains, blob->domain, sizeof(*blob->domain), s, &n);
	if (err)
		return err;
	*kind = IOMMU_LU_DEVICE;
	err = iommu_lu_read_list(mem, hdr->device_blocks, hdr->page_shift, hdr->device_size,
				 hdr->nr_devices, blob->device, sizeof(*blob->device), s, &n);
	if (err)
		return err;

	*kind = IOMMU_LU_BLOB;
	iommu_lu_sort(s, n);
	for (i = 1; i < n; i++)
		if (s[i].a == s[i - 1].a)
			return IOMMU_LU_BLOCK_SHARED;
	return IOMMU_LU_OK;
}
