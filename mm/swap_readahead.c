/*
 * mm/swap_readahead.c - reading more than was asked for, because the next fault will ask for it (SWAP-18).
 *
 *	fault at A, the last one was at A - 1:		[A  A+1 ... A+window-1]
 *	                                A + 1:		[A-window+1 ... A-1  A]
 *	                                elsewhere:	[A-(window-1)/2 ... A ...]
 *
 * The window of a VMA grows with the pages it read that were used since its last fault, and shrinks by half
 * at most. Where some area lies on a rotational disk the slots around the one asked for are read instead:
 * there seeking costs more than reading what is not wanted. Only order 0, and not from synchronous devices,
 * where nobody waits for a head to move.
 *
 * Linux: mm/swap_state.c.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "mm/lru.h"
#include "mm/swapfile.h"
#include "mm/vmstat.h"

#define RA_ORDER_CEILING 5		/* of a VMA: 32 pages, whatever page-cluster says */
#define RA_FIRST_HITS	 4
#define RA_HITS_MAX	 63

static int page_cluster = 3;
static int vma_ra_enabled = 1;
atomic_t nr_rotate_swap;

/* By slots: for all areas together. */
static atomic_t slot_hits = ATOMIC_INIT(RA_FIRST_HITS);
static unsigned long slot_prev;
static unsigned int slot_window;

static bool use_vma_readahead(void)
{
	return READ_ONCE(vma_ra_enabled) && !atomic_read(&nr_rotate_swap);
}

/* HITS of the last window WIN were used; the fault is at NOW (page or slot), the last one was at PREV. */
static unsigned int next_window(unsigned long prev, unsigned long now, unsigned int hits, unsigned int max,
				unsigned int win)
{
	unsigned int pages = 4;

	if (!hits)
		pages = now == prev + 1 || now == prev - 1 ? 2 : 1;
	while (hits && pages < hits + 2)
		pages *= 2;
	pages = min(pages, max);
	return max(pages, win / 2);
}

/* Start reading E, unless it is there or nobody names it. MARK: for the neighbours' sake. */
static void start_read(swp_entry_t e, bool mark)
{
	struct swap_info_struct *si = get_swap_device(e);
	struct folio *f;
	bool is_new;

	if (!si)
		return;
	/* Nobody waits for it: not at any price. */
	f = swap_cache_alloc_folio(e, 0, GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN, &is_new);
	if (!IS_ERR(f)) {
		if (is_new && mark) {
			folio_set_readahead(f);
			count_vm_event(SWAP_RA);
		}
		if (is_new)
			swap_read_folio(f);
		folio_put(f);
	}
	put_swap_device(si);
}

static void read_ahead(swp_entry_t e)
{
	start_read(e, true);
}

void swapin_start(swp_entry_t e)
{
	start_read(e, false);
}

/* ---- By address ---- */

/* The range to read for VMF; false: only what was asked for. */
static bool vma_window(struct vm_fault *vmf, unsigned long *start, unsigned long *end)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = vmf->address, prev = READ_ONCE(vma->swap_ra.addr), from, table = addr & PMD_MASK;
	unsigned int order = (unsigned int)min(READ_ONCE(page_cluster), RA_ORDER_CEILING), win, hits;

	if (!order)
		return false;
	win = READ_ONCE(vma->swap_ra.window);
	hits = win ? READ_ONCE(vma->swap_ra.hits) : RA_FIRST_HITS;
	win = next_window(prev >> PAGE_SHIFT, addr >> PAGE_SHIFT, hits, 1U << order, win);
	WRITE_ONCE(vma->swap_ra.addr, addr);
	WRITE_ONCE(vma->swap_ra.window, (u16)win);
	WRITE_ONCE(vma->swap_ra.hits, 0);
	if (addr == prev + PAGE_SIZE)
		from = addr;
	else if (prev == addr + PAGE_SIZE)
		from = addr - ((win - 1UL) << PAGE_SHIFT);
	else
		from = addr - (((win - 1UL) / 2) << PAGE_SHIFT);
	*end = min(min(from + ((unsigned long)win << PAGE_SHIFT), vma->vm_end), table + PMD_SIZE);
	if ((long)from < 0)
		from = 0;
	*start = max(max(from, vma->vm_start), table);
	return win > 1;
}

