"""Texts, as the HTML that TensorBoard renders."""

from tensorboard import plugin_util
from tensorboard.plugins.text import text_plugin

SHOWS = {"text": ("text",)}
TABS = {"text"}


def answers(checks):
    tags = {run: sorted(by_tag) for run, by_tag in checks.series["text"].items()}
    found = checks.board.json("data/plugin/text/tags")
    yield "tags", tags, {run: sorted(tags) for run, tags in found.items()}
    for run, tag, calls in checks.each("text"):
        texts = [
            {"wall_time": call["wall_time"], "step": call["step"], "text": html(call)}
            for call in calls
        ]
        yield f"{run} {tag}", texts, checks.board.json("data/plugin/text/text", run=run, tag=tag)


def html(call):
    given = call["input"]
    if isinstance(given, str):
        return plugin_util.markdown_to_safe_html(given.encode())
    shape, warning = given["shape"], ""
    if len(shape) > 2:
        # The first table, with a warning about the rest.
        warning = plugin_util.markdown_to_safe_html(text_plugin.WARNING_TEMPLATE % len(shape))
    columns = shape[-1] if len(shape) > 1 else 1
    rows = shape[-2] if len(shape) > 1 else shape[0]
    texts = [text.encode() for text in given["strings"][: rows * columns]]
    return warning + plugin_util.markdowns_to_safe_html(texts, lambda cells: table(cells, columns))


def table(cells, columns):
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)] if columns else []
    rows = ["".join(f"<td>{cell}</td>\n" for cell in row) for row in rows]
    body = "".join(f"<tr>\n{row}</tr>\n" for row in rows)
    return f"<table>\n<tbody>\n{body}</tbody>\n</table>"
