# SPDX-License-Identifier: GPL-2.0-or-later
# Manual pages: scdoc sources in docs/man, pages in build/man. Without scdoc there are none, and make says so.

MAN_SOURCES := $(wildcard docs/man/*.scd)
MAN_PAGES := $(if $(shell command -v scdoc),$(patsubst docs/man/%.scd,build/man/%,$(MAN_SOURCES)))

docs: $(MAN_PAGES)
	$(if $(MAN_PAGES),,@echo "  no scdoc: no manual pages (make deps installs it)")

build/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	@echo "  MAN   $@"
	$(Q)scdoc < $< > $@

# For the install target of the Makefile: each page goes to the section that ends its name.
define install_docs
	$(foreach p,$(MAN_PAGES),install -D -m 644 $(p) $(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(p)))/$(notdir $(p))
	)
endef
