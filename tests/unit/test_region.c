/* SPDX-License-Identifier: MIT */
/*
 * The region's file: made in full or not at all, found again by the next
 * process, refused when it is not what it says, and owned by one.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/lib/core.h"
#include "daemon/region/checksum.h"
#include "daemon/region/region.h"
#include "daemon/region/region_file.h"
#include "daemon/region/ring_check.h"
#include "daemon/filing/transfer.h"

static struct failure error;

#define SMALL                                                        \
	"buffer.queue_size=8", "buffer.workers=3", "buffer.size=4K", \
		"socket.max_message=3000"

static struct config *small(void)
{
	return CORE_SETTINGS(SMALL);
}

static void create(struct region *s, const struct config *cfg)
{
	ck_assert_msg(!region_create(s, cfg, &error), "%s", error.text);
}

static int open_old(struct region *s)
{
	error.text[0] = 0;
	return region_open_old(s, core_path("state"), FRAMING_NEWLINE, &error);
}

/* It is refused with this in the reason, and no descriptor stays open. */
static void expect_refused(int err, const char *reason)
{
	unsigned descriptors = process_descriptors(getpid());
	struct region s;

	ck_assert_int_eq(open_old(&s), err);
	ck_assert_msg(strstr(error.text, reason) != NULL, "%s", error.text);
	ck_assert_uint_eq(process_descriptors(getpid()), descriptors);
}

/* What region_header.c puts under the header. */
static uint64_t seal(const struct region_header *h)
{
	return checksum(CHECKSUM_START, h,
			offsetof(struct region_header, check));
}

/* --- made and found ------------------------------------------------------ */

START_TEST(a_region_is_allocated_in_full_and_private)
{
	struct config *cfg = small();
	struct region s;
	struct stat st;

	create(&s, cfg);
	ck_assert_int_eq(stat(cfg->state_path, &st), 0);
	ck_assert_uint_eq(st.st_size, s.header->total_bytes);
	ck_assert_uint_ge(st.st_blocks * 512, st.st_size);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert(!s.anonymous);
	ck_assert(!file_exists(core_path("state.new")));
	region_close(&s);
	config_free(cfg);
}
END_TEST

START_TEST(without_a_path_it_is_memory_and_no_file)
{
	struct config *cfg = CORE_SETTINGS(SMALL, "state.path=");
	struct region s;
	const char *why;

	create(&s, cfg);
	ck_assert(s.anonymous);
	ck_assert(!file_exists(core_path("state")));
	ck_assert_int_eq(ring_check(&s.ring.layout, &why), 0);
	ck_assert(core_put(&s.ring, "x", 1));
	region_close(&s);
	config_free(cfg);
}
END_TEST

START_TEST(the_next_process_finds_ring_and_arenas)
{
	struct config *cfg = small();
	bool wanted = false;
	struct region s;
	unsigned i;

	create(&s, cfg);
	for (i = 0; i < 3; i++) {
		ck_assert(core_put(&s.ring, "message", 1 + i));
		transfer_take(&s.ring, &s.arenas[i], &wanted);
	}
	ck_assert(core_put(&s.ring, "in the ring", 11));
	region_close(&s);
	ck_assert_msg(!open_old(&s), "%s", error.text);
	ck_assert_uint_eq(s.header->workers, 3);
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(s.arenas[i].now.len, 2 + i);
		ck_assert_mem_eq(s.arenas[i].data, "message", 1 + i);
	}
	ck_assert_uint_eq(ring_head(&s.ring.layout), 12);
	ck_assert(!ring_is_held(&s.ring.layout, 10));
	ck_assert(ring_is_held(&s.ring.layout, 11));
	region_close(&s);
	config_free(cfg);
}
END_TEST

