/* SPDX-License-Identifier: MIT */
/*
 * bufwriter-nats carries complete files through NATS JetStream, as another
 * transport than rsync.  One file is one message.  The file's name is the
 * message's `Nats-Msg-Id`, so the stream keeps a file that is sent twice once.
 *
 *	bufwriter-nats create URL STREAM REPLICAS	makes the stream
 *	bufwriter-nats put URL STREAM HOST		at the edge
 *	bufwriter-nats get URL STREAM DIR [DONE]	at the centre
 *
 * `put` is a command for bufwriter-ship: it reads the paths from standard
 * input, each ended by a NUL.  It removes a file when the stream has
 * acknowledged it, which a stream of three replicas does when two have it.
 *
 * `get` writes each message to DIR/HOST/NAME by a temporary file and a rename,
 * and acknowledges it after that.  A message that arrives again, because `get`
 * was killed in between, finds its file in DIR/HOST or in DONE/HOST.
 *
 * The program is built only where the client library of NATS is installed
 * (Debian: libnats-dev).  Each command runs in one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <nats/nats.h>

/*
 * How long the stream recognises a message that it has: longer than a host may
 * be cut off between the send and the removal of its file.
 */
#define DUPLICATES_NS (INT64_C(30) * 24 * 3600 * 1000000000)
/* Tries of one message while the stream changes its leader, a second each. */
#define TRIES 30
#define BATCH 64
#define FETCH_MS 1000
#define SERVERS 16

static volatile sig_atomic_t stopped; /* set by the handler of signals */

static void on_signal(int signum)
{
	(void)signum;
	stopped = 1;
}

static int fail(const char *what, natsStatus s, jsErrCode code)
{
	fprintf(stderr, "bufwriter-nats: %s: %s", what, natsStatus_GetText(s));
	if (code)
		fprintf(stderr, " (JetStream error %d)", (int)code);
	fputs("\n", stderr);
	return EX_TEMPFAIL;
}

static int fail_file(const char *op, const char *path)
{
	fprintf(stderr, "bufwriter-nats: %s %s: %s\n", op, path,
		strerror(errno));
	return EX_IOERR;
}

/* A name that is one component of a path, and no dot file. */
static bool is_component(const char *name)
{
	return name && name[0] && name[0] != '.' && !strchr(name, '/') &&
	       strlen(name) <= NAME_MAX;
}

/* A part of a subject: NATS gives a meaning to dots, blanks, `*` and `>`. */
static bool is_token(const char *text)
{
	return is_component(text) && !strpbrk(text, ".*> \t\r\n");
}

/* -- put ----------------------------------------------------------------- */

