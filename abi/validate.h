/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checks of a blob and of a kernel image. No kernel dependencies, no
 * allocation, no recursion; nothing here is part of the ABI.
 *
 * Four layers, each relying on those before it:
 *
 *   1. head of the blob            iommu_lu_verify_hdr()
 *   2. chains of blocks            iommu_lu_read_blob()
 *   3. each record in itself       iommu_lu_verify_hw() ..._domain() ..._device()
 *   4. records against each other  iommu_lu_verify_blob(), includes 3
 *
 * What the hardware says is compared with the records by the driver, and
 * whether an address is inherited memory by KHO when it is restored.
 *
 * A failure in 1 or 2 is one of the whole blob. One in 3 or 4 is one of a unit,
 * a domain or a device, and of what links to it, and of nothing else.
 */
#ifndef IOMMU_LU_VALIDATE_H
#define IOMMU_LU_VALIDATE_H

#ifdef __KERNEL__
#include <linux/kho/abi/iommu-lu.h>
#else
#include "iommu-lu.h"
#endif

/* name, errno, text that fits into "not taken over: %s" */
#define IOMMU_LU_ERRORS(X)							\
	/* head */								\
	X(HDR_SHORT, EINVAL, "blob is shorter than its header")			\
	X(HDR_MAGIC, EINVAL, "wrong magic")					\
	X(HDR_VERSION, EINVAL, "minimum version above version")			\
	X(HDR_TOO_NEW, EPROTO, "written for a newer kernel")			\
	X(HDR_TOO_OLD, EPROTO, "version too old")				\
	X(HDR_MUST_UNDERSTAND, EPROTO, "unknown must-understand bit")		\
	X(HDR_LEN, EINVAL, "header length out of range")			\
	X(HDR_FLAGS, EINVAL, "unknown header flag")				\
	X(HDR_RESERVED, EINVAL, "reserved header field is not zero")		\
	X(HDR_PAGE_SIZE, EINVAL, "page size differs")				\
	X(HDR_RECORD_SIZE, EINVAL, "size of a record out of range")		\
	X(HDR_COUNT, EINVAL, "more records than can be")			\
	X(HDR_LIST, EINVAL, "count and list disagree")				\
	X(HDR_NOT_SEALED, ESTALE, "not sealed")					\
	/* blocks */								\
	X(BLOCK_ADDRESS, EINVAL, "misaligned or impossible address of a block")	\
	X(BLOCK_UNMAPPED, EFAULT, "address of a block is not memory")		\
	X(BLOCK_EMPTY, EINVAL, "block without records")				\
	X(BLOCK_COUNT, EINVAL, "block with more records than fit")		\
	X(BLOCK_CYCLE, ELOOP, "blocks form a cycle")				\
	X(BLOCK_SHARED, EINVAL, "block belongs to two lists")			\
	X(BLOCK_EXCESS, EINVAL, "more records than the header says")		\
	X(BLOCK_MISSING, EINVAL, "fewer records than the header says")		\
	X(SCRATCH, ENOSPC, "scratch buffer too small")				\
	/* units */								\
	X(HW_TOKEN, EINVAL, "unit token is not a register address")		\
	X(HW_TYPE, EOPNOTSUPP, "unknown type of unit")				\
	X(HW_DRIVER, EOPNOTSUPP, "no driver for this type of unit")		\
	X(HW_SEGMENT, EINVAL, "PCI segment of unit out of range")		\
	X(HW_FLAGS, EINVAL, "unknown flag of unit")				\
	X(HW_REGISTER, EINVAL, "register images of unit contradict each other")	\
	X(HW_TABLE, EINVAL, "misaligned table address of unit")			\
	X(HW_TABLE_RANGE, EINVAL, "table of unit exceeds physical memory")	\
	X(HW_TABLE_SIZE, EINVAL, "size or number of tables of unit")		\
	X(HW_RESERVED, EINVAL, "reserved field of unit is not zero")		\
	X(HW_LINK, EINVAL, "link to device table out of range")			\
	X(HW_LINK_TYPE, EINVAL, "link to device table leads elsewhere")		\
	X(HW_TWICE, EINVAL, "unit recorded twice")				\
	X(HW_SEGMENT_TWICE, EINVAL, "two device tables for a segment")		\
	X(HW_OVERLAP, EINVAL, "table of unit overlaps another table")		\
	X(HW_LINK_FAILED, EINVAL, "its device table is not taken over")		\
	/* domains */								\
	X(DOMAIN_IOMMUFD, EINVAL, "domain without iommufd")			\
	X(DOMAIN_FORMAT, EOPNOTSUPP, "unknown page table format")		\
	X(DOMAIN_FEATURES, EINVAL, "unknown feature of domain")			\
	X(DOMAIN_GEOMETRY, EINVAL, "page table geometry")			\
	X(DOMAIN_TABLE, EINVAL, "misaligned top table address")			\
	X(DOMAIN_TABLE_RANGE, EINVAL, "top table exceeds physical memory")	\
	X(DOMAIN_COUNT, EINVAL, "number of tables")				\
	X(DOMAIN_PGSIZE, EINVAL, "page sizes of domain")			\
	X(DOMAIN_MSI, EINVAL, "MSI doorbells of domain")			\
	X(DOMAIN_RESERVED, EINVAL, "reserved field of domain is not zero")	\
	X(DOMAIN_LINK, EINVAL, "link of domain to unit out of range")		\
	X(DOMAIN_LINK_TYPE, EINVAL, "domain linked to another type of unit")	\
	X(DOMAIN_TWICE, EINVAL, "token of domain is used twice")		\
	X(DOMAIN_OVERLAP, EINVAL, "top table overlaps another table")		\
	X(DOMAIN_LINK_FAILED, EINVAL, "unit of domain is not taken over")	\
	/* devices */								\
	X(DEVICE_IDENTITY, EINVAL, "PCI address or class out of range")		\
	X(DEVICE_PASID, EOPNOTSUPP, "PASID attachment")				\
	X(DEVICE_RID_COUNT, EINVAL, "number of requester ids")			\
	X(DEVICE_RID_OWN, EINVAL, "first requester id is not its own")		\
	X(DEVICE_RID_REPEATED, EINVAL, "requester id repeated")			\
	X(DEVICE_RID_UNUSED, EINVAL, "unused requester id is not zero")		\
	X(DEVICE_FLAGS, EINVAL, "unknown flag of device")			\
	X(DEVICE_CONTROL, EINVAL, "ATS or PASID control of device out of range")	\
	X(DEVICE_ATS, EINVAL, "ATS of device is on, its entry does not allow it")	\
	X(DEVICE_RESERVED, EINVAL, "reserved field of device is not zero")	\
	X(DEVICE_HW_LINK, EINVAL, "link to unit out of range")			\
	X(DEVICE_HW_TYPE, EINVAL, "link to something that does not translate")	\
	X(DEVICE_SEGMENT, EINVAL, "unit is of another PCI segment")		\
	X(DEVICE_DOMAIN_LINK, EINVAL, "link to domain out of range")		\
	X(DEVICE_FORMAT, EINVAL, "unit does not know this page table format")	\
	X(DEVICE_OTHER_UNIT, EINVAL, "domain belongs to another unit")		\
	X(DEVICE_DID, EINVAL, "domain id out of range")				\
	X(DEVICE_TABLE, EINVAL, "misaligned table address of device")		\
	X(DEVICE_TABLE_RANGE, EINVAL, "table of device exceeds physical memory") \
	X(DEVICE_TABLE_SIZE, EINVAL, "size or number of tables of device")	\
	X(DEVICE_ENTRY, EINVAL, "table entry does not fit domain or unit")	\
	X(DEVICE_TWICE, EINVAL, "device recorded twice")			\
	X(DEVICE_RID_TAKEN, EINVAL, "requester id belongs to two devices")	\
	X(DEVICE_SID_TAKEN, EINVAL, "stream id belongs to two devices")		\
	X(DEVICE_DID_TAKEN, EINVAL, "domain id belongs to two domains")		\
	X(DEVICE_TWO_DIDS, EINVAL, "domain has two ids on one unit")		\
	X(DEVICE_OVERLAP, EINVAL, "table of device overlaps another table")	\
	X(DEVICE_HW_FAILED, EINVAL, "its unit is not taken over")		\
	X(DEVICE_DOMAIN_FAILED, EINVAL, "its domain is not taken over")		\
	/* kernel images */							\
	X(IMAGE_NO_NOTE, ENOEXEC, "it has no IOMMU live update")		\
	X(IMAGE_UNKNOWN, ENOEXEC, "it is not a bzImage, Image or vmlinux")	\
	X(IMAGE_COMPRESSED, ENOEXEC, "it is compressed as a whole")	\
	X(IMAGE_AMBIGUOUS, ENOEXEC, "it contains notes that contradict each other") \
	X(IMAGE_TOO_OLD, EPROTO, "it does not read our version of the state")	\
	X(IMAGE_TOO_NEW, EPROTO, "it no longer reads our version of the state")	\
	X(IMAGE_MUST_UNDERSTAND, EPROTO, "it does not understand part of the state") \
	X(IMAGE_DRIVER, EPROTO, "it has no live update for an IOMMU that is in use") \
	X(IMAGE_PAGE_SIZE, EPROTO, "its page size differs")

