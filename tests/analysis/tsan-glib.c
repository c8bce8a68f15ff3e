/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Part of the helper in a build with --enable-tsan only. GLib's locks and queues are futexes of its
 * own, in a library that is not instrumented: ThreadSanitizer sees nothing of the order they make,
 * and would call every hand-over a race. These stand in front of GLib's functions for the helper's
 * code, and tell it.
 */
#include <dlfcn.h>
#include <glib.h>
#include <poll.h>
#include <sanitizer/tsan_interface.h>

static struct {
    void (*mutex_lock)(GMutex *);
    void (*mutex_unlock)(GMutex *);
    gboolean (*mutex_trylock)(GMutex *);
    void (*cond_wait)(GCond *, GMutex *);
    gboolean (*cond_wait_until)(GCond *, GMutex *, gint64);
    GThreadPool *(*pool_new)(GFunc, gpointer, gint, gboolean, GError **);
    guint (*source_attach)(GSource *, GMainContext *);
    int (*poll)(struct pollfd *, nfds_t, int);
    gboolean (*pool_push)(GThreadPool *, gpointer, GError **);
} real;

/* At the first call: libraries' constructors lock, too, before this program's could run. */
__attribute__((no_sanitize("thread"))) static void
look_up(void)
{
    if (real.pool_push != NULL)
        return;
    *(void **)&real.mutex_lock = dlsym(RTLD_NEXT, "g_mutex_lock");
    *(void **)&real.mutex_unlock = dlsym(RTLD_NEXT, "g_mutex_unlock");
    *(void **)&real.mutex_trylock = dlsym(RTLD_NEXT, "g_mutex_trylock");
    *(void **)&real.cond_wait = dlsym(RTLD_NEXT, "g_cond_wait");
    *(void **)&real.cond_wait_until = dlsym(RTLD_NEXT, "g_cond_wait_until");
    *(void **)&real.pool_new = dlsym(RTLD_NEXT, "g_thread_pool_new");
    *(void **)&real.source_attach = dlsym(RTLD_NEXT, "g_source_attach");
    *(void **)&real.poll = dlsym(RTLD_NEXT, "poll");
    *(void **)&real.pool_push = dlsym(RTLD_NEXT, "g_thread_pool_push");
}

void
g_mutex_lock(GMutex *mutex)
{
    look_up();
    real.mutex_lock(mutex);
    __tsan_acquire(mutex);
}

void
g_mutex_unlock(GMutex *mutex)
{
    look_up();
    __tsan_release(mutex);
    real.mutex_unlock(mutex);
}

gboolean
g_mutex_trylock(GMutex *mutex)
{
    gboolean locked;

    look_up();
    locked = real.mutex_trylock(mutex);
    if (locked)
        __tsan_acquire(mutex);
    return locked;
}

void
g_cond_wait(GCond *cond, GMutex *mutex)
{
    look_up();
    __tsan_release(mutex);
    real.cond_wait(cond, mutex);
    __tsan_acquire(mutex);
}

gboolean
g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    gboolean signalled;

    look_up();
    __tsan_release(mutex);
    signalled = real.cond_wait_until(cond, mutex, end_time);
    __tsan_acquire(mutex);
    return signalled;
}

/* What a pool's function was made with; as long as the process lives. */
typedef struct {
    GFunc func;
    gpointer user_data;
} Work;

static void
work(gpointer data, gpointer user_data)
{
    const Work *one = user_data;

    __tsan_acquire(data);
    one->func(data, one->user_data);
}

GThreadPool *
g_thread_pool_new(GFunc func, gpointer user_data, gint max_threads, gboolean exclusive,
                  GError **error)
{
    Work *one = g_new0(Work, 1);

    look_up();
    one->func = func;
    one->user_data = user_data;
    return real.pool_new(work, one, max_threads, exclusive, error);
}

gboolean
g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
    look_up();
    __tsan_release(data);
    return real.pool_push(pool, data, error);
}

/* What is attached to the main loop is met by its next iteration, each of which polls. */
static char handed_back;

guint
g_source_attach(GSource *source, GMainContext *context)
{
    look_up();
    __tsan_release(&handed_back);
    return real.source_attach(source, context);
}

int
poll(struct pollfd *fds, nfds_t n_fds, int timeout)
{
    int r;

    look_up();
    r = real.poll(fds, n_fds, timeout);
    __tsan_acquire(&handed_back);
    return r;
}
