// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of an iommufd. Built into the iommufd module.
 *
 * What is preserved: the domains of the HWPTs that were marked, under their
 * tokens, with their page tables.
 *
 * What is not: object ids, IOASes and their maps, HWPTs that were not marked,
 * fault queues, vIOMMUs, options. The next kernel's userspace builds a new IOAS
 * over the same memfds, a new HWPT from it, and replaces the restored one.
 *
 * From PRESERVE to UNPRESERVE the marked HWPTs and their IOASes cannot change.
 */
#define pr_fmt(fmt) "iommufd: liveupdate: " fmt

#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/iommu-liveupdate.h>
#include <linux/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/pagemap.h>
#include <uapi/linux/iommufd-liveupdate.h>

#include "../../iommufd/io_pagetable.h"
#include "../../iommufd/iommufd_private.h"

/**
 * struct iommufd_lu - live update state of an iommufd
 * @lock: protects the rest. Taken outside the locks of an IOAS.
 * @marks: struct lu_mark
 * @restored: struct iommufd_hwpt_restored, in a retrieved iommufd
 * @id: number under which it is preserved
 * @in_id: number under which it was, if it was retrieved
 * @session: the session it is preserved in, or NULL
 * @incoming: it was retrieved
 */
struct iommufd_lu {
	struct mutex lock;	/* see above */
	struct list_head marks;
	struct list_head restored;
	u64 id;
	u64 in_id;
	struct liveupdate_session *session;
	bool incoming;
};

/* A marked HWPT. Holds one of its users. */
struct lu_mark {
	struct list_head list;
	struct iommufd_hwpt_paging *hwpt;
	u64 token;
};

/* A restored HWPT: a domain without an IOAS. */
struct iommufd_hwpt_restored {
	struct iommufd_hw_pagetable common;
	struct list_head list;
	struct iommufd_lu *lu;
	struct iommu_lu_domain *ldom;
};

static struct iommufd_lu *iommufd_lu_get(struct iommufd_ctx *ictx)
{
	struct iommufd_lu *lu = READ_ONCE(ictx->lu), *new;

