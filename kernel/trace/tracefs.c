/*
 * kernel/trace/tracefs.c - /sys/kernel/tracing: the files that show and steer the rings. Those of events:
 * tracefs_events.c.
 *
 *	trace		all that is in the rings, as often as one likes; opened for writing with O_TRUNC: empties them
 *	trace_pipe	the same, once: what was read is gone, and at the end one waits for more
 *	per_cpu/cpuN	both for one CPU, and stats
 *	tracing_on	the rings take records
 *	buffer_size_kb	their size, for each CPU
 *	options/overwrite  a full ring loses the oldest records, or else takes no new ones
 *	trace_marker	what is written here becomes a record
 *
 * Records are written with any lock held, so writing one wakes nobody. While somebody sleeps on trace_pipe,
 * a timer looks into the rings every 2 ms.
 *
 * Not here: tracers other than nop (functions, latencies), instances, trace_pipe_raw, snapshots. Linux:
 * kernel/trace/trace.c.
 */
#include "arch-x86_64/smp.h"
#include "kernel/fs/internal.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/trace/trace_internal.h"
#include "mm/slab.h"

/* The data of a file: which CPUs it is about. */
#define ALL_CPUS ((void *)~0UL)
#define ONE_CPU(cpu) ((void *)BIT(cpu))
#define for_each_cpu_in(cpu, data) for_each_online_cpu(cpu) if ((unsigned long)(data) & BIT(cpu))

/* ---- trace ---- */

static void reset_rings(void *data)
{
	int cpu;

	mutex_lock(&ring_reader_lock);
	for_each_cpu_in(cpu, data)
		ring_buffer_reset(cpu);
	mutex_unlock(&ring_reader_lock);
}

static void *trace_seq_start(struct seq_file *m, loff_t *pos)
{
	struct trace_iterator *it = m->private;
	const void *rec = it->current_record;

	mutex_lock(&ring_reader_lock);
	if (*pos == 0) {
		trace_iterator_rewind(it);
		return it;		/* the header */
	}
	if ((u64)*pos < it->nr)
		trace_iterator_rewind(it);
	else if ((u64)*pos == it->nr)
		return (void *)rec;
	do
		rec = trace_iterator_next(it);
	while (rec && it->nr < (u64)*pos);
	return (void *)rec;
}

static void *trace_seq_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return (void *)trace_iterator_next(m->private);
}

static void trace_seq_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&ring_reader_lock);
}

static void show_header(struct seq_file *m, const struct trace_iterator *it)
{
	u64 entries = 0, written = 0;
	int cpu, cpus = 0;

	for_each_online_cpu(cpu) {
		struct ring_stats st = ring_buffer_stats(cpu);

		cpus++;
		if (it->cpus & BIT(cpu)) {
			entries += st.entries;
			written += st.entries + st.overrun;
		}
	}
	seq_printf(m, "# tracer: nop\n#\n# entries-in-buffer/entries-written: %llu/%llu   #P:%d\n#\n",
		   (unsigned long long)entries, (unsigned long long)written, cpus);
	seq_puts(m, "#                                _-----=> irqs-off/BH-disabled\n"
		    "#                               / _----=> need-resched\n"
		    "#                              | / _---=> hardirq/softirq\n"
		    "#                              || / _--=> preempt-depth\n"
		    "#                              ||| / _-=> migrate-disable\n"
		    "#                              |||| /     delay\n"
		    "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n"
		    "#              | |         |   |||||     |         |\n");
}

static int trace_seq_show(struct seq_file *m, void *v)
{
	struct trace_iterator *it = m->private;

	if (v == it)
		show_header(m, it);
	else
		trace_print_record(m, it, v);
	return 0;
}

static const struct seq_operations trace_seq_ops = {
	.start = trace_seq_start, .next = trace_seq_next, .stop = trace_seq_stop, .show = trace_seq_show,
};

static int trace_open(struct inode *inode, struct file *f)
{
	struct trace_iterator *it;
	int err;

	f->private_data = NULL;
	if (!(f->f_mode & FMODE_READ))
		return 0;
	it = trace_iterator_new((unsigned long)pseudo_data(f), false);
	if (!it)
		return -ENOMEM;
	err = seq_open(f, &trace_seq_ops);
	if (err)
		trace_iterator_free(it);
	else
		((struct seq_file *)f->private_data)->private = it;
	return err;
}

/* What matters is that it was opened with O_TRUNC; the text does not. */
static ssize_t trace_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	return from->count;
}

