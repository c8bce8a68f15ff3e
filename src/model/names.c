/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "model/names.h"

#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/un.h>

#include "util/error.h"
#include "util/number.h"

#define DM_NAME_MAX 127 /* DM_NAME_LEN with its NUL is 128 (linux/dm-ioctl.h) */

/* Whether @text is @min to @max bytes of letters, digits and @punctuation. */
static bool
consists_of(const char *text, size_t min, size_t max, const char *punctuation)
{
    size_t length = strlen(text);

    if (length < min || length > max)
        return false;
    for (const char *c = text; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && strchr(punctuation, *c) == NULL)
            return false;
    return true;
}

bool
banger_name_check_link(const char *name, GError **error)
{
    /* "all" and "default" are the host's own settings in /proc/sys/net/…/conf. */
    if (!consists_of(name, 1, IFNAMSIZ - 1, "._-") || g_str_equal(name, ".") ||
        g_str_equal(name, "..") || g_str_equal(name, "all") || g_str_equal(name, "default"))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not a link name: 1 to 15 of A-Z a-z 0-9 . _ -", name);
    return true;
}

static bool
has_prefix_and_more(const char *name, const char *prefix)
{
    return g_str_has_prefix(name, prefix) && name[strlen(prefix)] != '\0';
}

bool
banger_name_check_tap(const char *name, GError **error)
{
    if (!banger_name_check_link(name, error))
        return false;
    if (!has_prefix_and_more(name, BANGER_TAP_PREFIX) &&
        !has_prefix_and_more(name, BANGER_TAP_POOL_PREFIX))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not the name of a banger TAP: it must begin with "
                                "\"" BANGER_TAP_PREFIX "\" or \"" BANGER_TAP_POOL_PREFIX
                                "\" and go on",
                                name);
    return true;
}

bool
banger_name_check_dm(const char *name, GError **error)
{
    if (!has_prefix_and_more(name, BANGER_DM_PREFIX) || !consists_of(name, 1, DM_NAME_MAX, "._+-"))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not the name of a banger dm device: it must begin with "
                                "\"" BANGER_DM_PREFIX
                                "\" and go on, at most 127 of A-Z a-z 0-9 . _ + -",
                                name);
    return true;
}

bool
banger_name_check_dm_path(const char *path, GError **error)
{
    if (!g_str_has_prefix(path, BANGER_DM_DIRECTORY))
        return banger_set_error(
            error, BANGER_ERROR_BAD_PARAMS,
            "\"%s\" is not a path of the form " BANGER_DM_DIRECTORY BANGER_DM_PREFIX "NAME", path);
    return banger_name_check_dm(path + strlen(BANGER_DM_DIRECTORY), error);
}

bool
banger_name_check_loop_path(const char *path, GError **error)
{
    static const char prefix[] = "/dev/loop";
    const char *number = path + strlen(prefix);

    if (!has_prefix_and_more(path, prefix) || strlen(number) > 7 ||
        strspn(number, "0123456789") != strlen(number) || (number[0] == '0' && number[1] != '\0'))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not a path of the form /dev/loopN", path);
    return true;
}

bool
banger_name_check_vm_id(const char *vm_id, GError **error)
{
    if (!consists_of(vm_id, 1, 64, "-"))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not a vm_id: 1 to 64 of A-Z a-z 0-9 -", vm_id);
    return true;
}

bool
banger_name_check_drive_id(const char *id, GError **error)
{
    if (!consists_of(id, 1, 64, "_"))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not a drive id: 1 to 64 of A-Z a-z 0-9 _", id);
    return true;
}

static bool
check_absolute(const char *path, GError **error)
{
    if (path[0] != '/')
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "path \"%s\" is not absolute",
                                path);
    if (strlen(path) >= PATH_MAX)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "a path is longer than %d bytes: \"%.64s…\"", PATH_MAX - 1, path);
    return true;
}

/* Whether a component of @path is empty, "." or "..". */
static bool
has_odd_component(const char *path)
{
    g_auto(GStrv) components = g_strsplit(path + 1, "/", -1);

    for (char **component = components; *component != NULL; component++)
        if (**component == '\0' || g_str_equal(*component, ".") || g_str_equal(*component, ".."))
            return true;
    return false;
}

bool
banger_path_check_below(const char *path, const char *directory, GError **error)
{
    size_t length = strlen(directory);

    if (!check_absolute(path, error))
        return false;
    if (has_odd_component(path))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "path \"%s\" has an empty, \".\" or \"..\" component", path);
    if (strncmp(path, directory, length) != 0 || path[length] != '/')
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "path \"%s\" is not below %s", path,
                                directory);
    return true;
}

bool
banger_path_check_socket(const char *path, const char *directory, GError **error)
{
    const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (!banger_path_check_below(path, directory, error))
        return false;
    if (strlen(path) > max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "socket path \"%s\" is longer than %zu bytes", path, max);
    return true;
}

bool
banger_path_check_guest(const char *path, GError **error)
{
    if (!check_absolute(path, error))
        return false;
    if (strspn(path, "/") == strlen(path))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "guest path \"%s\" names no file",
                                path);
    return true;
}

int
banger_signal_parse(const char *name, GError **error)
{
    const char *bare = g_ascii_strncasecmp(name, "SIG", 3) == 0 ? name + 3 : name;
    unsigned int number;

    if (name[0] == '\0')
        return SIGTERM;
    if (banger_number_parse(name, 1, (unsigned int)SIGRTMAX, &number))
        return (int)number;
    for (int signal = 1; signal < SIGRTMIN; signal++) {
        const char *abbreviation = sigabbrev_np(signal);

        if (abbreviation != NULL && g_ascii_strcasecmp(bare, abbreviation) == 0)
            return signal;
    }
    (void)banger_set_error(
        error, BANGER_ERROR_BAD_PARAMS,
        "\"%s\" is not a signal: a name such as TERM or SIGTERM, or a number from 1 "
        "to %d",
        name, SIGRTMAX);
    return 0;
}
