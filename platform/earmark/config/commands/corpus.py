"""`earmark ingest`, `status`, `member`."""

from pathlib import Path

import click

from earmark.accounts.roles import Role
from earmark.config.commands.session import collection_option, find_collection, follow, platform_command, say

LAYOUTS = ("files", "kaldi", "nemo", "lhotse", "audiofolder", "common_voice")
CHANNELS = ("mix", "first", "split")


class Place(click.ParamType):
    """A folder or an archive that is there, or an address of a bucket."""

    name = "place"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`value`, once it is known to be one."""
        if not value.startswith("s3://"):
            click.Path(exists=True).convert(value, param, ctx)
        return value


@click.command()
@click.argument("place", type=Place())
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default=None,
    help="What describes the audio; `files` for nothing but the audio, or --manifest.",
)
@click.option(
    "--manifest",
    type=click.Path(exists=True, path_type=Path),
    help="CSV or JSONL that gives files a speaker, language, dialect, split, text or licence; with another layout, "
    "the manifest or data directory that describes the audio in PLACE.",
)
@click.option(
    "--speaker-from",
    metavar="REGEX",
    default="",
    help="What a file's path says, by named groups: speaker, language, dialect, split. "
    "As in '(?P<speaker>[^/]+)/[^/]+$'.",
)
@click.option(
    "--channels",
    type=click.Choice(CHANNELS),
    default="mix",
    show_default=True,
    help="Of a file with several channels hear their mean, the first alone, or each as a voice of its own.",
)
@collection_option
@platform_command
def ingest(
    place: str,
    layout: str | None,
    manifest: Path | None,
    speaker_from: str,
    channels: str,
    slug: str | None,
    as_json: bool,
) -> None:
    """Bring in the audio of PLACE: a folder, a zip or tar archive, or s3://bucket/prefix.

    WAV, FLAC, MP3, OGG, M4A, WebM, AIFF, AMR, WMA and more, at any rate. A file already in the collection is not
    brought in twice; a file that cannot be heard is recorded with its reason, and the rest goes on. The collection
    is made when it is new.
    """
    from django.db import transaction

    from earmark.corpus.ingest import submit_ingest
    from earmark.corpus.models import Collection
    from earmark.corpus.services import create_collection

    with transaction.atomic():
        if slug and not Collection.objects.filter(slug=slug).exists():
            create_collection(slug=slug, name=slug.replace("-", " ").capitalize(), by=None)
        collection = find_collection(slug)
        made, job = submit_ingest(
            collection=collection,
            source=place,
            layout=layout or "",
            manifest=manifest,
            speaker_from=speaker_from,
            channels=channels,
        )
    finished = follow(job, "ingest", as_json=as_json)
    failed = [f"{row.path}: {row.error_id}" for row in made.files.filter(outcome="failed")[:50]]
    say(
        {"collection": collection.slug, "import": made.pk, **finished.result, "first_failed": failed},
        as_json=as_json,
    )


@click.command()
@collection_option
@platform_command
def status(slug: str | None, as_json: bool) -> None:
    """Where the loop stands: recordings, clips by state, rounds, champion, error rate."""
    from earmark.loop.queries import turn_state

    say(turn_state(find_collection(slug)).as_dict(), as_json=as_json)


@click.command()
@click.argument("username")
@click.argument("role", type=click.Choice(Role.values))
@click.option("--email", help="Address of a new person; the password is asked for.")
@collection_option
@platform_command
def member(username: str, role: str, email: str | None, slug: str | None, as_json: bool) -> None:
    """Give USERNAME a ROLE in the collection; with --email, make the person when new."""
    from earmark.accounts.models import User
    from earmark.accounts.services import ensure_person
    from earmark.corpus.services import add_member
    from earmark.speech.errors import EarmarkError

    collection = find_collection(slug)
    if email and not User.objects.filter(username=username).exists():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        ensure_person(username=username, email=email, password=password)
    user = User.objects.filter(username=username).first()
    if user is None:
        raise EarmarkError(
            "accounts:person:unknown", f"There is no person {username!r}.", "Give --email to make them."
        )
    add_member(collection=collection, user=user, role=Role(role))
    say({"person": username, "collection": collection.slug, "role": role}, as_json=as_json)
