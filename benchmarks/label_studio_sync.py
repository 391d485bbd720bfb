"""A real Label Studio: how fast tasks go there, and whether every submission comes back once, whatever fails meanwhile.

python -m benchmarks.label_studio_sync [--quick]
"""

import http.client
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
import httpx

from benchmarks.reporting import Report, arguments, percentile, publish
from earmark.local.ports import free_port
from earmark.local.stack import Stack

SEED = 5
DROPPED = 0.05
PATIENCE_SECONDS = 180.0
GOALS = {"push_seconds_5000": 20.0, "lost": 0, "doubled": 0, "worst_lag_s": 60.0, "left_after_kills": 5000}


@dataclass(frozen=True)
class Size:
    """How much is done."""

    tasks: int = 5000
    kills: int = 20
    people: int = 20
    labelled: int = 2500
    seconds: float = 300.0
    restarts: int = 2
    think_seconds: float = 8.0


QUICK = Size(tasks=500, kills=3, people=5, labelled=300, seconds=20.0, restarts=0, think_seconds=2.0)


@dataclass
class Outcome:
    """What was submitted and when, by the text that tells it from others; when Label Studio was away."""

    submitted: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    outages: list[tuple[float, float]] = field(default_factory=list)
    calls: int = 0
    dropped: int = 0

    def lags(self) -> list[float]:
        """Seconds from each submission, or from the end of the outage it fell before, until it was here."""
        return [self.seen[text] - self._due(text) for text in self.submitted if text in self.seen]

    def _due(self, text: str) -> float:
        due = self.submitted[text]
        for began, ended in self.outages:
            if due <= ended and self.seen[text] >= began:
                due = max(due, ended)
        return due


