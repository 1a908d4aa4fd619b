use super::*;

/// A record of a test: its bytes in the file, and its own.
type Placed = (Range<usize>, Vec<u8>);

/// A file with these records, and where each of them is.
fn file(records: &[Vec<u8>]) -> (Vec<u8>, Vec<Placed>) {
    let mut bytes = [&MAGIC[..], &[VERSION]].concat();
    let mut placed = Vec::new();
    for record in records {
        let start = bytes.len();
        let mut rest = &record[..];
        let mut is_first = true;
        loop {
            let left = BLOCK - bytes.len() % BLOCK;
            if left < HEAD {
                bytes.resize(bytes.len() + left, 0);
                continue;
            }
            let (data, after) = rest.split_at(rest.len().min(left - HEAD));
            let kind = match (is_first, after.is_empty()) {
                (true, true) => FULL,
                (true, false) => FIRST,
                (false, false) => MIDDLE_KIND,
                (false, true) => LAST,
            };
            bytes.extend(checksum(kind, data).to_le_bytes());
            bytes.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
            bytes.push(kind);
            bytes.extend(data);
            (rest, is_first) = (after, false);
            if rest.is_empty() {
                break;
            }
        }
        placed.push((start..bytes.len(), record.clone()));
    }
    (bytes, placed)
}

const MIDDLE_KIND: u8 = crate::wandb::chunk::MIDDLE;

fn read(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, Vec<Loss>), String> {
    let mut records = Records::new(bytes).map_err(|error| error.to_string())?;
    let (mut found, mut lost) = (Vec::new(), Vec::new());
    while let Some(next) = records.next().unwrap() {
        match next {
            Found::Record { bytes, .. } => found.push(bytes.to_vec()),
            Found::Lost(loss) => lost.push(loss),
        }
    }
    assert_eq!(records.position(), bytes.len() as u64);
    Ok((found, lost))
}

/// Records of these lengths, all different.
fn records(lens: &[usize]) -> Vec<Vec<u8>> {
    let byte = |i: usize, n: usize| (i * 31 + n * n + n / 7) as u8;
    lens.iter().enumerate().map(|(i, len)| (0..*len).map(|n| byte(i, n)).collect()).collect()
}

#[test]
fn records_of_every_length_around_the_border_of_a_block_are_read() {
    for len in (BLOCK - 40)..(BLOCK + 20) {
        let records = records(&[3, len, 0, 5]);
        let (bytes, placed) = file(&records);
        assert!(read(&bytes) == Ok((records, Vec::new())), "{len}");
        assert_eq!(placed.len(), 4);
    }
    let records = records(&[5, 100_000, 7, 2 * BLOCK]);
    assert!(read(&file(&records).0) == Ok((records, Vec::new())));
}

#[test]
fn a_file_cut_anywhere_has_the_records_before_the_cut() {
    let records = records(&[3, 40, 0, 90, BLOCK, 20, 8]);
    let (bytes, placed) = file(&records);
    let near = |cut: &usize| *cut < 400 || (BLOCK - 50..BLOCK + 300).contains(cut);
    for cut in (0..=bytes.len()).filter(near) {
        let (found, lost) = read(&bytes[..cut]).unwrap();
        let whole = placed.iter().filter(|(range, _)| range.end <= cut).count();
        assert!(found == records[..whole], "{cut}");
        let border = placed.iter().any(|(range, _)| range.end == cut) || cut <= FILE_HEAD;
        let reasons: Vec<_> = lost.iter().map(|loss| loss.reason).collect();
        assert_eq!(reasons, if border { vec![] } else { vec![Reason::Cut] }, "{cut}");
    }
}

#[test]
fn a_flipped_bit_costs_the_record_that_has_it() {
    let records = records(&[3, 40, 0, 90, BLOCK, 20, 8]);
    let (mut bytes, placed) = file(&records);
    let near = |at: &usize| *at < 120 || (BLOCK - 20..BLOCK + 60).contains(at);
    for at in (0..bytes.len()).filter(near) {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let is_whole = |(range, _): &&Placed| !range.contains(&at);
            let whole: Vec<_> =
                placed.iter().filter(is_whole).map(|(_, record)| record.clone()).collect();
            match read(&bytes) {
                Ok((found, lost)) => {
                    assert!(found == whole, "byte {at}, bit {bit}");
                    assert_eq!(lost.len(), 1, "byte {at}, bit {bit}: {lost:?}");
                }
                Err(said) => {
                    assert_eq!(at, MAGIC.len());
                    assert_eq!(said, "a newer wandb version is required to read this file");
                }
            }
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn a_lost_block_costs_the_records_in_it() {
    let records = records(&[100, BLOCK, 50, 60, BLOCK, 70, 80]);
    let (bytes, placed) = file(&records);
    for (what, fill) in [("zeros", 0), ("others", 0xaa)] {
        let mut bytes = bytes.clone();
        let block = BLOCK..2 * BLOCK;
        bytes[block.clone()].fill(fill);
        let is_whole = |(range, _): &&Placed| range.end <= block.start || range.start >= block.end;
        let whole: Vec<_> =
            placed.iter().filter(is_whole).map(|(_, record)| record.clone()).collect();
        let (found, lost) = read(&bytes).unwrap();
        assert!(found == whole, "{what}");
        assert!(!lost.is_empty(), "{what}");
    }
    // An area that was never written, behind the last record.
    let mut longer = bytes.clone();
    longer.resize(bytes.len() + 3 * BLOCK, 0);
    assert!(read(&longer) == Ok((records, Vec::new())));
}

#[test]
fn a_record_without_its_start_or_end_is_one_loss() {
    let records = records(&[10, 3 * BLOCK, 20]);
    let (bytes, placed) = file(&records);
    let long = placed[1].0.clone();
    // Without its second block.
    let cut = [&bytes[..BLOCK], &bytes[2 * BLOCK..]].concat();
    let (found, lost) = read(&cut).unwrap();
    assert_eq!(found.len(), 3, "a middle chunk is missing, which nothing says");
    assert_eq!(lost, []);
    // Without its first block.
    let head = file(&records[..0]).0;
    let mut cut = head;
    cut.resize(BLOCK, 0);
    cut.extend(&bytes[BLOCK..]);
    let (found, lost) = read(&cut).unwrap();
    assert!(found == [records[2].clone()]);
    assert_eq!(lost[0].reason, Reason::NoStart);
    assert_eq!(lost.len(), 1);
    // Without its end.
    let end = (long.end / BLOCK) * BLOCK;
    let mut cut = bytes[..end].to_vec();
    let (other, _) = file(&records[2..]);
    cut.extend(&other[FILE_HEAD..]);
    let (found, lost) = read(&cut).unwrap();
    assert!(found == [records[0].clone(), records[2].clone()]);
    let (offset, reason) = (long.start as u64, Reason::NoEnd);
    assert_eq!(lost, [Loss { offset, len: lost[0].len, reason }]);
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b"hello, world"[..], &[0; 100], &b":W&B\0\0\0"[..]] {
        assert_eq!(read(bytes).unwrap_err(), "not a file of W&B: it does not begin with :W&B");
    }
    for bytes in [&b""[..], b":W", b":W&B\xe1\xbe"] {
        assert_eq!(read(bytes), Ok((Vec::new(), Vec::new())));
    }
    let newer = read(b":W&B\xe1\xbe\x01").unwrap_err();
    assert_eq!(newer, "a newer wandb version is required to read this file");
}
