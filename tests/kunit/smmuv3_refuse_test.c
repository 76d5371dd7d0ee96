// SPDX-License-Identifier: GPL-2.0
/*
 * What the SMMUv3 backend refuses before the jump, on the SMMU that the machine has. Each case
 * makes the SMMU, a device or a domain what cannot be carried, and puts it back.
 */
#include "../../core/private.h"
#include "../../drivers-smmuv3/internal.h"
#include "env.h"

static int init(struct kunit *test)
{
	return env_init_hardware(test, &smmu_lu_ops);
}

static struct arm_smmu_master *master_of(struct kunit *test)
{
	return dev_iommu_priv_get(env_dev(test, 0));
}

static struct arm_smmu_domain *domain_of(struct kunit *test)
{
	struct env *env = test->priv;

	return to_smmu_domain(env->domain[0]);
}

static void need_stage_1(struct kunit *test)
{
	if (domain_of(test)->stage != ARM_SMMU_DOMAIN_S1)
		kunit_skip(test, "needs stage 1");
}

static void no_coherency(struct kunit *test)
{
	struct arm_smmu_device *smmu = master_of(test)->smmu;

	KUNIT_ASSERT_TRUE(test, smmu->features & ARM_SMMU_FEAT_COHERENCY);
	smmu->features &= ~ARM_SMMU_FEAT_COHERENCY;
	env_expect_refusal(test, -EOPNOTSUPP);
	smmu->features |= ARM_SMMU_FEAT_COHERENCY;
	env_expect_normal(test);
}

static void implementation_with_extensions(struct kunit *test)
{
	static const struct arm_smmu_impl_ops ops;
	struct arm_smmu_device *smmu = master_of(test)->smmu;

	KUNIT_ASSERT_NULL(test, smmu->impl_ops);
	smmu->impl_ops = &ops;
	env_expect_refusal(test, -EOPNOTSUPP);
	smmu->impl_ops = NULL;
	env_expect_normal(test);
}

/* From dma_alloc_coherent(), as in a kernel without live update */
static void tables_in_other_memory(struct kunit *test)
{
	struct arm_smmu_device *smmu = master_of(test)->smmu;

	KUNIT_ASSERT_TRUE(test, smmu->lu.own_pages);
	smmu->lu.own_pages = false;
	env_expect_refusal(test, -EOPNOTSUPP);
	smmu->lu.own_pages = true;
	env_expect_normal(test);
}

static void nested_parent(struct kunit *test)
{
	KUNIT_ASSERT_FALSE(test, domain_of(test)->nest_parent);
	domain_of(test)->nest_parent = true;
	env_expect_domain_refusal(test, -EOPNOTSUPP);
	domain_of(test)->nest_parent = false;
	env_expect_normal(test);
}

static void dirty_tracking(struct kunit *test)
{
	static const struct iommu_dirty_ops ops;
	struct iommu_domain *domain = &domain_of(test)->domain;

	KUNIT_ASSERT_NULL(test, domain->dirty_ops);
	domain->dirty_ops = &ops;
	env_expect_domain_refusal(test, -EOPNOTSUPP);
	domain->dirty_ops = NULL;
	env_expect_normal(test);
}

static void ats(struct kunit *test)
{
	KUNIT_ASSERT_FALSE(test, master_of(test)->ats_enabled);
	master_of(test)->ats_enabled = true;
	env_expect_refusal(test, -EOPNOTSUPP);
	master_of(test)->ats_enabled = false;
	env_expect_normal(test);
}

static void stalls(struct kunit *test)
{
	KUNIT_ASSERT_FALSE(test, master_of(test)->stall_enabled);
	master_of(test)->stall_enabled = true;
	env_expect_refusal(test, -EOPNOTSUPP);
	master_of(test)->stall_enabled = false;
	env_expect_normal(test);
}

static void nested_translation(struct kunit *test)
{
	static struct arm_smmu_vmaster vmaster;

	KUNIT_ASSERT_NULL(test, master_of(test)->vmaster);
	master_of(test)->vmaster = &vmaster;
	env_expect_refusal(test, -EOPNOTSUPP);
	master_of(test)->vmaster = NULL;
	env_expect_normal(test);
}

