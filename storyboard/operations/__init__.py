"""One registry of everything that can be done with stories.

An operation is one function whose parameters are described: `registry` makes a pydantic model of them, and from the two
come the edits, the page's calls, the HTTP endpoints and MCP tools, the shell commands and `docs/operations.md`.

    registry        what an operation is, and the three lists: EDITS, PAGE, VERBS
    arguments       the types of arguments that many share, with their descriptions
    edits           what `Studio.edit` can do; those for programs are endpoints, tools and commands as well
    inputs, views   what comes in, checked; what goes out, as plain JSON

What the page can call are methods of `Studio`; everything else that programs can do is in `interfaces.verbs`. May
import every room below the studio. Loads neither torch nor gradio.
"""
