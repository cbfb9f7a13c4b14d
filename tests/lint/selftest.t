#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each gate accepts a small sound tree, and refuses the same tree with one fault of the kind it is for.

. "$(dirname "$0")/../lib.sh"

have gcc clang-format cppcheck shellcheck nm readelf make || skip_all 'needs the lint tools'

lint=$ROOT/tests/lint
tree=$TRASH/tree
export BUILD=build
mark='/* SPDX-License-Identifier: GPL-2.0-or-later */'

# A tree with one file in each layer, and the real banned.h and .clang-format.
sound() {
	rm -rf "$tree"
	mkdir -p "$tree"/{common,schema,publication,reconciler,agent,build}
	cd "$tree" || exit 1
	cp "$ROOT/common/banned.h" common/
	cp "$ROOT/.clang-format" "$ROOT/.shellcheckrc" .
	local f
	for f in common/a schema/b publication/c reconciler/compile agent/diff; do
		local name=${f##*/} guard
		guard=$(tr 'a-z/' 'A-Z_' <<<"$f")_H
		printf '%s\n' "$mark" "#ifndef $guard" "#define $guard" '' '#include <stddef.h>' '' \
			"size_t ${name}_len(const char *s);" '' '#endif' >"$f.h"
		printf '%s\n' "$mark" "#include \"$f.h\"" '' '#include <string.h>' '' \
			"size_t ${name}_len(const char *s)" '{' $'\treturn strlen(s);' '}' >"$f.c"
	done
	printf '#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-or-later\necho "$1"\n' >run
	chmod +x run
}

compile() {
	local f
	for f in "$@"; do
		mkdir -p "build/obj/${f%/*}"
		# shellcheck disable=SC2086 # one word for each flag
		gcc -std=c11 -D_GNU_SOURCE -I. -include common/banned.h -O2 ${CFLAGS_TEST:-} \
			-c -o "build/obj/${f%.c}.o" "$f" || exit 1
	done
}

compile_all() {
	# shellcheck disable=SC2046 # one word for each file
	compile $(printf '%s\n' */*.c)
}

# The C part of a fault: one more function at the end of a file.
more() { # FILE LINE...
	local f=$1
	shift
	printf '%s\n' '' "$@" >>"$f"
}

passes() { # GATE WHAT
	expect_ok "$1: accepts $2" "$lint/$1.sh"
}
refuses() { # GATE WHAT MESSAGE
	if expect_fail "$1: refuses $2" "$lint/$1.sh"; then
		expect_match '  and says where' "$(<"$ERR")" "$3"
	fi
}

sound
passes layers 'a sound tree'
passes headers 'a sound tree'
passes banned 'a sound tree'
passes spdx 'a sound tree'
passes words 'a sound tree'
passes executable 'a sound tree'
passes shellcheck 'a sound tree'
passes format 'a sound tree'
passes cppcheck 'a sound tree' # with no exception that would hide something
LINT_EXCEPTIONS=/dev/null passes analyzer 'a sound tree'

# layers
include() { # FILE LINE
	sound
	sed -i "3a $2" "$1"
}
include agent/diff.c '#include "reconciler/compile.h"'
refuses layers 'agent that includes reconciler' '^agent/diff.c:4: agent/ must not include from reconciler/'
include agent/diff.c '#include "schema/b.h"'
refuses layers 'agent that includes schema' '^agent/diff.c:4: agent/ must not'
include common/a.h '#include "schema/b.h"'
refuses layers 'common that includes schema' '^common/a.h:4: common/ must not'
include schema/b.c '#include "publication/c.h"'
refuses layers 'schema that includes publication' '^schema/b.c:4: schema/ must not'
include publication/c.c '#include "schema/b.h"'
refuses layers 'publication that includes schema' '^publication/c.c:4: publication/ must not'
include reconciler/compile.c '# include "agent/diff.h"'
refuses layers 'reconciler that includes agent' '^reconciler/compile.c:4: reconciler/ must not'
include reconciler/compile.c '#include "common/../agent/diff.h"'
refuses layers 'a way around by ..' '^reconciler/compile.c:4: .*through'
include common/a.c '#include "a.h"'
refuses layers 'an include from beside the file' '^common/a.c:4: .*from the root'
include common/a.c '#include "common/nothing.h"'
refuses layers 'an include of nothing' '^common/a.c:4: no such file'
include common/a.c '#include <yaml.h>'
refuses layers 'a library in a second file' '^common/a.c:4: <yaml.h> must not be included by this file'
include reconciler/compile.c '#include <gnutls/gnutls.h>'
refuses layers 'a library that is in no table' '^reconciler/compile.c:4: <gnutls/gnutls.h> is not in the table'
include reconciler/compile.c '#include MACRO'
refuses layers 'an include by macro' '^reconciler/compile.c:4: an include that is neither'
sound
printf '%s\n#include <yaml.h>\n' "$mark" >schema/yaml.c
passes layers 'a library in its own file'
include reconciler/compile.c '#include "publication/c.h"'
passes layers 'reconciler that includes publication'

# pure
sound
compile_all
passes pure 'a sound tree'
impure() { # FILE WHAT LINE...
	local f=$1 what=$2
	shift 2
	sound
	more "$f" "$@"
	compile_all
	refuses pure "$what" "^$f:1: needs "
}
impure common/a.c 'printf' 'void f(void);' 'void f(void) { printf("x%d", 1); }'
impure schema/b.c 'a stream' 'void f(void);' 'void f(void) { fputs("x", stderr); }'
impure publication/c.c 'the clock' 'long f(void);' 'long f(void) { return time(NULL); }'
impure reconciler/compile.c 'the environment' 'char *f(void);' 'char *f(void) { return getenv("A"); }'
impure agent/diff.c 'a file' 'void *f(void);' 'void *f(void) { return fopen("A", "r"); }'
impure common/a.c 'a clock of the system' 'int f(void *t);' \
	'int f(void *t) { return clock_gettime(0, t); }'
impure common/a.c 'what another place may have' 'int yaml_parser_parse(void);' 'int f(void);' \
	'int f(void) { return yaml_parser_parse(); }'
sound
more common/a.c 'int f(char *b, const char *s);' \
	'int f(char *b, const char *s) { return snprintf(b, 9, "%s", s) + (int)strlen(strchr(s, 65)); }'
CFLAGS_TEST='-D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE' compile_all
passes pure 'a hardened build'
CFLAGS_TEST='-fsanitize=address,undefined' compile_all
passes pure 'a build with sanitizers'
more common/a.c 'void g(void);' 'void g(void) { puts("x"); }'
CFLAGS_TEST='-fsanitize=address,undefined' compile_all
refuses pure 'printing in a build with sanitizers' '^common/a.c:1: needs puts'
sound
printf '%s\nvoid os_say(void);\nvoid os_say(void)\n{\n\tputs("x");\n}\n' "$mark" >common/os_say.c
compile_all
passes pure 'the files that touch the system'
more common/a.c 'void os_say(void);' 'void f(void);' 'void f(void) { os_say(); }'
compile_all
refuses pure 'a call into those' '^common/a.c:1: needs os_say'
sound
compile_all
rm build/obj/schema/b.o
refuses pure 'an object that is missing' '^schema/b.c: not compiled'
compile_all
touch -d '+1 hour' schema/b.c
refuses pure 'an object that is old' '^schema/b.c: newer'

# headers
sound
sed -i 's/#include <stddef.h>//; s/size_t/uint64_t/' common/a.h
refuses headers 'one that needs another before it' '^common/a.h:1: does not compile alone'
sound
sed -i '/#ifndef/d; /#define/d; /#endif/d' schema/b.h
echo 'struct twice { int a; };' >>schema/b.h
refuses headers 'one without a guard' '^schema/b.h:1: does not compile alone'

# banned
sound
sed -i '/define strcpy/d' common/banned.h
refuses banned 'a header that forgets one' '^common/banned.h:1: strcpy is not banned'
sound
sed -i 's/#define BANNED(func, instead).*/#define BANNED(func, instead) 0/' common/banned.h
refuses banned 'a ban that does not bite' '^common/banned.h:[0-9]+: strcpy compiles all the same'
sound
sed -i '2a #undef strtol' common/a.c
refuses banned 'a file that takes a ban away' '^common/a.c:3: takes a ban away'
sound
more common/a.c 'void f(char *b);' 'void f(char *b) { (strcpy)(b, b + 9); }'
compile_all
refuses banned 'a call around the preprocessor' '^build/obj/common/a.o: calls strcpy'

# nosign
agent_with() { # LINE...
	sound
	printf '%s\n' 'int crypto_sign_verify_detached(void) { return 0; }' "$@" \
		'int main(void) { return 0; }' >"$TRASH/agent.c"
	gcc -o build/meshrc-agent "$TRASH/agent.c" || exit 1
	printf '%s\n' 'int crypto_sign_detached(void) { return 0; }' 'int main(void) { return 0; }' \
		>"$TRASH/program.c"
	gcc -o build/meshrc "$TRASH/program.c" || exit 1
}
agent_with ''
passes nosign 'an agent that verifies alone'
for s in crypto_sign_detached crypto_sign_keypair crypto_sign_seed_keypair crypto_sign \
	crypto_sign_ed25519_detached sign_manifest yaml_parser_parse git_repository_open; do
	agent_with "int $s(void) { return 0; }"
	refuses nosign "an agent with $s" "^build/meshrc-agent: holds $s"
done
agent_with ''
gcc -Wl,--no-as-needed -o build/meshrc-agent "$TRASH/agent.c" -lyaml &&
	refuses nosign 'an agent linked with libyaml' '^build/meshrc-agent: needs libyaml'
agent_with ''
strip build/meshrc-agent
refuses nosign 'an agent it cannot look into' 'stripped'
agent_with ''
cp build/meshrc-agent build/meshrc
refuses nosign 'names that nobody has' '^build/meshrc: shows no signing function'
agent_with ''
rm build/meshrc-agent
refuses nosign 'no agent at all' 'run make first'

# format, cppcheck, analyzer, shellcheck
sound
sed -i 's/^\treturn/    return/' common/a.c
refuses format 'blanks for a tab' '^common/a.c:[0-9]+: layout differs'
sound
more agent/diff.c 'int f(void);' 'int f(void)' '{' $'\tint a[2] = { 1, 2 };' '' \
	$'\treturn a[2];' '}'
refuses cppcheck 'a read beyond an array' '^agent/diff.c:[0-9]+: error: '
sound
echo 'uninitvar:common/a.c' >"$TRASH/exceptions"
LINT_EXCEPTIONS=$TRASH/exceptions refuses cppcheck 'an exception without a reason' \
	'exceptions:1: a suppression without a reason'
sound
more agent/diff.c 'int f(size_t n);' 'int f(size_t n)' '{' $'\tchar *p = malloc(n);' '' \
	$'\tif (!p)' $'\t\treturn -1;' $'\tif (n > 4)' $'\t\treturn 1;' $'\tfree(p);' \
	$'\tfree(p);' $'\treturn 0;' '}'
LINT_EXCEPTIONS=/dev/null refuses analyzer 'a double free' '^agent/diff.c:[0-9]+:.*analyzer-double-free'
printf '%s\n' '# nothing' 'agent/diff.c|analyzer-double-free|double # shown on purpose' \
	'agent/diff.c|analyzer-malloc-leak|leak # shown on purpose' >"$TRASH/exceptions"
LINT_EXCEPTIONS=$TRASH/exceptions passes analyzer 'what is explained'
cp "$TRASH/exceptions" "$TRASH/more"
echo 'agent/diff.c|analyzer-use-after-free|use # stale' >>"$TRASH/more"
LINT_EXCEPTIONS=$TRASH/more refuses analyzer 'an exception for nothing' 'more:4: excuses nothing'
sed -i 's/ # .*//' "$TRASH/exceptions"
LINT_EXCEPTIONS=$TRASH/exceptions refuses analyzer 'an exception without a reason' 'exceptions:2: not'
printf '%s\n' "$mark" 'int broken(' >agent/broken.c
LINT_EXCEPTIONS=/dev/null refuses analyzer 'a file that does not compile' '^agent/broken.c:2:'
sound
printf '#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-or-later\nrm -rf $1/x\n' >run
refuses shellcheck 'a word that is split, in a script without a name ending' '^run:3:[0-9]+:'

# spdx, words
for f in common/a.c common/a.h run; do
	sound
	sed -i '/SPDX/d' "$f"
	refuses spdx "$f without its licence" "^$f:1: no SPDX"
done
sound
sed -i 's/GPL-2.0-or-later/MIT/' common/a.c
refuses spdx 'another licence' '^common/a.c:1: no SPDX'
# shellcheck disable=SC2026 # in pieces, so that this file passes the gate
for w in TO''DO FIX''ME XX''X /wor''k/main /tmp/bri''ef ../share''d/x .libra''ry/x; do
	sound
	sed -i "2i /* see $w */" common/a.c
	refuses words "\"$w\"" '^common/a.c:2: a word that does not belong here'
done
sound
printf '%s\n' "$mark" '/* mktemp x.XX''XXXX and "$dir/wor''k/x" and network/*/wor''k are fine */' >common/fine.c
passes words 'what only resembles them'

# executable
sound
chmod -x run
refuses executable 'a script that cannot be run' '^run:1: is not executable: chmod'
sound
mkdir -p tests/cli
echo 'echo 1..0' >tests/cli/plan.t
refuses executable 'a test that tests/run could not start' '^tests/cli/plan.t:1: is not executable: chmod'
chmod +x tests/cli/plan.t
passes executable 'one that it could'
git init -q . && git add . && git update-index --chmod=-x tests/cli/plan.t
refuses executable 'a bit that git does not have' '^tests/cli/plan.t:1: is not executable for git'
git update-index --chmod=+x tests/cli/plan.t
passes executable 'one that it has'

# By git, what it ignores is not looked at, and what it does not know yet is.
sound
git init -q . && printf '/build/\n' >.gitignore
echo "/* FIX""ME */" >build/x.c
passes words 'a fault in an ignored file'
echo "/* FIX""ME */" >common/new.c
refuses words 'a fault in a file that is not added yet' '^common/new.c:1:'

cd /
done_testing
