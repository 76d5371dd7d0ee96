// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever the hardware fetches, and whenever: the old translation or the new one.
 *
 * The model of the hardware knows nothing of how an update is done. It walks from the
 * context entry to the translation and may be as slow as it likes: each fetch sees memory as
 * it was at some moment not before the fetch that led to it. A legacy context entry is
 * fetched as a whole, a scalable-mode one and a directory entry by quadword, a PASID table
 * entry in four parts of 128 bits, each at a moment of its own.
 */
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/string.h>

#include "../../drivers-intel/hitless.h"

#define OLD_DIR		0x1000ULL
#define NEW_DIR		0x2000ULL
#define OLD_TABLE	0x3000ULL
#define NEW_TABLE	0x4000ULL

#define MAX_STORES	16

/* What the tables consist of, as far as one device goes. */
struct mem {
	u64 context[2] __aligned(16);
	u64 old_dir, new_dir;
	u64 old_entry[8], new_entry[8];
};

struct plan {
	struct mem mem;			/* the last moment */
	struct mem at[MAX_STORES + 1];	/* every moment */
	struct intel_lu_store store[MAX_STORES];
	unsigned int n;
};

/* What a request is translated by. */
struct xlate {
	u64 type;	/* 0: fault */
	u64 top;
	u64 width;
	u64 did;
	u64 attr;
};

static struct xlate decode_legacy(const u64 *context)
{
	if (!(context[0] & INTEL_ENTRY_PRESENT) || FIELD_GET(INTEL_CONTEXT_TT, context[0]) > 1)
		return (struct xlate) {};
	return (struct xlate) {
		.type = 1,
		.top = context[0] & INTEL_ENTRY_POINTER,
		.width = FIELD_GET(INTEL_CONTEXT_AW, context[1]),
		.did = FIELD_GET(INTEL_CONTEXT_DID, context[1]),
		.attr = FIELD_GET(INTEL_CONTEXT_TT, context[0]),
	};
}

static struct xlate decode_pasid(const u64 *val)
{
	struct xlate x = {};

	if (!(val[0] & INTEL_ENTRY_PRESENT))
		return x;
	x.did = FIELD_GET(INTEL_PASID1_DID, val[1]);
	x.attr = val[1] & (INTEL_PASID1_PWSNP | INTEL_PASID1_PGSNP);
	switch (FIELD_GET(INTEL_PASID0_PGTT, val[0])) {
	case INTEL_PGTT_FIRST:
		x.type = 2;
		x.top = val[2] & INTEL_ENTRY_POINTER;
		x.width = FIELD_GET(INTEL_PASID2_FSPM, val[2]);
		break;
	case INTEL_PGTT_SECOND:
		x.type = 3;
		x.top = val[0] & INTEL_ENTRY_POINTER;
		x.width = FIELD_GET(INTEL_PASID0_AW, val[0]);
		x.attr |= val[0] & INTEL_PASID0_SSADE;
		break;
	}
	return x;
}

