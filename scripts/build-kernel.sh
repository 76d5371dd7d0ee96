#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build-kernel.sh ARCH VERSION FLAVOUR - build a small kernel for the tests
#
# Runs inside the tools root, from the top of the project. The configuration is
# tinyconfig plus the fragments of version, architecture, flavour, and of the
# flavour on that architecture if there is one; an option that was asked for and did
# not take effect is an error. Built again only when something changed.
#
# The flavour "stock" is the pristine tree with the configuration of "kunit" but
# for our own options: what the patched kernel is compared with. in-root.sh is to
# show that tree in place of the patched one. Under the same path, ccache has
# nearly every object already.
set -euo pipefail

arch=$1 version=$2 flavour=$3
src=build/linux-$version
out=build/$arch/$version/$flavour
top=$PWD

case $arch in
x86_64) kmake=(make ARCH=x86 HOSTCC="ccache gcc" CC="ccache gcc") image=arch/x86/boot/bzImage ;;
arm64) kmake=(make ARCH=arm64 HOSTCC="ccache gcc" CC="ccache aarch64-linux-gnu-gcc"
	CROSS_COMPILE=aarch64-linux-gnu-) image=arch/arm64/boot/Image ;;
*) echo "build-kernel: unknown architecture $arch" >&2; exit 2 ;;
esac
kmake+=(-C "$src" O="$top/$out" -j"${JOBS:-$(nproc)}" --no-print-directory)

fragments() {
	cat tests/qemu/config/base.config "tests/qemu/config/$version.config" \
		"tests/qemu/config/$arch.config"
	case $flavour in
	stock) sed '/^CONFIG_IOMMU_LIVEUPDATE/d' tests/qemu/config/kunit.config ;;
	*) cat "tests/qemu/config/$flavour.config" ;;
	esac
	if [ -f "tests/qemu/config/$flavour-$arch.config" ]; then
		cat "tests/qemu/config/$flavour-$arch.config"
	fi
}

if [ "$flavour" = stock ] && [ -e "$src/drivers/iommu/liveupdate" ]; then
	echo "build-kernel: stock needs OVER=$src-stock:$src for in-root.sh" >&2
	exit 2
fi

mkdir -p "$out"
fragments >"$out/fragment.new"
if ! cmp -s "$out/fragment.new" "$out/fragment" || [ ! -f "$out/.config" ]; then
	echo "== configuration $arch $version $flavour"
	"${kmake[@]}" -s tinyconfig
	"$src/scripts/kconfig/merge_config.sh" -O "$out" -m "$out/.config" "$out/fragment.new" >/dev/null
	"${kmake[@]}" -s olddefconfig
	mv "$out/fragment.new" "$out/fragment"
fi
rm -f "$out/fragment.new"

# The last word on an option counts: a flavour may take back what is in base.
missing=$(sed -nE 's/^# (CONFIG_[A-Z0-9_a-z]+) is not set$/\1=n/p; /^CONFIG_/p' "$out/fragment" |
	awk -F= '{last[$1] = $0} END {for (o in last) print last[o]}' | sort |
	while IFS= read -r want; do
		case $want in
		*=n) ! grep -q "^${want%=n}=" "$out/.config" || echo "$want" ;;
		*) grep -qxF "$want" "$out/.config" || echo "$want" ;;
		esac
	done)
if [ -n "$missing" ]; then
	echo "build-kernel: these options did not take effect in $arch $version $flavour:" >&2
	echo "$missing" >&2
	rm -f "$out/fragment"
	exit 1
fi

[ -f "$out/$image" ] || echo "== kernel $arch $version $flavour (3 to 8 minutes from nothing)"
# Progress: a line per 100 objects, and whatever is not an object.
"${kmake[@]}" "${image##*/}" 2>&1 | perl -ne '
	BEGIN { $| = 1 }
	if (/^  [A-Z][A-Z0-9 ]* /) { print "   $n objects\n" unless ++$n % 100; next }
	print unless /^make|^#$|is up to date|^Kernel: /'
