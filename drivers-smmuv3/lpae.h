/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live update of Arm LPAE page tables: preserve walk and adoption.
 *
 * Part of drivers/iommu/io-pgtable-arm.c, whose structures are its own. The tables
 * are described, never copied. Whoever owns the tables sees to it that nobody
 * maps or unmaps meanwhile; the hardware may set access flags and dirty bits.
 */
#ifndef SMMUV3_LU_LPAE_H
#define SMMUV3_LU_LPAE_H

#ifdef CONFIG_IOMMU_LIVEUPDATE_SMMUV3

#include <linux/iommu-liveupdate.h>

#include "io_pgtable.h"

/* Fields of the record: as in CD.TCR, and as in STE.VTCR shifted down to bit 0. */
#define LU_TCR_T0SZ	GENMASK_ULL(5, 0)
#define LU_TCR_TG0	GENMASK_ULL(7, 6)
#define LU_TCR_IR0	GENMASK_ULL(9, 8)
#define LU_TCR_OR0	GENMASK_ULL(11, 10)
#define LU_TCR_SH0	GENMASK_ULL(13, 12)
#define LU_TCR_IPS	GENMASK_ULL(34, 32)
#define LU_VTCR_S2T0SZ	GENMASK_ULL(5, 0)
#define LU_VTCR_S2SL0	GENMASK_ULL(7, 6)
#define LU_VTCR_S2IR0	GENMASK_ULL(9, 8)
#define LU_VTCR_S2OR0	GENMASK_ULL(11, 10)
#define LU_VTCR_S2SH0	GENMASK_ULL(13, 12)
#define LU_VTCR_S2TG	GENMASK_ULL(15, 14)
#define LU_VTCR_S2PS	GENMASK_ULL(18, 16)

/**
 * struct lpae_lu_walk - a walk over the tables below the top one
 * @visit: called for each table, before the tables below it
 * @nr: tables visited so far, the top one included
 * @limit: stop with -E2BIG before there are more
 * @list: where restored tables go
 */
struct lpae_lu_walk {
	int (*visit)(struct lpae_lu_walk *walk, phys_addr_t table);
	u64 nr;
	u64 limit;
	struct iommu_pages_list list;
};

static int __arm_lpae_lu_walk(struct arm_lpae_io_pgtable *data, struct lpae_lu_walk *walk,
			      int lvl, arm_lpae_iopte *ptep)
{
	size_t i, nr = lvl == data->start_level ? ARM_LPAE_PGD_SIZE(data) / sizeof(*ptep) :
						  ARM_LPAE_PTES_PER_TABLE(data);
	phys_addr_t table;
	arm_lpae_iopte pte;
	int ret;

	for (i = 0; i < nr; i++) {
		pte = READ_ONCE(ptep[i]);
		/* never true at the last level: a page looks like a table */
		if (!iopte_table(pte, lvl))
			continue;
		if (walk->nr == walk->limit)
			return -E2BIG;
		table = iopte_to_paddr(pte, data);
		ret = walk->visit(walk, table);
		if (ret)
			return ret;
		walk->nr++;
		cond_resched();
		if (lvl + 1 == ARM_LPAE_MAX_LEVELS - 1)
			continue;
		ret = __arm_lpae_lu_walk(data, walk, lvl + 1, phys_to_virt(table));
		if (ret)
			return ret;
	}
	return 0;
}

static int arm_lpae_lu_walk(struct arm_lpae_io_pgtable *data, struct lpae_lu_walk *walk)
{
	return __arm_lpae_lu_walk(data, walk, data->start_level, data->pgd);
}

static int lpae_lu_preserve_table(struct lpae_lu_walk *walk, phys_addr_t table)
{
	return iommu_preserve_page(phys_to_virt(table));
}

static int lpae_lu_unpreserve_table(struct lpae_lu_walk *walk, phys_addr_t table)
{
	iommu_unpreserve_page(phys_to_virt(table));
	return 0;
}

static int lpae_lu_restore_table(struct lpae_lu_walk *walk, phys_addr_t table)
{
	void *virt = iommu_restore_page(table);

	if (!virt)
		return -EINVAL;
	iommu_pages_list_add(&walk->list, virt);
	return 0;
}

/* The order is the same as when they were preserved: a count undoes part of it. */
static void lpae_lu_unpreserve_tables(struct arm_lpae_io_pgtable *data, u64 nr_tables)
{
	struct lpae_lu_walk walk = {
		.visit = lpae_lu_unpreserve_table,
		.nr = 1,
		.limit = nr_tables,
	};

	iommu_unpreserve_page(data->pgd);
	arm_lpae_lu_walk(data, &walk);
}

