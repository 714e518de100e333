"""Runs a program that reads files from strangers: `python sandbox.py MEMORY_BYTES CPU_SECONDS PROGRAM ARGUMENT ...`.

It gets so much memory and time on a processor, few open files, and can write none. As a program of its own rather than
a hook between fork and exec: such hooks may lock up a program that has threads.
"""

from __future__ import annotations

import os
import sys

OPEN_FILES = 32
STACK_BYTES = 1 << 20  # of a thread, which counts as memory whether it is used or not


def confine(memory_bytes: int, cpu_seconds: int) -> None:
    """Limits this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_AS: memory_bytes, resource.RLIMIT_CPU: cpu_seconds, resource.RLIMIT_FSIZE: 0,
              resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: OPEN_FILES,
              resource.RLIMIT_STACK: STACK_BYTES}  # fmt: skip
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    confine(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])
