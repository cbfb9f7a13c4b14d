# SPDX-License-Identifier: GPL-2.0-or-later
#
#   make            both programs in build/            make deps     install what is missing (apt)
#   make check      every test                         make demo     the main job on this machine
#   make lint       the gates of tests/lint/           make bench    figures beside other tools
#   make fuzz       fuzz every decoder (TIME=60)       make install  DESTDIR=, PREFIX=/usr/local
#
# SAN=address,undefined builds and tests with sanitizers, WERROR=1 turns warnings into errors, V=1 shows the commands.
# CC, CFLAGS and LDFLAGS are the user's; everything meshrc needs is in the variables below.

PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
CFLAGS ?= -O2 -g
BUILD := build$(if $(SAN),/san)
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

WARNINGS := \
	-Wall \
	-Wextra \
	-Wshadow \
	-Wvla \
	-Wformat=2 \
	-Wstrict-prototypes \
	-Wmissing-prototypes \
	-Wold-style-definition \
	-Wpointer-arith \
	-Wcast-qual \
	-Wwrite-strings \
	-Wundef \
	-Wimplicit-fallthrough \
	-Wno-unused-parameter
HARDEN := -fstack-protector-strong -fPIE $(if $(SAN),,$(if $(filter -O0,$(CFLAGS)),,-D_FORTIFY_SOURCE=2))
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OUR_CFLAGS := -std=c11 -D_GNU_SOURCE -I. -include common/banned.h $(WARNINGS) $(if $(WERROR),-Werror) $(HARDEN) $(SANFLAGS)
OUR_LDFLAGS := -pie -Wl,-z,relro,-z,now $(SANFLAGS)

lib = $(shell pkg-config --libs $(1) 2>/dev/null)
COMMON_PKGS := libsodium
RECONCILER_PKGS := $(COMMON_PKGS) yaml-0.1 libgit2 jansson libqrencode libpng
AGENT_PKGS := $(COMMON_PKGS) libmnl libcurl jansson libnftables libsystemd
PKG_CFLAGS := $(shell pkg-config --cflags $(RECONCILER_PKGS) $(AGENT_PKGS) 2>/dev/null)

COMMON := \
	common/arena.c common/buf.c common/diag.c common/dnsname.c common/endpoint.c common/err.c common/hash.c common/key.c \
	common/name.c common/num.c common/prefix.c common/secret.c common/service.c common/text.c common/timefmt.c \
	common/os_amend.c common/os_cli.c common/os_file.c common/os_sys.c common/os_time.c
PUBLICATION := \
	publication/builder.c publication/client.c publication/document.c publication/exit.c publication/expand.c publication/gateway.c publication/line.c \
	publication/manifest.c publication/names.c publication/network.c publication/policy.c publication/routed.c publication/row.c publication/row_node.c \
	publication/row_permit.c publication/row_record.c publication/ruleset.c publication/verify.c
SCHEMA := \
	schema/check.c schema/check_addresses.c schema/check_client.c schema/check_endpoints.c schema/check_keys.c schema/check_links.c \
	schema/check_names.c schema/check_pools.c schema/check_routes.c schema/check_selectors.c schema/check_site.c schema/check_special.c \
	schema/check_ways.c \
	schema/grammar.c schema/grammar_client.c schema/grammar_meshrc.c schema/grammar_node.c schema/grammar_policy.c schema/grammar_site.c \
	schema/grammar_topology.c schema/jsonschema.c schema/load.c schema/machines.c schema/merge.c schema/pin.c \
	schema/table.c schema/table_address.c schema/table_endpoint.c schema/table_list.c schema/table_misread.c schema/table_scalar.c \
	schema/table_selector.c schema/table_want.c \
	schema/yaml.c schema/yaml_bytes.c schema/yaml_error.c schema/yaml_keys.c schema/yaml_secret.c
# What the unit programs take whole: the compiler, who reaches whom, the plan.
COMPILE := \
	reconciler/allocate.c reconciler/client_config.c reconciler/compile.c reconciler/compile_clients.c reconciler/compile_document.c reconciler/compile_meet.c \
	reconciler/compile_select.c reconciler/compile_sites.c reconciler/compile_topology.c reconciler/conflict.c reconciler/exit.c \
	reconciler/group_name.c reconciler/link_set.c reconciler/links.c reconciler/links_names.c reconciler/links_pairs.c \
	reconciler/links_ports.c reconciler/links_transfer.c reconciler/order.c reconciler/policy.c reconciler/relay.c \
	reconciler/relay_choice.c reconciler/relay_group.c reconciler/relay_rewrite.c reconciler/site.c reconciler/transit.c reconciler/viewpoint.c
REACH := \
	reconciler/reach.c reconciler/reach_end.c reconciler/reach_follow.c reconciler/reach_policy.c reconciler/reach_print.c \
	reconciler/reach_table.c
