/*
 * kernel/locking/lockdep_test.c - lockdep shown at work, and tested at every boot of a debug build.
 *
 * Each demonstration breaks one rule with locks of its own, on one CPU and in an order that cannot
 * deadlock, and names the words that the report must contain; those with no words must pass without a
 * report. What they teach lockdep is forgotten afterwards. `echo demo NAME >
 * /sys/kernel/debug/quire/lockdep` repeats one.
 *
 * "cycle" is LOCK-10: CPU hotplug removes an attribute file, reading the event counters waits for hotplug,
 * and writing the attribute faults on user memory. Each pair is harmless, the three together are not.
 *
 *	hotplug ──> attribute ──> mmap ──> hotplug
 */
#include "arch-x86_64/processor.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/locking/internal.h"
#include "kernel/locking/mutex.h"
#include "mm/gfp.h"

#ifndef RELEASE
#define DEMO_CLASS(var, str, k) static struct lock_class var = { .name = str, .kind = k }
#define DEMO_MUTEX(var, cls)	static struct mutex var = __SLEEPLOCK_INIT(var, &cls)
#define DEMO_SPIN(var, cls)	static spinlock_t var = { .owner_cpu = -1, .class = &cls }

DEMO_CLASS(hotplug_class, "hotplug(demo)", LOCK_MUTEX);
DEMO_CLASS(attribute_class, "attribute(demo)", LOCK_MUTEX);
DEMO_CLASS(mmap_class, "mmap(demo)", LOCK_RWSEM);
DEMO_CLASS(a_class, "a(demo)", LOCK_SPIN);
DEMO_CLASS(b_class, "b(demo)", LOCK_SPIN);
/* The end of a class's name is what lock_order.h goes by: these have the level of the real locks. */
DEMO_CLASS(owner_class, "demo_owner_lock", LOCK_SPIN);
DEMO_CLASS(anon_vma_class, "demo_anon_vma", LOCK_RWSEM);
DEMO_CLASS(mmap_level_class, "demo_mmap_lock", LOCK_RWSEM);
DEMO_CLASS(folio_level_class, "demo_folio_lock", LOCK_OTHER);
DEMO_MUTEX(hotplug, hotplug_class);
DEMO_MUTEX(attribute, attribute_class);
static struct rw_semaphore mmap_demo = __SLEEPLOCK_INIT(mmap_demo, &mmap_class);
static struct rw_semaphore anon_vma_demo = __SLEEPLOCK_INIT(anon_vma_demo, &anon_vma_class);
static struct rw_semaphore mmap_level_demo = __SLEEPLOCK_INIT(mmap_level_demo, &mmap_level_class);
DEMO_SPIN(a, a_class);
DEMO_SPIN(a2, a_class);
DEMO_SPIN(b, b_class);
DEMO_SPIN(owner, owner_class);

static void demo_inversion(void)
{
	spin_lock(&a);
	spin_lock(&b);
	spin_unlock(&b);
	spin_unlock(&a);
	spin_lock(&b);
	spin_lock(&a);
	spin_unlock(&a);
	spin_unlock(&b);
}

/* T-KHP-15: the order of the three steps is the order in which the 2016 series met them. */
static void demo_cycle(void)
{
	mutex_lock(&hotplug);		/* a CPU goes away, and its attribute file with it */
	mutex_lock(&attribute);
	mutex_unlock(&attribute);
	mutex_unlock(&hotplug);

	down_write(&mmap_demo);		/* collapse sums the per-CPU event counters */
	mutex_lock(&hotplug);
	mutex_unlock(&hotplug);
	up_write(&mmap_demo);

	mutex_lock(&attribute);		/* a write to the attribute faults on the user's buffer */
	down_read(&mmap_demo);
	up_read(&mmap_demo);
	mutex_unlock(&attribute);
}

static void demo_sleep(void)
{
	spin_lock(&a);
	might_sleep();
	spin_unlock(&a);
}

static struct completion irq_demo_done;

static void irq_demo_fn(struct hrtimer *t)
{
	spin_lock(&a);
	spin_unlock(&a);
	complete(&irq_demo_done);
}

static void demo_irq(void)
{
	struct hrtimer timer;

	init_completion(&irq_demo_done);
	hrtimer_init(&timer, irq_demo_fn);
	hrtimer_start(&timer, ktime_get());
	wait_for_completion(&irq_demo_done);
	hrtimer_cancel(&timer);
	spin_lock(&a);
	spin_unlock(&a);
}

/* The handler's lock A is safe itself, but its holder waits for B, which is held with interrupts on. */
static void demo_irq_chain(void)
{
	struct hrtimer timer;
	unsigned long flags;

	spin_lock(&b);
	spin_unlock(&b);
	init_completion(&irq_demo_done);
	hrtimer_init(&timer, irq_demo_fn);
	hrtimer_start(&timer, ktime_get());
	wait_for_completion(&irq_demo_done);
	hrtimer_cancel(&timer);
	spin_lock_irqsave(&a, flags);
	spin_lock(&b);
	spin_unlock(&b);
	spin_unlock_irqrestore(&a, flags);
}

