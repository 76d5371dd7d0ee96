// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs, directory iommu_lu:
 *
 *   outgoing   what is preserved, in the format that iommu-lu reads
 *   incoming   what was inherited, likewise; its records as they were found
 *   state      a line per record of both, and what has become of it
 *
 * outgoing and incoming are struct iommu_lu_dump, head, units, domains, devices,
 * or ENODATA if there is nothing. state is for people and tests; its format may
 * change.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/seq_file.h>

#include "private.h"

/* Both directions, by the same callbacks. */
static int show_outgoing(struct seq_file *m, const struct iommu_lu_show *show)
{
	struct iommu_lu_domain *ldom;
	struct iommu_lu_device *ldev;
	struct iommu_lu_unit *unit;
	struct iommu_lu_hdr hdr;
	bool present;
	int ret;

	guard(mutex)(&iommu_lu_out.lock);
	present = iommu_lu_out_hdr(&hdr);
	ret = show->head(m, present ? &hdr : NULL, present, 0);
	if (ret || !present)
		return ret;
	list_for_each_entry(unit, &iommu_lu_out.units, list) {
		ret = show->unit(m, unit);
		if (ret)
			return ret;
	}
	list_for_each_entry(ldom, &iommu_lu_out.domains, list) {
		ret = show->domain(m, ldom);
		if (ret)
			return ret;
	}
	list_for_each_entry(ldev, &iommu_lu_out.devices, list) {
		ret = show->device(m, ldev);
		if (ret)
			return ret;
	}
	return 0;
}

/* --- outgoing, incoming --------------------------------------------------- */

static int dump(struct seq_file *m, const void *data, size_t len)
{
	seq_write(m, data, len);
	return 0;
}

/* Lengths become ours, as those of the records in memory are. */
static int dump_head(struct seq_file *m, const struct iommu_lu_hdr *hdr, u32 flags)
{
	const struct iommu_lu_dump head = {
		.magic = IOMMU_LU_DUMP_MAGIC,
		.len = sizeof(head),
		.flags = flags,
	};
	struct iommu_lu_hdr ours;

	if (!hdr)
		return -ENODATA;
	ours = *hdr;
	ours.len = sizeof(ours);
	ours.hw_size = sizeof(struct iommu_hw_ser);
	ours.domain_size = sizeof(struct iommu_domain_ser);
	ours.device_size = sizeof(struct iommu_device_ser);
	dump(m, &head, sizeof(head));
	return dump(m, &ours, sizeof(ours));
}

static int dump_outgoing_head(struct seq_file *m, const struct iommu_lu_hdr *hdr, bool present,
			      int bad)
{
	return dump_head(m, hdr, 0);
}

/* Of a blob that is bad nothing but the head, as it is: it says what is wrong. */
static int dump_incoming_head(struct seq_file *m, const struct iommu_lu_hdr *hdr, bool present,
			      int bad)
{
	const struct iommu_lu_dump head = {
		.magic = IOMMU_LU_DUMP_MAGIC,
		.len = sizeof(head),
		.flags = IOMMU_LU_DUMP_INCOMING,
	};

	if (!hdr || !bad)
		return dump_head(m, hdr, IOMMU_LU_DUMP_INCOMING);
	dump(m, &head, sizeof(head));
	return dump(m, hdr, sizeof(*hdr));
}

static int dump_unit(struct seq_file *m, const struct iommu_lu_unit *unit)
{
	return dump(m, &unit->ser, sizeof(unit->ser));
}

static int dump_domain(struct seq_file *m, const struct iommu_lu_domain *ldom)
{
	return dump(m, &ldom->ser, sizeof(ldom->ser));
}

static int dump_device(struct seq_file *m, const struct iommu_lu_device *ldev)
{
	return dump(m, &ldev->ser, sizeof(ldev->ser));
}

static int outgoing_show(struct seq_file *m, void *unused)
{
	static const struct iommu_lu_show show = {
		.head = dump_outgoing_head,
		.unit = dump_unit,
		.domain = dump_domain,
		.device = dump_device,
	};

	return show_outgoing(m, &show);
}
DEFINE_SHOW_ATTRIBUTE(outgoing);

static int incoming_show(struct seq_file *m, void *unused)
{
	static const struct iommu_lu_show show = {
		.head = dump_incoming_head,
		.unit = dump_unit,
		.domain = dump_domain,
		.device = dump_device,
	};

	return iommu_lu_show_incoming(m, &show);
}
DEFINE_SHOW_ATTRIBUTE(incoming);

/* --- state ---------------------------------------------------------------- */

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

static int state_unit(struct seq_file *m, const struct iommu_lu_unit *unit)
{
	seq_printf(m, "unit %#llx: %s (%d)\n", unit->ser.token, unit_state(unit), unit->failed);
	return 0;
}

static int state_domain(struct seq_file *m, const struct iommu_lu_domain *ldom)
{
	seq_printf(m, "domain %#llx of iommufd %llu: %s (%d), %llu tables, %u devices\n",
		   ldom->ser.token, ldom->ser.iommufd_id, domain_state(ldom), ldom->failed,
		   ldom->ser.nr_tables, ldom->devices);
	return 0;
}

static int state_device(struct seq_file *m, const struct iommu_lu_device *ldev)
{
	seq_printf(m, "device %04x:%02x:%02x.%x: %s (%d)\n", ldev->ser.segment, ldev->ser.bdf >> 8,
		   (ldev->ser.bdf >> 3) & 0x1f, ldev->ser.bdf & 7, device_state(ldev),
		   ldev->failed);
	return 0;
}

static int state_outgoing_head(struct seq_file *m, const struct iommu_lu_hdr *hdr, bool present,
			       int bad)
{
	if (present)
		seq_printf(m, "outgoing: blob at %#llx%s\n", iommu_lu_blob_phys(),
			   iommu_lu_sealed() ? ", sealed" : "");
	else
		seq_puts(m, "outgoing: nothing preserved\n");
	return 0;
}

static int state_incoming_head(struct seq_file *m, const struct iommu_lu_hdr *hdr, bool present,
			       int bad)
{
	if (!present)
		seq_puts(m, "incoming: nothing inherited\n");
	else if (bad)
		seq_printf(m, "incoming: unusable (%d)\n", bad);
	else
		seq_puts(m, hdr ? "incoming:\n" : "incoming: finished\n");
	return 0;
}

static int state_show(struct seq_file *m, void *unused)
{
	static const struct iommu_lu_show out = {
		.head = state_outgoing_head,
		.unit = state_unit,
		.domain = state_domain,
		.device = state_device,
	}, in = {
		.head = state_incoming_head,
		.unit = state_unit,
		.domain = state_domain,
		.device = state_device,
	};
	int ret = show_outgoing(m, &out);

	return ret ? ret : iommu_lu_show_incoming(m, &in);
}
DEFINE_SHOW_ATTRIBUTE(state);

static int __init iommu_lu_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("iommu_lu", NULL);

	debugfs_create_file("outgoing", 0400, dir, NULL, &outgoing_fops);
	debugfs_create_file("incoming", 0400, dir, NULL, &incoming_fops);
	debugfs_create_file("state", 0400, dir, NULL, &state_fops);
	return 0;
}
device_initcall(iommu_lu_debugfs_init);
