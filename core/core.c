// SPDX-License-Identifier: GPL-2.0
/*
 * IOMMU live update: the store.
 *
 * Old kernel: units, domains and devices are kept in lists in ordinary memory
 * while they come and go; blocks in preserved memory are reserved for them at
 * preserve, and written in one go when the last preserved file is frozen. Then
 * the blob is sealed.
 *
 * New kernel: the blob is read once, before the first IOMMU is touched, checked
 * record by record, and copied into the same structures. A record that does not
 * pass marks its unit, domain or device as failed. The backend and device.c see
 * to it that what has failed is blocked; nothing here stops the boot.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/kexec_handover.h>
#include <linux/kho_block.h>
#include <linux/liveupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "private.h"

struct iommu_lu_state iommu_lu_out = {
	.lock = __MUTEX_INITIALIZER(iommu_lu_out.lock),
	.units = LIST_HEAD_INIT(iommu_lu_out.units),
	.domains = LIST_HEAD_INIT(iommu_lu_out.domains),
	.devices = LIST_HEAD_INIT(iommu_lu_out.devices),
};

/*
 * Preserved memory of the outgoing blob. hdr is there as long as a preserved
 * file needs the FLB. Protected by iommu_lu_out.lock.
 */
static struct {
	struct iommu_lu_hdr *hdr;
	struct kho_block_set units;
	struct kho_block_set domains;
	struct kho_block_set devices;
	unsigned int files;
	unsigned int frozen;
	bool sealed;
	/* or about to be */
	bool suspended;
} blob = {
	.units = KHO_BLOCK_SET_INIT(blob.units, sizeof(struct iommu_hw_ser)),
	.domains = KHO_BLOCK_SET_INIT(blob.domains, sizeof(struct iommu_domain_ser)),
	.devices = KHO_BLOCK_SET_INIT(blob.devices, sizeof(struct iommu_device_ser)),
};

/* What was inherited. Written by iommu_lu_read() once, then constant but for ->failed. */
static struct {
	struct mutex lock;	/* only one reads */
	bool read;
	/* there is a blob */
	bool present;
	/* there is a blob and it cannot be used at all */
	int bad;
	/* every session is finished: nobody asks for the records any more, which stay */
	bool finished;
	struct iommu_lu_hdr *hdr;
	/* register address >> 12 */
	struct xarray units;
	/* segment << 16 | bdf */
	struct xarray devices;
	/* iommufd id */
	struct xarray iommufds;
	struct iommu_lu_unit **unit;
	struct iommu_lu_domain **domain;
	u32 nr_units;
	u32 nr_domains;
	struct list_head device_list;
} in = {
	.lock = __MUTEX_INITIALIZER(in.lock),
	.units = XARRAY_INIT(in.units, 0),
	.devices = XARRAY_INIT(in.devices, 0),
	.iommufds = XARRAY_INIT(in.iommufds, 0),
	.device_list = LIST_HEAD_INIT(in.device_list),
};

/* --- outgoing ----------------------------------------------------------- */

/* No more than the next kernel reads. */
static int add_record(struct kho_block_set *blocks, struct list_head *record,
		      struct list_head *records, u32 *nr, u32 max)
{
	int ret;

	guard(mutex)(&iommu_lu_out.lock);
	if (*nr == max) {
		pr_err("no more than %u of a kind can be preserved\n", max);
		return -ENOSPC;
	}
	ret = kho_block_set_grow(blocks, *nr + 1);
	if (ret)
		return ret;
	list_add_tail(record, records);
	(*nr)++;
	return 0;
}

static void del_record(struct kho_block_set *blocks, struct list_head *record, u32 *nr)
{
	guard(mutex)(&iommu_lu_out.lock);
	list_del(record);
	kho_block_set_shrink(blocks, --*nr);
}

/**
 * iommu_lu_add_unit - add a record to the list of units
 * @unit: filled in by the caller, by freeze at the latest
 *
 * Drivers call it for what several units share. The units themselves are added
 * by the core.
 *
 * Return: 0, -ENOMEM, or -ENOSPC if there are IOMMU_LU_MAX_HW of them.
 */