static void pasids(struct kunit *test)
{
	struct arm_smmu_ctx_desc_cfg *cd_table = &master_of(test)->cd_table;

	KUNIT_ASSERT_EQ(test, cd_table->used_ssids, 0);
	cd_table->used_ssids = 1;
	env_expect_refusal(test, -EOPNOTSUPP);
	cd_table->used_ssids = 0;

	/* attached after it was preserved */
	env_preserve(test, 0);
	cd_table->used_ssids = 1;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -EOPNOTSUPP);
	cd_table->used_ssids = 0;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), 0);
	env_unfreeze(test, 1, 0);
	env_unpreserve(test, 0);
}

static void too_many_requester_ids(struct kunit *test)
{
	env_expect_aliases_refused(test, IOMMU_DEVICE_SER_MAX_RIDS);
}

/* An alias that firmware says nothing about */
static void requester_id_without_stream(struct kunit *test)
{
	env_expect_aliases_refused(test, 1);
}

static u32 sid_of(struct kunit *test)
{
	u32 sid;

	KUNIT_ASSERT_EQ(test, smmu_lu_sids(master_of(test), &sid, 1), 1);
	return sid;
}

/* The device does no DMA, so nobody reads what is wrong with its entry. */
static void entry_of_others(struct kunit *test)
{
	struct arm_smmu_ste *ste = arm_smmu_get_step_for_sid(master_of(test)->smmu, sid_of(test));

	ste->data[1] ^= cpu_to_le64(STRTAB_STE_1_S1STALLD);
	env_expect_refusal(test, -EOPNOTSUPP);
	ste->data[1] ^= cpu_to_le64(STRTAB_STE_1_S1STALLD);
	env_expect_normal(test);
}

static void descriptor_of_others(struct kunit *test)
{
	struct arm_smmu_cd *cd;

	need_stage_1(test);
	cd = arm_smmu_get_cd_ptr(master_of(test), IOMMU_NO_PASID);
	KUNIT_ASSERT_NOT_NULL(test, cd);
	cd->data[0] ^= cpu_to_le64(CTXDESC_CD_0_S);
	env_expect_refusal(test, -EOPNOTSUPP);
	cd->data[0] ^= cpu_to_le64(CTXDESC_CD_0_S);
	env_expect_normal(test);
}

/*
 * No emulated machine has an RMR for a PCI device, so the unit is told as it would be when it
 * was preserved: by another device, before this one.
 */
static void stream_of_firmware(struct kunit *test)
{
	struct env *env = test->priv;
	struct smmu_lu_unit *own;

	if (!env_dev(test, 1))
		kunit_skip(test, "needs two devices");
	env_attach(test, 1, env->domain[0]);
	env_preserve(test, 1);
	own = master_of(test)->smmu->iommu.lu->priv;
	KUNIT_EXPECT_EQ(test, xa_insert(&own->sids, sid_of(test), SMMU_LU_SID_RMR, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(env_dev(test, 0), env->iommufd_id),
			-EOPNOTSUPP);
	KUNIT_EXPECT_PTR_EQ(test, xa_erase(&own->sids, sid_of(test)), SMMU_LU_SID_RMR);

	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(env_dev(test, 0), env->iommufd_id), 0);
	iommu_lu_unpreserve_device(env_dev(test, 0));
	env_unpreserve(test, 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(no_coherency),
	KUNIT_CASE(implementation_with_extensions),
	KUNIT_CASE(tables_in_other_memory),
	KUNIT_CASE(nested_parent),
	KUNIT_CASE(dirty_tracking),
	KUNIT_CASE(ats),
	KUNIT_CASE(stalls),
	KUNIT_CASE(nested_translation),
	KUNIT_CASE(pasids),
	KUNIT_CASE(too_many_requester_ids),
	KUNIT_CASE(requester_id_without_stream),
	KUNIT_CASE(entry_of_others),
	KUNIT_CASE(descriptor_of_others),
	KUNIT_CASE(stream_of_firmware),
	{}
};

/* Beside iommu_lu_conformance, on the same hardware. */
static struct kunit_suite suite = {
	.name = "iommu_lu_conformance_smmuv3",
	.init = init,
	.exit = env_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
