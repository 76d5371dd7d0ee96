// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to a unit, seen by its registers and tables. They are memory here: two units,
 * one of which may do what QEMU's cannot, as be added or invalidate when it is told to.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>

#include "../../core/private.h"
#include "../../drivers-intel/internal.h"
#include "env.h"

#define NR		2
#define RID_SOUND	PCI_DEVID(1, PCI_DEVFN(3, 0))
#define RID_FAILED	PCI_DEVID(1, PCI_DEVFN(4, 0))
#define RID_NOBODY	PCI_DEVID(1, PCI_DEVFN(31, 7))
#define CAP_RWBF	BIT_ULL(4)
#define DID		7

struct fake {
	struct intel_iommu iommu[NR];
	struct dmar_drhd_unit drhd[NR];
	struct iommu_lu_unit unit[NR];
	struct iommu_lu_domain domain[NR];
	struct iommu_lu_device device[NR + 1];
	struct dmar_domain dmar_domain;
	struct iommu_lu_hdr *blob;
	/* of intel_lu_stop(), and what it says */
	unsigned int stops;
	bool not_found;
	struct iommu_lu_unit *stopped;
	/* of the unit's flush ops: what was invalidated, and the state of things then */
	char log[64];
	u64 root_then;
	u32 masked_then;
};

/* Stubs have no argument for it, and one test runs at a time. */
static struct fake *fake;

static void *reg(unsigned int i, unsigned int offset)
{
	return (void __force *)fake->iommu[i].reg + offset;
}

#define REG32(i, offset)	(*(u32 *)reg(i, offset))
#define REG64(i, offset)	(*(u64 *)reg(i, offset))

static void flush_context(struct intel_iommu *iommu, u16 did, u16 sid, u8 fm, u64 type)
{
	strlcat(fake->log, type == DMA_CCMD_GLOBAL_INVL ? "context " : "?", sizeof(fake->log));
	fake->root_then = readq(iommu->reg + DMAR_RTADDR_REG);
	fake->masked_then = readl(iommu->reg + DMAR_FECTL_REG) &
			    readl(iommu->reg + DMAR_PECTL_REG) & DMA_FECTL_IM;
}

static void flush_iotlb(struct intel_iommu *iommu, u16 did, u64 addr, unsigned int order, u64 type)
{
	strlcat(fake->log, type == DMA_TLB_GLOBAL_FLUSH ? "iotlb " : "?", sizeof(fake->log));
}

static struct iommu_lu_unit *stub_unit(struct intel_iommu *iommu)
{
	return iommu == &fake->iommu[0] ? &fake->unit[0] :
	       iommu == &fake->iommu[1] ? &fake->unit[1] : NULL;
}

static bool stub_stop(struct iommu_lu_unit *unit)
{
	fake->stops++;
	fake->stopped = unit;
	return !fake->not_found;
}

/* A blob of which nothing is believed: something was inherited, and there is no record. */
static int stub_find_blob(phys_addr_t *phys, size_t *len)
{
	*phys = virt_to_phys(fake->blob);
	*len = sizeof(*fake->blob);
	return 0;
}

static struct context_entry *context(unsigned int i, u16 rid)
{
	return iommu_context_addr(&fake->iommu[i], PCI_BUS_NUM(rid), rid & 0xff, 0);
}

/* As the driver has it when the unit has got its root table; with an entry for each of them. */
static void set_up(struct kunit *test, unsigned int i)
{
	static const u16 rids[] = { RID_SOUND, RID_FAILED, RID_NOBODY };
	struct intel_iommu *iommu = &fake->iommu[i];
	struct context_entry *table;
	int n;

	iommu->root_entry = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	table = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, iommu->root_entry && table);
	iommu->root_entry[1].lo = virt_to_phys(table) | INTEL_ENTRY_PRESENT;
	writeq(virt_to_phys(iommu->root_entry), iommu->reg + DMAR_RTADDR_REG);
	for (n = 0; n < ARRAY_SIZE(rids); n++) {
		context(i, rids[n])->lo = 0x1000 | INTEL_ENTRY_PRESENT;
		context(i, rids[n])->hi = DID << 8 | 1;
	}
}

