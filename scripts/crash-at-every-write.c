// SPDX-License-Identifier: Apache-2.0
// Strikes a process at one of its calls that change files below a folder. Put before the C library by LD_PRELOAD:
//
//   PSEUDOWORD_CRASH="FOLDER:MODE:N:LOG"   at the start, or pseudoword_crash_arm() later
//
// Calls are counted from 1. The N-th meets its fate, by MODE:
//   kill    the process is killed before the call does anything
//   torn    a write writes half of its bytes, any other call all that it does; then the process is killed
//   error   the call fails with EIO, and all others work
//   full    this and all later calls that need room fail with ENOSPC
// LOG gets one line, "N CALL PATH", when it happens; N = 0 strikes never and counts.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { OFF, KILL, TORN, ERROR, FULL };
enum fate { PASS, FAIL, HALF };

static char folder[PATH_MAX], logfile[PATH_MAX];
static enum mode mode;
static long target;
static atomic_long count, struck;

void pseudoword_crash_arm(const char *below, const char *how, long number, const char *log) {
    mode = OFF;
    snprintf(folder, sizeof folder, "%s", below);
    snprintf(logfile, sizeof logfile, "%s", log);
    target = number;
    count = 0;
    struck = 0;
    mode = !strcmp(how, "kill") ? KILL : !strcmp(how, "torn") ? TORN : !strcmp(how, "error") ? ERROR : !strcmp(how, "full") ? FULL : OFF;
}

// How many calls there were, and whether one was struck.
long pseudoword_crash_count(void) { return count; }
long pseudoword_crash_struck(void) { return struck; }

__attribute__((constructor)) static void start(void) {
    const char *setting = getenv("PSEUDOWORD_CRASH");
    char below[PATH_MAX] = "", how[16] = "", log[PATH_MAX] = "";
    long number = 0;
    if (setting && sscanf(setting, "%4095[^:]:%15[^:]:%ld:%4095s", below, how, &number, log) == 4)
        pseudoword_crash_arm(below, how, number, log);
    // For this process alone: those that it starts are not struck.
    unsetenv("PSEUDOWORD_CRASH");
}

static void note(long number, const char *call, const char *path) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
    long file = syscall(SYS_openat, AT_FDCWD, logfile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) return;
    if (length > 0) syscall(SYS_write, file, line, (size_t)length);
    syscall(SYS_close, file);
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static enum fate fate(const char *call, const char *path, int needs_room) {
    size_t length = strlen(folder);
    if (mode == OFF || strncmp(path, folder, length) || (path[length] != '/' && path[length])) return PASS;
    long number = atomic_fetch_add(&count, 1) + 1;
    if (mode == FULL && target && number > target && needs_room) {
        errno = ENOSPC;
        return FAIL;
    }
    if (number != target) return PASS;
    if (mode == FULL && !needs_room) {
        target += 1;
        return PASS;
    }
    struck = number;
    note(number, call, path);
    switch (mode) {
    case KILL: die(); return FAIL;
    case TORN: return HALF;
    default: errno = mode == FULL ? ENOSPC : EIO; return FAIL;
    }
}

static const char *absolute(int base, const char *path, char *buffer) {
    if (path[0] == '/') return path;
    char link[64], here[PATH_MAX] = "";
    if (base == AT_FDCWD) {
        if (!getcwd(here, sizeof here)) return path;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", base);
        ssize_t length = readlink(link, here, sizeof here - 1);
        here[length > 0 ? length : 0] = 0;
    }
    snprintf(buffer, PATH_MAX, "%.2000s/%.2000s", here, path);
    return buffer;
}

static enum fate fate_of_file(const char *call, int file, int needs_room) {
    if (mode == OFF) return PASS;
    char link[64], path[PATH_MAX];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length <= 0) return PASS;
    path[length] = 0;
    return fate(call, path, needs_room);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

// What a call does when the process is to be killed just after it.
#define AFTERWARDS(type, call) \
    { \
        type ignored = call; \
        (void)ignored; \
        die(); \
    }

