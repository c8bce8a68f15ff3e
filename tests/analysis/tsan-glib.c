/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Part of the helper in a build with --enable-tsan only. GLib's locks and queues are futexes of its
 * own, in a library that is not instrumented: ThreadSanitizer sees nothing of the order they make,
 * and would call every hand-over a race. These stand in front of GLib's functions for the helper's
 * code, and say so.
 */
#include <dlfcn.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <sanitizer/tsan_interface.h>

static struct {
    void (*mutex_lock)(GMutex *);
    void (*mutex_unlock)(GMutex *);
    gboolean (*mutex_trylock)(GMutex *);
    void (*cond_wait)(GCond *, GMutex *);
    gboolean (*cond_wait_until)(GCond *, GMutex *, gint64);
    GThreadPool *(*pool_new)(GFunc, gpointer, gint, gboolean, GError **);
    guint (*source_attach)(GSource *, GMainContext *);
    void (*source_set_callback)(GSource *, GSourceFunc, gpointer, GDestroyNotify);
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
    *(void **)&real.source_set_callback = dlsym(RTLD_NEXT, "g_source_set_callback");
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
    gboolean signaled;

    look_up();
    __tsan_release(mutex);
    signaled = real.cond_wait_until(cond, mutex, end_time);
    __tsan_acquire(mutex);
    return signaled;
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

/*
 * What is attached to the main loop is met by its next iteration, which polls; or by the one that
 * has polled already and now looks at each source, when that source's function is called.
 */
static char handed_back;

typedef struct {
    GSourceFunc func;
    gpointer data;
    GDestroyNotify notify;
} Callback;

static gboolean
call_back(gpointer user_data)
{
    const Callback *callback = user_data;

    __tsan_acquire(&handed_back);
    return callback->func(callback->data);
}

static void
drop_callback(gpointer user_data)
{
    Callback *callback = user_data;

    if (callback->notify != NULL)
        callback->notify(callback->data);
    g_free(callback);
}

extern const char __executable_start[], etext[]; /* by the linker */

/*
 * What a library's own sources call may have other arguments: only the helper's functions are stood
 * in for.
 */
void
g_source_set_callback(GSource *source, GSourceFunc func, gpointer data, GDestroyNotify notify)
{
    const char *caller = __builtin_return_address(0);
    Callback *callback;

    look_up();
    if (caller < __executable_start || caller >= etext) {
        real.source_set_callback(source, func, data, notify);
        return;
    }
    callback = g_new0(Callback, 1);
    *callback = (Callback){.func = func, .data = data, .notify = notify};
    real.source_set_callback(source, call_back, callback, drop_callback);
}

/* The context's own lock is one of those that are not seen: here is one that is. */
guint
g_source_attach(GSource *source, GMainContext *context)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    guint id;

    look_up();
    (void)pthread_mutex_lock(&lock);
    __tsan_acquire(&handed_back);
    __tsan_release(&handed_back);
    id = real.source_attach(source, context);
    (void)pthread_mutex_unlock(&lock);
    return id;
}

int
poll(struct pollfd *fds, nfds_t n_fds, int timeout)
{
    int r;

    look_up();
    __tsan_release(&handed_back);
    r = real.poll(fds, n_fds, timeout);
    __tsan_acquire(&handed_back);
    return r;
}
