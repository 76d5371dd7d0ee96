// SPDX-License-Identifier: GPL-2.0
/*
 * Refusals before the jump: errno, and nothing left behind.
 *
 * On the mock, whose devices can be put into any state. Names begin with the row
 * of the requirements; docs/support.md lists them with their messages.
 */
#include <kunit/static_stub.h>
#include <linux/kexec.h>
#include <linux/pci-ats.h>
#include <linux/pci.h>
#include <linux/vfio.h>

#include "../../../iommu-priv.h"
#include "../../core/private.h"
#include "env.h"
#include "mock.h"

static int init(struct kunit *test)
{
	return env_init(test, &lu_mock_backend);
}

static struct pci_dev *attached(struct kunit *test)
{
	struct device *dev = env_dev(test, 0);

	env_attach(test, 0, env_domain(test, dev));
	return to_pci_dev(dev);
}

static void C2_driver_without_ops(struct kunit *test)
{
	static const struct iommu_ops no_ops;
	struct iommu_domain *domain = kunit_kzalloc(test, sizeof(*domain), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, domain);
	domain->owner = &no_ops;
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_domain(domain, 1, 0), -EOPNOTSUPP);
	env_expect_nothing_preserved(test);
}

/* A driver that keeps mappings in another way, or in a format of its own. */
static void C4_other_page_tables(struct kunit *test)
{
	struct iommu_domain *domain = kunit_kzalloc(test, sizeof(*domain), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, domain);
	domain->owner = env_dev(test, 0)->iommu->iommu_dev->ops;
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_domain(domain, 1, 0), -EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, domain->lu);
	env_expect_nothing_preserved(test);
}

static void C2_device_without_iommu(struct kunit *test)
{
	struct pci_dev *bridge = mock_pci_bridge();

	KUNIT_ASSERT_NOT_NULL(test, bridge);
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(&bridge->dev, 1), -EOPNOTSUPP);
}

static void U9_power_state(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	pdev->current_state = PCI_D3hot;
	env_expect_refusal(test, -EINVAL);
	pdev->current_state = PCI_D0;
	env_expect_normal(test);
}

static void U11_interrupts(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	pdev->msi_enabled = 1;
	env_expect_refusal(test, -EBUSY);
	pdev->msi_enabled = 0;
	env_expect_normal(test);
}

#define MSIX_CTRL	(MOCK_MSIX + PCI_MSIX_FLAGS)
#define MSIX_MASKED	(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)

/* Vectors pend from freeze on, and interrupts are not set up any more. */
static void U11_freeze_masks_vectors(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	mock_pci_set_control(0, MSIX_CTRL, PCI_MSIX_FLAGS_ENABLE);
	pdev->msix_enabled = 1;
	env_preserve(test, 0);
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, MSIX_CTRL), PCI_MSIX_FLAGS_ENABLE);
	KUNIT_EXPECT_EQ(test, iommu_lu_set_irqs(pdev, VFIO_PCI_MSIX_IRQ_INDEX, 1), 0);

	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, MSIX_CTRL), MSIX_MASKED);
	KUNIT_EXPECT_EQ(test, iommu_lu_set_irqs(pdev, VFIO_PCI_MSIX_IRQ_INDEX, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommu_lu_set_irqs(pdev, VFIO_PCI_INTX_IRQ_INDEX, 0), -EBUSY);

	env_unfreeze(test, 1, 0);
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, MSIX_CTRL), PCI_MSIX_FLAGS_ENABLE);
	KUNIT_EXPECT_EQ(test, iommu_lu_set_irqs(pdev, VFIO_PCI_MSIX_IRQ_INDEX, 1), 0);
	pdev->msix_enabled = 0;
	env_unpreserve(test, 0);
}

static void mask_vectors(struct kunit *test)
{
	mock_pci_set_control(0, MSIX_CTRL, MSIX_MASKED);
	/* of a device that nobody has preserved */
	mock_pci_set_control(1, MSIX_CTRL, MSIX_MASKED);
}

/* The next kernel leaves MSI-X on until it is known what the device is going to use. */
static void U11_vectors_stay_masked(struct kunit *test)
{
	struct pci_dev *pdev;

	attached(test);
	env_kexec(test, mask_vectors);
	pdev = to_pci_dev(env_dev(test, 0));
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, MSIX_CTRL), MSIX_MASKED);
	KUNIT_EXPECT_EQ(test, mock_pci_control(1, MSIX_CTRL), PCI_MSIX_FLAGS_MASKALL);

	KUNIT_EXPECT_EQ(test, iommu_lu_set_irqs(pdev, VFIO_PCI_MSIX_IRQ_INDEX, 1), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_set_irqs(pdev, VFIO_PCI_INTX_IRQ_INDEX, 0), 0);
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, MSIX_CTRL), MSIX_MASKED);
	KUNIT_EXPECT_EQ(test, iommu_lu_set_irqs(pdev, VFIO_PCI_INTX_IRQ_INDEX, 1), 0);
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, MSIX_CTRL), 0);
}

