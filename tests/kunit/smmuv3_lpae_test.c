// SPDX-License-Identifier: GPL-2.0
/*
 * Arm LPAE page tables: what is preserved is what was allocated, in every geometry that the
 * selftest of io-pgtable-arm.c sweeps; and what is adopted translates as before.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/io-pgtable.h>
#include <linux/iommu-liveupdate.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "../../abi/validate.h"
#include "../../drivers-smmuv3/io_pgtable.h"

static const struct {
	unsigned long sizes;
} granules[] = {
	{ SZ_4K | SZ_2M | SZ_1G }, { SZ_16K | SZ_32M }, { SZ_64K | SZ_512M },
};

static const unsigned int widths[] = { 32, 36, 40, 42, 44, 48 };
static const enum io_pgtable_fmt formats[] = { ARM_64_LPAE_S1, ARM_64_LPAE_S2 };

struct tables {
	struct device *dev;
	struct xarray preserved;	/* by address */
	unsigned int nr;
	unsigned int fail_at;
	bool wrong;
	unsigned int allocated;		/* by the allocator below, and not freed */
};

/* --- stand-ins for KHO ----------------------------------------------------------- */

static struct tables *current_tables(void)
{
	return kunit_get_current_test()->priv;
}

static int preserve_page(void *virt)
{
	struct tables *t = current_tables();

	if (t->fail_at && t->nr + 1 == t->fail_at)
		return -ENOMEM;
	t->nr++;
	t->wrong |= !!xa_insert(&t->preserved, virt_to_phys(virt) >> PAGE_SHIFT, virt, GFP_KERNEL);
	return 0;
}

static void unpreserve_page(void *virt)
{
	struct tables *t = current_tables();

	t->wrong |= !xa_erase(&t->preserved, virt_to_phys(virt) >> PAGE_SHIFT);
}

static void *restore_page(phys_addr_t phys)
{
	return xa_erase(&current_tables()->preserved, phys >> PAGE_SHIFT);
}

static void *count_alloc(void *cookie, size_t size, gfp_t gfp)
{
	struct tables *t = cookie;

	t->allocated++;
	return alloc_pages_exact(size, gfp | __GFP_ZERO);
}

static void count_free(void *cookie, void *pages, size_t size)
{
	struct tables *t = cookie;

	t->allocated--;
	free_pages_exact(pages, size);
}

/* --- page tables ------------------------------------------------------------------ */

static void flush(void *cookie)
{
}

static void flush_walk(unsigned long iova, size_t size, size_t granule, void *cookie)
{
}

static void flush_page(struct iommu_iotlb_gather *gather, unsigned long iova, size_t granule,
		       void *cookie)
{
}

static const struct iommu_flush_ops flush_ops = {
	.tlb_flush_all = flush, .tlb_flush_walk = flush_walk, .tlb_add_page = flush_page,
};

static struct io_pgtable_cfg cfg_of(struct tables *t, unsigned int g, unsigned int ias,
				    unsigned int oas)
{
	return (struct io_pgtable_cfg) {
		.pgsize_bitmap = granules[g].sizes,
		.ias = ias,
		.oas = oas,
		.coherent_walk = true,
		.tlb = &flush_ops,
		.iommu_dev = t->dev,
	};
}

/* A page of each size at the start, in the middle and at the end, holes between them. */
static unsigned int addresses(const struct io_pgtable_cfg *cfg, u64 *iova, u64 *size)
{
	unsigned long sizes = cfg->pgsize_bitmap;
	unsigned int bit, n = 0;

	for_each_set_bit(bit, &sizes, BITS_PER_LONG) {
		size[n] = BIT_ULL(bit);
		size[n + 1] = BIT_ULL(bit);
		size[n + 2] = BIT_ULL(bit);
		iova[n] = n / 3 * SZ_1G;
		iova[n + 1] = BIT_ULL(cfg->ias - 1) + n / 3 * SZ_1G;
		iova[n + 2] = BIT_ULL(cfg->ias) - (n / 3 + 1) * (u64)SZ_512M;
		n += 3;
	}
	return n;
}

static void fill(struct kunit *test, struct io_pgtable_ops *ops, const struct io_pgtable_cfg *cfg)
{
	u64 iova[9], size[9];
	unsigned int i, n = addresses(cfg, iova, size);
	size_t mapped;

	for (i = 0; i < n; i++) {
		if (iova[i] & (size[i] - 1) || iova[i] >> cfg->ias)
			continue;
		mapped = 0;
		/* regions of the small geometries overlap: what is taken stays as it is */
		ops->map_pages(ops, iova[i], size[i] * (i % 3 + 1), size[i], 1,
			       IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE, GFP_KERNEL, &mapped);
	}
}