static bool same(const struct xlate *a, const struct xlate *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Every value of one part of an entry that can be seen from moment @from on. */
static unsigned int parts(const struct plan *plan, unsigned int from, bool new, int part,
			  u64 (*seen)[2])
{
	unsigned int n = 0, t, i;

	for (t = from; t <= plan->n; t++) {
		const u64 *entry = new ? plan->at[t].new_entry : plan->at[t].old_entry;

		for (i = 0; i < n; i++)
			if (!memcmp(seen[i], &entry[part * 2], 16))
				break;
		if (i == n)
			memcpy(seen[n++], &entry[part * 2], 16);
	}
	return n;
}

static bool entries_fine(const struct plan *plan, unsigned int from, bool new,
			 const struct xlate *a, const struct xlate *b)
{
	/* large, and one test runs at a time */
	static u64 seen[4][MAX_STORES + 1][2];
	unsigned int n[4], pick, rest, i;
	u64 val[8];
	struct xlate x;

	for (i = 0; i < 4; i++)
		n[i] = parts(plan, from, new, i, seen[i]);
	for (pick = 0; pick < n[0] * n[1] * n[2] * n[3]; pick++) {
		for (i = 0, rest = pick; i < 4; rest /= n[i++])
			memcpy(&val[i * 2], seen[i][rest % n[i]], 16);
		x = decode_pasid(val);
		if (!same(&x, a) && !same(&x, b))
			return false;
	}
	return true;
}

/* Does every walk end at @a or @b? */
static bool walks_fine(const struct plan *plan, bool scalable, const struct xlate *a,
		       const struct xlate *b)
{
	unsigned int t0, t1;

	for (t0 = 0; t0 <= plan->n; t0++) {
		u64 context = plan->at[t0].context[0];
		struct xlate x;

		if (!scalable) {
			x = decode_legacy(plan->at[t0].context);
			if (!same(&x, a) && !same(&x, b))
				return false;
			continue;
		}
		if (!(context & INTEL_ENTRY_PRESENT))
			return false;
		for (t1 = t0; t1 <= plan->n; t1++) {
			bool new = (context & INTEL_ENTRY_POINTER) == NEW_DIR;
			u64 dir = new ? plan->at[t1].new_dir : plan->at[t1].old_dir;

			if (!(dir & INTEL_ENTRY_PRESENT))
				return false;
			if (!entries_fine(plan, t1, (dir & INTEL_ENTRY_POINTER) == NEW_TABLE,
					  a, b))
				return false;
		}
	}
	return true;
}

static void play(struct plan *plan)
{
	unsigned int i;

	plan->mem = plan->at[0];
	for (i = 0; i < plan->n; i++) {
		memcpy(plan->store[i].at, plan->store[i].val, plan->store[i].qwords * 8);
		plan->at[i + 1] = plan->mem;
	}
}

static void make(struct kunit *test, struct plan *plan, struct intel_lu_update *update)
{
	plan->n = 0;
	plan->at[0] = plan->mem;
	while (intel_lu_next_store(update, &plan->store[plan->n])) {
		struct intel_lu_store *store = &plan->store[plan->n];

		KUNIT_ASSERT_LT(test, plan->n, MAX_STORES - 1);
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED((uintptr_t)store->at, store->qwords * 8));
		memcpy(store->at, store->val, store->qwords * 8);
		plan->n++;
	}
	play(plan);
}

static void make_legacy(struct kunit *test, struct plan *plan, struct intel_lu_context old,
			struct intel_lu_context new)
{
	struct intel_lu_update update = { .context = plan->mem.context, .want_context = new };

	memset(&plan->mem, 0, sizeof(plan->mem));
	plan->mem.context[0] = old.lo;
	plan->mem.context[1] = old.hi;
	make(test, plan, &update);
}

static void make_scalable(struct kunit *test, struct plan *plan, struct intel_lu_pasid old,
			  struct intel_lu_pasid new)
{
	struct mem *mem = &plan->mem;
	/* P, PASIDE, PDTS 2 and RID_PASID are carried along */
	struct intel_lu_update update = {
		.context = mem->context,
		.dir = &mem->new_dir,
		.entry = mem->new_entry,
		.want_context = { .lo = NEW_DIR | 2 << 9 | 8 | 1 },
		.want_dir = NEW_TABLE | INTEL_ENTRY_PRESENT,
		.want_entry = new,
	};

	memset(mem, 0, sizeof(*mem));
	mem->context[0] = OLD_DIR | 2 << 9 | 8 | 1;
	mem->old_dir = OLD_TABLE | INTEL_ENTRY_PRESENT;
	memcpy(mem->old_entry, old.val, sizeof(old.val));
	make(test, plan, &update);
}

#define NR_LEGACY	8
#define NR_PASID	12

/* Tables of 3 to 5 levels, with and without translation requests; one id for two. */
static struct intel_lu_context legacy_entry(unsigned int i)
{
	return intel_lu_context_make(0x10000000ULL + i * 0x1000, 1 + i % 3, 5 + i / 2, i & 1);
}

/* Second stage and first stage, with every attribute; one id for two. */
static struct intel_lu_pasid pasid_entry(unsigned int i)
{
	u64 top = 0xf000010000000ULL + i * 0x1000;
	u16 did = 0xff00 + i / 2;

	return i < NR_PASID / 2 ?
		intel_lu_pasid_second(top, 1 + i % 3, did, i & 1, i & 2) :
		intel_lu_pasid_first(top, i & 1, 2, did, i & 2, i & 4);
}

