#!/usr/bin/env python3
"""Boot Quire and judge what its test programs print.

    runner.py check|check-all|linux [--test NAME[,NAME:CASE...]] [--seed N] [--smp N] [--mem SIZE] ...

One boot runs many programs; the console is shown as it grows, a line per program. A boot has passed when every plan
("1..N") is complete, no line says "not ok", init said "# done 0", and QEMU ended with status 33. A kernel that stops making
progress (no output, and the CPUs go round in the same few places) is given up, after printing the back traces of all
its CPUs. Each failure comes with the command that repeats it. Results also go to OUT/results-*.xml (JUnit), consoles
to OUT/logs. The last line is "N passed, N failed, N skipped".
"""
import argparse
import glob
import gzip
import os
import re
import select
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from xml.sax.saxutils import escape, quoteattr

import qemu

QUIET_S = 60            # no output for so long: look whether the guest still moves
QUIET_LIMIT_S = 420     # and after this it does not matter any more
TRACE_TOOL = os.path.join(qemu.HERE, "gdb", "init.py")
# Shown in place of a case's name when a whole boot or program is to blame.
WHOLE = "(all)"


class Result:
    """One line of the final account."""

    def __init__(self, boot, program, case, outcome, detail="", seconds=0.0, repeat=""):
        self.boot, self.program, self.case, self.outcome = boot, program, case, outcome
        self.detail, self.seconds, self.repeat = detail, seconds, repeat


class Program:
    """The output of one test program, as it comes."""

    def __init__(self, name):
        self.name, self.plan, self.cases, self.notes, self.began = name, None, [], [], time.time()
        self.status = self.ms = None
        self.case_began = time.time()

    def line(self, text):
        m = re.search(r"(?<!\S)(not ok|ok) (\d+) - (\S+)(?: # (.*))?$", text)
        if m:
            outcome = "failed" if m[1] == "not ok" else "skipped" if (m[4] or "").startswith("SKIP") else "passed"
            detail = "\n".join(self.notes + ([m[4]] if m[4] else []))
            self.cases.append((int(m[2]), m[3], outcome, detail, time.time() - self.case_began))
            self.notes, self.case_began = [], time.time()
        elif re.fullmatch(r"1\.\.\d+", text):
            self.plan = int(text[3:])
        elif text:
            self.notes.append(text)


