// SPDX-License-Identifier: GPL-2.0
#include <kunit/static_stub.h>
#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/pci.h>

#include "../../core/private.h"
#include "env.h"
#include "mock.h"

/* The first of many functions that no test machine has */
#define ENV_ALIAS	PCI_DEVFN(20, 0)

/* Tables on every level, and two pages in the same one */
const u64 env_iova[ENV_NR_IOVAS] = { 0x10000, 0x11000, 3ULL << 30, 5ULL << 40 };

/* --- backends ------------------------------------------------------------------ */

static int mock_add(struct kunit *test)
{
	int i, ret;

	for (i = 0; i < MOCK_NR_UNITS; i++)
		mock_hw[i].table = 0;
	mock_pci_reset();
	mock_memory_init(test);
	ret = mock_iommu_add();
	if (!ret)
		ret = mock_pci_add();
	return ret;
}

static void mock_remove(struct kunit *test)
{
	mock_pci_remove();
	iommu_lu_forget_incoming();
	mock_iommu_remove();
	mock_memory_exit(test);
}

/* Whose hardware is at work: the devices look at it. */
static struct kunit *running;

static int mock_next_kernel(struct kunit *test, void (*damage)(struct kunit *test))
{
	int ret;

	mock_pci_remove();
	iommu_lu_forget_incoming();
	mock_iommu_remove();
	mock_memory_arrives();
	if (damage)
		damage(test);
	running = test;

	ret = mock_iommu_add();
	if (!ret)
		ret = mock_pci_add();
	return ret;
}

const struct lu_backend lu_mock_backend = {
	.name = "mock",
	.add = mock_add,
	.remove = mock_remove,
	.device = mock_pci_device,
	.translate = mock_translate,
	.kexec = mock_next_kernel,
	/*
	 * The register of each unit at shutdown; in the new kernel that of the
	 * unit that was not preserved, and the entries of the two devices that
	 * were not.
	 */
	.stores = 5,
};

static bool usable(struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;

	return !pdev->driver && pdev->vendor != MOCK_VENDOR && !pci_is_bridge(pdev) &&
	       dev->iommu_group && dev->iommu && dev->iommu->iommu_dev &&
	       dev->iommu->iommu_dev->ops->lu_ops;
}

static struct device *hardware_device(unsigned int i)
{
	struct device *first = NULL;
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (!usable(pdev))
			continue;
		if (!first)
			first = &pdev->dev;
		if (pdev->dev.iommu->iommu_dev != first->iommu->iommu_dev || i--)
			continue;
		/* nobody removes it while a test runs */
		pci_dev_put(pdev);
		return &pdev->dev;
	}
	return NULL;
}

static int hardware_add(struct kunit *test)
{
	if (iommu_lu_inherited())
		kunit_skip(test, "this kernel has inherited something");
	if (!hardware_device(0))
		kunit_skip(test, "no device without a driver behind an IOMMU that takes part");
	return 0;
}

static void hardware_remove(struct kunit *test)
{
}

const struct lu_backend lu_hardware_backend = {
	.name = "hardware",
	.add = hardware_add,
	.remove = hardware_remove,
	.device = hardware_device,
};

/* --- steps ---------------------------------------------------------------------- */

static int image_is_fine(void)
{
	return 0;
}

int env_init(struct kunit *test, const struct lu_backend *be)
{
	struct liveupdate_flb_op_args args = {};
	struct env *env;

	if (!kho_is_enabled())
		kunit_skip(test, "needs kho=on");
	env = kunit_kzalloc(test, sizeof(*env), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, env);
	env->be = be;
	test->priv = env;

	KUNIT_ASSERT_EQ(test, be->add(test), 0);
	env->iommufd_id = iommu_lu_new_iommufd_id();
	env->page = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, env->page);
	KUNIT_ASSERT_EQ(test, iommu_lu_flb_preserve(&args), 0);
	env->flb = true;
	running = test;
	kunit_activate_static_stub(test, iommu_lu_kexec_check, image_is_fine);
	return 0;
}

/**
 * env_init_hardware - the machine's devices, the first one attached to a domain of its own
 * @test: what needs a backend's own structures
 * @ops: of that backend; without an IOMMU that has them the test is skipped
 *
 * Return: 0, as suites want it.
 */
