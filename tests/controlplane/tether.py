"""Runs a program that dies with the thread that started it: `tether.py PARENT-PID PROGRAM ARGUMENT…`.

A test run that is killed outright would otherwise leave an etcd and six controllers behind. The kernel holds the tie
(PR_SET_PDEATHSIG survives exec), and a program of its own sets it, since code between fork and exec in a process with
threads may deadlock. On anything but Linux the program just runs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(sys.argv[1]):
            sys.exit("the parent died before it could be held on to")
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  the very point: no shell in between
