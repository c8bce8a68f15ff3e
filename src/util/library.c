/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/library.h"

#include <dlfcn.h>

#include "util/error.h"

bool
banger_library_load(const char *soname, const BangerLibraryFunction *wanted, size_t n_wanted,
                    void *functions, GError **error)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    g_autofree void **found = g_new0(void *, n_wanted);

    if (library == NULL)
        return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED, "cannot load %s: %s", soname,
                                dlerror()); /* NOLINT(concurrency-mt-unsafe): of this thread */
    for (size_t i = 0; i < n_wanted; i++) {
        found[i] = dlsym(library, wanted[i].name);
        if (found[i] == NULL)
            return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED, "%s has no %s", soname,
                                    wanted[i].name);
    }
    for (size_t i = 0; i < n_wanted; i++)
        G_STRUCT_MEMBER(void *, functions, wanted[i].offset) = found[i];
    return true;
}
