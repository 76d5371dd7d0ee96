#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel-source.sh ROOT VERSION DIR [DEBIAN] - unpack Debian's linux-source-VERSION as DIR
#
# Takes the newest version that apt in the tools root offers, whatever suite it
# is in, and records it in DIR/.debian-version. Does nothing when DIR is there.
# DEBIAN: take that version of the package and no other; a DIR that has another
# one is replaced.
set -euo pipefail

root=$1 version=$2 dir=$3 wanted=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
in_root() { "$here/in-root.sh" "$root" "$@"; }

if [ -f "$dir/.debian-version" ]; then
	have=$(cat "$dir/.debian-version")
	[ "${wanted:-$have}" != "$have" ] || exit 0
fi

pkg=linux-source-$version
in_root apt-get update -qq -o APT::Sandbox::User=root
take=$(in_root apt-cache madison "$pkg" | awk -F'|' '{gsub(/ /, "", $2); print $2}' |
	while read -r v; do
		if [ -n "$wanted" ]; then
			[ "$v" != "$wanted" ] || echo "$v"
			continue
		fi
		if [ -z "${best:-}" ] || dpkg --compare-versions "$v" gt "$best"; then best=$v; fi
		echo "$best"
	done | tail -n 1)
if [ -z "$take" ]; then
	echo "kernel-source: no suite known to apt has $pkg${wanted:+ $wanted}" >&2
	exit 1
fi

printf '\n== kernel source: %s %s (download and unpack, about 1 minute)\n' "$pkg" "$take" >&2
tmp=$dir.tmp
rm -rf "$tmp"
mkdir -p "$tmp/deb" "$tmp/tree"
rel=$(realpath --relative-to="$here/.." "$tmp")
in_root bash -ec "cd $rel/deb && apt-get download -o APT::Sandbox::User=root $pkg=$take &&
	dpkg-deb --fsys-tarfile *.deb | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
	xz -dT0 | tar -x -C ../tree --strip-components=1"
echo "$take" >"$tmp/tree/.debian-version"
rm -rf "$dir"
mv "$tmp/tree" "$dir"
rm -rf "$tmp"
