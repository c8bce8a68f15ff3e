/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/worker-client.h"

#include <string.h>

#include "disk/worker-process.h"
#include "model/bounds.h"
#include "model/requests.h"
#include "util/error.h"
#include "util/text.h"
#include "util/worker-protocol.h"

#define READ_TIMEOUT_USEC (60 * G_USEC_PER_SEC)
#define WRITE_TIMEOUT_USEC (180 * G_USEC_PER_SEC)
#define COMMIT_TIMEOUT_USEC (600 * G_USEC_PER_SEC)
#define STREAM_TIMEOUT_USEC ((gint64)3600 * G_USEC_PER_SEC)
#define CHECK_TIMEOUT_USEC (600 * G_USEC_PER_SEC)

#define OUTPUT_MAX (16u << 10) /* of e2fsck, kept in memory */
#define OUTPUT_LINES 4         /* of e2fsck, in a message */

/* Exit statuses of e2fsck(8). */
#define FSCK_CORRECTED 1

/* The request as a list of pieces, none of them copied. */
typedef struct {
    BangerWorkerRequest header;
    GArray *table; /* of BangerWorkerFile */
    GArray *parts; /* of struct iovec, into the two above and into the caller's files */
} Request;

static void
clear_request(Request *request)
{
    g_array_unref(request->table);
    g_array_unref(request->parts);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Request, clear_request)

static void
add_part(GArray *parts, const void *data, size_t length)
{
    struct iovec part = {(void *)data, length};

    g_array_append_val(parts, part);
}

static void
build_request(Request *request, BangerWorkerTask task, const BangerExt4File *files,
              unsigned int n_files)
{
    request->header = (BangerWorkerRequest){.magic = BANGER_WORKER_MAGIC,
                                            .version = BANGER_WORKER_VERSION,
                                            .task = task,
                                            .n_files = n_files};
    request->table = g_array_new(FALSE, TRUE, sizeof(BangerWorkerFile));
    request->parts = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    g_array_set_size(request->table, n_files);
    add_part(request->parts, &request->header, sizeof request->header);
    add_part(request->parts, request->table->data, n_files * sizeof(BangerWorkerFile));
    for (unsigned int i = 0; i < n_files; i++) {
        BangerWorkerFile *row = &g_array_index(request->table, BangerWorkerFile, i);
        gsize length = 0;
        const void *data = files[i].data != NULL ? g_bytes_get_data(files[i].data, &length) : NULL;

        row->mode = files[i].mode;
        row->path_length = (uint32_t)strlen(files[i].guest_path);
        row->data_length = (uint32_t)length;
        add_part(request->parts, files[i].guest_path, row->path_length);
        add_part(request->parts, data, length);
    }
}

static BangerErrorCode
code_of(uint32_t status)
{
    switch (status) {
    case BANGER_WORKER_BAD_PARAMS:
        return BANGER_ERROR_BAD_PARAMS;
    case BANGER_WORKER_NOT_FOUND:
        return BANGER_ERROR_NOT_FOUND;
    case BANGER_WORKER_NOT_SUPPORTED:
        return BANGER_ERROR_NOT_SUPPORTED;
    default:
        return BANGER_ERROR_OPERATION_FAILED;
    }
}

/* What the worker says may come from a hostile image: printable text on one line only. */
static char *
make_one_line(const char *text, size_t length)
{
    return g_strstrip(banger_text_make_printable(text, (gssize)length));
}

static bool
refuse_answer(GError **error)
{
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "the image worker's answer makes no sense");
}

/* Reads the header of the reply, and the message of a failure, which becomes @error. */
static bool
receive_header(BangerWorker *worker, size_t max, BangerWorkerReply *ret_reply, char **ret_recovery,
               GError **error)
{
    char text[BANGER_WORKER_MESSAGE_MAX];
    g_autofree char *message = NULL;
    BangerWorkerReply reply;

    if (!banger_worker_receive(worker, &reply, sizeof reply, error))
        return false;
    if (reply.magic != BANGER_WORKER_MAGIC || reply.version != BANGER_WORKER_VERSION ||
        reply.status >= BANGER_WORKER_N_STATUS ||
        reply.length > (reply.status < BANGER_WORKER_NEEDS_RECOVERY ? max : sizeof text))
        return refuse_answer(error);
    *ret_reply = reply;
    if (reply.status < BANGER_WORKER_NEEDS_RECOVERY)
        return true;
    if (!banger_worker_receive(worker, text, reply.length, error))
        return false;
    message = make_one_line(text, reply.length);
    if (reply.status != BANGER_WORKER_NEEDS_RECOVERY)
        return banger_set_error(error, code_of(reply.status), "%s", message);
    if (ret_recovery == NULL)
        return refuse_answer(error);
    *ret_recovery = g_steal_pointer(&message);
    return true;
}

