// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/iommufd.h>
#include <linux/kexec.h>
#include <linux/liveupdate.h>
#include <linux/pci_regs.h>
#include <linux/reboot.h>
#include <linux/vfio.h>
#include <linux/iommufd-liveupdate.h>

#include "lu.h"

/* ---- output ---- */

static int ktap_count;
static int ktap_failed;

/*
 * Through /dev/kmsg: one record per line, so that a line is never torn apart
 * by a message of the kernel, and both carry the same clock.
 */
static void emit(const char *text)
{
	static int kmsg = -1;
	char rec[960];
	int len;

	if (kmsg < 0)
		kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	len = snprintf(rec, sizeof(rec), "<6>%s\n", text);
	if (len >= (int)sizeof(rec))
		len = sizeof(rec) - 1;
	if (kmsg < 0 || write(kmsg, rec, len) != len)
		dprintf(STDOUT_FILENO, "%s\n", text);
}

void say(const char *fmt, ...)
{
	char text[900];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit(text);
}

void ktap_begin(void)
{
	ktap_count = 0;
	ktap_failed = 0;
	emit("KTAP version 1");
}

static bool ktap_line(bool ok, const char *what, const char *more)
{
	ktap_count++;
	if (!ok)
		ktap_failed++;
	say("%s %d %s%s", ok ? "ok" : "not ok", ktap_count, what, more);
	return ok;
}

bool ktap(bool ok, const char *fmt, ...)
{
	char what[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return ktap_line(ok, what, "");
}

bool ktap_rc(long rc, long want, const char *fmt, ...)
{
	char what[600], more[200] = "";
	bool ok = want < 0 ? rc == want : rc >= 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (!ok)
		snprintf(more, sizeof(more), " # got %s, wanted %s",
			 rc < 0 ? strerrorname_np(-rc) : "success",
			 want < 0 ? strerrorname_np(-want) : "success");
	return ktap_line(ok, what, more);
}

void ktap_skip(const char *what, const char *why)
{
	ktap_count++;
	say("ok %d %s # SKIP %s", ktap_count, what, why);
}

void ktap_end(void)
{
	say("1..%d", ktap_count);
	say("# failed: %d", ktap_failed);
}

/* ---- command line ---- */

static char *cmdline_read(void)
{
	static char line[4096];

	if (!line[0] && file_read("/proc/cmdline", line, sizeof(line)) < 0)
		line[0] = 0;
	return line;
}

const char *opt_str(const char *name, const char *def)
{
	static char found[8][256];
	static unsigned int slot;
	char line[4096], key[64], *save, *word;
	char *res = NULL;

	snprintf(line, sizeof(line), "%s", cmdline_read());
	snprintf(key, sizeof(key), "lu.%s=", name);
	for (word = strtok_r(line, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save)) {
		if (!strncmp(word, key, strlen(key))) {
			res = found[slot++ % 8];
			snprintf(res, 256, "%s", word + strlen(key));
		}
	}
	return res ? res : def;
}

long opt_num(const char *name, long def)
{
	const char *s = opt_str(name, NULL);

	return s ? strtol(s, NULL, 0) : def;
}

const char *card_bdf(unsigned int card)
{
	return card ? opt_str("nic2", "0000:00:04.0") : opt_str("nic", "0000:00:03.0");
}

/*
 * The next kernel gets our own command line, with the stage counted up. Words
 * given as lu.next=WORD are added once, when leaving the first kernel.
 */
int next_cmdline(char *buf, size_t size, long stage)
{
	char line[4096], *save, *word;
	size_t len = 0;

	snprintf(line, sizeof(line), "%s", cmdline_read());
	buf[0] = 0;
	for (word = strtok_r(line, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save)) {
		if (!strncmp(word, "lu.stage=", 9))
			continue;
		if (!strncmp(word, "lu.next=", 8))
			word += 8;
		len += snprintf(buf + len, size - len, "%s ", word);
		if (len >= size)
			return -E2BIG;
	}
	len += snprintf(buf + len, size - len, "lu.stage=%ld", stage);
	return len < size ? 0 : -E2BIG;
}

/* ---- files ---- */

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

long file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	long n;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	buf[len] = 0;
	close(fd);
	return len;
}

/* Every line of a file, if there is one, as a comment. */
void say_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[256];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		say("# %s", line);
	}
	fclose(f);
}

