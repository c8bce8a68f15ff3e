/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "model/names.h"

#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/un.h>

#include "util/error.h"
#include "util/number.h"

/* The UUID has 128 bytes at most (DM_UUID_LEN, linux/dm-ioctl.h), and begins with our prefix. */
#define DM_NAME_MAX (128 - strlen(BANGER_DM_UUID_PREFIX))
#define REAL_TIME "RTMIN"

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
                                "\" and go on, at most 121 of A-Z a-z 0-9 . _ + -",
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
banger_path_clean(const char *path, char **ret_clean, GError **error)
{
    g_auto(GStrv) components = NULL;
    g_autoptr(GString) clean = g_string_new(NULL);

    if (!banger_path_check_absolute(path, error))
        return false;
    components = g_strsplit(path, "/", -1);
    for (char **component = components; *component != NULL; component++) {
        if (g_str_equal(*component, ".."))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "\"%s\" has a component \"..\", which depends on links", path);
        if ((*component)[0] != '\0' && !g_str_equal(*component, "."))
            g_string_append_printf(clean, "/%s", *component);
    }
    if (clean->len == 0)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "\"%s\" names no file", path);
    *ret_clean = g_strdup(clean->str);
    return true;
}

/* The number of "RTMIN+@offset" or "RTMIN"; 0 if @bare is neither. */
static int
parse_real_time(const char *bare)
{
    unsigned int offset;

    if (g_ascii_strncasecmp(bare, REAL_TIME, strlen(REAL_TIME)) != 0)
        return 0;
    bare += strlen(REAL_TIME);
    if (bare[0] == '\0')
        return SIGRTMIN;
    if (bare[0] != '+' ||
        !banger_number_parse(bare + 1, 0, (unsigned int)(SIGRTMAX - SIGRTMIN), &offset))
        return 0;
    return SIGRTMIN + (int)offset;
}

int
banger_signal_parse(const char *name, GError **error)
{
    const char *bare = g_ascii_strncasecmp(name, "SIG", 3) == 0 ? name + 3 : name;
    unsigned int number;
    int signal = parse_real_time(bare);

    if (signal != 0)
        return signal;
    if (banger_number_parse(name, 1, (unsigned int)SIGRTMAX, &number))
        return (int)number;
    for (signal = 1; signal < SIGRTMIN; signal++) {
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

char *
banger_signal_format(int number)
{
    const char *abbreviation = sigabbrev_np(number);

    if (number == 0)
        return g_strdup("");
    if (abbreviation != NULL)
        return g_strdup(abbreviation);
    if (number < SIGRTMIN)
        return g_strdup_printf("%d", number);
    return g_strdup_printf(REAL_TIME "+%d", number - SIGRTMIN);
}

/* Whether @text is six pairs of hexadecimal digits with colons between them. */
static bool
is_mac(const char *text)
{
    for (size_t i = 0; i < 17; i++)
        if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
            return false;
    return text[17] == '\0';
}

bool
banger_name_parse_mac(const char *text, char **ret_mac, GError **error)
{
    if (!is_mac(text) || (g_ascii_xdigit_value(text[1]) & 1) != 0 ||
        g_str_equal(text, "00:00:00:00:00:00"))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not the Ethernet address of one interface, such as "
                                "06:00:ac:10:00:02",
                                text);
    *ret_mac = g_ascii_strdown(text, -1);
    return true;
}
