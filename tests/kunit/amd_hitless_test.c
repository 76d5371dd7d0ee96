// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever the hardware fetches, and whenever: the old translation or the new one, and the
 * same interrupt table.
 *
 * The model of the hardware knows nothing of how an update is done. It fetches the two
 * halves of an entry each at a moment of its own, the second not before the first. (The
 * hardware promises to read all 256 bits at once; it is not needed.)
 */
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/string.h>

#include "../../drivers-amd/hitless.h"

#define MAX_STORES	8

/* GuestPagingMode */
#define GPM		GENMASK_ULL(55, 54)
/* what an entry in use says of interrupts: table, remapped, InitPass */
#define INTR		(DTE_IRQ_REMAP_INTCTL | BIT_ULL(56) | 0x12345680ULL | DTE_INTTABLEN_512 | 1)

/* What a request is translated by, and what an interrupt. */
struct xlate {
	u64 type;	/* 0: fault, 1: as it is, 2: host tables, 3: guest tables */
	u64 top;
	u64 mode;
	u64 perms;
	u64 did;
	u64 attr;
	u64 guest;
	u64 intr;
};

struct plan {
	struct dev_table_entry at[MAX_STORES + 1];	/* every moment */
	unsigned int n;
};

static struct xlate decode(u128 lower, u128 upper)
{
	struct dev_table_entry dte = { .data128 = { lower, upper } };
	struct xlate x = { .intr = dte.data[2] & DTE_DATA2_INTR_MASK };

	if (!(dte.data[0] & DTE_FLAG_V)) {
		x.type = 1;
		return x;
	}
	x.attr = dte.data[1] & (DTE_DATA1_SYSMGT_MASK | DTE_FLAG_IOTLB);
	if (!(dte.data[0] & DTE_FLAG_TV))
		return x;
	x.perms = dte.data[0] & (DTE_FLAG_IR | DTE_FLAG_IW);
	x.did = FIELD_GET(DTE_DOMID_MASK, dte.data[1]);
	x.mode = FIELD_GET(DTE_MODE_MASK, dte.data[0]);
	x.type = x.mode ? 2 : 1;
	if (x.mode)
		x.top = dte.data[0] & DTE_HOST_TRP;
	x.attr |= dte.data[0] & DTE_FLAG_HAD;
	if (dte.data[0] & DTE_FLAG_GV) {
		x.type = 3;
		x.guest = dte.data[2] & GPM;
	}
	return x;
}

static bool walks_fine(const struct plan *plan, const struct xlate *a, const struct xlate *b)
{
	unsigned int t0, t1;
	struct xlate x;

	for (t0 = 0; t0 <= plan->n; t0++) {
		for (t1 = t0; t1 <= plan->n; t1++) {
			x = decode(plan->at[t0].data128[0], plan->at[t1].data128[1]);
			if (memcmp(&x, a, sizeof(x)) && memcmp(&x, b, sizeof(x)))
				return false;
			x = decode(plan->at[t1].data128[0], plan->at[t0].data128[1]);
			if (memcmp(&x, a, sizeof(x)) && memcmp(&x, b, sizeof(x)))
				return false;
		}
	}
	return true;
}

static void make(struct kunit *test, struct plan *plan, const struct dev_table_entry *old,
		 const struct dev_table_entry *want)
{
	struct dev_table_entry entry = *old;
	struct amd_lu_update update = { .entry = &entry, .want = *want };
	struct amd_lu_store store;

	plan->n = 0;
	plan->at[0] = entry;
	while (amd_lu_next_store(&update, &store)) {
		KUNIT_ASSERT_LT(test, plan->n, MAX_STORES);
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED((uintptr_t)store.at, 16));
		*store.at = store.val;
		plan->at[++plan->n] = entry;
	}
}

