"""The recogniser as a Gradio service of its own: what users of the original demo know, behind the platform's accounts.

Gradio is an extra of the package and brings a web server along, so it is imported only here, when it is asked for. It
reports to nobody and fetches nothing: no analytics, no tunnel, no fonts of others, no files by address.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import authenticate
from django.db import connection

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.accounts.sign_in import is_barred, record_refusal
from earmark.corpus.access import role_of
from earmark.corpus.models import Collection
from earmark.recognition.engines import engine_of, load_engine
from earmark.recognition.live import MODES, WRITTEN_EVERY_SECONDS, check_size, said_of
from earmark.recognition.live_hearing import MAX_BYTES, MAX_SECONDS, HeardClip, cut, hear
from earmark.speech.engine import Engine
from earmark.speech.errors import EarmarkError
from earmark.speech.remote_address import is_address

API_NAME = "transcribe"
WAITING = 16
"""How many may wait for their turn; whoever comes then is told that the service is busy."""
KEPT_SECONDS = 3_600
SWEPT_EVERY_SECONDS = 300
PEER = "gradio"

Answer = tuple[str, dict[str, Any]]


class Door:
    """Who may come in: active people with a password, members of `collection` if there is one."""

    def __init__(self, collection: Collection | None) -> None:
        self._collection = collection

    def opens(self, username: str, password: str) -> bool:
        """Whether these are the name and password of somebody who may; wrong ones count as everywhere."""
        if is_barred(username, PEER):
            return False
        person = authenticate(username=username, password=password)
        if not isinstance(person, User):
            record_refusal(username, PEER)
            return False
        audit(person, "sign in to gradio", f"user {person.pk}")
        return self._lets(person)

    def check(self, username: str | None) -> None:
        """Raise EarmarkError `recognition:gradio:refused` unless this signed-in person may still."""
        person = User.objects.filter(username=username, is_active=True).first()
        if person is None or not self._lets(person):
            raise EarmarkError(
                "recognition:gradio:refused",
                "Your account is closed, or is no longer a member of this service's collection.",
                "Ask an admin of the platform.",
            )

    def _lets(self, person: User) -> bool:
        return self._collection is None or role_of(person, self._collection) is not None


def answers(path: Path, *, engine: Engine, language: str) -> Iterator[Answer]:
    """The text so far and its words, a few times a second; last the whole.

    The second part has `words` (text, before, probability, start, end) and `clips` (start, seconds, confidence, flags);
    times in seconds into the file. Raises EarmarkError: the file's, the engine's, `recognition:listen:*`.
    """
    name = path.name
    check_size(path.stat().st_size)
    found = cut(path, name=name)
    clips: dict[int, HeardClip] = {}
    last = -float("inf")
    for clip in hear(path, found, name=name, engine=engine, language=language):
        clips[clip.number] = clip
        if time.monotonic() - last >= WRITTEN_EVERY_SECONDS:
            last = time.monotonic()
            yield _answer(clips, found.seconds)
    yield _answer(clips, found.seconds)


def _answer(clips: dict[int, HeardClip], seconds: float) -> Answer:
    said = [(clip, said_of(clip)) for _, clip in sorted(clips.items())]
    told = [
        {
            "start": round(clip.start, 3),
            "seconds": round(clip.seconds, 3),
            **{name: one[name] for name in _OF_A_CLIP},
        }
        for clip, one in said
    ]
    words = [word for _, one in said for word in one["words"]]
    text = "\n".join(one["text"] for _, one in said if one["text"])
    return text, {"seconds": round(seconds, 3), "clips": told, "words": words}


_OF_A_CLIP = ("text", "language", "confidence", "flags")


def coloured(told: dict[str, Any] | None) -> list[tuple[str, float | None]]:
    """The words for gradio's highlighter: each with how unsure the model is of it, 0 to 1."""
    words = told["words"] if told else []
    return [
        (
            word["before"] + word["text"],
            None if word["probability"] is None else round(1 - word["probability"], 3),
        )
        for word in words
    ]


