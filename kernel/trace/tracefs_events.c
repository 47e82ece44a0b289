/*
 * kernel/trace/tracefs_events.c - the files about events: what there is, how it looks, what is on.
 *
 *	available_events	one "system:name" a line
 *	set_event		the same for those that are on; written, a list of words:
 *				  sys:name  *:name  sys:*  *:*  name-or-sys   and with ! in front: off
 *				O_TRUNC switches all off first, so > replaces and >> adds
 *	set_event_pid		only events of these tasks
 *	events/enable  events/SYS/enable  events/SYS/NAME/enable	0 or 1; X: some of them
 *	events/SYS/NAME/{format,id}
 *
 * Linux: kernel/trace/trace_events.c; no filters, no triggers.
 */
#include "kernel/fs/internal.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/trace/trace_internal.h"
#include "kernel/trace/words.h"

/* ---- Lists ---- */

/* DATA: only those that are on. */
static int list_show(struct seq_file *m, void *data)
{
	const struct trace_event *ev;

	for_each_trace_event(ev)
		if (!data || READ_ONCE(*ev->on))
			seq_printf(m, "%s:%s\n", ev->system, ev->name);
	return 0;
}

static ssize_t set_event_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *rest = buf, *word;
	int err = 0;

	while (!err && (word = kstrsep(&rest, " \t\n")))
		if (*word)
			err = trace_events_command(word);
	return err ? err : (ssize_t)len;
}

static void set_event_truncate(void *data)
{
	trace_events_set(NULL, NULL, false);
}

static int pids_show(struct seq_file *m, void *data)
{
	trace_pids_show(m);
	return 0;
}

static ssize_t pids_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int err = trace_pids_add(buf);

	return err ? err : (ssize_t)len;
}

static void pids_truncate(void *data)
{
	trace_pids_clear();
}

static const struct pseudo_ops available_ops = { .show = list_show },
	set_event_ops = { .show = list_show, .write = set_event_write, .truncate = set_event_truncate },
	pids_ops = { .show = pids_show, .write = pids_write, .truncate = pids_truncate };

/* ---- enable ---- */

/* "0" or "1": true, with the value in *ON. */
static bool parse_switch(char *buf, bool *on)
{
	unsigned long v;

	if (kstrtoul(strim(buf), 10, &v) || v > 1)
		return false;
	*on = v;
	return true;
}

/* DATA: a system; NULL: all. */
static int system_enable_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%c\n", "01X"[trace_events_state(data)]);
	return 0;
}

static ssize_t system_enable_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	bool on;
	int err = parse_switch(buf, &on) ? trace_events_set(data, NULL, on) : -EINVAL;

	return err ? err : (ssize_t)len;
}

static int enable_show(struct seq_file *m, void *data)
{
	const struct trace_event *ev = data;

	seq_printf(m, "%d\n", READ_ONCE(*ev->on));
	return 0;
}

static ssize_t enable_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	const struct trace_event *ev = data;
	bool on;
	int err = parse_switch(buf, &on) ? trace_events_set(ev->system, ev->name, on) : -EINVAL;

	return err ? err : (ssize_t)len;
}

/* ---- format, id ---- */

static size_t show_field(struct seq_file *m, const struct trace_field *fd, size_t at)
{
	at = ALIGN(at, (size_t)fd->align);
	if (!strcmp(fd->type, "trace_comm"))
		seq_printf(m, "\tfield:char %s[%d];", fd->name, fd->size);
	else
		seq_printf(m, "\tfield:%s %s;", fd->type, fd->name);
	seq_printf(m, "\toffset:%zu;\tsize:%d;\tsigned:%d;\n", at, fd->size, fd->is_signed);
	return at + fd->size;
}

static int format_show(struct seq_file *m, void *data)
{
	static const struct trace_field common[] = {
		{ "unsigned short", "common_type", 2, 2, false },
		{ "unsigned char", "common_flags", 1, 1, false },
		{ "unsigned char", "common_preempt_count", 1, 1, false },
		{ "int", "common_pid", 4, 4, true },
	};
	const struct trace_event *ev = data;
	size_t at = 0;

	seq_printf(m, "name: %s\nID: %d\nformat:\n", ev->name, trace_event_id(ev));
	for (size_t i = 0; i < ARRAY_SIZE(common); i++)
		at = show_field(m, &common[i], at);
	seq_putc(m, '\n');
	for (int i = 0; i < ev->nr_fields; i++)
		at = show_field(m, &ev->fields[i], at);
	seq_printf(m, "\nprint fmt: %s\n", ev->print_fmt);
	return 0;
}

static int id_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", trace_event_id(data));
	return 0;
}

static const struct pseudo_ops system_enable_ops = { .show = system_enable_show, .write = system_enable_write },
	enable_ops = { .show = enable_show, .write = enable_write },
	format_ops = { .show = format_show }, id_ops = { .show = id_show };

void trace_create_event_files(struct pseudo_node *tracing)
{
	struct pseudo_node *events = pseudo_mkdir(tracing, "events"), *system, *dir;
	const struct trace_event *ev;

	pseudo_create(tracing, "available_events", 0440, &available_ops, NULL);
	pseudo_create(tracing, "set_event", 0640, &set_event_ops, tracing);
	pseudo_create(tracing, "set_event_pid", 0640, &pids_ops, NULL);
	pseudo_create(events, "enable", 0640, &system_enable_ops, NULL);
	for_each_trace_event(ev) {
		system = pseudo_mkdir(events, ev->system);
		pseudo_create(system, "enable", 0640, &system_enable_ops, (void *)ev->system);
		dir = pseudo_mkdir(system, ev->name);
		pseudo_create(dir, "enable", 0640, &enable_ops, (void *)ev);
		pseudo_create(dir, "format", 0440, &format_ops, (void *)ev);
		pseudo_create(dir, "id", 0440, &id_ops, (void *)ev);
	}
}