static void same(struct kunit *test, struct io_pgtable_ops *a, struct io_pgtable_ops *b,
		 const struct io_pgtable_cfg *cfg)
{
	u64 iova[9], size[9];
	unsigned int i, n = addresses(cfg, iova, size), hits = 0;

	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_EQ(test, a->iova_to_phys(a, iova[i] + 42),
				b->iova_to_phys(b, iova[i] + 42));
		hits += !!a->iova_to_phys(a, iova[i] + 42);
		KUNIT_EXPECT_EQ(test, a->iova_to_phys(a, iova[i] + size[i]),
				b->iova_to_phys(b, iova[i] + size[i]));
	}
	KUNIT_EXPECT_GT(test, hits, 2);
}

/* Its tables belong to somebody else now. */
static void forget(struct io_pgtable_ops *ops)
{
	/* the first member of what io-pgtable-arm.c has allocated */
	kfree(io_pgtable_ops_to_pgtable(ops));
}

static struct io_pgtable_ops *filled(struct kunit *test, enum io_pgtable_fmt fmt,
				     struct io_pgtable_cfg *cfg)
{
	struct io_pgtable_ops *ops;

	cfg->quirks |= IO_PGTABLE_QUIRK_NO_WARN;
	ops = alloc_io_pgtable_ops(fmt, cfg, test->priv);
	KUNIT_ASSERT_NOT_NULL(test, ops);
	fill(test, ops, cfg);
	/* not part of the format, and no IOMMU driver asks for it */
	io_pgtable_ops_to_pgtable(ops)->cfg.quirks = 0;
	return ops;
}

static struct io_pgtable_ops *empty(struct kunit *test, enum io_pgtable_fmt fmt,
				    struct io_pgtable_cfg *cfg)
{
	struct io_pgtable_ops *ops = alloc_io_pgtable_ops(fmt, cfg, test->priv);

	KUNIT_ASSERT_NOT_NULL(test, ops);
	return ops;
}

/* How many tables there must be, as the allocator sees it. */
static unsigned int count(struct kunit *test, enum io_pgtable_fmt fmt, struct io_pgtable_cfg cfg)
{
	struct tables *t = test->priv;
	struct io_pgtable_ops *ops;
	unsigned int nr;

	cfg.alloc = count_alloc;
	cfg.free = count_free;
	ops = filled(test, fmt, &cfg);
	nr = t->allocated;
	free_io_pgtable_ops(ops);
	KUNIT_EXPECT_EQ(test, t->allocated, 0);
	return nr;
}

static void sweep(struct kunit *test, void (*fn)(struct kunit *test, enum io_pgtable_fmt fmt,
						 struct io_pgtable_cfg cfg))
{
	unsigned int f, g, i, o;

	for (f = 0; f < ARRAY_SIZE(formats); f++)
		for (g = 0; g < ARRAY_SIZE(granules); g++)
			for (i = 0; i < ARRAY_SIZE(widths); i++)
				for (o = i; o < ARRAY_SIZE(widths); o++)
					fn(test, formats[f],
					   cfg_of(test->priv, g, widths[i], widths[o]));
}

/* --- cases ------------------------------------------------------------------------ */

static void one_round(struct kunit *test, enum io_pgtable_fmt fmt, struct io_pgtable_cfg cfg)
{
	unsigned int expected = count(test, fmt, cfg);
	struct io_pgtable_cfg next_cfg = cfg;
	struct io_pgtable_ops *ops, *next;
	struct iommu_domain_ser ser = {};
	struct tables *t = test->priv;
	size_t mapped = 0;

	t->nr = 0;
	ops = filled(test, fmt, &cfg);
	KUNIT_ASSERT_EQ(test, arm_lpae_lu_preserve(ops, &ser), 0);
	KUNIT_EXPECT_EQ(test, ser.nr_tables, expected);
	KUNIT_EXPECT_EQ(test, t->nr, expected);
	arm_lpae_lu_unpreserve(ops, &ser);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->preserved));

	memset(&ser, 0, sizeof(ser));
	KUNIT_ASSERT_EQ(test, arm_lpae_lu_preserve(ops, &ser), 0);
	ser.iommufd_id = 1;
	KUNIT_EXPECT_EQ(test, iommu_lu_verify_domain(&ser, 1), IOMMU_LU_OK);
	next = empty(test, fmt, &next_cfg);
	KUNIT_ASSERT_EQ(test, arm_lpae_lu_adopt(next, &ser), 0);
	same(test, ops, next, &cfg);
	forget(ops);

	/* immutable, not preserved once more, and all of it given back */
	KUNIT_EXPECT_NE(test, next->map_pages(next, SZ_256M, SZ_256M, BIT(__ffs(cfg.pgsize_bitmap)),
					      1, IOMMU_READ, GFP_KERNEL, &mapped), 0);
	KUNIT_EXPECT_EQ(test, next->unmap_pages(next, 0, BIT(__ffs(cfg.pgsize_bitmap)), 1, NULL),
			0);
	KUNIT_EXPECT_NE(test, arm_lpae_lu_preserve(next, &ser), 0);
	free_io_pgtable_ops(next);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->preserved));
	KUNIT_EXPECT_FALSE(test, t->wrong);
}

