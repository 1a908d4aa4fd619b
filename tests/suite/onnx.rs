//! Graphs of ONNX models, from files written by PyTorch and by ONNX's own helpers.

use std::collections::BTreeMap;
use std::fs;

use protox::prost_reflect::{DescriptorPool, Kind};
use serde_json::Value;
use tbx::{Attr, ErrorKind, Graph, Node, pb};

use crate::common::repository;

fn model(name: &str) -> Vec<u8> {
    fs::read(repository(&format!("fixtures/onnx/{name}.onnx"))).unwrap()
}

fn graph(name: &str) -> Graph {
    Graph::from_onnx(&model(name)[..]).unwrap()
}

/// A node on one line: name, operation, inputs, shapes.
fn line(node: &Node) -> String {
    let inputs: Vec<_> = node.inputs.iter().map(|input| format!(" {input}")).collect();
    let shapes: Vec<_> = node.output_shapes.iter().map(|shape| format!(" {shape:?}")).collect();
    format!("{} = {}:{} ->{}", node.name, node.op, inputs.concat(), shapes.concat())
}

#[track_caller]
fn assert_lines(graph: &Graph, expected: &[&str]) {
    let found: Vec<_> = graph.nodes.iter().map(line).collect();
    assert_eq!(found, expected, "\n{}\n", found.join("\n"));
}

#[test]
fn a_model_of_torchs_old_exporter_nests_by_the_names_of_its_nodes() {
    assert_lines(
        &graph("torch_scripted"),
        &[
            "layer2.0.weight = Const: -> [2, 2, 3, 3]",
            "layer2.0.bias = Const: -> [2]",
            "head.weight = Const: -> [3, 32]",
            "head.bias = Const: -> [3]",
            "onnx__Conv_22 = Const: -> [2, 1, 3, 3]",
            "onnx__Conv_23 = Const: -> [2]",
            "image = Input: -> [-1, 1, 4, 4]",
            "layer1/layer1.0/Conv = Conv: image onnx__Conv_22 onnx__Conv_23 -> [-1, 2, 4, 4]",
            "layer1/layer1.2/Relu = Relu: layer1/layer1.0/Conv -> [-1, 2, 4, 4]",
            "layer2/layer2.0/Conv = Conv: layer1/layer1.2/Relu layer2.0.weight layer2.0.bias \
             -> [-1, 2, 4, 4]",
            "layer2/layer2.1/Relu = Relu: layer2/layer2.0/Conv -> [-1, 2, 4, 4]",
            "Add = Add: layer1/layer1.2/Relu layer2/layer2.1/Relu -> [-1, 2, 4, 4]",
            "Flatten = Flatten: Add -> [-1, 32]",
            "head/Gemm = Gemm: Flatten head.weight head.bias -> [-1, 3]",
            "ReduceMean = ReduceMean: Add -> []",
            "logits = Output: head/Gemm -> [-1, 3]",
            "mean = Output: ReduceMean -> []",
        ],
    );
}

#[test]
fn a_model_of_torchs_new_exporter_nests_by_its_modules() {
    let graph = graph("torch_exported");
    assert_lines(
        &graph,
        &[
            "layer1.0.weight = Const: -> [2, 1, 3, 3]",
            "layer1.0.bias = Const: -> [2]",
            "layer2.0.weight = Const: -> [2, 2, 3, 3]",
            "layer2.0.bias = Const: -> [2]",
            "head.weight = Const: -> [3, 32]",
            "head.bias = Const: -> [3]",
            "val_14 = Const: -> [2]",
            "image = Input: -> [-1, 1, 4, 4]",
            "layer1/1/node_Conv_14 = Conv: image layer1.0.weight layer1.0.bias -> [-1, 2, 4, 4]",
            "layer1/2/node_relu = Relu: layer1/1/node_Conv_14 -> [-1, 2, 4, 4]",
            "layer2/0/node_conv2d_1 = Conv: layer1/2/node_relu layer2.0.weight layer2.0.bias \
             -> [-1, 2, 4, 4]",
            "layer2/1/node_relu_1 = Relu: layer2/0/node_conv2d_1 -> [-1, 2, 4, 4]",
            "node_add = Add: layer1/2/node_relu layer2/1/node_relu_1 -> [-1, 2, 4, 4]",
            "node_Reshape_17 = Reshape: node_add val_14 -> [-1, 32]",
            "head/node_linear = Gemm: node_Reshape_17 head.weight head.bias -> [-1, 3]",
            "node_ReduceMean_13 = ReduceMean: node_add -> [1, 1, 1, 1]",
            "node_mean = Squeeze: node_ReduceMean_13 -> []",
            "logits = Output: head/node_linear -> [-1, 3]",
            "mean = Output: node_mean -> []",
        ],
    );
    let conv = &graph.nodes[8].attrs;
    assert_eq!(conv["kernel_shape"], [3, 3].into());
    assert_eq!((&conv["group"], &conv["auto_pad"]), (&1.into(), &"NOTSET".into()));
    assert_eq!(graph.nodes[6].attrs["dtype"], pb::DataType::DtInt64.into());
}

