/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An IOMMU, a PCI bus and a kexec that exist in memory only.
 *
 * mock.c is the backend: read it to learn how one is written. mock_pci.c is the
 * bus its devices are on, mock_kexec.c lets a "next kernel" take over.
 */
#ifndef IOMMU_LU_MOCK_H
#define IOMMU_LU_MOCK_H

#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/iommu-liveupdate.h>
#include <linux/pci.h>

/* No real vendor, and a segment that no machine has */
#define MOCK_VENDOR	0xfff0
#define MOCK_DEVICE	0x1000
#define MOCK_SEGMENT	0x7fff

/* Device table entry: valid, number of levels, top table, domain id */
#define MOCK_ENTRY_V		BIT_ULL(0)
#define MOCK_ENTRY_LEVELS	GENMASK_ULL(11, 9)
#define MOCK_ENTRY_TOP		GENMASK_ULL(51, 12)
#define MOCK_ENTRY_DID		GENMASK_ULL(63, 52)
#define MOCK_MAX_DID		0xfff

/* Capability of every endpoint */
#define MOCK_MSIX	0x40

/* Extended capabilities of every endpoint */
#define MOCK_ATS	0x100
#define MOCK_PASID	0x110
#define MOCK_PRI	0x120

/* Entries of a device table, which is one page */
#define MOCK_NR_ENTRIES		512

/**
 * struct mock_hw - what a unit is made of; nothing a kexec changes
 * @token: address of its registers
 * @table: register: physical address of the device table; 0: translation is off
 */
struct mock_hw {
	u64 token;
	u64 table;
};

enum { MOCK_NR_UNITS = 2 };

/*
 * Devices: 0 and 1 on the root bus, 2 behind a conventional bridge, which is
 * its DMA alias. The last one is behind the second unit.
 */
enum { MOCK_NR_DEVICES = 4 };

/* mock.c */
extern struct mock_hw mock_hw[MOCK_NR_UNITS];
int mock_iommu_add(void);
void mock_iommu_remove(void);
void mock_iommu_shutdown(void);
bool mock_translate(struct device *dev, u64 iova, u64 *pa);
void mock_fixup(struct pci_dev *pdev);
extern bool mock_one_group;
extern bool mock_probe_fails, mock_group_fails;
extern u16 mock_released_with;

/* mock_pci.c */
int mock_pci_add(void);
void mock_pci_remove(void);
struct device *mock_pci_device(unsigned int i);
struct pci_dev *mock_pci_bridge(void);
u16 mock_pci_command(unsigned int i);
u16 mock_pci_control(unsigned int i, int pos);
void mock_pci_set_control(unsigned int i, int pos, u16 control);
unsigned int mock_pci_control_writes(void);
void mock_pci_hide(unsigned int i);
void mock_pci_show(unsigned int i);
void mock_pci_reset(void);

/* mock_kexec.c */
int mock_memory_init(struct kunit *test);
void mock_memory_exit(struct kunit *test);
void mock_kexec(struct kunit *test);
void mock_memory_arrives(void);
struct iommu_lu_hdr *mock_blob(void);
struct iommu_hw_ser *mock_hw_ser(unsigned int i);
struct iommu_domain_ser *mock_domain_ser(unsigned int i);
struct iommu_device_ser *mock_device_ser(unsigned int i);
unsigned int mock_memory_inherited(void);

#endif
