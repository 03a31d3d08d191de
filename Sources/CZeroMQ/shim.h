// SPDX-License-Identifier: Apache-2.0
// What Swift cannot import from <zmq.h>: errno-style macros behind platform tests, and a wake-up descriptor.
#ifndef PSEUDOWORD_CZEROMQ_SHIM_H
#define PSEUDOWORD_CZEROMQ_SHIM_H

#include <errno.h>
#include <sys/eventfd.h>
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

#endif
