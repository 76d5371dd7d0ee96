/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live update of generic page tables: preserve walk and adoption.
 *
 * Part of the template drivers/iommu/generic_pt/iommu_pt.h, compiled for every
 * format. The tables are described, never copied.
 */
#ifndef IOMMU_LU_GENERIC_PT_H
#define IOMMU_LU_GENERIC_PT_H

#include <linux/iommu-liveupdate.h>

#define PT_LU_FMT_vtdss		IOMMU_DOMAIN_SER_FMT_VTDSS
#define PT_LU_FMT_x86_64	IOMMU_DOMAIN_SER_FMT_X86_64
#define PT_LU_FMT_amdv1		IOMMU_DOMAIN_SER_FMT_AMDV1
#define PT_LU_FMT_riscv		IOMMU_DOMAIN_SER_FMT_RISCV_64
#define PT_LU_FMT		CONCATENATE(PT_LU_FMT_, PT_FMT)

/**
 * struct pt_lu_walk - a walk over the tables below the top one
 * @visit: called for each table, before the tables below it
 * @nr: tables visited so far, the top one included
 * @limit: stop with -E2BIG before there are more
 * @list: where restored tables go
 */
struct pt_lu_walk {
	int (*visit)(struct pt_lu_walk *walk, struct pt_table_p *table);
	u64 nr;
	u64 limit;
	struct iommu_pages_list list;
};

static int __lu_walk(struct pt_range *range, void *arg, unsigned int level,
		     struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);
	struct pt_lu_walk *walk = arg;
	int ret;

	if (!pt_can_have_table(&pts))
		return 0;

	for_each_pt_level_entry(&pts) {
		if (pts.type != PT_ENTRY_TABLE)
			continue;
		if (walk->nr == walk->limit)
			return -E2BIG;
		ret = walk->visit(walk, pts.table_lower);
		if (ret)
			return ret;
		walk->nr++;
		cond_resched();
		ret = pt_descend(&pts, arg, __lu_walk);
		if (ret)
			return ret;
	}
	return 0;
}

static int lu_preserve_table(struct pt_lu_walk *walk, struct pt_table_p *table)
{
	return iommu_preserve_page(table);
}

static int lu_unpreserve_table(struct pt_lu_walk *walk, struct pt_table_p *table)
{
	iommu_unpreserve_page(table);
	return 0;
}

static int lu_restore_table(struct pt_lu_walk *walk, struct pt_table_p *table)
{
	void *virt = iommu_restore_page(virt_to_phys(table));

	if (!virt)
		return -EINVAL;
	iommu_pages_list_add(&walk->list, virt);
	return 0;
}

/* The order is the same as when they were preserved: a count undoes part of it. */
static void lu_unpreserve_tables(struct pt_common *common, u64 nr_tables)
{
	struct pt_range range = pt_all_range(common);
	struct pt_lu_walk walk = { .visit = lu_unpreserve_table, .nr = 1, .limit = nr_tables };

	iommu_unpreserve_page(range.top_table);
	pt_walk_range(&range, __lu_walk, &walk);
}

static u32 lu_features(struct pt_common *common)
{
	u32 features = 0;

	if (pt_feature(common, PT_FEAT_DMA_INCOHERENT))
		features |= IOMMU_DOMAIN_SER_INCOHERENT;
	if (pt_feature(common, PT_FEAT_SIGN_EXTEND))
		features |= IOMMU_DOMAIN_SER_SIGN_EXTEND;
	return features;
}

static int NS(lu_preserve)(struct pt_iommu *iommu_table, struct iommu_domain_ser *ser)
{
	struct pt_common *common = common_from_iommu(iommu_table);
	struct pt_range range = pt_all_range(common);
	struct pt_lu_walk walk = { .visit = lu_preserve_table, .nr = 1, .limit = U64_MAX };
	int ret;

	ret = iommu_preserve_page(range.top_table);
	if (ret)
		return ret;
	ret = pt_walk_range(&range, __lu_walk, &walk);
	if (ret) {
		lu_unpreserve_tables(common, walk.nr);
		return ret;
	}

	ser->format = PT_LU_FMT;
	ser->top_pa = virt_to_phys(range.top_table);
	ser->top_level = range.top_level;
	ser->vasz_lg2 = common->max_vasz_lg2;
	ser->oasz_lg2 = common->max_oasz_lg2;
	ser->features |= lu_features(common);
	ser->pgsize_bitmap = iommu_table->domain.pgsize_bitmap;
	ser->nr_tables = walk.nr;
	return 0;
}

static void NS(lu_unpreserve)(struct pt_iommu *iommu_table, const struct iommu_domain_ser *ser)
{
	lu_unpreserve_tables(common_from_iommu(iommu_table), ser->nr_tables);
}

