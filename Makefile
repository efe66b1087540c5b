# SPDX-License-Identifier: MIT
#
# bufwriter: build, test, install.
#
#   make                 daemon, command and library, in build/
#   make check           builds and runs all tests; T="test_ring ..." only these
#   make demo            watch datagrams become complete files
#   make bench           measures; bench-deps builds what it compares with
#   make model           checks the model of the crash protocol
#   make check-systemd   tests the package on a booted Debian tree (root)
#   make install         to DESTDIR, under PREFIX; uninstall takes it away
#   make deb             Debian packages, in build/deb
#   make lint            format and static analysis, with what is installed
#   make format          lays the code out
#   make deps            installs what the build needs
#   make clean
#
# Variables: CC CFLAGS CPPFLAGS LDFLAGS, SAN=address,undefined or SAN=thread
# (instrumented, in a tree of its own), WERROR=1, V=1 (show commands),
# BUILD (where to build), DESTDIR, PREFIX and the directories below it, and
# SYSCONFDIR, which is /etc whatever PREFIX is.

VERSION := 0.1.0
SOVERSION := 0

comma := ,
ifeq ($(SAN),)
BUILD ?= build
else
BUILD ?= build/san-$(subst $(comma),-,$(SAN))
endif

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/bufwriter
SYSCONFDIR ?= /etc
# systemd reads these below /usr and /usr/local, whatever LIBDIR is
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
SYSCTLDIR ?= $(PREFIX)/lib/sysctl.d
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/vendor-completions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d

ifeq ($(origin CC),default)
CC := cc
endif
CFLAGS ?= -O2 -g
INSTALL ?= install

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

# `-D_GNU_SOURCE=` reads the same as a source's own `#define _GNU_SOURCE`
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
# gcc: fences are not seen; where one orders plain memory, it would complain
cflags += $(shell $(CC) -Werror -Wno-tsan -E -x c /dev/null >/dev/null 2>&1 \
	&& echo -Wno-tsan)
endif

# where pkg-config does not know them, their plain names do
pkg = $(or $(shell pkg-config $(1) $(2) 2>/dev/null),$(3))
dep_cflags := $(call pkg,--cflags,libuv inih)
dep_libs := $(call pkg,--libs,libuv inih,-luv -linih)
check_cflags := $(call pkg,--cflags,check)
check_libs := $(call pkg,--libs,check,-lcheck -lsubunit -lrt -lm)

compiler = $(CC) $(cppflags) $(dep_cflags) $(CPPFLAGS) $(cflags) $(CFLAGS)
compile = $(compiler) -MMD -MP -c -o $@ $<
link = $(CC) $(ldflags) $(CFLAGS) $(LDFLAGS)

# for the environment of a script, with quotes that a recipe would take off
quote = '$(subst ','\'',$(1))'
deps = CC=$(call quote,$(CC)) CPPFLAGS=$(call quote,$(dep_cflags) \
	$(check_cflags) $(CPPFLAGS) $(CFLAGS)) tests/deps.sh

# --- what there is ---------------------------------------------------------

