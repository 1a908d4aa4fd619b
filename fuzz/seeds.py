#!/usr/bin/env python3
"""Makes inputs for the fuzz targets from fixtures/, in corpus/ or the given directory.

src/input.rs and src/logs.rs define the format: instructions of one byte, each followed by its arguments.
"""

import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
MAX_LEN = 12_000

NEW_FILE, PAYLOAD, BYTES, SIDE_FILE, CUT = 0, 1, 4, 5, 10
LOG_TARGETS = {"load": 4, "verify": 60, "edit": 8, "export": 4}
# Kinds and forms in fuzz_targets/value.rs, by the name of the plugin.
KINDS = {"pr_curves": 0, "custom_scalars": 1, "text": 2, "graph_keras_model": 3, "graph_run_metadata": 4, "tbx": 5}
TENSOR, GRAPH_DEF, RUN_METADATA = 0, 1, 2
# Numbers from src/logs.rs.
SIDE_FILES = {"hparams.yaml": 0, "tbx.json": 1, "projector_config.pbtxt": 3, "tensors.tsv": 8}

# Typical contents of side files.
SIDE = {
    "hparams.yaml": [
        b"lr: 0.1\nlayers: [1, 2]\nopt: {name: adam, betas: [0.9, 0.999]}\nf: !!python/name:a.b ''\n",
        b"a: &x {b: 1}\nc: *x\n<<: *x\nd: |\n  text\n  more\ne: .nan\n",
        b"!!python/object:argparse.Namespace\nseed: 1\npath: !!python/object/apply:pathlib.PosixPath\n- a\n",
    ],
    "tbx.json": [
        b'{"schema": "tbx.run/1", "id": "0123456789abcdef0123456789abcdef", "name": "r", "status": "RUNNING",'
        b' "start_time": 1.5, "params": {"lr": 0.1, "n": "NaN", "deep": true}, "tags": {"a": "b"},'
        b' "labels": ["x"], "seeds": {"s": 18446744073709551615}, "summary": {"loss": {"value": 0.5}},'
        b' "artifacts": [{"path": "model.bin", "size": 3, "sha256": ""}], "later": {"a": [1, null]}}',
    ],
    "tbx.registry.json": [
        b'{"schema": "tbx.registry/1", "models": {"m": {"aliases": {"best": 1}, "versions":'
        b' [{"version": 1, "run": "a", "path": "model.bin", "size": 3, "sha256": "", "stage": "Production"}]}}}',
    ],
    "tbx.experiment.json": [
        b'{"schema": "tbx.experiment/1", "name": "e", "created_at": 1.5, "tags": {"a": "b"}, "later": [1]}',
    ],
    "projector_config.pbtxt": [
        b'embeddings {\n tensor_name: "a:00001"\n tensor_path: "tensors.tsv"\n metadata_path: "metadata.tsv"\n'
        b' sprite { image_path: "s.png" single_image_dim: 2 single_image_dim: 2 }\n}\n',
    ],
    "tensors.tsv": [b"1.0\t2.0\n-3.5\t1e9\n"],
    "metadata.tsv": [b"label\tn\na\t1\nb\t2\n"],
    "tensors.bytes": [struct.pack("<4f", 1, 2, 3, 4)],
}

# Logs of Neptune's client.
NEPTUNE = [
    b'{"obj": {"type": "AssignString", "path": ["sys", "name"], "value": "r"}, "version": 1, "at": 1.5}\n'
    b'{"obj": {"type": "LogFloats", "path": ["a", "b"], "values": [{"value": 1.0, "step": null, "ts": 1.5}]}}\n'
    b'{"obj": {"type": "LogFloats", "path": ["a", "b"], "values": [{"value": NaN, "step": 2.5, "ts": 2}]}}\n',
    b'{"obj": {"type": "AddStrings", "path": ["sys", "tags"], "values": ["x"]}}\n'
    b'{"obj": {"type": "UploadFile", "path": ["f"], "ext": "txt", "file_path": null, "tmp_file_name": "a.txt"}}\n'
    b'{"obj": {"type": "UploadFileSet", "path": ["s"], "file_globs": ["/*"], "reset": "False"}}\n'
    b'{"obj": {"type": "UploadFileContent", "path": ["c"], "ext": "txt", "file_content": "aGk="}}\n',
    b'{"obj": {"type": "LogStrings", "path": ["t"], "values": [{"value": "x", "step": 1, "ts": 2}]}}\n'
    b'{"obj": {"type": "LogImages", "path": ["i"], "values": [{"value": {"data": "iVBORw0KGgo="}, "ts": 2}]}}\n'
    b'{"obj": {"type": "CopyAttribute", "path": ["d"], "container_id": "0a1b2c3d", "source_path": ["c"]}}\n'
    b'{"obj": {"type": "DeleteAttribute", "path": ["t"]}}\n',
]


