//! Meshes.

use std::collections::BTreeSet;

use tbx::{Error, ErrorKind, Kind, LoadOptions, Mesh, MeshComponent, MeshPart, Run, Triples};

use super::{fixed, run, values};
use crate::common::{load, repository};

const CORNERS: [[f32; 3]; 3] = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
const COLORS: [[u8; 3]; 3] = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];

fn triangle() -> Mesh {
    let mesh = Mesh::new(&CORNERS).unwrap().with_faces(&[[0, 1, 2]]).unwrap();
    mesh.with_colors(&COLORS).unwrap()
}

/// The mesh from point `i` of each series of the mesh `name`.
fn mesh(run: &Run, name: &str, i: usize) -> Mesh {
    let series = run.series.iter().filter(|series| series.kind() == Kind::Mesh);
    let components = series.filter_map(|series| {
        let value = series.raw().unwrap().get(i)?;
        let component = MeshComponent::read(series.metadata(), value).unwrap();
        (component.name == name).then_some(component)
    });
    Mesh::from_components(components.collect::<Vec<_>>()).unwrap()
}

#[test]
fn meshes_are_read_back_as_they_were_given() {
    let config = r#"{"camera": {"cls": "PerspectiveCamera", "fov": 60}, "größe": [1, null]}"#;
    let points: Vec<[f32; 3]> = (0..1000).map(|i| [i as f32, -0.0, 0.1]).collect();
    let cloud = Mesh::new(&points).unwrap().with_config(config).unwrap();
    let two = Triples::new(2, [CORNERS, CORNERS].concat()).unwrap();
    let faces = Triples::new(2, [[0u64, 1, 2], [2, 2, 2], [2, 1, 0], [1, 1, 1]]).unwrap();
    let batch = Mesh::new(&two).unwrap().with_faces(&faces).unwrap();
    let none: [[i32; 3]; 0] = [];
    let no_faces = triangle().with_faces(&none).unwrap();
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        writer.add_mesh("triangle", &triangle(), 3).unwrap();
        writer.add_mesh("triangle", &no_faces, 4).unwrap();
        writer.add_mesh("cloud", &cloud, None).unwrap();
        writer.add_mesh("größe/batch", &batch, -1).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        assert_eq!(mesh(&run, "triangle", 0), triangle());
        assert_eq!(mesh(&run, "triangle", 1), no_faces);
        assert_eq!(mesh(&run, "cloud", 0), cloud);
        assert_eq!(mesh(&run, "größe/batch", 0), batch);
        let tags: BTreeSet<_> = run.series.iter().map(|series| series.tag()).collect();
        let expected = [
            "cloud_VERTEX",
            "größe/batch_FACE",
            "größe/batch_VERTEX",
            "triangle_COLOR",
            "triangle_FACE",
            "triangle_VERTEX",
        ];
        assert_eq!(tags.into_iter().collect::<Vec<_>>(), expected);
    }
    assert_eq!(batch.faces().unwrap().values()[2], [2, 1, 0]);
}

/// TensorBoard uses them to find the components of a step.
#[test]
fn the_components_of_a_mesh_have_one_step_and_time() {
    let dir = tempfile::tempdir().unwrap();
    let writer = tbx::SummaryWriter::create(dir.path()).unwrap();
    for _ in 0..3 {
        writer.add_mesh("m", &triangle(), None).unwrap();
    }
    writer.close().unwrap();
    let run = run(dir.path());
    let times = run.get("m_VERTEX").unwrap().wall_times();
    for tag in ["m_VERTEX", "m_FACE", "m_COLOR"] {
        let series = run.get(tag).unwrap();
        assert_eq!((series.steps(), series.wall_times()), (&[0, 1, 2][..], times));
    }
    let metadata = values(writer.path().unwrap()).into_iter().map(|value| value.metadata.is_some());
    assert_eq!(metadata.collect::<Vec<_>>(), [vec![true; 3], vec![false; 6]].concat());
}

