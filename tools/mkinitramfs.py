#!/usr/bin/env python3
"""Write an initramfs: an uncompressed newc cpio archive with busybox, its applets, our programs and device nodes.

The archive is written here and not by cpio(1), so that an ordinary user can put device nodes and root's files into
it, and so that the same input gives the same bytes.
"""
import argparse
import os
import stat
import subprocess
import sys

DIRS = ("bin dev etc lib proc root run sbin sys tests tmp usr usr/bin usr/sbin var dev/shm dev/pts mnt").split()
NODES = (("dev/console", 5, 1), ("dev/tty", 5, 0), ("dev/null", 1, 3), ("dev/ttyS0", 4, 64))
# For a host that cannot run the guest's busybox: what people type most.
APPLETS = """[ ash awk basename cat chgrp chmod chown chroot clear cmp cp cut date dd df diff dirname dmesg du echo egrep
env expr false fgrep find free getopt grep halt head hexdump hostname id kill killall less ln ls md5sum mkdir mkfifo
mknod mktemp more mount mv nice nohup nproc od pgrep pidof ping pkill poweroff printenv printf ps pwd readlink realpath
reboot renice reset rm rmdir sed seq setsid sh sleep sort stat strings stty swapoff swapon sync sysctl tail tar taskset
tee test time timeout top touch tr true truncate tty umount uname uniq uptime usleep vi watch wc which who xargs xxd
yes""".split()


def program_is_static(data):
    """True for an x86-64 ELF64 without an interpreter."""
    if data[:5] != b"\x7fELF\x02" or int.from_bytes(data[18:20], "little") != 62:
        return False
    phoff = int.from_bytes(data[32:40], "little")
    entry_size, count = (int.from_bytes(data[i:i + 2], "little") for i in (54, 56))
    return all(int.from_bytes(data[o:o + 4], "little") != 3
               for o in range(phoff, phoff + count * entry_size, entry_size))


class Archive:
    """Collects entries by path, then writes them, parents first."""

    def __init__(self):
        self.entries = {}

    def add(self, path, mode, data=b"", device=(0, 0)):
        self.entries[path.strip("/")] = (mode, data, device)

    def directory(self, path, mode=0o755):
        self.add(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o644):
        parts = path.strip("/").split("/")
        for i in range(1, len(parts)):
            if "/".join(parts[:i]) not in self.entries:
                self.directory("/".join(parts[:i]))
        self.add(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.add(path, stat.S_IFLNK | 0o777, target.encode())

    def bytes(self):
        out = []
        for number, path in enumerate(sorted(self.entries), 1):
            mode, data, device = self.entries[path]
            out.append(record(number, path, mode, data, device))
        out.append(record(0, "TRAILER!!!", 0, b"", (0, 0)))
        whole = b"".join(out)
        return whole + bytes(-len(whole) % 512)


def record(inode, path, mode, data, device):
    name = path.encode() + b"\0"
    nlink = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, nlink, 0, len(data), 0, 0, device[0], device[1], len(name), 0)
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def applets(busybox):
    try:
        text = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout
        return text.split()
    except (OSError, subprocess.CalledProcessError):
        return APPLETS


def add_busybox(archive, path):
    with open(path, "rb") as f:
        data = f.read()
    if not program_is_static(data):
        sys.exit(f"{path}: not a static x86-64 program; install busybox-static, or make BUSYBOX=/path/to/one")
    archive.file("bin/busybox", data, 0o755)
    for name in applets(path):
        if name not in ("busybox", "init", "linuxrc"):
            archive.link(f"bin/{name}", "busybox")


def add_tree(archive, root):
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            source = os.path.join(folder, name)
            with open(source, "rb") as f:
                data = f.read()
            archive.file(os.path.relpath(source, root), data, 0o755 if os.access(source, os.X_OK) else 0o644)


def main():
    p = argparse.ArgumentParser(description="write an initramfs")
    p.add_argument("-o", "--output", required=True)
    p.add_argument("--busybox", default="")
    p.add_argument("--musl", help="musl's libc.so: becomes the dynamic loader of the image")
    p.add_argument("--tree", help="a directory whose files are put into the root")
    p.add_argument("--file", action="append", default=[], help="path-in-image=file-on-host, made executable")
    args = p.parse_args()

    archive = Archive()
    for path in DIRS:
        archive.directory(path)
    archive.directory("tmp", 0o1777)
    for path, major, minor in NODES:
        archive.add(path, stat.S_IFCHR | 0o600, b"", (major, minor))
    if not args.busybox:
        sys.exit("no busybox found; run tools/setup, or make BUSYBOX=/path/to/a/static/one")
    add_busybox(archive, args.busybox)
    if args.tree:
        add_tree(archive, args.tree)
    if args.musl:
        with open(args.musl, "rb") as f:
            archive.file("lib/ld-musl-x86_64.so.1", f.read(), 0o755)
    for pair in args.file:
        path, _, source = pair.partition("=")
        with open(source, "rb") as f:
            archive.file(path, f.read(), 0o755)
    temporary = args.output + ".tmp"
    with open(temporary, "wb") as f:
        f.write(archive.bytes())
    os.replace(temporary, args.output)


if __name__ == "__main__":
    main()
