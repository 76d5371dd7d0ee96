// SPDX-License-Identifier: GPL-2.0
/* ASIDs are shared by all SMMUs, VMIDs belong to each. Here are two of them. */
#include <kunit/test.h>

#include "../../drivers-smmuv3/internal.h"

#define NR	4
/* far from ids that somebody uses */
#define ID	0xff00

struct ids {
	struct arm_smmu_device smmu[2];
	struct iommu_lu_unit unit[2];
	struct iommu_lu_domain domain[NR];
	struct iommu_lu_device device[NR];
	struct arm_smmu_domain smmu_domain;
	struct xarray owners;
};

static struct ids *ids_of(struct kunit *test)
{
	return test->priv;
}

static void add(struct ids *ids, int unit, int device, int domain, u16 did, u32 format)
{
	struct iommu_lu_device *ldev = &ids->device[device];

	ldev->ser.smmuv3.did = did;
	ldev->unit = &ids->unit[unit];
	ldev->domain = &ids->domain[domain];
	ldev->domain->ser.format = format;
	ldev->next = ids->unit[unit].first;
	ids->unit[unit].first = ldev;
}

static void add_s1(struct ids *ids, int unit, int device, int domain, u16 asid)
{
	add(ids, unit, device, domain, asid, IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1);
}

static void add_s2(struct ids *ids, int unit, int device, int domain, u16 vmid)
{
	add(ids, unit, device, domain, vmid, IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2);
}

static void reserve(struct kunit *test)
{
	struct ids *ids = ids_of(test);
	int i;

	for (i = 0; i < NR && ids->device[i].domain; i++)
		KUNIT_EXPECT_EQ(test, smmu_lu_reserve_asid(&ids->device[i], &ids->owners), 0);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, smmu_lu_reserve_vmids(&ids->smmu[i], &ids->unit[i]), 0);
}

/* A reserved ASID looks empty, but is not given to anybody. */
static bool asid_taken(u16 asid)
{
	int ret = xa_insert(&arm_smmu_asid_xa, asid, xa_mk_value(1), GFP_KERNEL);

	if (!ret)
		xa_erase(&arm_smmu_asid_xa, asid);
	return ret;
}

static bool vmid_taken(struct ids *ids, int unit, u16 vmid)
{
	return ida_exists(&ids->smmu[unit].vmid_map, vmid);
}

static void one_per_domain(struct kunit *test)
{
	struct ids *ids = ids_of(test);
	int i;

	add_s1(ids, 0, 0, 0, ID);
	add_s1(ids, 0, 1, 0, ID);
	add_s2(ids, 0, 2, 1, ID);
	add_s2(ids, 1, 3, 2, ID);
	reserve(test);
	for (i = 0; i < NR; i++)
		KUNIT_EXPECT_EQ(test, ids->device[i].failed, 0);
	KUNIT_EXPECT_TRUE(test, asid_taken(ID));
	KUNIT_EXPECT_TRUE(test, vmid_taken(ids, 0, ID) && vmid_taken(ids, 1, ID));
}

/* Of two domains with one ASID the second has no luck, even behind another SMMU. */
static void clash_fails_alone(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add_s1(ids, 0, 0, 0, ID);
	add_s1(ids, 1, 1, 1, ID);
	add_s2(ids, 0, 2, 2, ID);
	add_s2(ids, 0, 3, 3, ID);
	reserve(test);
	KUNIT_EXPECT_EQ(test, ids->device[0].failed, 0);
	KUNIT_EXPECT_EQ(test, ids->device[1].failed, -EINVAL);
	KUNIT_EXPECT_EQ(test, !!ids->device[2].failed + !!ids->device[3].failed, 1);

	/* and takes nothing away from the first when it is given up */
	smmu_lu_drop_id(&ids->device[1]);
	KUNIT_EXPECT_TRUE(test, asid_taken(ID));
	ids->unit[0].iommu = &ids->smmu[0].iommu;
	smmu_lu_drop_id(&ids->device[ids->device[2].failed ? 2 : 3]);
	KUNIT_EXPECT_TRUE(test, vmid_taken(ids, 0, ID));
}

/* The id goes with the last device that can come for it. */
static void nobody_comes_for_it(struct kunit *test)
{
	struct ids *ids = ids_of(test);
	int i;

	add_s1(ids, 0, 0, 0, ID);
	add_s1(ids, 0, 1, 0, ID);
	add_s2(ids, 0, 2, 1, ID + 1);
	add_s2(ids, 0, 3, 1, ID + 1);
	reserve(test);
	ids->unit[0].iommu = &ids->smmu[0].iommu;
	for (i = 0; i < NR; i++) {
		ids->device[i].failed = -ENODEV;
		smmu_lu_drop_id(&ids->device[i]);
		KUNIT_EXPECT_EQ(test, asid_taken(ID), i < 1);
		KUNIT_EXPECT_EQ(test, vmid_taken(ids, 0, ID + 1), i < 3);
	}
	/* once only: it may be somebody else's by now */
	KUNIT_ASSERT_EQ(test, xa_reserve(&arm_smmu_asid_xa, ID, GFP_KERNEL), 0);
	smmu_lu_drop_id(&ids->device[0]);
	KUNIT_EXPECT_TRUE(test, asid_taken(ID));
}

/* A domain that has got it gives it back itself. */
static void the_domain_has_it(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add_s1(ids, 0, 0, 0, ID);
	reserve(test);
	ids->smmu_domain.stage = ARM_SMMU_DOMAIN_S1;
	ids->smmu_domain.cd.asid = ID;
	ids->domain[0].domain = &ids->smmu_domain.domain;
	ids->device[0].failed = -EINVAL;
	smmu_lu_drop_id(&ids->device[0]);
	KUNIT_EXPECT_TRUE(test, asid_taken(ID));
}

/* An SMMU that is not taken over: no device of it comes. */
static void failed_unit(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	add_s1(ids, 0, 0, 0, ID);
	add_s1(ids, 1, 1, 1, ID);
	ids->unit[1].failed = -EINVAL;
	reserve(test);
	KUNIT_EXPECT_EQ(test, ids->device[0].failed, 0);
	smmu_lu_drop_id(&ids->device[1]);
	KUNIT_EXPECT_TRUE(test, asid_taken(ID));
	ids->unit[0].failed = -EINVAL;
	smmu_lu_drop_id(&ids->device[0]);
	KUNIT_EXPECT_FALSE(test, asid_taken(ID));
}

static int ids_init(struct kunit *test)
{
	struct ids *ids = kunit_kzalloc(test, sizeof(*ids), GFP_KERNEL);
	int i;

	if (!ids)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		ida_init(&ids->smmu[i].vmid_map);
		ids->unit[i].ser.type = IOMMU_HW_SER_SMMUV3;
	}
	xa_init(&ids->owners);
	test->priv = ids;
	return 0;
}

static void ids_exit(struct kunit *test)
{
	struct ids *ids = ids_of(test);

	xa_release(&arm_smmu_asid_xa, ID);
	xa_destroy(&ids->owners);
	ida_destroy(&ids->smmu[0].vmid_map);
	ida_destroy(&ids->smmu[1].vmid_map);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(one_per_domain),
	KUNIT_CASE(clash_fails_alone),
	KUNIT_CASE(nobody_comes_for_it),
	KUNIT_CASE(the_domain_has_it),
	KUNIT_CASE(failed_unit),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu_lu_smmuv3_ids",
	.init = ids_init,
	.exit = ids_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
