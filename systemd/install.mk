# SPDX-License-Identifier: MIT
#
# Included by the Makefile at the top of the tree: install, uninstall, the same
# for a centre (install-centre, uninstall-centre), deb, rpm, check-packages.
#
# Variables: DESTDIR, PREFIX and the directories below it, and SYSCONFDIR,
# which is /etc whatever PREFIX is.

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
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
# AppArmor has no directory below /usr
APPARMORDIR ?= $(SYSCONFDIR)/apparmor.d
CENTREDIR ?= $(PREFIX)/share/bufwriter-centre
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/vendor-completions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d

INSTALL ?= install

# --- what there is to install ----------------------------------------------

# SOURCE=TARGET of each file that is installed as it is
installed_programs := $(BUILD)/bufwriterd=$(SBINDIR)/bufwriterd \
	$(BUILD)/bufwriter=$(BINDIR)/bufwriter \
	$(BUILD)/bufwriter-ship=$(BINDIR)/bufwriter-ship
installed_programs += $(patsubst %,%=$(BINDIR)/bufwriter-nats, \
	$(filter %/bufwriter-nats,$(programs)))
installed_files := $(BUILD)/$(sofile)=$(LIBDIR)/$(sofile) \
	$(BUILD)/libbufwriter.a=$(LIBDIR)/libbufwriter.a \
	client/library/bufwriter.h=$(INCLUDEDIR)/bufwriter.h \
	systemd/sysusers.conf=$(SYSUSERSDIR)/bufwriter.conf \
	systemd/sysctl.conf=$(SYSCTLDIR)/60-bufwriter.conf \
	client/completions/bufwriter.bash=$(BASHCOMPDIR)/bufwriter \
	client/completions/_bufwriter=$(ZSHCOMPDIR)/_bufwriter \
	client/completions/bufwriter.fish=$(FISHCOMPDIR)/bufwriter.fish \
	systemd/identify.conf=$(DOCDIR)/identify.conf \
	README.md=$(DOCDIR)/README.md
