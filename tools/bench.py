#!/usr/bin/env python3
"""make bench: the same static program on Quire and on a Linux kernel, in the same QEMU with an instruction-counting
clock; a table of instructions for each operation and the ratio. What both must zero or copy is taken off first: 512
instructions a page (one step of rep stosq or movsq each, which is what both kernels use on this CPU model).

make bench-swap: nanoseconds for a page of a working set larger than memory, by the clock of the machine, in turns here
and there because the host is not quiet: medians, and the median of the ratios of the turns.

    bench.py --quire ELF --initrd FILE [--linux FILE] [--swap TURNS] [--smp N] [--only NAME]
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile

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


# Name: memory, what is swapped to, MiB of the working set. The disk is never half full: a page that comes in from
# a fuller one gives its slot back and has to be written again (SWAP-14).
SWAPS = {
    "virtio": ("128M", "vda", 256), "virtio-512M": ("128M", "vda", 512), "virtio-1G": ("128M", "vda", 1024),
    "virtio-2G": ("128M", "vda", 2048), "ramdisk": ("512M", "ram0", 96),
}


def swap_rates(kernel, initrd, words, smp, mem, device, mib):
    with tempfile.TemporaryDirectory() as d:
        line = qemu.command(kernel=kernel, initrd=initrd, smp=smp, mem=mem, disk="new:6G",
                            image=os.path.join(d, "disk"),
                            append=f"console=ttyS0 quiet {'ramdisk_size=131072' if device == 'ram0' else ''} "
                                   f"{words} rdinit=/swap_rate -- /dev/{device} {mib}")
        out = subprocess.run(line, capture_output=True, text=True, errors="replace", timeout=1800,
                             stdin=subprocess.DEVNULL)
    if "rate done" not in out.stdout:
        sys.exit(f"bench: {kernel} did not finish:\n{out.stdout[-2000:]}")
    return {name: int(ns) for name, ns in re.findall(r"^rate (\S+) (\d+)\r?$", out.stdout, re.M)}


def bench_swap(args):
    print(f"{'ns for a page':24} {'Quire':>10} {'Linux':>10} {'ratio':>6}")
    for name, what in SWAPS.items():
        if args.only and name not in args.only.split(","):
            continue
        ours, theirs = [], []
        for _ in range(args.swap):
            ours.append(swap_rates(args.quire, args.initrd, "", args.smp, *what))
            if args.linux:
                theirs.append(swap_rates(args.linux, args.initrd, "panic=-1 mitigations=off", args.smp, *what))
        for part in ours[0]:
            line = f"{name + ' ' + part:24} {statistics.median(o[part] for o in ours):10.0f}"
            if theirs:
                ratios = [o[part] / t[part] for o, t in zip(ours, theirs)]
                line += f" {statistics.median(t[part] for t in theirs):10.0f} {statistics.median(ratios):6.2f}"
            print(line, flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--quire", required=True)
    p.add_argument("--initrd", required=True)
    p.add_argument("--linux")
    p.add_argument("--swap", type=int, default=0)
    p.add_argument("--smp", type=int, default=1)
    p.add_argument("--only")
    args = p.parse_args()
    if args.swap:
        bench_swap(args)
        return
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
