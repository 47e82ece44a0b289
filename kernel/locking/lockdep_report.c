/*
 * kernel/locking/lockdep_report.c - the words of lockdep's reports: names, backtraces, held locks.
 *
 * A report goes to the kernel log line by line and is kept for /sys/kernel/debug/quire/lockdep. What the
 * demonstrations provoke is kept apart, is not counted, and stays off the console.
 */
#include "arch-x86_64/setup.h"
#include "kernel/locking/internal.h"

#ifndef RELEASE
#define REPORT_TEXT_SIZE 16384
#define DEMO_TEXT_SIZE	 4096
#define LINE_SIZE	 240

struct text { char *buf; size_t size, len; };

static char report_buf[REPORT_TEXT_SIZE], demo_buf[DEMO_TEXT_SIZE];
static struct text report_text = { report_buf, sizeof(report_buf), 0 };
static struct text demo_text = { demo_buf, sizeof(demo_buf), 0 };
static unsigned long nr_reports;

struct task_struct *lockdep_demo_task;

static bool is_demo(void)
{
	return current == lockdep_demo_task;
}

unsigned long lockdep_report_count(void)
{
	return READ_ONCE(nr_reports);
}

const char *lockdep_report_text(void) { return report_buf; }
const char *lockdep_demo_text(void)   { return demo_buf; }

void lockdep_demo_begin(void)
{
	demo_text.len = 0;
	demo_buf[0] = 0;
	WRITE_ONCE(lockdep_demo_task, current);
}

void lockdep_demo_end(void)
{
	WRITE_ONCE(lockdep_demo_task, NULL);
}

void report_line(const char *fmt, ...)
{
	struct text *t = is_demo() ? &demo_text : &report_text;
	char line[LINE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	t->len += scnprintf(t->buf + t->len, t->size - t->len, "%s\n", line);
	if (!is_demo())
		pr_err("%s\n", line);
}

void report_begin(const char *what)
{
	report_line("======== lockdep: %s%s", what, is_demo() ? " (demonstration)" : "");
}

void report_end(void)
{
	report_line("========");
	if (!is_demo())
		WRITE_ONCE(nr_reports, nr_reports + 1);
}

/* Names are the source text of the lock: leave out its ampersand. */
const char *class_name(const struct lock_class *class)
{
	return class->name[0] == '&' ? class->name + 1 : class->name;
}

const char *node_name(u16 node, char *buf, size_t size)
{
	const struct dep_node *n = &dep_nodes[node];

	if (n->subclass)
		snprintf(buf, size, "%s/%u", class_name(n->class), n->subclass);
	else
		snprintf(buf, size, "%s", class_name(n->class));
	return buf;
}

/* The return addresses above us, as far as the current stack goes. */
static int collect(unsigned long *ip, int max)
{
	unsigned long low = (unsigned long)current->stack;
	unsigned long fp = (unsigned long)__builtin_frame_address(0);
	int n = 0;

	while (n < max && low && fp >= low && fp <= low + THREAD_SIZE - 16 && !(fp & 7)) {
		unsigned long ret = ((unsigned long *)fp)[1];
		unsigned long next = ((unsigned long *)fp)[0];

		if (ret < (unsigned long)_text_start || ret >= (unsigned long)_text_end)
			break;
		ip[n++] = ret;
		if (next <= fp)
			break;
		fp = next;
	}
	return n;
}

/* Frames of this file and of lockdep.c, which begin every trace. */
#define OWN_FRAMES 12

static bool is_lock_function(unsigned long ip)
{
	static const char *const names[] = {
		"capture_trace", "learn_", "report_", "lock_acquire", "lock_release", "check_against_held",
		"spread_from_irq", "might_sleep_at", "spin_", "__spin_", "mutex_", "down_",
	};
	unsigned long offset;
	const char *fn = kallsyms_lookup(ip, &offset);

	for (size_t i = 0; fn && i < ARRAY_SIZE(names); i++) {
		const char *a = fn, *b = names[i];

		while (*b && *a == *b) {
			a++;
			b++;
		}
		if (!*b)
			return true;
	}
	return false;
}

void capture_trace(struct dep_trace *trace)
{
	unsigned long ip[TRACE_DEPTH + OWN_FRAMES];
	int nr = collect(ip, ARRAY_SIZE(ip)), i = 0;

	while (i < nr && is_lock_function(ip[i]))
		i++;
	for (int n = 0; n < TRACE_DEPTH; n++, i++)
		trace->ip[n] = i < nr ? (s32)ip[i] : 0;
}

void report_trace(const struct dep_trace *trace)
{
	for (int i = 0; i < TRACE_DEPTH && trace->ip[i]; i++) {
		unsigned long offset = 0;
		const char *fn = kallsyms_lookup(text_addr(trace->ip[i]), &offset);

		report_line("      %s+%#lx", fn ? fn : "?", offset);
	}
}

void report_current_trace(void)
{
	struct dep_trace trace;

	capture_trace(&trace);
	report_trace(&trace);
}

void report_held(struct task_struct *t)
{
	report_line("locks held by %s/%d:%s", t->comm, t->pid, t->lockdep_depth ? "" : " none");
	for (int i = 0; i < t->lockdep_depth; i++) {
		const struct held_lock *h = &t->held_locks[i];
		char name[NODE_NAME_LEN];
		unsigned long offset = 0;
		const char *fn = kallsyms_lookup(h->ip, &offset);

		report_line("  #%d %s%s%s (%p), taken at %s+%#lx", i,
			    node_name(h->class->id[h->subclass], name, sizeof(name)),
			    h->read ? " (read)" : "", h->try ? " (try)" : "", h->lock, fn ? fn : "?", offset);
	}
}
#endif
