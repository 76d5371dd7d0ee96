// SPDX-License-Identifier: GPL-2.0
/*
 * What every backend must do, whatever its hardware.
 *
 * Each case runs on the mock and on a device of the machine that has no driver,
 * if its IOMMU takes part. What happens after the kexec runs on the mock; on
 * hardware that half is what the cases in tests/qemu are about.
 *
 * Cases are named by the row of the requirements they belong to.
 */
#include <linux/io.h>
#include <linux/kho_block.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "../../../iommu-priv.h"
#include "../../core/private.h"
#include "env.h"
#include "mock.h"

static const struct lu_backend *const backends[] = { &lu_mock_backend, &lu_hardware_backend };

static void backend_name(const struct lu_backend *const *be, char *desc)
{
	strscpy(desc, (*be)->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(backend, backends, backend_name);

static int init(struct kunit *test)
{
	return env_init(test, *(const struct lu_backend *const *)test->param_value);
}

static bool is_mock(struct kunit *test)
{
	struct env *env = test->priv;

	return env->be->kexec;
}

static void needs_kexec(struct kunit *test)
{
	if (!is_mock(test))
		kunit_skip(test, "see tests/qemu");
}

/* Attach device 0 to a domain of its own. */
static void attach(struct kunit *test, unsigned int i)
{
	env_attach(test, i, env_domain(test, env_dev(test, i)));
}

/* --- the old kernel -------------------------------------------------------------- */

static void C2_unit_is_counted_by_its_devices(struct kunit *test)
{
	struct env *env = test->priv;
	struct iommu_device *iommu;
	u32 nr_units;

	attach(test, 0);
	iommu = env_dev(test, 0)->iommu->iommu_dev;
	KUNIT_EXPECT_NULL(test, iommu->lu);
	env_preserve(test, 0);
	/* more than one, if units share something or cannot do without each other */
	nr_units = iommu_lu_out.nr_units;
	KUNIT_EXPECT_GE(test, nr_units, 1);
	KUNIT_ASSERT_NOT_NULL(test, iommu->lu);
	KUNIT_EXPECT_EQ(test, iommu->lu->users, 1);

	if (env_dev(test, 1)) {
		env_attach(test, 1, env->domain[0]);
		env_preserve(test, 1);
		KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_units, nr_units);
		KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_domains, 1);
		KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_devices, 2);
		KUNIT_EXPECT_EQ(test, iommu->lu->users, 2);
		env_unpreserve(test, 0);
		KUNIT_EXPECT_EQ(test, iommu->lu->users, 1);
		env_unpreserve(test, 1);
	} else {
		env_unpreserve(test, 0);
	}
	KUNIT_EXPECT_NULL(test, iommu->lu);
	env_expect_nothing_preserved(test);
}

static const void *map_memory(void *ctx, u64 pa, u64 len)
{
	return phys_to_virt(pa);
}

/* Units that are preserved with the first device, and what they share. */
#define MAX_UNITS	8

