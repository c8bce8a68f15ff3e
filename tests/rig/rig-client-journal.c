/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "rig/rig-client.h"

/* The fields of one line of the collector's file; NULL if it is not whole yet. */
static GHashTable *
parse_line(const char *line)
{
    struct json_object *object = json_tokener_parse(line);
    GHashTable *record;

    if (object == NULL)
        return NULL;
    record = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    json_object_object_foreach (object, name, value) {
        g_hash_table_insert(record, g_strdup(name), g_strdup(json_object_get_string(value)));
    }
    json_object_put(object);
    return record;
}

GPtrArray *
rig_journal_find(const char *name, const char *value)
{
    g_autofree char *path = g_build_filename(g_getenv("BANGER_RIG_DIR"), "journal.jsonl", NULL);
    GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    ck_assert_msg(g_file_get_contents(path, &text, NULL, NULL), "%s cannot be read", path);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_autoptr(GHashTable) record = parse_line(*line);
        const char *field = record == NULL ? NULL : g_hash_table_lookup(record, name);

        if (field != NULL && (value == NULL || strcmp(field, value) == 0))
            g_ptr_array_add(found, g_steal_pointer(&record));
    }
    return found;
}

typedef struct {
    const char *op_id;
    GHashTable *record;
} Wanted;

static bool
is_there(void *data)
{
    Wanted *wanted = data;
    g_autoptr(GPtrArray) found = rig_journal_find("OP_ID", wanted->op_id);

    for (guint i = 0; i < found->len; i++) {
        GHashTable *record = g_ptr_array_index(found, i);
        const char *priority = g_hash_table_lookup(record, "PRIORITY");

        if (priority == NULL || atoi(priority) >= LOG_DEBUG)
            continue;
        wanted->record = g_hash_table_ref(record);
        return true;
    }
    return false;
}

GHashTable *
rig_journal_wait(const char *op_id)
{
    Wanted wanted = {op_id, NULL};

    rig_wait_for(is_there, &wanted, "the journal's record of an op_id");
    return wanted.record;
}
