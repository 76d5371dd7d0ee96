// SPDX-License-Identifier: GPL-2.0
/*
 * IOMMU live update: domains and devices.
 *
 * Old kernel: a domain is preserved through its iommufd, then the devices on it
 * through their VFIO files. From then on the attachment of the device cannot
 * change without the record going stale, which makes the next freeze fail.
 *
 * New kernel: at device probe the restored domain is attached in place of the
 * default one. The device is then held: no driver can bind to it, nobody but
 * the iommufd that was retrieved with the domain can claim it, until it leaves
 * the restored domain for another one. From there on it is like any other.
 *
 * What cannot be taken over is stopped first (bus master off) and then treated
 * as an ordinary device.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "../../iommu-priv.h"
#include "private.h"

/*
 * Protects inherited domains: @domain, @failed, @devices and what is in
 * iommu_lu_hand_out_domain(). A device is counted before anybody can see that its domain is
 * there, and a domain is gone only when nobody can ask for it any more. Taken inside the
 * group mutex, and held around the driver ops that restore and free.
 */
static DEFINE_MUTEX(restored_lock);

/* --- preserve ----------------------------------------------------------- */

/**
 * iommu_lu_preserve_domain - preserve a domain and its page tables
 * @domain: nobody maps or unmaps in it until it is unpreserved
 * @iommufd_id: from iommu_lu_new_iommufd_id()
 * @token: unique among the domains with this @iommufd_id
 *
 * Return: 0, -EBUSY preserved already or itself restored, -EOPNOTSUPP the
 * driver does not take part or not with this kind of domain, -ENOMEM, -ENOSPC there are
 * IOMMU_LU_MAX_DOMAINS already.
 */
int iommu_lu_preserve_domain(struct iommu_domain *domain, u64 iommufd_id, u64 token)
{
	const struct iommu_lu_ops *ops = domain->owner->lu_ops;
	struct iommu_lu_domain *ldom;
	int ret;

	if (!ops)
		return -EOPNOTSUPP;
	if (domain->lu)
		return -EBUSY;

	ldom = kzalloc_obj(*ldom);
	if (!ldom)
		return -ENOMEM;
	ldom->domain = domain;
	ldom->ser.iommufd_id = iommufd_id;
	ldom->ser.token = token;

	/* on the list, and read from there by debugfs, only when it is complete; likewise below */
	ret = ops->preserve_domain(domain, ldom);
	if (ret)
		goto err_free;
	ret = iommu_lu_add_domain(ldom);
	if (ret)
		goto err_unpreserve;
	domain->lu = ldom;
	return 0;

err_unpreserve:
	ops->unpreserve_domain(domain, ldom);
err_free:
	kfree(ldom);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_lu_preserve_domain);

/**
 * iommu_lu_unpreserve_domain - undo iommu_lu_preserve_domain()
 * @domain: no device is preserved with it any more
 */
void iommu_lu_unpreserve_domain(struct iommu_domain *domain)
{
	struct iommu_lu_domain *ldom = domain->lu;

	WRITE_ONCE(domain->lu, NULL);
	iommu_lu_del_domain(ldom);
	domain->owner->lu_ops->unpreserve_domain(domain, ldom);
	kfree_rcu(ldom, rcu);
}
EXPORT_SYMBOL_GPL(iommu_lu_unpreserve_domain);

/* Units come and go under the mutexes of different groups. */
static DEFINE_MUTEX(unit_lock);

/**
 * iommu_lu_get_unit - preserve a unit, or count one more user of it
 * @iommu: unit
 *
 * For drivers one of whose units cannot be handed over without others.
 *
 * Context: from preserve_device() of any device.
 * Return: the unit, -ENOMEM, or an error of preserve_unit().
 */
struct iommu_lu_unit *iommu_lu_get_unit(struct iommu_device *iommu)
{
	struct iommu_lu_unit *unit = iommu->lu;
	int ret;

	lockdep_assert_held(&unit_lock);
	if (unit) {
		unit->users++;
		return unit;
	}

	unit = kzalloc_obj(*unit);
	if (!unit)
		return ERR_PTR(-ENOMEM);
	unit->iommu = iommu;
	unit->users = 1;

