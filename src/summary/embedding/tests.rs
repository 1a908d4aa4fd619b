use super::*;

fn tensors(embedding: &Embedding) -> String {
    let mut out = Vec::new();
    embedding.write_tensors(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn metadata(embedding: &Embedding) -> String {
    let mut out = Vec::new();
    embedding.write_metadata(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn two() -> Embedding {
    Embedding::new([[1.0f32, 2.0], [3.0, 4.0]])
}

#[test]
fn rows_of_every_kind_are_points() {
    let expected = two();
    let vectors = vec![vec![1.0f64, 2.0], vec![3.0, 4.0]];
    assert_eq!(Embedding::new(&vectors), expected);
    assert_eq!(Embedding::new(vectors.iter().map(Vec::as_slice)), expected);
    assert_eq!(Embedding::new([[1i32, 2], [3, 4]]), expected);
    assert_eq!(Embedding::new(vectors), expected);
    let points: Vec<_> = expected.points().collect();
    assert_eq!(points, [[1.0, 2.0], [3.0, 4.0]]);
    assert!(Embedding::new([[0.0f32; 0]; 3]).points().next().is_none());
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays_of_every_stride_are_points() {
    let array = ndarray::arr2(&[[1.0f32, 2.0], [3.0, 4.0]]);
    assert_eq!(Embedding::new(array.rows()), two());
    assert_eq!(Embedding::new(array.t().columns()), two());
    let wide = ndarray::Array2::from_shape_fn((4, 4), |(y, x)| array[[y / 2, x / 2]]);
    assert_eq!(Embedding::new(wide.slice(ndarray::s![..;2, ..;2]).rows()), two());
}

#[test]
fn numbers_are_written_so_that_they_are_read_as_they_were() {
    let numbers = [0.0, -0.0, 0.1, 1e-45, f32::MAX, f32::MIN_POSITIVE, 16_777_217.0, 1e-7, 1e16];
    let embedding = Embedding::new([numbers, numbers]);
    let text = "0.0\t-0.0\t0.1\t1e-45\t3.4028235e38\t1.1754944e-38\t16777216.0\t1e-7\t1e16\n";
    assert_eq!(tensors(&embedding), text.repeat(2));
    let read = Embedding::from_files(&EmbeddingInfo::default(), text.as_bytes(), None, None);
    let read = read.unwrap();
    let bits = |row: &[f32]| row.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(read.points().next().unwrap()), bits(&numbers));
    // TensorBoard reads float64 and rounds those.
    for number in (0..1 << 16).map(|i: u32| f32::from_bits(i.wrapping_mul(0x9e37_79b1))) {
        let read: f64 = format!("{number:?}").parse().unwrap();
        assert!(number.is_nan() || (read as f32).to_bits() == number.to_bits(), "{number:?}");
    }
}

#[test]
fn labels_have_no_header_and_metadata_has_one() {
    let labels = two().labels(["a", "größe \"1\""]);
    assert_eq!((metadata(&labels), labels.header()), ("a\ngröße \"1\"\n".into(), &[][..]));
    assert_eq!(metadata(&two().labels([1, 2])), "1\n2\n");
    let table = two().metadata(["name", "n"], [["a", ""], ["", "2"]]);
    assert_eq!(metadata(&table), "name\tn\na\t\n\t2\n");
    assert_eq!(table.header(), ["name", "n"]);
    let rows: Vec<_> = table.metadata_rows().collect();
    assert_eq!(rows, [["a", ""], ["", "2"]]);
    assert_eq!(two().metadata(["name"], [["a"], ["b"]]), two().labels(["a", "b"]));
    for embedding in [labels, table] {
        embedding.check().unwrap();
        let text = tensors(&embedding);
        let labels = metadata(&embedding);
        let info = EmbeddingInfo::default();
        let read = Embedding::from_files(&info, text.as_bytes(), Some(labels.as_bytes()), None);
        assert_eq!(read.unwrap(), embedding);
    }
}

#[test]
fn what_the_projector_cannot_show_is_refused() {
    let blank = "\u{a0} \u{feff}\u{2003}";
    for (bad, says) in [
        (Embedding::new([[0.0f32; 3]; 0]), "0 points of 0 dimensions"),
        (Embedding::new([[0.0f32; 3]]), "1 points of 3 dimensions"),
        (Embedding::new([[0.0f32]; 3]), "3 points of 1 dimensions"),
        (Embedding::new([vec![1.0, 2.0], vec![1.0]]), "row 0 of 2 numbers, but row 1 of 1"),
        (Embedding::new([[1.0, 2.0], [1.0, f64::NAN]]), "NaN, as float32, in row 1, column 1"),
        (Embedding::new([[1.0, f32::INFINITY], [1.0, 2.0]]), "inf, as float32, in row 0, column 1"),
        (Embedding::new([[1.0, 2.0], [1e300, 2.0]]), "inf, as float32, in row 1, column 0"),
        (two().labels(["a"]), "labels for 1 points, not for 2"),
        (two().labels(["a", "b", "c"]), "labels for 3 points, not for 2"),
        (two().labels(["a", "b\tc"]), "labels of point 1 with a tab or a line break: \"b\\tc\""),
        (two().labels(["a\n", "b"]), "labels of point 0 with a tab or a line break: \"a\\n\""),
        (two().labels(["a", "b\r"]), "labels of point 1 with a tab or a line break: \"b\\r\""),
        (two().labels(["a", ""]), "labels of point 1 without a visible character"),
        (two().labels([blank, "a"]), "labels of point 0 without a visible character"),
        (two().metadata(["a", "b"], [["", " "], ["1", "2"]]), "labels of point 0 without"),
        (
            two().metadata(["a", "b"], [vec!["1", "2"], vec!["1"]]),
            "2 names, but metadata row 1 of 1",
        ),
        (two().metadata(["", ""], [["1", "2"], ["1", "2"]]), "a header without"),
        (two().metadata([""; 0], [[""; 0], []]), "labels for 0 points"),
        (
            two().metadata(["a", "b\t"], [["1", "2"], ["1", "2"]]),
            "a header with a tab or a line break: \"b\\t\"",
        ),
        (two().metadata(["a", "b"], [["1", "2"]]), "labels for 1 points"),
    ] {
        let error = bad.check().unwrap_err();
        assert!(matches!(error, ErrorKind::Argument(_)), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("an embedding with ") && text.contains(says), "{text}");
    }
}

/// A table with irregular rows, as other programs write them, and numbers as raw bytes.
#[test]
fn files_of_other_programs_are_read() {
    let read = |tensors: &[u8], shape: &[u32], metadata: Option<&str>| {
        let info = EmbeddingInfo { tensor_shape: shape.to_vec(), ..Default::default() };
        Embedding::from_files(&info, tensors, metadata.map(str::as_bytes), None)
    };
    let text = read(b"1\t2\r\n\n3.0 \t4e0", &[], Some("a\tb\n1\n\n2\t3\t4\n")).unwrap();
    assert_eq!(text, two().metadata(["a", "b"], [["1", ""], ["2", "3"]]));
    let mut bytes = [1.0f32, 2.0, 3.0, f32::NAN].map(f32::to_le_bytes).concat();
    let raw = read(&bytes, &[2, 2], None).unwrap();
    assert_eq!(raw.points().next().unwrap(), [1.0, 2.0]);
    assert!(raw.points().nth(1).unwrap()[1].is_nan());
    assert!(raw.check().is_err(), "what was read is not better than what was made");
    for shape in [&[][..], &[4], &[2, 3], &[u32::MAX; 2], &[2, 2, 1]] {
        assert!(matches!(read(&bytes, shape, None), Err(ErrorKind::Value(_))), "{shape:?}");
    }
    bytes.pop();
    assert!(read(&bytes, &[2, 2], None).is_err());
    for text in ["1\t2\n3\n", "1\tx\n", "1\t\n", "\t\n"] {
        assert!(matches!(read(text.as_bytes(), &[], None), Err(ErrorKind::Value(_))), "{text:?}");
    }
    let empty = read(b"", &[], Some("")).unwrap();
    assert_eq!((empty.len(), empty.dimensions(), empty.metadata_rows().count()), (0, 0, 0));
}

#[cfg(feature = "image")]
mod sprites {
    use image::{Rgb, RgbImage};

    use super::*;

    #[test]
    fn pictures_are_a_square_row_by_row() {
        for (count, side) in [(2, 2), (4, 2), (5, 3), (9, 3), (10, 4)] {
            let images: Vec<_> =
                (1..=count).map(|i| RgbImage::from_pixel(3, 2, Rgb([i, 2 * i, 200]))).collect();
            let points = vec![[0.0f32; 3]; usize::from(count)];
            let embedding = Embedding::new(&points).sprite(&images[..]);
            embedding.check().unwrap();
            let sprite = embedding.sprite_image().unwrap();
            assert_eq!((sprite.width, sprite.height), (3, 2));
            let found = image::load_from_memory(&sprite.encoded).unwrap().to_rgb8();
            let expected = RgbImage::from_fn(3 * side, 2 * side, |x, y| {
                let n = usize::try_from(side * (y / 2) + x / 3).unwrap();
                images.get(n).map_or(Rgb([0; 3]), |image| *image.get_pixel(0, 0))
            });
            assert!(found == expected, "{count}");
        }
    }

    #[test]
    fn pictures_that_no_texture_can_hold_are_refused() {
        let blank = |width, height| RgbImage::new(width, height);
        let two_of = |image: RgbImage| two().sprite(&[image.clone(), image][..]);
        two_of(blank(4096, 1)).check().unwrap();
        for (bad, says) in [
            (two_of(blank(4097, 1)), "2 images of 4097x1 pixels: 2 in a row are more than"),
            (two_of(blank(1, 4097)), "2 images of 1x4097 pixels"),
            (two().sprite(&[blank(2, 2)][..]), "1 images for 2 points"),
            (two().sprite(&[blank(2, 2), blank(2, 3)][..]), "images of two sizes"),
            (two().sprite(&[blank(2, 2)][..0]), "a batch of no images"),
            (two_of(blank(0, 2)), "has no pixels"),
        ] {
            let text = bad.check().unwrap_err().to_string();
            assert!(text.contains(says), "{text}");
        }
    }
}
