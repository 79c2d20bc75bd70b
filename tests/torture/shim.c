/* Preloaded into the command: counts what it does to files below a folder, and does something at one of them.
 *
 * Python arms it in the child that is to suffer (torture/shim.py): `shim_arm`. What is counted: opening for writing,
 * writing, flushing, renaming, removing, making folders, cutting files; with WITH_READS opening and reading, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, KILL_AFTER, PLUG, HALF, FAIL_ONCE, FAIL_ON, WITH_READS = 256 };

static int mode, with_reads, wanted, number_of_error;
static char below[4096];
static size_t below_length;
static _Atomic int *count; /* Shared with the parent, which reads it after a kill. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) abort();
    return found;
}

void shim_arm(int how, int at, int error, const char *folder, int *shared) {
    with_reads = (how & WITH_READS) != 0;
    wanted = at;
    number_of_error = error;
    snprintf(below, sizeof below, "%s", folder);
    below_length = strlen(below);
    count = (_Atomic int *)shared;
    mode = how & 255;
}

static int is_below(const char *path) {
    return strncmp(path, below, below_length) == 0 && (path[below_length] == '/' || path[below_length] == 0);
}

static int path_of(int descriptor, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

static int concerns_path(int folder, const char *path) {
    char place[4096], whole[8192];
    if (count == NULL || path == NULL) return 0;
    if (path[0] == '/') return is_below(path);
    if (folder == AT_FDCWD) {
        if (getcwd(place, sizeof place) == NULL) return 0;
    } else if (!path_of(folder, place, sizeof place)) {
        return 0;
    }
    snprintf(whole, sizeof whole, "%s/%s", place, path);
    return is_below(whole);
}

static int concerns(int descriptor) {
    char path[4096];
    return count != NULL && path_of(descriptor, path, sizeof path) && is_below(path);
}

#include "unflushed.h"

static void end(void) {
    if (mode == PLUG) forget_what_was_not_flushed();
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* 1: fail with errno; 0: go on; *after: end when it is done; half: write one half first. */
static int step(int *after, int *half) {
    int number = atomic_fetch_add(count, 1) + 1;
    *after = *half = 0;
    if (number < wanted) return 0;
    if (mode == FAIL_ON || (mode == FAIL_ONCE && number == wanted)) {
        errno = number_of_error;
        return 1;
    }
    if (number != wanted) return 0;
    if (mode == KILL || mode == PLUG) end();
    *after = mode == KILL_AFTER;
    *half = mode == HALF;
    return 0;
}

#define AROUND(type, concerned, call)                 \
    int after, half;                                  \
    if (!(concerned)) return call;                    \
    if (step(&after, &half)) return (type)-1;         \
    if (half) end();                                  \
    type result = call;                               \
    if (after) end();                                 \
    return result

static int opening(int folder, const char *path, int flags) {
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    return (writes || with_reads) && concerns_path(folder, path);
}

/* An existing file that is cut by opening it has nothing safe any more. */
static int cut(int descriptor, int flags) {
    if (descriptor >= 0 && flags & O_TRUNC) wrote(descriptor, 0, 1);
    return descriptor;
}

#define MODE_OF(flags)                                          \
    mode_t rights = 0;                                          \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                    \
        va_list more;                                           \
        va_start(more, flags);                                  \
        rights = va_arg(more, mode_t);                          \
        va_end(more);                                           \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags)
    AROUND(int, opening(AT_FDCWD, path, flags), cut(REAL(open)(path, flags, rights), flags));
}
int open64(const char *path, int flags, ...) {
    MODE_OF(flags)
    AROUND(int, opening(AT_FDCWD, path, flags), cut(REAL(open64)(path, flags, rights), flags));
}
int openat(int folder, const char *path, int flags, ...) {
    MODE_OF(flags)
    AROUND(int, opening(folder, path, flags), cut(REAL(openat)(folder, path, flags, rights), flags));
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE_OF(flags)
    AROUND(int, opening(folder, path, flags), cut(REAL(openat64)(folder, path, flags, rights), flags));
}

#define WRITING(descriptor, begin, whole, part)                  \
    int after, half;                                             \
    if (!concerns(descriptor)) return whole;                     \
    if (step(&after, &half)) return -1;                          \
    begins_to_write(descriptor);                                 \
    off_t from = begin;                                          \
    ssize_t done = half ? part : whole;                          \
    if (done > 0) wrote(descriptor, from, from + done);          \
    if (after || half) end();                                    \
    return done

