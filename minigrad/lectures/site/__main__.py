"""The command that builds the site: python -m minigrad.lectures.site."""

from pathlib import Path

from minigrad.cli import run

from .building import build
from .problems import SiteError


def main() -> None:
    """Read the command line and build."""
    import click

    folder = click.Path(file_okay=False, path_type=Path)

    @click.command(help="Build the lectures' site.")
    @click.option("--lectures", default="lectures", show_default=True, type=folder, help="Sources.")
    @click.option("--out", default="build/site", show_default=True, type=folder, help="The site.")
    @click.option(
        "--work",
        default="build/lectures",
        show_default=True,
        type=folder,
        help="What is kept for the next time: packages, what lectures printed.",
    )
    def command(lectures, out, work):
        try:
            pages = build(lectures, out, work, click.echo)
        except SiteError as problem:
            raise click.ClickException(str(problem)) from None
        click.echo(f"{out / 'index.html'}: {len(pages)} pages")

    run(command)


if __name__ == "__main__":
    main()
