/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/firecracker-api.h"

#include <string.h>
#include <sys/socket.h>

#include "util/error.h"
#include "util/fd.h"
#include "vmm/curl.h"

#define ANSWER_MAX (64u << 10) /* bytes of headers, and of a body */
#define END_WAIT_MS 2000       /* for a process that has closed its connection */
#define END_LOOK_MS 100        /* between looks whether the job was cancelled meanwhile */

struct BangerFirecrackerApi {
    const BangerCurl *lib;
    CURL *curl;
    struct curl_slist *headers;
    char *path;
    int path_fd;
    int socket_fd; /* libcurl's */
    const BangerProcess *process;
    BangerJob *job;
    gint64 deadline_usec;
    GString *answer;
    size_t header_bytes;
    GError *refusal; /* of check_peer() or check_end() */
    bool is_closed;  /* by the other side, at the last request */
    char words[CURL_ERROR_SIZE];
};

static size_t
take_body(char *data, size_t size, size_t count, void *user_data)
{
    BangerFirecrackerApi *api = user_data;

    if (size * count > ANSWER_MAX - api->answer->len)
        return 0; /* an error, CURLE_WRITE_ERROR */
    g_string_append_len(api->answer, data, (gssize)(size * count));
    return size * count;
}

static size_t
count_header(char *data, /* NOLINT(readability-non-const-parameter) */
             size_t size, size_t count, void *user_data)
{
    BangerFirecrackerApi *api = user_data;

    (void)data;
    if (size * count > ANSWER_MAX - api->header_bytes)
        return 0;
    api->header_bytes += size * count;
    return size * count;
}

/* Makes the socket that libcurl connects: remembers it for check_peer(). */
static curl_socket_t
open_socket(void *user_data, curlsocktype purpose, struct curl_sockaddr *address)
{
    BangerFirecrackerApi *api = user_data;

    (void)purpose;
    api->socket_fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return api->socket_fd < 0 ? CURL_SOCKET_BAD : api->socket_fd;
}

