#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh - fuzz the checks of abi/, inside the tools root
#
# FUZZ_SECONDS  for so long (60)
# FUZZ_RUNS     or for so many inputs
#
# The corpus begins with corpus.tar.xz, grows in build/fuzz/corpus and is used
# again; "run.sh keep" puts what reaches anything new into the archive. A finding
# is left in build/fuzz and named; make a case in tests/abi of it.
set -euo pipefail

cd "$(dirname "$0")/../.."
out=build/fuzz
mkdir -p "$out/corpus" "$out/seeds"
[ -n "$(ls -A "$out/corpus")" ] || tar -xJf tests/fuzz/corpus.tar.xz -C "$out/corpus"

cc="clang -g -O2 -std=gnu11 -Wall -Wextra -Werror -Wno-missing-field-initializers"
$cc -o "$out/abi-test" tests/abi/*.c tools/dumpfile.c abi/*.c
"$out/abi-test" corpus "$out/seeds"
$cc -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$out/fuzz" \
	tests/fuzz/fuzz.c tools/dumpfile.c abi/*.c

if [ "${1:-}" = keep ]; then
	rm -rf "$out/min"
	mkdir "$out/min"
	"$out/fuzz" -merge=1 -max_len=8192 "$out/min" "$out/corpus" "$out/seeds"
	exec tar --sort=name --owner=0 --group=0 --mtime=@0 -C "$out/min" \
		-cJf tests/fuzz/corpus.tar.xz .
fi

limit=(-max_total_time="${FUZZ_SECONDS:-60}")
[ -z "${FUZZ_RUNS:-}" ] || limit=(-runs="$FUZZ_RUNS")
exec "$out/fuzz" -dict=tests/fuzz/fuzz.dict -max_len=8192 -timeout=5 -rss_limit_mb=1024 \
	-artifact_prefix="$out/" -print_final_stats=1 -verbosity="${FUZZ_VERBOSE:-1}" \
	"${limit[@]}" "$out/corpus" "$out/seeds"
