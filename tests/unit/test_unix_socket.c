/* SPDX-License-Identifier: MIT */
/*
 * Socket files: each gets exactly its mode; a stale one is replaced, one in
 * use never; only our own is removed.  The length of the kernel's queue comes
 * from the unit's credential, else from this process's network namespace.
 */
#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/lib/core.h"
#include "daemon/base/unix_socket.h"

static struct unix_socket bound;
static struct failure failure;
static unsigned descriptors;

static void setup(void)
{
	core_open();
	descriptors = process_descriptors(getpid());
}

static void teardown(void)
{
	/* whatever happened, nothing stays open */
	unix_socket_close(&bound);
	ck_assert_uint_eq(process_descriptors(getpid()), descriptors);
	core_close();
}

static int make(int type, const char *name)
{
	failure.text[0] = 0;
	return unix_socket_bind(&bound, type, core_path(name), 0660, "",
				"socket", &failure);
}

/* A socket that another process made at this path. */
static int other(int type, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", core_path(name));
	ck_assert_int_eq(bind(fd, (void *)&addr, sizeof(addr)), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

static bool reachable(int type, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", core_path(name));
	err = connect(fd, (void *)&addr, sizeof(addr));
	close(fd);
	return !err;
}

static const int types[] = { SOCK_DGRAM, SOCK_STREAM };

START_TEST(a_socket_is_made_non_blocking_and_close_on_exec)
{
	int type;
	socklen_t len = sizeof(type);

	ck_assert_int_eq(make(types[_i], "s"), 0);
	ck_assert_str_eq(bound.path, core_path("s"));
	ck_assert(fcntl(bound.fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(bound.fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(getsockopt(bound.fd, SOL_SOCKET, SO_TYPE, &type, &len),
			 0);
	ck_assert_int_eq(type, types[_i]);
	if (types[_i] == SOCK_DGRAM)
		ck_assert(reachable(SOCK_DGRAM, "s"));
	unix_socket_close(&bound);
	ck_assert(!file_exists(core_path("s")));
	ck_assert_int_eq(bound.fd, -1);
}
END_TEST

START_TEST(a_socket_mode_is_exact_whatever_the_umask)
{
	static const mode_t modes[] = { 0, 0600, 0660, 0666, 0777, 0222 };
	static const mode_t masks[] = { 0, 077, 0777 };
	struct stat st;
	unsigned i;

	for (i = 0; i < 3; i++) {
		umask(masks[i]);
		ck_assert_int_eq(unix_socket_bind(&bound, SOCK_DGRAM,
						  core_path("s"), modes[_i], "",
						  "socket", &failure),
				 0);
		ck_assert_int_eq(stat(core_path("s"), &st), 0);
		ck_assert_uint_eq(st.st_mode & 07777, modes[_i]);
		/* and the process has the mask that it had */
		ck_assert_uint_eq(umask(0), masks[i]);
		unix_socket_close(&bound);
	}
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
	/* left by a daemon of either kind */
	close(other(types[_i / 2], "s"));
	ck_assert(file_exists(core_path("s")));
	ck_assert_msg(!make(types[_i % 2], "s"), "%s", failure.text);
	if (types[_i % 2] == SOCK_DGRAM)
		ck_assert(reachable(SOCK_DGRAM, "s"));
}
END_TEST

START_TEST(a_socket_in_use_is_refused_and_stays)
{
	int fd = other(types[_i / 2], "s");

	ck_assert_int_eq(make(types[_i % 2], "s"), -EADDRINUSE);
	ck_assert_msg(strstr(failure.text, core_path("s")), "%s", failure.text);
	ck_assert_msg(strstr(failure.text, "another daemon"), "%s",
		      failure.text);
	ck_assert(reachable(types[_i / 2], "s"));
	close(fd);
}
END_TEST

/* connect(2) does not tell whether that user's daemon still runs. */
START_TEST(a_socket_of_another_user_is_named_and_stays)
{
	if (getuid())
		return;
	core_mkdir("d");
	ck_assert_int_eq(chown(core_path("d"), 65534, 65534), 0);
	close(other(types[_i], "d/s"));
	ck_assert_int_eq(chmod(core_path("d/s"), 0600), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 0), 0);
	ck_assert_int_eq(make(types[_i], "d/s"), -EACCES);
	ck_assert_msg(strstr(failure.text, "socket of another user"), "%s",
		      failure.text);
	ck_assert(file_exists(core_path("d/s")));
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
}
END_TEST

/* The mode of a dead daemon's socket admits a group but not its owner. */
START_TEST(a_stale_socket_that_only_others_may_use_is_replaced)
{
	int fd;

	if (getuid())
		return;
	core_mkdir("d");
	ck_assert_int_eq(chown(core_path("d"), 65534, 65534), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 0), 0);
	fd = other(types[_i], "d/s");
	ck_assert_int_eq(chmod(core_path("d/s"), 0060), 0);
	ck_assert_int_eq(make(types[_i], "d/s"), -EADDRINUSE);
	close(fd);
	ck_assert_msg(!make(types[_i], "d/s"), "%s", failure.text);
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
}
END_TEST

/* connect(2) would block: a process is there, and busy. */
START_TEST(a_socket_with_a_full_backlog_is_in_use)
{
	int fd = other(SOCK_STREAM, "s");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int waiting[8], i; /* more than listen(2) was told */

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", core_path("s"));
	for (i = 0; i < 8; i++) {
		waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(waiting[i], (void *)&addr, sizeof(addr)))
			ck_assert_int_eq(errno, EAGAIN);
	}
	ck_assert_int_eq(make(SOCK_STREAM, "s"), -EADDRINUSE);
	for (i = 0; i < 8; i++)
		close(waiting[i]);
	close(fd);
}
END_TEST

START_TEST(a_path_that_is_no_socket_is_never_removed)
{
	const char *path = core_path("s");

	switch (_i) {
	case 0:
		file_write(path, "data", 4);
		break;
	case 1:
		core_mkdir("s");
		break;
	case 2:
		ck_assert_int_eq(symlink("nowhere", path), 0);
		break;
	}
	ck_assert_int_eq(make(SOCK_DGRAM, "s"), -ENOTSOCK);
	ck_assert_msg(strstr(failure.text, "is not a socket"), "%s",
		      failure.text);
	ck_assert(file_exists(path));
}
END_TEST

START_TEST(one_missing_directory_is_made_two_are_an_error)
{
	ck_assert_int_eq(make(SOCK_DGRAM, "run/s"), 0);
	unix_socket_close(&bound);
	ck_assert_int_eq(make(SOCK_DGRAM, "no/such/s"), -ENOENT);
	ck_assert_msg(strstr(failure.text, "no/such/s"), "%s", failure.text);
}
END_TEST

START_TEST(a_path_must_fit_into_an_address)
{
	char path[200];

	memset(path, 'd', sizeof(path));
	snprintf(path, sizeof(path), "%s/", core_dir);
	path[strlen(path)] = 'd';
	path[107] = 0;
	ck_assert_int_eq(unix_socket_bind(&bound, SOCK_DGRAM, path, 0600, "",
					  "socket", &failure),
			 0);
	ck_assert(file_exists(path));
	unix_socket_close(&bound);
	ck_assert(!file_exists(path));
	path[107] = 'd';
	path[108] = 0;
	ck_assert_int_eq(unix_socket_bind(&bound, SOCK_DGRAM, path, 0600, "",
					  "socket", &failure),
			 -ENAMETOOLONG);
}
END_TEST

/* --- group --------------------------------------------------------------- */

START_TEST(a_group_is_named_or_numbered)
{
	struct group *g = getgrgid(getgid());
	char number[32];
	struct stat st;

	snprintf(number, sizeof(number), "%u",
		 getuid() ? (unsigned)getgid() : 54321);
	ck_assert_int_eq(unix_socket_bind(&bound, SOCK_DGRAM, core_path("s"),
					  0660, number, "socket", &failure),
			 0);
	ck_assert_int_eq(stat(core_path("s"), &st), 0);
	ck_assert_uint_eq(st.st_gid, strtoul(number, NULL, 10));
	unix_socket_close(&bound);
	if (!g)
		return;
	ck_assert_int_eq(unix_socket_bind(&bound, SOCK_DGRAM, core_path("s"),
					  0660, g->gr_name, "socket", &failure),
			 0);
	ck_assert_int_eq(stat(core_path("s"), &st), 0);
	ck_assert_uint_eq(st.st_gid, getgid());
}
END_TEST

START_TEST(a_group_that_is_none_leaves_no_socket)
{
	static const char *const groups[] = {
		"no-such-group",  "12x", "-1", "4294967295",
		"99999999999999", " 1",
	};

	ck_assert_int_eq(unix_socket_bind(&bound, SOCK_DGRAM, core_path("s"),
					  0660, groups[_i], "control",
					  &failure),
			 -ENOENT);
	ck_assert_msg(strstr(failure.text, "control.group") == failure.text,
		      "%s", failure.text);
	ck_assert_int_eq(bound.fd, -1);
	ck_assert(!file_exists(core_path("s")));
}
END_TEST

START_TEST(a_group_that_may_not_be_given_leaves_no_socket)
{
	if (getuid())
		return;
	core_mkdir("d");
	ck_assert_int_eq(chown(core_path("d"), 65534, 65534), 0);
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setresgid(65534, 65534, 0), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 0), 0);
	ck_assert_int_eq(unix_socket_bind(&bound, SOCK_DGRAM, core_path("d/s"),
					  0660, "0", "socket", &failure),
			 -EPERM);
	ck_assert(!file_exists(core_path("d/s")));
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
	ck_assert_int_eq(setresgid(0, 0, 0), 0);
}
END_TEST

