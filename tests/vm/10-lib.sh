# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Both halves of the tests in which whole publications reach real interfaces: publications are made on
# the host (pub_*), agents run in the test machine or in namespaces of lib-net.sh.

export GIT_AUTHOR_NAME=tester GIT_AUTHOR_EMAIL=tester@localhost
export GIT_COMMITTER_NAME=tester GIT_COMMITTER_EMAIL=tester@localhost

# ---------------------------------------------------------------- publishing

# pub_init DIR: an empty network repository in DIR/repo that publishes to DIR/www. networks/ is the
# caller's to fill.
pub_init() {
	mkdir -p "$1"
	"$MESHRC" init --quiet --no-hooks "$1/repo" --keys "$1/keys" || return 1
	rm -r "$1/repo/networks"
	mkdir "$1/repo/networks"
	printf 'version: 1\npublish:\n  directory: %s\n' "$1/www" >"$1/repo/meshrc.yaml"
	cp "$1/repo/trust/root-1" "$1/root"
}

# pub_apply DIR [COPY]: commits and publishes what is in DIR/repo; with COPY the tree is kept there too.
pub_apply() {
	git -C "$1/repo" add -A && git -C "$1/repo" commit -q --allow-empty -m change &&
		"$MESHRC" apply --repo "$1/repo" --key "$1/keys/publisher.key" --auto-approve --quiet \
			>"$1/apply.log" || return 1
	[ -z "${2:-}" ] || cp -a "$1/www" "$2"
}

# pub_switch DIR: what $TRASH/www leads to from now on
pub_switch() {
	ln -sfn "$1" "$TRASH/www.new"
	mv -T "$TRASH/www.new" "$TRASH/www"
}

# key_pair FILE: a private key into it, the public one on stdout
key_pair() {
	(umask 077 && wg genkey >"$1") && wg pubkey <"$1"
}

# peer_key NUMBER...: the public keys of peers that nobody is, the same for the same number
peer_key() {
	python3 -c 'import base64, hashlib, sys
for n in sys.argv[1:]:
	print(base64.b64encode(hashlib.sha256(b"peer " + n.encode()).digest()).decode())' "$@"
}

# ---------------------------------------------------------------- nodes

# need_userspace PROGRAM...: the script is skipped without these, or without what WireGuard in userspace and
# namespaces need.
need_userspace() {
	net_usable || skip_all "$NET_WHY"
	have git wg wireguard-go "$@" || skip_all "needs git wg wireguard-go $*"
	[ -c /dev/net/tun ] || skip_all 'needs /dev/net/tun'
}

# agent_conf NODE NETWORK URL ROOT KEYS BACKEND: $TRASH/NODE.conf for the agent of NODE, whose private key is
# KEYS/NODE.key
agent_conf() {
	cat >"$TRASH/$1.conf" <<-CONF
		url = $3
		network = $2
		node = $1
		trust = $4
		private-key = $5/$1.key
		state-dir = $TRASH/$1.state
		backend = $6
	CONF
}

# agent NODE COMMAND OPTION...: in the namespace of NODE, with $TRASH/NODE.conf
agent() {
	local node=$1
	shift
	net_exec "$node" "$AGENT" "$@" --config "$TRASH/$node.conf"
}

# expect_still POINT NODE FILE: the node is as in the net_snapshot in FILE
expect_still() {
	net_snapshot "$2" >"$TRASH/still"
	expect_same "$1" "$TRASH/still" "$3"
}

# count NAME: stat_of the last command
count() { stat_of "$1" <"$OUT"; }

# canon: several outputs in one stream, each behind a line "@KIND PREFIX", as lines behind their prefix
# that can be sorted and compared.
#	@wg	`wg showconf`, `meshrc render --format wg`: a section is a line, its prefixes sorted
#	@addr	`ip -d addr show dev NAME`: name, MTU, alias, addresses; but not the kernel's own fe80::
#	@route	`ip route show table all dev NAME`: but not what the kernel adds with an address
canon() {
	awk '
	function flush(i, j, n, list, text, t) {
		if (section == "")
			return
		text = section
		n = split("PrivateKey ListenPort FwMark PublicKey PresharedKey Endpoint PersistentKeepalive", list, " ")
		for (i = 1; i <= n; i++)
			if (list[i] in value) text = text " " list[i] "=" value[list[i]]
		n = split(value["AllowedIPs"], list, /, */)
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && list[j] < list[j - 1]; j--) {
				t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
			}
		for (i = 1; i <= n; i++)
			text = text (i == 1 ? " AllowedIPs=" : ",") list[i]
		print prefix " " text
		split("", value)
		section = ""
	}
	/^@/ {
		flush()
		kind = substr($1, 2)
		prefix = substr($0, length($1) + 2)
		next
	}
	kind == "wg" && /^\[/ { flush(); section = $1 }
	kind == "wg" && /^[A-Z]/ { i = index($0, " = "); value[substr($0, 1, i - 1)] = substr($0, i + 3) }
	kind == "addr" && /^[0-9]/ {
		sub(/:$/, "", $2)
		print prefix " link " $2 " " $4 " " $5 ($3 ~ /[<,]UP[,>]/ ? "" : " down")
	}
	kind == "addr" && $1 == "alias" { $1 = $1; print prefix " " $0 }
	kind == "addr" && $1 ~ /^inet/ && $2 !~ /^fe80:/ { print prefix " addr " $2 }
	kind == "route" && !/proto kernel/ {
		if ($1 == "default") $1 = / metric 1024 | pref / ? "::/0" : "0.0.0.0/0"
		if ($1 !~ /\//) $1 = $1 ($1 ~ /:/ ? "/128" : "/32")
		print prefix " route " $1 (/proto 77/ ? "" : " not ours: " $0)
	}
	END { flush() }'
}

# stat_of NAME <JSON: a number out of `once --json`
stat_of() {
	sed -n 's/.*"'"$1"'": \([0-9]*\).*/\1/p'
}

# sets_in FILE: how many sends that change something stand in an strace of the agent (-e trace=sendto):
# requests for an answer that are neither a dump (0x300), nor for a link (RTM_GETLINK), nor for the
# number of WireGuard's family (generic netlink's command 3), nor for something of nftables. strace prints
# numbers where it could not see what kind of netlink a socket is.
sets_in() {
	grep 'nlmsg_flags=NLM_F_REQUEST' "$1" |
		grep -cvE 'NLM_F_DUMP|\|0x300|nlmsg_type=(RTM_GETLINK|0x12)|"\\(3|x03)\\(1|x01)|NFT_MSG_GET|nlmsg_type=0xa(0[147ad]|1[037])'
}

agent_strace() { # FILE COMMAND...
	local file=$1
	shift
	# The leak sanitizer is a tracer too, and there can be only one.
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f --seccomp-bpf -e trace=sendmsg,sendmmsg,sendto -o "$file" "$@"
}
