/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/machine-file.h"

#include <string.h>

#include "bangerctl/bus-value.h"
#include "model/bounds.h"
#include "model/methods.h"
#include "util/error.h"

typedef struct {
    GKeyFile *keys;
    const char *path;
    struct json_object *machine;
} Reader;

const BangerField *
machine_file_field(void)
{
    return banger_method(BANGER_METHOD_CREATE_MACHINE)->in;
}

const BangerField *
machine_file_members(void)
{
    return machine_file_field()->members;
}

static bool
refuse_key(const Reader *reader, const char *group, const char *key, const char *what,
           GError **error)
{
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: [%s] %s: %s", reader->path, group,
                            key, what);
}

/* The text of @key, without the escapes of key files. */
static char *
read_text(const Reader *reader, const char *group, const char *key, GError **error)
{
    g_autoptr(GError) local = NULL;
    char *text = g_key_file_get_string(reader->keys, group, key, &local);

    if (text == NULL)
        (void)refuse_key(reader, group, key, local->message, error);
    return text;
}

/* The value of @key, of the type that @field says, as the member @key of @object. */
static bool
add_key(const Reader *reader, const char *group, const char *key, const BangerField *field,
        struct json_object *object, GError **error)
{
    g_autoptr(GString) signature = g_string_new(NULL);
    g_autoptr(GError) local = NULL;
    g_autofree char *text = read_text(reader, group, key, error);
    struct json_object *value;

    if (text == NULL)
        return false;
    banger_field_append_signature(field, signature);
    value = bus_value_parse(signature->str, key, text, &local);
    if (value == NULL)
        return refuse_key(reader, group, key, local->message, error);
    (void)json_object_object_add(object, key, value);
    return true;
}

/* All keys of @group, which @members has, as members of @object. */
static bool
add_keys(const Reader *reader, const char *group, const BangerField *members,
         struct json_object *object, GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(reader->keys, group, NULL, NULL);

    for (char **key = keys; *key != NULL; key++) {
        const BangerField *field = banger_fields_find(members, *key);

        if (field == NULL)
            return refuse_key(reader, group, *key, "there is no such key here", error);
        if (!add_key(reader, group, *key, field, object, error))
            return false;
    }
    return true;
}

/* The member @name of @object, made by @make if it is not there. */
static struct json_object *
ensure_member(struct json_object *object, const char *name, struct json_object *(*make)(void))
{
    struct json_object *member = NULL;

    if (!json_object_object_get_ex(object, name, &member)) {
        member = make();
        (void)json_object_object_add(object, name, member);
    }
    return member;
}

/* [Drive ID]: the keys of a drive, and those of its options. */
static bool
read_drive(const Reader *reader, const char *group, const char *id, GError **error)
{
    const BangerField *drive = banger_fields_find(machine_file_members(), "drives")->members;
    const BangerField *options =
        banger_fields_find(machine_file_members(), "drive_options")->members[1].members;
    g_auto(GStrv) keys = g_key_file_get_keys(reader->keys, group, NULL, NULL);
    struct json_object *object = json_object_new_object();
    struct json_object *all;

    (void)json_object_array_add(ensure_member(reader->machine, "drives", json_object_new_array),
                                object);
    (void)json_object_object_add(object, "id", json_object_new_string(id));
    (void)json_object_object_add(object, "read_only", json_object_new_boolean(false));
    (void)json_object_object_add(object, "is_root", json_object_new_boolean(false));
    for (char **key = keys; *key != NULL; key++) {
        const BangerField *field = banger_fields_find(drive, *key);
        struct json_object *owner = object;

        if (field == NULL && (field = banger_fields_find(options, *key)) != NULL) {
            all = ensure_member(reader->machine, "drive_options", json_object_new_object);
            owner = ensure_member(all, id, json_object_new_object);
        }
        if (field == NULL)
            return refuse_key(reader, group, *key, "there is no such key here", error);
        if (!add_key(reader, group, *key, field, owner, error))
            return false;
    }
    return json_object_object_get_ex(object, "path", NULL) ||
           refuse_key(reader, group, "path", "is missing", error);
}

/* [Network]: the bridge. */
static bool
read_network(const Reader *reader, const char *group, const char *rest, GError **error)
{
    (void)rest;
    return add_keys(reader, group, banger_fields_find(machine_file_members(), "network")->members,
                    ensure_member(reader->machine, "network", json_object_new_object), error);
}

/* [Forward PROTOCOL PORT] */
static bool
read_forward(const Reader *reader, const char *group, const char *rest, GError **error)
{
    const BangerField *members =
        banger_fields_find(machine_file_members(), "port_forwards")->members;
    g_auto(GStrv) parts = g_strsplit(rest, " ", 2);
    struct json_object *object = json_object_new_object();
    struct json_object *port;

    (void)json_object_array_add(
        ensure_member(reader->machine, "port_forwards", json_object_new_array), object);
    if (g_strv_length(parts) != 2 || (port = bus_value_parse("q", "port", parts[1], NULL)) == NULL)
        return refuse_key(reader, group, "", "the group is [Forward PROTOCOL PORT]", error);
    (void)json_object_object_add(object, members[0].name, json_object_new_string(parts[0]));
    (void)json_object_object_add(object, members[1].name, port);
    return add_keys(reader, group, members, object, error);
}