def text(content):
    return struct.pack("<H", len(content)) + content


def fields(message):
    """The fields of a serialized message: number and content of those that have a length."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    try:
        while at < len(message):
            key = varint()
            size = {0: 0, 1: 8, 5: 4}.get(key & 7)
            if key & 7 == 0:
                varint()
            elif key & 7 == 2:
                size = varint()
                if at + size > len(message):
                    return
                yield key >> 3, message[at : at + size]
            elif size is None:
                return
            at += size
    except IndexError:
        return  # a damaged message


def field(message, number):
    return next((content for found, content in fields(message) if found == number), b"")


def records(log):
    """The payloads of a log and what is between them, as instructions."""
    at = 0
    while at < len(log):
        if len(log) - at >= 16:
            (length,) = struct.unpack_from("<Q", log, at)
            end = at + 12 + length
            if end + 4 <= len(log) and length < 4000:
                yield bytes([PAYLOAD]) + text(log[at + 12 : end])
                at = end + 4
                continue
        yield bytes([BYTES]) + text(log[at : at + 4000])
        at += 4000


def chunks(content):
    """The records of a small file of Weights & Biases: each is one chunk."""
    at = 7
    while at + 7 <= len(content):
        (length,) = struct.unpack_from("<H", content, at + 4)
        yield content[at + 7 : at + 7 + length]
        at += 7 + length


class Corpus:
    def __init__(self, directory):
        self.directory = directory
        self.inputs = set()

    def add(self, target, content):
        if len(content) > MAX_LEN:
            return
        folder = self.directory / target
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / hashlib.sha256(content).hexdigest()[:16]
        path.write_bytes(content)
        self.inputs.add(path)


def logs():
    """Instructions for each directory of fixtures/ that has event files."""
    runs = {}
    for path in sorted(FIXTURES.rglob("*tfevents*")):
        if path.is_file():
            runs.setdefault(path.parent, []).append(path)
    for folder, paths in runs.items():
        program = b""
        for i, path in enumerate(paths):
            program += bytes([NEW_FILE, 1]) if i else b""
            program += b"".join(records(path.read_bytes()))
        for path in sorted(folder.iterdir()):
            if path.name in SIDE_FILES and path.is_file():
                program += bytes([SIDE_FILE, SIDE_FILES[path.name], 0]) + text(path.read_bytes()[:4000])
        yield program + bytes([CUT, 0, 64, CUT, 0, 160])


def parsers(corpus):
    """Inputs of the targets that each test one parser."""
    for path in sorted(FIXTURES.rglob("*tfevents*")):
        if not path.is_file():
            continue
        for instruction in records(path.read_bytes()):
            if instruction[0] == PAYLOAD:
                event(corpus, instruction[3:])
    for path in sorted((FIXTURES / "onnx").glob("*.onnx")):
        corpus.add("onnx", path.read_bytes())
    for path in sorted((FIXTURES / "wandb").rglob("*.wandb")):
        program = b"".join(b"\x10" + text(record) for record in chunks(path.read_bytes()))
        corpus.add("wandb", program)
    for path in sorted((FIXTURES / "keras").glob("*.json")):
        corpus.add("keras", path.read_bytes())
    for config in [b"{}", b'{"camera": {"cls": "PerspectiveCamera", "fov": [7.5e1, null, true]}}', b'{"a": "\\u00e9\\n"}']:
        corpus.add("mesh", b"\0" + config)
    for markdown in [
        b"# a\n\n**b** [c](https://d 'e') ![f](g.png)\n\n> h\n\n|i|j|\n|-|-|\n|1|`2`|\n\n- k\n  1. l\n",
        b"<a href=\"javascript:x\" title='y'>z</a><img src=x onerror=y><!-- c --><unk> &lt;b&gt; &#106;",
        b"<table><tr><td>**a**</td></tr></table>\n\n```\n<script>x</script>\n```\n<https://b> [c]\n\n[c]: data:text/html,d\n",
    ]:
        corpus.add("markdown", markdown)
    for path in sorted((FIXTURES / "projector").rglob("*.pbtxt")):
        corpus.add("projector", b"\0" + path.read_bytes())
    for path in sorted((FIXTURES / "projector").rglob("tensors.tsv")):
        labels = path.with_name("metadata.tsv")
        labels = labels.read_bytes() if labels.is_file() else b""
        corpus.add("projector", b"\1" + text(labels) + path.read_bytes())


def event(corpus, payload):
    corpus.add("event", payload)
    # The header's changes, then those of three values, then the event.
    choice = len(payload) % 4
    changes = bytes([3, 7]) + text(b"tag") + text(b"name") + bytes([0, 1])
    corpus.add("rewrite", bytes([choice]) + bytes([7] * choice.bit_count()) + (changes if choice else b"\0") + payload)
    graph, metadata = field(payload, 4), field(field(payload, 8), 2)
    if graph:
        corpus.add("value", bytes([KINDS["graph_keras_model"], GRAPH_DEF]) + graph)
    if metadata:
        corpus.add("value", bytes([KINDS["graph_run_metadata"], RUN_METADATA]) + metadata)
    for number, value in fields(field(payload, 5)):
        if number == 1:
            summary_value(corpus, value)


def summary_value(corpus, value):
    plugin_data = field(field(value, 9), 1)
    plugin, content = field(plugin_data, 1).decode(errors="replace"), field(plugin_data, 2)
    tensor = field(value, 8)
    strings = [content for number, content in fields(tensor) if number == 8]
    if tensor:
        corpus.add("tensor", tensor)
    if plugin in KINDS:
        corpus.add("value", bytes([KINDS[plugin], TENSOR]) + tensor)
    if plugin == "histograms":
        corpus.add("histogram", b"\1" + tensor)
    if plugin == "mesh":
        corpus.add("mesh", b"\1" + text(content) + tensor)
    if plugin == "hparams":
        corpus.add("hparams", content)
    if plugin == "graph_keras_model":
        for json in strings:
            corpus.add("keras", json)
    if field(value, 5):
        corpus.add("histogram", b"\0" + field(value, 5))
    for encoded in [field(field(value, 4), 4)] + (strings if plugin == "images" else []):
        if encoded:
            corpus.add("image", encoded)
    for encoded in [field(field(value, 6), 5)] + (strings if plugin == "audio" else []):
        if encoded:
            corpus.add("audio", encoded)


def main():
    corpus = Corpus(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "corpus")
    for i, program in enumerate(logs()):
        for target, choices in LOG_TARGETS.items():
            corpus.add(target, bytes([i % choices]) + (b"" if target in ("load", "verify") else bytes([i % 4])) + program)
        corpus.add("archive", bytes([i % 3]) + program)
        corpus.add("record", program)
    parsers(corpus)
    names = list(SIDE)
    for name, contents in SIDE.items():
        for content in contents:
            first = bytes([names.index(name), 1]) + text(content)
            corpus.add("side_files", first)
            corpus.add("side_files", bytes([4, 1]) + text(SIDE["projector_config.pbtxt"][0]) + first)
            # Also as input of an import, where 12 puts it among the artifacts of a run.
            corpus.add("import", bytes([0, 1, 13, 0]) + text(content))
    for path in sorted((FIXTURES / "projector").rglob("*")):
        if path.is_file() and path.name in SIDE:
            corpus.add("side_files", bytes([names.index(path.name), 1]) + text(path.read_bytes()[:4000]))
    store = [
        (0, b"experiment_id: '1'\nname: e\nlifecycle_stage: active\ncreation_time: 1\n"),
        (2, b"1700000000000 0.5 1\n1700000001000 nan 2\n1700000002000 -inf 9223372036854775807\n"),
        (5, b"0.1"),
        (7, b"name"),
        (8, b"0123456789abcdef0123456789abcdef"),
        (10, b"tags: []\nsource_id: d\nsource_type: DATASET\n"),
        (17, b"artifact"),
        (23, b"name: m\ncreation_timestamp: 1\n"),
        (24, b"name: m\nversion: 1\nrun_id: 0123456789abcdef0123456789abcdef\nsource: R/artifacts/a\n"),
    ]
    for i in range(8):
        corpus.add("import", bytes([0, i]) + b"".join(bytes([n, 0]) + text(content) for n, content in store))
    number = bytes([2, 5])
    metric = bytes([0, 7]) + text(b"loss") + bytes([3]) + struct.pack("<d", 0.25) + number + bytes([4]) + number + number
    corpus.add("import", bytes([5, 0]) + metric * 3)
    corpus.add("import", bytes([7, 0]) + bytes([100, 0, 1]))
    for log in NEPTUNE:
        corpus.add("neptune_lines", bytes([0, 0, 0]) + text(log))
    step, time, loss = b"\x0a\x02\x08\x03", b"\x12\x02\x08\x05", b"\x0a\x04loss"
    value = b"\x12\x09\x09" + struct.pack("<d", 0.5)
    append = step + time + b"\x42" + bytes([len(loss + value)]) + loss + value
    assign = b"\x22" + bytes([len(loss + value)]) + loss + value
    file = b"\x22\x10\x0a\x01f\x12\x0b\x6a\x09\x0a\x07place/a"
    create = b"\x12\x03\x12\x01p\x1a\x02\x08\x05\x2a\x01e"
    program = bytes([1]) + text(create) + b"".join(bytes([5]) + text(op) for op in (append, assign, file))
    corpus.add("sqlite", bytes([0]) + bytes([3, 2, 0, 1]) + program)
    corpus.add("sqlite", bytes([7]) + bytes([100, 0, 1]))
    rows = [
        (0, b"0,1,0.5,a\n0,2,nan,\n1,3,,b\n"),
        (2, b"1,3.5,0.5,1\n2,7,0.25,inf\n"),
        (4, b"2048,10,0.5\n4096,20,nan\n"),
        (5, b"1.5,20,0.5\n2.5,21,1.0\n"),
        (6, b"0,1.5,00:10\n1,0.5,01:00\n"),
        (7, b'0;1.0;NA\n1;"[0.5, 1]";2\nepoch;acc\n2;3\n'),
        (10, b'{"step": 1, "a": NaN}\n{"step": 2, "b": [1], "time": 5}\n'),
        (11, b"a/b,loss,1,1.5,0.5\na/b,loss,2,NaN,NaN\nc,loss,1,2.5,-Infinity\n"),
        (12, b"a/b,1,1.5,0.5,7\n"),
        (13, b'a/b,t,1,1.0,0,"x\ny"\n'),
        (14, b"c,h,1,2.0,0,-1.0,0.0,3.0\nc,h,1,2.0,1,0.0,1.0,4.0\n"),
        (15, b"c,lr,number,0.1,0.1\nc,b,bool,true,\n"),
        (16, b'c,"{""schema"":""tbx.run/1"",""name"":""x""}"\n'),
        (17, b"d,1.5,2.0,finished,3,0.1,0.5\n"),
        (18, b"c,h,histogram,histograms,tensor,,*it*\n"),
        (19, b'{"loss": NaN, "eval_loss": 1, "step": 1, "epoch": 0.5}], "trial_params": {"a": {"b": 1}}}'),
    ]
    for name, content in rows:
        piece = bytes([name, 0, 1, 255]) + text(content)
        for how in (0, 1, 2, 8, 16):
            corpus.add("csv", bytes([how]) + piece)
            corpus.add("csv", bytes([how]) + piece * 2 + bytes([rows[0][0], 0, 1, 255]) + text(rows[0][1]))
    for name in range(12):
        entry = bytes([0, name, 0]) + text(b"content") + bytes([0, 164, 1, 1, 0, 0])
        corpus.add("archive", bytes([4]) + entry * 2 + bytes([1, 0]))
    print(f"{len(corpus.inputs)} inputs in {corpus.directory}")


if __name__ == "__main__":
    main()