/* As intel_lu_adopt() leaves it, with a device whose domain has an id. */
static void adopted(struct kunit *test, unsigned int i)
{
	struct iommu_lu_device *ldev = &fake->device[i];
	struct iommu_lu_unit *unit = &fake->unit[i];

	set_up(test, i);
	fake->iommu[i].flags |= INTEL_LU_FLAG_LEFT_ON;
	unit->iommu = &fake->iommu[i].iommu;
	unit->first = ldev;
	ldev->unit = unit;
	ldev->domain = &fake->domain[i];
	ldev->ser.nr_rids = 1;
	ldev->ser.rids[0] = RID_SOUND;
	ldev->ser.intel.did = DID;
	KUNIT_ASSERT_EQ(test, intel_lu_adopt_ids(&fake->iommu[i], unit), 0);
	KUNIT_ASSERT_TRUE(test, ldev->has_id);
}

/* --- adopting ------------------------------------------------------------------ */

static void only_named_entries_stay(struct kunit *test)
{
	struct iommu_lu_device *failed = &fake->device[NR];

	adopted(test, 0);
	*failed = fake->device[0];
	failed->ser.rids[0] = RID_FAILED;
	failed->failed = -EINVAL;
	fake->unit[0].first = failed;
	failed->next = &fake->device[0];

	KUNIT_ASSERT_EQ(test, intel_lu_clear_unnamed(&fake->iommu[0], &fake->unit[0]), 0);
	KUNIT_EXPECT_TRUE(test, context_present(context(0, RID_SOUND)));
	KUNIT_EXPECT_FALSE(test, context_present(context(0, RID_FAILED)));
	KUNIT_EXPECT_FALSE(test, context_present(context(0, RID_NOBODY)));
	/* intel_lu_probe() finds what is left */
	KUNIT_EXPECT_NE(test, context(0, RID_FAILED)->lo, 0);
}

static void late_unit_stays_on(struct kunit *test)
{
	struct intel_iommu *iommu = &fake->iommu[0];

	KUNIT_EXPECT_TRUE(test, intel_lu_running(iommu));
	REG32(0, DMAR_GSTS_REG) &= ~DMA_GSTS_TES;
	KUNIT_EXPECT_FALSE(test, intel_lu_running(iommu));
	REG32(0, DMAR_GSTS_REG) |= DMA_GSTS_TES;
	/* nor does it matter that there is no record, see stub_find_blob() */
	KUNIT_EXPECT_NULL(test, iommu_lu_unit_incoming(iommu->reg_phys));
	set_up(test, 0);
	KUNIT_EXPECT_FALSE(test, intel_lu_running(iommu));
}

/* Nobody looks for devices behind it, so nobody could finish its session over their heads. */
static void late_unit_that_is_left_out(struct kunit *test)
{
	fake->drhd[0].ignored = 1;
	KUNIT_EXPECT_EQ(test, intel_lu_adopt(&fake->iommu[0]), 0);
	KUNIT_EXPECT_TRUE(test, intel_lu_running(&fake->iommu[0]));
	KUNIT_EXPECT_NULL(test, fake->unit[0].iommu);
	KUNIT_EXPECT_EQ(test, fake->unit[0].failed, 0);
}

/* Its root table cannot be replaced, and it cannot be turned off: nothing is written. */
static void late_unit_in_another_mode(struct kunit *test)
{
	struct intel_iommu *iommu = &fake->iommu[0];
	u64 root = 0x1234000 | DMA_RTADDR_SMT;

	REG64(0, DMAR_RTADDR_REG) = root;
	KUNIT_EXPECT_EQ(test, intel_lu_adopt(iommu), -EBUSY);
	KUNIT_EXPECT_TRUE(test, intel_lu_abandon(iommu));
	KUNIT_EXPECT_EQ(test, REG64(0, DMAR_RTADDR_REG), root);
	KUNIT_EXPECT_STREQ(test, fake->log, "");
	/* so that its session cannot be finished */
	KUNIT_EXPECT_NULL(test, fake->unit[0].iommu);
	KUNIT_EXPECT_EQ(test, fake->unit[0].failed, 0);
}