/* What the backend writes is what the next kernel's checks accept. */
static void A1_A2_A3_records_are_sound(struct kunit *test)
{
	const struct iommu_lu_memory mem = { .map = map_memory };
	struct iommu_hw_ser *hw = kunit_kzalloc(test, MAX_UNITS * sizeof(*hw), GFP_KERNEL);
	struct iommu_domain_ser *domain = kunit_kzalloc(test, 2 * sizeof(*domain), GFP_KERNEL);
	struct iommu_device_ser *device = kunit_kzalloc(test, 2 * sizeof(*device), GFP_KERNEL);
	struct iommu_lu_scratch *scratch = kunit_kzalloc(test, 64 * sizeof(*scratch), GFP_KERNEL);
	struct iommu_lu_verdict verdict[MAX_UNITS + 2];
	struct iommu_lu_blob blob = {
		.hw = hw,
		.domain = domain,
		.device = device,
		.domain_verdict = &verdict[0],
		.device_verdict = &verdict[1],
		.hw_verdict = &verdict[2],
		.scratch = scratch,
		.scratch_len = 64,
	};
	struct device *dev = env_dev(test, 0);
	struct env *env = test->priv;
	enum iommu_lu_kind kind;
	u32 i;

	KUNIT_ASSERT_TRUE(test, hw && domain && device && scratch);
	attach(test, 0);
	env_preserve(test, 0);
	KUNIT_ASSERT_EQ(test, env_freeze(test, 1, 0), 0);
	KUNIT_EXPECT_TRUE(test, iommu_lu_sealed());

	blob.hdr = phys_to_virt(iommu_lu_blob_phys());
	KUNIT_EXPECT_EQ(test, IOMMU_LU_OK,
			iommu_lu_verify_hdr(blob.hdr, sizeof(*blob.hdr), &iommu_lu_this_build));
	KUNIT_ASSERT_LE(test, blob.hdr->nr_hw, MAX_UNITS);
	KUNIT_ASSERT_EQ(test, blob.hdr->nr_domains, 1);
	KUNIT_ASSERT_EQ(test, blob.hdr->nr_devices, 1);
	KUNIT_EXPECT_EQ(test, iommu_lu_read_blob(&mem, &blob, &kind), IOMMU_LU_OK);
	KUNIT_EXPECT_EQ(test, iommu_lu_verify_blob(&blob, &iommu_lu_this_build), 0);
	for (i = 0; i < blob.hdr->nr_hw + 2; i++)
		KUNIT_EXPECT_STREQ(test, iommu_lu_strerror(verdict[i].err), "ok");

	KUNIT_EXPECT_EQ(test, device->bdf, pci_dev_id(to_pci_dev(dev)));
	KUNIT_EXPECT_EQ(test, device->vendor, to_pci_dev(dev)->vendor);
	KUNIT_EXPECT_EQ(test, domain->iommufd_id, env->iommufd_id);
	KUNIT_EXPECT_EQ(test, domain->pgsize_bitmap, env->domain[0]->pgsize_bitmap);

	env_unfreeze(test, 1, 0);
	KUNIT_EXPECT_EQ(test, IOMMU_LU_HDR_NOT_SEALED,
			iommu_lu_verify_hdr(blob.hdr, sizeof(*blob.hdr), &iommu_lu_this_build));
	env_unpreserve(test, 0);
}

static void A2_every_table_is_counted(struct kunit *test)
{
	long before = env_pages();
	struct iommu_domain *domain = env_domain(test, env_dev(test, 0));
	long tables = env_pages() - before;

	env_attach(test, 0, domain);
	env_preserve(test, 0);
	KUNIT_EXPECT_EQ(test, domain->lu->ser.nr_tables, tables);
	env_unpreserve(test, 0);
}

static void A3_aliases_are_recorded(struct kunit *test)
{
	struct iommu_device_ser *ser;

	if (!is_mock(test))
		kunit_skip(test, "needs a device behind a conventional bridge");
	attach(test, 2);
	env_preserve(test, 2);
	ser = &env_dev(test, 2)->iommu->lu->ser;
	KUNIT_ASSERT_EQ(test, ser->nr_rids, 2);
	KUNIT_EXPECT_EQ(test, ser->rids[0], PCI_DEVID(1, PCI_DEVFN(0, 0)));
	KUNIT_EXPECT_EQ(test, ser->rids[1], pci_dev_id(mock_pci_bridge()));
	env_unpreserve(test, 2);
}

static void C6_nothing_is_preserved_twice(struct kunit *test)
{
	struct env *env = test->priv;

	attach(test, 0);
	env_preserve(test, 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_domain(env->domain[0], env->iommufd_id, 7), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(env_dev(test, 0), env->iommufd_id), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_domains, 1);
	KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_devices, 1);
	env_unpreserve(test, 0);
}

static void U3_device_needs_its_domain_first(struct kunit *test)
{
	struct env *env = test->priv;
	struct device *dev = env_dev(test, 0);

	attach(test, 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(dev, env->iommufd_id), -EINVAL);
	KUNIT_ASSERT_EQ(test, iommu_lu_preserve_domain(env->domain[0], env->iommufd_id, 0), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(dev, env->iommufd_id + 1), -EINVAL);
	iommu_lu_unpreserve_domain(env->domain[0]);
	env_expect_nothing_preserved(test);
}

