// SPDX-License-Identifier: GPL-2.0
/*
 * A kexec within one kernel, for the mock.
 *
 * Memory that was preserved gets a reference of its own, so that it outlives
 * what the old kernel frees, and can be "restored" once; its contents are put
 * aside. The blob is copied. The hardware is just left alone. Then everything of
 * the old kernel is taken down in the ordinary way, the contents come back, and
 * everything of the new kernel is set up: IOMMU, bus, devices.
 */
#include <kunit/static_stub.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/xarray.h>

#include "../../../iommu-pages.h"
#include "../../core/private.h"
#include "mock.h"

/* Blob: the header and one block of each kind; seen by the next kernel only */
static struct {
	unsigned long page[4];
	bool arrived;
} copy;

/**
 * struct inherited - an allocation that is handed over
 * @virt: where it is
 * @contents: what was in it
 */
struct inherited {
	void *virt;
	void *contents;
};

/* Both by page frame number: what was preserved, struct inherited */
static DEFINE_XARRAY(preserved);
static DEFINE_XARRAY(inherited);

static int stub_preserve_page(void *virt)
{
	unsigned long pfn = page_to_pfn(virt_to_page(virt));
	int ret;

	/* KHO does not count: twice is a mistake of the caller */
	ret = xa_insert(&preserved, pfn, virt, GFP_KERNEL);
	if (ret)
		return ret;
	ret = kho_preserve_folio(virt_to_folio(virt));
	if (ret)
		xa_erase(&preserved, pfn);
	return ret;
}

static void stub_unpreserve_page(void *virt)
{
	KUNIT_EXPECT_PTR_EQ(kunit_get_current_test(),
			    xa_erase(&preserved, page_to_pfn(virt_to_page(virt))), virt);
	kho_unpreserve_folio(virt_to_folio(virt));
}

/* The old kernel's count went down when it freed the page, this is the new one's. */
static void *stub_restore_page(phys_addr_t phys)
{
	struct inherited *inh = xa_erase(&inherited, PHYS_PFN(phys));
	void *virt;

	if (!inh)
		return NULL;
	virt = inh->virt;
	kvfree(inh->contents);
	kfree(inh);
	mod_node_page_state(page_pgdat(virt_to_page(virt)), NR_IOMMU_PAGES,
			    folio_nr_pages(virt_to_folio(virt)));
	return virt;
}

static int stub_find_blob(phys_addr_t *phys, size_t *len)
{
	if (!copy.arrived)
		return -ENOENT;
	*phys = virt_to_phys(mock_blob());
	*len = sizeof(struct iommu_lu_hdr);
	return 0;
}

struct iommu_lu_hdr *mock_blob(void)
{
	return (void *)copy.page[0];
}

static void *record(unsigned int kind, size_t size, unsigned int i)
{
	return (char *)copy.page[kind] + sizeof(struct iommu_lu_block) + size * i;
}

struct iommu_hw_ser *mock_hw_ser(unsigned int i)
{
	return record(1, sizeof(struct iommu_hw_ser), i);
}

struct iommu_domain_ser *mock_domain_ser(unsigned int i)
{
	return record(2, sizeof(struct iommu_domain_ser), i);
}

struct iommu_device_ser *mock_device_ser(unsigned int i)
{
	return record(3, sizeof(struct iommu_device_ser), i);
}

static void drop_blob(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(copy.page); i++) {
		free_page(copy.page[i]);
		copy.page[i] = 0;
	}
	copy.arrived = false;
}

int mock_memory_init(struct kunit *test)
{
	kunit_activate_static_stub(test, iommu_preserve_page, stub_preserve_page);
	kunit_activate_static_stub(test, iommu_unpreserve_page, stub_unpreserve_page);
	kunit_activate_static_stub(test, iommu_restore_page, stub_restore_page);
	kunit_activate_static_stub(test, iommu_lu_find_blob, stub_find_blob);
	iommu_lu_forget_incoming();
	return 0;
}

/* Number of pages that were handed over and nobody has asked for */
unsigned int mock_memory_inherited(void)
{
	struct inherited *inh;
	unsigned int n = 0;
	unsigned long pfn;

	xa_for_each(&inherited, pfn, inh)
		n++;
	return n;
}

void mock_memory_exit(struct kunit *test)
{
	struct inherited *inh;
	unsigned long pfn;

	KUNIT_EXPECT_TRUE_MSG(test, xa_empty(&preserved), "pages left preserved");
	xa_for_each(&inherited, pfn, inh) {
		folio_put(virt_to_folio(inh->virt));
		kvfree(inh->contents);
		kfree(inh);
	}
	xa_destroy(&inherited);
	xa_destroy(&preserved);
	drop_blob();
}

/**
 * mock_kexec - stop what must not go on, and copy what crosses a kexec
 * @test: the blob is sealed
 *
 * The caller then gives up all it has in the old kernel, calls
 * mock_pci_remove(), mock_iommu_remove(), mock_memory_arrives(), and the two
 * functions that add again.
 */
void mock_kexec(struct kunit *test)
{
	struct iommu_lu_hdr *hdr = phys_to_virt(iommu_lu_blob_phys());
	u64 *head[] = { NULL, &hdr->hw_blocks, &hdr->domain_blocks, &hdr->device_blocks };
	struct pci_dev *pdev = NULL;
	unsigned long pfn;
	void *virt;
	int i;

	KUNIT_ASSERT_TRUE(test, iommu_lu_sealed());
	/* the one this kernel came from */
	iommu_lu_forget_incoming();
	drop_blob();
	for (i = 0; i < ARRAY_SIZE(copy.page); i++) {
		copy.page[i] = get_zeroed_page(GFP_KERNEL);
		KUNIT_ASSERT_NE(test, copy.page[i], 0);
	}
	memcpy(mock_blob(), hdr, sizeof(*hdr));
	for (i = 1; i < ARRAY_SIZE(head); i++) {
		u64 *to = (void *)mock_blob() + ((void *)head[i] - (void *)hdr);

		if (!*head[i])
			continue;
		memcpy((void *)copy.page[i], phys_to_virt(*head[i]), PAGE_SIZE);
		*to = virt_to_phys((void *)copy.page[i]);
	}

	/* as pci_device_shutdown() does */
	for_each_pci_dev(pdev)
		if (pci_domain_nr(pdev->bus) == MOCK_SEGMENT && !iommu_lu_keep_master(pdev))
			pci_clear_master(pdev);
	mock_iommu_shutdown();

	/* with what the driver has still changed in it */
	xa_for_each(&preserved, pfn, virt) {
		struct inherited *inh = kzalloc_obj(*inh);

		KUNIT_ASSERT_NOT_NULL(test, inh);
		KUNIT_ASSERT_EQ(test, xa_insert(&inherited, pfn, inh, GFP_KERNEL), 0);
		inh->virt = virt;
		folio_get(virt_to_folio(virt));
		inh->contents = kvmemdup(virt, folio_size(virt_to_folio(virt)), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, inh->contents);
	}
}

/* The jump: what the old kernel did to the memory after mock_kexec() has not happened. */
void mock_memory_arrives(void)
{
	struct inherited *inh;
	unsigned long pfn;

	xa_for_each(&inherited, pfn, inh)
		memcpy(inh->virt, inh->contents, folio_size(virt_to_folio(inh->virt)));
	copy.arrived = true;
}
