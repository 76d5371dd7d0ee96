// SPDX-License-Identifier: GPL-2.0
/*
 * Does a domain map all that a restored one maps?
 *
 * Both tables are walked side by side, entry by entry. An entry is found from the top of its
 * table each time, so that nothing is held while the CPU is given away.
 */
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/iommu-liveupdate.h>
#include <linux/sched/signal.h>

#include "private.h"

/* Doorbells are mapped in a domain when it is attached, not by its owner. */
static bool is_doorbell(const struct iommu_lu_domain *ldom, u64 iova)
{
	unsigned int i;

	for (i = 0; ldom->msi && i < *ldom->nr_msi; i++)
		if (ldom->msi[i].iova == iova)
			return true;
	return false;
}

/**
 * iommu_lu_compare_domain - is what a restored domain maps mapped in the same way by another?
 * @restored: restored domain
 * @domain: nobody maps or unmaps in it meanwhile
 * @iova: the first address that is not, if there is one
 *
 * The same is: to the same physical address and, in page tables of one format, with the same
 * permissions and attributes. Sizes of pages may differ, and @domain may map more.
 *
 * Context: may sleep. Takes time in proportion to the number of entries in both.
 * Return: 0; -EDOM if not; -EINTR if the process is being killed; -EOPNOTSUPP if the domains
 * are not of one driver, or the driver does not carry domains like @domain.
 */
int iommu_lu_compare_domain(struct iommu_domain *restored, struct iommu_domain *domain, u64 *iova)
{
	const struct iommu_lu_ops *ops = restored->owner->lu_ops;
	struct iommu_lu_mapping want, have = {};
	u64 at = 0, end;
	int ret;

	if (restored->owner != domain->owner)
		return -EOPNOTSUPP;

	while (!(ret = ops->next_mapping(restored, at, &want))) {
		end = want.iova + want.len;	/* 0 at the end of the address space */
		if (is_doorbell(restored->lu, want.iova)) {
			at = end;
			if (!at)
				return 0;
			continue;
		}
		for (at = want.iova; at != end;) {
			if (at - have.iova >= have.len) {
				ret = ops->next_mapping(domain, at, &have);
				if (ret && ret != -ENOENT)
					return ret;
			}
			if (ret || have.iova > at ||
			    have.pa + (at - have.iova) != want.pa + (at - want.iova) ||
			    (have.format == want.format && have.attr != want.attr)) {
				*iova = at;
				return -EDOM;
			}
			at += min(end - at, have.len - (at - have.iova));
			cond_resched();
			if (fatal_signal_pending(current))
				return -EINTR;
		}
		if (!at)
			return 0;
	}
	return ret == -ENOENT ? 0 : ret;
}
EXPORT_SYMBOL_GPL(iommu_lu_compare_domain);
