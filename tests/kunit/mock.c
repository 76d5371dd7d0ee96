// SPDX-License-Identifier: GPL-2.0
/*
 * A backend for live update, as small as one can be.
 *
 * The IOMMU is made up. A unit has one register, which holds the address of a
 * device table with one entry of 8 bytes per requester id. An entry that is not
 * valid blocks; a valid one has the address of AMD v1 page tables and a domain
 * id. Without a table everything passes through.
 *
 * What is peculiar to live update is below "live update"; the rest is what any
 * IOMMU driver has. docs/writing-a-backend.md walks through it.
 */
#include <linux/bitfield.h>
#include <linux/generic_pt/iommu.h>
#include <linux/idr.h>
#include <linux/pci-ats.h>
#include <linux/property.h>

#include "../../../iommu-pages.h"
#include "env.h"
#include "mock.h"

struct mock_unit {
	struct iommu_device iommu;
	struct mock_hw *hw;
	u64 *table;
	struct ida dids;
};

struct mock_domain {
	union {
		struct iommu_domain domain;
		struct pt_iommu iommu;
		struct pt_iommu_amdv1 amdv1;
	};
	struct mock_unit *unit;
	/* that the top of the tables may be moved under */
	spinlock_t lock;
	u16 did;
};

PT_IOMMU_CHECK_DOMAIN(struct mock_domain, iommu, domain);
PT_IOMMU_CHECK_DOMAIN(struct mock_domain, amdv1.iommu, domain);

struct mock_hw mock_hw[MOCK_NR_UNITS] = {
	{ .token = 0xfdf00000 },
	{ .token = 0xfdf01000 },
};

bool mock_one_group;

static struct mock_unit *mock_units[MOCK_NR_UNITS];

static struct mock_unit *to_unit(struct iommu_device *iommu)
{
	return container_of(iommu, struct mock_unit, iommu);
}

static struct mock_domain *to_mock(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_domain, domain);
}

static struct mock_unit *unit_of(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	return mock_units[!pdev->bus->number && PCI_SLOT(pdev->devfn) == 3];
}

/* --- the hardware ------------------------------------------------------------ */

static void write_table_register(struct mock_hw *hw, u64 table)
{
	hw->table = table;
	env_stored();
}

/* One store of 8 bytes: the device sees the old entry or the new one. */
static void write_entry(struct mock_unit *unit, u16 rid, u64 entry)
{
	u64 *p = &unit->table[rid % MOCK_NR_ENTRIES];

	if (*p == entry)
		return;
	WRITE_ONCE(*p, entry);
	if (unit->hw->table == virt_to_phys(unit->table))
		env_stored();
}

/* The last alias is what arrives at the root bus. */
static int last_rid(struct pci_dev *pdev, u16 rid, void *arg)
{
	*(u16 *)arg = rid;
	return 0;
}

/* AMD IOMMU specification 2.2.3: next level in 11:9, 0 is a page of this level */
static bool walk(u64 table, unsigned int level, bool top, u64 iova, u64 *pa)
{
	unsigned int shift = PAGE_SHIFT + 9 * level;
	u64 pte = ((u64 *)phys_to_virt(table))[(iova >> shift) & 0x1ff];

	if (iova >> shift >> 9 && top)
		return false;
	if (!(pte & 1))
		return false;
	if ((pte >> 9 & 7) == 0) {
		*pa = (pte & GENMASK_ULL(51, shift)) | (iova & GENMASK_ULL(shift - 1, 0));
		return true;
	}
	return level && walk(pte & GENMASK_ULL(51, 12), level - 1, false, iova, pa);
}

/**
 * mock_translate - where does a write of the device go?
 * @dev: device
 * @iova: address it writes to
 * @pa: result
 *
 * Return: false if it is blocked.
 */
bool mock_translate(struct device *dev, u64 iova, u64 *pa)
{
	struct mock_hw *hw = unit_of(dev)->hw;
	u64 entry;
	u16 rid;

	*pa = iova;
	if (!hw->table)
		return true;
	pci_for_each_dma_alias(to_pci_dev(dev), last_rid, &rid);
	entry = ((u64 *)phys_to_virt(hw->table))[rid % MOCK_NR_ENTRIES];
	if (!(entry & MOCK_ENTRY_V))
		return false;
	if (!(entry & MOCK_ENTRY_TOP))
		return true;
	return walk(entry & MOCK_ENTRY_TOP, FIELD_GET(MOCK_ENTRY_LEVELS, entry) - 1, true, iova,
		    pa);
}

/* --- the driver ---------------------------------------------------------------- */

static u64 pack_entry(u64 top, unsigned int levels, u16 did)
{
	return top | FIELD_PREP(MOCK_ENTRY_LEVELS, levels) | FIELD_PREP(MOCK_ENTRY_DID, did) |
	       MOCK_ENTRY_V;
}

