/* SPDX-License-Identifier: MIT */
/*
 * struct config: the value of each setting, one member for each line of
 * config.def.
 *
 * The struct has a header of its own because the table of settings needs its
 * layout, and the functions in config.h need the table.  Code outside conf/
 * includes config.h.
 */
#ifndef BUFWRITER_CONFIG_STRUCT_H
#define BUFWRITER_CONFIG_STRUCT_H

#include <stdint.h>

/* The value of a PATIENCE that is written `never`. */
#define CONFIG_NEVER UINT64_MAX

/* Most paths of socket.also. */
#define CONFIG_ALSO_MOST 15

/* The end of the name of each compressed file, and of no other. */
#define CONFIG_ZSTD_SUFFIX ".zst"

enum config_framing { FRAMING_NEWLINE, FRAMING_NONE, FRAMING_LENGTH };
enum config_strip { STRIP_NONE, STRIP_SYSLOG, STRIP_TAG };
enum config_sync { SYNC_NONE, SYNC_DATA };
enum config_full { FULL_WAIT, FULL_DELETE_OLDEST };
enum config_switch { SWITCH_NO, SWITCH_YES };
enum config_by { BY_UID, BY_UNIT };
enum config_compression { COMPRESSION_NONE, COMPRESSION_ZSTD };
/* The numbers are those of syslog, see sd-daemon(3). */
enum config_level {
	LEVEL_ERROR = 3,
	LEVEL_WARNING = 4,
	LEVEL_NOTICE = 5,
	LEVEL_INFO = 6,
	LEVEL_DEBUG = 7
};

/* The C type of a member, by the type of the setting. */
#define CONFIG_C_SIZE uint64_t
#define CONFIG_C_DURATION uint64_t
#define CONFIG_C_PATIENCE uint64_t
#define CONFIG_C_COUNT uint64_t
#define CONFIG_C_MODE uint64_t
#define CONFIG_C_PATH const char *
#define CONFIG_C_SOCKET const char *
#define CONFIG_C_SOCKETS const char *
#define CONFIG_C_NAME const char *
#define CONFIG_C_GROUP const char *
#define CONFIG_C_TEXT const char *
#define CONFIG_C_FRAMING enum config_framing
#define CONFIG_C_STRIP enum config_strip
#define CONFIG_C_SYNC enum config_sync
#define CONFIG_C_FULL enum config_full
#define CONFIG_C_SWITCH enum config_switch
#define CONFIG_C_BY enum config_by
#define CONFIG_C_COMPRESSION enum config_compression
#define CONFIG_C_LEVEL enum config_level

/* The name of a member ends in its unit, if it has one. */
#define CONFIG_MEMBER_SIZE(name) name##_bytes
#define CONFIG_MEMBER_DURATION(name) name##_ns
#define CONFIG_MEMBER_PATIENCE(name) name##_ns
#define CONFIG_MEMBER_COUNT(name) name
#define CONFIG_MEMBER_MODE(name) name
#define CONFIG_MEMBER_PATH(name) name
#define CONFIG_MEMBER_SOCKET(name) name
#define CONFIG_MEMBER_SOCKETS(name) name
#define CONFIG_MEMBER_NAME(name) name
#define CONFIG_MEMBER_GROUP(name) name
#define CONFIG_MEMBER_TEXT(name) name
#define CONFIG_MEMBER_FRAMING(name) name
#define CONFIG_MEMBER_STRIP(name) name
#define CONFIG_MEMBER_SYNC(name) name
#define CONFIG_MEMBER_FULL(name) name
#define CONFIG_MEMBER_SWITCH(name) name
#define CONFIG_MEMBER_BY(name) name
#define CONFIG_MEMBER_COMPRESSION(name) name
#define CONFIG_MEMBER_LEVEL(name) name

struct config {
#define CONFIG(section, key, type, ...) \
	CONFIG_C_##type CONFIG_MEMBER_##type(section##_##key);
#include "conf/config.def"
#undef CONFIG
	/*
	 * files_prefix and files_suffix with their % words replaced;
	 * CONFIG_ZSTD_SUFFIX is at the end of suffix if files are compressed
	 */
	const char *prefix;
	const char *suffix;
	/* files_temp, or <files_path>.tmp if that is empty */
	const char *temp;
	/* lanes_path, or what follows from socket_path if that is empty */
	const char *lanes;
	/* base name of the file without .ini, "bufwriter" without a file */
	const char *instance;
	/* the file that these settings came from, or NULL */
	const char *file;
};

#endif
