#!/usr/bin/env python3
"""The test of the end: makes the kernel go wrong, by gdb and by QEMU's monitor, and reads what it says. Prints KTAP.

    tests/gdb/crash.py [OUT]

A user program cannot do any of this. Each case is a boot of its own: gdb stops at the first instruction of the fault
handler and spoils a register, or the monitor raises an interrupt that cannot be masked.
"""
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tools"))
import qemu     # noqa: E402

LIMIT_S = 90
number = failed = 0


def ok(condition, name, detail=""):
    global number, failed
    number += 1
    failed += not condition
    print(f"{'ok' if condition else 'not ok'} {number} - {name}" + (f" # {detail}" if detail and not condition else ""),
          flush=True)


class Machine:
    """A guest whose console goes to a file."""

    def __init__(self, out, name, words, extra=()):
        self.kernel = os.path.join(out, "quire.elf")
        self.log = os.path.join(out, "logs", f"crash-{name}.log")
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        line = qemu.command(kernel=self.kernel, initrd=os.path.join(out, "initrd.cpio"), smp=2, mem="256M",
                            serial=f"file:{self.log}", append=f"console=ttyS0 -- {words}", extra=extra)
        if os.path.exists(self.log):
            os.unlink(self.log)
        self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def console(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_for(self, pattern):
        end = time.time() + LIMIT_S
        while not re.search(pattern, self.console()) and time.time() < end and self.process.poll() is None:
            time.sleep(0.1)

    def end(self):
        """QEMU's exit status; "none" if it had to be killed."""
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "none"


def by_gdb(out, name, *commands):
    """Boot to the fault handler's first instruction for the victim's page, give gdb COMMANDS, let it run to its end."""
    port = qemu.free_port()
    m = Machine(out, name, "batch helper/gdb_victim", ["-S", "-gdb", f"tcp:127.0.0.1:{port}"])
    script = ["user-symbols gdb_victim", "break victim_touch", "continue", "delete",
              "break *handle_mm_fault if $rsi >> 36 == 5", "continue", "delete", *commands, "continue"]
    line = [shutil.which("gdb-multiarch") or "gdb", "-q", "-nx", "-batch", "-x", os.path.join(qemu.HERE, "gdb", "init.py"),
            "-ex", f"target remote 127.0.0.1:{port}"]
    for command in script:
        line += ["-ex", command]
    try:
        subprocess.run(line + [m.kernel], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        m.process.kill()
    return m.end(), m.console()


def null_pointer(out):
    # As if the caller had passed no VMA.
    status, text = by_gdb(out, "null", "set $rdi = 0x10")
    ok(status == 37, "a_panic_has_its_own_exit_status", f"status {status}")
    ok(re.search(r"Oops: page fault, error code (0x)?[0-9a-f]+", text), "vector_and_error_code")
    ok(re.search(r"(read|write) in kernel mode: user address 0000\w+: not present \(NULL pointer\)", text),
       "error_code_in_words")
    ok(re.search(r"Page tables for 0{13}\w{3} .*\n.*PGD .*\n.*PUD ", text) and re.search(r"CR2: 0{13}\w{3} ", text),
       "page_table_walk_of_the_address")
    ok(re.search(r"PID: \d+ Comm: gdb_victim", text), "the_task")
    ok(re.search(r"RIP: 0010:f{8}\w{8} handle_mm_fault", text) and "R15: " in text, "the_registers")
    ok(re.search(r"Locks held by gdb_victim/\d+:.*\n.*mmap_lock", text), "the_locks_held")
    trace = text.partition("Call trace:")[2]
    ok(re.search(r"handle_mm_fault\+.*\n.* do_page_fault\+.*\n.*user mode, ip", trace), "back_trace_to_the_program")


def stack_overflow(out):
    status, text = by_gdb(out, "stack",
                          "python gdb.execute('set $rsp = %d' % (int(quire.tasks.current()['stack']) + 8))")
    ok(status == 37 and "double fault: kernel stack overflow (guard page hit)" in text,
       "a_stack_overflow_hits_the_guard_page", f"status {status}")
    ok("handle_mm_fault" in text, "and_names_the_function")


def wild_jump(out):
    status, text = by_gdb(out, "jump", "set $rip = victim_touch")
    ok(status == 37 and "instruction fetch in kernel mode: user address" in text, "user_code_is_never_run_by_the_kernel",
       f"status {status}")


def by_monitor(out, name, command):
    """Boot to a shell command that waits, give the monitor COMMAND."""
    monitor = qemu.Monitor()
    m = Machine(out, name, "batch sh=echo+waiting;sleep+3;echo+went+on", monitor.options())
    try:
        m.wait_for(r"(?m)^waiting")
        monitor.ask(command)
        return m.end(), m.console()
    finally:
        monitor.close()


def non_maskable(out):
    status, text = by_monitor(out, "nmi", "nmi")
    ok(re.search(r"NMI received: CPU \d+, task ", text), "an_nmi_is_reported")
    ok(status == 33 and "went on" in text, "and_life_goes_on", f"status {status}")
    status, text = by_monitor(out, "mce", "mce 0 1 0xbe00000000000000 7 0x1000 0")
    ok(status == 37 and "machine check" in text, "a_machine_check_is_the_end", f"status {status}")


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else "build"
    null_pointer(out)
    stack_overflow(out)
    wild_jump(out)
    non_maskable(out)
    print(f"1..{number}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
