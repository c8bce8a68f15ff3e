/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit-record.h"

#include <string.h>

#include "model/names.h"
#include "util/number.h"

#define ENVIRONMENT "Environment="

static void
replace_text(char **text, const char *value)
{
    g_free(*text);
    *text = g_strdup(value);
}

/* The root drive by the name of its snapshot; one that is no snapshot is no object. */
static void
take_root(BangerMachineInfo *machine, const char *value)
{
    if (g_str_has_prefix(value, BANGER_DM_DIRECTORY))
        value += strlen(BANGER_DM_DIRECTORY);
    if (g_str_has_prefix(value, BANGER_DM_PREFIX))
        replace_text(&machine->snapshot, value);
}

/* Takes one "NAME=value". */
static void
take_assignment(BangerMachineInfo *machine, char *assignment)
{
    char *value = strchr(assignment, '=');
    unsigned int uid;

    if (value == NULL)
        return;
    *value++ = '\0';
    if (g_str_equal(assignment, "BANGER_OP_ID"))
        replace_text(&machine->op_id, value);
    else if (g_str_equal(assignment, "BANGER_TAP"))
        replace_text(&machine->tap, value);
    else if (g_str_equal(assignment, "BANGER_BRIDGE"))
        replace_text(&machine->bridge, value);
    else if (g_str_equal(assignment, "BANGER_API"))
        replace_text(&machine->api_socket, value);
    else if (g_str_equal(assignment, "BANGER_VSOCK"))
        replace_text(&machine->vsock_path, value);
    else if (g_str_equal(assignment, "BANGER_START"))
        machine->owner_starts = g_str_equal(value, "no");
    else if (g_str_equal(assignment, "BANGER_ROOT"))
        take_root(machine, value);
    else if (g_str_equal(assignment, "BANGER_UID") &&
             banger_number_parse(value, 0, UINT32_MAX - 1, &uid))
        machine->creator = uid;
}

/* "%%" is how a unit file writes "%". */
static void
unescape_specifiers(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        *to++ = *from;
        if (from[0] == '%' && from[1] == '%')
            from++;
    }
    *to = '\0';
}

/* The end of the quoted string that begins after @text: its closing quote, or NULL. */
static const char *
find_quote(const char *text)
{
    for (; *text != '\0' && *text != '\n'; text++) {
        if (*text == '\\' && text[1] != '\0')
            text++;
        else if (*text == '"')
            return text;
    }
    return NULL;
}

/* Takes the assignments of one line, each in double quotes with the escapes of C. */
static void
take_line(BangerMachineInfo *machine, const char *line)
{
    for (const char *begin = line; *begin == '"';) {
        const char *end = find_quote(begin + 1);
        g_autofree char *quoted = NULL;
        g_autofree char *text = NULL;

        if (end == NULL)
            return;
        quoted = g_strndup(begin + 1, (gsize)(end - begin - 1));
        text = g_strcompress(quoted);
        unescape_specifiers(text);
        if (g_utf8_validate(text, -1, NULL))
            take_assignment(machine, text);
        begin = end + 1;
        begin += strspn(begin, " ");
    }
}

void
banger_unit_record_parse(const char *text, BangerMachineInfo *machine)
{
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (g_str_has_prefix(line, ENVIRONMENT))
            take_line(machine, line + strlen(ENVIRONMENT));
    }
}