static void preserve_and_adopt(struct kunit *test)
{
	sweep(test, one_round);
}

/* Wherever it fails, nothing stays preserved. */
static void preserve_fails(struct kunit *test)
{
	struct tables *t = test->priv;
	struct io_pgtable_cfg cfg = cfg_of(t, 0, 48, 48);
	struct io_pgtable_ops *ops = filled(test, ARM_64_LPAE_S1, &cfg);
	struct iommu_domain_ser ser;
	int ret = -ENOMEM;

	for (t->fail_at = 1; ret && t->fail_at < 100; t->fail_at++) {
		t->nr = 0;
		memset(&ser, 0, sizeof(ser));
		ret = arm_lpae_lu_preserve(ops, &ser);
		if (ret)
			KUNIT_EXPECT_TRUE(test, xa_empty(&t->preserved));
	}
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GT(test, t->fail_at, 5);
	KUNIT_EXPECT_FALSE(test, t->wrong);
	arm_lpae_lu_unpreserve(ops, &ser);
	free_io_pgtable_ops(ops);
}

/* Whatever this kernel would lay out differently is not adopted. */
static void other_geometry_is_refused(struct kunit *test)
{
	struct tables *t = test->priv;
	struct io_pgtable_cfg cfg = cfg_of(t, 0, 40, 44), own = cfg;
	struct io_pgtable_ops *ops = filled(test, ARM_64_LPAE_S1, &cfg), *next;
	struct iommu_domain_ser ser = {}, bad;
	size_t mapped = 0;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, arm_lpae_lu_preserve(ops, &ser), 0);
	next = empty(test, ARM_64_LPAE_S1, &own);
	for (i = 0; i < 12; i++) {
		bad = ser;
		switch (i) {
		case 0:
			bad.format = IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2;
			break;
		case 1:
			bad.features ^= IOMMU_DOMAIN_SER_INCOHERENT;
			break;
		case 2:
			bad.top_level ^= 1;
			break;
		case 3:
			bad.vasz_lg2--;
			break;
		case 4:
			bad.oasz_lg2--;
			break;
		case 5:
			bad.pgsize_bitmap ^= SZ_1G;
			break;
		case 6:
			bad.arm.tcr ^= 1;
			break;
		case 7:
			bad.arm.tcr ^= BIT_ULL(32);
			break;
		case 8:
			bad.arm.mair ^= 1;
			break;
		case 9:
			bad.arm.flags ^= IOMMU_DOMAIN_ARM_SER_DIRTY;
			break;
		case 10:
			bad.arm.granule_lg2 = 14;
			break;
		case 11:
			bad.arm.top_lg2--;
			break;
		}
		KUNIT_EXPECT_EQ_MSG(test, arm_lpae_lu_adopt(next, &bad), -EINVAL, "case %u", i);
	}
	/* and it is as before */
	KUNIT_EXPECT_EQ(test, next->map_pages(next, SZ_4K, SZ_4K, SZ_4K, 1, IOMMU_READ, GFP_KERNEL,
					      &mapped), 0);
	free_io_pgtable_ops(next);
	arm_lpae_lu_unpreserve(ops, &ser);
	free_io_pgtable_ops(ops);
}

static void map(struct kunit *test, struct io_pgtable_ops *ops, u64 iova, u64 paddr, size_t size,
		int prot)
{
	size_t mapped = 0;

	KUNIT_ASSERT_EQ(test, ops->map_pages(ops, iova, paddr, size, 1, prot, GFP_KERNEL, &mapped),
			0);
}

static void unmap(struct kunit *test, struct io_pgtable_ops *ops, u64 iova, size_t size)
{
	KUNIT_ASSERT_EQ(test, ops->unmap_pages(ops, iova, size, 1, NULL), size);
}

