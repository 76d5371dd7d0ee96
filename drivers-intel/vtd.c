// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update. Start reading here.
 *
 * Old kernel
 *	preserve.c	records units, devices and domains; the switch at shutdown
 *	shadow.c	the tables that hardware is switched to
 *	tables.c	reads the tables that are in use
 * New kernel
 *	adopt.c		takes units over with translation on, or blocks them
 *	giveup.c	the driver does not use a unit after all
 *	restore.c	devices and domains: compares, attaches without a write. In legacy
 *			mode all of it when the restored domain is attached. In scalable
 *			mode the context entry, the PASID directory and the PASID table
 *			are compared with the record when the device is probed, as its
 *			tables are taken over then; the entry in the PASID table once
 *			more, with what attaching the domain would write
 *	replace.c	another domain in place of the restored one, without a gap
 * Both
 *	irq.c		interrupt remapping
 *	prq.c		page request queue
 * Functions of values, with KUnit tests
 *	entry.c		context entries and PASID table entries
 *	hitless.c	which store comes next when a domain is replaced
 * Interfaces
 *	vtd.h		what the hooks in drivers/iommu/intel call, see hooks/
 *	internal.h	between the files of this directory
 *
 * In the order of a live update; "core" calls through intel_lu_ops, all else is called by
 * a hook in the named function of the driver:
 *
 *	preserve	core				preserve_unit(), preserve_domain(),
 *							preserve_device()
 *	unit is removed	dmar_hotplug_remove()		intel_lu_may_remove(), also later
 *	cancel		core				unpreserve_*(), the other way round
 *	freeze		core				freeze_device()
 *	shutdown	intel_iommu_shutdown()		intel_lu_shutdown(): the switch
 *	--- kexec ---
 *	unit is found	alloc_iommu()			intel_lu_keep_mode()
 *	interrupts	irq_remapping_prepare()		intel_lu_need_irq()
 *			intel_setup_irq_remapping()	intel_lu_keep_irq()
 *	unit is set up	init_dmars(),			intel_lu_running(): not turned off;
 *			intel_iommu_add()		intel_lu_adopt()
 *			intel_iommu_enable_prq()	intel_lu_prq_adopt()
 *	   or else	disable_dmar_iommu()		intel_lu_abandon()
 *			init_dmars(),			intel_lu_leave_out()
 *			intel_disable_iommus()
 *	device probe	intel_iommu_probe_device()	intel_lu_probe(); intel_lu_unprobe() if
 *							it fails
 *			core				restore_domain(), restore_device()
 *			intel_iommu_attach_device()	intel_lu_attach(): nothing is written
 *	   or else	core				quiesce_device()
 *	replace		intel_iommu_attach_device()	intel_lu_attach(), intel_lu_replace()
 *	restored	intel_iommu_domain_free()	intel_lu_free_ids()
 *	  domain goes
 *	finish		core				forget_device(), if it never came back
 *
 * What a device's requests go through, and where it is kept:
 *
 *	legacy mode	root table -> context entry -> second-stage tables
 *	scalable mode	root table -> context entry -> PASID directory -> PASID table
 *			-> first-stage or second-stage tables
 *
 * All up to the page tables is private to the preserved devices, made at preserve. The
 * page tables are those of the domain, handed over in place by core/generic_pt.h. In the
 * new kernel these very tables become the driver's own.
 *
 * That there is a second root table to switch to is peculiar to VT-d: its address may change
 * while translation is on. Where it may not, the table in use is handed over, and shutdown
 * takes the others out of it: see drivers-amd/amd.c.
 *
 * Numbers of sections, and names of registers and fields, are those of the VT-d
 * specification (Intel Virtualization Technology for Directed I/O, revision 4 and later).
 *
 * Devices with reserved memory regions (RMRR) get no entry for the gap. Their bus master
 * bit is off then, as it is in any kexec, until their driver is back. vfio takes one only if
 * the region is relaxable (USB, graphics): firmware's use of it is over then, the domain
 * need not map it, and the device is preserved as any other.
 */
#include "internal.h"

const struct iommu_lu_ops intel_lu_ops = {
	.preserve_unit = intel_lu_preserve_unit,
	.unpreserve_unit = intel_lu_unpreserve_unit,
	.preserve_device = intel_lu_preserve_device,
	.unpreserve_device = intel_lu_unpreserve_device,
	.freeze_device = intel_lu_freeze_device,
	.preserve_domain = intel_lu_preserve_domain,
	.unpreserve_domain = iommu_lu_pt_unpreserve,
	.restore_domain = intel_lu_restore_domain,
	.next_mapping = iommu_lu_pt_next_mapping,
	.restore_device = intel_lu_restore_device,
	.quiesce_device = intel_lu_quiesce_device,
	.forget_device = intel_lu_forget_device,
};