static struct dev_table_entry v1(u64 top, u64 mode, u16 did, u64 attr)
{
	return (struct dev_table_entry) { .data = {
		DTE_FLAG_V | DTE_FLAG_TV | DTE_FLAG_IR | DTE_FLAG_IW | top |
			FIELD_PREP(DTE_MODE_MASK, mode) | (attr & DTE_FLAG_HAD),
		did | (attr & DTE_DATA1_SYSMGT_MASK),
	} };
}

/* All depths of tables, with and without dirty tracking and flags of firmware. */
static unsigned int all_entries(struct dev_table_entry *out)
{
	static const u64 attrs[] = { 0, DTE_FLAG_HAD, BIT_ULL(40), DTE_FLAG_HAD | BIT_ULL(41) };
	unsigned int n = 0, mode, i;

	for (mode = 1; mode <= 6; mode++)
		for (i = 0; i < ARRAY_SIZE(attrs); i++, n++)
			out[n] = v1((0x1000ULL + n) << 12, mode, 7 + n, attrs[i]);
	return n;
}

static void every_pair_without_a_gap(struct kunit *test)
{
	struct dev_table_entry *entry = kunit_kcalloc(test, 24, sizeof(*entry), GFP_KERNEL);
	struct dev_table_entry old;
	unsigned int n, i, j;
	struct plan plan;
	struct xlate a, b;

	KUNIT_ASSERT_NOT_NULL(test, entry);
	n = all_entries(entry);
	KUNIT_ASSERT_EQ(test, n, 24);
	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++) {
			old = entry[i];
			old.data[2] |= INTR;
			make(test, &plan, &old, &entry[j]);
			KUNIT_EXPECT_EQ(test, plan.n, i == j ? 0 : 1);

			a = decode(old.data128[0], old.data128[1]);
			b = decode(entry[j].data128[0], old.data128[1]);
			KUNIT_EXPECT_TRUE_MSG(test, walks_fine(&plan, &a, &b), "%u to %u", i, j);
			KUNIT_EXPECT_TRUE(test, amd_lu_dte_equal(&plan.at[plan.n], &entry[j]));
			KUNIT_EXPECT_EQ(test, plan.at[plan.n].data[2], INTR);
		}
	}
}

/* What somebody left in fields of guest tables goes first, while they mean nothing. */
static void left_overs_go_first(struct kunit *test)
{
	struct dev_table_entry old = v1(SZ_1M, 3, 1, 0), new = v1(SZ_2M, 4, 2, 0);
	struct xlate a, b;
	struct plan plan;

	old.data[2] |= INTR | GPM;
	make(test, &plan, &old, &new);
	KUNIT_EXPECT_EQ(test, plan.n, 2);
	KUNIT_EXPECT_EQ(test, plan.at[1].data[0], old.data[0]);
	a = decode(old.data128[0], old.data128[1]);
	b = decode(new.data128[0], old.data128[1]);
	KUNIT_EXPECT_TRUE(test, walks_fine(&plan, &a, &b));
}

/* Would the model see it? */
static void model_sees_mistakes(struct kunit *test)
{
	struct dev_table_entry old = v1(SZ_1M, 3, 1, 0), new = v1(SZ_2M, 4, 2, 0);
	struct xlate a = decode(old.data128[0], old.data128[1]);
	struct xlate b = decode(new.data128[0], new.data128[1]);
	struct plan plan = { .at = { old, old, new }, .n = 2 };

	KUNIT_EXPECT_TRUE(test, walks_fine(&plan, &a, &b));
	/* half of the lower half: new tables with the old id */
	plan.at[1].data[0] = new.data[0];
	KUNIT_EXPECT_FALSE(test, walks_fine(&plan, &a, &b));
	/* not valid for a moment, so that everything gets through */
	plan.at[1] = (struct dev_table_entry) {};
	KUNIT_EXPECT_FALSE(test, walks_fine(&plan, &a, &b));
	/* blocked for a moment */
	plan.at[1] = amd_lu_dte_blocking(&old);
	KUNIT_EXPECT_FALSE(test, walks_fine(&plan, &a, &b));
	/* interrupts were forgotten */
	plan.at[1] = old;
	plan.at[1].data[2] |= INTR;
	KUNIT_EXPECT_FALSE(test, walks_fine(&plan, &a, &b));
}