START_TEST(an_adopted_region_goes_on_and_counts_anew)
{
	struct config *cfg = small();
	struct flush flush;
	struct region s;
	bool wanted = false;
	uint64_t bytes;

	core_mkdir("files");
	create(&s, cfg);
	ck_assert(core_put(&s.ring, "message", 7));
	transfer_take(&s.ring, &s.arenas[1], &wanted);
	flush_open(&flush, cfg, 1, &s.header->names);
	ck_assert_int_eq(transfer_flush(&s.arenas[1], &flush, &bytes), 0);
	region_close(&s);
	ck_assert_int_eq(open_old(&s), 0);
	ck_assert_uint_eq(arena_written(&s.arenas[1].now), 1);
	region_adopt(&s, cfg);
	ck_assert_uint_eq(arena_written(&s.arenas[1].now), 0);
	ck_assert_uint_eq(ring_published(&s.ring), 9);
	ck_assert(core_put(&s.ring, "message", 7));
	ck_assert_int_eq(transfer_take(&s.ring, &s.arenas[0], &wanted),
			 TRANSFER_TOOK);
	region_close(&s);
	ck_assert_msg(!open_old(&s), "%s", error.text);
	ck_assert_uint_eq(s.arenas[0].now.count, 1);
	region_close(&s);
	config_free(cfg);
}
END_TEST

START_TEST(the_extremes_of_the_settings_can_be_made)
{
	static const char *const options[][4] = {
		{ "buffer.queue_size=2", "buffer.workers=1", "buffer.size=1",
		  "socket.max_message=1" },
		{ "buffer.queue_size=2", "buffer.workers=64", "buffer.size=1",
		  "socket.max_message=208K" },
		{ "buffer.queue_size=65", "buffer.workers=64",
		  "buffer.size=4097", "socket.max_message=2049" },
		{ "buffer.queue_size=10000", "buffer.workers=2",
		  "buffer.size=3", "socket.max_message=2048" },
	};
	struct config *cfg = CORE_SETTINGS(options[_i][0], options[_i][1],
					   options[_i][2], options[_i][3]);
	struct region s;
	uint64_t i;

	create(&s, cfg);
	for (i = 0; i < s.header->workers; i++)
		ck_assert(s.arenas[i].data + s.arenas[i].capacity <=
			  (uint8_t *)s.header + s.bytes);
	region_close(&s);
	ck_assert_msg(!open_old(&s), "%s", error.text);
	ck_assert(region_header_fits(s.header, cfg));
	region_close(&s);
	config_free(cfg);
}
END_TEST

/* --- does it fit? -------------------------------------------------------- */

static const struct {
	const char *option;
	bool fits;
} changes[] = {
	{ "buffer.queue_size=9", false },
	{ "buffer.workers=2", false },
	{ "buffer.size=4097", false },
	{ "socket.max_message=3001", false },
	{ "files.path=/elsewhere", false },
	{ "files.temp=/elsewhere", false },
	{ "files.framing=length", true },
	{ "files.prefix=other", true },
	{ "buffer.forced=1s", true },
};

START_TEST(each_region_has_a_number_of_its_own_for_names)
{
	struct config *cfg = small();
	uint64_t before = 0;
	struct region s;
	unsigned i;

	for (i = 0; i < 10; i++) {
		create(&s, cfg);
		ck_assert_uint_ge(s.header->names.number, 1);
		ck_assert_uint_le(s.header->names.number, REGION_NUMBER_MAX);
		ck_assert_uint_ne(s.header->names.number, before);
		before = s.header->names.number;
		region_close(&s);
	}
	/* what is damaged is replaced, and the number stays otherwise */
	ck_assert_int_eq(open_old(&s), 0);
	ck_assert_uint_eq(s.header->names.number, before);
	s.header->names.last_ns = UINT64_MAX;
	region_close(&s);
	ck_assert_int_eq(open_old(&s), 0);
	ck_assert_uint_ne(s.header->names.number, before);
	ck_assert_uint_eq(s.header->names.last_ns, 0);
	region_close(&s);
	config_free(cfg);
}
END_TEST