#[test]
fn graphs_inside_nodes_are_nodes_below_them() {
    assert_lines(
        &graph("control_flow"),
        &[
            "weights = Const: -> [2, 3]",
            "x = Input: -> [2, 3]",
            "condition = Input: -> []",
            "count = Input: -> []",
            "If/else_branch/Constant = Constant: -> [2, 3]",
            "If/else_branch/zeros = Output: If/else_branch/Constant -> [2, 3]",
            // Values of the enclosing graph.
            "If/then_branch/add = Add: x weights -> [2, 3]",
            "If/then_branch/sum = Output: If/then_branch/add -> [2, 3]",
            "If = If: condition If/else_branch/zeros If/then_branch/sum -> [2, 3]",
            "loop/body/factor = Const: -> []",
            "loop/body/i = Input: count -> []",
            "loop/body/more = Input: -> []", // no condition is given
            "loop/body/state = Input: If -> [2, 3]",
            "loop/body/Identity = Identity: loop/body/more -> []",
            "loop/body/mul = Mul: loop/body/state loop/body/factor -> [2, 3]",
            "loop/body/Identity_1 = Identity: loop/body/mul -> [2, 3]",
            "loop/body/again = Output: loop/body/Identity -> []",
            "loop/body/next = Output: loop/body/mul -> [2, 3]",
            "loop/body/scanned = Output: loop/body/Identity_1 -> [2, 3]",
            "loop = Loop: count If loop/body/again loop/body/next loop/body/scanned \
             -> [2, 3] [-1, 2, 3]",
            "ReduceMean = ReduceMean: loop ->",
            "Scan/body/total = Input: ReduceMean -> [3]",
            "Scan/body/row = Input: loop -> [3]",
            "Scan/body/add = Add: Scan/body/total Scan/body/row -> [3]",
            "Scan/body/total_out = Output: Scan/body/add -> [3]",
            "Scan = Scan: ReduceMean loop Scan/body/total_out -> [3]",
            "total = Output: Scan -> [3]",
            "all = Output: loop:1 -> [-1, 2, 3]",
        ],
    );
}

#[test]
fn odd_names_become_names_that_tensorboard_can_connect() {
    let graph = graph("odd");
    assert_lines(
        &graph,
        &[
            "old_weight = Const: -> [2, 3]",
            "limit = Const: -> []",
            "sparse = Const: -> [2, 3]",
            "x_0 = Input: -> [-1, -1]",
            "same = Relu: x_0 -> [2, 3]",
            "same_1 = Relu: same ->",
            "same_2 = com.example.Everything: same_1 -> [2, 3]",
            "deep/name = Clip: same_2 limit ->",
            "_add = Add: deep/name sparse ->",
            "scope/inner/Sub = Sub: _add old_weight ->",
            "Mul = Mul: scope/inner/Sub same_2:2 ->",
            "Mul_1 = Mul: Mul Mul ->",
            "deep = SequenceConstruct: Mul_1 Mul ->",
            "y = Output: Mul_1 ->",
            "list = Output: deep ->",
            "a = Output: same -> [2, 3]",
        ],
    );
    let attrs = &graph.nodes[6].attrs;
    let tensor = |dtype: pb::DataType, dims: &[i64]| {
        let dim = |&size: &i64| pb::tensor_shape_proto::Dim { size, ..Default::default() };
        let shape =
            pb::TensorShapeProto { dim: dims.iter().map(dim).collect(), ..Default::default() };
        let (dtype, tensor_shape) = (dtype.into(), Some(shape));
        let tensor = pb::TensorProto { dtype, tensor_shape, ..Default::default() };
        let value = Some(pb::attr_value::Value::Tensor(tensor));
        Attr::Other(Box::new(pb::AttrValue { value }))
    };
    let expected: BTreeMap<&str, Attr> = BTreeMap::from([
        ("float", 0.5.into()),
        ("floats", [0.5, -1.5].into()),
        ("int", (-7).into()),
        ("ints", [1, -2, 3].into()),
        ("long_string", tensor(pb::DataType::DtString, &[])),
        ("many_floats", tensor(pb::DataType::DtFloat, &[300])),
        ("many_ints", tensor(pb::DataType::DtInt64, &[300])),
        ("many_strings", tensor(pb::DataType::DtString, &[300])),
        ("nothing", "".into()),
        ("sparse", tensor(pb::DataType::DtFloat, &[2, 3])),
        ("string", "größe".into()),
        ("strings", Attr::Texts(vec![b"a".to_vec(), "é".as_bytes().to_vec()])),
        ("tensor", tensor(pb::DataType::DtFloat, &[2, 2])),
        ("type", pb::DataType::DtFloat.into()),
        ("zero", 0.into()),
    ]);
    assert!(
        attrs
            .iter()
            .map(|(name, attr)| (name.as_str(), attr))
            .eq(expected.iter().map(|(n, a)| (*n, a))),
        "{attrs:?}"
    );
}

