/*
 * mm/force_migrate.c - "migrate" and "drain" of /sys/kernel/debug/quire/force: the forced migration of the tests.
 *
 *	migrate PID START END async|sync-light|sync	move every folio mapped there; the first error, or ok
 *	drain   0 0 0					empty the per-CPU LRU batches
 *
 * The mmap lock is held only to find a folio, not while it moves: migration needs none (MIG-5), and so the process can
 * fork, unmap or protect while the migration is parked. Linux: move_pages() is the nearest.
 */
#include "kernel/fs/seq_file.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/control.h"
#include "mm/internal.h"
#include "mm/lru.h"
#include "mm/migrate.h"
#include "mm/mm.h"

struct folio *next_mapped_folio(struct mm_struct *mm, unsigned long *addr, unsigned long end)
{
	struct folio *f = NULL;

	mmap_read_lock(mm);
	while (!f && *addr < end) {
		struct vm_area_struct *vma = find_vma(mm, *addr);
		struct page *page;

		if (!vma || vma->vm_start >= end)
			break;
		*addr = max(*addr, vma->vm_start);
		f = folio_get_mapped(vma, *addr, &page);
		*addr += f ? (folio_nr_pages(f) - folio_page_idx(f, page)) << PAGE_SHIFT : PAGE_SIZE;
	}
	mmap_read_unlock(mm);
	return f;
}

static bool parse_mode(const char *text, enum migrate_mode *mode)
{
	static const char *const names[] = {
		[MIGRATE_ASYNC] = "async", [MIGRATE_SYNC_LIGHT] = "sync-light", [MIGRATE_SYNC] = "sync",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*mode = (enum migrate_mode)i;
			return true;
		}
	}
	return false;
}

static int force_migrate(struct mm_struct *mm, unsigned long start, unsigned long end, char *args, struct seq_file *out)
{
	unsigned long addr = start & PAGE_MASK, moved = 0, failed = 0;
	enum migrate_mode mode;
	int first_err = 0;
	struct folio *f;

	if (!parse_mode(args, &mode))
		return -EINVAL;
	lru_add_drain_all();
	while (!fatal_signal_pending(current) && (f = next_mapped_folio(mm, &addr, end))) {
		int err = migrate_one_folio(f, mode);

		*(err ? &failed : &moved) += 1;
		if (!first_err)
			first_err = err;
		cond_resched();
	}
	seq_printf(out, "moved=%lu failed=%lu\n", moved, failed);
	return first_err;
}
FORCE_WORD("migrate", "async|sync-light|sync", force_migrate);

static int force_drain(struct mm_struct *mm, unsigned long start, unsigned long end, char *args, struct seq_file *out)
{
	lru_add_drain_all();
	return 0;
}
FORCE_WORD("drain", "", force_drain);
