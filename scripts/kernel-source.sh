#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel-source.sh ROOT VERSION DIR - unpack Debian's linux-source-VERSION as DIR
#
# Takes the newest version that apt in the tools root offers, whatever suite it
# is in, and records it in DIR/.debian-version. Does nothing when DIR is there.
set -euo pipefail

root=$1 version=$2 dir=$3
here=$(cd "$(dirname "$0")" && pwd)
in_root() { "$here/in-root.sh" "$root" "$@"; }

if [ -f "$dir/.debian-version" ]; then
	exit 0
fi

pkg=linux-source-$version
in_root apt-get update -qq -o APT::Sandbox::User=root
newest=$(in_root apt-cache madison "$pkg" | awk -F'|' '{gsub(/ /, "", $2); print $2}' |
	while read -r v; do
		if [ -z "${best:-}" ] || dpkg --compare-versions "$v" gt "$best"; then best=$v; fi
		echo "$best"
	done | tail -n 1)
if [ -z "$newest" ]; then
	echo "kernel-source: no suite known to apt has $pkg" >&2
	exit 1
fi

printf '\n== kernel source: %s %s (download and unpack, about 1 minute)\n' "$pkg" "$newest" >&2
tmp=$dir.tmp
rm -rf "$tmp"
mkdir -p "$tmp/deb" "$tmp/tree"
rel=$(realpath --relative-to="$here/.." "$tmp")
in_root bash -ec "cd $rel/deb && apt-get download -o APT::Sandbox::User=root $pkg=$newest &&
	dpkg-deb --fsys-tarfile *.deb | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
	xz -dT0 | tar -x -C ../tree --strip-components=1"
echo "$newest" >"$tmp/tree/.debian-version"
mv "$tmp/tree" "$dir"
rm -rf "$tmp"
