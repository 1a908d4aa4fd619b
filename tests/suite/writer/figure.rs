//! Figures.

use plotters::prelude::{BLUE, Circle, Color};
use tbx::{ErrorKind, Images, SummaryWriter};

use super::{fixed, run};

#[test]
fn a_figure_is_read_back_as_it_was_drawn() {
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        let draw = |root: &tbx::FigureArea| {
            root.draw(&Circle::new((20, 10), 6, BLUE.filled()))?;
            Ok(())
        };
        writer.add_figure("dot", (40, 30), draw, 3).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        let images = Images::read(&run.get("dot").unwrap().raw().unwrap()[0]).unwrap();
        assert_eq!((images.width, images.height), (40, 30));
        let photo = images.decode().unwrap()[0].to_rgb8();
        for (x, y, pixel) in photo.enumerate_pixels() {
            let distance = (f64::from(x) - 20.0).hypot(f64::from(y) - 10.0);
            match pixel.0 {
                [0, 0, 255] => assert!(distance < 7.0, "blue at {x}, {y}"),
                [255, 255, 255] => assert!(distance > 5.0, "white at {x}, {y}"),
                _ => assert!((5.0..7.5).contains(&distance), "mixed at {x}, {y}"),
            }
        }
    }
}

#[test]
fn a_figure_that_cannot_be_drawn_fails_at_the_call_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let failed = writer.add_figure("bad", (40, 30), |_| Err("no data".into()), 7).unwrap_err();
    assert_eq!(failed.to_string(), "tag \"bad\", step 7: a figure: no data");
    let empty = writer.add_figure("bad", (0, 30), |_| Ok(()), 7).unwrap_err();
    assert_eq!(empty.to_string(), "tag \"bad\", step 7: a figure of 0x30 pixels");
    for error in [failed, empty] {
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    }
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1);
}

#[test]
fn a_writer_that_does_nothing_draws_nothing() {
    let writer = SummaryWriter::noop();
    writer.add_figure("chart", (40, 30), |_| unreachable!("drawn for nobody"), 0).unwrap();
}