static void trace_release(struct inode *inode, struct file *f)
{
	if (!f->private_data)
		return;
	trace_iterator_free(((struct seq_file *)f->private_data)->private);
	seq_release(inode, f);
}

static const struct file_operations trace_fops = {
	.open = trace_open, .read = seq_read, .write = trace_write, .llseek = seq_lseek, .release = trace_release,
};
static const struct pseudo_ops trace_ops = { .fops = &trace_fops, .truncate = reset_rings };

/* ---- trace_pipe ---- */

#define PIPE_WAKE_NS	(2 * NSEC_PER_MSEC)
#define PIPE_TEXT	(2 * PAGE_SIZE)

/* One open trace_pipe. TEXT: printed, hence consumed, but not yet handed out. */
struct trace_pipe {
	struct mutex lock;		/* all of this */
	struct trace_iterator *it;
	struct seq_file text;
	bool has_read;
};

static DECLARE_WAIT_QUEUE_HEAD(pipe_wait);
static DEFINE_SPINLOCK(pipe_timer_lock);	/* both below */
static struct hrtimer pipe_timer;
static bool pipe_timer_runs;

/* In the timer interrupt, as long as somebody waits. */
static void pipe_timer_fn(struct hrtimer *t)
{
	unsigned long flags;

	spin_lock_irqsave(&pipe_timer_lock, flags);
	pipe_timer_runs = waitqueue_active(&pipe_wait);
	if (pipe_timer_runs)
		hrtimer_start(t, ktime_get() + PIPE_WAKE_NS);
	spin_unlock_irqrestore(&pipe_timer_lock, flags);
	if (ring_buffer_any(~0UL))
		wake_up_all(&pipe_wait);
}

/*
 * There is something in the rings of CPUS; if not, the timer will look. => the caller is on pipe_wait
 * already
 */
static bool pipe_ready(unsigned long cpus)
{
	unsigned long flags;

	if (ring_buffer_any(cpus))
		return true;
	spin_lock_irqsave(&pipe_timer_lock, flags);
	if (!pipe_timer_runs) {
		pipe_timer_runs = true;
		hrtimer_start(&pipe_timer, ktime_get() + PIPE_WAKE_NS);
	}
	spin_unlock_irqrestore(&pipe_timer_lock, flags);
	return false;
}

static bool at_end(const struct trace_pipe *p)
{
	return p->has_read && !READ_ONCE(ring_buffer_on);
}

/* Print and consume records until about WANT bytes are there. */
static void pipe_fill(struct trace_pipe *p, size_t want)
{
	const struct ring_record *rec;

	p->text.from = p->text.count = 0;
	mutex_lock(&ring_reader_lock);
	trace_iterator_rewind(p->it);
	while (p->text.count < want && (rec = trace_iterator_next(p->it))) {
		size_t before = p->text.count;

		trace_print_record(&p->text, p->it, rec);
		if (p->text.count == p->text.size) {	/* does not fit: the next time */
			p->text.count = before;
			break;
		}
		trace_iterator_consume(p->it);
	}
	mutex_unlock(&ring_reader_lock);
}

/* Until there is text, or it is certain that none will come: 0, or an error. => p->lock */
static int pipe_wait_text(struct trace_pipe *p, struct file *f, size_t want)
{
	unsigned long cpus = p->it->cpus;
	int err;

	while (p->text.from == p->text.count) {
		pipe_fill(p, want);
		if (p->text.count || at_end(p))
			break;
		/* The writer was faster and has replaced all that there was when we began. */
		if (ring_buffer_any(cpus))
			continue;
		if (f->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(pipe_wait, pipe_ready(cpus) || at_end(p));
		if (err)
			return err;
	}
	return 0;
}

static ssize_t pipe_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct trace_pipe *p = f->private_data;
	size_t n, got = 0;
	ssize_t err;

	if (!to->count)
		return 0;
	mutex_lock(&p->lock);
	err = pipe_wait_text(p, f, to->count);
	n = err ? 0 : min(to->count, p->text.count - p->text.from);
	if (n) {
		p->has_read = true;
		got = copy_to_iter(p->text.buf + p->text.from, n, to);
		p->text.from += got;
		if (!got)
			err = -EFAULT;
	}
	mutex_unlock(&p->lock);
	return err ? err : (ssize_t)got;
}

