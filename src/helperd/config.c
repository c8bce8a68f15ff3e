/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "helperd/config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "network/network-settings.h"
#include "util/error.h"
#include "util/number.h"
#include "util/user.h"

#define IDLE_TIMEOUT_DEFAULT_SEC 60
#define IDLE_TIMEOUT_MAX_SEC 86400 /* a day */

static const struct {
    const char *group;
    const char *key;
} known_keys[] = {
    {"Owner", "User"},
    {"Paths", "StateDirectory"},
    {"Paths", "RuntimeDirectory"},
    {"Firecracker", "User"},
    {"VMM", "Jail"},
    {"VMM", "ConsoleToJournal"},
    {"Service", "IdleTimeoutSec"},
};

static bool
is_known(const char *group, const char *key)
{
    if (g_str_equal(group, "Network"))
        return key == NULL || g_strv_contains(banger_network_keys, key);
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
get_owner(GKeyFile *file, BangerSettings *settings, GError **error)
{
    settings->owner_user = get_string(file, "Owner", "User", BANGER_OWNER, error);
    if (settings->owner_user == NULL)
        return false;
    if (banger_user_find(settings->owner_user, &settings->owner_uid, &settings->owner_gid, error))
        return true;
    g_prefix_error(error, "[Owner] User: ");
    return false;
}

static bool
get_switch(GKeyFile *file, const char *key, bool fallback, bool *ret_value, GError **error)
{
    g_autofree char *text = get_string(file, "VMM", key, fallback ? "yes" : "no", error);

    if (text == NULL)
        return false;
    if (!g_str_equal(text, "yes") && !g_str_equal(text, "no"))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "[VMM] %s: \"%s\" is neither \"yes\" nor \"no\"", key, text);
    *ret_value = g_str_equal(text, "yes");
    return true;
}

/* [VMM]; and what version 1.0 had instead of Jail=, where there is no such line yet. */
static bool
get_vmm(GKeyFile *file, BangerSettings *settings, GError **error)
{
    g_autofree char *user = get_string(file, "Firecracker", "User", "", error);

    if (user == NULL)
        return false;
    if (g_str_equal(user, "root"))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "[Firecracker] User: \"root\" is no longer possible, since a guest "
                                "that takes its VMM over would be root; [VMM] Jail=yes gives each "
                                "VMM a user of its own");
    if (user[0] != '\0' && !g_str_equal(user, "owner"))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "[Firecracker] User: \"%s\" is not \"owner\"", user);
    return get_switch(file, "Jail", user[0] == '\0', &settings->jail, error) &&
           get_switch(file, "ConsoleToJournal", true, &settings->console_to_journal, error);
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

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
get_network(GKeyFile *file, BangerSettings *settings, GError **error)
{
    settings->network = banger_network_settings_new();
    for (const char *const *key = banger_network_keys; *key != NULL; key++) {
        g_autofree char *value = NULL;

        if (!g_key_file_has_key(file, "Network", *key, NULL))
            continue;
        value = get_string(file, "Network", *key, "", error);
        if (value == NULL)
            return false;
        if (!banger_network_settings_set(settings->network, *key, value, error)) {
            g_prefix_error(error, "[Network] %s: ", *key);
            return false;
        }
    }
    return true;
}

/* The values of all files, the last one's first, and which file each of them is from. */
typedef struct {
    GKeyFile *values;
    GHashTable *sources; /* "[Group] Key" to the path */
} Merged;

static void
merge_file(Merged *merged, GKeyFile *file, const char *path)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

    for (char **group = groups; *group != NULL; group++) {
        g_auto(GStrv) keys = g_key_file_get_keys(file, *group, NULL, NULL);

        for (char **key = keys; *key != NULL; key++) {
            g_autofree char *value = g_key_file_get_value(file, *group, *key, NULL);

            g_key_file_set_value(merged->values, *group, *key, value);
            g_hash_table_replace(merged->sources, g_strdup_printf("[%s] %s", *group, *key),
                                 g_strdup(path));
        }
    }
}

/* Reads @path into @merged; a missing file is an empty one. */
static bool
load_file(Merged *merged, const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) file_error = NULL;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &file_error)) {
        if (g_error_matches(file_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return true;
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "%s: %s", path,
                                file_error->message);
    }
    if (!check_keys(file, error)) {
        g_prefix_error(error, "%s: ", path);
        return false;
    }
    merge_file(merged, file, path);
    return true;
}

/* Reads the drop-ins *.conf of the directory @path, in the order of their names. */
static bool
load_drop_ins(Merged *merged, const char *path, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GDir) directory = g_dir_open(path, 0, &reason);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    if (directory == NULL)
        return g_error_matches(reason, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
               g_error_matches(reason, G_FILE_ERROR, G_FILE_ERROR_NOTDIR) ||
               banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "%s: %s", path,
                                reason->message);
    while ((name = g_dir_read_name(directory)) != NULL)
        if (name[0] != '.' && g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(names, g_build_filename(path, name, NULL));
    g_ptr_array_sort(names, compare_names);
    for (unsigned int i = 0; i < names->len; i++)
        if (!load_file(merged, g_ptr_array_index(names, i), error))
            return false;
    return true;
}

/* Names the file that the value is from which @error complains about. */
static void
name_source(const Merged *merged, const char *path, GError **error)
{
    const char *message = *error == NULL ? "" : (*error)->message;
    const char *end = strchr(message, ':');
    g_autofree char *key = end == NULL ? NULL : g_strndup(message, (gsize)(end - message));
    const char *source = key == NULL ? NULL : g_hash_table_lookup(merged->sources, key);

    g_prefix_error(error, "%s: ", source != NULL ? source : path);
}

static bool
get_settings(GKeyFile *file, BangerSettings *settings, GError **error)
{
    return get_owner(file, settings, error) &&
           get_directory(file, "StateDirectory", BANGER_STATE_DIRECTORY, &settings->state_directory,
                         error) &&
           get_directory(file, "RuntimeDirectory", BANGER_RUNTIME_DIRECTORY,
                         &settings->runtime_directory, error) &&
           get_network(file, settings, error) && get_vmm(file, settings, error) &&
           get_idle_timeout(file, settings, error);
}

BangerSettings *
banger_config_load(const char *path, GError **error)
{
    g_autoptr(GKeyFile) values = g_key_file_new();
    g_autoptr(GHashTable) sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Merged merged = {values, sources};
    g_autofree char *drop_ins = g_strconcat(path, ".d", NULL);
    g_autoptr(BangerSettings) settings = g_new0(BangerSettings, 1);
    g_autoptr(GError) reason = NULL;

    if (!load_file(&merged, path, error) || !load_drop_ins(&merged, drop_ins, error))
        return NULL;
    if (!get_settings(values, settings, &reason)) {
        name_source(&merged, path, &reason);
        g_propagate_error(error, g_steal_pointer(&reason));
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
    banger_network_settings_free(settings->network);
    g_free(settings);
}
