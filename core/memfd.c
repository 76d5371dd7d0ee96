// SPDX-License-Identifier: GPL-2.0
/*
 * Memory under a restored domain must not move.
 *
 * In the previous kernel iommufd had the folios of a memfd pinned. After the
 * kexec they are ordinary shmem folios, which could be migrated, swapped or
 * punched out while inherited page tables still refer to them. They are pinned
 * from the moment they are retrieved until the session is finished, which in
 * turn is refused while a restored domain exists.
 *
 * A retrieve that fails leaves them pinned, or not restored at all, for as long as
 * this kernel runs: the device goes on writing to them.
 */
#include <linux/iommu-liveupdate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>

#include "internal.h"

/**
 * iommu_lu_memfd_pin - pin a folio that is about to be added to a memfd
 * @folio: just restored from KHO
 *
 * The folio is pinned where it is. pin_user_pages() and memfd_pin_folios()
 * would first move it out of a zone they do not like for a long-term pin.
 *
 * Cannot fail: the caller holds the reference that try_grab_folio() asks for.
 */
void iommu_lu_memfd_pin(struct folio *folio)
{
	if (iommu_lu_inherited() && try_grab_folio(folio, 1, FOLL_PIN))
		pr_err("iommu_lu: folio at %pa could not be pinned\n",
		       &(phys_addr_t){ PFN_PHYS(folio_pfn(folio)) });
}

/**
 * iommu_lu_memfd_hold - nothing may be taken out of a retrieved memfd
 * @file: the memfd
 */
void iommu_lu_memfd_hold(struct file *file)
{
	struct inode *inode = file_inode(file);

	if (!iommu_lu_inherited())
		return;
	inode_lock(inode);
	shmem_freeze(inode, true);
	inode_unlock(inode);
}

/**
 * iommu_lu_memfd_release - undo iommu_lu_memfd_pin() for all folios, and the hold
 * @file: the memfd
 */
void iommu_lu_memfd_release(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct folio_batch batch;
	pgoff_t index = 0;
	unsigned int i;

	if (!iommu_lu_inherited())
		return;

	inode_lock(inode);
	folio_batch_init(&batch);
	while (filemap_get_folios(inode->i_mapping, &index, ULONG_MAX, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++)
			unpin_folio(batch.folios[i]);
		folio_batch_release(&batch);
		cond_resched();
	}
	shmem_freeze(inode, false);
	inode_unlock(inode);
}
