#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# checkpatch.sh KDIR          - checkpatch over our files and hooks
# checkpatch.sh KDIR PATCH... - checkpatch over patches of the exported series
set -euo pipefail

kdir=$1
shift
check() { "$kdir/scripts/checkpatch.pl" --no-tree --strict --terse --quiet --max-line-length=100 "$@"; }

all=FILE_PATH_CHANGES
# files and hooks: the former have no message, the latter are not signed off
single=$all,SPDX_LICENSE_TAG,COMMIT_MESSAGE
# without kernel macros; a table of errors as a macro
abi=BIT_MACRO,COMPLEX_MACRO,MACRO_ARG_REUSE,MACRO_ARG_UNUSED
# programs for userspace: its types, no kernel macros
user=PREFER_KERNEL_TYPES,BIT_MACRO,VOLATILE,PREFER_DEFINED_ATTRIBUTE_MACRO
user+=,EMBEDDED_FUNCTION_NAME,QUOTED_WHITESPACE_BEFORE_NEWLINE
user+=,COMPLEX_MACRO,MACRO_ARG_REUSE,CAMELCASE,ARRAY_SIZE,NEW_TYPEDEFS

rc=0
# checkpatch keeps a list of names where it is run
trap 'rm -f .checkpatch-camelcase.*' EXIT
if [ $# -gt 0 ]; then
	for patch; do
		case $(sed -n 's|^+++ b/||p' "$patch") in
		*/liveupdate/abi/* | */kho/abi/*) ignore=$all,$abi ;;
		*/liveupdate/tests/*) ignore=$all,$user ;;
		*) ignore=$all ;;
		esac
		check --ignore "$ignore" - <"$patch" | sed "s|^-:|${patch##*/}:|" || rc=1
	done
	exit $rc
fi
check --ignore "$single" -f $(find core drivers-* -name '*.[ch]') || rc=1
check --ignore "$single,$abi" -f $(find abi -name '*.[ch]') || rc=1
check --ignore "$single,$user" -f $(find tests tools -name '*.[ch]') || rc=1
for hook in core/hooks/*.patch drivers-*/hooks/*.patch $(find . -path './*/hooks/*/*.patch'); do
	# by way of a pipe: a file that git knows is taken for source
	check --ignore "$single,MISSING_SIGN_OFF" - <"$hook" | sed "s|^-:|$hook:|" || rc=1
done
exit $rc
