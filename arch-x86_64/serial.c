/*
 * arch-x86_64/serial.c - COM1, the console: a 16550 at 115200 baud.
 *
 * Output polls, so that it works from the first line to the last one of a panic. Input arrives by
 * interrupt once a terminal has set serial_rx_hook. Lines of several writers must not mix, therefore
 * serial_write() has a lock; it is a raw one, below everything that lockdep knows, and a writer that waits
 * too long (a panic stopped the owner) takes it over.
 *
 * Not here: flow control, output by interrupt, other ports. Linux: drivers/tty/serial/8250.
 */
#include "arch-x86_64/io.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"

#define COM1		0x3f8
#define COM1_IRQ	4
#define REG_DATA	0	/* divisor low while DLAB is set */
#define REG_IER		1	/* divisor high while DLAB is set */
#define REG_FCR		2
#define REG_LCR		3
#define REG_MCR		4
#define REG_LSR		5
#define IER_RX		0x01
#define LSR_RX_READY	0x01
#define LSR_TX_EMPTY	0x20

#define TX_SPIN		100000	/* status reads before we believe that nobody is there */
#define LOCK_SPIN	5000000

void (*serial_rx_hook)(char c);
static int serial_lock;

void early_serial_init(void)
{
	outb(COM1 + REG_IER, 0);
	outb(COM1 + REG_LCR, 0x80);	/* DLAB: the divisor */
	outb(COM1 + REG_DATA, 1);	/* 115200 baud */
	outb(COM1 + REG_IER, 0);
	outb(COM1 + REG_LCR, 0x03);	/* 8 bits, no parity, 1 stop bit */
	outb(COM1 + REG_FCR, 0xc7);	/* FIFO on and empty, threshold 14 */
	outb(COM1 + REG_MCR, 0x0b);	/* DTR, RTS, OUT2 (lets the interrupt line through) */
}

void serial_putc(char c)
{
	for (int i = 0; i < TX_SPIN && !(inb(COM1 + REG_LSR) & LSR_TX_EMPTY); i++)
		cpu_relax();
	outb(COM1 + REG_DATA, c);
}

void serial_write(const char *s, size_t n)
{
	unsigned long flags;

	local_irq_save(flags);
	for (int i = 0; i < LOCK_SPIN && xchg(&serial_lock, 1) != 0; i++)
		cpu_relax();
	while (n--)
		serial_putc(*s++);
	smp_store_release(&serial_lock, 0);
	local_irq_restore(flags);
}

static void serial_interrupt(void *arg)
{
	while (inb(COM1 + REG_LSR) & LSR_RX_READY) {
		char c = inb(COM1 + REG_DATA);

		if (serial_rx_hook)
			serial_rx_hook(c);
	}
}

void serial_enable_irq(void)
{
	if (request_irq(COM1_IRQ, serial_interrupt, NULL, "ttyS0") == 0)
		outb(COM1 + REG_IER, IER_RX);
}