static void demo_recursion(void)
{
	spin_lock(&a);
	spin_lock(&a2);
	spin_unlock(&a2);
	spin_unlock(&a);
}

/* A reader that reads again waits for the writer that waits for it. Not really locked twice here. */
static void demo_read_twice(void)
{
	down_read(&mmap_demo);
	lock_acquire(&mmap_class, &mmap_demo, 0, true, false, (unsigned long)__builtin_return_address(0));
	lock_release(&mmap_class, &mmap_demo);
	up_read(&mmap_demo);
}

static void demo_unheld(void)
{
	spin_lock(&a);
	spin_unlock(&a);
	lock_release(&a_class, &a);
}

static void demo_leak(void)
{
	lock_acquire(&b_class, &b, 0, false, false, (unsigned long)__builtin_return_address(0));
	lockdep_assert_none_held("return to user mode");
}

/* T-MMID-14: not even a trylock goes inside the owner lock. */
static void demo_owner_inner(void)
{
	spin_lock(&owner);
	if (spin_trylock(&a))
		spin_unlock(&a);
	spin_unlock(&owner);
}

static bool owner_demo_ran;

static void owner_demo_fn(struct hrtimer *t)
{
	spin_lock(&owner);
	spin_unlock(&owner);
	WRITE_ONCE(owner_demo_ran, true);
}

/*
 * T-MMID-14: reported although nobody has taken it with interrupts on. The report is made by the handler, so
 * the interrupt must hit this task for it to count as a demonstration.
 */
static void demo_owner_irq(void)
{
	struct hrtimer timer;

	owner_demo_ran = false;
	hrtimer_init(&timer, owner_demo_fn);
	preempt_disable();
	hrtimer_start(&timer, ktime_get());
	while (!READ_ONCE(owner_demo_ran))
		cpu_relax();
	preempt_enable();
	hrtimer_cancel(&timer);
}

static void demo_nesting(void)
{
	spin_lock(&a);
	spin_lock_nested(&a2, SINGLE_DEPTH_NESTING);
	spin_unlock(&a2);
	spin_unlock(&a);
}

static void demo_trylock(void)
{
	spin_lock(&a);
	spin_lock(&b);
	spin_unlock(&b);
	spin_unlock(&a);
	spin_lock(&b);
	if (spin_trylock(&a))
		spin_unlock(&a);
	spin_unlock(&b);
}

/* RCL-12, T-RCL-7: where nobody may ask for memory that has to be reclaimed first. */
static void demo_reclaim_rmap(void)
{
	down_write(&anon_vma_demo);
	might_alloc(GFP_KERNEL);
	up_write(&anon_vma_demo);
}

static void demo_reclaim_spin(void)
{
	spin_lock(&a);
	might_alloc(GFP_KERNEL);
	spin_unlock(&a);
}

static bool reclaim_demo_ran;

static void reclaim_demo_fn(struct hrtimer *t)
{
	might_alloc(GFP_KERNEL);
	WRITE_ONCE(reclaim_demo_ran, true);
}

static void demo_reclaim_irq(void)
{
	struct hrtimer timer;

	reclaim_demo_ran = false;
	hrtimer_init(&timer, reclaim_demo_fn);
	preempt_disable();	/* the handler must hit this task, as above */
	hrtimer_start(&timer, ktime_get());
	while (!READ_ONCE(reclaim_demo_ran))
		cpu_relax();
	preempt_enable();
	hrtimer_cancel(&timer);
}

/* Reclaim takes no mmap lock, and folio locks only by trylock: under both it may be waited for. */
static void demo_reclaim_folio(void)
{
	unsigned long ip = (unsigned long)__builtin_return_address(0);

	down_write(&mmap_level_demo);
	lock_acquire(&folio_level_class, &folio_level_class, 0, false, false, ip);
	might_alloc(GFP_KERNEL);
	lock_release(&folio_level_class, &folio_level_class);
	up_write(&mmap_level_demo);
}

