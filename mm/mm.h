/*
 * mm/mm.h - what the rest of the kernel asks of the memory manager: address spaces, mappings, faults, GUP.
 */
#ifndef MM_MM_H
#define MM_MM_H

#include "mm/gfp.h"
#include "mm/mm_types.h"

struct file;
struct folio;
struct task_struct;

/* ---- Life of an address space (mmap.c, memory.c) ---- */

/* A new empty user mm with mm_users = mm_count = 1 and an MM ID; NULL: no memory or no id. May sleep. */
struct mm_struct *mm_alloc(void);
/* fork: a copy of OLD by COW. NULL: no memory (or a fatal signal). Takes OLD's mmap lock for write. May sleep. */
struct mm_struct *dup_mm(struct mm_struct *old);
/* Drop a user; the last one unmaps everything (exit_mmap) and then drops its mm_count. May sleep. */
void mmput(struct mm_struct *mm);
static inline void mmget(struct mm_struct *mm) { atomic_inc(&mm->mm_users); }
static inline bool mmget_not_zero(struct mm_struct *mm) { return atomic_inc_not_zero(&mm->mm_users); }
static inline void mmgrab(struct mm_struct *mm) { atomic_inc(&mm->mm_count); }
void __mmdrop(struct mm_struct *mm);
static inline void mmdrop(struct mm_struct *mm)
{
	if (atomic_dec_and_test(&mm->mm_count))
		__mmdrop(mm);
}
/* T's mm with a reference (mm_users), or NULL for kernel threads and the dead. */
struct mm_struct *get_task_mm(struct task_struct *t);
struct file *get_mm_exe_file(struct mm_struct *mm);	/* referenced, or NULL */
void set_mm_exe_file(struct mm_struct *mm, struct file *f);	/* takes its own reference */

/* ---- Mappings (mmap.c) ---- */

#define PROT_READ	1
#define PROT_WRITE	2
#define PROT_EXEC	4
#define PROT_NONE	0
#define PROT_GROWSDOWN	0x01000000
#define PROT_GROWSUP	0x02000000
#define MAP_SHARED	0x01
#define MAP_PRIVATE	0x02
#define MAP_SHARED_VALIDATE 0x03
#define MAP_DROPPABLE	0x08
#define MAP_TYPE	0x0f
#define MAP_FIXED	0x10
#define MAP_ANONYMOUS	0x20
#define MAP_32BIT	0x40
#define MAP_GROWSDOWN	0x0100
#define MAP_DENYWRITE	0x0800
#define MAP_EXECUTABLE	0x1000
#define MAP_LOCKED	0x2000
#define MAP_NORESERVE	0x4000
#define MAP_POPULATE	0x8000
#define MAP_NONBLOCK	0x10000
#define MAP_STACK	0x20000
#define MAP_HUGETLB	0x40000
#define MAP_FIXED_NOREPLACE 0x100000

#define DEFAULT_MAX_MAP_COUNT 65530
extern int sysctl_max_map_count;
extern unsigned long mmap_min_addr;

/* First VMA that ends above ADDR (it may start above it: PIT-6), or NULL. => mmap lock held. */
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr);
/* The VMA that contains ADDR, or NULL. => mmap lock held. */
struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr);
struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, unsigned long start, unsigned long end);
struct vm_area_struct *vma_next(struct vm_area_struct *vma);	/* by address; NULL at the end */
struct vm_area_struct *vma_prev(struct vm_area_struct *vma);
struct vm_area_struct *vma_first(struct mm_struct *mm);
#define for_each_vma(mm, vma) for ((vma) = vma_first(mm); (vma); (vma) = vma_next(vma))
/*
 * Grow the stack VMA down so that it contains ADDR (guard gap, RLIMIT_STACK of current). Returns the VMA or NULL: not
 * possible. => mmap lock held for read on entry and on return, but released in between: other VMAs that
 * the caller knew may be gone. May sleep.
 */
struct vm_area_struct *expand_stack(struct mm_struct *mm, unsigned long addr);

/*
 * Map into current's mm: the body of mmap(2), from within the kernel (exec, and SYSCALL mmap). OFF in bytes.
 * Returns the address or -errno. Takes the mmap lock.
 */
