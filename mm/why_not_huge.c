/*
 * mm/why_not_huge.c - /sys/kernel/debug/quire/why_not_huge: the last refusals for a range, for whoever
 * wonders.
 *
 *	# echo 0 0x7f5a00200000 > why_not_huge; cat why_not_huge
 *	0x7f5a00200000 table fault=not_advised at 0x7f5a00200000 scan=exceed_none_pte at 0x7f5a00301000 compaction=-
 *
 * The notes are in a table of fixed size, each range in the one place that its hash names: the newer range
 * wins, so that a note costs a fault next to nothing. "-" means: no refusal, or forgotten. Compaction does
 * not know for whom it works; it leaves its word with the task, and the fault or scan that fails for lack of
 * a block takes it to the range.
 *
 * Linux has no such file; there one puts it together from tracepoints and counters.
 */
#include "mm/why_not_huge.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/hash.h"
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/task/pid.h"
#include "kernel/trace/words.h"
#include "mm/vma.h"

#ifndef RELEASE
#define TABLE_BITS	9
#define MAX_RANGES	512

enum refuser { BY_FAULT, BY_SCAN, BY_COMPACTION, NR_REFUSERS };
struct refusal { const char *why; unsigned long at; };	/* WHY NULL: none */
/* Whose range, and its refusals. The serial number is never given to another mm. */
struct note { u64 serial; unsigned long start; struct refusal by[NR_REFUSERS]; };

static struct note notes[1 << TABLE_BITS];	/* notes_lock */
static DEFINE_SPINLOCK(notes_lock);

/* => notes_lock */
static struct note *place_of(const struct mm_struct *mm, unsigned long start)
{
	return &notes[hash_64(mm->serial * 31 + (start >> PMD_SHIFT), TABLE_BITS)];
}

/* The note about the range at START, emptied if it was about another one. => notes_lock */
static struct note *note_for(const struct mm_struct *mm, unsigned long start)
{
	struct note *n = place_of(mm, start);

	if (n->serial != mm->serial || n->start != start)
		*n = (struct note){ .serial = mm->serial, .start = start };
	return n;
}

/* NO_MEMORY: what this task's last compaction said belongs to it. */
static void refused(struct mm_struct *mm, unsigned long start, enum refuser who, struct refusal r,
		    bool no_memory)
{
	struct note *n;

	spin_lock(&notes_lock);
	n = note_for(mm, start);
	n->by[who] = r;
	if (no_memory && current->compact_refusal.why) {
		n->by[BY_COMPACTION].why = current->compact_refusal.why;
		n->by[BY_COMPACTION].at = current->compact_refusal.pfn;
	}
	spin_unlock(&notes_lock);
	current->compact_refusal.why = NULL;
}

/* The range at START has become huge. */
static void forget(struct mm_struct *mm, unsigned long start)
{
	struct note *n;

	current->compact_refusal.why = NULL;
	spin_lock(&notes_lock);
	n = place_of(mm, start);
	if (n->serial == mm->serial && n->start == start)
		n->serial = 0;
	spin_unlock(&notes_lock);
}

void note_fault_refusal(struct mm_struct *mm, unsigned long addr, const char *why)
{
	if (why)
		refused(mm, addr & PMD_MASK, BY_FAULT, (struct refusal){ why, addr },
			!strcmp(why, "no_memory"));
	else
		forget(mm, addr & PMD_MASK);
}

void note_fault_policy(struct vm_area_struct *vma, unsigned long addr)
{
	const char *why = "not_advised";

	if (!vma_is_anonymous(vma))
		why = "not_anonymous";
	else if (vma->vm_flags & VM_PAGE_TRACKING)
		why = "pages_tracked";
	else if (vma->vm_flags & VM_NOHUGEPAGE)
		why = "nohugepage";
	else if (test_bit(MMF_DISABLE_THP, &vma->vm_mm->flags))
		why = "process_disabled";
	else if (!thp_allowed_orders(&thp_knobs, true, BIT(HPAGE_PMD_ORDER)))
		why = "never";
	else if (!thp_vma_allowable_orders(vma, vma->vm_flags | VM_HUGEPAGE, TVA_PAGEFAULT,
					   BIT(HPAGE_PMD_ORDER)))
		why = "special_mapping";
	note_fault_refusal(vma->vm_mm, addr, why);
}

