#!/usr/bin/env python3
"""An interactive session with busybox's shell over the serial line, as a person would type it. Prints KTAP.

    tests/session/shell.py [OUT]        OUT has quire.elf and initrd.cpio (default build)
"""
import os
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
import qemu     # noqa: E402

LIMIT_S = 30
PROMPT = r"quire:[^\n]*# \Z"


class Session:
    """A guest and what it has printed since it was last asked."""

    def __init__(self, out):
        line = qemu.command(kernel=os.path.join(out, "quire.elf"), initrd=os.path.join(out, "initrd.cpio"), smp=2,
                            mem="256M", append="console=ttyS0 quiet")
        self.machine = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.text, self.number, self.failed = "", 0, 0

    def type(self, keys):
        """A few keys at a time, as the line has a small buffer; before and after a control key the typist waits a bit."""
        for piece in re.findall(r"[\x03\x04\x1a\x1b]|[^\x03\x04\x1a\x1b]{1,8}", keys):
            special = piece in "\x03\x04\x1a\x1b"
            time.sleep(0.7 if special else 0.01)
            self.machine.stdin.write(piece.encode())
            self.machine.stdin.flush()
            time.sleep(0.7 if piece == "\x1b" else 0)

    def wait(self, pattern, limit_s=LIMIT_S):
        """The match of PATTERN in what comes; None if it does not come. What lies before is forgotten."""
        end = time.time() + limit_s
        while True:
            self.text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.text).replace("\r", "")
            found = re.search(pattern, self.text, re.M | re.S)
            if found:
                self.text = self.text[found.end():]
                return found
            ready, _, _ = select.select([self.machine.stdout], [], [], max(0, end - time.time()))
            data = os.read(self.machine.stdout.fileno(), 65536) if ready else b""
            if not data:
                return None
            self.text += data.decode(errors="replace")

    def check(self, name, keys, pattern, limit_s=LIMIT_S):
        """Type KEYS; PATTERN must come, then the prompt."""
        self.number += 1
        self.type(keys)
        good = self.wait(pattern, limit_s) and self.wait(PROMPT, limit_s)
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}", flush=True)
        if not good:
            self.failed += 1
            print("# last output:", repr(self.text[-400:]))
            self.type("\x03\n")
            self.wait(PROMPT, 5)
            self.text = ""


def session(s):
    s.number += 1
    started = s.wait(PROMPT, 60)
    print(f"{'ok' if started else 'not ok'} 1 - the_shell_comes_up")
    s.failed += not started
    # With a window size the line editor need not ask the terminal for it.
    s.check("stty", "stty rows 24 cols 80; stty size\n", r"\n24 80\n")
    s.check("pipeline", "echo one two three | tr ' ' '\\n' | sort | tail -n 1\n", r"\ntwo\n")
    s.check("redirection", "echo text > /tmp/f; cat < /tmp/f >> /tmp/f2; wc -c /tmp/f2\n", r"\n5 /tmp/f2\n")
    s.check("ctrl_c_ends_the_foreground", "sleep 1000\n" "\x03", r"\^C")
    s.check("status_after_ctrl_c", "echo status $?\n", r"\nstatus 130\n")
    s.check("ctrl_z_stops", "sleep 1000\n" "\x1a", r"Stopped")
    s.check("jobs_lists_it", "jobs\n", r"Stopped +sleep 1000\n")
    s.check("bg_goes_on", "bg; sleep 0.2; jobs\n", r"Running +sleep 1000\n")
    s.check("kill_ends_the_job", "kill %1; sleep 0.5; jobs; echo done\n", r"Terminated.*done\n")
    s.check("background_job", "sleep 0.3 & wait; echo waited $?\n", r"\nwaited 0\n")
    s.check("erase_and_kill_characters", "echo wronk\x7fg > /tmp/x; cat /tmp/x\n", r"\nwrong\n")
    s.type("cat\n")
    time.sleep(0.7)
    s.check("ctrl_d_ends_cat", "line\n\x04", r"line\nline\n")
    s.check("ps", "ps\n", r"PID +USER.*/init.*\bps\b")
    s.check("top", "top -b -n1 | head -n 4\n", r"Mem: .*CPU: .*Load average: ")
    s.check("free", "free\n", r"Mem: +\d+ +\d+ +\d+")
    s.check("mount", "mount\n", r"proc on /proc type proc")
    s.check("dd", "dd if=/dev/zero of=/tmp/z bs=1k count=100 2>&1; ls -l /tmp/z\n", r"100\+0 records out.*102400")
    s.check("find", "find /tests -name cow\n", r"\n/tests/cow\n")
    s.check("thousands_of_forks", "i=0; while [ $i -lt 1500 ]; do /bin/true; i=$((i+1)); done; echo end $i\n",
            r"\nend 1500\n", 120)
    s.check("subshells_and_here_documents", "(cd /tmp; pwd); cat <<E | wc -l\na\nb\nE\n", r"/tmp\n(?:> )*2\n")
    s.check("vi_edits", "vi /tmp/v\n" "ihello from vi\x1b:wq\n", r"")
    s.check("vi_has_written", "cat /tmp/v\n", r"\nhello from vi\n")
    s.check("script", "printf '#!/bin/sh\\necho script $1 $#\\n' > /tmp/s; chmod +x /tmp/s; /tmp/s a b\n", r"\nscript a 2\n")
    s.check("dmesg", "dmesg | head -n 1\n", r"Linux version 7\.1\.0-quire")
    s.check("exit_of_the_shell_gives_a_new_one", "exit\n", r"here is a new one")
    s.type("poweroff -f\n")
    s.number += 1
    try:
        status = s.machine.wait(30)
    except subprocess.TimeoutExpired:
        status = "none"
    print(f"{'ok' if status == 0 else 'not ok'} {s.number} - poweroff # QEMU's status {status}")
    s.failed += status != 0
    print(f"1..{s.number}")


def main():
    s = Session(sys.argv[1] if len(sys.argv) > 1 else "build")
    try:
        session(s)
    finally:
        s.machine.kill()
        s.machine.wait()
    sys.exit(1 if s.failed else 0)


if __name__ == "__main__":
    main()
