#!/usr/bin/env python3
"""The test of debugging: boots under gdb in batch mode and lets tests/gdb/fault.py look around. Prints KTAP.

    tests/gdb/run.py [OUT]
"""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tools"))
import qemu     # noqa: E402

LIMIT_S = 120


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else "build"
    port = qemu.free_port()
    kernel = os.path.join(out, "quire.elf")
    line = qemu.command(kernel=kernel, initrd=os.path.join(out, "initrd.cpio"), smp=2, mem="256M", serial="null",
                        append="console=ttyS0 quiet panic=0 -- batch helper/gdb_victim",
                        extra=["-S", "-gdb", f"tcp:127.0.0.1:{port}"])
    machine = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    debugger = shutil.which("gdb-multiarch") or "gdb"
    try:
        done = subprocess.run(
            [debugger, "-q", "-nx", "-batch", "-x", os.path.join(qemu.HERE, "gdb", "init.py"),
             "-ex", f"target remote 127.0.0.1:{port}", "-x", os.path.join(HERE, "fault.py"), kernel],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S)
        text = done.stdout
    except subprocess.TimeoutExpired as e:
        text = (e.stdout or b"").decode(errors="replace") + f"\nnot ok 99 - gdb # no end after {LIMIT_S} s\n"
    finally:
        machine.kill()
        machine.wait()
    print(text)
    sys.exit(0 if "\n# all done" in text and "not ok" not in text else 1)


if __name__ == "__main__":
    main()
