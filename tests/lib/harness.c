/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXIT_SKIPPED 77
#define SKIPS_MAX 256

/* Reasons are written by the process of a test and read by the one that runs the suite. */
typedef struct {
    unsigned int count;
    struct {
        char test[128];
        char reason[256];
    } skips[SKIPS_MAX];
} Skips;

typedef struct {
    const char *program;
    char **names; /* of the tests, in the order of libcheck's results */
    unsigned int n_names;
    unsigned int passed, failed, skipped;
    int fd; /* of the results file, or -1 */
} Report;

static Skips *skips;

void
harness_skip(const char *reason)
{
    unsigned int i = skips->count;

    ck_assert_uint_lt(i, SKIPS_MAX);
    (void)g_strlcpy(skips->skips[i].test, tcase_name(), sizeof skips->skips[i].test);
    (void)g_strlcpy(skips->skips[i].reason, reason, sizeof skips->skips[i].reason);
    skips->count = i + 1;
}

/* Takes the reason that @test gave out of the record; NULL if it gave none. */
static const char *
take_skip(const char *test)
{
    for (unsigned int i = 0; i < skips->count; i++) {
        if (strcmp(skips->skips[i].test, test) == 0) {
            skips->skips[i].test[0] = '\0';
            return skips->skips[i].reason;
        }
    }
    return NULL;
}

/*
 * The names of the tests, which libcheck's results lack, from its TAP log: lines that begin with
 * "ok N - file:case:test: …" or "not ok N - …", N counting up from 1.
 */
static void
read_names(Report *report, const char *tap)
{
    g_auto(GStrv) lines = g_strsplit(tap, "\n", -1);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (char **line = lines; *line != NULL; line++) {
        g_autofree char *ok = g_strdup_printf("ok %u - ", names->len + 1);
        const char *text = g_str_has_prefix(*line, "not ") ? *line + strlen("not ") : *line;
        g_auto(GStrv) parts = NULL;

        if (!g_str_has_prefix(text, ok))
            continue;
        parts = g_strsplit(text + strlen(ok), ":", 4);
        g_ptr_array_add(names, g_strdup(g_strv_length(parts) < 3 ? "?" : g_strstrip(parts[2])));
    }
    report->n_names = names->len;
    g_ptr_array_add(names, NULL);
    report->names = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

static void
report_line(const Report *report, const char *outcome, const char *test, const char *message)
{
    g_autofree char *text = g_strdup(message);
    g_autofree char *line = NULL;

    g_strdelimit(text, "\t\n\r", ' ');
    line = g_strdup_printf("%s\t%s\t%s\t%s\n", outcome, report->program, test, text);
    if (strcmp(outcome, "pass") != 0)
        (void)fputs(line, stdout);
    if (report->fd >= 0 && write(report->fd, line, strlen(line)) != (ssize_t)strlen(line))
        (void)fprintf(stderr, "%s: the results file cannot be written\n", report->program);
}

static void
report_result(Report *report, TestResult *result, const char *test)
{
    g_autofree char *message = NULL;
    const char *reason = take_skip(test);

    if (tr_rtype(result) != CK_PASS) {
        report->failed++;
        message = g_strdup_printf("%s:%d: %s", tr_lfile(result), tr_lno(result), tr_msg(result));
        report_line(report, "fail", test, message);
    } else if (reason != NULL) {
        report->skipped++;
        report_line(report, "skip", test, reason);
    } else {
        report->passed++;
        report_line(report, "pass", test, "");
    }
}

static void
report_results(Report *report, SRunner *runner)
{
    unsigned int count = (unsigned int)srunner_ntests_run(runner);
    TestResult **results = srunner_results(runner);

    for (unsigned int i = 0; i < count; i++)
        report_result(report, results[i], i < report->n_names ? report->names[i] : "?");
    if (count == 0) {
        report->failed++;
        report_line(report, "fail", "-", "no test ran");
    }
    free(results);
}

static char *
read_all(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = g_malloc0((gsize)size + 1);

    if (pread(fd, text, (size_t)size, 0) != size)
        text[0] = '\0';
    return text;
}

int
harness_run(const char *program, Suite *suite)
{
    Report report = {.program = program, .fd = -1};
    SRunner *runner = srunner_create(suite);
    int tap_fd = memfd_create("tap", MFD_CLOEXEC);
    g_autofree char *tap_path = g_strdup_printf("/proc/self/fd/%d", tap_fd);
    g_autofree char *tap = NULL;

    skips = mmap(NULL, sizeof *skips, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tap_fd < 0 || skips == MAP_FAILED)
        g_error("%s: %s", program, g_strerror(errno));
    if (g_getenv("BANGER_TEST_RESULTS") != NULL)
        report.fd =
            open(g_getenv("BANGER_TEST_RESULTS"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    srunner_set_tap(runner, tap_path);
    srunner_run_all(runner, CK_SILENT);
    tap = read_all(tap_fd);
    read_names(&report, tap);
    report_results(&report, runner);
    (void)printf("%s: %u passed, %u failed, %u skipped\n", program, report.passed, report.failed,
                 report.skipped);
    g_strfreev(report.names);
    srunner_free(runner);
    (void)munmap(skips, sizeof *skips);
    (void)close(tap_fd);
    if (report.fd >= 0)
        (void)close(report.fd);
    if (report.failed > 0)
        return 1;
    return report.passed > 0 ? 0 : EXIT_SKIPPED;
}

uint64_t
harness_number(const char *name, uint64_t otherwise)
{
    const char *text = g_getenv(name);

    return text != NULL ? g_ascii_strtoull(text, NULL, 10) : otherwise;
}