START_TEST(a_region_fits_exactly_what_decides_its_layout)
{
	struct config *cfg = small(), *other;
	const char *all[8] = { NULL };
	static const char *const base[] = { SMALL };
	struct region s;
	unsigned i, n = 0;

	for (i = 0; i < 4; i++)
		if (strncmp(base[i], changes[_i].option,
			    strcspn(base[i], "=")) != 0)
			all[n++] = base[i];
	all[n] = changes[_i].option;
	other = core_settings(all);
	create(&s, cfg);
	ck_assert(region_header_fits(s.header, cfg));
	ck_assert_int_eq(region_header_fits(s.header, other), changes[_i].fits);
	region_close(&s);
	config_free(other);
	config_free(cfg);
}
END_TEST

/* --- not what it says ---------------------------------------------------- */

static size_t make_one(void)
{
	struct config *cfg = small();
	struct region s;
	size_t bytes;

	create(&s, cfg);
	bytes = s.bytes;
	region_close(&s);
	config_free(cfg);
	return bytes;
}

START_TEST(a_file_of_another_length_is_refused)
{
	size_t bytes = make_one();
	const size_t lens[] = { 0,	   1,	      100,
				16383,	   16384,     16385,
				bytes - 1, bytes / 2, bytes - 4096,
				bytes + 1, 2 * bytes };
	struct stat st;
	unsigned i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		ck_assert_int_eq(truncate(core_path("state"), bytes), 0);
		ck_assert_int_eq(truncate(core_path("state"), lens[i]), 0);
		expect_refused(-EBADMSG, lens[i] < 16384 ? "cut short" : "");
		/* looked at, and not filled up */
		ck_assert_int_eq(stat(core_path("state"), &st), 0);
		ck_assert_uint_eq(st.st_size, lens[i]);
	}
	/* far more than there is memory: nobody allocates that */
	ck_assert_int_eq(truncate(core_path("state"), INT64_C(1) << 42), 0);
	expect_refused(-EBADMSG, "");
}
END_TEST

START_TEST(what_is_no_file_is_an_error_and_never_waited_for)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = core_path("state");
	int fd;

	expect_refused(-ENOENT, path);
	core_mkdir("state");
	expect_refused(-EISDIR, path);
	rmdir(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_refused(-EINVAL, "not a regular file");
	unlink(path);
	file_touch(core_path("target"));
	ck_assert_int_eq(symlink(core_path("target"), path), 0);
	expect_refused(-ELOOP, path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (void *)&addr, sizeof(addr)), 0);
	expect_refused(-ENXIO, path);
	close(fd);
}
END_TEST

START_TEST(each_damaged_byte_of_the_header_is_noticed)
{
	struct region_header *h;
	size_t i;
	int fd;

	make_one();
	fd = open(core_path("state"), O_RDWR | O_CLOEXEC);
	h = mmap(NULL, REGION_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		 fd, 0);
	ck_assert_ptr_ne(h, MAP_FAILED);
	for (i = 0; i < offsetof(struct region_header, dirs[1]); i++) {
		uint8_t *p;

		/* the paths are long, and each byte of them is alike */
		if (i > 200 &&
		    i < offsetof(struct region_header, dirs[0].check) - 40)
			i += 30;
		p = (uint8_t *)h + i;
		*p ^= 1 << i % 8;
		expect_refused(-EBADMSG, "");
		*p ^= 1 << i % 8;
	}
	munmap(h, REGION_HEADER_BYTES);
	close(fd);
}
END_TEST

/* With a right check: another daemon's, or a hand that knows what it does. */
static void forge(int which, struct region_header *h)
{
	switch (which) {
	case 0:
		h->version++;
		break;
	case 1:
		h->header_bytes = 4096;
		break;
	case 2:
		h->ring.slots = 0;
		break;
	case 3:
		h->ring.slots = UINT64_MAX;
		break;
	case 4:
		h->ring.overflows = 0;
		break;
	case 5:
		h->workers = 0;
		break;
	case 6:
		h->workers = UINT64_MAX / 2;
		break;
	case 7:
		h->size = 0;
		break;
	case 8:
		h->arena_bytes += 4096;
		break;
	case 9:
		h->total_bytes += 4096;
		break;
	case 10:
		memset(h->dirs[0].path, 'x', sizeof(h->dirs[0].path));
		break;
	case 11:
		h->dirs_seq = 1;
		break;
	case 12:
		/* more workers, and a file that is as long as that */
		h->workers += 1;
		break;
	}
}