long vmstat(const char *name)
{
	static char buf[16384];
	char key[64], *at;

	/* counters are kept per CPU: have them added up first */
	file_write("/proc/sys/vm/stat_refresh", "1");
	if (file_read("/proc/vmstat", buf, sizeof(buf)) < 0)
		return -1;
	snprintf(key, sizeof(key), "%s ", name);
	for (at = buf; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
		if (!strncmp(at, key, strlen(key)))
			return strtol(at + strlen(key), NULL, 10);
	return -1;
}

long meminfo_kb(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	long val = -1;

	while (f && val < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			val = strtol(line + strlen(name) + 1, NULL, 10);
	if (f)
		fclose(f);
	return val;
}

/*
 * Pages in nobody's hands: MemFree and what each CPU keeps by itself, thousands of
 * pages that come and go.
 */
long free_pages(void)
{
	long pages = meminfo_kb("MemFree") / (long)(page_size() / 1024), count;
	FILE *f = fopen("/proc/zoneinfo", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %ld", &count) == 1)
			pages += count;
	if (f)
		fclose(f);
	return pages;
}

size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

uint64_t pagemap_pa(int pagemap, const volatile void *va)
{
	uintptr_t at = (uintptr_t)va;
	uint64_t ent, pfn;

	if (pread(pagemap, &ent, sizeof(ent), at / page_size() * sizeof(ent)) != sizeof(ent) ||
	    !(ent >> 63))
		return 0;
	pfn = ent & ((1ULL << 55) - 1);
	return pfn ? pfn * page_size() + at % page_size() : 0;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static int xioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

/* ---- programs ---- */

int spawn(char *const argv[], FILE **out)
{
	int fd[2];
	pid_t pid;

	if (pipe(fd))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		dup2(fd[1], STDOUT_FILENO);
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(fd[1]);
	*out = fdopen(fd[0], "r");
	return *out ? pid : -errno;
}

bool spawn_line(FILE *out, char *line, size_t size)
{
	if (!fgets(line, size, out))
		return false;
	line[strcspn(line, "\n")] = 0;
	say("# %s", line);
	return true;
}

/* ---- live update ---- */

/* The device can be open once only: give it back, another process may want it. */
static int lu_device_ioctl(unsigned long cmd, void *arg)
{
	int fd = open("/dev/liveupdate", O_RDWR | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = xioctl(fd, cmd, arg);
	close(fd);
	return rc;
}

int lu_session_create(const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int rc;

	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	rc = lu_device_ioctl(LIVEUPDATE_IOCTL_CREATE_SESSION, &arg);
	return rc < 0 ? rc : arg.fd;
}

int lu_session_retrieve(const char *name)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg) };
	int rc;

	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	rc = lu_device_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg);
	return rc < 0 ? rc : arg.fd;
}

int lu_preserve(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token,
	};

	return xioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

int lu_retrieve(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg), .token = token,
	};
	int rc = xioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);

	return rc < 0 ? rc : arg.fd;
}

int lu_finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return xioctl(session, LIVEUPDATE_SESSION_FINISH, &arg);
}

/* ---- iommufd ---- */

int ioas_alloc(int iommufd, uint32_t *id)
{
	struct iommu_ioas_alloc arg = { .size = sizeof(arg) };
	int rc = xioctl(iommufd, IOMMU_IOAS_ALLOC, &arg);

	*id = arg.out_ioas_id;
	return rc;
}

int ioas_map_file(int iommufd, uint32_t ioas, int fd, uint64_t start,
		  uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas, .fd = fd, .start = start, .length = len,
		.iova = iova,
	};

	return xioctl(iommufd, IOMMU_IOAS_MAP_FILE, &arg);
}

int ioas_map_anon(int iommufd, uint32_t ioas, void *va, uint64_t len,
		  uint64_t iova)
{
	struct iommu_ioas_map arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas, .user_va = (uintptr_t)va, .length = len,
		.iova = iova,
	};

	return xioctl(iommufd, IOMMU_IOAS_MAP, &arg);
}

int ioas_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg), .ioas_id = ioas, .iova = iova,
		.length = len,
	};

	return xioctl(iommufd, IOMMU_IOAS_UNMAP, &arg);
}

