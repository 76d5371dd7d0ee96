// SPDX-License-Identifier: GPL-2.0
/*
 * Intel VT-d live update: the tables a unit is switched to.
 *
 * The tables the hardware uses are shared with devices that are not preserved,
 * and change while the system runs. So each unit gets a second root table, which
 * holds the context entries of the preserved requester ids and of nothing else;
 * in scalable mode each device gets a PASID directory and a PASID table that hold
 * its own entry and nothing else. Hardware is pointed there once, at shutdown.
 * Undoing a preserve never touches the hardware.
 *
 * All of it is preserved memory from the moment it is allocated.
 */
#include <linux/slab.h>

#include "internal.h"

/* A zeroed table that goes to the next kernel, or an errno. */
static void *alloc_table(struct intel_iommu *iommu, size_t size)
{
	void *table = iommu_alloc_pages_node_sz(iommu->node, GFP_KERNEL, size);
	int ret;

	if (!table)
		return ERR_PTR(-ENOMEM);
	__iommu_flush_cache(iommu, table, size);
	ret = iommu_preserve_page(table);
	if (!ret)
		return table;
	iommu_free_pages(table);
	return ERR_PTR(ret);
}

static void free_table(void *table)
{
	iommu_unpreserve_page(table);
	iommu_free_pages(table);
}

/**
 * struct intel_lu_shadow - the tables of a unit
 * @iommu: the unit
 * @root: root table
 * @context: context tables, two per bus; in legacy mode the second is never there
 * @users: preserved requester ids in each
 */
struct intel_lu_shadow {
	struct intel_iommu *iommu;
	struct root_entry *root;
	struct context_entry *context[INTEL_LU_TABLES];
	u16 users[INTEL_LU_TABLES];
};

/* Which table, and which of its entries of 16 bytes: as iommu_context_addr(). */
static unsigned int rid_table(struct intel_iommu *iommu, u16 rid)
{
	return sm_supported(iommu) ? rid >> 7 : (rid >> 8) * 2;
}

static unsigned int rid_slot(struct intel_iommu *iommu, u16 rid)
{
	return sm_supported(iommu) ? (rid & 0x7f) * 2 : rid & 0xff;
}

/**
 * intel_lu_shadow_alloc - empty tables for a unit
 * @iommu: unit
 * @unit: its record; ->priv and ->ser.intel.root_pa are filled in
 */
int intel_lu_shadow_alloc(struct intel_iommu *iommu, struct iommu_lu_unit *unit)
{
	struct intel_lu_shadow *shadow = kzalloc_obj(*shadow);
	int ret;

	if (!shadow)
		return -ENOMEM;
	shadow->iommu = iommu;
	shadow->root = alloc_table(iommu, SZ_4K);
	if (IS_ERR(shadow->root)) {
		ret = PTR_ERR(shadow->root);
		kfree(shadow);
		return ret;
	}
	unit->priv = shadow;
	unit->ser.intel.root_pa = virt_to_phys(shadow->root);
	return 0;
}

/** intel_lu_shadow_free - undo intel_lu_shadow_alloc() */
void intel_lu_shadow_free(struct iommu_lu_unit *unit)
{
	struct intel_lu_shadow *shadow = unit->priv;

	free_table(shadow->root);
	kfree(shadow);
}

/** intel_lu_shadow_root - the root table to switch to */
struct root_entry *intel_lu_shadow_root(struct iommu_lu_unit *unit)
{
	struct intel_lu_shadow *shadow = unit->priv;

	return shadow->root;
}

/**
 * intel_lu_shadow_add - let a requester id through
 * @unit: record of the unit
 * @rid: requester id that is not there yet
 * @entry: its context entry
 */
int intel_lu_shadow_add(struct iommu_lu_unit *unit, u16 rid, struct intel_lu_context entry)
{
	struct intel_lu_shadow *shadow = unit->priv;
	struct intel_iommu *iommu = shadow->iommu;
	unsigned int table = rid_table(iommu, rid);
	struct context_entry *context;
	u64 *half;

	if (!shadow->context[table]) {
		context = alloc_table(iommu, SZ_4K);
		if (IS_ERR(context))
			return PTR_ERR(context);
		shadow->context[table] = context;
		half = intel_lu_root_half(shadow->root, table);
		*half = virt_to_phys(shadow->context[table]) | INTEL_ENTRY_PRESENT;
		__iommu_flush_cache(iommu, half, sizeof(*half));
		unit->ser.intel.nr_context_tables++;
	}

	context = &shadow->context[table][rid_slot(iommu, rid)];
	context->lo = entry.lo;
	context->hi = entry.hi;
	__iommu_flush_cache(iommu, context, sizeof(*context));
	shadow->users[table]++;
	return 0;
}

/** intel_lu_shadow_remove - undo intel_lu_shadow_add() */
void intel_lu_shadow_remove(struct iommu_lu_unit *unit, u16 rid)
{
	struct intel_lu_shadow *shadow = unit->priv;
	struct intel_iommu *iommu = shadow->iommu;
	unsigned int table = rid_table(iommu, rid);
	struct context_entry *context;
	u64 *half;

	context = &shadow->context[table][rid_slot(iommu, rid)];
	context_clear_entry(context);
	__iommu_flush_cache(iommu, context, sizeof(*context));
	if (--shadow->users[table])
		return;
	half = intel_lu_root_half(shadow->root, table);
	*half = 0;
	__iommu_flush_cache(iommu, half, sizeof(*half));
	free_table(shadow->context[table]);
	shadow->context[table] = NULL;
	unit->ser.intel.nr_context_tables--;
}

/**
 * intel_lu_shadow_pasid - a PASID directory and table with a device's own entry
 * @iommu: unit in scalable mode
 * @info: device
 * @ser: its record; ->pasid_entry is set, everything else about PASIDs is filled in
 *
 * The directory is as large as the one in use, because its size is in the context
 * entry, which stays the same but for the pointer.
 */
int intel_lu_shadow_pasid(struct intel_iommu *iommu, struct device_domain_info *info,
			  struct iommu_device_intel_ser *ser)
{
	u32 max_pasid = info->pasid_table->max_pasid;
	u64 *dir, *table;

	dir = alloc_table(iommu, max_pasid / 8);
	if (IS_ERR(dir))
		return PTR_ERR(dir);
	table = alloc_table(iommu, SZ_4K);
	if (IS_ERR(table)) {
		free_table(dir);
		return PTR_ERR(table);
	}

	memcpy(table, ser->pasid_entry, sizeof(ser->pasid_entry));
	__iommu_flush_cache(iommu, table, sizeof(ser->pasid_entry));
	dir[0] = virt_to_phys(table) | INTEL_ENTRY_PRESENT;
	__iommu_flush_cache(iommu, dir, sizeof(*dir));

	ser->pasid_dir_pa = virt_to_phys(dir);
	ser->max_pasid = max_pasid;
	ser->nr_pasid_tables = 1;
	return 0;
}

/** intel_lu_shadow_pasid_free - undo intel_lu_shadow_pasid() */
void intel_lu_shadow_pasid_free(struct iommu_device_intel_ser *ser)
{
	u64 *dir = phys_to_virt(ser->pasid_dir_pa);

	free_table(phys_to_virt(dir[0] & INTEL_ENTRY_POINTER));
	free_table(dir);
}
