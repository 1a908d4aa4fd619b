"""Texts, as the HTML that TensorBoard makes of them."""

from tensorboard import plugin_util

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
    return plugin_util.markdown_to_safe_html(call["input"].encode())
