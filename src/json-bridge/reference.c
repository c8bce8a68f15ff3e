/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/reference.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "json-bridge/json.h"

static struct json_object *
find_argument(const BangerMethod *method, size_t index, struct json_object *params)
{
    return banger_json_argument(&method->in[index], index, params);
}

static bool
is_blank(struct json_object *value)
{
    const char *text = value != NULL ? banger_json_text(value) : "";

    return text != NULL && text[strspn(text, " \t\n\v\f\r")] == '\0';
}

/* Whether @value is a whole number that is none of a process. */
static bool
is_impossible_pid(struct json_object *value)
{
    return json_object_is_type(value, json_type_int) &&
           (json_object_get_int64(value) < 0 || json_object_get_int64(value) > INT32_MAX);
}

struct json_object *
banger_reference_params(const BangerMethod *method, struct json_object *params)
{
    struct json_object *running;

    if (method->id == BANGER_METHOD_SYNC_RESOLVER_ROUTING &&
        (is_blank(find_argument(method, 0, params)) || is_blank(find_argument(method, 1, params))))
        return NULL;
    if (method->id != BANGER_METHOD_PROCESS_RUNNING ||
        !is_impossible_pid(find_argument(method, 0, params)))
        return json_object_get(params);
    /* No process has the number 0. */
    running = json_object_new_array();
    (void)json_object_array_add(running, json_object_new_int(0));
    (void)json_object_array_add(running, json_object_get(find_argument(method, 1, params)));
    return running;
}

char *
banger_reference_clean_path(BangerKind kind, const char *text)
{
    g_autofree char *stripped = NULL;
    g_autofree char *clean = NULL;
    const char *path;

    if (kind != BANGER_KIND_STATE_PATH && kind != BANGER_KIND_RUNTIME_PATH &&
        kind != BANGER_KIND_IMAGE_PATH)
        return NULL;
    stripped = g_strstrip(g_strdup(text));
    if (stripped[0] != '/')
        return NULL;
    /* To GLib exactly two slashes at the start are a root of their own. */
    path = stripped + strspn(stripped, "/") - 1;
    clean = g_canonicalize_filename(path, "/");
    return g_str_equal(clean, text) ? NULL : g_steal_pointer(&clean);
}
