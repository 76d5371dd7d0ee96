/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IOMMU live update: what the rest of the kernel calls.
 *
 * Three groups of callers: the hooks in the iommu core, PCI, iommufd and VFIO;
 * the IOMMU drivers that implement struct iommu_lu_ops; LUO. Everything is a
 * no-op when CONFIG_IOMMU_LIVEUPDATE is off.
 */
#ifndef _LINUX_IOMMU_LIVEUPDATE_H
#define _LINUX_IOMMU_LIVEUPDATE_H

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kho/abi/iommu-lu.h>
#include <linux/list.h>
#include <linux/types.h>

struct device;
struct file;
struct folio;
struct iommu_device;
struct iommu_domain;
struct kimage;
struct liveupdate_file_handler;
struct liveupdate_session;
struct pci_bus;
struct pci_dev;

/**
 * struct iommu_lu_unit - a unit that is being preserved, or was inherited
 * @list: on the list of units, in the order of their indices at freeze
 * @iommu: the unit. Of an inherited one: set by its driver when it has taken the unit over,
 *	NULL before, and again when it gives the unit up
 * @users: number of preserved devices behind it
 * @index: position in the blob
 * @failed: errno for an inherited unit that could not be taken over, else 0
 * @first: first inherited device behind it, linked by ->next
 * @link: the driver's: another record that this one refers to, or NULL
 * @link_index: the driver's: where in @ser the index of @link goes, at freeze
 * @pdev: the driver's: the PCI function that the unit is, if it reads its tables as a
 *	bus master; else NULL
 * @priv: for the driver
 * @ser: the record
 */
struct iommu_lu_unit {
	struct list_head list;
	struct iommu_device *iommu;
	unsigned int users;
	u32 index;
	int failed;
	struct iommu_lu_device *first;
	struct iommu_lu_unit *link;
	u32 *link_index;
	struct pci_dev *pdev;
	void *priv;
	struct iommu_hw_ser ser;
};

/**
 * struct iommu_lu_domain - a domain that is being preserved, or was inherited
 * @list: on the list of domains, in the order of their indices at freeze
 * @next: next inherited domain of the same iommufd
 * @domain: the domain; NULL for an inherited one that is not restored or freed
 * @incoming: inherited from the previous kernel
 * @devices: number of devices that are preserved with it, or still attached
 * @index: position in the blob
 * @failed: errno for an inherited domain that could not be restored, else 0
 * @unit_index: the driver's, for domains that belong to one unit: where in @ser
 *	the index of the unit of its devices goes, at freeze; else NULL
 * @msi: the driver's, for formats that record MSI doorbells: where in @ser they are,
 *	room for IOMMU_DOMAIN_SER_MAX_SW_MSI; else NULL
 * @nr_msi: the driver's: where in @ser their number is
 * @msi_start: the driver's: where in @ser the start of their window is
 * @owner: who may claim the devices of an inherited domain
 * @device_joined: see iommu_lu_hand_out_domain()
 * @device_left: likewise
 * @arg: argument for both
 * @rcu: whoever looks at the domain of somebody else holds no lock that keeps it preserved
 * @ser: the record
 */
struct iommu_lu_domain {
	struct list_head list;
	struct iommu_lu_domain *next;
	struct iommu_domain *domain;
	bool incoming;
	unsigned int devices;
	u32 index;
	int failed;
	u32 *unit_index;
	struct iommu_sw_msi_ser *msi;
	u8 *nr_msi;
	u64 *msi_start;
	void *owner;
	bool (*device_joined)(void *arg);
	void (*device_left)(void *arg);
	void *arg;
	struct rcu_head rcu;
	struct iommu_domain_ser ser;
};

/**
 * struct iommu_lu_device - a device that is being preserved, or was inherited
 * @list: on the list of devices, in the order of their indices at freeze
 * @next: next inherited device behind the same unit
 * @dev: the device; NULL for an inherited one that was not probed
 * @unit: the unit that translates for it
 * @domain: the domain it is attached to
 * @incoming: inherited from the previous kernel
 * @held: inherited, and attached to its restored domain
 * @frozen: verified by a freeze; bus master stays on from here
 * @stale: what was preserved is no longer true, the next freeze fails
 * @failed: errno for an inherited device that could not be taken over, else 0
 * @has_id: the driver's: the domain id of an inherited device is taken on its behalf
 * @rcu: whoever asks for the state of the device holds no lock that keeps it preserved
 * @ser: the record
 *
 * dev->iommu->lu points here while the device is preserved, or while it is
 * attached to an inherited domain. That pointer changes under the group mutex.
 */
