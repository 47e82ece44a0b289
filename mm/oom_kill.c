/*
 * mm/oom_kill.c - memory is used up and nothing can be given back: one process has to go.
 *
 *	out_of_memory() ── dying already? ── gets the reserves
 *	      │            a victim under way? ── wait for it (RCL-31)
 *	      └─ select_bad_process: largest badness ── oom_kill_process: SIGKILL, reserves
 *	                                                      │ 2 s later, if it does not
 *	                                                      └─ oom_reaper: takes the pages if it hangs
 *
 * The caller never waits for the kill: it sleeps a tick and tries its allocation again. Linux: mm/oom_kill.c.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/task/cred.h"
#include "kernel/task/pid.h"
#include "kernel/task/signal.h"
#include "mm/memory.h"
#include "mm/oom.h"
#include "mm/swap.h"
#include "mm/trace_mm.h"
#include "mm/vmstat.h"

#define OOM_SCORE_ADJ_MIN (-1000)
#define OOM_SCORE_ADJ_MAX 1000
#define OOM_DISABLE	  (-17)		/* of the old oom_adj file */
#define OOM_ADJUST_MAX	  15
#define BADNESS_NEVER	  (-0x7fffffffffffffffL - 1)
#define BADNESS_MOST	  0x7fffffffffffffffL
#define REAP_DELAY_MS	  2000
#define REAP_PAUSE_MS	  100
#define REAP_ATTEMPTS	  10

static int panic_on_oom, oom_kill_allocating_task, oom_dump_tasks = 1;

/* L: oom_lock */
static DEFINE_MUTEX(oom_lock);
static struct mm_struct *victim_mm;	/* L: counted reference; NULL: nobody is on the way out */
static u64 victim_due;			/* L: when the reaper shall look after it */
static pid_t victim_pid;		/* L: for the reaper's messages */
static char victim_comm[TASK_COMM_LEN];	/* L */

/* ---- How bad is a process? (RCL-30) ---- */

/*
 * A thread of P's process that still has the mm (P itself may have left it), with alloc_lock held; or NULL.
 */
static struct task_struct *find_lock_task_mm(struct task_struct *p)
{
	struct task_struct *t;

	for_each_thread(p, t) {
		spin_lock(&t->alloc_lock);
		if (t->mm)
			return t;
		spin_unlock(&t->alloc_lock);
	}
	return NULL;
}

static bool oom_unkillable(const struct task_struct *p)
{
	return p->tgid == 1 || (p->flags & PF_KTHREAD);
}

void set_current_oom_origin(void)
{
	WRITE_ONCE(current->signal->oom_flag_origin, true);
}

void clear_current_oom_origin(void)
{
	WRITE_ONCE(current->signal->oom_flag_origin, false);
}

/* In swapoff, and not about to leave it because of a signal. */
static bool oom_task_origin(const struct task_struct *p)
{
	return READ_ONCE(p->signal->oom_flag_origin) && !(p->signal->flags & SIGNAL_GROUP_EXIT) &&
	       !oom_unkillable(p);
}

/* What all badness is measured by: RAM and swap, in pages. */
static unsigned long oom_totalpages(void)
{
	return totalram_pages() + (unsigned long)total_swap_pages();
}

/* => tasklist_lock held */
static long oom_badness(struct task_struct *p, unsigned long totalpages)
{
	long points, adj = p->signal->oom_score_adj;
	struct task_struct *t;

	if (oom_unkillable(p) || adj == OOM_SCORE_ADJ_MIN)
		return BADNESS_NEVER;
	t = find_lock_task_mm(p);
	if (!t)
		return BADNESS_NEVER;
	/* A vfork child runs in its parent's memory: killing it frees nothing. */
	if (test_bit(MMF_OOM_SKIP, &t->mm->flags) || t->vfork_done) {
		spin_unlock(&t->alloc_lock);
		return BADNESS_NEVER;
	}
	points = (long)get_mm_rss(t->mm) + get_mm_counter(t->mm, MM_SWAPENTS) +
		 atomic_long_read(&t->mm->pgtables_bytes) / (long)PAGE_SIZE;
	spin_unlock(&t->alloc_lock);
	return points + adj * (long)(totalpages / 1000);
}