int ioas_ranges(int iommufd, uint32_t ioas, char *buf, size_t size)
{
	struct iommu_iova_range range[64];
	struct iommu_ioas_iova_ranges arg = {
		.size = sizeof(arg), .ioas_id = ioas, .num_iovas = 64,
		.allowed_iovas = (uintptr_t)range,
	};
	int rc = xioctl(iommufd, IOMMU_IOAS_IOVA_RANGES, &arg);
	size_t len = 0;
	uint32_t i;

	if (rc < 0)
		return rc;
	buf[0] = '\0';
	for (i = 0; i < arg.num_iovas && len < size; i++)
		len += snprintf(buf + len, size - len, "%llx-%llx ",
				(unsigned long long)range[i].start,
				(unsigned long long)range[i].last);
	return arg.num_iovas;
}

int hwpt_alloc(int iommufd, uint32_t dev, uint32_t ioas, uint32_t flags,
	       uint32_t *id)
{
	struct iommu_hwpt_alloc arg = {
		.size = sizeof(arg), .flags = flags, .dev_id = dev,
		.pt_id = ioas, .data_type = IOMMU_HWPT_DATA_NONE,
	};
	int rc = xioctl(iommufd, IOMMU_HWPT_ALLOC, &arg);

	*id = arg.out_hwpt_id;
	return rc;
}

int hwpt_mark(int iommufd, uint32_t hwpt, uint64_t token, uint32_t flags)
{
	struct iommu_hwpt_lu_mark arg = {
		.size = sizeof(arg), .flags = flags, .hwpt_id = hwpt,
		.token = token,
	};

	return xioctl(iommufd, IOMMU_HWPT_LU_MARK, &arg);
}

int hwpt_get(int iommufd, uint64_t token, uint32_t *id)
{
	struct iommu_hwpt_lu_get arg = { .size = sizeof(arg), .token = token };
	int rc = xioctl(iommufd, IOMMU_HWPT_LU_GET, &arg);

	*id = arg.out_hwpt_id;
	return rc;
}

int hwpt_verify(int iommufd, uint32_t restored, uint32_t hwpt, uint64_t *iova)
{
	struct iommu_hwpt_lu_verify arg = {
		.size = sizeof(arg), .restored_id = restored, .hwpt_id = hwpt,
	};
	int rc = xioctl(iommufd, IOMMU_HWPT_LU_VERIFY, &arg);

	*iova = arg.out_iova;
	return rc;
}

int iommufd_destroy(int iommufd, uint32_t id)
{
	struct iommu_destroy arg = { .size = sizeof(arg), .id = id };

	return xioctl(iommufd, IOMMU_DESTROY, &arg);
}

/* ---- vfio ---- */

/* Returns what the driver's bind file says, so that refusals can be seen. */
int vfio_bind_driver(const char *bdf, const char *driver)
{
	char path[160];
	int rc;

	/* the kernel has a driver of its own for some of the cards */
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", bdf);
	rc = file_write(path, bdf);
	if (rc && rc != -ENOENT)
		return rc;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", bdf);
	rc = file_write(path, driver);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	return file_write(path, bdf);
}

int vfio_open(const char *bdf)
{
	char path[320];
	struct dirent *de;
	DIR *dir;
	int fd = -ENODEV;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		if (strncmp(de->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", de->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
		break;
	}
	closedir(dir);
	return fd;
}

int vfio_bind(int dev, int iommufd, uint32_t *id)
{
	struct vfio_device_bind_iommufd arg = {
		.argsz = sizeof(arg), .iommufd = iommufd,
	};
	int rc = xioctl(dev, VFIO_DEVICE_BIND_IOMMUFD, &arg);

	*id = arg.out_devid;
	return rc;
}

int vfio_attach_pt(int dev, uint32_t *pt)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg), .pt_id = *pt,
	};
	int rc = xioctl(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);

	*pt = arg.pt_id;
	return rc;
}

/* One of these with its structure where it cannot be written to. */
static int vfio_unwritable(int dev, unsigned long cmd, const void *arg, size_t size)
{
	void *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (page == MAP_FAILED)
		return -errno;
	memcpy(page, arg, size);
	rc = mprotect(page, page_size(), PROT_READ) ? -errno : xioctl(dev, cmd, page);
	munmap(page, page_size());
	return rc;
}

int vfio_bind_unwritable(int dev, int iommufd)
{
	const struct vfio_device_bind_iommufd arg = {
		.argsz = sizeof(arg), .iommufd = iommufd,
	};

	return vfio_unwritable(dev, VFIO_DEVICE_BIND_IOMMUFD, &arg, sizeof(arg));
}

