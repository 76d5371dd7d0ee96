// SPDX-License-Identifier: GPL-2.0
/*
 * What the new kernel makes of a blob that is not as it should be: exactly what
 * is wrong is blocked, everything else goes on, and nothing is lost.
 *
 * Device 0 is behind the first unit, device 3 behind the second; each has a
 * domain of its own.
 */
#include <linux/pci.h>

#include "../../core/private.h"
#include "env.h"
#include "mock.h"

static int init(struct kunit *test)
{
	return env_init(test, &lu_mock_backend);
}

/**
 * struct damage - something that went wrong between the kernels
 * @name: requirement and what
 * @apply: do it
 * @blob: nothing of the blob can be used
 * @survives: device 0 goes on all the same
 * @unit: its unit cannot be adopted
 */
struct damage {
	const char *name;
	void (*apply)(struct kunit *test);
	bool blob;
	bool survives;
	bool unit;
};

#define DAMAGE(what, statement)				\
	static void what(struct kunit *test)		\
	{						\
		statement;				\
	}

static u64 *entry_of_device_0(void)
{
	return phys_to_virt(mock_hw[0].table);
}

/* Records are in the order in which they were preserved. */
DAMAGE(nothing, (void)0)
DAMAGE(magic, mock_blob()->magic++)
DAMAGE(version, mock_blob()->min_version = mock_blob()->version = 9)
DAMAGE(must_understand, mock_blob()->must_understand = 4)
DAMAGE(seal, mock_blob()->flags = 0)
DAMAGE(count, mock_blob()->nr_devices++)
DAMAGE(link, mock_blob()->device_blocks = 0x1234)
DAMAGE(cycle, ((struct iommu_lu_block *)mock_hw_ser(0))[-1].next = mock_blob()->hw_blocks)
DAMAGE(unit_token, mock_hw_ser(0)->token++)
DAMAGE(unit_type, mock_hw_ser(0)->type = 29)
DAMAGE(unit_table, mock_hw_ser(0)->mock.table_pa += PAGE_SIZE)
DAMAGE(unit_register, mock_hw[0].table += 8)
DAMAGE(unit_reserved, mock_hw_ser(0)->mock.reserved[1] = 1)
DAMAGE(domain_iommufd, mock_domain_ser(0)->iommufd_id = 0)
DAMAGE(domain_format, mock_domain_ser(0)->format = 77)
DAMAGE(domain_level, mock_domain_ser(0)->top_level = 1)
DAMAGE(domain_vasz, mock_domain_ser(0)->vasz_lg2 = 40)
DAMAGE(domain_features, mock_domain_ser(0)->features = 1U << 31)
DAMAGE(domain_top, mock_domain_ser(0)->top_pa += PAGE_SIZE)
DAMAGE(domain_tables, mock_domain_ser(0)->nr_tables = 0)
DAMAGE(device_vendor, mock_device_ser(0)->vendor++)
DAMAGE(device_class, mock_device_ser(0)->class++)
DAMAGE(device_unit, mock_device_ser(0)->hw_index = 5)
DAMAGE(device_other_domain, mock_device_ser(0)->domain_index = 1)
DAMAGE(device_itself, mock_device_ser(0)->domain_index = U32_MAX)
DAMAGE(device_rid, mock_device_ser(0)->rids[0]++)
DAMAGE(device_pasid, mock_device_ser(0)->pasid = 1)
DAMAGE(device_did, mock_device_ser(0)->mock.did = 0)
DAMAGE(device_entry, mock_device_ser(0)->mock.entry = 0)
DAMAGE(hardware_entry, *entry_of_device_0() ^= BIT_ULL(52))
DAMAGE(hardware_entry_gone, *entry_of_device_0() = 0)

static const struct damage damages[] = {
	{ "C8 nothing", nothing, .survives = true },
	{ "A5 magic", magic, .blob = true },
	{ "A5 version", version, .blob = true },
	{ "A5 must understand", must_understand, .blob = true },
	{ "A5 seal", seal, .blob = true },
	{ "A6 count", count, .blob = true },
	{ "A6 link", link, .blob = true },
	{ "A6 cycle", cycle, .blob = true },
	{ "C12 unit token", unit_token, .unit = true },
	{ "C12 unit type", unit_type, .unit = true },
	{ "C12 unit table", unit_table, .unit = true },
	{ "C12 unit register", unit_register, .unit = true },
	{ "C12 unit reserved", unit_reserved, .unit = true },
	{ "C12 domain iommufd", domain_iommufd },
	{ "C12 domain format", domain_format },
	{ "C12 domain level", domain_level },
	{ "C12 domain address size", domain_vasz },
	{ "C12 domain features", domain_features },
	{ "C12 domain top", domain_top },
	{ "C12 domain tables", domain_tables },
	{ "C12 device vendor", device_vendor },
	{ "C12 device class", device_class },
	{ "C7 device unit", device_unit },
	{ "C7 device other domain", device_other_domain },
	{ "C7 device domain", device_itself },
	{ "C7 device requester id", device_rid },
	{ "C12 device pasid", device_pasid },
	{ "C12 device domain id", device_did },
	{ "C12 device entry", device_entry },
	{ "C12 hardware entry", hardware_entry },
	{ "C12 hardware entry gone", hardware_entry_gone },
};