static void vma_readahead(struct vm_fault *vmf)
{
	unsigned long start, end;

	if (!vma_window(vmf, &start, &end))
		return;
	for (unsigned long addr = start; addr < end; addr += PAGE_SIZE) {
		pte_t *pte = pte_offset_map(vmf->pmd, addr), val;

		if (!pte)
			return;
		/* A look without the lock. An entry that goes meanwhile reads a page for nobody, at worst. */
		val = ptep_get(pte);
		if (addr != vmf->address && is_swap_pte(val))
			read_ahead(pte_to_swp_entry(val));
	}
}

/* ---- By slot ---- */

static void slot_readahead(swp_entry_t e)
{
	unsigned long at = swp_offset(e), first, last;
	unsigned int hits, win;

	if (READ_ONCE(page_cluster) < 1)
		return;
	hits = (unsigned int)atomic_xchg(&slot_hits, 0);
	win = next_window(READ_ONCE(slot_prev), at, hits, 1U << READ_ONCE(page_cluster),
			  READ_ONCE(slot_window));
	if (!hits)
		WRITE_ONCE(slot_prev, at);
	WRITE_ONCE(slot_window, win);
	/* An aligned block: the one before it was or will be read by its own faults. */
	first = at & ~(win - 1UL);
	last = min(at | (win - 1UL), swp_swap_info(e)->max - 1);
	for (unsigned long i = max(first, 1UL); i <= last; i++)
		if (i != at)
			read_ahead(swp_entry(swp_type(e), i));
}

/* ---- Both ---- */

struct folio *swapin_readahead(swp_entry_t e, struct vm_fault *vmf)
{
	bool is_new;
	/* What is wanted goes to the disk first. */
	struct folio *f = swap_cache_alloc_folio(e, 0, GFP_HIGHUSER_MOVABLE, &is_new);

	if (IS_ERR(f) || !is_new)
		return f;
	swap_read_folio(f);
	if (swp_swap_info(e)->synchronous)
		return f;
	if (vmf && use_vma_readahead())
		vma_readahead(vmf);
	else
		slot_readahead(e);
	lru_add_drain();
	return f;
}

void swap_update_readahead(struct folio *f, struct vm_area_struct *vma, unsigned long addr)
{
	bool hit = !folio_test_large(f) && folio_test_readahead(f) && folio_test_clear_readahead(f);
	bool by_vma = vma && use_vma_readahead();

	if (hit)
		count_vm_event(SWAP_RA_HIT);
	if (hit && !by_vma)
		atomic_inc(&slot_hits);
	if (!by_vma || folio_test_large(f))
		return;
	if (hit && vma->swap_ra.hits < RA_HITS_MAX)
		WRITE_ONCE(vma->swap_ra.hits, vma->swap_ra.hits + 1);
	WRITE_ONCE(vma->swap_ra.addr, addr);
}

/* ---- Knobs ---- */

static int vma_ra_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%s\n", vma_ra_enabled ? "true" : "false");
	return 0;
}

static ssize_t vma_ra_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *word = strim(buf);

	if (!strcmp(word, "true") || !strcmp(word, "1"))
		vma_ra_enabled = 1;
	else if (!strcmp(word, "false") || !strcmp(word, "0"))
		vma_ra_enabled = 0;
	else
		return -EINVAL;
	return (ssize_t)len;
}

static const struct pseudo_ops vma_ra_ops = { .show = vma_ra_show, .write = vma_ra_write };

static int swap_readahead_init(void)
{
	proc_sys_int("vm/page-cluster", 0644, &page_cluster, 0, 31);
	pseudo_create(pseudo_mkpath(sysfs_root, "kernel/mm/swap"), "vma_ra_enabled", 0644, &vma_ra_ops, NULL);
	return 0;
}
fs_initcall(swap_readahead_init);
