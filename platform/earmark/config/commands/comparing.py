"""`earmark compare`."""

from pathlib import Path

import click

from earmark.config.commands.models import find_model
from earmark.config.commands.session import collection_option, find_collection, follow, platform_command, say
from earmark.speech.errors import EarmarkError


def _in_a_folder(to: Path | None) -> Path | None:
    """`to`, refused before anything is heard where it could not be written at the end."""
    if to is not None and not to.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {to.parent}")
    return to


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--snapshot", "digest", help="First characters of its digest; the frozen test set when not given."
)
@click.option("--digits", is_flag=True, help="Count 二十三, twenty-three and 23 as the same.")
@click.option("--simplified", is_flag=True, help="Count traditional and simplified characters as the same.")
@click.option(
    "--sample-seconds",
    type=float,
    default=60.0,
    show_default=True,
    help="Audio that is heard afresh to measure speed and memory.",
)
@click.option("--markdown", is_flag=True, help="Print the whole comparison as Markdown.")
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    callback=lambda context, parameter, to: _in_a_folder(to),
    help="Write the Markdown to this file.",
)
@collection_option
@platform_command
def compare(
    a: str,
    b: str,
    digest: str | None,
    digits: bool,
    simplified: bool,
    sample_seconds: float,
    markdown: bool,
    to: Path | None,
    slug: str | None,
    as_json: bool,
) -> None:
    """Compare the models A and B on the same clips.

    Both hear the clips they have not heard. Told are error rates with a paired bootstrap, by language, dialect,
    speaker, noise and length, speed, memory, size, and what each one's confidence is worth. With --json the whole
    report is printed.
    """
    from training_jobs import comparison_markdown
    from training_jobs.comparing import request_comparison
    from training_jobs.comparison_table import groups
    from training_jobs.snapshots_named import snapshot_named

    comparison = request_comparison(
        a=find_model(a),
        b=find_model(b),
        snapshot=snapshot_named(find_collection(slug), digest),
        digits=digits,
        simplified=simplified,
        sample_seconds=sample_seconds,
    )
    if comparison.job is None:
        raise EarmarkError("comparison:job:missing", f"Comparison {comparison.pk} has no job.", "Ask again.")
    follow(comparison.job, f"compare {a} {b}", as_json=as_json or markdown)
    comparison.refresh_from_db()
    if to:
        to.write_text(comparison_markdown.markdown(comparison), encoding="utf-8")
    if as_json:
        say({"comparison": comparison.pk, **comparison.report}, as_json=True)
    elif markdown:
        click.echo(comparison_markdown.markdown(comparison))
    else:
        _show(groups(comparison.report), comparison.a.name, comparison.b.name)


def _show(groups: list, a: str, b: str) -> None:
    from rich.table import Table

    from earmark.config.commands.session import console

    shown = Table("", a, b, "A to B")
    for group in groups:
        shown.add_section()
        shown.add_row(f"[bold]{group.title}[/bold]")
        for line in group.lines:
            sides = [
                f"[bold green]{text}[/bold green]" if line.better == side else text
                for side, text in (("a", line.a), ("b", line.b))
            ]
            shown.add_row(line.label, *sides, line.change)
    console.print(shown)
