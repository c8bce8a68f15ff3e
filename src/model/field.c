/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/field.h"

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
    case BANGER_TYPE_STRING:
        g_string_append_c(signature, 's');
        break;
    case BANGER_TYPE_BOOLEAN:
        g_string_append_c(signature, 'b');
        break;
    case BANGER_TYPE_UINT32:
        g_string_append_c(signature, 'u');
        break;
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
    case BANGER_TYPE_DICT:
        g_string_append(signature, "a{sv}");
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

void
banger_fields_clear(const BangerField *fields, void *base)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        switch (field->type) {
        case BANGER_TYPE_STRING:
            g_clear_pointer(BANGER_MEMBER(base, field, char *), g_free);
            break;
        case BANGER_TYPE_BYTES:
            g_clear_pointer(BANGER_MEMBER(base, field, GBytes *), g_bytes_unref);
            break;
        case BANGER_TYPE_ARRAY: {
            GArray **array = BANGER_MEMBER(base, field, GArray *);

            for (guint i = 0; *array != NULL && i < (*array)->len; i++)
                banger_fields_clear(field->members, (*array)->data + i * field->size);
            g_clear_pointer(array, g_array_unref);
            break;
        }
        case BANGER_TYPE_STRUCT:
        case BANGER_TYPE_DICT:
            banger_fields_clear(field->members, BANGER_MEMBER(base, field, void));
            break;
        case BANGER_TYPE_BOOLEAN:
        case BANGER_TYPE_UINT32:
            break;
        }
    }
}

void
banger_fields_fill_absent(const BangerField *fields, void *base)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        switch (field->type) {
        case BANGER_TYPE_STRING:
            if (*BANGER_MEMBER(base, field, char *) == NULL)
                *BANGER_MEMBER(base, field, char *) = g_strdup("");
            break;
        case BANGER_TYPE_BYTES:
            if (*BANGER_MEMBER(base, field, GBytes *) == NULL)
                *BANGER_MEMBER(base, field, GBytes *) = g_bytes_new(NULL, 0);
            break;
        case BANGER_TYPE_ARRAY:
            if (*BANGER_MEMBER(base, field, GArray *) == NULL)
                *BANGER_MEMBER(base, field, GArray *) = banger_field_new_array(field);
            break;
        case BANGER_TYPE_STRUCT:
        case BANGER_TYPE_DICT:
            banger_fields_fill_absent(field->members, BANGER_MEMBER(base, field, void));
            break;
        case BANGER_TYPE_BOOLEAN:
        case BANGER_TYPE_UINT32:
            break;
        }
    }
}

GArray *
banger_field_new_array(const BangerField *field)
{
    return g_array_new(FALSE, TRUE, (guint)field->size);
}