START_TEST(a_header_without_sense_is_refused)
{
	struct region_header *h = malloc(sizeof(*h));
	int fd;

	make_one();
	fd = open(core_path("state"), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, h, sizeof(*h), 0), sizeof(*h));
	forge(_i, h);
	h->check = seal(h);
	ck_assert_int_eq(pwrite(fd, h, sizeof(*h), 0), sizeof(*h));
	close(fd);
	free(h);
	expect_refused(-EBADMSG, _i == 0 ? "version 3" : "");
}
END_TEST

START_TEST(pages_of_before_a_reboot_are_not_trusted_and_set_aside_only_if_needed)
{
	struct config *cfg = small();
	struct region s;

	create(&s, cfg);
	s.header->boot[3] ^= 1;
	s.header->check = seal(s.header);
	region_set_clean(&s, 0);
	region_close(&s);
	expect_refused(-EBADMSG, "reboot");
	create(&s, cfg);
	s.header->boot[3] ^= 1;
	s.header->check = seal(s.header);
	region_set_clean(&s, 1);
	region_close(&s);
	expect_refused(-ENOENT, "clean");
	config_free(cfg);
}
END_TEST

/* What it says would be done to the files of whoever opens it. */
START_TEST(a_region_of_another_user_or_name_is_refused)
{
	make_one();
	ck_assert_int_eq(link(core_path("state"), core_path("other")), 0);
	expect_refused(-EPERM, "another name");
	ck_assert_int_eq(unlink(core_path("other")), 0);
	if (getuid())
		return;
	ck_assert_int_eq(chown(core_path("state"), 65534, 0), 0);
	expect_refused(-EPERM, "user 65534");
}
END_TEST

START_TEST(an_arena_with_tickets_of_another_ring_is_refused)
{
	struct config *cfg = small();
	struct region s;

	create(&s, cfg);
	/* the ring has 8 slots and its head is 9 */
	ck_assert(core_put(&s.ring, "x", 1));
	arena_commit(&s.arenas[2], _i ? 8 : 0, _i ? 10 : 9, 0, 0);
	region_close(&s);
	expect_refused(-EBADMSG, "tickets");
	config_free(cfg);
}
END_TEST

/* --- holes and full file systems ----------------------------------------- */

START_TEST(a_hole_is_filled_before_anything_is_mapped)
{
	size_t bytes = make_one();
	struct region s;
	struct stat st;
	int fd = open(core_path("state"), O_RDWR | O_CLOEXEC);

	/* the last pages are an arena's bytes */
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      bytes - 4096, 4096)) {
		close(fd);
		return; /* not on this file system */
	}
	close(fd);
	ck_assert_msg(!open_old(&s), "%s", error.text);
	ck_assert_int_eq(stat(core_path("state"), &st), 0);
	ck_assert_uint_ge(st.st_blocks * 512, st.st_size);
	region_close(&s);
}
END_TEST

START_TEST(a_file_system_that_is_too_small_is_one_clear_error)
{
	struct config *cfg;
	struct region s;
	char option[PATH_MAX];

	core_mkdir("run");
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("t", core_path("run"), "tmpfs", 0, "size=128k"))
		return;
	snprintf(option, sizeof(option), "state.path=%s", core_path("run/s"));
	cfg = CORE_SETTINGS(option);
	ck_assert_int_eq(region_create(&s, cfg, &error), -ENOSPC);
	ck_assert_msg(strstr(error.text, "buffer.size") != NULL, "%s",
		      error.text);
	ck_assert_ptr_null(strchr(error.text, '\n'));
	ck_assert_uint_eq(core_count(core_path("run")), 0);
	config_free(cfg);
}
END_TEST

