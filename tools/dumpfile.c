// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "dumpfile.h"

static void take(void *to, size_t size, size_t stride, size_t nr, const char *from)
{
	size_t copy = stride < size ? stride : size;
	size_t i;

	for (i = 0; i < nr; i++)
		memcpy((char *)to + i * size, from + i * stride, copy);
}

/* calloc() of nothing may be NULL; a pointer is wanted all the same. */
static void *array(size_t nr, size_t size)
{
	return calloc(nr ? nr : 1, size);
}

/**
 * dumpfile_parse - read a file and judge what is in it
 * @data: contents of the file
 * @len: bytes in @data
 * @caps: what the reader understands
 * @d: filled in; to be freed with dumpfile_free() also after an error
 *
 * Return: NULL, or what is wrong with the file, as opposed to the blob in it.
 */
const char *dumpfile_parse(const void *data, size_t len, const struct iommu_lu_caps *caps,
			   struct dumpfile *d)
{
	struct iommu_lu_blob *b = &d->blob;
	struct iommu_lu_hdr *hdr = &d->hdr;
	struct iommu_lu_dump head;
	const char *p = data;

	memset(d, 0, sizeof(*d));
	if (len < sizeof(head))
		return "it is too short";
	memcpy(&head, p, sizeof(head));
	if (head.magic != IOMMU_LU_DUMP_MAGIC)
		return "it is not a dump of IOMMU live update state";
	if (head.len < sizeof(head) || head.len > len)
		return "its head is damaged";
	d->incoming = !!(head.flags & IOMMU_LU_DUMP_INCOMING);
	p += head.len;
	len -= head.len;

	memcpy(hdr, p, len < sizeof(*hdr) ? len : sizeof(*hdr));
	b->hdr = hdr;
	d->err = iommu_lu_verify_hdr(hdr, len, caps);
	if (d->err && d->err != IOMMU_LU_HDR_NOT_SEALED)
		return NULL;
	p += hdr->len;
	len -= hdr->len;

	if (!len && d->incoming && (hdr->nr_hw || hdr->nr_domains || hdr->nr_devices))
		return "the kernel could not read its records";
	if ((__u64)hdr->nr_hw * hdr->hw_size + (__u64)hdr->nr_domains * hdr->domain_size +
	    (__u64)hdr->nr_devices * hdr->device_size > len)
		return "it is cut off";

	b->scratch_len = iommu_lu_scratch_len(hdr);
	b->hw = array(hdr->nr_hw, sizeof(*b->hw));
	b->domain = array(hdr->nr_domains, sizeof(*b->domain));
	b->device = array(hdr->nr_devices, sizeof(*b->device));
	b->hw_verdict = array(hdr->nr_hw, sizeof(*b->hw_verdict));
	b->domain_verdict = array(hdr->nr_domains, sizeof(*b->domain_verdict));
	b->device_verdict = array(hdr->nr_devices, sizeof(*b->device_verdict));
	b->scratch = array(b->scratch_len, sizeof(*b->scratch));
	if (!b->hw || !b->domain || !b->device || !b->hw_verdict || !b->domain_verdict ||
	    !b->device_verdict || !b->scratch)
		return "it does not fit into memory";

	take(b->hw, sizeof(*b->hw), hdr->hw_size, hdr->nr_hw, p);
	p += (size_t)hdr->nr_hw * hdr->hw_size;
	take(b->domain, sizeof(*b->domain), hdr->domain_size, hdr->nr_domains, p);
	p += (size_t)hdr->nr_domains * hdr->domain_size;
	take(b->device, sizeof(*b->device), hdr->device_size, hdr->nr_devices, p);

	d->refused = iommu_lu_verify_blob(b, caps);
	return NULL;
}

void dumpfile_free(struct dumpfile *d)
{
	free(d->blob.hw);
	free(d->blob.domain);
	free(d->blob.device);
	free(d->blob.hw_verdict);
	free(d->blob.domain_verdict);
	free(d->blob.device_verdict);
	free(d->blob.scratch);
}
