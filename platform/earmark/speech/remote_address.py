"""Where a remote recogniser is: `http(s)://host:port/v1#model`, and whether we may talk to it. No torch, no network."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from earmark.speech.errors import EarmarkError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class RemoteAddress:
    """`base`: up to and with `/v1`, no slash at its end; `model`: as the server calls it; `place`: `host:port`."""

    base: str
    model: str
    place: str


def is_address(source: str) -> bool:
    """Whether `source` is an address rather than a folder or a hub id."""
    return source.startswith(("http://", "https://"))


def remote_address(source: str, hosts: Iterable[str]) -> RemoteAddress:
    """Take `source` apart. `hosts`: those we may talk to, `host` (its usual ports) or `host:port`.

    Raises EarmarkError `recognition:remote:address` for what is no such address or carries a password,
    `recognition:remote:not-allowed` for a server that is not among `hosts`.
    """
    try:
        parts = urlsplit(source)
        port = parts.port
    except ValueError as error:
        raise _malformed(source, str(error)) from error
    host = (parts.hostname or "").lower()
    if parts.scheme not in _PORTS or not host:
        raise _malformed(source, "it does not begin with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None or parts.query:
        raise _malformed("…", "an address carries no name, password or query; the key is EARMARK_REMOTE_KEY")
    if not parts.fragment:
        raise _malformed(source, "it does not say which model, after a #")
    usual = _PORTS[parts.scheme]
    written = f"[{host}]" if ":" in host else host
    place = f"{written}:{port or usual}"
    allowed = {each.lower() for each in hosts}
    if place not in allowed and not (port in (None, usual) and written in allowed):
        raise EarmarkError(
            "recognition:remote:not-allowed",
            f"{place} is not a server that clips may be sent to.",
            f"Who runs the platform may add {place} to EARMARK_REMOTE_HOSTS.",
        )
    base = f"{parts.scheme}://{written}" + (f":{port}" if port else "") + parts.path.rstrip("/")
    return RemoteAddress(base, parts.fragment, place)


def _malformed(source: str, reason: str) -> EarmarkError:
    return EarmarkError(
        "recognition:remote:address",
        f"{source!r} is no address of a remote recogniser: {reason}.",
        "Write it as http://host:port/v1#model.",
    )
