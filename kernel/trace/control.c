/*
 * kernel/trace/control.c - /sys/kernel/debug/quire/variant and force: which historical rule is in force, and
 * one-shot actions on a range of a process.
 *
 * The actions are not here: each file of mm registers its own word (FORCE_WORD), this one finds the process,
 * calls, and keeps the answer for the next reader. A process 0 is the writer itself.
 */
#include "kernel/trace/control.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/sched/sched.h"
#include "kernel/task/pid.h"
#include "kernel/trace/words.h"
#include "mm/mm.h"
#include "mm/slab.h"

#ifndef RELEASE

/* ---- variant ---- */

enum variant current_variant;
#define VARIANT_NAME(e, t) [e] = t,
static const char *const variant_names[NR_VARIANTS] = { VARIANT_LIST(VARIANT_NAME) };

static int variant_show(struct seq_file *m, void *data)
{
	seq_puts(m, "# write one of:");
	for (int v = 0; v < NR_VARIANTS; v++)
		seq_printf(m, " %s", variant_names[v]);
	seq_printf(m, "\n%s\n", variant_names[READ_ONCE(current_variant)]);
	return 0;
}

static ssize_t variant_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	const char *word = strim(buf);

	for (int v = 0; v < NR_VARIANTS; v++) {
		if (!strcmp(word, variant_names[v])) {
			WRITE_ONCE(current_variant, v);
			return len;
		}
	}
	pr_warn("quire/variant: takes one word; the file lists them\n");
	return -EINVAL;
}

/* ---- force ---- */

#define FORCE_TEXT 4096
extern const struct force_word _force_words_start[], _force_words_end[];
#define for_each_force_word(w) for ((w) = _force_words_start; (w) < _force_words_end; (w)++)
/* The last action: its line, what it printed, what it returned. */
static DEFINE_MUTEX(force_lock);
static char force_line[200], *force_text;
static int force_result;

static const char *error_name(int err)
{
	static const struct { int err; const char *name; } names[] = {
		{ 0, "ok" }, { EPERM, "EPERM" }, { ENOENT, "ENOENT" }, { ESRCH, "ESRCH" }, { EINTR, "EINTR" },
		{ EIO, "EIO" }, { E2BIG, "E2BIG" }, { EAGAIN, "EAGAIN" }, { ENOMEM, "ENOMEM" }, { EACCES, "EACCES" },
		{ EFAULT, "EFAULT" }, { EBUSY, "EBUSY" }, { EEXIST, "EEXIST" }, { ENODEV, "ENODEV" }, { EINVAL, "EINVAL" },
		{ ENOSPC, "ENOSPC" }, { ERANGE, "ERANGE" }, { ENOSYS, "ENOSYS" }, { EOPNOTSUPP, "EOPNOTSUPP" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].err == -err)
			return names[i].name;
	return NULL;
}

static int force_show(struct seq_file *m, void *data)
{
	const struct force_word *w;
	const char *name;

	seq_puts(m, "# write: WORD PID START END [ARG]; PID 0: the writer; WORD one of:\n");
	for_each_force_word(w)
		seq_printf(m, "#\t%s PID START END %s\n", w->name, w->args);
	mutex_lock(&force_lock);
	name = error_name(force_result);
	if (force_line[0]) {
		seq_printf(m, "last: %s\n", force_line);
		seq_puts(m, force_text);
		if (name)
			seq_printf(m, "result: %s\n", name);
		else
			seq_printf(m, "result: error %d\n", -force_result);
	}
	mutex_unlock(&force_lock);
	return 0;
}

/* PID's mm, referenced, or NULL. */
static struct mm_struct *force_mm(int pid)
{
	struct task_struct *t = pid ? find_get_task_by_pid(pid) : current;
	struct mm_struct *mm = t ? get_task_mm(t) : NULL;

	if (t && pid)
		put_task_struct(t);
	return mm;
}

/* => force_lock */
static int force_run(const struct force_word *w, int pid, unsigned long start, unsigned long end, char *args)
{
	struct seq_file out = { .buf = force_text, .size = FORCE_TEXT };
	struct mm_struct *mm = force_mm(pid);
	int err;

	if (!mm)
		return -ESRCH;
	err = w->fn(mm, start, end, args, &out);
	mmput(mm);
	force_text[min(out.count, (size_t)FORCE_TEXT - 1)] = '\0';
	return err;
}

/* Cut one blank-separated word off *REST; NULL: none left. */
static char *next_word(char **rest)
{
	char *word;

	do
		word = kstrsep(rest, " \t\n");
	while (word && !*word);
	return word;
}

static const struct force_word *find_force_word(const char *name)
{
	const struct force_word *w;

	for_each_force_word(w)
		if (name && !strcmp(name, w->name))
			return w;
	return NULL;
}

static ssize_t force_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *rest = strim(buf), *pid_word, *start_word, *end_word;
	unsigned long start, end;
	const struct force_word *w;
	char line[sizeof(force_line)];
	int pid, err;

	strscpy(line, rest, sizeof(line));
	w = find_force_word(next_word(&rest));
	pid_word = next_word(&rest);
	start_word = next_word(&rest);
	end_word = next_word(&rest);
	if (!w || !end_word || kstrtoint(pid_word, 10, &pid) || pid < 0 || kstrtoul(start_word, 0, &start) ||
	    kstrtoul(end_word, 0, &end) || start > end) {
		pr_warn("quire/force: takes WORD PID START END [ARG]; the file lists the words\n");
		return -EINVAL;
	}
	mutex_lock(&force_lock);
	strscpy(force_line, line, sizeof(force_line));
	force_text[0] = '\0';
	force_result = err = force_run(w, pid, start, end, rest ? strim(rest) : line + strlen(line));
	mutex_unlock(&force_lock);
	return err ? err : len;
}

static const struct pseudo_ops variant_ops = { .show = variant_show, .write = variant_write },
	force_ops = { .show = force_show, .write = force_write };

static int control_init(void)
{
	force_text = kzalloc(FORCE_TEXT, GFP_KERNEL);
	if (!force_text)
		return -ENOMEM;
	pseudo_create(quire_debug_root, "variant", 0600, &variant_ops, NULL);
	pseudo_create(quire_debug_root, "force", 0600, &force_ops, NULL);
	return 0;
}
fs_initcall(control_init);
#endif
