/*
 * kernel/lib/types.h - the integer types and the tiny macros that every file needs.
 *
 * Fixed-width names are the short ones (u8 ... u64). Physical addresses are phys_addr_t (bytes), page
 * frame numbers travel as `unsigned long pfn`, user and kernel virtual addresses as `unsigned long`.
 */
#ifndef KERNEL_LIB_TYPES_H
#define KERNEL_LIB_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 phys_addr_t;
typedef unsigned long pgoff_t;	/* index of a page in a file or mapping */
typedef s64 loff_t;
typedef unsigned int gfp_t;
typedef u32 umode_t;		/* file type and permission bits, as st_mode */
typedef int pid_t;
typedef u32 uid_t;
typedef u32 gid_t;

#ifndef QUIRE_HOST
typedef long ssize_t;
typedef u32 dev_t;		/* MKDEV(major, minor); the host has its own */
#else
#include <sys/types.h>
#endif

#include "kernel/lib/compiler.h"
#include "kernel/lib/errno.h"

#endif
