/*
 * kernel/trace/fail.c - /sys/kernel/debug/quire/fail: fault injection at named sites.
 *
 *	anon_folio order=4		every order-4 request there fails
 *	anon_folio nth=3 pid=17		the third request of process 17 fails, then the site is disarmed
 *	off anon_folio			normal again; off alone: all sites
 *
 * A name may stand at several places, which then count as one for arming, not for nth.
 */
#include "kernel/trace/fail.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/words.h"

#ifndef RELEASE
extern struct fail_site _fail_sites_start[], _fail_sites_end[];
#define for_each_fail_site(s) for ((s) = _fail_sites_start; (s) < _fail_sites_end; (s)++)

bool __fail_here(struct fail_site *s, int order)
{
	int want = READ_ONCE(s->order), pid = READ_ONCE(s->pid);

	if ((want >= 0 && want != order) || (pid && pid != current->tgid))
		return false;
	if (READ_ONCE(s->nth)) {
		/* Several CPUs may count down together: one of them meets 1. */
		if (__atomic_fetch_sub(&s->nth, 1, __ATOMIC_SEQ_CST) != 1)
			return false;
		WRITE_ONCE(s->armed, false);
	}
	__atomic_fetch_add(&s->hits, 1, __ATOMIC_SEQ_CST);
	return true;
}

static int fail_show(struct seq_file *m, void *data)
{
	const struct fail_site *s;

	seq_puts(m, "# write: NAME [order=N] [nth=N] [pid=N] | off [NAME]; hits: since it was armed\n");
	for_each_fail_site(s)
		seq_printf(m, "%s armed=%d order=%d nth=%ld pid=%d hits=%ld\n", s->name, READ_ONCE(s->armed),
			   READ_ONCE(s->order), READ_ONCE(s->nth), READ_ONCE(s->pid), READ_ONCE(s->hits));
	return 0;
}

struct fail_options { long order, nth, pid; };

/* O: filled with "any" before. */
static bool fail_options(char **words, int n, struct fail_options *o)
{
	for (int i = 0; i < n; i++)
		if (!word_number(words[i], "order", &o->order) && !word_number(words[i], "nth", &o->nth) &&
		    !word_number(words[i], "pid", &o->pid))
			return false;
	return o->order >= -1 && o->nth >= 0 && o->pid >= 0;
}

static void fail_arm(struct fail_site *s, const struct fail_options *o)
{
	WRITE_ONCE(s->armed, false);
	smp_mb();
	s->order = o->order;
	s->nth = o->nth;
	s->pid = o->pid;
	s->hits = 0;
	smp_store_release(&s->armed, true);
}

/* How many sites the words reached; 0: not understood. */
static int fail_command(char **words, int n)
{
	bool off = n && n <= 2 && !strcmp(words[0], "off");
	const char *name = off ? words[1] : words[0];
	struct fail_options o = { .order = -1 };
	struct fail_site *s;
	int found = off && n == 1;

	if (!n || (!off && !fail_options(words + 1, n - 1, &o)))
		return 0;
	for_each_fail_site(s) {
		if (!(off && n == 1) && strcmp(s->name, name))
			continue;
		found++;
		if (off)
			WRITE_ONCE(s->armed, false);
		else
			fail_arm(s, &o);
	}
	return found;
}

static ssize_t fail_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *words[4];
	int n = split_words(buf, words, ARRAY_SIZE(words));

	if (n <= ARRAY_SIZE(words) && fail_command(words, n))
		return len;
	pr_warn("quire/fail: takes NAME [order=N] [nth=N] [pid=N], off [NAME]; the file lists the names\n");
	return -EINVAL;
}

static const struct pseudo_ops fail_ops = { .show = fail_show, .write = fail_write };

static int fail_init(void)
{
	pseudo_create(quire_debug_root, "fail", 0600, &fail_ops, NULL);
	return 0;
}
fs_initcall(fail_init);
#endif
