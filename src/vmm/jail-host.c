/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/jail-host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <systemd/sd-daemon.h>

#include "util/text.h"

#define NAMES_MAX 8
#define IS_LISTENING 0x10000u /* __SO_ACCEPTCON of the kernel's */

/*
 * The name of the socket that @line is about, if it is one: after Num, RefCount, Protocol, Flags,
 * Type, St and Inode.
 */
static char *
take_name(const char *line)
{
    g_auto(GStrv) fields = g_strsplit_set(line, " ", -1);
    const char *flags = NULL;
    unsigned int n = 0;

    for (char **field = fields; *field != NULL; field++) {
        if (**field == '\0')
            continue;
        n++;
        if (n == 4)
            flags = *field;
        if (n == 8 && **field == '@' && (strtoul(flags, NULL, 16) & IS_LISTENING) != 0)
            return banger_text_make_printable(*field, -1);
    }
    return NULL;
}

char *
banger_jail_abstract_listeners(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GString) names = g_string_new(NULL);

    for (char **line = lines; *line != NULL; line++) {
        char *name = take_name(*line);

        if (name == NULL)
            continue;
        if (g_hash_table_size(seen) < NAMES_MAX && !g_hash_table_contains(seen, name))
            g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", name);
        (void)g_hash_table_add(seen, name);
    }
    if (g_hash_table_size(seen) > NAMES_MAX)
        g_string_append(names, ", …");
    return names->len > 0 ? g_string_free(g_steal_pointer(&names), FALSE) : NULL;
}

/* Whether the file system of @path has access control lists (acl(5)). */
static bool
has_lists(const char *path)
{
    return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 || errno != EOPNOTSUPP;
}

/* Whether @path is on the file system of the directory that it is in. */
static bool
shares_file_system(const char *path)
{
    g_autofree char *parent = g_path_get_dirname(path);
    struct stat own, outer;

    return stat(path, &own) == 0 && stat(parent, &outer) == 0 && own.st_dev == outer.st_dev;
}

void
banger_jail_describe_host(const BangerSettings *settings, GPtrArray *warnings)
{
    g_autofree char *sockets = NULL;
    g_autofree char *names = NULL;

    if (sd_booted() <= 0)
        return;
    if (!settings->jail)
        g_ptr_array_add(warnings,
                        g_strdup("virtual machines have no jail (Jail=no): a guest that takes its "
                                 "VMM over is the owner, and reaches every other one"));
    else if (!has_lists(settings->state_directory))
        g_ptr_array_add(
            warnings, g_strdup_printf("the file system of %s has no access control lists, without "
                                      "which there is no jail: launches fail unless Jail=no",
                                      settings->state_directory));
    if (settings->jail && shares_file_system(settings->runtime_directory))
        g_ptr_array_add(warnings,
                        g_strdup_printf("%s has no file system of its own, which a VMM could fill: "
                                        "its mount unit is started with the machine",
                                        settings->runtime_directory));
    if (g_file_get_contents("/proc/net/unix", &sockets, NULL, NULL))
        names = banger_jail_abstract_listeners(sockets);
    if (names != NULL)
        g_ptr_array_add(
            warnings,
            g_strdup_printf("a guest that takes its VMM over can connect to these sockets "
                            "of the host's: %s",
                            names));
}