static void mask_and_damage(struct kunit *test)
{
	mask_vectors(test);
	mock_pci_set_control(0, MOCK_ATS + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
}

static void U11_stopped_device_has_no_vectors(struct kunit *test)
{
	attached(test);
	env_kexec(test, mask_and_damage);
	KUNIT_EXPECT_FALSE(test, iommu_lu_held(env_dev(test, 0)));
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, MSIX_CTRL), 0);
}

static void U10_virtual_function(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	pdev->is_virtfn = 1;
	env_expect_refusal(test, -EOPNOTSUPP);
	pdev->is_virtfn = 0;
	env_expect_normal(test);
}

static void U10_bridge(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	pdev->hdr_type = PCI_HEADER_TYPE_BRIDGE;
	env_expect_refusal(test, -EOPNOTSUPP);
	pdev->hdr_type = PCI_HEADER_TYPE_NORMAL;
	env_expect_normal(test);
}

/* The backend of its unit was not built, say. */
static void C10_driver_without_live_update(struct kunit *test)
{
	struct iommu_device *unit = attached(test)->dev.iommu->iommu_dev;
	const struct iommu_ops *ops = unit->ops;
	struct iommu_ops *without = kunit_kmalloc(test, sizeof(*without), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, without);
	*without = *ops;
	without->lu_ops = NULL;
	unit->ops = without;
	env_expect_refusal(test, -EOPNOTSUPP);
	unit->ops = ops;
	env_expect_normal(test);
}

/* --- ATS, PASID, PRI --------------------------------------------------------- */

#define ATS_CTRL	(MOCK_ATS + PCI_ATS_CTRL)
#define PASID_CTRL	(MOCK_PASID + PCI_PASID_CTRL)
#define PRI_CTRL	(MOCK_PRI + PCI_PRI_CTRL)

/* Turned on by somebody else than the IOMMU's driver, or turned off by somebody else. */
static void U10_ats_of_others(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	mock_pci_set_control(0, ATS_CTRL, PCI_ATS_CTRL_ENABLE);
	env_expect_refusal(test, -EOPNOTSUPP);
	mock_pci_set_control(0, ATS_CTRL, 0);
	env_expect_normal(test);
	if (!IS_ENABLED(CONFIG_PCI_ATS))
		return;
	KUNIT_ASSERT_EQ(test, pci_enable_ats(pdev, PAGE_SHIFT), 0);
	mock_pci_set_control(0, ATS_CTRL, 0);
	env_expect_refusal(test, -EOPNOTSUPP);
	mock_pci_set_control(0, ATS_CTRL, PCI_ATS_CTRL_ENABLE);
	env_expect_normal(test);
	pci_disable_ats(pdev);
}

static void U10_page_requests(struct kunit *test)
{
	attached(test);
	mock_pci_set_control(0, PRI_CTRL, PCI_PRI_CTRL_ENABLE);
	env_expect_refusal(test, -EOPNOTSUPP);
	mock_pci_set_control(0, PRI_CTRL, 0);
	env_expect_normal(test);
}

static void U10_control_changed_before_freeze(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	mock_pci_set_control(0, PASID_CTRL, PCI_PASID_CTRL_ENABLE);
	env_preserve(test, 0);
	mock_pci_set_control(0, PASID_CTRL, PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_EXEC);
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -EBUSY);
	mock_pci_set_control(0, PASID_CTRL, PCI_PASID_CTRL_ENABLE);
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), 0);
	env_unfreeze(test, 1, 0);
	if (!pci_enable_ats(pdev, PAGE_SHIFT))
		KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -EBUSY);
	env_unpreserve(test, 0);
	mock_pci_set_control(0, ATS_CTRL, 0);
	mock_pci_set_control(0, PASID_CTRL, 0);
}

/* ATS and PASID on: found to be right by the next kernel, and not written. */
static struct pci_dev *with_ats(struct kunit *test, void (*damage)(struct kunit *test))
{
	struct pci_dev *pdev = attached(test);

