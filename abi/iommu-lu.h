/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one kernel tells the next about its IOMMUs.
 *
 * This header and the C files beside it have no kernel dependencies: they are
 * compiled into the kernel and into programs on the host. Only the constants
 * are seen by assembler.
 */
#ifndef _LINUX_KHO_ABI_IOMMU_LU_H
#define _LINUX_KHO_ABI_IOMMU_LU_H

#ifndef __ASSEMBLER__
#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#endif
#endif

/**
 * DOC: IOMMU live update ABI
 *
 * The blob hangs off its own KHO subtree, so that it can be read as soon as
 * memory works, before LUO is up::
 *
 *   KHO FDT
 *    +- "iommu-lu" --> struct iommu_lu_hdr
 *                        +- hw_blocks -----> block --> block --> 0
 *                        +- domain_blocks -> block --> 0
 *                        +- device_blocks -> block --> 0
 *
 *   block, one page     +----------------------+
 *   (kho_block)         | next    u64, address |
 *                       | count   u64          |
 *                       +----------------------+
 *                       | record 0             |  iommu_hw_ser, or
 *                       | record 1             |  iommu_domain_ser, or
 *                       | ...                  |  iommu_device_ser
 *                       | record count - 1     |
 *                       | zero                 |
 *                       +----------------------+
 *
 * Records refer to each other by index, the position in their list::
 *
 *   iommu_device_ser -- hw_index -----> iommu_hw_ser -- amd.segment_index -+
 *         |                                   ^  ^                         |
 *         +------------ domain_index -+       |  +-------------------------+
 *                                     v       |
 *                        iommu_domain_ser -- arm.hw_index (Arm formats only)
 *
 * All fields are little endian, of fixed width and naturally aligned. Padding
 * is explicit and zero, so is what a union member leaves of its union.
 * Addresses are physical, in bytes. Names ending in _pa are addresses of
 * preserved memory, names ending in _lg2 are base-2 logarithms of a size in
 * bytes. Indices and counts are plain numbers. There are no pointers,
 * bitfields, enums or kernel-internal constants. Images of registers and of
 * hardware table entries are in the format of the hardware's specification.
 *
 * Who and when: the old kernel's core writes the records at freeze, from what
 * the drivers filled in at preserve, and seals the blob last. The new kernel's
 * core reads all of it once, before the first IOMMU is touched, and checks it
 * (validate.c); a driver reads its union members when it adopts a unit and when
 * it restores a domain or a device. Nobody writes to it any more.
 *
 * This is a contract between two kernels, see docs/abi.md. A reader accepts
 * every blob whose @min_version it has reached and whose must_understand bits
 * it knows. A writer that adds something takes it from reserved space or makes
 * a record longer, and raises @version; if a reader that ignores the addition
 * would do harm it raises @min_version too, or takes a must_understand bit.
 */

/** IOMMU_LU_SUBTREE - name of the KHO subtree */
#define IOMMU_LU_SUBTREE	"iommu-lu"

/** IOMMU_LU_MAGIC - "IOMMULU1" as it lies in memory */
#define IOMMU_LU_MAGIC		0x31554c554d4d4f49

/** IOMMU_LU_VERSION - version of the ABI that this kernel writes */
#define IOMMU_LU_VERSION	1
/** IOMMU_LU_MIN_VERSION - oldest version a reader of our blob must know */
#define IOMMU_LU_MIN_VERSION	1
/** IOMMU_LU_OLDEST_VERSION - oldest version of a blob that this kernel reads */
#define IOMMU_LU_OLDEST_VERSION	1
/** IOMMU_LU_UNDERSTOOD - must_understand bits that this kernel knows */
#define IOMMU_LU_UNDERSTOOD	0

/* Compatible strings of the LUO objects. Growth goes into the blob instead. */
#define IOMMU_LU_FLB_COMPATIBLE		"iommu-lu-v1"
#define IOMMU_LU_IOMMUFD_COMPATIBLE	"iommufd-lu-v1"
#define IOMMU_LU_VFIO_PCI_COMPATIBLE	"vfio-pci-lu-v1"

/* Limits, so that a damaged count cannot exhaust memory. */
#define IOMMU_LU_MAX_HW			4096
#define IOMMU_LU_MAX_DOMAINS		65536
#define IOMMU_LU_MAX_DEVICES		65536

/* iommu_lu_hdr.flags */
#define IOMMU_LU_HDR_SEALED		(1 << 0)

/* iommu_hw_ser.type */
#define IOMMU_HW_SER_INTEL		1
#define IOMMU_HW_SER_AMD		2
#define IOMMU_HW_SER_AMD_SEGMENT	3
#define IOMMU_HW_SER_SMMUV3		4
/* The KUnit backend: never crosses a kexec, known only to kernels that have it */
#define IOMMU_HW_SER_MOCK		30

