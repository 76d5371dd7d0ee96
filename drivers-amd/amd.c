// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-Vi live update. Start reading here.
 *
 * Old kernel
 *	preserve.c	records units, segments, devices and domains
 *	shutdown.c	blocks everything else, and leaves the units on
 * New kernel
 *	adopt.c		takes the device table of a segment over while it is in use
 *	restore.c	devices and domains: compares, attaches without a write
 *	replace.c	another domain in place of the restored one, without a gap
 *	block.c		entries that nobody comes for
 *	giveup.c	the driver does not start: devices are stopped first
 * Both
 *	queues.c	command buffer and logs
 * Functions of values, with KUnit tests
 *	dte.c		device table entries
 *	hitless.c	which store comes next when a domain is replaced
 * Interfaces
 *	amd.h		what the hooks in drivers/iommu/amd call, see hooks/
 *	internal.h	between the files of this directory
 *
 * What a device's requests go through, and where it is kept:
 *
 *	device table of the PCI segment -> entry of the requester id -> host page tables (v1)
 *
 * All units of a segment share its device table, and its address must not change while
 * a unit is on. So there is no table to switch to: the one in use is handed over, at
 * shutdown every entry that is not preserved becomes one that blocks, and all units of
 * the segment stay on. The new kernel goes on with this very table.
 *
 * V = 0 in an entry does not block: requests pass untranslated. An entry that blocks has
 * V = 1 and TV = 1, no page tables (Mode = 0) and no permissions (IR = IW = 0).
 *
 * Names of registers and fields, and numbers of sections, are those of the AMD I/O
 * Virtualization Technology (IOMMU) Specification, 48882: entries of the device table are
 * in 2.2.2.1, interrupt tables in 2.2.5, commands in 2.4. Where it says "not checked", the
 * rule is what drivers/iommu/amd goes by, and its place was not looked up.
 *
 * Devices that firmware wants to have identity-mapped memory (IVMD) get no entry for the
 * gap. Their bus master bit is off then, as it is in any kexec, until their driver is
 * back; and vfio does not take such devices, so that none is preserved.
 */
#include "internal.h"

const struct iommu_lu_ops amd_lu_ops = {
	.preserve_unit = amd_lu_preserve_unit,
	.unpreserve_unit = amd_lu_unpreserve_unit,
	.preserve_device = amd_lu_preserve_device,
	.unpreserve_device = amd_lu_unpreserve_device,
	.freeze_device = amd_lu_freeze_device,
	.preserve_domain = amd_lu_preserve_domain,
	.unpreserve_domain = iommu_lu_pt_unpreserve,
	.restore_domain = amd_lu_restore_domain,
	.next_mapping = iommu_lu_pt_next_mapping,
	.restore_device = amd_lu_restore_device,
	.quiesce_device = amd_lu_quiesce_device,
	.forget_device = amd_lu_forget_device,
};