int iommu_lu_add_unit(struct iommu_lu_unit *unit)
{
	return add_record(&blob.units, &unit->list, &iommu_lu_out.units, &iommu_lu_out.nr_units,
			  IOMMU_LU_MAX_HW);
}
EXPORT_SYMBOL_GPL(iommu_lu_add_unit);

/**
 * iommu_lu_del_unit - undo iommu_lu_add_unit()
 * @unit: no other record links to it
 */
void iommu_lu_del_unit(struct iommu_lu_unit *unit)
{
	del_record(&blob.units, &unit->list, &iommu_lu_out.nr_units);
}
EXPORT_SYMBOL_GPL(iommu_lu_del_unit);

int iommu_lu_add_domain(struct iommu_lu_domain *ldom)
{
	return add_record(&blob.domains, &ldom->list, &iommu_lu_out.domains,
			  &iommu_lu_out.nr_domains, IOMMU_LU_MAX_DOMAINS);
}

void iommu_lu_del_domain(struct iommu_lu_domain *ldom)
{
	del_record(&blob.domains, &ldom->list, &iommu_lu_out.nr_domains);
}

int iommu_lu_add_device(struct iommu_lu_device *ldev)
{
	return add_record(&blob.devices, &ldev->list, &iommu_lu_out.devices,
			  &iommu_lu_out.nr_devices, IOMMU_LU_MAX_DEVICES);
}

void iommu_lu_del_device(struct iommu_lu_device *ldev)
{
	del_record(&blob.devices, &ldev->list, &iommu_lu_out.nr_devices);
}

/**
 * iommu_lu_sealed - is a verified live update under way?
 *
 * True from the moment the last preserved file is frozen until the jump, or
 * until the freeze is undone.
 */
bool iommu_lu_sealed(void)
{
	return READ_ONCE(blob.sealed);
}

/* Where the blob is, 0 if there is none. Caller holds iommu_lu_out.lock. */
u64 iommu_lu_blob_phys(void)
{
	return blob.hdr ? virt_to_phys(blob.hdr) : 0;
}

/**
 * iommu_lu_new_iommufd_id - a number that links the domains of one iommufd
 */
u64 iommu_lu_new_iommufd_id(void)
{
	static atomic64_t last = ATOMIC64_INIT(0);

	return atomic64_inc_return(&last);
}
EXPORT_SYMBOL_GPL(iommu_lu_new_iommufd_id);

/* Number the records, then let them refer to each other by number. */
static void iommu_lu_link_records(void)
{
	struct iommu_lu_domain *ldom;
	struct iommu_lu_device *ldev;
	struct iommu_lu_unit *unit;
	u32 index = 0;

	list_for_each_entry(unit, &iommu_lu_out.units, list)
		unit->index = index++;
	index = 0;
	list_for_each_entry(ldom, &iommu_lu_out.domains, list)
		ldom->index = index++;

	list_for_each_entry(unit, &iommu_lu_out.units, list)
		if (unit->link)
			*unit->link_index = unit->link->index;
	list_for_each_entry(ldev, &iommu_lu_out.devices, list) {
		ldev->ser.hw_index = ldev->unit->index;
		ldev->ser.domain_index = ldev->domain->index;
		if (ldev->domain->unit_index)
			*ldev->domain->unit_index = ldev->unit->index;
	}
}

/**
 * iommu_lu_out_hdr - the head of the blob, as it would be written now
 * @hdr: filled in
 *
 * Also lets the records refer to each other.
 *
 * Context: iommu_lu_out.lock held.
 * Return: false if there is no blob.
 */
bool iommu_lu_out_hdr(struct iommu_lu_hdr *hdr)
{
	if (!blob.hdr)
		return false;

	iommu_lu_link_records();
	*hdr = *blob.hdr;
	hdr->nr_hw = iommu_lu_out.nr_units;
	hdr->nr_domains = iommu_lu_out.nr_domains;
	hdr->nr_devices = iommu_lu_out.nr_devices;
	hdr->hw_blocks = kho_block_set_head_pa(&blob.units);
	hdr->domain_blocks = kho_block_set_head_pa(&blob.domains);
	hdr->device_blocks = kho_block_set_head_pa(&blob.devices);
	return true;
}

