"""`earmark demo`: the whole loop on demo speech, with simulated annotators."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import click
import django

from earmark.local.commands import embedded_stack, port_options


@click.command()
@click.option("--exit", "exit_when_done", is_flag=True, help="Stop the services when the report is written.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of the speech, the people and the training."
)
@port_options
def demo(exit_when_done: bool, seed: int, site_port: int, label_studio_port: int) -> None:
    """Start the platform, write a demo corpus, and turn the loop twice.

    Speech is synthesised in dialects the first model knows and in dialects it never heard; simulated annotators
    label a small share of it in Label Studio, over its HTTP interface; the model is trained, measured on a frozen
    test set, and promoted when it is better. The report goes to var/demo/report.json.
    """
    with embedded_stack(site_port=site_port, label_studio_port=label_studio_port) as stack:
        os.environ.update(stack.environment)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earmark.config.settings")
        django.setup()
        from earmark.demo.running import run, show

        pool = ThreadPoolExecutor(1, thread_name_prefix="demo")
        try:
            running = pool.submit(run, stack.var, seed)
            while not running.done():
                stack.tend()
                time.sleep(0.2)
        finally:
            # on Ctrl-C the services stop now; without them the demo ends by itself
            pool.shutdown(wait=False)
        show(running.result(), stack.var)
        if not exit_when_done:
            stack.serve()