	if (lu)
		return lu;
	new = kzalloc_obj(*new, GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	mutex_init(&new->lock);
	INIT_LIST_HEAD(&new->marks);
	INIT_LIST_HEAD(&new->restored);
	lu = cmpxchg(&ictx->lu, NULL, new);
	if (!lu)
		return new;
	kfree(new);
	return lu;
}

/**
 * iommufd_lu_ctx_release - an iommufd is being closed
 * @ictx: may be NULL if it was never opened
 *
 * Return: true if there is nothing to close.
 */
bool iommufd_lu_ctx_release(struct iommufd_ctx *ictx)
{
	struct lu_mark *mark, *tmp;

	if (!ictx)
		return true;
	if (!ictx->lu)
		return false;
	list_for_each_entry_safe(mark, tmp, &ictx->lu->marks, list) {
		refcount_dec(&mark->hwpt->common.obj.users);
		kfree(mark);
	}
	INIT_LIST_HEAD(&ictx->lu->marks);
	return false;
}

/** iommufd_lu_ctx_free - the objects of an iommufd are gone */
void iommufd_lu_ctx_free(struct iommufd_ctx *ictx)
{
	kfree(ictx->lu);
}

/* --- ioctls --------------------------------------------------------------- */

static int mark_hwpt(struct iommufd_lu *lu, struct iommufd_hwpt_paging *hwpt, u64 token)
{
	struct lu_mark *mark;

	if (hwpt->auto_domain || hwpt->nest_parent || hwpt->common.fault ||
	    hwpt->common.pasid_compat || hwpt->common.domain->dirty_ops ||
	    !hwpt->common.domain->owner->lu_ops)
		return -EOPNOTSUPP;

	list_for_each_entry(mark, &lu->marks, list) {
		if (mark->hwpt == hwpt)
			return -EALREADY;
		if (mark->token == token)
			return -EEXIST;
	}
	mark = kzalloc_obj(*mark, GFP_KERNEL_ACCOUNT);
	if (!mark)
		return -ENOMEM;
	refcount_inc(&hwpt->common.obj.users);
	mark->hwpt = hwpt;
	mark->token = token;
	list_add_tail(&mark->list, &lu->marks);
	return 0;
}

static int unmark_hwpt(struct iommufd_lu *lu, struct iommufd_hwpt_paging *hwpt)
{
	struct lu_mark *mark;

	list_for_each_entry(mark, &lu->marks, list) {
		if (mark->hwpt != hwpt)
			continue;
		refcount_dec(&hwpt->common.obj.users);
		list_del(&mark->list);
		kfree(mark);
		return 0;
	}
	return -EINVAL;
}

int iommufd_hwpt_lu_mark(struct iommufd_ucmd *ucmd)
{
	struct iommu_hwpt_lu_mark *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *hwpt;
	struct iommufd_lu *lu;
	int rc;

	if (cmd->flags & ~IOMMU_HWPT_LU_MARK_CLEAR || cmd->__reserved)
		return -EINVAL;
	if (!liveupdate_enabled())
		return -EOPNOTSUPP;

	hwpt = iommufd_get_hwpt_paging(ucmd, cmd->hwpt_id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	lu = iommufd_lu_get(ucmd->ictx);
	if (!lu) {
		rc = -ENOMEM;
		goto out_put;
	}

	scoped_guard(mutex, &lu->lock) {
		if (lu->session)
			rc = -EBUSY;
		else if (cmd->flags & IOMMU_HWPT_LU_MARK_CLEAR)
			rc = unmark_hwpt(lu, hwpt);
		else
			rc = mark_hwpt(lu, hwpt, cmd->token);
	}
out_put:
	iommufd_put_object(ucmd->ictx, &hwpt->common.obj);
	return rc;
}

int iommufd_hwpt_lu_get(struct iommufd_ucmd *ucmd)
{
	struct iommu_hwpt_lu_get *cmd = ucmd->cmd;
	struct iommufd_lu *lu = READ_ONCE(ucmd->ictx->lu);
	struct iommufd_hwpt_restored *restored;
	struct iommu_lu_domain *ldom;

	if (cmd->flags || cmd->__reserved || !lu || !lu->incoming)
		return -EINVAL;

	guard(mutex)(&lu->lock);
	list_for_each_entry(restored, &lu->restored, list) {
		if (restored->ldom->ser.token != cmd->token)
			continue;
		cmd->out_hwpt_id = restored->common.obj.id;
		return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	}
	for (ldom = iommu_lu_iommufd_domains(lu->in_id); ldom; ldom = ldom->next)
		if (ldom->ser.token == cmd->token)
			return -EIO;
	/* Which tokens there were cannot be told any more. */
	return iommu_lu_incoming_bad() ? -EIO : -ENOENT;
}

/* Not for a short time: IOMMU_DESTROY is refused meanwhile, and does not wait. */
static void hold_object(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	refcount_inc(&obj->users);
	iommufd_put_object(ictx, obj);
}

int iommufd_hwpt_lu_verify(struct iommufd_ucmd *ucmd)
{
	struct iommu_hwpt_lu_verify *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *hwpt;
	struct iommufd_object *restored;
	u64 iova = 0;
	int rc;

	if (cmd->flags)
		return -EINVAL;
	restored = iommufd_get_object(ucmd->ictx, cmd->restored_id, IOMMUFD_OBJ_HWPT_RESTORED);
	if (IS_ERR(restored))
		return PTR_ERR(restored);
	hold_object(ucmd->ictx, restored);
	hwpt = iommufd_get_hwpt_paging(ucmd, cmd->hwpt_id);
	if (IS_ERR(hwpt)) {
		rc = PTR_ERR(hwpt);
		goto out_put;
	}
	/* It would stay behind when its last device leaves it meanwhile. */
	if (hwpt->auto_domain) {
		iommufd_put_object(ucmd->ictx, &hwpt->common.obj);
		rc = -EOPNOTSUPP;
		goto out_put;
	}
	hold_object(ucmd->ictx, &hwpt->common.obj);

	/* Who maps or unmaps holds it for reading until the tables are written. */
	down_write(&hwpt->ioas->iopt.domains_rwsem);
	rc = iommu_lu_compare_domain(container_of(restored, struct iommufd_hwpt_restored,
						  common.obj)->common.domain,
				     hwpt->common.domain, &iova);
	up_write(&hwpt->ioas->iopt.domains_rwsem);
	refcount_dec(&hwpt->common.obj.users);
	if (rc == -EDOM) {
		cmd->out_iova = iova;
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd)) ?: -EDOM;
	}
out_put:
	refcount_dec(&restored->users);
	return rc;
}

