// SPDX-License-Identifier: GPL-2.0
/*
 * IOMMU live update: the PCI side of a device.
 *
 * A preserved device is not stopped by us: its bus master bit, and that of each
 * bridge above it, stay set through the kexec; likewise that of a unit which is a
 * PCI function itself.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/pci-ats.h>
#include <linux/pci.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

#include "private.h"

/*
 * Devices, bridges and IOMMUs that keep bus master, by segment << 16 | bdf. Filled when
 * the blob is sealed, so that pci_device_shutdown() finds them in O(1).
 */
static DEFINE_XARRAY(keep_master);

static unsigned long pci_key(struct pci_dev *pdev)
{
	return (unsigned long)pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev);
}

/* --- ATS and PASID ----------------------------------------------------------- */

/* A control register of an extended capability; 0 if what it is about is off. */
static u16 read_control(struct pci_dev *pdev, int cap, int offset, u16 enable)
{
	u16 pos = pci_find_ext_capability(pdev, cap);
	u16 control;

	if (!pos || pci_read_config_word(pdev, pos + offset, &control) || !(control & enable))
		return 0;
	return control;
}

static u16 read_ats(struct pci_dev *pdev)
{
	static_assert(PCI_ATS_CTRL_ENABLE == IOMMU_DEVICE_SER_ATS_ENABLE);
	return read_control(pdev, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
}

static u16 read_pasid(struct pci_dev *pdev)
{
	static_assert(PCI_PASID_CTRL_ENABLE == IOMMU_DEVICE_SER_PASID_ENABLE);
	return read_control(pdev, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
}

static bool ats_known(struct pci_dev *pdev)
{
#ifdef CONFIG_PCI_ATS
	return pdev->ats_enabled;
#else
	return false;
#endif
}

/* Nobody would answer a page request in the gap. */
static bool page_requests(struct pci_dev *pdev)
{
	return read_control(pdev, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
}

/* Are the registers of the device still as recorded? */
static bool control_matches(struct pci_dev *pdev, const struct iommu_device_ser *ser)
{
	return read_ats(pdev) == ser->ats_control && read_pasid(pdev) == ser->pasid_control;
}

/* Has it been at work since the previous kernel? Not if it was stopped, or was replaced. */
static bool is_running(struct pci_dev *pdev)
{
	struct iommu_lu_device *ldev;

	if (!iommu_lu_inherited() || iommu_lu_incoming_bad())
		return false;
	ldev = iommu_lu_device_incoming(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	return ldev && !ldev->failed && (!ldev->dev || ldev->held);
}

/**
 * iommu_lu_pci_keep - need a control register of a device be written?
 * @pdev: device whose driver, or whose IOMMU's driver, wants it to be
 * @pos: the register
 * @want: what it wants to write
 * @ignore: bits that may be set besides
 *
 * Turning ATS or PASID off and on again, or changing either while ATS is on, would upset a
 * device that is doing DMA (PCIe 10.5.1.3, 7.8.9.3). The previous kernel has set them: they
 * are found to be right, and left alone.
 *
 * Return: 0 it need; 1 it need not, it is a running device and this is what is there;
 * -EBUSY it must not: a running device, and it would change.
 */
int iommu_lu_pci_keep(struct pci_dev *pdev, int pos, u16 want, u16 ignore)
{
	u16 control;

	if (!is_running(pdev))
		return 0;
	if (pci_read_config_word(pdev, pos, &control))
		return -EBUSY;
	if ((control & ~ignore) == want)
		return 1;
	pci_warn(pdev, "iommu_lu: register %#x stays %#x, not %#x: it is running\n", pos, control,
		 want);
	return -EBUSY;
}

/*
 * What the device has learned from the previous kernel's tables is forgotten when ATS
 * is turned on the next time.
 */
static void stop_ats(struct pci_dev *pdev)
{
	u16 pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_ATS);
	u16 control = read_ats(pdev);

	if (!control)
		return;
	pci_write_config_word(pdev, pos + PCI_ATS_CTRL, control & ~PCI_ATS_CTRL_ENABLE);
	/* it is this kernel's already */
	if (ats_known(pdev))
		pci_write_config_word(pdev, pos + PCI_ATS_CTRL, control);
}

/* --- MSI-X ----------------------------------------------------------------------- */

static u16 read_msix(struct pci_dev *pdev)
{
	u16 flags;

	if (!pdev->msix_cap ||
	    pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &flags))
		return 0;
	return flags;
}

static void write_msix(struct pci_dev *pdev, u16 flags)
{
	pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, flags);
}

/**
 * iommu_lu_pci_mask - let the vectors of a device pend, or not any more
 * @dev: PCI device; nobody sets up its interrupts meanwhile
 * @mask: which of both
 *
 * The vectors are masked all at once, whatever their own mask bits say. An interrupt that
 * would have been sent is kept in the pending bit of its vector (PCIe 6.0, 6.1.4.5).
 */
void iommu_lu_pci_mask(struct device *dev, bool mask)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	u16 flags;

	if (!pdev->msix_enabled)
		return;
	flags = read_msix(pdev) & ~PCI_MSIX_FLAGS_MASKALL;
	write_msix(pdev, flags | (mask ? PCI_MSIX_FLAGS_MASKALL : 0));
}