/* The first entry that maps something ends the walk. */
static int __lu_next(struct pt_range *range, void *arg, unsigned int level,
		     struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);
	struct iommu_lu_mapping *m = arg;
	struct pt_write_attrs attrs = {};
	int ret;

	for_each_pt_level_entry(&pts) {
		if (pts.type == PT_ENTRY_TABLE) {
			ret = pt_descend(&pts, arg, __lu_next);
			if (ret)
				return ret;
		} else if (pts.type == PT_ENTRY_OA) {
			pt_attr_from_entry(&pts, &attrs);
			m->iova = range->va;
			m->pa = pt_entry_oa_exact(&pts);
			m->len = log2_to_int(pt_entry_oa_lg2sz(&pts)) -
				 log2_mod(range->va, pt_entry_oa_lg2sz(&pts));
			m->attr = attrs.descriptor_bits;
			m->format = PT_LU_FMT;
			return 1;
		}
	}
	return 0;
}

static bool NS(lu_next)(struct pt_iommu *iommu_table, u64 iova, struct iommu_lu_mapping *m)
{
	struct pt_range range = pt_top_range(common_from_iommu(iommu_table));

	if (iova > range.last_va)
		return false;
	range.va = max(range.va, iova);
	return pt_walk_range(&range, __lu_next, m) > 0;
}

/* Restored tables are immutable. */
static int NS(lu_map_range)(struct pt_iommu *iommu_table, dma_addr_t iova, phys_addr_t paddr,
			    dma_addr_t len, unsigned int prot, gfp_t gfp, size_t *mapped)
{
	return -EPERM;
}

static size_t NS(lu_unmap_range)(struct pt_iommu *iommu_table, dma_addr_t iova, dma_addr_t len,
				 struct iommu_iotlb_gather *iotlb_gather)
{
	return 0;
}

/*
 * Give the inherited tables back to the page allocator. Only here does the
 * kernel walk them, so the cost is not part of the time without userspace.
 * What does not look like an inherited table stays reserved.
 */
static void NS(lu_deinit)(struct pt_iommu *iommu_table)
{
	struct pt_common *common = common_from_iommu(iommu_table);
	struct pt_range range = pt_all_range(common);
	struct pt_lu_walk walk = {
		.visit = lu_restore_table,
		.nr = 1,
		.limit = iommu_table->domain.lu->ser.nr_tables,
		.list = IOMMU_PAGES_LIST_INIT(walk.list),
	};
	void *top = iommu_restore_page(virt_to_phys(range.top_table));
	int ret;

	if (!top) {
		pr_err("iommu_lu: top table of a restored domain is not inherited memory, leaked\n");
		return;
	}
	iommu_pages_list_add(&walk.list, top);
	ret = pt_walk_range(&range, __lu_walk, &walk);
	if (ret || walk.nr != walk.limit)
		pr_err("iommu_lu: restored page tables are damaged (%d), %llu tables leaked\n",
		       ret, walk.limit - walk.nr);
	iommu_put_pages_list(&walk.list);
}

static const struct pt_iommu_ops NS(lu_restored_ops) = {
	.map_range = NS(lu_map_range),
	.unmap_range = NS(lu_unmap_range),
	.get_info = NS(get_info),
	.deinit = NS(lu_deinit),
	.lu_next = NS(lu_next),
};

static int NS(lu_adopt)(struct pt_iommu *iommu_table, const struct iommu_domain_ser *ser)
{
	struct pt_common *common = common_from_iommu(iommu_table);
	struct pt_range range = pt_top_range(common);

	/* The top of a table that can grow is where it was left. */
	if (pt_feature(common, PT_FEAT_DYNAMIC_TOP) ? ser->top_level > PT_MAX_TOP_LEVEL :
						      ser->top_level != range.top_level)
		return -EINVAL;
	if (ser->format != PT_LU_FMT ||
	    ser->vasz_lg2 != common->max_vasz_lg2 || ser->oasz_lg2 != common->max_oasz_lg2 ||
	    (ser->features & (IOMMU_DOMAIN_SER_INCOHERENT | IOMMU_DOMAIN_SER_SIGN_EXTEND)) !=
		    lu_features(common))
		return -EINVAL;

	iommu_pages_free_incoherent(range.top_table, iommu_table->iommu_device);
	pt_top_set(common, phys_to_virt(ser->top_pa), ser->top_level);
	iommu_table->domain.pgsize_bitmap = ser->pgsize_bitmap;
	iommu_table->ops = &NS(lu_restored_ops);
	return 0;
}

#define PT_IOMMU_LU_OPS					\
	.lu_preserve = NS(lu_preserve),			\
	.lu_unpreserve = NS(lu_unpreserve),		\
	.lu_adopt = NS(lu_adopt),			\
	.lu_next = NS(lu_next),

#endif