static void C10_attachment_cannot_change(struct kunit *test)
{
	struct device *dev = env_dev(test, 0);
	struct iommu_attach_handle *handle = kunit_kzalloc(test, sizeof(*handle), GFP_KERNEL);
	struct env *env = test->priv;
	struct iommu_domain *other;

	KUNIT_ASSERT_NOT_NULL(test, handle);
	attach(test, 0);
	other = env_domain(test, dev);
	env_preserve(test, 0);
	KUNIT_EXPECT_EQ(test, iommu_replace_group_handle(dev->iommu_group, other, handle), -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(dev), env->domain[0]);
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), 0);
	env_unfreeze(test, 1, 0);
	env_expect_dma(test, 0, true);
	env_unpreserve(test, 0);
	iommu_domain_free(other);
}

/* A detach cannot be refused. Then the freeze is. */
static void C10_detached_device_fails_the_freeze(struct kunit *test)
{
	struct device *dev = env_dev(test, 0);
	struct env *env = test->priv;

	attach(test, 0);
	env_preserve(test, 0);
	iommu_detach_group(env->domain[0], dev->iommu_group);
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -ENODEV);
	KUNIT_EXPECT_FALSE(test, iommu_lu_sealed());

	/* even if it is back by then */
	KUNIT_EXPECT_EQ(test, iommu_attach_group(env->domain[0], dev->iommu_group), -EBUSY);
	env_unpreserve(test, 0);
	KUNIT_EXPECT_EQ(test, iommu_attach_group(env->domain[0], dev->iommu_group), 0);
	env_expect_dma(test, 0, true);
}

/* Nobody seals over a device whose file was not frozen. */
static void C11_seal_needs_every_device_verified(struct kunit *test)
{
	if (!env_dev(test, 1))
		kunit_skip(test, "needs two devices");
	attach(test, 0);
	attach(test, 1);
	env_preserve(test, 0);
	env_preserve(test, 1);
	KUNIT_ASSERT_EQ(test, iommu_lu_freeze_device(env_dev(test, 0)), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_file_freeze(), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_file_freeze(), -EBUSY);
	KUNIT_EXPECT_FALSE(test, iommu_lu_sealed());
	iommu_lu_file_unfreeze();
	iommu_lu_unfreeze_device(env_dev(test, 0));
	env_unpreserve(test, 1);
	env_unpreserve(test, 0);
}

static void C11_bus_master_is_kept_only_when_sealed(struct kunit *test)
{
	struct pci_dev *pdev = to_pci_dev(env_dev(test, 0));
	struct pci_dev *up, *unit;

	attach(test, 0);
	KUNIT_EXPECT_FALSE(test, iommu_lu_keep_master(pdev));
	env_preserve(test, 0);
	/* a unit that is a PCI function; it need not be above the device */
	if (is_mock(test))
		pdev->dev.iommu->lu->unit->pdev = mock_pci_bridge();
	unit = pdev->dev.iommu->lu->unit->pdev;
	KUNIT_EXPECT_FALSE(test, iommu_lu_keep_master(pdev));
	if (unit)
		KUNIT_EXPECT_FALSE(test, iommu_lu_keep_master(unit));
	KUNIT_ASSERT_EQ(test, env_freeze(test, 1, 0), 0);
	if (unit)
		KUNIT_EXPECT_TRUE(test, iommu_lu_keep_master(unit));
	for (up = pdev; up; up = pci_upstream_bridge(up))
		KUNIT_EXPECT_TRUE(test, iommu_lu_keep_master(up));
	if (env_dev(test, 1))
		KUNIT_EXPECT_FALSE(test, iommu_lu_keep_master(to_pci_dev(env_dev(test, 1))));
	env_unfreeze(test, 1, 0);
	KUNIT_EXPECT_FALSE(test, iommu_lu_keep_master(pdev));
	env_unpreserve(test, 0);
}

