//! Files of Weights & Biases: the reader of the container accounts for every byte, and never loses a record whose bytes
//! are whole. An import of any file writes a sound log with the reported number of points, and a second one adds nothing.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use tbx::LoadOptions;
use tbx::wandb::block::{Found, Records};
use tbx::wandb::chunk::{
    BLOCK, FILE_HEAD, FIRST, FULL, HEAD, LAST, MAGIC, MIDDLE, VERSION, checksum,
};
use tbx::wandb::record::Record;
use tbx::wandb::view;
use tbx_fuzz::{Input, Sandbox, files, open};
use tbx_runs::import::Import;

/// A file of records, and where each of them is.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    records: Vec<(std::ops::Range<usize>, Vec<u8>)>,
}

impl Written {
    fn new() -> Self {
        Self { bytes: [&MAGIC[..], &[VERSION]].concat(), records: Vec::new() }
    }

    fn add(&mut self, record: &[u8]) {
        let mut start = None;
        let (mut rest, mut is_first) = (record, true);
        loop {
            let left = BLOCK - self.bytes.len() % BLOCK;
            if left < HEAD {
                self.bytes.resize(self.bytes.len() + left, 0);
                continue;
            }
            start.get_or_insert(self.bytes.len());
            let (data, after) = rest.split_at(rest.len().min(left - HEAD));
            let kind = match (is_first, after.is_empty()) {
                (true, true) => FULL,
                (true, false) => FIRST,
                (false, false) => MIDDLE,
                (false, true) => LAST,
            };
            self.bytes.extend(checksum(kind, data).to_le_bytes());
            self.bytes.extend(u16::try_from(data.len()).expect("it fits").to_le_bytes());
            self.bytes.push(kind);
            self.bytes.extend(data);
            (rest, is_first) = (after, false);
            if rest.is_empty() {
                break;
            }
        }
        self.records.push((start.unwrap_or_default()..self.bytes.len(), record.to_vec()));
    }
}

/// The records that are found; `None` if the file is refused.
fn read(bytes: &[u8]) -> Option<Vec<(u64, Vec<u8>)>> {
    let mut records = Records::new(bytes).ok()?;
    let (mut found, mut end) = (Vec::new(), 0);
    while let Some(next) = records.next().expect("it is in memory") {
        match next {
            Found::Record { offset, bytes } => {
                assert!(offset >= end, "records are in order");
                end = offset + (HEAD + bytes.len()) as u64;
                found.push((offset, bytes.to_vec()));
            }
            Found::Lost(loss) => assert!(loss.offset <= bytes_len(bytes), "{loss:?}"),
        }
    }
    assert_eq!(records.position(), bytes_len(bytes));
    Some(found)
}

fn bytes_len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("it is in memory")
}

/// A record that prost takes, the view takes, too, with the same keys.
fn views(record: &[u8]) {
    let Ok(message) = Record::decode(record) else { return };
    let content = view::content(record).expect("prost takes it");
    let Some(tbx::wandb::record::Content::Summary(update)) = message.content else { return };
    let Some((view::SUMMARY, mut content)) = content else { return };
    let mut paths = Vec::new();
    while let Some(part) = view::next_part(&mut content, 1).expect("prost takes it") {
        let view::Part::Item(bytes) = part else { continue };
        // A key behind its value is the only thing that is refused.
        let Ok(item) = view::item(bytes) else { return };
        paths.push(view::path(item.key).expect("prost takes it"));
    }
    let of = |item: &tbx::wandb::items::Item| match item.nested_key.as_slice() {
        [] if item.key.is_empty() => Vec::new(),
        [] => vec![item.key.clone()],
        path => path.to_vec(),
    };
    let expected: Vec<_> = update.update.iter().map(of).collect();
    let is_merged = paths.len() != expected.len(); // the field occurs twice
    assert!(is_merged || paths.iter().zip(&expected).all(|(a, b)| a == b || a.concat().is_empty()));
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let mut written = Written::new();
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        match input.byte() {
            // Bytes that cross the border of a block.
            0..=15 => {
                let len = usize::from(input.u16());
                written.add(&vec![input.byte(); len]);
            }
            _ => {
                let record = input.bytes().to_vec();
                views(&record);
                written.add(&record);
            }
        }
    }
    let whole = read(&written.bytes).expect("it is sound");
    assert!(
        whole.iter().map(|(_, record)| record).eq(written.records.iter().map(|(_, record)| record))
    );
    // One changed byte costs no more than the record that has it.
    let at = FILE_HEAD + usize::from(input.u16()) % (written.bytes.len() - FILE_HEAD).max(1);
    let flip = input.byte().max(1);
    if let Some(byte) = written.bytes.get_mut(at) {
        *byte ^= flip;
        let found = read(&written.bytes).expect("the head is whole");
        for (range, record) in written.records.iter().filter(|(range, _)| !range.contains(&at)) {
            let place = (range.start as u64, record.clone());
            assert!(found.contains(&place), "the record at {} is lost by byte {at}", range.start);
        }
    }

    let sandbox = Sandbox::new(data);
    let run = sandbox.logs().join("run-20260101_000000-abc");
    fs::create_dir_all(run.join("files/media")).expect("a new directory");
    fs::write(run.join("run-abc.wandb"), &written.bytes).expect("a new file");
    fs::write(run.join("files/media/a.json"), input.bytes()).expect("a new file");
    fs::write(run.join("files/media/a.png"), input.bytes()).expect("a new file");
    let (source, out) = (run.to_str().expect("UTF-8").to_owned(), sandbox.path("out"));
    let before = files(&sandbox.logs());
    let imported = Import::new().from("wandb").run(&source, &out);
    assert!(before == files(&sandbox.logs()), "the source was changed");
    let Ok(imported) = imported else { return };
    let loaded = open(&out).load(&LoadOptions::new()).expect("damage is in the report");
    assert!(loaded.report.is_lossless(), "{:?}", loaded.report.issues);
    let series = loaded.runs.iter().flat_map(|run| &run.series);
    let points: usize = series.filter_map(|series| series.scalars()).map(|all| all.len()).sum();
    assert_eq!(imported.runs.iter().map(|run| run.points).sum::<u64>(), points as u64);
    let again = Import::new().from("wandb").run(&source, &out).expect("it was possible before");
    assert!(again.runs.iter().all(|run| run.was_there || run.is_unfinished));
    sandbox.check(&["out"]);
});