/* The content of [File PATH]: that of "content", or of the file "source", as base64. */
static bool
add_content(const Reader *reader, const char *group, struct json_object *object, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *source = g_key_file_get_string(reader->keys, group, "source", NULL);
    g_autofree char *content = NULL, *folder = NULL, *whole = NULL, *text = NULL;
    gsize size = 0;

    if (source != NULL) {
        folder = g_path_get_dirname(reader->path);
        whole =
            g_path_is_absolute(source) ? g_strdup(source) : g_build_filename(folder, source, NULL);
        if (!g_file_get_contents(whole, &content, &size, &local))
            return refuse_key(reader, group, "source", local->message, error);
    } else {
        content = read_text(reader, group, "content", error);
        if (content == NULL)
            return false;
        size = strlen(content);
    }
    if (size > BANGER_GUEST_FILE_MAX)
        return refuse_key(reader, group, "source", "the file has more than 16 MiB", error);
    text = g_base64_encode((const guchar *)content, size);
    (void)json_object_object_add(object, "data", json_object_new_string(text));
    return true;
}

/* [File PATH] */
static bool
read_content(const Reader *reader, const char *group, const char *rest, GError **error)
{
    static const char *const known[] = {"content", "source", "mode", NULL};
    g_auto(GStrv) keys = g_key_file_get_keys(reader->keys, group, NULL, NULL);
    g_autofree char *mode = g_key_file_get_string(reader->keys, group, "mode", NULL);
    struct json_object *object = json_object_new_object();
    guint64 bits = 0;

    (void)json_object_array_add(ensure_member(reader->machine, "files", json_object_new_array),
                                object);
    for (char **key = keys; *key != NULL; key++)
        if (!g_strv_contains(known, *key))
            return refuse_key(reader, group, *key, "there is no such key here", error);
    if (mode != NULL && !g_ascii_string_to_unsigned(mode, 8, 0, 07777, &bits, NULL))
        return refuse_key(reader, group, "mode", "is no octal number up to 7777", error);
    (void)json_object_object_add(object, "guest_path", json_object_new_string(rest));
    (void)json_object_object_add(object, "mode", json_object_new_int64((int64_t)bits));
    return add_content(reader, group, object, error);
}

static bool
read_machine(const Reader *reader, const char *group, const char *rest, GError **error)
{
    (void)rest;
    return add_keys(reader, group, machine_file_members(), reader->machine, error);
}

static bool
read_group(const Reader *reader, const char *group, GError **error)
{
    static const struct {
        const char *name;
        bool has_rest;
        bool (*read)(const Reader *reader, const char *group, const char *rest, GError **error);
    } groups[] = {
        {"Machine", false, read_machine}, {"Network", false, read_network},
        {"Drive", true, read_drive},      {"Forward", true, read_forward},
        {"File", true, read_content},
    };
    g_auto(GStrv) parts = g_strsplit(group, " ", 2);

    for (size_t i = 0; parts[0] != NULL && i < G_N_ELEMENTS(groups); i++)
        if (g_str_equal(parts[0], groups[i].name) && (parts[1] != NULL) == groups[i].has_rest)
            return groups[i].read(reader, group, parts[1], error);
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s: [%s] is none of [Machine], [Network], [Drive ID], [Forward "
                            "PROTOCOL PORT], [File PATH]",
                            reader->path, group);
}

/* Without vm_id the machine has the name of its file. */
static void
add_name(const Reader *reader)
{
    g_autofree char *name = g_path_get_basename(reader->path);
    char *extension = strrchr(name, '.');

    if (json_object_object_get_ex(reader->machine, "vm_id", NULL))
        return;
    if (extension != NULL)
        *extension = '\0';
    (void)json_object_object_add(reader->machine, "vm_id", json_object_new_string(name));
}

bool
machine_file_read(const char *path, struct json_object **ret_machine, GError **error)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) local = NULL;
    g_auto(GStrv) groups = NULL;
    Reader reader = {keys, path, NULL};
    bool ok = true;

    if (!g_key_file_load_from_file(keys, path, G_KEY_FILE_NONE, &local))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "%s: %s", path,
                                local->message);
    reader.machine = json_object_new_object();
    groups = g_key_file_get_groups(keys, NULL);
    for (char **group = groups; ok && *group != NULL; group++)
        ok = read_group(&reader, *group, error);
    if (!ok) {
        json_object_put(reader.machine);
        return false;
    }
    add_name(&reader);
    *ret_machine = reader.machine;
    return true;
}
