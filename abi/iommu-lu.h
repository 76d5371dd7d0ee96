/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one kernel tells the next about its IOMMUs.
 *
 * This header and validate.c have no kernel dependencies: they are compiled
 * into the kernel and into programs on the host.
 */
#ifndef _LINUX_KHO_ABI_IOMMU_LU_H
#define _LINUX_KHO_ABI_IOMMU_LU_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#endif

/**
 * DOC: IOMMU live update ABI
 *
 * The blob hangs off its own KHO subtree, so that it can be read as soon as
 * memory works, before LUO is up::
 *
 *   KHO FDT
 *    └─ "iommu-lu" ──> struct iommu_lu_hdr (one page)
 *                        ├─ hw_blocks      ──> kho_block list of iommu_hw_ser
 *                        ├─ domain_blocks  ──> kho_block list of iommu_domain_ser
 *                        └─ device_blocks  ──> kho_block list of iommu_device_ser
 *
 * Records refer to each other by index, the position in their list. Addresses
 * are physical. All fields are little endian, of fixed width and naturally
 * aligned; padding is explicit and zero. There are no pointers, bitfields or
 * kernel-internal constants.
 *
 * This is a contract between two kernels. A reader accepts every blob whose
 * @min_version it has reached, and refuses must_understand bits it does not
 * know. A writer that adds a field takes it from the reserved space and raises
 * @version; one that changes the meaning of a field raises @min_version too.
 *
 * A blob counts only when %IOMMU_LU_HDR_SEALED is set. The bit is set by a
 * freeze in which everything was verified, and cleared by an unfreeze.
 */

/** IOMMU_LU_SUBTREE - name of the KHO subtree */
#define IOMMU_LU_SUBTREE	"iommu-lu"

/** IOMMU_LU_MAGIC - "IOMMULU1" as it lies in memory */
#define IOMMU_LU_MAGIC		0x31554c554d4d4f49ULL

/** IOMMU_LU_VERSION - version of the ABI that this kernel writes */
#define IOMMU_LU_VERSION	1
/** IOMMU_LU_MIN_VERSION - oldest version a reader of our blob must know */
#define IOMMU_LU_MIN_VERSION	1

/* Compatible strings of the LUO objects. Growth goes into the blob instead. */
#define IOMMU_LU_FLB_COMPATIBLE		"iommu-lu-v1"
#define IOMMU_LU_IOMMUFD_COMPATIBLE	"iommufd-lu-v1"
#define IOMMU_LU_VFIO_PCI_COMPATIBLE	"vfio-pci-lu-v1"

/* iommu_lu_hdr.flags */
#define IOMMU_LU_HDR_SEALED		(1U << 0)

/**
 * struct iommu_lu_hdr - head of the blob
 * @magic: IOMMU_LU_MAGIC
 * @version: IOMMU_LU_VERSION of the writer
 * @min_version: the reader must know at least this version
 * @len: size of this structure in bytes, as the writer knew it
 * @must_understand: bits for things a reader may not ignore; none defined yet
 * @flags: IOMMU_LU_HDR_*
 * @page_shift: log2 of the writer's page size
 * @nr_hw: number of units
 * @nr_domains: number of domains
 * @nr_devices: number of devices
 * @hw_blocks: physical address of the first block of units
 * @domain_blocks: physical address of the first block of domains
 * @device_blocks: physical address of the first block of devices
 * @reserved: 0
 *
 * Written by the old kernel at preserve (unsealed) and at freeze; read by the
 * new kernel before the first IOMMU is touched.
 */
struct iommu_lu_hdr {
	__u64 magic;
	__u16 version;
	__u16 min_version;
	__u32 len;
	__u64 must_understand;
	__u32 flags;
	__u32 page_shift;
	__u32 nr_hw;
	__u32 nr_domains;
	__u32 nr_devices;
	__u32 reserved0;
	__u64 hw_blocks;
	__u64 domain_blocks;
	__u64 device_blocks;
	__u64 reserved[4];
};

/* iommu_hw_ser.type */
#define IOMMU_HW_SER_INTEL		1

/* iommu_intel_ser.flags */
#define IOMMU_INTEL_SER_SCALABLE	(1U << 0)

/**
 * struct iommu_intel_ser - what a VT-d unit adds to its record
 * @cap: capability register
 * @ecap: extended capability register
 * @root_pa: the preserved root table, 4 KiB. It and the context tables it
 *           refers to contain the preserved requester ids and nothing else.
 * @nr_context_tables: number of context tables below @root_pa
 * @flags: IOMMU_INTEL_SER_*
 *
 * Rests on: Intel VT-d specification, 9.1 "Root Entry", 9.3 "Context Entry" and
 * the Root Table Address Register.
 */
struct iommu_intel_ser {
	__u64 cap;
	__u64 ecap;
	__u64 root_pa;
	__u32 nr_context_tables;
	__u32 flags;
	__u64 reserved[4];
};

/**
 * struct iommu_hw_ser - one preserved IOMMU unit
 * @token: identity of the unit: physical address of its registers
 * @type: IOMMU_HW_SER_*, says which member of the union is valid
 * @segment: PCI segment
 * @intel: VT-d
 */