def application(engine: Engine, *, door: Door | None, model: str) -> Any:
    """The gradio app, not started: one endpoint `/transcribe`, audio and language in, text and words out.

    `door` is None where everybody may. Raises EarmarkError `recognition:gradio:missing`.
    """
    gradio = _gradio()

    def transcribe(audio: str | None, language: str, request: Any = None) -> Iterator[Answer]:
        try:
            if door:
                _alone(door.check)(getattr(request, "username", None))
            if audio is None:
                raise EarmarkError(
                    "recognition:listen:empty", "No audio was given.", "Record or choose some."
                )
            yield from answers(Path(audio), engine=engine, language=language or MODES[0])
        except EarmarkError as error:
            raise gradio.Error(f"{error} ({error.error_id})", print_exception=False) from None

    transcribe.__annotations__["request"] = gradio.Request
    with gradio.Blocks(
        title="Earmark", analytics_enabled=False, delete_cache=(SWEPT_EVERY_SECONDS, KEPT_SECONDS)
    ) as app:
        gradio.Markdown(
            f"# Earmark\n{model}. At most {MAX_BYTES / 1e6:.0f} MB and {MAX_SECONDS / 60:.0f} minutes; "
            f"what is given is deleted within {KEPT_SECONDS // 60 + SWEPT_EVERY_SECONDS // 60} minutes."
        )
        with gradio.Row():
            with gradio.Column():
                audio = _audio(
                    gradio,
                    label="Audio",
                    type="filepath",
                    sources=["upload", "microphone"],
                    buttons=["download"],
                )
                language = gradio.Dropdown(list(MODES), value=MODES[0], label="Language")
                button = gradio.Button("Transcribe", variant="primary")
            with gradio.Column():
                text = gradio.Textbox(label="Text", lines=4)
                highlighted = gradio.HighlightedText(label="Words, darker where the model doubts", value=[])
                words = gradio.JSON(label="Words and times", open=False)
        button.click(transcribe, [audio, language], [text, words], api_name=API_NAME, concurrency_limit=1)
        words.change(
            coloured, words, highlighted, api_visibility="private", queue=False, show_progress="hidden"
        )
    return app.queue(max_size=WAITING, default_concurrency_limit=1)


def serve(app: Any, *, door: Door | None, host: str, port: int) -> str:
    """Start `app` in threads of this process; the address it answers at.

    Raises EarmarkError `recognition:gradio:port` when it cannot listen there.
    """
    gradio = _gradio()
    sans, mono = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    try:
        _, address, _ = app.launch(
            server_name=host,
            server_port=port,
            auth=_awaited(door.opens) if door else None,
            max_file_size=MAX_BYTES,
            theme=gradio.themes.Default(primary_hue="teal", font=sans, font_mono=mono),
            footer_links=["api"],
            prevent_thread_lock=True,
            show_error=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            run_history=False,
            enable_monitoring=False,
        )
    except OSError as error:
        raise EarmarkError(
            "recognition:gradio:port",
            f"The service cannot listen on {host}:{port}: {error}",
            "Choose another --port, or end what listens there.",
        ) from error
    return str(address)


def engine_at(source: str) -> Engine:
    """The engine of the model at `source` (a folder, a hub id or an address), registered or not, on EARMARK_DEVICE.

    Raises EarmarkError `recognition:model:unavailable` and `recognition:engine:*`.
    """
    from earmark.speech.model_folder import find_folder

    folder = None if is_address(source) else find_folder(source)
    told = settings.EARMARK.engine if source == settings.EARMARK.model else ""
    return load_engine(told or engine_of(source, folder), source, settings.EARMARK.device)


def check_open(host: str) -> None:
    """Raise EarmarkError `recognition:gradio:open` for a service without sign-in that others could reach."""
    if host not in ("127.0.0.1", "::1", "localhost"):
        raise EarmarkError(
            "recognition:gradio:open",
            f"Without sign-in the service would be open to whoever reaches {host}.",
            "Leave --open away, or serve on --host 127.0.0.1.",
        )


def _alone(ask: Callable[..., Any]) -> Callable[..., Any]:
    """`ask` for a thread that no request of Django's tidies up after: it leaves no connection behind."""

    def asked(*given: Any) -> Any:
        try:
            return ask(*given)
        finally:
            connection.close()

    return asked


def _awaited(ask: Callable[..., Any]) -> Callable[..., Any]:
    """`ask` for gradio's event loop, which must not wait for a database."""

    async def asked(*given: Any) -> Any:
        return await sync_to_async(_alone(ask), thread_sensitive=False)(*given)

    return asked


def _audio(gradio: Any, **options: Any) -> Any:
    """Gradio's audio component, without its way to make this server fetch a file from an address.

    Not a class of its own: gradio would write a stub of it beside this file.
    """
    made = gradio.Audio(**options)
    move = made.async_move_resource_to_block_cache

    async def move_what_was_sent(url_or_file_path: Any) -> Any:
        if "://" in str(url_or_file_path):
            raise gradio.Error("Send the file, not its address.", print_exception=False)
        return await move(url_or_file_path)

    made.async_move_resource_to_block_cache = move_what_was_sent
    return made


def _gradio() -> Any:
    try:
        import gradio
    except ImportError as error:
        raise EarmarkError(
            "recognition:gradio:missing",
            f"Gradio is not installed ({error.name}).",
            "Install the extra: uv pip install -c constraints.txt 'earmark[gradio]'.",
        ) from error
    return gradio