/* The worst process, referenced, or NULL. On a tie the later one. */
static struct task_struct *select_bad_process(void)
{
	unsigned long totalpages = oom_totalpages();
	struct task_struct *p, *chosen = NULL;
	long worst = BADNESS_NEVER;

	spin_lock(&tasklist_lock);
	for_each_process(p) {
		long points = oom_task_origin(p) ? BADNESS_MOST : oom_badness(p, totalpages);

		if (points != BADNESS_NEVER && points >= worst) {
			worst = points;
			chosen = p;
		}
	}
	if (chosen)
		get_task_struct(chosen);
	spin_unlock(&tasklist_lock);
	return chosen;
}

/* ---- The log ---- */

static unsigned long kb(struct mm_struct *mm, int member)
{
	return (unsigned long)get_mm_counter(mm, member) << (PAGE_SHIFT - 10);
}

static void dump_tasks(void)
{
	struct task_struct *p, *t;

	pr_info("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n");
	spin_lock(&tasklist_lock);
	for_each_process(p) {
		if (oom_unkillable(p))
			continue;
		t = find_lock_task_mm(p);
		if (!t)
			continue;
		pr_info("[%7d] %5u %5d %8lu %8lu %8ld %8ld         %5d %s\n", t->pid, t->cred->uid, t->tgid,
			t->mm->total_vm, get_mm_rss(t->mm), atomic_long_read(&t->mm->pgtables_bytes),
			get_mm_counter(t->mm, MM_SWAPENTS), t->signal->oom_score_adj, t->comm);
		spin_unlock(&t->alloc_lock);
	}
	spin_unlock(&tasklist_lock);
}

static void dump_memory(void)
{
	pr_warn("Mem-Info: free %lu of %lu pages, unevictable %lu, anon %lu active %lu inactive, file %lu %lu\n",
		nr_free_pages(), totalram_pages(), node_page_state(NR_UNEVICTABLE),
		node_page_state(NR_ACTIVE_ANON), node_page_state(NR_INACTIVE_ANON),
		node_page_state(NR_ACTIVE_FILE), node_page_state(NR_INACTIVE_FILE));
	pr_warn("Free swap  = %ldkB, total %ldkB, swap cache %lu pages\n",
		get_nr_swap_pages() << (PAGE_SHIFT - 10), total_swap_pages() << (PAGE_SHIFT - 10),
		node_page_state(NR_SWAPCACHE));
}

static void dump_header(gfp_t gfp, unsigned int order)
{
	pr_warn("%s invoked oom-killer: gfp_mask=%#x, order=%u, oom_score_adj=%d\n", current->comm, gfp,
		order, current->signal ? current->signal->oom_score_adj : 0);
	dump_memory();
	if (oom_dump_tasks)
		dump_tasks();
}

/* ---- The reaper (RCL-33) ---- */

static DECLARE_WAIT_QUEUE_HEAD(reaper_wait);
static DEFINE_SPINLOCK(reaper_lock);
/* reaper_lock; the reaper alone looks at one that is there without it. DUE: ktime */
static struct { struct mm_struct *mm; u64 due; pid_t pid; char comm[TASK_COMM_LEN]; } to_reap;

/* False: the mmap lock is not to be had. */
static bool reap_mm(struct mm_struct *mm, pid_t pid, const char *comm)
{
	struct vm_area_struct *vma;

	if (!mmap_read_trylock(mm))
		return false;
	/* exit_mmap was faster. */
	if (test_bit(MMF_OOM_SKIP, &mm->flags))
		goto out;
	/* Before the first page goes: nobody may take a fresh zero page for what it had written. */
	set_bit(MMF_OOM_REAPED, &mm->flags);
	for_each_vma(mm, vma)
		if (!(vma->vm_flags & (VM_SHARED | VM_PFNMAP)))
			zap_page_range_single(vma, vma->vm_start, vma->vm_end);
	pr_info("oom_reaper: reaped process %d (%s), now anon-rss:%lukB, file-rss:%lukB, shmem-rss:%lukB\n",
		pid, comm,
		kb(mm, MM_ANONPAGES), kb(mm, MM_FILEPAGES), kb(mm, MM_SHMEMPAGES));
out:
	mmap_read_unlock(mm);
	return true;
}

