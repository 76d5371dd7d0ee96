/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Blobs as the drivers would write them, to be compared, damaged and fuzzed.
 */
#ifndef BUILD_H
#define BUILD_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#include "../../abi/validate.h"

#define MAX_HW		16
#define MAX_DOMAINS	16
#define MAX_DEVICES	64
#define MAX_SCRATCH	1024

#define MEM_BASE	0x100000ULL
#define MEM_PAGES	64
#define MEM_PAGE	4096

/**
 * struct built - a blob as flat arrays, with all that a check of it needs
 * @next_pa: next free physical address for tables
 */
struct built {
	struct iommu_lu_hdr hdr;
	struct iommu_hw_ser hw[MAX_HW];
	struct iommu_domain_ser domain[MAX_DOMAINS];
	struct iommu_device_ser device[MAX_DEVICES];
	struct iommu_lu_verdict hw_verdict[MAX_HW];
	struct iommu_lu_verdict domain_verdict[MAX_DOMAINS];
	struct iommu_lu_verdict device_verdict[MAX_DEVICES];
	struct iommu_lu_scratch scratch[MAX_SCRATCH];
	struct iommu_lu_blob blob;
	uint64_t next_pa;
};

/**
 * struct memory - physical memory that a blob lies in
 * @page: from MEM_BASE on; page 0 is the header
 * @nr: how many are used
 */
struct memory {
	_Alignas(8) uint8_t page[MEM_PAGES][MEM_PAGE];
	unsigned int nr;
	struct iommu_lu_memory mem;
};

typedef void (*builder)(struct built *b);

void lu_build_init(struct built *b);
void lu_build_intel(struct built *b);
void lu_build_scalable(struct built *b);
void lu_build_amd(struct built *b);
void lu_build_smmuv3(struct built *b);
void lu_build_mixed(struct built *b);

extern const struct backend {
	const char *name;
	builder build;
} lu_backends[];

void lu_lay_out(struct built *b, struct memory *m, unsigned int per_block);

#endif
