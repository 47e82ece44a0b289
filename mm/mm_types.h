/*
 * mm/mm_types.h - the address space (struct mm_struct) and its mappings (struct vm_area_struct).
 *
 * Locks:  M: mmap_lock   m: mmap_lock for write to change, for read to look   P: page_table_lock
 *	   R: the rmap lock (anon_vma or i_mmap)   a: atomic   c: constant after creation
 */
#ifndef MM_MM_TYPES_H
#define MM_MM_TYPES_H

#include "arch-x86_64/pgtable.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/interval_tree.h"
#include "kernel/lib/list.h"
#include "kernel/lib/rbtree.h"
#include "kernel/locking/mutex.h"
#include "kernel/locking/seqlock.h"

struct anon_vma;
struct file;
struct mm_struct;
struct task_struct;
struct vm_fault;
struct vm_operations_struct;

typedef unsigned long vm_flags_t;
#define VM_READ		0x00000001UL
#define VM_WRITE	0x00000002UL
#define VM_EXEC		0x00000004UL
#define VM_SHARED	0x00000008UL
#define VM_MAYREAD	0x00000010UL	/* limits for mprotect */
#define VM_MAYWRITE	0x00000020UL
#define VM_MAYEXEC	0x00000040UL
#define VM_MAYSHARE	0x00000080UL
#define VM_GROWSDOWN	0x00000100UL
#define VM_PAGE_TRACKING 0x00000200UL	/* pages are watched one by one: order 0 only (MTHP-6); by `force track` */
#define VM_PFNMAP	0x00000400UL
#define VM_LOCKED	0x00002000UL
#define VM_IO		0x00004000UL
#define VM_SEQ_READ	0x00008000UL
#define VM_RAND_READ	0x00010000UL
#define VM_DONTCOPY	0x00020000UL	/* MADV_DONTFORK */
#define VM_DONTEXPAND	0x00040000UL
#define VM_LOCKONFAULT	0x00080000UL
#define VM_ACCOUNT	0x00100000UL	/* counted in vm_committed_as */
#define VM_NORESERVE	0x00200000UL
#define VM_WIPEONFORK	0x02000000UL
#define VM_DONTDUMP	0x04000000UL
#define VM_HUGEPAGE	0x20000000UL
#define VM_NOHUGEPAGE	0x40000000UL
#define VM_STACK	VM_GROWSDOWN
#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)

/*
 * One mapping: [vm_start, vm_end), page aligned, equal rights and backing throughout. In the mm's tree,
 * augmented with the largest gap below a VMA of the subtree.
 */
struct vm_area_struct {
	unsigned long vm_start, vm_end;		/* m */
	struct rb_node vm_rb;			/* m */
	unsigned long gap_before;		/* m: bytes free below, a stack's guard gap not counted; see vma.c */
	unsigned long rb_subtree_gap;		/* m: largest gap_before of this subtree */
	struct mm_struct *vm_mm;		/* c */
	pgprot_t vm_page_prot;			/* m: of a present PTE, without RW for private writable ones */
	vm_flags_t vm_flags;			/* m */
	unsigned long vm_pgoff;			/* m: pages; anonymous private: vm_start >> 12 of its first home */
	struct file *vm_file;			/* m: NULL: anonymous */
	const struct vm_operations_struct *vm_ops;	/* m: NULL: anonymous private */
	void *vm_private_data;
	struct anon_vma *anon_vma;		/* M read + page_table_lock to set first; NULL until the first anon fault */
	struct list_head anon_vma_chain;	/* M write or (page_table_lock): its anon_vma_chain objects */
	struct interval_tree_node shared_node;	/* R: in mapping->i_mmap, by pgoff */
	/* Swap readahead: last fault, its window, pages of it that were used since. No lock: a wrong guess costs little. */
	struct { unsigned long addr; u16 window, hits; } swap_ra;
};