PLAN := $(REACH) \
	reconciler/plan.c reconciler/plan_admission.c reconciler/plan_attr.c reconciler/plan_client.c reconciler/plan_hub.c reconciler/plan_json.c reconciler/plan_links.c \
	reconciler/plan_loss.c reconciler/plan_markdown.c reconciler/plan_peers.c reconciler/plan_policy.c reconciler/plan_text.c reconciler/plan_view.c
RECONCILER := $(COMPILE) $(PLAN) \
	reconciler/main.c reconciler/assert.c reconciler/client_edit.c reconciler/client_file.c reconciler/hidden.c reconciler/machines.c reconciler/machines_links.c \
	reconciler/names_files.c \
	reconciler/qr.c reconciler/qr_png.c reconciler/render.c reconciler/render_client.c reconciler/render_json.c \
	reconciler/repo.c reconciler/repo_files.c reconciler/publish.c reconciler/publish_dir.c reconciler/publish_git.c reconciler/session.c \
	reconciler/apply.c reconciler/hooks.c reconciler/pin.c reconciler/spawn.c reconciler/watch.c \
	reconciler/cmd_apply.c reconciler/cmd_client.c reconciler/cmd_diff.c reconciler/cmd_hook.c reconciler/cmd_init.c \
	reconciler/cmd_names.c reconciler/cmd_pin.c reconciler/cmd_plan.c reconciler/cmd_reach.c reconciler/cmd_render.c reconciler/cmd_schema.c reconciler/cmd_validate.c \
	reconciler/cmd_watch.c
RECONCILER_ONLY := publication/sign.c
AGENT := \
	agent/main.c agent/accept.c agent/agent.c agent/agent_applied.c agent/agent_converge.c \
	agent/agent_down.c agent/agent_endpoints.c agent/agent_fetch.c agent/agent_host.c agent/agent_interfaces.c agent/agent_key.c \
	agent/agent_names.c agent/agent_report.c agent/agent_trust.c agent/apply.c agent/cmd_down.c agent/cmd_once.c agent/cmd_plan.c \
	agent/cmd_run.c agent/cmd_status.c agent/cmd_verify.c agent/config.c agent/diff.c agent/exit_route.c agent/fetch.c \
	agent/host.c agent/host_nft.c agent/host_plan.c agent/host_system.c agent/hosts_block.c agent/ifindex.c agent/kern_kernel.c \
	agent/kern_rt.c agent/kern_rt_parse.c agent/kern_rt_read.c agent/kern_rule.c agent/kern_userspace.c agent/kern_wg.c agent/lifeline.c agent/links.c agent/names.c agent/names_resolved.c agent/names_system.c agent/nl.c \
	agent/reduce.c agent/resolve.c agent/shared.c agent/show.c \
	agent/snapshot.c agent/store.c agent/uapi.c

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
PROGRAMS := $(BUILD)/meshrc $(BUILD)/meshrc-agent

all: $(PROGRAMS) docs

$(BUILD)/meshrc: $(call objs,$(COMMON) $(PUBLICATION) $(SCHEMA) $(RECONCILER) $(RECONCILER_ONLY))
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $^ $(call lib,$(RECONCILER_PKGS)) -linotifytools -lpthread

$(BUILD)/meshrc-agent: $(call objs,$(COMMON) $(PUBLICATION) $(AGENT))
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $^ $(call lib,$(AGENT_PKGS)) -lpthread

# Flags that change rebuild everything that they change.
FLAGS := $(CC) $(CFLAGS) $(OUR_CFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(OUR_CFLAGS) $(CFLAGS) -MMD -MP $(PKG_CFLAGS) -c -o $@ $<

include tests/tests.mk
include tests/fuzz/fuzz.mk
include docs/docs.mk

deps:
	@./packaging/deps.sh

# What needs packages runs in a make of its own, which sees them once they are installed.
check demo bench fuzz lint: deps
	@$(MAKE) --no-print-directory run-$@
run-demo: all
	@BUILD=$(BUILD) examples/demo/demo.sh
run-bench: all
	@BUILD=$(BUILD) tests/bench/run.sh

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/meshrc/hooks
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin/
	install -m 644 schema/network.schema.json schema/meshrc.schema.json $(DESTDIR)$(PREFIX)/share/meshrc/
	install -m 755 hooks/pre-commit hooks/pre-receive hooks/post-receive $(DESTDIR)$(PREFIX)/share/meshrc/hooks/
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in meshrc-agent.service meshrc-agent@.service; do \
		sed 's|@PREFIX@|$(PREFIX)|' packaging/systemd/$$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit; \
	done
	$(install_docs)

clean:
	rm -rf build

FORCE:
.PHONY: all deps check demo bench fuzz lint install clean FORCE docs
.DELETE_ON_ERROR:

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