/* iommu_intel_ser.flags */
#define IOMMU_INTEL_SER_SCALABLE	(1 << 0)

/* iommu_domain_ser.format */
#define IOMMU_DOMAIN_SER_FMT_VTDSS	1
#define IOMMU_DOMAIN_SER_FMT_X86_64	2
#define IOMMU_DOMAIN_SER_FMT_AMDV1	3
#define IOMMU_DOMAIN_SER_FMT_RISCV_64	4
#define IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1	5
#define IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2	6

/* iommu_domain_ser.features */
#define IOMMU_DOMAIN_SER_INCOHERENT	(1 << 0)
#define IOMMU_DOMAIN_SER_SIGN_EXTEND	(1 << 1)
#define IOMMU_DOMAIN_SER_FORCE_SNOOP	(1 << 2)
#define IOMMU_DOMAIN_SER_ENCRYPTED	(1 << 3)

/* iommu_domain_arm_ser.flags */
#define IOMMU_DOMAIN_ARM_SER_DIRTY	(1 << 0)
#define IOMMU_DOMAIN_ARM_SER_S2FWB	(1 << 1)

/** IOMMU_DOMAIN_SER_MAX_SW_MSI - MSI doorbells mapped into one domain */
#define IOMMU_DOMAIN_SER_MAX_SW_MSI	4
/** IOMMU_DEVICE_SER_MAX_RIDS - requester ids of one device, aliases included */
#define IOMMU_DEVICE_SER_MAX_RIDS	8
/** IOMMU_DEVICE_SER_NO_PASID - @pasid of a device's own attachment */
#define IOMMU_DEVICE_SER_NO_PASID	0xffffffff

/* iommu_device_ser.ats_control, PCIe 10.5.1.3 */
#define IOMMU_DEVICE_SER_ATS_ENABLE	(1 << 15)
#define IOMMU_DEVICE_SER_ATS_STU	0x1f
/* iommu_device_ser.pasid_control, PCIe 7.8.9.3 */
#define IOMMU_DEVICE_SER_PASID_ENABLE	(1 << 0)
#define IOMMU_DEVICE_SER_PASID_KNOWN	0xf

/* Length of the unions, in units of 8 bytes */
#define IOMMU_HW_SER_UNION		14
#define IOMMU_DOMAIN_SER_UNION		16
#define IOMMU_DEVICE_SER_UNION		24

/*
 * The note by which a kernel image says which blobs it can take. In a bzImage
 * it lies in kernel_info, else in the read-only data of the kernel.
 */
#define IOMMU_LU_NOTE_MAGIC		"iommu-lu note 1\n"
#define IOMMU_LU_NOTE_MAGIC_LEN		16

/* Bits (1 << IOMMU_HW_SER_*) of the drivers that are built in. */
#ifdef CONFIG_IOMMU_LIVEUPDATE_INTEL
#define IOMMU_LU_NOTE_INTEL		(1 << IOMMU_HW_SER_INTEL)
#else
#define IOMMU_LU_NOTE_INTEL		0
#endif
#ifdef CONFIG_IOMMU_LIVEUPDATE_AMD
#define IOMMU_LU_NOTE_AMD		(1 << IOMMU_HW_SER_AMD | 1 << IOMMU_HW_SER_AMD_SEGMENT)
#else
#define IOMMU_LU_NOTE_AMD		0
#endif
#ifdef CONFIG_IOMMU_LIVEUPDATE_SMMUV3
#define IOMMU_LU_NOTE_SMMUV3		(1 << IOMMU_HW_SER_SMMUV3)
#else
#define IOMMU_LU_NOTE_SMMUV3		0
#endif
#ifdef CONFIG_IOMMU_LIVEUPDATE_KUNIT_TEST
#define IOMMU_LU_NOTE_MOCK		(1 << IOMMU_HW_SER_MOCK)
#else
#define IOMMU_LU_NOTE_MOCK		0
#endif
#define IOMMU_LU_NOTE_HW_TYPES		(IOMMU_LU_NOTE_INTEL | IOMMU_LU_NOTE_AMD | \
					 IOMMU_LU_NOTE_SMMUV3 | IOMMU_LU_NOTE_MOCK)

/* Head of a file that holds a copy of a blob: "IOMMULUD" */
#define IOMMU_LU_DUMP_MAGIC		0x44554c554d4d4f49

/* iommu_lu_dump.flags */
#define IOMMU_LU_DUMP_INCOMING		(1 << 0)

#ifndef __ASSEMBLER__

