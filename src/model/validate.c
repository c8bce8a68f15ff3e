/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/validate.h"

#include <string.h>

#include "model/address.h"
#include "model/limits.h"
#include "model/names.h"
#include "util/error.h"

static bool validate_fields(const BangerField *fields, void *base, const BangerSettings *settings,
                            GError **error);

/* Replaces *@text by the canonical form of the address it is. */
static bool
check_address(char **text, GError **error)
{
    BangerAddress address;

    if (!banger_address_parse(*text, &address, error))
        return false;
    g_free(*text);
    *text = banger_address_format(&address);
    return true;
}

static bool
check_cidr(const char *text, GError **error)
{
    if (!banger_prefix_is_valid(text))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is neither a prefix length (\"24\") nor a network "
                                "(\"172.16.0.0/24\")",
                                text);
    return true;
}

static bool
check_server(const char *text, GError **error)
{
    BangerServer server;

    return banger_server_parse(text, &server, error);
}

/* Reduces *@target, a dm name or its path, to the name. */
static bool
check_dm_target(char **target, GError **error)
{
    if ((*target)[0] != '/')
        return banger_name_check_dm(*target, error);
    if (!banger_name_check_dm_path(*target, error))
        return false;
    memmove(*target, *target + strlen(BANGER_DM_DIRECTORY),
            strlen(*target + strlen(BANGER_DM_DIRECTORY)) + 1);
    return true;
}

static bool
check_image_path(const char *path, const BangerSettings *settings, GError **error)
{
    if (g_str_has_prefix(path, BANGER_DM_DIRECTORY))
        return banger_name_check_dm_path(path, error);
    return banger_path_check_below(path, settings->state_directory, error);
}

static bool
check_binary(const char *text, bool path_only, GError **error)
{
    if (text[0] != '/' && (path_only || strchr(text, '/') != NULL || g_str_equal(text, ".") ||
                           g_str_equal(text, "..")))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                path_only ? "\"%s\" is not an absolute path"
                                          : "\"%s\" is neither a bare name nor an absolute path",
                                text);
    return true;
}

static bool
check_string(const BangerField *field, char **text, const BangerSettings *settings, GError **error)
{
    switch (field->kind) {
    case BANGER_KIND_LINK_NAME:
        return banger_name_check_link(*text, error);
    case BANGER_KIND_TAP_NAME:
        return banger_name_check_tap(*text, error);
    case BANGER_KIND_ADDRESS:
        return check_address(text, error);
    case BANGER_KIND_SERVER:
        return check_server(*text, error);
    case BANGER_KIND_CIDR:
        return check_cidr(*text, error);
    case BANGER_KIND_DM_NAME:
        return banger_name_check_dm(*text, error);
    case BANGER_KIND_DM_TARGET:
        return check_dm_target(text, error);
    case BANGER_KIND_DM_PATH:
        return banger_name_check_dm_path(*text, error);
    case BANGER_KIND_LOOP_PATH:
        return banger_name_check_loop_path(*text, error);
    case BANGER_KIND_STATE_PATH:
        return banger_path_check_below(*text, settings->state_directory, error);
    case BANGER_KIND_RUNTIME_PATH:
        return banger_path_check_socket(*text, settings->runtime_directory, error);
    case BANGER_KIND_IMAGE_PATH:
        return check_image_path(*text, settings, error);
    case BANGER_KIND_GUEST_PATH:
        return banger_path_check_guest(*text, error);
    case BANGER_KIND_BINARY:
        return check_binary(*text, false, error);
    case BANGER_KIND_BINARY_PATH:
        return check_binary(*text, true, error);
    case BANGER_KIND_VM_ID:
        return banger_name_check_vm_id(*text, error);
    case BANGER_KIND_DRIVE_ID:
        return banger_name_check_drive_id(*text, error);
    case BANGER_KIND_SIGNAL:
        return banger_signal_parse(*text, error) != 0;
    case BANGER_KIND_TEXT:
    case BANGER_KIND_NUMBER:
    case BANGER_KIND_FILE_MODE:
        break;
    }
    return true;
}

static bool
validate_string(const BangerField *field, char **text, const BangerSettings *settings,
                GError **error)
{
    g_strstrip(*text);
    if (!g_utf8_validate(*text, -1, NULL))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "not valid UTF-8");
    for (const char *c = *text; *c != '\0'; c++)
        if ((guchar)*c < 0x20 || *c == 0x7f)
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "contains the control byte 0x%02x", (guint)(guchar)*c);
    if (**text == '\0') {
        if (field->flags & (BANGER_FIELD_MAY_BE_EMPTY | BANGER_FIELD_OPTIONAL))
            return true;
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "must not be empty");
    }
    if (strlen(*text) > BANGER_TEXT_MAX)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "is longer than %u bytes",
                                BANGER_TEXT_MAX);
    return check_string(field, text, settings, error);
}

static bool
validate_number(const BangerField *field, uint32_t *number, GError **error)
{
    if (field->kind == BANGER_KIND_FILE_MODE) {
        *number &= 07777;
        if (*number == 0)
            *number = 0644;
        return true;
    }
    if (*number < field->min || *number > field->max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%u is not from %u to %u", *number,
                                field->min, field->max);
    return true;
}

static bool
validate_array(const BangerField *field, GArray *array, const BangerSettings *settings,
               GError **error)
{
    if (array->len < field->min || array->len > field->max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%u elements, not from %u to %u",
                                array->len, field->min, field->max);
    for (guint i = 0; i < array->len; i++) {
        if (!validate_fields(field->members, array->data + i * field->size, settings, error)) {
            g_prefix_error(error, "element %u: ", i);
            return false;
        }
    }
    return true;
}

static bool
validate_field(const BangerField *field, void *base, const BangerSettings *settings, GError **error)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
        return validate_string(field, BANGER_MEMBER(base, field, char *), settings, error);
    case BANGER_TYPE_UINT32:
        return validate_number(field, BANGER_MEMBER(base, field, uint32_t), error);
    case BANGER_TYPE_BYTES: {
        GBytes *bytes = *BANGER_MEMBER(base, field, GBytes *);

        if (g_bytes_get_size(bytes) > field->max)
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "%zu bytes are over the limit of %u", g_bytes_get_size(bytes),
                                    field->max);
        return true;
    }
    case BANGER_TYPE_ARRAY:
        return validate_array(field, *BANGER_MEMBER(base, field, GArray *), settings, error);
    case BANGER_TYPE_STRUCT:
    case BANGER_TYPE_DICT:
        return validate_fields(field->members, BANGER_MEMBER(base, field, void), settings, error);
    case BANGER_TYPE_BOOLEAN:
        break;
    }
    return true;
}

static bool
validate_fields(const BangerField *fields, void *base, const BangerSettings *settings,
                GError **error)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        if (!validate_field(field, base, settings, error)) {
            g_prefix_error(error, "%s: ", field->name);
            return false;
        }
    }
    return true;
}

bool
banger_request_validate(const BangerMethod *method, BangerRequest *request,
                        const BangerSettings *settings, GError **error)
{
    if (!validate_fields(method->in, request, settings, error))
        return false;
    return method->validate == NULL || method->validate(request, settings, error);
}