/* The blocks were reserved when the objects were added: nothing can fail here. */
static int iommu_lu_write_blob(void)
{
	struct kho_block_set_it it;
	struct iommu_lu_domain *ldom;
	struct iommu_lu_device *ldev;
	struct iommu_lu_unit *unit;
	struct iommu_lu_hdr hdr;

	if (!iommu_lu_out_hdr(&hdr))
		return -ENODATA;
	kho_block_set_clear(&blob.units);
	kho_block_set_clear(&blob.domains);
	kho_block_set_clear(&blob.devices);

	kho_block_set_it_init(&it, &blob.units);
	list_for_each_entry(unit, &iommu_lu_out.units, list) {
		struct iommu_hw_ser *ser = kho_block_set_it_reserve_entry(&it);

		if (!ser)
			return -ENOSPC;
		*ser = unit->ser;
	}

	kho_block_set_it_init(&it, &blob.domains);
	list_for_each_entry(ldom, &iommu_lu_out.domains, list) {
		struct iommu_domain_ser *ser = kho_block_set_it_reserve_entry(&it);

		if (!ser)
			return -ENOSPC;
		*ser = ldom->ser;
	}

	kho_block_set_it_init(&it, &blob.devices);
	list_for_each_entry(ldev, &iommu_lu_out.devices, list) {
		struct iommu_device_ser *ser = kho_block_set_it_reserve_entry(&it);

		if (!ser)
			return -ENOSPC;
		*ser = ldev->ser;
	}

	*blob.hdr = hdr;
	return 0;
}

static int iommu_lu_seal(void)
{
	struct iommu_lu_device *ldev;
	int ret;

	/* A device whose file is in no session any more has left the list. */
	list_for_each_entry(ldev, &iommu_lu_out.devices, list) {
		if (!ldev->frozen) {
			pr_err("%s: preserved but not verified\n",
			       ldev->dev ? dev_name(ldev->dev) : "removed device");
			return -EBUSY;
		}
	}
	ret = iommu_lu_write_blob();
	if (ret)
		return ret;
	ret = iommu_lu_pci_seal();
	if (ret)
		return ret;

	blob.hdr->flags |= IOMMU_LU_HDR_SEALED;
	WRITE_ONCE(blob.sealed, true);
	pr_info("sealed: %u units, %u domains, %u devices\n", iommu_lu_out.nr_units,
		iommu_lu_out.nr_domains, iommu_lu_out.nr_devices);
	return 0;
}

static void iommu_lu_unseal(void)
{
	if (!blob.sealed)
		return;
	WRITE_ONCE(blob.sealed, false);
	blob.hdr->flags &= ~IOMMU_LU_HDR_SEALED;
	iommu_lu_pci_unseal();
	pr_info("unsealed, the live update was cancelled\n");
}

/**
 * iommu_lu_file_preserve - one more file takes part
 *
 * Every file whose handler uses the FLB calls this at the end of its preserve,
 * and iommu_lu_file_freeze() at the end of its freeze. The last freeze seals.
 *
 * Return: 0, or -EBUSY when a freeze is under way or the system is being suspended.
 */
int iommu_lu_file_preserve(void)
{
	guard(mutex)(&iommu_lu_out.lock);
	if (blob.frozen || blob.suspended)
		return -EBUSY;
	blob.files++;
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_lu_file_preserve);

/** iommu_lu_file_unpreserve - undo iommu_lu_file_preserve() */
void iommu_lu_file_unpreserve(void)
{
	guard(mutex)(&iommu_lu_out.lock);
	blob.files--;
}
EXPORT_SYMBOL_GPL(iommu_lu_file_unpreserve);

