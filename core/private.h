/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOMMU_LU_PRIVATE_H
#define IOMMU_LU_PRIVATE_H

#include <linux/iommu-liveupdate.h>
#include <linux/mutex.h>

#include "../abi/validate.h"

/**
 * struct iommu_lu_state - everything that is preserved, or was inherited
 * @lock: protects the lists, counts and indices. Taken inside the group mutex,
 *	never held around a driver op.
 * @units: struct iommu_lu_unit
 * @domains: struct iommu_lu_domain
 * @devices: struct iommu_lu_device
 * @nr_units: length of @units
 * @nr_domains: length of @domains
 * @nr_devices: length of @devices
 */
struct iommu_lu_state {
	struct mutex lock;	/* see above */
	struct list_head units;
	struct list_head domains;
	struct list_head devices;
	u32 nr_units;
	u32 nr_domains;
	u32 nr_devices;
};

extern struct iommu_lu_state iommu_lu_out;

u64 iommu_lu_blob_phys(void);
int iommu_lu_add_domain(struct iommu_lu_domain *ldom);
void iommu_lu_del_domain(struct iommu_lu_domain *ldom);
int iommu_lu_add_device(struct iommu_lu_device *ldev);
void iommu_lu_del_device(struct iommu_lu_device *ldev);
void iommu_lu_free_unclaimed(struct iommu_lu_domain *ldom);

/* "0000:00:00.0" and some */
#define IOMMU_LU_NAME_LEN	32
int iommu_lu_suspend(char *name);
void iommu_lu_resume(void);

struct seq_file;

/* How to show what is preserved, or was inherited, in a file. */
struct iommu_lu_show {
	int (*head)(struct seq_file *m, const struct iommu_lu_hdr *hdr, bool present, int bad);
	int (*unit)(struct seq_file *m, const struct iommu_lu_unit *unit);
	int (*domain)(struct seq_file *m, const struct iommu_lu_domain *ldom);
	int (*device)(struct seq_file *m, const struct iommu_lu_device *ldev);
};

bool iommu_lu_out_hdr(struct iommu_lu_hdr *hdr);
int iommu_lu_show_incoming(struct seq_file *m, const struct iommu_lu_show *show);

int iommu_lu_pci_preserve(struct device *dev, struct iommu_device_ser *ser);
int iommu_lu_pci_freeze(struct device *dev, const struct iommu_device_ser *ser);
int iommu_lu_pci_match(struct device *dev, const struct iommu_device_ser *ser);
int iommu_lu_pci_match_control(struct device *dev, const struct iommu_device_ser *ser);
void iommu_lu_pci_mask(struct device *dev, bool mask);
int iommu_lu_pci_seal(void);
void iommu_lu_pci_unseal(void);

int iommu_lu_kexec_check(void);

#if IS_ENABLED(CONFIG_KUNIT)
struct liveupdate_flb_op_args;
int iommu_lu_find_blob(phys_addr_t *phys, size_t *len);
int iommu_lu_flb_preserve(struct liveupdate_flb_op_args *args);
void iommu_lu_flb_unpreserve(struct liveupdate_flb_op_args *args);
void iommu_lu_forget_incoming(void);
#endif

#endif
