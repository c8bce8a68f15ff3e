/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/field.h"

#include <unistd.h>

#include "model/value.h"

static const char type_codes[] = {
    [BANGER_TYPE_STRING] = 's', [BANGER_TYPE_OBJECT_PATH] = 'o', [BANGER_TYPE_BOOLEAN] = 'b',
    [BANGER_TYPE_UINT16] = 'q', [BANGER_TYPE_INT32] = 'i',       [BANGER_TYPE_UINT32] = 'u',
    [BANGER_TYPE_UINT64] = 't', [BANGER_TYPE_DOUBLE] = 'd',      [BANGER_TYPE_HANDLE] = 'h',
};

bool
banger_type_is_number(BangerType type)
{
    return type == BANGER_TYPE_UINT16 || type == BANGER_TYPE_INT32 || type == BANGER_TYPE_UINT32 ||
           type == BANGER_TYPE_UINT64;
}

char
banger_type_code(BangerType type)
{
    if (type >= G_N_ELEMENTS(type_codes))
        return '\0';
    return type_codes[type];
}

static void
append_member_signatures(const BangerField *members, GString *signature)
{
    g_string_append_c(signature, '(');
    for (const BangerField *member = members; member->name != NULL; member++)
        banger_field_append_signature(member, signature);
    g_string_append_c(signature, ')');
}

void
banger_field_append_signature(const BangerField *field, GString *signature)
{
    switch (field->type) {
    case BANGER_TYPE_BYTES:
        g_string_append(signature, "ay");
        break;
    case BANGER_TYPE_STRUCT:
        append_member_signatures(field->members, signature);
        break;
    case BANGER_TYPE_ARRAY:
        g_string_append_c(signature, 'a');
        append_member_signatures(field->members, signature);
        break;
    case BANGER_TYPE_LIST:
        g_string_append_c(signature, 'a');
        banger_field_append_signature(field->members, signature);
        break;
    case BANGER_TYPE_DICT:
        g_string_append(signature, "a{sv}");
        break;
    case BANGER_TYPE_MAP:
        g_string_append(signature, "a{sa{sv}}");
        break;
    default:
        g_string_append_c(signature, banger_type_code(field->type));
        break;
    }
}

char *
banger_fields_signature(const BangerField *fields)
{
    GString *signature = g_string_new(NULL);

    for (const BangerField *field = fields; field->name != NULL; field++)
        banger_field_append_signature(field, signature);
    return g_string_free(signature, FALSE);
}

const BangerField *
banger_fields_find(const BangerField *fields, const char *name)
{
    for (const BangerField *field = fields; field->name != NULL; field++)
        if (g_str_equal(field->name, name))
            return field;
    return NULL;
}

static void
clear_array(const BangerField *field, GArray **array)
{
    for (unsigned int i = 0; *array != NULL && i < (*array)->len; i++)
        banger_fields_clear(field->members, (*array)->data + i * field->size);
    g_clear_pointer(array, g_array_unref);
}

static void
clear_handle(BangerHandle *handle)
{
    if (handle->is_open)
        (void)close(handle->fd);
    *handle = (BangerHandle){0};
}

void
banger_fields_clear(const BangerField *fields, void *base)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        switch (field->type) {
        case BANGER_TYPE_STRING:
            banger_value_clear(field, base);
            break;
        case BANGER_TYPE_OBJECT_PATH:
            g_clear_pointer(BANGER_MEMBER(base, field, char *), g_free);
            break;
        case BANGER_TYPE_HANDLE:
            clear_handle(BANGER_MEMBER(base, field, BangerHandle));
            break;
        case BANGER_TYPE_BYTES:
            g_clear_pointer(BANGER_MEMBER(base, field, GBytes *), g_bytes_unref);
            break;
        case BANGER_TYPE_ARRAY:
        case BANGER_TYPE_LIST:
        case BANGER_TYPE_MAP:
            clear_array(field, BANGER_MEMBER(base, field, GArray *));
            break;
        case BANGER_TYPE_STRUCT:
        case BANGER_TYPE_DICT:
            banger_fields_clear(field->members, BANGER_MEMBER(base, field, void));
            break;
        default:
            break;
        }
    }
}

static void
fill_absent_array(const BangerField *field, GArray **array)
{
    if (*array == NULL)
        *array = banger_field_new_array(field);
    for (unsigned int i = 0; i < (*array)->len; i++)
        banger_fields_fill_absent(field->members, (*array)->data + i * field->size);
}

void
banger_fields_fill_absent(const BangerField *fields, void *base)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        switch (field->type) {
        case BANGER_TYPE_STRING:
            banger_value_fill_absent(field, base);
            break;
        case BANGER_TYPE_OBJECT_PATH:
            if (*BANGER_MEMBER(base, field, char *) == NULL)
                *BANGER_MEMBER(base, field, char *) = g_strdup("/");
            break;
        case BANGER_TYPE_BYTES:
            if (*BANGER_MEMBER(base, field, GBytes *) == NULL)
                *BANGER_MEMBER(base, field, GBytes *) = g_bytes_new(NULL, 0);
            break;
        case BANGER_TYPE_ARRAY:
        case BANGER_TYPE_LIST:
        case BANGER_TYPE_MAP:
            fill_absent_array(field, BANGER_MEMBER(base, field, GArray *));
            break;
        case BANGER_TYPE_STRUCT:
        case BANGER_TYPE_DICT:
            banger_fields_fill_absent(field->members, BANGER_MEMBER(base, field, void));
            break;
        default:
            break;
        }
    }
}

uint64_t
banger_field_number(const BangerField *field, const void *base)
{
    switch (field->type) {
    case BANGER_TYPE_UINT16:
        return *BANGER_CONST_MEMBER(base, field, uint16_t);
    case BANGER_TYPE_INT32:
        return (uint64_t)*BANGER_CONST_MEMBER(base, field, int32_t);
    case BANGER_TYPE_UINT32:
        return *BANGER_CONST_MEMBER(base, field, uint32_t);
    case BANGER_TYPE_UINT64:
        return *BANGER_CONST_MEMBER(base, field, uint64_t);
    default:
        g_assert_not_reached();
    }
}

void
banger_field_set_number(const BangerField *field, void *base, uint64_t number)
{
    switch (field->type) {
    case BANGER_TYPE_BOOLEAN:
        *BANGER_MEMBER(base, field, bool) = number != 0;
        break;
    case BANGER_TYPE_UINT16:
        *BANGER_MEMBER(base, field, uint16_t) = (uint16_t)number;
        break;
    case BANGER_TYPE_INT32:
        *BANGER_MEMBER(base, field, int32_t) = (int32_t)number;
        break;
    case BANGER_TYPE_UINT32:
        *BANGER_MEMBER(base, field, uint32_t) = (uint32_t)number;
        break;
    case BANGER_TYPE_UINT64:
        *BANGER_MEMBER(base, field, uint64_t) = number;
        break;
    default:
        g_assert_not_reached();
    }
}

bool
banger_field_is_present(const BangerField *field, const void *base)
{
    g_assert(field->flags & BANGER_FIELD_PRESENCE);
    return *(const bool *)((const char *)base + field->presence);
}

GArray *
banger_field_new_array(const BangerField *field)
{
    return g_array_new(FALSE, TRUE, (unsigned int)field->size);
}