static void C13_something_is_busy(struct kunit *test)
{
	char name[IOMMU_LU_NAME_LEN];

	attach(test, 0);
	env_preserve(test, 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_suspend(name), -EBUSY);
	KUNIT_EXPECT_STREQ(test, name, dev_name(env_dev(test, 0)));
	env_unpreserve(test, 0);

	/* and nothing becomes busy while the system goes down */
	KUNIT_EXPECT_EQ(test, iommu_lu_suspend(name), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_file_preserve(), -EBUSY);
	iommu_lu_resume();
	env_preserve(test, 0);
	env_unpreserve(test, 0);
}

static void C14_cancel_at_every_stage(struct kunit *test)
{
	struct device *dev = env_dev(test, 0);
	struct env *env = test->priv;
	unsigned int stores;
	long pages;
	int stage;

	attach(test, 0);
	pages = env_pages();
	stores = env->stores;
	env_steady(test, 0, true);
	for (stage = 0; stage < 5; stage++) {
		KUNIT_ASSERT_EQ(test, 0,
				iommu_lu_preserve_domain(env->domain[0], env->iommufd_id, 0));
		if (stage > 0)
			KUNIT_ASSERT_EQ(test, iommu_lu_preserve_device(dev, env->iommufd_id), 0);
		if (stage > 1)
			KUNIT_ASSERT_EQ(test, iommu_lu_file_preserve(), 0);
		if (stage > 2)
			KUNIT_ASSERT_EQ(test, iommu_lu_freeze_device(dev), 0);
		if (stage > 3) {
			KUNIT_ASSERT_EQ(test, iommu_lu_file_freeze(), 0);
			KUNIT_EXPECT_TRUE(test, iommu_lu_sealed());
		}
		env_expect_dma(test, 0, true);

		if (stage > 3)
			iommu_lu_file_unfreeze();
		if (stage > 2)
			iommu_lu_unfreeze_device(dev);
		if (stage > 1)
			iommu_lu_file_unpreserve();
		if (stage > 0)
			iommu_lu_unpreserve_device(dev);
		iommu_lu_unpreserve_domain(env->domain[0]);
		env_expect_nothing_preserved(test);
		env_expect_dma(test, 0, true);
		KUNIT_EXPECT_EQ(test, env_pages(), pages);
	}
	/* the hardware has not noticed any of it */
	env_steady(test, 0, false);
	KUNIT_EXPECT_EQ(test, env->stores, stores);
}

/* What is made anew each time lies where the allocator says. */
static void drop_addresses(struct iommu_lu_device *ldev, struct iommu_device_ser *ser)
{
	*ser = ldev->ser;
	if (ldev->unit->ser.type != IOMMU_HW_SER_INTEL || !ser->intel.pasid_dir_pa)
		return;
	ser->intel.pasid_dir_pa = 0;
	ser->intel.context_lo &= ~GENMASK_ULL(63, 12);
}

static void C14_hundred_cycles_leave_nothing(struct kunit *test)
{
	struct iommu_device_ser *first = kunit_kzalloc(test, 2 * sizeof(*first), GFP_KERNEL);
	struct iommu_device_ser *ser;
	long pages;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, first);
	ser = first + 1;
	attach(test, 0);
	pages = env_pages();
	for (i = 0; i < 100; i++) {
		env_preserve(test, 0);
		KUNIT_ASSERT_EQ(test, env_freeze(test, 1, 0), 0);
		drop_addresses(env_dev(test, 0)->iommu->lu, ser);
		if (!i)
			*first = *ser;
		/* ids, entries: the same every time */
		KUNIT_EXPECT_MEMEQ(test, ser, first, sizeof(*ser));
		env_unfreeze(test, 1, 0);
		env_unpreserve(test, 0);
	}
	KUNIT_EXPECT_EQ(test, env_pages(), pages);
	env_detach(test, 0);
	attach(test, 0);
}

