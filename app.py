"""Throughline in a browser: `python app.py`. Also the entry point of a Space."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import threading

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before Gradio is imported
if os.environ.get("SPACES_ZERO_GPU"):
    import spaces  # type: ignore[import-not-found]  # noqa: F401  before anything looks for a GPU

from pipeline.backbones import checkpoints
from pipeline.errors import ThroughlineError
from pipeline.language import vocabulary
from storyboard import logs
from storyboard.process import settle
from storyboard.rendering.hosting import stoppable, wait_for_signal
from storyboard.rendering.model_choice import Choice, add_options
from storyboard.rendering.model_picker import allowed, remembered
from storyboard.rendering.workers import starting
from storyboard.studio import Studio, home


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="app.py", description="Throughline: a storyboard that remembers.")
    parser.add_argument("--port", help="port to listen on; default: GRADIO_SERVER_PORT, or 7860")
    add_options(parser)
    starting.add_options(parser)
    parser.set_defaults(model=None)
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> Choice:
    """The model that was asked for, else the one that was chosen on the page last, else the one that ships."""
    if options.model is not None:
        return Choice.of(options)
    options.model = Choice.model
    return remembered(home(), Choice.of(options))


def main(arguments: list[str] | None = None) -> int:
    """Serves the page until it is told to stop. Exit code 2 for what can't be served."""
    options = parse(arguments)
    try:
        with logs.to_stderr(), stoppable():
            serve(chosen(options), port_of(options.port), starting.Wanted.of(options))
    except (ThroughlineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        logs.event("stopped")
    return 0


def port_of(given: str | None) -> int | None:
    """The port that was asked for, here or by GRADIO_SERVER_PORT; None for Gradio's own choice. Raises
    ThroughlineError for what is no port."""
    asked = given or os.environ.get("GRADIO_SERVER_PORT")
    if asked and not (asked.isdecimal() and int(asked) <= 65535):
        raise ThroughlineError(f"port is {asked!r}: expected a whole number from 0 to 65535")
    return int(asked) if asked else None


def logins() -> list[tuple[str, str]]:
    """Who may log in, by THROUGHLINE_AUTH: "name:password,name:password"; nobody needs to without it.

    Raises ThroughlineError for anything else.
    """
    pairs = [entry.partition(":") for entry in os.environ.get("THROUGHLINE_AUTH", "").split(",") if entry.strip()]
    if not all(name.strip() and password for name, _, password in pairs):
        raise ThroughlineError("THROUGHLINE_AUTH is not a list of names and passwords: expected name:password,...")
    return [(name.strip(), password) for name, _, password in pairs]


def serve(choice: Choice, port: int | None, workers: starting.Wanted | None = None) -> None:
    """Serves the page. Raises ThroughlineError for a model that is not there and for workers that can't be had, OSError
    for a port that is taken. With workers the model stays as it is, for they hold it too."""
    from storyboard.interfaces.health import health
    from storyboard.ui.page import build, options

    folder, finisher = choice.find(), choice.finisher()
    samples = checkpoints.assets_folder() / "stories"
    words, offered = vocabulary.read(folder), choice if allowed() and workers is None else None
    studio = Studio(
        choice.load,
        home(),
        choice.digest(),
        samples,
        words,
        choice=offered,
        encoder=choice.encoder(),
        period=choice.period,
        continues=choice.continues,
        continuation=choice.continuation(),
    )
    studio.renderer.finisher = finisher
    try:
        if workers:
            studio.renderer.employ(starting.start(workers, choice, home()))
        threading.Thread(target=studio.maintenance.run, name="maintenance", daemon=True).start()
        mcp = importlib.util.find_spec("mcp") is not None  # the API's verbs as tools, where gradio[mcp] is installed
        told = {"prevent_thread_lock": True, "mcp_server": mcp, "auth": logins() or None, **options(studio)}
        build(studio).launch(server_port=port, **told)
        studio.renderer.warm_up()  # not before: the page is up sooner
        settle()
        logs.event("serving", port=port, notice=studio.library.notice, **health(studio))
        wait_for_signal()
    finally:
        studio.close()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # all is saved and closed; threads of the server and of a render have nothing to add
