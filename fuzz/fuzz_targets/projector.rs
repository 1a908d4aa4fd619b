//! The projector's files: an embedding can be added to any configuration that is read, which keeps the others.
//! Tables of numbers and labels that are read can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::Embedding;
use tbx::pb::projector::{EmbeddingInfo, SpriteMetadata};
use tbx::summary::embedding::{merge, read};
use tbx_fuzz::Input;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    if input.byte() % 2 == 0 {
        configuration(input.rest());
    } else {
        let info = EmbeddingInfo { tensor_shape: vec![2, 2], ..Default::default() };
        let labels = input.bytes();
        tables(&info, input.rest(), Some(labels).filter(|labels| !labels.is_empty()));
    }
});

fn configuration(text: &[u8]) {
    let Ok(before) = read(text) else {
        assert!(merge(text, &EmbeddingInfo::default()).is_err(), "a damaged file is not changed");
        return;
    };
    let names = before.iter().map(|info| info.tensor_name.clone());
    for name in names.take(2).chain(["new\n\"\\\u{e9}".to_owned()]) {
        let info = EmbeddingInfo {
            tensor_name: name.clone(),
            tensor_path: "00001/t/tensors.tsv".into(),
            metadata_path: "a'b".into(),
            tensor_shape: vec![3, 2],
            sprite: Some(SpriteMetadata { image_path: "s".into(), single_image_dim: vec![1, 2] }),
            ..Default::default()
        };
        let merged = merge(text, &info).expect("it was read");
        let after = read(&merged).expect("what was written can be read");
        let mut expected = before.clone();
        let mut is_there = false;
        for other in expected.iter_mut().filter(|other| other.tensor_name == name) {
            *other = info.clone();
            is_there = true;
        }
        if !is_there {
            expected.push(info.clone());
        }
        assert_eq!(after, expected, "{}", String::from_utf8_lossy(&merged));
        assert_eq!(
            merge(&merged, &info).expect("it was read"),
            merged,
            "nothing is left to change"
        );
    }
}

fn tables(info: &EmbeddingInfo, tensors: &[u8], labels: Option<&[u8]>) {
    let Ok(embedding) = Embedding::from_files(info, tensors, labels, None) else { return };
    assert_eq!(embedding.points().count(), embedding.len());
    assert_eq!(embedding.has_metadata(), labels.is_some());
    if embedding.check().is_err() {
        return;
    }
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    embedding.write_tensors(&mut numbers).expect("there is memory");
    embedding.write_metadata(&mut texts).expect("there is memory");
    let texts = labels.map(|_| &texts[..]);
    let again = Embedding::from_files(info, &numbers, texts, None);
    assert_eq!(again.expect("what was written can be read"), embedding);
}
