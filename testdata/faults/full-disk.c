/* Put before libc with LD_PRELOAD: the N-th call (FULL_AT) that would put something into the folder FULL_IN
 * finds the disk full; with FULL_EVER so do all after it. A file FULL_MARK tells that it came to that. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;
static atomic_char watched[65536];

static int within(const char *path) {
    const char *folder = getenv("FULL_IN");
    return folder && path && strstr(path, folder);
}

static int is_full(void) {
    const char *at = getenv("FULL_AT"), *mark = getenv("FULL_MARK");
    long n = at ? atol(at) : 0, now = atomic_fetch_add(&calls, 1) + 1;
    if (n == 0 || now < n || (now > n && !getenv("FULL_EVER"))) return 0;
    if (mark) close(creat(mark, 0600));
    errno = ENOSPC;
    return 1;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int opened(int fd, int flags, const char *path) {
    if (fd >= 0 && fd < 65536) watched[fd] = within(path) && (flags & (O_WRONLY | O_RDWR));
    return fd;
}

#define OPEN(name)                                                  \
    int name(const char *path, int flags, ...) {                    \
        REAL(name);                                                 \
        va_list rest;                                               \
        va_start(rest, flags);                                      \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;   \
        va_end(rest);                                               \
        if ((flags & O_CREAT) && within(path) && is_full()) return -1; \
        return opened(real(path, flags, mode), flags, path);        \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(write);
    if (fd < 0 || fd >= 65536 || !watched[fd] || !is_full()) return real(fd, bytes, count);
    /* Half of it still found room. */
    if (count > 1) real(fd, bytes, count / 2);
    errno = ENOSPC;
    return -1;
}

int fsync(int fd) {
    REAL(fsync);
    return fd >= 0 && fd < 65536 && watched[fd] && is_full() ? -1 : real(fd);
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(linkat);
    return within(new) && is_full() ? -1 : real(from, old, to, new, flags);
}

int link(const char *old, const char *new) {
    REAL(link);
    return within(new) && is_full() ? -1 : real(old, new);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return within(path) && is_full() ? -1 : real(path, mode);
}

int close(int fd) {
    REAL(close);
    if (fd >= 0 && fd < 65536) watched[fd] = 0;
    return real(fd);
}
