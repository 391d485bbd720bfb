"""`earmark ingest`, `status`, `member`."""

from pathlib import Path

import click

from earmark.accounts.roles import Role
from earmark.config.commands.session import collection_option, find_collection, follow, platform_command, say


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--manifest",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV or JSONL that gives files a speaker, language, dialect, split, text or licence.",
)
@collection_option
@platform_command
def ingest(folder: Path, manifest: Path | None, slug: str | None, as_json: bool) -> None:
    """Bring in every audio file below FOLDER.

    WAV, FLAC, MP3 and OGG at any rate. A file already in the collection is not brought in twice; a file that
    cannot be heard is recorded with its reason, and the rest goes on. The collection is made when it is new.
    """
    from earmark.corpus.ingest import submit_ingest
    from earmark.corpus.models import Collection
    from earmark.corpus.services import create_collection

    if slug and not Collection.objects.filter(slug=slug).exists():
        create_collection(slug=slug, name=slug.replace("-", " ").capitalize(), by=None)
    collection = find_collection(slug)
    made, job = submit_ingest(collection=collection, source=folder, manifest=manifest)
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