static unsigned int pipe_poll(struct file *f, struct poll_table *pt)
{
	struct trace_pipe *p = f->private_data;

	poll_wait(f, &pipe_wait, pt);
	return p->text.from < p->text.count || pipe_ready(p->it->cpus) ? EPOLLIN | EPOLLRDNORM : 0;
}

static void pipe_free(struct trace_pipe *p)
{
	trace_iterator_free(p->it);
	kfree(p->text.buf);
	kfree(p);
}

static int pipe_open(struct inode *inode, struct file *f)
{
	struct trace_pipe *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	mutex_init(&p->lock);
	p->text.size = PIPE_TEXT;
	p->text.buf = kmalloc(PIPE_TEXT, GFP_KERNEL);
	p->it = trace_iterator_new((unsigned long)pseudo_data(f), true);
	if (!p->text.buf || !p->it) {
		pipe_free(p);
		return -ENOMEM;
	}
	f->private_data = p;
	return 0;
}

static void pipe_release(struct inode *inode, struct file *f)
{
	pipe_free(f->private_data);
}

static const struct file_operations pipe_fops = {
	.open = pipe_open, .read = pipe_read, .poll = pipe_poll, .release = pipe_release,
};
static const struct pseudo_ops pipe_ops = { .fops = &pipe_fops };

/* ---- stats ---- */

static int stats_show(struct seq_file *m, void *data)
{
	struct ring_stats st = { 0 };
	u64 oldest = 0;
	int cpu;

	mutex_lock(&ring_reader_lock);
	for_each_cpu_in(cpu, data) {
		st = ring_buffer_stats(cpu);
		oldest = ring_buffer_oldest_ts(cpu);
	}
	mutex_unlock(&ring_reader_lock);
	seq_printf(m, "entries: %llu\noverrun: %llu\ncommit overrun: 0\nbytes: %llu\noldest event ts: ",
		   (unsigned long long)st.entries, (unsigned long long)st.overrun, (unsigned long long)st.bytes);
	trace_print_time(m, oldest);
	seq_puts(m, "\nnow ts: ");
	trace_print_time(m, ktime_get());
	seq_printf(m, "\ndropped events: %llu\nread events: %llu\n", (unsigned long long)st.dropped,
		   (unsigned long long)st.read);
	return 0;
}
static const struct pseudo_ops stats_ops = { .show = stats_show };

/* ---- Sizes ---- */

/* The size that all CPUs in DATA have; -1: they differ. */
static long common_size_kb(void *data)
{
	long kb = 0;
	bool first = true;
	int cpu;

	for_each_cpu_in(cpu, data) {
		long this = ring_buffer_size_kb(cpu);

		if (!first && this != kb)
			return -1;
		kb = this;
		first = false;
	}
	return kb;
}

static int size_show(struct seq_file *m, void *data)
{
	long kb;

	mutex_lock(&ring_reader_lock);
	kb = common_size_kb(data);
	mutex_unlock(&ring_reader_lock);
	if (kb < 0)
		seq_puts(m, "X\n");
	else if (!kb)		/* nothing is recorded before there is memory */
		seq_printf(m, "0 (expanded: %d)\n", RING_DEFAULT_KB);
	else
		seq_printf(m, "%ld\n", kb);
	return 0;
}

static int total_size_show(struct seq_file *m, void *data)
{
	unsigned long kb = 0;
	int cpu;

	mutex_lock(&ring_reader_lock);
	for_each_cpu_in(cpu, data)
		kb += ring_buffer_size_kb(cpu);
	mutex_unlock(&ring_reader_lock);
	seq_printf(m, "%lu\n", kb);
	return 0;
}

/* Whole pages, at least two. */
static ssize_t size_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned long kb, pages;
	int cpu, err = 0;

	if (kstrtoul(strim(buf), 10, &kb) || !kb)
		return -EINVAL;
	pages = max(DIV_ROUND_UP(min(kb, 1UL << 40), PAGE_SIZE >> 10), 2UL);
	mutex_lock(&ring_reader_lock);
	for_each_cpu_in(cpu, data) {
		if (!err)
			err = ring_buffer_resize(cpu, pages * (PAGE_SIZE >> 10));
	}
	mutex_unlock(&ring_reader_lock);
	return err ? err : (ssize_t)len;
}
static const struct pseudo_ops size_ops = { .show = size_show, .write = size_write },
	total_size_ops = { .show = total_size_show };

/* ---- Switches and words ---- */

