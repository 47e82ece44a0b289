/*
 * kernel/fs/tty.c - the terminal: line editing, echo, signals and job control on the serial line.
 *
 *	UART interrupt ──> rx ring ──> kttyd (process context) ──> line discipline ──> read buffer ──> read(2)
 *	write(2) ──> output processing (ONLCR) ──> UART, polled         │ echo
 *	                                                                └──> SIGINT, SIGQUIT, SIGTSTP to the foreground group
 *
 * The interrupt only stores bytes; everything that may need sleeping locks (signals to a group, echo) happens in
 * the thread. ldisc_mutex guards the read buffer, termios and columns; ctty_lock who owns the terminal.
 *
 * Linux: drivers/tty/n_tty.c, tty_jobctrl.c, tty_io.c. There is one terminal: ttyS0, alias console and tty.
 */
#include "kernel/fs/tty.h"
#include "arch-x86_64/setup.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/fs.h"
#include "kernel/fs/tty_internal.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"

struct tty_struct console_tty;

/* ---- Input from the interrupt ---- */

#define RX_RING 1024
static char rx_ring[RX_RING];
static unsigned int rx_head, rx_tail;	/* rx_lock */
static DEFINE_SPINLOCK(rx_lock);
static DECLARE_WAIT_QUEUE_HEAD(rx_wait);

static void tty_rx(char c)
{
	unsigned long flags;

	spin_lock_irqsave(&rx_lock, flags);
	if (rx_head - rx_tail < RX_RING)
		rx_ring[rx_head++ % RX_RING] = c;
	spin_unlock_irqrestore(&rx_lock, flags);
	wake_up(&rx_wait);
}

static bool rx_pop(char *c)
{
	unsigned long flags;
	bool got = false;

	spin_lock_irqsave(&rx_lock, flags);
	if (rx_tail != rx_head) {
		*c = rx_ring[rx_tail++ % RX_RING];
		got = true;
	}
	spin_unlock_irqrestore(&rx_lock, flags);
	return got;
}

static int kttyd(void *arg)
{
	struct tty_struct *tty = arg;
	char c;

	for (;;) {
		___wait_event(rx_wait, READ_ONCE(rx_tail) != READ_ONCE(rx_head), TASK_IDLE, 0, -1);
		mutex_lock(&tty->ldisc_mutex);
		while (rx_pop(&c))
			n_tty_receive(tty, (unsigned char)c);
		mutex_unlock(&tty->ldisc_mutex);
	}
	return 0;
}

/* ---- Output ---- */

/* One character through output processing. => ldisc_mutex held (it guards the column) */
void tty_put(struct tty_struct *tty, unsigned char c)
{
	if (c == '\n') {
		if (O_OPOST(tty) && (tty->termios.c_oflag & ONLCR))
			serial_putc('\r');
		tty->column = 0;
	} else if (c == '\r') {
		tty->column = 0;
	} else if (c == '\b') {
		if (tty->column)
			tty->column--;
	} else if (c == '\t') {
		tty->column = (tty->column | 7) + 1;
	} else if (c >= ' ' && c != 0x7f && (c & 0xc0) != 0x80) {
		tty->column++;
	}
	serial_putc(c);
}

static ssize_t tty_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	struct tty_struct *tty = &console_tty;
	char chunk[256];
	ssize_t done = 0;
	int err = tty_check_change(tty, SIGTTOU, TOSTOP);

	if (err)
		return err;
	while (from->count) {
		size_t n = copy_from_iter(chunk, min(from->count, sizeof(chunk)), from);

		if (!n)
			return done ? done : -EFAULT;
		err = wait_event_interruptible(tty->write_wait, !READ_ONCE(tty->stopped));
		if (err)
			return done ? done : err;
		mutex_lock(&tty->ldisc_mutex);
		for (size_t i = 0; i < n; i++)
			tty_put(tty, chunk[i]);
		mutex_unlock(&tty->ldisc_mutex);
		done += n;
		if (signal_pending(current))
			break;
	}
	return done;
}

/* ---- Reading ---- */

static bool input_available(struct tty_struct *tty)
{
	if (L_ICANON(tty))
		return tty->canon_head != tty->read_tail;
	return tty->read_head != tty->read_tail;
}