int env_init_hardware(struct kunit *test, const struct iommu_lu_ops *ops)
{
	struct device *dev;
	int ret;

	ret = env_init(test, &lu_hardware_backend);
	if (ret)
		return ret;
	dev = env_dev(test, 0);
	if (dev->iommu->iommu_dev->ops->lu_ops != ops)
		kunit_skip(test, "this machine's IOMMU is another one");
	env_attach(test, 0, env_domain(test, dev));
	return 0;
}

void env_exit(struct kunit *test)
{
	struct liveupdate_flb_op_args args = {};
	struct env *env = test->priv;
	unsigned int i;

	running = NULL;
	if (!env)
		return;
	while (env->files) {
		iommu_lu_file_unpreserve();
		env->files--;
	}
	for (i = 0; i < ENV_MAX_DEVICES; i++)
		if (env->owned[i])
			env_detach(test, i);
	if (env->flb) {
		env_expect_nothing_preserved(test);
		iommu_lu_flb_unpreserve(&args);
	}
	if (env->page)
		__free_page(env->page);
	env->be->remove(test);
}

struct device *env_dev(struct kunit *test, unsigned int i)
{
	struct env *env = test->priv;

	return env->be->device(i);
}

static void free_domain(void *domain)
{
	iommu_domain_free(domain);
}

/* A domain that maps the page everywhere. */
struct iommu_domain *env_domain(struct kunit *test, struct device *dev)
{
	struct env *env = test->priv;
	struct iommu_domain *domain;
	int i, ret;

