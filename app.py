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

from pipeline import backbones, vocabulary
from pipeline.errors import ThroughlineError
from storyboard.studio import Studio, home


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="app.py", description="Throughline: a storyboard that remembers.")
    parser.add_argument("--port", type=int, help="port to listen on; default: GRADIO_SERVER_PORT, or 7860")
    parser.add_argument("--model", default="picturebook", help="'picturebook' or a folder with a model_index.json")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Serves the page until it is interrupted. Exit code 2 for what can't be served."""
    options = parse(arguments)
    try:
        serve(options.model, options.port)
    except (ThroughlineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def logins() -> list[tuple[str, str]]:
    """Who may log in, by THROUGHLINE_AUTH: "name:password,name:password"; nobody needs to without it.

    Raises ThroughlineError for anything else.
    """
    pairs = [entry.partition(":") for entry in os.environ.get("THROUGHLINE_AUTH", "").split(",") if entry.strip()]
    if not all(name.strip() and password for name, _, password in pairs):
        raise ThroughlineError("THROUGHLINE_AUTH is not a list of names and passwords: expected name:password,...")
    return [(name.strip(), password) for name, _, password in pairs]


def serve(model: str, port: int | None) -> None:
    """Serves the page. Raises ThroughlineError for a model that is not there, OSError for a port that is taken."""
    from storyboard.ui.page import build, options

    folder = backbones.find(model)
    samples = backbones.assets_folder() / "stories"
    studio = Studio(lambda: backbones.load(model), home(), backbones.digest(folder), samples, vocabulary.read(folder))
    try:
        studio.renderer.warm_up()
        threading.Thread(target=studio.tidy, name="tidier", daemon=True).start()
        mcp = importlib.util.find_spec("mcp") is not None  # the API's verbs as tools, where gradio[mcp] is installed
        build(studio).launch(server_port=port, mcp_server=mcp, auth=logins() or None, **options(studio))
    finally:
        studio.close()


if __name__ == "__main__":
    sys.exit(main())
