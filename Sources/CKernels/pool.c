// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CKernels.h"
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define RELAX() _mm_pause()
#else
#define RELAX() ((void)0)
#endif

enum { MAXIMUM_THREADS = 256, SPINS = 300, SCRATCH_SLOTS = 8 };

static pthread_mutex_t user = PTHREAD_MUTEX_INITIALIZER;   // one parallel region at a time
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   // guards generation for sleepers
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
// The number of the parallel region times 65536 plus its threads: one load tells a thread both that there is a new region and whether it
// takes part. A thread that wakes late must not judge an old region by the thread count of a new one.
static _Atomic uint64_t generation;
static _Atomic int32_t next_task, busy, wanted = 1;
static int32_t task_count, started;
static uint64_t born[MAXIMUM_THREADS];  // the generation in which each thread was made
static void (*current)(void *, int32_t);
static void *current_context;
static _Thread_local int inside;

static void drain(void) {
    int32_t index;
    inside = 1;
    while ((index = atomic_fetch_add_explicit(&next_task, 1, memory_order_relaxed)) < task_count) current(current_context, index);
    inside = 0;
}

static void *member(void *argument) {
    int32_t number = (int32_t)(intptr_t)argument;
    uint64_t seen = born[number];
    for (;;) {
        int spins = SPINS;
        while (atomic_load_explicit(&generation, memory_order_acquire) == seen && spins-- > 0) RELAX();
        if (atomic_load_explicit(&generation, memory_order_acquire) == seen) {
            pthread_mutex_lock(&lock);
            while (atomic_load_explicit(&generation, memory_order_acquire) == seen) pthread_cond_wait(&wake, &lock);
            pthread_mutex_unlock(&lock);
        }
        seen = atomic_load_explicit(&generation, memory_order_acquire);
        if (number < (int32_t)(seen & 0xFFFF)) {
            drain();
            atomic_fetch_sub_explicit(&busy, 1, memory_order_release);
        }
    }
    return NULL;
}

int32_t pw_run_on(const int32_t *processors, size_t count) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < count; i++)
        if (processors[i] >= 0 && processors[i] < CPU_SETSIZE) CPU_SET(processors[i], &set);
    return sched_setaffinity(0, sizeof set, &set);
}

void pw_set_threads(int32_t count) {
    pthread_mutex_lock(&user);
    if (count < 1) count = 1;
    if (count > MAXIMUM_THREADS) count = MAXIMUM_THREADS;
    while (started < count - 1) {
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, 8u << 20);
        born[started + 1] = atomic_load_explicit(&generation, memory_order_relaxed);
        int failed = pthread_create(&thread, &attributes, member, (void *)(intptr_t)(started + 1));
        pthread_attr_destroy(&attributes);
        if (failed) break;
        started += 1;
    }
    wanted = started + 1 < count ? started + 1 : count;
    pthread_mutex_unlock(&user);
}

int32_t pw_threads(void) { return wanted; }

void pw_parallel(int32_t count, void (*task)(void *, int32_t), void *context) {
    if (count <= 1 || inside || wanted <= 1 || pthread_mutex_trylock(&user) != 0) {
        for (int32_t index = 0; index < count; index++) task(context, index);
        return;
    }
    current = task;
    current_context = context;
    task_count = count;
    atomic_store_explicit(&next_task, 0, memory_order_relaxed);
    int32_t threads = wanted;  // fixed while we hold `user`
    atomic_store_explicit(&busy, threads - 1, memory_order_relaxed);
    pthread_mutex_lock(&lock);
    uint64_t number = (atomic_load_explicit(&generation, memory_order_relaxed) >> 16) + 1;
    atomic_store_explicit(&generation, number << 16 | (uint64_t)threads, memory_order_release);
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);
    drain();
    // On a busy machine the thread we wait for may not be running: spin a little, then let others have the core.
    for (int spins = 0; atomic_load_explicit(&busy, memory_order_acquire) > 0; spins++) {
        if (spins < 4 * SPINS) RELAX();
        else sched_yield();
    }
    pthread_mutex_unlock(&user);
}

static _Thread_local struct { float *memory; size_t count; } scratch[SCRATCH_SLOTS];

float *pw_scratch(int32_t slot, size_t count) {
    if (scratch[slot].count < count) {
        free(scratch[slot].memory);
        scratch[slot].memory = NULL;
        scratch[slot].count = 0;
        void *memory = NULL;
        if (posix_memalign(&memory, 64, count * sizeof(float)) != 0) return NULL;
        scratch[slot].memory = memory;
        scratch[slot].count = count;
    }
    return scratch[slot].memory;
}

void pw_keep_freed_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 64 << 20);
}

uint64_t pw_peak_resident_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024;
}
