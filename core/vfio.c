// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of a VFIO device file. Built into the vfio module.
 *
 * Handled are files of /dev/vfio/devices that are bound to an iommufd, of
 * devices driven by vfio-pci.
 *
 * What is preserved: that the device goes on doing DMA through the domain it is
 * attached to. It is not reset, not stopped and not put to sleep, neither by
 * this kernel nor by the next.
 *
 * Its MSI-X vectors are masked from the freeze until the next kernel sets them up.
 *
 * What is not: the set-up of interrupts, and whatever else vfio-pci keeps for a device. The
 * next kernel binds the device to vfio-pci if nobody did, and hands out a file
 * that is open but not bound to an iommufd. Binding it to the retrieved one leaves
 * the device as it is.
 */
#define pr_fmt(fmt) "vfio: liveupdate: " fmt

#include <linux/anon_inodes.h>
#include <linux/iommu-liveupdate.h>
#include <linux/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

#include "../../../vfio/vfio.h"
#include "iommufd.h"
#include "vfio.h"

MODULE_IMPORT_NS("IOMMUFD");

static bool vfio_lu_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	struct vfio_device_file *df;

	if (file->f_op != &vfio_device_fops)
		return false;
	df = file->private_data;
	return !df->group && dev_is_pci(df->device->dev) &&
	       !strcmp(df->device->ops->name, "vfio-pci");
}

static int vfio_lu_preserve(struct liveupdate_file_op_args *args)
{
	struct vfio_device_file *df = args->file->private_data;
	struct vfio_device *device = df->device;
	struct device *dev = device->dev;
	u64 iommufd_id;
	int ret;

	guard(mutex)(&device->dev_set->lock);
	if (!df->access_granted || !df->iommufd) {
		dev_err(dev, "iommu_lu: its file is not bound to an iommufd\n");
		return -EINVAL;
	}
	if (!list_is_singular(&device->dev_set->device_list)) {
		dev_err(dev, "iommu_lu: a reset of its slot or bus would hit other devices too\n");
		return -EOPNOTSUPP;
	}
	ret = iommufd_lu_preserved_id(df->iommufd, args->session, &iommufd_id);
	if (ret) {
		dev_err(dev, "iommu_lu: its iommufd is %s\n", ret == -EXDEV ?
			"in another session" : "not preserved, preserve it first");
		return ret;
	}

	ret = iommu_lu_preserve_device(dev, iommufd_id);
	if (ret)
		return ret;
	ret = iommu_lu_file_preserve();
	if (ret) {
		iommu_lu_unpreserve_device(dev);
		return ret;
	}
	dev->iommu->lu->ser.file_token = args->token;
	args->serialized_data = (u64)pci_domain_nr(to_pci_dev(dev)->bus) << 16 |
				pci_dev_id(to_pci_dev(dev));
	return 0;
}

static void vfio_lu_unpreserve(struct liveupdate_file_op_args *args)
{
	struct vfio_device_file *df = args->file->private_data;

	iommu_lu_file_unpreserve();
	iommu_lu_unpreserve_device(df->device->dev);
}

static struct mutex *irq_lock(struct vfio_device *device)
{
	return &container_of(device, struct vfio_pci_core_device, vdev)->igate;
}

static int vfio_lu_freeze(struct liveupdate_file_op_args *args)
{
	struct vfio_device_file *df = args->file->private_data;
	struct device *dev = df->device->dev;
	int ret;

	/*
	 * A removal waits for the file to be closed and holds this lock meanwhile,
	 * and the shutdown that follows would wait for the lock.
	 */
	if (!device_trylock(dev)) {
		dev_err(dev, "iommu_lu: it is being removed, or its driver changes\n");
		return -EBUSY;
	}
	device_unlock(dev);

	guard(mutex)(irq_lock(df->device));
	ret = iommu_lu_freeze_device(dev);
	if (ret)
		return ret;
	ret = iommu_lu_file_freeze();
	if (ret)
		iommu_lu_unfreeze_device(dev);
	return ret;
}

static void vfio_lu_unfreeze(struct liveupdate_file_op_args *args)
{
	struct vfio_device_file *df = args->file->private_data;

	guard(mutex)(irq_lock(df->device));
	iommu_lu_file_unfreeze();
	iommu_lu_unfreeze_device(df->device->dev);
}

static struct file *vfio_lu_open(struct vfio_device *device)
{
	struct vfio_device_file *df;
	struct file *file;