/* Everything in the record that follows from how the tables are laid out. */
static int lpae_lu_describe(struct arm_lpae_io_pgtable *data, struct iommu_domain_ser *ser)
{
	const struct io_pgtable_cfg *cfg = &data->iop.cfg;
	struct iommu_domain_arm_ser *arm = &ser->arm;

	/* memory that is not from iommu-pages; layouts that no IOMMU driver here uses */
	if (cfg->alloc ||
	    cfg->quirks & ~(IO_PGTABLE_QUIRK_ARM_HD | IO_PGTABLE_QUIRK_ARM_S2FWB))
		return -EOPNOTSUPP;

	switch (data->iop.fmt) {
	case ARM_64_LPAE_S1: {
		const typeof(cfg->arm_lpae_s1_cfg.tcr) *tcr = &cfg->arm_lpae_s1_cfg.tcr;

		ser->format = IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1;
		arm->tcr = FIELD_PREP(LU_TCR_T0SZ, tcr->tsz) | FIELD_PREP(LU_TCR_TG0, tcr->tg) |
			   FIELD_PREP(LU_TCR_IR0, tcr->irgn) | FIELD_PREP(LU_TCR_OR0, tcr->orgn) |
			   FIELD_PREP(LU_TCR_SH0, tcr->sh) | FIELD_PREP(LU_TCR_IPS, tcr->ips);
		arm->mair = cfg->arm_lpae_s1_cfg.mair;
		break;
	}
	case ARM_64_LPAE_S2: {
		const typeof(cfg->arm_lpae_s2_cfg.vtcr) *vtcr = &cfg->arm_lpae_s2_cfg.vtcr;

		ser->format = IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2;
		arm->tcr = FIELD_PREP(LU_VTCR_S2T0SZ, vtcr->tsz) |
			   FIELD_PREP(LU_VTCR_S2SL0, vtcr->sl) |
			   FIELD_PREP(LU_VTCR_S2IR0, vtcr->irgn) |
			   FIELD_PREP(LU_VTCR_S2OR0, vtcr->orgn) |
			   FIELD_PREP(LU_VTCR_S2SH0, vtcr->sh) |
			   FIELD_PREP(LU_VTCR_S2TG, vtcr->tg) |
			   FIELD_PREP(LU_VTCR_S2PS, vtcr->ps);
		break;
	}
	default:
		return -EOPNOTSUPP;
	}

	ser->top_pa = virt_to_phys(data->pgd);
	ser->top_level = ARM_LPAE_MAX_LEVELS - 1 - data->start_level;
	ser->vasz_lg2 = cfg->ias;
	ser->oasz_lg2 = cfg->oas;
	ser->pgsize_bitmap = cfg->pgsize_bitmap;
	if (!cfg->coherent_walk)
		ser->features |= IOMMU_DOMAIN_SER_INCOHERENT;
	arm->granule_lg2 = data->bits_per_level + ilog2(sizeof(arm_lpae_iopte));
	arm->top_lg2 = data->pgd_bits + ilog2(sizeof(arm_lpae_iopte));
	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_HD)
		arm->flags |= IOMMU_DOMAIN_ARM_SER_DIRTY;
	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_S2FWB)
		arm->flags |= IOMMU_DOMAIN_ARM_SER_S2FWB;
	return 0;
}

/**
 * arm_lpae_lu_preserve - preserve page tables and describe them
 * @ops: nobody maps or unmaps in them meanwhile
 * @ser: filled in, but for what the driver knows
 *
 * Context: may sleep. Takes time in proportion to the number of tables.
 * Return: 0; -EOPNOTSUPP for a format that is not carried, or tables that are
 * themselves inherited; an error from KHO, after which nothing is preserved.
 */
int arm_lpae_lu_preserve(struct io_pgtable_ops *ops, struct iommu_domain_ser *ser)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	struct lpae_lu_walk walk = { .visit = lpae_lu_preserve_table, .nr = 1, .limit = U64_MAX };
	int ret;

	if (data->lu_nr_tables)
		return -EOPNOTSUPP;
	ret = lpae_lu_describe(data, ser);
	if (ret)
		return ret;
	ret = iommu_preserve_page(data->pgd);
	if (ret)
		return ret;
	ret = arm_lpae_lu_walk(data, &walk);
	if (ret) {
		lpae_lu_unpreserve_tables(data, walk.nr);
		return ret;
	}
	ser->nr_tables = walk.nr;
	return 0;
}