/**
 * iommu_lu_keep_msix - does MSI-X of a device stay enabled from the last kernel?
 * @pdev: device that has just been found
 * @flags: its MSI-X control register
 *
 * Pending bits are only defined while it is on. Nothing is sent: the function is masked
 * until the vectors are set up anew.
 */
bool iommu_lu_keep_msix(struct pci_dev *pdev, u16 flags)
{
	return flags & PCI_MSIX_FLAGS_MASKALL && is_running(pdev);
}

/**
 * iommu_lu_msix_kept - is MSI-X on, and nobody has turned it on in this kernel?
 * @pdev: device
 */
bool iommu_lu_msix_kept(struct pci_dev *pdev)
{
	return !pdev->msix_enabled && read_msix(pdev) & PCI_MSIX_FLAGS_ENABLE;
}

/* MSI-X was kept, and is not what its interrupts are going to be. */
static void drop_msix(struct pci_dev *pdev)
{
	if (iommu_lu_msix_kept(pdev))
		write_msix(pdev, read_msix(pdev) &
				 ~(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL));
}

/**
 * iommu_lu_set_irqs - interrupts of a device are about to be set up or torn down
 * @pdev: device
 * @index: VFIO_PCI_*_IRQ_INDEX; VFIO_PCI_NUM_IRQS when nobody uses the device any more
 * @count: how many, 0 to tear down
 *
 * Context: vfio_pci_core_device.igate held.
 * Return: 0, or -EBUSY between freeze and jump.
 */
int iommu_lu_set_irqs(struct pci_dev *pdev, unsigned int index, unsigned int count)
{
	struct iommu_lu_device *ldev;

	scoped_guard(rcu) {
		ldev = pdev->dev.iommu ? READ_ONCE(pdev->dev.iommu->lu) : NULL;
		if (ldev && ldev->frozen)
			return -EBUSY;
	}
	if (index == VFIO_PCI_NUM_IRQS ||
	    (count && (index == VFIO_PCI_INTX_IRQ_INDEX || index == VFIO_PCI_MSI_IRQ_INDEX)))
		drop_msix(pdev);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_lu_set_irqs);

/* --- preserve ------------------------------------------------------------------ */