int vfio_attach_unwritable(int dev, uint32_t pt)
{
	const struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg), .pt_id = pt,
	};

	return vfio_unwritable(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg, sizeof(arg));
}

int vfio_attach(int dev, uint32_t pt)
{
	return vfio_attach_pt(dev, &pt);
}

int vfio_detach(int dev)
{
	struct vfio_device_detach_iommufd_pt arg = { .argsz = sizeof(arg) };

	return xioctl(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
}

#define MAX_VECTORS	8

static int vfio_set_irqs(int dev, unsigned int index, const int *eventfd, unsigned int n)
{
	struct {
		struct vfio_irq_set set;
		int32_t eventfd[MAX_VECTORS];
	} arg = {
		.set.argsz = sizeof(arg.set) + n * sizeof(arg.eventfd[0]),
		.set.flags = VFIO_IRQ_SET_ACTION_TRIGGER |
			     (n ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
		.set.index = index,
		.set.count = n,
	};

	if (n > MAX_VECTORS)
		return -E2BIG;
	memcpy(arg.eventfd, eventfd, n * sizeof(arg.eventfd[0]));
	return xioctl(dev, VFIO_DEVICE_SET_IRQS, &arg);
}

/* One MSI, signalled to nobody. */
int vfio_msi(int dev, bool on)
{
	int fd = on ? eventfd(0, EFD_CLOEXEC) : -1;
	int rc;

	if (on && fd < 0)
		return -errno;
	rc = vfio_set_irqs(dev, VFIO_PCI_MSI_IRQ_INDEX, &fd, on);
	if (on)
		close(fd);
	return rc;
}

int vfio_msix(int dev, const int *eventfd, unsigned int n)
{
	return vfio_set_irqs(dev, VFIO_PCI_MSIX_IRQ_INDEX, eventfd, n);
}

int vfio_reset(int dev)
{
	return xioctl(dev, VFIO_DEVICE_RESET, NULL);
}

int vfio_low_power(int dev)
{
	struct vfio_device_feature arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
	};

	return xioctl(dev, VFIO_DEVICE_FEATURE, &arg);
}

/* By the owner of the iommufd: no list of groups. */
int vfio_hot_reset(int dev)
{
	struct vfio_pci_hot_reset arg = { .argsz = sizeof(arg) };

	return xioctl(dev, VFIO_DEVICE_PCI_HOT_RESET, &arg);
}

static int vfio_region(int dev, unsigned int index, struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	return xioctl(dev, VFIO_DEVICE_GET_REGION_INFO, info);
}

int vfio_read32(int dev, unsigned int bar, unsigned int off, uint32_t *val)
{
	struct vfio_region_info info;
	int rc = vfio_region(dev, VFIO_PCI_BAR0_REGION_INDEX + bar, &info);

	if (rc)
		return rc;
	return pread(dev, val, sizeof(*val), info.offset + off) == sizeof(*val) ? 0 : -errno;
}

int vfio_config_read16(int dev, unsigned int off)
{
	struct vfio_region_info info;
	uint16_t val;
	int rc = vfio_region(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);

	if (rc)
		return rc;
	if (pread(dev, &val, sizeof(val), info.offset + off) != sizeof(val))
		return -errno;
	return val;
}

int vfio_config_write16(int dev, unsigned int off, uint16_t val)
{
	struct vfio_region_info info;
	int rc = vfio_region(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);

	if (rc)
		return rc;
	if (pwrite(dev, &val, sizeof(val), info.offset + off) != sizeof(val))
		return -errno;
	return 0;
}

int vfio_config_cap(int dev, unsigned int id)
{
	int at = vfio_config_read16(dev, PCI_CAPABILITY_LIST), head;

	for (at = at < 0 ? at : at & 0xfc; at > 0; at = head >> 8 & 0xfc) {
		head = vfio_config_read16(dev, at);
		if (head < 0)
			return head;
		if ((head & 0xff) == (int)id)
			return at;
	}
	return at < 0 ? at : -ENOENT;
}

int vfio_bus_master(int dev, bool on)
{
	int cmd = vfio_config_read16(dev, PCI_COMMAND);

	if (cmd < 0)
		return cmd;
	cmd = on ? cmd | PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY :
		   cmd & ~PCI_COMMAND_MASTER;
	return vfio_config_write16(dev, PCI_COMMAND, cmd);
}

void *vfio_map_bar(int dev, unsigned int bar, size_t *size)
{
	struct vfio_region_info info;
	void *map;

	if (vfio_region(dev, VFIO_PCI_BAR0_REGION_INDEX + bar, &info))
		return NULL;
	*size = info.size;
	map = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev,
		   info.offset);
	return map == MAP_FAILED ? NULL : map;
}

