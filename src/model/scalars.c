/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/scalars.h"

#include <string.h>

#include "model/names.h"

static void visit_fields(const BangerField *fields, const void *base, bool elements,
                         BangerScalarVisitor visit, void *user_data);

static void
visit_elements(const BangerField *field, const GArray *array, BangerScalarVisitor visit,
               void *user_data)
{
    for (guint i = 0; i < array->len; i++)
        visit_fields(field->members, array->data + i * field->size, true, visit, user_data);
}

/* @elements: those of arrays too. */
static void
visit_fields(const BangerField *fields, const void *base, bool elements, BangerScalarVisitor visit,
             void *user_data)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        switch (field->type) {
        case BANGER_TYPE_STRING:
            visit(field, *BANGER_CONST_MEMBER(base, field, char *), user_data);
            break;
        case BANGER_TYPE_BOOLEAN:
            visit(field, *BANGER_CONST_MEMBER(base, field, bool) ? "true" : "false", user_data);
            break;
        case BANGER_TYPE_UINT32: {
            char text[sizeof "4294967295"];

            (void)g_snprintf(text, sizeof text, "%u", *BANGER_CONST_MEMBER(base, field, uint32_t));
            visit(field, text, user_data);
            break;
        }
        case BANGER_TYPE_STRUCT:
        case BANGER_TYPE_DICT:
            visit_fields(field->members, BANGER_CONST_MEMBER(base, field, void), elements, visit,
                         user_data);
            break;
        case BANGER_TYPE_ARRAY:
            if (elements)
                visit_elements(field, *BANGER_CONST_MEMBER(base, field, GArray *), visit,
                               user_data);
            break;
        case BANGER_TYPE_BYTES:
            break;
        }
    }
}

void
banger_request_for_each_scalar(const BangerMethod *method, const BangerRequest *request,
                               BangerScalarVisitor visit, void *user_data)
{
    visit_fields(method->in, request, false, visit, user_data);
}

/* The namespace of the names of @kind; names of two kinds in one namespace can be the same object.
 */
static const char *
key_namespace(BangerKind kind)
{
    switch (kind) {
    case BANGER_KIND_LINK_NAME:
    case BANGER_KIND_TAP_NAME:
        return "link";
    case BANGER_KIND_DM_NAME:
    case BANGER_KIND_DM_TARGET:
        return "dm";
    case BANGER_KIND_VM_ID:
        return "vm";
    case BANGER_KIND_NUMBER:
        return "pid";
    default:
        return "path";
    }
}

static void
add_key(const BangerField *field, const char *text, void *user_data)
{
    GPtrArray *keys = user_data;
    g_autofree char *key = NULL;

    if (!(field->flags & BANGER_FIELD_EXCLUSIVE) || text[0] == '\0')
        return;
    if (g_str_has_prefix(text, BANGER_DM_DIRECTORY))
        key = g_strconcat("dm:", text + strlen(BANGER_DM_DIRECTORY), NULL);
    else
        key = g_strconcat(key_namespace(field->kind), ":", text, NULL);
    if (!g_ptr_array_find_with_equal_func(keys, key, g_str_equal, NULL))
        g_ptr_array_add(keys, g_steal_pointer(&key));
}

char **
banger_request_keys(const BangerMethod *method, const BangerRequest *request)
{
    GPtrArray *keys = g_ptr_array_new();

    visit_fields(method->in, request, true, add_key, keys);
    g_ptr_array_add(keys, NULL);
    return (char **)g_ptr_array_free(keys, FALSE);
}