/**
 * enum iommu_lu_err - why something is not taken over
 * @IOMMU_LU_OK: it is
 * @IOMMU_LU_ERR_NR: number of reasons
 */
enum iommu_lu_err {
	IOMMU_LU_OK,
#define X(name, err, text) IOMMU_LU_##name,
	IOMMU_LU_ERRORS(X)
#undef X
	IOMMU_LU_ERR_NR,
};

const char *iommu_lu_strerror(enum iommu_lu_err err);
const char *iommu_lu_err_name(enum iommu_lu_err err);
int iommu_lu_errno(enum iommu_lu_err err);

/**
 * enum iommu_lu_kind - what an error is about
 * @IOMMU_LU_BLOB: the whole
 * @IOMMU_LU_HW: a unit
 * @IOMMU_LU_DOMAIN: a domain
 * @IOMMU_LU_DEVICE: a device
 */
enum iommu_lu_kind {
	IOMMU_LU_BLOB,
	IOMMU_LU_HW,
	IOMMU_LU_DOMAIN,
	IOMMU_LU_DEVICE,
};

/**
 * struct iommu_lu_verdict - what became of a record
 * @err: enum iommu_lu_err
 * @kind: enum iommu_lu_kind of the record it clashes with or depends on, or 0
 * @index: position of that record
 */
