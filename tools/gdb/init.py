"""Commands for gdb that know the kernel's data structures. Load with:  gdb -nx -x tools/gdb/init.py build/quire.elf

`help quire` lists them. Each file under tools/gdb/quire has one subject:
    paging.py   pt-walk, pte            page tables
    tasks.py    tasks, task-bt, vmas    tasks, their stacks and mappings
    symbols.py  user-symbols            symbols of user programs
"""
import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("set print pretty on")
# Frames above a system call belong to user programs; a damaged one must not run on for ever.
gdb.execute("set backtrace limit 64")


class Quire(gdb.Command):
    """Quire's own commands; each has its own help.

pt-walk ADDR [PID]     walk the page tables of an address
pte VALUE              decode a page-table entry
vmas [PID]             the mappings of a process
tasks                  all tasks
task-bt PID|all        back trace of a task, running or not
user-symbols FILE      load the symbols of a user program"""

    def __init__(self):
        super().__init__("quire", gdb.COMMAND_DATA, prefix=True)

    def invoke(self, arg, from_tty):
        print(self.__doc__)


Quire()

import quire.paging     # noqa: E402
import quire.tasks      # noqa: E402
import quire.symbols    # noqa: E402

quire.paging.register()
quire.tasks.register()
quire.symbols.register()