/* --- the end ------------------------------------------------------------- */

START_TEST(only_our_own_socket_file_is_removed)
{
	int fd;

	ck_assert_int_eq(make(SOCK_DGRAM, "s"), 0);
	/* another daemon took the place meanwhile */
	unlink(core_path("s"));
	fd = other(SOCK_DGRAM, "s");
	unix_socket_close(&bound);
	ck_assert(file_exists(core_path("s")));
	ck_assert(reachable(SOCK_DGRAM, "s"));
	close(fd);
	/* closing it twice is harmless */
	unix_socket_close(&bound);
}
END_TEST

/* --- length of the kernel's queue ---------------------------------------- */

/* The length, or the error, that this process reads in /proc. */
static int own_qlen(void)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	return unix_socket_qlen();
}

static void write_credential(const char *text)
{
	file_write(core_path("max_dgram_qlen"), text, strlen(text));
}

START_TEST(a_credential_for_the_queue_outranks_our_own_namespace)
{
	int other = own_qlen() + 1;
	char text[32];

	snprintf(text, sizeof(text), "%d\n", other);
	write_credential(text);
	setenv("CREDENTIALS_DIRECTORY", core_path(""), 1);
	ck_assert_int_eq(unix_socket_qlen(), other);
}
END_TEST

/* The unit's default is "unknown". */
START_TEST(a_queue_credential_that_is_no_number_is_none)
{
	static const char *const texts[] = { "", "\n", "-1\n", "unknown" };
	int n = own_qlen();

	write_credential(texts[_i]);
	setenv("CREDENTIALS_DIRECTORY", core_path(""), 1);
	ck_assert_int_eq(unix_socket_qlen(), n);
}
END_TEST

