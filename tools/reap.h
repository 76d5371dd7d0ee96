/* SPDX-License-Identifier: GPL-2.0 */
#ifndef REAP_H
#define REAP_H

#include "dumpfile.h"

/**
 * reap - end a session whose VMM does not come for it
 * @session: name of the session
 * @d: what this kernel inherited
 *
 * Return: 0, or 1 if something is left. Then it has said why.
 */
int reap(const char *session, const struct dumpfile *d);

#endif