#[test]
fn arrays_of_any_stride_are_meshes() {
    use ndarray::{Array2, Array3, Axis, s};

    let vertices = Array3::from_shape_fn((2, 4, 3), |(b, n, i)| (100 * b + 10 * n + i) as f32);
    let reversed = vertices.slice(s![.., ..;-1, ..]);
    let faces = Array2::from_shape_vec((1, 3), vec![0u32, 1, 3]).unwrap();
    let one = Mesh::new(vertices.index_axis(Axis(0), 1)).unwrap().with_faces(&faces).unwrap();
    assert_eq!(one.vertices().values()[3], [130.0, 131.0, 132.0]);
    assert_eq!(one.faces().unwrap().values(), [[0, 1, 3]]);
    let two = Mesh::new(reversed).unwrap();
    assert_eq!((two.vertices().batch(), two.vertices().rows()), (2, 4));
    assert_eq!(two.vertices().values()[4], [130.0, 131.0, 132.0]);
    for shape in [vec![3], vec![4, 2], vec![2, 4, 4], vec![1, 1, 4, 3], vec![0, 3], vec![0, 4, 3]] {
        let array = ndarray::ArrayD::<f32>::zeros(shape.clone());
        let error = Mesh::new(array).unwrap_err();
        assert!(matches!(error, ErrorKind::Argument(_)), "{shape:?}: {error}");
    }
}

#[test]
fn what_is_no_mesh_is_refused() {
    let rows = |batch, count| Triples::new(batch, vec![[0; 3]; count]);
    let none: [[f32; 3]; 0] = [];
    let mut refused = vec![
        ("no vertices", Mesh::new(&none)),
        ("an index beyond", triangle().with_faces(&[[0, 1, 2], [0, 3, 1]])),
        ("a negative index", triangle().with_faces(&[[0, -1, 2]])),
        ("an index beyond i32", triangle().with_faces(&[[0, 1, u64::MAX]])),
        ("faces of two meshes", triangle().with_faces(rows(2, 2).unwrap())),
        ("fewer colors", triangle().with_colors(&COLORS[..2])),
        ("more colors", triangle().with_colors(&[[0; 3]; 4])),
        ("no mesh", rows(0, 0).and_then(|rows| triangle().with_colors(rows))),
        ("a part of a mesh", rows(2, 3).and_then(|rows| triangle().with_colors(rows))),
    ];
    for config in ["", "null", "[]", "{", "{'a': 1}", "{} {}"] {
        refused.push((config, triangle().with_config(config)));
    }
    for (what, mesh) in refused {
        let error = mesh.unwrap_err();
        assert!(matches!(error, ErrorKind::Argument(_)), "{what}: {error}");
    }
    let error = triangle().with_faces(&[[0, 1, 2], [0, 3, 1]]).unwrap_err();
    assert_eq!(error.to_string(), "face 1 is [0, 3, 1], but vertices are 0 to 2");
}

/// The forms of TensorFlow, of PyTorch, with all numbers as float32, and of tensorboardX, with
/// other tags, no component bits and the config `null`.
#[test]
fn meshes_of_other_programs_are_read() {
    for (folder, name) in [("tf2", "plugins"), ("torch", "media"), ("tensorboardx", "media")] {
        let loaded = load(&repository(&format!("fixtures/{folder}")), &LoadOptions::new());
        let run = loaded.runs.iter().find(|run| run.name == name).unwrap();
        assert_eq!(mesh(run, "mesh", 0), triangle(), "{folder}");
    }
}

#[test]
fn components_that_make_no_mesh_are_refused() -> Result<(), Error> {
    let component = |part| MeshComponent::new("m", "{}", part);
    let vertices = || component(MeshPart::Vertices(Triples::new(1, CORNERS).unwrap()));
    let faces = |face: [i32; 3]| component(MeshPart::Faces(Triples::new(1, [face]).unwrap()));
    let colors = component(MeshPart::Colors(Triples::new(1, [[1; 3]])?));
    for components in [
        vec![],
        vec![faces([0, 1, 2])],
        vec![vertices(), faces([0, 1, 3])],
        vec![vertices(), faces([0, 1, i32::MIN])],
        vec![vertices(), colors],
    ] {
        let error = Mesh::from_components(components.clone()).unwrap_err();
        assert!(matches!(error, ErrorKind::Value(_)), "{components:?}: {error}");
    }
    Mesh::from_components([vertices(), faces([0, 1, 2])])?;
    Ok(())
}