/*
 * Receives the answer to a request whose content is streamed: each step of progress is a reply, and
 * gives it another minute; an hour is the end.
 */
static bool
receive_streamed(BangerWorker *worker, size_t max, BangerWorkerReply *ret_reply,
                 char **ret_recovery, GError **error)
{
    const gint64 end_usec = g_get_monotonic_time() + STREAM_TIMEOUT_USEC;
    BangerWorkerProgress done;

    for (;;) {
        banger_worker_set_timeout(worker,
                                  CLAMP(end_usec - g_get_monotonic_time(), 0, READ_TIMEOUT_USEC));
        if (!receive_header(worker, MAX(max, sizeof done), ret_reply, ret_recovery, error))
            return false;
        if (ret_reply->status != BANGER_WORKER_PROGRESS)
            return true;
        if (ret_reply->length != sizeof done)
            return refuse_answer(error);
        if (!banger_worker_receive(worker, &done, sizeof done, error))
            return false;
        if (done.total > 0)
            banger_job_set_progress(worker->job, (double)done.done / (double)done.total);
    }
}

/*
 * Takes a worker, sends it @request and receives the answer of at most @max bytes. @fds has the
 * image, and what else the request needs.
 */
static bool
ask_worker(BangerWorker *worker, const BangerSettings *settings, const Request *request,
           const int *fds, size_t n_fds, size_t max, BangerWorkerReply *ret_reply,
           char **ret_recovery, GError **error)
{
    const bool streams = n_fds > 1;
    gint64 timeout_usec =
        request->header.task == BANGER_WORKER_WRITE ? WRITE_TIMEOUT_USEC : READ_TIMEOUT_USEC;

    return banger_worker_take(worker, settings,
                              streams ? BANGER_WORKER_SLOT_STREAM : BANGER_WORKER_SLOT_LIBRARY,
                              timeout_usec, error) &&
           banger_worker_send(worker, fds, n_fds, (struct iovec *)(void *)request->parts->data,
                              request->parts->len, error) &&
           (streams ? receive_streamed : receive_header)(worker, max, ret_reply, ret_recovery,
                                                         error);
}

/* Waits for a worker that has answered: one that does not end well did not mean it. */
static bool
finish_worker(BangerWorker *worker, GError **error)
{
    int status;

    if (!banger_worker_wait(worker, &status, error))
        return false;
    if (status != 0)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the image worker ended with status %d", status);
    return true;
}

static BangerWorkerTask
task_of_read(bool is_live, bool to_descriptor)
{
    if (to_descriptor)
        return is_live ? BANGER_WORKER_READ_LIVE_TO : BANGER_WORKER_READ_TO;
    return is_live ? BANGER_WORKER_READ_LIVE : BANGER_WORKER_READ;
}

/* What follows a good answer: the content, or with @to its size. */
static bool
receive_content(BangerWorker *worker, uint32_t length, const BangerReadTo *to, GBytes **ret_data,
                GError **error)
{
    g_autofree void *data = NULL;
    uint64_t size = 0;

    if (to == NULL) {
        data = g_malloc((gsize)length + 1);
        if (!banger_worker_receive(worker, data, length, error) || !finish_worker(worker, error))
            return false;
        *ret_data = g_bytes_new_take(g_steal_pointer(&data), length);
        return true;
    }
    if (length != sizeof size)
        return refuse_answer(error);
    if (!banger_worker_receive(worker, &size, sizeof size, error) || !finish_worker(worker, error))
        return false;
    *to->ret_size = size;
    return true;
}