/* Until the victim has had its time, or is gone. */
static void wait_until_due(struct mm_struct *mm)
{
	while (ktime_get() < to_reap.due && !test_bit(MMF_OOM_SKIP, &mm->flags))
		msleep(REAP_PAUSE_MS);
}

static int oom_reaper(void *unused)
{
	for (;;) {
		struct mm_struct *mm;
		int tries;

		wait_event(reaper_wait, READ_ONCE(to_reap.mm) != NULL);
		mm = to_reap.mm;
		wait_until_due(mm);
		for (tries = 0; tries < REAP_ATTEMPTS; tries++) {
			if (test_bit(MMF_OOM_SKIP, &mm->flags) || reap_mm(mm, to_reap.pid, to_reap.comm))
				break;
			msleep(REAP_PAUSE_MS);
		}
		if (tries == REAP_ATTEMPTS)
			pr_info("oom_reaper: unable to reap pid:%d (%s)\n", to_reap.pid, to_reap.comm);
		set_bit(MMF_OOM_SKIP, &mm->flags);	/* either way: look for somebody else (RCL-31) */
		spin_lock(&reaper_lock);
		to_reap.mm = NULL;
		spin_unlock(&reaper_lock);
		mmdrop(mm);
	}
	return 0;
}

/*
 * One at a time is enough: there is one victim at a time, and the next waits for this one's MMF_OOM_SKIP. If
 * the reaper is not done yet with one that went by itself, victim_pending() tries again.
 * => oom_lock held
 */
static void queue_reaper(void)
{
	spin_lock(&reaper_lock);
	if (!to_reap.mm) {
		mmgrab(victim_mm);
		to_reap.due = victim_due;
		to_reap.pid = victim_pid;
		memcpy(to_reap.comm, victim_comm, TASK_COMM_LEN);
		to_reap.mm = victim_mm;
	}
	spin_unlock(&reaper_lock);
	wake_up(&reaper_wait);
}

/* ---- The kill (RCL-32) ---- */

/* All threads of P may use the reserves. => tasklist_lock held */
static void mark_victim(struct task_struct *p)
{
	struct task_struct *t;

	for_each_thread(p, t)
		set_bit(TIF_MEMDIE, &t->ti_flags);
}

/* SIGKILL to P and to every other process in the same memory. => tasklist_lock held */
static void kill_all_users(struct task_struct *victim, struct mm_struct *mm)
{
	struct task_struct *p, *t;

	send_sig_info(SIGKILL, SEND_SIG_PRIV, victim, true);
	mark_victim(victim);
	for_each_process(p) {
		bool shares;

		if (p->tgid == victim->tgid || oom_unkillable(p))
			continue;
		t = find_lock_task_mm(p);
		if (!t)
			continue;
		shares = t->mm == mm;
		spin_unlock(&t->alloc_lock);
		if (shares)
			send_sig_info(SIGKILL, SEND_SIG_PRIV, p, true);
	}
}

static noinline void trace_victim(const struct task_struct *t, struct mm_struct *mm)
{
	trace_mark_victim(t->pid, trace_comm_of(t->comm), mm->total_vm << (PAGE_SHIFT - 10), kb(mm, MM_ANONPAGES),
			  kb(mm, MM_FILEPAGES), kb(mm, MM_SHMEMPAGES), t->cred->uid,
			  (unsigned long)atomic_long_read(&mm->pgtables_bytes) >> 10, t->signal->oom_score_adj);
}

