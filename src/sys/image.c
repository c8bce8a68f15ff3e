/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/image.h"

#include <string.h>

#include "model/limits.h"
#include "model/requests.h"
#include "sys/worker.h"
#include "util/error.h"
#include "util/worker-protocol.h"

#define READ_TIMEOUT (60 * G_USEC_PER_SEC)
#define WRITE_TIMEOUT (180 * G_USEC_PER_SEC)
#define COMMIT_TIMEOUT (600 * G_USEC_PER_SEC)
#define CHECK_TIMEOUT (600 * G_USEC_PER_SEC)

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
build_request(Request *request, BangerWorkerTask task, const BangerExt4File *files, guint n_files)
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
    for (guint i = 0; i < n_files; i++) {
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

/* What the worker says may be a hostile image's words: printable text on one line only. */
static char *
one_line(const char *text, size_t length)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    GString *line = g_string_new(NULL);

    for (const char *c = g_strstrip(valid); *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);

        g_string_append_unichar(line, g_unichar_isprint(character) ? character : ' ');
    }
    return g_string_free(line, FALSE);
}

static bool
refuse_answer(GError **error)
{
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "the image worker's answer makes no sense");
}

/* Reads the header of the reply, and the message of a failure, which becomes @error. */
static bool
receive_header(BangerWorker *worker, size_t max, BangerWorkerReply *ret_reply, GError **error)
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
    message = one_line(text, reply.length);
    return reply.status == BANGER_WORKER_NEEDS_RECOVERY ||
           banger_set_error(error, code_of(reply.status), "%s", message);
}

/* Takes a worker, sends it @request and receives the answer of at most @max bytes. */
static bool
converse(BangerWorker *worker, const BangerSettings *settings, const Request *request, int fd,
         size_t max, BangerWorkerReply *ret_reply, GError **error)
{
    gint64 timeout = request->header.task == BANGER_WORKER_WRITE ? WRITE_TIMEOUT : READ_TIMEOUT;

    return banger_worker_take(worker, settings, timeout, error) &&
           banger_worker_send(worker, fd, (struct iovec *)(void *)request->parts->data,
                              request->parts->len, error) &&
           receive_header(worker, max, ret_reply, error);
}

/* Waits for a worker that has answered: one that does not end well did not mean it. */
static bool
finish(BangerWorker *worker, GError **error)
{
    int status;

    if (!banger_worker_wait(worker, &status, error))
        return false;
    if (status != 0)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the image worker ended with status %d", status);
    return true;
}

static bool
read_file(const BangerSettings *settings, int fd, const char *guest_path, bool *ret_needs_recovery,
          GBytes **ret_data, GError **error)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    g_auto(Request) request = {0};
    BangerExt4File file = {.guest_path = (char *)guest_path};
    g_autofree void *data = NULL;
    BangerWorkerReply reply;

    build_request(&request,
                  ret_needs_recovery != NULL ? BANGER_WORKER_READ : BANGER_WORKER_READ_LIVE, &file,
                  1);
    if (!converse(&worker, settings, &request, fd, BANGER_GUEST_FILE_MAX, &reply, error))
        return false;
    if (ret_needs_recovery != NULL) {
        *ret_needs_recovery = reply.status == BANGER_WORKER_NEEDS_RECOVERY;
        if (*ret_needs_recovery)
            return true;
    }
    if (reply.status != BANGER_WORKER_OK)
        return refuse_answer(error);
    data = g_malloc((gsize)reply.length + 1);
    if (!banger_worker_receive(&worker, data, reply.length, error) || !finish(&worker, error))
        return false;
    *ret_data = g_bytes_new_take(g_steal_pointer(&data), reply.length);
    return true;
}

bool
banger_image_read(const BangerSettings *settings, int fd, const char *path, const char *guest_path,
                  bool *ret_needs_recovery, GBytes **ret_data, GError **error)
{
    bool done = read_file(settings, fd, guest_path, ret_needs_recovery, ret_data, error);

    if (!done)
        g_prefix_error(error, "cannot read from %s: ", path);
    return done;
}

/* Waits for the end of a write that has begun, which is only given up when all hope is gone. */
static bool
wait_for_commit(BangerWorker *worker, BangerWorkerReply *reply, GError **error)
{
    banger_worker_set_timeout(worker, COMMIT_TIMEOUT);
    if (receive_header(worker, 0, reply, error))
        return reply->status == BANGER_WORKER_OK || refuse_answer(error);
    if (reply->status == BANGER_WORKER_COMMITTING) /* still: nothing came after it */
        g_prefix_error(error, "it may have been changed in part, check it with e2fsck: ");
    return false;
}

static bool
write_files(const BangerSettings *settings, int fd, const GArray *files, const BangerDmRoom *room,
            bool *ret_needs_recovery, GError **error)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    g_auto(Request) request = {0};
    BangerWorkerReply reply;

    build_request(&request, BANGER_WORKER_WRITE, (const BangerExt4File *)(void *)files->data,
                  files->len);
    if (room != NULL) {
        request.header.chunk_size = room->chunk_size;
        request.header.n_chunks = room->n_chunks;
    }
    if (!converse(&worker, settings, &request, fd, 0, &reply, error))
        return false;
    if (reply.status == BANGER_WORKER_RUNNING)
        return refuse_answer(error);
    if (reply.status == BANGER_WORKER_COMMITTING && !wait_for_commit(&worker, &reply, error))
        return false;
    if (!finish(&worker, error))
        return false;
    *ret_needs_recovery = reply.status == BANGER_WORKER_NEEDS_RECOVERY;
    return true;
}

bool
banger_image_write(const BangerSettings *settings, int fd, const char *path, const GArray *files,
                   const BangerDmRoom *room, bool *ret_needs_recovery, GError **error)
{
    bool done = write_files(settings, fd, files, room, ret_needs_recovery, error);

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
    guint n = g_strv_length(lines);
    g_autofree char *last = g_strjoinv(" / ", lines + (n > OUTPUT_LINES ? n - OUTPUT_LINES : 0));

    return one_line(last, strlen(last));
}

static bool
check(const BangerSettings *settings, int fd, const char *command, bool *ret_corrected,
      GError **error)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    g_autoptr(GString) output = g_string_new(NULL);
    g_autofree char *words = NULL;
    BangerWorkerReply reply;
    int status = 0;

    if (!banger_worker_start(&worker, settings, command, fd, CHECK_TIMEOUT, error) ||
        !receive_header(&worker, 0, &reply, error))
        return false;
    if (reply.status != BANGER_WORKER_RUNNING)
        return refuse_answer(error);
    if (!banger_worker_receive_tail(&worker, OUTPUT_MAX, output, error) ||
        !banger_worker_wait(&worker, &status, error))
        return false;
    words = last_lines(output);
    if (status > FSCK_CORRECTED)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "e2fsck ended with status %d: %s", status, words);
    *ret_corrected = status == FSCK_CORRECTED;
    return true;
}

bool
banger_image_check(const BangerSettings *settings, int fd, const char *path, BangerImageCheck kind,
                   bool *ret_corrected, GError **error)
{
    const char *command = kind == BANGER_IMAGE_CHECK ? BANGER_WORKER_CHECK : BANGER_WORKER_RECOVER;
    bool done = check(settings, fd, command, ret_corrected, error);

    if (!done)
        g_prefix_error(error, "cannot check %s: ", path);
    return done;
}
