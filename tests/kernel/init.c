// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the machine that runs the kernel's own tests.
 *
 *   lu.run=NAME     the program /NAME
 *   lu.kexec=1      it has two stages: --stage 1 here, --stage 2 after a kexec
 *   lu.stage=N      set by ourselves
 *   lu.kunit=1      every KUnit suite of the kernel
 *   lu.skip=NAME    but for that one
 *
 * Output of the program goes to the console line by line, with "NAME: " before
 * it. How it ended is in a line "@exit NAME STAGE CODE"; 128 and more is a
 * signal, as in a shell.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lu.h"

/*
 * What iommufd holds at a time at most is 128 MiB (iommufd_dirty_tracking,
 * domain_dirty128M_huge); a few more for what is freed late.
 */
#define HUGE_PAGES	"72"

static void mount_at(const char *type, const char *dir)
{
	mkdir(dir, 0755);
	if (mount(type, dir, type, 0, NULL) && errno != EBUSY)
		say("@error mount %s: %m", dir);
}

static int run(const char *name, long stage, bool staged)
{
	char path[64], num[16], line[800];
	int out[2], status;
	FILE *from;
	pid_t pid;

	snprintf(path, sizeof(path), "/%s", name);
	snprintf(num, sizeof(num), "%ld", stage);
	if (pipe2(out, O_CLOEXEC))
		return 255;
	pid = fork();
	if (pid < 0)
		return 255;
	if (!pid) {
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		execl(path, name, staged ? "--stage" : NULL, num, NULL);
		dprintf(STDERR_FILENO, "%s: %m\n", path);
		_exit(127);
	}
	close(out[1]);
	from = fdopen(out[0], "re");
	while (from && fgets(line, sizeof(line), from)) {
		line[strcspn(line, "\n")] = 0;
		say("%s: %s", name, line);
	}
	/* Its own child may live on, so ask for this one. */
	if (!from || waitpid(pid, &status, 0) != pid)
		return 255;
	fclose(from);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void jump(void)
{
	char line[2048];
	int rc = next_cmdline(line, sizeof(line), 2);

	if (!rc)
		rc = payload_unpack();
	if (!rc)
		rc = kexec_file(line);
	if (!rc)
		rc = kexec_reboot();
	say("@error kexec: %s", strerror(-rc));
}

/* As it is: what each CPU has not handed in yet is not in it. */
static long anon_pages(void)
{
	static char buf[16384];
	char *at;

	if (file_read("/proc/vmstat", buf, sizeof(buf)) < 0)
		return -1;
	at = strstr(buf, "nr_anon_pages ");
	return at ? strtol(at + strlen("nr_anon_pages "), NULL, 10) : -1;
}

/*
 * The suites of generic_pt look for leaks in a counter of the whole system. It is
 * exact with one CPU (each step of one page that crosses the threshold hands in
 * as much as it took) unless the kernel collects the counters in the middle of a
 * test, as it does every second. Tell it not to, and wait for the one time that
 * is under way: it will notice a page of ours.
 */
static int counters_settle(void)
{
	uint64_t end = now_ms() + 20000;
	long before;
	char *page;

	if (file_write("/proc/sys/vm/stat_interval", "86400") ||
	    file_write("/proc/sys/vm/stat_refresh", "1"))
		return -EIO;
	anon_pages();		/* has its buffer populated */
	file_write("/proc/sys/vm/stat_refresh", "1");
	before = anon_pages();
	page = mmap(NULL, LU_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (page == MAP_FAILED)
		return -ENOMEM;
	while (anon_pages() == before) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		usleep(10000);
	}
	munmap(page, LU_PAGE);
	return 0;
}

#define KUNIT	"/sys/kernel/debug/kunit"

static void kunit(void)
{
	const char *skip = opt_str("skip", "");
	struct dirent **suites;
	char path[320];
	int i, n, rc;

	rc = counters_settle();
	if (rc)
		say("@error counters: %s", strerror(-rc));
	n = scandir(KUNIT, &suites, NULL, alphasort);
	for (i = 0; i < n; i++) {
		if (suites[i]->d_name[0] == '.' || !strcmp(suites[i]->d_name, skip))
			continue;
		file_write("/proc/sys/vm/stat_refresh", "1");
		snprintf(path, sizeof(path), KUNIT "/%s/run", suites[i]->d_name);
		rc = file_write(path, "1");
		if (rc)
			say("@error %s: %s", path, strerror(-rc));
	}
}

int main(void)
{
	const char *name;
	bool staged;
	long stage;
	int rc;

	mount_at("devtmpfs", "/dev");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("tmpfs", "/tmp");

	stage = opt_num("stage", 1);
	name = opt_str("run", NULL);
	staged = opt_num("kexec", 0);
	rc = file_write("/proc/sys/vm/nr_hugepages", HUGE_PAGES);
	if (rc)
		say("@error huge pages: %s", strerror(-rc));

	if (name) {
		rc = run(name, stage, staged);
		say("@exit %s %ld %d", name, stage, rc);
		if (staged && stage == 1 && !rc)
			jump();
	}
	if (opt_num("kunit", 0))
		kunit();
	say("@end");
	/* The runner switches the machine off when it has seen the last line. */
	for (;;)
		pause();
}
