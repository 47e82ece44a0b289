/*
 * mm/kasan.h - the address sanitizer of a SAN=1 build: the shadow, and hooks for allocators.
 *
 *	address  ffff888000001230 ... 1237     eight bytes of memory ...
 *	shadow   KASAN_SHADOW_OFFSET + (address >> 3)    ... have one byte that says how many may be touched
 *
 *	shadow byte   00  all eight     01..07  the first so many     others  none, and why: KASAN_* below
 *
 * gcc puts a check of the shadow before each load and store, and red zones around the variables on stacks and
 * around globals (mm/kasan.c). Allocators say through these hooks what is free; checks for assembly are in
 * kernel/lib/san.h. Without SAN=1 all of this is empty. No hook sleeps, takes a lock or can fail; addresses are of
 * the direct map unless said otherwise.
 *
 * Linux: include/linux/kasan.h, mm/kasan/kasan.h; the numbers are Linux's.
 */
#ifndef MM_KASAN_H
#define MM_KASAN_H

#include "kernel/lib/types.h"

struct page;
struct kmem_cache;

#ifdef CONFIG_KASAN
#define KASAN_SHADOW_OFFSET	0xdffffc0000000000UL	/* gcc is told the same (Makefile) */
#define KASAN_GRANULE		8UL

#define KASAN_PAGE_FREE		0xff	/* in the buddy allocator or a per-CPU list */
#define KASAN_PAGE_REDZONE	0xfe	/* behind a kmalloc of whole pages */
#define KASAN_SLAB_REDZONE	0xfc
#define KASAN_SLAB_FREE		0xfb
#define KASAN_GLOBAL_REDZONE	0xf9
#define KASAN_STACK_LEFT	0xf1	/* gcc's own choice, as are the following */
#define KASAN_STACK_MID		0xf2
#define KASAN_STACK_RIGHT	0xf3
#define KASAN_STACK_SCOPE	0xf8

static inline s8 *kasan_shadow(unsigned long addr) { return (s8 *)((addr >> 3) + KASAN_SHADOW_OFFSET); }

/* [P, P+SIZE) may be touched. P is aligned to a granule; SIZE may end inside one. */
void kasan_unpoison(const void *p, size_t size);
/* [P, P+SIZE) must not be touched, for the reason VALUE; a granule begun belongs to it. */
void kasan_poison(const void *p, size_t size, u8 value);
/* page_alloc.c: 2^ORDER frames have been given out, taken back. */
void kasan_alloc_pages(const struct page *p, unsigned int order);
void kasan_free_pages(const struct page *p, unsigned int order);
/* slab.c: P has CAPACITY bytes of which SIZE were asked for; the rest becomes red zone VALUE. P may be NULL. */
void kasan_kmalloc(const void *p, size_t size, size_t capacity, u8 value);

/* arch-x86_64/kasan_init.c. The first: PML4 entries of the shadow, before the switch to TOP; the second: real shadow. */
void kasan_map_zero_shadow(u64 *top);
void kasan_init(void);
/* Bytes from VMALLOC_START on that have real shadow: kernel stacks must lie there. c after kasan_init(). */
extern unsigned long kasan_stack_area;

/* For reports: the object of a slab that ADDR lies in or behind. False: no slab. slab.c */
struct kasan_object { const char *cache; unsigned long start; unsigned int size; };
bool kasan_describe_slab(unsigned long addr, struct kasan_object *o);

/* Between kasan.c and kasan_report.c. */
struct kasan_global {			/* gcc's: one variable */
	const void *start;
	size_t size, size_with_redzone;
	const char *name, *module;
	unsigned long has_dynamic_init;
	const struct { const char *file; int line, column; } *location;
	const void *odr_indicator;
};
const struct kasan_global *kasan_global_before(unsigned long addr);
/* Where in [ADDR, ADDR+SIZE) the first byte lies that must not be touched; 0: nowhere. */
unsigned long kasan_first_bad(unsigned long addr, size_t size);
void kasan_report(unsigned long addr, size_t size, bool write, unsigned long ip);
#else
static inline void kasan_unpoison(const void *p, size_t size) { }
static inline void kasan_poison(const void *p, size_t size, u8 value) { }
static inline void kasan_alloc_pages(const struct page *p, unsigned int order) { }
static inline void kasan_free_pages(const struct page *p, unsigned int order) { }
static inline void kasan_map_zero_shadow(u64 *top) { }
static inline void kasan_init(void) { }
#define KASAN_SLAB_REDZONE	0
#define KASAN_SLAB_FREE		0
#define KASAN_PAGE_REDZONE	0
static inline void kasan_kmalloc(const void *p, size_t size, size_t capacity, u8 value) { }
#endif

#endif
