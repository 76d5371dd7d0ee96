// SPDX-License-Identifier: GPL-2.0
/*
 * No suspend or hibernation while a device must not be stopped.
 *
 * Refused in the first phase, before any process is frozen or any device put to
 * sleep. Later it is too late: PCI has stopped the device by then. And nothing is preserved
 * from then until the system is back.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/init.h>
#include <linux/notifier.h>
#include <linux/suspend.h>

#include "private.h"

static int iommu_lu_pm_notify(struct notifier_block *nb, unsigned long event, void *data)
{
	char name[IOMMU_LU_NAME_LEN];

	switch (event) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		if (!iommu_lu_suspend(name))
			break;
		pr_err("%s: preserved or taken over, it cannot be suspended\n", name);
		return notifier_from_errno(-EBUSY);
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		iommu_lu_resume();
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block iommu_lu_pm_nb = {
	.notifier_call = iommu_lu_pm_notify,
};

static int __init iommu_lu_pm_init(void)
{
	return register_pm_notifier(&iommu_lu_pm_nb);
}
core_initcall(iommu_lu_pm_init);