installed_files += $(foreach page,$(wildcard client/recipes/*.md),\
	$(page)=$(DOCDIR)/recipes/$(notdir $(page)))
# a page NAME.N goes to manN/
installed_files += $(foreach page,$(man),$(page)=$(MANDIR)/man$(subst \
	.,,$(suffix $(page)))/$(notdir $(page)))

# AppArmor; one that exists stays as it is
profiles := systemd/apparmor.conf=usr.sbin.bufwriterd \
	systemd/apparmor-ship.conf=usr.bin.bufwriter-ship
# templates, filled in by sed, and links
units := bufwriter.socket bufwriter.service bufwriter@.socket \
	bufwriter@.service bufwriter-ship.service bufwriter-ship@.service
# what tells pkg-config and CMake where the library is
found_by := pkgconfig/bufwriter.pc cmake/bufwriter/bufwriter-config.cmake \
	cmake/bufwriter/bufwriter-config-version.cmake
made := $(addprefix $(UNITDIR)/,$(units)) \
	$(addprefix $(LIBDIR)/,$(found_by) $(soname) $(so))

source_of = $(word 1,$(subst =, ,$(1)))
target_of = $(word 2,$(subst =, ,$(1)))

# $(call install_list,LIST,MODE)
install_list = $(foreach f,$(1),$(INSTALL) -D -m $(2) $(call source_of,$(f)) \
	'$(DESTDIR)$(call target_of,$(f))' &&) :

# --- install, uninstall ----------------------------------------------------

ifneq ($(filter install% uninstall%,$(MAKECMDGOALS)),)
$(foreach v,PREFIX BINDIR SBINDIR LIBDIR INCLUDEDIR MANDIR DOCDIR SYSCONFDIR \
	UNITDIR SYSUSERSDIR SYSCTLDIR TMPFILESDIR APPARMORDIR CENTREDIR BASHCOMPDIR \
	ZSHCOMPDIR FISHCOMPDIR, \
	$(if $(word 2,$($(v)))$(filter-out /%,$($(v))), \
		$(error $(v) has to be an absolute path without spaces, \
			not '$($(v))')))
endif

.PHONY: install uninstall deb

install: all
	@$(call install_list,$(installed_programs),0755)
	@$(call install_list,$(installed_files),0644)
	@mkdir -p '$(DESTDIR)$(UNITDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig' \
		'$(DESTDIR)$(LIBDIR)/cmake/bufwriter'
	@set -e; for unit in $(units); do \
		sed -e 's,/usr/sbin/,$(SBINDIR)/,' \
			-e 's,/usr/bin/,$(BINDIR)/,' \
			-e 's,/etc/bufwriter/,$(SYSCONFDIR)/bufwriter/,' \
			"systemd/$$unit" >'$(DESTDIR)$(UNITDIR)'/"$$unit"; \
		chmod 0644 '$(DESTDIR)$(UNITDIR)'/"$$unit"; \
	done
	@set -e; for file in $(found_by); do \
		sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@LIBDIR@,$(LIBDIR),' \
			-e 's,@INCLUDEDIR@,$(INCLUDEDIR),' \
			-e 's,@VERSION@,$(VERSION),' \
			"client/library/$${file##*/}.in" \
			>'$(DESTDIR)$(LIBDIR)'/"$$file"; \
		chmod 0644 '$(DESTDIR)$(LIBDIR)'/"$$file"; \
	done
	@ln -sf $(sofile) '$(DESTDIR)$(LIBDIR)/$(soname)'
	@ln -sf $(soname) '$(DESTDIR)$(LIBDIR)/$(so)'
	@# an existing settings file stays as it is
	@[ -e '$(DESTDIR)$(SYSCONFDIR)/bufwriter/bufwriter.ini' ] || \
		$(INSTALL) -D -m 0644 conf/bufwriter.ini \
		'$(DESTDIR)$(SYSCONFDIR)/bufwriter/bufwriter.ini'
	@# aa-enforce writes the mode into the profile
	@set -e; for file in $(profiles); do \
		to='$(DESTDIR)$(APPARMORDIR)'/"$${file#*=}"; \
		[ -e "$$to" ] || $(INSTALL) -D -m 0644 "$${file%=*}" "$$to"; \
	done
	@echo 'Installed under $(DESTDIR)$(PREFIX).'
	@$(if $(DESTDIR),:,echo 'Next: ldconfig && systemd-sysusers &&' \
		'systemctl restart systemd-sysctl &&' \
		'systemctl daemon-reload && systemctl enable --now' \
		'bufwriter.socket')

# Removes what install installed, but keeps the settings and the log files.
uninstall:
	@rm -f $(foreach f,$(installed_programs) $(installed_files),\
		'$(DESTDIR)$(call target_of,$(f))')
	@rm -f $(foreach f,$(made),'$(DESTDIR)$(f)') $(foreach f,$(profiles),\
		'$(DESTDIR)$(APPARMORDIR)/$(call target_of,$(f))')
	@rmdir '$(DESTDIR)$(DOCDIR)/recipes' '$(DESTDIR)$(DOCDIR)' \
		'$(DESTDIR)$(LIBDIR)/cmake/bufwriter' 2>/dev/null || :
	@echo 'Removed. $(DESTDIR)$(SYSCONFDIR)/bufwriter stays.'

# --- the centre --------------------------------------------------------------

centre := systemd/centre
centre_scripts := $(centre)/bufwriter-centre=$(SBINDIR)/bufwriter-centre
centre_files := $(centre)/sysusers.conf=$(SYSUSERSDIR)/bufwriter-centre.conf \
	$(centre)/tmpfiles.conf=$(TMPFILESDIR)/bufwriter-centre.conf \
	$(centre)/bufwriter-centre.8=$(MANDIR)/man8/bufwriter-centre.8
# the recipes of stitch/ and the rules of monitoring/
recipe = $(1)=$(CENTREDIR)/$(patsubst $(centre)/%,%,$(1))
centre_scripts += $(foreach f,$(wildcard $(centre)/stitch/*/*.sh),\
	$(call recipe,$(f)))
centre_files += $(foreach f,$(wildcard $(centre)/monitoring/*.* \
	$(centre)/stitch/*.md $(centre)/stitch/*/*.sql),$(call recipe,$(f)))
centre_units := bufwriter-centre.service bufwriter-centre-rsync.service
# settings, which stay as they are if they exist
centre_settings := $(centre)/centre.conf=centre.conf \
	$(centre)/rsyncd.conf=centre-rsyncd.conf

.PHONY: install-centre uninstall-centre

install-centre:
	@$(call install_list,$(centre_scripts),0755)
	@$(call install_list,$(centre_files),0644)
	@mkdir -p '$(DESTDIR)$(UNITDIR)' '$(DESTDIR)$(SYSCONFDIR)/bufwriter'
	@set -e; for unit in $(centre_units); do \
		sed -e 's,/usr/sbin/,$(SBINDIR)/,' \
			-e 's,/etc/bufwriter/,$(SYSCONFDIR)/bufwriter/,' \
			"$(centre)/$$unit" >'$(DESTDIR)$(UNITDIR)'/"$$unit"; \
		chmod 0644 '$(DESTDIR)$(UNITDIR)'/"$$unit"; \
	done
	@set -e; for file in $(centre_settings); do \
		to='$(DESTDIR)$(SYSCONFDIR)/bufwriter'/"$${file#*=}"; \
		[ -e "$$to" ] || $(INSTALL) -m 0644 "$${file%=*}" "$$to"; \
	done
	@echo 'Installed the centre under $(DESTDIR)$(PREFIX).'
	@$(if $(DESTDIR),:,echo 'Next: systemd-sysusers && systemd-tmpfiles' \
		'--create && systemctl daemon-reload; see bufwriter-centre(8)')

uninstall-centre:
	@rm -f $(foreach f,$(centre_scripts) $(centre_files),\
		'$(DESTDIR)$(call target_of,$(f))')
	@rm -f $(foreach f,$(centre_units),'$(DESTDIR)$(UNITDIR)/$(f)')
	@rm -rf '$(DESTDIR)$(CENTREDIR)'
	@echo 'Removed. $(DESTDIR)$(SYSCONFDIR)/bufwriter stays.'

# --- Debian packages -------------------------------------------------------

# The packages are built in a copy of the tree, where systemd/debian/ is at the
# place that Debian's tools expect.
deb_dir := $(BUILD)/deb
deb_tree := $(deb_dir)/bufwriter-$(VERSION)

deb:
	@command -v dh >/dev/null && command -v dpkg-buildpackage >/dev/null || \
		{ echo 'Needed: apt-get install debhelper dpkg-dev fakeroot' \
			'(or make deps)' >&2; exit 1; }
	@rm -rf '$(deb_dir)' && mkdir -p '$(deb_tree)'
	@cp -a Makefile LICENSE README.md daemon client conf systemd tests \
		'$(deb_tree)'
	@cp -a systemd/debian '$(deb_tree)/debian'
	@sed 's/@VERSION@/$(VERSION)/' systemd/debian/changelog \
		>'$(deb_tree)/debian/changelog'
	@# the inner make must not inherit what this make was given
	@cd '$(deb_tree)' && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD \
		-u VERSION -u SAN -u WERROR -u CC -u CFLAGS -u CPPFLAGS \
		-u LDFLAGS -u PREFIX -u DESTDIR BW_DEB_VERSION='$(VERSION)' \
		dpkg-buildpackage -b -us -uc >../build.log 2>&1 || \
		{ tail -n 40 ../build.log; exit 1; }
	@rm -rf '$(deb_tree)'
	@ls '$(deb_dir)'/*.deb

# --- RPM packages ----------------------------------------------------------

rpm_dir := $(BUILD)/rpm
rpm_name := bufwriter-$(VERSION)
# A distribution without the macros of systemd gets ours.  On Debian, rpm's
# database is empty, so what the build needs is not looked up there.
rpm_flags = $(shell command -v dpkg >/dev/null && echo --nodeps \
	--define "'debug_package %{nil}'") \
	$(if $(filter %_unitdir},$(shell rpm --eval '%{_unitdir}' 2>/dev/null)), \
	--load systemd/rpm/macros.debian)

.PHONY: rpm

rpm:
	@command -v rpmbuild >/dev/null || \
		{ echo 'Needed: rpmbuild (Debian: apt-get install rpm)' >&2; \
		exit 1; }
	@rm -rf '$(rpm_dir)' && mkdir -p '$(rpm_dir)/$(rpm_name)'
	@cp -a Makefile LICENSE README.md daemon client conf systemd tests \
		'$(rpm_dir)/$(rpm_name)'
	@tar -C '$(rpm_dir)' -czf '$(rpm_dir)/$(rpm_name).tar.gz' '$(rpm_name)'
	@rm -rf '$(rpm_dir)/$(rpm_name)'
	@sed 's/@VERSION@/$(VERSION)/' systemd/rpm/bufwriter.spec \
		>'$(rpm_dir)/bufwriter.spec'
	@env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD -u VERSION -u SAN \
		-u WERROR -u CC -u CFLAGS -u CPPFLAGS -u LDFLAGS -u PREFIX \
		-u DESTDIR rpmbuild -bb $(rpm_flags) \
		--define '_topdir $(abspath $(rpm_dir))/top' \
		--define '_sourcedir $(abspath $(rpm_dir))' \
		--define '_rpmdir $(abspath $(rpm_dir))' \
		--define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
		'$(rpm_dir)/bufwriter.spec' >'$(rpm_dir)/build.log' 2>&1 || \
		{ tail -n 40 '$(rpm_dir)/build.log'; exit 1; }
	@rm -rf '$(rpm_dir)/top'
	@ls '$(rpm_dir)'/*.rpm

# --- tests of the packages -------------------------------------------------

.PHONY: check-packages
check-packages: all deb rpm
	@BW_BUILD='$(abspath $(BUILD))' tests/packages/deb.sh
	@BW_BUILD='$(abspath $(BUILD))' tests/packages/rpm.sh
	@BW_BUILD='$(abspath $(BUILD))' tests/packages/apparmor.sh
