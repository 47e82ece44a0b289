/*
 * kernel/fs/tty_internal.h - what the three files of the terminal share: tty.c, n_tty.c, tty_jobctrl.c.
 */
#ifndef KERNEL_FS_TTY_INTERNAL_H
#define KERNEL_FS_TTY_INTERNAL_H

#include "kernel/fs/fs.h"
#include "kernel/locking/mutex.h"
#include "kernel/task/pid.h"
#include "kernel/task/signal.h"

/* Linux's kernel termios: 36 bytes, 19 control characters. */
#define NCCS 19
struct ktermios { u32 c_iflag, c_oflag, c_cflag, c_lflag; u8 c_line, c_cc[NCCS]; };
static_assert(sizeof(struct ktermios) == 36, "TCGETS copies 36 bytes");
enum { VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSWTC, VSTART, VSTOP, VSUSP, VEOL, VREPRINT, VDISCARD, VWERASE, VLNEXT, VEOL2 };
#define IGNCR	0000200
#define ICRNL	0000400
#define INLCR	0000100
#define ISTRIP	0000040
#define IXON	0002000
#define IXANY	0004000
#define IUTF8	0040000
#define OPOST	0000001
#define ONLCR	0000004
#define ISIG	0000001
#define ICANON	0000002
#define ECHO	0000010
#define ECHOE	0000020
#define ECHOK	0000040
#define ECHONL	0000100
#define NOFLSH	0000200
#define TOSTOP	0000400
#define ECHOCTL	0001000
#define ECHOKE	0004000
#define IEXTEN	0100000
struct winsize { u16 ws_row, ws_col, ws_xpixel, ws_ypixel; };

#define TTY_BUF 4096
#define TTY_EOF_MARK 0			/* with its delim bit set: VEOF was typed here */

/* M: ldisc_mutex   C: ctty_lock */
struct tty_struct {
	struct mutex ldisc_mutex;
	struct ktermios termios;		/* M */
	struct winsize winsize;			/* M */
	unsigned char buf[TTY_BUF];		/* M: a ring; indices run freely */
	unsigned long delim[TTY_BUF / 64];	/* M: this byte ends a line */
	unsigned int read_head, canon_head, read_tail;	/* M: last byte in; end of the last whole line; next to read */
	unsigned int column, canon_column;	/* M: cursor; where the line being typed started */
	bool lnext, stopped;			/* M */
	wait_queue_head_t read_wait, write_wait;
	struct pid *session, *pgrp;		/* C: referenced */
};
extern struct tty_struct console_tty;

#define O_OPOST(t)  ((t)->termios.c_oflag & OPOST)
#define L_ICANON(t) (READ_ONCE((t)->termios.c_lflag) & ICANON)

/* tty.c: one character to the line. => ldisc_mutex */
void tty_put(struct tty_struct *tty, unsigned char c);
/* n_tty.c: the line discipline. All => ldisc_mutex held (reset: before use). */
void n_tty_reset(struct tty_struct *tty);
void n_tty_receive(struct tty_struct *tty, unsigned char c);
void n_tty_flush_input(struct tty_struct *tty);
/* After ICANON was switched: what is in the buffer becomes readable in the new way. */
void n_tty_set_canon(struct tty_struct *tty, bool was_canon);
unsigned int n_tty_chars(struct tty_struct *tty);
/*
 * tty_jobctrl.c: is the current process in the background of its terminal? Then SIG goes to its group and
 * -ERESTARTSYS comes back (-EIO if that is pointless). LFLAG: only if that local mode is set (0: always).
 */
int tty_check_change(struct tty_struct *tty, int sig, u32 lflag);
void tty_open_proc_set_tty(struct tty_struct *tty);
void tty_signal_pgrp(struct tty_struct *tty, int sig);
/* -ENOIOCTLCMD-like: -ENOTTY if CMD is none of job control's. */
long tty_jobctrl_ioctl(struct tty_struct *tty, unsigned int cmd, unsigned long arg);
long tty_ioctl(struct file *f, unsigned int cmd, unsigned long arg);

#endif