struct iommu_lu_device {
	struct list_head list;
	struct iommu_lu_device *next;
	struct device *dev;
	struct iommu_lu_unit *unit;
	struct iommu_lu_domain *domain;
	bool incoming;
	bool held;
	bool frozen;
	bool stale;
	int failed;
	bool has_id;
	struct rcu_head rcu;
	struct iommu_device_ser ser;
};

/**
 * struct iommu_lu_mapping - a piece of what a domain maps, by one entry of its tables
 * @iova: address of the device
 * @pa: physical address
 * @len: in bytes, to the end of what the entry maps
 * @attr: permissions and attributes, comparable for entries of the same @format
 * @format: enum iommu_domain_ser_format
 */
struct iommu_lu_mapping {
	u64 iova;
	u64 pa;
	u64 len;
	u64 attr;
	u32 format;
};

/**
 * struct iommu_lu_ops - what an IOMMU driver implements to take part
 * @preserve_unit: the first device behind @iommu is about to be preserved. Fill
 *	in @unit->ser and preserve what the unit itself needs. Must not touch
 *	the tables that the hardware is using. Group mutex of that device held,
 *	may sleep. Returns -EOPNOTSUPP, with the reason in the log, for a unit that
 *	is not carried; after an error nothing is left.
 * @unpreserve_unit: undo @preserve_unit. Cannot fail. Also called when
 *	@preserve_device of its first device has failed.
 * @preserve_device: fill in the requester ids and the driver's part of
 *	@ldev->ser, take references that keep the ids from being reused, add the
 *	device to what is prepared for the switch. Group mutex held, may sleep.
 *	Returns -EOPNOTSUPP, with the reason in the log, for an attachment that is
 *	not carried; after an error nothing is left.
 * @unpreserve_device: undo @preserve_device; @domain is the one it was preserved
 *	with, which it may have left. Group mutex held.
 * @freeze_device: verify that the hardware state still is what was recorded.
 *	Returns -EBUSY if not. Changes nothing: there is no op that undoes it. Group
 *	mutex held.
 * @preserve_domain: preserve the page tables of @domain and describe them in
 *	@ldom->ser (token and iommufd_id are set). Nothing maps or unmaps
 *	meanwhile. May sleep.
 * @unpreserve_domain: undo @preserve_domain.
 * @restore_domain: allocate a domain for @dev in the recorded format and let it
 *	be the one that @ldom->ser describes. O(1), no copy. Returns the domain,
 *	or an error after which the inherited tables are as they were. Group
 *	mutex held.
 * @next_mapping: find what @domain maps first at or above @iova. Nothing maps or unmaps
 *	meanwhile, or @domain is a restored one. Returns 0; -ENOENT if there is nothing more;
 *	-EOPNOTSUPP for a kind of domain that is not carried.
 * @restore_device: @dev is about to be attached to the restored @domain:
 *	install ids, and fail if what the hardware uses is not exactly what
 *	attach_dev would write. The attach_dev that follows writes nothing.
 *	Group mutex held.
 * @quiesce_device: @dev could not be taken over and its bus master is off:
 *	remove what the hardware still has for it. Its record may not be sound, its
 *	unit not adopted, its domain not there. Group mutex held.
 * @forget_device: a device behind an adopted unit was never probed, and nobody can ask
 *	for it any more: remove its entries, and what is cached of them. Its domain may
 *	have been restored for others, and be in use. No device is probed meanwhile
 *	(iommu_probe_device_lock). May sleep.
 *
 * A driver that has none is refused with -EOPNOTSUPP. All ops are required.
 * Beside them a driver has to adopt its units when it starts, and to leave them
 * running when the kernel shuts down: see docs/writing-a-backend.md.
 */
