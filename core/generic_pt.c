// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of domains whose page tables are generic_pt. IOMMU drivers use
 * these as, or from, their domain ops.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/iommu-liveupdate.h>

/**
 * iommu_lu_pt_preserve - preserve the tables of a domain and describe them
 * @domain: nobody maps or unmaps in it meanwhile
 * @ldom: its record is filled in
 *
 * Context: may sleep. Takes time in proportion to the number of tables.
 * Return: 0, -EOPNOTSUPP (and a message) for a domain that is not generic_pt or is
 * itself restored, or an error from KHO, after which nothing is preserved.
 */
int iommu_lu_pt_preserve(struct iommu_domain *domain, struct iommu_lu_domain *ldom)
{
	struct pt_iommu *table = iommupt_from_domain(domain);

	if (!table || !table->ops->lu_preserve) {
		pr_err("domain %#llx: its page tables are not of a kind that can be handed over\n",
		       ldom->ser.token);
		return -EOPNOTSUPP;
	}
	return table->ops->lu_preserve(table, &ldom->ser);
}

/**
 * iommu_lu_pt_unpreserve - undo iommu_lu_pt_preserve()
 * @domain: unchanged since
 * @ldom: as filled in
 */
void iommu_lu_pt_unpreserve(struct iommu_domain *domain, struct iommu_lu_domain *ldom)
{
	struct pt_iommu *table = iommupt_from_domain(domain);

	table->ops->lu_unpreserve(table, &ldom->ser);
}

/**
 * iommu_lu_pt_adopt - put inherited tables in place of the empty ones
 * @domain: fresh and never attached
 * @ser: the record, found sound by iommu_lu_verify_blob()
 *
 * Takes the same time whatever the size of the tables. Afterwards the domain is
 * immutable; freeing it frees the inherited tables.
 *
 * Return: 0, or -EINVAL/-EOPNOTSUPP if this kernel would lay the tables out
 * differently, after which @domain is as before.
 */
int iommu_lu_pt_adopt(struct iommu_domain *domain, const struct iommu_domain_ser *ser)
{
	struct pt_iommu *table = iommupt_from_domain(domain);

	if (!table || !table->ops->lu_adopt)
		return -EOPNOTSUPP;
	return table->ops->lu_adopt(table, ser);
}

/**
 * iommu_lu_pt_restore - allocate a domain that takes inherited tables over
 * @dev: device that is going to be attached to it
 * @ldom: its record
 *
 * For drivers whose ordinary domains have the recorded format.
 *
 * Return: the domain, or an error, after which nothing has changed.
 */
struct iommu_domain *iommu_lu_pt_restore(struct device *dev, struct iommu_lu_domain *ldom)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(dev);
	int ret;

	if (IS_ERR(domain))
		return domain;
	ret = iommu_lu_pt_adopt(domain, &ldom->ser);
	if (!ret)
		return domain;
	iommu_domain_free(domain);
	return ERR_PTR(ret);
}

/**
 * iommu_lu_pt_next_mapping - next_mapping() of struct iommu_lu_ops
 * @domain: domain
 * @iova: where to begin
 * @m: filled in
 *
 * Context: nobody maps or unmaps meanwhile.
 */
int iommu_lu_pt_next_mapping(struct iommu_domain *domain, u64 iova, struct iommu_lu_mapping *m)
{
	struct pt_iommu *table = iommupt_from_domain(domain);

	if (!table || !table->ops->lu_next)
		return -EOPNOTSUPP;
	return table->ops->lu_next(table, iova, m) ? 0 : -ENOENT;
}
