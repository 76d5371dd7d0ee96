// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update: the new kernel does not use a unit that was left on.
 *
 * A device that is running is stopped before translation is turned off. One that was not
 * found cannot be, so its unit stays on.
 *
 *	intel_lu_abandon()	the driver has begun to set the unit up, and gives up
 *	intel_lu_leave_out()	it does not begin: told so, or nobody is known behind the unit
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>

#include "internal.h"

/* Units that are there from the start are set up together, before any device is probed. */
static bool booting(void)
{
	return !intel_iommu_enabled;
}

/* Returns false if one was not found. Without a record: all that were handed over. */
VISIBLE_IF_KUNIT bool intel_lu_stop(struct iommu_lu_unit *unit)
{
	KUNIT_STATIC_STUB_REDIRECT(intel_lu_stop, unit);
	return iommu_lu_quiesce_incoming(unit);
}

/* Everything, with an empty root table that is nobody's, so that it can be left behind. */
static void block(struct intel_iommu *iommu)
{
	struct root_entry *root = iommu->root_entry;

	/* not if there is no way to invalidate, or its root table cannot be replaced */
	if (!iommu->flush.flush_context || intel_lu_in_other_mode(iommu))
		return;
	iommu->root_entry = page_address(ZERO_PAGE(0));
	iommu_set_root_entry(iommu);
	iommu->root_entry = root;
}

/**
 * intel_lu_abandon - the driver gives up a unit that may have been left on
 * @iommu: unit that is about to be turned off and freed
 *
 * While the kernel boots: stop the devices first. Then turning translation off harms
 * nothing.
 *
 * Later, when a unit is added and that fails: those behind this one may not even be known, as
 * PCI looks for them afterwards. So it is left on, with everything blocked; as is one at boot
 * whose devices were not all found. One that was not set up at all is left as it is: nobody
 * has claimed it, so its session cannot be finished.
 *
 * The ids that intel_lu_adopt_ids() took are nobody's then. Root and context tables are
 * ordinary memory by now; PASID tables and page tables were not given back to the
 * allocator yet, so they just stay reserved.
 *
 * Context: dmar_global_lock held.
 * Return: true if translation must stay on.
 */
bool intel_lu_abandon(struct intel_iommu *iommu)
{
	struct iommu_lu_unit *unit, *adopted;
	bool inherited, stay;

	if (!iommu_lu_inherited() || !intel_lu_is_on(iommu))
		return false;
	unit = intel_lu_unit(iommu);
	adopted = intel_lu_adopted(iommu);
	inherited = booting() || intel_lu_running(iommu) || iommu->flags & INTEL_LU_FLAG_LEFT_ON;
	stay = inherited && !booting();
	if (booting())
		stay = !intel_lu_stop(unit);
	else if (stay && unit)
		intel_lu_stop(unit);
	if (stay)
		block(iommu);

	if (adopted) {
		adopted->failed = -EIO;
		adopted->iommu = NULL;
		ida_destroy(&iommu->domain_ida);
	}
	if (inherited)
		pr_err("%s: given up%s\n", iommu->name,
		       stay ? ", everything behind it is blocked" : "");
	return stay;
}

/**
 * intel_lu_leave_out - stop what is running behind a unit that is not set up
 * @iommu: unit that is about to be turned off: the kernel was told not to use its IOMMUs, or
 *	this one is for devices only that it does not know, or that need no translation
 *
 * Context: dmar_global_lock held, at boot.
 * Return: true if it must stay on, as it is: a device was not found, and may be running.
 */
bool intel_lu_leave_out(struct intel_iommu *iommu)
{
	if (!iommu_lu_inherited() || !intel_lu_is_on(iommu) || intel_lu_stop(intel_lu_unit(iommu)))
		return false;
	pr_err("%s: stays on: not every device was found that was handed over behind it\n",
	       iommu->name);
	return true;
}
