//! Histograms, point clouds and boxes, which are JSON.

use serde_json::{Map, Value};

use super::json;
use crate::trackers::source::{Histogram, Mesh};

/// Maximum number of buckets of a histogram. The package makes at most 512.
const MAX_BUCKETS: usize = 1 << 20;

/// The counts of a histogram: `values` and `bins`, or bins of one size.
pub(super) fn histogram(object: &Map<String, Value>) -> Option<Histogram> {
    let numbers = |value: &Value| -> Option<Vec<f64>> {
        value.as_array()?.iter().map(json::number).collect()
    };
    let counts = numbers(object.get("values")?)?;
    let edges = match object.get("packedBins") {
        None => numbers(object.get("bins")?)?,
        Some(packed) => {
            let field = |name: &str| packed.get(name).and_then(json::number);
            let (min, size) = (field("min")?, field("size")?);
            if counts.len() > MAX_BUCKETS {
                return None;
            }
            let edge = |n: usize| u32::try_from(n).ok().map(|n| min + size * f64::from(n));
            (0..=counts.len()).map(edge).collect::<Option<Vec<_>>>()?
        }
    };
    let is_valid = edges.len() == counts.len().saturating_add(1)
        && edges.iter().all(|edge| edge.is_finite())
        && edges.iter().zip(edges.iter().skip(1)).all(|(left, right)| left <= right)
        && counts.iter().all(|count| count.is_finite() && *count >= 0.0);
    is_valid.then_some(Histogram { edges, counts })
}

/// The points of a file `.pts.json`: lists of three coordinates, and of a class or a color.
pub(super) fn cloud(value: &Value) -> Option<Mesh> {
    let points = value.get("points").unwrap_or(value).as_array()?;
    let mut mesh = Mesh::default();
    for point in points {
        let numbers: Vec<_> =
            point.as_array()?.iter().map(json::number).collect::<Option<Vec<_>>>()?;
        let [x, y, z, rest @ ..] = numbers.as_slice() else { return None };
        mesh.vertices.push([*x, *y, *z].map(tbx::decimal::to_f32));
        if let [r, g, b, ..] = rest {
            mesh.colors.push([*r, *g, *b].map(byte));
        }
    }
    // Points without a color have none.
    if mesh.colors.len() != mesh.vertices.len() {
        mesh.colors.clear();
    }
    (!mesh.vertices.is_empty()).then_some(mesh)
}

/// A part of a color.
fn byte(value: f64) -> u8 {
    #[expect(clippy::as_conversions, reason = "what is out of range becomes the nearest")]
    (value.round() as u8)
}

/// The boxes of a file `.boxes2D.json` on an image of `size` pixels, and their labels.
pub(super) fn boxes(value: &Value, size: (f64, f64)) -> Vec<([f64; 4], String)> {
    let classes = value.get("class_labels");
    let all = value.get("box_data").and_then(Value::as_array);
    let boxes = all.into_iter().flatten().filter_map(|object| {
        let position = object.get("position")?;
        let field = |name: &str| position.get(name).and_then(json::number);
        let is_pixels = object.get("domain").and_then(Value::as_str) == Some("pixel");
        let (width, height) = if is_pixels { (1.0, 1.0) } else { size };
        let sides = match position.get("middle").and_then(Value::as_array).map(Vec::as_slice) {
            Some([x, y]) => {
                let (x, y) = (json::number(x)?, json::number(y)?);
                let (half_width, half_height) = (field("width")? / 2.0, field("height")? / 2.0);
                [x - half_width, y - half_height, x + half_width, y + half_height]
            }
            _ => [field("minX")?, field("minY")?, field("maxX")?, field("maxY")?],
        };
        let [left, top, right, bottom] = sides;
        let class = object.get("class_id").map(ToString::to_string).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let label = object.get("box_caption").and_then(text);
        let label = label.or_else(|| classes?.get(&class).and_then(text)).unwrap_or(class);
        Some(([left * width, top * height, right * width, bottom * height], label))
    });
    boxes.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_histogram_has_one_edge_more_than_counts() {
        let of = |value| histogram(&object(value));
        let found = of(json!({"values": [1, 2], "bins": [0, 1.5, 2]})).unwrap();
        assert_eq!((found.counts, found.edges), (vec![1.0, 2.0], vec![0.0, 1.5, 2.0]));
        let packed = json!({"values": [1, 2], "packedBins": {"min": 1, "size": 0.5, "count": 2}});
        assert_eq!(of(packed).unwrap().edges, [1.0, 1.5, 2.0]);
        for value in [
            json!({"values": [1, 2], "bins": [0, 1]}),
            json!({"values": [1], "bins": [1, 0]}),
            json!({"values": [-1], "bins": [0, 1]}),
            json!({"values": ["x"], "bins": [0, 1]}),
            json!({"bins": [0, 1]}),
        ] {
            assert_eq!(of(value.clone()), None, "{value}");
        }
    }

    #[test]
    fn clouds_may_have_colors() {
        let mesh = cloud(&json!([[1, 2, 3, 255, 300, -1], [4, 5, 6, 0, 1, 2]])).unwrap();
        assert_eq!(mesh.vertices, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert_eq!(mesh.colors, [[255, 255, 0], [0, 1, 2]]);
        assert!(cloud(&json!([[1, 2, 3, 7]])).unwrap().colors.is_empty());
        let lidar = json!({"type": "lidar/beta", "points": [[1, 2, 3]]});
        assert_eq!(cloud(&lidar).unwrap().vertices.len(), 1);
        for value in [json!([]), json!([[1, 2]]), json!({}), json!([["x", 1, 2]])] {
            assert_eq!(cloud(&value), None, "{value}");
        }
    }

    #[test]
    fn boxes_are_fractions_or_pixels() {
        let value = json!({
            "class_labels": {"1": "cat"},
            "box_data": [
                {"position": {"minX": 0.1, "maxX": 0.2, "minY": 0.3, "maxY": 0.4}, "class_id": 1},
                {"position": {"middle": [5, 6], "width": 2, "height": 4}, "domain": "pixel",
                 "box_caption": "x", "class_id": 1},
                {"position": {}},
            ],
        });
        let found = boxes(&value, (10.0, 100.0));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], ([1.0, 30.0, 2.0, 40.0], "cat".into()));
        assert_eq!(found[1], ([4.0, 4.0, 6.0, 8.0], "x".into()));
    }
}