	domain = iommu_paging_domain_alloc(dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	for (i = 0; i < ENV_NR_IOVAS; i++) {
		if (env_iova[i] > domain->geometry.aperture_end)
			continue;
		ret = iommu_map(domain, env_iova[i], page_to_phys(env->page), PAGE_SIZE,
				IOMMU_READ | IOMMU_WRITE, GFP_KERNEL);
		if (ret)
			free_domain(domain);
		KUNIT_ASSERT_EQ(test, ret, 0);
	}
	return domain;
}

void env_attach(struct kunit *test, unsigned int i, struct iommu_domain *domain)
{
	struct device *dev = env_dev(test, i);
	struct env *env = test->priv;

	KUNIT_ASSERT_EQ(test, iommu_device_claim_dma_owner(dev, env), 0);
	KUNIT_ASSERT_EQ(test, iommu_attach_group(domain, dev->iommu_group), 0);
	env->domain[i] = domain;
	env->owned[i] = true;
}

/* The domain goes with its last device. */
void env_detach(struct kunit *test, unsigned int i)
{
	struct device *dev = env_dev(test, i);
	struct env *env = test->priv;
	struct iommu_domain *domain = env->domain[i];

	iommu_detach_group(domain, dev->iommu_group);
	iommu_device_release_dma_owner(dev);
	env->owned[i] = false;
	env->domain[i] = NULL;
	for (i = 0; i < ENV_MAX_DEVICES; i++)
		if (env->domain[i] == domain)
			return;
	free_domain(domain);
}

/* Domain first, once; its token is the number of the device. */
void env_preserve(struct kunit *test, unsigned int i)
{
	struct env *env = test->priv;
	struct iommu_domain *domain = env->domain[i];

	if (!domain->lu)
		KUNIT_ASSERT_EQ(test, iommu_lu_preserve_domain(domain, env->iommufd_id, i), 0);
	KUNIT_ASSERT_EQ(test, iommu_lu_preserve_device(env_dev(test, i), env->iommufd_id), 0);
	KUNIT_ASSERT_EQ(test, iommu_lu_file_preserve(), 0);
	env->files++;
}

void env_unpreserve(struct kunit *test, unsigned int i)
{
	struct env *env = test->priv;
	struct iommu_domain *domain = env->domain[i];

	iommu_lu_file_unpreserve();
	env->files--;
	iommu_lu_unpreserve_device(env_dev(test, i));
	if (!domain->lu->devices)
		iommu_lu_unpreserve_domain(domain);
}

static int freeze(struct kunit *test, unsigned int i)
{
	int ret = iommu_lu_freeze_device(env_dev(test, i));

	if (ret)
		return ret;
	ret = iommu_lu_file_freeze();
	if (ret)
		iommu_lu_unfreeze_device(env_dev(test, i));
	return ret;
}

static void unfreeze(struct kunit *test, unsigned int i)
{
	iommu_lu_file_unfreeze();
	iommu_lu_unfreeze_device(env_dev(test, i));
}

/* As LUO does it: what was frozen is undone if one fails. */
int env_freeze(struct kunit *test, unsigned int nr, ...)
{
	unsigned int done[ENV_MAX_DEVICES], n;
	va_list ap;
	int ret = 0;

	va_start(ap, nr);
	for (n = 0; n < nr; n++) {
		done[n] = va_arg(ap, unsigned int);
		ret = freeze(test, done[n]);
		if (ret)
			break;
	}
	va_end(ap);
	while (ret && n--)
		unfreeze(test, done[n]);
	return ret;
}

void env_unfreeze(struct kunit *test, unsigned int nr, ...)
{
	va_list ap;

	va_start(ap, nr);
	while (nr--)
		unfreeze(test, va_arg(ap, unsigned int));
	va_end(ap);
}

/**
 * env_steady - is a device to be looked at after each store
 * @test: whose device it is
 * @i: which
 * @on: yes, or no more
 *
 * While it is, no state of the hardware may be seen in which the device does not
 * reach the page: what hitless means.
 */
void env_steady(struct kunit *test, unsigned int i, bool on)
{
	struct env *env = test->priv;

	env->steady[i] = on;
}

/**
 * env_stored - a device could see a difference from now on
 *
 * A fake hardware calls it after every store to a register of it, or to an entry
 * of a table that it uses. May be called with spinlocks held.
 */
void env_stored(void)
{
	struct env *env;
	int i;

	if (!running)
		return;
	env = running->priv;
	env->stores++;
	for (i = 0; i < ENV_MAX_DEVICES; i++)
		if (env->steady[i] && env_dev(running, i))
			env_expect_dma(running, i, true);
}

/**
 * env_kexec - preserve all that is attached, and go on in the next kernel
 * @test: whose devices are attached
 * @damage: called when nothing of the old kernel runs any more, or NULL
 *
 * In the gap who is not preserved and behind a unit that is reaches nothing.
 * Afterwards nothing is attached as far as the environment knows.
 */
void env_kexec(struct kunit *test, void (*damage)(struct kunit *test))
{
	struct env *env = test->priv;
	int i;

	for (i = 0; i < ENV_MAX_DEVICES; i++)
		if (env->owned[i])
			env_preserve(test, i);
	for (i = 0; i < ENV_MAX_DEVICES; i++)
		if (env->owned[i])
			KUNIT_ASSERT_EQ(test, freeze(test, i), 0);
	mock_kexec(test);
	running = NULL;
	for (i = 0; i < ENV_MAX_DEVICES; i++)
		if (env_dev(test, i) && env_dev(test, i)->iommu->iommu_dev->lu)
			env_expect_dma(test, i, env->owned[i]);

	for (i = 0; i < ENV_MAX_DEVICES; i++)
		if (env->owned[i])
			unfreeze(test, i);
	for (i = 0; i < ENV_MAX_DEVICES; i++) {
		if (!env->owned[i])
			continue;
		env_unpreserve(test, i);
		env_detach(test, i);
	}
	KUNIT_ASSERT_EQ(test, env->be->kexec(test, damage), 0);
}

static long count_pages(void)
{
	long n = global_node_page_state(NR_IOMMU_PAGES);
	struct per_cpu_nodestat *stat;
	pg_data_t *pgdat;
	int cpu;

	for_each_online_pgdat(pgdat) {
		for_each_online_cpu(cpu) {
			stat = per_cpu_ptr(pgdat->per_cpu_nodestats, cpu);
			n += stat->vm_node_stat_diff[NR_IOMMU_PAGES];
		}
	}
	return n;
}

/*
 * Number of pages that IOMMU drivers have, exactly: the global count lags behind. What a CPU has
 * counted may move there while it is looked at, and is seen in neither place then.
 */
long env_pages(void)
{
	long last, n = count_pages();

	do {
		last = n;
		n = count_pages();
	} while (n != last);
	return n;
}

/* Does every address lead to the page, or none anywhere? */
void env_expect_dma(struct kunit *test, unsigned int i, bool works)
{
	struct env *env = test->priv;
	struct device *dev = env_dev(test, i);
	int n;
	u64 pa;

	if (!env->be->translate)
		return;
	for (n = 0; n < ENV_NR_IOVAS; n++) {
		KUNIT_EXPECT_EQ_MSG(test, env->be->translate(dev, env_iova[n] + 8, &pa), works,
				    "device %d at %#llx", i, env_iova[n]);
		if (works)
			KUNIT_EXPECT_EQ(test, pa, page_to_phys(env->page) + 8);
	}
	KUNIT_EXPECT_FALSE(test, env->be->translate(dev, env_iova[0] + SZ_1M, &pa));
}

void env_expect_nothing_preserved(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_units, 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_domains, 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_devices, 0);
	KUNIT_EXPECT_FALSE(test, iommu_lu_sealed());
}

