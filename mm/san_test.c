/*
 * mm/san_test.c - do the sanitizers bark? Mistakes made on purpose. (SAN=1 builds only)
 *
 *	cd /sys/kernel/debug/quire
 *	echo slab_oob > san_test	make this mistake; the report is kept instead of ending the machine
 *	cat san_test			all names, and what the last report of each said, or "never"
 *	echo panic slab_oob > san_test	the whole report, and the end
 *
 * While a task makes its mistake, reports from it go to san_expected(). All mistakes only read, or write where nothing
 * is damaged (red zones that are put right again). Linux: lib/test_ubsan.c, mm/kasan/kasan_test_c.c.
 */
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/san.h"
#include "kernel/lib/string.h"
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "mm/slab.h"

#define OBJECT 113		/* no multiple of 8: its last granule is open in part */

static DEFINE_MUTEX(test_mutex);	/* all below */
static struct task_struct *volatile expecting;	/* whose reports are part of the test */
static char *note;			/* where they go; the first one counts */
static char notes[24][200];

/* gcc must not know what is behind a pointer or in a number, or it would warn or leave the mistake out. */
#define HIDE(x) ({ __typeof__(x) h = (x); __asm__ volatile("" : "+r"(h)); h; })
static volatile long sink;

bool san_expected(const char *headline)
{
	if (!current || expecting != current)
		return false;
	if (!note[0])
		strscpy(note, headline, sizeof(notes[0]));
	return true;
}

/* ---- KASAN ---- */

static void slab_oob(void)
{
	char *p = kmalloc(OBJECT, GFP_KERNEL);

	if (p)
		sink = HIDE(p)[OBJECT];
	kfree(p);
}

/* There is no red zone before the first object of a slab, so take one that cannot be it. */
static void slab_oob_before(void)
{
	char *p[8];

	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = kmalloc(OBJECT, GFP_KERNEL);
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		if (!IS_ALIGNED((unsigned long)p[i], PAGE_SIZE))
			sink = HIDE(p[i])[-1];
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		kfree(p[i]);
}

static void slab_oob_memset(void)
{
	char *p = kmalloc(OBJECT, GFP_KERNEL);

	if (p)
		memset(HIDE(p), 0, OBJECT + 1);
	kfree(p);
}

static void slab_uaf(void)
{
	char *p = kmalloc(OBJECT, GFP_KERNEL);
	unsigned long flags;

	local_irq_save(flags);	/* an interrupt might get the object and open it again */
	kfree(p);
	if (p)
		sink = HIDE(p)[OBJECT / 2];
	local_irq_restore(flags);
}

static void large_oob(void)
{
	char *p = kmalloc(3 * PAGE_SIZE + 5, GFP_KERNEL);

	if (p)
		sink = HIDE(p)[3 * PAGE_SIZE + 5];
	kfree(p);
}

static void page_uaf(void)
{
	char *p = get_zeroed_page(GFP_KERNEL);
	unsigned long flags;

	local_irq_save(flags);
	free_page(p);
	if (p)
		sink = HIDE(p)[100];
	local_irq_restore(flags);
}

static void stack_oob(void)
{
	char buf[10];
	char *p = HIDE(&buf[0]);

	memset(buf, 0, sizeof(buf));
	sink = p[HIDE((long)sizeof(buf))];
}

static char global[10];

static void global_oob(void)
{
	sink = HIDE(&global[0])[sizeof(global)];
}

static void user_copy_oob(void)
{
	char *p = kmalloc(OBJECT, GFP_KERNEL);

	/* From an address where nothing is: only the check of the kernel's side can say anything. */
	if (p)
		sink = copy_from_user(HIDE(p), NULL, OBJECT + 1);
	kfree(p);
}

/* ---- UBSAN ---- */

static void shift(void)
{
	sink = 1L << HIDE(64);
}

static void shift_negative(void)
{
	sink = 1L << HIDE(-1);
}

static void overflow(void)
{
	sink = HIDE(0x7fffffff) + HIDE(1);
}

static void negate(void)
{
	sink = -HIDE((long)(1UL << 63));
}

static void bounds(void)
{
	static long table[4];
	struct { long a[4], b; } local = { .b = 1 };

	sink = table[0] + local.a[HIDE(4)];
}

static void bad_bool(void)
{
	u8 byte = HIDE((u8)2);

	sink = *(volatile bool *)&byte;
}

/* ---- The file ---- */

/* WORD is in the headline of the report that must come. */
static const struct mistake { const char *name, *word; void (*make)(void); } mistakes[] = {
	{ "slab_oob", "KASAN: slab-out-of-bounds", slab_oob },
	{ "slab_oob_before", "KASAN: slab-out-of-bounds", slab_oob_before },
	{ "slab_oob_memset", "KASAN: slab-out-of-bounds", slab_oob_memset },
	{ "slab_uaf", "KASAN: slab-use-after-free", slab_uaf },
	{ "large_oob", "KASAN: slab-out-of-bounds", large_oob },
	{ "page_uaf", "KASAN: use-after-free", page_uaf },
	{ "stack_oob", "KASAN: stack-out-of-bounds", stack_oob },
	{ "global_oob", "KASAN: global-out-of-bounds", global_oob },
	{ "user_copy_oob", "KASAN: slab-out-of-bounds", user_copy_oob },
	{ "shift", "UBSAN: shift-out-of-bounds", shift },
	{ "shift_negative", "UBSAN: shift-out-of-bounds", shift_negative },
	{ "overflow", "UBSAN: signed-integer-overflow", overflow },
	{ "negate", "UBSAN: negation-overflow", negate },
	{ "bounds", "UBSAN: array-index-out-of-bounds", bounds },
	{ "bad_bool", "UBSAN: invalid-load", bad_bool },
};
static_assert(ARRAY_SIZE(mistakes) <= ARRAY_SIZE(notes), "a note for each mistake");

static int san_test_show(struct seq_file *m, void *data)
{
	mutex_lock(&test_mutex);
	for (unsigned int i = 0; i < ARRAY_SIZE(mistakes); i++)
		seq_printf(m, "%-16s %s: %s\n", mistakes[i].name, !notes[i][0] ? "never" :
			   strstr(notes[i], mistakes[i].word) ? "caught" : "WRONG", notes[i]);
	mutex_unlock(&test_mutex);
	return 0;
}

static ssize_t san_test_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *name = strim(buf);
	bool fatal = !strncmp(name, "panic ", 6);

	name = strim(fatal ? name + 6 : name);
	for (unsigned int i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (strcmp(name, mistakes[i].name))
			continue;
		mutex_lock(&test_mutex);
		note = notes[i];
		note[0] = '\0';
		expecting = fatal ? NULL : current;
		mistakes[i].make();
		expecting = NULL;
		mutex_unlock(&test_mutex);
		return len;
	}
	return -EINVAL;
}

static const struct pseudo_ops san_test_ops = { .show = san_test_show, .write = san_test_write };

static int san_test_init(void)
{
	pseudo_create(quire_debug_root, "san_test", 0600, &san_test_ops, NULL);
	return 0;
}
fs_initcall(san_test_init);