static struct plan *new_plan(struct kunit *test)
{
	struct plan *plan = kunit_kzalloc(test, sizeof(*plan), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, plan);
	return plan;
}

static void legacy_pairs(struct kunit *test)
{
	struct plan *plan = new_plan(test);
	unsigned int i, j;

	for (i = 0; i < NR_LEGACY; i++) {
		for (j = 0; j < NR_LEGACY; j++) {
			struct intel_lu_context old = legacy_entry(i), new = legacy_entry(j);
			struct xlate a = decode_legacy(&old.lo), b = decode_legacy(&new.lo);

			make_legacy(test, plan, old, new);
			KUNIT_EXPECT_EQ(test, plan->n, i != j);
			KUNIT_EXPECT_TRUE_MSG(test, walks_fine(plan, false, &a, &b),
					      "%u to %u", i, j);
			/* and in the end none but the new one */
			KUNIT_EXPECT_EQ(test, plan->mem.context[0], new.lo);
			KUNIT_EXPECT_EQ(test, plan->mem.context[1], new.hi);
		}
	}
}

static void scalable_pairs(struct kunit *test)
{
	struct plan *plan = new_plan(test), *last = new_plan(test);
	unsigned int i, j, k;

	for (i = 0; i < NR_PASID; i++) {
		for (j = 0; j < NR_PASID; j++) {
			struct intel_lu_pasid old = pasid_entry(i), new = pasid_entry(j);
			struct xlate a = decode_pasid(old.val), b = decode_pasid(new.val);

			KUNIT_ASSERT_NE(test, a.type, 0);
			make_scalable(test, plan, old, new);
			KUNIT_EXPECT_TRUE_MSG(test, walks_fine(plan, true, &a, &b),
					      "%u to %u", i, j);
			/* nothing that was in use is changed but the pointer */
			KUNIT_EXPECT_MEMEQ(test, plan->mem.old_entry, old.val, sizeof(old.val));
			for (k = 0; k + 1 < plan->n; k++)
				KUNIT_EXPECT_PTR_NE(test, plan->store[k].at,
						    &plan->mem.context[0]);
			/* and in the end none but the new one */
			memset(last, 0, sizeof(*last));
			last->at[0] = plan->mem;
			KUNIT_EXPECT_TRUE(test, walks_fine(last, true, &b, &b));
		}
	}
}

/* --- the model sees what it should ------------------------------------------ */

static void swap_stores(struct plan *plan, unsigned int i, unsigned int j)
{
	swap(plan->store[i], plan->store[j]);
	play(plan);
}

/* Nothing that is stored before the last store can be reached before it, in any order. */
static void swapped_stores_are_seen(struct kunit *test)
{
	struct plan *plan = new_plan(test);
	unsigned int i, j, k, l;

	for (i = 0; i < NR_PASID; i++) {
		for (j = 0; j < NR_PASID; j++) {
			struct intel_lu_pasid old = pasid_entry(i), new = pasid_entry(j);
			struct xlate a = decode_pasid(old.val), b = decode_pasid(new.val);

			make_scalable(test, plan, old, new);
			KUNIT_ASSERT_GE(test, plan->n, 4);
			for (k = 0; k + 1 < plan->n; k++) {
				for (l = k + 1; l < plan->n; l++) {
					swap_stores(plan, k, l);
					KUNIT_EXPECT_EQ_MSG(test, l < plan->n - 1,
							    walks_fine(plan, true, &a, &b),
							    "%u to %u, stores %u and %u", i, j,
							    k, l);
					swap_stores(plan, k, l);
				}
			}
		}
	}
}

static void halves_are_seen(struct kunit *test)
{
	struct plan *plan = new_plan(test);
	struct intel_lu_context old = legacy_entry(0), new = legacy_entry(3);
	struct xlate a = decode_legacy(&old.lo), b = decode_legacy(&new.lo);

	make_legacy(test, plan, old, new);
	KUNIT_ASSERT_EQ(test, plan->n, 1);
	plan->n = 2;
	plan->store[1] = (struct intel_lu_store) {
		.at = &plan->mem.context[1], .qwords = 1, .val = { new.hi },
	};
	plan->store[0].qwords = 1;
	play(plan);
	KUNIT_EXPECT_FALSE(test, walks_fine(plan, false, &a, &b));
	swap_stores(plan, 0, 1);
	KUNIT_EXPECT_FALSE(test, walks_fine(plan, false, &a, &b));
}