/**
 * arm_lpae_lu_unpreserve - undo arm_lpae_lu_preserve()
 * @ops: unchanged since
 * @ser: as filled in
 */
void arm_lpae_lu_unpreserve(struct io_pgtable_ops *ops, const struct iommu_domain_ser *ser)
{
	lpae_lu_unpreserve_tables(io_pgtable_ops_to_data(ops), ser->nr_tables);
}

static bool lpae_lu_next(struct arm_lpae_io_pgtable *data, int lvl, arm_lpae_iopte *ptep,
			 u64 base, u64 iova, struct iommu_lu_mapping *m)
{
	size_t i, nr = lvl == data->start_level ? ARM_LPAE_PGD_SIZE(data) / sizeof(*ptep) :
						  ARM_LPAE_PTES_PER_TABLE(data);
	u64 size = ARM_LPAE_BLOCK_SIZE(lvl, data);
	arm_lpae_iopte pte;

	for (i = iova > base ? (iova - base) / size : 0; i < nr; i++) {
		pte = READ_ONCE(ptep[i]);
		if (iopte_leaf(pte, lvl, data->iop.fmt)) {
			m->iova = max(iova, base + i * size);
			m->len = base + (i + 1) * size - m->iova;
			m->pa = iopte_to_paddr(pte, data) + size - m->len;
			/* what the hardware may have written does not count */
			m->attr = pte & ~(ARM_LPAE_PTE_ADDR_MASK | ARM_LPAE_PTE_TYPE_MASK |
					  ARM_LPAE_PTE_AF | ARM_LPAE_PTE_SW_SYNC);
			if (pte & ARM_LPAE_PTE_DBM && data->iop.fmt == ARM_64_LPAE_S1)
				m->attr &= ~(u64)ARM_LPAE_PTE_AP_RDONLY;
			return true;
		}
		if (iopte_table(pte, lvl) &&
		    lpae_lu_next(data, lvl + 1, iopte_deref(pte, data), base + i * size, iova, m))
			return true;
	}
	return false;
}

/**
 * arm_lpae_lu_next - next_mapping() of struct iommu_lu_ops
 * @ops: page tables
 * @iova: where to begin
 * @m: filled in
 *
 * Context: nobody maps or unmaps meanwhile.
 * Return: false if there is nothing more.
 */
bool arm_lpae_lu_next(struct io_pgtable_ops *ops, u64 iova, struct iommu_lu_mapping *m)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);

	if (!lpae_lu_next(data, data->start_level, data->pgd, 0, iova, m))
		return false;
	m->format = data->iop.fmt == ARM_64_LPAE_S1 ? IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1 :
						      IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2;
	return true;
}

/* Inherited tables are immutable. */
static int arm_lpae_lu_map_pages(struct io_pgtable_ops *ops, unsigned long iova,
				 phys_addr_t paddr, size_t pgsize, size_t pgcount,
				 int iommu_prot, gfp_t gfp, size_t *mapped)
{
	return -EPERM;
}

static size_t arm_lpae_lu_unmap_pages(struct io_pgtable_ops *ops, unsigned long iova,
				      size_t pgsize, size_t pgcount,
				      struct iommu_iotlb_gather *gather)
{
	return 0;
}

/**
 * arm_lpae_lu_adopt - put inherited tables in place of the empty ones
 * @ops: fresh, never used by the hardware
 * @ser: the record, found sound by iommu_lu_verify_blob()
 *
 * Takes the same time whatever the size of the tables. Afterwards nothing can be
 * mapped or unmapped; free_io_pgtable_ops() frees the inherited tables.
 *
 * Return: 0, or -EINVAL if this kernel would lay the tables out differently, after
 * which @ops is as before.
 */
int arm_lpae_lu_adopt(struct io_pgtable_ops *ops, const struct iommu_domain_ser *ser)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	struct io_pgtable_cfg *cfg = &data->iop.cfg;
	struct iommu_domain_ser own = {};

	if (data->lu_nr_tables || lpae_lu_describe(data, &own))
		return -EINVAL;
	if (own.format != ser->format || own.pgsize_bitmap != ser->pgsize_bitmap ||
	    own.top_level != ser->top_level || own.vasz_lg2 != ser->vasz_lg2 ||
	    own.oasz_lg2 != ser->oasz_lg2 || own.features != ser->features ||
	    own.arm.tcr != ser->arm.tcr || own.arm.mair != ser->arm.mair ||
	    own.arm.flags != ser->arm.flags || own.arm.granule_lg2 != ser->arm.granule_lg2 ||
	    own.arm.top_lg2 != ser->arm.top_lg2)
		return -EINVAL;

	__arm_lpae_free_pages(data->pgd, ARM_LPAE_PGD_SIZE(data), cfg, data->iop.cookie);
	data->pgd = phys_to_virt(ser->top_pa);
	data->lu_nr_tables = ser->nr_tables;
	if (data->iop.fmt == ARM_64_LPAE_S1)
		cfg->arm_lpae_s1_cfg.ttbr = ser->top_pa;
	else
		cfg->arm_lpae_s2_cfg.vttbr = ser->top_pa;
	ops->map_pages = arm_lpae_lu_map_pages;
	ops->unmap_pages = arm_lpae_lu_unmap_pages;
	return 0;
}

