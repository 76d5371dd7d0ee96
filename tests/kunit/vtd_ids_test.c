// SPDX-License-Identifier: GPL-2.0
/* Domain ids are taken and given back unit by unit. QEMU has one unit, here are two. */
#include <kunit/test.h>

#include "../../drivers-intel/internal.h"

#define NR	4

struct ids {
	struct intel_iommu iommu[2];
	struct iommu_lu_unit unit[2];
	struct iommu_lu_domain domain[NR];
	struct iommu_lu_device device[NR];
	struct dmar_domain dmar_domain;
};

static struct ids *ids_of(struct kunit *test)
{
	return test->priv;
}

static void add(struct ids *ids, int unit, int device, int domain, u16 did)
{
	struct iommu_lu_device *ldev = &ids->device[device];

	ldev->ser.intel.did = did;
	ldev->unit = &ids->unit[unit];
	ldev->domain = &ids->domain[domain];
	ldev->next = ids->unit[unit].first;
	ids->unit[unit].first = ldev;
}

static void adopt(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	KUNIT_EXPECT_EQ(test, intel_lu_adopt_ids(&ids->iommu[0], &ids->unit[0]), 0);
	KUNIT_EXPECT_EQ(test, intel_lu_adopt_ids(&ids->iommu[1], &ids->unit[1]), 0);
}

static bool taken(struct ids *ids, int unit, u16 did)
{
	return ida_exists(&ids->iommu[unit].domain_ida, did);
}

/* Two devices on a domain behind one unit: one id. The same domain behind another: one more. */
static void one_per_domain_and_unit(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add(ids, 0, 0, 0, 7);
	add(ids, 0, 1, 0, 7);
	add(ids, 1, 2, 0, 9);
	add(ids, 1, 3, 1, 7);
	adopt(test);
	KUNIT_EXPECT_EQ(test, ids->device[0].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[1].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[2].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[3].failed, 0);
	KUNIT_EXPECT_TRUE(test, taken(ids, 0, 7) && taken(ids, 1, 7) && taken(ids, 1, 9));
	KUNIT_EXPECT_FALSE(test, taken(ids, 0, 9));
	/* and nobody else gets them */
	KUNIT_EXPECT_EQ(test, ida_alloc_range(&ids->iommu[0].domain_ida, 7, 7, GFP_KERNEL),
			-ENOSPC);
}

/* Of two domains with one id the second has no luck, and nothing else is hurt. */
static void clash_fails_alone(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add(ids, 0, 0, 0, 7);
	add(ids, 0, 1, 1, 7);
	add(ids, 0, 2, 2, 8);
	add(ids, 1, 3, 1, 7);
	adopt(test);
	KUNIT_EXPECT_EQ(test, !!ids->device[0].failed + !!ids->device[1].failed, 1);
	KUNIT_EXPECT_EQ(test, ids->device[2].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[3].failed, 0);
}

/* Ids that are not given to domains. */
static void reserved(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add(ids, 0, 0, 0, 0);
	add(ids, 0, 1, 1, FLPT_DEFAULT_DID);
	add(ids, 0, 2, 2, 5);
	adopt(test);
	KUNIT_EXPECT_NE(test, ids->device[0].failed, 0);
	KUNIT_EXPECT_NE(test, ids->device[1].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[2].failed, 0);
}

/* One that somebody has already is an error of the unit, and of no other one. */
static void foreign_fails_the_unit(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	KUNIT_ASSERT_EQ(test, ida_alloc_range(&ids->iommu[1].domain_ida, 5, 5, GFP_KERNEL), 5);
	add(ids, 0, 0, 0, 5);
	add(ids, 1, 1, 0, 5);
	KUNIT_EXPECT_EQ(test, intel_lu_adopt_ids(&ids->iommu[0], &ids->unit[0]), 0);
	KUNIT_EXPECT_EQ(test, intel_lu_adopt_ids(&ids->iommu[1], &ids->unit[1]), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ids->device[0].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[1].failed, 0);
}