/* One that is left out at boot: its own devices are stopped, and only then it goes off. */
static void unit_that_is_left_out(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, intel_lu_leave_out(&fake->iommu[1]));
	KUNIT_EXPECT_EQ(test, fake->stops, 1);
	KUNIT_EXPECT_PTR_EQ(test, fake->stopped, &fake->unit[1]);
	fake->not_found = true;
	KUNIT_EXPECT_TRUE(test, intel_lu_leave_out(&fake->iommu[1]));
	KUNIT_EXPECT_EQ(test, fake->stops, 2);
	/* one that is off is nobody's business */
	REG32(1, DMAR_GSTS_REG) &= ~DMA_GSTS_TES;
	KUNIT_EXPECT_FALSE(test, intel_lu_leave_out(&fake->iommu[1]));
	KUNIT_EXPECT_EQ(test, fake->stops, 2);
}

/* --- giving up ------------------------------------------------------------------- */

static void late_unit_is_given_up_alone(struct kunit *test)
{
	u64 nothing = virt_to_phys(page_address(ZERO_PAGE(0)));
	struct intel_iommu *iommu = &fake->iommu[0];
	struct root_entry *root;

	adopted(test, 0);
	adopted(test, 1);
	root = iommu->root_entry;
	KUNIT_EXPECT_TRUE(test, intel_lu_abandon(iommu));
	KUNIT_EXPECT_EQ(test, fake->stops, 1);
	KUNIT_EXPECT_PTR_EQ(test, fake->stopped, &fake->unit[0]);
	/* on, and everything blocked; and it is the driver that frees the tables */
	KUNIT_EXPECT_EQ(test, REG64(0, DMAR_RTADDR_REG), nothing);
	KUNIT_EXPECT_STREQ(test, fake->log, "context iotlb ");
	KUNIT_EXPECT_PTR_EQ(test, iommu->root_entry, root);
	KUNIT_EXPECT_TRUE(test, ida_is_empty(&iommu->domain_ida));
	KUNIT_EXPECT_NE(test, fake->unit[0].failed, 0);
	KUNIT_EXPECT_NULL(test, fake->unit[0].iommu);
	/* what undoes the whole hotplug comes by once more, when the tables are gone */
	iommu->root_entry = NULL;
	KUNIT_EXPECT_TRUE(test, intel_lu_abandon(iommu));
	KUNIT_EXPECT_EQ(test, REG64(0, DMAR_RTADDR_REG), nothing);

	KUNIT_EXPECT_EQ(test, fake->unit[1].failed, 0);
	KUNIT_EXPECT_TRUE(test, ida_exists(&fake->iommu[1].domain_ida, DID));
	KUNIT_EXPECT_NE(test, REG64(1, DMAR_RTADDR_REG), nothing);
}

/* Another unit of the same host bridge has failed before its turn. */
static void late_unit_that_was_not_set_up(struct kunit *test)
{
	fake->iommu[0].flush.flush_context = NULL;
	REG64(0, DMAR_RTADDR_REG) = 0x1234000;
	KUNIT_EXPECT_TRUE(test, intel_lu_abandon(&fake->iommu[0]));
	KUNIT_EXPECT_EQ(test, REG64(0, DMAR_RTADDR_REG), 0x1234000);
	/* so that its session cannot be finished */
	KUNIT_EXPECT_NULL(test, fake->unit[0].iommu);
	KUNIT_EXPECT_EQ(test, fake->unit[0].failed, 0);
}

static void ordinary_unit_is_removed(struct kunit *test)
{
	set_up(test, 0);
	KUNIT_EXPECT_FALSE(test, intel_lu_abandon(&fake->iommu[0]));
	KUNIT_EXPECT_EQ(test, fake->stops, 0);
	KUNIT_EXPECT_EQ(test, REG64(0, DMAR_RTADDR_REG), virt_to_phys(fake->iommu[0].root_entry));
}