/* A whole file; the caller frees *data.  0, or an exit status. */
static int read_file(const char *path, char **data, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	size_t done = 0;
	ssize_t n;

	*data = NULL;
	if (fd < 0)
		return fail_file("open", path);
	if (fstat(fd, &st)) {
		close(fd);
		return fail_file("stat", path);
	}
	*len = st.st_size;
	*data = malloc(*len + 1);
	while (*data && done < *len) {
		n = read(fd, *data + done, *len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += n;
	}
	close(fd);
	if (*data && done == *len)
		return 0;
	free(*data);
	return fail_file("read", path);
}

/* Publishes until the stream has acknowledged it.  0, or an exit status. */
static int publish(jsCtx *js, const char *subject, const char *name,
		   const char *data, size_t len)
{
	jsPubOptions options;
	jsErrCode code = 0;
	natsStatus s = NATS_ERR;
	unsigned i;

	jsPubOptions_Init(&options);
	options.MsgId = name;
	/* A second try is the same message for the stream. */
	for (i = 0; i < TRIES && !stopped; i++) {
		s = js_Publish(NULL, js, subject, data, (int)len, &options,
			       &code);
		if (s == NATS_OK)
			return 0;
		nats_Sleep(1000);
	}
	return stopped ? EX_TEMPFAIL : fail(subject, s, code);
}

static int put_file(natsConnection *nc, jsCtx *js, const char *subject,
		    const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = 0;
	char *data;
	int status;

	if (!is_component(name)) {
		fprintf(stderr, "bufwriter-nats: %s is no name of a file\n",
			path);
		return EX_DATAERR;
	}
	status = read_file(path, &data, &len);
	if (status)
		return status;
	if ((int64_t)len > natsConnection_GetMaxPayload(nc)) {
		fprintf(stderr,
			"bufwriter-nats: %s has %zu bytes, and the server "
			"accepts %" PRId64 "; raise max_payload there\n",
			path, len, natsConnection_GetMaxPayload(nc));
		status = EX_DATAERR;
	} else {
		status = publish(js, subject, name, data, len);
	}
	free(data);
	if (!status && unlink(path))
		return fail_file("remove", path);
	return status;
}

/* A file that cannot be sent does not hold up the others. */
static int put(natsConnection *nc, jsCtx *js, const char *subject)
{
	int status = 0, err;
	char *path = NULL;
	size_t room = 0;

	while (!stopped && getdelim(&path, &room, 0, stdin) > 0) {
		err = put_file(nc, js, subject, path);
		if (err)
			status = err;
		if (err == EX_TEMPFAIL)
			break;
	}
	free(path);
	return stopped ? EX_TEMPFAIL : status;
}

/* -- get ----------------------------------------------------------------- */

static bool exists(const char *dir, const char *host, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return dir &&
	       (size_t)snprintf(path, sizeof(path), "%s/%s/%s", dir, host,
				name) < sizeof(path) &&
	       !lstat(path, &st);
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

/* DIR/HOST/NAME from the message, on the disk.  0, or an exit status. */
static int store(const char *dir, const char *host, const char *name,
		 const char *data, size_t len)
{
	char folder[PATH_MAX], temp[PATH_MAX], path[PATH_MAX];
	int fd, bad;

	if ((size_t)snprintf(folder, sizeof(folder), "%s/%s", dir, host) >=
		    sizeof(folder) ||
	    (size_t)snprintf(temp, sizeof(temp), "%s/.%s", folder, name) >=
		    sizeof(temp) ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >=
		    sizeof(path)) {
		errno = ENAMETOOLONG;
		return fail_file("write below", dir);
	}
	if (mkdir(folder, 0750) && errno != EEXIST)
		return fail_file("make", folder);
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0440);
	if (fd < 0)
		return fail_file("open", temp);
	bad = write_all(fd, data, len) || fsync(fd);
	bad |= close(fd);
	if (bad)
		return fail_file("write", temp);
	if (rename(temp, path))
		return fail_file("rename", temp);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd)) {
		bad = fail_file("sync", folder);
		if (fd >= 0)
			close(fd);
		return bad;
	}
	close(fd);
	return 0;
}

/* The subject is STREAM.HOST.  0, or an exit status. */
static int get_message(natsMsg *msg, const char *dir, const char *done)
{
	const char *subject = natsMsg_GetSubject(msg);
	const char *host = strrchr(subject, '.');
	const char *name = NULL;
	int status;

	(void)natsMsgHeader_Get(msg, "Nats-Msg-Id", &name);
	host = host ? host + 1 : "";
	if (!is_component(name) || !is_token(host)) {
		/* Not ours.  Without this it would come again for ever. */
		fprintf(stderr,
			"bufwriter-nats: a message on %s has no Nats-Msg-Id "
			"that is a file's name; left out\n",
			subject);
		return natsMsg_Term(msg, NULL) == NATS_OK ? 0 : EX_TEMPFAIL;
	}
	if (!exists(dir, host, name) && !exists(done, host, name)) {
		status = store(dir, host, name, natsMsg_GetData(msg),
			       natsMsg_GetDataLength(msg));
		if (status)
			return status;
	}
	/* Without this acknowledgement the message comes again. */
	(void)natsMsg_Ack(msg, NULL);
	return 0;
}

static int get(jsCtx *js, const char *stream, const char *dir, const char *done)
{
	natsSubscription *sub = NULL;
	natsMsgList list = { 0 };
	jsSubOptions options;
	jsErrCode code = 0;
	char subject[256];
	natsStatus s;
	int status = 0, i;

	snprintf(subject, sizeof(subject), "%s.*", stream);
	jsSubOptions_Init(&options);
	options.Stream = stream;
	s = js_PullSubscribe(&sub, js, subject, "centre", NULL, &options,
			     &code);
	if (s != NATS_OK)
		return fail(stream, s, code);
	while (!stopped && !status) {
		s = natsSubscription_Fetch(&list, sub, BATCH, FETCH_MS, &code);
		if (s == NATS_TIMEOUT)
			continue;
		/* The library connects again, and a new leader is chosen. */
		if (s != NATS_OK) {
			nats_Sleep(FETCH_MS);
			continue;
		}
		for (i = 0; i < list.Count && !status; i++)
			status = get_message(list.Msgs[i], dir, done);
		natsMsgList_Destroy(&list);
	}
	natsSubscription_Destroy(sub);
	return status;
}

