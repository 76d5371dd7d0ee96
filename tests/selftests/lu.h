/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small library of the live update guest programs: thin wrappers around the
 * ioctls of /dev/liveupdate, /dev/iommu and vfio cdevs, kexec, the kernel
 * command line, and KTAP output.
 *
 * Every function that can fail returns a negative errno.
 */
#ifndef LU_SELFTESTS_LU_H
#define LU_SELFTESTS_LU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Unit of all layouts, whatever the page size of the kernel. */
#define LU_PAGE		4096UL

/* The page size of the kernel: what memory is mapped in. */
size_t page_size(void);

/* Output: KTAP, phase marks and diagnostics, one printk record per call. */
void ktap_begin(void);
bool ktap(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* rc == want (0 or a negative errno); the result says what came instead */
bool ktap_rc(long rc, long want, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void ktap_skip(const char *what, const char *why);
void ktap_end(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Kernel command line: lu.NAME=VALUE */
const char *opt_str(const char *name, const char *def);
long opt_num(const char *name, long def);

/* The cards under test: lu.nic=BDF, lu.nic2=BDF */
const char *card_bdf(unsigned int card);

/* Run a program; what it says goes to *out. Returns its pid. */
int spawn(char *const argv[], FILE **out);
/* The next line that it says, passed on as a comment; false at the end. */
bool spawn_line(FILE *out, char *line, size_t size);

/* sysfs and friends */
int file_write(const char *path, const char *text);
long file_read(const char *path, char *buf, size_t size);
void say_file(const char *path);
long vmstat(const char *name);
long meminfo_kb(const char *name);
long free_pages(void);
/*
 * Physical address of what is at @va, by /proc/self/pagemap. 0 if nothing is there, or if
 * we may not know.
 */
uint64_t pagemap_pa(int pagemap, const volatile void *va);
uint64_t now_ms(void);

/* /dev/liveupdate */
int lu_session_create(const char *name);
int lu_session_retrieve(const char *name);
int lu_preserve(int session, int fd, uint64_t token);
int lu_retrieve(int session, uint64_t token);
int lu_finish(int session);

/* /dev/iommu */
int ioas_alloc(int iommufd, uint32_t *id);
int ioas_map_file(int iommufd, uint32_t ioas, int fd, uint64_t start,
		  uint64_t len, uint64_t iova);
int ioas_map_anon(int iommufd, uint32_t ioas, void *va, uint64_t len,
		  uint64_t iova);
int ioas_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t len);
/* Ranges that may be mapped, as text. Returns how many there are. */
int ioas_ranges(int iommufd, uint32_t ioas, char *buf, size_t size);
int hwpt_alloc(int iommufd, uint32_t dev, uint32_t ioas, uint32_t flags,
	       uint32_t *id);
int hwpt_mark(int iommufd, uint32_t hwpt, uint64_t token, uint32_t flags);
int hwpt_get(int iommufd, uint64_t token, uint32_t *id);
/* with -EDOM, *iova is the first address that is different */
int hwpt_verify(int iommufd, uint32_t restored, uint32_t hwpt, uint64_t *iova);
int iommufd_destroy(int iommufd, uint32_t id);

/* vfio-pci cdev */
int vfio_bind_driver(const char *bdf, const char *driver);
int vfio_open(const char *bdf);
int vfio_bind(int dev, int iommufd, uint32_t *id);
int vfio_attach(int dev, uint32_t pt);
int vfio_bind_unwritable(int dev, int iommufd);
int vfio_attach_unwritable(int dev, uint32_t pt);
/* the same; *pt becomes the HWPT that was made for an IOAS */
int vfio_attach_pt(int dev, uint32_t *pt);
int vfio_detach(int dev);
int vfio_msi(int dev, bool on);
/* The first @n MSI-X vectors, each signalled to its eventfd; 0: MSI-X off */
int vfio_msix(int dev, const int *eventfd, unsigned int n);
int vfio_reset(int dev);
int vfio_low_power(int dev);
int vfio_hot_reset(int dev);
int vfio_config_read16(int dev, unsigned int off);
/* offset of a capability in configuration space */
int vfio_config_cap(int dev, unsigned int id);
int vfio_config_write16(int dev, unsigned int off, uint16_t val);
void *vfio_map_bar(int dev, unsigned int bar, size_t *size);
int vfio_bus_master(int dev, bool on);
/* a register of a BAR that cannot be mapped */
int vfio_read32(int dev, unsigned int bar, unsigned int off, uint32_t *val);

/* kexec */

int payload_unpack(void);
int kexec_file(const char *cmdline);
int kexec_plain(void);
int kexec_unload(void);
int kexec_reboot(void);
int next_cmdline(char *buf, size_t size, long stage);

#endif