static void damage_name(const struct damage *d, char *desc)
{
	strscpy(desc, d->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(damage, damages, damage_name);

/* In the new kernel it is as any other device, or it is stopped. */
static void expect_stopped(struct kunit *test, unsigned int i)
{
	struct device *dev = env_dev(test, i);

	KUNIT_EXPECT_FALSE(test, iommu_lu_held(dev));
	KUNIT_EXPECT_FALSE(test, iommu_lu_is_restored(iommu_get_domain_for_dev(dev)));
	KUNIT_EXPECT_FALSE_MSG(test, mock_pci_command(i) & PCI_COMMAND_MASTER,
			       "device %u may still write", i);
}

static void expect_held(struct kunit *test, unsigned int i)
{
	KUNIT_EXPECT_TRUE(test, iommu_lu_held(env_dev(test, i)));
	KUNIT_EXPECT_TRUE(test, mock_pci_command(i) & PCI_COMMAND_MASTER);
	env_expect_dma(test, i, true);
}

/* Nobody is left who could free them: as if the session were finished. */
static void give_up(struct kunit *test, unsigned int i)
{
	struct device *dev = env_dev(test, i);
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	struct iommu_lu_domain *ldom;

	if (!iommu_lu_is_restored(domain))
		return;
	ldom = domain->lu;
	pci_lock_rescan_remove();
	pci_stop_and_remove_bus_device(to_pci_dev(dev));
	pci_unlock_rescan_remove();
	KUNIT_EXPECT_EQ(test, ldom->devices, 0);
	iommu_lu_free_domain(ldom);
}

static void C12_what_is_damaged_is_blocked_alone(struct kunit *test)
{
	const struct damage *d = test->param_value;
	struct iommu_lu_unit *unit;

	env_attach(test, 0, env_domain(test, env_dev(test, 0)));
	env_attach(test, 3, env_domain(test, env_dev(test, 3)));
	env_kexec(test, d->apply);

	KUNIT_EXPECT_TRUE(test, iommu_lu_inherited());
	KUNIT_EXPECT_EQ(test, iommu_lu_incoming_bad(), d->blob);
	unit = iommu_lu_unit_incoming(mock_hw[0].token);
	KUNIT_EXPECT_EQ(test, !unit || unit->failed, d->blob || d->unit);

	if (d->survives)
		expect_held(test, 0);
	else
		expect_stopped(test, 0);
	if (d->blob)
		expect_stopped(test, 3);
	else if (d->apply != device_other_domain)
		expect_held(test, 3);

	give_up(test, 0);
	give_up(test, 3);
}

/*
 * The next kernel puts all devices behind a unit into one group. The first of
 * them gets the group its domain before the recorded one is there.
 */
static void one_group(struct kunit *test)
{
	mock_one_group = true;
}

static void C12_group_was_set_up_without_the_device(struct kunit *test)
{
	env_attach(test, 1, env_domain(test, env_dev(test, 1)));
	env_kexec(test, one_group);
	mock_one_group = false;
	expect_stopped(test, 1);
}

static void C6_records_are_found_by_key(struct kunit *test)
{
	struct iommu_lu_device *ldev;
	u64 iommufd_id;

	env_attach(test, 0, env_domain(test, env_dev(test, 0)));
	env_attach(test, 3, env_domain(test, env_dev(test, 3)));
	env_kexec(test, NULL);
	iommufd_id = mock_domain_ser(0)->iommufd_id;

	KUNIT_ASSERT_NOT_NULL(test, iommu_lu_unit_incoming(mock_hw[0].token));
	KUNIT_ASSERT_NOT_NULL(test, iommu_lu_unit_incoming(mock_hw[1].token));
	KUNIT_EXPECT_NULL(test, iommu_lu_unit_incoming(mock_hw[1].token + PAGE_SIZE));
	ldev = iommu_lu_device_incoming(MOCK_SEGMENT, PCI_DEVID(0, PCI_DEVFN(3, 0)));
	KUNIT_ASSERT_NOT_NULL(test, ldev);
	KUNIT_EXPECT_PTR_EQ(test, ldev->unit, iommu_lu_unit_incoming(mock_hw[1].token));
	KUNIT_EXPECT_NULL(test, iommu_lu_device_incoming(0, PCI_DEVID(0, PCI_DEVFN(3, 0))));
	KUNIT_EXPECT_NULL(test, iommu_lu_device_incoming(MOCK_SEGMENT, 0xffff));

	KUNIT_ASSERT_NOT_NULL(test, iommu_lu_iommufd_domains(iommufd_id));
	KUNIT_ASSERT_NOT_NULL(test, iommu_lu_iommufd_domains(iommufd_id)->next);
	KUNIT_EXPECT_NULL(test, iommu_lu_iommufd_domains(iommufd_id)->next->next);
	KUNIT_EXPECT_NULL(test, iommu_lu_iommufd_domains(iommufd_id + 1));

	give_up(test, 0);
	give_up(test, 3);
}

/* A driver's units may refer to something they share. */
static void C2_records_refer_to_each_other(struct kunit *test)
{
	struct iommu_lu_unit *shared = kunit_kzalloc(test, sizeof(*shared), GFP_KERNEL);
	u32 unit_index = 77, domain_unit_index = 77;
	struct iommu_lu_unit *unit;
	struct env *env = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, shared);
	env_attach(test, 0, env_domain(test, env_dev(test, 0)));
	env_attach(test, 3, env_domain(test, env_dev(test, 3)));
	env_preserve(test, 0);
	KUNIT_ASSERT_EQ(test, iommu_lu_add_unit(shared), 0);
	env_preserve(test, 3);
	unit = env_dev(test, 3)->iommu->lu->unit;
	unit->link = shared;
	unit->link_index = &unit_index;
	env->domain[3]->lu->unit_index = &domain_unit_index;

	KUNIT_EXPECT_EQ(test, env_freeze(test, 2, 0, 3), 0);
	KUNIT_EXPECT_EQ(test, unit_index, 1);
	KUNIT_EXPECT_EQ(test, domain_unit_index, 2);
	env_unfreeze(test, 2, 0, 3);

	unit->link = NULL;
	iommu_lu_del_unit(shared);
	env_unpreserve(test, 3);
	env_unpreserve(test, 0);
}

/* Either all of the blob is read, or none of it is believed. */
static void C12_each_allocation_of_reading_may_fail(struct kunit *test)
{
#ifdef CONFIG_FAULT_INJECTION
	int n, failed = 0;
	bool bad;

	env_attach(test, 0, env_domain(test, env_dev(test, 0)));
	env_attach(test, 3, env_domain(test, env_dev(test, 3)));
	env_kexec(test, NULL);
	give_up(test, 0);
	give_up(test, 3);
	if (!env_inject_failures(true))
		kunit_skip(test, "needs FAILSLAB and FAIL_PAGE_ALLOC");
	for (n = 1; n < 1000; n++) {
		iommu_lu_forget_incoming();
		WRITE_ONCE(current->fail_nth, n);
		bad = iommu_lu_incoming_bad();
		if (xchg(&current->fail_nth, 0))
			break;
		failed += bad;
		KUNIT_EXPECT_TRUE(test, iommu_lu_inherited());
		KUNIT_EXPECT_EQ(test, !iommu_lu_unit_incoming(mock_hw[0].token), bad);
		KUNIT_EXPECT_EQ(test, !iommu_lu_unit_incoming(mock_hw[1].token), bad);
		KUNIT_EXPECT_EQ(test, !iommu_lu_device_incoming(MOCK_SEGMENT, 0), bad);
	}
	env_inject_failures(false);
	kunit_info(test, "%d allocations, %d of them with consequences", n - 1, failed);
	KUNIT_EXPECT_FALSE(test, bad);
	KUNIT_EXPECT_GE(test, failed, 10);
#else
	kunit_skip(test, "needs FAULT_INJECTION");
#endif
}

static struct kunit_case store_cases[] = {
	KUNIT_CASE_PARAM(C12_what_is_damaged_is_blocked_alone, damage_gen_params),
	KUNIT_CASE(C12_group_was_set_up_without_the_device),
	KUNIT_CASE(C6_records_are_found_by_key),
	KUNIT_CASE(C2_records_refer_to_each_other),
	KUNIT_CASE(C12_each_allocation_of_reading_may_fail),
	{}
};

static struct kunit_suite store_suite = {
	.name = "iommu_lu_store",
	.init = init,
	.exit = env_exit,
	.test_cases = store_cases,
};

kunit_test_suite(store_suite);

MODULE_LICENSE("GPL");
