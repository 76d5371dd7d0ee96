// SPDX-License-Identifier: GPL-2.0
/*
 * The cases of tests/abi in the kernel: its compiler, its strings, its page
 * size. Each test is a requirement and a table of cases.
 */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/container_of.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "../abi/cases.h"

/**
 * struct validate - what a test works with
 * @run: the cases
 * @test: told of those that failed
 * @count: how many there were
 * @quiet: only run them
 */
struct validate {
	struct lu_run run;
	struct kunit *test;
	unsigned int count;
	bool quiet;
};

__printf(3, 4)
static void report_result(struct lu_run *run, int ok, const char *fmt, ...)
{
	struct validate *v = container_of(run, struct validate, run);
	struct va_format vaf;
	va_list ap;

	if (v->quiet)
		return;
	v->count++;
	if (ok)
		return;
	va_start(ap, fmt);
	vaf.fmt = fmt;
	vaf.va = &ap;
	KUNIT_FAIL(v->test, "%pV", &vaf);
	va_end(ap);
}

__printf(2, 3)
static void report_note(struct lu_run *run, const char *fmt, ...)
{
	struct validate *v = container_of(run, struct validate, run);
	struct va_format vaf;
	va_list ap;

	if (v->quiet)
		return;
	va_start(ap, fmt);
	vaf.fmt = fmt;
	vaf.va = &ap;
	kunit_err(v->test, "%pV\n", &vaf);
	va_end(ap);
}

static void free_validate(void *v)
{
	kvfree(v);
}

static int validate_init(struct kunit *test)
{
	struct validate *v = kvzalloc_obj(*v);

	if (!v)
		return -ENOMEM;
	v->run.result = report_result;
	v->run.note = report_note;
	v->test = test;
	test->priv = v;
	return kunit_add_action_or_reset(test, free_validate, v);
}

static void run_cases(struct kunit *test, void (*cases)(struct lu_run *run))
{
	struct validate *v = test->priv;

	cases(&v->run);
	kunit_info(test, "%u cases\n", v->count);
	KUNIT_EXPECT_NE(test, v->count, 0);
}

static void A1_A2_A3_sound(struct kunit *test)
{
	run_cases(test, lu_cases_sound);
}

static void A5_head(struct kunit *test)
{
	run_cases(test, lu_cases_head);
}

static void A5_versions(struct kunit *test)
{
	run_cases(test, lu_cases_versions);
}

static void A6_blocks(struct kunit *test)
{
	run_cases(test, lu_cases_blocks);
}

static void A6_records(struct kunit *test)
{
	run_cases(test, lu_cases_records);
}

/* Which errors have a case is known only when all cases were run. */
static void A6_errors(struct kunit *test)
{
	struct validate *v = test->priv;

	v->quiet = true;
	lu_cases_sound(&v->run);
	lu_cases_head(&v->run);
	lu_cases_blocks(&v->run);
	lu_cases_records(&v->run);
	lu_cases_versions(&v->run);
	lu_cases_images(&v->run);
	v->quiet = false;
	lu_cases_errors(&v->run);
	run_cases(test, lu_cases_reached);
}

static void A7_images(struct kunit *test)
{
	run_cases(test, lu_cases_images);
}

/* What the previous kernel finds in our image is what we take over. */
static void A7_this_build(struct kunit *test)
{
	struct validate *v = test->priv;
	struct built *b = &v->run.b;
	struct iommu_lu_caps caps;
	u32 i;

	memcpy(v->run.image, "\177ELF", 4);
	memcpy(v->run.image + SZ_1K, &iommu_lu_note, sizeof(iommu_lu_note));
	KUNIT_ASSERT_EQ(test, IOMMU_LU_OK, iommu_lu_find_note(v->run.image, IMAGE_LEN, &caps));
	KUNIT_EXPECT_MEMEQ(test, &caps, &iommu_lu_this_build, sizeof(caps));
	KUNIT_EXPECT_EQ(test, caps.page_shift, PAGE_SHIFT);

	lu_build_mixed(b);
	for (i = 0; i < b->hdr.nr_hw; i++)
		KUNIT_EXPECT_EQ_MSG(test, iommu_lu_verify_hw(&b->hw[i], &caps, 1),
				    caps.hw_types & BIT(b->hw[i].type) ? IOMMU_LU_OK :
									 IOMMU_LU_HW_DRIVER,
				    "unit %u of type %u", i, b->hw[i].type);
}

static struct kunit_case validate_cases[] = {
	KUNIT_CASE(A1_A2_A3_sound),
	KUNIT_CASE(A5_head),
	KUNIT_CASE(A5_versions),
	KUNIT_CASE(A6_blocks),
	KUNIT_CASE(A6_records),
	KUNIT_CASE(A6_errors),
	KUNIT_CASE(A7_images),
	KUNIT_CASE(A7_this_build),
	{ }
};

static struct kunit_suite validate_suite = {
	.name = "iommu_lu_validate",
	.init = validate_init,
	.test_cases = validate_cases,
};

kunit_test_suite(validate_suite);
