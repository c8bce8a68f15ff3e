/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/validate.h"

#include <string.h>

#include "model/bounds.h"
#include "model/details.h"
#include "util/error.h"

static bool validate_fields(const BangerField *fields, void *base, GError **error);

static bool
validate_number(const BangerField *field, void *base, GError **error)
{
    uint64_t number = banger_field_number(field, base);

    if (field->kind == BANGER_KIND_FILE_MODE) {
        number &= 07777;
        banger_field_set_number(field, base, number != 0 ? number : 0644);
        return true;
    }
    if (number < field->min || number > field->max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%" G_GUINT64_FORMAT " is not from %" G_GUINT64_FORMAT
                                " to %" G_GUINT64_FORMAT,
                                number, field->min, field->max);
    return true;
}

static bool
validate_array(const BangerField *field, GArray *array, GError **error)
{
    if (array->len < field->min || array->len > field->max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%u elements, not from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                                array->len, field->min, field->max);
    for (unsigned int i = 0; i < array->len; i++) {
        if (!validate_fields(field->members, array->data + i * field->size, error)) {
            g_prefix_error(error, "element %u: ", i);
            return false;
        }
    }
    return true;
}

static bool
validate_bytes(const BangerField *field, GBytes *bytes, GError **error)
{
    if (g_bytes_get_size(bytes) > field->max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%zu bytes are over the limit of %" G_GUINT64_FORMAT,
                                g_bytes_get_size(bytes), field->max);
    return true;
}

static bool
validate_field(const BangerField *field, void *base, GError **error)
{
    /* A key that was left out is its default, whatever the limits of those that are given. */
    if ((field->flags & BANGER_FIELD_PRESENCE) && !banger_field_is_present(field, base))
        return true;
    switch (field->type) {
    case BANGER_TYPE_UINT16:
    case BANGER_TYPE_UINT32:
    case BANGER_TYPE_UINT64:
        return validate_number(field, base, error);
    case BANGER_TYPE_BYTES:
        return validate_bytes(field, *BANGER_MEMBER(base, field, GBytes *), error);
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
    case BANGER_TYPE_MAP:
        return validate_array(field, *BANGER_MEMBER(base, field, GArray *), error);
    case BANGER_TYPE_STRUCT:
    case BANGER_TYPE_DICT:
        return validate_fields(field->members, BANGER_MEMBER(base, field, void), error);
    default:
        return true; /* strings were parsed already */
    }
}

static bool
validate_fields(const BangerField *fields, void *base, GError **error)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        if (!validate_field(field, base, error)) {
            g_prefix_error(error, "%s: ", field->name);
            return false;
        }
    }
    return true;
}

/* @user_data: GError **, NULL until a detail is too long. */
static void
check_detail(const BangerField *field, const char *text, void *user_data)
{
    GError **error = user_data;

    if (*error == NULL && strlen(text) > BANGER_DETAIL_MAX)
        (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                               "%s: more than the %u bytes that polkit is asked about", field->name,
                               BANGER_DETAIL_MAX);
}

bool
banger_request_validate(const BangerMethod *method, BangerRequest *request,
                        const BangerSettings *settings, GError **error)
{
    GError *failure = NULL;

    if (!validate_fields(method->in, request, error) ||
        (method->validate != NULL && !method->validate(request, settings, error)))
        return false;
    banger_request_for_each_detail(method, request, check_detail, &failure);
    if (failure == NULL)
        return true;
    g_propagate_error(error, failure);
    return false;
}
