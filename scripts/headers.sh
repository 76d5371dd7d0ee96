#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# headers.sh ARCH KVER - headers of our kernel for programs, in build/ARCH/headers/include
#
# Once: liveupdate.h and vfio.h of all supported versions will do.
set -euo pipefail

out=$PWD/build/$1
[ ! -e "$out/headers/include/linux/liveupdate.h" ] || exit 0
make -s -C "build/linux-$2" O="$out/headers-obj" ARCH="${1/x86_64/x86}" headers_install \
	INSTALL_HDR_PATH="$out/headers" >/dev/null