START_TEST(without_a_credential_the_queue_is_our_own)
{
	int n = own_qlen();

	setenv("CREDENTIALS_DIRECTORY", core_path("none"), 1);
	ck_assert_int_eq(unix_socket_qlen(), n);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unix_socket");
	TCase *tc = suite_case(suite, "bind", setup, teardown);
	TCase *qlen = core_case(suite, "qlen");

	bound.fd = -1;
	tcase_add_loop_test(tc, a_socket_is_made_non_blocking_and_close_on_exec,
			    0, 2);
	tcase_add_loop_test(tc, a_socket_mode_is_exact_whatever_the_umask, 0,
			    6);
	tcase_add_loop_test(tc, a_stale_socket_is_replaced, 0, 4);
	tcase_add_loop_test(tc, a_socket_in_use_is_refused_and_stays, 0, 4);
	tcase_add_loop_test(tc, a_socket_of_another_user_is_named_and_stays, 0,
			    2);
	tcase_add_loop_test(
		tc, a_stale_socket_that_only_others_may_use_is_replaced, 0, 2);
	tcase_add_test(tc, a_socket_with_a_full_backlog_is_in_use);
	tcase_add_loop_test(tc, a_path_that_is_no_socket_is_never_removed, 0,
			    3);
	tcase_add_test(tc, one_missing_directory_is_made_two_are_an_error);
	tcase_add_test(tc, a_path_must_fit_into_an_address);
	tcase_add_test(tc, a_group_is_named_or_numbered);
	tcase_add_loop_test(tc, a_group_that_is_none_leaves_no_socket, 0, 6);
	tcase_add_test(tc, a_group_that_may_not_be_given_leaves_no_socket);
	tcase_add_test(tc, only_our_own_socket_file_is_removed);
	tcase_add_test(qlen,
		       a_credential_for_the_queue_outranks_our_own_namespace);
	tcase_add_loop_test(qlen, a_queue_credential_that_is_no_number_is_none,
			    0, 4);
	tcase_add_test(qlen, without_a_credential_the_queue_is_our_own);
	return suite_run(suite, CK_FORK);
}