struct iommu_hw_ser {
	__u64 token;
	__u32 type;
	__u32 segment;
	union {
		struct iommu_intel_ser intel;
		__u64 raw[14];
	};
};

/* iommu_domain_ser.format */
#define IOMMU_DOMAIN_SER_FMT_VTDSS	1
#define IOMMU_DOMAIN_SER_FMT_X86_64	2
#define IOMMU_DOMAIN_SER_FMT_AMDV1	3
#define IOMMU_DOMAIN_SER_FMT_RISCV_64	4

/* iommu_domain_ser.features */
#define IOMMU_DOMAIN_SER_INCOHERENT	(1U << 0)
#define IOMMU_DOMAIN_SER_SIGN_EXTEND	(1U << 1)
#define IOMMU_DOMAIN_SER_FORCE_SNOOP	(1U << 2)

/**
 * struct iommu_domain_ser - one preserved domain and its page tables
 * @token: name given by userspace when it marked the HWPT
 * @iommufd_id: groups the domains of one preserved iommufd, never 0
 * @top_pa: physical address of the top table
 * @nr_tables: number of tables, the top one included
 * @pgsize_bitmap: page sizes that may occur, as a bitmap of bytes
 * @format: IOMMU_DOMAIN_SER_FMT_*
 * @features: IOMMU_DOMAIN_SER_*
 * @top_level: level of the top table, 0 being the one with the smallest pages
 * @vasz_lg2: log2 of the size of the input address space in bytes
 * @oasz_lg2: log2 of the size of the output address space in bytes
 * @reserved: 0
 *
 * The tables are used by the hardware throughout, and by the new kernel
 * read-only until the domain is freed.
 */
struct iommu_domain_ser {
	__u64 token;
	__u64 iommufd_id;
	__u64 top_pa;
	__u64 nr_tables;
	__u64 pgsize_bitmap;
	__u32 format;
	__u32 features;
	__u8 top_level;
	__u8 vasz_lg2;
	__u8 oasz_lg2;
	__u8 reserved0[5];
	__u64 reserved[4];
};

/** IOMMU_DEVICE_SER_MAX_RIDS - requester ids of one device, aliases included */
#define IOMMU_DEVICE_SER_MAX_RIDS	8

/**
 * struct iommu_device_intel_ser - what VT-d adds to a device record
 * @context_lo: low half of the context entry of every requester id
 * @context_hi: high half of it
 * @did: domain id on the unit
 * @reserved: 0
 */
struct iommu_device_intel_ser {
	__u64 context_lo;
	__u64 context_hi;
	__u16 did;
	__u16 reserved[3];
};

/**
 * struct iommu_device_ser - one preserved device
 * @segment: PCI segment
 * @bdf: PCI bus << 8 | devfn
 * @vendor: PCI vendor id
 * @device: PCI device id
 * @nr_rids: how many entries of @rids are used
 * @class: PCI class code, 24 bits
 * @pasid: the attachment that is carried; 0xffffffff is the device itself
 * @hw_index: the unit that translates for it
 * @domain_index: the domain it is attached to
 * @rids: requester ids, the device's own and its DMA aliases
 * @intel: VT-d
 */
struct iommu_device_ser {
	__u32 segment;
	__u16 bdf;
	__u16 vendor;
	__u16 device;
	__u16 nr_rids;
	__u32 class;
	__u32 pasid;
	__u32 hw_index;
	__u32 domain_index;
	__u32 reserved0;
	__u16 rids[IOMMU_DEVICE_SER_MAX_RIDS];
	union {
		struct iommu_device_intel_ser intel;
		__u64 raw[8];
	};
};

/** IOMMU_DEVICE_SER_NO_PASID - @pasid of a device's own attachment */
#define IOMMU_DEVICE_SER_NO_PASID	0xffffffffU