static u64 make_entry(struct mock_domain *md)
{
	struct pt_iommu_amdv1_hw_info info;

	pt_iommu_amdv1_hw_info(&md->amdv1, &info);
	return pack_entry(info.host_pt_root, info.mode, md->did);
}

struct store {
	struct mock_unit *unit;
	u64 entry;
};

static int store_entry(struct pci_dev *pdev, u16 rid, void *arg)
{
	struct store *store = arg;

	write_entry(store->unit, rid, store->entry);
	return 0;
}

static int attach(struct device *dev, u64 entry)
{
	struct store store = { unit_of(dev), entry };

	return pci_for_each_dma_alias(to_pci_dev(dev), store_entry, &store);
}

static int mock_attach_blocked(struct iommu_domain *domain, struct device *dev,
			       struct iommu_domain *old)
{
	return attach(dev, 0);
}

static int mock_attach_identity(struct iommu_domain *domain, struct device *dev,
				struct iommu_domain *old)
{
	return attach(dev, MOCK_ENTRY_V);
}

static int mock_attach_paging(struct iommu_domain *domain, struct device *dev,
			      struct iommu_domain *old)
{
	if (to_mock(domain)->unit != unit_of(dev))
		return -EINVAL;
	return attach(dev, make_entry(to_mock(domain)));
}

static spinlock_t *mock_get_top_lock(struct pt_iommu *table)
{
	return &container_of(table, struct mock_domain, iommu)->lock;
}

/* The tables have got another level: tell every device that uses them. */
static void mock_change_top(struct pt_iommu *table, phys_addr_t top, unsigned int top_level)
{
	struct mock_domain *md = container_of(table, struct mock_domain, iommu);
	int i;

	for (i = 0; i < MOCK_NR_ENTRIES; i++)
		if (FIELD_GET(MOCK_ENTRY_DID, md->unit->table[i]) == md->did)
			write_entry(md->unit, i, pack_entry(top, top_level + 1, md->did));
}

static const struct pt_iommu_driver_ops mock_driver_ops = {
	.get_top_lock = mock_get_top_lock,
	.change_top = mock_change_top,
};

static void mock_domain_free(struct iommu_domain *domain)
{
	struct mock_domain *md = to_mock(domain);

	if (md->did)
		ida_free(&md->unit->dids, md->did);
	pt_iommu_deinit(&md->iommu);
	kfree(md);
}

static const struct iommu_domain_ops mock_domain_ops = {
	IOMMU_PT_DOMAIN_OPS(amdv1),
	.attach_dev = mock_attach_paging,
	.free = mock_domain_free,
};

static struct iommu_domain *mock_domain_alloc(struct device *dev)
{
	struct pt_iommu_amdv1_cfg cfg = {
		/* what the format insists on */
		.common.features = BIT(PT_FEAT_DYNAMIC_TOP) | BIT(PT_FEAT_AMDV1_ENCRYPT_TABLES) |
				   BIT(PT_FEAT_AMDV1_FORCE_COHERENCE),
		.common.hw_max_vasz_lg2 = 48,
		.common.hw_max_oasz_lg2 = 52,
		.starting_level = 2,
	};
	struct mock_unit *unit = unit_of(dev);
	struct mock_domain *md;
	int ret;

	md = kzalloc_obj(*md);
	if (!md)
		return ERR_PTR(-ENOMEM);
	md->unit = unit;
	md->domain.ops = &mock_domain_ops;
	md->iommu.nid = NUMA_NO_NODE;
	md->iommu.driver_ops = &mock_driver_ops;
	spin_lock_init(&md->lock);
	ret = ida_alloc_range(&unit->dids, 1, MOCK_MAX_DID, GFP_KERNEL);
	if (ret < 0)
		goto err_free;
	md->did = ret;
	ret = pt_iommu_amdv1_init(&md->amdv1, &cfg, GFP_KERNEL);
	if (ret)
		goto err_did;
	return &md->domain;

err_did:
	ida_free(&unit->dids, md->did);
err_free:
	kfree(md);
	return ERR_PTR(ret);
}

static const struct iommu_domain_ops mock_blocked_ops = { .attach_dev = mock_attach_blocked };
static const struct iommu_domain_ops mock_identity_ops = { .attach_dev = mock_attach_identity };
static struct iommu_domain mock_blocked = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &mock_blocked_ops,
};

static struct iommu_domain mock_identity = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &mock_identity_ops,
};

/* of the first device: probing it, or what comes next */
bool mock_probe_fails, mock_group_fails;
/* its command register when it was given back */
u16 mock_released_with;

static struct iommu_device *mock_probe_device(struct device *dev)
{
	if (mock_probe_fails && dev == mock_pci_device(0))
		return ERR_PTR(-ENOMEM);
	/* that of a running device is left as it is by the function itself */
	pci_prepare_ats(to_pci_dev(dev), PAGE_SHIFT);
	return &unit_of(dev)->iommu;
}

