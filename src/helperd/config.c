/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "helperd/config.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>

#include "util/error.h"
#include "util/number.h"

#define IDLE_TIMEOUT_DEFAULT_SEC 60
#define IDLE_TIMEOUT_MAX_SEC 86400 /* a day */
#define PASSWD_BUFFER_MAX (1 << 20)

static const struct {
    const char *group;
    const char *key;
} known_keys[] = {
    {"Owner", "User"},       {"Paths", "StateDirectory"},   {"Paths", "RuntimeDirectory"},
    {"Firecracker", "User"}, {"Service", "IdleTimeoutSec"},
};

static bool
is_known(const char *group, const char *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known_keys); i++)
        if (g_str_equal(known_keys[i].group, group) &&
            (key == NULL || g_str_equal(known_keys[i].key, key)))
            return true;
    return false;
}

static bool
check_keys(GKeyFile *file, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

    for (char **group = groups; *group != NULL; group++) {
        g_auto(GStrv) keys = g_key_file_get_keys(file, *group, NULL, NULL);

        if (!is_known(*group, NULL))
            return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "there is no group [%s]",
                                    *group);
        for (char **key = keys; *key != NULL; key++)
            if (!is_known(*group, *key))
                return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "[%s] has no key %s",
                                        *group, *key);
    }
    return true;
}

/* The value of a key that check_keys() knows, without white space around it. NULL on failure. */
static char *
get_string(GKeyFile *file, const char *group, const char *key, const char *fallback, GError **error)
{
    g_autoptr(GError) key_error = NULL;
    char *value;

    if (!g_key_file_has_key(file, group, key, NULL))
        return g_strdup(fallback);
    value = g_key_file_get_string(file, group, key, &key_error);
    if (value == NULL) {
        (void)banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "[%s] %s: %s", group, key,
                               key_error->message);
        return NULL;
    }
    return g_strstrip(value);
}

static bool
get_directory(GKeyFile *file, const char *key, const char *fallback, char **ret_path,
              GError **error)
{
    g_autofree char *path = get_string(file, "Paths", key, fallback, error);
    g_autofree char *canonical = NULL;
    size_t length;

    if (path == NULL)
        return false;
    length = strlen(path);
    if (length > 1 && path[length - 1] == '/')
        path[length - 1] = '\0';
    canonical = g_canonicalize_filename(path, "/");
    if (!g_str_equal(path, canonical) || g_str_equal(path, "/") || length >= PATH_MAX)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "[Paths] %s: \"%s\" is not an absolute path of a directory without "
                                "\".\", \"..\" and empty components",
                                key, path);
    *ret_path = g_steal_pointer(&path);
    return true;
}

static bool
look_up_user(const char *name, uid_t *ret_uid, gid_t *ret_gid, GError **error)
{
    struct passwd entry;
    struct passwd *found = NULL;
    int errnum = ERANGE;

    for (size_t size = 4096; errnum == ERANGE && size <= PASSWD_BUFFER_MAX; size *= 2) {
        g_autofree char *buffer = g_malloc(size);

        errnum = getpwnam_r(name, &entry, buffer, size, &found);
        if (found != NULL) {
            *ret_uid = entry.pw_uid;
            *ret_gid = entry.pw_gid;
            return true;
        }
    }
    if (errnum != 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errnum,
                                "[Owner] User: cannot look up \"%s\"", name);
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "[Owner] User: there is no user \"%s\"", name);
}

static bool
get_owner(GKeyFile *file, BangerSettings *settings, GError **error)
{
    settings->owner_user = get_string(file, "Owner", "User", BANGER_OWNER, error);
    return settings->owner_user != NULL &&
           look_up_user(settings->owner_user, &settings->owner_uid, &settings->owner_gid, error);
}

static bool
get_vmm_user(GKeyFile *file, BangerSettings *settings, GError **error)
{
    g_autofree char *user = get_string(file, "Firecracker", "User", "owner", error);

    if (user == NULL)
        return false;
    if (g_str_equal(user, "owner")) {
        settings->vmm_uid = settings->owner_uid;
        settings->vmm_gid = settings->owner_gid;
    } else if (!g_str_equal(user, "root")) {
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "[Firecracker] User: \"%s\" is neither \"owner\" nor \"root\"",
                                user);
    }
    return true;
}

static bool
get_idle_timeout(GKeyFile *file, BangerSettings *settings, GError **error)
{
    g_autofree char *fallback = g_strdup_printf("%d", IDLE_TIMEOUT_DEFAULT_SEC);
    g_autofree char *text = get_string(file, "Service", "IdleTimeoutSec", fallback, error);
    unsigned int seconds;

    if (text == NULL)
        return false;
    if (!banger_number_parse(text, 0, IDLE_TIMEOUT_MAX_SEC, &seconds))
        return banger_set_error(
            error, BANGER_ERROR_OPERATION_FAILED,
            "[Service] IdleTimeoutSec: \"%s\" is not a number of seconds from 0 "
            "to %d",
            text, IDLE_TIMEOUT_MAX_SEC);
    settings->idle_timeout_sec = seconds;
    return true;
}

static bool
load_file(GKeyFile *file, const char *path, GError **error)
{
    g_autoptr(GError) file_error = NULL;

    if (g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &file_error) ||
        g_error_matches(file_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return true;
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "%s", file_error->message);
}

BangerSettings *
banger_config_load(const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(BangerSettings) settings = g_new0(BangerSettings, 1);

    if (!load_file(file, path, error) || !check_keys(file, error) ||
        !get_owner(file, settings, error) ||
        !get_directory(file, "StateDirectory", BANGER_STATE_DIRECTORY, &settings->state_directory,
                       error) ||
        !get_directory(file, "RuntimeDirectory", BANGER_RUNTIME_DIRECTORY,
                       &settings->runtime_directory, error) ||
        !get_vmm_user(file, settings, error) || !get_idle_timeout(file, settings, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    return g_steal_pointer(&settings);
}

void
banger_settings_free(BangerSettings *settings)
{
    g_free(settings->owner_user);
    g_free(settings->state_directory);
    g_free(settings->runtime_directory);
    g_free(settings);
}