/// Every field that `proto/onnx.proto` declares is the same in ONNX's own schema.
#[test]
fn the_schema_is_a_part_of_onnxs() {
    let text = fs::read_to_string(repository("fixtures/onnx/schema.json")).unwrap();
    let stated: Value = serde_json::from_str(&text).unwrap();
    let messages: BTreeMap<String, Vec<(String, u32, String, bool)>> =
        serde_json::from_value(stated["messages"].clone()).unwrap();
    let enums: BTreeMap<String, BTreeMap<String, i32>> =
        serde_json::from_value(stated["enums"].clone()).unwrap();
    let proto = repository("proto");
    let set = protox::compile([proto.join("onnx.proto")], [proto]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(set).unwrap();
    let mut fields = 0;
    for message in pool.all_messages() {
        let rows = &messages[message.full_name()];
        for field in message.fields() {
            let kind = match field.kind() {
                Kind::Message(message) => message.full_name().to_owned(),
                Kind::Enum(enumeration) => enumeration.full_name().to_owned(),
                // A string in ONNX's schema, declared as bytes so that it is not validated.
                Kind::Bytes if field.name() == "value" => "string".into(),
                scalar => format!("{scalar:?}"),
            };
            let row = (field.name().to_owned(), field.number(), kind, field.is_list());
            assert!(rows.contains(&row), "{}: {row:?}", message.full_name());
            fields += 1;
        }
    }
    for enumeration in pool.all_enums() {
        let stated = &enums[enumeration.full_name()];
        assert_eq!(enumeration.values().len(), stated.len(), "{}", enumeration.full_name());
        for value in enumeration.values() {
            assert_eq!(stated[value.name()], value.number(), "{}", value.full_name());
        }
    }
    assert!(fields > 30);
}

/// A length-delimited field.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut len = content.len();
    while len >= 0x80 {
        bytes.push((len & 0x7f | 0x80) as u8);
        len >>= 7;
    }
    bytes.push(len as u8);
    [bytes.as_slice(), content].concat()
}

/// A graph whose only node has `inner` as an attribute, nested `depth` times.
fn nested(depth: usize, name: &str, inner: Vec<u8>) -> Vec<u8> {
    (0..depth).fold(inner, |inner, _| {
        let attribute = [field(1, b"body"), field(6, &inner)].concat();
        field(1, &[field(3, name.as_bytes()), field(5, &attribute)].concat())
    })
}

#[test]
fn damaged_and_hostile_models_give_an_error_or_a_graph() {
    for name in ["control_flow", "odd", "torch_exported", "torch_scripted"] {
        let model = model(name);
        let step = 1 + model.len() / 500;
        for end in (0..model.len()).step_by(step) {
            let _ = Graph::from_onnx(&model[..end]);
        }
        for at in (0..model.len()).step_by(step) {
            for change in [1, 0xff] {
                let mut changed = model.clone();
                changed[at] ^= change;
                // Accepted models can be written and read back.
                if let Ok(graph) = Graph::from_onnx(&changed[..]) {
                    graph.to_bytes().unwrap();
                }
            }
        }
    }
    let refused = [
        ("nothing", vec![]),
        ("no graph", field(2, b"torch")),
        ("text", b"not an ONNX model".to_vec()),
        ("a name that is not UTF-8", field(7, &field(1, &field(3, b"\xff")))),
        ("graphs in graphs in graphs", field(7, &nested(200, "x", vec![]))),
    ];
    for (what, model) in refused {
        let error = Graph::from_onnx(&model[..]).expect_err(what);
        assert!(matches!(error, ErrorKind::Argument(_)), "{what}: {error}");
        assert!(error.to_string().starts_with("not an ONNX model"), "{what}: {error}");
    }
    let empty = Graph::from_onnx(&field(7, b"")[..]).unwrap();
    assert_eq!(empty, Graph::new());
    let deep = Graph::from_onnx(&field(7, &nested(20, "x", vec![]))[..]).unwrap();
    assert_eq!(deep.nodes.iter().map(|node| node.name.len()).max(), Some("x/body/".len() * 19 + 1));
}

/// Half a megabyte that describes a hundred thousand nodes, each with a name of a quarter of a
/// megabyte.
#[test]
fn a_small_file_cannot_ask_for_much_memory() {
    let nodes = field(1, b"").repeat(100_000);
    let model = field(7, &nested(20, &"x".repeat(12_500), nodes));
    assert!(model.len() < 500_000);
    let error = Graph::from_onnx(&model[..]).unwrap_err();
    assert!(error.to_string().contains("bytes of names"), "{error}");
    let value = field(1, b"x");
    let dims = [0x0a, 0].repeat(100_000);
    let tensor = field(2, &field(1, &field(2, &dims))); // ValueInfoProto.type
    let info = field(13, &[value.clone(), tensor].concat());
    let node = field(1, &field(2, b"x"));
    let model = field(7, &[info, node.repeat(50_000)].concat());
    assert!(Graph::from_onnx(&model[..]).unwrap_err().to_string().contains("bytes of names"));
}
