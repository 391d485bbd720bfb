"""The trainer as a child of the worker: it ends with the worker, and the next one takes its checkpoint up."""

import os
import signal
import socket
import subprocess
from contextlib import suppress

from training_jobs.launchers import trainer_process
from training_jobs.launchers.launcher import STOPPED, Handle, Launch

STOP_SECONDS = 30.0
_children: "dict[int, subprocess.Popen[bytes]]" = {}


class LocalLauncher:
    """`python -m training_jobs.recipe` (or torchrun) on the worker's own host."""

    stays = True

    def start(self, launch: Launch) -> Handle:
        """Start the trainer once no other works in the folder. Raises EarmarkError `training:folder:busy`."""
        trainer_process.wait_until_free(launch.folder)
        arguments = trainer_process.command(launch.folder, launch.processes)
        child = trainer_process.spawn(launch.folder, trainer_process.on_devices(arguments, launch.devices))
        _children[child.pid] = child
        return {"host": socket.gethostname(), "pid": child.pid}

    def poll(self, launch: Launch, handle: Handle) -> int | None:
        """The exit code of our child; one that another worker had is ended by now, or saves its checkpoint.

        torchrun ends with 1 whatever the trainers ended with that it was told to end.
        """
        child = _children.get(handle.get("pid", 0))
        if child is None or handle.get("host") != socket.gethostname():
            return STOPPED if trainer_process.is_free(launch.folder) else None
        code = child.poll()
        if code is not None:
            _children.pop(handle["pid"])
        hides = launch.processes > 1 and code == 1 and bool(handle.get("told"))
        return STOPPED if hides else code

    def stop(self, launch: Launch, handle: Handle, *, hard: bool) -> None:
        """SIGTERM for the trainer, or SIGKILL for it and all it started."""
        child = _children.get(handle.get("pid", 0))
        if child is None or child.poll() is not None:
            return
        with suppress(ProcessLookupError):
            if hard:
                os.killpg(child.pid, signal.SIGKILL)
            else:
                child.terminate()

    def leave(self, handle: Handle) -> None:
        """Let the trainer save a checkpoint; kill it when that takes over STOP_SECONDS."""
        child = _children.pop(handle.get("pid", 0), None)
        if child is None or child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