/* --- restored HWPTs --------------------------------------------------------- */

void iommufd_hwpt_restored_destroy(struct iommufd_object *obj)
{
	struct iommufd_hwpt_restored *restored =
		container_of(obj, struct iommufd_hwpt_restored, common.obj);

	scoped_guard(mutex, &restored->lu->lock)
		list_del(&restored->list);
	iommu_lu_free_domain(restored->ldom);
}

/* Each device that is on the domain is one of the object's users. */
static bool restored_device_joined(void *arg)
{
	struct iommufd_hwpt_restored *restored = arg;

	return refcount_inc_not_zero(&restored->common.obj.users);
}

static void restored_device_left(void *arg)
{
	struct iommufd_hwpt_restored *restored = arg;

	refcount_dec(&restored->common.obj.users);
}

/*
 * The doorbells that are mapped in the inherited tables get the addresses they have
 * there, in this iommufd as in the one that was preserved.
 */
static int restore_doorbells(struct iommufd_ctx *ictx, struct iommu_lu_domain *ldom)
{
	struct iommufd_sw_msi_map *map;
	unsigned int i;
	bool known;

	guard(mutex)(&ictx->sw_msi_lock);
	for (i = 0; ldom->msi && i < *ldom->nr_msi; i++) {
		known = false;
		list_for_each_entry(map, &ictx->sw_msi_list, sw_msi_item)
			known |= map->msi_addr == ldom->msi[i].msi_pa &&
				 map->sw_msi_start == *ldom->msi_start;
		if (known)
			continue;
		map = kzalloc_obj(*map);
		if (!map)
			return -ENOMEM;
		map->sw_msi_start = *ldom->msi_start;
		map->msi_addr = ldom->msi[i].msi_pa;
		map->pgoff = PHYS_PFN(ldom->msi[i].iova - *ldom->msi_start);
		map->id = ictx->sw_msi_id++;
		list_add_tail(&map->sw_msi_item, &ictx->sw_msi_list);
	}
	return 0;
}

static int restore_hwpt(struct iommufd_ctx *ictx, struct iommu_lu_domain *ldom)
{
	struct iommufd_hwpt_restored *restored;
	int rc;

	/* Nobody is on it: not restored, or none of its devices was taken over. */
	if (!iommu_lu_domain_busy(ldom))
		return -ENODEV;
	rc = restore_doorbells(ictx, ldom);
	if (rc)
		return rc;
	restored = __iommufd_object_alloc(ictx, restored, IOMMUFD_OBJ_HWPT_RESTORED, common.obj);
	if (IS_ERR(restored))
		return PTR_ERR(restored);

	restored->lu = ictx->lu;
	restored->ldom = ldom;
	restored->common.domain = ldom->domain;
	ldom->domain->cookie_type = IOMMU_COOKIE_IOMMUFD;
	ldom->domain->iommufd_hwpt = &restored->common;

	/* From here on the devices can be claimed, and leave. */
	if (!iommu_lu_hand_out_domain(ldom, ictx, restored_device_joined, restored_device_left,
				      restored)) {
		iommufd_object_abort(ictx, &restored->common.obj);
		return -ENODEV;
	}
	list_add_tail(&restored->list, &ictx->lu->restored);
	iommufd_object_finalize(ictx, &restored->common.obj);
	return 0;
}

/**
 * iommufd_lu_may_bind - may a device come to an iommufd?
 * @ictx: iommufd, which is going to own the DMA of @dev
 * @dev: device
 *
 * While a retrieved iommufd has restored HWPTs it is for those devices only that are on them.
 * They become fewer only. That none of these is taken by another iommufd is seen to when it is
 * claimed.
 *
 * Return: 0 or -EPERM.
 */
int iommufd_lu_may_bind(struct iommufd_ctx *ictx, struct device *dev)
{
	struct iommufd_lu *lu = READ_ONCE(ictx->lu);

	if (!lu || !lu->incoming || iommu_lu_held(dev))
		return 0;
	guard(mutex)(&lu->lock);
	if (list_empty(&lu->restored))
		return 0;
	dev_err(dev, "iommu_lu: was not handed over with this iommufd, whose restored HWPTs must be destroyed first\n");
	return -EPERM;
}

