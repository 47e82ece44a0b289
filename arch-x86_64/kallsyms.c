/*
 * arch-x86_64/kallsyms.c - names for kernel addresses.
 *
 * The table is made by tools/kallsyms.py from the first link and lies at the end of .rodata in the second:
 * sorted offsets of functions from KERNEL_BASE, and for each the place of its name. In the first link the
 * symbols are absent (weak: address 0). Linux: kernel/kallsyms.c (which compresses the names).
 */
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/setup.h"

extern const u32 kallsyms_count __weak;
extern const u32 kallsyms_offsets[] __weak;
extern const u32 kallsyms_name_index[] __weak;
extern const char kallsyms_names[] __weak;

const char *kallsyms_lookup(unsigned long addr, unsigned long *offset)
{
	u32 lo = 0, hi, key = addr - KERNEL_BASE;

	if (addr < (unsigned long)_text_start || addr >= (unsigned long)_text_end || !&kallsyms_count)
		return NULL;
	hi = kallsyms_count;
	while (hi - lo > 1) {		/* offsets[lo] <= key < offsets[hi] */
		u32 mid = lo + (hi - lo) / 2;

		if (kallsyms_offsets[mid] <= key)
			lo = mid;
		else
			hi = mid;
	}
	if (hi == 0 || kallsyms_offsets[lo] > key)
		return NULL;
	*offset = key - kallsyms_offsets[lo];
	return kallsyms_names + kallsyms_name_index[lo];
}
