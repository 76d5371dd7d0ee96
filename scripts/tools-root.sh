#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tools-root.sh DIR - make the Debian root that holds every tool the project uses
#
# The same compiler, QEMU and pytest on every host. Tools come from trixie and
# trixie-backports; forky, sid and experimental are visible to apt (kernel
# sources are looked up there too) but never installed from.
#
# (check-valid-until=no for those three: a mirror that lags must not stop a build.)
#
# The mirror is the one the host's apt uses; MIRROR=URL overrides it.
set -euo pipefail

root=$1
here=$(cd "$(dirname "$0")" && pwd)

packages=(
	# kernel build
	build-essential bc bison flex libelf-dev libssl-dev kmod cpio xz-utils lz4
	zstd rsync git quilt ccache perl python3 pahole sparse
	# machines and tests
	python3-pytest python3-pytest-xdist python3-pytest-timeout python3-matplotlib
	# fuzzing; the ABI on arm64
	clang libclang-rt-19-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	# arm64: firmware for a machine with ACPI, device trees
	qemu-efi-aarch64 device-tree-compiler
	# jobs for board farms, and what LAVA asks of a dispatcher with boards
	python3-jinja2 tftpd-hpa u-boot-tools
)
backports=(qemu-system-x86 qemu-system-arm qemu-user lava-dispatcher)

wanted="$(sed '/^#/d' "$0" | sha256sum)"
if [ -f "$root/.complete" ] && [ "$(cat "$root/.complete")" = "$wanted" ]; then
	exit 0
fi

if [ "$(id -u)" != 0 ]; then
	echo "tools-root: this needs root: sudo make ..." >&2
	exit 1
fi

say() { printf '\n== %s\n' "$*" >&2; }

mirror=${MIRROR:-}
if [ -z "$mirror" ] && command -v apt-get >/dev/null; then
	mirror=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null |
		head -n 1)
fi
if ! command -v mmdebstrap >/dev/null; then
	say "installing mmdebstrap on this host"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mmdebstrap
fi
# No answer from the host's apt (indexes not loaded yet): ask again after update.
if [ -z "$mirror" ]; then
	mirror=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
fi
[ -n "$mirror" ] || { echo "tools-root: no Debian mirror found, set MIRROR=URL" >&2; exit 1; }

say "tools root: Debian trixie + trixie-backports into ${root#"$PWD"/} (about 3 minutes)"
umount -q -R "$root"/* 2>/dev/null || true
rm -rf --one-file-system "$root"
mkdir -p "$(dirname "$root")"

# One pin file decides what may be installed from where.
prefs=$(mktemp)
trap 'rm -f "$prefs"' EXIT
cat >"$prefs" <<-PIN
	Package: *
	Pin: release n=trixie-backports
	Pin-Priority: 100

	Package: *
	Pin: release n=forky
	Pin-Priority: 1

	Package: *
	Pin: release n=sid
	Pin-Priority: 1

	Package: *
	Pin: release a=experimental
	Pin-Priority: 1
PIN
cat >>"$prefs" <<-PIN

	Package: qemu* seabios ipxe* lava-*
	Pin: release n=trixie-backports
	Pin-Priority: 900
PIN

# Of LAVA's server nothing but its templates of devices is wanted, and no data base.
export DEVICE_TYPES='
cd "$(mktemp -d)"
apt-get download -qq -o APT::Sandbox::User=root lava-server
dpkg-deb -x lava-server_*.deb .
mkdir -p /usr/share/lava-server
mv usr/share/lava-server/device-types /usr/share/lava-server/
rm -rf "$PWD"'

include=$(IFS=,; echo "${packages[*]},${backports[*]}")
DEBIAN_FRONTEND=noninteractive mmdebstrap --variant=apt --mode=root \
	--aptopt='APT::Install-Recommends "false"' \
	--aptopt='Acquire::Languages "none"' \
	--aptopt="Dir::Etc::Preferences \"$prefs\"" \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='force-unsafe-io' \
	--include="$include" \
	--customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap; mkdir -p "$1/src"' \
	--customize-hook="cp $prefs \"\$1\"/etc/apt/preferences" \
	--customize-hook='chroot "$1" sh -ec "$DEVICE_TYPES"' \
	trixie "$root" \
	"deb $mirror trixie main" \
	"deb $mirror trixie-backports main" \
	"deb [check-valid-until=no] $mirror forky main" \
	"deb [check-valid-until=no] $mirror sid main" \
	"deb [check-valid-until=no] $mirror experimental main"

echo "$wanted" >"$root/.complete"
"$here/in-root.sh" "$root" qemu-system-x86_64 --version | head -n 1