/* ---- kexec ---- */

#define PAYLOAD_DISK	"/dev/vda"
#define PAYLOAD_KERNEL	"/next-kernel"
#define PAYLOAD_INITRD	"/next-initrd"

/* First block of the disk; kernel and initrd follow, each page aligned. */
struct payload_header {
	char magic[8];
	uint64_t kernel_size;
	uint64_t initrd_size;
};

static int copy_out(int disk, uint64_t off, uint64_t len, const char *path)
{
	static char buf[1 << 18];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0)
		return -errno;
	while (len && !rc) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);

		if (pread(disk, buf, n, off) != (ssize_t)n ||
		    write(fd, buf, n) != (ssize_t)n)
			rc = -EIO;
		off += n;
		len -= n;
	}
	close(fd);
	return rc;
}

/* Copies kernel and initrd of the disk into files of the root file system. */
int payload_unpack(void)
{
	struct payload_header hdr;
	uint64_t initrd;
	int disk, rc;

	if (!opt_num("disk", 1))
		return access(PAYLOAD_KERNEL, R_OK) || access(PAYLOAD_INITRD, R_OK) ? -errno : 0;
	disk = open(PAYLOAD_DISK, O_RDONLY | O_CLOEXEC);
	if (disk < 0)
		return -errno;
	rc = -EINVAL;
	if (read(disk, &hdr, sizeof(hdr)) != sizeof(hdr) ||
	    memcmp(hdr.magic, "LUPAYLD1", 8))
		goto out;
	initrd = (LU_PAGE + hdr.kernel_size + LU_PAGE - 1) & ~(LU_PAGE - 1);
	rc = copy_out(disk, LU_PAGE, hdr.kernel_size, PAYLOAD_KERNEL);
	if (!rc)
		rc = copy_out(disk, initrd, hdr.initrd_size, PAYLOAD_INITRD);
out:
	close(disk);
	return rc;
}

int kexec_file(const char *cmdline)
{
	int kernel = open(PAYLOAD_KERNEL, O_RDONLY | O_CLOEXEC);
	int initrd = open(PAYLOAD_INITRD, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (kernel < 0 || initrd < 0)
		rc = -ENOENT;
	else if (syscall(SYS_kexec_file_load, kernel, initrd,
			 strlen(cmdline) + 1, cmdline, 0UL) < 0)
		rc = -errno;
	if (kernel >= 0)
		close(kernel);
	if (initrd >= 0)
		close(initrd);
	return rc;
}

/* Somewhere in memory, in the largest piece of it there is. */
static unsigned long memory_somewhere(void)
{
	unsigned long long from, to, best = 0, at = 0;
	FILE *f = fopen("/proc/iomem", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx : System RAM", &from, &to) == 2 &&
		    strstr(line, " : System RAM") && line[0] != ' ' && to - from > best) {
			best = to - from;
			at = from;
		}
	}
	if (f)
		fclose(f);
	return (at + 0x2000000UL) & -page_size();
}

/*
 * The old system call: an image that carries no handover data. What is in it
 * does not matter (an endless loop), it must never be started.
 */
int kexec_plain(void)
{
	static const unsigned char loop[] = { 0xeb, 0xfe };
	unsigned long at = memory_somewhere();
	struct {
		const void *buf;
		size_t bufsz;
		const void *mem;
		size_t memsz;
	} seg = { loop, sizeof(loop), (void *)at, page_size() };

	if (syscall(SYS_kexec_load, at, 1UL, &seg,
		    (unsigned long)KEXEC_ARCH_DEFAULT) < 0)
		return -errno;
	return 0;
}

int kexec_unload(void)
{
	if (syscall(SYS_kexec_load, 0UL, 0UL, NULL,
		    (unsigned long)KEXEC_ARCH_DEFAULT) < 0)
		return -errno;
	return 0;
}

/* Returns only when the kernel refuses. */
int kexec_reboot(void)
{
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	return -errno;
}
