/* SPDX-License-Identifier: MIT */
/*
 * State regions with random damage: the daemon always starts, and what it
 * files was sent.
 *
 * Regions of daemons that were killed in telling moments are damaged and
 * given to a new daemon, BW_NOISE times (default 1,000; the long run is
 * 10,000 under the address sanitizer).  Half of the damage keeps away from
 * what no check can cover: the bytes of messages, and the lengths that the
 * kernel writes when it receives.  Then each message that comes out has to be
 * one that went in, and each that does not is in a region that was set aside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/random.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"
/* The layout says where the receive headers are. */
#include "daemon/region/region.h"

#define SLOTS 16
#define SETTINGS                                                      \
	"buffer.workers=2", "buffer.size=4K", "buffer.queue_size=16", \
		"files.framing=length", "socket.max_message=6000",    \
		"buffer.timeout=never", "buffer.forced=5ms"

/* Moments of death. */
static const char *const moments[] = {
	"publish.metas=kill@9", "append.after=kill@57", "commit.after=kill@40",
	"release.mid=kill@50",	"flush.marked=kill@6",	"flush.renamed=kill@6",
	"flush.write=kill@7",	"recv.armed=kill@9",
};
#define MOMENTS (sizeof(moments) / sizeof(moments[0]))

/* A region, which of its bytes belong to messages, and what was sent. */
static uint8_t *region, *damaged, *is_message;
static size_t region_len;
static struct tally sent;    /* taken from the kernel before the death */
static char left[BED_PATH];  /* unfinished files at that moment */
static char filed[BED_PATH]; /* files that were complete before the death */

