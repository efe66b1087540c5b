/* SPDX-License-Identifier: MIT */
/* See run.h. */
#include "client/ship/run.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "client/ship/traffic.h"

#define TICK_MS 500

/* --- the end ------------------------------------------------------------- */

static void on_close(uv_handle_t *handle)
{
	struct run *run = handle->data;

	if (--run->handles)
		return;
	free(run->list.base);
	run->list.base = NULL;
	run->end(run->arg);
}

static void close_handle(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_close);
}

static void close_all(struct run *run)
{
	int i;

	for (i = 0; i < 3; i++)
		close_handle(&run->pipe[i]);
	close_handle(&run->tick);
	close_handle(&run->term);
	close_handle(&run->process);
}

static void kill_group(const struct run *run, int sig)
{
	if (run->process.pid > 0)
		kill(-run->process.pid, sig);
}

static void finish(struct run *run)
{
	if (!run->has_ended)
		return;
	/*
	 * Somebody of the group holds the output, so the group's number is not
	 * in use again.
	 */
	if (run->open)
		kill_group(run, SIGKILL);
	close_all(run);
}

static void on_output_time(uv_timer_t *timer)
{
	finish(timer->data);
}

static void on_process_end(uv_process_t *process, int64_t status, int sig)
{
	struct run *run = process->data;

	run->has_ended = true;
	run->status = (int)status;
	run->signal = sig;
	uv_timer_stop(&run->tick);
	if (run->open)
		uv_timer_start(&run->term, on_output_time, RUN_OUTPUT_MS, 0);
	else
		finish(run);
}

static void on_kill_time(uv_timer_t *timer)
{
	kill_group(timer->data, SIGKILL);
}

void run_stop(struct run *run)
{
	if (run->has_ended || uv_is_active((uv_handle_t *)&run->term))
		return;
	kill_group(run, SIGTERM);
	/* A stopped process takes SIGTERM when it goes on. */
	kill_group(run, SIGCONT);
	uv_timer_start(&run->term, on_kill_time, RUN_KILL_MS, RUN_KILL_MS);
}

/* --- what the command says ----------------------------------------------- */

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	static char room[65536];

	(void)handle;
	(void)size;
	*buf = uv_buf_init(room, sizeof(room));
}

static void keep(struct run *run, const char *text, size_t len)
{
	size_t room = RUN_SAID - run->said_bytes;

	if (len > room)
		len = room;
	memcpy(run->said + run->said_bytes, text, len);
	run->said_bytes += len;
	run->said[run->said_bytes] = '\0';
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct run *run = stream->data;
	char *nul;

	if (n > 0) {
		run->received += (uint64_t)n;
		while ((nul = memchr(buf->base, '\0', (size_t)n)))
			*nul = '?';
		keep(run, buf->base, (size_t)n);
	} else if (n < 0) {
		close_handle(stream);
		if (!--run->open && run->has_ended)
			finish(run);
	}
}

static void on_written(uv_write_t *write, int err)
{
	struct run *run = write->data;

	/* A command that is gone says so by its exit status. */
	(void)err;
	close_handle(&run->pipe[0]);
}

/* --- progress ------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer)
{
	struct run *run = timer->data;
	uint64_t now = uv_now(run->loop);
	uint64_t files = run->look(run->arg);
	uint64_t bytes = traffic_written(run->process.pid);

	bytes = bytes > run->received ? bytes - run->received : 0;
	if (files != run->moved_files ||
	    bytes >= run->moved_bytes + RUN_MOVED_BYTES) {
		run->moved_files = files;
		run->moved_bytes = bytes;
		run->moved_ms = now;
	} else if (bytes < run->moved_bytes) {
		/* a process has ended */
		run->moved_bytes = bytes;
	}
	if (now - run->moved_ms < run->stall_ms || run->has_stalled)
		return;
	run->has_stalled = true;
	run_stop(run);
}

/* --- the start ----------------------------------------------------------- */

static void open_handles(struct run *run)
{
	int i;

	for (i = 0; i < 3; i++) {
		uv_pipe_init(run->loop, &run->pipe[i], 0);
		run->pipe[i].data = run;
	}
	uv_timer_init(run->loop, &run->tick);
	uv_timer_init(run->loop, &run->term);
	run->tick.data = run->term.data = run->process.data = run;
	run->write.data = run;
	run->handles = 6;
}

static int spawn(struct run *run)
{
	uv_stdio_container_t stdio[4] = {
		{ .flags = UV_CREATE_PIPE | UV_READABLE_PIPE,
		  .data.stream = (uv_stream_t *)&run->pipe[0] },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		  .data.stream = (uv_stream_t *)&run->pipe[1] },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		  .data.stream = (uv_stream_t *)&run->pipe[2] },
		{ .flags = UV_INHERIT_FD, .data.fd = run->lock },
	};
	uv_process_options_t options = {
		.exit_cb = on_process_end,
		.file = run->argv[0],
		.args = run->argv,
		.cwd = run->cwd,
		.flags = UV_PROCESS_DETACHED,
		.stdio = stdio,
		.stdio_count = 4,
	};

	/* libuv initializes the handle first, so it needs closing in any case */
	return uv_spawn(run->loop, &run->process, &options);
}

int run_start(struct run *run, char *list, size_t list_bytes)
{
	int i, err;

	run->status = run->signal = 0;
	run->has_stalled = run->has_ended = false;
	run->said[0] = '\0';
	run->said_bytes = run->received = 0;
	run->moved_files = run->moved_bytes = 0;
	run->list = uv_buf_init(list, (unsigned)list_bytes);
	uv_update_time(run->loop);
	run->moved_ms = uv_now(run->loop);
	run->open = 0;
	open_handles(run);
	err = spawn(run);
	run->process.data = run;
	if (err) {
		run->process.pid = 0;
		close_all(run);
		return err;
	}
	for (i = 1; i < 3; i++) {
		run->open++;
		err = uv_read_start((uv_stream_t *)&run->pipe[i], on_room,
				    on_output);
		assert(!err);
	}
	uv_timer_start(
		&run->tick, on_tick,
		run->stall_ms < 4 * TICK_MS ? run->stall_ms / 4 : TICK_MS,
		run->stall_ms < 4 * TICK_MS ? run->stall_ms / 4 : TICK_MS);
	err = uv_write(&run->write, (uv_stream_t *)&run->pipe[0], &run->list, 1,
		       on_written);
	if (err)
		close_handle(&run->pipe[0]);
	return 0;
}