	if (!IS_ENABLED(CONFIG_PCI_ATS))
		kunit_skip(test, "needs PCI_ATS");
	mock_pci_set_control(0, PASID_CTRL, PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_PRIV);
	KUNIT_ASSERT_EQ(test, pci_enable_ats(pdev, PAGE_SHIFT), 0);
	env_kexec(test, damage);
	return to_pci_dev(env_dev(test, 0));
}

static unsigned int writes_before;

static void remember_writes(struct kunit *test)
{
	writes_before = mock_pci_control_writes();
}

static void U10_ats_is_carried(struct kunit *test)
{
	struct pci_dev *pdev = with_ats(test, remember_writes);

	KUNIT_EXPECT_TRUE(test, iommu_lu_held(&pdev->dev));
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, ATS_CTRL), PCI_ATS_CTRL_ENABLE);
	/* the others are not running: their smallest unit was set when they were probed */
	KUNIT_EXPECT_EQ(test, mock_pci_control_writes(), writes_before + MOCK_NR_DEVICES - 1);

	/* what a driver does when the device is attached */
	KUNIT_EXPECT_EQ(test, pci_enable_ats(pdev, PAGE_SHIFT), 0);
	KUNIT_EXPECT_EQ(test, mock_pci_control_writes(), writes_before + MOCK_NR_DEVICES - 1);
	env_expect_dma(test, 0, true);

	/* other units, and PASID as it is: an error, ours, and no write */
	KUNIT_EXPECT_EQ(test, iommu_lu_pci_keep(pdev, ATS_CTRL, PCI_ATS_CTRL_ENABLE | 1, 0),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, iommu_lu_pci_keep(pdev, PASID_CTRL, PCI_PASID_CTRL_ENABLE, 0),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, iommu_lu_pci_keep(pdev, PASID_CTRL,
						PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_PRIV, 0), 1);

	/* it can be turned off like any other */
	pci_disable_ats(pdev);
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, ATS_CTRL), 0);
}

static void change_ats(struct kunit *test)
{
	mock_pci_set_control(0, ATS_CTRL, PCI_ATS_CTRL_ENABLE | 1);
}

static void change_pasid(struct kunit *test)
{
	mock_pci_set_control(0, PASID_CTRL, PCI_PASID_CTRL_ENABLE);
}

/* Stopped, and ATS is off: what the device has learned does not count any more. */
static void expect_stopped(struct kunit *test, struct pci_dev *pdev)
{
	KUNIT_EXPECT_FALSE(test, iommu_lu_held(&pdev->dev));
	KUNIT_EXPECT_FALSE(test, mock_pci_command(0) & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_FALSE(test, mock_pci_control(0, ATS_CTRL) & PCI_ATS_CTRL_ENABLE);
	KUNIT_EXPECT_EQ(test, iommu_lu_device_incoming(MOCK_SEGMENT, pci_dev_id(pdev))->failed,
			-EINVAL);
	/* from here on like any other */
	KUNIT_EXPECT_EQ(test, pci_enable_ats(pdev, PAGE_SHIFT), 0);
	KUNIT_EXPECT_EQ(test, mock_pci_control(0, ATS_CTRL), PCI_ATS_CTRL_ENABLE);
	pci_disable_ats(pdev);
}

static void U10_ats_differs(struct kunit *test)
{
	expect_stopped(test, with_ats(test, change_ats));
}

static void U10_pasid_differs(struct kunit *test)
{
	expect_stopped(test, with_ats(test, change_pasid));
}

/* Found at freeze as well: the device may change in between. */
static void C14_state_changed_before_freeze(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	env_preserve(test, 0);
	pdev->current_state = PCI_D3hot;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -EINVAL);
	pdev->current_state = PCI_D0;
	pdev->msi_enabled = 1;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -EBUSY);
	pdev->msi_enabled = 0;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), 0);
	env_unfreeze(test, 1, 0);
	env_unpreserve(test, 0);
}

/* Somebody has written to the table that the hardware uses. */
static void C14_entry_changed_before_freeze(struct kunit *test)
{
	u64 *entry, old;

	attached(test);
	env_preserve(test, 0);
	entry = phys_to_virt(mock_hw[0].table);
	old = *entry;
	*entry ^= BIT_ULL(20);
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -EBUSY);
	*entry = old;
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), 0);
	env_unfreeze(test, 1, 0);
	env_unpreserve(test, 0);
}

static void remove_device(struct kunit *test, unsigned int i)
{
	pci_lock_rescan_remove();
	pci_stop_and_remove_bus_device(to_pci_dev(env_dev(test, i)));
	pci_unlock_rescan_remove();
}