static bool lpae_lu_is_empty(struct arm_lpae_io_pgtable *data, int lvl, arm_lpae_iopte *ptep)
{
	arm_lpae_iopte pte;
	size_t i;

	for (i = 0; i < ARM_LPAE_PTES_PER_TABLE(data); i++) {
		pte = READ_ONCE(ptep[i]);
		if (!pte)
			continue;
		if (!iopte_table(pte, lvl) ||
		    !lpae_lu_is_empty(data, lvl + 1, iopte_deref(pte, data)))
			return false;
	}
	return true;
}

static bool lpae_lu_agree(struct arm_lpae_io_pgtable *data, int lvl, arm_lpae_iopte *a,
			  arm_lpae_iopte *b)
{
	size_t i, nr = lvl == data->start_level ? ARM_LPAE_PGD_SIZE(data) / sizeof(*a) :
						  ARM_LPAE_PTES_PER_TABLE(data);
	arm_lpae_iopte x, y;

	for (i = 0; i < nr; i++) {
		x = READ_ONCE(a[i]);
		y = READ_ONCE(b[i]);
		if (!x || !y)
			continue;
		if (iopte_table(x, lvl) && iopte_table(y, lvl)) {
			cond_resched();
			if (!lpae_lu_agree(data, lvl + 1, iopte_deref(x, data),
					   iopte_deref(y, data)))
				return false;
		} else if (iopte_table(x, lvl)) {
			if (!lpae_lu_is_empty(data, lvl + 1, iopte_deref(x, data)))
				return false;
		} else if (iopte_table(y, lvl)) {
			if (!lpae_lu_is_empty(data, lvl + 1, iopte_deref(y, data)))
				return false;
		} else if (x != y) {
			return false;
		}
	}
	return true;
}

/**
 * arm_lpae_lu_agree - may a TLB hold translations of both page tables under one id?
 * @a: page tables
 * @b: page tables of the same format and geometry
 *
 * It may if no address is mapped by both to different pages, with different attributes, or
 * by pages of different sizes.
 */
bool arm_lpae_lu_agree(struct io_pgtable_ops *a, struct io_pgtable_ops *b)
{
	struct arm_lpae_io_pgtable *x = io_pgtable_ops_to_data(a), *y = io_pgtable_ops_to_data(b);

	return x->iop.fmt == y->iop.fmt && x->start_level == y->start_level &&
	       x->pgd_bits == y->pgd_bits && x->bits_per_level == y->bits_per_level &&
	       lpae_lu_agree(x, x->start_level, x->pgd, y->pgd);
}

/*
 * Give inherited tables back to the page allocator. Only here does the kernel walk
 * them, so the cost is not part of the time without userspace. What does not look
 * like an inherited table stays reserved.
 */
static bool arm_lpae_lu_free(struct arm_lpae_io_pgtable *data)
{
	struct lpae_lu_walk walk = {
		.visit = lpae_lu_restore_table,
		.nr = 1,
		.limit = data->lu_nr_tables,
		.list = IOMMU_PAGES_LIST_INIT(walk.list),
	};
	void *top;
	int ret;

	if (!data->lu_nr_tables)
		return false;
	top = iommu_restore_page(virt_to_phys(data->pgd));
	if (!top) {
		pr_err("iommu_lu: top table of a restored domain is not inherited memory, leaked\n");
		return true;
	}
	iommu_pages_list_add(&walk.list, top);
	ret = arm_lpae_lu_walk(data, &walk);
	if (ret || walk.nr != walk.limit)
		pr_err("iommu_lu: restored page tables are damaged (%d), %llu tables leaked\n",
		       ret, walk.limit - walk.nr);
	iommu_put_pages_list(&walk.list);
	return true;
}

#else

static inline bool arm_lpae_lu_free(struct arm_lpae_io_pgtable *data)
{
	return false;
}

#endif
#endif
