// SPDX-License-Identifier: GPL-2.0
/*
 * Handing over memory that came from iommu-pages.
 *
 * KHO keeps one bit per page and does not count: each page must be preserved
 * once, and unpreserved before it is freed. Callers that share a page keep
 * their own count.
 */
#include <kunit/static_stub.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/iommu-liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>

#include "../../iommu-pages.h"

/**
 * iommu_preserve_page - keep an allocation across the kexec
 * @virt: what iommu_alloc_pages_node_sz() returned, of any size
 *
 * Context: may sleep.
 * Return: 0 or a negative errno from KHO.
 */
int iommu_preserve_page(void *virt)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_preserve_page, virt);
	return kho_preserve_folio(virt_to_folio(virt));
}
EXPORT_SYMBOL_GPL(iommu_preserve_page);

/**
 * iommu_unpreserve_page - undo iommu_preserve_page()
 * @virt: the allocation
 *
 * Context: may sleep.
 */
void iommu_unpreserve_page(void *virt)
{
	KUNIT_STATIC_STUB_REDIRECT(iommu_unpreserve_page, virt);
	kho_unpreserve_folio(virt_to_folio(virt));
}
EXPORT_SYMBOL_GPL(iommu_unpreserve_page);

/**
 * iommu_restore_page - make an inherited allocation an ordinary one
 * @phys: its physical address
 *
 * Until this is called the memory is reserved, can be read, and may be used by
 * the hardware. Afterwards it belongs to the caller and is freed with
 * iommu_free_pages(); the contents are not touched. The memory cgroup it was
 * charged to in the previous kernel is not known any more.
 *
 * Context: any time after the page allocator is up.
 * Return: the virtual address, or NULL if nothing was preserved there or it was
 * restored before.
 */
void *iommu_restore_page(phys_addr_t phys)
{
	unsigned long pgcnt;
	struct folio *folio;

	KUNIT_STATIC_STUB_REDIRECT(iommu_restore_page, phys);
	folio = kho_restore_folio(phys);
	if (!folio)
		return NULL;

	folio_ioptdesc(folio)->incoherent = false;
	pgcnt = folio_nr_pages(folio);
	mod_node_page_state(folio_pgdat(folio), NR_IOMMU_PAGES, pgcnt);
	lruvec_stat_mod_folio(folio, NR_SECONDARY_PAGETABLE, pgcnt);
	return folio_address(folio);
}
EXPORT_SYMBOL_GPL(iommu_restore_page);
