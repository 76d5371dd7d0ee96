// SPDX-License-Identifier: GPL-2.0
/* Domain ids are those of the driver, over all units. QEMU has one unit, here are two. */
#include <kunit/test.h>

#include "../../drivers-amd/internal.h"

#define NR	4
/* far from ids that somebody uses */
#define ID	0xff00

struct ids {
	struct iommu_lu_unit unit[2];
	struct iommu_lu_domain domain[NR];
	struct iommu_lu_device device[NR];
};

static struct ids *ids_of(struct kunit *test)
{
	return test->priv;
}

static void add(struct ids *ids, int unit, int device, int domain, u16 did)
{
	struct iommu_lu_device *ldev = &ids->device[device];

	ldev->ser.amd.did = did;
	ldev->domain = &ids->domain[domain];
	ldev->next = ids->unit[unit].first;
	ids->unit[unit].first = ldev;
}

static bool taken(u16 did)
{
	return ida_exists(&pdom_ids, did);
}

/* Any number of devices on a domain, behind any unit: one id, which nobody else gets. */
static void one_per_domain(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add(ids, 0, 0, 0, ID);
	add(ids, 0, 1, 0, ID);
	add(ids, 1, 2, 0, ID);
	add(ids, 1, 3, 1, ID + 1);
	KUNIT_EXPECT_EQ(test, amd_lu_adopt_ids(&ids->unit[0]), 0);
	KUNIT_EXPECT_EQ(test, amd_lu_adopt_ids(&ids->unit[1]), 0);
	KUNIT_EXPECT_EQ(test, ids->device[0].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[1].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[2].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[3].failed, 0);
	KUNIT_EXPECT_TRUE(test, taken(ID) && taken(ID + 1));
	KUNIT_EXPECT_EQ(test, amd_iommu_pdom_id_reserve(ID, GFP_KERNEL), -ENOSPC);
}

/* Of two domains with one id the second has no luck, even behind another unit. */
static void clash_fails_alone(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add(ids, 0, 0, 0, ID);
	add(ids, 1, 1, 1, ID);
	add(ids, 1, 2, 2, ID + 1);
	KUNIT_EXPECT_EQ(test, amd_lu_adopt_ids(&ids->unit[0]), 0);
	KUNIT_EXPECT_EQ(test, amd_lu_adopt_ids(&ids->unit[1]), 0);
	KUNIT_EXPECT_EQ(test, ids->device[0].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[1].failed, -EINVAL);
	KUNIT_EXPECT_EQ(test, ids->device[2].failed, 0);
}

/* A domain has one id. */
static void second_id_fails_alone(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add(ids, 0, 0, 0, ID);
	add(ids, 1, 1, 0, ID + 1);
	KUNIT_EXPECT_EQ(test, amd_lu_adopt_ids(&ids->unit[0]), 0);
	KUNIT_EXPECT_EQ(test, amd_lu_adopt_ids(&ids->unit[1]), 0);
	KUNIT_EXPECT_EQ(test, ids->device[0].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[1].failed, -EINVAL);
	KUNIT_EXPECT_FALSE(test, taken(ID + 1));
}

/* 0 is no id, and one that somebody has already is not for us. */
static void reserved(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	KUNIT_ASSERT_EQ(test, amd_iommu_pdom_id_reserve(ID, GFP_KERNEL), ID);
	add(ids, 0, 0, 0, 0);
	add(ids, 0, 1, 1, ID);
	add(ids, 0, 2, 2, ID + 1);
	KUNIT_EXPECT_EQ(test, amd_lu_adopt_ids(&ids->unit[0]), 0);
	KUNIT_EXPECT_EQ(test, ids->device[0].failed, -EINVAL);
	KUNIT_EXPECT_EQ(test, ids->device[1].failed, -EINVAL);
	KUNIT_EXPECT_EQ(test, ids->device[2].failed, 0);
}

static int ids_init(struct kunit *test)
{
	/* indices that no record has, and no other case */
	static u32 index = U32_MAX;
	struct ids *ids = kunit_kzalloc(test, sizeof(*ids), GFP_KERNEL);
	int i;

	if (!ids)
		return -ENOMEM;
	for (i = 0; i < NR; i++)
		ids->domain[i].index = index--;
	test->priv = ids;
	return 0;
}

static void ids_exit(struct kunit *test)
{
	u16 did;

	for (did = ID; did < ID + NR; did++)
		if (taken(did))
			amd_iommu_pdom_id_free(did);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(one_per_domain),
	KUNIT_CASE(clash_fails_alone),
	KUNIT_CASE(second_id_fails_alone),
	KUNIT_CASE(reserved),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu_lu_amd_ids",
	.init = ids_init,
	.exit = ids_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
