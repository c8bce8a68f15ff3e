/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake/fake.h"

/*
 * Snapshots: the state is the list of what was put, which loading puts again. The memory is a line
 * that says whose it is, and as a real one it is mapped.
 */

static const char *
string_of(json_object *object, const char *name)
{
    return json_object_get_string(json_object_object_get(object, name));
}

void
fake_snapshot_note(FakeState *state, const char *path, json_object *object)
{
    json_object *entry;

    if (!g_str_has_prefix(path, "/drives/") && !g_str_has_prefix(path, "/network-interfaces/") &&
        !g_str_equal(path, "/vsock"))
        return;
    entry = json_object_new_object();
    json_object_object_add(entry, "path", json_object_new_string(path));
    json_object_object_add(entry, "body", json_object_get(object));
    if (state->made == NULL)
        state->made = json_object_new_array();
    json_object_array_add(state->made, entry);
}

/* Writes @text to the file @path, which may be there. */
static char *
write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return fake_api_fault("Cannot perform open on the snapshot backing file: %s",
                              g_strerror(errno));
    (void)close(fd);
    return NULL;
}

/* Does to the files what a VMM that its guest has taken over might: see fake.h. */
static void
spoil(const char *kind, const char *state, const char *memory)
{
    g_autofree char *other = g_strconcat(state, ".other", NULL);
    int fd;

    if (g_str_equal(kind, "none"))
        (void)unlink(memory);
    if (g_str_equal(kind, "keep"))
        (void)open(memory, O_RDWR | O_CLOEXEC);
    if (g_str_equal(kind, "map") && (fd = open(memory, O_RDWR | O_CLOEXEC)) >= 0) {
        (void)mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void)close(fd);
    }
    if (g_str_equal(kind, "link")) {
        (void)unlink(state);
        (void)!symlink("/etc/passwd", state);
    }
    if (g_str_equal(kind, "twice"))
        (void)!link(state, other);
    if (g_str_equal(kind, "fifo")) {
        (void)unlink(memory);
        (void)mkfifo(memory, 0666);
    }
    if (g_str_equal(kind, "open")) {
        g_autofree char *directory = g_path_get_dirname(state);

        (void)chmod(directory, 0777);
        (void)chmod(memory, 0666);
    }
}

char *
fake_snapshot_create(const FakeState *state, json_object *object)
{
    const char *snapshot = string_of(object, "snapshot_path");
    const char *memory = string_of(object, "mem_file_path");
    g_autofree char *text = g_strdup_printf("the memory of %s\n", state->id);
    char *fault;

    if (!state->paused)
        return fake_api_fault("Create snapshot error: Cannot save the state of a running microVM.");
    fault =
        write_file(snapshot, state->made != NULL ? json_object_to_json_string(state->made) : "[]");
    if (fault == NULL)
        fault = write_file(memory, text);
    if (fault == NULL && fake_spoil != NULL)
        spoil(fake_spoil, snapshot, memory);
    return fault;
}

/* Makes what @object overrides of the @body that was put to @path. */
static void
override(json_object *object, const char *path, json_object *body)
{
    json_object *list = json_object_object_get(object, "network_overrides");
    json_object *vsock = json_object_object_get(object, "vsock_override");

    for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
        json_object *one = json_object_array_get_idx(list, i);

        if (g_str_has_prefix(path, "/network-interfaces/") &&
            g_strcmp0(string_of(one, "iface_id"), string_of(body, "iface_id")) == 0)
            json_object_object_add(body, "host_dev_name",
                                   json_object_new_string(string_of(one, "host_dev_name")));
    }
    if (vsock != NULL && g_str_equal(path, "/vsock"))
        json_object_object_add(body, "uds_path",
                               json_object_new_string(string_of(vsock, "uds_path")));
}

char *
fake_snapshot_load(FakeState *state, json_object *object)
{
    json_object *backend = json_object_object_get(object, "mem_backend");
    const char *memory = backend != NULL ? string_of(backend, "backend_path") : NULL;
    int fd = memory != NULL ? open(memory, O_RDONLY | O_CLOEXEC) : -1;
    g_autofree char *text = NULL;
    json_object *made;
    char *fault = NULL;

    if (state->made != NULL || state->has_kernel)
        return fake_api_fault("Loading a microVM snapshot not allowed after configuring "
                              "boot-specific resources.");
    if (fd < 0 || mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED)
        return fake_api_fault("Load snapshot error: Cannot open the memory file: %s",
                              g_strerror(errno));
    if (!g_file_get_contents(string_of(object, "snapshot_path"), &text, NULL, NULL))
        return fake_api_fault("Load snapshot error: Failed to open snapshot file: %s",
                              g_strerror(errno));
    made = json_tokener_parse(text);
    for (size_t i = 0; fault == NULL && i < json_object_array_length(made); i++) {
        json_object *entry = json_object_array_get_idx(made, i);
        json_object *body = json_object_object_get(entry, "body");

        override(object, string_of(entry, "path"), body);
        fault = fake_api_put(state, string_of(entry, "path"), body);
    }
    state->has_kernel = state->started = state->paused = fault == NULL;
    return fault;
}
