/*
 * arch-x86_64/pci.c - PCI configuration space through ports 0xcf8 and 0xcfc, and MSI-X.
 *
 * Small on purpose: the firmware has assigned the BARs; we look for devices by id and read. Not here:
 * bridges' windows, hot plug, INTx, extended configuration space. Linux: drivers/pci/,
 * arch/x86/pci/direct.c.
 */
#include "arch-x86_64/pci.h"
#include "arch-x86_64/apic.h"
#include "arch-x86_64/io.h"
#include "kernel/locking/spinlock.h"

DEFINE_SPINLOCK(pci_lock);	/* address and data port are used in pairs */

static void select(const struct pci_dev *d, u8 off)
{
	outl(0xcf8, 0x80000000u | (u32)d->bus << 16 | (u32)d->dev << 11 | (u32)d->fn << 8 | (off & 0xfc));
}

u32 pci_read32(const struct pci_dev *d, u8 off)
{
	unsigned long flags;
	u32 v;

	spin_lock_irqsave(&pci_lock, flags);
	select(d, off);
	v = inl(0xcfc);
	spin_unlock_irqrestore(&pci_lock, flags);
	return v;
}

u16 pci_read16(const struct pci_dev *d, u8 off) { return (u16)(pci_read32(d, off) >> (off & 2) * 8); }
u8 pci_read8(const struct pci_dev *d, u8 off)   { return (u8)(pci_read32(d, off) >> (off & 3) * 8); }

void pci_write32(const struct pci_dev *d, u8 off, u32 v)
{
	unsigned long flags;

	spin_lock_irqsave(&pci_lock, flags);
	select(d, off);
	outl(0xcfc, v);
	spin_unlock_irqrestore(&pci_lock, flags);
}

void pci_write16(const struct pci_dev *d, u8 off, u16 v)
{
	unsigned long flags;

	spin_lock_irqsave(&pci_lock, flags);
	select(d, off);
	outw(0xcfc + (off & 2), v);
	spin_unlock_irqrestore(&pci_lock, flags);
}

/* Fill in D's ids. False: nobody answers at this address. */
static bool probe(struct pci_dev *d)
{
	u32 id = pci_read32(d, PCI_VENDOR_ID);

	d->vendor = (u16)id;
	d->device = (u16)(id >> 16);
	return d->vendor != 0xffff && d->vendor != 0;
}

bool pci_for_each(bool (*fn)(const struct pci_dev *d, void *arg), void *arg, struct pci_dev *out)
{
	for (int slot = 0; slot < 256 * 32; slot++) {
		struct pci_dev d = { .bus = (u8)(slot / 32), .dev = slot % 32 };
		int nr_fn = 1;

		for (int f = 0; f < nr_fn; f++) {
			d.fn = (u8)f;
			if (!probe(&d))
				continue;
			if (f == 0 && (pci_read8(&d, PCI_HEADER_TYPE) & 0x80))
				nr_fn = 8;
			if (!fn(&d, arg))
				continue;
			if (out)
				*out = d;
			return true;
		}
	}
	return false;
}

struct id_search { u16 vendor, device; int left; };

static bool id_matches(const struct pci_dev *d, void *arg)
{
	struct id_search *s = arg;

	return d->vendor == s->vendor && d->device == s->device && s->left-- == 0;
}

bool pci_find(u16 vendor, u16 device, int index, struct pci_dev *out)
{
	struct id_search s = { vendor, device, index };

	return pci_for_each(id_matches, &s, out);
}

/* At most 48 capabilities fit; a list with a loop in it (broken device) ends there. */
u8 pci_find_cap(const struct pci_dev *d, u8 id, u8 after)
{
	u8 off;

	if (!(pci_read16(d, PCI_STATUS) & 0x10))
		return 0;
	off = pci_read8(d, after ? after + 1 : PCI_CAP_PTR) & 0xfc;
	for (int i = 0; i < 48 && off >= 0x40; i++) {
		if (pci_read8(d, off) == id)
			return off;
		off = pci_read8(d, off + 1) & 0xfc;
	}
	return 0;
}

/* The size of a BAR shows in the bits that cannot be set. Memory decoding is off meanwhile. */
phys_addr_t pci_bar(const struct pci_dev *d, int n, u64 *size)
{
	u8 off = (u8)(PCI_BAR0 + 4 * n);
	u32 low = pci_read32(d, off);
	bool is64 = (low & 6) == 4 && n < 5;
	u32 high = is64 ? pci_read32(d, off + 4) : 0;
	u16 command = pci_read16(d, PCI_COMMAND);
	u64 mask;

	if (low & 1)
		return 0;
	pci_write16(d, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	pci_write32(d, off, ~0u);
	mask = 0xffffffff00000000UL | (pci_read32(d, off) & ~0xfu);
	pci_write32(d, off, low);
	if (is64) {
		pci_write32(d, off + 4, ~0u);
		mask = (mask & 0xffffffff) | (u64)pci_read32(d, off + 4) << 32;
		pci_write32(d, off + 4, high);
	}
	pci_write16(d, PCI_COMMAND, command);
	*size = -mask;
	return (u64)high << 32 | (low & ~0xfu);
}

void pci_enable(const struct pci_dev *d)
{
	u16 command = pci_read16(d, PCI_COMMAND);

	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;
	pci_write16(d, PCI_COMMAND, command);
}

int pci_msix_enable(const struct pci_dev *d, int entry, u8 vector)
{
	u8 cap = pci_find_cap(d, PCI_CAP_ID_MSIX, 0);
	u16 control = cap ? pci_read16(d, cap + 2) : 0;
	u32 table = cap ? pci_read32(d, cap + 4) : 0;
	phys_addr_t bar;
	u64 size;
	char *e;

	if (!cap || entry > (control & 0x7ff))
		return -ENODEV;
	bar = pci_bar(d, table & 7, &size);
	if (!bar)
		return -ENODEV;
	e = ioremap(bar + (table & ~7u) + 16 * entry, 16);
	if (!e)
		return -ENOMEM;
	writel((u32)MSI_ADDRESS(cpu_apic_id[0]), e);
	writel(0, e + 4);
	writel(vector, e + 8);
	writel(0, e + 12);		/* unmasked */
	iounmap(e);
	/* Bit 15: enable. Bit 14, all masked, off. */
	pci_write16(d, cap + 2, (control | 0x8000) & ~0x4000);
	return 0;
}
