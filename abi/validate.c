// SPDX-License-Identifier: GPL-2.0
/*
 * Checks of an incoming blob, record by record. No kernel dependencies.
 *
 * Each check returns 0, or a negative errno and in @why the reason as a short
 * phrase that fits into "not taken over: %s".
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/kho/abi/iommu-lu.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <string.h>
#include "iommu-lu.h"
#endif

#define REFUSE(err, text) do { *why = (text); return -(err); } while (0)

#define PAGE_4K		4096ULL
/* Physical addresses above 52 bits exist on none of the architectures. */
#define MAX_PHYS	(1ULL << 52)

static int all_zero(const void *p, size_t len)
{
	const unsigned char *c = p;

	while (len--)
		if (*c++)
			return 0;
	return 1;
}

static int bad_table(__u64 pa)
{
	return !pa || pa % PAGE_4K || pa >= MAX_PHYS;
}

/**
 * iommu_lu_check_hdr - may this blob be read at all?
 * @hdr: head of the blob
 * @len: bytes that are known to be readable at @hdr
 * @why: reason of a refusal
 *
 * Return: 0, -EINVAL not a blob, -EPROTO a version or feature this kernel does
 * not know, -ESTALE never sealed.
 */
int iommu_lu_check_hdr(const struct iommu_lu_hdr *hdr, __u64 len, const char **why)
{
	if (len < sizeof(*hdr))
		REFUSE(EINVAL, "blob is shorter than its header");
	if (hdr->magic != IOMMU_LU_MAGIC)
		REFUSE(EINVAL, "wrong magic");
	if (hdr->min_version > hdr->version)
		REFUSE(EINVAL, "minimum version above version");
	if (hdr->min_version > IOMMU_LU_VERSION)
		REFUSE(EPROTO, "written for a newer kernel");
	if (hdr->version < IOMMU_LU_MIN_VERSION)
		REFUSE(EPROTO, "version too old");
	if (hdr->must_understand)
		REFUSE(EPROTO, "unknown must-understand bit");
	if (hdr->len < sizeof(*hdr) || hdr->len > len)
		REFUSE(EINVAL, "header length out of range");
	if (hdr->version == IOMMU_LU_VERSION &&
	    (hdr->flags & ~IOMMU_LU_HDR_SEALED || hdr->reserved0 ||
	     !all_zero(hdr->reserved, sizeof(hdr->reserved))))
		REFUSE(EINVAL, "reserved header field is not zero");
	if (!(hdr->flags & IOMMU_LU_HDR_SEALED))
		REFUSE(ESTALE, "not sealed");
	if (!hdr->nr_hw != !hdr->hw_blocks || !hdr->nr_domains != !hdr->domain_blocks ||
	    !hdr->nr_devices != !hdr->device_blocks)
		REFUSE(EINVAL, "count and list disagree");
	return 0;
}

/**
 * iommu_lu_check_hw - is the record of a unit sound in itself?
 * @ser: record
 * @why: reason of a refusal
 *
 * Return: 0, -EINVAL, or -EOPNOTSUPP for a type that is not known.
 */
int iommu_lu_check_hw(const struct iommu_hw_ser *ser, const char **why)
{
	if (!ser->token || ser->token % PAGE_4K)
		REFUSE(EINVAL, "unit token is not a register address");
	if (ser->type != IOMMU_HW_SER_INTEL)
		REFUSE(EOPNOTSUPP, "unknown type of unit");
	if (bad_table(ser->intel.root_pa))
		REFUSE(EINVAL, "root table address");
	if (ser->intel.nr_context_tables > 512)
		REFUSE(EINVAL, "number of context tables");
	if (ser->intel.flags & ~IOMMU_INTEL_SER_SCALABLE)
		REFUSE(EINVAL, "unknown flag of unit");
	if (!all_zero(ser->intel.reserved, sizeof(*ser) - offsetof(struct iommu_hw_ser,
								    intel.reserved)))
		REFUSE(EINVAL, "reserved field of unit is not zero");
	return 0;
}

