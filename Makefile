# SPDX-License-Identifier: MIT
#
# bufwriter: builds and tests.  systemd/install.mk installs and packages.
#
#   make                 builds daemon, commands and library, in build/
#   make check           builds and runs all tests; T="test_ring ..." only these
#   make demo            shows how datagrams become complete files
#   make demo-edge       shows how files of many hosts come to one centre
#   make bench           measures; bench-deps builds what it compares with
#   make model           checks the models; MODEL=region or lanes: some of them
#   make fuzz            tries inputs, FUZZ_SECONDS (60) on each target; T="json"
#   make chaos           random lives and faults, CHAOS_SECONDS (120); CHAOS_SEED
#   make check-systemd   tests the package on a booted Debian tree (as root)
#   make check-centre    tests the recipes of a central server, with its engines
#   make install         installs to DESTDIR, under PREFIX; uninstall removes it
#   make install-centre  the same for a central server; uninstall-centre
#   make deb             builds Debian packages, in build/deb
#   make rpm             builds RPM packages, in build/rpm
#   make check-packages  tests the packages: same bytes twice, lintian, AppArmor
#   make check-ports     builds for aarch64 and with musl, and runs tests there
#   make ports-deps      installs the compilers and the emulator for that
#   make check-recipes   tests recipes and languages with real programs
#   make recipes-deps    installs these programs, from Debian and npm
#   make lint            checks format, layers and code with what is installed
#   make format          formats the code
#   make deps            installs what the build needs
#   make clean           removes what was built
#
# Variables: CC CFLAGS CPPFLAGS LDFLAGS, SAN=address,undefined or SAN=thread
# (builds instrumented, in a directory of its own), ZSTD=no (builds without
# compression) or ZSTD=yes (fails without libzstd), WERROR=1, V=1 (shows the
# commands), BUILD (where to build), CC_FOR_BUILD (if CC builds for another
# machine), and those of systemd/install.mk.

VERSION := 0.1.0
SOVERSION := 0

comma := ,
ifeq ($(SAN),)
BUILD ?= build
else
BUILD ?= build/san-$(subst $(comma),-,$(SAN))
endif

ifeq ($(origin CC),default)
CC := cc
endif
CFLAGS ?= -O2 -g

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s%s\n'
endif

# --- flags -----------------------------------------------------------------

# `-D_GNU_SOURCE=` is the same as `#define _GNU_SOURCE` in a source
cppflags := -D_GNU_SOURCE= -DBW_VERSION='"$(VERSION)"' -I.
cflags := -std=gnu11 -pthread -fno-common -Wall -Wextra -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wundef
ldflags := -pthread
ifeq ($(WERROR),1)
cflags += -Werror
endif
ifneq ($(SAN),)
cflags += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
ldflags += -fsanitize=$(SAN)
endif
ifneq ($(findstring thread,$(SAN)),)
# gcc warns that its thread sanitizer does not know fences; no plain memory
# depends on one here
cflags += $(shell $(CC) -Werror -Wno-tsan -E -x c /dev/null >/dev/null 2>&1 \
	&& echo -Wno-tsan)
endif

# $(call pkg,OPTION,PACKAGES,FALLBACK): the fallback is for hosts where
# pkg-config does not know the packages
pkg = $(or $(shell pkg-config $(1) $(2) 2>/dev/null),$(3))
dep_cflags := $(call pkg,--cflags,libuv inih)
dep_libs := $(call pkg,--libs,libuv inih,-luv -linih)
check_cflags := $(call pkg,--cflags,check)
check_libs := $(call pkg,--libs,check,-lcheck -lsubunit -lrt -lm)

# libzstd is optional.  Files of events become 7 to 8 times smaller with it,
# and so does what a shipper sends over the network; no compression that is
# worth the name fits into a few lines here.  zstd and not zlib, because a
# worker compresses at the flush: at level 1 zstd takes a fifth of zlib's time.
# Its stable interface is enough, and every distribution has it.
find_zstd = pkg-config --exists libzstd 2>/dev/null || \
	echo '\#include <zstd.h>' | $(CC) $(CPPFLAGS) -E -x c - >/dev/null 2>&1
