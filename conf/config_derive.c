/* SPDX-License-Identifier: MIT */
/*
 * What follows from several settings at once: the names of files, and the
 * check that no two settings contradict each other.
 */
#include "conf/config_derive.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config_names.h"
#include "conf/expand.h"

/*
 * NAME_MAX, and how much of it <worker>_<daemon>_<nanoseconds> may take,
 * with the dot in front of a temporary file.
 */
#define FILE_NAME_MAX 255
#define FILE_NAME_MIDDLE 60

/* --- names --------------------------------------------------------------- */

static char *instance_name(const char *file)
{
	const char *base;
	char *name;
	size_t len;

	if (!file)
		return strdup("bufwriter");
	base = strrchr(file, '/');
	name = strdup(base ? base + 1 : file);
	if (!name)
		return NULL;
	expand_clean(name);
	len = strlen(name);
	if (len > 4 && !strcmp(name + len - 4, ".ini"))
		name[len - 4] = '\0';
	return name;
}

/*
 * Replaces the % words of a prefix or suffix.  NULL after a report or without
 * memory.
 */
static char *expand(struct loader *load, const struct setting *set)
{
	char wrong[EXPAND_WRONG];
	char *out = expand_words(setting_text(set, load->cfg),
				 load->cfg->instance, wrong);

	if (!out && *wrong)
		loader_problem(load, set, wrong);
	else if (!out)
		load->out_of_memory = true;
	return out;
}

static void check_names(struct loader *load, const struct setting *prefix,
			const struct setting *suffix)
{
	const struct config *cfg = load->cfg;
	size_t prefix_len = strlen(cfg->prefix);
	size_t suffix_len = strlen(cfg->suffix);
	char why[256];

	if (cfg->prefix[0] == '.') {
		snprintf(why, sizeof(why),
			 "\"%.60s\" begins with a dot, which marks temporary "
			 "files; allowed: any other first character",
			 cfg->prefix);
		loader_problem(load, prefix, why);
	}
	if (prefix_len + suffix_len + FILE_NAME_MIDDLE <= FILE_NAME_MAX)
		return;
	snprintf(why, sizeof(why),
		 "prefix and suffix have %zu bytes together when their %% "
		 "words are replaced; allowed: %d",
		 prefix_len + suffix_len, FILE_NAME_MAX - FILE_NAME_MIDDLE);
	loader_problem(load, prefix_len >= suffix_len ? prefix : suffix, why);
}

/* The suffix of compressed files. */
static void mark_suffix(struct loader *load)
{
	const char *plain = load->cfg->suffix;
	char *marked;

	if (asprintf(&marked, "%s%s", plain, CONFIG_ZSTD_SUFFIX) < 0) {
		load->out_of_memory = true;
		return;
	}
	free((void *)plain);
	load->cfg->suffix = marked;
}

static void check_compression(struct loader *load)
{
#ifndef BW_ZSTD
	if (load->cfg->files_compression == COMPRESSION_ZSTD)
		loader_problem(
			load, &setting_table[SETTING_files_compression],
			"\"zstd\" needs libzstd, and this daemon was built "
			"without it; allowed: none");
#else
	(void)load;
#endif
}

/* Otherwise one file would be more than the limit, and wait for ever. */
static void check_keep(struct loader *load)
{
	const struct config *cfg = load->cfg;
	/* and 4 bytes of framing */
	uint64_t least = cfg->buffer_size_bytes +
			 cfg->socket_max_message_bytes + 4;
	char why[256];

	if (!cfg->files_keep_bytes || cfg->files_keep_bytes >= least)
		return;
	snprintf(why, sizeof(why),
		 "%llu bytes are less than one file can have with "
		 "buffer.size and socket.max_message; allowed: 0, or %llu "
		 "and more",
		 (unsigned long long)cfg->files_keep_bytes,
		 (unsigned long long)least);
	loader_problem(load, &setting_table[SETTING_files_keep], why);
}

static void derive_names(struct loader *load)
{
	const struct setting *prefix = &setting_table[SETTING_files_prefix];
	const struct setting *suffix = &setting_table[SETTING_files_suffix];
	struct config *cfg = load->cfg;

	cfg->prefix = expand(load, prefix);
	cfg->suffix = expand(load, suffix);
	if (cfg->suffix && cfg->files_compression == COMPRESSION_ZSTD)
		mark_suffix(load);
	if (cfg->prefix && cfg->suffix)
		check_names(load, prefix, suffix);
}

