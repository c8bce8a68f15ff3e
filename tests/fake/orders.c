/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "fake/fake.h"

static char **orders; /* lines */
const char *fake_spoil;

/* The lines for @id at the end of the program itself. */
static char **
read_own_orders(const char *id)
{
    g_autofree char *mark = g_strconcat("\nBANGER", "-ORDERS\n", NULL);
    g_autofree char *prefix = g_strconcat(id, " ", NULL);
    g_autofree char *program = NULL;
    g_autoptr(GPtrArray) lines = g_ptr_array_new();
    g_auto(GStrv) all = NULL;
    const char *at = NULL;
    gsize length;

    if (!g_file_get_contents("/proc/self/exe", &program, &length, NULL))
        return NULL;
    at = memmem(program, length, mark, strlen(mark));
    if (at == NULL)
        return NULL;
    all = g_strsplit(at, "\n", -1);
    for (char **line = all; *line != NULL; line++)
        if (g_str_has_prefix(*line, prefix))
            g_ptr_array_add(lines, g_strdup(*line + strlen(prefix)));
    g_ptr_array_add(lines, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&lines), FALSE);
}

void
fake_orders_load(const char *api_sock, const char *id)
{
    g_autofree char *path = g_strconcat(api_sock, ".fake", NULL);
    g_autofree char *text = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL))
        orders = g_strsplit(text, "\n", -1);
    else
        orders = read_own_orders(id);
}

/* Writes the text after the number as many times as that says, a line each. */
static void
print(const char *text)
{
    char *rest;
    unsigned long n = strtoul(text, &rest, 10);

    for (unsigned long i = 0; i < n; i++)
        (void)printf("%s\n", rest + (*rest == ' '));
    (void)fflush(stdout);
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

/* Makes the first part of @text, a path, a link to the second. */
static void
replace(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 2);

    if (unlink(words[0]) < 0 || symlink(words[1], words[0]) < 0)
        perror(text);
}

static int status_of_end;

static void
end(int signal)
{
    (void)signal;
    _exit(status_of_end);
}

/* Has this process exit with the status @text in half a second, whatever it does then. */
static void
end_later(const char *text)
{
    const struct itimerval half = {.it_value = {.tv_usec = 500000}};

    status_of_end = atoi(text);
    (void)signal(SIGALRM, end);
    (void)setitimer(ITIMER_REAL, &half, NULL);
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
    if (g_str_equal(verb, "ignore") && g_str_equal(text, "TERM"))
        (void)signal(SIGTERM, SIG_IGN);
    if (g_str_equal(verb, "ignore") && g_str_equal(text, "KEYS"))
        return FAKE_IGNORE;
    if (g_str_equal(verb, "leave"))
        return FAKE_LEAVE;
    if (g_str_equal(verb, "print"))
        print(text);
    if (g_str_equal(verb, "escape"))
        return FAKE_ESCAPE;
    if (g_str_equal(verb, "spoil"))
        fake_spoil = g_intern_string(text);
    if (g_str_equal(verb, "lacks"))
        return FAKE_LACK;
    if (g_str_equal(verb, "fork") && fork() == 0)
        hang();
    if (g_str_equal(verb, "refuse"))
        return FAKE_REFUSE;
    if (g_str_equal(verb, "close"))
        return FAKE_CLOSE;
    if (g_str_equal(verb, "fade")) {
        end_later(text);
        return FAKE_CLOSE;
    }
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