static bool
read_file(const BangerSettings *settings, int fd, const char *guest_path, const BangerReadTo *to,
          bool *ret_needs_recovery, GBytes **ret_data, GError **error)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    g_auto(Request) request = {0};
    g_autofree char *recovery = NULL;
    const int fds[] = {fd, to != NULL ? to->fd : -1};
    BangerExt4File file = {.guest_path = (char *)guest_path};
    BangerWorkerReply reply;

    worker.job = to != NULL ? to->job : NULL;
    build_request(&request, task_of_read(ret_needs_recovery == NULL, to != NULL), &file, 1);
    if (!ask_worker(&worker, settings, &request, fds, to != NULL ? 2 : 1, BANGER_GUEST_FILE_MAX,
                    &reply, ret_needs_recovery != NULL ? &recovery : NULL, error))
        return false;
    if (ret_needs_recovery != NULL) {
        *ret_needs_recovery = recovery != NULL;
        if (*ret_needs_recovery)
            return true;
    }
    return reply.status == BANGER_WORKER_OK
               ? receive_content(&worker, reply.length, to, ret_data, error)
               : refuse_answer(error);
}

bool
banger_image_read(const BangerSettings *settings, int fd, const char *path, const char *guest_path,
                  const BangerReadTo *to, bool *ret_needs_recovery, GBytes **ret_data,
                  GError **error)
{
    bool done = read_file(settings, fd, guest_path, to, ret_needs_recovery, ret_data, error);

    if (!done)
        g_prefix_error(error, "cannot read from %s: ", path);
    return done;
}

/* Lets the write begin, and waits for its end: it is only given up when all hope is gone. */
static bool
commit_write(BangerWorker *worker, BangerWorkerReply *reply, GError **error)
{
    if (!banger_job_commit(worker->job, error))
        return false;
    banger_job_set_step(worker->job, "finishing");
    worker->goes_through = true;
    banger_worker_send_go(worker);
    banger_worker_set_timeout(worker, COMMIT_TIMEOUT_USEC);
    if (receive_header(worker, 0, reply, NULL, error))
        return reply->status == BANGER_WORKER_OK || refuse_answer(error);
    if (reply->status == BANGER_WORKER_READY) /* still: nothing came after it */
        g_prefix_error(error, "it may have been changed in part, check it with e2fsck: ");
    return false;
}

/* With @ret_recovery NULL it is given up, which is a success, when all is prepared. */
static bool
write_files(const BangerSettings *settings, int fd, const GArray *files, const int *content,
            const BangerDmRoom *room, BangerJob *job, char **ret_recovery, GError **error)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    g_auto(Request) request = {0};
    g_autofree char *recovery = NULL;
    int fds[1 + BANGER_WORKER_DESCRIPTORS_MAX] = {fd};
    size_t n_fds = 1;
    BangerWorkerReply reply;

    worker.job = job;
    for (; content != NULL && n_fds <= MIN(files->len, BANGER_WORKER_DESCRIPTORS_MAX); n_fds++)
        fds[n_fds] = content[n_fds - 1];
    build_request(&request, content != NULL ? BANGER_WORKER_WRITE_FROM : BANGER_WORKER_WRITE,
                  (const BangerExt4File *)(void *)files->data, files->len);
    if (room != NULL)
        request.header.room =
            (BangerWorkerRoom){room->chunk_size, room->n_chunks, room->is_of_host};
    if (!ask_worker(&worker, settings, &request, fds, n_fds, 0, &reply, &recovery, error))
        return false;
    if (reply.status == BANGER_WORKER_RUNNING)
        return refuse_answer(error);
    if (ret_recovery == NULL)
        return true;
    if (reply.status == BANGER_WORKER_READY && !commit_write(&worker, &reply, error))
        return false;
    if (!finish_worker(&worker, error))
        return false;
    *ret_recovery = g_steal_pointer(&recovery);
    return true;
}

bool
banger_image_write(const BangerSettings *settings, int fd, const char *path, const GArray *files,
                   const int *fds, const BangerDmRoom *room, BangerJob *job, char **ret_recovery,
                   GError **error)
{
    bool done = write_files(settings, fd, files, fds, room, job, ret_recovery, error);

    if (!done)
        g_prefix_error(error, "cannot write into %s: ", path);
    return done;
}

bool
banger_image_try_write(const BangerSettings *settings, int fd, const char *path,
                       const GArray *files, const BangerDmRoom *room, GError **error)
{
    bool done = write_files(settings, fd, files, NULL, room, NULL, NULL, error);

    if (!done)
        g_prefix_error(error, "cannot write into %s: ", path);
    return done;
}