/* --- paths --------------------------------------------------------------- */

/* Beside files.path, where a copy of that does not go. */
static char *temp_path(const struct config *cfg)
{
	int len = (int)strlen(cfg->files_path);
	char *path;

	if (*cfg->files_temp)
		return strdup(cfg->files_temp);
	while (len && cfg->files_path[len - 1] == '/')
		len--;
	return asprintf(&path, "%.*s%s.tmp", len, cfg->files_path,
			len ? "" : "/") < 0 ?
		       NULL :
		       path;
}

/*
 * Beside what intake/limits.c publishes.  A path that does not fit fails when
 * the socket is made.
 */
static char *lanes_path(const struct config *cfg)
{
	const char *path = cfg->socket_path;
	const char *base = strrchr(path, '/');
	size_t len = strlen(path);
	bool is_sock = base && strlen(base) > 6 &&
		       !strcmp(path + len - 5, ".sock");
	char *out;

	if (*cfg->lanes_path)
		return strdup(cfg->lanes_path);
	return asprintf(&out, "%.*s%s", (int)(is_sock ? len - 5 : len), path,
			is_sock ? "/lanes.sock" : ".lanes") < 0 ?
		       NULL :
		       out;
}

static void check_lanes(struct loader *load)
{
	uint64_t size = load->cfg->lanes_size_bytes;
	char why[128];

	if (!(size & (size - 1)))
		return;
	snprintf(why, sizeof(why),
		 "%" PRIu64 " is not a power of two; allowed: for example 512K "
		 "or 1M",
		 size);
	loader_problem(load, &setting_table[SETTING_lanes_size], why);
}

/* Without credentials nobody could be limited. */
static void check_senders(struct loader *load)
{
	const struct config *cfg = load->cfg;
	char why[128];

	if (!cfg->senders_rate || cfg->senders_identify == SWITCH_YES)
		return;
	snprintf(why, sizeof(why),
		 "%" PRIu64 " needs senders.identify = yes; allowed without "
		 "it: 0",
		 cfg->senders_rate);
	loader_problem(load, &setting_table[SETTING_senders_rate], why);
}

/* --- the derived texts --------------------------------------------------- */

void config_derive(struct loader *load)
{
	struct config *cfg = load->cfg;
	const char *file = load->problems.file;

	cfg->instance = instance_name(file);
	cfg->temp = temp_path(cfg);
	cfg->lanes = lanes_path(cfg);
	if (file)
		cfg->file = strdup(file);
	if (!cfg->instance || !cfg->temp || !cfg->lanes ||
	    (file && !cfg->file)) {
		load->out_of_memory = true;
		return;
	}
	check_compression(load);
	check_keep(load);
	derive_names(load);
	check_lanes(load);
	check_senders(load);
	config_names_check(load);
}

static int copy(const char **to, const char *from)
{
	assert(!*to);
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

/*
 * files.compression needs a restart: the new suffix, and the mark that is at
 * the end of the old one.
 */
static int merge_suffix(struct config *cfg, const struct config *old,
			const struct config *new)
{
	int len = (int)strlen(new->suffix);
	const char *mark = "";
	char *suffix;

	if (new->files_compression == COMPRESSION_ZSTD)
		len -= (int)strlen(CONFIG_ZSTD_SUFFIX);
	if (old->files_compression == COMPRESSION_ZSTD)
		mark = CONFIG_ZSTD_SUFFIX;
	assert(!cfg->suffix && len >= 0);
	if (asprintf(&suffix, "%.*s%s", len, new->suffix, mark) < 0)
		return -ENOMEM;
	cfg->suffix = suffix;
	return 0;
}

int config_derive_merge(struct config *cfg, const struct config *old,
			const struct config *new)
{
	/* the paths need a restart, so these stay as well */
	if (copy(&cfg->temp, old->temp) < 0 ||
	    copy(&cfg->lanes, old->lanes) < 0 ||
	    copy(&cfg->prefix, new->prefix) < 0 ||
	    merge_suffix(cfg, old, new) < 0 ||
	    copy(&cfg->instance, new->instance) < 0 ||
	    copy(&cfg->file, new->file) < 0)
		return -ENOMEM;
	return 0;
}

void config_derive_clear(struct config *cfg)
{
	free((void *)cfg->prefix);
	free((void *)cfg->suffix);
	free((void *)cfg->temp);
	free((void *)cfg->lanes);
	free((void *)cfg->instance);
	free((void *)cfg->file);
}
