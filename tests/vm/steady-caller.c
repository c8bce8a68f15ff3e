/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

/*
 * For tests/vm/guest/82-upgrade: a caller that stays connected to the bus, and calls the helper
 * again and again until the file that its argument names is there. Prints how many calls were
 * answered; one that fails ends it.
 */

static int
call(sd_bus *bus)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r =
        sd_bus_call_method(bus, "org.banger.Helper1", "/org/banger/Helper1", "org.banger.Helper1",
                           "ProcessRunning", &error, NULL, "uss", 4194303u, "", "");

    if (r < 0)
        (void)fprintf(stderr, "%s\n", error.message != NULL ? error.message : strerror(-r));
    sd_bus_error_free(&error);
    return r;
}

int
main(int argc, char **argv)
{
    unsigned long answered = 0;
    sd_bus *bus = NULL;
    int r = argc == 2 ? sd_bus_open_system(&bus) : -EINVAL;

    while (r >= 0 && access(argv[1], F_OK) != 0) {
        r = call(bus);
        if (r >= 0)
            answered++;
        (void)usleep(50000);
    }
    printf("%lu\n", answered);
    sd_bus_flush_close_unref(bus);
    return r < 0 ? 1 : 0;
}