void note_scan_result(struct mm_struct *mm, unsigned long start, enum scan_result result, unsigned long addr)
{
	if (result == SCAN_SUCCEED || result == SCAN_PMD_MAPPED)
		forget(mm, start);
	else
		refused(mm, start, BY_SCAN, (struct refusal){ scan_result_word(result), addr ? addr : start },
			result == SCAN_ALLOC_HUGE_PAGE_FAIL);
}

void note_compact_refusal(unsigned int order, const char *why, unsigned long pfn)
{
	if (order != HPAGE_PMD_ORDER)
		return;
	current->compact_refusal.why = why;
	current->compact_refusal.pfn = pfn;
}

/* ---- The file ---- */

/* What was asked for last. */
static struct { int pid; unsigned long start, end; } question;	/* question_lock */
static DEFINE_MUTEX(question_lock);

/* What the range is mapped by. => mmap lock held */
static const char *state_of(struct mm_struct *mm, unsigned long start)
{
	pmd_t *pmd;

	if (!find_vma_intersection(mm, start, start + PMD_SIZE))
		return "unmapped";
	pmd = mm_find_pmd(mm, start);
	if (!pmd || pmd_none(pmdp_get(pmd)))
		return "untouched";
	return pmd_table(pmdp_get(pmd)) ? "table" : "huge";
}

static void show_range(struct seq_file *m, struct mm_struct *mm, unsigned long start)
{
	static const char *const refusers[] = { "fault", "scan", "compaction" };
	struct note n;

	spin_lock(&notes_lock);
	n = *place_of(mm, start);
	spin_unlock(&notes_lock);
	if (n.serial != mm->serial || n.start != start)
		n = (struct note){ 0 };
	seq_printf(m, "0x%lx %s", start, state_of(mm, start));
	for (int who = 0; who < NR_REFUSERS; who++) {
		if (n.by[who].why)
			seq_printf(m, " %s=%s at %s0x%lx", refusers[who], n.by[who].why,
				   who == BY_COMPACTION ? "pfn " : "", n.by[who].at);
		else
			seq_printf(m, " %s=-", refusers[who]);
	}
	seq_putc(m, '\n');
}

static int why_show(struct seq_file *m, void *data)
{
	struct task_struct *t;
	struct mm_struct *mm;

	seq_puts(m, "# write: PID ADDR, or PID START END; PID 0: the writer\n");
	mutex_lock(&question_lock);
	t = question.pid ? find_get_task_by_pid(question.pid) : NULL;
	mm = t ? get_task_mm(t) : NULL;
	if (t)
		put_task_struct(t);
	if (mm) {
		mmap_read_lock(mm);
		for (unsigned long start = question.start; start < question.end; start += PMD_SIZE)
			show_range(m, mm, start);
		mmap_read_unlock(mm);
		mmput(mm);
	}
	mutex_unlock(&question_lock);
	return 0;
}

static ssize_t why_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned long start, end;
	char *word[3];
	int n = split_words(buf, word, 3), pid;

	if (n < 2 || n > 3 || kstrtoint(word[0], 10, &pid) || pid < 0 || kstrtoul(word[1], 0, &start))
		return -EINVAL;
	end = start + 1;
	if (n == 3 && kstrtoul(word[2], 0, &end))
		return -EINVAL;
	start &= PMD_MASK;
	if (end > TASK_SIZE_MAX || end <= start || end - start > MAX_RANGES * PMD_SIZE)
		return -EINVAL;
	mutex_lock(&question_lock);
	question.pid = pid ? pid : current->tgid;
	question.start = start;
	question.end = end;
	mutex_unlock(&question_lock);
	return len;
}

static const struct pseudo_ops why_ops = { .show = why_show, .write = why_write };

static int why_not_huge_init(void)
{
	pseudo_create(quire_debug_root, "why_not_huge", 0600, &why_ops, NULL);
	return 0;
}
fs_initcall(why_not_huge_init);
#endif
