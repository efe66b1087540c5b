/* SPDX-License-Identifier: MIT */
/*
 * A path that loses its file at the worst moment for whoever looks at it.
 *
 * Linux tells of a removal before the name is gone.  The more watch a file, the
 * longer that moment is: this test watches it a hundred times.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/path_watch.h"
#include "daemon/base/unix_socket.h"
#include "tests/lib/suite.h"

#define ROUNDS 30
#define OTHERS 100
/* More would be near the usual limit of descriptors. */
#define MANY 512

static char dir[32];
static char path[PATH_MAX];
static uv_loop_t loop;
static struct path_watch watch;
static struct unix_socket old, new;
static int others[OTHERS];
static unsigned lost;
/* The next file that is bound loses its name at once. */
static bool lose_again;

static void bind_socket(struct unix_socket *s)
{
	struct failure failure;

	*s = (struct unix_socket){ .fd = -1 };
	ck_assert_msg(!unix_socket_bind(s, SOCK_DGRAM, path, 0600, "", "socket",
					&failure),
		      "%s", failure.text);
}

/* As the daemon does. */
static void on_lost(void *arg)
{
	(void)arg;
	lost++;
	unix_socket_close(&new);
	bind_socket(&new);
	if (lose_again)
		ck_assert_int_eq(unlink(path), 0);
	lose_again = false;
	path_watch_renew(&watch);
}

static void set_up(void)
{
	strcpy(dir, "/dev/shm/bwtest-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	new.fd = -1;
}

static void tear_down(void)
{
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* Fewer where the machine's bound, max_user_instances, is near. */
static void watch_often(void)
{
	unsigned i;

	for (i = 0; i < OTHERS; i++) {
		others[i] = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (others[i] >= 0)
			inotify_add_watch(others[i], path, IN_ATTRIB);
	}
}

static void watch_no_more(void)
{
	unsigned i;

	for (i = 0; i < OTHERS; i++)
		if (others[i] >= 0)
			close(others[i]);
}

static void *remove_path(void *arg)
{
	(void)arg;
	unlink(path);
	return NULL;
}

static void lose_it_once(const char *other_name)
{
	double since = suite_now();
	struct stat st;
	pthread_t thread;

	lost = 0;
	bind_socket(&old);
	path_watch_open(&watch, &loop, path, on_lost, NULL);
	if (other_name)
		ck_assert_int_eq(link(path, other_name), 0);
	watch_often();
	ck_assert_int_eq(pthread_create(&thread, NULL, remove_path, NULL), 0);
	/* Without a sleep: the moment is shorter than waking up takes. */
	while (!lost) {
		uv_run(&loop, UV_RUN_NOWAIT);
		suite_heed_limit(since, "the loss", __FILE__, __LINE__);
	}
	pthread_join(thread, NULL);
	watch_no_more();
	unix_socket_close(&old);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_uint_eq(lost, 1);
	ck_assert_int_eq(lstat(path, &st), 0);
	path_watch_close(&watch);
	unix_socket_close(&new);
	if (other_name)
		ck_assert_int_eq(unlink(other_name), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
}

START_TEST(a_path_that_is_still_there_while_it_is_removed)
{
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		lose_it_once(NULL);
}
END_TEST

/* The number of its links does not tell of its names. */
START_TEST(a_path_whose_file_has_another_name)
{
	char other_name[PATH_MAX];
	unsigned i;

	snprintf(other_name, sizeof(other_name), "%s/other", dir);
	for (i = 0; i < ROUNDS; i++)
		lose_it_once(other_name);
}
END_TEST

/* Between the new file and the new watch, which so watches nothing. */
START_TEST(a_path_that_is_removed_again_at_once)
{
	double since = suite_now();
	struct stat st;

	lost = 0;
	lose_again = true;
	bind_socket(&old);
	path_watch_open(&watch, &loop, path, on_lost, NULL);
	ck_assert_int_eq(unlink(path), 0);
	while (lost < 2) {
		uv_run(&loop, UV_RUN_NOWAIT);
		suite_heed_limit(since, "the second loss", __FILE__, __LINE__);
	}
	ck_assert_int_eq(lstat(path, &st), 0);
	path_watch_close(&watch);
	unix_socket_close(&old);
	unix_socket_close(&new);
	uv_run(&loop, UV_RUN_DEFAULT);
}
END_TEST

/* All instances of inotify are taken: a timer looks. */
START_TEST(a_path_that_inotify_cannot_watch)
{
	double since = suite_now();
	static int taken[MANY];
	unsigned i, n = 0;

	while (n < MANY && (taken[n] = inotify_init1(IN_CLOEXEC)) >= 0)
		n++;
	if (n == MANY) {
		suite_skip("fs.inotify.max_user_instances is too high");
		return;
	}
	lost = 0;
	bind_socket(&old);
	path_watch_open(&watch, &loop, path, on_lost, NULL);
	ck_assert(!uv_is_active((uv_handle_t *)&watch.event));
	ck_assert_int_eq(unlink(path), 0);
	while (!lost) {
		uv_run(&loop, UV_RUN_ONCE);
		suite_heed_limit(since, "the loss", __FILE__, __LINE__);
	}
	for (i = 0; i < n; i++)
		close(taken[i]);
	/* and it is watched as soon as that can be */
	while (!uv_is_active((uv_handle_t *)&watch.event)) {
		uv_run(&loop, UV_RUN_ONCE);
		suite_heed_limit(since, "inotify", __FILE__, __LINE__);
	}
	ck_assert_uint_eq(lost, 1);
	path_watch_close(&watch);
	unix_socket_close(&old);
	unix_socket_close(&new);
	uv_run(&loop, UV_RUN_DEFAULT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("path watch");
	TCase *tcase = suite_case(suite, "removed", set_up, tear_down);

	tcase_add_test(tcase, a_path_that_is_still_there_while_it_is_removed);
	tcase_add_test(tcase, a_path_whose_file_has_another_name);
	tcase_add_test(tcase, a_path_that_is_removed_again_at_once);
	tcase_add_test(tcase, a_path_that_inotify_cannot_watch);
	return suite_run(suite, CK_FORK);
}