#define MAX_WORDS 6
static const struct demo {
	const char *name;
	void (*run)(void);
	const char *words[MAX_WORDS];	/* all must be in the report; none: there must be no report */
} demos[] = {
	{ "inversion", demo_inversion,
		{ "circular", "takes a(demo) with b(demo) held", "a(demo) -> b(demo)" } },
	{ "cycle", demo_cycle,
		{ "circular", "takes mmap(demo) with attribute(demo) held", "mmap(demo) -> hotplug(demo)",
		  "hotplug(demo) -> attribute(demo)", "demo_cycle+" } },
	{ "sleep", demo_sleep, { "atomic", "lockdep_test.c", "#0 a(demo)" } },
	{ "irq", demo_irq,
		{ "interrupts on", "a(demo) was taken with interrupts on", "irq_demo_fn+", "demo_irq+" } },
	{ "irq-chain", demo_irq_chain,
		{ "b(demo) was taken with interrupts on", "may want a(demo)", "a(demo) -> b(demo)" } },
	{ "recursion", demo_recursion, { "taken twice", "another lock", "#0 a(demo)" } },
	{ "read-twice", demo_read_twice, { "taken twice", "the same lock", "mmap(demo) (read)" } },
	{ "unheld", demo_unheld, { "not held", "releases a(demo)" } },
	{ "leak", demo_leak, { "still held", "return to user mode", "b(demo)" } },
	{ "owner-inner", demo_owner_inner,
		{ "must be innermost (MMID-4)", "takes a(demo) with demo_owner_lock held",
		  "demo_owner_inner+" } },
	{ "owner-irq", demo_owner_irq, { "interrupt handler", "takes demo_owner_lock", "owner_demo_fn+" } },
	{ "reclaim-rmap", demo_reclaim_rmap, { "takes fs_reclaim with demo_anon_vma held", "demo_reclaim_rmap+" } },
	{ "reclaim-spin", demo_reclaim_spin, { "atomic", "alloc_slow.c", "#0 a(demo)" } },
	{ "reclaim-irq", demo_reclaim_irq, { "atomic", "alloc_slow.c", "reclaim_demo_fn+" } },
	{ "reclaim-folio", demo_reclaim_folio, { NULL } },
	{ "nesting", demo_nesting, { NULL } },
	{ "trylock", demo_trylock, { NULL } },
};

int lockdep_selftest_passed, lockdep_selftest_failed;
static DEFINE_MUTEX(demo_lock);		/* one demonstration at a time: they share their locks */

static void forget_demo_classes(void)
{
	lockdep_forget(&hotplug_class);
	lockdep_forget(&attribute_class);
	lockdep_forget(&mmap_class);
	lockdep_forget(&a_class);
	lockdep_forget(&b_class);
	lockdep_forget(&owner_class);
	lockdep_forget(&anon_vma_class);
	lockdep_forget(&mmap_level_class);
	lockdep_forget(&folio_level_class);
}

/* Was exactly that reported which D demonstrates? */
static bool report_is_right(const struct demo *d)
{
	const char *text = lockdep_demo_text();

	if (!d->words[0])
		return text[0] == 0;
	for (int i = 0; i < MAX_WORDS && d->words[i]; i++) {
		if (!strstr(text, d->words[i]))
			return false;
	}
	return true;
}

/*
 * Run D; true if lockdep judged it rightly. The locks that this task holds itself (the file's, ours) are put
 * aside meanwhile: they have nothing to do with the matter. => demo_lock held
 */
static bool run_demo(const struct demo *d)
{
	static struct held_lock aside[LOCKDEP_MAX_HELD];	/* demo_lock */
	int held = current->lockdep_depth;
	bool right;

	memcpy(aside, current->held_locks, sizeof(aside));
	current->lockdep_depth = 0;
	lockdep_demo_begin();
	d->run();
	right = report_is_right(d);
	lockdep_demo_end();
	forget_demo_classes();
	memcpy(current->held_locks, aside, sizeof(aside));
	current->lockdep_depth = held;
	return right;
}

/* Print the text line by line: printk takes one line at a time. */
static void print_text(const char *text)
{
	while (*text) {
		const char *end = strchr(text, '\n');
		int len = end ? end - text : (int)strlen(text);

		pr_info("%.*s\n", len, text);
		text += len + (end != NULL);
	}
}

bool lockdep_run_demo(const char *name, bool print)
{
	for (size_t i = 0; i < ARRAY_SIZE(demos); i++) {
		if (strcmp(name, demos[i].name))
			continue;
		mutex_lock(&demo_lock);
		if (!run_demo(&demos[i]))
			pr_err("lockdep: demo %s was not judged rightly\n", name);
		if (print)
			print_text(lockdep_demo_text());
		mutex_unlock(&demo_lock);
		return true;
	}
	return false;
}

const char lockdep_demo_names[] =
	" inversion cycle sleep irq irq-chain recursion read-twice unheld leak owner-inner owner-irq"
	" reclaim-rmap reclaim-spin reclaim-irq reclaim-folio nesting trylock";

int lockdep_selftest(void)
{
	mutex_lock(&demo_lock);
	for (size_t i = 0; i < ARRAY_SIZE(demos); i++) {
		if (run_demo(&demos[i])) {
			lockdep_selftest_passed++;
			continue;
		}
		lockdep_selftest_failed++;
		pr_err("lockdep: selftest %s failed; it reported:\n", demos[i].name);
		print_text(lockdep_demo_text());
	}
	mutex_unlock(&demo_lock);
	pr_info("lockdep: selftest %d passed\n", lockdep_selftest_passed);
	return lockdep_selftest_failed ? -EINVAL : 0;
}
late_initcall(lockdep_selftest);
#endif
