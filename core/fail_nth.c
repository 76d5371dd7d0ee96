// SPDX-License-Identifier: GPL-2.0
/*
 * Failing allocations where no program can ask for it: while the kernel boots.
 *
 *   iommu_lu.fail_nth=STAGE:N
 *
 * lets the Nth allocation of a stage fail, counted over all its calls:
 *
 *   read      the blob is read and checked
 *   adopt     units are taken over
 *   restore   devices that have a record are probed
 *
 * The rest is /proc/thread-self/fail-nth, see
 * Documentation/fault-injection/fault-injection.rst.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/iommu-liveupdate.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/string.h>

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "iommu_lu."

static char stage[16];
/* What is left of N. Boot is single threaded where the stages run. */
static unsigned int left;
static gfp_t saved_mask;

static int fail_nth_set(const char *arg, const struct kernel_param *kp)
{
	const char *colon = strchrnul(arg, ':');

	if (!*colon || colon - arg >= sizeof(stage) || kstrtouint(colon + 1, 0, &left)) {
		pr_err("fail_nth: not of the form STAGE:N\n");
		left = 0;
		return -EINVAL;
	}
	strscpy(stage, arg, colon - arg + 1);
	return 0;
}
module_param_call(fail_nth, fail_nth_set, NULL, NULL, 0);
MODULE_PARM_DESC(fail_nth, "Let an allocation fail: STAGE:N");

/**
 * iommu_lu_fail_begin - allocations of this task are counted, and one fails
 * @name: stage
 *
 * Stages do not nest. failslab spares allocations that may reclaim until it is
 * told otherwise through debugfs, which nobody can do yet: so none may reclaim
 * meanwhile.
 */
void iommu_lu_fail_begin(const char *name)
{
	if (!left || strcmp(name, stage))
		return;
	saved_mask = gfp_allowed_mask;
	gfp_allowed_mask &= ~__GFP_DIRECT_RECLAIM;
	current->fail_nth = left;
}

/**
 * iommu_lu_fail_end - undo iommu_lu_fail_begin()
 * @name: stage
 */
void iommu_lu_fail_end(const char *name)
{
	if (!left || strcmp(name, stage))
		return;
	left = current->fail_nth;
	current->fail_nth = 0;
	gfp_allowed_mask = saved_mask;
	if (!left)
		pr_info("fail_nth: an allocation of stage %s was made to fail\n", stage);
}
