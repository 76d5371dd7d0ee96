// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs: iommu_lu/outgoing and iommu_lu/incoming, a line per record.
 *
 * For people and tests; the format may change.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/seq_file.h>

#include "private.h"

static const char *unit_state(const struct iommu_lu_unit *unit)
{
	return unit->failed ? "failed" : unit->iommu ? "in use" : "not claimed";
}

static const char *domain_state(const struct iommu_lu_domain *ldom)
{
	if (!ldom->incoming)
		return "preserved";
	if (ldom->failed)
		return ldom->failed == -ESTALE ? "freed" : "failed";
	return ldom->domain ? "restored" : "not restored";
}

static const char *device_state(const struct iommu_lu_device *ldev)
{
	if (ldev->stale)
		return "stale";
	if (!ldev->incoming)
		return ldev->frozen ? "frozen" : "preserved";
	if (ldev->failed)
		return "failed";
	if (!ldev->dev)
		return "not probed";
	return ldev->held ? "held" : "left";
}

static int show_unit(struct seq_file *m, const struct iommu_lu_unit *unit)
{
	seq_printf(m, "unit %#llx: %s (%d)\n", unit->ser.token, unit_state(unit), unit->failed);
	return 0;
}

static int show_domain(struct seq_file *m, const struct iommu_lu_domain *ldom)
{
	seq_printf(m, "domain %#llx of iommufd %llu: %s (%d), %llu tables, %u devices\n",
		   ldom->ser.token, ldom->ser.iommufd_id, domain_state(ldom), ldom->failed,
		   ldom->ser.nr_tables, ldom->devices);
	return 0;
}

static int show_device(struct seq_file *m, const struct iommu_lu_device *ldev)
{
	seq_printf(m, "device %04x:%02x:%02x.%x: %s (%d)\n", ldev->ser.segment, ldev->ser.bdf >> 8,
		   (ldev->ser.bdf >> 3) & 0x1f, ldev->ser.bdf & 7, device_state(ldev),
		   ldev->failed);
	return 0;
}

static int outgoing_show(struct seq_file *m, void *unused)
{
	struct iommu_lu_domain *ldom;
	struct iommu_lu_device *ldev;
	struct iommu_lu_unit *unit;

	guard(mutex)(&iommu_lu_out.lock);
	seq_printf(m, "blob at %#llx%s\n", iommu_lu_blob_phys(),
		   iommu_lu_sealed() ? ", sealed" : "");
	list_for_each_entry(unit, &iommu_lu_out.units, list)
		show_unit(m, unit);
	list_for_each_entry(ldom, &iommu_lu_out.domains, list)
		show_domain(m, ldom);
	list_for_each_entry(ldev, &iommu_lu_out.devices, list)
		show_device(m, ldev);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(outgoing);

static int incoming_show(struct seq_file *m, void *unused)
{
	iommu_lu_show_incoming(m, show_unit, show_domain, show_device);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(incoming);

static int __init iommu_lu_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("iommu_lu", NULL);

	debugfs_create_file("outgoing", 0400, dir, NULL, &outgoing_fops);
	debugfs_create_file("incoming", 0400, dir, NULL, &incoming_fops);
	return 0;
}
device_initcall(iommu_lu_debugfs_init);
