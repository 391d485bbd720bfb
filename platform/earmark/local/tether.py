"""Become a command that cannot outlive its starter; run as a script, it must not import the package.

    python -I -S tether.py STARTER_PID SIGNAL UID:GID|- COMMAND ARGUMENT...

On Linux the kernel sends SIGNAL when the starting thread dies, whatever it died of. A separate program,
because code between fork and exec is unsafe in a process with threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drop to the account, tie the life of this process to its starter's, and exec."""
    # everything is imported before the account changes, which may not be allowed to read Python's own files
    starter, signal_number, account, *command = arguments
    if account != "-":
        uid, gid = map(int, account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # after setuid, which clears it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number))
    if os.getppid() != int(starter):
        sys.exit("The process that started this one is gone.")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
