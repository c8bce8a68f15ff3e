/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/output.h"

#include <glib.h>

#include "bangerctl/terminal.h"
#include "bangerctl/text-domain.h"
#include "util/text.h"

#define COLUMNS_MAX 16
#define COLUMN_MIN 6 /* what a column is not shortened below */

char *
output_format(struct json_object *value)
{
    g_autoptr(GString) text = g_string_new("");

    if (!json_object_is_type(value, json_type_array))
        return value == NULL ? g_strdup("")
                             : banger_text_make_printable(json_object_get_string(value), -1);
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        g_autofree char *element = output_format(json_object_array_get_idx(value, i));

        g_string_append_printf(text, "%s%s", i > 0 ? " " : "", element);
    }
    return g_strdup(text->str);
}

static char *
format_member(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    g_autofree char *text = NULL;

    (void)json_object_object_get_ex(object, name, &value);
    text = output_format(value);
    return g_strdup(text[0] != '\0' ? text : "-");
}

void
output_json(struct json_object *value)
{
    g_print("%s\n", json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* How wide the column @name is. */
static unsigned int
measure_column(struct json_object *objects, const char *name, bool with_heading)
{
    glong width = with_heading ? g_utf8_strlen(name, -1) : 0;

    for (size_t i = 0; i < json_object_array_length(objects); i++) {
        g_autofree char *text = format_member(json_object_array_get_idx(objects, i), name);

        width = MAX(width, g_utf8_strlen(text, -1));
    }
    return (unsigned int)width;
}

/* Shortens the widest of the @n columns until a line fits into the terminal, or no more can go. */
static void
fit_columns(unsigned int *widths, size_t n)
{
    for (;;) {
        unsigned int sum = (unsigned int)n - 1;
        size_t widest = 0;

        for (size_t i = 0; i < n; i++) {
            sum += widths[i];
            widest = widths[i] > widths[widest] ? i : widest;
        }
        if (sum <= terminal_columns() || widths[widest] <= COLUMN_MIN)
            return;
        widths[widest]--;
    }
}

static TerminalStyle
style_of(const char *column, const char *text)
{
    static const struct {
        const char *text;
        TerminalStyle style;
    } styles[] = {
        {"running", TERMINAL_GOOD},  {"active", TERMINAL_GOOD}, {"starting", TERMINAL_WARN},
        {"stopping", TERMINAL_WARN}, {"full", TERMINAL_BAD},    {"invalid", TERMINAL_BAD},
    };

    for (size_t i = 0; g_str_equal(column, "State") && i < G_N_ELEMENTS(styles); i++)
        if (g_str_equal(text, styles[i].text))
            return styles[i].style;
    return TERMINAL_PLAIN;
}

/* Prints @text @width columns wide, shortened if need be. The last column is not filled up. */
static void
print_cell(const char *text, unsigned int width, bool is_last, TerminalStyle style)
{
    const glong length = g_utf8_strlen(text, -1);
    g_autofree char *part = NULL;
    const int padding = is_last || length >= (glong)width ? 0 : (int)(width - length);

    if (terminal_is_output() && length > (glong)width) {
        const char *mark = terminal_ellipsis();
        g_autofree char *begin = g_utf8_substring(text, 0, (glong)width - g_utf8_strlen(mark, -1));

        part = g_strconcat(begin, mark, NULL);
    }
    g_print("%s%s%s%*s%s", style != TERMINAL_PLAIN ? terminal_style(style) : "",
            part != NULL ? part : text,
            style != TERMINAL_PLAIN ? terminal_style(TERMINAL_PLAIN) : "", padding, "",
            is_last ? "\n" : " ");
}

static void
print_rows(const OutputOptions *options, struct json_object *objects, const char *const *columns,
           const unsigned int *widths)
{
    const size_t n = json_object_array_length(objects);

    for (size_t i = 0; !options->no_legend && n > 0 && columns[i] != NULL; i++) {
        g_autofree char *heading = g_ascii_strup(columns[i], -1);

        print_cell(heading, widths[i], columns[i + 1] == NULL, TERMINAL_HEADING);
    }
    for (size_t row = 0; row < n; row++)
        for (size_t i = 0; columns[i] != NULL; i++) {
            g_autofree char *text =
                format_member(json_object_array_get_idx(objects, row), columns[i]);

            print_cell(text, widths[i], columns[i + 1] == NULL, style_of(columns[i], text));
        }
}

void
output_table(const OutputOptions *options, struct json_object *objects, const char *const *columns)
{
    const unsigned int n = (unsigned int)json_object_array_length(objects);
    unsigned int widths[COLUMNS_MAX];
    size_t n_columns = 0;

    if (options->json) {
        output_json(objects);
        return;
    }
    for (; n_columns < COLUMNS_MAX && columns[n_columns] != NULL; n_columns++)
        widths[n_columns] = measure_column(objects, columns[n_columns], !options->no_legend);
    if (terminal_is_output())
        fit_columns(widths, n_columns);
    print_rows(options, objects, columns, widths);
    if (options->no_legend)
        return;
    g_print("%s", n > 0 ? "\n" : "");
    g_print(ngettext("%u listed.", "%u listed.", n), n);
    g_print("\n");
}

bool
output_properties(const OutputOptions *options, struct json_object *object, const char *name)
{
    if (name != NULL && !json_object_object_get_ex(object, name, NULL))
        return false;
    if (name == NULL && options->json) {
        output_json(object);
        return true;
    }
    json_object_object_foreach (object, key, value) {
        g_autofree char *text = output_format(value);

        if (name == NULL)
            g_print("%s=%s\n", key, text);
        else if (g_str_equal(key, name) && options->json)
            output_json(value);
        else if (g_str_equal(key, name))
            g_print("%s\n", text);
    }
    return true;
}
