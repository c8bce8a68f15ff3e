/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/details.h"

#include <string.h>

#include "model/names.h"
#include "model/value.h"

/* How the members and elements of what is joined are kept apart. */
typedef enum {
    LEVEL_ARGUMENT, /* elements and keys by a line feed */
    LEVEL_ELEMENT,  /* by a blank */
} Level;

static void append_joined(const BangerField *field, const void *base, Level level, GString *text);

static bool
is_path(const BangerField *field)
{
    switch (field->kind) {
    case BANGER_KIND_STATE_PATH:
    case BANGER_KIND_RUNTIME_PATH:
    case BANGER_KIND_IMAGE_PATH:
    case BANGER_KIND_GUEST_PATH:
        return field->type == BANGER_TYPE_STRING;
    default:
        return false;
    }
}

/* Whether @field of the struct at @base has a part in a joined text. */
static bool
is_told(const BangerField *field, const void *base)
{
    if (field->type == BANGER_TYPE_BYTES || field->type == BANGER_TYPE_HANDLE ||
        (field->flags & (BANGER_FIELD_SECRET | BANGER_FIELD_NO_DETAIL)))
        return false;
    return !(field->flags & BANGER_FIELD_PRESENCE) || banger_field_is_present(field, base);
}

static void
append_member(const BangerField *member, const void *base, GString *text)
{
    g_autoptr(GString) value = g_string_new(NULL);

    append_joined(member, base, LEVEL_ELEMENT, value);
    if (text->len > 0)
        g_string_append_c(text, ' ');
    g_string_append(text, value->str);
}

/* Those of @members that are paths, or those that are not. */
static void
append_members(const BangerField *members, const void *base, bool paths, GString *text)
{
    for (const BangerField *member = members; member->name != NULL; member++)
        if (is_path(member) == paths && is_told(member, base))
            append_member(member, base, text);
}

static void
append_struct(const BangerField *members, const void *base, GString *text)
{
    append_members(members, base, false, text);
    append_members(members, base, true, text);
}

/* "KEY=VALUE", and what is "" left out. */
static void
append_dict(const BangerField *members, const void *base, Level level, GString *text)
{
    for (const BangerField *member = members; member->name != NULL; member++) {
        g_autoptr(GString) value = g_string_new(NULL);

        if (!is_told(member, base))
            continue;
        append_joined(member, base, LEVEL_ELEMENT, value);
        if (value->len == 0)
            continue;
        if (text->len > 0)
            g_string_append_c(text, level == LEVEL_ARGUMENT ? '\n' : ' ');
        g_string_append_printf(text, "%s=%s", member->name, value->str);
    }
}

static void
append_elements(const BangerField *field, const GArray *array, Level level, GString *text)
{
    for (unsigned int i = 0; i < array->len; i++) {
        g_autoptr(GString) element = g_string_new(NULL);

        append_struct(field->members, array->data + i * field->size, element);
        if (i > 0)
            g_string_append_c(text, level == LEVEL_ARGUMENT ? '\n' : ',');
        g_string_append(text, element->str);
    }
}

/* The value of @field in one text. */
static void
append_joined(const BangerField *field, const void *base, Level level, GString *text)
{
    const void *member = BANGER_CONST_MEMBER(base, field, void);
    g_autofree char *value = NULL;

    switch (field->type) {
    case BANGER_TYPE_STRUCT:
        append_struct(field->members, member, text);
        break;
    case BANGER_TYPE_DICT:
        append_dict(field->members, member, level, text);
        break;
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
    case BANGER_TYPE_MAP:
        append_elements(field, *(GArray *const *)member, level, text);
        break;
    default:
        value = banger_value_format(field, base);
        g_string_append(text, value);
    }
}

/* Whether a secret was given. */
static bool
is_given(const BangerField *field, const void *base)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if ((field->flags & BANGER_FIELD_PRESENCE) && field->type != BANGER_TYPE_STRING)
        return banger_field_is_present(field, base);
    append_joined(field, base, LEVEL_ARGUMENT, text);
    return text->len > 0;
}

