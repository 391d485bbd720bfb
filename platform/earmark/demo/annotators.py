"""Simulated annotators: people with accounts in Label Studio who ask for the next task, listen, type and submit.

They are clients of Label Studio's HTTP API and of nothing else. What they hear is given to them; what they
write has the slips, skips and doubts of people. Each decision depends on the seed and the clip alone, so that
a round is labelled alike whoever of them gets which task, and however often it is begun again.
"""

import hashlib
import hmac
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Lock
from types import TracebackType
from typing import Any, Self

import httpx
from django.conf import settings

from annotation.label_studio import client
from annotation.models import Round
from annotation.project import AUDIO, QUALITY, TRANSCRIPTION, UNINTELLIGIBLE
from earmark.demo.mistakes import mistype
from earmark.speech.errors import EarmarkError

NAMES = ("anna", "bo", "chen")
SKIP_RATE = 0.02
UNINTELLIGIBLE_RATE = 0.015
TIMEOUT_SECONDS = 60.0
PATIENCE = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Waits before a call is tried again: Label Studio on SQLite refuses a write while another goes on."""
_SUBMISSIONS = uuid.UUID("6f0f9f0e-5a55-4d0c-9f3c-1e3a0a9d7f10")


@dataclass(frozen=True)
class Account:
    """How somebody signs in to Label Studio."""

    email: str
    password: str


@dataclass
class Tally:
    """What the annotators have done."""

    labelled: int = 0
    skipped: int = 0
    unintelligible: int = 0
    lead_seconds: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def done(self) -> int:
        """Tasks submitted."""
        return self.labelled + self.skipped + self.unintelligible

    def count(self, submission: "Submission") -> int:
        """Add one; returns how many there are."""
        with self._lock:
            self.skipped += submission.skipped
            self.unintelligible += submission.unintelligible
            self.labelled += not (submission.skipped or submission.unintelligible)
            self.lead_seconds += submission.lead_seconds
            return self.done


@dataclass(frozen=True)
class Submission:
    """What an annotator decided about one task; `lead_seconds` is the time it took them."""

    text: str
    skipped: bool
    unintelligible: bool
    lead_seconds: float

    def result(self) -> list[dict[str, Any]]:
        """The answer as the editor sends it."""
        parts = []
        if self.text:
            parts.append(_part(TRANSCRIPTION, "textarea", "text", self.text))
        if self.unintelligible:
            parts.append(_part(QUALITY, "choices", "choices", UNINTELLIGIBLE))
        return parts


def decide(task: Mapping[str, Any], spoken: str, *, seed: int) -> Submission:
    """What an annotator who hears `spoken` submits for `task`: a pure function of seed, clip and what is shown.

    They skip 2 % and cannot make out 1.5 %; else they type what they hear, slipping on 2 % of the characters.
    The time is one and a half listenings, three where the shown text was wrong, and some typing.
    """
    data = task["data"]
    rng = Random(f"{seed}:{data['clip']}")
    doubt = rng.random()
    skipped = doubt < SKIP_RATE
    unintelligible = not skipped and doubt < SKIP_RATE + UNINTELLIGIBLE_RATE
    text = "" if skipped or unintelligible else mistype(spoken, rng)
    agrees = text == shown_text(task)
    seconds = float(data["seconds"]) * (1.5 if agrees else 3.0) + (1.5 if agrees else 2.5 + 0.3 * len(text))
    lead = seconds * rng.lognormvariate(0.0, 0.35)
    return Submission(text, skipped, unintelligible, round(lead, 3))


def shown_text(task: Mapping[str, Any]) -> str:
    """The pre-transcription in the box."""
    for prediction in task.get("predictions", []):
        for part in prediction["result"]:
            if part["from_name"] == TRANSCRIPTION:
                return str(part["value"]["text"][0])
    return ""


class Annotator:
    """One signed-in person. Use as a context manager."""

    def __init__(self, url: str, account: Account) -> None:
        self.account = account
        # a connection a call: see annotation.label_studio
        self._http = httpx.Client(
            base_url=url, timeout=TIMEOUT_SECONDS, limits=httpx.Limits(max_keepalive_connections=0)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def sign_in(self, *, invitation: str = "") -> None:
        """Sign in as the account; with the token of the organisation's invite link, sign up as a new person.

        Raises EarmarkError `demo:annotator:sign-in`.
        """
        entered = (
            self._enter("/user/signup/", token=invitation) if invitation else self._enter("/user/login/")
        )
        if not entered:
            raise EarmarkError(
                "demo:annotator:sign-in",
                f"{self.account.email} cannot sign {'up' if invitation else 'in'} at {self._http.base_url}.",
                "The account is of another installation: delete it in Label Studio.",
            )
        token = self._call("GET", "/api/current-user/token").raise_for_status().json()["token"]
        self._http.cookies.clear()
        self._http.headers["Authorization"] = f"Token {token}"

    def _enter(self, path: str, **query: str) -> bool:
        """Fill in one of the two forms; whether it let us in."""
        self._http.get(path, params=query)
        form = {
            "email": self.account.email,
            "password": self.account.password,
            "csrfmiddlewaretoken": self._http.cookies.get("csrftoken", ""),
        }
        answer = self._http.post(path, params=query, data=form, headers={"Referer": str(self._http.base_url)})
        return answer.is_redirect

    def next_task(self, project: int) -> dict[str, Any] | None:
        """The task Label Studio wants this person to do next, with its pre-transcription; None when none is left."""
        answer = self._call("GET", f"/api/projects/{project}/next")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        task: dict[str, Any] = answer.raise_for_status().json()
        return task

    def listen(self, task: Mapping[str, Any]) -> None:
        """Fetch the task's audio as the player does. Raises EarmarkError `demo:annotator:silent`."""
        address = task["data"][AUDIO]
        answer = httpx.get(address, headers={"Range": "bytes=0-"}, timeout=TIMEOUT_SECONDS)
        if not answer.is_success or not answer.content:
            raise EarmarkError(
                "demo:annotator:silent",
                f"The audio of clip {task['data']['clip']} does not play: {answer.status_code}.",
                "Read the site's log.",
            )

    def submit(self, task: Mapping[str, Any], submission: Submission, *, seed: int) -> None:
        """Submit the answer; sent twice, it is one annotation."""
        shown = task.get("predictions") or []
        body = {
            "result": submission.result(),
            "was_cancelled": submission.skipped,
            "lead_time": submission.lead_seconds,
            "parent_prediction": shown[0]["id"] if shown else None,
            "unique_id": str(uuid.uuid5(_SUBMISSIONS, f"{task['id']}:{task['data']['round']}:{seed}")),
        }
        answer = self._call(
            "POST",
            f"/api/tasks/{task['id']}/annotations/",
            params={"project": task["project"]},
            json=body,
        )
        if answer.status_code != httpx.codes.CONFLICT:
            answer.raise_for_status()

    def _call(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Call, patiently: a server error or a lost connection is tried again."""
        for wait in PATIENCE:
            try:
                answer = self._http.request(method, path, **content)
            except httpx.TransportError:
                time.sleep(wait)
                continue
            if not answer.is_server_error:
                return answer
            time.sleep(wait)
        return self._http.request(method, path, **content)


def label_round(
    round: Round,
    spoken: Mapping[int, str],
    *,
    seed: int,
    listen: bool = False,
    watch: Callable[[int], None] = lambda done: None,
) -> Tally:
    """Label everything that waits in the round, by three annotators at once; returns what they did.

    `spoken`: what is said in each clip, by its id. With `listen` they fetch each clip's audio first, which
    needs the site to run. `watch(done)` is told after each submission. Raises EarmarkError
    `demo:annotator:sign-in`, `demo:annotator:silent`, and httpx's errors.
    """
    if round.project_id is None:
        raise EarmarkError(
            "annotation:round:not-open", f"Round {round.number} is not in Label Studio.", "Open it first."
        )
    url, project, tally = settings.EARMARK.label_studio_url, round.project_id, Tally()
    # People do not click within the same tenth of a second. If they do, Label Studio on SQLite gives two the same
    # task, for it looks for a lock and sets one in two steps, and refuses a write while another goes on.
    clicking = Lock()

    def next_task(annotator: Annotator) -> dict[str, Any] | None:
        with clicking:
            return annotator.next_task(project)

    def work(account: Account, invitation: str) -> None:
        with Annotator(url, account) as annotator:
            annotator.sign_in(invitation=invitation)
            while task := next_task(annotator):
                if listen:
                    annotator.listen(task)
                submission = decide(task, spoken[task["data"]["clip"]], seed=seed)
                with clicking:
                    annotator.submit(task, submission, seed=seed)
                watch(tally.count(submission))

    team = accounts(settings.SECRET_KEY)
    invitations = _invitations(team)
    with ThreadPoolExecutor(len(team), thread_name_prefix="annotator") as people:
        for finished in [people.submit(work, one, invitations[one.email]) for one in team]:
            finished.result()
    return tally


def accounts(secret: str, names: Sequence[str] = NAMES) -> list[Account]:
    """The annotators' accounts. Passwords are made from the installation's secret, so that nothing stores them."""
    emails = [f"{name}@annotators.earmark.local" for name in names]
    return [
        Account(email, hmac.new(secret.encode(), email.encode(), hashlib.sha256).hexdigest()[:32])
        for email in emails
    ]


def _invitations(team: Sequence[Account]) -> dict[str, str]:
    """For each email address the token of the invite link, or nothing for somebody who has an account."""
    with client() as studio:
        known = set(studio.emails().values())
        token = studio.invitation()
    return {one.email: "" if one.email in known else token for one in team}


def _part(control: str, kind: str, name: str, value: str) -> dict[str, Any]:
    return {"from_name": control, "to_name": AUDIO, "type": kind, "value": {name: [value]}}