/* Whatever was there, nothing gets through, and what firmware wants is kept. */
static void blocking_blocks(struct kunit *test)
{
	struct dev_table_entry from = v1(SZ_1M, 3, 1, BIT_ULL(40)), dte;
	struct xlate x;

	from.data[0] |= DTE_FLAG_GV | DTE_FLAG_PPR;
	from.data[1] |= DTE_FLAG_IOTLB;
	from.data[2] = INTR | GPM | BIT_ULL(57) | BIT_ULL(62);
	from.data[3] = ~0ULL;
	dte = amd_lu_dte_blocking(&from);
	x = decode(dte.data128[0], dte.data128[1]);
	KUNIT_EXPECT_EQ(test, dte.data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, x.perms, 0);
	KUNIT_EXPECT_EQ(test, x.did, 0);
	KUNIT_EXPECT_EQ(test, x.attr, BIT_ULL(40));
	KUNIT_EXPECT_EQ(test, dte.data[2], GENMASK_ULL(57, 56) | BIT_ULL(62));
	KUNIT_EXPECT_EQ(test, dte.data[3], 0);

	/* erratum 63: firmware's flags come with permission to write, and without page tables */
	from = (struct dev_table_entry) { .data = { DTE_FLAG_IW, BIT_ULL(40) } };
	dte = amd_lu_dte_blocking(&from);
	KUNIT_EXPECT_EQ(test, dte.data[0], DTE_FLAG_V | DTE_FLAG_TV);
	KUNIT_EXPECT_EQ(test, dte.data[1], BIT_ULL(40));
}

/* Between the kernels: DMA of what is preserved, interrupts of IOAPICs and HPETs, else nothing. */
static void gap(struct kunit *test)
{
	struct dev_table_entry from = v1(SZ_1M, 3, 1, BIT_ULL(40)), dte;
	int i;

	from.data[2] = INTR;
	for (i = 0; i < 4; i++) {
		bool preserved = i & 1, legacy = i & 2;

		dte = amd_lu_dte_gap(&from, preserved, legacy);
		KUNIT_EXPECT_EQ(test, amd_lu_dte_equal(&dte, &from), preserved);
		if (!preserved)
			KUNIT_EXPECT_EQ(test, dte.data[0], DTE_FLAG_V | DTE_FLAG_TV);
		/* IV: IntCtl is looked at, and that aborts; not IV: they pass as they are */
		KUNIT_EXPECT_EQ(test, dte.data[2] & DTE_IRQ_REMAP_ENABLE, legacy ? 0 : 1);
		KUNIT_EXPECT_EQ(test, dte.data[2] & (DTE_IRQ_REMAP_INTCTL_MASK |
						     DTE_IRQ_PHYS_ADDR_MASK), 0);
	}
}

static void equal_is_about_dma(struct kunit *test)
{
	struct dev_table_entry a = v1(SZ_1M, 3, 1, 0), b = a;
	int i, bit;

	b.data[2] = INTR;
	KUNIT_EXPECT_TRUE(test, amd_lu_dte_equal(&a, &b));
	for (i = 0; i < 4; i++) {
		for (bit = 0; bit < 64; bit++) {
			b = a;
			b.data[i] ^= BIT_ULL(bit);
			KUNIT_EXPECT_EQ_MSG(test, amd_lu_dte_equal(&a, &b),
					    i == 2 && (bit < 52 || bit > 55), "bit %d",
					    i * 64 + bit);
		}
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_pair_without_a_gap),
	KUNIT_CASE(left_overs_go_first),
	KUNIT_CASE(model_sees_mistakes),
	KUNIT_CASE(blocking_blocks),
	KUNIT_CASE(gap),
	KUNIT_CASE(equal_is_about_dma),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu_lu_amd_hitless",
	.test_cases = cases,
};

kunit_test_suite(suite);
