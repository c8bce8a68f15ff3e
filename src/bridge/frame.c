/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bridge/frame.h"

#include "bridge/limits.h"
#include "bridge/scan.h"
#include "util/error.h"

struct BangerFrame {
    BangerScan scan;
    struct json_tokener *tokener;
};

static struct json_tokener *
new_tokener(void)
{
    /* The tokener counts a scalar as a level of its own. Its stack is its limit: the scanner
     * refuses a deeper request before it comes here. */
    struct json_tokener *tokener = json_tokener_new_ex((int)BANGER_REQUEST_DEPTH_MAX + 1);

    if (tokener == NULL)
        g_error("json_tokener_new_ex: out of memory");
    return tokener;
}

BangerFrame *
banger_frame_new(void)
{
    BangerFrame *frame = g_new0(BangerFrame, 1);

    frame->tokener = new_tokener();
    return frame;
}

/* Makes the tokener ready for the next request. Its buffer is as large as the largest string it
 * has seen, and only a new one's is small again. */
static void
renew_tokener(BangerFrame *frame)
{
    if (frame->scan.size <= BANGER_SMALL_REQUEST_MAX) {
        json_tokener_reset(frame->tokener);
        return;
    }
    json_tokener_free(frame->tokener);
    frame->tokener = new_tokener();
}

void
banger_frame_free(BangerFrame *frame)
{
    json_tokener_free(frame->tokener);
    g_free(frame);
}

size_t
banger_frame_pending(const BangerFrame *frame)
{
    return banger_scan_is_inside(&frame->scan) ? frame->scan.size : 0;
}

bool
banger_frame_looks_like_jsonrpc(const BangerFrame *frame)
{
    return frame->scan.is_array || frame->scan.names_jsonrpc;
}

BangerFrameResult
banger_frame_feed(BangerFrame *frame, const char *data, size_t length, size_t *ret_used,
                  struct json_object **ret_request, GError **error)
{
    struct json_object *request;
    enum json_tokener_error status;
    BangerScanResult scanned;
    size_t start, end;

    if (!banger_scan_is_inside(&frame->scan))
        banger_scan_reset(&frame->scan);
    scanned = banger_scan_feed(&frame->scan, data, length, &start, &end, error);
    if (scanned == BANGER_SCAN_BAD)
        return BANGER_FRAME_BAD;
    *ret_used = end;
    if (start == end)
        return BANGER_FRAME_MORE;

    request = json_tokener_parse_ex(frame->tokener, data + start, (int)(end - start));
    status = json_tokener_get_error(frame->tokener);
    if (scanned == BANGER_SCAN_MORE && status == json_tokener_continue)
        return BANGER_FRAME_MORE;
    if (scanned == BANGER_SCAN_END && status == json_tokener_success) {
        renew_tokener(frame);
        *ret_request = request;
        return BANGER_FRAME_REQUEST;
    }
    json_object_put(request);
    (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "the request cannot be read: %s",
                           json_tokener_error_desc(status));
    return BANGER_FRAME_BAD;
}
