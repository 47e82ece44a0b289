/*
 * mm/vmalloc.c - virtually contiguous kernel memory, kernel stacks, and windows onto device memory.
 *
 *	VMALLOC_START				 STACKS_END				VMALLOC_END
 *	|guard|stack 16K|guard|stack 16K|...	 |guard|area|guard|area ...
 *
 * Every object has an unmapped page below it and, because the next one starts with its guard, above it: running
 * off either end faults at once. Stacks have slots of a fixed size, found through a bitmap; a few freed ones stay
 * mapped for the next fork. Everything else is first fit in an ordered list: rare and short.
 *
 * Linux: mm/vmalloc.c, and the stack cache of kernel/fork.c.
 */
#include "arch-x86_64/io.h"
#include "arch-x86_64/pgtable.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/string.h"
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "mm/kasan.h"
#include "mm/slab.h"
#include "mm/vmstat.h"

#define STACK_SLOT	(PAGE_SIZE + THREAD_SIZE)
#define NR_STACK_SLOTS	(1UL << 16)
#define STACKS_END	(VMALLOC_START + NR_STACK_SLOTS * STACK_SLOT)
#define STACK_PAGES	(THREAD_SIZE / PAGE_SIZE)
#define STACK_CACHE	16

struct vm_struct {
	unsigned long va;		/* of the first mapped byte */
	size_t size;			/* mapped bytes, whole pages */
	struct page **pages;		/* ours to free; NULL: device memory */
	struct list_head list;		/* by address */
};

static LIST_HEAD(vm_areas);
static DEFINE_MUTEX(vmalloc_mutex);

static unsigned long stack_bitmap[NR_STACK_SLOTS / 64];
#ifdef CONFIG_KASAN
#define NR_STACK_WORDS	min(ARRAY_SIZE(stack_bitmap), kasan_stack_area / STACK_SLOT / 64)
#else
#define NR_STACK_WORDS	ARRAY_SIZE(stack_bitmap)
#endif
static unsigned long stack_hint;	/* no free slot in words below */
static void *stack_cache[STACK_CACHE];
static int nr_stack_cache;
static DEFINE_SPINLOCK(stack_lock);	/* bitmap, hint, cache */

/* ---- Areas ---- */

/* First gap of SIZE bytes behind a guard page. => vmalloc_mutex held. 0: none */
static struct list_head *find_gap(size_t size, unsigned long *va)
{
	struct vm_struct *a;

	*va = STACKS_END + PAGE_SIZE;
	list_for_each_entry(a, &vm_areas, list) {
		if (*va + size + PAGE_SIZE <= a->va)
			break;
		*va = a->va + a->size + PAGE_SIZE;
	}
	return *va + size + PAGE_SIZE <= VMALLOC_END ? &a->list : NULL;
}

static struct vm_struct *get_vm_area(size_t size)
{
	struct vm_struct *a = kzalloc(sizeof(*a), GFP_KERNEL);
	struct list_head *before;

	if (!a)
		return NULL;
	a->size = size;
	mutex_lock(&vmalloc_mutex);
	before = find_gap(size, &a->va);
	if (before)
		list_add_tail(&a->list, before);
	mutex_unlock(&vmalloc_mutex);
	if (before)
		return a;
	kfree(a);
	return NULL;
}

static struct vm_struct *remove_vm_area(unsigned long va)
{
	struct vm_struct *a;

	mutex_lock(&vmalloc_mutex);
	list_for_each_entry(a, &vm_areas, list) {
		if (a->va == (va & PAGE_MASK)) {
			list_del(&a->list);
			mutex_unlock(&vmalloc_mutex);
			return a;
		}
	}
	mutex_unlock(&vmalloc_mutex);
	return NULL;
}

/* Map NR single pages at VA; pages obtained are in PAGES. On failure nothing stays. */
static int map_new_pages(unsigned long va, struct page **pages, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++) {
		pages[i] = alloc_pages(GFP_KERNEL | __GFP_NOWARN, 0);
		if (!pages[i])
			break;
		if (kernel_map_range(va + i * PAGE_SIZE, page_to_phys(pages[i]), PAGE_SIZE, PAGE_KERNEL)) {
			__free_pages(pages[i], 0);
			break;
		}
	}
	if (i == nr)
		return 0;
	if (i)
		kernel_unmap_range(va, i * PAGE_SIZE);
	while (i--)
		__free_pages(pages[i], 0);
	return -ENOMEM;
}

void *vmalloc(size_t size)
{
	unsigned long nr = PAGE_ALIGN(size) >> PAGE_SHIFT;
	struct vm_struct *a;

	if (!nr || nr > totalram_pages())
		return NULL;
	a = get_vm_area(nr << PAGE_SHIFT);
	if (!a)
		return NULL;
	a->pages = kvmalloc(nr * sizeof(*a->pages), GFP_KERNEL);
	if (a->pages && !map_new_pages(a->va, a->pages, nr))
		return (void *)a->va;
	remove_vm_area(a->va);
	kvfree(a->pages);
	kfree(a);
	return NULL;
}

void *vzalloc(size_t size)
{
	void *p = vmalloc(size);

	if (p)
		memset(p, 0, PAGE_ALIGN(size));
	return p;
}