/**
 * struct iommu_lu_hdr - head of the blob
 * @magic: IOMMU_LU_MAGIC
 * @version: IOMMU_LU_VERSION of the writer
 * @min_version: the reader must know at least this version
 * @len: size of this structure in bytes, as the writer knew it
 * @must_understand: bits for things a reader may not ignore; none defined yet
 * @flags: IOMMU_LU_HDR_*
 * @page_shift: log2 of the writer's page size, which is the size of a block
 * @nr_hw: number of units
 * @nr_domains: number of domains
 * @nr_devices: number of devices
 * @hw_size: distance of two units in a block, in bytes
 * @domain_size: distance of two domains in a block, in bytes
 * @device_size: distance of two devices in a block, in bytes
 * @reserved0: 0
 * @reserved1: 0
 * @hw_blocks: physical address of the first block of units, 0 if there is none
 * @domain_blocks: physical address of the first block of domains
 * @device_blocks: physical address of the first block of devices
 * @reserved: 0
 *
 * Written by the core of the old kernel: unsealed when the first file is
 * preserved, counts and addresses at freeze, %IOMMU_LU_HDR_SEALED as the last
 * thing a freeze does after everything was verified. An unfreeze clears the
 * bit. A blob without it does not count. Lies alone in its page.
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
	__u16 hw_size;
	__u16 domain_size;
	__u16 device_size;
	__u16 reserved0;
	__u32 reserved1;
	__u64 hw_blocks;
	__u64 domain_blocks;
	__u64 device_blocks;
	__u64 reserved[4];
};

/**
 * struct iommu_lu_block - head of a block of records
 * @next: physical address of the next block, 0 in the last one
 * @count: number of records in this block, never 0
 *
 * Belongs to KHO (struct kho_block_header_ser) and is repeated here for those
 * who read blobs outside the kernel.
 */
struct iommu_lu_block {
	__u64 next;
	__u64 count;
};

/**
 * struct iommu_intel_ser - what a VT-d unit adds to its record
 * @cap: Capability Register
 * @ecap: Extended Capability Register
 * @root_pa: the preserved root table, 4 KiB. It and the context tables it
 *           refers to contain the preserved requester ids and nothing else.
 * @nr_context_tables: number of context tables below @root_pa, 4 KiB each: one
 *                     per bus in legacy mode, up to two in scalable mode
 * @flags: IOMMU_INTEL_SER_*
 * @irt_pa: interrupt remapping table, 0 if remapping was off
 * @prq_pa: page request queue, 0 if there is none
 * @irt_lg2: size of the table at @irt_pa
 * @prq_lg2: size of the queue at @prq_pa
 * @reserved0: 0
 * @reserved: 0
 *
 * Rests on: Intel VT-d specification, 9.1 "Root Entry", 9.3 "Context Entry" and
 * the Root Table Address Register. Read when the unit is adopted: registers
 * must be equal, or everything behind the unit is blocked.
 */
struct iommu_intel_ser {
	__u64 cap;
	__u64 ecap;
	__u64 root_pa;
	__u32 nr_context_tables;
	__u32 flags;
	__u64 irt_pa;
	__u64 prq_pa;
	__u8 irt_lg2;
	__u8 prq_lg2;
	__u8 reserved0[6];
	__u64 reserved[2];
};

/**
 * struct iommu_amd_ser - what an AMD-Vi unit adds to its record
 * @efr: Extended Feature Register
 * @efr2: Extended Feature 2 Register
 * @control: Control Register at preserve
 * @segment_index: index of the %IOMMU_HW_SER_AMD_SEGMENT record of its segment
 * @devid: PCI bus << 8 | devfn of the unit itself
 * @reserved0: 0
 * @reserved: 0
 *
 * All units of a segment are recorded as soon as one device of that segment
 * is, because they share its device table.
 */
struct iommu_amd_ser {
	__u64 efr;
	__u64 efr2;
	__u64 control;
	__u32 segment_index;
	__u16 devid;
	__u16 reserved0;
	__u64 reserved[2];
};

/**
 * struct iommu_amd_segment_ser - the device table of a PCI segment
 * @dev_table_pa: the table; also the token of the record
 * @dev_table_size: its size in bytes, a power of two
 * @last_bdf: highest requester id that it has room for
 * @reserved0: 0
 * @reserved: 0
 *
 * Not a unit, but in the list of units because units link to it.
 */
struct iommu_amd_segment_ser {
	__u64 dev_table_pa;
	__u32 dev_table_size;
	__u16 last_bdf;
	__u16 reserved0;
	__u64 reserved[2];
};

