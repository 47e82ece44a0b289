"""Page tables, read from physical memory: nothing needs to be mapped, not even the kernel."""
import struct

import gdb

LEVELS = (("PML4", 39), ("PDPT", 30), ("PD", 21), ("PT", 12))
PRESENT, WRITE, USER, ACCESSED, DIRTY, LARGE, GLOBAL, SPECIAL, NX = 0, 1, 2, 5, 6, 7, 8, 9, 63
PFN_MASK = 0x000FFFFFFFFFF000
PAGE_OFFSET, KERNEL_BASE = 0xFFFF888000000000, 0xFFFFFFFF80000000


def physical(address, length):
    """Bytes of guest physical memory. QEMU only."""
    connection = gdb.selected_inferior().connection
    connection.send_packet("Qqemu.PhyMemMode:1")
    try:
        # The frame that is selected may have been cached by gdb under virtual addresses.
        gdb.execute("maintenance flush dcache", to_string=True)
        return bytes(gdb.selected_inferior().read_memory(address, length))
    finally:
        connection.send_packet("Qqemu.PhyMemMode:0")
        gdb.execute("maintenance flush dcache", to_string=True)


def to_physical(pointer):
    """The physical address of something in the direct map or in the image."""
    return pointer - KERNEL_BASE if pointer >= KERNEL_BASE else pointer - PAGE_OFFSET


def describe(value, level=12):
    """An entry in words; LEVEL is the shift of its table."""
    if value == 0:
        return "empty"
    if not value >> PRESENT & 1:
        if value >> GLOBAL & 1 and value & PFN_MASK:
            return f"PROT_NONE pfn={(value & PFN_MASK) >> 12:#x}"
        return f"not present, {value:#x} (swap or migration entry)"
    words = [f"pfn={(value & PFN_MASK) >> 12:#x}", "rw" if value >> WRITE & 1 else "ro",
             "user" if value >> USER & 1 else "kernel"]
    for bit, word in ((ACCESSED, "young"), (DIRTY, "dirty"), (GLOBAL, "global"), (SPECIAL, "special"), (NX, "nx")):
        if value >> bit & 1:
            words.append(word)
    if level > 12 and value >> LARGE & 1:
        words.insert(0, {21: "2M leaf", 30: "1G leaf"}[level])
    return " ".join(words)


def walk(root, address):
    """The entries on the way to ADDRESS: (table name, index, value, shift), the last one a leaf or not present."""
    table = root & PFN_MASK
    for name, shift in LEVELS:
        index = address >> shift & 511
        value = struct.unpack("<Q", physical(table + index * 8, 8))[0]
        yield name, index, value, shift
        if not value & 1 or shift == 12 or value >> LARGE & 1 and shift in (21, 30):
            return
        table = value & PFN_MASK


def root_of(pid):
    """The top table: of a task, or of the CPU that is selected."""
    if pid is None:
        return int(gdb.parse_and_eval("(unsigned long)$cr3"))
    from quire import tasks
    mm = tasks.find(pid)["mm"]
    if not int(mm):
        raise gdb.GdbError(f"task {pid} has no address space of its own")
    return to_physical(int(mm["pgd"]))


class PtWalk(gdb.Command):
    """pt-walk ADDR [PID] - walk the page tables of an address, level by level.

Without PID: the tables that the selected CPU uses now."""

    def __init__(self):
        super().__init__("pt-walk", gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        words = gdb.string_to_argv(arg)
        if len(words) not in (1, 2):
            raise gdb.GdbError("usage: pt-walk ADDR [PID]")
        address = int(gdb.parse_and_eval(f"(unsigned long)({words[0]})"))
        for name, index, value, shift in walk(root_of(int(words[1]) if len(words) > 1 else None), address):
            print(f"{name + f'[{index}]':10} {value:#018x}  {describe(value, shift)}")
        if value & 1:
            offset = address & ((1 << shift) - 1)
            print(f"{address:#x} -> physical {(value & PFN_MASK & -(1 << shift)) + offset:#x}")


class Pte(gdb.Command):
    """pte VALUE - decode a page-table entry. VALUE is a number or an expression: pte ptep->v"""

    def __init__(self):
        super().__init__("pte", gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        if not arg:
            raise gdb.GdbError("usage: pte VALUE")
        value = gdb.parse_and_eval(arg)
        if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            value = value[value.type.strip_typedefs().fields()[0]]
        print(describe(int(value) & (1 << 64) - 1))


def register():
    PtWalk()
    Pte()
