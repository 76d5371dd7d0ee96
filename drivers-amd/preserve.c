// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-Vi live update: what the old kernel records.
 *
 * Nothing the hardware uses is changed. The device table of a segment is preserved with
 * the first of its units, and all its units with the first device.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <asm/iommu.h>
#include <linux/bitmap.h>
#include <linux/cc_platform.h>
#include <linux/slab.h>

#include "internal.h"

/* --- units and segments ----------------------------------------------------- */

static void put_segment(struct amd_lu_segment *seg)
{
	if (--seg->unit.users)
		return;
	iommu_lu_del_unit(&seg->unit);
	iommu_unpreserve_page(seg->pci_seg->dev_table);
	bitmap_free(seg->rids);
	kfree(seg);
}

static struct amd_lu_segment *new_segment(struct amd_iommu_pci_seg *pci_seg)
{
	struct amd_lu_segment *seg = kzalloc_obj(*seg);
	struct iommu_hw_ser *ser;
	int ret = -ENOMEM;

	if (!seg)
		return ERR_PTR(-ENOMEM);
	seg->pci_seg = pci_seg;
	seg->unit.users = 1;
	seg->rids = bitmap_zalloc(amd_lu_nr_entries(pci_seg), GFP_KERNEL);
	if (!seg->rids)
		goto err_free;
	ret = iommu_preserve_page(pci_seg->dev_table);
	if (ret)
		goto err_rids;

	ser = &seg->unit.ser;
	ser->token = virt_to_phys(pci_seg->dev_table);
	ser->type = IOMMU_HW_SER_AMD_SEGMENT;
	ser->segment = pci_seg->id;
	ser->amd_segment.dev_table_pa = ser->token;
	ser->amd_segment.dev_table_size = pci_seg->dev_table_size;
	ser->amd_segment.last_bdf = pci_seg->last_bdf;
	ret = iommu_lu_add_unit(&seg->unit);
	if (!ret)
		return seg;

	iommu_unpreserve_page(pci_seg->dev_table);
err_rids:
	bitmap_free(seg->rids);
err_free:
	kfree(seg);
	return ERR_PTR(ret);
}

static struct amd_lu_segment *get_segment(struct amd_iommu_pci_seg *pci_seg)
{
	struct amd_lu_segment *seg;
	struct amd_iommu *iommu;

	for_each_iommu(iommu) {
		if (iommu->pci_seg != pci_seg || !iommu->iommu.lu)
			continue;
		seg = amd_lu_segment_of(iommu->iommu.lu);
		seg->unit.users++;
		return seg;
	}
	return new_segment(pci_seg);
}

int amd_lu_preserve_unit(struct iommu_device *iommu_dev, struct iommu_lu_unit *unit)
{
	struct amd_iommu *iommu = to_amd_iommu(iommu_dev);
	struct iommu_amd_ser *ser = &unit->ser.amd;
	struct amd_lu_segment *seg;

	if (amd_iommu_snp_en) {
		pr_err("iommu%d: SNP is enabled, its state is not carried\n", iommu->index);
		return -EOPNOTSUPP;
	}
	if (cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT)) {
		pr_err("iommu%d: memory is encrypted, this is not carried\n", iommu->index);
		return -EOPNOTSUPP;
	}
	seg = get_segment(iommu->pci_seg);
	if (IS_ERR(seg))
		return PTR_ERR(seg);

	unit->link = &seg->unit;
	unit->link_index = &ser->segment_index;
	unit->pdev = iommu->dev;
	unit->ser.token = iommu->mmio_phys;
	unit->ser.type = IOMMU_HW_SER_AMD;
	unit->ser.segment = iommu->pci_seg->id;
	ser->efr = readq(iommu->mmio_base + MMIO_EXT_FEATURES);
	ser->efr2 = readq(iommu->mmio_base + MMIO_EXT_FEATURES2);
	ser->control = readq(iommu->mmio_base + MMIO_CONTROL_OFFSET);
	ser->devid = iommu->devid;
	return 0;
}

void amd_lu_unpreserve_unit(struct iommu_device *iommu_dev, struct iommu_lu_unit *unit)
{
	put_segment(amd_lu_segment_of(unit));
}

