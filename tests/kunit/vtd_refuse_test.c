// SPDX-License-Identifier: GPL-2.0
/*
 * What the VT-d backend refuses before the jump, on the unit that the machine has. Each case
 * makes a device or a domain what cannot be carried, and puts it back.
 */
#include <linux/bitops.h>

#include "../../core/private.h"
#include "../../drivers-intel/internal.h"
#include "env.h"

/* A PASID that nobody uses: in the same table as the device's own */
#define PASID	5

static int init(struct kunit *test)
{
	return env_init_hardware(test, &intel_lu_ops);
}

static struct device_domain_info *info_of(struct kunit *test)
{
	return dev_iommu_priv_get(env_dev(test, 0));
}

static struct dmar_domain *domain_of(struct kunit *test)
{
	struct env *env = test->priv;

	return to_dmar_domain(env->domain[0]);
}

static void need_scalable(struct kunit *test, bool scalable)
{
	if (sm_supported(info_of(test)->iommu) != scalable)
		kunit_skip(test, "needs a unit in %s mode", scalable ? "scalable" : "legacy");
}

static void need_second_stage(struct kunit *test)
{
	if (!intel_domain_is_ss_paging(domain_of(test)))
		kunit_skip(test, "needs a second-stage domain");
}

static void cpu_without_cmpxchg16b(struct kunit *test)
{
	unsigned long *caps = (unsigned long *)boot_cpu_data.x86_capability;

	need_scalable(test, false);
	KUNIT_ASSERT_TRUE(test, test_and_clear_bit(X86_FEATURE_CX16, caps));
	env_expect_refusal(test, -EOPNOTSUPP);
	set_bit(X86_FEATURE_CX16, caps);
	env_expect_normal(test);
}

static void dirty_tracking(struct kunit *test)
{
	need_second_stage(test);
	domain_of(test)->dirty_tracking = true;
	env_expect_domain_refusal(test, -EOPNOTSUPP);
	domain_of(test)->dirty_tracking = false;
	env_expect_normal(test);
}

static void nested_parent(struct kunit *test)
{
	need_second_stage(test);
	domain_of(test)->nested_parent = true;
	env_expect_domain_refusal(test, -EOPNOTSUPP);
	domain_of(test)->nested_parent = false;
	env_expect_normal(test);
}

static void too_many_requester_ids(struct kunit *test)
{
	env_expect_aliases_refused(test, IOMMU_DEVICE_SER_MAX_RIDS);
}

/* An alias that came after the device was attached has no entry. */
static void context_entry_of_nobody(struct kunit *test)
{
	env_expect_aliases_refused(test, 1);
}

/* The device does no DMA, so nobody reads what is wrong with its entry. */
static void pasid_entry_of_others(struct kunit *test)
{
	struct intel_lu_pasid *entry;

	need_scalable(test, true);
	entry = intel_lu_device_pasid(info_of(test));
	KUNIT_ASSERT_NOT_NULL(test, entry);
	entry->val[1] ^= BIT_ULL(0);
	env_expect_refusal(test, -EOPNOTSUPP);
	entry->val[1] ^= BIT_ULL(0);
	env_expect_normal(test);
}

static void other_pasids(struct kunit *test)
{
	struct intel_lu_pasid *entry;

	need_scalable(test, true);
	entry = intel_lu_device_pasid(info_of(test));
	KUNIT_ASSERT_NOT_NULL(test, entry);
	KUNIT_ASSERT_GT(test, info_of(test)->pasid_table->max_pasid, PASID);
	entry += PASID;
	KUNIT_ASSERT_EQ(test, entry->val[0], 0);

	entry->val[0] = INTEL_ENTRY_PRESENT;
	env_expect_refusal(test, -EOPNOTSUPP);
	entry->val[0] = 0;

	/* attached after it was preserved */
	env_preserve(test, 0);
	entry->val[0] = INTEL_ENTRY_PRESENT;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -EBUSY);
	entry->val[0] = 0;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), 0);
	env_unfreeze(test, 1, 0);
	env_unpreserve(test, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(cpu_without_cmpxchg16b),
	KUNIT_CASE(dirty_tracking),
	KUNIT_CASE(nested_parent),
	KUNIT_CASE(too_many_requester_ids),
	KUNIT_CASE(context_entry_of_nobody),
	KUNIT_CASE(pasid_entry_of_others),
	KUNIT_CASE(other_pasids),
	{}
};

/* Beside iommu_lu_conformance, on the same hardware. */
static struct kunit_suite suite = {
	.name = "iommu_lu_conformance_vtd",
	.init = init,
	.exit = env_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
