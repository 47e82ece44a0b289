/*
 * kernel/fs/n_tty.c - the line discipline: what a typed character does, and the terminal's ioctls.
 *
 * In canonical mode characters collect between canon_head and read_head, where VERASE, VWERASE and VKILL edit
 * them; a newline, VEOL or VEOF moves canon_head up and a reader may have the line. Otherwise every character is
 * readable at once.
 *
 * Linux: drivers/tty/n_tty.c.
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/tty_internal.h"
#include "kernel/lib/string.h"

#define DISABLED 0			/* a control character of value 0 is off */

static bool is_cc(struct tty_struct *tty, unsigned char c, int which)
{
	return tty->termios.c_cc[which] != DISABLED && c == tty->termios.c_cc[which];
}

static bool lflag(struct tty_struct *tty, u32 bit) { return tty->termios.c_lflag & bit; }

void n_tty_reset(struct tty_struct *tty)
{
	static const u8 cc[NCCS] = { [VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1,
		[VSTART] = 17, [VSTOP] = 19, [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22 };

	tty->termios = (struct ktermios){ .c_iflag = ICRNL | IXON, .c_oflag = OPOST | ONLCR, .c_cflag = 0002275,
		.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN };
	memcpy(tty->termios.c_cc, cc, sizeof(cc));
}

/* ---- Echo ---- */

static void echo_char(struct tty_struct *tty, unsigned char c)
{
	if (lflag(tty, ECHOCTL) && (c < ' ' || c == 0x7f) && c != '\t' && c != '\n') {
		tty_put(tty, '^');
		tty_put(tty, c ^ 0x40);
	} else {
		tty_put(tty, c);
	}
}

/* Columns that C took when it was echoed at column COL. */
static unsigned int echo_width(struct tty_struct *tty, unsigned char c, unsigned int col)
{
	if (c == '\t')
		return ((col | 7) + 1) - col;
	if (c < ' ' || c == 0x7f)
		return lflag(tty, ECHOCTL) ? 2 : 0;
	return (c & 0xc0) == 0x80 ? 0 : 1;	/* continuation bytes of UTF-8 take none */
}

/* Cursor column after the line typed so far. */
static unsigned int typed_column(struct tty_struct *tty)
{
	unsigned int col = tty->canon_column;

	for (unsigned int i = tty->canon_head; i != tty->read_head; i++)
		col += echo_width(tty, tty->buf[i % TTY_BUF], col);
	return col;
}

/* Take the last character off the line being typed; false if there is none. */
static bool erase_one(struct tty_struct *tty)
{
	unsigned int before, after;
	unsigned char c;

	if (tty->read_head == tty->canon_head)
		return false;
	before = typed_column(tty);
	do {
		c = tty->buf[--tty->read_head % TTY_BUF];
	} while ((c & 0xc0) == 0x80 && (tty->termios.c_iflag & IUTF8) && tty->read_head != tty->canon_head);
	if (!lflag(tty, ECHO))
		return true;
	if (!lflag(tty, ECHOE)) {
		echo_char(tty, tty->termios.c_cc[VERASE]);
		return true;
	}
	for (after = typed_column(tty); before > after; before--) {
		tty_put(tty, '\b');
		tty_put(tty, ' ');
		tty_put(tty, '\b');
	}
	return true;
}

static bool word_char(unsigned char c) { return (c | 0x20) >= 'a' ? (c | 0x20) <= 'z' || c >= 0x80 : (c >= '0' && c <= '9') || c == '_'; }

static void erase_word(struct tty_struct *tty)
{
	bool seen = false;

	while (tty->read_head != tty->canon_head) {
		bool w = word_char(tty->buf[(tty->read_head - 1) % TTY_BUF]);

		if (seen && !w)
			break;
		seen |= w;
		erase_one(tty);
	}
}

static void kill_line(struct tty_struct *tty)
{
	if (lflag(tty, ECHOKE) && lflag(tty, ECHOE)) {
		while (erase_one(tty))
			;
		return;
	}
	tty->read_head = tty->canon_head;
	if (lflag(tty, ECHO)) {
		echo_char(tty, tty->termios.c_cc[VKILL]);
		if (lflag(tty, ECHOK))
			tty_put(tty, '\n');
	}
}

static void reprint_line(struct tty_struct *tty)
{
	echo_char(tty, tty->termios.c_cc[VREPRINT]);
	tty_put(tty, '\n');
	tty->canon_column = 0;
	for (unsigned int i = tty->canon_head; i != tty->read_head; i++)
		echo_char(tty, tty->buf[i % TTY_BUF]);
}

/* ---- Storing ---- */

static void store(struct tty_struct *tty, unsigned char c, bool delim)
{
	unsigned int room = TTY_BUF - (tty->read_head - tty->read_tail);
	unsigned int i = tty->read_head % TTY_BUF;

	/* Canonical mode keeps a place for the delimiter: a line that is too long loses its end, not its newline. */
	if (!room || (room == 1 && L_ICANON(tty) && !delim))
		return;
	tty->buf[i] = c;
	if (delim)
		set_bit(i, tty->delim);
	else
		clear_bit(i, tty->delim);
	tty->read_head++;
	if (delim || !L_ICANON(tty)) {
		tty->canon_head = tty->read_head;
		wake_up_all(&tty->read_wait);
	}
}

static void end_line(struct tty_struct *tty, unsigned char c)
{
	store(tty, c, true);
	tty->canon_column = tty->column;
}

void n_tty_flush_input(struct tty_struct *tty)
{
	tty->read_tail = tty->canon_head = tty->read_head;
	memset(tty->delim, 0, sizeof(tty->delim));
}

void n_tty_set_canon(struct tty_struct *tty, bool was_canon)
{
	if (was_canon == !!L_ICANON(tty))
		return;
	if (was_canon)
		tty->canon_head = tty->read_head;	/* what was being typed is readable now */
	wake_up_all(&tty->read_wait);
}

unsigned int n_tty_chars(struct tty_struct *tty)
{
	return (L_ICANON(tty) ? tty->canon_head : tty->read_head) - tty->read_tail;
}

/* ---- Receiving ---- */

static void start_output(struct tty_struct *tty)
{
	tty->stopped = false;
	wake_up_all(&tty->write_wait);
}

/* A character that sends a signal or controls the flow; true if it was one. */
static bool receive_special(struct tty_struct *tty, unsigned char c)
{
	int sig = 0;

	if (tty->termios.c_iflag & IXON) {
		if (is_cc(tty, c, VSTOP)) {
			tty->stopped = true;
			return true;
		}
		if (is_cc(tty, c, VSTART) || (tty->stopped && (tty->termios.c_iflag & IXANY))) {
			start_output(tty);
			if (is_cc(tty, c, VSTART))
				return true;
		}
	}
	if (!lflag(tty, ISIG))
		return false;
	if (is_cc(tty, c, VINTR))
		sig = SIGINT;
	else if (is_cc(tty, c, VQUIT))
		sig = SIGQUIT;
	else if (is_cc(tty, c, VSUSP))
		sig = SIGTSTP;
	if (!sig)
		return false;
	if (!lflag(tty, NOFLSH))
		n_tty_flush_input(tty);
	start_output(tty);
	if (lflag(tty, ECHO))
		echo_char(tty, c);
	tty_signal_pgrp(tty, sig);
	return true;
}

/* Line editing; true if C was an editing character. */
static bool receive_canon(struct tty_struct *tty, unsigned char c)
{
	if (is_cc(tty, c, VERASE) || c == '\b')
		erase_one(tty);
	else if (is_cc(tty, c, VKILL))
		kill_line(tty);
	else if (lflag(tty, IEXTEN) && is_cc(tty, c, VWERASE))
		erase_word(tty);
	else if (lflag(tty, IEXTEN) && lflag(tty, ECHO) && is_cc(tty, c, VREPRINT))
		reprint_line(tty);
	else if (lflag(tty, IEXTEN) && is_cc(tty, c, VLNEXT))
		tty->lnext = true;
	else if (is_cc(tty, c, VEOF))
		end_line(tty, TTY_EOF_MARK);
	else if (c == '\n' || is_cc(tty, c, VEOL) || is_cc(tty, c, VEOL2)) {
		if (lflag(tty, ECHO) || (c == '\n' && lflag(tty, ECHONL)))
			tty_put(tty, c);
		end_line(tty, c);
	} else {
		return false;
	}
	return true;
}

void n_tty_receive(struct tty_struct *tty, unsigned char c)
{
	bool literal = tty->lnext;

	tty->lnext = false;
	if (tty->termios.c_iflag & ISTRIP)
		c &= 0x7f;
	if (!literal) {
		if (receive_special(tty, c))
			return;
		if (c == '\r') {
			if (tty->termios.c_iflag & IGNCR)
				return;
			if (tty->termios.c_iflag & ICRNL)
				c = '\n';
		} else if (c == '\n' && (tty->termios.c_iflag & INLCR)) {
			c = '\r';
		}
		if (L_ICANON(tty) && receive_canon(tty, c))
			return;
	}
	if (lflag(tty, ECHO)) {
		if (tty->read_head == tty->canon_head && L_ICANON(tty))
			tty->canon_column = tty->column;
		echo_char(tty, c);
	}
	store(tty, c, false);
}

/* ---- ioctl ---- */

#define TCGETS	0x5401
#define TCSETS	0x5402
#define TCSETSW	0x5403
#define TCSETSF	0x5404
#define TCSBRK	0x5409
#define TCXONC	0x540A
#define TCFLSH	0x540B
#define TIOCOUTQ 0x5411
#define TIOCGWINSZ 0x5413
#define TIOCSWINSZ 0x5414
#define FIONREAD 0x541B
#define TCSBRKP	0x5425

static long set_termios(struct tty_struct *tty, unsigned long arg, bool flush)
{
	struct ktermios t;
	bool was_canon;
	int err = tty_check_change(tty, SIGTTOU, 0);

	if (err)
		return err;
	if (copy_from_user(&t, (void __user *)arg, sizeof(t)))
		return -EFAULT;
	mutex_lock(&tty->ldisc_mutex);
	if (flush)
		n_tty_flush_input(tty);
	was_canon = L_ICANON(tty);
	tty->termios = t;
	n_tty_set_canon(tty, was_canon);
	if (!(t.c_iflag & IXON))
		start_output(tty);
	mutex_unlock(&tty->ldisc_mutex);
	return 0;
}

static long set_winsize(struct tty_struct *tty, unsigned long arg)
{
	struct winsize w;
	bool changed;

	if (copy_from_user(&w, (void __user *)arg, sizeof(w)))
		return -EFAULT;
	mutex_lock(&tty->ldisc_mutex);
	changed = memcmp(&w, &tty->winsize, sizeof(w)) != 0;
	tty->winsize = w;
	mutex_unlock(&tty->ldisc_mutex);
	if (changed)
		tty_signal_pgrp(tty, SIGWINCH);
	return 0;
}

static long flow_control(struct tty_struct *tty, unsigned long arg)
{
	int err = tty_check_change(tty, SIGTTOU, 0);

	if (err)
		return err;
	if (arg > 3)
		return -EINVAL;
	mutex_lock(&tty->ldisc_mutex);
	if (arg == 0)		/* TCOOFF */
		tty->stopped = true;
	else if (arg == 1)	/* TCOON */
		start_output(tty);
	mutex_unlock(&tty->ldisc_mutex);
	return 0;
}

static long flush_queues(struct tty_struct *tty, unsigned long arg)
{
	if (arg > 2)
		return -EINVAL;
	if (arg == 1)		/* output only: nothing is queued */
		return 0;
	mutex_lock(&tty->ldisc_mutex);
	n_tty_flush_input(tty);
	mutex_unlock(&tty->ldisc_mutex);
	return 0;
}

long tty_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct tty_struct *tty = &console_tty;
	void __user *p = (void __user *)arg;

	switch (cmd) {
	case TCGETS:
		return copy_to_user(p, &tty->termios, sizeof(tty->termios)) ? -EFAULT : 0;
	case TCSETS:
	case TCSETSW:
		return set_termios(tty, arg, false);
	case TCSETSF:
		return set_termios(tty, arg, true);
	case TIOCGWINSZ:
		return copy_to_user(p, &tty->winsize, sizeof(tty->winsize)) ? -EFAULT : 0;
	case TIOCSWINSZ:
		return set_winsize(tty, arg);
	case FIONREAD:
		return put_user((int)n_tty_chars(tty), (int __user *)p);
	case TIOCOUTQ:
		return put_user(0, (int __user *)p);
	case TCFLSH:
		return flush_queues(tty, arg);
	case TCXONC:
		return flow_control(tty, arg);
	case TCSBRK:
	case TCSBRKP:
		return 0;	/* output is never queued: it is drained already */
	default:
		return tty_jobctrl_ioctl(tty, cmd, arg);
	}
}