ZSTD ?= auto
has_zstd := $(if $(filter-out no,$(ZSTD)),$(shell { $(find_zstd); } && echo yes))
ifeq ($(has_zstd),yes)
cppflags += -DBW_ZSTD
zstd_cflags := $(call pkg,--cflags,libzstd)
zstd_libs := $(call pkg,--libs,libzstd,-lzstd)
else ifeq ($(ZSTD),yes)
$(error ZSTD=yes: libzstd is not installed (Debian: libzstd-dev))
endif
dep_cflags += $(zstd_cflags)
dep_libs += $(zstd_libs)

compiler = $(CC) $(cppflags) $(dep_cflags) $(CPPFLAGS) $(cflags) $(CFLAGS)
compile = $(compiler) -MMD -MP -c -o $@ $<
link = $(CC) $(ldflags) $(CFLAGS) $(LDFLAGS)

# quotes a text for the shell, with the quotes that are in the text
quote = '$(subst ','\'',$(1))'
deps = CC=$(call quote,$(CC)) CPPFLAGS=$(call quote,$(dep_cflags) \
	$(check_cflags) $(CPPFLAGS) $(CFLAGS)) tests/deps.sh

# --- what there is ---------------------------------------------------------

daemon_src := $(wildcard daemon/*.c daemon/*/*.c)
# a program of the build: it prints a part of the manual, see below
mdoc_src := conf/settings_mdoc.c
conf_src := $(filter-out $(mdoc_src),$(wildcard conf/*.c))
lib_src := $(wildcard client/library/*.c)
command_src := $(wildcard client/command/*.c)
ship_src := $(wildcard client/ship/*.c)
harness_src := $(wildcard tests/lib/*.c)
unit_src := $(wildcard tests/unit/test_*.c)
e2e_src := $(wildcard tests/e2e/test_*.c)

objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))
daemon_obj := $(call objects,obj,$(daemon_src) $(conf_src))
failpoints_obj := $(call objects,failpoints/obj,$(daemon_src) $(conf_src))
lib_obj := $(call objects,obj,$(lib_src))
lib_pic := $(call objects,pic,$(lib_src))
command_obj := $(call objects,obj,$(command_src))
ship_obj := $(call objects,obj,$(ship_src))
conf_obj := $(call objects,obj,$(conf_src))
harness_obj := $(call objects,obj,$(harness_src))
tests_obj := $(call objects,obj,$(unit_src) $(e2e_src))

unit_bin := $(patsubst %.c,$(BUILD)/%,$(unit_src))
e2e_bin := $(patsubst %.c,$(BUILD)/%,$(e2e_src))

so := libbufwriter.so
soname := $(so).$(SOVERSION)
sofile := $(so).$(VERSION)
so_map := client/library/libbufwriter.map

man := $(wildcard daemon/*.[78] client/*.[17] client/library/*.3) \
	$(BUILD)/man/bufwriter.ini.5

programs := $(BUILD)/bufwriterd $(BUILD)/bufwriter $(BUILD)/bufwriter-ship
libraries := $(BUILD)/libbufwriter.a $(BUILD)/$(so)

# This adds a program to the list above.
.DEFAULT_GOAL := all
include client/nats/nats.mk

.PHONY: all check tests run-check bench bench-deps demo demo-edge clean deps lint \
	format model check-systemd FORCE

all: $(programs) $(libraries) $(man)

# --- compiling -------------------------------------------------------------

# Every object depends on this file, so another compiler, other flags or
# another version rebuild everything.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@flags=$(call quote,$(compiler) | $(link)); \
	[ "$$flags" = "$$(cat $@ 2>/dev/null)" ] || echo "$$flags" >$@

# If a compiler or a library is missing, one clear line says so before the
# errors do.
$(BUILD)/needed:
	$(Q)$(deps) check
	$(Q)mkdir -p $(@D) && touch $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(BUILD)/needed
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(compile)

$(BUILD)/failpoints/obj/%.o: %.c $(BUILD)/flags | $(BUILD)/needed
	$(say) CC "$< (failpoints)"
	$(Q)mkdir -p $(@D)
	$(Q)$(compile) -DBW_FAILPOINTS

$(BUILD)/pic/%.o: %.c $(BUILD)/flags | $(BUILD)/needed
	$(say) CC "$< (pic)"
	$(Q)mkdir -p $(@D)
	$(Q)$(compile) -fPIC

$(BUILD)/obj/tests/%.o: private cppflags += $(check_cflags) -DBW_FAILPOINTS

-include $(patsubst %.o,%.d,$(daemon_obj) $(failpoints_obj) $(lib_obj) \
	$(lib_pic) $(command_obj) $(ship_obj) $(harness_obj) $(tests_obj))

# --- programs and library --------------------------------------------------

$(BUILD)/bufwriterd: $(daemon_obj)
	$(say) LD $@
	$(Q)$(link) -o $@ $^ $(dep_libs)

$(BUILD)/failpoints/bufwriterd: $(failpoints_obj)
	$(say) LD $@
	$(Q)$(link) -o $@ $^ $(dep_libs)

# The command is linked with the static library, so that it runs from the build
# directory.
$(BUILD)/bufwriter: $(command_obj) $(BUILD)/libbufwriter.a
	$(say) LD $@
	$(Q)$(link) -o $@ $^ $(zstd_libs)

archive = $(Q)rm -f $@ && $(AR) crsD $@ $^

# All of the commands but main(), also for unit tests.
$(BUILD)/libcommand.a: $(filter-out %/main.o,$(command_obj) $(ship_obj))
	$(say) AR $@
	$(archive)

# `bufwriter ship` becomes this program.  The settings need inih, and the
# shipper needs libuv; the other commands start faster without them.
$(BUILD)/bufwriter-ship: $(filter %/main.o,$(ship_obj)) $(BUILD)/libcommand.a \
		$(conf_obj)
	$(say) LD $@
	$(Q)$(link) -o $@ $^ $(dep_libs)

$(BUILD)/libbufwriter.a: $(lib_obj)
	$(say) AR $@
	$(archive)

$(BUILD)/$(sofile): $(lib_pic) $(so_map)
	$(say) LD $@
	$(Q)$(link) -shared -Wl,-soname,$(soname) \
		-Wl,--version-script=$(so_map) -o $@ $(lib_pic)

$(BUILD)/$(so): $(BUILD)/$(sofile)
	$(Q)ln -sf $(sofile) $(BUILD)/$(soname)
	$(Q)ln -sf $(soname) $@

# --- manual ----------------------------------------------------------------

# The parser and the manual's list of settings come from one table.  A small
# program prints the list.  It runs on the build machine, so a build for
# another machine sets CC_FOR_BUILD as well as CC.
CC_FOR_BUILD ?= $(CC)

$(BUILD)/settings_mdoc: $(mdoc_src) conf/setting.c conf/value.c \
		$(wildcard conf/*.h) conf/config.def $(BUILD)/flags \
		| $(BUILD)/needed
	$(say) CC $@
	$(Q)$(CC_FOR_BUILD) -std=gnu11 $(cppflags) -o $@ $(filter %.c,$^)

$(BUILD)/man/bufwriter.ini.5: conf/bufwriter.ini.5.in $(BUILD)/settings_mdoc
	$(say) MAN $@
	$(Q)mkdir -p $(@D)
	$(Q)$(BUILD)/settings_mdoc >$(BUILD)/settings.mdoc
	$(Q)sed -e '/^@SETTINGS@$$/r $(BUILD)/settings.mdoc' \
		-e '/^@SETTINGS@$$/d' $< >$@

# --- tests -----------------------------------------------------------------

# The unit tests link the whole daemon but main(), with its failpoints.
$(BUILD)/failpoints/libdaemon.a: $(filter-out %/daemon/main.o,$(failpoints_obj))
	$(say) AR $@
	$(archive)

$(BUILD)/tests/libharness.a: $(harness_obj)
	$(say) AR $@
	$(Q)mkdir -p $(@D)
	$(archive)

test_libs := $(BUILD)/tests/libharness.a $(BUILD)/libcommand.a \
	$(BUILD)/failpoints/libdaemon.a $(BUILD)/libbufwriter.a

$(unit_bin) $(e2e_bin): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(test_libs)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(link) -o $@ $^ $(dep_libs) $(check_libs)

# these run the command
$(filter $(BUILD)/tests/unit/test_send%,$(unit_bin)): | $(BUILD)/bufwriter

tests: all $(BUILD)/failpoints/bufwriterd $(unit_bin) $(e2e_bin)

# check, the demos and bench are two steps: the first installs what is missing, and
# only then make may look for it.  The second step uses all processors, unless
# -j says otherwise.
jobs = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# With another goal at their side, two makes would build the same files at
# once.
ifneq ($(filter check demo demo-edge bench,$(MAKECMDGOALS)),)
ifneq ($(word 2,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
endif

check:
	@$(deps) auto check
	+@$(MAKE) $(jobs) run-check

suites := $(unit_bin) $(e2e_bin)
ifneq ($(T),)
suites := $(filter $(addprefix %/,$(T)),$(suites))
endif

run-check: $(suites) $(if $(filter $(e2e_bin),$(suites)),all \
		$(BUILD)/failpoints/bufwriterd)
	@$(if $(suites),,$(error no test is called $(T)))
	@BW_BUILD='$(abspath $(BUILD))' BW_SAN='$(SAN)' tests/run.sh $(suites)

demo:
	@$(deps) auto
	+@$(MAKE) $(jobs) all
	@BW_BUILD='$(abspath $(BUILD))' tests/demo.sh

# holds a daemon's socket and starts it again, as systemd does
$(BUILD)/tests/centre/keep: $(BUILD)/obj/tests/centre/keep.o
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(link) -o $@ $^

demo-edge:
	@$(deps) auto
	+@$(MAKE) $(jobs) all $(BUILD)/tests/centre/keep
	@BW_BUILD='$(abspath $(BUILD))' tests/demo_edge.sh

bench:
	@$(deps) auto
	+@$(MAKE) $(jobs) all
	@BW_BUILD='$(abspath $(BUILD))' CC='$(CC)' tests/bench/run.sh

bench-deps:
	@BW_BUILD='$(abspath $(BUILD))' CC='$(CC)' tests/bench/deps.sh

model:
	@BW_BUILD='$(abspath $(BUILD))' CC='$(CC)' tests/model/run.sh $(MODEL)

include tests/fuzz/fuzz.mk
include tests/chaos/chaos.mk

# exit status 77: the script skipped the test and said why
check-systemd:
	+@BW_BUILD='$(abspath $(BUILD))' tests/systemd/run.sh || [ $$? = 77 ]

.PHONY: check-ports ports-deps
check-ports:
	+@BW_BUILD='$(abspath $(BUILD))' tests/ports.sh $(T)

ports-deps:
	@tests/deps.sh ports

.PHONY: check-recipes recipes-deps
check-recipes: all $(BUILD)/tests/e2e/test_clients
	@BW_BUILD='$(abspath $(BUILD))' tests/recipes/run.sh $(T)

recipes-deps:
	@BW_BUILD='$(abspath $(BUILD))' tests/recipes/install.sh

lint: $(man)
	@BW_BUILD='$(abspath $(BUILD))' tests/lint.sh $(cppflags) $(dep_cflags)

deps:
	@tests/deps.sh install

format:
	clang-format -i $(wildcard */*.[ch] */*/*.[ch])

clean:
	rm -rf build $(BUILD)

include systemd/install.mk
