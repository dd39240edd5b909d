"""What every job does under `spark-submit`: it reads its settings and brings its one table up to date."""

import click

from recast.cli.options import OneLineCommand, one_line_errors, settings_options
from recast.jobs.running import refresh_stages
from recast.jobs.settings import Settings
from recast.lakehouse.stage import Stage


def submit(stage: Stage) -> None:
    """Run one stage as a program of its own."""

    @click.command(cls=OneLineCommand, name=stage.name, help=f"Bring {stage.name} up to date: {stage.target.about}.")
    @click.option("--retry", is_flag=True, help="Try again what failed for a reason that may have passed.")
    @settings_options()
    @one_line_errors
    def command(settings: Settings, retry: bool) -> None:
        if not refresh_stages(settings, [stage], retry=retry):
            click.echo(f"{stage.name} is up to date")

    command()
