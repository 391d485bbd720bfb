"""What runs, what does not, and what to do about it; for the embedded stack and for any other."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earmark.local import health, lock
from earmark.local.environment import load

PROJECT = Path(__file__).resolve().parents[3]
INSTALLED = {
    "Label Studio": PROJECT / ".venv-label-studio" / "bin" / "label-studio",
    "htmx": PROJECT / "node_modules" / "htmx.org" / "dist" / "htmx.min.js",
    "ECharts": PROJECT / "node_modules" / "echarts" / "dist" / "echarts.common.min.js",
}
# where each service's address comes from, when it is not the embedded one
SETTINGS = {
    "postgres": "DATABASE_URL",
    "broker": "CELERY_BROKER_URL",
    "label-studio": "LABEL_STUDIO_URL",
    "web": "EARMARK_SITE_URL",
    "worker-cpu": "CELERY_BROKER_URL",
    "worker-gpu": "CELERY_BROKER_URL",
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
    """Look at all the platform needs: with `variables`, the process environment, over the embedded settings.

    A service that does not answer takes some seconds. Raises EarmarkError only for a broken `local.json`.
    """
    if variables.get("DATABASE_URL") or variables.get("CELERY_BROKER_URL"):
        return _services(variables, lambda name: f"start it, or correct {SETTINGS[name]}")
    runs = _stack(var)
    settings = {**load(var), **variables}
    return [
        _set_up(),
        runs,
        *_services(settings, _advice(var, runs=runs.is_fine)),
        _beat(var, runs=runs.is_fine),
    ]


def _services(settings: Mapping[str, str], advice: Callable[[str], str]) -> list[Finding]:
    checks = {
        "postgres": health.database_answers,
        "broker": health.broker_answers,
        "label-studio": lambda url: health.http_answers(f"{url}/health"),
        "web": lambda url: health.http_answers(url.rstrip("/") + health.SITE_PATH),
    }
    findings = []
    for name, answers in checks.items():
        url = settings.get(SETTINGS[name], "")
        shown = re.sub(r"//[^@/]*@", "//", url)
        if url and answers(url):
            findings.append(Finding(name, True, f"answers at {shown}"))
        else:
            seen = f"does not answer at {shown}" if url else "has no address"
            findings.append(Finding(name, False, seen, advice(name)))
    by_name = {each.name: each for each in findings}
    if by_name["label-studio"].is_fine:
        findings += _label_studio_key(settings)
    return findings + _workers(settings if by_name["broker"].is_fine else {}, advice)


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


def _advice(var: Path, *, runs: bool) -> Callable[[str], str]:
    if not runs:
        return lambda name: "run `make run`"
    logs = {"broker": "redis"}
    return lambda name: (
        f"it is started again by itself; if it does not come back, read {var}/logs/{logs.get(name, name)}.log"
    )


def _label_studio_key(settings: Mapping[str, str]) -> list[Finding]:
    key = settings.get("LABEL_STUDIO_API_KEY", "")
    # a personal access token (a JWT) would first have to be exchanged: not for a look
    if "." in key:
        return []
    who = f"{settings['LABEL_STUDIO_URL']}/api/current-user/whoami"
    if health.http_answers(who, {"Authorization": f"Token {key}"}):
        return [Finding("label-key", True, "Label Studio knows our key")]
    do = "set LABEL_STUDIO_API_KEY to the token of an administrator of Label Studio"
    return [Finding("label-key", False, "Label Studio does not know our key", do)]


def _workers(settings: Mapping[str, str], advice: Callable[[str], str]) -> list[Finding]:
    url = settings.get("CELERY_BROKER_URL")
    known = health.consumers(url) if url else {}
    findings = []
    for process, queue in health.QUEUES.items():
        workers = sorted(name for name, queues in known.items() if queue in queues)
        seen = f"{', '.join(workers)} on queue {queue}" if workers else f"nobody works on queue {queue}"
        findings.append(Finding(process, bool(workers), seen, "" if workers else advice(process)))
    return findings


def _beat(var: Path, *, runs: bool) -> Finding:
    if health.beat_answers(var):
        return Finding("beat", True, "sends what is due")
    return Finding("beat", False, "has sent nothing for a minute", _advice(var, runs=runs)("beat"))
