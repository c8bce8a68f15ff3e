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

/* The first NAMES_MAX of @names, each once. */
static char *
join_names(const GPtrArray *names)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GString) joined = g_string_new(NULL);

    for (unsigned int i = 0; i < names->len; i++) {
        if (!g_hash_table_add(seen, names->pdata[i]) || g_hash_table_size(seen) > NAMES_MAX)
            continue;
        g_string_append_printf(joined, "%s%s", joined->len > 0 ? ", " : "",
                               (const char *)names->pdata[i]);
    }
    if (g_hash_table_size(seen) > NAMES_MAX)
        g_string_append(joined, ", …");
    return joined->len > 0 ? g_string_free(g_steal_pointer(&joined), FALSE) : NULL;
}

char *
banger_jail_abstract_listeners(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (char **line = lines; *line != NULL; line++) {
        char *name = take_name(*line);

        if (name != NULL)
            g_ptr_array_add(names, name);
    }
    return join_names(names);
}

/* Whether the attribute @name, owner or group, of the device @device in @directory is not set. */
static bool
is_unset(const char *directory, const char *device, const char *name)
{
    g_autofree char *path = g_build_filename(directory, device, name, NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) && g_str_equal(g_strstrip(text), "-1");
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *
banger_jail_open_taps(const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (is_unset(directory, name, "owner") && is_unset(directory, name, "group"))
            g_ptr_array_add(names, banger_text_make_printable(name, -1));
    g_ptr_array_sort(names, compare_names);
    return join_names(names);
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
    g_autofree char *taps = NULL;

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
    taps = banger_jail_open_taps("/sys/class/net");
    if (taps != NULL)
        g_ptr_array_add(
            warnings, g_strdup_printf(
                          "a guest that takes its VMM over can attach to these devices, which have "
                          "no owner, while they are free: %s",
                          taps));
}