static void C10_reset(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	/* a method, for which this device has no code */
	pdev->reset_methods[0] = 1;
	env_preserve(test, 0);
	KUNIT_EXPECT_EQ(test, pci_reset_function(pdev), -EBUSY);
	KUNIT_EXPECT_EQ(test, pci_try_reset_function(pdev), -EBUSY);
	env_unpreserve(test, 0);
	KUNIT_EXPECT_EQ(test, pci_reset_function(pdev), -ENOTTY);
	pdev->reset_methods[0] = 0;
}

/* One that shares its bus must not reset it. */
static void C10_bus_reset(struct kunit *test)
{
	struct iommu_lu_domain *ldom;
	struct pci_bus *bus;

	bus = attached(test)->bus;
	KUNIT_EXPECT_FALSE(test, iommu_lu_bus_live(bus));
	env_preserve(test, 0);
	KUNIT_EXPECT_TRUE(test, iommu_lu_bus_live(bus));
	env_unpreserve(test, 0);
	KUNIT_EXPECT_FALSE(test, iommu_lu_bus_live(bus));

	env_kexec(test, NULL);
	bus = to_pci_dev(env_dev(test, 0))->bus;
	ldom = iommu_get_domain_for_dev(env_dev(test, 0))->lu;
	KUNIT_EXPECT_TRUE(test, iommu_lu_bus_live(bus));
	remove_device(test, 0);
	KUNIT_EXPECT_FALSE(test, iommu_lu_bus_live(bus));
	iommu_lu_free_domain(ldom);
}

/* No image is loaded at all. */
static void C11_image(struct kunit *test)
{
	struct pci_dev *pdev = attached(test);

	kunit_deactivate_static_stub(test, iommu_lu_kexec_check);
	env_preserve(test, 0);
	KUNIT_EXPECT_EQ(test, env_freeze(test, 1, 0), -ENOEXEC);
	KUNIT_EXPECT_FALSE(test, iommu_lu_sealed());
	KUNIT_EXPECT_FALSE(test, iommu_lu_keep_master(pdev));
	env_unpreserve(test, 0);
}

/* A file that comes while others are frozen. */
static void C14_preserve_during_freeze(struct kunit *test)
{
	attached(test);
	env_preserve(test, 0);
	KUNIT_ASSERT_EQ(test, env_freeze(test, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_file_preserve(), -EBUSY);
	KUNIT_EXPECT_TRUE(test, iommu_lu_sealed());
	env_unfreeze(test, 1, 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_file_preserve(), 0);
	iommu_lu_file_unpreserve();
	env_unpreserve(test, 0);
}

/* The next kernel would not read more. */
static void C14_too_many(struct kunit *test)
{
	struct env *env = test->priv;
	struct iommu_domain *domain;
	u32 nr;

	attached(test);
	domain = env_domain(test, env_dev(test, 0));
	scoped_guard(mutex, &iommu_lu_out.lock) {
		nr = iommu_lu_out.nr_domains;
		iommu_lu_out.nr_domains = IOMMU_LU_MAX_DOMAINS;
	}
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_domain(domain, env->iommufd_id, 99), -ENOSPC);
	scoped_guard(mutex, &iommu_lu_out.lock)
		iommu_lu_out.nr_domains = nr;
	KUNIT_EXPECT_NULL(test, domain->lu);
	iommu_domain_free(domain);
}

/* In the new kernel: not again before the restored domain is replaced. */
static void U4_still_on_its_restored_domain(struct kunit *test)
{
	struct iommu_lu_domain *ldom;
	struct iommu_domain *domain;
	struct env *env = test->priv;
	struct device *dev;

	attached(test);
	env_kexec(test, NULL);
	dev = env_dev(test, 0);
	domain = iommu_get_domain_for_dev(dev);
	KUNIT_ASSERT_TRUE(test, iommu_lu_is_restored(domain));
	ldom = domain->lu;
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_device(dev, env->iommufd_id), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommu_lu_preserve_domain(domain, env->iommufd_id, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, ldom->devices, 1);
}

/* --- a device that does not come back -------------------------------------------- */

static void hide(struct kunit *test)
{
	mock_pci_hide(0);
}

/*
 * It may be at work all the same, so its entry is there until its session is finished, and
 * then no longer. Should it turn up later it is stopped like any other that was not taken over.
 */
