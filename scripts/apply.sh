#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# apply.sh [-n] [-R] [--link] KDIR - put iommu-liveupdate into a kernel tree
#
#   -n       say what would happen, change nothing
#   -R       take it out again
#   --link   link to this checkout instead of copying
#   --hooks  only print the hooks that KDIR needs, in their order
#
# What is done: drivers/iommu/liveupdate/, the headers under include/, one line
# in drivers/iommu/Kconfig, one in drivers/iommu/Makefile, and the hooks. A hook
# that does not apply is named before anything is changed. What was applied is
# noted in KDIR/.iommu-liveupdate, so that it can be taken out or brought up to
# date after this checkout has changed.
set -euo pipefail

src=$(cd "$(dirname "$0")/.." && pwd)
dry= reverse= link= list=
while [ $# -gt 1 ]; do
	case $1 in
	-n) dry=1 ;;
	-R) reverse=1 ;;
	--link) link=1 ;;
	--hooks) list=1 ;;
	*) echo "apply: unknown option $1" >&2; exit 2 ;;
	esac
	shift
done
kdir=${1:?usage: apply.sh [-n] [-R] [--link] [--hooks] KDIR}
if [ ! -f "$kdir/drivers/iommu/iommufd/main.c" ]; then
	echo "apply: $kdir is not a kernel source tree" >&2
	exit 1
fi
kdir=$(cd "$kdir" && pwd)
state=$kdir/.iommu-liveupdate
dir=$kdir/drivers/iommu/liveupdate

# Destination in the kernel tree, source here.
headers=(
	"include/linux/kho/abi/iommu-lu.h abi/iommu-lu.h"
	"include/linux/iommu-liveupdate.h core/include/linux/iommu-liveupdate.h"
	"include/uapi/linux/iommufd-liveupdate.h core/include/uapi/linux/iommufd-liveupdate.h"
)
kconfig_line='source "drivers/iommu/liveupdate/Kconfig"'
makefile_line='obj-$(CONFIG_IOMMU_LIVEUPDATE) += liveupdate/'

# A hook that has to look different in one version of the kernel is in hooks/VERSION/ for it.
version=$(awk -F' *= *' '/^(VERSION|PATCHLEVEL) =/ {v = v s $2; s = "."} END {print v}' "$kdir/Makefile")
hooks() {
	local series h
	for series in core drivers-*; do
		[ -f "$src/$series/hooks/series" ] || continue
		sed '/^#/d; /^$/d' "$src/$series/hooks/series" | while read -r h; do
			[ ! -f "$src/$series/hooks/$version/$h" ] || h=$version/$h
			echo "$series/hooks/$h"
		done
	done
}
cd "$src"
if [ -n "$list" ]; then
	hooks
	exit 0
fi
parts=(abi core drivers-* tests/kunit tests/abi/{build,cases}.[ch] docs Kconfig Kbuild README.md)
want=$(hooks | while read -r h; do sha256sum "$h"; done; find "${parts[@]}" -type f | sort)

run_patch() { patch -d "$kdir" -p1 -s --no-backup-if-mismatch "$@"; }

take_out() {
	# in reverse order, from the copies that were applied
	tac "$state/series" | while read -r h; do
		run_patch -R <"$state/$h"
	done
	sed -i "\|^$kconfig_line\$|d" "$kdir/drivers/iommu/Kconfig"
	sed -i "\|^obj-\$(CONFIG_IOMMU_LIVEUPDATE) += liveupdate/\$|d" "$kdir/drivers/iommu/Makefile"
	for h in "${headers[@]}"; do rm -f "$kdir/${h% *}"; done
	rm -rf "$dir" "$state"
}

# Everything is tried before anything is changed, on copies: patches that touch the same file must
# be tried on top of each other.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
try() { # patch [option]
	local f
	for f in $(sed -n 's|^+++ b/\([^\t]*\).*|\1|p' "$1"); do
		[ -e "$tmp/$f" ] || [ ! -e "$kdir/$f" ] || install -D -m 644 "$kdir/$f" "$tmp/$f"
	done
	patch -d "$tmp" -p1 -s -f --no-backup-if-mismatch "${@:2}" <"$1"
}

check_out() {
	local h
	for h in $(tac "$state/series"); do
		if ! try "$state/$h" -R; then
			echo "apply: hook cannot be taken out of $kdir any more: $h" >&2
			echo "apply: if the tree was reset, remove its .iommu-liveupdate/ and drivers/iommu/liveupdate/" >&2
			return 1
		fi
	done
}

check_in() {
	local h
	for h in $(hooks); do
		if ! try "$h"; then
			echo "apply: hook does not apply to $kdir: $h" >&2
			return 1
		fi
	done
}

# Files are linked one by one: "../" in an include must not leave the kernel tree.
put() { # source destination
	local f
	find "$1" -type f ! -path '*/hooks/*' ! -name '*.svg' "${elsewhere[@]}" -printf '%P\n' | while read -r f; do
		mkdir -p "$(dirname "$2${f:+/$f}")"
		if [ -n "$link" ]; then
			ln -sfnr "$1${f:+/$f}" "$2${f:+/$f}"
		else
			cp -a "$1${f:+/$f}" "$2${f:+/$f}"
		fi
	done
}

if [ -n "$reverse" ]; then
	[ -d "$state" ] || { echo "apply: not applied to $kdir"; exit 0; }
	check_out
	[ -n "$dry" ] && { echo "apply: would take $(wc -l <"$state/series") hooks out of $kdir"; exit 0; }
	take_out
	echo "apply: taken out of $kdir"
	exit 0
fi

if [ -d "$state" ]; then
	if [ "$want" = "$(cat "$state/sums")" ] && [ -n "$link" ] && [ -L "$dir/Kbuild" ]; then
		exit 0
	fi
	check_out
fi
check_in
if [ -n "$dry" ]; then
	echo "apply: $(hooks | wc -l) hooks apply to $kdir"
	exit 0
fi
[ ! -d "$state" ] || take_out

mkdir -p "$state" "$dir"
elsewhere=()
for h in "${headers[@]}"; do
	put "$src/${h#* }" "$kdir/${h% *}"
	elsewhere+=(! -path "$src/${h#* }")
done
for f in "${parts[@]}"; do put "$src/$f" "$dir/$f"; done
: >"$state/series"
for h in $(hooks); do
	run_patch <"$h"
	install -D -m 644 "$h" "$state/$h"
	echo "$h" >>"$state/series"
done
echo "$kconfig_line" >>"$kdir/drivers/iommu/Kconfig"
echo "$makefile_line" >>"$kdir/drivers/iommu/Makefile"
echo "$want" >"$state/sums"
echo "apply: $(wc -l <"$state/series") hooks applied to $kdir"
