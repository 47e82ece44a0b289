#!/usr/bin/env python3
"""What is broken on purpose must stop the kernel, with a line that names it and QEMU's status for a panic. Prints KTAP.

    tests/session/panics.py [OUT]       OUT has quire.elf and initrd.cpio (default build)
"""
import subprocess
import sys

from shell import PROMPT, Session

PANICKED = 37       # isa-debug-exit's answer to a panic

# name, what is typed, what the panic says
PANICS = (
    ("a_count_left_in_an_owner_slot_is_found_when_the_folio_is_freed",      # T-MMID-11
     "/tests/check helper:free_with_a_count slot0\n", r"BUG FOL-12: bad page state at free: owner slot 0 count "),
    ("so_is_an_entire_mapcount",
     "/tests/check helper:free_with_a_count entire\n", r"BUG FOL-12: bad page state at free: entire mapcount "),
)


def panics(out, name, keys, pattern):
    """None, or what was wrong."""
    s = Session(out)
    try:
        if not s.wait(PROMPT, 60):
            return "no shell"
        s.type(keys)
        if not s.wait(pattern, 60):
            return f"no line with {pattern!r}: {s.text[-400:]!r}"
        status = s.machine.wait(60)
        return None if status == PANICKED else f"QEMU ended with status {status}, expected {PANICKED}"
    except subprocess.TimeoutExpired:
        return "the machine did not stop"
    finally:
        s.machine.kill()
        s.machine.wait()


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else "build"
    failed = 0
    for number, (name, keys, pattern) in enumerate(PANICS, 1):
        trouble = panics(out, name, keys, pattern)
        failed += trouble is not None
        print(f"{'not ok' if trouble else 'ok'} {number} - {name}" + (f" # {trouble}" if trouble else ""), flush=True)
    print(f"1..{len(PANICS)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