static void U7_device_does_not_come_back(struct kunit *test)
{
	struct iommu_lu_device *ldev;
	u64 *entry;

	attached(test);
	env_kexec(test, hide);
	KUNIT_ASSERT_NULL(test, env_dev(test, 0));
	ldev = iommu_lu_device_incoming(MOCK_SEGMENT, 0);
	KUNIT_ASSERT_NOT_NULL(test, ldev);
	entry = phys_to_virt(mock_hw[0].table);
	KUNIT_EXPECT_EQ(test, *entry, ldev->ser.mock.entry);

	iommu_lu_forget_device(MOCK_SEGMENT, 0);
	KUNIT_EXPECT_EQ(test, *entry, 0);
	KUNIT_EXPECT_EQ(test, ldev->failed, -ENODEV);

	mock_pci_show(0);
	KUNIT_ASSERT_NOT_NULL(test, env_dev(test, 0));
	KUNIT_EXPECT_FALSE(test, iommu_lu_held(env_dev(test, 0)));
	KUNIT_EXPECT_FALSE(test, mock_pci_command(0) & PCI_COMMAND_MASTER);
}

/* One that has is not disturbed by that. */
static void U7_device_has_come_back(struct kunit *test)
{
	attached(test);
	env_kexec(test, NULL);
	iommu_lu_forget_device(MOCK_SEGMENT, 0);
	/* nor is anybody by a device that was never preserved */
	iommu_lu_forget_device(MOCK_SEGMENT, PCI_DEVFN(1, 0));
	KUNIT_EXPECT_TRUE(test, iommu_lu_held(env_dev(test, 0)));
	env_expect_dma(test, 0, true);
}

static void hide_second(struct kunit *test)
{
	mock_pci_hide(1);
}

static struct iommu_lu_domain *shared_domain(struct kunit *test, void (*damage)(struct kunit *test))
{
	struct iommu_domain *domain;
	struct env *env = test->priv;

	attached(test);
	env_attach(test, 1, env->domain[0]);
	env_kexec(test, damage);
	domain = iommu_get_domain_for_dev(env_dev(test, 0));
	KUNIT_ASSERT_TRUE(test, iommu_lu_is_restored(domain));
	return domain->lu;
}

/* The other device of the domain has left it: its tables go, and this one must not use them. */
static void U7_domain_goes_before_a_device_comes_back(struct kunit *test)
{
	struct iommu_lu_domain *ldom = shared_domain(test, hide_second);
	struct iommu_lu_device *ldev = iommu_lu_device_incoming(MOCK_SEGMENT, PCI_DEVFN(1, 0));
	u64 *entry;

	KUNIT_ASSERT_NOT_NULL(test, ldev);
	entry = (u64 *)phys_to_virt(mock_hw[0].table) + ldev->ser.rids[0];
	KUNIT_EXPECT_EQ(test, *entry, ldev->ser.mock.entry);
	KUNIT_EXPECT_EQ(test, ldom->devices, 1);
	remove_device(test, 0);
	KUNIT_EXPECT_EQ(test, ldom->devices, 0);
	iommu_lu_free_domain(ldom);
	KUNIT_EXPECT_EQ(test, *entry, 0);
	KUNIT_EXPECT_EQ(test, mock_memory_inherited(), 0);

	mock_pci_show(1);
	KUNIT_EXPECT_FALSE(test, iommu_lu_held(env_dev(test, 1)));
	KUNIT_EXPECT_FALSE(test, mock_pci_command(1) & PCI_COMMAND_MASTER);
}

/* Nobody can stop it, so its memory has to stay. */
static void U7_nor_does_its_unit(struct kunit *test)
{
	const struct iommu_ops *ops;
	struct iommu_device *iommu;
	struct iommu_lu_device *ldev;

	attached(test);
	env_kexec(test, hide);
	ldev = iommu_lu_device_incoming(MOCK_SEGMENT, 0);
	KUNIT_ASSERT_NOT_NULL(test, ldev);
	KUNIT_EXPECT_TRUE(test, iommu_lu_may_forget_device(MOCK_SEGMENT, 0));
	iommu = ldev->unit->iommu;
	ldev->unit->iommu = NULL;
	KUNIT_EXPECT_FALSE(test, iommu_lu_may_forget_device(MOCK_SEGMENT, 0));
	ldev->unit->failed = -EIO;
	KUNIT_EXPECT_TRUE(test, iommu_lu_may_forget_device(MOCK_SEGMENT, 0));
	ldev->unit->failed = 0;

	/* that the device is found is not enough: its unit translates for it */
	ops = iommu->ops;
	iommu->ops = NULL;
	mock_pci_show(0);
	KUNIT_EXPECT_NULL(test, env_dev(test, 0)->iommu_group);
	KUNIT_EXPECT_FALSE(test, iommu_lu_may_forget_device(MOCK_SEGMENT, 0));
	iommu->ops = ops;
	ldev->unit->iommu = iommu;
	mock_fixup(to_pci_dev(env_dev(test, 0)));
	KUNIT_EXPECT_EQ(test, iommu_probe_device(env_dev(test, 0)), 0);
	KUNIT_EXPECT_TRUE(test, iommu_lu_held(env_dev(test, 0)));
}

