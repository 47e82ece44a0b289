#!/usr/bin/env python3
"""make mutants: wrong kernels that the tests must reject.

Each tests/mutants/*.patch opens with a line that says what is wrong and a line "Killed-by: PROGRAM[:CASE] [smp=N]".
The patch is applied to a copy of the tree, that kernel is built and runs the named test. If the test passes, the test
is the bug. Prints KTAP and ends in "N passed, N failed, N skipped"; a mutant that does not apply or build has failed, too.

    mutants.py --out DIR [--only NAME,...]
"""
import argparse
import os
import re
import shutil
import subprocess
import sys


def read(path):
    text = open(path).read()
    killed = re.search(r"^Killed-by: (\S+)(?: smp=(\d+))?$", text, re.M)
    if not killed:
        sys.exit(f"{path}: no line Killed-by: PROGRAM[:CASE] [smp=N]")
    return text.splitlines()[0], killed.group(1), killed.group(2) or "2"


def copy_tree(tree):
    """The files of this tree, times kept, so that only what a mutant touches is compiled again."""
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(".", tree, ignore=shutil.ignore_patterns("build", ".git", "*.pyc", "__pycache__"))


def run(words, cwd, log):
    with open(log, "a") as f:
        return subprocess.call(words, cwd=cwd, stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def judge(patch, tree, out, log):
    """None: the test named in PATCH rejects the kernel. Else what went wrong instead."""
    _, test, smp = read(patch)
    if run(["patch", "-p1", "--no-backup-if-mismatch", "-i", os.path.abspath(patch)], tree, log):
        return "the patch does not apply"
    try:
        # What a mutant leaves unused is no reason to reject it.
        if run(["make", f"O={out}", "WERROR=0", "-j2", "all"], tree, log):
            return "does not build"
        if not run(["make", f"O={out}", "WERROR=0", "check", f"TEST={test}", f"SMP={smp}"], tree, log):
            return f"{test} does not notice it"
        # Rejected by a test, or by an assert of the kernel on the way; but it must have got as far as running it.
        text = open(log, errors="replace").read()
        return None if f"begin {test.split(':')[0]}" in text else "did not get as far as the test"
    finally:
        run(["patch", "-R", "-p1", "--no-backup-if-mismatch", "-i", os.path.abspath(patch)], tree, log)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default="build")
    p.add_argument("--only", default="")
    args = p.parse_args()
    base = os.path.abspath(os.path.join(args.out, "mutants"))
    tree, out = os.path.join(base, "tree"), os.path.join(base, "build")
    os.makedirs(base, exist_ok=True)
    copy_tree(tree)
    only = [n for n in args.only.split(",") if n]
    killed = survived = 0
    for name in sorted(os.listdir("tests/mutants")):
        patch = os.path.join("tests/mutants", name)
        if not name.endswith(".patch") or (only and name[:-6] not in only):
            continue
        log = os.path.join(base, name[:-6] + ".log")
        open(log, "w").close()
        what, test, _ = read(patch)
        trouble = judge(patch, tree, out, log)
        killed, survived = killed + (not trouble), survived + bool(trouble)
        said = f"not ok {killed + survived} - {name[:-6]} ({trouble}: {log})\n# {what}" if trouble else \
            f"ok {killed + survived} - {name[:-6]} killed by {test}"
        print(said, flush=True)
    print(f"{killed} passed, {survived} failed, 0 skipped")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
