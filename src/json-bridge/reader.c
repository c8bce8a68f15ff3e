/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/reader.h"

#include <errno.h>
#include <sys/socket.h>

#include "json-bridge/bridge-limits.h"
#include "json-bridge/frame.h"
#include "json-bridge/timer.h"
#include "util/error.h"

#define PIECE_SIZE (64u << 10) /* bytes read at once */

/* The room of a request that is being received. */
typedef enum {
    ROOM_SMALL,   /* as much as each has */
    ROOM_PAUSED,  /* more is needed, but what came before has to be answered first */
    ROOM_WAITING, /* more is needed, and others have it */
    ROOM_LARGE,
} RoomState;

struct BangerReader {
    BangerContext *context;
    int fd;
    const BangerReaderEvents *events;
    void *user_data;
    sd_event_source *timer;
    BangerFrame *frame;
    RoomState room;
    GList link; /* among those that wait */
    size_t piece_at;
    size_t piece_end;
    char piece[PIECE_SIZE]; /* read, and not all of it taken apart yet */
};

BangerReader *
banger_reader_new(BangerContext *context, int fd, const BangerReaderEvents *events, void *user_data)
{
    BangerReader *reader = g_new(BangerReader, 1);

    reader->context = context;
    reader->fd = fd;
    reader->events = events;
    reader->user_data = user_data;
    reader->timer = NULL;
    reader->frame = banger_frame_new();
    reader->room = ROOM_SMALL;
    reader->link = (GList){.data = reader};
    reader->piece_at = 0;
    reader->piece_end = 0;
    return reader;
}

void
banger_reader_free(BangerReader *reader)
{
    if (reader == NULL)
        return;
    (void)sd_event_source_disable_unref(reader->timer);
    banger_reader_release(reader);
    banger_frame_free(reader->frame);
    g_free(reader);
}

static int
on_expired(sd_event_source *source, uint64_t usec, void *user_data)
{
    BangerReader *reader = user_data;

    (void)source;
    (void)usec;
    reader->events->expired(reader->user_data);
    return 0;
}

static void
start_timer(BangerReader *reader)
{
    banger_timer_arm(reader->context->event, &reader->timer, reader->context->peer_timeout_sec,
                     on_expired, reader);
}

static void
make_large(BangerReader *reader)
{
    reader->room = ROOM_LARGE;
    reader->context->n_large_requests++;
    start_timer(reader);
}

/* Whether the request has room for another piece. If not, it waits, and its time does not run. */
static bool
find_room(BangerReader *reader, bool may_be_large)
{
    BangerContext *context = reader->context;

    if (reader->room == ROOM_LARGE ||
        banger_frame_pending(reader->frame) + PIECE_SIZE <= BANGER_LARGE_REQUEST_MIN)
        return true;
    if (reader->room == ROOM_WAITING)
        return false;
    if (may_be_large && context->n_large_requests < BANGER_LARGE_REQUESTS_MAX) {
        make_large(reader);
        return true;
    }
    banger_timer_disarm(reader->timer);
    reader->room = may_be_large ? ROOM_WAITING : ROOM_PAUSED;
    if (may_be_large)
        g_queue_push_tail_link(&context->large_waiting, &reader->link);
    return false;
}

/* Reads the next piece. */
static BangerReadResult
receive_bytes(BangerReader *reader, GError **error)
{
    ssize_t n = recv(reader->fd, reader->piece, PIECE_SIZE, MSG_DONTWAIT);

    if (n > 0) {
        reader->piece_at = 0;
        reader->piece_end = (size_t)n;
        return BANGER_READ_MORE;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return BANGER_READ_NOTHING;
    if (n < 0 || !banger_reader_is_inside(reader))
        return BANGER_READ_END;
    (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                           "the connection ended in the middle of a request");
    return BANGER_READ_BAD;
}

BangerReadResult
banger_reader_next(BangerReader *reader, bool *may_receive, bool may_be_large,
                   struct json_object **ret_request, GError **error)
{
    bool was_inside = banger_reader_is_inside(reader);
    BangerFrameResult result;
    size_t used = 0;

    if (!find_room(reader, may_be_large))
        return BANGER_READ_NOTHING;
    if (reader->piece_at == reader->piece_end) {
        bool may = *may_receive;

        *may_receive = false;
        return may ? receive_bytes(reader, error) : BANGER_READ_NOTHING;
    }
    result = banger_frame_feed(reader->frame, reader->piece + reader->piece_at,
                               reader->piece_end - reader->piece_at, &used, ret_request, error);
    if (result == BANGER_FRAME_BAD)
        return BANGER_READ_BAD;
    reader->piece_at += used;
    if (!banger_reader_is_inside(reader))
        banger_timer_disarm(reader->timer);
    else if (!was_inside)
        start_timer(reader);
    return result == BANGER_FRAME_REQUEST ? BANGER_READ_REQUEST : BANGER_READ_MORE;
}

void
banger_reader_release(BangerReader *reader)
{
    BangerContext *context = reader->context;
    RoomState room = reader->room;
    BangerReader *next;

    reader->room = ROOM_SMALL;
    if (room == ROOM_WAITING)
        g_queue_unlink(&context->large_waiting, &reader->link);
    if (room != ROOM_LARGE)
        return;
    context->n_large_requests--;
    if (g_queue_is_empty(&context->large_waiting))
        return;
    next = g_queue_pop_head_link(&context->large_waiting)->data;
    make_large(next);
    next->events->resumed(next->user_data);
}

void
banger_reader_drop(BangerReader *reader)
{
    banger_timer_disarm(reader->timer);
    banger_frame_free(reader->frame);
    reader->frame = banger_frame_new();
    reader->piece_at = reader->piece_end;
    banger_reader_release(reader);
}

bool
banger_reader_is_waiting(const BangerReader *reader)
{
    return reader->room == ROOM_WAITING || reader->room == ROOM_PAUSED;
}

bool
banger_reader_is_inside(const BangerReader *reader)
{
    return banger_frame_pending(reader->frame) > 0;
}

bool
banger_reader_is_empty(const BangerReader *reader)
{
    char byte;

    return reader->piece_at == reader->piece_end && !banger_reader_is_inside(reader) &&
           recv(reader->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

bool
banger_reader_looks_like_jsonrpc(const BangerReader *reader)
{
    return banger_frame_looks_like_jsonrpc(reader->frame);
}

bool
banger_reader_discard(BangerReader *reader)
{
    ssize_t n = recv(reader->fd, reader->piece, PIECE_SIZE, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}