static void
visit_field(const BangerField *field, const void *base, BangerDetailVisitor visit, void *user_data)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (field->flags & BANGER_FIELD_SECRET)
        g_string_append(text, is_given(field, base) ? "true" : "");
    else if (is_told(field, base))
        append_joined(field, base, LEVEL_ARGUMENT, text);
    /* A structure that was not given has members without text. */
    if (strspn(text->str, " ") == text->len)
        g_string_truncate(text, 0);
    visit(field, text->str, user_data);
}

/* The members of the struct or dictionary @field: those of an argument are details themselves. */
static void
visit_details(const BangerField *fields, const void *base, bool arguments,
              BangerDetailVisitor visit, void *user_data)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        bool is_argument_dict = arguments && field->type == BANGER_TYPE_DICT;

        if (!is_argument_dict && field->type != BANGER_TYPE_BYTES &&
            field->type != BANGER_TYPE_HANDLE)
            visit_field(field, base, visit, user_data);
        if (is_argument_dict || field->type == BANGER_TYPE_STRUCT)
            visit_details(field->members, BANGER_CONST_MEMBER(base, field, void), false, visit,
                          user_data);
    }
}

void
banger_request_for_each_detail(const BangerMethod *method, const BangerRequest *request,
                               BangerDetailVisitor visit, void *user_data)
{
    visit_details(method->in, request, true, visit, user_data);
}

/*
 * The namespace of the names of @kind; names of two kinds in one namespace can be the same object.
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

static bool
is_key_shared(const BangerField *field, const void *base)
{
    return (field->flags & BANGER_FIELD_SHARED) ||
           ((field->flags & BANGER_FIELD_READ_ONLY) &&
            *(const bool *)((const char *)base + field->read_only));
}

/* Nothing is waited for twice: who has an object alone needs no share of it. */
static void
add_key(const BangerField *field, const void *base, GPtrArray *keys)
{
    g_autofree char *text = banger_value_format(field, base);
    g_autofree char *share = NULL;
    bool is_shared = is_key_shared(field, base);
    const char *alone;
    unsigned int at;

    if (text[0] == '\0')
        return;
    if (g_str_has_prefix(text, BANGER_DM_DIRECTORY))
        share = g_strconcat(BANGER_KEY_SHARED "dm:", text + strlen(BANGER_DM_DIRECTORY), NULL);
    else
        share = g_strconcat(BANGER_KEY_SHARED, key_namespace(field->kind), ":", text, NULL);
    alone = share + strlen(BANGER_KEY_SHARED);
    if (g_ptr_array_find_with_equal_func(keys, alone, g_str_equal, NULL))
        return;
    if (g_ptr_array_find_with_equal_func(keys, share, g_str_equal, &at)) {
        if (is_shared)
            return;
        g_ptr_array_remove_index(keys, at);
    }
    g_ptr_array_add(keys, g_strdup(is_shared ? share : alone));
}

static void
add_keys(const BangerField *fields, const void *base, GPtrArray *keys)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        if (field->flags & (BANGER_FIELD_EXCLUSIVE | BANGER_FIELD_SHARED)) {
            add_key(field, base, keys);
        } else if (field->type == BANGER_TYPE_STRUCT || field->type == BANGER_TYPE_DICT) {
            add_keys(field->members, BANGER_CONST_MEMBER(base, field, void), keys);
        } else if (field->type == BANGER_TYPE_ARRAY || field->type == BANGER_TYPE_LIST ||
                   field->type == BANGER_TYPE_MAP) {
            const GArray *array = *BANGER_CONST_MEMBER(base, field, GArray *);

            for (unsigned int i = 0; i < array->len; i++)
                add_keys(field->members, array->data + i * field->size, keys);
        }
    }
}

char **
banger_request_keys(const BangerMethod *method, const BangerRequest *request)
{
    GPtrArray *keys = g_ptr_array_new_with_free_func(g_free);

    add_keys(method->in, request, keys);
    g_ptr_array_add(keys, NULL);
    return (char **)g_ptr_array_free(keys, FALSE);
}
