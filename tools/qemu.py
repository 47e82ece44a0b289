#!/usr/bin/env python3
"""The machine: the QEMU command line in one place, for a person (run), for gdb, and for the test runner.

    qemu.py run --iso FILE [--smp N --mem SIZE --disk DISK]     a console in this terminal; Ctrl-A X leaves
    qemu.py gdb --kernel ELF --initrd FILE ...                  the same under gdb, in one terminal

A disk is written FILE[,OPTION...]; FILE may be new:SIZE, an image made for this machine. Options: ro=1, iops=N (a slow
disk), bad-read=SECTOR, bad-write=SECTOR (requests that touch it fail; all: every one), device.NAME=VALUE (a property of
the virtio-blk device: device.vectors=0, device.logical_block_size=4096).

The kernel ends QEMU with an explicit status through isa-debug-exit (STATUS below); 0 is a power-off, or a triple
fault: a batch run has succeeded only with 33.
"""
import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

QEMU = os.environ.get("QEMU", "qemu-system-x86_64")
STATUS = {0: "powered off", 33: "success", 35: "tests failed", 37: "kernel panic", 39: "no init found"}
OVMF = ("/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/edk2/x64/OVMF.4m.fd",
        "/usr/share/qemu/OVMF.fd")
HERE = os.path.dirname(os.path.abspath(__file__))


def ovmf():
    """UEFI firmware on this host, or None."""
    return next((f for f in OVMF if os.path.exists(f)), None)


def new_image(path, size):
    """A sparse file of SIZE ("256M") full of zeroes."""
    with open(path, "wb") as f:
        f.truncate(int(size.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(size[-1], 0))
    return path


def bad_sectors(path, rules):
    """The configuration of QEMU's blkdebug for RULES: (event, sector or "all")."""
    with open(path, "w") as f:
        for event, sector in rules:
            f.write(f'[inject-error]\nevent = "{event}"\nerrno = "5"\nimmediately = "off"\n')
            f.write("" if sector == "all" else f'sector = "{sector}"\n')
    return path


def drive(spec, number, image):
    """QEMU's options for one disk; what has to be made for it is named IMAGE with endings."""
    name, *options = spec.split(",")
    if name.startswith("new:"):
        name = new_image(f"{image}{number or ''}.img", name[4:])
    backend, device, rules = "", "", []
    for key, value in (o.split("=", 1) for o in options):
        if key == "ro":
            backend += ",readonly=on"
        elif key == "iops":
            backend += f",throttling.iops-total={value}"
        elif key in ("bad-read", "bad-write"):
            rules.append((key[4:] + "_aio", value))
        elif key.startswith("device."):
            device += f",{key[7:]}={value}"
        else:
            sys.exit(f"disk: no such option: {key}")
    if rules:
        name = f"blkdebug:{bad_sectors(f'{image}{number}.blkdebug', rules)}:{name}"
    return ["-drive", f"file={name},format=raw,if=none,id=d{number},rerror=report,werror=report{backend}",
            "-device", f"virtio-blk-pci,drive=d{number}{device}"]


def command(kernel=None, initrd=None, append="", iso=None, smp=1, mem="1G", machine="q35", cpu="max", uefi=False,
            disk=None, image="disk", serial="stdio", extra=()):
    """The command line of a machine; boots KERNEL directly, or ISO through its GRUB. DISK: one, or a list; IMAGE: the
    path, without its ending, of what must be made for them."""
    line = [QEMU, "-accel", "tcg", "-M", machine, "-cpu", cpu, "-smp", str(smp), "-m", str(mem),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", serial,
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    if int(smp) > 1:
        line[2] = "tcg,thread=multi"
    if iso:
        line += ["-cdrom", iso]
    else:
        line += ["-kernel", kernel, "-append", append]
        if initrd:
            line += ["-initrd", initrd]
    if uefi:
        line += ["-net", "none", "-bios", ovmf()]
    for number, spec in enumerate([disk] if isinstance(disk, str) else disk or ()):
        line += drive(spec, number, image)
    return line + list(extra)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(args):
    line = command(kernel=args.kernel, initrd=args.initrd, append=args.append, iso=args.iso, smp=args.smp,
                   mem=args.mem, disk=args.disk, image=os.path.join(args.out, "disk"), serial="mon:stdio")
    print("Leave QEMU with Ctrl-A X; its monitor is Ctrl-A C.", flush=True)
    status = subprocess.call(line)
    if status in STATUS:
        print(f"\nQEMU ended: {STATUS[status]} (exit status {status})")
    return 0 if status in (0, 33) else status


def gdb(args):
    """QEMU stopped before its first instruction, its console in a file; gdb in front, connected."""
    port = free_port()
    log = os.path.join(args.out, "gdb-console.log")
    line = command(kernel=args.kernel, initrd=args.initrd, append=args.append, smp=args.smp, mem=args.mem,
                   disk=args.disk, image=os.path.join(args.out, "disk"), serial=f"file:{log}",
                   extra=["-S", "-gdb", f"tcp:127.0.0.1:{port}", "-monitor", "none"])
    # A session of its own: Ctrl-C is for gdb, which then stops the guest.
    machine = subprocess.Popen(line, stdin=subprocess.DEVNULL, start_new_session=True)
    debugger = shutil.which("gdb-multiarch") or "gdb"
    try:
        print(f"The guest's console goes to {log}; in gdb: help quire")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return subprocess.call([debugger, "-q", "-nx", "-x", os.path.join(HERE, "gdb", "init.py"),
                                "-ex", f"target remote 127.0.0.1:{port}", "-ex", "break panic"] + args.gdb_arg + [args.kernel])
    finally:
        machine.kill()
        machine.wait()


class Monitor:
    """QEMU's monitor on a socket, as a path to hand to -qmp."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="quire-")
        self.path = os.path.join(self.folder, "qmp")
        self.file = None

    def options(self):
        return ["-qmp", f"unix:{self.path},server=on,wait=off"]

    def ask(self, line):
        """The answer to a command of the human monitor; "" if QEMU does not answer."""
        import json
        try:
            if not self.file:
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(10)
                s.connect(self.path)
                self.file = s.makefile("rw")
                self.file.readline()
                self._send(json, {"execute": "qmp_capabilities"})
            return self._send(json, {"execute": "human-monitor-command", "arguments": {"command-line": line}}) or ""
        except (OSError, ValueError):
            return ""

    def _send(self, json, message):
        self.file.write(json.dumps(message) + "\n")
        self.file.flush()
        while True:
            text = self.file.readline()
            if not text:
                raise OSError("monitor closed")
            answer = json.loads(text)
            if "return" in answer or "error" in answer:
                return answer.get("return")

    def close(self):
        if self.file:
            with contextlib.suppress(OSError):      # QEMU is gone, and with it who would read the last command
                self.file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("run", "gdb"))
    p.add_argument("--kernel")
    p.add_argument("--initrd")
    p.add_argument("--append", default="console=ttyS0")
    p.add_argument("--iso")
    p.add_argument("--smp", default=1)
    p.add_argument("--mem", default="1G")
    p.add_argument("--disk")
    p.add_argument("--out", default="build")
    p.add_argument("--gdb-arg", action="append", default=[], help="one more argument for gdb")
    args = p.parse_args()
    sys.exit({"run": run, "gdb": gdb}[args.what](args))


if __name__ == "__main__":
    main()