/* => oom_lock held */
static void oom_kill_process(struct task_struct *victim, const char *why)
{
	struct mm_struct *mm = NULL;
	struct task_struct *t;
	bool exiting;

	spin_lock(&tasklist_lock);
	t = find_lock_task_mm(victim);
	if (t) {
		mm = t->mm;
		mmgrab(mm);
		spin_unlock(&t->alloc_lock);
	}
	exiting = (victim->signal->flags & SIGNAL_GROUP_EXIT) || (victim->flags & PF_EXITING);
	if (!mm || exiting) {
		mark_victim(victim);
		spin_unlock(&tasklist_lock);
	} else {
		kill_all_users(victim, mm);
		spin_unlock(&tasklist_lock);
		count_vm_event(OOM_KILL);
		if (trace_mark_victim_enabled())
			trace_victim(victim, mm);
		pr_err("%s: Killed process %d (%s) total-vm:%lukB, anon-rss:%lukB, file-rss:%lukB, "
		       "shmem-rss:%lukB, UID:%u pgtables:%ldkB oom_score_adj:%d\n",
		       why, victim->pid, victim->comm,
		       mm->total_vm << (PAGE_SHIFT - 10), kb(mm, MM_ANONPAGES), kb(mm, MM_FILEPAGES),
		       kb(mm, MM_SHMEMPAGES), victim->cred->uid, atomic_long_read(&mm->pgtables_bytes) >> 10,
		       victim->signal->oom_score_adj);
	}
	if (mm) {
		victim_mm = mm;		/* our count is its */
		victim_due = ktime_get() + REAP_DELAY_MS * NSEC_PER_MSEC;
		victim_pid = victim->tgid;
		memcpy(victim_comm, victim->comm, TASK_COMM_LEN);
		queue_reaper();
	}
}

/* Somebody was killed and has not given its memory back yet. => oom_lock held */
static bool victim_pending(void)
{
	if (!victim_mm)
		return false;
	if (!test_bit(MMF_OOM_SKIP, &victim_mm->flags)) {
		queue_reaper();
		return true;
	}
	mmdrop(victim_mm);
	victim_mm = NULL;
	return false;
}

/* => oom_lock held */
static void choose_and_kill(gfp_t gfp, unsigned int order)
{
	struct task_struct *victim;

	if (panic_on_oom) {
		dump_header(gfp, order);
		panic("Out of memory: %s panic_on_oom is enabled",
		      panic_on_oom == 2 ? "compulsory" : "system-wide");
	}
	if (oom_kill_allocating_task && current->mm && !oom_unkillable(current) &&
	    current->signal->oom_score_adj != OOM_SCORE_ADJ_MIN) {
		dump_header(gfp, order);
		oom_kill_process(current, "Out of memory (oom_kill_allocating_task)");
		return;
	}
	victim = select_bad_process();
	dump_header(gfp, order);
	if (!victim)
		panic("System is deadlocked on memory");
	oom_kill_process(victim, "Out of memory");
	put_task_struct(victim);
}

/* Let those run who can free something. */
static void wait_a_tick(void)
{
	set_current_state(TASK_KILLABLE);
	schedule_timeout_ns(TICK_NSEC);
}

bool out_of_memory(gfp_t gfp, unsigned int order)
{
	/* Who dies anyway frees its memory best by being let through (RCL-29). */
	if (current->mm && (fatal_signal_pending(current) || (current->flags & PF_EXITING))) {
		set_bit(TIF_MEMDIE, &current->ti_flags);
		return true;
	}
	/* RCL-29: of this little zone somebody else may have all, and be innocent. */
	if (gfp & __GFP_DMA32)
		return false;
	if ((gfp & __GFP_IO) && mutex_trylock(&oom_lock)) {
		/* The last victim's memory may have come back while we came here. */
		if (!victim_pending() && !zones_at_high(gfp, order))
			choose_and_kill(gfp, order);
		mutex_unlock(&oom_lock);
	}
	wait_a_tick();
	return true;
}

/* ---- /proc ---- */