unsigned long vm_mmap(struct file *file, unsigned long addr, unsigned long len, int prot, int flags, u64 off);
int vm_munmap(unsigned long addr, size_t len);
/* exec: make the brk area at ADDR..ADDR+LEN anonymous, writable (bss); 0 or -errno. */
int vm_brk_flags(unsigned long addr, unsigned long len, vm_flags_t extra);
/* exec: a new mm gets its stack VMA, [TOP - PAGE, TOP), growing down. */
int setup_stack_vma(struct mm_struct *mm, unsigned long top, bool executable);
/* For a file's mmap method: nothing to do but set ops. */
typedef int (*mmap_fn)(struct file *file, struct vm_area_struct *vma);

/* ---- Faults (memory.c) ---- */

/*
 * Serve a fault at ADDRESS in VMA. => mmap lock held for read, kept unless the result has RETRY or COMPLETED.
 * May sleep. Counts pgfault (FLT-2); REGS' owner's maj/min_flt too if REGS is not NULL.
 */
struct pt_regs;
vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags, struct pt_regs *regs);
void pagefault_out_of_memory(void);
static inline void pagefault_disable_marker(void) { }

/* ---- Reaching user pages of any mm (gup.c) ---- */

#define FOLL_WRITE	0x01u
#define FOLL_GET	0x02u
#define FOLL_FORCE	0x08u
#define FOLL_NOWAIT	0x10u
#define FOLL_REMOTE	0x80u
#define FOLL_PIN	0x80000u
#define FOLL_LONGTERM	0x100000u
#define FOLL_UNSHARE	0x400u
/* A pin of a small folio is this many references (PIN-2). */
#define GUP_PIN_COUNTING_BIAS 1024
/*
 * References on the pages of [START, +NR pages) of the current mm, lockless first (PIN-7), then by faults.
 * Returns how many (PAGES[] filled), or -errno if not even the first. May sleep. Put each with put_page.
 */
long get_user_pages_fast(unsigned long start, int nr, unsigned int gup_flags, struct page **pages);
/* The same for any mm. => mmap lock held for read; *LOCKED = 0 if it was dropped. */
long get_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr, unsigned int gup_flags,
			   struct page **pages, int *locked);
/* Give back what FOLL_PIN took (FOLL_GET: put_page). */
void unpin_user_page(struct page *page);
void unpin_user_pages(struct page **pages, int nr);
/* Copy to or from another mm (/proc/PID/mem, cmdline). Returns bytes done. Takes the mmap lock. May sleep. */
int access_remote_vm(struct mm_struct *mm, unsigned long addr, void *buf, int len, unsigned int gup_flags);
/* Fault in [START, END) of one VMA range for MADV_POPULATE, mlock, MAP_POPULATE. 0 or -errno. Takes the lock. */
int mm_populate(unsigned long start, unsigned long len);

/* ---- Statistics and limits ---- */

static inline long get_mm_counter(struct mm_struct *mm, int member)
{
	long v = atomic_long_read(&mm->rss_stat[member]);
	return v < 0 ? 0 : v;
}
static inline void add_mm_counter(struct mm_struct *mm, int member, long v) { atomic_long_add(v, &mm->rss_stat[member]); }
static inline unsigned long get_mm_rss(struct mm_struct *mm)
{
	return get_mm_counter(mm, MM_FILEPAGES) + get_mm_counter(mm, MM_ANONPAGES) + get_mm_counter(mm, MM_SHMEMPAGES);
}
extern atomic_long_t vm_committed_as;	/* pages promised (Committed_AS) */
extern int sysctl_overcommit_memory, sysctl_overcommit_ratio;
/* May PAGES more be promised (overcommit rule)? 0 (and counted) or -ENOMEM. */
int security_vm_enough_memory(struct mm_struct *mm, long pages);
static inline void vm_unacct_memory(long pages) { atomic_long_sub(pages, &vm_committed_as); }
unsigned long vm_commit_limit(void);

/* The shared page of zeroes: reserved, never counted (COW-16). */
extern struct page *zero_page;
static inline bool is_zero_pfn(unsigned long pfn) { return pfn == page_to_pfn(zero_page); }

#endif