/**
 * struct iommu_smmuv3_ser - what an SMMUv3 adds to its record
 * @strtab_pa: stream table, or its first level
 * @strtab_base: SMMU_STRTAB_BASE
 * @strtab_base_cfg: SMMU_STRTAB_BASE_CFG; gives size and format of the table
 * @nr_l2_tables: number of valid first-level descriptors; 0 for a linear table
 * @cr0: SMMU_CR0 after shutdown
 * @cr1: SMMU_CR1
 * @cr2: SMMU_CR2
 * @iidr: SMMU_IIDR
 * @aidr: SMMU_AIDR
 * @idr0: SMMU_IDR0
 * @idr1: SMMU_IDR1
 * @idr3: SMMU_IDR3
 * @idr5: SMMU_IDR5
 * @flags: none defined, 0
 * @reserved: 0
 *
 * Rests on: Arm IHI 0070. CR1, CR2 and the stream table base cannot be written
 * while the SMMU is enabled, so what the new kernel would program must be equal.
 */
struct iommu_smmuv3_ser {
	__u64 strtab_pa;
	__u64 strtab_base;
	__u32 strtab_base_cfg;
	__u32 nr_l2_tables;
	__u32 cr0;
	__u32 cr1;
	__u32 cr2;
	__u32 iidr;
	__u32 aidr;
	__u32 idr0;
	__u32 idr1;
	__u32 idr3;
	__u32 idr5;
	__u32 flags;
	__u64 reserved[2];
};

/**
 * struct iommu_mock_ser - what a unit of the KUnit backend adds to its record
 * @table_pa: the preserved device table, 4 KiB
 * @reserved: 0
 */
struct iommu_mock_ser {
	__u64 table_pa;
	__u64 reserved[2];
};

/**
 * struct iommu_hw_ser - one preserved IOMMU unit
 * @token: identity of the unit: physical address of its registers
 * @type: IOMMU_HW_SER_*, says which member of the union is valid
 * @segment: PCI segment; 0 where the unit is not tied to one
 * @intel: VT-d
 * @amd: AMD-Vi
 * @amd_segment: device table shared by the AMD-Vi units of a segment
 * @smmuv3: Arm SMMUv3
 * @mock: KUnit
 * @raw: the whole union
 *
 * Filled in by the driver at preserve of the first device behind the unit.
 */
struct iommu_hw_ser {
	__u64 token;
	__u32 type;
	__u32 segment;
	union {
		struct iommu_intel_ser intel;
		struct iommu_amd_ser amd;
		struct iommu_amd_segment_ser amd_segment;
		struct iommu_smmuv3_ser smmuv3;
		struct iommu_mock_ser mock;
		__u64 raw[IOMMU_HW_SER_UNION];
	};
};

/**
 * struct iommu_sw_msi_ser - an MSI doorbell mapped into a domain
 * @iova: I/O virtual address of the page
 * @msi_pa: physical address of the page, device memory
 */
struct iommu_sw_msi_ser {
	__u64 iova;
	__u64 msi_pa;
};

/**
 * struct iommu_domain_arm_ser - what the Arm formats add to a domain
 * @tcr: TCR fields of the context descriptor (stage 1), VTCR (stage 2)
 * @mair: memory attributes; 0 for stage 2
 * @sw_msi_start: start of the reserved window for doorbells
 * @hw_index: the unit; a domain belongs to one
 * @flags: IOMMU_DOMAIN_ARM_SER_*
 * @granule_lg2: size of a table below the top one and of the smallest page
 * @top_lg2: size of the top table, which may be less than a granule, or for
 *           stage 2 up to 16 of them
 * @nr_sw_msi: how many entries of @sw_msi are used
 * @reserved0: 0
 * @sw_msi: doorbells that are mapped
 * @reserved: 0
 */
struct iommu_domain_arm_ser {
	__u64 tcr;
	__u64 mair;
	__u64 sw_msi_start;
	__u32 hw_index;
	__u32 flags;
	__u8 granule_lg2;
	__u8 top_lg2;
	__u8 nr_sw_msi;
	__u8 reserved0[5];
	struct iommu_sw_msi_ser sw_msi[IOMMU_DOMAIN_SER_MAX_SW_MSI];
	__u64 reserved[2];
};

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
 * @vasz_lg2: size of the input address space
 * @oasz_lg2: size of the output address space
 * @reserved0: 0
 * @file_token: name given by userspace to the iommufd in its session
 * @arm: the Arm formats; for all others the union is zero
 * @raw: the whole union
 *
 * @token, @iommufd_id and @file_token come from iommufd, the rest from the code that owns
 * the format. The tables are used by the hardware throughout, and by the new
 * kernel read-only until the domain is freed.
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
	__u64 file_token;
	union {
		struct iommu_domain_arm_ser arm;
		__u64 raw[IOMMU_DOMAIN_SER_UNION];
	};
};