/**
 * iommufd_lu_replace_begin - a HWPT is about to be replaced
 * @old: HWPT that the device is on
 * @hwpt: HWPT that it shall be on
 *
 * Drivers may have to compare the tables of both, and what they find must stay true until the
 * device is on the new ones. Restored tables do not change anyway.
 *
 * Context: mutex of the device's group in the iommufd held. Takes domains_rwsem of the IOAS of
 * @hwpt until iommufd_lu_replace_end() if @old is restored.
 */
void iommufd_lu_replace_begin(struct iommufd_hw_pagetable *old, struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_hwpt_paging *paging = find_hwpt_paging(hwpt);

	if (old->obj.type == IOMMUFD_OBJ_HWPT_RESTORED && paging)
		down_write(&paging->ioas->iopt.domains_rwsem);
}

/** iommufd_lu_replace_end - the other half of iommufd_lu_replace_begin() */
void iommufd_lu_replace_end(struct iommufd_hw_pagetable *old, struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_hwpt_paging *paging = find_hwpt_paging(hwpt);

	if (old->obj.type == IOMMUFD_OBJ_HWPT_RESTORED && paging)
		up_write(&paging->ioas->iopt.domains_rwsem);
}

/* --- preserve ---------------------------------------------------------------- */

/* The count is also read where MSI doorbells are mapped, under sw_msi_lock only. */
static void count_frozen(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas, int by)
{
	guard(mutex)(&ictx->sw_msi_lock);
	ioas->iopt.lu_frozen += by;
}

static void thaw_ioas(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas)
{
	down_write(&ioas->iopt.domains_rwsem);
	down_write(&ioas->iopt.iova_rwsem);
	count_frozen(ictx, ioas, -1);
	up_write(&ioas->iopt.iova_rwsem);
	up_write(&ioas->iopt.domains_rwsem);
}

/*
 * The next kernel gets the pages that the memfd has now, and the device goes on with those that
 * it had when they were mapped. They are others where a hole was punched meanwhile, or
 * where the file was truncated. As the memfd is preserved, they do not change any more.
 *
 * A folio never grows, and a new one is not where one is that is pinned: if the device has the
 * first page of a folio, it has all of them.
 */
static int check_pages(struct iopt_area *area, struct iommu_domain *domain)
{
	struct address_space *mapping = area->pages->file->f_mapping;
	unsigned long iova = iopt_area_iova(area), at, step;
	struct folio *folio;
	phys_addr_t pa;

	for (;;) {
		at = area->pages->start + iopt_area_start_byte(area, iova);
		folio = filemap_get_folio(mapping, at >> PAGE_SHIFT);
		if (IS_ERR(folio))
			break;
		pa = PFN_PHYS(folio_pfn(folio)) + at - folio_pos(folio);
		step = folio_next_pos(folio) - at;
		folio_put(folio);
		if (iommu_iova_to_phys(domain, iova) != pa)
			break;
		if (step > iopt_area_last_iova(area) - iova)
			return 0;
		iova += step;
		cond_resched();
	}
	pr_err("memfd mapped at %#lx has lost the page that is mapped at %#lx, map it again\n",
	       iopt_area_iova(area), iova);
	return -ESTALE;
}

/* Every mapping must be of a memfd that is preserved in the same session. */
static int check_areas(struct io_pagetable *iopt, struct iommu_domain *domain,
		       struct liveupdate_session *session)
{
	struct iopt_area *area;
	struct file *last = NULL;
	int rc;

	for (area = iopt_area_iter_first(iopt, 0, ULONG_MAX); area;
	     area = iopt_area_iter_next(area, 0, ULONG_MAX)) {
		/* being mapped or unmapped */
		if (!area->pages)
			return -EBUSY;
		if (area->pages->type != IOPT_ADDRESS_FILE) {
			pr_err("mapping at %#lx is not of a file\n", iopt_area_iova(area));
			return -EOPNOTSUPP;
		}
		if (area->pages->file != last &&
		    !liveupdate_session_has_file(session, area->pages->file)) {
			pr_err("memfd mapped at %#lx is not in the session, preserve it first\n",
			       iopt_area_iova(area));
			return -ENOENT;
		}
		last = area->pages->file;
		rc = check_pages(area, domain);
		if (rc)
			return rc;
	}
	return 0;
}

