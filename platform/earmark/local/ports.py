"""Loopback ports: which are free, and who listens on them."""

import socket

import psutil

from earmark.speech.errors import EarmarkError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on loopback `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def taken(port: int, service: str, setting: str) -> EarmarkError:
    """The error for a port another program listens on; names it, and the setting to change."""
    return EarmarkError(
        "local:port:taken",
        f"Port {port}, where {service} should listen, is taken{_holder(port)}.",
        f"Stop that program, or set {setting} to a free port.",
    )


def require_free(port: int, service: str, setting: str) -> None:
    """Raise EarmarkError `local:port:taken` unless `port` is free."""
    if not is_free(port):
        raise taken(port, service, setting)


def listens(pid: int, port: int) -> bool:
    """Whether process `pid` or a descendant of it listens on TCP `port`."""
    try:
        leader = psutil.Process(pid)
        family = [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return False
    return any(port in _ports(process) for process in family)


def _ports(process: psutil.Process) -> set[int]:
    try:
        connections = process.net_connections(kind="tcp")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return set()
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


def _holder(port: int) -> str:
    """` by NAME (process N)` where this user may see it, else nothing."""
    for process in psutil.process_iter(["name"]):
        if port in _ports(process):
            return f" by {process.info['name']} (process {process.pid})"
    return ""