/* Whether two tables may be behind one VMID. */
static void agreement(struct kunit *test)
{
	struct io_pgtable_cfg cfg = cfg_of(test->priv, 0, 40, 40), own = cfg, narrow = cfg;
	struct io_pgtable_ops *a = empty(test, ARM_64_LPAE_S2, &cfg);
	struct io_pgtable_ops *b = empty(test, ARM_64_LPAE_S2, &own), *c;
	const int rw = IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE;

	KUNIT_EXPECT_TRUE(test, arm_lpae_lu_agree(a, b));
	map(test, a, SZ_1G, SZ_2M, SZ_2M, rw);
	map(test, a, SZ_2G, SZ_4K, SZ_4K, rw);
	/* what only one has */
	KUNIT_EXPECT_TRUE(test, arm_lpae_lu_agree(a, b) && arm_lpae_lu_agree(b, a));
	map(test, b, SZ_1G, SZ_2M, SZ_2M, rw);
	map(test, b, SZ_2G, SZ_4K, SZ_4K, rw);
	map(test, b, SZ_2G + SZ_8K, SZ_1M, SZ_4K, rw);
	KUNIT_EXPECT_TRUE(test, arm_lpae_lu_agree(a, b) && arm_lpae_lu_agree(b, a));

	/* another page, other attributes */
	unmap(test, b, SZ_2G, SZ_4K);
	map(test, b, SZ_2G, SZ_8K, SZ_4K, rw);
	KUNIT_EXPECT_FALSE(test, arm_lpae_lu_agree(a, b) || arm_lpae_lu_agree(b, a));
	unmap(test, b, SZ_2G, SZ_4K);
	map(test, b, SZ_2G, SZ_4K, SZ_4K, IOMMU_READ | IOMMU_CACHE);
	KUNIT_EXPECT_FALSE(test, arm_lpae_lu_agree(a, b) || arm_lpae_lu_agree(b, a));
	unmap(test, b, SZ_2G, SZ_4K);
	KUNIT_EXPECT_TRUE(test, arm_lpae_lu_agree(a, b));

	/* the same page, of another size */
	unmap(test, b, SZ_1G, SZ_2M);
	map(test, b, SZ_1G, SZ_2M, SZ_4K, rw);
	KUNIT_EXPECT_FALSE(test, arm_lpae_lu_agree(a, b) || arm_lpae_lu_agree(b, a));
	/* an empty table is none */
	unmap(test, b, SZ_1G, SZ_4K);
	KUNIT_EXPECT_TRUE(test, arm_lpae_lu_agree(a, b) && arm_lpae_lu_agree(b, a));

	narrow.ias = 32;
	c = empty(test, ARM_64_LPAE_S2, &narrow);
	KUNIT_EXPECT_FALSE(test, arm_lpae_lu_agree(a, c));
	free_io_pgtable_ops(c);
	free_io_pgtable_ops(b);
	free_io_pgtable_ops(a);
}

/* Memory of somebody's own allocator cannot be handed over. */
static void other_allocators_are_refused(struct kunit *test)
{
	struct io_pgtable_cfg cfg = cfg_of(test->priv, 0, 40, 40);
	struct iommu_domain_ser ser = {};
	struct io_pgtable_ops *ops;

	cfg.alloc = count_alloc;
	cfg.free = count_free;
	ops = empty(test, ARM_64_LPAE_S1, &cfg);
	KUNIT_EXPECT_EQ(test, arm_lpae_lu_preserve(ops, &ser), -EOPNOTSUPP);
	free_io_pgtable_ops(ops);
}

static int init(struct kunit *test)
{
	struct tables *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->dev = kunit_device_register(test, "lpae");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->dev);
	xa_init(&t->preserved);
	test->priv = t;
	kunit_activate_static_stub(test, iommu_preserve_page, preserve_page);
	kunit_activate_static_stub(test, iommu_unpreserve_page, unpreserve_page);
	kunit_activate_static_stub(test, iommu_restore_page, restore_page);
	return 0;
}

static void cleanup(struct kunit *test)
{
	struct tables *t = test->priv;

	xa_destroy(&t->preserved);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(preserve_and_adopt),
	KUNIT_CASE(preserve_fails),
	KUNIT_CASE(other_geometry_is_refused),
	KUNIT_CASE(agreement),
	KUNIT_CASE(other_allocators_are_refused),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu_lu_smmuv3_lpae",
	.init = init,
	.exit = cleanup,
	.test_cases = cases,
};

kunit_test_suite(suite);
