"""A service is a command, how to tell that it works, and how to end it; a child is one running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from earmark.local.environment import read_json, write_private
from earmark.local.ports import listens, taken
from earmark.speech.errors import EarmarkError

TETHER = Path(__file__).with_name("tether.py")
LOG_BYTES = 20_000_000
LOG_LINES = 12


@dataclass(frozen=True)
class Account:
    """A system account by numbers."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Port:
    """The loopback port a service listens on, and the setting that moves it."""

    number: int
    setting: str


@dataclass(frozen=True, kw_only=True)
class Service:
    """One long-running command of the stack. `ready` answers at once whether it does its work, and never raises."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    ready: Callable[[], bool]
    address: str = ""  # for people
    port: Port | None = None
    account: Account | None = None
    # generous: a death is seen at once, and a slow machine is no failure
    ready_seconds: float = 300.0
    stop: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    # when the first signal was not enough
    stop_at_once: signal.Signals = signal.SIGTERM
    # from the kernel, when the supervisor itself was killed
    orphaned: signal.Signals = signal.SIGTERM


@dataclass
class Child:
    """A service that was started, with the place in its log where this start begins."""

    service: Service
    process: subprocess.Popen[bytes]
    log: Path
    log_offset: int
    record: Path
    launched: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    family: list[psutil.Process] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        return self.process.poll()

    def check(self) -> bool:
        """Whether the service works; raises EarmarkError when it never will.

        `local:service:died` with its last log lines, `local:service:unready` after `ready_seconds`,
        `local:port:taken` when another program answers on its port.
        """
        service = self.service
        if self.exit_code is not None:
            raise self.death()
        if service.ready():
            port = service.port
            if port and not listens(self.pid, port.number):
                raise taken(port.number, service.name, port.setting)
            self.is_ready = True
        elif time.monotonic() - self.launched > service.ready_seconds:
            raise EarmarkError(
                "local:service:unready",
                f"{service.name} did not answer within {service.ready_seconds:.0f} s."
                f" Its log, {self.log}, ends:\n{self.last_lines()}\n",
                "Read the log; `earmark doctor` says what else is amiss.",
            )
        return self.is_ready

    def death(self) -> EarmarkError:
        """The error that says how the process ended."""
        return EarmarkError(
            "local:service:died",
            f"{self.service.name} ended ({ending(self.exit_code)})."
            f" Its log, {self.log}, ends:\n{self.last_lines()}\n",
            "Mend what the log names, then start again.",
        )

    def last_lines(self) -> str:
        """The end of what this start wrote to the log, indented."""
        with self.log.open("rb") as file:
            file.seek(self.log_offset)
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-LOG_LINES:]) or "    (nothing)"


def ending(exit_code: int | None) -> str:
    """`exit code 1`, or the name of the signal that ended a process."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    return signal.Signals(-exit_code).name


def launch(service: Service, *, logs: Path, records: Path) -> Child:
    """Start `service` in a session of its own, tied to the life of the calling thread.

    Its output is added to `logs/NAME.log`; `records/NAME.json` lets a later start find it.
    """
    for folder in (logs, records):
        folder.mkdir(parents=True, exist_ok=True)
    log = logs / f"{service.name}.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    account = f"{service.account.uid}:{service.account.gid}" if service.account else "-"
    tether = (
        sys.executable,
        "-I",
        "-S",
        str(TETHER),
        str(os.getpid()),
        str(int(service.orphaned)),
        account,
    )
    with log.open("ab") as output:
        offset = output.tell()
        process = subprocess.Popen(
            [*tether, *service.command],
            env=dict(service.environment),
            cwd=service.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    record = records / f"{service.name}.json"
    write_private(record, f'{{"pid": {process.pid}, "created": {_created(process.pid)}}}\n')
    return Child(service, process, log, offset, record)


def end(child: Child, *, hurried: Callable[[], bool]) -> None:
    """Wait for a child that was asked to stop, insist when it takes too long, and leave nothing of it running."""
    if not _wait(child.process, child.service.stop_seconds, hurried):
        _send(child.process, child.service.stop_at_once)
        if not _wait(child.process, 5.0, lambda: False):
            child.process.kill()
            child.process.wait()
    _end_all(child.family + _session(child.pid))
    child.record.unlink(missing_ok=True)


def ask_to_stop(child: Child) -> None:
    """Send the first, friendly signal, and note the descendants that must be gone at the end."""
    child.family = _family(child.pid)
    _send(child.process, child.service.stop)


def end_leftovers(records: Path) -> list[str]:
    """End what an earlier, killed supervisor left behind; the names of the services found running."""
    found = []
    for record in sorted(records.glob("*.json")):
        known = read_json(record, "local:record:unreadable")
        if members := _survivors(int(known["pid"]), float(known["created"])):
            _end_all(members)
            found.append(record.stem)
        record.unlink(missing_ok=True)
    return found


def _survivors(pid: int, created: float) -> list[psutil.Process]:
    """What is left of the session that process `pid`, born at `created` (unix seconds), led."""
    if created < psutil.boot_time():
        return []
    leader = _processes([pid])
    # the kernel does not give a session's number away while it has members: another leader means it is over
    if leader and abs(leader[0].create_time() - created) > 1.0:
        return []
    return _family(pid) + _session(pid)


def _created(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _wait(process: subprocess.Popen[bytes], seconds: float, hurried: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        if hurried() or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _processes(pids: list[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def _family(pid: int) -> list[psutil.Process]:
    return [child for each in _processes([pid]) for child in each.children(recursive=True)]


def _session(session: int) -> list[psutil.Process]:
    members = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == session:
                members.append(pid)
    return _processes(members)


def _end_all(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=10.0)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5.0)