START_TEST(what_cannot_be_made_leaves_nothing_behind)
{
	struct config *cfg = small();
	unsigned descriptors;
	struct region s;

	core_mkdir("state");
	descriptors = process_descriptors(getpid());
	ck_assert_int_eq(region_create(&s, cfg, &error), -EISDIR);
	ck_assert_msg(strstr(error.text, cfg->state_path) != NULL, "%s",
		      error.text);
	ck_assert(!file_exists(core_path("state.new")));
	ck_assert_uint_eq(process_descriptors(getpid()), descriptors);
	config_free(cfg);
}
END_TEST

START_TEST(a_region_that_was_left_half_made_is_replaced)
{
	struct config *cfg = small();
	struct region s;

	file_write(core_path("state.new"), "half", 4);
	create(&s, cfg);
	ck_assert(!file_exists(core_path("state.new")));
	region_close(&s);
	config_free(cfg);
}
END_TEST

/* --- owner --------------------------------------------------------------- */

static int lock_twice(void *arg)
{
	struct failure text;
	char expected[64];

	snprintf(expected, sizeof(expected), "by process %d;",
		 *(const int *)arg);
	if (region_file_lock(core_path("state"), &text) != -EBUSY)
		return 1;
	return strstr(text.text, expected) ? 0 : 2;
}

static int lock_and_die(void *arg)
{
	(void)arg;
	return region_file_lock(core_path("state"), &error) >= 0 ? 0 : 1;
}

START_TEST(a_second_owner_is_refused_and_told_who_is_the_first)
{
	int fd = region_file_lock(core_path("state"), &error), pid = getpid();
	unsigned descriptors = process_descriptors(getpid());
	char *text;

	ck_assert_msg(fd >= 0, "%s", error.text);
	ck_assert_int_eq(core_child(NULL, lock_twice, &pid), 0);
	/* of the same process too */
	ck_assert_int_eq(region_file_lock(core_path("state"), &error), -EBUSY);
	ck_assert_uint_eq(process_descriptors(getpid()), descriptors);
	text = file_read(core_path("state.lock"), NULL);
	ck_assert_int_eq(atoi(text), pid);
	free(text);
	close(fd);
	/* a dead owner is none, and its number does not stay */
	ck_assert_int_eq(core_child(NULL, lock_and_die, NULL), 0);
	fd = region_file_lock(core_path("state"), &error);
	ck_assert_msg(fd >= 0, "%s", error.text);
	text = file_read(core_path("state.lock"), NULL);
	ck_assert_int_eq(atoi(text), pid);
	free(text);
	close(fd);
}
END_TEST

static void *unlock_later(void *fd)
{
	suite_sleep_ms(100);
	close(*(int *)fd);
	return NULL;
}

