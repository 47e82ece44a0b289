"""The commands that tools/gdb/init.py loads."""
