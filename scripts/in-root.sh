#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# in-root.sh ROOT CMD... - run CMD inside the tools root
#
# The project is seen as /src and is the working directory; KDIR, if set, is
# seen under its own path. OVER=A:B shows the directory A of the project in place
# of its directory B. Mounts are private: nothing stays behind, no other run sees
# them.
set -euo pipefail

root=$(cd "$1" && pwd)
shift
src=$(cd "$(dirname "$0")/.." && pwd)

if [ "$(id -u)" != 0 ]; then
	echo "in-root: only root can change the root directory: sudo $0 ..." >&2
	exit 1
fi

# shellcheck disable=SC2016
exec unshare --mount --propagation private bash -c '
set -e
root=$1 src=$2 kdir=$3 over=$4
shift 4
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$src" "$root/src"
mount -t tmpfs tmpfs "$root/tmp"
if [ -n "$over" ]; then
	mount --bind "$src/${over%%:*}" "$root/src/${over#*:}"
fi
if [ -n "$kdir" ]; then
	mkdir -p "$root$kdir"
	mount --bind "$kdir" "$root$kdir"
fi
exec chroot "$root" /usr/bin/env -C /src \
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	CCACHE_DIR="${CCACHE_DIR:-/src/build/ccache}" LC_ALL=C.UTF-8 HOME=/root "$@"
' _ "$root" "$src" "${KDIR:-}" "${OVER:-}" "$@"