/**
 * iommu_lu_file_freeze - a file has been verified
 *
 * Context: LUO freeze, under kexec_trylock().
 * Return: 0; -ENOEXEC or -EPROTO when the loaded image cannot take over; -EBUSY
 * when something that is preserved was not verified.
 */
int iommu_lu_file_freeze(void)
{
	int ret;

	guard(mutex)(&iommu_lu_out.lock);
	ret = iommu_lu_kexec_check();
	if (ret)
		return ret;
	if (blob.frozen + 1 == blob.files) {
		ret = iommu_lu_seal();
		if (ret)
			return ret;
	}
	blob.frozen++;
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_lu_file_freeze);

/** iommu_lu_file_unfreeze - undo iommu_lu_file_freeze() */
void iommu_lu_file_unfreeze(void)
{
	guard(mutex)(&iommu_lu_out.lock);
	iommu_lu_unseal();
	blob.frozen--;
}
EXPORT_SYMBOL_GPL(iommu_lu_file_unfreeze);

/* --- incoming ----------------------------------------------------------- */

static unsigned long device_key(u32 segment, u16 bdf)
{
	return (unsigned long)segment << 16 | bdf;
}

static const void *map_memory(void *ctx, u64 pa, u64 len)
{
	u64 pfn;

	for (pfn = PHYS_PFN(pa); pfn <= PHYS_PFN(pa + len - 1); pfn++)
		if (!pfn_valid(pfn))
			return NULL;
	return phys_to_virt(pa);
}

static void free_records(struct iommu_lu_blob *records)
{
	kvfree(records->hw);
	kvfree(records->domain);
	kvfree(records->device);
	kvfree(records->hw_verdict);
	kvfree(records->domain_verdict);
	kvfree(records->device_verdict);
	kvfree(records->scratch);
}

/* kvcalloc() of nothing is an error to nobody. */
static void *alloc_records(size_t n, size_t size)
{
	return kvcalloc(max(n, 1), size, GFP_KERNEL);
}

/* Copy the records out of their blocks, and have them checked. */
static int read_records(struct iommu_lu_blob *records, const char **why)
{
	const struct iommu_lu_memory mem = { .map = map_memory };
	enum iommu_lu_kind kind;
	enum iommu_lu_err err;

	*why = "out of memory";
	records->hdr = in.hdr;
	records->hw = alloc_records(in.hdr->nr_hw, sizeof(*records->hw));
	records->domain = alloc_records(in.hdr->nr_domains, sizeof(*records->domain));
	records->device = alloc_records(in.hdr->nr_devices, sizeof(*records->device));
	records->hw_verdict = alloc_records(in.hdr->nr_hw, sizeof(*records->hw_verdict));
	records->domain_verdict = alloc_records(in.hdr->nr_domains,
						sizeof(*records->domain_verdict));
	records->device_verdict = alloc_records(in.hdr->nr_devices,
						sizeof(*records->device_verdict));
	records->scratch_len = iommu_lu_scratch_len(in.hdr);
	records->scratch = alloc_records(records->scratch_len, sizeof(*records->scratch));
	if (!records->hw || !records->domain || !records->device || !records->hw_verdict ||
	    !records->domain_verdict || !records->device_verdict || !records->scratch)
		return -ENOMEM;

	err = iommu_lu_read_blob(&mem, records, &kind);
	if (err) {
		*why = iommu_lu_strerror(err);
		return iommu_lu_errno(err);
	}
	return min(iommu_lu_verify_blob(records, &iommu_lu_this_build), 0);
}

static int verdict(const struct iommu_lu_verdict *v, const char **why)
{
	*why = iommu_lu_strerror(v->err);
	return iommu_lu_errno(v->err);
}