static void mock_release_device(struct device *dev)
{
	if (dev == mock_pci_device(0))
		mock_released_with = mock_pci_command(0);
}

static struct iommu_group *mock_device_group(struct device *dev)
{
	if (mock_group_fails && dev == mock_pci_device(0))
		return ERR_PTR(-ENOMEM);
	return mock_one_group ? generic_single_device_group(dev) : generic_device_group(dev);
}

static int mock_def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static bool mock_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY;
}

/* --- live update: old kernel ------------------------------------------------- */

/*
 * The table in use changes while the system runs, and has entries of devices
 * that are not preserved. So the next kernel gets another one.
 */
static int mock_preserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit)
{
	u64 *table = iommu_alloc_pages_sz(GFP_KERNEL, SZ_4K);
	int ret;

	if (!table)
		return -ENOMEM;
	ret = iommu_preserve_page(table);
	if (ret) {
		iommu_free_pages(table);
		return ret;
	}
	unit->priv = table;
	unit->ser.token = to_unit(iommu)->hw->token;
	unit->ser.type = IOMMU_HW_SER_MOCK;
	unit->ser.segment = MOCK_SEGMENT;
	unit->ser.mock.table_pa = virt_to_phys(table);
	return 0;
}

static void mock_unpreserve_unit(struct iommu_device *iommu, struct iommu_lu_unit *unit)
{
	iommu_unpreserve_page(unit->priv);
	iommu_free_pages(unit->priv);
}

static int mock_preserve_device(struct device *dev, struct iommu_domain *domain,
				struct iommu_lu_device *ldev)
{
	struct iommu_device_ser *ser = &ldev->ser;
	u64 *table = ldev->unit->priv;
	int ret, i;

	ret = iommu_lu_pci_rids(dev, ser);
	if (ret)
		return ret;
	ser->mock.entry = make_entry(to_mock(domain));
	ser->mock.did = to_mock(domain)->did;
	for (i = 0; i < ser->nr_rids; i++)
		table[ser->rids[i] % MOCK_NR_ENTRIES] = ser->mock.entry;
	return 0;
}

static void mock_unpreserve_device(struct device *dev, struct iommu_domain *domain,
				   struct iommu_lu_device *ldev)
{
	u64 *table = ldev->unit->priv;
	int i;

	for (i = 0; i < ldev->ser.nr_rids; i++)
		table[ldev->ser.rids[i] % MOCK_NR_ENTRIES] = 0;
}

static bool all_entries_are(struct mock_unit *unit, const struct iommu_device_ser *ser, u64 entry)
{
	int i;

	for (i = 0; i < ser->nr_rids; i++)
		if (unit->table[ser->rids[i] % MOCK_NR_ENTRIES] != entry)
			return false;
	return true;
}

static int mock_freeze_device(struct device *dev, struct iommu_lu_device *ldev)
{
	if (all_entries_are(unit_of(dev), &ldev->ser, ldev->ser.mock.entry))
		return 0;
	dev_err(dev, "iommu_lu: its table entry changed after it was preserved\n");
	return -EBUSY;
}

/* The last thing the old kernel does to its IOMMUs. */
void mock_iommu_shutdown(void)
{
	struct iommu_lu_unit *lu;
	int i;

	for (i = 0; i < MOCK_NR_UNITS; i++) {
		lu = mock_units[i]->iommu.lu;
		write_table_register(mock_units[i]->hw, lu && iommu_lu_sealed() ?
						       lu->ser.mock.table_pa : 0);
	}
}

/* --- live update: new kernel -------------------------------------------------- */

/* The unit goes on with the table it has, before the first domain is allocated. */
static int adopt(struct mock_unit *unit, struct iommu_lu_unit *lu)
{
	struct iommu_lu_device *ldev;
	int ret;

	if (unit->hw->table != lu->ser.mock.table_pa)
		return -EINVAL;
	unit->table = iommu_restore_page(unit->hw->table);
	if (!unit->table)
		return -EINVAL;

	/* Taken already means by the same domain: the records were checked. */
	for (ldev = lu->first; ldev; ldev = ldev->next) {
		ret = ida_alloc_range(&unit->dids, ldev->ser.mock.did, ldev->ser.mock.did,
				      GFP_KERNEL);
		if (ret < 0 && ret != -ENOSPC)
			ldev->failed = ret;
	}
	lu->iommu = &unit->iommu;
	return 0;
}

static int mock_restore_device(struct device *dev, struct iommu_domain *domain,
			       struct iommu_lu_device *ldev)
{
	struct mock_domain *md = to_mock(domain);

