/*
 * kernel/task/random.h - random bytes for everybody: getrandom(2), AT_RANDOM, /dev/urandom.
 */
#ifndef KERNEL_TASK_RANDOM_H
#define KERNEL_TASK_RANDOM_H

#include "kernel/lib/types.h"

/* Fill BUF. Never blocks, never fails; any context but NMI. */
void get_random_bytes(void *buf, size_t n);
/* Stir N bytes into the state (writes to /dev/random). */
void add_random_bytes(const void *buf, size_t n);

#endif