struct iommu_lu_ops {
	int (*preserve_unit)(struct iommu_device *iommu, struct iommu_lu_unit *unit);
	void (*unpreserve_unit)(struct iommu_device *iommu, struct iommu_lu_unit *unit);
	int (*preserve_device)(struct device *dev, struct iommu_domain *domain,
			       struct iommu_lu_device *ldev);
	void (*unpreserve_device)(struct device *dev, struct iommu_domain *domain,
				  struct iommu_lu_device *ldev);
	int (*freeze_device)(struct device *dev, struct iommu_lu_device *ldev);
	int (*preserve_domain)(struct iommu_domain *domain, struct iommu_lu_domain *ldom);
	void (*unpreserve_domain)(struct iommu_domain *domain, struct iommu_lu_domain *ldom);
	struct iommu_domain *(*restore_domain)(struct device *dev, struct iommu_lu_domain *ldom);
	int (*next_mapping)(struct iommu_domain *domain, u64 iova, struct iommu_lu_mapping *m);
	int (*restore_device)(struct device *dev, struct iommu_domain *domain,
			      struct iommu_lu_device *ldev);
	void (*quiesce_device)(struct device *dev);
	void (*forget_device)(struct iommu_lu_device *ldev);
};

#ifdef CONFIG_IOMMU_LIVEUPDATE

/* core.c: the store */
bool iommu_lu_inherited(void);
bool iommu_lu_incoming_bad(void);
bool iommu_lu_sealed(void);
struct iommu_lu_unit *iommu_lu_unit_incoming(u64 token);
struct iommu_lu_device *iommu_lu_device_incoming(u32 segment, u16 bdf);
struct iommu_lu_domain *iommu_lu_iommufd_domains(u64 iommufd_id);
int iommu_lu_walk_incoming(int (*fn)(struct iommu_lu_device *ldev, void *arg), void *arg);
int iommu_lu_add_unit(struct iommu_lu_unit *unit);
void iommu_lu_del_unit(struct iommu_lu_unit *unit);
int iommu_lu_register_file_handler(struct liveupdate_file_handler *fh);
void iommu_lu_unregister_file_handler(struct liveupdate_file_handler *fh);
u64 iommu_lu_new_iommufd_id(void);
int iommu_lu_file_preserve(void);
void iommu_lu_file_unpreserve(void);
int iommu_lu_file_freeze(void);
void iommu_lu_file_unfreeze(void);

/* device.c: domains and devices */
int iommu_lu_preserve_domain(struct iommu_domain *domain, u64 iommufd_id, u64 token);
void iommu_lu_unpreserve_domain(struct iommu_domain *domain);
bool iommu_lu_hand_out_domain(struct iommu_lu_domain *ldom, void *owner, bool (*joined)(void *),
			      void (*left)(void *), void *arg);
void iommu_lu_refuse_domain(struct iommu_lu_domain *ldom, int err);
bool iommu_lu_domain_busy(struct iommu_lu_domain *ldom);
bool iommu_lu_end_domain(struct iommu_lu_domain *ldom);
bool iommu_lu_domain_is(struct iommu_lu_domain *ldom,
			bool (*fn)(struct iommu_domain *domain, void *arg), void *arg);
void iommu_lu_free_domain(struct iommu_lu_domain *ldom);
struct iommu_lu_unit *iommu_lu_get_unit(struct iommu_device *iommu);
void iommu_lu_put_unit(struct iommu_lu_unit *unit);
int iommu_lu_preserve_device(struct device *dev, u64 iommufd_id);
void iommu_lu_unpreserve_device(struct device *dev);
int iommu_lu_freeze_device(struct device *dev);
void iommu_lu_unfreeze_device(struct device *dev);
void iommu_lu_forget_device(u32 segment, u16 bdf);
bool iommu_lu_may_forget_device(u32 segment, u16 bdf);

/* device.c: called from the iommu core, group mutex held */
struct iommu_domain *iommu_lu_restore(struct device *dev, bool singleton);
int iommu_lu_may_attach(struct device *dev, struct iommu_domain *domain, bool must_succeed);
void iommu_lu_attached(struct device *dev, struct iommu_domain *domain);
struct iommu_domain *iommu_lu_removed(struct device *dev);
bool iommu_lu_may_claim(struct iommu_domain *domain, void *owner);

/* device.c: likewise, iommu_probe_device_lock held */
int iommu_lu_probe_failed(struct device *dev, int err);

/* in the iommu core */
struct iommu_domain *iommu_lu_group_lock(struct device *dev, bool *singleton);
void iommu_lu_group_unlock(struct device *dev);

bool iommu_lu_held(struct device *dev);
int iommu_lu_given_up(struct device *dev);
bool iommu_lu_preserved(struct device *dev);
bool iommu_lu_is_restored(struct iommu_domain *domain);

/* pages.c */
int iommu_preserve_page(void *virt);
void iommu_unpreserve_page(void *virt);
void *iommu_restore_page(phys_addr_t phys);