/**
 * struct iommu_device_intel_ser - what VT-d adds to a device record
 * @context_lo: low half of the context entry of every requester id
 * @context_hi: high half of it
 * @did: domain id on the unit, never 0
 * @reserved: 0
 * @pasid_dir_pa: scalable mode: PASID directory
 * @max_pasid: scalable mode: number of PASIDs the directory covers, a power of
 *             two; it is @max_pasid / 8 bytes long
 * @nr_pasid_tables: scalable mode: number of PASID tables, 4 KiB each
 * @pasid_entry: scalable mode: PASID table entry of the device itself
 *
 * In legacy mode the last four are 0.
 */
struct iommu_device_intel_ser {
	__u64 context_lo;
	__u64 context_hi;
	__u16 did;
	__u16 reserved[3];
	__u64 pasid_dir_pa;
	__u32 max_pasid;
	__u32 nr_pasid_tables;
	__u64 pasid_entry[8];
};

/**
 * struct iommu_device_amd_ser - what AMD-Vi adds to a device record
 * @dte: device table entry of every requester id; the interrupt half (dte[2])
 *       as it was before shutdown
 * @did: domain id on the unit, never 0
 * @gcr3_did: for v2 page tables, not carried yet: 0
 * @gcr3_levels: likewise
 * @reserved0: 0
 * @gcr3_pa: likewise
 */
struct iommu_device_amd_ser {
	__u64 dte[4];
	__u16 did;
	__u16 gcr3_did;
	__u8 gcr3_levels;
	__u8 reserved0[3];
	__u64 gcr3_pa;
};

/**
 * struct iommu_device_smmuv3_ser - what SMMUv3 adds to a device record
 * @ste: stream table entry of every stream id
 * @cd: context descriptor 0; stage 2: 0
 * @cdtab_pa: context descriptor table, or its first level; stage 2: 0
 * @nr_cd_tables: number of second-level tables below @cdtab_pa, 64 KiB each
 * @did: ASID (stage 1) or VMID (stage 2), never 0
 * @s1fmt: format of @cdtab_pa, as in the stream table entry
 * @s1cdmax: log2 of the number of context descriptors, as in the entry
 * @sids: stream ids, in the order of the requester ids they come from
 * @reserved: 0
 */
struct iommu_device_smmuv3_ser {
	__u64 ste[8];
	__u64 cd[8];
	__u64 cdtab_pa;
	__u32 nr_cd_tables;
	__u16 did;
	__u8 s1fmt;
	__u8 s1cdmax;
	__u32 sids[IOMMU_DEVICE_SER_MAX_RIDS];
	__u64 reserved;
};

/**
 * struct iommu_device_mock_ser - what the KUnit backend adds to a device record
 * @entry: device table entry of every requester id
 * @did: domain id on the unit, never 0
 * @reserved: 0
 */
struct iommu_device_mock_ser {
	__u64 entry;
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
 * @pasid: the attachment that is carried; only %IOMMU_DEVICE_SER_NO_PASID, the
 *         device itself, so far
 * @hw_index: the unit that translates for it
 * @domain_index: the domain it is attached to
 * @flags: none defined, 0
 * @rids: requester ids, the device's own first, then its DMA aliases
 * @file_token: name given by userspace to the device file in its session
 * @ats_control: ATS Control Register (PCIe 10.5.1.3) if ATS is on, else 0
 * @pasid_control: PASID Control Register (PCIe 7.8.9.3) if PASID is on, else 0
 * @reserved: 0; kept for the state of PRI and ACS
 * @intel: VT-d
 * @amd: AMD-Vi
 * @smmuv3: Arm SMMUv3
 * @mock: KUnit
 * @raw: the whole union
 *
 * Identity and links come from the core, @rids and the union from the driver
 * of the unit. The type of the unit says which member of the union is valid.
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
	__u32 flags;
	__u16 rids[IOMMU_DEVICE_SER_MAX_RIDS];
	__u64 file_token;
	__u16 ats_control;
	__u16 pasid_control;
	__u32 reserved;
	union {
		struct iommu_device_intel_ser intel;
		struct iommu_device_amd_ser amd;
		struct iommu_device_smmuv3_ser smmuv3;
		struct iommu_device_mock_ser mock;
		__u64 raw[IOMMU_DEVICE_SER_UNION];
	};
};

/**
 * struct iommu_lu_caps - what a kernel can take over
 * @version: newest ABI version it reads
 * @oldest: oldest ABI version it reads
 * @page_shift: log2 of its page size; 0 if that does not matter (host tools)
 * @reserved0: 0
 * @understood: must_understand bits it knows
 * @hw_types: bits (1 << IOMMU_HW_SER_*) of the units it has a driver for
 * @reserved1: 0
 */
struct iommu_lu_caps {
	__u16 version;
	__u16 oldest;
	__u16 page_shift;
	__u16 reserved0;
	__u64 understood;
	__u32 hw_types;
	__u32 reserved1;
};