static int is_text(uint8_t c)
{
	return c == '[' || c == ']' || c == '+' || c == '/' ||
	       (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z');
}

/* Runs of message text, with the length in front of each; kernel lengths. */
static void find_messages(void)
{
	size_t i, begin, slot;

	memset(is_message, 0, region_len);
	for (i = 0; i < region_len; i++) {
		for (begin = i; i < region_len && is_text(region[i]); i++)
			;
		if (i - begin < 8)
			continue;
		begin -= begin < 4 ? begin : 4;
		memset(is_message + begin, 1, i - begin + 1);
	}
	i = REGION_HEADER_BYTES + sizeof(struct ring_region) +
	    offsetof(struct mmsghdr, msg_len);
	for (slot = 0; slot < SLOTS; slot++)
		memset(is_message + i + slot * sizeof(struct mmsghdr), 1,
		       sizeof(unsigned));
}

/* Shared memory: a fork does not have to copy it. */
static uint8_t *map_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

static void free_region(void)
{
	if (!region)
		return;
	munmap(region, region_len);
	munmap(damaged, 2 * region_len);
	munmap(is_message, region_len);
}

static void load_region(void)
{
	struct stat st;
	int fd = open(bed.state, O_RDONLY);

	REQUIRE(fd >= 0 && !fstat(fd, &st), "no region was left");
	free_region();
	region_len = (size_t)st.st_size;
	region = map_shared(region_len);
	damaged = map_shared(2 * region_len);
	is_message = map_shared(region_len);
	ck_assert_int_eq(read(fd, region, region_len), (ssize_t)region_len);
	close(fd);
	find_messages();
}

/* Runs a daemon until it dies at `moment`; keeps its region and its files. */
static void leave_region(const char *moment)
{
	/*
	 * Either kind leaves runs of text that find_messages() sees: no
	 * message ends a few bytes behind the slot's own 2 KiB.
	 */
	struct flow flow[2] = {
		{ .id = 0, .count = 200, .min = 8, .max = 2000 },
		{ .id = 1, .count = 200, .min = 2100, .max = 5000 },
	};
	unsigned i;
	int status;

	bed_hold_socket();
	bed.points = moment;
	daemon_spawn(SETTINGS);
	for (i = 0; i < 2; i++)
		sender_start(&flow[i]);
	status = daemon_wait();
	REQUIRE(WIFSIGNALED(status), "not killed at %s", moment);
	bed.points = NULL;
	load_region();
	sender_kill_all();
	close(bed.held);
	bed.held = -1;
	snprintf(filed, sizeof(filed), "%s/filed", bed.root);
	snprintf(left, sizeof(left), "%s/left", bed.root);
	ck_assert_int_eq(rename(bed.files, filed), 0);
	dir_copy(bed.temp, left);
	/*
	 * What a recovery of the undamaged region files, and the files of
	 * before.
	 */
	ck_assert_int_eq(mkdir(bed.files, 0777), 0);
	daemon_start(SETTINGS);
	daemon_stop(NULL);
	tally_open(&sent);
	tally_expect_dir(&sent, filed, LENGTH);
	tally_expect_dir(&sent, bed.files, LENGTH);
}

/* A word near the bounds, where arithmetic overflows. */
static uint64_t bad_word(void)
{
	static const uint64_t words[] = { 0,	      1,
					  UINT64_MAX, INT64_MAX,
					  1ull << 63, UINT32_MAX,
					  1ull << 32, 4096,
					  1ull << 20, UINT64_MAX - 4095 };

	return random_below(2) ?
		       words[random_below(sizeof(words) / sizeof(words[0]))] :
		       random_below(UINT64_MAX);
}

/* A place that matters: in the first pages, or at the beginning of a page. */
static size_t place(void)
{
	switch (random_below(3)) {
	case 0:
		return random_below(region_len < 65536 ? region_len : 65536);
	case 1:
		return random_below(region_len / 4096) * 4096 +
		       random_below(512);
	default:
		return random_below(region_len);
	}
}

/* Overwrites `len` bytes at `at` with `with`, or with noise if it is NULL. */
static void damage(size_t at, size_t len, const void *with, int spare)
{
	const uint8_t *byte = with;
	size_t i;

	for (i = 0; i < len && at + i < region_len; i++) {
		if (spare && is_message[at + i])
			continue;
		damaged[at + i] = byte ? byte[i] : (uint8_t)random_below(256);
	}
}

static void damage_some(int spare)
{
	static const uint8_t zeroes[4096];
	unsigned n = 1 + (unsigned)random_below(8);
	uint64_t word;

	while (n--) {
		word = bad_word();
		switch (random_below(5)) {
		case 0:
			damage(place(), 1, NULL, spare);
			break;
		case 1:
			damage(place() & ~(size_t)7, 8, &word, spare);
			break;
		case 2:
			damage(place(), 1 + random_below(64), NULL, spare);
			break;
		case 3:
			damage(place() & ~(size_t)4095, 4096, zeroes, spare);
			break;
		default:
			damage(place() & ~(size_t)4095, 4096, NULL, spare);
			break;
		}
	}
}

static void write_region(size_t len)
{
	int fd = open(bed.state, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, damaged, len), (ssize_t)len);
	close(fd);
}

/* Writes a damaged copy as the region of the next daemon. */
static void make_noise(int spare)
{
	size_t len = region_len;

	memcpy(damaged, region, region_len);
	memset(damaged + region_len, 0, region_len);
	damage_some(spare);
	if (random_below(10) == 0)
		len = random_below(2) ? random_below(region_len) :
					region_len + random_below(region_len);
	write_region(len);
}

