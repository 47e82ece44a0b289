/*
 * arch-x86_64/io.h - port and memory-mapped I/O.
 */
#ifndef ARCH_IO_H
#define ARCH_IO_H

#include "kernel/lib/types.h"

static inline void outb(u16 port, u8 v)	  { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v)  { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v)  { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline u8 inb(u16 port)	 { u8 v;  __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u16 inw(u16 port)	 { u16 v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port)	 { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u8 readb(const volatile void *p)	   { return *(const volatile u8 *)p; }
static inline void writeb(u8 v, volatile void *p)  { *(volatile u8 *)p = v; }
static inline u16 readw(const volatile void *p)	   { return *(const volatile u16 *)p; }
static inline void writew(u16 v, volatile void *p) { *(volatile u16 *)p = v; }
static inline u32 readl(const volatile void *p)	   { return *(const volatile u32 *)p; }
static inline void writel(u32 v, volatile void *p) { *(volatile u32 *)p = v; }
static inline u64 readq(const volatile void *p)	   { return *(const volatile u64 *)p; }
static inline void writeq(u64 v, volatile void *p) { *(volatile u64 *)p = v; }

/*
 * Map SIZE bytes of device memory at physical ADDR uncached into the vmalloc area. May sleep. NULL if
 * there is no room. Undo with iounmap(). Usable as soon as kmalloc is.
 */
void *ioremap(phys_addr_t addr, size_t size);
void iounmap(void *p);

#endif
