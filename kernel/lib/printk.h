/*
 * kernel/lib/printk.h - the kernel log.
 *
 * Messages go into a ring (read by dmesg through syslog(2) and /dev/kmsg) and, if their level is below
 * the console's, to the serial console at once. Callable from any context, NMI included; never sleeps.
 */
#ifndef KERNEL_LIB_PRINTK_H
#define KERNEL_LIB_PRINTK_H

#include "kernel/lib/types.h"

#define KERN_EMERG	"\0010"
#define KERN_ALERT	"\0011"
#define KERN_CRIT	"\0012"
#define KERN_ERR	"\0013"
#define KERN_WARNING	"\0014"
#define KERN_NOTICE	"\0015"
#define KERN_INFO	"\0016"
#define KERN_DEBUG	"\0017"
#define KERN_CONT	"\001c"

/* Format and log one message; a line is completed by its newline. Returns the number of bytes. */
int printk(const char *fmt, ...) __printf(1, 2);
int vprintk(const char *fmt, va_list ap) __printf(1, 0);

#define pr_emerg(...)	printk(KERN_EMERG __VA_ARGS__)
#define pr_err(...)	printk(KERN_ERR __VA_ARGS__)
#define pr_warn(...)	printk(KERN_WARNING __VA_ARGS__)
#define pr_notice(...)	printk(KERN_NOTICE __VA_ARGS__)
#define pr_info(...)	printk(KERN_INFO __VA_ARGS__)
#define pr_debug(...)	printk(KERN_DEBUG __VA_ARGS__)
#define pr_cont(...)	printk(KERN_CONT __VA_ARGS__)

/* Messages with a level below this reach the console; set by quiet, loglevel= and syslog(2). */
extern int console_loglevel;

/*
 * Reading the log, for syslog(2) and /dev/kmsg. Records are numbered from 0; the oldest are overwritten.
 * log_read copies the text (no newline, at most SIZE bytes, not terminated) of the first record numbered
 * *SEQ or later, fills INFO, sets *SEQ to the number after it and returns the length of the text; -EAGAIN
 * if there is none yet. A reader that finds INFO->seq larger than the number it asked for has lost records
 * (/dev/kmsg: EPIPE). Any context; readers that wait poll (the log wakes nobody, since it is written with
 * any lock held).
 */
struct log_info { u64 seq, ts_ns; int level; };
long log_read(u64 *seq, struct log_info *info, char *buf, size_t size);
u64 log_next_seq(void);
/* One record as dmesg shows it, "<6>[    0.123456] text\n" (<6> only if WITH_LEVEL); its length. */
int log_format_line(char *buf, size_t size, const struct log_info *info, const char *text, int len,
		    bool with_level);
/* Panic: the log's lock is ignored from now on and every level goes to the console. */
void log_enter_panic(void);

/*
 * Formatted output to memory. Conversions: %d %i %u %x %X %o %c %s %p %% with flags "-0+ #", width,
 * precision, '*', and h hh l ll z t j; no floating point, no extensions of %p (which prints 16 hex
 * digits): print errors with %d. A NULL string prints as (null). The result is always NUL-terminated if
 * SIZE > 0; vsnprintf returns the length it would have had, vscnprintf what it has.
 */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);
int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
int vscnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);
int scnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);

#endif