/* A restored domain keeps its ids until it is freed. */
static void given_back(struct kunit *test)
{
	struct ids *ids = ids_of(test);
	struct dmar_domain *domain = &ids->dmar_domain;

	add(ids, 0, 0, 0, 7);
	add(ids, 1, 1, 0, 9);
	adopt(test);
	KUNIT_ASSERT_EQ(test, intel_lu_restore_id(&ids->iommu[0], domain, 7), 0);
	KUNIT_ASSERT_EQ(test, intel_lu_restore_id(&ids->iommu[1], domain, 9), 0);
	KUNIT_EXPECT_EQ(test, intel_lu_restore_id(&ids->iommu[0], domain, 7), 0);
	KUNIT_EXPECT_EQ(test, intel_lu_restore_id(&ids->iommu[0], domain, 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, domain_id_iommu(domain, &ids->iommu[0]), 7);
	KUNIT_EXPECT_EQ(test, domain_id_iommu(domain, &ids->iommu[1]), 9);

	/* a device behind the first unit comes and goes */
	KUNIT_ASSERT_EQ(test, domain_attach_iommu(domain, &ids->iommu[0]), 0);
	domain_detach_iommu(domain, &ids->iommu[0]);
	KUNIT_EXPECT_TRUE(test, taken(ids, 0, 7));
	KUNIT_EXPECT_TRUE(test, taken(ids, 1, 9));

	domain->domain.lu = &ids->domain[0];
	ids->domain[0].incoming = true;
	intel_lu_free_ids(domain);
	KUNIT_EXPECT_FALSE(test, taken(ids, 0, 7));
	KUNIT_EXPECT_FALSE(test, taken(ids, 1, 9));
	KUNIT_EXPECT_TRUE(test, xa_empty(&domain->iommu_array));
}

/* Of a domain that never got it: released with the last device that could have come. */
static void nobody_comes_for_it(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add(ids, 0, 0, 0, 7);
	add(ids, 0, 1, 0, 7);
	add(ids, 0, 2, 1, 8);
	adopt(test);
	ids->device[0].failed = -ENOMEM;
	intel_lu_drop_id(&ids->iommu[0], &ids->device[0]);
	KUNIT_EXPECT_TRUE(test, taken(ids, 0, 7));
	ids->device[1].failed = -ENODEV;
	intel_lu_drop_id(&ids->iommu[0], &ids->device[1]);
	KUNIT_EXPECT_FALSE(test, taken(ids, 0, 7));
	KUNIT_EXPECT_TRUE(test, taken(ids, 0, 8));

	/* now it is somebody else's */
	KUNIT_ASSERT_EQ(test, ida_alloc_range(&ids->iommu[0].domain_ida, 7, 7, GFP_KERNEL), 7);
	intel_lu_drop_id(&ids->iommu[0], &ids->device[0]);
	KUNIT_EXPECT_TRUE(test, taken(ids, 0, 7));
}

/* The domain has got it, and another device of it fails. */
static void domain_keeps_it(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add(ids, 0, 0, 0, 7);
	add(ids, 0, 1, 0, 7);
	adopt(test);
	ids->domain[0].domain = &ids->dmar_domain.domain;
	KUNIT_ASSERT_EQ(test, intel_lu_restore_id(&ids->iommu[0], &ids->dmar_domain, 7), 0);
	ids->device[0].failed = -EINVAL;
	ids->device[1].failed = -EINVAL;
	intel_lu_drop_id(&ids->iommu[0], &ids->device[0]);
	intel_lu_drop_id(&ids->iommu[0], &ids->device[1]);
	KUNIT_EXPECT_TRUE(test, taken(ids, 0, 7));

	ids->dmar_domain.domain.lu = &ids->domain[0];
	ids->domain[0].incoming = true;
	intel_lu_free_ids(&ids->dmar_domain);
	KUNIT_EXPECT_FALSE(test, taken(ids, 0, 7));
}

/* The one that came second does not give away the id of the other. */
static void clash_gives_nothing_away(struct kunit *test)
{
	struct ids *ids = ids_of(test);
	int i;

	add(ids, 0, 0, 0, 7);
	add(ids, 0, 1, 1, 7);
	adopt(test);
	for (i = 0; i < 2; i++)
		if (ids->device[i].failed)
			intel_lu_drop_id(&ids->iommu[0], &ids->device[i]);
	KUNIT_EXPECT_TRUE(test, taken(ids, 0, 7));
}

static int ids_init(struct kunit *test)
{
	struct ids *ids = kunit_kzalloc(test, sizeof(*ids), GFP_KERNEL);
	int i;

	if (!ids)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		ida_init(&ids->iommu[i].domain_ida);
		mutex_init(&ids->iommu[i].did_lock);
		ids->iommu[i].seq_id = i;
		snprintf(ids->iommu[i].name, sizeof(ids->iommu[i].name), "test%d", i);
	}
	xa_init(&ids->dmar_domain.iommu_array);
	test->priv = ids;
	return 0;
}

static void ids_exit(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	if (!ids)
		return;
	ida_destroy(&ids->iommu[0].domain_ida);
	ida_destroy(&ids->iommu[1].domain_ida);
	xa_destroy(&ids->dmar_domain.iommu_array);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(one_per_domain_and_unit),
	KUNIT_CASE(clash_fails_alone),
	KUNIT_CASE(reserved),
	KUNIT_CASE(foreign_fails_the_unit),
	KUNIT_CASE(given_back),
	KUNIT_CASE(nobody_comes_for_it),
	KUNIT_CASE(domain_keeps_it),
	KUNIT_CASE(clash_gives_nothing_away),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu_lu_vtd_ids",
	.init = ids_init,
	.exit = ids_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