/* Removes what was set aside. */
static void remove_aside(void)
{
	glob_t found;
	size_t i;

	if (glob(bed_text("%s.bad*", bed.state), 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		ck_assert_int_eq(unlink(found.gl_pathv[i]), 0);
	globfree(&found);
}

/*
 * As at the moment of death, but for the final files.  No shell and no cp: on
 * some machines a program costs as much as the daemon's whole life here.
 */
static void restore_files(void)
{
	dir_remove(bed.files);
	dir_remove(bed.temp);
	remove_aside();
	ck_assert_int_eq(mkdir(bed.files, 0777), 0);
	dir_copy(left, bed.temp);
}

/*
 * All that came out was sent, and once; nothing is missing, unless the region
 * was set aside, where everything still is.
 */
static void judge(uint64_t number, int aside)
{
	struct tally tally;

	tally_copy(&tally, &sent);
	tally_read(&tally, filed, LENGTH);
	tally_read(&tally, bed.files, LENGTH);
	tally_judge(&tally);
	REQUIRE(!tally.torn && !tally.doubled && (aside || !tally.lost),
		"noise %" PRIu64 ": %" PRIu64 " lost, %" PRIu64
		" doubled, %" PRIu64 " torn; %s",
		number, tally.lost, tally.doubled, tally.torn, tally.first);
	tally_close(&tally);
}

START_TEST(a_damaged_region_never_keeps_the_daemon_from_starting)
{
	uint64_t n = suite_number("BW_NOISE", suite_scale(1000)) / MOMENTS + 1;
	uint64_t i, aside = 0;
	int spare, was_aside;

	leave_region(moments[_i]);
	for (i = 0; i < n; i++) {
		spare = i % 2 == 0;
		make_noise(spare);
		restore_files();
		daemon_start(SETTINGS);
		was_aside = log_count("set aside") > 0;
		aside += was_aside;
		daemon_stop(NULL);
		if (spare)
			judge(i, was_aside);
	}
	printf("%s: %" PRIu64 " regions, %" PRIu64 " set aside\n", moments[_i],
	       n, aside);
	tally_close(&sent);
}
END_TEST

/* Files that are not regions. */
static const char *const rubbish[] = {
	":",
	"echo hello",
	"head -c 16384 /dev/zero",
	"head -c 1000000 /dev/urandom",
	"yes BUFWRITE | head -c 300000",
};

START_TEST(a_file_that_is_no_region_is_set_aside_and_kept)
{
	daemon_start(SETTINGS);
	daemon_stop(NULL);
	ck_assert_int_eq(system(bed_text("(%s) >%s; cp %s %s/was", rubbish[_i],
					 bed.state, bed.state, bed.root)),
			 0);
	daemon_start(SETTINGS);
	REQUIRE(log_count("set aside") == 1, "the log does not say so");
	daemon_stop(NULL);
	ck_assert_int_eq(
		system(bed_text("cmp -s %s/was %s.bad*", bed.root, bed.state)),
		0);
}
END_TEST

/* Kinds of damage that the log has to name. */
static const struct known {
	const char *what; /* shell, with $S for the region */
	const char *said;
} known[] = {
	{ "printf '\\377' | dd of=$S bs=1 seek=8 conv=notrunc", "version" },
	{ "truncate -s -4096 $S", "bytes" },
	{ "truncate -s 100 $S", "cut short" },
	{ "printf x | dd of=$S bs=1 seek=100 conv=notrunc", "header" },
};

START_TEST(a_region_of_another_version_or_length_is_logged_when_it_is_set_aside)
{
	const struct known *k = &known[_i];

	leave_region(moments[2]);
	ck_assert_int_eq(unlink(bed.state), 0);
	memcpy(damaged, region, region_len);
	write_region(region_len);
	ck_assert_int_eq(
		system(bed_text("S=%s; (%s) 2>/dev/null", bed.state, k->what)),
		0);
	restore_files();
	daemon_start(SETTINGS);
	REQUIRE(log_count("set aside", k->said) == 1, "not said: %s", k->said);
	daemon_stop(NULL);
	judge(0, 1);
	tally_close(&sent);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("noise");
	TCase *t = bed_case(suite, "regions");

	random_seed = suite_number("BW_SEED",
				   (uint64_t)time(NULL) ^ (uint64_t)getpid());
	printf("BW_SEED=%" PRIu64 "\n", random_seed);
	tcase_add_loop_test(
		t, a_damaged_region_never_keeps_the_daemon_from_starting, 0,
		MOMENTS);
	tcase_add_loop_test(
		t,
		a_region_of_another_version_or_length_is_logged_when_it_is_set_aside,
		0, sizeof(known) / sizeof(known[0]));
	tcase_add_loop_test(t, a_file_that_is_no_region_is_set_aside_and_kept,
			    0, sizeof(rubbish) / sizeof(rubbish[0]));
	return suite_run(suite, CK_NOFORK);
}
