"""`earmark serve-gradio`: the recogniser as a service of its own."""

import os
import signal
import sys
import tempfile
from typing import Any

import click

from earmark.config.commands.session import platform_command, say

QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_TELEMETRY": "1"}
"""Read by gradio and what it builds on when they are imported: nothing of ours is reported to anyone."""


@click.command("serve-gradio")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=7860, show_default=True, help="The port to listen on.")
@click.option("--model", "source", help="A model folder, hub id or address. [default: EARMARK_MODEL]")
@click.option(
    "-c", "--collection", "slug", help="Serve the champion of this collection, to its members alone."
)
@click.option("--open", "is_open", is_flag=True, help="Without sign-in; only on this machine's own address.")
@platform_command
def serve_gradio(
    host: str, port: int, source: str | None, slug: str | None, is_open: bool, as_json: bool
) -> None:
    """Serve the recogniser as a Gradio app: a page, and /gradio_api/ for `gradio_client`.

    \b
    client = Client("http://127.0.0.1:7860", auth=("name", "password"))
    text, words = client.predict(handle_file("a.wav"), "auto", api_name="/transcribe")

    People sign in with their accounts of the platform. The model is loaded into this process, on EARMARK_DEVICE; one
    recording is heard at a time, and a few may wait.
    """
    from earmark.recognition import live_gradio

    if source and slug:
        raise click.UsageError("Give --model or --collection, not both.")
    if is_open:
        live_gradio.check_open(host)
    with tempfile.TemporaryDirectory(prefix="earmark-gradio-") as given:
        os.environ.update(QUIET, GRADIO_TEMP_DIR=given)
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
        name, engine, collection = _engine(source, slug)
        door = None if is_open else live_gradio.Door(collection)
        app = live_gradio.application(engine, door=door, model=name)
        address = live_gradio.serve(app, door=door, host=host, port=port)
        say(
            {"address": address, "api": f"{address}gradio_api/", "model": name, "open": is_open},
            as_json=as_json,
        )
        sys.stdout.flush()
        app.block_thread()


def _engine(source: str | None, slug: str | None) -> tuple[str, Any, Any]:
    """What is to hear, its name, and the collection whose champion it is. Raises EarmarkError."""
    from django.conf import settings

    from earmark.config.commands.session import find_collection
    from earmark.recognition.live_gradio import engine_at
    from earmark.recognition.registry import champion, engine_for

    if slug:
        collection = find_collection(slug)
        model = champion(collection)
        return model.name, engine_for(model), collection
    source = source or settings.EARMARK.model
    return source.rstrip("/").rsplit("/", 1)[-1], engine_at(source), None