static int preserve_and_freeze(struct kunit *test)
{
	struct device *dev = env_dev(test, 0);
	struct env *env = test->priv;
	int ret;

	ret = iommu_lu_preserve_domain(env->domain[0], env->iommufd_id, 0);
	if (ret)
		return ret;
	ret = iommu_lu_preserve_device(dev, env->iommufd_id);
	if (ret)
		goto err_domain;
	ret = iommu_lu_file_preserve();
	if (ret)
		goto err_device;
	ret = env_freeze(test, 1, 0);
	if (ret)
		goto err_file;
	env_unfreeze(test, 1, 0);
err_file:
	iommu_lu_file_unpreserve();
err_device:
	iommu_lu_unpreserve_device(dev);
err_domain:
	iommu_lu_unpreserve_domain(env->domain[0]);
	return ret;
}

static void C14_each_allocation_may_fail(struct kunit *test)
{
#ifdef CONFIG_FAULT_INJECTION
	int n, ret, again = 0, failed = 0;
	long pages;

	attach(test, 0);
	pages = env_pages();
	if (!env_inject_failures(true))
		kunit_skip(test, "needs FAILSLAB and FAIL_PAGE_ALLOC");
	for (n = 1; n < 1000;) {
		WRITE_ONCE(current->fail_nth, n);
		ret = preserve_and_freeze(test);
		/* what is left of it was not needed: none has failed */
		if (xchg(&current->fail_nth, 0))
			break;
		/* some can do without: a slab without its cache of free objects */
		KUNIT_EXPECT_TRUE_MSG(test, !ret || ret == -ENOMEM, "allocation %d: %d", n, ret);
		failed += !!ret;
		env_expect_nothing_preserved(test);
		env_expect_dma(test, 0, true);
		KUNIT_EXPECT_EQ_MSG(test, env_pages(), pages, "allocation %d", n);
		/*
		 * One without consequences may have been the slab's, which need not repeat it:
		 * those after it are one place further ahead then.
		 */
		if (ret || ++again == 3) {
			again = 0;
			n++;
		}
	}
	env_inject_failures(false);
	kunit_info(test, "%d allocations, %d of them with consequences", n - 1, failed);
	KUNIT_EXPECT_EQ(test, ret, 0);
	/* domain, unit, its table, device; blocks for the records may be there from before */
	KUNIT_EXPECT_GE(test, failed, 4);
	KUNIT_EXPECT_LT(test, n, 1000);
	KUNIT_EXPECT_EQ(test, preserve_and_freeze(test), 0);
#else
	kunit_skip(test, "needs FAULT_INJECTION");
#endif
}

/* --- the new kernel -------------------------------------------------------------- */

static struct iommu_lu_domain *restored(struct kunit *test, unsigned int i)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(env_dev(test, i));

	KUNIT_ASSERT_TRUE(test, iommu_lu_is_restored(domain));
	return domain->lu;
}

/* What userspace does with the iommufd: claim, new domain, replace, free. */
static void hotswap(struct kunit *test, unsigned int i)
{
	struct iommu_attach_handle *handle = kunit_kzalloc(test, sizeof(*handle), GFP_KERNEL);
	struct iommu_lu_domain *ldom = restored(test, i);
	struct device *dev = env_dev(test, i);
	struct iommu_domain *domain;
	struct env *env = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, handle);
	ldom->owner = env;
	KUNIT_ASSERT_EQ(test, iommu_device_claim_dma_owner(dev, env), 0);
	env_expect_dma(test, i, true);
	domain = env_domain(test, dev);
	KUNIT_ASSERT_EQ(test, iommu_replace_group_handle(dev->iommu_group, domain, handle), 0);
	env_expect_dma(test, i, true);
	KUNIT_EXPECT_FALSE(test, iommu_lu_held(dev));
	if (!ldom->devices)
		iommu_lu_free_domain(ldom);
	env_expect_dma(test, i, true);
	env_steady(test, i, false);

	/* back to nobody, by the way of the ordinary kernel */
	iommu_detach_group_handle(domain, dev->iommu_group);
	iommu_device_release_dma_owner(dev);
	iommu_domain_free(domain);
}