static void unit_in_use(struct kunit *test)
{
	struct intel_iommu *iommu = &fake->iommu[0];
	struct dmar_domain *domain = &fake->dmar_domain;
	struct iommu_lu_device *ldev = &fake->device[0];
	static struct device dev;

	KUNIT_EXPECT_TRUE(test, intel_lu_may_remove(NULL));
	set_up(test, 0);
	KUNIT_EXPECT_TRUE(test, intel_lu_may_remove(iommu));
	/* preserved */
	iommu->iommu.lu = &fake->unit[0];
	KUNIT_EXPECT_FALSE(test, intel_lu_may_remove(iommu));
	iommu->iommu.lu = NULL;

	/* a device may still come */
	adopted(test, 0);
	KUNIT_EXPECT_FALSE(test, intel_lu_may_remove(iommu));
	/* it has come */
	ldev->dev = &dev;
	ldev->held = true;
	KUNIT_EXPECT_FALSE(test, intel_lu_may_remove(iommu));
	/* it has left, but the domain is there */
	ldev->held = false;
	fake->domain[0].domain = &domain->domain;
	KUNIT_ASSERT_EQ(test, intel_lu_restore_id(iommu, domain, DID), 0);
	KUNIT_EXPECT_FALSE(test, intel_lu_may_remove(iommu));
	KUNIT_EXPECT_TRUE(test, iommu->flags & INTEL_LU_FLAG_LEFT_ON);

	domain->domain.lu = &fake->domain[0];
	fake->domain[0].incoming = true;
	intel_lu_free_ids(domain);
	fake->domain[0].domain = NULL;
	KUNIT_EXPECT_TRUE(test, intel_lu_may_remove(iommu));
	/* from here on it goes the way of all units */
	KUNIT_EXPECT_FALSE(test, intel_lu_abandon(iommu));
	KUNIT_EXPECT_EQ(test, fake->stops, 0);
	KUNIT_EXPECT_NULL(test, fake->unit[0].iommu);
}

/* --- a device that does not come back ------------------------------------------------ */

static void forgotten_device_is_blocked(struct kunit *test)
{
	struct intel_iommu *iommu = &fake->iommu[0];

	adopted(test, 0);
	iommu->cap |= CAP_RWBF;
	fake->device[0].failed = -ENODEV;
	intel_lu_forget_device(&fake->device[0]);
	KUNIT_EXPECT_EQ(test, context(0, RID_SOUND)->lo, 0);
	KUNIT_EXPECT_EQ(test, context(0, RID_SOUND)->hi, 0);
	KUNIT_EXPECT_STREQ(test, fake->log, "context iotlb ");
	KUNIT_EXPECT_TRUE(test, REG32(0, DMAR_GCMD_REG) & DMA_GCMD_WBF);
	KUNIT_EXPECT_TRUE(test, ida_is_empty(&iommu->domain_ida));
	KUNIT_EXPECT_TRUE(test, context_present(context(0, RID_NOBODY)));
}

static int make(struct kunit *test)
{
	int i;

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->blob = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->blob);
	for (i = 0; i < NR; i++) {
		struct intel_iommu *iommu = &fake->iommu[i];

		iommu->reg = (void __iomem *)kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, (void __force *)iommu->reg);
		REG32(i, DMAR_GSTS_REG) = DMA_GSTS_TES | DMA_GSTS_RTPS;
		iommu->gcmd = DMA_GCMD_TE;
		iommu->flush.flush_context = flush_context;
		iommu->flush.flush_iotlb = flush_iotlb;
		/* it snoops, so that the cache is left alone; and has page requests */
		iommu->ecap = BIT_ULL(0) | BIT_ULL(29);
		iommu->drhd = &fake->drhd[i];
		iommu->seq_id = i;
		ida_init(&iommu->domain_ida);
		mutex_init(&iommu->did_lock);
		spin_lock_init(&iommu->lock);
		raw_spin_lock_init(&iommu->register_lock);
		snprintf(iommu->name, sizeof(iommu->name), "test%d", i);
	}
	xa_init(&fake->dmar_domain.iommu_array);
	return 0;
}

static int unit_init(struct kunit *test)
{
	int ret = make(test);

	kunit_activate_static_stub(test, intel_lu_unit, stub_unit);
	kunit_activate_static_stub(test, intel_lu_stop, stub_stop);
	kunit_activate_static_stub(test, iommu_lu_find_blob, stub_find_blob);
	iommu_lu_forget_incoming();
	return ret;
}