struct users {
	int nr;
	bool gone;
};

static bool joined(void *arg)
{
	struct users *users = arg;

	if (users->gone)
		return false;
	users->nr++;
	return true;
}

static void left(void *arg)
{
	struct users *users = arg;

	users->nr--;
}

/* It is one of the users of its domain, whenever it comes. */
static void U4_late_device_is_counted(struct kunit *test)
{
	struct iommu_lu_domain *ldom = shared_domain(test, hide_second);
	struct users users = {};

	KUNIT_ASSERT_TRUE(test, iommu_lu_hand_out_domain(ldom, &users, joined, left, &users));
	KUNIT_EXPECT_EQ(test, users.nr, 1);
	mock_pci_show(1);
	KUNIT_EXPECT_TRUE(test, iommu_lu_held(env_dev(test, 1)));
	KUNIT_EXPECT_EQ(test, users.nr, 2);
	remove_device(test, 0);
	KUNIT_EXPECT_EQ(test, users.nr, 1);
	KUNIT_EXPECT_TRUE(test, iommu_lu_domain_busy(ldom));
	remove_device(test, 1);
	KUNIT_EXPECT_EQ(test, users.nr, 0);
	KUNIT_EXPECT_EQ(test, ldom->devices, 0);
	iommu_lu_free_domain(ldom);
	KUNIT_EXPECT_FALSE(test, iommu_lu_domain_busy(ldom));
}