/**
 * iommu_lu_check_domain - is the record of a domain sound in itself?
 * @ser: record
 * @why: reason of a refusal
 *
 * Return: 0 or -EINVAL.
 */
int iommu_lu_check_domain(const struct iommu_domain_ser *ser, const char **why)
{
	if (!ser->iommufd_id)
		REFUSE(EINVAL, "domain without iommufd");
	if (!ser->format || ser->format > IOMMU_DOMAIN_SER_FMT_RISCV_64)
		REFUSE(EINVAL, "unknown page table format");
	if (bad_table(ser->top_pa))
		REFUSE(EINVAL, "top table address");
	if (!ser->nr_tables)
		REFUSE(EINVAL, "number of tables");
	if (ser->top_level > 6 || ser->vasz_lg2 > 64 || ser->vasz_lg2 < 12 ||
	    ser->oasz_lg2 > 52 || ser->oasz_lg2 < 12)
		REFUSE(EINVAL, "page table geometry");
	if (ser->features & ~(IOMMU_DOMAIN_SER_INCOHERENT | IOMMU_DOMAIN_SER_SIGN_EXTEND |
			      IOMMU_DOMAIN_SER_FORCE_SNOOP))
		REFUSE(EINVAL, "unknown feature of domain");
	if (!all_zero(ser->reserved0, sizeof(*ser) - offsetof(struct iommu_domain_ser, reserved0)))
		REFUSE(EINVAL, "reserved field of domain is not zero");
	return 0;
}

/**
 * iommu_lu_check_device - is the record of a device sound, and its links?
 * @ser: record
 * @hdr: head of the blob, already checked
 * @why: reason of a refusal
 *
 * Return: 0 or -EINVAL.
 */
int iommu_lu_check_device(const struct iommu_device_ser *ser, const struct iommu_lu_hdr *hdr,
			  const char **why)
{
	__u16 i;

	if (ser->hw_index >= hdr->nr_hw)
		REFUSE(EINVAL, "link to unit out of range");
	if (ser->domain_index >= hdr->nr_domains)
		REFUSE(EINVAL, "link to domain out of range");
	if (ser->pasid != IOMMU_DEVICE_SER_NO_PASID)
		REFUSE(EINVAL, "PASID attachment");
	if (!ser->nr_rids || ser->nr_rids > IOMMU_DEVICE_SER_MAX_RIDS)
		REFUSE(EINVAL, "number of requester ids");
	for (i = 0; i < IOMMU_DEVICE_SER_MAX_RIDS; i++)
		if (i >= ser->nr_rids && ser->rids[i])
			REFUSE(EINVAL, "unused requester id is not zero");
	if (ser->reserved0 ||
	    !all_zero(ser->intel.reserved, sizeof(*ser) - offsetof(struct iommu_device_ser,
								   intel.reserved)))
		REFUSE(EINVAL, "reserved field of device is not zero");
	return 0;
}

/**
 * iommu_lu_check_image - can this kernel image take our blob?
 * @image: the file: bzImage, Image or vmlinux
 * @len: bytes in @image
 * @why: reason of a refusal
 *
 * Return: 0, -ENOEXEC no note found, -EPROTO it does not read our version.
 */
int iommu_lu_check_image(const void *image, __u64 len, const char **why)
{
	const char *p = image, *end = p + len;
	struct iommu_lu_image_note note;

	while (p && end - p >= (long)sizeof(note)) {
		p = memchr(p, IOMMU_LU_IMAGE_MAGIC[0], end - p - sizeof(note) + 1);
		if (!p)
			break;
		memcpy(&note, p++, sizeof(note));
		if (memcmp(note.magic, IOMMU_LU_IMAGE_MAGIC, sizeof(note.magic)))
			continue;
		if (note.version < IOMMU_LU_MIN_VERSION || note.oldest > IOMMU_LU_VERSION)
			REFUSE(EPROTO, "it does not read our version of the state");
		return 0;
	}
	REFUSE(ENOEXEC, "it has no IOMMU live update");
}
