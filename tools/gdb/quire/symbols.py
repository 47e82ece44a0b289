"""Symbols of user programs, so that a back trace goes on in the function that faulted."""
import os

import gdb

# Where `make` leaves programs with symbols, next to the kernel that gdb has loaded.
PLACES = ("", "user/tests", "user/tests/helper", "user/bin", "user")


class UserSymbols(gdb.Command):
    """user-symbols FILE - load the symbols of a static user program: a path, or a name as in /tests or /bin of the image.

All processes share one view of user space in gdb: load only the program that you look at."""

    def __init__(self):
        super().__init__("user-symbols", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, arg, from_tty):
        if not arg:
            raise gdb.GdbError("usage: user-symbols FILE")
        kernel = gdb.current_progspace().filename or "build/quire.elf"
        for place in PLACES:
            path = os.path.join(os.path.dirname(kernel), place, arg) if place else arg
            if os.path.isfile(path):
                gdb.execute(f"add-symbol-file {path}", to_string=True)
                print(f"symbols of {path}")
                return
        raise gdb.GdbError(f"{arg}: not found, neither as a path nor under {os.path.dirname(kernel)}/user")


def register():
    UserSymbols()
