#!/usr/bin/env python3
"""A boot with one CPU and nohz=off is recorded by QEMU, then replayed: the same console, the same end. Prints KTAP.

    tests/session/replay.py [OUT]       OUT has quire.elf and initrd.cpio (default build)

Debugging backwards (reverse-continue in gdb) rests on this.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
import qemu     # noqa: E402

LIMIT_S = 240
PROGRAM = "pipe"


def boot(out, mode, folder):
    """QEMU's exit status and the console."""
    log = os.path.join(folder, f"replay-{mode}.log")
    line = qemu.command(kernel=os.path.join(out, "quire.elf"), initrd=os.path.join(out, "initrd.cpio"), smp=1, mem="256M",
                        serial=f"file:{log}", append=f"console=ttyS0 nohz=off -- batch fast {PROGRAM}",
                        extra=["-global", "apic-common.vapic=off",
                               "-icount", f"shift=4,rr={mode},rrfile={os.path.join(folder, 'replay.bin')}"])
    try:
        status = subprocess.run(line, stdin=subprocess.DEVNULL, timeout=LIMIT_S).returncode
    except subprocess.TimeoutExpired:
        status = "none"
    with open(log, "rb") as f:
        return status, f.read()


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else "build"
    folder = os.path.join(out, "logs")
    os.makedirs(folder, exist_ok=True)
    recorded = boot(out, "record", folder)
    good = recorded[0] == 33 and b"# done 0" in recorded[1]
    print(f"{'ok' if good else 'not ok'} 1 - a_boot_is_recorded # status {recorded[0]}", flush=True)
    same = boot(out, "replay", folder) == recorded
    print(f"{'ok' if same else 'not ok'} 2 - its_replay_is_the_same\n1..2")
    os.unlink(os.path.join(folder, "replay.bin"))
    sys.exit(0 if good and same else 1)


if __name__ == "__main__":
    main()
