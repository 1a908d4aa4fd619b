//! Logs with embeddings.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use tbx::{Embedding, SummaryWriter};

/// A configuration of files that tbx does not write: bookmarks, and files that are not there or not the run's.
const BY_HAND: &str = r#"
embeddings { tensor_name: "kept:0" tensor_path: "k.tsv" metadata_path: "k.txt" bookmarks_path: "b.json" }
embeddings { tensor_name: "gone" tensor_path: "k.tsv" metadata_path: "gone" bookmarks_path: "gone" sprite { image_path: "gone" } }
embeddings { tensor_name: "outside" tensor_path: "k.tsv" metadata_path: "../secret" bookmarks_path: "../secret" sprite { image_path: "../secret" } }
"#;

/// Writes two runs with embeddings, with and without labels, images and bookmarks.
pub(super) fn write_embeddings(dir: &Path) {
    let run = dir.join("embeddings");
    let writer = SummaryWriter::create(&run).unwrap();
    let embedding = Embedding::new([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    writer.add_embedding("50% \"größe\" 'q'", &embedding, 0).unwrap();
    let rows = [["a", "1"], ["b ü", "2"]];
    let table = embedding.clone().metadata(["name", "class"], rows);
    writer.add_embedding("table", &table, 7).unwrap();
    let image = RgbImage::from_pixel(4, 4, Rgb([9, 99, 199]));
    let all = embedding.labels(["a", "b"]).sprite(&[image.clone(), image][..]);
    writer.add_embedding("all", &all, 0).unwrap();
    writer.add_scalar("loss", 0.5, 0).unwrap();
    writer.close().unwrap();
    let path = run.join("projector_config.pbtxt");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(path, config + BY_HAND).unwrap();
    fs::write(run.join("k.tsv"), "1\t2\n3\t-4.5\n\n5e-3\t6\n").unwrap();
    fs::write(run.join("k.txt"), "one\ntwo\nthree").unwrap();
    fs::write(run.join("b.json"), "[ {\"label\": \"x\"} ]").unwrap();
    fs::write(dir.join("secret"), "secret").unwrap();

    // Without a name, and with the numbers as bytes.
    let run = dir.join("unnamed");
    let writer = SummaryWriter::create(&run).unwrap();
    writer.add_scalar("loss", 0.5, 0).unwrap();
    writer.close().unwrap();
    let config = "embeddings { tensor_path: \"t.bytes\" tensor_shape: 2 tensor_shape: 2 }";
    fs::write(run.join("projector_config.pbtxt"), config).unwrap();
    let numbers = [1.5f32, -2.0, f32::NAN, 1e30];
    fs::write(run.join("t.bytes"), numbers.map(f32::to_le_bytes).concat()).unwrap();
}