static int add_units(const struct iommu_lu_blob *records)
{
	struct iommu_lu_unit *unit;
	const char *why;
	u32 i;

	in.unit = kcalloc(max(in.hdr->nr_hw, 1), sizeof(*in.unit), GFP_KERNEL);
	if (!in.unit)
		return -ENOMEM;
	in.nr_units = in.hdr->nr_hw;
	for (i = 0; i < in.hdr->nr_hw; i++) {
		unit = kzalloc_obj(*unit);
		if (!unit)
			return -ENOMEM;
		unit->ser = records->hw[i];
		unit->index = i;
		in.unit[i] = unit;
		unit->failed = verdict(&records->hw_verdict[i], &why);
		if (!unit->failed && xa_insert(&in.units, unit->ser.token >> 12, unit, GFP_KERNEL))
			return -ENOMEM;
		if (unit->failed)
			pr_err("unit %#llx: not taken over: %s\n", unit->ser.token, why);
	}
	return 0;
}

static int add_domains(const struct iommu_lu_blob *records)
{
	struct iommu_lu_domain *ldom;
	const char *why;
	u32 i;

	in.domain = kcalloc(max(in.hdr->nr_domains, 1), sizeof(*in.domain), GFP_KERNEL);
	if (!in.domain)
		return -ENOMEM;
	in.nr_domains = in.hdr->nr_domains;
	for (i = 0; i < in.hdr->nr_domains; i++) {
		ldom = kzalloc_obj(*ldom);
		if (!ldom)
			return -ENOMEM;
		ldom->ser = records->domain[i];
		ldom->incoming = true;
		ldom->index = i;
		in.domain[i] = ldom;
		ldom->failed = verdict(&records->domain_verdict[i], &why);
		if (ldom->failed)
			pr_err("domain %#llx: not taken over: %s\n", ldom->ser.token, why);

		ldom->next = xa_load(&in.iommufds, ldom->ser.iommufd_id);
		if (xa_is_err(xa_store(&in.iommufds, ldom->ser.iommufd_id, ldom, GFP_KERNEL)))
			return -ENOMEM;
	}
	return 0;
}

static int add_devices(const struct iommu_lu_blob *records)
{
	const struct iommu_device_ser *ser;
	struct iommu_lu_device *ldev;
	const char *why;
	u32 i;

	for (i = 0; i < in.hdr->nr_devices; i++) {
		ser = &records->device[i];
		ldev = kzalloc_obj(*ldev);
		if (!ldev)
			return -ENOMEM;
		ldev->ser = *ser;
		ldev->incoming = true;
		list_add_tail(&ldev->list, &in.device_list);
		ldev->failed = verdict(&records->device_verdict[i], &why);
		if (ldev->failed) {
			pr_err("device %04x:%02x:%02x.%x: not taken over: %s\n", ser->segment,
			       ser->bdf >> 8, (ser->bdf >> 3) & 0x1f, ser->bdf & 7, why);
		} else {
			ldev->unit = in.unit[ser->hw_index];
			ldev->domain = in.domain[ser->domain_index];
			ldev->next = ldev->unit->first;
			ldev->unit->first = ldev;
		}
		/* Of two records for one device, which have both failed, one is enough. */
		if (xa_is_err(xa_store(&in.devices, device_key(ser->segment, ser->bdf), ldev,
				       GFP_KERNEL)))
			return -ENOMEM;
	}
	return 0;
}

static int iommu_lu_read_lists(const char **why)
{
	struct iommu_lu_blob records = {};
	int ret;

	ret = read_records(&records, why);
	if (!ret) {
		*why = "out of memory";
		ret = add_units(&records) ?: add_domains(&records) ?: add_devices(&records);
	}
	free_records(&records);
	return ret;
}

VISIBLE_IF_KUNIT int iommu_lu_find_blob(phys_addr_t *phys, size_t *len)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_lu_find_blob, phys, len);
	return kho_retrieve_subtree(IOMMU_LU_SUBTREE, phys, len);
}

/* Restored, but none of its devices was taken over, or all have left before it had an owner */
static void free_unclaimed(void)
{
	u32 i;

	for (i = 0; i < in.nr_domains; i++)
		if (in.domain[i] && in.domain[i]->domain)
			iommu_lu_free_unclaimed(in.domain[i]);
}

