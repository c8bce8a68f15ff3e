/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/value.h"

#include <signal.h>
#include <string.h>

#include "model/address.h"
#include "model/bounds.h"
#include "model/destination.h"
#include "model/names.h"
#include "model/requests.h"
#include "util/error.h"
#include "util/path.h"
#include "util/text.h"

/* Where @text has a control character other than those between the tokens of JSON, or NULL. */
static const char *
find_unprintable_in_lines(const char *text)
{
    g_autofree char *line = g_strdup(text);
    const char *at;

    (void)g_strdelimit(line, "\t\n\r", ' ');
    at = banger_text_find_unprintable(line);
    return at != NULL ? text + (at - line) : NULL;
}

/* @text without the white space around it; NULL if it is no text that an argument can be. */
static char *
trim_text(BangerKind kind, const char *text, GError **error)
{
    g_autofree char *trimmed = g_strstrip(g_strdup(text));
    unsigned int max = kind == BANGER_KIND_JSON ? BANGER_JSON_TEXT_MAX : BANGER_TEXT_MAX;
    const char *at = NULL;

    if (!g_utf8_validate(trimmed, -1, NULL)) {
        (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "not valid UTF-8");
        return NULL;
    }
    at = kind == BANGER_KIND_JSON ? find_unprintable_in_lines(trimmed)
                                  : banger_text_find_unprintable(trimmed);
    if (at != NULL)
        (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                               "contains the character U+%04X, which is not printable",
                               g_utf8_get_char(at));
    else if (strlen(trimmed) > max)
        (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "is longer than %u bytes", max);
    else
        return g_steal_pointer(&trimmed);
    return NULL;
}

/* The name of the dm device @path. */
static bool
parse_dm_path(const char *path, char **ret_name, GError **error)
{
    if (!banger_name_check_dm_path(path, error))
        return false;
    *ret_name = g_strdup(path + strlen(BANGER_DM_DIRECTORY));
    return true;
}

/* @target is a dm name or its path. */
static bool
parse_dm_target(const char *target, char **ret_name, GError **error)
{
    if (target[0] == '/')
        return parse_dm_path(target, ret_name, error);
    if (!banger_name_check_dm(target, error))
        return false;
    *ret_name = g_strdup(target);
    return true;
}

static bool
parse_image_path(const char *path, const BangerSettings *settings, BangerImagePath *ret_image,
                 GError **error)
{
    bool is_device = g_str_has_prefix(path, BANGER_DM_DIRECTORY);

    if (is_device ? !banger_name_check_dm_path(path, error)
                  : !banger_path_check_below(path, settings->state_directory, error))
        return false;
    ret_image->path = g_strdup(path);
    ret_image->dm_name = is_device ? ret_image->path + strlen(BANGER_DM_DIRECTORY) : NULL;
    return true;
}

/* A bare name, unless @path_only, or an absolute path. */
static bool
parse_binary(const char *text, bool path_only, char **ret_binary, GError **error)
{
    if (text[0] == '/')
        return banger_path_clean(text, ret_binary, error);
    if (path_only || strchr(text, '/') != NULL || g_str_equal(text, ".") || g_str_equal(text, ".."))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                path_only ? "\"%s\" is not an absolute path"
                                          : "\"%s\" is neither a bare name nor an absolute path",
                                text);
    *ret_binary = g_strdup(text);
    return true;
}

/* The kinds whose value is the text itself, if it is well-formed. */
static bool
check_text(BangerKind kind, const char *text, const BangerSettings *settings, GError **error)
{
    switch (kind) {
    case BANGER_KIND_LINK_NAME:
        return banger_name_check_link(text, error);
    case BANGER_KIND_TAP_NAME:
        return banger_name_check_tap(text, error);
    case BANGER_KIND_DM_NAME:
        return banger_name_check_dm(text, error);
    case BANGER_KIND_LOOP_PATH:
        return banger_name_check_loop_path(text, error);
    case BANGER_KIND_STATE_PATH:
        return banger_path_check_below(text, settings->state_directory, error);
    case BANGER_KIND_RUNTIME_PATH:
        return banger_path_check_socket(text, settings->runtime_directory, error);
    case BANGER_KIND_VM_ID:
        return banger_name_check_vm_id(text, error);
    case BANGER_KIND_DRIVE_ID:
        return banger_name_check_drive_id(text, error);
    default:
        return true;
    }
}