/* The last lines of what e2fsck said, on one line. */
static char *
last_lines(const GString *output)
{
    g_autofree char *text = g_strndup(output->str, output->len);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
    unsigned int n = g_strv_length(lines);
    g_autofree char *last = g_strjoinv(" / ", lines + (n > OUTPUT_LINES ? n - OUTPUT_LINES : 0));

    return make_one_line(last, strlen(last));
}

/* What became of one e2fsck. */
typedef struct {
    int status;
    bool has_work;
    GString *output;
} Check;

static void
clear_check(Check *check)
{
    if (check->output != NULL)
        (void)g_string_free(check->output, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Check, clear_check)

/* Runs e2fsck; not to its end, and without a status, if @only_look and the superblock has work. */
static bool
run_e2fsck(const BangerSettings *settings, int fd, const char *command, bool only_look,
           BangerJob *job, Check *ret_check, GError **error)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    BangerWorkerReply reply;
    unsigned char work = 0;

    worker.job = job;
    worker.goes_through = strcmp(command, BANGER_WORKER_VERIFY) != 0;
    ret_check->output = g_string_new(NULL);
    if (!banger_worker_start(&worker, settings, command, fd, CHECK_TIMEOUT_USEC, error) ||
        !receive_header(&worker, sizeof work, &reply, NULL, error))
        return false;
    if (reply.status != BANGER_WORKER_RUNNING || reply.length != sizeof work)
        return refuse_answer(error);
    if (!banger_worker_receive(&worker, &work, sizeof work, error))
        return false;
    ret_check->has_work = work != 0;
    return (only_look && ret_check->has_work) ||
           (banger_worker_receive_check(&worker, OUTPUT_MAX, ret_check->output, error) &&
            banger_worker_wait(&worker, &ret_check->status, error));
}

static bool
conclude_check(const Check *check, bool *ret_corrected, GError **error)
{
    g_autofree char *words = last_lines(check->output);

    if (check->status > FSCK_CORRECTED)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "e2fsck ended with status %d: %s", check->status, words);
    *ret_corrected = check->status == FSCK_CORRECTED;
    return true;
}

static bool
verify_image(const BangerSettings *settings, int fd, BangerJob *job, bool *ret_corrected,
             GError **error)
{
    g_auto(Check) check = {0};

    banger_job_set_step(job, "checking");
    return run_e2fsck(settings, fd, BANGER_WORKER_VERIFY, false, job, &check, error) &&
           conclude_check(&check, ret_corrected, error);
}

static bool
recover_image(const BangerSettings *settings, int fd, BangerJob *job, bool *ret_corrected,
              GError **error)
{
    g_auto(Check) check = {0};

    if (!banger_job_check(job, error))
        return false;
    banger_job_set_step(job, "replaying the journal");
    return run_e2fsck(settings, fd, BANGER_WORKER_RECOVER, false, job, &check, error) &&
           conclude_check(&check, ret_corrected, error) && banger_job_check(job, error);
}

/*
 * What e2fsck has begun to mend cannot be undone. So it only looks at first, for as long as that
 * can be broken off, and is let to mend when there is something to mend, or the superblock asks for
 * it.
 */
static bool
repair_image(const BangerSettings *settings, int fd, BangerJob *job, bool *ret_corrected,
             GError **error)
{
    g_auto(Check) look = {0}, repair = {0};

    banger_job_set_step(job, "checking");
    if (!run_e2fsck(settings, fd, BANGER_WORKER_VERIFY, true, job, &look, error))
        return false;
    if (look.status == 0 && !look.has_work) {
        *ret_corrected = false;
        return true;
    }
    if (!banger_job_commit(job, error))
        return false;
    banger_job_set_step(job, "repairing");
    return run_e2fsck(settings, fd, BANGER_WORKER_CHECK, false, job, &repair, error) &&
           conclude_check(&repair, ret_corrected, error);
}

bool
banger_worker_check(const BangerSettings *settings, int fd, const char *path, BangerImageCheck kind,
                    BangerJob *job, bool *ret_corrected, GError **error)
{
    static bool (*const checks[])(const BangerSettings *settings, int fd, BangerJob *job,
                                  bool *ret_corrected, GError **error) = {
        [BANGER_IMAGE_VERIFY] = verify_image,
        [BANGER_IMAGE_REPAIR] = repair_image,
        [BANGER_IMAGE_RECOVER] = recover_image,
    };
    bool done = checks[kind](settings, fd, job, ret_corrected, error);

    if (!done)
        g_prefix_error(error, "cannot check %s: ", path);
    return done;
}