/* Drop what was read, whole or in part. The blocks are left alone. */
static void drop_lists(void)
{
	struct iommu_lu_device *ldev, *tmp;
	u32 i;

	list_for_each_entry_safe(ldev, tmp, &in.device_list, list) {
		list_del(&ldev->list);
		kfree(ldev);
	}
	for (i = 0; i < in.nr_domains; i++)
		kfree(in.domain[i]);
	for (i = 0; i < in.nr_units; i++)
		kfree(in.unit[i]);
	in.nr_domains = 0;
	in.nr_units = 0;
	kfree(in.domain);
	kfree(in.unit);
	in.domain = NULL;
	in.unit = NULL;
	xa_destroy(&in.devices);
	xa_destroy(&in.iommufds);
	xa_destroy(&in.units);
}

/* Read the blob, once. The first caller is whoever first needs to know. */
static void iommu_lu_read(void)
{
	enum iommu_lu_err err;
	phys_addr_t phys;
	const char *why;
	size_t len;

	/* pairs with the release below: whoever sees the flag sees all of it */
	if (smp_load_acquire(&in.read))
		return;

	guard(mutex)(&in.lock);
	if (in.read)
		return;
	guard(iommu_lu_fail)("read");

	if (!iommu_lu_find_blob(&phys, &len)) {
		in.present = true;
		in.hdr = phys_to_virt(phys);
		err = iommu_lu_verify_hdr(in.hdr, len, &iommu_lu_this_build);
		why = iommu_lu_strerror(err);
		in.bad = iommu_lu_errno(err);
		if (!in.bad) {
			in.bad = iommu_lu_read_lists(&why);
			if (in.bad)
				drop_lists();
		}
		if (in.bad)
			pr_err("state of the previous kernel not taken over: %s (%pe); every device is stopped\n",
			       why, ERR_PTR(in.bad));
		else
			pr_info("inherited %u units, %u domains, %u devices\n", in.hdr->nr_hw,
				in.hdr->nr_domains, in.hdr->nr_devices);
	}
	/* pairs with the acquire above */
	smp_store_release(&in.read, true);
}

/**
 * iommu_lu_inherited - did the previous kernel hand over IOMMU state?
 *
 * If so, devices may be doing DMA, and translation must not be turned off, even
 * when the state turns out to be unusable.
 *
 * Context: may sleep the first time. Works as soon as the page allocator does.
 */
bool iommu_lu_inherited(void)
{
	iommu_lu_read();
	return in.present;
}
EXPORT_SYMBOL_GPL(iommu_lu_inherited);

/** iommu_lu_incoming_bad - there is a blob, and nothing in it can be believed */
bool iommu_lu_incoming_bad(void)
{
	return iommu_lu_inherited() && in.bad;
}
EXPORT_SYMBOL_GPL(iommu_lu_incoming_bad);

/* Records are never freed, so whoever has found one may go on with it. */
static bool iommu_lu_has_records(void)
{
	return iommu_lu_inherited() && !in.bad && !READ_ONCE(in.finished);
}

/**
 * iommu_lu_unit_incoming - find the record of a unit
 * @token: physical address of its registers
 *
 * Return: the unit, possibly one that has failed, or NULL.
 */
struct iommu_lu_unit *iommu_lu_unit_incoming(u64 token)
{
	if (!iommu_lu_has_records())
		return NULL;
	return xa_load(&in.units, token >> 12);
}

/**
 * iommu_lu_device_incoming - find the record of a device
 * @segment: PCI segment
 * @bdf: PCI bus << 8 | devfn
 *
 * Return: the device, possibly one that has failed, or NULL.
 */
struct iommu_lu_device *iommu_lu_device_incoming(u32 segment, u16 bdf)
{
	if (!iommu_lu_has_records())
		return NULL;
	return xa_load(&in.devices, device_key(segment, bdf));
}

/**
 * iommu_lu_iommufd_domains - the inherited domains of an iommufd
 * @iommufd_id: as recorded
 *
 * Return: the first, linked by ->next, or NULL.
 */
