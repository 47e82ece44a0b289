#!/usr/bin/env python3
"""A trace event that is off costs two instructions: the built kernel is disassembled. Prints KTAP.

    tests/session/trace_cost.py [OUT]       OUT has quire.elf and flags (default build)

Every look at a trace_on_NAME byte must be a compare with 0 followed by a conditional jump. And a function that does
nothing but pass its arguments to an event must be those two and a return: nothing is computed for an event that is off.
"""
import os
import re
import subprocess
import sys

PROBE = r"""
#include "mm/trace_mm.h"
#include "mm/trace_huge.h"
void plain(const struct mm_struct *mm, unsigned long scanned, int status);
void plain(const struct mm_struct *mm, unsigned long scanned, int status)
{
	trace_mm_collapse_huge_page(mm, (int)scanned, status);
}
void computed(const unsigned long *p, unsigned long a);
void computed(const unsigned long *p, unsigned long a)
{
	trace_swap_out(*p >> 12, 1u << a, (unsigned int)p[1] & 31, p[2] / a);
}
"""
INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\t(\S+)(.*)$")


def disassemble(objdump, path, *options):
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", *options, path], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    return text.splitlines()


def bad_sites(lines):
    """(how many looks there are at the bytes, those that are more than a compare and a jump)"""
    sites, bad = 0, []
    code = [m for m in map(INSTRUCTION.match, lines) if m]
    for i, m in enumerate(code):
        if "<trace_on_" not in m[2]:
            continue
        sites += 1
        following = code[i + 1][1] if i + 1 < len(code) else ""
        if not (m[1].startswith("cmpb") and m[2].split()[0].startswith("$0x0,") and following == "jne"):
            bad.append(m[0].strip() + "; " + following)
    return sites, bad


def direct_stores(lines):
    """Stores to the bytes by name: there must be none, they are switched through the table of events."""
    return [line for line in lines if "<trace_on_" in line and re.search(r"\tmovb ", line)]


def off_path(objdump, flags, out):
    """For each probe: its instructions up to the return."""
    source, target = os.path.join(out, "trace_probe.c"), os.path.join(out, "trace_probe.o")
    with open(source, "w") as f:
        f.write(PROBE)
    subprocess.run(flags + ["-c", "-o", target, source], check=True)
    paths, name = {}, None
    for line in disassemble(objdump, target, "-r"):
        start = re.match(r"^[0-9a-f]+ <(\w+)>:", line)
        if start:
            name = start[1]
            paths[name] = []
        m = INSTRUCTION.match(line)
        if m and name and (not paths[name] or paths[name][-1] != "ret"):
            paths[name].append(m[1])
    return {n: paths[n] for n in ("plain", "computed")}


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else "build"
    with open(os.path.join(out, "flags")) as f:
        flags = f.read().split("|")[0].split()
    objdump = re.sub(r"gcc$", "objdump", flags[0])
    lines = disassemble(objdump, os.path.join(out, "quire.elf"))
    sites, bad = bad_sites(lines)
    bad += direct_stores(lines)
    print("1..2")
    for line in bad[:20]:
        print("#", line)
    ok = sites >= 20 and not bad
    print(f"{'ok' if ok else 'not ok'} 1 - an_event_that_is_off_is_a_compare_and_a_jump # {sites} places")
    paths = off_path(objdump, flags, out)
    right = all(p[:2] == ["cmpb", "jne"] and p[2:] == ["ret"] for p in paths.values())
    if not right:
        print("#", paths)
    print(f"{'ok' if right else 'not ok'} 2 - its_arguments_are_not_computed")
    return 0 if ok and right else 1


if __name__ == "__main__":
    sys.exit(main())