/* -- create -------------------------------------------------------------- */

static int create(jsCtx *js, const char *stream, const char *replicas)
{
	char subject[256], *end;
	const char *subjects[] = { subject };
	long n = strtol(replicas, &end, 10);
	jsStreamConfig config;
	jsErrCode code = 0;
	natsStatus s;

	if (*end || n < 1 || n > 5) {
		fprintf(stderr,
			"bufwriter-nats: REPLICAS is a number from 1 to 5, "
			"not '%s'\n",
			replicas);
		return EX_USAGE;
	}
	snprintf(subject, sizeof(subject), "%s.*", stream);
	jsStreamConfig_Init(&config);
	config.Name = stream;
	config.Subjects = subjects;
	config.SubjectsLen = 1;
	config.Storage = js_FileStorage;
	config.Replicas = n;
	config.Duplicates = DUPLICATES_NS;
	/* A message goes when the centre has acknowledged it. */
	config.Retention = js_WorkQueuePolicy;
	s = js_AddStream(NULL, js, &config, NULL, &code);
	return s == NATS_OK ? 0 : fail(stream, s, code);
}

/* -- all ----------------------------------------------------------------- */

static int usage(void)
{
	fputs("Usage: bufwriter-nats create URL STREAM REPLICAS\n"
	      "       bufwriter-nats put URL STREAM HOST\n"
	      "       bufwriter-nats get URL STREAM DIR [DONE]\n"
	      "Carries bufwriter's files through NATS JetStream.  URL may list "
	      "several servers,\nseparated by commas.  See "
	      "bufwriter-nats(1).\n",
	      stderr);
	return EX_USAGE;
}

static int run(int argc, char **argv, natsConnection *nc, jsCtx *js)
{
	const char *stream = argv[3];
	char subject[256];

	if (!strcmp(argv[1], "create"))
		return create(js, stream, argv[4]);
	if (!strcmp(argv[1], "get"))
		return get(js, stream, argv[4], argc > 5 ? argv[5] : NULL);
	snprintf(subject, sizeof(subject), "%s.%s", stream, argv[4]);
	return put(nc, js, subject);
}

static bool is_usage_right(int argc, char **argv)
{
	if (argc < 5 || !is_token(argv[3]) || strlen(argv[3]) > 100)
		return false;
	if (!strcmp(argv[1], "get"))
		return argc <= 6;
	if (!strcmp(argv[1], "put"))
		return argc == 5 && is_token(argv[4]) && strlen(argv[4]) <= 100;
	return !strcmp(argv[1], "create") && argc == 5;
}

/* `urls` is a list, separated by commas; its commas are replaced. */
static natsStatus set_servers(natsOptions *options, char *urls)
{
	const char *servers[SERVERS];
	char *url, *rest = urls;
	int n = 0;

	while (n < SERVERS && (url = strtok_r(rest, ",", &rest)))
		servers[n++] = url;
	return natsOptions_SetServers(options, servers, n);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	natsConnection *nc = NULL;
	natsOptions *options = NULL;
	jsCtx *js = NULL;
	natsStatus s;
	int status;

	if (!is_usage_right(argc, argv))
		return usage();
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	s = natsOptions_Create(&options);
	if (s == NATS_OK)
		s = set_servers(options, argv[2]);
	/* Without a limit: a lost server is an ordinary day. */
	if (s == NATS_OK)
		s = natsOptions_SetMaxReconnect(options, -1);
	if (s == NATS_OK)
		s = natsConnection_Connect(&nc, options);
	if (s == NATS_OK)
		s = natsConnection_JetStream(&js, nc, NULL);
	status = s == NATS_OK ? run(argc, argv, nc, js) : fail(argv[2], s, 0);
	jsCtx_Destroy(js);
	natsConnection_Destroy(nc);
	natsOptions_Destroy(options);
	nats_Close();
	return status;
}