/* Preserve the domain of device 0, and have the device refused: nothing is left. */
void env_expect_refusal(struct kunit *test, int err)
{
	struct env *env = test->priv;

	KUNIT_ASSERT_EQ(test, iommu_lu_preserve_domain(env->domain[0], env->iommufd_id, 0), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(env_dev(test, 0), env->iommufd_id), err);
	KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_units, 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_out.nr_devices, 0);
	iommu_lu_unpreserve_domain(env->domain[0]);
	env_expect_nothing_preserved(test);
}

/* The same for the domain. */
void env_expect_domain_refusal(struct kunit *test, int err)
{
	struct env *env = test->priv;

	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_domain(env->domain[0], env->iommufd_id, 0), err);
	env_expect_nothing_preserved(test);
}

/* All that was refused before is taken. */
void env_expect_normal(struct kunit *test)
{
	env_preserve(test, 0);
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), 0);
	env_unfreeze(test, 1, 0);
	env_unpreserve(test, 0);
}

/**
 * env_expect_aliases_refused - give device 0 requester ids that are nobody's, for a moment
 * @test: whose device it is
 * @nr: how many; with them the device is refused
 */
void env_expect_aliases_refused(struct kunit *test, unsigned int nr)
{
	struct pci_dev *pdev = to_pci_dev(env_dev(test, 0));

	KUNIT_ASSERT_NULL(test, pdev->dma_alias_mask);
	pci_add_dma_alias(pdev, ENV_ALIAS, nr);
	KUNIT_ASSERT_NOT_NULL(test, pdev->dma_alias_mask);
	env_expect_refusal(test, -EOPNOTSUPP);
	bitmap_free(pdev->dma_alias_mask);
	pdev->dma_alias_mask = NULL;
	env_expect_normal(test);
}

/*
 * Failures of the allocator are as a rule injected only where it may not wait.
 * The switches for all others are in debugfs, which no userspace has mounted
 * yet; the inode of such a file has the address of its variable.
 */
static void *variable(const char *dir, const char *name)
{
	struct dentry *parent = debugfs_lookup(dir, NULL), *file = NULL;
	void *var = NULL;

	if (parent)
		file = debugfs_lookup(name, parent);
	if (file)
		var = d_inode(file)->i_private;
	dput(file);
	dput(parent);
	return var;
}

static bool set_switches(const char *dir, bool inject)
{
	bool *ignore = variable(dir, "ignore-gfp-wait");
	unsigned long *verbose = variable(dir, "verbose");

	if (!ignore || !verbose)
		return false;
	*ignore = !inject;
	*verbose = 0;
	return true;
}

/**
 * env_inject_failures - make current->fail_nth count every allocation
 * @on: begin, or end
 *
 * Return: false if this kernel cannot.
 */
bool env_inject_failures(bool on)
{
	return IS_ENABLED(CONFIG_FAILSLAB) && IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC) &&
	       set_switches("failslab", on) && set_switches("fail_page_alloc", on);
}