/**
 * struct iommu_lu_note - by which a kernel image is recognised
 * @magic: IOMMU_LU_NOTE_MAGIC without a terminating zero
 * @caps: what the kernel in the image can take over
 * @inverse: bitwise complement of @caps, byte by byte
 *
 * Not aligned. The magic alone proves nothing, it may be in any string; the
 * complement makes a note of it.
 */
struct iommu_lu_note {
	__u8 magic[IOMMU_LU_NOTE_MAGIC_LEN];
	struct iommu_lu_caps caps;
	struct iommu_lu_caps inverse;
};

/**
 * struct iommu_lu_dump - head of a file with a copy of a blob
 * @magic: IOMMU_LU_DUMP_MAGIC
 * @len: size of this structure in bytes
 * @flags: IOMMU_LU_DUMP_*
 *
 * Followed without gaps by iommu_lu_hdr (@len bytes as it says), @nr_hw units
 * of @hw_size bytes, @nr_domains domains and @nr_devices devices. Does not
 * cross the kexec: written to debugfs, read by tools/iommu-lu.
 */
struct iommu_lu_dump {
	__u64 magic;
	__u32 len;
	__u32 flags;
};

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
IOMMU_LU_FIELD(iommu_lu_hdr, hw_size, 44);
IOMMU_LU_FIELD(iommu_lu_hdr, domain_size, 46);
IOMMU_LU_FIELD(iommu_lu_hdr, device_size, 48);
IOMMU_LU_FIELD(iommu_lu_hdr, reserved0, 50);
IOMMU_LU_FIELD(iommu_lu_hdr, reserved1, 52);
IOMMU_LU_FIELD(iommu_lu_hdr, hw_blocks, 56);
IOMMU_LU_FIELD(iommu_lu_hdr, domain_blocks, 64);
IOMMU_LU_FIELD(iommu_lu_hdr, device_blocks, 72);
IOMMU_LU_FIELD(iommu_lu_hdr, reserved, 80);
IOMMU_LU_SIZE(iommu_lu_hdr, 112);

IOMMU_LU_FIELD(iommu_lu_block, next, 0);
IOMMU_LU_FIELD(iommu_lu_block, count, 8);
IOMMU_LU_SIZE(iommu_lu_block, 16);

IOMMU_LU_FIELD(iommu_intel_ser, cap, 0);
IOMMU_LU_FIELD(iommu_intel_ser, ecap, 8);
IOMMU_LU_FIELD(iommu_intel_ser, root_pa, 16);
IOMMU_LU_FIELD(iommu_intel_ser, nr_context_tables, 24);
IOMMU_LU_FIELD(iommu_intel_ser, flags, 28);
IOMMU_LU_FIELD(iommu_intel_ser, irt_pa, 32);
IOMMU_LU_FIELD(iommu_intel_ser, prq_pa, 40);
IOMMU_LU_FIELD(iommu_intel_ser, irt_lg2, 48);
IOMMU_LU_FIELD(iommu_intel_ser, prq_lg2, 49);
IOMMU_LU_FIELD(iommu_intel_ser, reserved0, 50);
IOMMU_LU_FIELD(iommu_intel_ser, reserved, 56);
IOMMU_LU_SIZE(iommu_intel_ser, 72);

IOMMU_LU_FIELD(iommu_amd_ser, efr, 0);
IOMMU_LU_FIELD(iommu_amd_ser, efr2, 8);
IOMMU_LU_FIELD(iommu_amd_ser, control, 16);
IOMMU_LU_FIELD(iommu_amd_ser, segment_index, 24);
IOMMU_LU_FIELD(iommu_amd_ser, devid, 28);
IOMMU_LU_FIELD(iommu_amd_ser, reserved0, 30);
IOMMU_LU_FIELD(iommu_amd_ser, reserved, 32);
IOMMU_LU_SIZE(iommu_amd_ser, 48);

IOMMU_LU_FIELD(iommu_amd_segment_ser, dev_table_pa, 0);
IOMMU_LU_FIELD(iommu_amd_segment_ser, dev_table_size, 8);
IOMMU_LU_FIELD(iommu_amd_segment_ser, last_bdf, 12);
IOMMU_LU_FIELD(iommu_amd_segment_ser, reserved0, 14);
IOMMU_LU_FIELD(iommu_amd_segment_ser, reserved, 16);
IOMMU_LU_SIZE(iommu_amd_segment_ser, 32);