/* Copy what one read may have: a line, or what is there. Returns bytes; *EOF at an empty line ended by VEOF. */
static size_t take_input(struct tty_struct *tty, char *buf, size_t max, bool *eof)
{
	unsigned int end = L_ICANON(tty) ? tty->canon_head : tty->read_head;
	size_t n = 0;

	while (n < max && tty->read_tail != end) {
		unsigned int i = tty->read_tail++ % TTY_BUF;
		bool delim = test_bit(i, tty->delim);

		clear_bit(i, tty->delim);
		if (delim && tty->buf[i] == TTY_EOF_MARK) {
			*eof = n == 0;
			break;
		}
		buf[n++] = tty->buf[i];
		if (delim && L_ICANON(tty))
			break;
	}
	return n;
}

/* Wait for input by the rules of VMIN and VTIME. 0, -EAGAIN, -ERESTARTSYS; -ETIME: the time is over. */
static int wait_input(struct tty_struct *tty, struct file *f, size_t have)
{
	unsigned int vmin = tty->termios.c_cc[VMIN], vtime = tty->termios.c_cc[VTIME];
	s64 ns = -1;

	if (input_available(tty))
		return 0;
	if (f->f_flags & O_NONBLOCK)
		return -EAGAIN;
	if (!L_ICANON(tty)) {
		if (!vmin && !vtime)
			return -ETIME;
		if (vtime && (!vmin || have))
			ns = vtime * 100 * NSEC_PER_MSEC;
	}
	return wait_event_interruptible_timeout(tty->read_wait, input_available(tty), ns);
}

static ssize_t tty_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct tty_struct *tty = &console_tty;
	char chunk[256];
	size_t done = 0;
	bool eof = false;
	int err = tty_check_change(tty, SIGTTIN, 0);

	while (!err && to->count && !eof) {
		size_t n, want = L_ICANON(tty) ? 1 : min_t(size_t, tty->termios.c_cc[VMIN], done + to->count);

		err = wait_input(tty, f, done);
		if (err)
			break;
		mutex_lock(&tty->ldisc_mutex);
		n = take_input(tty, chunk, min(to->count, sizeof(chunk)), &eof);
		mutex_unlock(&tty->ldisc_mutex);
		if (copy_to_iter(chunk, n, to) != n)
			return done ? (ssize_t)done : -EFAULT;
		done += n;
		if (L_ICANON(tty) ? (n && (n < sizeof(chunk) || chunk[n - 1] == '\n')) : (done >= want && !input_available(tty)))
			break;
	}
	return done || !err || err == -ETIME ? (ssize_t)done : err;
}

static unsigned int tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty_struct *tty = &console_tty;
	unsigned int mask = 0;

	poll_wait(f, &tty->read_wait, pt);
	poll_wait(f, &tty->write_wait, pt);
	if (input_available(tty))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (!tty->stopped)
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

/* ---- Opening; /dev/tty is whatever controls the process ---- */

static int tty_open(struct inode *inode, struct file *f)
{
	bool is_console = inode->i_rdev == MKDEV(5, 1);

	f->f_mode &= ~FMODE_LSEEK;
	if (inode->i_rdev == MKDEV(5, 0))
		return READ_ONCE(current->signal->tty) ? 0 : -ENXIO;
	if (!is_console && !(f->f_flags & O_NOCTTY))
		tty_open_proc_set_tty(&console_tty);
	return 0;
}

static const struct file_operations tty_fops = {
	.read = tty_read, .write = tty_write, .poll = tty_poll, .ioctl = tty_ioctl, .open = tty_open,
};

static int tty_init(void)
{
	struct tty_struct *tty = &console_tty;

	n_tty_reset(tty);
	mutex_init(&tty->ldisc_mutex);
	init_waitqueue_head(&tty->read_wait);
	init_waitqueue_head(&tty->write_wait);
	register_chrdev(4, 64, 1, &tty_fops, tty);
	register_chrdev(5, 0, 2, &tty_fops, tty);
	devtmpfs_create("ttyS0", S_IFCHR | 0660, MKDEV(4, 64));
	devtmpfs_create("tty", S_IFCHR | 0666, MKDEV(5, 0));
	devtmpfs_create("console", S_IFCHR | 0600, MKDEV(5, 1));
	if (!kthread_run(kttyd, tty, "kttyd"))
		return -ENOMEM;
	serial_rx_hook = tty_rx;
	serial_enable_irq();
	return 0;
}
device_initcall(tty_init);
