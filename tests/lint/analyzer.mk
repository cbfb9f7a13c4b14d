# SPDX-License-Identifier: GPL-2.0-or-later
# One log per source file, made again when the file or a header of it changes. Called by analyzer.sh.

LOGS := $(patsubst %.c,build/analyze/%.log,$(FILES))
all: $(LOGS)

build/analyze/%.log: %.c
	@mkdir -p $(@D)
	@$(CC) -std=c11 -D_GNU_SOURCE -I. $(FORCE) -O1 -fanalyzer \
		-fdiagnostics-plain-output -MMD -MP -MT $@ -MF $(@:.log=.d) \
		-c -o /dev/null $< 2>$@.new || { cat $@.new >&2; exit 1; }
	@mv $@.new $@

-include $(LOGS:.log=.d)
.DELETE_ON_ERROR:
.PHONY: all