class Boot:
    """One machine from start to end."""

    def __init__(self, runner, name, words, seed, **machine):
        self.runner, self.name, self.words, self.seed, self.machine = runner, name, words, seed, machine
        self.programs, self.current, self.done, self.status = [], None, None, None
        self.trouble = []       # what went wrong with the boot itself
        self.console = []
        self.only = machine.pop("only", None)

    def run(self):
        monitor = qemu.Monitor()
        image = os.path.join(self.runner.logs, self.name.replace("/", "_") + "-disk")
        line = qemu.command(serial="stdio", image=image, extra=monitor.options(), **self.machine)
        self.began = time.time()
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = open(os.path.join(self.runner.logs, self.name.replace("/", "_") + ".log"), "w")
        try:
            self.follow(process, monitor)
        finally:
            process.kill()
            self.status = process.wait()
            monitor.close()
            self.log.close()
            for made in glob.glob(glob.escape(image) + "*"):
                os.unlink(made)
        self.seconds = time.time() - self.began

    def follow(self, process, monitor):
        """Read the console until QEMU ends or the guest is stuck."""
        rest = b""
        last = time.time()
        while True:
            ready, _, _ = select.select([process.stdout], [], [], 1)
            if not ready:
                quiet = time.time() - last
                if quiet > QUIET_LIMIT_S or quiet > QUIET_S and stuck(monitor):
                    if select.select([process.stdout], [], [], 0)[0]:
                        continue        # it spoke, or ended, while it was looked at
                    self.hang(monitor, quiet)
                    return
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                process.wait()
                break
            last = time.time()
            *lines, rest = (rest + data).split(b"\n")
            for text in lines:
                self.line(text.decode(errors="replace").rstrip("\r"))
        if rest:
            self.line(rest.decode(errors="replace").rstrip("\r"))

    def line(self, text):
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1bc", "", text)
        self.log.write(f"{time.time() - self.began:8.3f} {text}\n")
        self.log.flush()
        self.console.append(text)
        if self.runner.verbose:
            print("   |", text, flush=True)
        m = re.search(r"# begin (\S+)$", text)
        if m:
            self.current = Program(m[1])
            self.programs.append(self.current)
            return
        m = re.search(r"# end (\S+) status (-?\d+) ms (\d+)$", text)
        if m and self.current:
            self.current.status, self.current.ms = int(m[2]), int(m[3])
            self.runner.show_program(self, self.current)
            self.current = None
            return
        m = re.search(r"# done (\d+)$", text)
        if m:
            self.done = int(m[1])
        elif self.current:
            self.current.line(text)

    def hang(self, monitor, quiet):
        where = f" in {self.current.name}" if self.current else ""
        self.trouble.append(f"hang{where}: no output for {quiet:.0f} s")
        print(f"   {self.name}: {self.trouble[-1]}; back traces of all CPUs:", flush=True)
        for text in backtraces(monitor, self.machine.get("kernel")).splitlines():
            print("   !", text)
            self.log.write(f"hang: {text}\n")

    def judge(self, linux):
        """The results of this boot."""
        results = []
        for p in self.programs:
            results += self.judge_program(p)
        if self.words and not self.programs and not self.trouble:
            self.trouble.append("no test program was started")
        if self.done is None:
            self.trouble.append("init did not finish")
        if self.status != (0 if linux else 33):
            meaning = qemu.STATUS.get(self.status, "killed" if self.status < 0 else "?")
            self.trouble.append(f"QEMU ended with status {self.status} ({meaning}), expected {0 if linux else 33}")
        failed = any(r.outcome == "failed" for r in results)
        # Status 35 only repeats that a test failed.
        if failed and self.status == 35:
            self.trouble = [t for t in self.trouble if "status 35" not in t]
        if self.trouble:
            tail = "\n".join(self.console[-40:])
            results.append(Result(self.name, "boot", WHOLE, "failed", "\n".join(self.trouble) + "\n" + tail,
                                  self.seconds, self.runner.repeat(self, None)))
        else:
            results.append(Result(self.name, "boot", WHOLE, "passed", "", self.seconds))
        return results

    def judge_program(self, p):
        out = []
        for number, case, outcome, detail, seconds in p.cases:
            out.append(Result(self.name, p.name, case, outcome, detail, seconds,
                              self.runner.repeat(self, f"{p.name}:{case}")))
        whole = None
        if p.name.startswith("sh") and p.plan is None:
            whole = None if p.status == 0 else f"status {p.status}"
            if whole is None:
                out.append(Result(self.name, p.name, WHOLE, "passed"))
        elif p.status is None:
            whole = "the program did not end"
        elif p.plan is None or [c[0] for c in p.cases] != list(range(1, p.plan + 1)):
            whole = f"plan {p.plan}, but {len(p.cases)} results"
        elif p.status != 0 and not any(c[2] == "failed" for c in p.cases):
            whole = f"all cases passed, yet the wait status is {p.status}"
        if whole:
            out.append(Result(self.name, p.name, WHOLE, "failed", "\n".join([whole] + p.notes[-20:]), 0,
                              self.runner.repeat(self, p.name)))
        return out


def registers(monitor):
    """(instruction pointer, page table) of each CPU."""
    text = monitor.ask("info registers -a")
    return tuple(zip(re.findall(r"RIP=([0-9a-f]+)", text), re.findall(r"CR3=([0-9a-f]+)", text)))


def stuck(monitor):
    """True if the CPUs are seen in the same few places again and again, in the kernel, for as long as no call takes
    (to poison and give back a GiB takes some 5 s)."""
    seen = set()
    for _ in range(150):
        now = registers(monitor)
        if not now:
            return True
        for cpu, (rip, cr3) in enumerate(now):
            if int(rip, 16) < 1 << 63:
                return False            # user code runs: that is progress, the case has its own limit
            seen.add((cpu, int(rip, 16) >> 6, cr3))
        time.sleep(0.2)
    return len(seen) <= 4 * len(now)


