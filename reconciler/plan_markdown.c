/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Markdown for a pull request's comment. All that comes from the network stands inside a fence,
 * where no mark-up and no mention works; the fence is longer than any run of backticks in it. The
 * symbols stand in the first column and "~" becomes
 * "!", which is what colours lines in a block of "diff".
 */
#include "common/text.h"
#include "reconciler/plan.h"

/* By which a bot finds its comment again, to change it rather than to write another. */
#define MARKER "<!-- meshrc:plan -->\n"
#define CUT "# ... the rest is cut: run `meshrc plan` to see it"
/* Room for the fences, the cut line and the end of the fold. */
#define SLACK 256

static void diff_line(struct buf *out, const char *line, size_t len)
{
	size_t indent = 0;

	while (indent < len && line[indent] == ' ')
		indent++;
	if (indent < len && memchr("+-~", line[indent], 3) && indent + 1 < len &&
	    line[indent + 1] == ' ') {
		buf_addc(out, line[indent] == '~' ? '!' : line[indent]);
		buf_addf(out, "%*s", (int)indent, "");
		buf_add(out, line + indent + 1, len - indent - 1);
	} else {
		/* A blank keeps a line that happens to start with a symbol from being coloured. */
		buf_addc(out, ' ');
		buf_add(out, line, len);
	}
	buf_addc(out, '\n');
}

static size_t longest_backticks(const struct buf *b)
{
	size_t i, run = 0, longest = 0;

	for (i = 0; i < b->len; i++) {
		run = b->data[i] == '`' ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

/* Whole lines of `text`, as many as fit; true when not all did. */
static bool add_lines(struct buf *out, const char *text, size_t len, size_t max)
{
	size_t start = out->len;

	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;

		if (out->len - start + line + 2 > max)
			return true;
		diff_line(out, text, line);
		text += line + (end != NULL);
		len -= line + (end != NULL);
	}
	return false;
}

static void add_counts(struct buf *out, const struct plan *const *plans, size_t n)
{
	uint64_t added = 0, changed = 0, removed = 0, peers = 0, links = 0, lost = 0, refused = 0;
	uint64_t clients[3] = { 0 }, files = 0, cut_off = 0;
	bool clients_lost = false;
	size_t i;

	for (i = 0; i < n; i++) {
		added += plans[i]->nodes_added;
		changed += plans[i]->nodes_changed;
		removed += plans[i]->nodes_removed;
		peers += plans[i]->peers_added + plans[i]->peers_changed + plans[i]->peers_removed;
		links += plans[i]->links[PLAN_ADD] + plans[i]->links[PLAN_CHANGE] +
			 plans[i]->links[PLAN_REMOVE];
		lost += plans[i]->pairs_lost;
		refused += plans[i]->pairs_refused;
		clients[PLAN_ADD] += plans[i]->clients_added;
		clients[PLAN_CHANGE] += plans[i]->clients_changed;
		clients[PLAN_REMOVE] += plans[i]->clients_removed;
		clients_lost |= plans[i]->clients_lost;
		files += plans[i]->files_needed;
		cut_off += plans[i]->files_cut_off;
	}
	if (removed)
		buf_addf(out, "**%llu node%s will be removed.**\n\n", (unsigned long long)removed,
			 removed == 1 ? "" : "s");
	if (clients[PLAN_REMOVE])
		buf_addf(out, "**%llu client%s will be removed.**\n\n",
			 (unsigned long long)clients[PLAN_REMOVE],
			 clients[PLAN_REMOVE] == 1 ? "" : "s");
	if (lost)
		buf_addf(out, "**%llu pair%s of nodes%s will lose reachability.**\n\n",
			 (unsigned long long)lost, lost == 1 ? "" : "s",
			 clients_lost ? " and clients" : "");
	if (cut_off)
		buf_addf(out, "**%llu client%s will be cut off without a new file.**\n\n",
			 (unsigned long long)cut_off, cut_off == 1 ? "" : "s");
	if (files > cut_off)
		buf_addf(out, "**%llu client%s not right any more: new ones are needed.**\n\n",
			 (unsigned long long)(files - cut_off),
			 files - cut_off == 1 ? "'s file is" : "s' files are");
	if (refused)
		buf_addf(out, "**%llu pair%s will reach each other on less by policy.**\n\n",
			 (unsigned long long)refused, refused == 1 ? "" : "s");
	buf_addf(out, "Plan: %llu node%s to add, %llu to change, %llu to remove; ",
		 (unsigned long long)added, added == 1 ? "" : "s", (unsigned long long)changed,
		 (unsigned long long)removed);
	if (clients[PLAN_ADD] || clients[PLAN_CHANGE] || clients[PLAN_REMOVE])
		buf_addf(out, "%llu client%s to add, %llu to change, %llu to remove; ",
			 (unsigned long long)clients[PLAN_ADD], clients[PLAN_ADD] == 1 ? "" : "s",
			 (unsigned long long)clients[PLAN_CHANGE],
			 (unsigned long long)clients[PLAN_REMOVE]);
	buf_addf(out, "%llu peer entr%s touched", (unsigned long long)peers,
		 peers == 1 ? "y" : "ies");
	if (links)
		buf_addf(out, ", %llu routed link%s", (unsigned long long)links,
			 links == 1 ? "" : "s");
	buf_adds(out, ".\n");
}

void plan_markdown(const struct plan *const *plans, size_t n, size_t max_bytes, struct buf *out)
{
	size_t i, ticks, start = out->len, used;
	struct buf text, block;
	bool changes = false;

	buf_init(&text, 64u << 20);
	buf_init(&block, max_bytes);
	for (i = 0; i < n; i++) {
		if (plan_empty(plans[i]))
			continue;
		if (changes)
			buf_addc(&text, '\n');
		changes = true;
		plan_text(plans[i], false, false, &text);
	}
	buf_adds(out, MARKER "### meshrc plan\n\n");
	if (!changes) {
		buf_adds(out, "No changes. The published networks match the configuration.\n");
	} else {
		add_counts(out, plans, n);
		buf_adds(out, "\n<details><summary>Every change</summary>\n\n");
		used = out->len - start;
		ticks = longest_backticks(&text) + 1;
		if (ticks < 3)
			ticks = 3;
		if (used + 2 * ticks + SLACK < max_bytes) {
			if (add_lines(&block, text.data, text.len,
				      max_bytes - used - 2 * ticks - SLACK))
				buf_adds(&block, CUT "\n");
			for (i = 0; i < ticks; i++)
				buf_addc(out, '`');
			buf_adds(out, "diff\n");
			buf_add(out, block.data, block.len);
			for (i = 0; i < ticks; i++)
				buf_addc(out, '`');
			buf_addc(out, '\n');
		}
		buf_adds(out, "\n</details>\n");
	}
	if (!buf_ok(&text) || !buf_ok(&block))
		out->failed = true;
	buf_release(&text);
	buf_release(&block);
}