/* Called between connecting and sending: speaks only to the process that was started. */
static int
check_peer(void *user_data, char *remote, /* NOLINT(readability-non-const-parameter) */
           char *local,                   /* NOLINT(readability-non-const-parameter) */
           int remote_port, int local_port)
{
    BangerFirecrackerApi *api = user_data;
    struct ucred peer = {0};
    socklen_t length = sizeof peer;

    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    if (getsockopt(api->socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
        peer.pid == api->process->pid)
        return CURL_PREREQFUNC_OK;
    g_clear_error(&api->refusal);
    (void)banger_set_error(&api->refusal, BANGER_ERROR_NOT_MANAGED,
                           "process %d, and not the new process %d, answers at %s", peer.pid,
                           api->process->pid, api->path);
    return CURL_PREREQFUNC_ABORT;
}

/*
 * Called once a second at least: no caller waits for what was cancelled, and who has ended will not
 * answer, whoever has its sockets now.
 */
static int
check_end(void *user_data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    BangerFirecrackerApi *api = user_data;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    g_clear_error(&api->refusal);
    if (!banger_job_check(api->job, &api->refusal))
        return 1;
    if (!banger_process_wait_end(api->process, 0))
        return 0 /* go on */;
    (void)banger_set_error(&api->refusal, BANGER_ERROR_OPERATION_FAILED, "the process has ended");
    return 1;
}

/* What every request has in common. Whether libcurl took it all. */
static bool
set_options(BangerFirecrackerApi *api)
{
    CURLcode (*set)(CURL *, CURLoption, ...) = api->lib->easy_setopt;
    CURL *curl = api->curl;

    /* The very socket that was checked, whatever its name leads to by now. */
    return set(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           set(curl, CURLOPT_ERRORBUFFER, api->words) == CURLE_OK &&
           set(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           set(curl, CURLOPT_UNIX_SOCKET_PATH, banger_fd_path(api->path_fd).text) == CURLE_OK &&
           set(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           set(curl, CURLOPT_OPENSOCKETDATA, api) == CURLE_OK &&
           set(curl, CURLOPT_PREREQFUNCTION, check_peer) == CURLE_OK &&
           set(curl, CURLOPT_PREREQDATA, api) == CURLE_OK &&
           set(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           set(curl, CURLOPT_XFERINFOFUNCTION, check_end) == CURLE_OK &&
           set(curl, CURLOPT_XFERINFODATA, api) == CURLE_OK &&
           set(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           set(curl, CURLOPT_HTTPHEADER, api->headers) == CURLE_OK &&
           set(curl, CURLOPT_HEADERFUNCTION, count_header) == CURLE_OK &&
           set(curl, CURLOPT_HEADERDATA, api) == CURLE_OK &&
           set(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           set(curl, CURLOPT_WRITEDATA, api) == CURLE_OK;
}

BangerFirecrackerApi *
banger_firecracker_api_new(int path_fd, const char *path, const BangerProcess *process,
                           int timeout_ms, BangerJob *job, GError **error)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json", "Expect:"};
    const BangerCurl *lib = banger_curl_get(error);
    g_autoptr(BangerFirecrackerApi) api = NULL;

    if (lib == NULL)
        return NULL;
    api = g_new0(BangerFirecrackerApi, 1);
    api->lib = lib;
    api->path = g_strdup(path);
    api->path_fd = path_fd;
    api->process = process;
    api->job = job;
    api->deadline_usec = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    api->answer = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(headers); i++)
        api->headers = lib->slist_append(api->headers, headers[i]);
    api->curl = lib->easy_init();
    if (api->curl == NULL || !set_options(api)) {
        (void)banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "cannot set up libcurl");
        return NULL;
    }
    return g_steal_pointer(&api);
}

void
banger_firecracker_api_free(BangerFirecrackerApi *api)
{
    api->lib->easy_cleanup(api->curl);
    api->lib->slist_free_all(api->headers);
    g_string_free(api->answer, TRUE);
    g_clear_error(&api->refusal);
    g_free(api->path);
    g_free(api);
}

/* Whether the other side has closed the connection, or does not take one. */
static bool
is_closed(CURLcode result)
{
    return result == CURLE_COULDNT_CONNECT || result == CURLE_GOT_NOTHING ||
           result == CURLE_PARTIAL_FILE || result == CURLE_RECV_ERROR || result == CURLE_SEND_ERROR;
}

/* Turns libcurl's @result, which is no success, into @error. */
static bool
refuse_result(const BangerFirecrackerApi *api, CURLcode result,
              const BangerFirecrackerRequest *request, GError **error)
{
    if (api->refusal != NULL)
        return banger_set_error(error, banger_error_code(api->refusal), "%s %s: %s",
                                request->method, request->path, api->refusal->message);
    if (result == CURLE_OPERATION_TIMEDOUT)
        return banger_set_error(error, BANGER_ERROR_TIMEOUT, "%s %s: no answer in time",
                                request->method, request->path);
    if (result == CURLE_COULDNT_CONNECT)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "%s %s: cannot connect to %s",
                                request->method, request->path, api->path);
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "%s %s: %s", request->method,
                            request->path,
                            api->words[0] != '\0' ? api->words : api->lib->easy_strerror(result));
}

/* Whether libcurl takes what @request is, to be done within @left_ms. */
static bool
set_request(const BangerFirecrackerApi *api, const BangerFirecrackerRequest *request,
            gint64 left_ms)
{
    CURLcode (*set)(CURL *, CURLoption, ...) = api->lib->easy_setopt;
    g_autofree char *url = g_strconcat("http://localhost", request->path, NULL);

    /* HTTPGET takes back what POSTFIELDS made of the requests before. */
    return set(api->curl, CURLOPT_URL, url) == CURLE_OK &&
           set(api->curl, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
           (request->body == NULL ||
            set(api->curl, CURLOPT_POSTFIELDS, request->body) == CURLE_OK) &&
           set(api->curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
           set(api->curl, CURLOPT_TIMEOUT_MS, (long)MAX(left_ms, 1)) == CURLE_OK;
}

bool
banger_firecracker_api_request(BangerFirecrackerApi *api, const BangerFirecrackerRequest *request,
                               GError **error)
{
    g_autofree char *fault = NULL;
    gint64 left_ms = (api->deadline_usec - g_get_monotonic_time()) / 1000;
    long status = 0;
    CURLcode result;

    g_string_truncate(api->answer, 0);
    api->header_bytes = 0;
    api->words[0] = '\0';
    api->is_closed = false;
    g_clear_error(&api->refusal);
    if (!set_request(api, request, left_ms))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "cannot set up libcurl");
    result = api->lib->easy_perform(api->curl);
    api->is_closed = is_closed(result);
    if (result != CURLE_OK)
        return refuse_result(api, result, request, error);
    (void)api->lib->easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return true;
    fault = banger_firecracker_fault_message(api->answer->str, api->answer->len);
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "%s %s was refused with status %ld: %s", request->method, request->path,
                            status, fault != NULL ? fault : "no reason given");
}

void
banger_firecracker_api_await_end(const BangerFirecrackerApi *api)
{
    const gint64 end_usec =
        MIN(g_get_monotonic_time() + (gint64)END_WAIT_MS * 1000, api->deadline_usec);
    bool goes_on = api->is_closed;

    while (goes_on)
        goes_on = banger_job_check(api->job, NULL) && g_get_monotonic_time() < end_usec &&
                  !banger_process_wait_end(api->process, END_LOOK_MS);
}

static bool
ask_for_state(BangerFirecrackerApi *api, GError **error)
{
    const BangerFirecrackerRequest request = {.method = "GET", .path = (char *)"/"};

    return banger_firecracker_api_request(api, &request, error);
}

bool
banger_firecracker_api_get_paused(BangerFirecrackerApi *api, bool *ret_paused, GError **error)
{
    if (!ask_for_state(api, error))
        return false;
    *ret_paused = banger_firecracker_is_paused(api->answer->str, api->answer->len);
    return true;
}

bool
banger_firecracker_api_get_unstarted(BangerFirecrackerApi *api, bool *ret_unstarted, GError **error)
{
    if (!ask_for_state(api, error))
        return false;
    *ret_unstarted = banger_firecracker_is_unstarted(api->answer->str, api->answer->len);
    return true;
}
