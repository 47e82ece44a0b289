"""Tasks: the list of them, their mappings, and the back traces of those that sleep."""
import gdb

STATES = ((0x80, "X"), (0x04, "T"), (0x400, "I"), (0x02, "D"), (0x01, "S"))
VM_LETTERS = ((1, "r"), (2, "w"), (4, "x"))


def thread_size():
    """THREAD_SIZE: a macro, so told by what only a SAN=1 kernel has."""
    return 32768 if gdb.lookup_global_symbol("kasan_stack_area") else 16384


def container(node, type_name, member):
    """The structure of which NODE (a pointer) is MEMBER."""
    kind = gdb.lookup_type(type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    return gdb.Value(int(node) - offset).cast(kind.pointer()).dereference()


def entries(head, type_name, member):
    """The structures on a list; HEAD is the list_head itself. A broken list ends the walk."""
    node, first, seen = head["next"], int(head.address), set()
    while int(node) and int(node) != first and int(node) not in seen:
        seen.add(int(node))
        yield container(node, type_name, member)
        node = node["next"]


def leaders():
    yield from entries(gdb.parse_and_eval("init_task")["tasks"], "struct task_struct", "tasks")


def threads():
    """Every task but the idle ones: each process, thread by thread."""
    for leader in leaders():
        group = list(entries(leader["signal"].dereference()["thread_head"], "struct task_struct", "thread_node")) \
            if int(leader["signal"]) else []
        yield from group or [leader]


def find(pid):
    for task in threads():
        if int(task["pid"]) == pid:
            return task
    raise gdb.GdbError(f"no task {pid}")


def state(task):
    if int(task["exit_state"]) & 0x30:
        return "Z"
    bits = int(task["__state"])
    return next((letter for bit, letter in STATES if bits & bit), "R")


def comm(task):
    return task["comm"].string(errors="replace")


def current():
    """The task of the selected CPU."""
    offset = gdb.parse_and_eval("per_cpu_offset")[gdb.selected_thread().num - 1]
    place = int(gdb.parse_and_eval("&current_task")) + int(offset) & (1 << 64) - 1
    return gdb.Value(place).cast(gdb.lookup_type("struct task_struct").pointer().pointer()).dereference()


class Tasks(gdb.Command):
    """tasks - list all tasks: pid, process, parent, state, CPU (* while it runs), name, where it waits."""

    def __init__(self):
        super().__init__("tasks", gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        print("  PID  TGID  PPID S CPU  NAME")
        for task in threads():
            parent = int(task["real_parent"]["pid"]) if int(task["real_parent"]) else 0
            print(f"{int(task['pid']):5} {int(task['tgid']):5} {parent:5} {state(task)} {int(task['cpu']):2}"
                  f"{'*' if int(task['on_cpu']) else ' '}  {comm(task)}")


def word(address):
    return int.from_bytes(bytes(gdb.selected_inferior().read_memory(address, 8)), "little")


def show_frame(number, pc):
    line = gdb.find_pc_line(pc - 1)
    where = f" at {line.symtab.filename}:{line.line}" if line.symtab else ""
    name = gdb.execute(f"info symbol {pc - 1:#x}", to_string=True).split(" in section")[0].strip()
    print(f"#{number:<2} {pc:#x} in {name}{where}")


def sleeping_backtrace(task):
    """From what the context switch saved on the task's stack, along the frame pointers."""
    low = int(task["stack"])
    top = low + thread_size()
    sp = int(task["thread"]["sp"])
    if not low < sp <= top - 56:
        print("   (it has not run yet, or its stack pointer is wrong)")
        return
    frame, pc = word(sp + 40), word(sp + 48)        # above r15, r14, r13, r12, rbx
    for number in range(40):
        show_frame(number, pc)
        if not low < frame <= top - 16:
            break
        frame, pc = word(frame), word(frame + 8)
        if pc < 1 << 63:
            break
    if int(task["mm"]):
        regs = gdb.Value(top).cast(gdb.lookup_type("struct pt_regs").pointer()) - 1
        print(f"   entered from user mode: ip {int(regs['ip']):#x} sp {int(regs['sp']):#x} "
              f"call {int(regs['orig_ax'].cast(gdb.lookup_type('long')))}")


def backtrace(task):
    print(f"task {int(task['pid'])} {comm(task)} {state(task)} on CPU {int(task['cpu'])}")
    if int(task["exit_state"]):
        print("   (it has ended)")
    elif not int(task["on_cpu"]):
        sleeping_backtrace(task)
    else:
        before = gdb.selected_thread()
        for thread in gdb.selected_inferior().threads():
            if thread.num == int(task["cpu"]) + 1:
                thread.switch()
                gdb.execute("bt 30")
        before.switch()


class TaskBt(gdb.Command):
    """task-bt PID|all - the back trace of a task, whether it runs or sleeps."""

    def __init__(self):
        super().__init__("task-bt", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        if not arg:
            raise gdb.GdbError("usage: task-bt PID|all")
        for task in threads() if arg == "all" else [find(int(arg, 0))]:
            try:
                backtrace(task)
            except gdb.MemoryError as e:
                print(f"   {e}")


def vmas(mm):
    """The mappings of an mm in the order of their addresses, from its red-black tree."""
    def visit(node):
        if int(node):
            yield from visit(node["rb_left"])
            yield container(node, "struct vm_area_struct", "vm_rb")
            yield from visit(node["rb_right"])
    root = mm["mm_rb"]
    yield from visit(root[root.type.strip_typedefs().fields()[0]])


class Vmas(gdb.Command):
    """vmas [PID] - the mappings of a process; without PID of the one that the selected CPU runs."""

    def __init__(self):
        super().__init__("vmas", gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        pid = int(arg, 0) if arg else int(current()["pid"])
        task = find(pid)
        if not int(task["mm"]):
            raise gdb.GdbError(f"{pid} {comm(task)}: a kernel thread, or it has ended")
        print(f"{pid} {comm(task)}")
        for vma in vmas(task["mm"].dereference()):
            flags = int(vma["vm_flags"])
            rights = "".join(c if flags & bit else "-" for bit, c in VM_LETTERS) + ("s" if flags & 8 else "p")
            kind = "file" if int(vma["vm_file"]) else "stack" if flags & 0x100 else "anon"
            touched = " anon_vma" if int(vma["anon_vma"]) else ""
            print(f"{int(vma['vm_start']):016x}-{int(vma['vm_end']):016x} {rights} pgoff {int(vma['vm_pgoff']):#x} "
                  f"{kind}{touched}  (struct vm_area_struct *){int(vma.address):#x}")


def register():
    Tasks()
    TaskBt()
    Vmas()