def backtraces(monitor, kernel):
    """What every CPU does, by gdb if it is there, else the registers."""
    debugger = shutil.which("gdb-multiarch") or shutil.which("gdb")
    if debugger and kernel:
        port = qemu.free_port()
        monitor.ask(f"gdbserver tcp:127.0.0.1:{port}")
        try:
            done = subprocess.run(
                [debugger, "-q", "-nx", "-batch", "-x", TRACE_TOOL, "-ex", f"target remote 127.0.0.1:{port}",
                 "-ex", "thread apply all bt 30", "-ex", "task-bt all", "-ex", "detach", kernel],
                capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            if "#0" in done.stdout:
                return done.stdout
        except subprocess.TimeoutExpired:
            pass
    return monitor.ask("info registers -a")


class Runner:
    def __init__(self, args):
        self.args, self.results, self.began = args, [], time.time()
        self.out, self.verbose = args.out, args.verbose
        self.logs = os.path.join(self.out, "logs")
        os.makedirs(self.logs, exist_ok=True)
        self.tests = [t for t in (args.test or "").split(",") if t]
        self.lanes = 1          # boots at once: with more than one each line says whose it is

    # --- Building -----------------------------------------------------------------------------------------

    def make(self, *words):
        """Run make quietly; its output only if it fails."""
        done = subprocess.run([self.args.make, "--no-print-directory", *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            print(done.stdout[-6000:])
        return done.returncode == 0

    def path(self, name, out=None):
        return os.path.join(out or self.out, name)

    def build(self, out, *words):
        """quire.elf and initrd.cpio in OUT; ends the run if they cannot be made."""
        print(f"-- building {out} {' '.join(words)}", flush=True)
        if not self.make(f"O={out}", "-j2", "all", *words):
            self.add(Result("build", out, WHOLE, "failed", "the build failed", 0, f"make O={out} {' '.join(words)}"))
            return False
        return True

    # --- Booting and showing ------------------------------------------------------------------------------

    def words(self, selection, seed):
        return " ".join(["batch", f"seed={seed}"] + list(selection))

    def boot(self, name, selection, kernel=None, append="", linux=False, **machine):
        """Boot, run SELECTION (words for init), and account for it."""
        kernel = kernel or self.path("quire.elf")
        line = f"console=ttyS0 {append} {self.args.append} -- {self.words(selection, self.args.seed)}"
        machine.setdefault("initrd", self.path("initrd.cpio"))
        if self.args.smp:
            machine["smp"] = self.args.smp
        if self.args.mem:
            machine["mem"] = self.args.mem
        b = Boot(self, name, selection, self.args.seed, kernel=kernel, append=line, **machine)
        print(f"-- {name}", flush=True)
        b.run()
        for r in b.judge(linux):
            self.add(r)
        print(f"   {name}: {b.seconds:.1f} s", flush=True)
        return b

    def iso(self, name, selection, **machine):
        """The same through GRUB: the words are on the ISO."""
        iso = self.path(f"test-{name.replace('/', '_')}.iso")
        line = f"console=ttyS0 -- {self.words(selection, self.args.seed)}"
        done = subprocess.run([os.path.join(qemu.HERE, "mkiso.sh"), self.path("quire.elf"), self.path("initrd.cpio"),
                               iso, line], capture_output=True, text=True)
        if done.returncode:
            self.add(Result(name, "iso", WHOLE, "failed", done.stdout + done.stderr))
            return
        self.boot(name, selection, iso=iso, **machine)
        os.unlink(iso)

    def show_program(self, boot, p):
        count = {o: sum(c[2] == o for c in p.cases) for o in ("passed", "failed", "skipped")}
        bad = "" if p.status == 0 else "  FAILED"
        skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
        failed = f", {count['failed']} failed" if count["failed"] else ""
        whose = f"{boot.name}: " if self.lanes > 1 else ""
        print(f"   {whose}{p.name:<14}{count['passed']:4} passed{failed}{skipped}  {p.ms / 1000:6.1f} s{bad}", flush=True)

    def add(self, result):
        self.results.append(result)
        if result.outcome == "failed":
            print(f"   FAILED {result.boot} {result.program} {result.case}")
            for text in result.detail.splitlines()[:60]:
                print("     ", text)
            if result.repeat:
                print("      again:", result.repeat, flush=True)

    def repeat(self, boot, test):
        """The command that does it again."""
        m = boot.machine
        if self.args.suite == "linux":
            return f"make check-linux SEED={boot.seed}" + (f" TEST={test}" if test else "")
        words = f"make check SMP={m.get('smp', 1)} MEM={m.get('mem', '1G')} SEED={boot.seed}"
        for build, word in (("release", " RELEASE=1"), ("san", " SAN=1")):
            if m.get("kernel") == self.path("quire.elf", os.path.join(self.out, build)):
                words += f" O={os.path.join(self.out, build)}{word}"
        return words + (f" TEST={test}" if test else "")

    # --- Other kinds of tests -----------------------------------------------------------------------------

    def command(self, name, line, limit_s=600):
        """A command of the host whose output is KTAP, or whose exit status alone counts."""
        print(f"-- {name}", flush=True)
        began = time.time()
        try:
            done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit_s,
                                  stdin=subprocess.DEVNULL, errors="replace")
            text, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as e:
            text, status = (e.stdout or b"").decode(errors="replace") + "\nno end", -1
        with open(os.path.join(self.logs, name + ".log"), "w") as f:
            f.write(text)
        outcomes = re.findall(r"^(not ok|ok) \d+ (?:- )?(\S+)(.*)$", text, re.M)
        for word, case, rest in outcomes:
            outcome = "failed" if word == "not ok" else "skipped" if "# SKIP" in rest else "passed"
            self.add(Result("host", name, case, outcome, rest, 0, " ".join(line)))
        if status or not outcomes:
            self.add(Result("host", name, WHOLE, "failed" if status else "passed", text[-3000:] if status else "",
                            time.time() - began, " ".join(line)))
        print(f"   {name}: {len(outcomes)} results, {time.time() - began:.1f} s", flush=True)

    def skip(self, name, why):
        self.add(Result("host", name, WHOLE, "skipped", why))
        print(f"-- {name}: skipped, {why}", flush=True)

    # --- The account --------------------------------------------------------------------------------------

    def finish(self):
        count = {o: sum(r.outcome == o for r in self.results) for o in ("passed", "failed", "skipped")}
        self.junit(os.path.join(self.out, f"results-{self.args.suite}.xml"), count)
        failed = [r for r in self.results if r.outcome == "failed"]
        if failed:
            print("\nFailures:")
        for r in failed:
            print(f"  {r.boot}: {r.program} {r.case}\n      {r.repeat}")
        print(f"\n{time.time() - self.began:.0f} s in all; consoles in {self.logs}")
        print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
        return 1 if failed or not count["passed"] else 0

    def junit(self, path, count):
        with open(path, "w") as f:
            f.write('<?xml version="1.0" encoding="UTF-8"?>\n')
            f.write(f'<testsuite name="quire" tests="{len(self.results)}" failures="{count["failed"]}" '
                    f'skipped="{count["skipped"]}" time="{time.time() - self.began:.1f}">\n')
            for r in self.results:
                f.write(f'<testcase classname={quoteattr(r.boot + "." + r.program)} name={quoteattr(r.case)} '
                        f'time="{r.seconds:.3f}">')
                clean = escape(re.sub(r"[^\t\n\x20-\ufffd]", "?", r.detail))
                if r.outcome == "failed":
                    f.write(f"<failure>{clean}</failure>")
                elif r.outcome == "skipped":
                    f.write(f"<skipped message={quoteattr(clean)}/>")
                f.write("</testcase>\n")
            f.write("</testsuite>\n")


# name, how it boots, machine. Pairwise over CPUs, memory, machine type, CPU model and boot path.
BOOTS = (
    ("direct", dict(smp=1, mem="64M", machine="q35", cpu="max")),
    ("direct", dict(smp=2, mem="64M", machine="pc", cpu="qemu64")),
    ("direct", dict(smp=4, mem="1G", machine="pc", cpu="max")),
    ("direct", dict(smp=16, mem="1G", machine="q35", cpu="qemu64")),
    ("direct", dict(smp=2, mem="16G", machine="q35", cpu="max")),
    ("direct", dict(smp=1, mem="16G", machine="pc", cpu="qemu64")),
    ("bios", dict(smp=1, mem="1G", machine="pc", cpu="qemu64")),
    ("bios", dict(smp=2, mem="64M", machine="q35", cpu="max")),
    ("bios", dict(smp=4, mem="16G", machine="q35", cpu="qemu64")),
    ("uefi", dict(smp=2, mem="256M", machine="q35", cpu="max")),
    ("uefi", dict(smp=4, mem="1G", machine="q35", cpu="qemu64")),
    ("uefi", dict(smp=16, mem="16G", machine="q35", cpu="max")),
)
BOOT_PROGRAMS = ["process", "cow", "pipe"]
# The disks of ordinary boots: one behind virtio, one in memory.
DISKS = dict(disk="new:256M", append="ramdisk=128M")

# The other builds: name, words for make, what `make check` runs on them (`make check-all`: everything), machine.
BUILDS = (
    ("release", ["RELEASE=1", "SAN=0", "PAGE_MAPCOUNT=1"], ["quick"], dict(DISKS)),
    ("no-page-mapcount", ["RELEASE=0", "SAN=0", "PAGE_MAPCOUNT=0"],
     ["fast", "scale=20", "check", "collapse", "compact", "cow", "cow_thp", "gup", "migrate", "mmfuzz", "mmid", "mmid_file",
      "procmem", "shared_ptes", "split", "swap", "thp_calls", "thp_fault", "thp_fork", "thp_stress"], dict(DISKS)),
    # An eighth of memory is shadow, a thirty-second the shadow of kernel stacks: hence more of it.
    ("san", ["RELEASE=0", "SAN=1", "PAGE_MAPCOUNT=1"],
     ["fast", "scale=20", "san", "collapse", "compact", "cow", "cow_thp", "fault", "khp_stress", "mmap", "process", "quire",
      "swap", "thp_fault", "thp_stress"],
     dict(DISKS, mem="2G")),
)
# Programs whose heavy loops `make check-all` repeats for minutes: ten times what they do else.
SOAK_PROGRAMS = ["khp_stress", "mmfuzz", "thp_stress"]

# Other disks: name, disk, words for the kernel (NAME=value: in the environment of the tests), what is run.
DISK_BOOTS = (
    ("modern-only", "new:64M,device.disable-legacy=on,device.disable-modern=off", "", ["disk", "scale=20"]),
    ("transitional", "new:64M,device.disable-legacy=off,device.disable-modern=off", "", ["disk", "scale=20"]),
    ("no-msix", "new:64M,device.vectors=0", "", ["disk", "scale=20"]),
    ("large-blocks", "new:64M,device.logical_block_size=4096,device.physical_block_size=4096", "", ["disk", "scale=20"]),
    ("small-queue", "new:64M,device.queue-size=4,device.seg-max-adjust=off", "", ["disk", "scale=20"]),
    ("read-only", ["new:64M", "new:1M,ro=1"], "", ["disk:a_read_only_disk_is_not_written"]),
    ("swap", "new:256M", "SWAP_DISK=/dev/vda", ["swap", "swapon", "swap_race", "scale=50"]),
    ("slow", "new:64M,iops=150", "", ["fast", "disk", "scale=10"]),
    ("bad-sectors", "new:64M,bad-read=2048,bad-write=4096", "BAD_READ=2048 BAD_WRITE=4096",
     ["disk:a_bad_sector_is_an_error_and_the_rest_is_fine"]),
)

# More memory in use than there is: 20 hogs in 128 MiB with 512 MiB of swap, contents checked (T-RCL-14).
PRESSURE = dict(disk="new:512M", append="SWAP_DISK=/dev/vda", mem="128M")

# Boots that cannot succeed, or have a word that means nothing: name, machine, words, the line (exactly one), QEMU's status.
REFUSALS = (
    ("no-nx", dict(cpu="qemu64,-nx"), "", r"this CPU has no NX .*QEMU: -cpu", 37),
    ("no-long-mode", dict(cpu="qemu64,-lm"), "", r"this CPU has no long mode", 37),
    ("no-pse", dict(cpu="qemu64,-pse"), "", r"this CPU has no PSE", 37),
    ("little-memory", dict(mem="16M", initrd=None), "", r"too little memory: \d+ KiB of RAM, \d+ KiB are needed", 37),
    ("no-initramfs", dict(initrd=None), "", r"No initramfs was given: use -initrd FILE.cpio", 39),
    ("compressed-initramfs", dict(initrd="gzip"), "", r"initramfs is a gzip archive: give an uncompressed newc cpio", 39),
    ("broken-initramfs", dict(initrd="text"), "", r"initramfs: \S.* at offset 0", 39),
    ("no-such-init", {}, "rdinit=/no/such", r"No init: error -2. Looked for /no/such", 39),
    ("wrong-value", {}, "nohz=perhaps", r"nohz=perhaps: not understood", 33),
    ("wrong-early-value", {}, "loglevel=loud", r"loglevel=loud: not understood", 33),
)


def boots(r, everything):
    """A short pass on each kind of machine."""
    matrix = BOOTS
    if everything:
        matrix = tuple(("direct", dict(smp=s, mem=m, machine=t, cpu=c)) for s in (1, 2, 4, 16)
                       for m in ("64M", "1G", "16G") for t in ("q35", "pc") for c in ("max", "qemu64")) + BOOTS
    for how, machine in matrix:
        name = f"boot-{how}-{machine['smp']}cpu-{machine['mem']}-{machine['machine']}-{machine['cpu']}"
        selection = ["fast", "scale=20"] + BOOT_PROGRAMS
        if how == "direct":
            r.boot(name, selection, **machine)
        elif how == "uefi" and not qemu.ovmf():
            r.skip(name, "no UEFI firmware on this host")
        else:
            r.iso(name, selection, uefi=how == "uefi", **machine)


def disks(r):
    """Disks of all kinds, good and bad."""
    for name, disk, append, selection in DISK_BOOTS:
        r.boot(f"disk-{name}", selection, append=append, smp=2, mem="256M", disk=disk)


def unusable_initrd(r, kind):
    """An archive that the kernel must refuse."""
    path = os.path.join(r.logs, f"initrd-{kind}")
    with open(r.path("initrd.cpio"), "rb") as f, open(path, "wb") as to:
        to.write(gzip.compress(f.read(), 1) if kind == "gzip" else b"This is not an archive of any kind.\n" * 9)
    return path


def refusals(r):
    """What is wrong is said in one clear line, and QEMU ends with the status for it."""
    for name, machine, words, pattern, status in REFUSALS:
        machine = dict(dict(mem="256M", smp=1, initrd=r.path("initrd.cpio")), **machine)
        if machine["initrd"] in ("gzip", "text"):
            machine["initrd"] = unusable_initrd(r, machine["initrd"])
        b = Boot(r, f"refusal-{name}", [], r.args.seed, kernel=r.path("quire.elf"),
                 append=f"console=ttyS0 {words} -- batch", **machine)
        b.run()
        lines = [t for t in b.console if re.search(pattern, t)]
        trouble = []
        if len(lines) != 1:
            trouble.append(f"{len(lines)} lines say {pattern!r}, expected one")
        if b.status != status:
            trouble.append(f"QEMU ended with status {b.status}, expected {status}")
        detail = "\n".join(trouble + b.console[-20:]) if trouble else ""
        r.add(Result(b.name, "boot", WHOLE, "failed" if trouble else "passed", detail, b.seconds))
    print(f"-- refusals: {len(REFUSALS)} boots", flush=True)


def scripts(r):
    """What people do: at the shell, in gdb, after a crash."""
    for script in sorted(os.listdir("tests/session")) if os.path.isdir("tests/session") else ():
        if script.endswith(".py"):
            r.command(script[:-3], [sys.executable, f"tests/session/{script}", r.out])
    if shutil.which("gdb") or shutil.which("gdb-multiarch"):
        r.command("gdb", [sys.executable, "tests/gdb/run.py", r.out])
        r.command("crash", [sys.executable, "tests/gdb/crash.py", r.out])
    else:
        r.skip("gdb", "gdb is not installed")


def build_and_boot(r, everything, name, words, short, machine):
    """Another build, and what is run on it."""
    out = os.path.join(r.out, name)
    if r.build(out, *words):
        r.boot(f"{name}-2cpu", ["all"] if everything else short, kernel=r.path("quire.elf", out),
               **dict(dict(smp=2, mem="1G"), **machine))


def jobs(r, everything):
    """All there is to do; no job needs another one."""
    scale = [] if everything else ["scale=10"]
    for smp in (1, 2, 4):
        yield partial(r.boot, f"all-{smp}cpu", ["all"] + scale, smp=smp, mem="1G", **DISKS)
    yield partial(scripts, r)
    yield partial(refusals, r)
    yield partial(boots, r, everything)
    yield partial(disks, r)
    for smp in (1, 2, 4) if everything else (2,):
        yield partial(r.boot, f"pressure-{smp}cpu", ["swap_stress"] + scale, smp=smp, **PRESSURE)
    for build in BUILDS:
        yield partial(build_and_boot, r, everything, *build)
    if everything:
        yield partial(r.boot, "soak-4cpu", ["scale=1000"] + SOAK_PROGRAMS, smp=4, mem="1G", **DISKS)
        yield partial(r.command, "mutants", [sys.executable, "tools/mutants.py", "--out", r.out], 3 * 3600)


def check(r, everything=False):
    """make check: one job after the other. make check-all: two at once, the long ones first, so that both lanes end together.

    A machine keeps little more than one CPU of the host busy, however many it has itself.
    """
    if r.tests:
        return named_tests(r)
    r.command("host-tests", [r.args.make, "--no-print-directory", f"O={r.out}", "host-tests"])
    if not r.build(r.out):
        return
    work = list(jobs(r, everything))
    r.lanes = 2 if everything else 1
    pool = ThreadPoolExecutor(r.lanes)
    try:
        for started in [pool.submit(job) for job in (reversed(work) if everything else work)]:
            started.result()
    finally:
        pool.shutdown(cancel_futures=True)
    if everything:
        linux(r)        # alone: that kernel has times of its own, and on a busy host kills whom it would not else


def named_tests(r):
    """TEST=...: these programs or cases only, on one machine, with the whole console."""
    r.verbose = True
    words = [f"{name}=1" for name in ("RELEASE", "SAN") if os.environ.get(name) == "1"]
    if r.build(r.out, *words):
        r.boot("named", r.tests, smp=2, mem="1G", **DISKS)


def linux(r):
    """The oracle: Debian's kernel, on a CPU without what Quire does not use (five levels of tables, protection keys).

    To switch events on and off Linux writes to its own code and tells the other CPUs. Under TCG they sometimes never
    answer (seen on 6.1: text_poke_bp waits for ever), so the programs that do little else have a machine with one CPU.
    """
    kernel = r.path("linux/vmlinuz")
    if not os.path.exists(kernel):
        return r.skip("linux", "no Debian kernel: make check-linux fetches it")
    r.verbose = bool(r.tests)
    names = r.tests or sorted(n[:-2] for n in os.listdir("tests/user") if n.endswith(".c"))
    tracing = [n for n in names if n.startswith("trace")]
    others = [n for n in names if n not in tracing]
    # Linux hands at most 32 words to init.
    batches = [(f"linux-{at // 25 + 1}", 2, others[at:at + 25]) for at in range(0, len(others), 25)]
    for name, smp, words in batches + [("linux-trace", 1, tracing)] * bool(tracing):
        r.boot(name, words, kernel=kernel, append="quiet loglevel=1 panic=-1 norandmaps", linux=True, smp=smp, mem="1G",
               cpu="max,la57=off,pku=off")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("suite", choices=("check", "check-all", "linux"))
    p.add_argument("--out", default="build")
    p.add_argument("--make", default="make")
    p.add_argument("--test", default="")
    p.add_argument("--seed", default="1")
    p.add_argument("--smp")
    p.add_argument("--mem")
    p.add_argument("--append", default="")
    p.add_argument("-v", "--verbose", action="store_true", help="show the whole console")
    r = Runner(p.parse_args())
    try:
        {"check": check, "check-all": lambda r: check(r, True), "linux": linux}[r.args.suite](r)
    except KeyboardInterrupt:
        r.add(Result("runner", "interrupted", WHOLE, "failed", "stopped by the user"))
    sys.exit(r.finish())


if __name__ == "__main__":
    main()
