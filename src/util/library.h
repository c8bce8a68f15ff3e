/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Libraries that are loaded when they are first needed. Linked to the helper they would be loaded
 * at each of its starts, with all that they depend on; the helper starts often, since it leaves
 * when it is idle, and most calls need none of them.
 */

/* A function of a library, and where in the caller's struct of functions its pointer goes. */
typedef struct {
    const char *name;
    size_t offset;
} BangerLibraryFunction;

/*
 * Loads @soname by dlopen(3), for good, and fills in the struct @functions with what
 * @wanted[@n_wanted] names. The caller sees to it that one thread at a time does. Errors:
 * NotSupported; then nothing is filled in.
 */
bool banger_library_load(const char *soname, const BangerLibraryFunction *wanted, size_t n_wanted,
                         void *functions, GError **error);

/*
 * States for those who make packages what is loaded without being linked
 * (systemd.io/ELF_DLOPEN_METADATA): a note of the vendor "FDO" with a JSON text. Once in a file
 * that calls banger_library_load(); each argument is a literal without quotes in it.
 */
#define BANGER_LIBRARY_NOTE(feature, description, soname)                                          \
    static const struct {                                                                          \
        uint32_t name_size;                                                                        \
        uint32_t text_size;                                                                        \
        uint32_t type;                                                                             \
        char name[4];                                                                              \
        char text[sizeof BANGER_LIBRARY_NOTE_TEXT(feature, description, soname)];                  \
    } dlopen_note __attribute__((used, aligned(4), section(".note.dlopen"))) = {                   \
        .name_size = 4,                                                                            \
        .text_size = sizeof BANGER_LIBRARY_NOTE_TEXT(feature, description, soname),                \
        .type = 0x407c0c0au,                                                                       \
        .name = "FDO",                                                                             \
        .text = BANGER_LIBRARY_NOTE_TEXT(feature, description, soname),                            \
    }

#define BANGER_LIBRARY_NOTE_TEXT(feature, description, soname)                                     \
    "[{\"feature\":\"" feature "\",\"description\":\"" description                                 \
    "\",\"priority\":\"required\",\"soname\":[\"" soname "\"]}]"
