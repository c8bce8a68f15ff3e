/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Part of the helper in a build with --enable-coverage only, where the linker puts this in front of
 * the real function (--wrap): a helper that is killed could not write its counters.
 */
#include <stdlib.h>

#include "analysis/outlive.h"
#include "helperd/daemon.h"

bool __wrap_banger_daemon_run(const BangerSettings *settings, GError **error);
bool __real_banger_daemon_run(const BangerSettings *settings, GError **error);

bool
__wrap_banger_daemon_run(const BangerSettings *settings, GError **error)
{
    if (!outlive_child("helper-coverage"))
        abort();
    return __real_banger_daemon_run(settings, error);
}