IOMMU_LU_FIELD(iommu_smmuv3_ser, strtab_pa, 0);
IOMMU_LU_FIELD(iommu_smmuv3_ser, strtab_base, 8);
IOMMU_LU_FIELD(iommu_smmuv3_ser, strtab_base_cfg, 16);
IOMMU_LU_FIELD(iommu_smmuv3_ser, nr_l2_tables, 20);
IOMMU_LU_FIELD(iommu_smmuv3_ser, cr0, 24);
IOMMU_LU_FIELD(iommu_smmuv3_ser, cr1, 28);
IOMMU_LU_FIELD(iommu_smmuv3_ser, cr2, 32);
IOMMU_LU_FIELD(iommu_smmuv3_ser, iidr, 36);
IOMMU_LU_FIELD(iommu_smmuv3_ser, aidr, 40);
IOMMU_LU_FIELD(iommu_smmuv3_ser, idr0, 44);
IOMMU_LU_FIELD(iommu_smmuv3_ser, idr1, 48);
IOMMU_LU_FIELD(iommu_smmuv3_ser, idr3, 52);
IOMMU_LU_FIELD(iommu_smmuv3_ser, idr5, 56);
IOMMU_LU_FIELD(iommu_smmuv3_ser, flags, 60);
IOMMU_LU_FIELD(iommu_smmuv3_ser, reserved, 64);
IOMMU_LU_SIZE(iommu_smmuv3_ser, 80);

IOMMU_LU_FIELD(iommu_mock_ser, table_pa, 0);
IOMMU_LU_FIELD(iommu_mock_ser, reserved, 8);
IOMMU_LU_SIZE(iommu_mock_ser, 24);

IOMMU_LU_FIELD(iommu_hw_ser, token, 0);
IOMMU_LU_FIELD(iommu_hw_ser, type, 8);
IOMMU_LU_FIELD(iommu_hw_ser, segment, 12);
IOMMU_LU_FIELD(iommu_hw_ser, intel, 16);
IOMMU_LU_FIELD(iommu_hw_ser, amd, 16);
IOMMU_LU_FIELD(iommu_hw_ser, amd_segment, 16);
IOMMU_LU_FIELD(iommu_hw_ser, smmuv3, 16);
IOMMU_LU_FIELD(iommu_hw_ser, mock, 16);
IOMMU_LU_FIELD(iommu_hw_ser, raw, 16);
IOMMU_LU_SIZE(iommu_hw_ser, 128);

IOMMU_LU_FIELD(iommu_sw_msi_ser, iova, 0);
IOMMU_LU_FIELD(iommu_sw_msi_ser, msi_pa, 8);
IOMMU_LU_SIZE(iommu_sw_msi_ser, 16);

IOMMU_LU_FIELD(iommu_domain_arm_ser, tcr, 0);
IOMMU_LU_FIELD(iommu_domain_arm_ser, mair, 8);
IOMMU_LU_FIELD(iommu_domain_arm_ser, sw_msi_start, 16);
IOMMU_LU_FIELD(iommu_domain_arm_ser, hw_index, 24);
IOMMU_LU_FIELD(iommu_domain_arm_ser, flags, 28);
IOMMU_LU_FIELD(iommu_domain_arm_ser, granule_lg2, 32);
IOMMU_LU_FIELD(iommu_domain_arm_ser, top_lg2, 33);
IOMMU_LU_FIELD(iommu_domain_arm_ser, nr_sw_msi, 34);
IOMMU_LU_FIELD(iommu_domain_arm_ser, reserved0, 35);
IOMMU_LU_FIELD(iommu_domain_arm_ser, sw_msi, 40);
IOMMU_LU_FIELD(iommu_domain_arm_ser, reserved, 104);
IOMMU_LU_SIZE(iommu_domain_arm_ser, 120);

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
IOMMU_LU_FIELD(iommu_domain_ser, file_token, 56);
IOMMU_LU_FIELD(iommu_domain_ser, arm, 64);
IOMMU_LU_FIELD(iommu_domain_ser, raw, 64);
IOMMU_LU_SIZE(iommu_domain_ser, 192);

IOMMU_LU_FIELD(iommu_device_intel_ser, context_lo, 0);
IOMMU_LU_FIELD(iommu_device_intel_ser, context_hi, 8);
IOMMU_LU_FIELD(iommu_device_intel_ser, did, 16);
IOMMU_LU_FIELD(iommu_device_intel_ser, reserved, 18);
IOMMU_LU_FIELD(iommu_device_intel_ser, pasid_dir_pa, 24);
IOMMU_LU_FIELD(iommu_device_intel_ser, max_pasid, 32);
IOMMU_LU_FIELD(iommu_device_intel_ser, nr_pasid_tables, 36);
IOMMU_LU_FIELD(iommu_device_intel_ser, pasid_entry, 40);
IOMMU_LU_SIZE(iommu_device_intel_ser, 104);