static int bool_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", READ_ONCE(*(bool *)data));
	return 0;
}

static ssize_t on_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned long v;

	if (kstrtoul(strim(buf), 10, &v))
		return -EINVAL;
	WRITE_ONCE(ring_buffer_on, v != 0);
	wake_up_all(&pipe_wait);	/* a reader that has read is at its end */
	return len;
}

static ssize_t overwrite_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned long v;

	if (kstrtoul(strim(buf), 10, &v) || v > 1)
		return -EINVAL;
	WRITE_ONCE(ring_buffer_overwrite, v);
	return len;
}

static int options_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%soverwrite\n", READ_ONCE(ring_buffer_overwrite) ? "" : "no");
	return 0;
}

static ssize_t options_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	const char *word = strim(buf);
	bool on = strncmp(word, "no", 2) != 0;

	if (strcmp(on ? word : word + 2, "overwrite"))
		return -EINVAL;
	WRITE_ONCE(ring_buffer_overwrite, on);
	return len;
}

/* Files with one possible value, DATA, shown as FORMAT says; writing it changes nothing. */
static int word_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%s\n", (const char *)data);
	return 0;
}

static int clock_show(struct seq_file *m, void *data)
{
	seq_printf(m, "[%s]\n", (const char *)data);
	return 0;
}

static ssize_t word_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	return strcmp(strim(buf), data) ? -EINVAL : (ssize_t)len;
}

static ssize_t marker_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	size_t n = min_t(size_t, from->count, RING_MAX_ENTRY - sizeof(struct trace_print_entry) - 2);
	char *text = kmalloc(n + 1, GFP_KERNEL);
	int err = -EFAULT;

	if (!text)
		return -ENOMEM;
	if (copy_from_iter(text, n, from) == n)
		err = trace_marker_write(text, n);
	kfree(text);
	return err ? err : (ssize_t)n;
}
static const struct file_operations marker_fops = { .write = marker_write };

static const struct pseudo_ops on_ops = { .show = bool_show, .write = on_write },
	overwrite_ops = { .show = bool_show, .write = overwrite_write },
	options_ops = { .show = options_show, .write = options_write },
	tracer_ops = { .show = word_show, .write = word_write },
	clock_ops = { .show = clock_show, .write = word_write },
	tracers_ops = { .show = word_show },
	marker_ops = { .fops = &marker_fops };

/* ---- The directory ---- */

static void create_per_cpu(struct pseudo_node *root)
{
	char name[32];
	int cpu;

	for_each_online_cpu(cpu) {
		struct pseudo_node *dir;

		snprintf(name, sizeof(name), "per_cpu/cpu%d", cpu);
		dir = pseudo_mkpath(root, name);
		pseudo_create(dir, "trace", 0640, &trace_ops, ONE_CPU(cpu));
		pseudo_create(dir, "trace_pipe", 0440, &pipe_ops, ONE_CPU(cpu));
		pseudo_create(dir, "stats", 0440, &stats_ops, ONE_CPU(cpu));
		pseudo_create(dir, "buffer_size_kb", 0640, &size_ops, ONE_CPU(cpu));
	}
}

static int tracefs_init(void)
{
	struct pseudo_node *root = tracefs_root;

	hrtimer_init(&pipe_timer, pipe_timer_fn);
	pseudo_create(root, "trace", 0640, &trace_ops, ALL_CPUS);
	pseudo_create(root, "trace_pipe", 0440, &pipe_ops, ALL_CPUS);
	pseudo_create(root, "tracing_on", 0640, &on_ops, &ring_buffer_on);
	pseudo_create(root, "buffer_size_kb", 0640, &size_ops, ALL_CPUS);
	pseudo_create(root, "buffer_total_size_kb", 0440, &total_size_ops, ALL_CPUS);
	pseudo_create(root, "trace_marker", 0220, &marker_ops, NULL);
	pseudo_create(root, "trace_clock", 0640, &clock_ops, "local");
	pseudo_create(root, "current_tracer", 0640, &tracer_ops, "nop");
	pseudo_create(root, "available_tracers", 0440, &tracers_ops, "nop");
	pseudo_create(root, "trace_options", 0640, &options_ops, NULL);
	pseudo_create(pseudo_mkdir(root, "options"), "overwrite", 0640, &overwrite_ops, &ring_buffer_overwrite);
	create_per_cpu(root);
	trace_create_event_files(root);
	return 0;
}
fs_initcall(tracefs_init);