/* As the mapping of a killed process that somebody looks at in /proc. */
START_TEST(a_region_that_comes_free_in_a_moment_is_waited_for)
{
	pthread_t thread;
	int held, fd;

	file_write(core_path("state"), "text", 4);
	held = open(core_path("state"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(held, 0);
	ck_assert_int_eq(flock(held, LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, unlock_later, &held), 0);
	fd = region_file_lock(core_path("state"), &error);
	ck_assert_msg(fd >= 0, "%s", error.text);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	close(fd);
}
END_TEST

START_TEST(a_lock_needs_one_directory_at_most)
{
	int fd = region_file_lock(core_path("run/state"), &error);

	ck_assert_msg(fd >= 0, "%s", error.text);
	close(fd);
	ck_assert_int_eq(region_file_lock(core_path("no/such/state"), &error),
			 -ENOENT);
	ck_assert_msg(strstr(error.text, "no/such/state.lock") != NULL, "%s",
		      error.text);
	ck_assert_int_eq(symlink(core_path("else"), core_path("s.lock")), 0);
	ck_assert_int_eq(region_file_lock(core_path("s"), &error), -ELOOP);
	ck_assert(!file_exists(core_path("else")));
}
END_TEST

/* It is emptied and written to. */
START_TEST(what_is_no_lock_file_is_not_taken_for_one)
{
	struct stat st;

	file_write(core_path("mine"), "text", 4);
	ck_assert_int_eq(link(core_path("mine"), core_path("s.lock")), 0);
	ck_assert_int_eq(region_file_lock(core_path("s"), &error), -EPERM);
	ck_assert_msg(strstr(error.text, "has another name, too") != NULL, "%s",
		      error.text);
	ck_assert_int_eq(stat(core_path("mine"), &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	ck_assert_int_eq(unlink(core_path("s.lock")), 0);
	ck_assert_int_eq(mkfifo(core_path("s.lock"), 0600), 0);
	ck_assert_int_eq(region_file_lock(core_path("s"), &error), -EPERM);
	ck_assert_msg(strstr(error.text, "is not a regular file") != NULL, "%s",
		      error.text);
}
END_TEST

START_TEST(what_is_set_aside_keeps_its_bytes_under_a_new_name)
{
	char aside[2][PATH_MAX], *text;
	unsigned i;

	for (i = 0; i < 2; i++) {
		file_write(core_path("state"), i ? "two" : "one", 3);
		ck_assert_int_eq(region_file_set_aside(core_path("state"),
						       aside[i], PATH_MAX),
				 0);
		ck_assert(!file_exists(core_path("state")));
	}
	ck_assert_str_ne(aside[0], aside[1]);
	for (i = 0; i < 2; i++) {
		text = file_read(aside[i], NULL);
		ck_assert_str_eq(text, i ? "two" : "one");
		free(text);
	}
	ck_assert_int_eq(region_file_set_aside(core_path("state"), aside[0],
					       PATH_MAX),
			 -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("region");
	TCase *tc = core_case(suite, "made");

	tcase_add_test(tc, a_region_is_allocated_in_full_and_private);
	tcase_add_test(tc, without_a_path_it_is_memory_and_no_file);
	tcase_add_test(tc, the_next_process_finds_ring_and_arenas);
	tcase_add_test(tc, an_adopted_region_goes_on_and_counts_anew);
	tcase_add_loop_test(tc, the_extremes_of_the_settings_can_be_made, 0, 4);
	tcase_add_test(tc, each_region_has_a_number_of_its_own_for_names);
	tcase_add_loop_test(tc, a_region_fits_exactly_what_decides_its_layout,
			    0, sizeof(changes) / sizeof(changes[0]));
	tc = core_case(suite, "refused");
	tcase_add_test(tc, a_file_of_another_length_is_refused);
	tcase_add_test(tc, what_is_no_file_is_an_error_and_never_waited_for);
	tcase_add_test(tc, each_damaged_byte_of_the_header_is_noticed);
	tcase_add_loop_test(tc, a_header_without_sense_is_refused, 0, 13);
	tcase_add_test(
		tc,
		pages_of_before_a_reboot_are_not_trusted_and_set_aside_only_if_needed);
	tcase_add_test(tc, a_region_of_another_user_or_name_is_refused);
	tcase_add_loop_test(
		tc, an_arena_with_tickets_of_another_ring_is_refused, 0, 2);
	tc = core_case(suite, "room");
	tcase_add_test(tc, a_hole_is_filled_before_anything_is_mapped);
	tcase_add_test(tc, a_file_system_that_is_too_small_is_one_clear_error);
	tcase_add_test(tc, what_cannot_be_made_leaves_nothing_behind);
	tcase_add_test(tc, a_region_that_was_left_half_made_is_replaced);
	tc = core_case(suite, "owner");
	tcase_add_test(tc, a_second_owner_is_refused_and_told_who_is_the_first);
	tcase_add_test(tc, a_lock_needs_one_directory_at_most);
	tcase_add_test(tc, a_region_that_comes_free_in_a_moment_is_waited_for);
	tcase_add_test(tc, what_is_no_lock_file_is_not_taken_for_one);
	tcase_add_test(tc, what_is_set_aside_keeps_its_bytes_under_a_new_name);
	return suite_run(suite, CK_FORK);
}
