// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of abi/ that need no kernel. KTAP on stdout.
 *
 *   abi-test                    all cases
 *   abi-test golden DIR         compare with, and read, the blobs kept in DIR
 *   abi-test golden-write DIR   write them
 *   abi-test dump NAME FILE     a sound blob as a dump file
 *   abi-test corpus DIR         seeds for the fuzzer
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../tools/dumpfile.h"
#include "cases.h"

static int tests, failures;

__attribute__((format(printf, 3, 4)))
static void print_result(struct lu_run *run, int ok, const char *fmt, ...)
{
	va_list ap;

	(void)run;
	printf("%sok %d ", ok ? "" : "not ", ++tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	failures += !ok;
}

__attribute__((format(printf, 2, 3)))
static void print_note(struct lu_run *run, const char *fmt, ...)
{
	va_list ap;

	(void)run;
	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static struct lu_run cases = { .result = print_result, .note = print_note };

/* For what is tested here. */
#define result(...)	print_result(&cases, __VA_ARGS__)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* All devices on one domain: the largest groups of equal keys. */
static double many(uint32_t nr, int *refused)
{
	static struct built one;
	struct iommu_lu_blob blob;
	struct iommu_lu_hdr hdr;
	double start;
	uint32_t i;

	lu_build_intel(&one);
	hdr = one.hdr;
	hdr.nr_devices = nr;
	hdr.nr_hw = 16;
	blob = one.blob;
	blob.hdr = &hdr;
	blob.hw = calloc(16, sizeof(*blob.hw));
	blob.hw_verdict = calloc(16, sizeof(*blob.hw_verdict));
	blob.device = calloc(nr, sizeof(*blob.device));
	blob.device_verdict = calloc(nr, sizeof(*blob.device_verdict));
	blob.scratch_len = iommu_lu_scratch_len(&hdr);
	blob.scratch = calloc(blob.scratch_len, sizeof(*blob.scratch));

	for (i = 0; i < 16; i++) {
		blob.hw[i] = one.hw[0];
		blob.hw[i].token += i << 12;
		blob.hw[i].segment = i;
		blob.hw[i].intel.root_pa += (uint64_t)i << 32;
		blob.hw[i].intel.irt_pa += (uint64_t)i << 32;
	}
	for (i = 0; i < nr; i++) {
		blob.device[i] = one.device[0];
		blob.device[i].segment = i % 16;
		blob.device[i].hw_index = i % 16;
		blob.device[i].bdf = i / 16 * 8;
		blob.device[i].nr_rids = 8;
		/* 4096 devices in a segment, of 8 ids each, are the limit */
		for (uint32_t j = 0; j < 8; j++)
			blob.device[i].rids[j] = i / 16 * 8 + j;
	}
	start = now();
	*refused = iommu_lu_verify_blob(&blob, &iommu_lu_this_build);
	start = now() - start;
	free(blob.hw);
	free(blob.hw_verdict);
	free(blob.device);
	free(blob.device_verdict);
	free(blob.scratch);
	return start;
}

static void test_scale(void)
{
	int refused[2];
	double t[2];

	t[0] = many(4096, &refused[0]);
	t[1] = many(65536, &refused[1]);
	printf("# 4096 devices %.1f ms, 65536 devices %.1f ms\n", t[0] * 1e3, t[1] * 1e3);
	/* 16 times as many: 22 times the work at most; quadratic would be 256 */
	result(!refused[0] && !refused[1] && t[1] < t[0] * 100 + 0.2,
	       "C16 checks of 65536 devices with 8 requester ids each");
}

/* --- files --------------------------------------------------------------------- */

static size_t load(const char *name, void *buf, size_t size)
{
	FILE *f = fopen(name, "rb");
	size_t len;

	if (!f)
		return 0;
	len = fread(buf, 1, size, f);
	fclose(f);
	return len;
}

static int save(const char *name, const void *buf, size_t len)
{
	FILE *f = fopen(name, "wb");

	if (!f || fwrite(buf, 1, len, f) != len || fclose(f)) {
		perror(name);
		return 1;
	}
	return 0;
}

static size_t put(uint8_t *buf, size_t at, const void *p, size_t len)
{
	memcpy(buf + at, p, len);
	return at + len;
}

/* The blob as a dump file. */
static size_t write_dump(const struct built *b, uint8_t *buf)
{
	struct iommu_lu_dump head = { .magic = IOMMU_LU_DUMP_MAGIC, .len = sizeof(head) };
	size_t at = 0;

	at = put(buf, at, &head, sizeof(head));
	at = put(buf, at, &b->hdr, sizeof(b->hdr));
	at = put(buf, at, b->hw, b->hdr.nr_hw * sizeof(b->hw[0]));
	at = put(buf, at, b->domain, b->hdr.nr_domains * sizeof(b->domain[0]));
	return put(buf, at, b->device, b->hdr.nr_devices * sizeof(b->device[0]));
}

static uint8_t file[MEM_PAGES * MEM_PAGE], golden[MEM_PAGES * MEM_PAGE];
static struct memory memory;

/* Those of this version are written by this build, those of older ones are read. */
static void test_golden(const char *dir, int write)
{
	static struct built b, c;
	const struct backend *be;
	enum iommu_lu_kind kind;
	struct dumpfile d;
	const char *err;
	char name[512];
	size_t len, want;
	int v;

	for (v = 1; v <= IOMMU_LU_VERSION; v++) {
		for (be = lu_backends; be->name; be++) {
			snprintf(name, sizeof(name), "%s/v%d-%s.bin", dir, v, be->name);
			be->build(&b);
			len = write_dump(&b, file);
			if (v == IOMMU_LU_VERSION && write)
				failures += save(name, file, len);
			want = load(name, golden, sizeof(golden));
			if (v == IOMMU_LU_VERSION)
				result(want == len && !memcmp(golden, file, len),
				       "A4 bytes of v%d-%s", v, be->name);
			err = dumpfile_parse(golden, want, &iommu_lu_this_build, &d);
			result(!err && !d.err && !d.refused && want, "A5 v%d-%s is read", v,
			       be->name);
			dumpfile_free(&d);
		}

		/* as it lies in memory, with more than one block in a list */
		snprintf(name, sizeof(name), "%s/v%d-intel.mem", dir, v);
		lu_build_intel(&b);
		lu_lay_out(&b, &memory, 2);
		len = (size_t)memory.nr * MEM_PAGE;
		if (v == IOMMU_LU_VERSION && write)
			failures += save(name, memory.page, len);
		want = load(name, golden, sizeof(golden));
		if (v == IOMMU_LU_VERSION)
			result(want == len && !memcmp(golden, memory.page, len),
			       "A4 bytes of v%d-intel in memory", v);
		memcpy(memory.page, golden, want);
		memory.nr = want / MEM_PAGE;
		lu_build_init(&c);
		memcpy(&c.hdr, memory.page[0], sizeof(c.hdr));
		result(!iommu_lu_verify_hdr(&c.hdr, sizeof(c.hdr), &iommu_lu_this_build) &&
		       !iommu_lu_read_blob(&memory.mem, &c.blob, &kind) &&
		       !iommu_lu_verify_blob(&c.blob, &iommu_lu_this_build),
		       "A5 v%d-intel in memory is read", v);
	}
}

/* Input of the fuzzer: a byte that says how to read it, see fuzz.c. */
static int write_corpus(const char *dir)
{
	static struct built b;
	const struct backend *be;
	char name[512];
	size_t len, i;
	int ret = 0;

	for (be = lu_backends; be->name; be++) {
		be->build(&b);
		snprintf(name, sizeof(name), "%s/flat-%s", dir, be->name);
		file[0] = 0;
		len = write_dump(&b, file + 1);
		ret |= save(name, file, len + 1);

		/* 512 bytes of each page, which one or two records fill */
		snprintf(name, sizeof(name), "%s/blocks-%s", dir, be->name);
		lu_lay_out(&b, &memory, 1);
		file[0] = 1;
		for (i = 0; i < memory.nr; i++)
			memcpy(file + 1 + i * 512, memory.page[i], 512);
		ret |= save(name, file, 1 + memory.nr * 512);
	}
	lu_make_bzimage(cases.image);
	file[0] = 2;
	memcpy(file + 1, cases.image, IMAGE_INFO + 256);
	snprintf(name, sizeof(name), "%s/image-bzimage", dir);
	ret |= save(name, file, 1 + IMAGE_INFO + 256);
	lu_make_elf(cases.image);
	memcpy(file + 1, cases.image, 1024);
	snprintf(name, sizeof(name), "%s/image-elf", dir);
	return ret | save(name, file, 1 + 1024);
}

int main(int argc, char **argv)
{
	const struct backend *be;
	static struct built b;

	if (argc == 3 && !strcmp(argv[1], "corpus"))
		return write_corpus(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "dump")) {
		for (be = lu_backends; be->name; be++) {
			if (strcmp(be->name, argv[2]))
				continue;
			be->build(&b);
			return save(argv[3], file, write_dump(&b, file));
		}
		return 2;
	}

	puts("KTAP version 1");
	if (argc == 3 && !strncmp(argv[1], "golden", 6)) {
		test_golden(argv[2], !strcmp(argv[1], "golden-write"));
	} else {
		lu_cases_sound(&cases);
		lu_cases_head(&cases);
		lu_cases_blocks(&cases);
		lu_cases_records(&cases);
		lu_cases_versions(&cases);
		lu_cases_images(&cases);
		test_scale();
		lu_cases_errors(&cases);
		lu_cases_reached(&cases);
	}
	printf("1..%d\n", tests);
	return failures ? 1 : 0;
}