/* The other units of the segment, up to @end. */
static void put_units(struct amd_iommu *self, struct amd_iommu *end)
{
	struct amd_iommu *iommu;

	for_each_iommu(iommu) {
		if (iommu == end)
			return;
		if (iommu != self && iommu->pci_seg == self->pci_seg)
			iommu_lu_put_unit(iommu->iommu.lu);
	}
}

static int get_units(struct amd_iommu *self)
{
	struct iommu_lu_unit *unit;
	struct amd_iommu *iommu;

	for_each_iommu(iommu) {
		if (iommu == self || iommu->pci_seg != self->pci_seg)
			continue;
		unit = iommu_lu_get_unit(&iommu->iommu);
		if (IS_ERR(unit)) {
			put_units(self, iommu);
			return PTR_ERR(unit);
		}
	}
	return 0;
}

/* --- devices ---------------------------------------------------------------- */

/**
 * amd_lu_walk_rids - every requester id by which the hardware may see a device
 * @iommu: unit that translates for it
 * @dev: PCI device
 * @fn: called for its own id first; may be called twice for an alias
 * @arg: for @fn
 *
 * Beside what PCI knows of, firmware may have an alias for it (IVRS).
 *
 * Return: 0, or the first non-zero result of @fn.
 */
int amd_lu_walk_rids(struct amd_iommu *iommu, struct device *dev,
		     int (*fn)(struct pci_dev *pdev, u16 rid, void *arg), void *arg)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	int ret;

	ret = pci_for_each_dma_alias(pdev, fn, arg);
	if (ret)
		return ret;
	return fn(pdev, iommu->pci_seg->alias_table[pci_dev_id(pdev)], arg);
}

/**
 * amd_lu_want - the entry that attaches a device to a domain
 * @dev_data: device
 * @domain: with host page tables
 *
 * But for the part about interrupts.
 */
struct dev_table_entry amd_lu_want(struct iommu_dev_data *dev_data,
				   struct protection_domain *domain)
{
	struct pt_iommu_amdv1_hw_info pt_info;
	struct dev_table_entry want;

	amd_iommu_make_clear_dte(dev_data, &want);
	pt_iommu_amdv1_hw_info(&domain->amdv1, &pt_info);
	amd_iommu_set_dte_v1(dev_data, domain, domain->id, &pt_info, &want);
	return want;
}

static int add_rid(struct pci_dev *pdev, u16 rid, void *arg)
{
	return iommu_lu_add_rid(arg, rid);
}

/**
 * amd_lu_rids - the requester ids of a device
 * @iommu: unit that translates for it
 * @dev: PCI device
 * @ser: @nr_rids and @rids are filled in
 *
 * Return: 0, or -EOPNOTSUPP with a message.
 */
