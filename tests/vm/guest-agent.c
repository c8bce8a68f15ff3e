/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * In the real guest of tests/vm/guest/55-real, linked statically: vsock both ways. Says hello to
 * the host's port 5000, then answers each connection to port 52 with what it was sent.
 */

static int
open_socket(unsigned int cid, unsigned int port,
            int (*use)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

    if (fd < 0 || use(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        perror("vsock");
        return -1;
    }
    return fd;
}

int
main(void)
{
    static const char hello[] = "hello from the guest\n";
    int host = open_socket(VMADDR_CID_HOST, 5000, connect);
    int listener = open_socket(VMADDR_CID_ANY, 52, bind);

    if (host >= 0)
        (void)!write(host, hello, sizeof hello - 1);
    if (host >= 0)
        (void)close(host);
    if (listener < 0 || listen(listener, 4) < 0)
        return 1;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char buffer[256];
        ssize_t n = fd >= 0 ? read(fd, buffer, sizeof buffer) : -1;

        if (n > 0)
            (void)!write(fd, buffer, (size_t)n);
        if (fd >= 0)
            (void)close(fd);
    }
}
