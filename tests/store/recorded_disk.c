/* A disk that writes down what is done to it, loaded by LD_PRELOAD: each write, cut, sync, new name, removed name and
   renaming under $RECORDED_FOLDER becomes a record of $RECORDED_LOG, in order, over all processes and threads. Nothing
   is really synced: the log tells what a power cut would leave at any moment (recorded_disk.py).
   While the file $RECORDED_FAULT is there, what its first letter names fails with the errno behind it: "w28" is a full
   disk, "s5" a disk that fails while it syncs, "o30" (opening for writing) one that was mounted read-only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char *folder(void) { return getenv("RECORDED_FOLDER"); }

static int inside(const char *path) {
    const char *f = folder();
    return f && *f && strncmp(path, f, strlen(f)) == 0;
}

/* Paths as the kernel sees them: programs that live in their folder (PostgreSQL) name files from there. */
static const char *absolute(const char *path, char *room) {
    if (path[0] == '/' || !getcwd(room, PATH_MAX)) return path;
    strncat(room, "/", PATH_MAX - strlen(room) - 1);
    return strncat(room, path, PATH_MAX - strlen(room) - 1);
}

static int log_fd = -1;

static void record(char what, const char *path, uint64_t offset, const struct iovec *data, int parts, uint64_t length) {
    int before = errno;
    if (log_fd < 0 && getenv("RECORDED_LOG")) {
        int fd = REAL(open)(getenv("RECORDED_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900); /* out of the way of programs that count their descriptors */
        REAL(close)(fd);
    }
    struct { uint32_t size; uint32_t path; uint64_t offset; uint64_t length; char what; } __attribute__((packed)) head =
        { (uint32_t)sizeof head, (uint32_t)strlen(path), offset, length, what };
    struct iovec all[66] = { { &head, sizeof head }, { (void *)path, head.path } };
    int n = 2;
    uint64_t left = length;
    for (int i = 0; i < parts && left && n < 66; i++) {
        all[n] = data[i];
        if (all[n].iov_len > left) all[n].iov_len = left;
        left -= all[n++].iov_len;
    }
    ssize_t done = REAL(writev)(log_fd, all, n);
    if (done != (ssize_t)(sizeof head + head.path + length)) abort();
    errno = before;
}

/* The path behind a descriptor, if it is one of ours and still has a name. */
static int path_of(int fd, char *path) {
    char link[64];
    int before = errno;
    if (!folder()) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    errno = before;
    if (n < 0) return 0;
    path[n] = 0;
    return inside(path) && !(n > 10 && strcmp(path + n - 10, " (deleted)") == 0);
}

/* 1 and errno where this kind of work shall fail. */
static int fails(char what) {
    char text[16] = "";
    const char *name = getenv("RECORDED_FAULT");
    if (!name) return 0;
    int before = errno, fd = REAL(open)(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
        REAL(close)(fd);
    }
    errno = text[0] == what ? atoi(text + 1) : before;
    return text[0] == what;
}

static int write_fails(int fd) {
    char path[PATH_MAX];
    return getenv("RECORDED_FAULT") && path_of(fd, path) && fails('w');
}

static ssize_t written(int fd, const struct iovec *data, int parts, off_t offset, ssize_t done) {
    char path[PATH_MAX];
    if (done > 0 && path_of(fd, path)) record('w', path, (uint64_t)offset, data, parts, (uint64_t)done);
    return done;
}

/* After a plain write the position stands behind what was written, also under O_APPEND. */
static off_t began(int fd, ssize_t done) { return done > 0 ? lseek(fd, 0, SEEK_CUR) - done : 0; }

ssize_t write(int fd, const void *data, size_t n) {
    if (write_fails(fd)) return -1;
    struct iovec one = { (void *)data, n };
    ssize_t done = REAL(write)(fd, data, n);
    char path[PATH_MAX];
    return done > 0 && path_of(fd, path) ? written(fd, &one, 1, began(fd, done), done) : done;
}

ssize_t writev(int fd, const struct iovec *data, int parts) {
    if (write_fails(fd)) return -1;
    ssize_t done = REAL(writev)(fd, data, parts);
    char path[PATH_MAX];
    return done > 0 && path_of(fd, path) ? written(fd, data, parts, began(fd, done), done) : done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) {
    struct iovec one = { (void *)data, n };
    return written(fd, &one, 1, offset, write_fails(fd) ? -1 : REAL(pwrite)(fd, data, n, offset));
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset) {
    struct iovec one = { (void *)data, n };
    return written(fd, &one, 1, offset, write_fails(fd) ? -1 : REAL(pwrite64)(fd, data, n, offset));
}

ssize_t pwritev(int fd, const struct iovec *data, int parts, off_t offset) {
    return written(fd, data, parts, offset, write_fails(fd) ? -1 : REAL(pwritev)(fd, data, parts, offset));
}

ssize_t pwritev64(int fd, const struct iovec *data, int parts, off64_t offset) {
    return written(fd, data, parts, offset, write_fails(fd) ? -1 : REAL(pwritev64)(fd, data, parts, offset));
}

static int synced(int fd) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return 1;
    if (fails('s')) return -1;
    record('s', path, 0, NULL, 0, 0);
    return 0;
}

int fsync(int fd) {
    int done = synced(fd);
    return done == 1 ? REAL(fsync)(fd) : done;
}

int fdatasync(int fd) {
    int done = synced(fd);
    return done == 1 ? REAL(fdatasync)(fd) : done;
}

static int cut(int fd, off_t size, int done) {
    char path[PATH_MAX];
    if (done == 0 && path_of(fd, path)) record('t', path, (uint64_t)size, NULL, 0, 0);
    return done;
}

int ftruncate(int fd, off_t size) { return cut(fd, size, write_fails(fd) ? -1 : REAL(ftruncate)(fd, size)); }

int ftruncate64(int fd, off64_t size) { return cut(fd, size, write_fails(fd) ? -1 : REAL(ftruncate64)(fd, size)); }

static int grown(int fd, off_t end, int done) {
    char path[PATH_MAX];
    struct stat is;
    if (done == 0 && path_of(fd, path) && fstat(fd, &is) == 0 && is.st_size <= end) record('t', path, (uint64_t)is.st_size, NULL, 0, 0);
    return done;
}

int posix_fallocate(int fd, off_t offset, off_t length) {
    return grown(fd, offset + length, REAL(posix_fallocate)(fd, offset, length));
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    return grown(fd, offset + length, REAL(posix_fallocate64)(fd, offset, length));
}

/* 'c' for a name that was not there, 't' for a file that was emptied by opening it. */
static int opened(int fd, int flags, int was_there) {
    char path[PATH_MAX];
    if (fd < 0 || !(flags & (O_CREAT | O_TRUNC)) || !path_of(fd, path)) return fd;
    if (!was_there) record('c', path, 0, NULL, 0, 0);
    else if (flags & O_TRUNC) record('t', path, 0, NULL, 0, 0);
    return fd;
}

static int open_fails(const char *path, int flags) {
    return (flags & O_ACCMODE) != O_RDONLY && getenv("RECORDED_FAULT") && inside(path) && fails('o');
}

static int there(int at, const char *path) {
    int before = errno, yes = faccessat(at, path, F_OK, 0) == 0;
    errno = before;
    return yes;
}

#define OPENED(call, at, path)                                      \
    mode_t mode = 0;                                                \
    if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {           \
        va_list rest;                                               \
        va_start(rest, flags);                                      \
        mode = va_arg(rest, mode_t);                                \
        va_end(rest);                                               \
    }                                                               \
    if (open_fails(path, flags)) return -1;                         \
    int was_there = !(flags & O_CREAT) || there(at, path);          \
    return opened(call, flags, was_there)

int open(const char *path, int flags, ...) { OPENED(REAL(open)(path, flags, mode), AT_FDCWD, path); }
int open64(const char *path, int flags, ...) { OPENED(REAL(open64)(path, flags, mode), AT_FDCWD, path); }
int openat(int at, const char *path, int flags, ...) { OPENED(REAL(openat)(at, path, flags, mode), at, path); }
int openat64(int at, const char *path, int flags, ...) { OPENED(REAL(openat64)(at, path, flags, mode), at, path); }

static int named(char what, const char *path, const char *to, int done) {
    char room[PATH_MAX], room_to[PATH_MAX];
    if (done != 0) return done;
    path = absolute(path, room);
    struct iovec one = { NULL, 0 };
    if (to) one.iov_base = (void *)absolute(to, room_to), one.iov_len = strlen(one.iov_base);
    if (inside(path)) record(what, path, 0, &one, 1, one.iov_len);
    return done;
}

int unlink(const char *path) { return named('u', path, NULL, REAL(unlink)(path)); }

int rmdir(const char *path) { return named('u', path, NULL, REAL(rmdir)(path)); }

int mkdir(const char *path, mode_t mode) { return named('d', path, NULL, REAL(mkdir)(path, mode)); }

int rename(const char *from, const char *to) { return named('r', from, to, REAL(rename)(from, to)); }