IOMMU_LU_FIELD(iommu_device_amd_ser, dte, 0);
IOMMU_LU_FIELD(iommu_device_amd_ser, did, 32);
IOMMU_LU_FIELD(iommu_device_amd_ser, gcr3_did, 34);
IOMMU_LU_FIELD(iommu_device_amd_ser, gcr3_levels, 36);
IOMMU_LU_FIELD(iommu_device_amd_ser, reserved0, 37);
IOMMU_LU_FIELD(iommu_device_amd_ser, gcr3_pa, 40);
IOMMU_LU_SIZE(iommu_device_amd_ser, 48);

IOMMU_LU_FIELD(iommu_device_smmuv3_ser, ste, 0);
IOMMU_LU_FIELD(iommu_device_smmuv3_ser, cd, 64);
IOMMU_LU_FIELD(iommu_device_smmuv3_ser, cdtab_pa, 128);
IOMMU_LU_FIELD(iommu_device_smmuv3_ser, nr_cd_tables, 136);
IOMMU_LU_FIELD(iommu_device_smmuv3_ser, did, 140);
IOMMU_LU_FIELD(iommu_device_smmuv3_ser, s1fmt, 142);
IOMMU_LU_FIELD(iommu_device_smmuv3_ser, s1cdmax, 143);
IOMMU_LU_FIELD(iommu_device_smmuv3_ser, sids, 144);
IOMMU_LU_FIELD(iommu_device_smmuv3_ser, reserved, 176);
IOMMU_LU_SIZE(iommu_device_smmuv3_ser, 184);

IOMMU_LU_FIELD(iommu_device_mock_ser, entry, 0);
IOMMU_LU_FIELD(iommu_device_mock_ser, did, 8);
IOMMU_LU_FIELD(iommu_device_mock_ser, reserved, 10);
IOMMU_LU_SIZE(iommu_device_mock_ser, 16);

IOMMU_LU_FIELD(iommu_device_ser, segment, 0);
IOMMU_LU_FIELD(iommu_device_ser, bdf, 4);
IOMMU_LU_FIELD(iommu_device_ser, vendor, 6);
IOMMU_LU_FIELD(iommu_device_ser, device, 8);
IOMMU_LU_FIELD(iommu_device_ser, nr_rids, 10);
IOMMU_LU_FIELD(iommu_device_ser, class, 12);
IOMMU_LU_FIELD(iommu_device_ser, pasid, 16);
IOMMU_LU_FIELD(iommu_device_ser, hw_index, 20);
IOMMU_LU_FIELD(iommu_device_ser, domain_index, 24);
IOMMU_LU_FIELD(iommu_device_ser, flags, 28);
IOMMU_LU_FIELD(iommu_device_ser, rids, 32);
IOMMU_LU_FIELD(iommu_device_ser, file_token, 48);
IOMMU_LU_FIELD(iommu_device_ser, ats_control, 56);
IOMMU_LU_FIELD(iommu_device_ser, pasid_control, 58);
IOMMU_LU_FIELD(iommu_device_ser, reserved, 60);
IOMMU_LU_FIELD(iommu_device_ser, intel, 64);
IOMMU_LU_FIELD(iommu_device_ser, amd, 64);
IOMMU_LU_FIELD(iommu_device_ser, smmuv3, 64);
IOMMU_LU_FIELD(iommu_device_ser, mock, 64);
IOMMU_LU_FIELD(iommu_device_ser, raw, 64);
IOMMU_LU_SIZE(iommu_device_ser, 256);

IOMMU_LU_FIELD(iommu_lu_caps, version, 0);
IOMMU_LU_FIELD(iommu_lu_caps, oldest, 2);
IOMMU_LU_FIELD(iommu_lu_caps, page_shift, 4);
IOMMU_LU_FIELD(iommu_lu_caps, reserved0, 6);
IOMMU_LU_FIELD(iommu_lu_caps, understood, 8);
IOMMU_LU_FIELD(iommu_lu_caps, hw_types, 16);
IOMMU_LU_FIELD(iommu_lu_caps, reserved1, 20);
IOMMU_LU_SIZE(iommu_lu_caps, 24);

IOMMU_LU_FIELD(iommu_lu_note, magic, 0);
IOMMU_LU_FIELD(iommu_lu_note, caps, 16);
IOMMU_LU_FIELD(iommu_lu_note, inverse, 40);
IOMMU_LU_SIZE(iommu_lu_note, 64);

IOMMU_LU_FIELD(iommu_lu_dump, magic, 0);
IOMMU_LU_FIELD(iommu_lu_dump, len, 8);
IOMMU_LU_FIELD(iommu_lu_dump, flags, 12);
IOMMU_LU_SIZE(iommu_lu_dump, 16);

#endif /* __ASSEMBLER__ */
#endif
