/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cases of the checks in abi/. They run in a program on the host (abi-test.c)
 * and in the kernel (../kunit/validate_test.c).
 */
#ifndef CASES_H
#define CASES_H

#include "build.h"

#define IMAGE_LEN	16384

/* 2 setup sectors, kernel_info at 0x1000 of the rest */
#define IMAGE_INFO	(3 * 512 + 0x1000)

/**
 * struct lu_run - a run of the cases; too large for a stack
 * @result: told of each case
 * @note: told more about a case that failed
 * @reached: how often each error was the outcome
 * @b: blob of a case
 * @c: what was read back of it
 * @m: the memory it was read from
 * @longer: header of a later version
 * @image: kernel image of a case
 */
struct lu_run {
	void (*result)(struct lu_run *run, int ok, const char *fmt, ...)
		__attribute__((format(printf, 3, 4)));
	void (*note)(struct lu_run *run, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
	unsigned int reached[IOMMU_LU_ERR_NR];
	struct built b;
	struct built c;
	struct memory m;
	struct iommu_lu_hdr longer[2];
	uint8_t image[IMAGE_LEN];
};

void lu_cases_sound(struct lu_run *run);
void lu_cases_head(struct lu_run *run);
void lu_cases_blocks(struct lu_run *run);
void lu_cases_records(struct lu_run *run);
void lu_cases_versions(struct lu_run *run);
void lu_cases_images(struct lu_run *run);
void lu_cases_errors(struct lu_run *run);
void lu_cases_reached(struct lu_run *run);

void lu_make_bzimage(uint8_t *image);
void lu_make_elf(uint8_t *image);

#endif