/* What must hold at preserve, and still at freeze. */
static int check(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	if (pdev->current_state != PCI_D0) {
		dev_err(dev, "iommu_lu: not in D0\n");
		return -EINVAL;
	}
	/* not every device can mask it, and then it keeps nothing that was not sent */
	if (pdev->msi_enabled) {
		dev_err(dev, "iommu_lu: MSI is enabled, only MSI-X can stay on\n");
		return -EBUSY;
	}
	if (pdev->is_virtfn || pci_num_vf(pdev)) {
		dev_err(dev, "iommu_lu: virtual functions are not carried\n");
		return -EOPNOTSUPP;
	}
	if (page_requests(pdev)) {
		dev_err(dev, "iommu_lu: page requests are enabled, they are not carried\n");
		return -EOPNOTSUPP;
	}
	if (!!read_ats(pdev) != ats_known(pdev)) {
		dev_err(dev, "iommu_lu: ATS is %s, but not by this kernel\n",
			ats_known(pdev) ? "off" : "on");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* The same, and what was recorded. */
int iommu_lu_pci_freeze(struct device *dev, const struct iommu_device_ser *ser)
{
	int ret = check(dev);

	if (!ret && !control_matches(to_pci_dev(dev), ser)) {
		dev_err(dev, "iommu_lu: its ATS or PASID control has changed\n");
		ret = -EBUSY;
	}
	return ret;
}

int iommu_lu_pci_preserve(struct device *dev, struct iommu_device_ser *ser)
{
	struct pci_dev *pdev;
	int ret;

	if (!dev_is_pci(dev)) {
		dev_err(dev, "iommu_lu: only PCI devices are carried\n");
		return -EOPNOTSUPP;
	}
	pdev = to_pci_dev(dev);
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL) {
		dev_err(dev, "iommu_lu: bridges are not carried\n");
		return -EOPNOTSUPP;
	}
	ret = check(dev);
	if (ret)
		return ret;

	ser->segment = pci_domain_nr(pdev->bus);
	ser->bdf = pci_dev_id(pdev);
	ser->vendor = pdev->vendor;
	ser->device = pdev->device;
	ser->class = pdev->class;
	ser->ats_control = read_ats(pdev);
	ser->pasid_control = read_pasid(pdev);
	return 0;
}

/**
 * iommu_lu_add_rid - record one requester id of a device
 * @ser: record
 * @rid: may be there already
 *
 * Return: 0, or -E2BIG if there is no room.
 */
int iommu_lu_add_rid(struct iommu_device_ser *ser, u16 rid)
{
	u16 i;

	for (i = 0; i < ser->nr_rids; i++)
		if (ser->rids[i] == rid)
			return 0;
	if (ser->nr_rids == IOMMU_DEVICE_SER_MAX_RIDS)
		return -E2BIG;
	ser->rids[ser->nr_rids++] = rid;
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_lu_add_rid);

static int add_rid(struct pci_dev *pdev, u16 rid, void *arg)
{
	return iommu_lu_add_rid(arg, rid);
}

/**
 * iommu_lu_pci_rids - record the requester ids of a device
 * @dev: PCI device
 * @ser: @nr_rids and @rids are filled in, the device's own id first
 *
 * Return: 0, or -EOPNOTSUPP if there are more than can be recorded, or if the
 * device's DMA carries the id of another device (pci_real_dma_dev()).
 */
int iommu_lu_pci_rids(struct device *dev, struct iommu_device_ser *ser)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	if (pci_real_dma_dev(pdev) != pdev) {
		dev_err(dev, "iommu_lu: another device does its DMA\n");
		return -EOPNOTSUPP;
	}
	if (pci_for_each_dma_alias(pdev, add_rid, ser)) {
		dev_err(dev, "iommu_lu: more than %u requester ids\n", IOMMU_DEVICE_SER_MAX_RIDS);
		return -EOPNOTSUPP;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_lu_pci_rids);

/* Is this the device that was recorded? */
int iommu_lu_pci_match(struct device *dev, const struct iommu_device_ser *ser)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	if (pdev->vendor != ser->vendor || pdev->device != ser->device ||
	    pdev->class != ser->class)
		return -ENODEV;
	return 0;
}

/* Does it use ATS and PASID as it did, and will this kernel? */
int iommu_lu_pci_match_control(struct device *dev, const struct iommu_device_ser *ser)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	if (!control_matches(pdev, ser))
		return -EINVAL;
	return ser->ats_control && !pci_ats_supported(pdev) ? -EOPNOTSUPP : 0;
}

/**
 * iommu_lu_pci_quiesce - stop a device
 * @dev: PCI device; bridges are left alone
 *
 * A read from the device pushes the writes that it sent before: completions do not pass
 * posted requests (PCIe 6.0, 2.4.1). It may not use what it knows of the tables of the
 * previous kernel when it is started again, so ATS is turned off as well; and so is MSI-X
 * if it was left on.
 */
void iommu_lu_pci_quiesce(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	u16 command;

	if (pci_is_bridge(pdev))
		return;
	pci_clear_master(pdev);
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	stop_ats(pdev);
	drop_msix(pdev);
}

static int keep(struct pci_dev *pdev)
{
	void *old;

	for (; pdev; pdev = pci_upstream_bridge(pdev)) {
		old = xa_store(&keep_master, pci_key(pdev), xa_mk_value(1), GFP_KERNEL);
		if (xa_is_err(old))
			return xa_err(old);
		/* the rest of the way up is there already */
		if (old)
			break;
	}
	return 0;
}

