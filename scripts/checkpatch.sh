#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# checkpatch.sh KDIR - checkpatch over our files and hooks
set -euo pipefail

kdir=$1
ignore=FILE_PATH_CHANGES,SPDX_LICENSE_TAG,COMMIT_MESSAGE
check() { "$kdir/scripts/checkpatch.pl" --no-tree --strict --terse --quiet --max-line-length=100 "$@"; }

rc=0
# checkpatch keeps a list of names where it is run
trap 'rm -f .checkpatch-camelcase.*' EXIT
check --ignore "$ignore" -f $(find core drivers-* -name '*.[ch]') || rc=1
# without kernel macros; a table of errors as a macro
check --ignore "$ignore",BIT_MACRO,COMPLEX_MACRO,MACRO_ARG_REUSE,MACRO_ARG_UNUSED \
	-f $(find abi -name '*.[ch]') || rc=1
# programs for userspace: its types, no kernel macros
check --ignore "$ignore",PREFER_KERNEL_TYPES,BIT_MACRO,VOLATILE,PREFER_DEFINED_ATTRIBUTE_MACRO \
	--ignore EMBEDDED_FUNCTION_NAME,QUOTED_WHITESPACE_BEFORE_NEWLINE \
	--ignore COMPLEX_MACRO,MACRO_ARG_REUSE,CAMELCASE,ARRAY_SIZE \
	-f $(find tests tools -name '*.[ch]') || rc=1
for hook in core/hooks/*.patch drivers-*/hooks/*.patch; do
	# by way of a pipe: a file that git knows is taken for source
	check --ignore "$ignore",MISSING_SIGN_OFF - <"$hook" | sed "s|^-:|$hook:|" || rc=1
done
exit $rc