	ret = iommu->ops->lu_ops->preserve_unit(iommu, unit);
	if (ret)
		goto err_free;
	ret = iommu_lu_add_unit(unit);
	if (ret)
		goto err_unpreserve;
	iommu->lu = unit;
	return unit;

err_unpreserve:
	iommu->ops->lu_ops->unpreserve_unit(iommu, unit);
err_free:
	kfree(unit);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(iommu_lu_get_unit);

/**
 * iommu_lu_put_unit - undo iommu_lu_get_unit()
 * @unit: unit
 *
 * Context: from preserve_device() or unpreserve_device().
 */
void iommu_lu_put_unit(struct iommu_lu_unit *unit)
{
	lockdep_assert_held(&unit_lock);
	if (--unit->users)
		return;
	unit->iommu->lu = NULL;
	iommu_lu_del_unit(unit);
	unit->iommu->ops->lu_ops->unpreserve_unit(unit->iommu, unit);
	kfree(unit);
}
EXPORT_SYMBOL_GPL(iommu_lu_put_unit);

static int preserve_device(struct device *dev, struct iommu_domain *domain, bool singleton,
			   u64 iommufd_id)
{
	struct iommu_lu_device *ldev;
	const struct iommu_lu_ops *ops;
	int ret;

	if (!dev->iommu || !dev->iommu->iommu_dev || !dev->iommu->iommu_dev->ops->lu_ops) {
		dev_err(dev, "iommu_lu: its IOMMU driver does not support live update\n");
		return -EOPNOTSUPP;
	}
	ops = dev->iommu->iommu_dev->ops->lu_ops;

	if (dev->iommu->lu) {
		dev_err(dev, "iommu_lu: %s\n", dev->iommu->lu->incoming ?
			"still on its restored domain, replace that first" : "preserved already");
		return -EBUSY;
	}
	if (!singleton) {
		dev_err(dev, "iommu_lu: shares its IOMMU group with other devices\n");
		return -EOPNOTSUPP;
	}
	if (!domain || !domain->lu || domain->lu->ser.iommufd_id != iommufd_id) {
		dev_err(dev, "iommu_lu: not attached to a HWPT that was marked and preserved\n");
		return -EINVAL;
	}

	ldev = kzalloc_obj(*ldev);
	if (!ldev)
		return -ENOMEM;
	ldev->dev = dev;
	ldev->domain = domain->lu;
	ldev->ser.pasid = IOMMU_DEVICE_SER_NO_PASID;

	ret = iommu_lu_pci_preserve(dev, &ldev->ser);
	if (ret)
		goto err_free;

	mutex_lock(&unit_lock);
	ldev->unit = iommu_lu_get_unit(dev->iommu->iommu_dev);
	if (IS_ERR(ldev->unit)) {
		ret = PTR_ERR(ldev->unit);
		mutex_unlock(&unit_lock);
		goto err_free;
	}
	ret = ops->preserve_device(dev, domain, ldev);
	if (ret)
		goto err_unit;
	ret = iommu_lu_add_device(ldev);
	if (ret)
		goto err_unpreserve;
	mutex_unlock(&unit_lock);

	ldev->domain->devices++;
	dev->iommu->lu = ldev;
	return 0;

err_unpreserve:
	ops->unpreserve_device(dev, domain, ldev);
err_unit:
	iommu_lu_put_unit(ldev->unit);
	mutex_unlock(&unit_lock);
err_free:
	kfree(ldev);
	return ret;
}

/**
 * iommu_lu_preserve_device - preserve the attachment of a device
 * @dev: device
 * @iommufd_id: of the preserved iommufd it is bound to
 *
 * Return: 0; -EINVAL not on a preserved domain of that iommufd, or not in D0;
 * -EBUSY preserved already, on a restored domain, or MSI is enabled;
 * -EOPNOTSUPP a device or an IOMMU that is not carried; -ENOMEM; -ENOSPC there are
 * IOMMU_LU_MAX_DEVICES already, or IOMMU_LU_MAX_HW units. The reason is in the kernel log.
 */
int iommu_lu_preserve_device(struct device *dev, u64 iommufd_id)
{
	struct iommu_domain *domain;
	bool singleton;
	int ret;

	if (!dev->iommu_group)
		return -EOPNOTSUPP;
	domain = iommu_lu_group_lock(dev, &singleton);
	ret = preserve_device(dev, domain, singleton, iommufd_id);
	iommu_lu_group_unlock(dev);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_lu_preserve_device);

/**
 * iommu_lu_unpreserve_device - undo iommu_lu_preserve_device()
 * @dev: device
 */
void iommu_lu_unpreserve_device(struct device *dev)
{
	struct iommu_lu_device *ldev;
	bool singleton;

	iommu_lu_group_lock(dev, &singleton);
	ldev = dev->iommu->lu;
	WRITE_ONCE(dev->iommu->lu, NULL);
	iommu_lu_del_device(ldev);
	mutex_lock(&unit_lock);
	dev->iommu->iommu_dev->ops->lu_ops->unpreserve_device(dev, ldev->domain->domain, ldev);
	iommu_lu_put_unit(ldev->unit);
	mutex_unlock(&unit_lock);
	ldev->domain->devices--;
	iommu_lu_group_unlock(dev);
	kfree_rcu(ldev, rcu);
}
EXPORT_SYMBOL_GPL(iommu_lu_unpreserve_device);

/**
 * iommu_lu_freeze_device - verify that what was preserved is still true
 * @dev: preserved device
 *
 * Its MSI-X vectors are masked afterwards.
 *
 * Context: LUO freeze. Nobody sets up interrupts of the device meanwhile.
 * Return: 0, -ENODEV the attachment changed, -EBUSY the hardware state did.
 */
int iommu_lu_freeze_device(struct device *dev)
{
	struct iommu_lu_device *ldev;
	struct iommu_domain *domain;
	bool singleton;
	int ret;

	domain = iommu_lu_group_lock(dev, &singleton);
	ldev = dev->iommu->lu;
	if (ldev->stale || !singleton || domain != ldev->domain->domain) {
		dev_err(dev, "iommu_lu: its domain or group changed after it was preserved\n");
		ret = -ENODEV;
	} else {
		ret = iommu_lu_pci_freeze(dev, &ldev->ser) ?:
		      dev->iommu->iommu_dev->ops->lu_ops->freeze_device(dev, ldev);
	}
	ldev->frozen = !ret;
	if (!ret)
		iommu_lu_pci_mask(dev, true);
	iommu_lu_group_unlock(dev);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_lu_freeze_device);

/** iommu_lu_unfreeze_device - undo iommu_lu_freeze_device() */
void iommu_lu_unfreeze_device(struct device *dev)
{
	bool singleton;

	iommu_lu_group_lock(dev, &singleton);
	iommu_lu_pci_mask(dev, false);
	dev->iommu->lu->frozen = false;
	iommu_lu_group_unlock(dev);
}
EXPORT_SYMBOL_GPL(iommu_lu_unfreeze_device);

/* --- restore ------------------------------------------------------------ */

static int restore_domain(struct device *dev, struct iommu_lu_domain *ldom)
{
	const struct iommu_lu_ops *ops = dev_iommu_ops(dev)->lu_ops;
	struct iommu_domain *domain;

	if (ldom->domain || ldom->failed)
		return ldom->failed;

	domain = ops->restore_domain(dev, ldom);
	if (IS_ERR(domain)) {
		pr_err("domain %#llx: not taken over: %pe\n", ldom->ser.token, domain);
		ldom->failed = PTR_ERR(domain);
		return ldom->failed;
	}
	domain->lu = ldom;
	ldom->domain = domain;
	return 0;
}

static int restore_device(struct device *dev, struct iommu_lu_device *ldev, bool singleton,
			  const char **why)
{
	const struct iommu_lu_ops *ops = dev_iommu_ops(dev)->lu_ops;
	struct iommu_lu_domain *ldom = ldev->domain;
	int ret;

	guard(iommu_lu_fail)("restore");

	*why = "its record is not sound";
	if (ldev->failed)
		return ldev->failed;
	*why = "it is not the device that was preserved";
	ret = iommu_lu_pci_match(dev, &ldev->ser);
	if (ret)
		return ret;
	*why = "its ATS or PASID control is not what this kernel goes on with";
	ret = iommu_lu_pci_match_control(dev, &ldev->ser);
	if (ret)
		return ret;
	*why = "it shares its IOMMU group with other devices";
	if (!singleton)
		return -EINVAL;
	*why = "its unit is not taken over";
	if (!ops || ldev->unit->iommu != dev->iommu->iommu_dev || ldev->unit->failed)
		return ldev->unit->failed ?: -EINVAL;

	guard(mutex)(&restored_lock);
	*why = "its domain is not taken over";
	ret = restore_domain(dev, ldom);
	if (ret)
		return ret;
	*why = "the hardware does not use the domain that was preserved";
	ret = ops->restore_device(dev, ldom->domain, ldev);
	if (ret)
		return ret;
	/* it is late: others have come before, and may all have left */
	*why = "its domain is being destroyed";
	if (ldom->device_joined && !ldom->device_joined(ldom->arg))
		return -ESTALE;
	*why = "its domain cannot be attached";
	ldev->held = true;
	ret = ldom->domain->ops->attach_dev(ldom->domain, dev, NULL);
	if (!ret)
		ldom->devices++;
	else if (ldom->device_left)
		ldom->device_left(ldom->arg);
	return ret;
}

/**
 * iommu_lu_restore - attach the restored domain to a device that is being probed
 * @dev: device of a group that no domain is attached to yet
 * @singleton: it is the only one, bridges aside
 *
 * A device that cannot be taken over is stopped before this returns.
 *
 * Context: group mutex held.
 * Return: the domain that is attached now, or NULL to go on as usual.
 */
struct iommu_domain *iommu_lu_restore(struct device *dev, bool singleton)
{
	struct iommu_lu_device *ldev;
	const char *why;
	int ret;

