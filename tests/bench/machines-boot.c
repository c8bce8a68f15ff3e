/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/machines.h"
#include "util/fd.h"

/* firecracker's API without a library: requests one after the other on one connection. */

#define WAIT_TRIES 200000
#define WAIT_USEC 50 /* often enough to cost the time that is measured nothing */

static int
connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    for (int i = 0; fd >= 0 && i < WAIT_TRIES; i++) {
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        g_usleep(WAIT_USEC);
    }
    banger_close_fd(&fd);
    return -1;
}

/* One request, which must be answered by 204. */
static bool
put(int fd, const char *path, const char *body)
{
    g_autofree char *request =
        g_strdup_printf("PUT %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%s",
                        path, strlen(body), body);
    char answer[1024];
    ssize_t n;

    if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
        return false;
    n = recv(fd, answer, sizeof answer - 1, 0);
    answer[MAX(n, 0)] = '\0';
    if (g_str_has_prefix(answer, "HTTP/1.1 204"))
        return true;
    g_printerr("bench: PUT %s: %s\n", path, answer);
    return false;
}

static bool put_format(int fd, const char *path, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool
put_format(int fd, const char *path, const char *format, ...)
{
    g_autofree char *body = NULL;
    va_list arguments;

    va_start(arguments, format);
    body = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return put(fd, path, body);
}

bool
machines_boot(const MachinesNames *names, const char *path, const char *kernel, const char *drive,
              bool read_only, const char *tap)
{
    banger_autofd int fd = connect_to(path);

    return fd >= 0 &&
           put_format(fd, "/logger", "{\"log_path\":\"%s\",\"level\":\"Warning\"}", names->log) &&
           put_format(fd, "/metrics", "{\"metrics_path\":\"%s\"}", names->metrics) &&
           put(fd, "/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":128}") &&
           put_format(fd, "/boot-source",
                      "{\"kernel_image_path\":\"%s\",\"boot_args\":\"console=ttyS0\"}", kernel) &&
           put_format(fd, "/drives/rootfs",
                      "{\"drive_id\":\"rootfs\",\"path_on_host\":\"%s\",\"is_root_device\":true,"
                      "\"is_read_only\":%s}",
                      drive, read_only ? "true" : "false") &&
           (tap == NULL || put_format(fd, "/network-interfaces/eth0",
                                      "{\"iface_id\":\"eth0\",\"host_dev_name\":\"%s\"}", tap)) &&
           put_format(fd, "/vsock", "{\"guest_cid\":3,\"uds_path\":\"%s\"}", names->vsock) &&
           put(fd, "/logger", "{\"level\":\"Info\"}") &&
           put(fd, "/actions", "{\"action_type\":\"InstanceStart\"}");
}