daemon_src := $(wildcard daemon/*.c daemon/*/*.c)
# a program of the build, see the manual below
mdoc_src := conf/settings_mdoc.c
conf_src := $(filter-out $(mdoc_src),$(wildcard conf/*.c))
lib_src := $(wildcard client/library/*.c)
command_src := $(wildcard client/command/*.c)
harness_src := $(wildcard tests/lib/*.c)
unit_src := $(wildcard tests/unit/test_*.c)
e2e_src := $(wildcard tests/e2e/test_*.c)

objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))
daemon_obj := $(call objects,obj,$(daemon_src) $(conf_src))
failpoints_obj := $(call objects,failpoints/obj,$(daemon_src) $(conf_src))
lib_obj := $(call objects,obj,$(lib_src))
lib_pic := $(call objects,pic,$(lib_src))
command_obj := $(call objects,obj,$(command_src))
harness_obj := $(call objects,obj,$(harness_src))
tests_obj := $(call objects,obj,$(unit_src) $(e2e_src))

unit_bin := $(patsubst %.c,$(BUILD)/%,$(unit_src))
e2e_bin := $(patsubst %.c,$(BUILD)/%,$(e2e_src))

so := libbufwriter.so
soname := $(so).$(SOVERSION)
sofile := $(so).$(VERSION)
so_map := $(wildcard client/library/libbufwriter.map)

ini_man_in := $(wildcard conf/bufwriter.ini.5.in)
man := $(wildcard daemon/*.[78] client/*.1 client/library/*.3 conf/*.5) \
	$(if $(ini_man_in),$(BUILD)/man/bufwriter.ini.5)

programs := $(BUILD)/bufwriterd $(BUILD)/bufwriter
libraries := $(BUILD)/libbufwriter.a $(BUILD)/$(so)

.PHONY: all check tests run-check bench bench-deps demo install uninstall \
	deb clean deps lint format model check-systemd FORCE

all: $(programs) $(libraries) $(man)

# --- compiling -------------------------------------------------------------

# Another compiler, other flags or another version build everything anew.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@flags=$(call quote,$(compiler) | $(link)); \
	[ "$$flags" = "$$(cat $@ 2>/dev/null)" ] || echo "$$flags" >$@

# One clear line where a compiler or a library is missing, before the errors.
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
	$(lib_pic) $(command_obj) $(harness_obj) $(tests_obj))

# --- programs and library --------------------------------------------------

$(BUILD)/bufwriterd: $(daemon_obj)
	$(say) LD $@
	$(Q)$(link) -o $@ $^ $(dep_libs)

$(BUILD)/failpoints/bufwriterd: $(failpoints_obj)
	$(say) LD $@
	$(Q)$(link) -o $@ $^ $(dep_libs)

# The command carries its library, so that it runs from the build directory.
$(BUILD)/bufwriter: $(command_obj) $(BUILD)/libbufwriter.a
	$(say) LD $@
	$(Q)$(link) -o $@ $^

archive = $(Q)rm -f $@ && $(AR) crsD $@ $^

$(BUILD)/libbufwriter.a: $(lib_obj)
	$(say) AR $@
	$(archive)

$(BUILD)/$(sofile): $(lib_pic) $(so_map)
	$(say) LD $@
	$(Q)$(link) -shared -Wl,-soname,$(soname) \
		$(if $(so_map),-Wl$(comma)--version-script=$(so_map)) \
		-o $@ $(lib_pic)

$(BUILD)/$(so): $(BUILD)/$(sofile)
	$(Q)ln -sf $(sofile) $(BUILD)/$(soname)
	$(Q)ln -sf $(soname) $@

# --- manual ----------------------------------------------------------------

# The list of settings comes from the table that the parser is made from.  A
# small program prints it; it runs on the build machine, so that a compiler for
# another machine needs CC_FOR_BUILD beside it.
CC_FOR_BUILD ?= $(CC)

$(BUILD)/settings_mdoc: $(mdoc_src) conf/setting.c conf/value.c \
		$(wildcard conf/*.h) conf/config.def $(BUILD)/flags \
		| $(BUILD)/needed
	$(say) CC $@
	$(Q)$(CC_FOR_BUILD) -std=gnu11 $(cppflags) -o $@ $(filter %.c,$^)

$(BUILD)/man/bufwriter.ini.5: $(ini_man_in) $(BUILD)/settings_mdoc
	$(say) MAN $@
	$(Q)mkdir -p $(@D)
	$(Q)$(BUILD)/settings_mdoc >$(BUILD)/settings.mdoc
	$(Q)sed -e '/^@SETTINGS@$$/r $(BUILD)/settings.mdoc' \
		-e '/^@SETTINGS@$$/d' $(ini_man_in) >$@

# --- tests -----------------------------------------------------------------

# Everything of the daemon but main(), with its failpoints, for the unit tests.
$(BUILD)/failpoints/libdaemon.a: $(filter-out %/daemon/main.o,$(failpoints_obj))
	$(say) AR $@
	$(archive)

$(BUILD)/tests/libharness.a: $(harness_obj)
	$(say) AR $@
	$(Q)mkdir -p $(@D)
	$(archive)

test_libs := $(BUILD)/tests/libharness.a $(BUILD)/failpoints/libdaemon.a \
	$(BUILD)/libbufwriter.a

$(unit_bin) $(e2e_bin): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(test_libs)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(link) -o $@ $^ $(dep_libs) $(check_libs)

# these run the command
$(filter $(BUILD)/tests/unit/test_send%,$(unit_bin)): | $(BUILD)/bufwriter

tests: all $(BUILD)/failpoints/bufwriterd $(unit_bin) $(e2e_bin)

# Two steps, because what is missing has to be installed before make looks
# for it.  The second one uses all processors, unless told otherwise.
jobs = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# Beside another goal these would make the same files twice at once.
ifneq ($(filter check demo bench,$(MAKECMDGOALS)),)
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

bench:
	@$(deps) auto
	+@$(MAKE) $(jobs) all
	@BW_BUILD='$(abspath $(BUILD))' CC='$(CC)' tests/bench/run.sh

bench-deps:
	@BW_BUILD='$(abspath $(BUILD))' CC='$(CC)' tests/bench/deps.sh

model:
	@BW_BUILD='$(abspath $(BUILD))' CC='$(CC)' tests/model/run.sh

# 77: skipped, with the reason
check-systemd:
	+@BW_BUILD='$(abspath $(BUILD))' tests/systemd/run.sh || [ $$? = 77 ]

lint: $(man)
	@BW_BUILD='$(abspath $(BUILD))' tests/lint.sh $(cppflags) $(dep_cflags)

deps:
	@tests/deps.sh install

format:
	clang-format -i $(wildcard */*.[ch] */*/*.[ch])

# --- install ---------------------------------------------------------------

units := bufwriter.socket bufwriter.service bufwriter@.socket bufwriter@.service
# SOURCE=TARGET=MODE of everything that is one plain file
files := $(BUILD)/bufwriterd=$(SBINDIR)/bufwriterd=0755 \
	$(BUILD)/bufwriter=$(BINDIR)/bufwriter=0755 \
	$(BUILD)/$(sofile)=$(LIBDIR)/$(sofile)=0644 \
	$(BUILD)/libbufwriter.a=$(LIBDIR)/libbufwriter.a=0644 \
	client/library/bufwriter.h=$(INCLUDEDIR)/bufwriter.h=0644 \
	systemd/sysusers.conf=$(SYSUSERSDIR)/bufwriter.conf=0644 \
	systemd/sysctl.conf=$(SYSCTLDIR)/60-bufwriter.conf=0644 \
	client/completions/bufwriter.bash=$(BASHCOMPDIR)/bufwriter=0644 \
	client/completions/_bufwriter=$(ZSHCOMPDIR)/_bufwriter=0644 \
	client/completions/bufwriter.fish=$(FISHCOMPDIR)/bufwriter.fish=0644 \
	$(foreach m,$(man),$(m)=$(MANDIR)/man$(subst .,,$(suffix \
		$(m)))/$(notdir $(m))=0644) \
	$(foreach d,$(wildcard README.md),$(d)=$(DOCDIR)/$(d)=0644)
# made from a template, or links
made := $(addprefix $(UNITDIR)/,$(units)) $(LIBDIR)/pkgconfig/bufwriter.pc \
	$(LIBDIR)/$(soname) $(LIBDIR)/$(so)

field = $(word $(1),$(subst =, ,$(2)))

ifneq ($(filter install uninstall,$(MAKECMDGOALS)),)
$(foreach v,PREFIX BINDIR SBINDIR LIBDIR INCLUDEDIR MANDIR DOCDIR SYSCONFDIR \
	UNITDIR SYSUSERSDIR SYSCTLDIR BASHCOMPDIR ZSHCOMPDIR FISHCOMPDIR, \
	$(if $(word 2,$($(v)))$(filter-out /%,$($(v))), \
		$(error $(v) has to be an absolute path without spaces, \
			not '$($(v))')))
endif

install: all
	@$(foreach f,$(files),set -e; $(INSTALL) -D -m $(call field,3,$(f)) \
		$(call field,1,$(f)) '$(DESTDIR)$(call field,2,$(f))';) :
	@mkdir -p '$(DESTDIR)$(UNITDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig'
	@set -e; for unit in $(units); do \
		sed -e 's,/usr/sbin/,$(SBINDIR)/,' \
			-e 's,/etc/bufwriter/,$(SYSCONFDIR)/bufwriter/,' \
			"systemd/$$unit" >'$(DESTDIR)$(UNITDIR)'/"$$unit"; \
		chmod 0644 '$(DESTDIR)$(UNITDIR)'/"$$unit"; \
	done
	@sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@LIBDIR@,$(LIBDIR),' \
		-e 's,@INCLUDEDIR@,$(INCLUDEDIR),' \
		-e 's,@VERSION@,$(VERSION),' client/library/bufwriter.pc.in \
		>'$(DESTDIR)$(LIBDIR)/pkgconfig/bufwriter.pc'
	@chmod 0644 '$(DESTDIR)$(LIBDIR)/pkgconfig/bufwriter.pc'
	@ln -sf $(sofile) '$(DESTDIR)$(LIBDIR)/$(soname)'
	@ln -sf $(soname) '$(DESTDIR)$(LIBDIR)/$(so)'
	@# settings that are there stay
	@[ -e '$(DESTDIR)$(SYSCONFDIR)/bufwriter/bufwriter.ini' ] || \
		$(INSTALL) -D -m 0644 conf/bufwriter.ini \
		'$(DESTDIR)$(SYSCONFDIR)/bufwriter/bufwriter.ini'
	@echo 'Installed under $(DESTDIR)$(PREFIX).'
	@$(if $(DESTDIR),:,echo 'Next: ldconfig && systemd-sysusers &&' \
		'systemctl restart systemd-sysctl &&' \
		'systemctl daemon-reload && systemctl enable --now' \
		'bufwriter.socket')

# Takes away what install put there; settings and files stay.
uninstall:
	@$(foreach f,$(files),rm -f '$(DESTDIR)$(call field,2,$(f))';) :
	@$(foreach f,$(made),rm -f '$(DESTDIR)$(f)';) :
	@rmdir '$(DESTDIR)$(DOCDIR)' 2>/dev/null || :
	@echo 'Removed. $(DESTDIR)$(SYSCONFDIR)/bufwriter stays.'

# --- Debian packages -------------------------------------------------------

# debian/ lives below systemd/; the packages are built in a copy of the tree.
deb_dir := $(BUILD)/deb
deb_tree := $(deb_dir)/bufwriter-$(VERSION)

deb:
	@command -v dh >/dev/null && command -v dpkg-buildpackage >/dev/null || \
		{ echo 'Needed: apt-get install debhelper dpkg-dev fakeroot' \
			'(or make deps)' >&2; exit 1; }
	@rm -rf '$(deb_dir)' && mkdir -p '$(deb_tree)'
	@cp -a Makefile LICENSE $(wildcard README.md) daemon client conf systemd \
		tests '$(deb_tree)'
	@cp -a systemd/debian '$(deb_tree)/debian'
	@sed 's/@VERSION@/$(VERSION)/' systemd/debian/changelog \
		>'$(deb_tree)/debian/changelog'
	@# nothing that was said to this make is meant for that one
	@cd '$(deb_tree)' && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD \
		-u VERSION -u SAN -u WERROR -u CC -u CFLAGS -u CPPFLAGS \
		-u LDFLAGS -u PREFIX -u DESTDIR BW_DEB_VERSION='$(VERSION)' \
		dpkg-buildpackage -b -us -uc >../build.log 2>&1 || \
		{ tail -n 40 ../build.log; exit 1; }
	@rm -rf '$(deb_tree)'
	@ls '$(deb_dir)'/*.deb

clean:
	rm -rf build $(BUILD)