int amd_lu_rids(struct amd_iommu *iommu, struct device *dev, struct iommu_device_ser *ser)
{
	int ret, i;

	ret = iommu_lu_pci_rids(dev, ser);
	if (ret)
		return ret;
	if (amd_lu_walk_rids(iommu, dev, add_rid, ser)) {
		dev_err(dev, "iommu_lu: more than %u requester ids\n", IOMMU_DEVICE_SER_MAX_RIDS);
		return -EOPNOTSUPP;
	}
	for (i = 0; i < ser->nr_rids; i++) {
		if (ser->rids[i] <= iommu->pci_seg->last_bdf)
			continue;
		dev_err(dev, "iommu_lu: requester id %#x is not in the device table\n",
			ser->rids[i]);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* What hardware uses for a device, compared with its record. */
static int check_live(struct device *dev, const struct iommu_device_ser *ser)
{
	const struct dev_table_entry *recorded = (const struct dev_table_entry *)ser->amd.dte;
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	struct amd_iommu *iommu = get_amd_iommu_from_dev(dev);
	int i;

	if (dev_data->gcr3_info.gcr3_tbl || dev_data->ppr || dev_data->pri_enabled) {
		dev_err(dev, "iommu_lu: PASIDs or page requests are enabled, they are not carried\n");
		return -EOPNOTSUPP;
	}
	/* replace.c would have to invalidate what the device has cached */
	if (dev_data->ats_enabled) {
		dev_err(dev, "iommu_lu: ATS is enabled, its state is not carried\n");
		return -EOPNOTSUPP;
	}
	for (i = 0; i < ser->nr_rids; i++) {
		if (amd_lu_dte_equal(&get_dev_table(iommu)[ser->rids[i]], recorded))
			continue;
		dev_err(dev, "iommu_lu: device table entry of %02x:%02x.%x is not its domain's\n",
			PCI_BUS_NUM(ser->rids[i]), PCI_SLOT(ser->rids[i]), PCI_FUNC(ser->rids[i]));
		return -EBUSY;
	}
	return 0;
}

/* Fill in the record as it should be, and see whether the hardware agrees. */
static int record(struct device *dev, struct protection_domain *domain,
		  struct iommu_device_ser *ser)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	struct amd_iommu *iommu = get_amd_iommu_from_dev(dev);
	struct dev_table_entry want, entry;
	int ret;

	ret = amd_lu_rids(iommu, dev, ser);
	if (ret)
		return ret;

	want = amd_lu_want(dev_data, domain);
	entry = get_dev_table(iommu)[dev_data->devid];
	amd_lu_dte_copy_dma(&entry, &want);
	memcpy(ser->amd.dte, entry.data, sizeof(ser->amd.dte));
	ser->amd.did = domain->id;
	ret = check_live(dev, ser);
	return ret == -EBUSY ? -EOPNOTSUPP : ret;
}

int amd_lu_preserve_device(struct device *dev, struct iommu_domain *domain,
			   struct iommu_lu_device *ldev)
{
	struct iommu_dev_data *dev_data = dev_iommu_priv_get(dev);
	struct amd_lu_segment *seg = amd_lu_segment_of(ldev->unit);
	struct protection_domain *pdom = to_pdomain(domain);
	int ret, i;

	if (dev_data->domain != pdom) {
		dev_err(dev, "iommu_lu: this kind of attachment is not carried\n");
		return -EOPNOTSUPP;
	}
	/* The id stays with the domain, and the domain is preserved. */
	ret = record(dev, pdom, &ldev->ser);
	if (ret)
		return ret;
	/* Whose entry would it be? */
	for (i = 0; i < ldev->ser.nr_rids; i++) {
		if (!test_bit(ldev->ser.rids[i], seg->rids))
			continue;
		dev_err(dev, "iommu_lu: requester id %#x is that of another preserved device, too\n",
			ldev->ser.rids[i]);
		return -EOPNOTSUPP;
	}
	ret = get_units(to_amd_iommu(ldev->unit->iommu));
	if (ret)
		return ret;
	for (i = 0; i < ldev->ser.nr_rids; i++)
		__set_bit(ldev->ser.rids[i], seg->rids);
	return 0;
}

void amd_lu_unpreserve_device(struct device *dev, struct iommu_domain *domain,
			      struct iommu_lu_device *ldev)
{
	struct amd_lu_segment *seg = amd_lu_segment_of(ldev->unit);
	int i;

	for (i = 0; i < ldev->ser.nr_rids; i++)
		__clear_bit(ldev->ser.rids[i], seg->rids);
	put_units(to_amd_iommu(ldev->unit->iommu), NULL);
}

int amd_lu_freeze_device(struct device *dev, struct iommu_lu_device *ldev)
{
	return check_live(dev, &ldev->ser);
}

/* --- domains ---------------------------------------------------------------- */

int amd_lu_preserve_domain(struct iommu_domain *domain, struct iommu_lu_domain *ldom)
{
	struct protection_domain *pdom = to_pdomain(domain);

	if (!(domain->type & __IOMMU_DOMAIN_PAGING) || pdom->pd_mode != PD_MODE_V1) {
		pr_err("domain %#llx: not host (v1) page tables, these are not carried\n",
		       ldom->ser.token);
		return -EOPNOTSUPP;
	}
	if (pdom->dirty_tracking || !list_empty(&pdom->viommu_list)) {
		pr_err("domain %#llx: dirty tracking and nesting are not carried\n",
		       ldom->ser.token);
		return -EOPNOTSUPP;
	}
	return iommu_lu_pt_preserve(domain, ldom);
}
