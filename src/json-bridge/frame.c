/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/frame.h"

#include "json-bridge/bridge-limits.h"
#include "json-bridge/parse.h"
#include "json-bridge/scan.h"

struct BangerFrame {
    BangerScan scan;
    GString *text; /* of the request so far */
};

BangerFrame *
banger_frame_new(void)
{
    BangerFrame *frame = g_new0(BangerFrame, 1);

    frame->text = g_string_new(NULL);
    return frame;
}

void
banger_frame_free(BangerFrame *frame)
{
    g_string_free(frame->text, TRUE);
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

/* Makes the buffer ready for the next request: as small as for a small one. */
static void
renew_text(BangerFrame *frame)
{
    if (frame->text->len <= BANGER_SMALL_REQUEST_MAX) {
        g_string_truncate(frame->text, 0);
        return;
    }
    g_string_free(frame->text, TRUE);
    frame->text = g_string_new(NULL);
}

BangerFrameResult
banger_frame_feed(BangerFrame *frame, const char *data, size_t length, size_t *ret_used,
                  struct json_object **ret_request, GError **error)
{
    BangerScanResult scanned;
    size_t start, end;

    if (!banger_scan_is_inside(&frame->scan))
        banger_scan_reset(&frame->scan);
    scanned = banger_scan_feed(&frame->scan, data, length, &start, &end, error);
    if (scanned == BANGER_SCAN_BAD)
        return BANGER_FRAME_BAD;
    g_string_append_len(frame->text, data + start, (gssize)(end - start));
    *ret_used = end;
    if (scanned == BANGER_SCAN_MORE)
        return BANGER_FRAME_MORE;
    *ret_request = banger_json_parse(frame->text->str);
    renew_text(frame);
    return BANGER_FRAME_REQUEST;
}
