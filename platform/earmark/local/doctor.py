"""What runs, what does not, and what to do about it; for the embedded stack and for any other."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earmark.local import health, lock
from earmark.local.environment import load

PROJECT = Path(__file__).resolve().parents[3]
EXTERNAL = ("DATABASE_URL", "CELERY_BROKER_URL")
INSTALLED = {
    "Label Studio": PROJECT / ".venv-label-studio" / "bin" / "label-studio",
    "htmx": PROJECT / "node_modules" / "htmx.org" / "dist" / "htmx.min.js",
    "ECharts": PROJECT / "node_modules" / "echarts" / "dist" / "echarts.min.js",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: in order or not, what was seen, and what a person should do."""

    name: str
    is_fine: bool
    seen: str
    do: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def examine(var: Path, variables: Mapping[str, str]) -> list[Finding]:
    """Look at everything the platform needs, from the process environment over the embedded stack's settings.

    Takes up to some seconds per service that does not answer; raises EarmarkError only for a broken `local.json`.
    """
    is_embedded = not any(variables.get(name) for name in EXTERNAL)
    settings = {**load(var), **variables}
    findings = [_set_up(), _stack(var)] if is_embedded else []
    advice = _advice(var, is_embedded=is_embedded, runs=lock.holder(var) is not None)
    findings += [
        _service("postgres", settings.get("DATABASE_URL"), health.database_answers, advice),
        _service(
            "redis" if is_embedded else "broker", settings.get("CELERY_BROKER_URL"), _broker_answers, advice
        ),
        _label_studio(settings, advice),
        _service("web", settings.get("EARMARK_SITE_URL"), _site_answers, advice),
        *_workers(settings.get("CELERY_BROKER_URL"), advice),
    ]
    if is_embedded:
        alive = health.beat_answers(var)
        seen = "sends what is due" if alive else "has sent nothing for a minute"
        findings.append(Finding("beat", alive, seen, "" if alive else advice["beat"]))
    return findings


def _set_up() -> Finding:
    missing = [name for name, path in INSTALLED.items() if not path.exists()]
    if missing:
        return Finding("set-up", False, f"not installed: {', '.join(missing)}", "run `make setup`")
    return Finding("set-up", True, "complete")


def _stack(var: Path) -> Finding:
    holder = lock.holder(var)
    if holder is None:
        return Finding("stack", False, f"nothing runs over {var}", "run `make run`")
    return Finding("stack", True, f"runs over {var} (process {holder})")


class _Advice(dict[str, str]):
    """What to do about a service that does not answer, by its name."""


def _advice(var: Path, *, is_embedded: bool, runs: bool) -> _Advice:
    names = ("postgres", "redis", "broker", "label-studio", *health.PROCESSES)
    if not is_embedded:
        settings = {
            "postgres": "DATABASE_URL",
            "broker": "CELERY_BROKER_URL",
            "label-studio": "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
            "web": "EARMARK_SITE_URL",
        }
        return _Advice(
            {name: f"start it, or correct {settings.get(name, 'CELERY_BROKER_URL')}" for name in names}
        )
    if not runs:
        return _Advice(dict.fromkeys(names, "run `make run`"))
    return _Advice({name: f"it is started again by itself; read {var / 'logs' / name}.log" for name in names})


def _service(name: str, url: str | None, answers: Any, advice: _Advice) -> Finding:
    if not url:
        return Finding(name, False, "has no address", advice[name])
    shown = _without_password(url)
    if answers(url):
        return Finding(name, True, f"answers at {shown}")
    return Finding(name, False, f"does not answer at {shown}", advice[name])


def _label_studio(settings: Mapping[str, str], advice: _Advice) -> Finding:
    url, key = settings.get("LABEL_STUDIO_URL"), settings.get("LABEL_STUDIO_API_KEY", "")
    found = _service("label-studio", url, lambda url: health.http_answers(f"{url}/health"), advice)
    # a personal access token (a JWT) would first have to be exchanged
    if not found.is_fine or "." in key:
        return found
    if not health.http_answers(f"{url}/api/current-user/whoami", {"Authorization": f"Token {key}"}):
        return Finding(
            "label-studio",
            False,
            f"answers at {url}, but not to our key",
            "set LABEL_STUDIO_API_KEY to the token of an administrator of Label Studio",
        )
    return found


def _site_answers(url: str) -> bool:
    return health.http_answers(url.rstrip("/") + health.SITE_PATH)


def _broker_answers(url: str) -> bool:
    return health.broker_answers(url)


def _workers(broker_url: str | None, advice: _Advice) -> list[Finding]:
    known = health.consumers(broker_url) if broker_url and _broker_answers(broker_url) else {}
    findings = []
    for process, queue in health.QUEUES.items():
        workers = sorted(name for name, queues in known.items() if queue in queues)
        seen = f"{', '.join(workers)} on queue {queue}" if workers else f"nobody works on queue {queue}"
        findings.append(Finding(process, bool(workers), seen, "" if workers else advice[process]))
    return findings


def _without_password(url: str) -> str:
    return re.sub(r"//[^@/]*@", "//", url)