int iommu_lu_pci_seal(void)
{
	struct iommu_lu_device *ldev;
	struct iommu_lu_unit *unit;
	int ret = 0;

	list_for_each_entry(ldev, &iommu_lu_out.devices, list)
		ret = ret ?: keep(to_pci_dev(ldev->dev));
	list_for_each_entry(unit, &iommu_lu_out.units, list)
		ret = ret ?: keep(unit->pdev);
	if (ret)
		iommu_lu_pci_unseal();
	return ret;
}

void iommu_lu_pci_unseal(void)
{
	xa_destroy(&keep_master);
}

/**
 * iommu_lu_keep_master - does a live update need this device's bus master?
 * @pdev: device, bridge or IOMMU that is being shut down
 *
 * Context: device_shutdown().
 */
bool iommu_lu_keep_master(struct pci_dev *pdev)
{
	return iommu_lu_sealed() && xa_load(&keep_master, pci_key(pdev));
}

static int is_live(struct pci_dev *pdev, void *found)
{
	*(bool *)found = iommu_lu_preserved(&pdev->dev) || iommu_lu_held(&pdev->dev);
	return *(bool *)found;
}

/**
 * iommu_lu_bus_live - would a reset of this bus hit a device that is preserved, or held?
 * @bus: the bus, and every bus below it
 */
bool iommu_lu_bus_live(struct pci_bus *bus)
{
	bool found = false;

	pci_walk_bus(bus, is_live, &found);
	return found;
}

struct quiesce {
	struct iommu_lu_unit *unit;
	bool all_found;
};

static int quiesce_incoming(struct iommu_lu_device *ldev, void *arg)
{
	struct quiesce *quiesce = arg;
	struct pci_dev *pdev;

	/* a record that is not sound does not tell which unit it is behind */
	if (quiesce->unit && ldev->unit && ldev->unit != quiesce->unit)
		return 0;
	/* was stopped, or taken over and is on a domain of this kernel since */
	if (ldev->dev && !READ_ONCE(ldev->held))
		return 0;
	pdev = pci_get_domain_bus_and_slot(ldev->ser.segment, ldev->ser.bdf >> 8,
					   ldev->ser.bdf & 0xff);
	if (!pdev) {
		quiesce->all_found = false;
		return 0;
	}
	iommu_lu_pci_quiesce(&pdev->dev);
	ldev->failed = -EOPNOTSUPP;
	pr_err("%s: not taken over: the IOMMU is off; bus master is off\n", pci_name(pdev));
	pci_dev_put(pdev);
	return 0;
}

static int is_in_segment(struct iommu_lu_device *ldev, void *segment)
{
	return ldev->ser.segment == *(u32 *)segment;
}

/**
 * iommu_lu_keep_config - must bus numbers and BARs below a host bridge stay as they are?
 * @bus: root bus
 *
 * A device that is doing DMA is known to its IOMMU by its bus number, and may be a peer
 * of others by its BARs. On x86 nothing of what is set up already is ever moved.
 *
 * Return: true if a device of that segment was inherited, or may have been.
 */
bool iommu_lu_keep_config(struct pci_bus *bus)
{
	u32 segment = pci_domain_nr(bus);

	if (IS_ENABLED(CONFIG_X86) || !iommu_lu_inherited())
		return false;
	return iommu_lu_incoming_bad() || iommu_lu_walk_incoming(is_in_segment, &segment);
}

/**
 * iommu_lu_quiesce_incoming - stop devices that have been running since the previous kernel
 * @unit: those behind this one, or NULL for all
 *
 * For a kernel that will not use the IOMMU: it may turn translation off only
 * after this. Bus numbers are as the previous kernel left them. Devices that have left their
 * restored domain are left alone. One that is held stays so, and nobody gets it: RETRIEVE_FD
 * is EIO.
 *
 * Context: after PCI enumeration.
 * Return: false if one of them was not found. It may be hidden from this kernel and be
 * running, so its unit must not let it through. True if nothing of what was inherited can be
 * believed: every PCI device is stopped then.
 */
bool iommu_lu_quiesce_incoming(struct iommu_lu_unit *unit)
{
	struct quiesce quiesce = { .unit = unit, .all_found = true };
	struct pci_dev *pdev = NULL;

	if (!iommu_lu_inherited())
		return true;
	if (!iommu_lu_incoming_bad()) {
		iommu_lu_walk_incoming(quiesce_incoming, &quiesce);
		return quiesce.all_found;
	}
	for_each_pci_dev(pdev)
		iommu_lu_pci_quiesce(&pdev->dev);
	return true;
}