/* generic_pt.c */
int iommu_lu_pt_preserve(struct iommu_domain *domain, struct iommu_lu_domain *ldom);
void iommu_lu_pt_unpreserve(struct iommu_domain *domain, struct iommu_lu_domain *ldom);
int iommu_lu_pt_adopt(struct iommu_domain *domain, const struct iommu_domain_ser *ser);
struct iommu_domain *iommu_lu_pt_restore(struct device *dev, struct iommu_lu_domain *ldom);
int iommu_lu_pt_next_mapping(struct iommu_domain *domain, u64 iova, struct iommu_lu_mapping *m);

/* verify.c */
int iommu_lu_compare_domain(struct iommu_domain *restored, struct iommu_domain *domain, u64 *iova);

/* pci.c */
int iommu_lu_add_rid(struct iommu_device_ser *ser, u16 rid);
int iommu_lu_pci_rids(struct device *dev, struct iommu_device_ser *ser);
bool iommu_lu_keep_master(struct pci_dev *pdev);
bool iommu_lu_bus_live(struct pci_bus *bus);
bool iommu_lu_keep_config(struct pci_bus *bus);
void iommu_lu_pci_quiesce(struct device *dev);
int iommu_lu_pci_keep(struct pci_dev *pdev, int pos, u16 want, u16 ignore);
bool iommu_lu_keep_msix(struct pci_dev *pdev, u16 flags);
bool iommu_lu_msix_kept(struct pci_dev *pdev);
int iommu_lu_set_irqs(struct pci_dev *pdev, unsigned int index, unsigned int count);
bool iommu_lu_quiesce_incoming(struct iommu_lu_unit *unit);

/* fail_nth.c: guard(iommu_lu_fail)("stage") */
#ifdef CONFIG_IOMMU_LIVEUPDATE_FAIL_NTH
void iommu_lu_fail_begin(const char *name);
void iommu_lu_fail_end(const char *name);
#else
static inline void iommu_lu_fail_begin(const char *name) { }
static inline void iommu_lu_fail_end(const char *name) { }
#endif
DEFINE_GUARD(iommu_lu_fail, const char *, iommu_lu_fail_begin(_T), iommu_lu_fail_end(_T))

/* kexec.c */
void iommu_lu_kexec_image(struct kimage *image);

/* memfd.c */
void iommu_lu_memfd_pin(struct folio *folio);
void iommu_lu_memfd_hold(struct file *file);
void iommu_lu_memfd_release(struct file *file);

#else

static inline bool iommu_lu_inherited(void) { return false; }
static inline struct iommu_domain *iommu_lu_restore(struct device *dev, bool singleton)
{
	return NULL;
}

static inline int iommu_lu_may_attach(struct device *dev, struct iommu_domain *domain,
				      bool must_succeed)
{
	return 0;
}

static inline void iommu_lu_attached(struct device *dev, struct iommu_domain *domain) { }
static inline struct iommu_domain *iommu_lu_removed(struct device *dev) { return NULL; }
static inline int iommu_lu_probe_failed(struct device *dev, int err) { return err; }
static inline bool iommu_lu_may_claim(struct iommu_domain *domain, void *owner) { return false; }
static inline bool iommu_lu_held(struct device *dev) { return false; }
static inline bool iommu_lu_preserved(struct device *dev) { return false; }
static inline bool iommu_lu_is_restored(struct iommu_domain *domain) { return false; }
static inline bool iommu_lu_keep_master(struct pci_dev *pdev) { return false; }
static inline bool iommu_lu_bus_live(struct pci_bus *bus) { return false; }
static inline bool iommu_lu_keep_config(struct pci_bus *bus) { return false; }
static inline int iommu_lu_pci_keep(struct pci_dev *pdev, int pos, u16 want, u16 ignore)
{
	return 0;
}

static inline bool iommu_lu_keep_msix(struct pci_dev *pdev, u16 flags) { return false; }
static inline bool iommu_lu_msix_kept(struct pci_dev *pdev) { return false; }
static inline int iommu_lu_set_irqs(struct pci_dev *pdev, unsigned int index, unsigned int count)
{
	return 0;
}

static inline void iommu_lu_kexec_image(struct kimage *image) { }
static inline void iommu_lu_memfd_pin(struct folio *folio) { }
static inline void iommu_lu_memfd_hold(struct file *file) { }
static inline void iommu_lu_memfd_release(struct file *file) { }

#endif /* CONFIG_IOMMU_LIVEUPDATE */
#endif /* _LINUX_IOMMU_LIVEUPDATE_H */