static int freeze_ioas(struct iommufd_ctx *ictx, struct iommufd_hwpt_paging *hwpt,
		       struct liveupdate_session *session)
{
	struct iommufd_ioas *ioas = hwpt->ioas;
	int rc;

	down_write(&ioas->iopt.domains_rwsem);
	down_write(&ioas->iopt.iova_rwsem);
	rc = check_areas(&ioas->iopt, hwpt->common.domain, session);
	if (!rc)
		count_frozen(ictx, ioas, 1);
	up_write(&ioas->iopt.iova_rwsem);
	up_write(&ioas->iopt.domains_rwsem);
	return rc;
}

/* Doorbells are mapped beside the IOAS; from here on none is added. */
static int preserve_doorbells(struct iommufd_ctx *ictx, struct iommufd_hwpt_paging *hwpt)
{
	struct iommu_lu_domain *ldom = hwpt->common.domain->lu;
	struct iommufd_sw_msi_map *map;
	unsigned int at;
	u64 iova;

	guard(mutex)(&ictx->sw_msi_lock);
	list_for_each_entry(map, &ictx->sw_msi_list, sw_msi_item) {
		if (!test_bit(map->id, hwpt->present_sw_msi.bitmap))
			continue;
		if (!ldom->msi || *ldom->nr_msi == IOMMU_DOMAIN_SER_MAX_SW_MSI ||
		    (*ldom->nr_msi && *ldom->msi_start != map->sw_msi_start)) {
			pr_err("more MSI doorbells are mapped than can be recorded\n");
			return -EOPNOTSUPP;
		}
		iova = map->sw_msi_start + PFN_PHYS(map->pgoff);
		/* in the order of their addresses */
		for (at = *ldom->nr_msi; at && ldom->msi[at - 1].iova > iova; at--)
			ldom->msi[at] = ldom->msi[at - 1];
		ldom->msi[at].iova = iova;
		ldom->msi[at].msi_pa = map->msi_addr;
		*ldom->msi_start = map->sw_msi_start;
		(*ldom->nr_msi)++;
	}
	return 0;
}

static void unpreserve_marks(struct iommufd_ctx *ictx, struct lu_mark *mark)
{
	struct iommufd_lu *lu = ictx->lu;

	list_for_each_entry_from_reverse(mark, &lu->marks, list) {
		iommu_lu_unpreserve_domain(mark->hwpt->common.domain);
		thaw_ioas(ictx, mark->hwpt->ioas);
	}
}

static int preserve_marks(struct iommufd_ctx *ictx, struct liveupdate_file_op_args *args)
{
	struct iommufd_lu *lu = ictx->lu;
	struct lu_mark *mark;
	int rc;

	list_for_each_entry(mark, &lu->marks, list) {
		rc = freeze_ioas(ictx, mark->hwpt, args->session);
		if (rc)
			goto err_undo;
		rc = iommu_lu_preserve_domain(mark->hwpt->common.domain, lu->id, mark->token);
		if (!rc) {
			rc = preserve_doorbells(ictx, mark->hwpt);
			if (rc)
				iommu_lu_unpreserve_domain(mark->hwpt->common.domain);
		}
		if (rc) {
			thaw_ioas(ictx, mark->hwpt->ioas);
			pr_err("HWPT with token %#llx cannot be preserved: %pe\n", mark->token,
			       ERR_PTR(rc));
			goto err_undo;
		}
		mark->hwpt->common.domain->lu->ser.file_token = args->token;
	}
	return 0;

err_undo:
	unpreserve_marks(ictx, list_prev_entry(mark, list));
	return rc;
}

static bool iommufd_lu_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);

	if (IS_ERR(ictx))
		return false;
	iommufd_ctx_put(ictx);
	return true;
}

static int iommufd_lu_preserve(struct liveupdate_file_op_args *args)
{
	struct iommufd_ctx *ictx = args->file->private_data;
	struct iommufd_lu *lu = iommufd_lu_get(ictx);
	int rc;

	if (!lu)
		return -ENOMEM;

	guard(mutex)(&lu->lock);
	if (list_empty(&lu->marks)) {
		pr_err("no HWPT is marked, there is nothing to preserve\n");
		return -ENODATA;
	}
	if (lu->incoming && !list_empty(&lu->restored)) {
		pr_err("restored HWPTs must be replaced first\n");
		return -EBUSY;
	}

	lu->id = iommu_lu_new_iommufd_id();
	rc = preserve_marks(ictx, args);
	if (rc)
		return rc;
	rc = iommu_lu_file_preserve();
	if (rc) {
		unpreserve_marks(ictx, list_last_entry(&lu->marks, struct lu_mark, list));
		return rc;
	}
	lu->session = args->session;
	args->serialized_data = lu->id;
	return 0;
}