static int map(struct iommu_domain *domain, u64 iova, u64 pa, size_t len, int prot)
{
	return iommu_map(domain, iova, pa, len, prot, GFP_KERNEL);
}

static const struct iommu_ops other_ops;

/* Whatever is different is found, and where. The size of pages does not count. */
static void U5_domains_are_compared(struct kunit *test)
{
	const int rw = IOMMU_READ | IOMMU_WRITE;
	struct device *dev = env_dev(test, 0);
	struct env *env = test->priv;
	struct iommu_domain *a, *b;
	const struct iommu_ops *owner;
	u64 pa = page_to_phys(env->page), at = SZ_16M, iova;
	unsigned int i;

	a = env_domain(test, dev);
	b = env_domain(test, dev);
	/* in large pages, and in small ones; nobody uses it */
	KUNIT_ASSERT_EQ(test, map(a, at, SZ_32M, SZ_2M, rw), 0);
	for (i = 0; i < SZ_2M; i += PAGE_SIZE)
		KUNIT_ASSERT_EQ(test, map(b, at + i, SZ_32M + i, PAGE_SIZE, rw), 0);
	KUNIT_ASSERT_EQ(test, iommu_lu_preserve_domain(a, env->iommufd_id, 0), 0);
	KUNIT_ASSERT_EQ(test, iommu_lu_preserve_domain(b, env->iommufd_id, 1), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_compare_domain(a, b, &iova), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_compare_domain(b, a, &iova), 0);
	iommu_lu_unpreserve_domain(b);

	/* by another driver, whose tables nobody here can read */
	owner = b->owner;
	b->owner = &other_ops;
	KUNIT_EXPECT_EQ(test, iommu_lu_compare_domain(a, b, &iova), -EOPNOTSUPP);
	b->owner = owner;

	/* a page is missing: from one side; from the other, one is too many */
	KUNIT_ASSERT_EQ(test, iommu_unmap(b, at + SZ_1M, PAGE_SIZE), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iommu_lu_compare_domain(a, b, &iova), -EDOM);
	KUNIT_EXPECT_EQ(test, iova, at + SZ_1M);
	iommu_lu_unpreserve_domain(a);
	KUNIT_ASSERT_EQ(test, iommu_lu_preserve_domain(b, env->iommufd_id, 1), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_compare_domain(b, a, &iova), 0);
	iommu_lu_unpreserve_domain(b);
	KUNIT_ASSERT_EQ(test, iommu_lu_preserve_domain(a, env->iommufd_id, 0), 0);

	/* another page; a page that cannot be written */
	KUNIT_ASSERT_EQ(test, map(b, at + SZ_1M, pa, PAGE_SIZE, rw), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_compare_domain(a, b, &iova), -EDOM);
	KUNIT_EXPECT_EQ(test, iova, at + SZ_1M);
	iommu_unmap(b, at + SZ_1M, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, map(b, at + SZ_1M, SZ_32M + SZ_1M, PAGE_SIZE, IOMMU_READ), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_compare_domain(a, b, &iova), -EDOM);
	KUNIT_EXPECT_EQ(test, iova, at + SZ_1M);

	/* the last one of all */
	iommu_unmap(b, at + SZ_1M, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, map(b, at + SZ_1M, SZ_32M + SZ_1M, PAGE_SIZE, rw), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_compare_domain(a, b, &iova), 0);
	for (i = ENV_NR_IOVAS; i--;)
		if (iommu_iova_to_phys(a, env_iova[i]))
			break;
	iommu_unmap(b, env_iova[i], PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iommu_lu_compare_domain(a, b, &iova), -EDOM);
	KUNIT_EXPECT_EQ(test, iova, env_iova[i]);

	iommu_lu_unpreserve_domain(a);
	iommu_domain_free(a);
	iommu_domain_free(b);
}

