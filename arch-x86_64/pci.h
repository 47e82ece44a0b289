/*
 * arch-x86_64/pci.h - PCI devices: finding them, their configuration space, memory BARs and MSI-X (pci.c).
 */
#ifndef ARCH_PCI_H
#define ARCH_PCI_H

#include "kernel/lib/types.h"

struct pci_dev { u8 bus, dev, fn; u16 vendor, device; };

/* Offsets in configuration space. */
#define PCI_VENDOR_ID	0x00
#define PCI_COMMAND	0x04
#define PCI_STATUS	0x06
#define PCI_CLASS	0x08
#define PCI_HEADER_TYPE	0x0e
#define PCI_BAR0	0x10
#define PCI_SUBSYSTEM_ID 0x2e
#define PCI_CAP_PTR	0x34
#define PCI_COMMAND_MEMORY	0x0002
#define PCI_COMMAND_MASTER	0x0004
#define PCI_COMMAND_INTX_DISABLE 0x0400
#define PCI_CAP_ID_VENDOR 0x09
#define PCI_CAP_ID_MSIX	0x11

/* Read and write configuration space at byte offset OFF (naturally aligned). Any context. */
u8 pci_read8(const struct pci_dev *d, u8 off);
u16 pci_read16(const struct pci_dev *d, u8 off);
u32 pci_read32(const struct pci_dev *d, u8 off);
void pci_write16(const struct pci_dev *d, u8 off, u16 v);
void pci_write32(const struct pci_dev *d, u8 off, u32 v);

/*
 * Call FN(dev, arg) for every function on every bus, in the order bus, device, function, until it returns
 * true. True if it did; *OUT (may be NULL) is that device.
 */
bool pci_for_each(bool (*fn)(const struct pci_dev *d, void *arg), void *arg, struct pci_dev *out);
/* The INDEXth (0 ..) device with these ids. False: there is none. */
bool pci_find(u16 vendor, u16 device, int index, struct pci_dev *out);
/* Offset of the next capability ID behind offset AFTER (0: from the start); 0: no more. */
u8 pci_find_cap(const struct pci_dev *d, u8 id, u8 after);
/* Physical address of memory BAR N (0..5) and its size in *SIZE; 0 if it is unset or an I/O BAR. */
phys_addr_t pci_bar(const struct pci_dev *d, int n, u64 *size);
/* Memory access and bus mastering on, INTx off. */
void pci_enable(const struct pci_dev *d);
/*
 * Route entry ENTRY of the device's MSI-X table to VECTOR on CPU 0 and switch MSI-X on. May sleep (maps the
 * table). 0, -ENODEV without MSI-X or such an entry, -ENOMEM.
 */
int pci_msix_enable(const struct pci_dev *d, int entry, u8 vector);

#endif