static void drop(void)
{
	int i;

	if (!fake)
		return;
	for (i = 0; i < NR; i++)
		ida_destroy(&fake->iommu[i].domain_ida);
	xa_destroy(&fake->dmar_domain.iommu_array);
	fake = NULL;
}

static void unit_exit(struct kunit *test)
{
	drop();
	iommu_lu_forget_incoming();
}

static struct kunit_case unit_cases[] = {
	KUNIT_CASE(only_named_entries_stay),
	KUNIT_CASE(late_unit_stays_on),
	KUNIT_CASE(late_unit_that_is_left_out),
	KUNIT_CASE(late_unit_in_another_mode),
	KUNIT_CASE(unit_that_is_left_out),
	KUNIT_CASE(late_unit_is_given_up_alone),
	KUNIT_CASE(late_unit_that_was_not_set_up),
	KUNIT_CASE(ordinary_unit_is_removed),
	KUNIT_CASE(unit_in_use),
	KUNIT_CASE(forgotten_device_is_blocked),
	{}
};

static struct kunit_suite unit_suite = {
	.name = "iommu_lu_vtd_unit",
	.init = unit_init,
	.exit = unit_exit,
	.test_cases = unit_cases,
};

/* --- shutdown ------------------------------------------------------------------------- */

/* Events masked, then the root table, then the caches; interrupts were gone before. */
static void order_of_the_switch(struct kunit *test)
{
	struct intel_iommu *iommu = &fake->iommu[0];
	struct iommu_lu_unit *unit = &fake->unit[0];
	struct irte *irt = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, irt);
	memset(irt, 0xff, SZ_4K);
	KUNIT_ASSERT_EQ(test, intel_lu_shadow_alloc(iommu, unit), 0);
	unit->ser.intel.irt_pa = virt_to_phys(irt);
	unit->ser.intel.irt_lg2 = 12;
	iommu->iommu.lu = unit;

	/* no live update is under way */
	KUNIT_EXPECT_FALSE(test, intel_lu_shutdown(iommu));
	KUNIT_EXPECT_EQ(test, REG64(0, DMAR_RTADDR_REG), 0);

	env_attach(test, 0, env_domain(test, env_dev(test, 0)));
	env_preserve(test, 0);
	KUNIT_ASSERT_EQ(test, env_freeze(test, 1, 0), 0);
	KUNIT_EXPECT_TRUE(test, intel_lu_shutdown(iommu));
	KUNIT_EXPECT_STREQ(test, fake->log, "context iotlb ");
	KUNIT_EXPECT_EQ(test, fake->root_then, unit->ser.intel.root_pa);
	KUNIT_EXPECT_EQ(test, fake->masked_then, DMA_FECTL_IM);
	KUNIT_EXPECT_EQ(test, REG32(0, DMAR_GCMD_REG), DMA_GCMD_TE | DMA_GCMD_SRTP);
	for (i = 0; i < SZ_4K / sizeof(*irt); i++) {
		KUNIT_EXPECT_EQ(test, irt[i].low, 2);	/* FPD */
		KUNIT_EXPECT_EQ(test, irt[i].high, 0);
	}
	env_unfreeze(test, 1, 0);
	env_unpreserve(test, 0);
	intel_lu_shadow_free(unit);

	/* nothing behind the other one is preserved */
	KUNIT_EXPECT_FALSE(test, intel_lu_shutdown(&fake->iommu[1]));
}

static int shutdown_init(struct kunit *test)
{
	return make(test) ?: env_init(test, &lu_mock_backend);
}

static void shutdown_exit(struct kunit *test)
{
	env_exit(test);
	drop();
}

static struct kunit_case shutdown_cases[] = {
	KUNIT_CASE(order_of_the_switch),
	{}
};

static struct kunit_suite shutdown_suite = {
	.name = "iommu_lu_vtd_shutdown",
	.init = shutdown_init,
	.exit = shutdown_exit,
	.test_cases = shutdown_cases,
};

kunit_test_suites(&unit_suite, &shutdown_suite);
