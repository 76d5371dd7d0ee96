// SPDX-License-Identifier: GPL-2.0
/*
 * Domain ids are those of the driver, over all units. QEMU has one unit, here are two.
 * And what else can be told without hardware.
 */
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

/* An id goes with the last entry that bears it, or with the domain that has got it. */
static void dropped(struct kunit *test)
{
	struct dev_table_entry *table = kunit_kcalloc(test, 4, sizeof(*table), GFP_KERNEL);
	struct amd_iommu_pci_seg seg = { .last_bdf = 3, .dev_table = table };
	struct ids *ids = ids_of(test);

	KUNIT_ASSERT_NOT_NULL(test, table);
	table[2] = (struct dev_table_entry) { .data = {
		DTE_FLAG_V | DTE_FLAG_TV | FIELD_PREP(DTE_MODE_MASK, 3), ID } };
	add(ids, 0, 0, 0, ID);
	add(ids, 0, 1, 1, ID + 1);
	add(ids, 1, 2, 2, ID);
	KUNIT_ASSERT_EQ(test, amd_lu_adopt_ids(&ids->unit[0]), 0);
	KUNIT_ASSERT_EQ(test, amd_lu_adopt_ids(&ids->unit[1]), 0);

	list_add(&seg.list, &amd_iommu_pci_seg_list);
	amd_lu_drop_id(&ids->device[0]);
	KUNIT_EXPECT_TRUE(test, taken(ID));
	/* not its own */
	amd_lu_drop_id(&ids->device[2]);
	KUNIT_EXPECT_TRUE(test, taken(ID));
	amd_lu_block_rid(&seg, 2);
	amd_lu_drop_id(&ids->device[2]);
	KUNIT_EXPECT_TRUE(test, taken(ID));
	amd_lu_drop_id(&ids->device[0]);
	KUNIT_EXPECT_FALSE(test, taken(ID));
	list_del(&seg.list);

	/* nobody else's since */
	KUNIT_ASSERT_EQ(test, amd_iommu_pdom_id_reserve(ID, GFP_KERNEL), ID);
	amd_lu_drop_id(&ids->device[0]);
	KUNIT_EXPECT_TRUE(test, taken(ID));
	KUNIT_EXPECT_FALSE(test, amd_lu_give_id(&ids->domain[0], ID));

	KUNIT_EXPECT_FALSE(test, amd_lu_give_id(&ids->domain[1], ID));
	KUNIT_EXPECT_TRUE(test, amd_lu_give_id(&ids->domain[1], ID + 1));
	amd_lu_drop_id(&ids->device[1]);
	KUNIT_EXPECT_TRUE(test, taken(ID + 1));
}

/* DMA is blocked, interrupts stay remapped if they are. */
static void blocked(struct kunit *test)
{
	struct dev_table_entry *table = kunit_kcalloc(test, 2, sizeof(*table), GFP_KERNEL);
	struct amd_iommu_pci_seg seg = { .last_bdf = 1, .dev_table = table };

	KUNIT_ASSERT_NOT_NULL(test, table);
	table[1] = (struct dev_table_entry) { .data = {
		DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW | SZ_1M |
		FIELD_PREP(DTE_MODE_MASK, 3), ID, DTE_IRQ_REMAP_ENABLE | SZ_2M } };
	amd_lu_block_rid(&seg, 1);
	KUNIT_EXPECT_EQ(test, table[1].data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, table[1].data[1], 0);
	KUNIT_EXPECT_EQ(test, table[1].data[2], DTE_IRQ_REMAP_ENABLE);
	KUNIT_EXPECT_EQ(test, table[0].data[0], 0);
}

/* A device on its restored domain, and one to replace that; too large for the stack. */
struct replacing {
	struct iommu_lu_domain ldom;
	struct protection_domain old, new;
	struct iommu_dev_data dev_data;
	struct dev_iommu dev_iommu;
	struct pci_dev pdev;
};

/* QEMU's unit has no guest page tables to try it with. */
static void only_v1_replaces(struct kunit *test)
{
	struct replacing *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	struct device *dev = &r->pdev.dev;
	int ret = 0;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->ldom.incoming = true;
	r->old.domain.type = IOMMU_DOMAIN_UNMANAGED;
	r->old.domain.lu = &r->ldom;
	r->old.pd_mode = PD_MODE_V1;
	r->new.domain.type = IOMMU_DOMAIN_UNMANAGED;
	r->new.pd_mode = PD_MODE_V2;
	r->dev_data.domain = &r->old;
	r->dev_iommu.priv = &r->dev_data;
	dev->bus = &pci_bus_type;
	dev->init_name = "amd";
	dev->iommu = &r->dev_iommu;
	KUNIT_EXPECT_TRUE(test, amd_lu_attach(&r->new.domain, dev, &ret));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, r->dev_data.domain, &r->old);
	/* the kernel's own, when nobody cares for the device any more */
	r->new.domain.type = IOMMU_DOMAIN_DMA;
	KUNIT_EXPECT_FALSE(test, amd_lu_attach(&r->new.domain, dev, &ret));
	/* neither of them is restored */
	r->ldom.incoming = false;
	r->new.domain.type = IOMMU_DOMAIN_UNMANAGED;
	KUNIT_EXPECT_FALSE(test, amd_lu_attach(&r->new.domain, dev, &ret));
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
	KUNIT_CASE(dropped),
	KUNIT_CASE(blocked),
	KUNIT_CASE(only_v1_replaces),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu_lu_amd_ids",
	.init = ids_init,
	.exit = ids_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