	if (md->did != ldev->ser.mock.did) {
		ida_free(&md->unit->dids, md->did);
		md->did = ldev->ser.mock.did;
	}
	/* what mock_attach_paging() would write is what is there */
	return all_entries_are(md->unit, &ldev->ser, make_entry(md)) ? 0 : -EINVAL;
}

static void mock_quiesce_device(struct device *dev)
{
	attach(dev, 0);
}

static void mock_forget_device(struct iommu_lu_device *ldev)
{
	int i;

	for (i = 0; i < ldev->ser.nr_rids; i++)
		write_entry(to_unit(ldev->unit->iommu), ldev->ser.rids[i], 0);
}

static const struct iommu_lu_ops mock_lu_ops = {
	.preserve_unit = mock_preserve_unit,
	.unpreserve_unit = mock_unpreserve_unit,
	.preserve_device = mock_preserve_device,
	.unpreserve_device = mock_unpreserve_device,
	.freeze_device = mock_freeze_device,
	.preserve_domain = iommu_lu_pt_preserve,
	.unpreserve_domain = iommu_lu_pt_unpreserve,
	.restore_domain = iommu_lu_pt_restore,
	.next_mapping = iommu_lu_pt_next_mapping,
	.restore_device = mock_restore_device,
	.quiesce_device = mock_quiesce_device,
	.forget_device = mock_forget_device,
};

/* --- coming and going ----------------------------------------------------------- */

static const struct iommu_ops mock_ops = {
	.capable = mock_capable,
	.domain_alloc_paging = mock_domain_alloc,
	.probe_device = mock_probe_device,
	.release_device = mock_release_device,
	.device_group = mock_device_group,
	.def_domain_type = mock_def_domain_type,
	.identity_domain = &mock_identity,
	.blocked_domain = &mock_blocked,
	.release_domain = &mock_blocked,
	.default_domain_ops = &mock_domain_ops,
	.owner = THIS_MODULE,
	.lu_ops = &mock_lu_ops,
};

/* Adopted, or with an empty table: blocked, never open. */
static int set_table(struct mock_unit *unit)
{
	struct iommu_lu_unit *lu = iommu_lu_unit_incoming(unit->hw->token);

	if (lu && !lu->failed)
		lu->failed = adopt(unit, lu);
	if (lu && !lu->failed)
		return 0;
	unit->table = iommu_alloc_pages_sz(GFP_KERNEL, SZ_4K);
	if (!unit->table)
		return -ENOMEM;
	write_table_register(unit->hw, virt_to_phys(unit->table));
	return 0;
}

static int add_unit(struct mock_hw *hw, int i)
{
	struct mock_unit *unit = kzalloc_obj(*unit);
	int ret;

	if (!unit)
		return -ENOMEM;
	unit->hw = hw;
	ida_init(&unit->dids);
	ret = set_table(unit);
	if (ret)
		goto err_free;
	unit->iommu.fwnode = fwnode_create_software_node(NULL, NULL);
	if (IS_ERR(unit->iommu.fwnode)) {
		ret = PTR_ERR(unit->iommu.fwnode);
		goto err_table;
	}
	ret = iommu_device_sysfs_add(&unit->iommu, NULL, NULL, "lu-mock%d", i);
	if (ret)
		goto err_fwnode;
	mock_units[i] = unit;
	ret = iommu_device_register(&unit->iommu, &mock_ops, NULL);
	if (!ret)
		return 0;

	mock_units[i] = NULL;
	iommu_device_sysfs_remove(&unit->iommu);
err_fwnode:
	fwnode_remove_software_node(unit->iommu.fwnode);
err_table:
	iommu_free_pages(unit->table);
err_free:
	kfree(unit);
	return ret;
}

void mock_iommu_remove(void)
{
	struct mock_unit *unit;
	int i;

	for (i = 0; i < MOCK_NR_UNITS; i++) {
		unit = mock_units[i];
		mock_units[i] = NULL;
		if (!unit)
			continue;
		iommu_device_unregister(&unit->iommu);
		iommu_device_sysfs_remove(&unit->iommu);
		fwnode_remove_software_node(unit->iommu.fwnode);
		iommu_free_pages(unit->table);
		ida_destroy(&unit->dids);
		kfree(unit);
	}
}

int mock_iommu_add(void)
{
	int i, ret;

	for (i = 0; i < MOCK_NR_UNITS; i++) {
		ret = add_unit(&mock_hw[i], i);
		if (ret) {
			mock_iommu_remove();
			return ret;
		}
	}
	return 0;
}

/* Firmware says which unit translates for the device. */
void mock_fixup(struct pci_dev *pdev)
{
	struct mock_unit *unit = unit_of(&pdev->dev);

	guard(mutex)(&iommu_probe_device_lock);
	if (unit && iommu_fwspec_init(&pdev->dev, unit->iommu.fwnode))
		pci_err(pdev, "no IOMMU\n");
}
