"""The answers of a server, without what may differ between TensorBoard and tbx; see serve.py."""

import csv
import html.parser
import io
import json
import math
import os
import re
import urllib.error
import urllib.parse
import urllib.request


class Side:
    """One of the two servers."""

    def __init__(self, address):
        self.address = address
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def request(self, path, body=None, content_type=None):
        """Status, content type and body of an answer."""
        headers = {"Content-Type": content_type} if content_type else {}
        request = urllib.request.Request(self.address + path, body, headers)
        try:
            with self._open(request, timeout=60) as answer:
                return answer.status, answer.headers.get_content_type(), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, "", b""

    def get(self, path, **query):
        return self.request(path + "?" + urllib.parse.urlencode(query) if query else path)

    def form(self, path, fields):
        boundary = "BOUNDARY"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields
        ]
        body = "".join(parts) + f"--{boundary}--\r\n"
        return self.request(path, body.encode(), f"multipart/form-data; boundary={boundary}")

    def post_json(self, path, value):
        return self.request(path, json.dumps(value).encode(), "application/json")


class Text(html.parser.HTMLParser):
    """The elements and words of HTML, without the white space between them."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, sorted(attrs)))

    def handle_endtag(self, tag):
        self.found.append("/" + tag)

    def handle_data(self, data):
        self.found.extend(data.split())


def plain(value, key=None):
    """A JSON value in which HTML is taken apart, and that does not depend on what may differ."""
    if isinstance(value, str) and re.match(r"<(p|table|h\d|ul|ol|pre|blockquote)>", value):
        return Text(value).found
    if isinstance(value, dict):
        if value.get("displayName") == key:
            value = {**value, "displayName": ""}
        if "wallTime" in value and isinstance(value.get("value"), bool):
            value = {**value, "value": float(value["value"])}
        return {key: plain(item, key) for key, item in value.items()}
    if isinstance(value, list):
        if len(value) == 3 and isinstance(value[2], bool):
            value = [*value[:2], float(value[2])]
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


class Close:
    """A JSON value that equals another one if their numbers are the same as float32."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return close(self.value, other.value)

    def __str__(self):
        return json.dumps(self.value, sort_keys=True)


def close(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6) or (one != one and other != other)
    return one == other


def number_of(cell):
    try:
        return float(cell == "True" or cell)
    except ValueError:
        return cell


def value_of(answer):
    """The content of an answer, without what may differ."""
    status, content_type, body = answer
    if status >= 400:
        return status
    if content_type == "application/json":
        return plain(json.loads(body))
    if content_type == "text/csv":
        return [[number_of(cell) for cell in row] for row in csv.reader(io.StringIO(body.decode()))]
    return [content_type, repr(body)]


def exact(answer):
    return json.dumps(value_of(answer), sort_keys=True, ensure_ascii=False)


def as_float32(answer):
    return Close(value_of(answer))


# The protocol of data servers has only float32.
canonical = as_float32 if "TBX_DATA_SERVER" in os.environ else exact


def by_step(answer):
    """A list of the parts of meshes: those of one step are in any order."""
    return repr(sorted(value_of(answer), key=lambda part: (part["step"], part["content_type"])))


def pbtxt(answer):
    """A message in text form. The order of the entries of a map is free."""
    status, content_type, body = answer
    if status >= 400:
        return f"status {status}"
    lines = iter(body.decode().split("\n"))

    def block(indent):
        items = []
        for line in lines:
            if line.strip() == "}":
                break
            name = line.strip()
            items.append((name, block(indent + 2)) if name.endswith("{") else (name, []))
        attrs = sorted(repr(item) for item in items if item[0] == "attr {")
        return [item for item in items if item[0] != "attr {"] + attrs

    return f"{status} {content_type} {block(0)}"
