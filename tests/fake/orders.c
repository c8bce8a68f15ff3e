/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fake/fake.h"

static char **orders; /* lines */

void
fake_orders_load(const char *api_sock)
{
    g_autofree char *path = g_strconcat(api_sock, ".fake", NULL);
    g_autofree char *text = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL))
        orders = g_strsplit(text, "\n", -1);
}

static _Noreturn void
hang(void)
{
    for (;;)
        (void)pause();
}

static _Noreturn void
crash(void)
{
    const struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)signal(SIGSEGV, SIG_DFL);
    (void)raise(SIGSEGV);
    _exit(1);
}

/* Makes the first word of @text, a path, a link to the second. */
static void
replace(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 2);

    if (unlink(words[0]) < 0 || symlink(words[1], words[0]) < 0)
        perror(text);
}

static FakeOrder
follow(const char *verb, const char *text, const char **ret_text)
{
    *ret_text = text;
    if (g_str_equal(verb, "hang"))
        hang();
    if (g_str_equal(verb, "exit"))
        exit(atoi(text));
    if (g_str_equal(verb, "crash"))
        crash();
    if (g_str_equal(verb, "say"))
        (void)fprintf(stderr, "%s\n", text);
    if (g_str_equal(verb, "open") && open(text, O_RDWR) < 0)
        perror(text);
    if (g_str_equal(verb, "replace"))
        replace(text);
    if (g_str_equal(verb, "fork") && fork() == 0)
        hang();
    if (g_str_equal(verb, "refuse"))
        return FAKE_REFUSE;
    if (g_str_equal(verb, "close"))
        return FAKE_CLOSE;
    if (g_str_equal(verb, "garbage"))
        return FAKE_GARBAGE;
    if (g_str_equal(verb, "flood"))
        return FAKE_FLOOD;
    if (g_str_equal(verb, "forge"))
        return FAKE_FORGE;
    return FAKE_GO_ON;
}

FakeOrder
fake_orders_follow(const char *step, const char **ret_text)
{
    FakeOrder order = FAKE_GO_ON;

    for (char **line = orders; line != NULL && *line != NULL && order == FAKE_GO_ON; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 3);

        if (words[0] == NULL || words[1] == NULL || !g_str_equal(words[1], step))
            continue;
        order = follow(words[0], words[2] != NULL ? strstr(*line, words[2]) : "", ret_text);
    }
    return order;
}

void
fake_orders_record(const char *method, const char *path, const char *body)
{
    for (char **line = orders; line != NULL && *line != NULL; line++) {
        FILE *file;

        if (!g_str_has_prefix(*line, "record "))
            continue;
        file = fopen(*line + strlen("record "), "ae");
        if (file == NULL)
            continue;
        (void)fprintf(file, "%s %s %s\n", method, path, body);
        (void)fclose(file);
    }
}
