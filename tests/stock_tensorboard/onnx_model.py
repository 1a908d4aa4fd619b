"""The expected graph of an ONNX model.

Computed from the model as JSON (in protobuf's form: 64-bit numbers are strings, bytes are base64)
and the documented rules of `Graph::from_onnx`.
"""

import ast
import base64

from tensorboard.compat.proto import attr_value_pb2, graph_pb2, node_def_pb2, tensor_shape_pb2, types_pb2

TYPES = {
    1: "FLOAT", 2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 6: "INT32", 7: "INT64",
    8: "STRING", 9: "BOOL", 10: "HALF", 11: "DOUBLE", 12: "UINT32", 13: "UINT64",
    14: "COMPLEX64", 15: "COMPLEX128", 16: "BFLOAT16",
}  # fmt: skip
SCOPES = "pkg.torch.onnx.name_scopes"
MAX_SHOWN = 1024  # size limit of a list or string, in bytes


def graph_def(model):
    made = graph_pb2.GraphDef()
    made.versions.producer = 22
    _Graph(made, set(), model["graph"], "", {}, [])
    return made


class _Graph:
    """Adds the nodes of `graph` to `made`. `known` holds the sources of the values in the enclosing
    graphs, `given` the sources of the inputs of the enclosing node."""

    def __init__(self, made, names, graph, prefix, known, given):
        self.made, self.names, self.prefix = made, names, prefix
        self.sources = dict(known)
        self.types = {}
        for value in [*graph.get("valueInfo", []), *graph.get("input", []), *graph.get("output", [])]:
            if "tensorType" in value.get("type", {}):
                self.types[value["name"]] = value["type"]["tensorType"]
        constants = [(c, c.get("dims", [])) for c in graph.get("initializer", [])]
        constants += [(s["values"], s["dims"]) for s in graph.get("sparseInitializer", [])]
        weights = {constant["name"] for constant, _ in constants}
        inputs = [i["name"] for i in graph.get("input", []) if i["name"] not in weights]
        outputs = [output["name"] for output in graph.get("output", [])]

        input_names = [self.name(name, "Input") for name in inputs]
        self.outputs = [self.name(name, "Output") for name in outputs]
        constant_names = [self.name(constant["name"], "Const") for constant, _ in constants]
        nodes = graph.get("node", [])
        node_names = [self.name(self.wanted(node), node["opType"]) for node in nodes]
        for node, name in zip(nodes, node_names):
            for i, output in enumerate(node.get("output", [])):
                self.sources[output] = f"{name}:{i}" if i else name
        self.sources.update(zip((constant["name"] for constant, _ in constants), constant_names))
        self.sources.update(zip(inputs, input_names))
        self.sources.pop("", None)

        for (constant, dims), name in zip(constants, constant_names):
            node = made.node.add(name=name, op="Const")
            node.attr["dtype"].type = dtype(constant)
            node.attr["_output_shapes"].list.shape.append(shape(map(int, dims)))
        for i, (value, name) in enumerate(zip(inputs, input_names)):
            self.value(value, name, "Input", given[i] if i < len(given) else None)
        for node, name in zip(nodes, node_names):
            self.node(node, name)
        for value, name in zip(outputs, self.outputs):
            self.value(value, name, "Output", self.sources.get(value))

    def name(self, wanted, otherwise):
        parts = [part for part in wanted.split("/") if part] or [otherwise]
        name = "/".join(parts).replace(":", "_")
        name = self.prefix + ("_" + name[1:] if name[0] == "^" else name)
        unique, number = name, 0
        while unique in self.names:
            number += 1
            unique = f"{name}_{number}"
        self.names.add(unique)
        return unique

    @staticmethod
    def wanted(node):
        name = node.get("name", "")
        if not name:
            name = "/".join([*node["output"][0].split("/")[:-1], node["opType"]])
        for entry in node.get("metadataProps", []):
            if entry["key"] == SCOPES:
                module = ast.literal_eval(entry["value"])[-2]
                name = module.replace(".", "/") + "/" + name
        return name

    def value(self, value, name, op, source):
        node = self.made.node.add(name=name, op=op, input=[source] if source else [])
        if value in self.types:
            node.attr["dtype"].type = dtype(self.types[value])
            self.shapes(node, [value])

    def node(self, given, name):
        domain = given.get("domain", "")
        op = given["opType"] if domain in ("", "ai.onnx") else f"{domain}.{given['opType']}"
        inputs = [self.sources.get(value) for value in given.get("input", [])]
        node = node_def_pb2.NodeDef(name=name, op=op, input=[i for i in inputs if i])
        for attribute in given.get("attribute", []):
            if "g" in attribute:
                prefix = f"{name}/{attribute['name']}/"
                inner = _Graph(self.made, self.names, attribute["g"], prefix, self.sources, inputs)
                node.input.extend(inner.outputs)
            else:
                node.attr[attribute["name"]].CopyFrom(attr(attribute))
        self.shapes(node, given.get("output", []))
        self.made.node.append(node)

    def shapes(self, node, values):
        for value in values:
            stated = self.types.get(value, {}).get("shape")
            if stated is None:
                break
            sizes = [int(dim.get("dimValue", -1)) for dim in stated.get("dim", [])]
            node.attr["_output_shapes"].list.shape.append(shape(sizes))


def attr(attribute):
    kind = attribute["type"]
    made = attr_value_pb2.AttrValue()
    if kind == "FLOAT":
        made.f = float(attribute["f"])
    elif kind == "INT":
        made.i = int(attribute["i"])
    elif kind == "STRING":
        text = base64.b64decode(attribute["s"])
        if len(text) <= MAX_SHOWN:
            made.s = text
        else:
            without_values(made, types_pb2.DT_STRING, [])
    elif kind == "TENSOR":
        without_values(made, dtype(attribute["t"]), map(int, attribute["t"].get("dims", [])))
    elif kind == "SPARSE_TENSOR":
        sparse = attribute["sparseTensor"]
        without_values(made, dtype(sparse["values"]), map(int, sparse["dims"]))
    elif kind == "TYPE_PROTO":
        made.type = dtype(attribute["tp"]["tensorType"])
    elif kind == "FLOATS":
        listed(made, "f", types_pb2.DT_FLOAT, 4, map(float, attribute["floats"]))
    elif kind == "INTS":
        listed(made, "i", types_pb2.DT_INT64, 8, map(int, attribute["ints"]))
    elif kind == "STRINGS":
        texts = map(base64.b64decode, attribute["strings"])
        listed(made, "s", types_pb2.DT_STRING, 5, texts)
    else:
        raise ValueError(kind)
    return made


def listed(made, field, kind, size, values):
    values = list(values)
    if len(values) * size <= MAX_SHOWN:
        getattr(made.list, field).extend(values)
    else:
        without_values(made, kind, [len(values)])


def without_values(made, kind, sizes):
    made.tensor.dtype = kind
    made.tensor.tensor_shape.CopyFrom(shape(sizes))


def dtype(tensor):
    number = tensor.get("dataType", tensor.get("elemType"))
    return types_pb2.DataType.Value("DT_" + TYPES[number])


def shape(sizes):
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in sizes]
    return tensor_shape_pb2.TensorShapeProto(dim=dims)
