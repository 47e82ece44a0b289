#!/usr/bin/env python3
"""make bench: the same static program on Quire and on a Linux kernel, in the same QEMU with an instruction-counting
clock; a table of instructions for each operation and the ratio. What both must zero or copy is taken off first: 512
instructions a page (one step of rep stosq or movsq each, which is what both kernels use on this CPU model).

    bench.py --quire ELF --initrd FILE [--linux FILE]
"""
import argparse
import re
import subprocess
import sys

import qemu

PAGE = 512		# steps of rep stosq or rep movsq for one page


def measure(kernel, initrd, words):
    line = qemu.command(kernel=kernel, initrd=initrd, smp=1,
                        append=f"console=ttyS0 quiet norandmaps ramdisk_size=32768 rdinit=/bench {words}",
                        mem="1G", cpu="qemu64", extra=["-icount", "shift=0,sleep=off"])
    out = subprocess.run(line, capture_output=True, text=True, errors="replace", timeout=1800, stdin=subprocess.DEVNULL)
    found = re.findall(r"^bench (\S+) (\d+) (\d+) (\d+)\r?$", out.stdout, re.M)
    if "bench done" not in out.stdout:
        sys.exit(f"bench: {kernel} did not finish:\n{out.stdout[-2000:]}")
    return {name: int(cost) - PAGE * int(zeroed) - PAGE * int(copied) for name, cost, zeroed, copied in found}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--quire", required=True)
    p.add_argument("--initrd", required=True)
    p.add_argument("--linux")
    args = p.parse_args()
    ours = measure(args.quire, args.initrd, "")
    theirs = measure(args.linux, args.initrd, "panic=-1 mitigations=off") if args.linux else {}
    print(f"{'instructions':20} {'Quire':>10} {'Linux':>10} {'ratio':>6}")
    for name, cost in ours.items():
        if name in theirs:
            print(f"{name:20} {cost:10} {theirs[name]:10} {cost / max(theirs[name], 1):6.2f}")
        else:
            print(f"{name:20} {cost:10}")


if __name__ == "__main__":
    main()