#define VM_FAULT_OOM		0x0001u
#define VM_FAULT_SIGBUS		0x0002u
#define VM_FAULT_MAJOR		0x0004u
#define VM_FAULT_SIGSEGV	0x0040u
#define VM_FAULT_NOPAGE		0x0100u		/* done, nothing left for the caller to install */
#define VM_FAULT_LOCKED		0x0200u		/* vmf->page is locked */
#define VM_FAULT_RETRY		0x0400u		/* the mmap lock was dropped: find the VMA again */
#define VM_FAULT_FALLBACK	0x0800u
#define VM_FAULT_COMPLETED	0x4000u		/* done, and the mmap lock was dropped */
#define VM_FAULT_ERROR (VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV)
typedef unsigned int vm_fault_t;

#define FAULT_FLAG_WRITE	0x01u
#define FAULT_FLAG_ALLOW_RETRY	0x04u		/* may drop the mmap lock and return RETRY */
#define FAULT_FLAG_KILLABLE	0x10u
#define FAULT_FLAG_TRIED	0x20u
#define FAULT_FLAG_USER		0x40u
#define FAULT_FLAG_REMOTE	0x80u
#define FAULT_FLAG_INSTRUCTION	0x100u
#define FAULT_FLAG_INTERRUPTIBLE 0x200u
#define FAULT_FLAG_UNSHARE	0x400u		/* a read-only pin wants a page of its own (COW-12) */

/* What one fault is about; filled in step by step by the handlers of memory.c. */
struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long address;			/* page aligned */
	unsigned long real_address;		/* FLT-7 */
	pgoff_t pgoff;				/* in the file or the anonymous object */
	unsigned int flags;			/* FAULT_FLAG_* */
	gfp_t gfp;
	pmd_t *pmd;
	pud_t *pud;
	pte_t orig_pte;				/* value on entry (FLT-3) */
	pmd_t orig_pmd;
	pte_t *pte;				/* mapped and locked by ptl while not NULL */
	spinlock_t *ptl;
	struct page *page, *cow_page;
};

struct vm_operations_struct {
	/* m held for read. Fill vmf->page with a referenced, locked, uptodate page and return VM_FAULT_LOCKED, or an error. */
	vm_fault_t (*fault)(struct vm_fault *vmf);
	/*
	 * Fault-around: map what is in the page cache of [START, END] (page indexes, inside one PTE table) and costs
	 * nothing. VM_FAULT_NOPAGE if the faulting page was among it. NULL, or filemap_map_pages of mm/memory.h.
	 */
	vm_fault_t (*map_pages)(struct vm_fault *vmf, pgoff_t start, pgoff_t end);
	/* A read-only shared page becomes writable; page locked on success (VM_FAULT_LOCKED). NULL: nothing to do. */
	vm_fault_t (*page_mkwrite)(struct vm_fault *vmf);
	void (*open)(struct vm_area_struct *vma);	/* a copy of the VMA was made (fork, split); m write */
	void (*close)(struct vm_area_struct *vma);	/* goes away; m write */
	const char *(*name)(struct vm_area_struct *vma);
};

enum { MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES, NR_MM_COUNTERS };

