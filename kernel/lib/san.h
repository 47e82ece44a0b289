/*
 * kernel/lib/san.h - what the two sanitizers of a SAN=1 build, UBSAN and KASAN, share.
 *
 * A report ends the machine, so that a test run fails; unless the self-test (mm/san_test.c) provoked it.
 */
#ifndef KERNEL_LIB_SAN_H
#define KERNEL_LIB_SAN_H

#include "kernel/lib/types.h"

/*
 * Upward entry: true if the running task made this mistake on purpose. Then the headline has been noted and the caller
 * goes on as if nothing had happened. Any context.
 */
bool san_expected(const char *headline);

/* Report if not all of [P, P+SIZE) may be read or written: for what gcc does not see, assembly. mm/kasan.c; any context. */
#ifdef CONFIG_KASAN
void kasan_check_read(const volatile void *p, size_t size);
void kasan_check_write(const volatile void *p, size_t size);
#else
static inline void kasan_check_read(const volatile void *p, size_t size) { }
static inline void kasan_check_write(const volatile void *p, size_t size) { }
#endif

#endif