static void C8_device_goes_on_as_it_was(struct kunit *test)
{
	struct env *env = test->priv;
	unsigned int stores;
	long pages;

	needs_kexec(test);
	pages = env_pages();
	attach(test, 0);
	attach(test, 2);
	env_expect_dma(test, 0, true);
	env_steady(test, 0, true);
	env_steady(test, 2, true);
	stores = env->stores;
	env_kexec(test, NULL);
	KUNIT_EXPECT_EQ(test, env->stores - stores, env->be->stores);

	env_expect_dma(test, 0, true);
	env_expect_dma(test, 2, true);
	KUNIT_EXPECT_TRUE(test, iommu_lu_held(env_dev(test, 0)));
	KUNIT_EXPECT_TRUE(test, iommu_lu_held(env_dev(test, 2)));
	KUNIT_EXPECT_FALSE(test, iommu_lu_preserved(env_dev(test, 0)));
	KUNIT_EXPECT_TRUE(test, mock_pci_command(0) & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_TRUE(test, mock_pci_command(2) & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_TRUE(test, mock_pci_command(4) & PCI_COMMAND_MASTER);

	/* who was not preserved */
	KUNIT_EXPECT_FALSE(test, iommu_lu_held(env_dev(test, 1)));
	KUNIT_EXPECT_FALSE(test, mock_pci_command(1) & PCI_COMMAND_MASTER);

	hotswap(test, 0);
	hotswap(test, 2);
	KUNIT_EXPECT_EQ_MSG(test, mock_memory_inherited(), 0, "inherited pages nobody has freed");
	KUNIT_EXPECT_EQ(test, env_pages(), pages);
}

static void C4_tables_are_freed_late(struct kunit *test)
{
	struct iommu_lu_domain *ldom;
	unsigned int left;

	needs_kexec(test);
	attach(test, 0);
	env_kexec(test, NULL);
	ldom = restored(test, 0);
	left = mock_memory_inherited();
	KUNIT_EXPECT_EQ(test, left, ldom->ser.nr_tables);
	/* immutable */
	KUNIT_EXPECT_NE(test, 0,
			iommu_map(ldom->domain, SZ_1G, 0, PAGE_SIZE, IOMMU_READ, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, iommu_unmap(ldom->domain, env_iova[0], PAGE_SIZE), 0);
	env_expect_dma(test, 0, true);
	hotswap(test, 0);
	KUNIT_EXPECT_EQ(test, mock_memory_inherited(), 0);
}

static void C9_nobody_else_gets_the_device(struct kunit *test)
{
	struct device *dev = env_dev(test, 0);
	struct iommu_domain *other;
	struct env *env = test->priv;

	needs_kexec(test);
	attach(test, 0);
	env_kexec(test, NULL);
	dev = env_dev(test, 0);

	KUNIT_EXPECT_EQ(test, iommu_device_use_default_domain(dev), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommu_device_claim_dma_owner(dev, test), -EBUSY);
	restored(test, 0)->owner = env;
	KUNIT_EXPECT_EQ(test, iommu_device_claim_dma_owner(dev, test), -EBUSY);

	/* and a device that did not come with the domain does not get it */
	other = iommu_get_domain_for_dev(dev);
	dev = env_dev(test, 1);
	KUNIT_ASSERT_EQ(test, iommu_device_claim_dma_owner(dev, env), 0);
	KUNIT_EXPECT_EQ(test, iommu_attach_group(other, dev->iommu_group), -EINVAL);
	iommu_device_release_dma_owner(dev);
	env_expect_dma(test, 0, true);
	hotswap(test, 0);
	KUNIT_EXPECT_EQ(test, iommu_device_use_default_domain(env_dev(test, 0)), 0);
	iommu_device_unuse_default_domain(env_dev(test, 0));
}

static void C8_two_devices_share_a_domain(struct kunit *test)
{
	struct iommu_lu_domain *ldom;
	struct env *env = test->priv;

	needs_kexec(test);
	attach(test, 0);
	env_attach(test, 1, env->domain[0]);
	env_steady(test, 0, true);
	env_steady(test, 1, true);
	env_kexec(test, NULL);
	ldom = restored(test, 0);
	KUNIT_EXPECT_PTR_EQ(test, restored(test, 1), ldom);
	KUNIT_EXPECT_EQ(test, ldom->devices, 2);
	hotswap(test, 0);
	KUNIT_EXPECT_EQ(test, ldom->devices, 1);
	env_expect_dma(test, 1, true);
	hotswap(test, 1);
	KUNIT_EXPECT_EQ(test, mock_memory_inherited(), 0);
}

/*
 * A device that goes away takes its hold on the domain with it. Nobody has stopped it, and
 * the default domain of the mock lets everything through.
 */
static void C10_held_device_is_removed(struct kunit *test)
{
	struct iommu_lu_domain *ldom;

	needs_kexec(test);
	attach(test, 0);
	env_kexec(test, NULL);
	ldom = restored(test, 0);
	pci_lock_rescan_remove();
	pci_stop_and_remove_bus_device(to_pci_dev(env_dev(test, 0)));
	pci_unlock_rescan_remove();
	KUNIT_EXPECT_FALSE(test, mock_pci_command(0) & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_EQ(test, ldom->devices, 0);
	iommu_lu_free_domain(ldom);
	KUNIT_EXPECT_EQ(test, mock_memory_inherited(), 0);
}

static void C15_ten_in_a_row(struct kunit *test)
{
	long pages;
	int i;

	needs_kexec(test);
	pages = env_pages();
	for (i = 0; i < 10; i++) {
		attach(test, 0);
		env_kexec(test, NULL);
		env_expect_dma(test, 0, true);
		hotswap(test, 0);
		KUNIT_EXPECT_EQ(test, env_pages(), pages);
		/* as userspace would, before it starts the device again */
		pci_set_master(to_pci_dev(env_dev(test, 0)));
	}
}

static struct kunit_case conformance_cases[] = {
	KUNIT_CASE_PARAM(C2_unit_is_counted_by_its_devices, backend_gen_params),
	KUNIT_CASE_PARAM(A1_A2_A3_records_are_sound, backend_gen_params),
	KUNIT_CASE_PARAM(A2_every_table_is_counted, backend_gen_params),
	KUNIT_CASE_PARAM(A3_aliases_are_recorded, backend_gen_params),
	KUNIT_CASE_PARAM(C6_nothing_is_preserved_twice, backend_gen_params),
	KUNIT_CASE_PARAM(U3_device_needs_its_domain_first, backend_gen_params),
	KUNIT_CASE_PARAM(C10_attachment_cannot_change, backend_gen_params),
	KUNIT_CASE_PARAM(C10_detached_device_fails_the_freeze, backend_gen_params),
	KUNIT_CASE_PARAM(C11_seal_needs_every_device_verified, backend_gen_params),
	KUNIT_CASE_PARAM(C11_bus_master_is_kept_only_when_sealed, backend_gen_params),
	KUNIT_CASE_PARAM(C13_something_is_busy, backend_gen_params),
	KUNIT_CASE_PARAM(C14_cancel_at_every_stage, backend_gen_params),
	KUNIT_CASE_PARAM(C14_hundred_cycles_leave_nothing, backend_gen_params),
	KUNIT_CASE_PARAM(C14_each_allocation_may_fail, backend_gen_params),
	KUNIT_CASE_PARAM(U5_domains_are_compared, backend_gen_params),
	KUNIT_CASE_PARAM(C8_device_goes_on_as_it_was, backend_gen_params),
	KUNIT_CASE_PARAM(C4_tables_are_freed_late, backend_gen_params),
	KUNIT_CASE_PARAM(C9_nobody_else_gets_the_device, backend_gen_params),
	KUNIT_CASE_PARAM(C8_two_devices_share_a_domain, backend_gen_params),
	KUNIT_CASE_PARAM(C10_held_device_is_removed, backend_gen_params),
	KUNIT_CASE_PARAM(C15_ten_in_a_row, backend_gen_params),
	{}
};

static struct kunit_suite conformance_suite = {
	.name = "iommu_lu_conformance",
	.init = init,
	.exit = env_exit,
	.test_cases = conformance_cases,
};

kunit_test_suite(conformance_suite);

MODULE_IMPORT_NS("IOMMUFD_INTERNAL");
MODULE_LICENSE("GPL");
