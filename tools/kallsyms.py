#!/usr/bin/env python3
"""Symbol table for the kernel's backtraces: `nm -n KERNEL | kallsyms.py > kallsyms.S`.

Takes the text symbols, drops local labels, and writes an assembler file for section .kallsyms (see
arch-x86_64/kallsyms.c). The section follows everything else that is read-only, so the addresses of the
functions are the same in the link with the table and in the one without.
"""
import sys

KERNEL_BASE = 0xffffffff80000000


def read_symbols(lines):
    by_offset = {}
    for line in lines:
        fields = line.split()
        if len(fields) != 3 or fields[1] not in "tTwW":
            continue
        address, name = int(fields[0], 16), fields[2]
        if address < KERNEL_BASE or name.startswith((".L", "_text_", "_entry_text_")):
            continue
        by_offset.setdefault(address - KERNEL_BASE, name)
    return sorted(by_offset.items())


def main():
    symbols = read_symbols(sys.stdin)
    out = ['\t.section .kallsyms, "a"', "\t.balign 8"]
    for label in ("kallsyms_count", "kallsyms_offsets", "kallsyms_name_index", "kallsyms_names"):
        out.append(f"\t.globl {label}")
    out += ["kallsyms_count:", f"\t.long {len(symbols)}", "kallsyms_offsets:"]
    out += [f"\t.long {offset:#x}" for offset, _ in symbols]
    out.append("kallsyms_name_index:")
    position = 0
    for _, name in symbols:
        out.append(f"\t.long {position}")
        position += len(name) + 1
    out.append("kallsyms_names:")
    out += [f'\t.asciz "{name}"' for _, name in symbols]
    out.append('\t.section .note.GNU-stack, "", @progbits')
    print("\n".join(out))


main()