static void iommufd_lu_unpreserve(struct liveupdate_file_op_args *args)
{
	struct iommufd_ctx *ictx = args->file->private_data;
	struct iommufd_lu *lu = ictx->lu;

	guard(mutex)(&lu->lock);
	lu->session = NULL;
	iommu_lu_file_unpreserve();
	unpreserve_marks(ictx, list_last_entry(&lu->marks, struct lu_mark, list));
}

static int iommufd_lu_freeze(struct liveupdate_file_op_args *args)
{
	return iommu_lu_file_freeze();
}

static void iommufd_lu_unfreeze(struct liveupdate_file_op_args *args)
{
	iommu_lu_file_unfreeze();
}

/**
 * iommufd_lu_preserved_id - under which number is an iommufd preserved?
 * @ictx: iommufd
 * @session: it must be preserved in this session
 * @id: the number
 *
 * Return: 0; -ENOENT it is not preserved; -EXDEV it is in another session.
 */
int iommufd_lu_preserved_id(struct iommufd_ctx *ictx, struct liveupdate_session *session, u64 *id)
{
	struct iommufd_lu *lu = READ_ONCE(ictx->lu);

	if (!lu)
		return -ENOENT;
	guard(mutex)(&lu->lock);
	if (lu->session != session)
		return lu->session ? -EXDEV : -ENOENT;
	*id = lu->id;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_lu_preserved_id, "IOMMUFD");

/* --- retrieve ---------------------------------------------------------------- */

static int iommufd_lu_retrieve(struct liveupdate_file_op_args *args)
{
	struct iommu_lu_domain *ldom;
	struct iommufd_ctx *ictx;
	struct file *file;
	int rc;

	file = iommufd_lu_open();
	if (IS_ERR(file))
		return PTR_ERR(file);
	ictx = file->private_data;
	if (!iommufd_lu_get(ictx)) {
		fput(file);
		return -ENOMEM;
	}
	ictx->lu->in_id = args->serialized_data;
	ictx->lu->incoming = true;

	for (ldom = iommu_lu_iommufd_domains(ictx->lu->in_id); ldom; ldom = ldom->next) {
		rc = restore_hwpt(ictx, ldom);
		if (!rc)
			continue;
		/*
		 * LUO does not retry. The devices stay held and go on
		 * as they are until the next live update.
		 */
		iommu_lu_refuse_domain(ldom, rc);
		if (rc != -ENODEV)
			pr_err("domain %#llx cannot be handed out: %pe\n", ldom->ser.token,
			       ERR_PTR(rc));
	}
	args->file = file;
	return 0;
}

static bool iommufd_lu_can_finish(struct liveupdate_file_op_args *args)
{
	struct iommu_lu_domain *ldom;

	for (ldom = iommu_lu_iommufd_domains(args->serialized_data); ldom; ldom = ldom->next)
		if (!iommu_lu_end_domain(ldom))
			return false;
	return true;
}

static void iommufd_lu_finish(struct liveupdate_file_op_args *args)
{
}

static const struct liveupdate_file_ops iommufd_lu_file_ops = {
	.can_preserve = iommufd_lu_can_preserve,
	.preserve = iommufd_lu_preserve,
	.unpreserve = iommufd_lu_unpreserve,
	.freeze = iommufd_lu_freeze,
	.unfreeze = iommufd_lu_unfreeze,
	.retrieve = iommufd_lu_retrieve,
	.can_finish = iommufd_lu_can_finish,
	.finish = iommufd_lu_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler iommufd_lu_handler = {
	.ops = &iommufd_lu_file_ops,
	.compatible = IOMMU_LU_IOMMUFD_COMPATIBLE,
};

int __init iommufd_lu_init(void)
{
	return iommu_lu_register_file_handler(&iommufd_lu_handler);
}

void iommufd_lu_exit(void)
{
	iommu_lu_unregister_file_handler(&iommufd_lu_handler);
}