/* @text, trimmed and not empty, into @member. */
static bool
parse_kind(BangerKind kind, const char *text, const BangerSettings *settings, void *member,
           GError **error)
{
    switch (kind) {
    case BANGER_KIND_ADDRESS:
        return banger_address_parse(text, member, error);
    case BANGER_KIND_SERVER:
        return banger_server_parse(text, member, error);
    case BANGER_KIND_CIDR:
        return banger_prefix_parse(text, member, error);
    case BANGER_KIND_SIGNAL: {
        int number = banger_signal_parse(text, error);

        if (number != 0)
            *(int *)member = number;
        return number != 0;
    }
    case BANGER_KIND_IMAGE_PATH:
        return parse_image_path(text, settings, member, error);
    case BANGER_KIND_DM_PATH:
        return parse_dm_path(text, member, error);
    case BANGER_KIND_DM_TARGET:
        return parse_dm_target(text, member, error);
    case BANGER_KIND_DESTINATION:
        return banger_destination_normalize(text, member, error);
    case BANGER_KIND_GUEST_PATH:
        return banger_path_clean(text, member, error);
    case BANGER_KIND_MAC:
        return banger_name_parse_mac(text, member, error);
    case BANGER_KIND_BINARY:
    case BANGER_KIND_BINARY_PATH:
        return parse_binary(text, kind == BANGER_KIND_BINARY_PATH, member, error);
    default:
        if (!check_text(kind, text, settings, error))
            return false;
        *(char **)member = g_strdup(text);
        return true;
    }
}

bool
banger_value_parse(const BangerField *field, const char *text, const BangerSettings *settings,
                   void *base, GError **error)
{
    g_autofree char *trimmed = trim_text(field->kind, text, error);

    if (trimmed == NULL)
        return false;
    if (trimmed[0] != '\0')
        return parse_kind(field->kind, trimmed, settings, BANGER_MEMBER(base, field, void), error);
    if (!(field->flags & (BANGER_FIELD_MAY_BE_EMPTY | BANGER_FIELD_OPTIONAL)))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "must not be empty");
    if (field->kind == BANGER_KIND_SIGNAL)
        *BANGER_MEMBER(base, field, int) = SIGTERM;
    else if (field->kind == BANGER_KIND_BINARY)
        *BANGER_MEMBER(base, field, char *) = g_strdup(BANGER_BINARY_DEFAULT);
    else
        banger_value_fill_absent(field, base);
    return true;
}

void
banger_value_fill_absent(const BangerField *field, void *base)
{
    switch (field->kind) {
    case BANGER_KIND_ADDRESS:
    case BANGER_KIND_SERVER:
    case BANGER_KIND_CIDR:
    case BANGER_KIND_SIGNAL:
        break; /* all zero */
    default: {
        /* The path of a BangerImagePath too. */
        char **text = BANGER_MEMBER(base, field, char *);

        if (*text == NULL)
            *text = g_strdup("");
    }
    }
}

static char *
format_string(const BangerField *field, const void *base)
{
    switch (field->kind) {
    case BANGER_KIND_ADDRESS:
        return banger_address_format(BANGER_CONST_MEMBER(base, field, BangerAddress));
    case BANGER_KIND_SERVER:
        return banger_server_format(BANGER_CONST_MEMBER(base, field, BangerServer));
    case BANGER_KIND_CIDR: {
        unsigned int length = BANGER_CONST_MEMBER(base, field, BangerPrefix)->length;

        return length == 0 ? g_strdup("") : g_strdup_printf("%u", length);
    }
    case BANGER_KIND_SIGNAL:
        return banger_signal_format(*BANGER_CONST_MEMBER(base, field, int));
    case BANGER_KIND_IMAGE_PATH:
        return g_strdup(BANGER_CONST_MEMBER(base, field, BangerImagePath)->path);
    case BANGER_KIND_DM_PATH: {
        const char *name = *BANGER_CONST_MEMBER(base, field, char *);

        return name[0] == '\0' ? g_strdup("") : g_strconcat(BANGER_DM_DIRECTORY, name, NULL);
    }
    default:
        return g_strdup(*BANGER_CONST_MEMBER(base, field, char *));
    }
}

char *
banger_value_format(const BangerField *field, const void *base)
{
    if (field->type == BANGER_TYPE_STRING)
        return format_string(field, base);
    if (field->type == BANGER_TYPE_BOOLEAN)
        return g_strdup(*BANGER_CONST_MEMBER(base, field, bool) ? "true" : "false");
    return g_strdup_printf("%" G_GUINT64_FORMAT, banger_field_number(field, base));
}

void
banger_value_clear(const BangerField *field, void *base)
{
    void *member = BANGER_MEMBER(base, field, void);

    switch (field->kind) {
    case BANGER_KIND_ADDRESS:
        *(BangerAddress *)member = (BangerAddress){0};
        break;
    case BANGER_KIND_SERVER:
        *(BangerServer *)member = (BangerServer){0};
        break;
    case BANGER_KIND_CIDR:
        *(BangerPrefix *)member = (BangerPrefix){0};
        break;
    case BANGER_KIND_SIGNAL:
        *(int *)member = 0;
        break;
    case BANGER_KIND_IMAGE_PATH:
        g_free(((BangerImagePath *)member)->path);
        *(BangerImagePath *)member = (BangerImagePath){0};
        break;
    default:
        g_clear_pointer((char **)member, g_free);
    }
}
