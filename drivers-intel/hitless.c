// SPDX-License-Identifier: GPL-2.0
#include <linux/array_size.h>
#include <linux/compiler.h>

#include "hitless.h"

static bool store_qword(u64 *at, u64 val, struct intel_lu_store *store)
{
	if (READ_ONCE(*at) == val)
		return false;
	*store = (struct intel_lu_store) { .at = at, .qwords = 1, .val = { val } };
	return true;
}

/**
 * intel_lu_next_store - the next store on the way to a new translation
 * @u: the update; memory is read, not written
 * @store: filled in
 *
 * Legacy mode: a context entry is 128 bits (9.3), and the address of the tables is in
 * another half than the domain id. One locked store of 128 bits changes both.
 *
 * Scalable mode: a PASID table entry is 512 bits (9.6), and hardware may fetch it in
 * several parts. First-stage and second-stage entries keep table address, domain id and
 * type in three of its quadwords, so there is no order of stores in place that hardware
 * could not see half of. Therefore nothing that can be reached is changed but the context
 * entry: it has PASIDDIRPTR and PDTS in its first quadword (9.4), and one store of that
 * leads to a fresh directory and a fresh table. This does for every pair of types alike.
 * The entry in the fresh table is made present last, then comes the directory entry, then
 * the context entry.
 *
 * Return: false when everything is as it shall be.
 */
bool intel_lu_next_store(const struct intel_lu_update *u, struct intel_lu_store *store)
{
	int i;

	if (!u->dir) {
		if (u->context[0] == u->want_context.lo && u->context[1] == u->want_context.hi)
			return false;
		*store = (struct intel_lu_store) {
			.at = u->context,
			.qwords = 2,
			.val = { u->want_context.lo, u->want_context.hi },
		};
		return true;
	}

	for (i = ARRAY_SIZE(u->want_entry.val) - 1; i >= 0; i--)
		if (store_qword(&u->entry[i], u->want_entry.val[i], store))
			return true;
	return store_qword(u->dir, u->want_dir, store) ||
	       store_qword(u->context, u->want_context.lo, store);
}
