//! Histograms: buckets of a v1 histogram follow one another, and what is read can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::prost::Message;
use tbx::summary::Form;
use tbx::{Histogram, pb};
use tbx_fuzz::{Input, raw, read_back};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let form = if input.byte() % 2 == 0 { Form::Histo } else { Form::Tensor };
    let bytes = input.rest();
    let Ok(histogram) = Histogram::read(&raw(form, bytes)) else { return };

    let (_, again) = read_back(&histogram.to_v2("h"));
    let again = Histogram::read(&again).expect("what was written can be read");
    assert!(again.moments.is_none());
    assert_eq!(bits(&again), bits(&histogram));

    if form == Form::Tensor {
        assert!(histogram.moments.is_none());
        return;
    }
    let message = pb::HistogramProto::decode(bytes).expect("it was read");
    let buckets = &histogram.buckets;
    let filled = |counts: &[f64]| counts.iter().filter(|count| **count > 0.0).count();
    let counts: Vec<f64> = buckets.iter().map(|bucket| bucket.count).collect();
    assert_eq!(filled(&counts), filled(&message.bucket), "a filled bucket is missing");
    for pair in buckets.windows(2) {
        assert_eq!(pair[0].right.to_bits(), pair[1].left.to_bits(), "buckets follow one another");
    }
    if let [first, .., last] | [first @ last] = &buckets[..] {
        assert!(first.count > 0.0 && last.count > 0.0, "empty buckets at the ends are left out");
        assert_eq!(first.left.to_bits(), message.min.to_bits());
        assert_eq!(last.right.to_bits(), message.max.to_bits());
    }
    let moments = histogram.moments.expect("a v1 histogram");
    let expected = [message.min, message.max, message.num, message.sum, message.sum_squares];
    let found = [moments.min, moments.max, moments.num, moments.sum, moments.sum_squares];
    assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits));
});

fn bits(histogram: &Histogram) -> Vec<[u64; 3]> {
    let bucket = |bucket: &tbx::Bucket| [bucket.left, bucket.right, bucket.count].map(f64::to_bits);
    histogram.buckets.iter().map(bucket).collect()
}