struct iommu_lu_domain *iommu_lu_iommufd_domains(u64 iommufd_id)
{
	if (!iommu_lu_has_records())
		return NULL;
	return xa_load(&in.iommufds, iommufd_id);
}
EXPORT_SYMBOL_GPL(iommu_lu_iommufd_domains);

int iommu_lu_walk_incoming(int (*fn)(struct iommu_lu_device *ldev, void *arg), void *arg)
{
	struct iommu_lu_device *ldev;
	int ret;

	if (!iommu_lu_has_records())
		return 0;
	list_for_each_entry(ldev, &in.device_list, list) {
		ret = fn(ldev, arg);
		if (ret)
			return ret;
	}
	return 0;
}

static int is_held(struct iommu_lu_device *ldev, void *found)
{
	if (!READ_ONCE(ldev->held))
		return 0;
	*(struct iommu_lu_device **)found = ldev;
	return 1;
}

/**
 * iommu_lu_suspend - the system is about to be suspended
 * @name: of a device that must not be stopped, at least IOMMU_LU_NAME_LEN bytes
 *
 * Return: 0, and nothing is preserved until iommu_lu_resume(); or -EBUSY.
 */
int iommu_lu_suspend(char *name)
{
	struct iommu_lu_device *ldev;

	guard(mutex)(&iommu_lu_out.lock);
	ldev = list_first_entry_or_null(&iommu_lu_out.devices, struct iommu_lu_device, list);
	if (!ldev)
		iommu_lu_walk_incoming(is_held, &ldev);
	if (ldev) {
		snprintf(name, IOMMU_LU_NAME_LEN, "%04x:%02x:%02x.%x", ldev->ser.segment,
			 ldev->ser.bdf >> 8, (ldev->ser.bdf >> 3) & 0x1f, ldev->ser.bdf & 7);
		return -EBUSY;
	}
	blob.suspended = true;
	return 0;
}

/** iommu_lu_resume - undo iommu_lu_suspend() */
void iommu_lu_resume(void)
{
	guard(mutex)(&iommu_lu_out.lock);
	blob.suspended = false;
}

/**
 * iommu_lu_show_incoming - show what was inherited
 * @m: for the callbacks
 * @show: called for the head, then for each record in the order of the indices.
 *	The head is NULL if nothing was inherited, or if it is finished and gone;
 *	there are records only if the blob is not bad.
 *
 * Return: the first error of a callback.
 */
int iommu_lu_show_incoming(struct seq_file *m, const struct iommu_lu_show *show)
{
	struct iommu_lu_device *ldev;
	int ret;
	u32 i;

	guard(mutex)(&in.lock);
	ret = show->head(m, in.hdr, in.present, in.bad);
	if (ret || !in.hdr || in.bad)
		return ret;
	for (i = 0; i < in.hdr->nr_hw && !ret; i++)
		ret = show->unit(m, in.unit[i]);
	for (i = 0; i < in.hdr->nr_domains && !ret; i++)
		ret = show->domain(m, in.domain[i]);
	list_for_each_entry(ldev, &in.device_list, list) {
		if (ret)
			break;
		ret = show->device(m, ldev);
	}
	return ret;
}

/* --- FLB ---------------------------------------------------------------- */

VISIBLE_IF_KUNIT int iommu_lu_flb_preserve(struct liveupdate_flb_op_args *args)
{
	struct iommu_lu_hdr *hdr;
	int ret;

	hdr = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(hdr))
		return PTR_ERR(hdr);
	hdr->magic = IOMMU_LU_MAGIC;
	hdr->version = IOMMU_LU_VERSION;
	hdr->min_version = IOMMU_LU_MIN_VERSION;
	hdr->len = sizeof(*hdr);
	hdr->page_shift = PAGE_SHIFT;
	hdr->hw_size = sizeof(struct iommu_hw_ser);
	hdr->domain_size = sizeof(struct iommu_domain_ser);
	hdr->device_size = sizeof(struct iommu_device_ser);

	ret = kho_add_subtree(IOMMU_LU_SUBTREE, hdr, sizeof(*hdr));
	if (ret) {
		kho_unpreserve_free(hdr);
		return ret;
	}

	guard(mutex)(&iommu_lu_out.lock);
	blob.hdr = hdr;
	args->data = virt_to_phys(hdr);
	args->obj = hdr;
	return 0;
}