void vfree(const void *p)
{
	struct vm_struct *a;

	if (!p)
		return;
	a = remove_vm_area((unsigned long)p);
	BUG_ON(!a || !a->pages);
	kernel_unmap_range(a->va, a->size);
	for (unsigned long i = 0; i < a->size >> PAGE_SHIFT; i++)
		__free_pages(a->pages[i], 0);
	kvfree(a->pages);
	kfree(a);
}

void *kvmalloc(size_t size, gfp_t gfp)
{
	void *p = NULL;

	if (size <= 4 * PAGE_SIZE)
		p = kmalloc(size, gfp);
	if (p || size <= PAGE_SIZE)
		return p;
	p = vmalloc(size);
	if (p && (gfp & __GFP_ZERO))
		memset(p, 0, size);
	return p;
}

void kvfree(const void *p)
{
	unsigned long va = (unsigned long)p;

	if (va >= VMALLOC_START && va < VMALLOC_END)
		vfree(p);
	else
		kfree(p);
}

void *ioremap(phys_addr_t addr, size_t size)
{
	unsigned long off = addr & ~PAGE_MASK;
	struct vm_struct *a = get_vm_area(PAGE_ALIGN(size + off));

	if (!a)
		return NULL;
	if (!kernel_map_range(a->va, addr - off, a->size, PAGE_KERNEL_UC))
		return (void *)(a->va + off);
	remove_vm_area(a->va);
	kfree(a);
	return NULL;
}

void iounmap(void *p)
{
	struct vm_struct *a = remove_vm_area((unsigned long)p);

	BUG_ON(!a || a->pages);
	kernel_unmap_range(a->va, a->size);
	kfree(a);
}

/* ---- Kernel stacks ---- */

static unsigned long stack_slot_get(void)
{
	unsigned long flags, va = 0;

	spin_lock_irqsave(&stack_lock, flags);
	for (unsigned long w = stack_hint; w < NR_STACK_WORDS && !va; w++) {
		unsigned long bit = ~stack_bitmap[w];

		if (!bit)
			continue;
		bit = __builtin_ctzl(bit);
		stack_bitmap[w] |= 1UL << bit;
		stack_hint = w;
		va = VMALLOC_START + (w * 64 + bit) * STACK_SLOT + PAGE_SIZE;
	}
	spin_unlock_irqrestore(&stack_lock, flags);
	return va;
}

static void stack_slot_put(unsigned long va)
{
	unsigned long slot = (va - VMALLOC_START) / STACK_SLOT, flags;

	spin_lock_irqsave(&stack_lock, flags);
	stack_bitmap[slot / 64] &= ~(1UL << (slot % 64));
	stack_hint = min(stack_hint, slot / 64);
	spin_unlock_irqrestore(&stack_lock, flags);
}

void *alloc_thread_stack(void)
{
	struct page *pages[STACK_PAGES];
	void *stack = NULL;
	unsigned long va, flags;

	spin_lock_irqsave(&stack_lock, flags);
	if (nr_stack_cache)
		stack = stack_cache[--nr_stack_cache];
	spin_unlock_irqrestore(&stack_lock, flags);
	if (!stack) {
		va = stack_slot_get();
		if (!va)
			return NULL;
		if (map_new_pages(va, pages, STACK_PAGES)) {
			stack_slot_put(va);
			return NULL;
		}
		stack = (void *)va;
	}
	kasan_unpoison(stack, THREAD_SIZE);	/* its last owner did not return from do_exit() */
	mod_node_page_state(NR_KERNEL_STACK_KB, THREAD_SIZE / 1024);
	return stack;
}

/* The frame behind a mapped address of the vmalloc area. */
static struct page *vmalloc_to_page(unsigned long va)
{
	pud_t *pud = pud_offset(init_top_pgt + pgd_index(va), va);
	pmd_t *pmd = pmd_offset(pud, va);

	return pfn_to_page(pte_pfn(*pte_offset_kernel(*pmd, va)));
}

void free_thread_stack(void *stack)
{
	unsigned long va = (unsigned long)stack, flags;
	struct page *pages[STACK_PAGES];
	bool kept = false;

	mod_node_page_state(NR_KERNEL_STACK_KB, -(long)(THREAD_SIZE / 1024));
	spin_lock_irqsave(&stack_lock, flags);
	if (nr_stack_cache < STACK_CACHE) {
		stack_cache[nr_stack_cache++] = stack;
		kept = true;
	}
	spin_unlock_irqrestore(&stack_lock, flags);
	if (kept)
		return;
	for (unsigned long i = 0; i < STACK_PAGES; i++)
		pages[i] = vmalloc_to_page(va + i * PAGE_SIZE);
	kernel_unmap_range(va, THREAD_SIZE);
	for (unsigned long i = 0; i < STACK_PAGES; i++)
		__free_pages(pages[i], 0);
	stack_slot_put(va);
}

bool vmalloc_is_guard(unsigned long addr)
{
	return addr >= VMALLOC_START && addr < STACKS_END && (addr - VMALLOC_START) % STACK_SLOT < PAGE_SIZE;
}