	if (!vfio_device_try_get_registration(device))
		return ERR_PTR(-ENODEV);
	df = vfio_allocate_device_file(device);
	if (IS_ERR(df)) {
		vfio_device_put_registration(device);
		return ERR_CAST(df);
	}
	file = anon_inode_getfile("[vfio-device]", &vfio_device_fops, df, O_RDWR);
	if (IS_ERR(file)) {
		vfio_device_put_registration(device);
		kfree(df);
		return file;
	}
	/* Regions are read and written at offsets, as through a device node. */
	file->f_mode |= FMODE_PREAD | FMODE_PWRITE;
	file->f_mapping = device->inode->i_mapping;
	return file;
}

/*
 * A held device may be bound to vfio-pci and nothing else, and LUO does not try a
 * retrieve again that failed: do not insist that userspace does it first. An override that
 * userspace has set stays, for it to be obeyed.
 */
static int bind_driver(struct pci_dev *pdev)
{
	int ret;

	if (device_has_driver_override(&pdev->dev))
		return device_attach(&pdev->dev);
	ret = device_set_driver_override(&pdev->dev, "vfio-pci");
	if (ret)
		return ret;
	ret = device_attach(&pdev->dev);
	device_set_driver_override(&pdev->dev, NULL);
	return ret;
}

static struct file *open_held(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev;
	int ret;

	guard(device)(&pdev->dev);
	if (!iommu_lu_held(&pdev->dev)) {
		pci_err(pdev, "iommu_lu: it was not taken over\n");
		return ERR_PTR(-EIO);
	}
	ret = iommu_lu_given_up(&pdev->dev);
	if (ret) {
		pci_err(pdev, "iommu_lu: it was stopped after it had been taken over\n");
		return ERR_PTR(-EIO);
	}
	if (!pdev->driver || strcmp(pdev->driver->name, "vfio-pci")) {
		pci_err(pdev, "iommu_lu: it is not bound to vfio-pci\n");
		return ERR_PTR(-ENODEV);
	}
	vdev = dev_get_drvdata(&pdev->dev);
	return vfio_lu_open(&vdev->vdev);
}

static int vfio_lu_retrieve(struct liveupdate_file_op_args *args)
{
	struct pci_dev *pdev;
	bool bound, held;
	int ret = 0;

	pdev = pci_get_domain_bus_and_slot(args->serialized_data >> 16,
					   PCI_BUS_NUM(args->serialized_data),
					   args->serialized_data & 0xff);
	if (!pdev)
		return -ENODEV;
	scoped_guard(device, &pdev->dev) {
		bound = pdev->dev.driver;
		held = iommu_lu_held(&pdev->dev);
	}
	if (held && !bound)
		ret = bind_driver(pdev);
	if (ret < 0) {
		pci_err(pdev, "iommu_lu: it cannot be bound to vfio-pci: %pe\n", ERR_PTR(ret));
	} else {
		args->file = open_held(pdev);
		ret = PTR_ERR_OR_ZERO(args->file);
	}
	pci_dev_put(pdev);
	return ret;
}

static bool vfio_lu_can_finish(struct liveupdate_file_op_args *args)
{
	return iommu_lu_may_forget_device(args->serialized_data >> 16,
					  args->serialized_data & 0xffff);
}

static void vfio_lu_finish(struct liveupdate_file_op_args *args)
{
	iommu_lu_forget_device(args->serialized_data >> 16, args->serialized_data & 0xffff);
}

static const struct liveupdate_file_ops vfio_lu_file_ops = {
	.can_preserve = vfio_lu_can_preserve,
	.preserve = vfio_lu_preserve,
	.unpreserve = vfio_lu_unpreserve,
	.freeze = vfio_lu_freeze,
	.unfreeze = vfio_lu_unfreeze,
	.retrieve = vfio_lu_retrieve,
	.can_finish = vfio_lu_can_finish,
	.finish = vfio_lu_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler vfio_lu_handler = {
	.ops = &vfio_lu_file_ops,
	.compatible = IOMMU_LU_VFIO_PCI_COMPATIBLE,
};

int __init vfio_lu_init(void)
{
	return iommu_lu_register_file_handler(&vfio_lu_handler);
}

void vfio_lu_exit(void)
{
	iommu_lu_unregister_file_handler(&vfio_lu_handler);
}