	if (!iommu_lu_inherited() || !dev_is_pci(dev))
		return NULL;
	if (iommu_lu_incoming_bad()) {
		iommu_lu_pci_quiesce(dev);
		return NULL;
	}
	ldev = iommu_lu_device_incoming(pci_domain_nr(to_pci_dev(dev)->bus),
					pci_dev_id(to_pci_dev(dev)));
	/* Once only: a device that is removed and comes back is a new one. */
	if (!ldev || ldev->dev)
		return NULL;
	ldev->dev = dev;

	ret = restore_device(dev, ldev, singleton, &why);
	if (ret) {
		ldev->failed = ret;
		ldev->held = false;
		iommu_lu_pci_quiesce(dev);
		if (dev_iommu_ops(dev)->lu_ops)
			dev_iommu_ops(dev)->lu_ops->quiesce_device(dev);
		pr_err("%s: not taken over: %s (%pe); bus master is off\n", dev_name(dev), why,
		       ERR_PTR(ret));
		return NULL;
	}

	dev->iommu->lu = ldev;
	pr_info("%s: restored domain attached\n", dev_name(dev));
	return ldev->domain->domain;
}

/* --- devices that do not come back ---------------------------------------- */

static struct pci_dev *find_pci_dev(const struct iommu_device_ser *ser)
{
	return pci_get_domain_bus_and_slot(ser->segment, PCI_BUS_NUM(ser->bdf), ser->bdf & 0xff);
}

/*
 * Nobody has stopped it either: it may be there and work, but be hidden from this kernel.
 * The memory that its entries lead to is about to be given to somebody else.
 */
static void forget(struct iommu_lu_device *ldev)
{
	const struct iommu_device_ser *ser = &ldev->ser;
	struct pci_dev *pdev;

	lockdep_assert_held(&iommu_probe_device_lock);
	if (ldev->dev || ldev->failed)
		return;
	ldev->failed = -ENODEV;
	pdev = find_pci_dev(ser);
	if (pdev)
		iommu_lu_pci_quiesce(&pdev->dev);
	pci_dev_put(pdev);
	/* What is behind a unit that has failed is blocked, or was stopped. */
	if (ldev->unit->iommu && !ldev->unit->failed)
		ldev->unit->iommu->ops->lu_ops->forget_device(ldev);
	pr_warn("%04x:%02x:%02x.%x: has not come back, it is blocked now\n", ser->segment,
		PCI_BUS_NUM(ser->bdf), PCI_SLOT(ser->bdf), PCI_FUNC(ser->bdf));
}

/**
 * iommu_lu_forget_device - a device has not come back, and nobody will ask for it
 * @segment: PCI segment
 * @bdf: PCI bus << 8 | devfn
 *
 * Its entries are removed. One that has come back is left alone.
 *
 * Context: its session is being finished, memory after devices.
 */
void iommu_lu_forget_device(u32 segment, u16 bdf)
{
	struct iommu_lu_device *ldev;

	guard(mutex)(&iommu_probe_device_lock);
	ldev = iommu_lu_device_incoming(segment, bdf);
	if (ldev)
		forget(ldev);
}
EXPORT_SYMBOL_GPL(iommu_lu_forget_device);

/**
 * iommu_lu_may_forget_device - can a device that has not come back be stopped?
 * @segment: PCI segment
 * @bdf: PCI bus << 8 | devfn
 *
 * Return: false if the unit that it is behind was not found. It still translates for the device
 * as the previous kernel left it, also if the device gets a driver one day that knows of no
 * IOMMU, so the memory must stay what it is.
 */
bool iommu_lu_may_forget_device(u32 segment, u16 bdf)
{
	struct iommu_lu_device *ldev;

	guard(mutex)(&iommu_probe_device_lock);
	ldev = iommu_lu_device_incoming(segment, bdf);
	if (!ldev || ldev->dev || ldev->failed || ldev->unit->failed || ldev->unit->iommu)
		return true;
	pr_err("%04x:%02x:%02x.%x: its IOMMU has not come back\n", segment, PCI_BUS_NUM(bdf),
	       PCI_SLOT(bdf), PCI_FUNC(bdf));
	return false;
}
EXPORT_SYMBOL_GPL(iommu_lu_may_forget_device);

/**
 * iommu_lu_probe_failed - a device has no IOMMU group, and will not have one
 * @dev: device
 * @err: why
 *
 * A running one is stopped: a driver would else do DMA through what the IOMMU still has
 * for it. There is nothing to stop as long as its IOMMU was not found; nor while that is
 * not registered. Units are registered one after the other, each time with a look at every
 * device, so that those behind the other ones fail here first.
 *
 * An error would make the registration of the unit fail, and with it all devices that go on.
 * One that says that there is no IOMMU for the device does not: what has no domain is blocked
 * behind a unit that was taken over.
 *
 * Context: iommu_probe_device_lock held. What the driver has for the device is still there,
 * if it was probed.
 * Return: the error to go on with.
 */
int iommu_lu_probe_failed(struct device *dev, int err)
{
	struct iommu_lu_device *ldev;

	if (err == -EPROBE_DEFER || !iommu_lu_inherited())
		return err;
	if (!dev_is_pci(dev))
		return -ENODEV;
	ldev = iommu_lu_device_incoming(pci_domain_nr(to_pci_dev(dev)->bus),
					pci_dev_id(to_pci_dev(dev)));
	if (ldev && ldev->unit && ldev->unit->iommu && ldev->unit->iommu->ops)
		forget(ldev);
	return -ENODEV;
}

/* --- the end of a restored domain ------------------------------------------ */

/**
 * iommu_lu_hand_out_domain - an inherited domain gets an owner
 * @ldom: restored domain
 * @owner: who may claim its devices
 * @joined: called for each device that is on it or comes to it later. Returns false if the
 *	domain is being freed.
 * @left: called when one of them leaves it for another domain
 * @arg: argument for both; valid until iommu_lu_free_domain()
 *
 * Context: process. @joined and @left are called with a mutex held, and must not sleep for
 * long.
 * Return: false, and nothing has happened, if no device is on it any more.
 */
bool iommu_lu_hand_out_domain(struct iommu_lu_domain *ldom, void *owner, bool (*joined)(void *),
			      void (*left)(void *), void *arg)
{
	unsigned int i;

	guard(mutex)(&restored_lock);
	if (!ldom->devices)
		return false;
	for (i = 0; i < ldom->devices; i++)
		joined(arg);
	ldom->device_joined = joined;
	ldom->device_left = left;
	ldom->arg = arg;
	ldom->owner = owner;
	return true;
}
EXPORT_SYMBOL_GPL(iommu_lu_hand_out_domain);

/**
 * iommu_lu_refuse_domain - an inherited domain cannot be handed out
 * @ldom: domain
 * @err: why
 *
 * From here on no device that is probed is taken over with it.
 */
void iommu_lu_refuse_domain(struct iommu_lu_domain *ldom, int err)
{
	guard(mutex)(&restored_lock);
	ldom->failed = ldom->failed ?: err;
}
EXPORT_SYMBOL_GPL(iommu_lu_refuse_domain);

/**
 * iommu_lu_end_domain - the session of an inherited domain is about to be finished
 * @ldom: domain
 *
 * From here on no device that is probed is taken over with it: its memory is about to be
 * somebody else's.
 *
 * Return: false, and nothing has happened, if a device is on it, or if it has an owner.
 */
bool iommu_lu_end_domain(struct iommu_lu_domain *ldom)
{
	guard(mutex)(&restored_lock);
	if (ldom->devices || ldom->owner)
		return false;
	ldom->failed = ldom->failed ?: -ESTALE;
	return true;
}
EXPORT_SYMBOL_GPL(iommu_lu_end_domain);

/**
 * iommu_lu_domain_busy - is an inherited domain in use?
 * @ldom: domain
 *
 * Return: true if a device is on it, or if it has an owner.
 */
bool iommu_lu_domain_busy(struct iommu_lu_domain *ldom)
{
	guard(mutex)(&restored_lock);
	return ldom->devices || ldom->owner;
}
EXPORT_SYMBOL_GPL(iommu_lu_domain_busy);

/**
 * iommu_lu_domain_is - ask something about a restored domain that may be freed meanwhile
 * @ldom: its record
 * @fn: asks; must not sleep for long
 * @arg: for @fn
 *
 * For drivers.
 *
 * Context: not from restore_domain() or restore_device(), whose domain is there anyway.
 * Return: what @fn returns, or false if the domain is not restored, or freed.
 */
bool iommu_lu_domain_is(struct iommu_lu_domain *ldom,
			bool (*fn)(struct iommu_domain *domain, void *arg), void *arg)
{
	guard(mutex)(&restored_lock);
	return ldom->domain && fn(ldom->domain, arg);
}

static int forget_if_on(struct iommu_lu_device *ldev, void *ldom)
{
	if (ldev->domain == ldom)
		forget(ldev);
	return 0;
}

/* No device will be restored to it any more, so none refers to its tables. */
void iommu_lu_free_unclaimed(struct iommu_lu_domain *ldom)
{
	guard(mutex)(&restored_lock);
	/* not for a device that is probed late */
	ldom->failed = -ESTALE;
	iommu_domain_free(ldom->domain);
	ldom->domain = NULL;
	ldom->owner = NULL;
	ldom->device_joined = NULL;
	ldom->device_left = NULL;
}

/**
 * iommu_lu_free_domain - free a restored domain
 * @ldom: no device is attached to it any more
 *
 * One that was preserved with it and has not come back loses its entries first: they lead
 * to the tables that are freed here.
 */
void iommu_lu_free_domain(struct iommu_lu_domain *ldom)
{
	scoped_guard(mutex, &iommu_probe_device_lock)
		iommu_lu_walk_incoming(forget_if_on, ldom);
	iommu_lu_free_unclaimed(ldom);
}
EXPORT_SYMBOL_GPL(iommu_lu_free_domain);

/* --- hooks in the iommu core --------------------------------------------- */

/**
 * iommu_lu_held - is the device on a domain inherited from the previous kernel?
 * @dev: any device
 */
bool iommu_lu_held(struct device *dev)
{
	struct iommu_lu_device *ldev;

	guard(rcu)();
	ldev = dev->iommu ? READ_ONCE(dev->iommu->lu) : NULL;
	return ldev && ldev->incoming;
}
EXPORT_SYMBOL_GPL(iommu_lu_held);

/**
 * iommu_lu_given_up - was the device stopped after it had been taken over?
 * @dev: device that is held
 *
 * Return: 0, or the errno of what happened to its IOMMU.
 */
int iommu_lu_given_up(struct device *dev)
{
	return READ_ONCE(dev->iommu->lu->failed);
}
EXPORT_SYMBOL_GPL(iommu_lu_given_up);

/**
 * iommu_lu_preserved - is the device to be handed over to the next kernel?
 * @dev: any device
 */
bool iommu_lu_preserved(struct device *dev)
{
	struct iommu_lu_device *ldev;

	guard(rcu)();
	ldev = dev->iommu ? READ_ONCE(dev->iommu->lu) : NULL;
	return ldev && !ldev->incoming;
}
EXPORT_SYMBOL_GPL(iommu_lu_preserved);

/**
 * iommu_lu_is_restored - was the domain inherited from the previous kernel?
 * @domain: any domain or NULL
 */
bool iommu_lu_is_restored(struct iommu_domain *domain)
{
	struct iommu_lu_domain *ldom;

	guard(rcu)();
	ldom = domain ? READ_ONCE(domain->lu) : NULL;
	return ldom && ldom->incoming;
}

/**
 * iommu_lu_may_attach - may the domain of a device change?
 * @dev: device
 * @domain: the one to be attached
 * @must_succeed: the caller will do it anyway
 *
 * Context: group mutex held.
 * Return: 0; -EBUSY the device is preserved; -EINVAL @domain is restored and
 * @dev is not one that came with it; -EOPNOTSUPP a restored domain cannot be replaced by a
 * nested one.
 */
int iommu_lu_may_attach(struct device *dev, struct iommu_domain *domain, bool must_succeed)
{
	struct iommu_lu_device *ldev = dev->iommu->lu;

	/* Its group was set up without it, or it was not the first in there: stop it. */
	if (!ldev && !iommu_lu_incoming_bad())
		iommu_lu_restore(dev, false);

	/* would go through tables of the guest while those of the host are not the device's own */
	if (ldev && ldev->incoming && domain->type == IOMMU_DOMAIN_NESTED)
		return -EOPNOTSUPP;
	/* back to it because attaching another one has failed: also the bridges of the group */
	if (iommu_lu_is_restored(domain) && (!ldev || ldev->domain != domain->lu))
		return must_succeed ? 0 : -EINVAL;
	if (!ldev || ldev->incoming)
		return 0;
	if (must_succeed) {
		ldev->stale = true;
		return 0;
	}
	return -EBUSY;
}

/**
 * iommu_lu_attached - the domain of a device has changed
 * @dev: device
 * @domain: the one it is on now
 *
 * Context: group mutex held.
 */
void iommu_lu_attached(struct device *dev, struct iommu_domain *domain)
{
	struct iommu_lu_device *ldev = dev->iommu->lu;
	struct iommu_lu_domain *ldom;

	if (!ldev || !ldev->incoming || ldev->domain == domain->lu)
		return;
	ldom = ldev->domain;
	WRITE_ONCE(dev->iommu->lu, NULL);
	WRITE_ONCE(ldev->held, false);
	guard(mutex)(&restored_lock);
	ldom->devices--;
	if (ldom->device_left)
		ldom->device_left(ldom->arg);
}

/**
 * iommu_lu_removed - a device that is held goes away
 * @dev: device
 *
 * Nobody has stopped it, as nobody had opened it. The default domain may let everything
 * through.
 *
 * Context: group mutex held.
 * Return: the domain that it leaves its restored domain for. Attaching it cannot fail.
 */
struct iommu_domain *iommu_lu_removed(struct device *dev)
{
	iommu_lu_pci_quiesce(dev);
	return dev_iommu_ops(dev)->blocked_domain;
}

/**
 * iommu_lu_may_claim - may this owner take a group without detaching it?
 * @domain: domain of the group, or NULL
 * @owner: who asks
 *
 * Context: group mutex held.
 * Return: true if @domain is restored and was retrieved by @owner.
 */
bool iommu_lu_may_claim(struct iommu_domain *domain, void *owner)
{
	return iommu_lu_is_restored(domain) && domain->lu->owner == owner;
}