@contextmanager
def dropping(site: str, port: int, outcome: Outcome) -> Iterator[None]:
    """A way to the site on which one call in twenty is lost."""
    target = urlsplit(site)
    rng, lock = random.Random(SEED), threading.Lock()

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                outcome.calls += 1
                is_lost = rng.random() < DROPPED
                outcome.dropped += is_lost
            if is_lost:
                self.close_connection = True
                return
            onward = http.client.HTTPConnection(str(target.hostname), target.port, timeout=30)
            onward.request("POST", self.path, body, {**self.headers, "Connection": "close"})
            answer = onward.getresponse()
            answer.read()
            onward.close()
            self.send_response(answer.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Relay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class Quiet:
    """A job's context that nobody watches."""

    job_id = 1
    attempt = 1

    def progress(self, done: float, total: float, note: str = "") -> None: ...

    def check(self) -> None: ...


def make_collection(slug: str, clips: int, people: Sequence[Any] = ()) -> Any:
    """A collection of clips that its champion has heard, with those who label in it."""
    from annotation.routing_models import Annotator
    from earmark.accounts.models import User
    from earmark.corpus.models import Clip, Collection, Recording
    from earmark.recognition.models import Alias, Hypothesis, ModelVersion

    collection = Collection.objects.create(slug=slug, name=slug.title())
    model, _ = ModelVersion.objects.get_or_create(name="tiny", defaults={"source": "nowhere"})
    Alias.objects.create(collection=collection, name=Alias.Name.CHAMPION, model=model)
    recording = Recording.objects.create(
        collection=collection, sha256=f"{hash(slug) % 2**64:064x}", name="all.wav", file="all.wav", bytes=1,
        seconds=3.0 * clips, rate=16_000, channels=1, format="WAV", language="en",
    )  # fmt: skip
    made = Clip.objects.bulk_create(
        [
            Clip(collection=collection, recording=recording, start=3.0 * n, seconds=3.0, language="en",
                 split="train", state=Clip.State.HEARD)
            for n in range(clips)
        ],
        batch_size=1000,
    )  # fmt: skip
    rng = random.Random(SEED)
    heard = [
        Hypothesis(clip=one, model=model, text=f"turn on light {one.pk}", confidence=rng.random(), flags=[])
        for one in made
    ]
    Hypothesis.objects.bulk_create(heard, batch_size=1000)
    for one in people:
        user = User.objects.create(username=one.email.split("@")[0], email=one.email)
        Annotator.objects.create(collection=collection, user=user, studio_email=one.email)
    return collection


def request(collection: Any, clips: int) -> Any:
    """A round that asks `clips` clips."""
    from annotation.rounds import request_round

    made, job = request_round(
        collection=collection,
        budget_seconds=3.0 * clips + 0.5,
        audit_share=0.1,
        strategy="annotation.acquisition.errors_per_second",
        seed=SEED,
        by=None,
    )
    job.delete()
    return made


def pushed(size: Size) -> float:
    """Seconds from asking for a round to all its tasks being in Label Studio, choosing included."""
    from annotation.rounds import open_round

    row = request(make_collection("pushed", size.tasks), size.tasks)
    began = time.perf_counter()
    open_round(Quiet(), round_id=row.pk)
    taken = time.perf_counter() - began
    require(tasks_there(row) == size.tasks, "not every clip was sent once")
    return taken


def killed(size: Size, push_seconds: float) -> int:
    """How many tasks there are after the opening was killed at random points and begun again; each clip once."""
    from django.db import connections

    from annotation.rounds import open_round

    row = request(make_collection("killed", size.tasks), size.tasks)
    rng = random.Random(SEED)
    for _ in range(size.kills):
        connections.close_all()
        child = os.fork()
        if child == 0:
            try:
                open_round(Quiet(), round_id=row.pk)
            finally:
                os._exit(0)
        time.sleep(rng.uniform(0.1, push_seconds * 2 / size.kills + 0.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    open_round(Quiet(), round_id=row.pk)
    return tasks_there(row)


def tasks_there(row: Any) -> int:
    """The tasks of the round's project; raises SystemExit where a clip has two."""
    from annotation.label_studio import client

    row.refresh_from_db()
    with client() as studio:
        clips = [one["data"]["clip"] for page in studio.tasks(row.project_id) for one in page]
    require(len(clips) == len(set(clips)) or row.status != "open", "a clip has two tasks")
    return len(clips)


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(otherwise)


def labelled(size: Size, stack: Stack, outcome: Outcome) -> None:
    """People label at once while Label Studio is killed and comes back; every submission is looked for here."""
    from annotation.models import Annotation
    from annotation.routing_models import Queue
    from earmark.config.commands.session import follow
    from earmark.demo.annotators import Annotator, accounts
    from earmark.jobs.models import Job

    team = accounts("benchmark", [f"person{n:02d}" for n in range(size.people)])
    signed_in = [sign_up(Annotator(stack.environment["LABEL_STUDIO_URL"], one)) for one in team]
    row = request(make_collection("labelled", size.labelled, team), size.labelled)
    from annotation.rounds import submit_opening

    job: Job = submit_opening(row)
    follow(job, "open", as_json=True)
    row.refresh_from_db()
    queues = {one.address: one.view_id for one in Queue.objects.filter(round=row)}
    until = time.monotonic() + size.seconds
    restarts = [until - size.seconds * (1 - (n + 1) / (size.restarts + 1)) for n in range(size.restarts)]
    away_since: float | None = None
    with ThreadPoolExecutor(size.people) as pool:
        working = [
            pool.submit(label, one, row.project_id, queues[one.account.email], until, size, outcome)
            for one in signed_in
        ]
        while not all(one.done() for one in working) or outcome.submitted.keys() - outcome.seen.keys():
            stack.tend()
            if away_since is not None and is_up(stack):
                outcome.outages.append((away_since, time.monotonic()))
                away_since = None
            if restarts and away_since is None and time.monotonic() >= restarts[0]:
                restarts.pop(0)
                os.kill(stack.pid("label-studio"), signal.SIGKILL)
                away_since = time.monotonic()
            for text in Annotation.objects.filter(deleted_at=None).values_list("text", flat=True):
                outcome.seen.setdefault(text, time.monotonic())
            if time.monotonic() > until + PATIENCE_SECONDS:
                break
            time.sleep(0.5)
        for one in working:
            one.result()


def is_up(stack: Stack) -> bool:
    """Whether Label Studio answers."""
    try:
        return httpx.get(f"{stack.environment['LABEL_STUDIO_URL']}/health", timeout=2).is_success
    except httpx.TransportError:
        return False


def sign_up(person: Any) -> Any:
    """A new account, through the organisation's invite link."""
    from annotation.label_studio import client

    with client() as studio:
        person.sign_in(invitation=studio.invitation())
    return person


def label(person: Any, project: int, view: int, until: float, size: Size, outcome: Outcome) -> None:
    """One person at work: takes the next task of their queue, thinks, submits, whatever happens to Label Studio."""
    from earmark.demo.annotators import Submission

    rng = random.Random(person.account.email)
    while time.monotonic() < until:
        time.sleep(rng.expovariate(1 / size.think_seconds))
        try:
            task = next_in_queue(person, project, view)
            if task is None:
                return
            text = f"what {person.account.email.split('@')[0]} hears in {task['data']['clip']}"
            person.submit(task, Submission(text, False, False, size.think_seconds), seed=SEED)
            outcome.submitted.setdefault(text, time.monotonic())
        except httpx.HTTPError:
            # away: what was not acknowledged is done again
            time.sleep(1.0)


def next_in_queue(person: Any, project: int, view: int) -> Any:
    """The next task, as Label Studio's own page asks for it when `?tab=VIEW&labeling=1` is opened."""
    shown = person._call("GET", f"/api/dm/views/{view}/").raise_for_status().json()["data"]
    answer = person._call(
        "POST",
        "/api/dm/actions/",
        params={"id": "next_task", "project": project, "tabID": view},
        json={name: shown[name] for name in ("filters", "ordering", "selectedItems")},
    )
    return None if answer.status_code == httpx.codes.NOT_FOUND else answer.raise_for_status().json()


def doubled() -> int:
    """How many submissions are here more than once."""
    from django.db.models import Count

    from annotation.models import Annotation

    same = Annotation.objects.filter(deleted_at=None).order_by().values("text").annotate(times=Count("id"))
    return same.filter(times__gt=1).count()


def page(size: Size, outcome: Outcome, lags: Sequence[float]) -> str:
    """What was measured and what it means."""
    away = ", ".join(f"{ended - began:.0f} s" for began, ended in outcome.outages) or "never"
    return f"""
A real Label Studio 1.23 (SQLite, its own development server) beside the platform's web process, worker, beat,
PostgreSQL and Redis, all on one machine.

**Push.** A round of {size.tasks} clips is opened: clips chosen, passes given out, tasks imported in batches of
500, listed again, and recorded. Then the same once more with the process killed (SIGKILL) {size.kills} times at
random points and begun again each time; what an import that outlived its sender still added is found and taken
away.

**Pull.** {size.people} simulated annotators with accounts and queues of their own take the next task, think
{size.think_seconds:.0f} s on average and submit, for {size.seconds:.0f} s. Label Studio is killed
{size.restarts} times meanwhile (away: {away}). Of {outcome.calls} webhook calls {outcome.dropped} were dropped
on the way. Every one of {len(outcome.submitted)} acknowledged submissions is looked for in our database by its
text. The lag counts from the submission, or from Label Studio's return where it was away between; median
{percentile(lags, 0.5):.1f} s, 95th percentile {percentile(lags, 0.95):.1f} s. A webhook asks for a sync within
2 s; what loses its webhook waits for the next one, or for the poll every 20 s at most.

Goals: 5,000 tasks in under {GOALS["push_seconds_5000"]:.0f} s; exactly {GOALS["left_after_kills"]} after the
kills; nothing lost, nothing doubled; under {GOALS["worst_lag_s"]:.0f} s after service returns.
"""


def main() -> None:
    """Push, kill, label; print and publish."""
    size = QUICK if (is_quick := arguments(str(__doc__)).quick) else Size()
    outcome, port = Outcome(), free_port()
    with tempfile.TemporaryDirectory(prefix="earmark-benchmark-") as folder:
        overrides = {"EARMARK_SITE_URL": f"http://127.0.0.1:{port}"}
        services = {"postgres", "redis", "label-studio"}
        with Stack(var=Path(folder), services=services, overrides=overrides) as stack:
            os.environ.update(stack.environment)
            os.environ["DJANGO_SETTINGS_MODULE"] = "earmark.config.settings"
            django.setup()
            from django.core.management import call_command
            from django.db import connections

            call_command("migrate", verbosity=0)
            push_seconds = pushed(size)
            print(f"pushed {size.tasks} in {push_seconds:.1f} s", flush=True)
            left = killed(size, push_seconds)
            stack.add("web", "worker-cpu", "beat")
            with dropping(f"http://{stack.environment['EARMARK_BIND']}", port, outcome):
                labelled(size, stack, outcome)
            lags, twice = outcome.lags(), doubled()
            connections.close_all()
    figures = {
        "push_seconds_5000": round(push_seconds * 5000 / size.tasks, 1),
        "left_after_kills": left,
        "submitted": len(outcome.submitted),
        "lost": len(outcome.submitted.keys() - outcome.seen.keys()),
        "doubled": twice,
        "worst_lag_s": round(max(lags), 1),
        "median_lag_s": round(percentile(lags, 0.5), 1),
        "webhooks_dropped": outcome.dropped,
    }
    publish(
        Report(
            benchmark="label_studio_sync",
            figures=figures,
            seeds=[SEED],
            page=page(size, outcome, lags),
        ),
        quick=is_quick,
    )


if __name__ == "__main__":
    main()
