/*
 * mm/kasan_report.c - what KASAN says before it stops the machine: which access, whose memory, who did it.
 *
 *	BUG: KASAN: slab-out-of-bounds in san_slab_oob+0x4a: write of 1 byte(s) at ffff88803e4b2c71
 *	CPU: 1 PID: 37 Comm: san
 *	byte 1 behind an object of 113 bytes at ffff88803e4b2c00, cache kmalloc-128
 *	Shadow around it (a byte for 8 bytes of memory):
 *	 ffff88803e4b2c00: 00 00 00 00 00 00 00 00 00 00 00 00 00 00>01 fc
 *	Call trace: ...
 *
 * A second report while one is being made is dropped. Linux: mm/kasan/report.c.
 */
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/setup.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/san.h"
#include "kernel/sched/sched.h"
#include "mm/gfp.h"
#include "mm/kasan.h"

#define KERNEL_HALF	0xffff800000000000UL
#define STACK_MAGIC	0x41b58ab3UL		/* gcc: first word of a frame with red zones; then the text that names its variables */
#define ROW		16			/* shadow bytes in a line */
#define MAX_FRAME	4096			/* bytes below a red zone where its frame may begin */

static DEFINE_PER_CPU(int, reporting);

/* Why BAD, an address of the kernel's half, must not be touched: KASAN_*, or 0 if nothing is the matter. */
static u8 reason(unsigned long bad)
{
	const s8 *at = kasan_shadow(bad);

	return *at > 0 ? at[1] : at[0];		/* open in part: the reason stands in the next byte */
}

static const char *kind_of(unsigned long bad)
{
	if (bad < KERNEL_HALF)
		return bad < PAGE_SIZE ? "null-ptr-deref" : "user-memory-access";
	switch (reason(bad)) {
	case KASAN_PAGE_FREE:	   return "use-after-free";
	case KASAN_SLAB_FREE:	   return "slab-use-after-free";
	case KASAN_PAGE_REDZONE:
	case KASAN_SLAB_REDZONE:   return "slab-out-of-bounds";
	case KASAN_GLOBAL_REDZONE: return "global-out-of-bounds";
	case KASAN_STACK_LEFT:
	case KASAN_STACK_MID:
	case KASAN_STACK_RIGHT:	   return "stack-out-of-bounds";
	case KASAN_STACK_SCOPE:	   return "stack-use-after-scope";
	}
	return "out-of-bounds";		/* something open begins right behind */
}

static void describe_object(unsigned long bad, unsigned long start, unsigned long size, const char *what, const char *name)
{
	const char *where = bad < start ? "before" : bad < start + size ? "inside" : "behind";
	unsigned long bytes = bad < start ? start - bad : bad < start + size ? bad - start : bad - (start + size) + 1;

	pr_emerg("byte %lu %s an object of %lu bytes at %lx, %s %s\n", bytes, where, size, start, what, name);
}

/* The frame begins where its left red zone does; there gcc left "COUNT {OFFSET SIZE LENGTH NAME}...". */
static void describe_stack(unsigned long bad)
{
	for (unsigned long at = bad & ~7UL; at + MAX_FRAME > bad; at -= 8) {
		const unsigned long *frame = (const unsigned long *)at;

		if ((u8)*kasan_shadow(at) == KASAN_STACK_LEFT && frame[0] == STACK_MAGIC) {
			pr_emerg("byte %lu of the variables at %lx; how many, and offset, size, length and text of each name: %s\n", bad - at, at,
				 (const char *)frame[1]);
			return;
		}
		if (!((at - 8) & (PAGE_SIZE - 1)))
			return;		/* the page below may be a guard */
	}
}

/* Of the object at START, with room for SIZE bytes: how many are open, if only the last ones are not. */
static unsigned long open_part(unsigned long start, unsigned long size)
{
	unsigned long end = kasan_first_bad(start, size);

	return end > start ? end - start : size;
}

static void describe_large(unsigned long bad)
{
	unsigned long start = (unsigned long)page_address(compound_head(virt_to_page(bad)));

	describe_object(bad, start, open_part(start, bad - start + 1), "kmalloc", "of whole frames");
}

static void describe(unsigned long bad)
{
	const struct kasan_global *g = kasan_global_before(bad);
	struct kasan_object o;

	if (bad < KERNEL_HALF)
		return;
	if (g) {
		describe_object(bad, (unsigned long)g->start, g->size, "global", g->name);
		return;
	}
	switch (reason(bad)) {
	case KASAN_STACK_LEFT:
	case KASAN_STACK_MID:
	case KASAN_STACK_RIGHT:
	case KASAN_STACK_SCOPE:
		describe_stack(bad);
		break;
	case KASAN_PAGE_FREE:
		pr_emerg("byte %lu of the free frame %#lx\n", bad & (PAGE_SIZE - 1), __pa(bad) >> PAGE_SHIFT);
		break;
	case KASAN_PAGE_REDZONE:
		describe_large(bad);
		break;
	default:
		if (kasan_describe_slab(bad, &o))
			describe_object(bad, o.start, open_part(o.start, o.size), "cache", o.cache);
	}
}

static void show_shadow(unsigned long bad)
{
	unsigned long span = ROW * KASAN_GRANULE, row = ALIGN_DOWN(bad, span);

	if (bad < KERNEL_HALF)
		return;
	pr_emerg("Shadow around it (a byte for 8 bytes of memory):\n");
	for (int i = -2; i <= 2; i++) {
		unsigned long base = row + i * span;
		char line[ROW * 3 + 2];
		int n = 0;

		for (unsigned long a = base; a < base + span; a += KASAN_GRANULE)
			n += snprintf(line + n, sizeof(line) - n, "%c%02x", a == (bad & ~7UL) ? '>' : ' ', (u8)*kasan_shadow(a));
		pr_emerg(" %lx:%s\n", base, line);
	}
}

static void __noreturn tell(const char *headline, unsigned long bad)
{
	panic_begin();
	pr_emerg("%s\n", headline);
	if (current)
		pr_emerg("CPU: %d PID: %d Comm: %.16s\n", smp_processor_id(), current->pid, current->comm);
	describe(bad);
	show_shadow(bad);
	dump_stack();
	panic_end("%s", headline);
}

/*
 * SIZE bytes at ADDR were about to be touched by the code at IP. Comes back only if that was expected, or if another
 * report is under way on this CPU, or at boot before kasan_init().
 */
void kasan_report(unsigned long addr, size_t size, bool write, unsigned long ip)
{
	unsigned long flags, offset = 0, bad = addr;
	char headline[160];
	const char *name;

	if (!kasan_stack_area)
		return;
	local_irq_save(flags);
	if (!this_cpu_read(reporting)) {
		this_cpu_write(reporting, 1);
		if (addr >= KERNEL_HALF && addr + size > addr)
			bad = kasan_first_bad(addr, size) ?: addr;
		name = kallsyms_lookup(ip, &offset);
		snprintf(headline, sizeof(headline), "BUG: KASAN: %s in %s+%#lx: %s of %lu byte(s) at %lx", kind_of(bad),
			 name ? name : "?", offset, write ? "write" : "read", size, addr);
		if (!san_expected(headline))
			tell(headline, bad);
		this_cpu_write(reporting, 0);
	}
	local_irq_restore(flags);
}