/* Why the entry is not changed where it is: in any order, with stores of any size. */
static void in_place_is_seen(struct kunit *test)
{
	static const u8 orders[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	struct intel_lu_pasid old = pasid_entry(NR_PASID - 1), new = pasid_entry(NR_PASID - 3);
	struct xlate a = decode_pasid(old.val), b = decode_pasid(new.val);
	struct plan *plan = new_plan(test);
	unsigned int order, i;

	KUNIT_ASSERT_NE(test, a.did, b.did);
	for (order = 0; order < ARRAY_SIZE(orders); order++) {
		make_scalable(test, plan, old, old);
		plan->n = 3;
		for (i = 0; i < 3; i++) {
			unsigned int q = orders[order][i];

			plan->store[i] = (struct intel_lu_store) {
				.at = &plan->mem.old_entry[q], .qwords = 1,
				.val = { new.val[q] },
			};
		}
		play(plan);
		KUNIT_EXPECT_FALSE(test, walks_fine(plan, true, &a, &b));
	}
	/* 512 bits at once: memory never has both, but a fetch in parts does */
	make_scalable(test, plan, old, old);
	plan->n = 1;
	plan->at[1] = plan->at[0];
	memcpy(plan->at[1].old_entry, new.val, sizeof(new.val));
	KUNIT_EXPECT_FALSE(test, walks_fine(plan, true, &a, &b));
}

/* --- entries ------------------------------------------------------------------- */

static void entries(struct kunit *test)
{
	struct intel_lu_context c = intel_lu_context_make(0x123456789000ULL, 2, 0xabcd, true), d;
	struct intel_lu_pasid p;

	/* 9.3: P, TT 01b, SSPTPTR; AW, DID */
	KUNIT_EXPECT_EQ(test, c.lo, 0x123456789005ULL);
	KUNIT_EXPECT_EQ(test, c.hi, 0xabcd02ULL);
	d = c;
	d.hi |= GENMASK_ULL(6, 3);
	KUNIT_EXPECT_TRUE(test, intel_lu_context_equal(c, d));
	d.lo |= BIT_ULL(1);
	KUNIT_EXPECT_FALSE(test, intel_lu_context_equal(c, d));
	/* 9.3: TT; 9.4: DTE */
	KUNIT_EXPECT_TRUE(test, intel_lu_context_ats(c, false));
	c.lo ^= BIT_ULL(2);
	KUNIT_EXPECT_FALSE(test, intel_lu_context_ats(c, false));
	KUNIT_EXPECT_FALSE(test, intel_lu_context_ats(c, true));
	c.lo |= BIT_ULL(2);
	KUNIT_EXPECT_TRUE(test, intel_lu_context_ats(c, true));

	/* 9.6: P, AW 4:2, PGTT 8:6, SSADE 9, SSPTPTR; DID 79:64, PWSNP 87 */
	p = intel_lu_pasid_second(0x123456789000ULL, 3, 0xabcd, true, true);
	KUNIT_EXPECT_EQ(test, p.val[0], 0x12345678928dULL);
	KUNIT_EXPECT_EQ(test, p.val[1], 0x80abcdULL);
	KUNIT_EXPECT_EQ(test, p.val[2], 0);

	/* 9.6: PGSNP 88; FSPM 131:130, FSPTPTR */
	p = intel_lu_pasid_first(0x123456789000ULL, true, 2, 0xabcd, false, true);
	KUNIT_EXPECT_EQ(test, p.val[0], 0x49ULL);
	KUNIT_EXPECT_EQ(test, p.val[1], 0x100abcdULL);
	KUNIT_EXPECT_EQ(test, p.val[2], 0x123456789004ULL);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(entries),
	KUNIT_CASE(legacy_pairs),
	KUNIT_CASE(scalable_pairs),
	KUNIT_CASE(swapped_stores_are_seen),
	KUNIT_CASE(halves_are_seen),
	KUNIT_CASE(in_place_is_seen),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu_lu_vtd_hitless",
	.test_cases = cases,
};

kunit_test_suite(suite);