/* Its domain is on its way out: stopped. */
static void U4_device_is_too_late(struct kunit *test)
{
	struct iommu_lu_domain *ldom = shared_domain(test, hide_second);
	struct users users = {};

	KUNIT_ASSERT_TRUE(test, iommu_lu_hand_out_domain(ldom, &users, joined, left, &users));
	remove_device(test, 0);
	users.gone = true;
	mock_pci_show(1);
	KUNIT_EXPECT_FALSE(test, iommu_lu_held(env_dev(test, 1)));
	KUNIT_EXPECT_FALSE(test, mock_pci_command(1) & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_EQ(test, ldom->devices, 0);
	KUNIT_EXPECT_FALSE(test, iommu_lu_hand_out_domain(ldom, &users, joined, left, &users));
	iommu_lu_free_domain(ldom);
}

/* Its session is being finished, with nobody there: stopped, as its memory is given back. */
static void U4_device_comes_during_finish(struct kunit *test)
{
	struct iommu_lu_domain *ldom = shared_domain(test, hide_second);

	KUNIT_EXPECT_FALSE(test, iommu_lu_end_domain(ldom));
	KUNIT_EXPECT_EQ(test, ldom->failed, 0);
	remove_device(test, 0);
	KUNIT_EXPECT_TRUE(test, iommu_lu_end_domain(ldom));
	mock_pci_show(1);
	KUNIT_EXPECT_FALSE(test, iommu_lu_held(env_dev(test, 1)));
	KUNIT_EXPECT_FALSE(test, mock_pci_command(1) & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_EQ(test, ldom->devices, 0);
	iommu_lu_free_domain(ldom);
}

static void fail_probe(struct kunit *test)
{
	mock_probe_fails = true;
}

/* No group, so nobody would look at its entry: it is stopped, and the entry goes. */
static void C12_probe_fails(struct kunit *test)
{
	struct iommu_lu_device *ldev;

	attached(test);
	env_kexec(test, fail_probe);
	mock_probe_fails = false;
	KUNIT_EXPECT_NULL(test, env_dev(test, 0)->iommu_group);
	KUNIT_EXPECT_FALSE(test, mock_pci_command(0) & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_EQ(test, *(u64 *)phys_to_virt(mock_hw[0].table), 0);
	ldev = iommu_lu_device_incoming(MOCK_SEGMENT, 0);
	KUNIT_ASSERT_NOT_NULL(test, ldev);
	KUNIT_EXPECT_EQ(test, ldev->failed, -ENODEV);
}

static void fail_group(struct kunit *test)
{
	mock_group_fails = true;
	mock_released_with = PCI_COMMAND_MASTER;
}

/* The driver may give back what the device uses: it is stopped before. Nobody else is. */
static void C12_probe_fails_late(struct kunit *test)
{
	attached(test);
	env_attach(test, 1, env_domain(test, env_dev(test, 1)));
	env_kexec(test, fail_group);
	KUNIT_EXPECT_NULL(test, env_dev(test, 0)->iommu_group);
	KUNIT_EXPECT_FALSE(test, mock_released_with & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_EQ(test, *(u64 *)phys_to_virt(mock_hw[0].table), 0);
	KUNIT_EXPECT_TRUE(test, iommu_lu_held(env_dev(test, 1)));
	env_expect_dma(test, 1, true);

	/* any other error would make its unit's registration fail, and with it the other one */
	mock_fixup(to_pci_dev(env_dev(test, 0)));
	KUNIT_EXPECT_EQ(test, iommu_probe_device(env_dev(test, 0)), -ENODEV);
	mock_group_fails = false;
}

/*
 * Its unit is taken over, and not registered yet: another one is, which looks at every device.
 * The device goes on, and is taken over when it is its own unit's turn.
 */
static void C12_unit_is_registered_later(struct kunit *test)
{
	const struct iommu_ops *ops;
	struct iommu_lu_device *ldev;

	attached(test);
	env_kexec(test, hide);
	ldev = iommu_lu_device_incoming(MOCK_SEGMENT, 0);
	KUNIT_ASSERT_NOT_NULL(test, ldev);
	ops = ldev->unit->iommu->ops;
	ldev->unit->iommu->ops = NULL;
	mock_pci_show(0);
	KUNIT_EXPECT_NULL(test, env_dev(test, 0)->iommu_group);
	KUNIT_EXPECT_EQ(test, ldev->failed, 0);
	KUNIT_EXPECT_TRUE(test, mock_pci_command(0) & PCI_COMMAND_MASTER);
	env_expect_dma(test, 0, true);

	ldev->unit->iommu->ops = ops;
	mock_fixup(to_pci_dev(env_dev(test, 0)));
	KUNIT_EXPECT_EQ(test, iommu_probe_device(env_dev(test, 0)), 0);
	KUNIT_EXPECT_TRUE(test, iommu_lu_held(env_dev(test, 0)));
	env_expect_dma(test, 0, true);
}

/* Whoever is about to turn a unit off must know of those that may go on behind it. */
static void C12_device_is_not_found(struct kunit *test)
{
	struct iommu_lu_device *ldev;

	attached(test);
	env_attach(test, 3, env_domain(test, env_dev(test, 3)));
	env_kexec(test, hide);
	ldev = iommu_lu_device_incoming(MOCK_SEGMENT, 0);
	KUNIT_ASSERT_NOT_NULL(test, ldev);
	KUNIT_EXPECT_TRUE(test, iommu_lu_quiesce_incoming(env_dev(test, 3)->iommu->lu->unit));
	KUNIT_EXPECT_FALSE(test, iommu_lu_quiesce_incoming(ldev->unit));
	KUNIT_EXPECT_FALSE(test, iommu_lu_quiesce_incoming(NULL));
	KUNIT_EXPECT_EQ(test, ldev->failed, 0);
}

/* A unit is given up: that concerns the devices behind it, and those that are held. */
static void C12_unit_is_given_up(struct kunit *test)
{
	struct iommu_attach_handle *handle;
	struct env *env = test->priv;
	struct device *dev;

	attached(test);
	env_attach(test, 3, env_domain(test, env_dev(test, 3)));
	env_kexec(test, NULL);
	KUNIT_ASSERT_TRUE(test, iommu_lu_held(env_dev(test, 0)));
	dev = env_dev(test, 3);
	KUNIT_ASSERT_TRUE(test, iommu_lu_held(dev));
	KUNIT_EXPECT_EQ(test, iommu_lu_given_up(dev), 0);
	iommu_lu_quiesce_incoming(dev->iommu->lu->unit);
	KUNIT_EXPECT_TRUE(test, mock_pci_command(0) & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_FALSE(test, mock_pci_command(3) & PCI_COMMAND_MASTER);
	KUNIT_EXPECT_NE(test, iommu_lu_given_up(dev), 0);
	KUNIT_EXPECT_EQ(test, iommu_lu_given_up(env_dev(test, 0)), 0);

	/* on a domain of this kernel: nobody else's business */
	dev = env_dev(test, 0);
	dev->iommu->lu->domain->owner = env;
	KUNIT_ASSERT_EQ(test, iommu_device_claim_dma_owner(dev, env), 0);
	env->owned[0] = true;
	env->domain[0] = env_domain(test, dev);
	handle = kunit_kzalloc(test, sizeof(*handle), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, handle);
	KUNIT_ASSERT_EQ(test, iommu_replace_group_handle(dev->iommu_group, env->domain[0], handle),
			0);
	iommu_lu_quiesce_incoming(NULL);
	KUNIT_EXPECT_TRUE(test, mock_pci_command(0) & PCI_COMMAND_MASTER);
	iommu_detach_group_handle(env->domain[0], dev->iommu_group);
	iommu_device_release_dma_owner(dev);
	iommu_domain_free(env->domain[0]);
	env->owned[0] = false;
	env->domain[0] = NULL;
}

/* Tables of the guest cannot take the place of a restored domain. */
static void C10_nested(struct kunit *test)
{
	static struct iommu_domain nested = { .type = IOMMU_DOMAIN_NESTED };

	attached(test);
	env_kexec(test, NULL);
	KUNIT_EXPECT_EQ(test, iommu_lu_may_attach(env_dev(test, 0), &nested, false), -EOPNOTSUPP);
	env_expect_dma(test, 0, true);
}

static struct kunit_case refuse_cases[] = {
	KUNIT_CASE(C2_driver_without_ops),
	KUNIT_CASE(C4_other_page_tables),
	KUNIT_CASE(C2_device_without_iommu),
	KUNIT_CASE(U9_power_state),
	KUNIT_CASE(U11_interrupts),
	KUNIT_CASE(U11_freeze_masks_vectors),
	KUNIT_CASE(U11_vectors_stay_masked),
	KUNIT_CASE(U11_stopped_device_has_no_vectors),
	KUNIT_CASE(U10_virtual_function),
	KUNIT_CASE(U10_bridge),
	KUNIT_CASE(C10_driver_without_live_update),
	KUNIT_CASE(U10_ats_of_others),
	KUNIT_CASE(U10_page_requests),
	KUNIT_CASE(U10_control_changed_before_freeze),
	KUNIT_CASE(U10_ats_is_carried),
	KUNIT_CASE(U10_ats_differs),
	KUNIT_CASE(U10_pasid_differs),
	KUNIT_CASE(C14_too_many),
	KUNIT_CASE(C14_state_changed_before_freeze),
	KUNIT_CASE(C14_entry_changed_before_freeze),
	KUNIT_CASE(C10_reset),
	KUNIT_CASE(C10_bus_reset),
	KUNIT_CASE(C11_image),
	KUNIT_CASE(C14_preserve_during_freeze),
	KUNIT_CASE(U4_still_on_its_restored_domain),
	KUNIT_CASE(U7_device_does_not_come_back),
	KUNIT_CASE(U7_device_has_come_back),
	KUNIT_CASE(U7_domain_goes_before_a_device_comes_back),
	KUNIT_CASE(U7_nor_does_its_unit),
	KUNIT_CASE(U4_late_device_is_counted),
	KUNIT_CASE(U4_device_is_too_late),
	KUNIT_CASE(U4_device_comes_during_finish),
	KUNIT_CASE(C12_probe_fails),
	KUNIT_CASE(C12_probe_fails_late),
	KUNIT_CASE(C12_unit_is_registered_later),
	KUNIT_CASE(C12_device_is_not_found),
	KUNIT_CASE(C12_unit_is_given_up),
	KUNIT_CASE(C10_nested),
	{}
};

static struct kunit_suite refuse_suite = {
	.name = "iommu_lu_refusals",
	.init = init,
	.exit = env_exit,
	.test_cases = refuse_cases,
};

/* --- a group of more than one ------------------------------------------------ */

static int group_init(struct kunit *test)
{
	mock_one_group = true;
	return env_init(test, &lu_mock_backend);
}

static void group_exit(struct kunit *test)
{
	env_exit(test);
	mock_one_group = false;
}

static void U9_shared_group(struct kunit *test)
{
	attached(test);
	env_expect_refusal(test, -EOPNOTSUPP);
}

static struct kunit_case group_cases[] = {
	KUNIT_CASE(U9_shared_group),
	{}
};

static struct kunit_suite group_suite = {
	.name = "iommu_lu_refusals_group",
	.init = group_init,
	.exit = group_exit,
	.test_cases = group_cases,
};

kunit_test_suites(&refuse_suite, &group_suite);

MODULE_LICENSE("GPL");
