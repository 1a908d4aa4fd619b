//! Histograms: counts and edges in the row itself.

use super::Media;
use super::file::quoted;
use crate::error::ErrorKind;
use crate::summary::RawValue;
use crate::summary::histogram::{Bucket, Histogram};
use crate::wandb::encode::number;

/// Maximum number of bins (`sdk/data_types/histogram.py`).
const MAX_BINS: usize = 512;

/// The form of a histogram. Of more than 512 buckets, neighbors without counts are joined, and if these are too many,
/// others too.
pub(super) fn of(value: &RawValue) -> Result<Media, ErrorKind> {
    let mut buckets = adjacent(Histogram::read(value)?.buckets);
    if buckets.len() > MAX_BINS {
        join_empty(&mut buckets);
    }
    let joined = buckets.len().div_ceil(MAX_BINS).max(1);
    let is_coarser = joined > 1;
    let groups: Vec<&[Bucket]> = buckets.chunks(joined).collect();
    let counts = groups.iter().map(|group| group.iter().map(|bucket| bucket.count).sum());
    let first = buckets.first().map(|bucket| bucket.left);
    let edges = groups.iter().filter_map(|group| group.last()).map(|bucket| bucket.right);
    let fields = vec![
        ("_type", quoted("histogram")),
        ("values", list(counts)),
        ("bins", list(first.into_iter().chain(edges))),
    ];
    Ok(Media { fields, is_coarser, ..Media::default() })
}

/// Buckets that each begin where the last one ends: W&B has only the edges between them.
fn adjacent(buckets: Vec<Bucket>) -> Vec<Bucket> {
    let mut all: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        if let Some(last) = all.last().map(|last| last.right).filter(|last| *last < bucket.left) {
            all.push(Bucket::new(last, bucket.left, 0.0));
        }
        all.push(bucket);
    }
    all
}

/// Joins neighbors without counts. All counts keep their edges.
fn join_empty(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, last| {
        let are_empty = last.count == 0.0 && next.count == 0.0;
        if are_empty {
            last.right = next.right;
        }
        are_empty
    });
}

fn list(numbers: impl Iterator<Item = f64>) -> String {
    let mut text = vec![b'['];
    for (i, value) in numbers.enumerate() {
        if i > 0 {
            text.push(b',');
        }
        number(value, &mut text);
    }
    text.push(b']');
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Form;

    fn fields(rows: &[(f64, f64, f64)]) -> Media {
        let buckets: Vec<_> = rows.iter().map(|(l, r, c)| Bucket::new(*l, *r, *c)).collect();
        let value = Histogram::new(buckets).to_v2("h");
        let crate::event::pb::summary::value::Value::Tensor(tensor) = value.value.unwrap() else {
            panic!("not a tensor");
        };
        of(&RawValue::new(Form::Tensor, prost::Message::encode_to_vec(&tensor))).unwrap()
    }

    #[test]
    fn edges_are_one_more_than_counts() {
        let media = fields(&[(0.0, 1.0, 3.0), (1.0, 2.5, 1.0), (3.0, 4.0, 2.0)]);
        assert_eq!(media.fields[1].1, "[3.0,1.0,0.0,2.0]");
        assert_eq!(media.fields[2].1, "[0.0,1.0,2.5,3.0,4.0]");
        assert_eq!(fields(&[]).fields[2].1, "[]");
        assert_eq!(fields(&[(f64::NAN, f64::INFINITY, 1.0)]).fields[2].1, "[NaN,Infinity]");
    }

    /// The default buckets of TensorBoard's writers are more than 700, most of them without counts.
    #[test]
    fn counts_keep_their_edges_if_few_buckets_have_any() {
        let count = |i: i32| if i % 300 == 7 { f64::from(i) } else { 0.0 };
        let rows: Vec<_> = (0..1030).map(|i| (f64::from(i), f64::from(i + 1), count(i))).collect();
        let media = fields(&rows);
        assert!(!media.is_coarser);
        assert_eq!(media.fields[1].1, "[0.0,7.0,0.0,307.0,0.0,607.0,0.0,907.0,0.0]");
        let edges = "[0.0,7.0,8.0,307.0,308.0,607.0,608.0,907.0,908.0,1030.0]";
        assert_eq!(media.fields[2].1, edges);
    }

    #[test]
    fn many_buckets_are_joined_without_losing_a_count() {
        let rows: Vec<_> = (0..1030).map(|i| (f64::from(i), f64::from(i + 1), 1.0)).collect();
        let media = fields(&rows);
        let counts: Vec<f64> = serde_json::from_str(&media.fields[1].1).unwrap();
        let edges: Vec<f64> = serde_json::from_str(&media.fields[2].1).unwrap();
        assert!(media.is_coarser && counts.len() <= MAX_BINS && edges.len() == counts.len() + 1);
        assert_eq!(
            (counts.iter().sum::<f64>(), edges[0], edges[counts.len()]),
            (1030.0, 0.0, 1030.0)
        );
    }
}
