// SPDX-License-Identifier: GPL-2.0
/*
 * A PCI segment whose configuration space is memory:
 *
 *   00:00.0  endpoint
 *   00:01.0  endpoint
 *   00:02.0  conventional bridge to bus 1
 *   00:03.0  endpoint, behind the other unit
 *   01:00.0  endpoint
 *
 * Endpoints have MSI-X, ATS, PASID and PRI, which are off.
 *
 * Configuration space survives mock_pci_remove(), as that of a device survives
 * a kexec.
 */
#include <linux/pci.h>
#include <linux/unaligned.h>
#ifdef CONFIG_X86
#include <asm/pci.h>
#endif

#include "mock.h"

#define NR_FUNCTIONS	5

static const struct {
	u8 bus;
	u8 devfn;
	bool bridge;
} functions[NR_FUNCTIONS] = {
	{ 0, PCI_DEVFN(0, 0) },
	{ 0, PCI_DEVFN(1, 0) },
	{ 1, PCI_DEVFN(0, 0) },
	{ 0, PCI_DEVFN(3, 0) },
	{ 0, PCI_DEVFN(2, 0), .bridge = true },
};

static u8 config[NR_FUNCTIONS][PCI_CFG_SPACE_EXP_SIZE];
/* writes to extended capabilities */
static unsigned int control_writes;
/* it does not answer, whatever else it does */
static bool hidden[NR_FUNCTIONS];
static struct pci_host_bridge *host;

static u8 *config_of(struct pci_bus *bus, unsigned int devfn)
{
	int i;

	for (i = 0; i < NR_FUNCTIONS; i++)
		if (functions[i].bus == bus->number && functions[i].devfn == devfn && !hidden[i])
			return config[i];
	return NULL;
}

static int mock_config_read(struct pci_bus *bus, unsigned int devfn, int where, int size,
			    u32 *val)
{
	const u8 *space = config_of(bus, devfn);

	*val = ~0;
	if (!space || where + size > PCI_CFG_SPACE_EXP_SIZE)
		return PCIBIOS_DEVICE_NOT_FOUND;
	*val = 0;
	memcpy(val, space + where, size);
	return PCIBIOS_SUCCESSFUL;
}

/* There is nothing to write to but the command register and control registers. */
static int mock_config_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	u8 *space = config_of(bus, devfn);

	if (!space || where + size > PCI_CFG_SPACE_EXP_SIZE)
		return PCIBIOS_DEVICE_NOT_FOUND;
	if (where == PCI_COMMAND || where == MOCK_MSIX + PCI_MSIX_FLAGS)
		memcpy(space + where, &val, min(size, 2));
	if (where >= PCI_CFG_SPACE_SIZE) {
		memcpy(space + where, &val, size);
		control_writes++;
	}
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops mock_pci_ops = {
	.read = mock_config_read,
	.write = mock_config_write,
};

static void add_ext_cap(u8 *space, int id, int pos, int next)
{
	put_unaligned_le32(id | 1 << 16 | next << 20, space + pos);
}