struct iommu_lu_verdict {
	__u16 err;
	__u16 kind;
	__u32 index;
};

/**
 * struct iommu_lu_scratch - one element of the buffer that the caller supplies
 * @a: first key
 * @b: second key
 * @kind: enum iommu_lu_kind
 * @index: position of the record
 */
struct iommu_lu_scratch {
	__u64 a;
	__u64 b;
	__u32 kind;
	__u32 index;
};

/**
 * struct iommu_lu_blob - a blob that was taken out of its blocks
 * @hdr: head, checked by iommu_lu_verify_hdr()
 * @hw: @hdr->nr_hw units
 * @domain: @hdr->nr_domains domains
 * @device: @hdr->nr_devices devices
 * @hw_verdict: one for each unit
 * @domain_verdict: one for each domain
 * @device_verdict: one for each device
 * @scratch: iommu_lu_scratch_len() elements
 * @scratch_len: length of @scratch
 */
struct iommu_lu_blob {
	const struct iommu_lu_hdr *hdr;
	struct iommu_hw_ser *hw;
	struct iommu_domain_ser *domain;
	struct iommu_device_ser *device;
	struct iommu_lu_verdict *hw_verdict;
	struct iommu_lu_verdict *domain_verdict;
	struct iommu_lu_verdict *device_verdict;
	struct iommu_lu_scratch *scratch;
	__u64 scratch_len;
};

/**
 * struct iommu_lu_memory - how to get at physical memory
 * @map: where @len bytes at @pa can be read, or NULL if they are not memory
 * @ctx: passed to @map
 */
struct iommu_lu_memory {
	const void *(*map)(void *ctx, __u64 pa, __u64 len);
	void *ctx;
};

/* validate.c */
extern const struct iommu_lu_caps iommu_lu_this_build;

enum iommu_lu_err iommu_lu_verify_hdr(const struct iommu_lu_hdr *hdr, __u64 len,
				      const struct iommu_lu_caps *caps);
enum iommu_lu_err iommu_lu_verify_hw(const struct iommu_hw_ser *ser,
				     const struct iommu_lu_caps *caps, int strict);
enum iommu_lu_err iommu_lu_verify_domain(const struct iommu_domain_ser *ser, int strict);
enum iommu_lu_err iommu_lu_verify_device(const struct iommu_device_ser *ser, int strict);
enum iommu_lu_err iommu_lu_verify_links(const struct iommu_lu_blob *blob,
					const struct iommu_device_ser *ser, int strict);
__u64 iommu_lu_scratch_len(const struct iommu_lu_hdr *hdr);
int iommu_lu_verify_blob(const struct iommu_lu_blob *blob, const struct iommu_lu_caps *caps);

/* blocks.c */
enum iommu_lu_err iommu_lu_read_list(const struct iommu_lu_memory *mem, __u64 head_pa,
				     __u32 page_shift, __u32 stride, __u32 nr,
				     void *records, __u32 size,
				     struct iommu_lu_scratch *blocks, __u64 *nr_blocks);
enum iommu_lu_err iommu_lu_read_blob(const struct iommu_lu_memory *mem,
				     const struct iommu_lu_blob *blob, enum iommu_lu_kind *kind);
void iommu_lu_sort(struct iommu_lu_scratch *s, __u64 n);

/* image.c */
#ifdef __KERNEL__
extern const struct iommu_lu_note iommu_lu_note;
#endif
enum iommu_lu_err iommu_lu_find_note(const void *image, __u64 len, struct iommu_lu_caps *caps);
enum iommu_lu_err iommu_lu_verify_caps(const struct iommu_lu_caps *caps, __u16 version,
				       __u16 min_version, __u64 must_understand,
				       __u32 hw_types, __u16 page_shift);

#endif