static int oom_score_show(struct seq_file *m, void *data)
{
	unsigned long total = oom_totalpages();
	long points, score = 0;

	spin_lock(&tasklist_lock);
	points = oom_badness(m->task, total);
	spin_unlock(&tasklist_lock);
	if (points != BADNESS_NEVER)
		score = (1000 + points * 1000 / (long)total) * 2 / 3;
	seq_printf(m, "%ld\n", max(score, 0L));
	return 0;
}

/* One value for all who share the memory. 0 or -EACCES: below what root once set. */
static int set_oom_score_adj(struct task_struct *task, int adj)
{
	struct mm_struct *mm = get_task_mm(task);
	struct task_struct *p, *t;
	bool root = capable(CAP_SYS_RESOURCE);

	if (adj < task->signal->oom_score_adj_min && !root) {
		if (mm)
			mmput(mm);
		return -EACCES;
	}
	spin_lock(&tasklist_lock);
	task->signal->oom_score_adj = adj;
	if (root)
		task->signal->oom_score_adj_min = adj;
	for_each_process(p) {
		t = mm ? find_lock_task_mm(p) : NULL;
		if (!t)
			continue;
		if (t->mm == mm && !t->vfork_done)
			p->signal->oom_score_adj = adj;
		spin_unlock(&t->alloc_lock);
	}
	spin_unlock(&tasklist_lock);
	if (trace_oom_score_adj_update_enabled())
		trace_oom_score_adj_update(task->pid, trace_comm_of(task->comm), adj);
	if (mm)
		mmput(mm);
	return 0;
}

static int score_adj_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", m->task->signal->oom_score_adj);
	return 0;
}

static ssize_t score_adj_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int adj, err;

	if (kstrtoint(strim(buf), 0, &adj) || adj < OOM_SCORE_ADJ_MIN || adj > OOM_SCORE_ADJ_MAX)
		return -EINVAL;
	err = set_oom_score_adj(task, adj);
	return err ? err : (ssize_t)len;
}

/* The older file, -17..15. */
static int old_adj_show(struct seq_file *m, void *data)
{
	int adj = m->task->signal->oom_score_adj;

	seq_printf(m, "%d\n",
		   adj == OOM_SCORE_ADJ_MAX ? OOM_ADJUST_MAX : adj * -OOM_DISABLE / OOM_SCORE_ADJ_MAX);
	return 0;
}

static ssize_t old_adj_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int adj, err;

	if (kstrtoint(strim(buf), 0, &adj) || adj < OOM_DISABLE || adj > OOM_ADJUST_MAX)
		return -EINVAL;
	adj = adj == OOM_ADJUST_MAX ? OOM_SCORE_ADJ_MAX : adj * OOM_SCORE_ADJ_MAX / -OOM_DISABLE;
	err = set_oom_score_adj(task, adj);
	return err ? err : (ssize_t)len;
}

static const struct pseudo_ops oom_score_ops = { .show = oom_score_show };
static const struct pseudo_ops score_adj_ops = { .show = score_adj_show, .write = score_adj_write };
static const struct pseudo_ops old_adj_ops = { .show = old_adj_show, .write = old_adj_write };

static int __oom_files_init(void)
{
	proc_pid_create("oom_score", 0444, &oom_score_ops, NULL, 0);
	proc_pid_create("oom_score_adj", 0644, &score_adj_ops, NULL, 0);
	proc_pid_create("oom_adj", 0644, &old_adj_ops, NULL, 0);
	proc_sys_int("vm/panic_on_oom", 0644, &panic_on_oom, 0, 2);
	proc_sys_int("vm/oom_kill_allocating_task", 0644, &oom_kill_allocating_task, 0, 0x7fffffff);
	proc_sys_int("vm/oom_dump_tasks", 0644, &oom_dump_tasks, 0, 0x7fffffff);
	return 0;
}
fs_initcall(__oom_files_init);

static int __oom_reaper_init(void)
{
	if (!kthread_run(oom_reaper, NULL, "oom_reaper"))
		panic("no memory for the OOM reaper");
	return 0;
}
late_initcall(__oom_reaper_init);