VISIBLE_IF_KUNIT void iommu_lu_flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	guard(mutex)(&iommu_lu_out.lock);
	kho_remove_subtree(blob.hdr);
	kho_unpreserve_free(blob.hdr);
	blob.hdr = NULL;
}

static int iommu_lu_flb_retrieve(struct liveupdate_flb_op_args *args)
{
	if (!iommu_lu_inherited())
		return -ENODATA;
	args->obj = &in;
	return 0;
}

static void free_blocks(u64 head_pa, u32 record_size)
{
	struct kho_block_set set;

	kho_block_set_init(&set, record_size);
	if (!kho_block_set_restore(&set, head_pa))
		kho_block_set_destroy(&set);
}

/*
 * The last file of the last session is finished. iommufd has refused that until
 * its restored domains were gone, so no device is held any more. The records are not found
 * any more, but stay: devices are probed and attached without a lock that would keep them.
 * iommu_lu_inherited() stays true.
 */
static void iommu_lu_flb_finish(struct liveupdate_flb_op_args *args)
{
	guard(mutex)(&in.lock);
	if (in.bad)
		return;
	free_unclaimed();
	WRITE_ONCE(in.finished, true);
	free_blocks(in.hdr->hw_blocks, in.hdr->hw_size);
	free_blocks(in.hdr->domain_blocks, in.hdr->domain_size);
	free_blocks(in.hdr->device_blocks, in.hdr->device_size);
	kho_restore_free(in.hdr);
	in.hdr = NULL;
	pr_info("live update finished\n");
}

#if IS_ENABLED(CONFIG_IOMMU_LIVEUPDATE_KUNIT_TEST)
/* As after a boot: what was inherited has not been read yet. */
void iommu_lu_forget_incoming(void)
{
	guard(mutex)(&in.lock);
	free_unclaimed();
	drop_lists();
	in.hdr = NULL;
	in.bad = 0;
	in.finished = false;
	in.present = false;
	in.read = false;
}
#endif

static const struct liveupdate_flb_ops iommu_lu_flb_ops = {
	.preserve = iommu_lu_flb_preserve,
	.unpreserve = iommu_lu_flb_unpreserve,
	.retrieve = iommu_lu_flb_retrieve,
	.finish = iommu_lu_flb_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_flb iommu_lu_flb = {
	.ops = &iommu_lu_flb_ops,
	.compatible = IOMMU_LU_FLB_COMPATIBLE,
};

/**
 * iommu_lu_register_file_handler - register a LUO handler that needs IOMMU state
 * @fh: handler for iommufd or for VFIO devices
 *
 * Return: 0, also when live update is off on the command line; errors of LUO.
 */
int iommu_lu_register_file_handler(struct liveupdate_file_handler *fh)
{
	void *obj;
	int ret;

	ret = liveupdate_register_file_handler(fh);
	if (ret)
		return ret == -EOPNOTSUPP ? 0 : ret;
	ret = liveupdate_register_flb(fh, &iommu_lu_flb);
	if (ret) {
		liveupdate_unregister_file_handler(fh);
		return ret;
	}
	/*
	 * LUO loads the number of files behind an FLB when somebody first asks
	 * for it; finishing a file before that would underflow the count.
	 */
	if (!liveupdate_flb_get_incoming(&iommu_lu_flb, &obj))
		liveupdate_flb_put_incoming(&iommu_lu_flb);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_lu_register_file_handler);

/** iommu_lu_unregister_file_handler - undo iommu_lu_register_file_handler() */
void iommu_lu_unregister_file_handler(struct liveupdate_file_handler *fh)
{
	liveupdate_unregister_file_handler(fh);
}
EXPORT_SYMBOL_GPL(iommu_lu_unregister_file_handler);