#define IOMMU_LU_FIELD(s, f, off) \
	static_assert(offsetof(struct s, f) == (off), #s "." #f " moved")
#define IOMMU_LU_SIZE(s, size) \
	static_assert(sizeof(struct s) == (size), #s " changed its size")

IOMMU_LU_FIELD(iommu_lu_hdr, magic, 0);
IOMMU_LU_FIELD(iommu_lu_hdr, version, 8);
IOMMU_LU_FIELD(iommu_lu_hdr, min_version, 10);
IOMMU_LU_FIELD(iommu_lu_hdr, len, 12);
IOMMU_LU_FIELD(iommu_lu_hdr, must_understand, 16);
IOMMU_LU_FIELD(iommu_lu_hdr, flags, 24);
IOMMU_LU_FIELD(iommu_lu_hdr, page_shift, 28);
IOMMU_LU_FIELD(iommu_lu_hdr, nr_hw, 32);
IOMMU_LU_FIELD(iommu_lu_hdr, nr_domains, 36);
IOMMU_LU_FIELD(iommu_lu_hdr, nr_devices, 40);
IOMMU_LU_FIELD(iommu_lu_hdr, reserved0, 44);
IOMMU_LU_FIELD(iommu_lu_hdr, hw_blocks, 48);
IOMMU_LU_FIELD(iommu_lu_hdr, domain_blocks, 56);
IOMMU_LU_FIELD(iommu_lu_hdr, device_blocks, 64);
IOMMU_LU_FIELD(iommu_lu_hdr, reserved, 72);
IOMMU_LU_SIZE(iommu_lu_hdr, 104);

IOMMU_LU_FIELD(iommu_intel_ser, cap, 0);
IOMMU_LU_FIELD(iommu_intel_ser, ecap, 8);
IOMMU_LU_FIELD(iommu_intel_ser, root_pa, 16);
IOMMU_LU_FIELD(iommu_intel_ser, nr_context_tables, 24);
IOMMU_LU_FIELD(iommu_intel_ser, flags, 28);
IOMMU_LU_FIELD(iommu_intel_ser, reserved, 32);
IOMMU_LU_SIZE(iommu_intel_ser, 64);

IOMMU_LU_FIELD(iommu_hw_ser, token, 0);
IOMMU_LU_FIELD(iommu_hw_ser, type, 8);
IOMMU_LU_FIELD(iommu_hw_ser, segment, 12);
IOMMU_LU_FIELD(iommu_hw_ser, intel, 16);
IOMMU_LU_SIZE(iommu_hw_ser, 128);

IOMMU_LU_FIELD(iommu_domain_ser, token, 0);
IOMMU_LU_FIELD(iommu_domain_ser, iommufd_id, 8);
IOMMU_LU_FIELD(iommu_domain_ser, top_pa, 16);
IOMMU_LU_FIELD(iommu_domain_ser, nr_tables, 24);
IOMMU_LU_FIELD(iommu_domain_ser, pgsize_bitmap, 32);
IOMMU_LU_FIELD(iommu_domain_ser, format, 40);
IOMMU_LU_FIELD(iommu_domain_ser, features, 44);
IOMMU_LU_FIELD(iommu_domain_ser, top_level, 48);
IOMMU_LU_FIELD(iommu_domain_ser, vasz_lg2, 49);
IOMMU_LU_FIELD(iommu_domain_ser, oasz_lg2, 50);
IOMMU_LU_FIELD(iommu_domain_ser, reserved0, 51);
IOMMU_LU_FIELD(iommu_domain_ser, reserved, 56);
IOMMU_LU_SIZE(iommu_domain_ser, 88);

IOMMU_LU_FIELD(iommu_device_intel_ser, context_lo, 0);
IOMMU_LU_FIELD(iommu_device_intel_ser, context_hi, 8);
IOMMU_LU_FIELD(iommu_device_intel_ser, did, 16);
IOMMU_LU_FIELD(iommu_device_intel_ser, reserved, 18);
IOMMU_LU_SIZE(iommu_device_intel_ser, 24);

IOMMU_LU_FIELD(iommu_device_ser, segment, 0);
IOMMU_LU_FIELD(iommu_device_ser, bdf, 4);
IOMMU_LU_FIELD(iommu_device_ser, vendor, 6);
IOMMU_LU_FIELD(iommu_device_ser, device, 8);
IOMMU_LU_FIELD(iommu_device_ser, nr_rids, 10);
IOMMU_LU_FIELD(iommu_device_ser, class, 12);
IOMMU_LU_FIELD(iommu_device_ser, pasid, 16);
IOMMU_LU_FIELD(iommu_device_ser, hw_index, 20);
IOMMU_LU_FIELD(iommu_device_ser, domain_index, 24);
IOMMU_LU_FIELD(iommu_device_ser, reserved0, 28);
IOMMU_LU_FIELD(iommu_device_ser, rids, 32);
IOMMU_LU_FIELD(iommu_device_ser, intel, 48);
IOMMU_LU_SIZE(iommu_device_ser, 112);

/*
 * The note by which a kernel image says which blobs it can take. It lies
 * uncompressed in the image: kernel_info of a bzImage.
 */
#define IOMMU_LU_IMAGE_MAGIC		"iommu-lu image\n"
#define IOMMU_LU_IMAGE_MAGIC_LEN	16

/**
 * struct iommu_lu_image_note - what a kernel image can take over
 * @magic: IOMMU_LU_IMAGE_MAGIC with its terminating zero
 * @version: newest ABI version this kernel reads
 * @oldest: oldest ABI version this kernel reads
 */
struct iommu_lu_image_note {
	char magic[IOMMU_LU_IMAGE_MAGIC_LEN];
	__u16 version;
	__u16 oldest;
};

/* validate.c */
int iommu_lu_check_hdr(const struct iommu_lu_hdr *hdr, __u64 len, const char **why);
int iommu_lu_check_hw(const struct iommu_hw_ser *ser, const char **why);
int iommu_lu_check_domain(const struct iommu_domain_ser *ser, const char **why);
int iommu_lu_check_device(const struct iommu_device_ser *ser, const struct iommu_lu_hdr *hdr,
			  const char **why);
int iommu_lu_check_image(const void *image, __u64 len, const char **why);

#endif
