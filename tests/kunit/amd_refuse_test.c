// SPDX-License-Identifier: GPL-2.0
/*
 * What the AMD-Vi backend refuses before the jump, on the unit that the machine has. Each case
 * makes the unit, a device or a domain what cannot be carried, and puts it back.
 */
#include <asm/iommu.h>

#include "../../core/private.h"
#include "../../drivers-amd/internal.h"
#include "env.h"

static int init(struct kunit *test)
{
	return env_init_hardware(test, &amd_lu_ops);
}

static struct iommu_dev_data *data_of(struct kunit *test)
{
	return dev_iommu_priv_get(env_dev(test, 0));
}

static struct amd_iommu_pci_seg *segment_of(struct kunit *test)
{
	return get_amd_iommu_from_dev(env_dev(test, 0))->pci_seg;
}

static struct protection_domain *domain_of(struct kunit *test)
{
	struct env *env = test->priv;

	return to_pdomain(env->domain[0]);
}

static u16 rid_of(struct kunit *test, unsigned int i)
{
	return pci_dev_id(to_pci_dev(env_dev(test, i)));
}

static void snp(struct kunit *test)
{
	KUNIT_ASSERT_FALSE(test, amd_iommu_snp_en);
	amd_iommu_snp_en = true;
	env_expect_refusal(test, -EOPNOTSUPP);
	amd_iommu_snp_en = false;
	env_expect_normal(test);
}

static void guest_page_tables(struct kunit *test)
{
	domain_of(test)->pd_mode = PD_MODE_V2;
	env_expect_domain_refusal(test, -EOPNOTSUPP);
	domain_of(test)->pd_mode = PD_MODE_V1;
	env_expect_normal(test);
}

static void dirty_tracking(struct kunit *test)
{
	domain_of(test)->dirty_tracking = true;
	env_expect_domain_refusal(test, -EOPNOTSUPP);
	domain_of(test)->dirty_tracking = false;
	env_expect_normal(test);
}

/* A guest has tables of its own on top of it. */
static void nested_parent(struct kunit *test)
{
	LIST_HEAD(viommu);

	list_add(&viommu, &domain_of(test)->viommu_list);
	env_expect_domain_refusal(test, -EOPNOTSUPP);
	list_del(&viommu);
	env_expect_normal(test);
}

static void pasids(struct kunit *test)
{
	u64 table[1] = {};

	KUNIT_ASSERT_NULL(test, data_of(test)->gcr3_info.gcr3_tbl);
	data_of(test)->gcr3_info.gcr3_tbl = table;
	env_expect_refusal(test, -EOPNOTSUPP);
	data_of(test)->gcr3_info.gcr3_tbl = NULL;
	env_expect_normal(test);
}

static void page_requests(struct kunit *test)
{
	KUNIT_ASSERT_FALSE(test, data_of(test)->ppr);
	data_of(test)->ppr = true;
	env_expect_refusal(test, -EOPNOTSUPP);
	data_of(test)->ppr = false;
	env_expect_normal(test);
}

static void ats(struct kunit *test)
{
	KUNIT_ASSERT_FALSE(test, data_of(test)->ats_enabled);
	data_of(test)->ats_enabled = true;
	env_expect_refusal(test, -EOPNOTSUPP);
	data_of(test)->ats_enabled = false;

	/* turned on after it was preserved */
	env_preserve(test, 0);
	data_of(test)->ats_enabled = true;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -EOPNOTSUPP);
	data_of(test)->ats_enabled = false;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), 0);
	env_unfreeze(test, 1, 0);
	env_unpreserve(test, 0);
}

static void too_many_requester_ids(struct kunit *test)
{
	env_expect_aliases_refused(test, IOMMU_DEVICE_SER_MAX_RIDS);
}

/* An alias that came after the device was attached has no entry. */
static void entry_of_nobody(struct kunit *test)
{
	env_expect_aliases_refused(test, 1);
}

static void requester_id_beyond_the_table(struct kunit *test)
{
	struct amd_iommu_pci_seg *seg = segment_of(test);
	/* there is none below 0 that could be the last one */
	unsigned int i = rid_of(test, 0) ? 0 : 1;
	struct env *env = test->priv;
	u16 last = seg->last_bdf;

	if (!env_dev(test, i))
		kunit_skip(test, "needs a device with another requester id than 0");
	if (i)
		env_attach(test, i, env->domain[0]);
	KUNIT_ASSERT_EQ(test, iommu_lu_preserve_domain(env->domain[0], env->iommufd_id, 0), 0);
	seg->last_bdf = rid_of(test, i) - 1;
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(env_dev(test, i), env->iommufd_id),
			-EOPNOTSUPP);
	seg->last_bdf = last;
	KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_devices, 0);
	env_preserve(test, i);
	env_unpreserve(test, i);
}

/* Firmware says that a device uses the id of another one, which has the same entry. */
static void requester_id_of_another_device(struct kunit *test)
{
	struct amd_iommu_pci_seg *seg = segment_of(test);
	struct device *dev = env_dev(test, 0);
	struct env *env = test->priv;
	u16 alias;

	if (!env_dev(test, 1))
		kunit_skip(test, "needs two devices");
	env_attach(test, 1, env->domain[0]);
	env_preserve(test, 1);

	alias = seg->alias_table[rid_of(test, 0)];
	seg->alias_table[rid_of(test, 0)] = rid_of(test, 1);
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(dev, env->iommufd_id), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_devices, 1);
	seg->alias_table[rid_of(test, 0)] = alias;

	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(dev, env->iommufd_id), 0);
	iommu_lu_unpreserve_device(dev);
	env_unpreserve(test, 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(snp),
	KUNIT_CASE(guest_page_tables),
	KUNIT_CASE(dirty_tracking),
	KUNIT_CASE(nested_parent),
	KUNIT_CASE(pasids),
	KUNIT_CASE(page_requests),
	KUNIT_CASE(ats),
	KUNIT_CASE(too_many_requester_ids),
	KUNIT_CASE(entry_of_nobody),
	KUNIT_CASE(requester_id_beyond_the_table),
	KUNIT_CASE(requester_id_of_another_device),
	{}
};

/* Beside iommu_lu_conformance, on the same hardware. */
static struct kunit_suite suite = {
	.name = "iommu_lu_conformance_amd",
	.init = init,
	.exit = env_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
