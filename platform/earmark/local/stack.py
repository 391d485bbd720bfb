"""The embedded stack: starts the services in order, keeps them up, and ends them in order."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from earmark.local import application, broker, environment, label_studio, postgres
from earmark.local.credentials import Credentials, load_or_create
from earmark.local.lock import take_lock
from earmark.local.ports import free_port, require_free
from earmark.local.service import Child, Service, ask_to_stop, end, end_leftovers, ending, launch

GROUPS: Mapping[str, tuple[str, ...]] = {
    "postgres": ("postgres",),
    "redis": ("redis",),
    "label-studio": ("label-studio",),
    "site": ("web",),
    "workers": ("worker-cpu", "worker-gpu", "beat"),
    **{name: (name,) for name in ("web", "worker-cpu", "worker-gpu", "beat")},
}
ALL = ("postgres", "redis", "label-studio", "site", "workers")
BACKENDS = ("postgres", "redis")
STOP_ORDER = (("beat", "worker-cpu", "worker-gpu"), ("web", "label-studio"), ("redis",), ("postgres",))
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0


@dataclass
class _Restart:
    """How often a service has died of late, and when it is started again."""

    deaths: int
    due: float


@dataclass
class Stack:
    """A context manager: on entering, the chosen services run; on leaving, none of them does.

    `services`: names of GROUPS. Site and workers bring PostgreSQL and Redis with them. Ports of None are picked.
    `environment` (after entering): the settings with which any process of the platform reaches these services,
    also written to `var/local.json`. `overrides` are put over it. `durable=False` is for data that may be lost.
    `say(service, what)` is told of each change. Enter, tend and leave it on one thread, which must live as long:
    on Linux the services die with it.
    """

    var: Path
    services: Iterable[str] = ALL
    site_port: int | None = None
    label_studio_port: int | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    durable: bool = True
    say: Callable[[str, str], None] = lambda service, what: None
    environment: dict[str, str] = field(default_factory=dict, init=False)
    admin_created: bool = field(default=False, init=False)
    stopping: bool = field(default=False, init=False)
    hurry: bool = field(default=False, init=False)
    _children: dict[str, Child] = field(default_factory=dict, init=False)
    _restarts: dict[str, _Restart] = field(default_factory=dict, init=False)
    _lock: IO[str] | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the chosen services and return when each does its work.

        Raises EarmarkError `local:stack:running`, `local:port:taken`, `local:service:died`, `:unready` or
        `local:prepare:failed`; then nothing is left running.
        """
        self.stopping = self.hurry = False
        self.var = self.var.resolve()
        self._lock = take_lock(self.var)
        try:
            for name in end_leftovers(self._records):
                self.say(name, "ended what an earlier start had left running")
            self.credentials: Credentials = load_or_create(self.var)
            self._ports = {name: free_port() for name in BACKENDS}
            self._ports["web"] = self.site_port or free_port()
            self._ports["label-studio"] = self.label_studio_port or free_port()
            self.environment = self._settings()
            self.add(*self.services)
        except BaseException:
            self.stop()
            raise

    def add(self, *services: str) -> None:
        """Start more services; those that run already are left alone. Raises as `start` does."""
        wanted = _processes(services)
        self._require_ports(wanted)
        environment.save(self.var, self.environment)
        ours = [name for name in wanted if name in application.procfile()]
        for name in ("label-studio", *BACKENDS):
            if name in wanted:
                self._launch(name)
        self._await(BACKENDS)
        if "postgres" in wanted:
            postgres.ensure_database(self._ports["postgres"], self.credentials)
        if ours:
            self._prepare()
        # the site first: people wait for it
        for names in (["web"] if "web" in ours else [], ours):
            for name in names:
                self._launch(name)
            self._await(names)
        self._await(wanted)

    @property
    def running(self) -> tuple[str, ...]:
        """The processes that were started and not stopped."""
        return tuple(self._children)

    def pid(self, name: str) -> int:
        """The process id of a running service, by its process name (`worker-cpu`)."""
        return self._children[name].pid

    def tend(self) -> None:
        """Start again, after a pause that doubles with each death, what died; returns at once."""
        for name, child in list(self._children.items()):
            restart = self._restarts.get(name)
            if child.exit_code is not None and (restart is None or restart.due == 0):
                self._plan_restart(name, child, restart)
            elif child.exit_code is not None and restart and time.monotonic() >= restart.due:
                restart.due = 0
                end(child, hurried=lambda: True)
                self._launch(name, again=True)
            elif restart and not child.is_ready and child.service.ready():
                child.is_ready = True
                self.say(name, "runs again")
            elif restart and time.monotonic() - child.launched > STEADY_SECONDS:
                del self._restarts[name]

    def serve(self) -> None:
        """Tend the services until KeyboardInterrupt, which is the way to end it."""
        with suppress(KeyboardInterrupt):
            while True:
                self.tend()
                time.sleep(0.5)

    def stop(self) -> None:
        """End all services: beat and workers, site and Label Studio, Redis, PostgreSQL. Set `hurry` not to wait."""
        self.stopping = True
        for names in STOP_ORDER:
            children = [self._children.pop(name) for name in names if name in self._children]
            for child in children:
                ask_to_stop(child)
            for child in children:
                end(child, hurried=lambda: self.hurry)
                self.say(child.service.name, "stopped")
        if self._lock:
            environment.forget(self.var)
            self._lock.close()
            self._lock = None

    @property
    def _records(self) -> Path:
        return self.var / "run"

    @property
    def _logs(self) -> Path:
        return self.var / "logs"

    def _settings(self) -> dict[str, str]:
        """The stack's environment: everything the platform's settings require."""
        known, ports = self.credentials, self._ports
        return {
            "EARMARK_VAR": str(self.var),
            "EARMARK_MEDIA": str(self.var / "media"),
            "EARMARK_BIND": f"127.0.0.1:{ports['web']}",
            "EARMARK_SITE_URL": application.site_url(ports["web"]),
            "EARMARK_WEBHOOK_SECRET": known.webhook_secret,
            "SECRET_KEY": known.secret_key,
            "DATABASE_URL": postgres.url(ports["postgres"], known),
            "CELERY_BROKER_URL": broker.url(ports["redis"], known),
            "LABEL_STUDIO_URL": label_studio.url(ports["label-studio"]),
            "LABEL_STUDIO_API_KEY": known.label_studio_token,
            **self.overrides,
        }

    def _require_ports(self, wanted: Iterable[str]) -> None:
        for name, title, setting in (
            ("web", "the site", application.SITE_SETTING),
            ("label-studio", "Label Studio", label_studio.SETTING),
        ):
            if name in wanted and name not in self._children:
                require_free(self._ports[name], title, setting)

    def _prepare(self) -> None:
        began = time.monotonic()
        admin = {
            "EARMARK_ADMIN_USERNAME": self.credentials.admin_username,
            "EARMARK_ADMIN_PASSWORD": self.credentials.admin_password,
        }
        told = application.prepare({**self.environment, **admin}, log=self._logs / "prepare.log")
        self.admin_created = bool(json.loads(told)["admin_created"])
        self.say("prepare", f"database and static files are up to date ({time.monotonic() - began:.1f} s)")

    def _service(self, name: str) -> Service:
        port, known = self._ports.get(name, 0), self.credentials
        if name == "postgres":
            return postgres.service(var=self.var, port=port, credentials=known, durable=self.durable)
        if name == "redis":
            return broker.service(var=self.var, port=port, credentials=known, durable=self.durable)
        if name == "label-studio":
            return label_studio.service(var=self.var, port=port, credentials=known)
        return application.service(name, self.environment, site_port=self._ports["web"])

    def _launch(self, name: str, *, again: bool = False) -> None:
        if again or name not in self._children:
            self._children[name] = launch(self._service(name), logs=self._logs, records=self._records)

    def _await(self, names: Iterable[str]) -> None:
        """Return when all of `names` that were launched are ready; a death of any child on the way is an error."""
        while not all(self._children[name].is_ready for name in names if name in self._children):
            for child in self._children.values():
                if not child.is_ready and child.check():
                    at = f" at {child.service.address}" if child.service.address else ""
                    self.say(child.service.name, f"ready{at} ({time.monotonic() - child.launched:.1f} s)")
            time.sleep(0.03)

    def _plan_restart(self, name: str, child: Child, known: _Restart | None) -> None:
        deaths = known.deaths + 1 if known else 1
        pause = min(LONGEST_PAUSE, 2.0 ** (deaths - 1))
        self._restarts[name] = _Restart(deaths, time.monotonic() + pause)
        what = ending(child.exit_code)
        self.say(name, f"died ({what}), starts again in {pause:.0f} s; log: {child.log}")


def _processes(services: Iterable[str]) -> list[str]:
    """The processes of `services` with what they need, each once, in starting order."""
    chosen = {process for service in services for process in GROUPS[service]}
    if chosen - {*BACKENDS, "label-studio"}:
        chosen |= set(BACKENDS)
    return [name for name in (*BACKENDS, "label-studio", "web", *GROUPS["workers"]) if name in chosen]
