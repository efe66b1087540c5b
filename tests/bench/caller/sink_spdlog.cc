/* SPDX-License-Identifier: MIT */
/*
 * spdlog's asynchronous logger with its usual queue (8192 messages, one
 * thread), which blocks when that is full, and a file.  The pattern is the bare
 * message: neither time nor level are formatted.
 */
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "sink.h"

static std::shared_ptr<spdlog::logger> *logger;

void *sink_open(const char *target, const char *)
{
	std::string path = std::string(target) + "/" +
			   std::to_string(getpid()) + ".log";

	spdlog::init_thread_pool(8192, 1);
	auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
	logger = new std::shared_ptr<spdlog::logger>(
		std::make_shared<spdlog::async_logger>(
			"bench", file, spdlog::thread_pool(),
			spdlog::async_overflow_policy::block));
	(*logger)->set_pattern("%v");
	return logger;
}

int sink_log(void *, const char *data, size_t len)
{
	/* spdlog adds the newline */
	(*logger)->log(spdlog::level::info,
		       spdlog::string_view_t(data, len - 1));
	return 0;
}

int sink_close(void *)
{
	(*logger)->flush();
	delete logger;
	spdlog::shutdown();
	return 0;
}
