/*
 * mm/kasan.c - KASAN, the kernel address sanitizer: is this byte anybody's? (SAN=1 builds only)
 *
 *	p->x = 1;     becomes     __asan_store4(&p->x);  p->x = 1;
 *	                             └── shadow byte of the address: 0? else kasan_report()
 *
 *	slab page    [ object  |red zone][ free object     |red zone] ...
 *	its shadow    00 00 04  fc         fb fb fb          fc
 *
 * gcc calls these functions before each access to memory; for variables on the stack it writes the shadow itself, in
 * the code of each function; for globals it makes a table, which kasan_init() reads by calling the constructors.
 * mm/kasan.h has the layout, arch-x86_64/kasan_init.c the page tables of the shadow, kasan_report.c the text.
 *
 * This file, the report, the slab allocator (which writes to free objects) and the back trace are themselves not
 * instrumented (Makefile: NO_KASAN). Not here: a quarantine. A freed object or frame is found out until it is given
 * out again, which for the object on top of a magazine is soon.
 * Linux: mm/kasan/generic.c, mm/kasan/shadow.c.
 */
#include "mm/kasan.h"
#include "arch-x86_64/pgtable.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/san.h"
#include "mm/gfp.h"

#define KERNEL_HALF	0xffff800000000000UL
#define MAX_TABLES	512			/* source files with globals */

static struct { const struct kasan_global *globals; size_t nr; } tables[MAX_TABLES];
static size_t nr_tables;

/* ---- Writing the shadow ---- */

/* Not memset(): that one is checked. */
static void fill_shadow(s8 *at, size_t n, u8 value)
{
	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(value) : "memory");
}

void kasan_poison(const void *p, size_t size, u8 value)
{
	fill_shadow(kasan_shadow((unsigned long)p), DIV_ROUND_UP(size, KASAN_GRANULE), value);
}

void kasan_unpoison(const void *p, size_t size)
{
	s8 *at = kasan_shadow((unsigned long)p);

	fill_shadow(at, size / KASAN_GRANULE, 0);
	if (size % KASAN_GRANULE)
		at[size / KASAN_GRANULE] = size % KASAN_GRANULE;
}

void kasan_alloc_pages(const struct page *p, unsigned int order)
{
	kasan_unpoison(page_address(p), PAGE_SIZE << order);
}

void kasan_free_pages(const struct page *p, unsigned int order)
{
	kasan_poison(page_address(p), PAGE_SIZE << order, KASAN_PAGE_FREE);
}

void kasan_kmalloc(const void *p, size_t size, size_t capacity, u8 value)
{
	size_t rounded = ALIGN(size, KASAN_GRANULE);

	if (!p)
		return;
	kasan_unpoison(p, size);
	if (rounded < capacity)
		kasan_poison(p + rounded, capacity - rounded, value);
}

/* ---- Reading it ---- */

unsigned long kasan_first_bad(unsigned long addr, size_t size)
{
	unsigned long last = addr + size - 1;
	s8 *at = kasan_shadow(addr), *end = kasan_shadow(last);

	while (at < end && !*at) {
		/* Eight at once where nothing is poisoned, as nearly everywhere. */
		while (end - at >= 8 && IS_ALIGNED((unsigned long)at, 8) && !*(const u64 *)at)
			at += 8;
		if (at < end && !*at)
			at++;
	}
	if (*at == 0)
		return 0;
	/* The granule AT is the first that is not wholly open. */
	addr = max(addr, ((unsigned long)at - KASAN_SHADOW_OFFSET) << 3);
	if (*at > 0 && (addr & (KASAN_GRANULE - 1)) < *at)
		addr = (addr & ~(KASAN_GRANULE - 1)) + *at;
	return addr <= last ? addr : 0;
}

static __always_inline void check(unsigned long addr, size_t size, bool write, unsigned long ip)
{
	unsigned long last = addr + size - 1;

	if (unlikely(!size))
		return;
	/* User addresses have no shadow that could be read, and must not be touched by C code anyway. */
	if (unlikely(addr < KERNEL_HALF || last < addr))
		kasan_report(addr, size, write, ip);
	/* Aligned, at most eight bytes: one shadow byte tells. */
	else if (likely(size <= 8 && (addr >> 3) == (last >> 3) && !*kasan_shadow(addr)))
		return;
	else if (unlikely(kasan_first_bad(addr, size)))
		kasan_report(addr, size, write, ip);
}

#define CALLER ((unsigned long)__builtin_return_address(0))

void kasan_check_read(const volatile void *p, size_t size) { check((unsigned long)p, size, false, CALLER); }
void kasan_check_write(const volatile void *p, size_t size) { check((unsigned long)p, size, true, CALLER); }

/* ---- What gcc calls ---- */

#define ACCESS(n)									\
	void __asan_load##n##_noabort(unsigned long addr);				\
	void __asan_load##n##_noabort(unsigned long addr) { check(addr, n, false, CALLER); }	\
	void __asan_store##n##_noabort(unsigned long addr);				\
	void __asan_store##n##_noabort(unsigned long addr) { check(addr, n, true, CALLER); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __asan_loadN_noabort(unsigned long addr, size_t size);
void __asan_storeN_noabort(unsigned long addr, size_t size);
void __asan_handle_no_return(void);
void __asan_register_globals(const struct kasan_global *globals, size_t nr);
void __asan_unregister_globals(const struct kasan_global *globals, size_t nr);

void __asan_loadN_noabort(unsigned long addr, size_t size) { check(addr, size, false, CALLER); }
void __asan_storeN_noabort(unsigned long addr, size_t size) { check(addr, size, true, CALLER); }

/* Before a call that does not come back. What stays poisoned below is cleared when the stack gets a new task. */
void __asan_handle_no_return(void)
{
}

void __asan_register_globals(const struct kasan_global *globals, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct kasan_global *g = &globals[i];

		kasan_kmalloc(g->start, g->size, g->size_with_redzone, KASAN_GLOBAL_REDZONE);
	}
	if (nr_tables < MAX_TABLES) {
		tables[nr_tables].globals = globals;
		tables[nr_tables++].nr = nr;
	}
}

/* Named in the destructors that gcc makes beside the constructors; they never run. */
void __asan_unregister_globals(const struct kasan_global *globals, size_t nr)
{
}

const struct kasan_global *kasan_global_before(unsigned long addr)
{
	for (size_t t = 0; t < nr_tables; t++) {
		for (size_t i = 0; i < tables[t].nr; i++) {
			const struct kasan_global *g = &tables[t].globals[i];

			if (addr - (unsigned long)g->start < g->size_with_redzone)
				return g;
		}
	}
	return NULL;
}