struct mm_struct {
	atomic_t mm_users;		/* tasks that run in it (and mmget): the mappings live while > 0 */
	atomic_t mm_count;		/* references to the structure: mm_users together hold one; mmgrab */
	pgd_t *pgd;			/* c */
	unsigned long cpu_bitmap;	/* a: CPUs that may have it in their TLB (tlb.c) */
	struct rw_semaphore mmap_lock;
	struct rb_root mm_rb;		/* m: VMAs by address */
	struct vm_area_struct *mmap_cache;	/* hint: last VMA found; checked before use */
	int map_count;			/* m */
	unsigned long mmap_base;	/* c after exec: top for top-down placement */
	unsigned long task_size;
	unsigned long total_vm, locked_vm, data_vm, exec_vm, stack_vm, hiwater_vm;	/* m: pages */
	atomic_long_t rss_stat[NR_MM_COUNTERS];	/* pages */
	unsigned long hiwater_rss;	/* pages */
	atomic_long_t pgtables_bytes;
	unsigned long start_code, end_code, start_data, end_data, start_brk, brk, start_stack;	/* m */
	unsigned long arg_start, arg_end, env_start, env_end;
	unsigned long saved_auxv[2 * 24];
	spinlock_t page_table_lock;	/* P: upper page tables, first anon_vma of a VMA */
	seqcount_t write_protect_seq;	/* COW-25: fork; lockless GUP backs off */
	unsigned long def_flags;	/* m: mlockall(MCL_FUTURE) */
	unsigned long flags;		/* a: MMF_* */
	u32 mm_id;			/* c: owner id (MMID-2) */
	u64 serial;			/* c: as mm_id, but never given again (mm/why_not_huge.c) */
	atomic_t has_pinned;		/* PIN-4 */
	struct file *exe_file;		/* m: /proc/PID/exe; see get_mm_exe_file */
	struct task_struct *owner;	/* some task of the process; for the OOM killer */
	struct list_head mmlist;	/* all user mms (mm_list_lock): check, swapoff, lists */
	struct list_head khugepaged_node;	/* khugepaged's list (khugepaged_mm_lock), if MMF_VM_HUGEPAGE */
	int oom_score_adj;
	atomic_t tlb_flush_pending;	/* a: zaps that have not flushed yet (mmu_gather.c) */
	/* RCL-17 (try_to_unmap.c): how often reclaim cleared PTEs here and put the flush off; how far others flushed. */
	atomic_t tlb_flush_batched;
	int tlb_flushed_batched;
};
#define MMF_OOM_SKIP	1	/* reaped: not again a victim (RCL-31) */
#define MMF_DISABLE_THP	2	/* prctl, ABI-23: no large folios at all */
#define MMF_OOM_REAPED	3	/* pages were taken away: later faults are SIGBUS (RCL-33) */
#define MMF_DISABLE_THP_EXCEPT_ADVISED 4	/* prctl: only where MADV_HUGEPAGE or MADV_COLLAPSE asks for them */
#define MMF_HUGE_ZERO	5	/* counts as a user of the huge zero page (huge_zero.c) */
#define MMF_VM_HUGEPAGE	6	/* registered with khugepaged (KHP-1) */
#define MMF_INHERITED	(BIT(MMF_DISABLE_THP) | BIT(MMF_DISABLE_THP_EXCEPT_ADVISED))	/* by fork and exec */

extern struct mm_struct init_mm;	/* kernel's own: init_top_pgt, no VMAs */
extern struct list_head mm_list;
extern spinlock_t mm_list_lock;

static inline unsigned long vma_pages(const struct vm_area_struct *v) { return (v->vm_end - v->vm_start) >> PAGE_SHIFT; }
static inline bool vma_is_anonymous(const struct vm_area_struct *v) { return !v->vm_ops; }
/* Index of ADDR in the VMA's object: what folio->index is compared with. */
static inline pgoff_t linear_page_index(const struct vm_area_struct *v, unsigned long addr)
{
	return ((addr - v->vm_start) >> PAGE_SHIFT) + v->vm_pgoff;
}

#define mmap_write_lock(mm)		down_write(&(mm)->mmap_lock)
#define mmap_write_lock_killable(mm)	down_write_killable(&(mm)->mmap_lock)
#define mmap_write_unlock(mm)		up_write(&(mm)->mmap_lock)
#define mmap_write_downgrade(mm)	downgrade_write(&(mm)->mmap_lock)
#define mmap_read_lock(mm)		down_read(&(mm)->mmap_lock)
#define mmap_read_lock_killable(mm)	down_read_killable(&(mm)->mmap_lock)
#define mmap_read_trylock(mm)		down_read_trylock(&(mm)->mmap_lock)
#define mmap_read_unlock(mm)		up_read(&(mm)->mmap_lock)

#endif
