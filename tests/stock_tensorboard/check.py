"""Requests all data of a log from each loader of stock TensorBoard, as the dashboards do.

    python check.py OUT

OUT contains `logs/`, a log directory, and `calls.json`, the calls that wrote it. Prints one line
per loader and kind of data, and one per difference. Exits with 1 if there is a difference.
"""

import json
import os
import pathlib
import signal
import sys
import time

import expected
import kinds
from server import PYTHON, RUST, TensorBoard

PROVIDERS = {RUST: "GrpcDataProvider", PYTHON: "MultiplexerDataProvider"}
SHOWS = {plugin: calls for kind in kinds.ALL for plugin, calls in kind.SHOWS.items()}
# The projector looks for embeddings on the first request, and answers before it has finished.
TABS_SECS = 30
# Maximum length of a printed difference: an answer can have a thousand points.
LINE_LENGTH = 300


class Checks:
    """A running TensorBoard, and the calls that wrote the log that it shows."""

    def __init__(self, board, calls):
        self.board = board
        self.calls = calls
        self.series = expected.series(calls, board.loader, SHOWS)
        self.first = {(call["run"], call.get("tag")): call for call in reversed(calls)}

    def server(self):
        """Checks that do not depend on the kind of data."""
        provider = self.board.json("data/environment")["debug"]["data_provider"]
        yield "provider", PROVIDERS[self.board.loader], provider.partition("(")[0]
        has_data = lambda kind: not kind.SHOWS or any(map(self.series.get, kind.SHOWS))
        shown = filter(has_data, kinds.ALL)
        tabs = set().union(*(kind.TABS for kind in shown))
        end = time.monotonic() + TABS_SECS
        while (enabled := self.enabled()) != tabs and time.monotonic() < end:
            time.sleep(0.1)
        yield "enabled", tabs, enabled
        yield "order of runs", expected.runs(self.calls), self.board.json("data/runs")

    def enabled(self):
        listing = self.board.json("data/plugins_listing")
        return {name for name, plugin in listing.items() if plugin["enabled"]}

    def each(self, plugin):
        for run, by_tag in self.series[plugin].items():
            for tag, calls in by_tag.items():
                yield run, tag, calls

    def by_tag(self, plugin):
        by_tag = {}
        for run, tag, calls in self.each(plugin):
            by_tag.setdefault(tag, {})[run] = calls
        return by_tag

    def tags(self, plugin, route=None, **more):
        names = {}
        for run, tag, _ in self.each(plugin):
            name = expected.display_name(self.first[run, tag], self.board.loader)
            names.setdefault(run, {})[tag] = {"displayName": name, "description": "", **more}
        return "tags", names, self.board.json(f"data/plugin/{route or plugin}/tags")


def canonical(answer):
    """The answer as text, in which 0 differs from -0, and 1 from 1.0."""
    return json.dumps(answer, sort_keys=True, ensure_ascii=False, default=sorted)


def around_difference(one, other):
    """Excerpts of two texts, from just before the first difference."""
    same = len(os.path.commonprefix([one, other]))
    return [text[max(0, same - 60) :][:LINE_LENGTH] for text in (one, other)]


def check(board, calls):
    """Prints the results and returns the number of differences."""
    checks, different = Checks(board, calls), 0
    asked = {"server": checks.server()}
    asked.update({kind.__name__.rpartition(".")[2]: kind.answers(checks) for kind in kinds.ALL})
    for kind, answers in asked.items():
        compared, before = 0, different
        try:
            for name, wanted, found in answers:
                compared += 1
                if canonical(wanted) != canonical(found):
                    different += 1
                    wanted, found = around_difference(canonical(wanted), canonical(found))
                    print(f"{board.loader}: {kind}: DIFFERENT {name}:")
                    print(f"    expected {wanted}\n    found    {found}")
        except Exception as error:  # continue with the other kinds in any case
            different += 1
            print(f"{board.loader}: {kind}: DIFFERENT {type(error).__name__}: {error}")
        if different == before:
            print(f"{board.loader}: {kind}: ok, {compared} answers")
    return different


def main():
    # So that TensorBoard is stopped on SIGTERM, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    out = pathlib.Path(sys.argv[1])
    calls = json.loads((out / "calls.json").read_text(encoding="utf-8"))
    different = 0
    for loader in (RUST, PYTHON):
        with TensorBoard(out / "logs", loader) as board:
            found = check(board, calls)
            if found:
                print(board.log(), file=sys.stderr)
            different += found
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