static off_t place(int descriptor) {
    off_t at = lseek(descriptor, 0, SEEK_CUR);
    return at < 0 ? 0 : at;
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
    WRITING(descriptor, place(descriptor), REAL(write)(descriptor, bytes, size),
            REAL(write)(descriptor, bytes, size / 2));
}
ssize_t writev(int descriptor, const struct iovec *parts, int many) {
    WRITING(descriptor, place(descriptor), REAL(writev)(descriptor, parts, many),
            REAL(write)(descriptor, parts[0].iov_base, parts[0].iov_len / 2));
}
ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t at) {
    WRITING(descriptor, at, REAL(pwrite)(descriptor, bytes, size, at),
            REAL(pwrite)(descriptor, bytes, size / 2, at));
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t at) {
    WRITING(descriptor, at, REAL(pwrite64)(descriptor, bytes, size, at),
            REAL(pwrite64)(descriptor, bytes, size / 2, at));
}
ssize_t pwritev(int descriptor, const struct iovec *parts, int many, off_t at) {
    WRITING(descriptor, at, REAL(pwritev)(descriptor, parts, many, at),
            REAL(pwrite)(descriptor, parts[0].iov_base, parts[0].iov_len / 2, at));
}
ssize_t pwritev64(int descriptor, const struct iovec *parts, int many, off64_t at) {
    WRITING(descriptor, at, REAL(pwritev64)(descriptor, parts, many, at),
            REAL(pwrite)(descriptor, parts[0].iov_base, parts[0].iov_len / 2, at));
}
ssize_t pwritev2(int descriptor, const struct iovec *parts, int many, off_t at, int flags) {
    WRITING(descriptor, at, REAL(pwritev2)(descriptor, parts, many, at, flags),
            REAL(pwrite)(descriptor, parts[0].iov_base, parts[0].iov_len / 2, at));
}
ssize_t pwritev64v2(int descriptor, const struct iovec *parts, int many, off64_t at, int flags) {
    WRITING(descriptor, at, REAL(pwritev64v2)(descriptor, parts, many, at, flags),
            REAL(pwrite)(descriptor, parts[0].iov_base, parts[0].iov_len / 2, at));
}
/* Copies inside the system: refused, so that the bytes are written where they are counted. */
ssize_t sendfile(int out, int in, off_t *at, size_t size) {
    if (concerns(out)) { errno = EINVAL; return -1; }
    return REAL(sendfile)(out, in, at, size);
}
ssize_t sendfile64(int out, int in, off64_t *at, size_t size) {
    if (concerns(out)) { errno = EINVAL; return -1; }
    return REAL(sendfile64)(out, in, at, size);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    if (concerns(out)) { errno = EINVAL; return -1; }
    return REAL(copy_file_range)(in, from, out, to, size, flags);
}

static int after_flush(int descriptor, int result) {
    if (result == 0) flushed(descriptor);
    return result;
}
int fsync(int descriptor) { AROUND(int, concerns(descriptor), after_flush(descriptor, REAL(fsync)(descriptor))); }
int fdatasync(int descriptor) {
    AROUND(int, concerns(descriptor), after_flush(descriptor, REAL(fdatasync)(descriptor)));
}
int ftruncate(int descriptor, off_t size) { AROUND(int, concerns(descriptor), REAL(ftruncate)(descriptor, size)); }
int ftruncate64(int descriptor, off64_t size) {
    AROUND(int, concerns(descriptor), REAL(ftruncate64)(descriptor, size));
}
int rename(const char *from, const char *to) {
    AROUND(int, concerns_path(AT_FDCWD, from) || concerns_path(AT_FDCWD, to), REAL(rename)(from, to));
}
int renameat(int there, const char *from, int here, const char *to) {
    AROUND(int, concerns_path(there, from) || concerns_path(here, to), REAL(renameat)(there, from, here, to));
}
int renameat2(int there, const char *from, int here, const char *to, unsigned flags) {
    AROUND(int, concerns_path(there, from) || concerns_path(here, to), REAL(renameat2)(there, from, here, to, flags));
}
int unlink(const char *path) { AROUND(int, concerns_path(AT_FDCWD, path), REAL(unlink)(path)); }
int unlinkat(int folder, const char *path, int flags) {
    AROUND(int, concerns_path(folder, path), REAL(unlinkat)(folder, path, flags));
}
int rmdir(const char *path) { AROUND(int, concerns_path(AT_FDCWD, path), REAL(rmdir)(path)); }
int mkdir(const char *path, mode_t rights) { AROUND(int, concerns_path(AT_FDCWD, path), REAL(mkdir)(path, rights)); }
int mkdirat(int folder, const char *path, mode_t rights) {
    AROUND(int, concerns_path(folder, path), REAL(mkdirat)(folder, path, rights));
}

ssize_t read(int descriptor, void *bytes, size_t size) {
    AROUND(ssize_t, with_reads && concerns(descriptor), REAL(read)(descriptor, bytes, size));
}
ssize_t pread(int descriptor, void *bytes, size_t size, off_t at) {
    AROUND(ssize_t, with_reads && concerns(descriptor), REAL(pread)(descriptor, bytes, size, at));
}
ssize_t pread64(int descriptor, void *bytes, size_t size, off64_t at) {
    AROUND(ssize_t, with_reads && concerns(descriptor), REAL(pread64)(descriptor, bytes, size, at));
}
ssize_t preadv(int descriptor, const struct iovec *parts, int many, off_t at) {
    AROUND(ssize_t, with_reads && concerns(descriptor), REAL(preadv)(descriptor, parts, many, at));
}
ssize_t preadv64(int descriptor, const struct iovec *parts, int many, off64_t at) {
    AROUND(ssize_t, with_reads && concerns(descriptor), REAL(preadv64)(descriptor, parts, many, at));
}
