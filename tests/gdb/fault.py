"""Run inside gdb by tests/gdb/run.py: stop in the fault handler, walk up into the user function, look at everything."""
import gdb

ADDRESS = 0x5000000000
number = 0


def ok(condition, name, detail=""):
    global number
    number += 1
    print(f"{'ok' if condition else 'not ok'} {number} - {name}" + (f" # {detail}" if detail and not condition else ""))


def output(command):
    """The text of a command, or of its error."""
    try:
        return gdb.execute(command, to_string=True)
    except gdb.error as e:
        return f"error: {e}"


def names():
    """The functions of the stack, innermost first."""
    found, frame = [], gdb.newest_frame()
    while frame and len(found) < 40:
        found.append(frame.name() or "?")
        try:
            frame = frame.older()
        except gdb.error:
            break
    return found


def select(name):
    frame = gdb.newest_frame()
    while frame and frame.name() != name:
        frame = frame.older()
    if frame:
        frame.select()
    return frame


def main():
    gdb.execute("user-symbols gdb_victim")
    gdb.execute("break victim_touch")
    gdb.execute("continue")
    ok(gdb.newest_frame().name() == "victim_touch", "stop_in_a_user_function", gdb.newest_frame().name())
    gdb.execute("delete")

    gdb.execute("break handle_mm_fault")
    for _ in range(50):
        gdb.execute("continue")
        if int(gdb.newest_frame().read_var("address")) & ~0xFFF == ADDRESS:
            break
    address = int(gdb.newest_frame().read_var("address"))
    ok(address & ~0xFFF == ADDRESS, "fault_address", hex(address))
    gdb.execute("delete")

    stack = names()
    print("#", " < ".join(stack))
    ok(stack[:1] == ["handle_mm_fault"], "stop_in_the_fault_handler")
    ok("victim_touch" in stack and "victim_caller" in stack and "main" in stack, "back_trace_crosses_the_trap")
    frame = select("victim_touch")
    if frame:
        place = frame.find_sal()
        line = output(f"list {place.symtab.filename}:{place.line},{place.line}")
        ok("THE FAULT" in line, "source_line_of_the_user_function", line.strip())
        ok(int(frame.read_var("value")) == 41, "argument_of_the_user_function")
    ok("\n" in output("info source") and "gdb_victim.c" in output("frame"), "frame_shows_the_file")

    gdb.newest_frame().select()
    text = output(f"pt-walk {ADDRESS:#x}")
    ok("PML4[0]" in text and "PD" in text, "pt_walk_before_the_page_is_there", text)
    gdb.execute("finish")
    text = output(f"pt-walk {ADDRESS:#x}")
    ok("PT[0]" in text and "rw user" in text, "pt_walk_shows_the_new_page", text)
    ok("pfn=0x1234 rw user" in output("pte 0x1234067"), "pte_is_decoded")
    text = output("vmas")
    ok(f"{ADDRESS:016x}-{ADDRESS + 4096:016x} rw-p" in text and "stack" in text, "vmas", text)
    text = output("tasks")
    ok("init" in text and "gdb_victim" in text, "tasks", text)
    text = output("task-bt 1")
    ok("schedule" in text and "entered from user mode" in text, "back_trace_of_a_sleeping_task", text)

    gdb.execute("break debug_exit")
    gdb.execute("continue")
    ok("debug_exit" in names(), "the_program_goes_on_and_ends", str(names()))
    print(f"1..{number}\n# all done")


try:
    main()
except (gdb.error, RuntimeError) as e:
    ok(False, "script", str(e))
