/* SPDX-License-Identifier: MIT */
/* See stage.h. */
#define _GNU_SOURCE
#include "tests/chaos/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/bed.h"

static char disk[BED_PATH];
static bool mounted;
static unsigned moved; /* directories moved away so far */

void stage_open(const char *size)
{
	snprintf(disk, sizeof(disk), "%s/disk", bed.root);
	snprintf(bed.files, sizeof(bed.files), "%s/disk/files", bed.root);
	ck_assert_int_eq(mkdir(disk, 0777), 0);
	mounted = !bed_mount(disk, size);
	ck_assert_int_eq(mkdir(bed.files, 0777), 0);
}

/* -- failpoints ---------------------------------------------------------- */

static const char *fault_file(unsigned which)
{
	return bed_text("%s/fault.%u", bed.root, which);
}

const char *stage_points(const struct life *life)
{
	static char rules[2048];
	size_t used = 0;
	unsigned i;

	rules[0] = 0;
	for (i = 0; i < life->faults; i++) {
		const struct fault *f = &life->fault[i];

		used += snprintf(rules + used, sizeof(rules) - used,
				 "%s=%s%s%s", f->point, f->action,
				 f->always ? "" : ":",
				 f->always ? "" : fault_file(i));
		if (f->nth)
			used += snprintf(rules + used, sizeof(rules) - used,
					 "@%u", f->nth);
		used += snprintf(rules + used, sizeof(rules) - used, ";");
	}
	if (life->end == END_KILL_POINT)
		snprintf(rules + used, sizeof(rules) - used, "%s=kill@%u",
			 life->kill_point, life->kill_nth);
	return rules;
}

void stage_fault(unsigned which)
{
	file_touch(fault_file(which));
}

void stage_end_faults(void)
{
	unsigned i;

	for (i = 0; i < PLAN_FAULTS; i++)
		unlink(fault_file(i));
}

/* -- the disk ------------------------------------------------------------ */

void stage_fill(void)
{
	static char block[65536];
	const char *path = bed_text("%s/ballast", disk);
	int fd;

	/* Without a disk of its own it would be another's that is full. */
	if (!mounted)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	while (fd >= 0 && write(fd, block, sizeof(block)) > 0)
		;
	if (fd >= 0)
		close(fd);
}

static void remount(unsigned long flags)
{
	unsigned i;

	/* EBUSY: a file is open for writing at this moment. */
	for (i = 0; mounted && i < 100; i++) {
		if (!mount(NULL, disk, NULL, MS_REMOUNT | MS_BIND | flags,
			   NULL) ||
		    errno != EBUSY)
			break;
		usleep(500);
	}
}

void stage_read_only(void)
{
	remount(MS_RDONLY);
}

void stage_moved(char path[BED_PATH], unsigned i)
{
	snprintf(path, BED_PATH, "%s/disk/moved.%u", bed.root, i);
}

void stage_remove_path(void)
{
	char to[BED_PATH];

	stage_moved(to, moved);
	if (moved < STAGE_MOVED && !rename(bed.files, to))
		moved++;
}

void stage_make_path(void)
{
	char from[BED_PATH];

	if (!mkdir(bed.files, 0777) || errno != ENOSPC || !moved)
		return;
	/* A disk without a free inode: the old directory comes back. */
	stage_moved(from, moved - 1);
	if (!rename(from, bed.files))
		moved--;
}

void stage_remove_temp(void)
{
	dir_remove(bed_text("%s/.tmp", bed.files));
	dir_remove(bed_text("%s.tmp", bed.files));
}

void stage_mend(void)
{
	stage_end_faults();
	remount(0);
	unlink(bed_text("%s/ballast", disk));
	stage_make_path();
}

/* -- the clock ----------------------------------------------------------- */

static int64_t clock_ns;

static const char *clock_file(void)
{
	return bed_text("%s/clock", bed.root);
}

void stage_use_clock(void)
{
	const char *build = getenv("BW_BUILD");
	const char *library = bed_text("%s/tests/chaos/clock.so",
				       build ? build : "build");

	if (suite_sanitized() || !file_exists(library))
		return;
	if (!file_exists(clock_file()))
		file_write(clock_file(), &clock_ns, sizeof(clock_ns));
	setenv("BW_CLOCK", clock_file(), 1);
	setenv("LD_PRELOAD", library, 1);
}

void stage_step_clock(int64_t ms)
{
	int fd = open(clock_file(), O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	clock_ns += ms * 1000000;
	/* In one piece: the daemon sees the one value or the other. */
	ck_assert_int_eq(write(fd, &clock_ns, sizeof(clock_ns)),
			 sizeof(clock_ns));
	close(fd);
}

/* -- what is left -------------------------------------------------------- */

static void (*on_file)(const char *path, const char *name);
static unsigned litter;

static int visit(const char *path, const struct stat *st, int type,
		 struct FTW *ftw)
{
	const char *name = path + ftw->base;

	(void)st;
	if (type != FTW_F)
		return 0;
	/* disk/files/NAME */
	if (ftw->level == 2 && name[0] != '.' && !strstr(path, ".tmp/"))
		on_file(path, name);
	else
		litter++;
	return 0;
}

unsigned stage_each_file(void (*one)(const char *path, const char *name))
{
	on_file = one;
	litter = 0;
	nftw(disk, visit, 16, FTW_PHYS);
	return litter;
}
