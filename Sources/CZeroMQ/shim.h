// SPDX-License-Identifier: Apache-2.0
// What Swift cannot import from <zmq.h>: errno-style macros behind platform tests, a wake-up descriptor, and a door for listeners.
#ifndef PSEUDOWORD_CZEROMQ_SHIM_H
#define PSEUDOWORD_CZEROMQ_SHIM_H

#include <errno.h>
#include <linux/filter.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

// Debian's libzmq takes this option though it was built without the drafts, whose declarations its header hides.
static const int pw_zmq_zap_enforce_domain = 93;

static const int pw_zmq_eterm = ETERM;
static const int pw_zmq_enocompatproto = ENOCOMPATPROTO;
static const int pw_zmq_emthread = EMTHREAD;

// A non-blocking descriptor that does not survive exec, or -1 with errno set.
static inline int pw_wakeup_open(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

// Fails only when the counter is already at its maximum, which wakes the reader all the same.
static inline void pw_wakeup_signal(int descriptor) { (void)eventfd_write(descriptor, 1); }

static inline void pw_wakeup_drain(int descriptor) {
    eventfd_t ignored;
    (void)eventfd_read(descriptor, &ignored);
}

// Lets the kernel drop every packet that wants to begin a connection; what waits to be accepted stays. 0, or -1 with errno set.
static inline int pw_listener_shut(int descriptor) {
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop};
    return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static inline int pw_listener_open(int descriptor) {
    int ignored = 0;
    return setsockopt(descriptor, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored);
}

#endif