#define WRITE(name, parameters, arguments, half, ...) \
    ssize_t name parameters { \
        REAL(ssize_t, name, __VA_ARGS__); \
        enum fate now = fate_of_file(#name, file, 1); \
        if (now == FAIL) return -1; \
        if (now == HALF) AFTERWARDS(ssize_t, real half) \
        return real arguments; \
    }
WRITE(write, (int file, const void *bytes, size_t size), (file, bytes, size), (file, bytes, size / 2), int, const void *, size_t)
WRITE(pwrite, (int file, const void *bytes, size_t size, off_t at), (file, bytes, size, at), (file, bytes, size / 2, at), int, const void *,
      size_t, off_t)
WRITE(pwrite64, (int file, const void *bytes, size_t size, off64_t at), (file, bytes, size, at), (file, bytes, size / 2, at), int,
      const void *, size_t, off64_t)
WRITE(writev, (int file, const struct iovec *parts, int number), (file, parts, number), (file, parts, number / 2), int,
      const struct iovec *, int)

#define CALL(name, decision, parameters, arguments, ...) \
    int name parameters { \
        REAL(int, name, __VA_ARGS__); \
        char buffer[PATH_MAX]; \
        (void)buffer; \
        enum fate now = decision; \
        if (now == FAIL) return -1; \
        if (now == HALF) AFTERWARDS(int, real arguments) \
        return real arguments; \
    }
CALL(fsync, fate_of_file("fsync", file, 0), (int file), (file), int)
CALL(fdatasync, fate_of_file("fdatasync", file, 0), (int file), (file), int)
CALL(ftruncate, fate_of_file("ftruncate", file, 1), (int file, off_t size), (file, size), int, off_t)
CALL(ftruncate64, fate_of_file("ftruncate64", file, 1), (int file, off64_t size), (file, size), int, off64_t)
CALL(rename, fate("rename", absolute(AT_FDCWD, to, buffer), 1), (const char *from, const char *to), (from, to), const char *, const char *)
CALL(renameat, fate("renameat", absolute(base, to, buffer), 1), (int other, const char *from, int base, const char *to),
     (other, from, base, to), int, const char *, int, const char *)
CALL(renameat2, fate("renameat2", absolute(base, to, buffer), 1),
     (int other, const char *from, int base, const char *to, unsigned flags), (other, from, base, to, flags), int, const char *, int,
     const char *, unsigned)
CALL(link, fate("link", absolute(AT_FDCWD, to, buffer), 1), (const char *from, const char *to), (from, to), const char *, const char *)
CALL(symlink, fate("symlink", absolute(AT_FDCWD, to, buffer), 1), (const char *from, const char *to), (from, to), const char *,
     const char *)
CALL(unlink, fate("unlink", absolute(AT_FDCWD, path, buffer), 0), (const char *path), (path), const char *)
CALL(unlinkat, fate("unlinkat", absolute(base, path, buffer), 0), (int base, const char *path, int flags), (base, path, flags), int,
     const char *, int)
CALL(rmdir, fate("rmdir", absolute(AT_FDCWD, path, buffer), 0), (const char *path), (path), const char *)
CALL(mkdir, fate("mkdir", absolute(AT_FDCWD, path, buffer), 1), (const char *path, mode_t rights), (path, rights), const char *, mode_t)

// Only what makes or empties a file; a variadic call's third argument is there when the flags say so.
#define OPEN(name, base, parameters, arguments, ...) \
    int name parameters { \
        REAL(int, name, __VA_ARGS__, ...); \
        mode_t rights = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list list; \
            va_start(list, flags); \
            rights = va_arg(list, mode_t); \
            va_end(list); \
        } \
        char buffer[PATH_MAX]; \
        struct stat status; \
        const char *full = absolute(base, path, buffer); \
        int saved = errno; \
        int changes = mode != OFF && flags & (O_CREAT | O_TRUNC) && (flags & O_TRUNC || lstat(full, &status) != 0); \
        errno = saved; \
        enum fate now = changes ? fate(#name, full, 1) : PASS; \
        if (now == FAIL) return -1; \
        if (now == HALF) AFTERWARDS(int, real arguments) \
        return real arguments; \
    }
OPEN(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, rights), const char *, int)
OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, rights), const char *, int)
OPEN(openat, base, (int base, const char *path, int flags, ...), (base, path, flags, rights), int, const char *, int)
OPEN(openat64, base, (int base, const char *path, int flags, ...), (base, path, flags, rights), int, const char *, int)