/* Devices as they come out of a power-on reset, but doing DMA. */
void mock_pci_reset(void)
{
	int i;

	memset(config, 0, sizeof(config));
	memset(hidden, 0, sizeof(hidden));
	control_writes = 0;
	for (i = 0; i < NR_FUNCTIONS; i++) {
		put_unaligned_le16(MOCK_VENDOR, config[i] + PCI_VENDOR_ID);
		put_unaligned_le16(MOCK_DEVICE + i, config[i] + PCI_DEVICE_ID);
		put_unaligned_le16(PCI_COMMAND_MASTER, config[i] + PCI_COMMAND);
		put_unaligned_le16(functions[i].bridge ? PCI_CLASS_BRIDGE_PCI :
							 PCI_CLASS_NETWORK_ETHERNET,
				   config[i] + PCI_CLASS_DEVICE);
		if (!functions[i].bridge) {
			put_unaligned_le16(PCI_STATUS_CAP_LIST, config[i] + PCI_STATUS);
			config[i][PCI_CAPABILITY_LIST] = MOCK_MSIX;
			config[i][MOCK_MSIX] = PCI_CAP_ID_MSIX;
			add_ext_cap(config[i], PCI_EXT_CAP_ID_ATS, MOCK_ATS, MOCK_PASID);
			add_ext_cap(config[i], PCI_EXT_CAP_ID_PASID, MOCK_PASID, MOCK_PRI);
			add_ext_cap(config[i], PCI_EXT_CAP_ID_PRI, MOCK_PRI, 0);
			continue;
		}
		config[i][PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
		config[i][PCI_SECONDARY_BUS] = 1;
		config[i][PCI_SUBORDINATE_BUS] = 1;
	}
}

/*
 * Before the device is added to the bus, where its IOMMU is looked for. The
 * bridge has none: its requester id belongs to the device behind it.
 */
static void fixup(struct pci_dev *pdev)
{
	if (pci_domain_nr(pdev->bus) != MOCK_SEGMENT || pci_is_bridge(pdev))
		return;
	/* without a PCI Express capability nobody would look there */
	pdev->cfg_size = PCI_CFG_SPACE_EXP_SIZE;
	mock_fixup(pdev);
}
DECLARE_PCI_FIXUP_HEADER(MOCK_VENDOR, PCI_ANY_ID, fixup);

/* What a kernel finds when it boots. */
int mock_pci_add(void)
{
#ifdef CONFIG_X86
	static struct pci_sysdata sysdata = {
		.domain = MOCK_SEGMENT,
		.node = NUMA_NO_NODE,
	};
#endif
	int ret;

	host = pci_alloc_host_bridge(0);
	if (!host)
		return -ENOMEM;
	host->ops = &mock_pci_ops;
#ifdef CONFIG_X86
	host->sysdata = &sysdata;
#endif
	/* given back when the bridge is released */
	host->domain_nr = pci_bus_find_emul_domain_nr(MOCK_SEGMENT, MOCK_SEGMENT, MOCK_SEGMENT);
	if (host->domain_nr < 0) {
		ret = host->domain_nr;
		host->domain_nr = PCI_DOMAIN_NR_NOT_SET;
		goto err_free;
	}

	pci_lock_rescan_remove();
	ret = pci_scan_root_bus_bridge(host);
	if (!ret)
		pci_bus_add_devices(host->bus);
	pci_unlock_rescan_remove();
	if (!ret)
		return 0;
err_free:
	pci_free_host_bridge(host);
	host = NULL;
	return ret;
}

void mock_pci_remove(void)
{
	if (!host)
		return;
	pci_lock_rescan_remove();
	pci_stop_root_bus(host->bus);
	pci_remove_root_bus(host->bus);
	pci_unlock_rescan_remove();
	pci_free_host_bridge(host);
	host = NULL;
}

/* Valid until mock_pci_remove() */
static struct pci_dev *find(unsigned int i)
{
	struct pci_dev *pdev = pci_get_domain_bus_and_slot(MOCK_SEGMENT, functions[i].bus,
							   functions[i].devfn);

	pci_dev_put(pdev);
	return pdev;
}

struct device *mock_pci_device(unsigned int i)
{
	struct pci_dev *pdev = find(i);

	return pdev ? &pdev->dev : NULL;
}

struct pci_dev *mock_pci_bridge(void)
{
	return find(NR_FUNCTIONS - 1);
}

u16 mock_pci_command(unsigned int i)
{
	return get_unaligned_le16(config[i] + PCI_COMMAND);
}

/* A register of an extended capability, behind the kernel's back */
u16 mock_pci_control(unsigned int i, int pos)
{
	return get_unaligned_le16(config[i] + pos);
}

void mock_pci_set_control(unsigned int i, int pos, u16 control)
{
	put_unaligned_le16(control, config[i] + pos);
}

void mock_pci_hide(unsigned int i)
{
	hidden[i] = true;
}

/* Back again, and found */
void mock_pci_show(unsigned int i)
{
	hidden[i] = false;
	pci_lock_rescan_remove();
	pci_rescan_bus(host->bus);
	pci_unlock_rescan_remove();
}

unsigned int mock_pci_control_writes(void)
{
	return control_writes;
}
