/*
 * kernel/printk.c - the kernel log: a ring of records, and the console.
 *
 *	tail                              head
 *	 | record | record | ...  | record |	64 KiB; offsets only grow, the ring is used modulo its size
 *
 *	record: struct log_record, text (no newline), padding to 8
 *
 * Text is collected to whole lines (pr_cont adds to the last one); each line becomes a record and goes to the
 * serial port in the same breath, so that nothing is lost if the next instruction hangs.
 *
 * The lock is a raw one, invisible to lockdep, and taken with interrupts off. An NMI may hit its holder on
 * the same CPU: such a message goes to the console only. After log_enter_panic() nobody waits for it.
 *
 * Linux: kernel/printk/ (lockless ring, console threads). Ours writes the console synchronously.
 */
#include "kernel/lib/printk.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/percpu.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/sched/time.h"

#define LOG_SIZE	65536
#define LINE_MAX	1000
#define DEFAULT_LEVEL	4
#define QUIET_LEVEL	4

struct log_record {
	u64 seq, ts_ns;
	u16 len;		/* of the text */
	u8 level;
};

int console_loglevel = 7;

static int log_owner = -1;	/* the raw lock: CPU that holds it, -1: free */
static bool panic_mode;

/* All below: log lock. */
static char ring[LOG_SIZE] __aligned(8);
static u64 head, tail;		/* byte offsets, never reduced */
static u64 first_seq, next_seq;	/* of the record at TAIL; of the next one */
static char line[LINE_MAX];	/* not yet complete */
static int line_len, line_level;

/* False: this CPU holds the lock already (an NMI in printk). */
static bool log_lock(unsigned long *flags)
{
	int cpu;

	local_irq_save(*flags);
	cpu = smp_processor_id();
	while (cmpxchg(&log_owner, -1, cpu) != -1) {
		if (READ_ONCE(panic_mode)) {
			log_owner = cpu;
			break;
		}
		if (READ_ONCE(log_owner) == cpu) {
			local_irq_restore(*flags);
			return false;
		}
		cpu_relax();
	}
	return true;
}

static void log_unlock(unsigned long flags)
{
	smp_store_release(&log_owner, -1);
	local_irq_restore(flags);
}

void log_enter_panic(void)
{
	WRITE_ONCE(panic_mode, true);
	console_loglevel = 15;
}

static void ring_write(u64 at, const void *from, size_t n)
{
	size_t off = at % LOG_SIZE, first = min(n, LOG_SIZE - off);

	memcpy(ring + off, from, first);
	memcpy(ring, (const char *)from + first, n - first);
}

static void ring_read(u64 at, void *to, size_t n)
{
	size_t off = at % LOG_SIZE, first = min(n, LOG_SIZE - off);

	memcpy(to, ring + off, first);
	memcpy((char *)to + first, ring, n - first);
}

static size_t record_size(const struct log_record *r)
{
	return ALIGN(sizeof(*r) + r->len, 8UL);
}

/* Make room by forgetting the oldest, then append. => log lock */
static void store_record(const struct log_record *r, const char *text)
{
	while (head + record_size(r) - tail > LOG_SIZE) {
		struct log_record old;

		ring_read(tail, &old, sizeof(old));
		tail += record_size(&old);
		first_seq = old.seq + 1;
	}
	ring_write(head, r, sizeof(*r));
	ring_write(head + sizeof(*r), text, r->len);
	head += record_size(r);
}

int log_format_line(char *buf, size_t size, const struct log_info *info, const char *text, int len,
		    bool with_level)
{
	u64 us = info->ts_ns / NSEC_PER_USEC;
	int n = 0;

	if (with_level)
		n = scnprintf(buf, size, "<%d>", info->level);
	return n + scnprintf(buf + n, size - n, "[%5lu.%06lu] %.*s\n", (unsigned long)(us / 1000000),
			     (unsigned long)(us % 1000000), len, text);
}

static void console_write(const struct log_info *info, const char *text, int len)
{
	char out[LINE_MAX + 64];
	int n;

	if (info->level >= console_loglevel)
		return;
	n = log_format_line(out, sizeof(out) - 1, info, text, len, false);
	out[n - 1] = '\r';
	out[n] = '\n';
	serial_write(out, n + 1);
}

/* The collected line is complete. => log lock */
static void finish_line(void)
{
	struct log_record r = {
		.seq = next_seq++, .ts_ns = tsc_clock_ns(), .len = line_len, .level = line_level
	};
	struct log_info info = { .seq = r.seq, .ts_ns = r.ts_ns, .level = r.level };

	store_record(&r, line);
	console_write(&info, line, line_len);
	line_len = 0;
}

/* LEVEL < 0: continue the line that is there. => log lock */
static void add_text(int level, const char *s)
{
	if (level >= 0 && line_len)
		finish_line();
	if (!line_len)
		line_level = level >= 0 ? level : DEFAULT_LEVEL;
	for (; *s; s++) {
		if (*s == '\n') {
			finish_line();
			continue;
		}
		line[line_len++] = *s;
		if (line_len == LINE_MAX)
			finish_line();
	}
}

/* Take "\001L" off the front of *S: 0..7, or -1 for KERN_CONT. */
static int take_level(const char **s)
{
	int level = DEFAULT_LEVEL;

	if ((*s)[0] == '\001' && (*s)[1]) {
		level = (*s)[1] == 'c' ? -1 : (*s)[1] - '0';
		*s += 2;
	}
	return level;
}

int vprintk(const char *fmt, va_list ap)
{
	char text[LINE_MAX];
	const char *s = text;
	unsigned long flags;
	int level, n;

	n = vsnprintf(text, sizeof(text), fmt, ap);
	level = take_level(&s);
	if (log_lock(&flags)) {
		add_text(level, s);
		log_unlock(flags);
	} else {
		serial_write(s, strlen(s));
		serial_write("\r", 1);
	}
	return n;
}

int printk(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vprintk(fmt, ap);
	va_end(ap);
	return n;
}

u64 log_next_seq(void)
{
	return READ_ONCE(next_seq);
}

long log_read(u64 *seq, struct log_info *info, char *buf, size_t size)
{
	struct log_record r;
	unsigned long flags;
	long len = -EAGAIN;

	if (!log_lock(&flags))
		return -EAGAIN;
	for (u64 at = tail; at < head && len < 0; at += record_size(&r)) {
		ring_read(at, &r, sizeof(r));
		if (r.seq < *seq)
			continue;
		len = min((size_t)r.len, size);
		ring_read(at + sizeof(r), buf, len);
		*info = (struct log_info){ .seq = r.seq, .ts_ns = r.ts_ns, .level = r.level };
		*seq = r.seq + 1;
	}
	log_unlock(flags);
	return len;
}

static int quiet_param(char *value)
{
	console_loglevel = QUIET_LEVEL;
	return 0;
}
early_param("quiet", quiet_param);

static int debug_param(char *value)
{
	console_loglevel = 10;
	return 0;
}
early_param("debug", debug_param);

static int loglevel_param(char *value)
{
	int level, err = kstrtoint(value, 0, &level);

	if (!err)
		console_loglevel = clamp(level, 1, 15);
	return err;
}
early_param("loglevel=", loglevel_param);

/* The serial port is the only console; others that Linux has may be named next to it and are ignored. */
static int console_param(char *value)
{
	return strncmp(value, "ttyS", 4) == 0 && strncmp(value, "ttyS0", 5) != 0 ? -EINVAL : 0;
}
early_param("console=", console_param);
