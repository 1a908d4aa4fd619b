//! Shortens text to a width, with an ellipsis.

use std::collections::BTreeSet;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Positions where the ellipsis is tried, as the percentage of the room before it. The middle comes first,
/// as both ends of a tag distinguish it.
const SHARES: [usize; 7] = [50, 35, 65, 20, 80, 0, 100];

/// `text` in `width` columns, shortened in the middle if it is longer.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    cut(text, width, 50)
}

/// `texts` in `width` columns, all shortened at the same position so that different ones stay different;
/// none if that is not possible.
pub(super) fn elided(texts: &[&str], width: usize) -> Option<Vec<String>> {
    let different = texts.iter().collect::<BTreeSet<_>>().len();
    SHARES.iter().find_map(|share| {
        let cut: Vec<_> = texts.iter().map(|text| cut(text, width, *share)).collect();
        let is_clear = cut.iter().collect::<BTreeSet<_>>().len() == different;
        is_clear.then_some(cut)
    })
}

/// The smallest width, at least `least`, at which different texts stay different.
pub(super) fn least_width(texts: &[&str], least: usize) -> usize {
    let unique: Vec<&str> = texts.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let mut high = unique.iter().map(|text| text.width()).max().unwrap_or(0);
    let mut low = least.min(high);
    // More room never makes two texts alike, except by a rare coincidence. Then the result is wider than
    // necessary, never too narrow.
    while low < high {
        let middle = low + (high - low) / 2;
        match elided(&unique, middle) {
            Some(_) => high = middle,
            None => low = middle + 1,
        }
    }
    high
}

/// `text` in `width` columns, `share` percent of them for its start.
fn cut(text: &str, width: usize, share: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let fitting = |chars: &mut dyn Iterator<Item = char>, room: usize| {
        let mut used = 0;
        let fits = |c: &char| {
            used += c.width().unwrap_or(0);
            used <= room
        };
        chars.take_while(fits).collect::<Vec<_>>()
    };
    let start = room * share / 100;
    let head = fitting(&mut text.chars(), start);
    let mut tail = fitting(&mut text.chars().rev(), room - start);
    tail.reverse();
    head.into_iter().chain(['…']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_middle_goes_first() {
        assert_eq!(shorten("metrics/validation/accuracy", 13), "metric…curacy");
        assert!((5..=7).contains(&shorten("深い深い深い", 7).width()));
    }

    #[test]
    fn what_tells_texts_apart_stays() {
        let in_the_middle =
            ["a/very/long/path/1/to/the/same/end", "a/very/long/path/2/to/the/same/end"];
        let at_the_end = ["a/very/long/path/to/the/end/1", "a/very/long/path/to/the/end/2"];
        let at_the_start = ["1/a/very/long/path/to/the/end", "2/a/very/long/path/to/the/end"];
        for (texts, least) in [(in_the_middle, 24), (at_the_end, 8), (at_the_start, 8)] {
            let width = least_width(&texts, 8);
            assert!(width <= least, "{texts:?} in {width}");
            let cut = elided(&texts, width).unwrap();
            assert_ne!(cut[0], cut[1]);
        }
        // An ellipsis in a name is no omission.
        let cut = elided(&["ab…yz", "ab___yz"], 5).unwrap();
        assert_ne!(cut[0], cut[1]);
        assert_eq!(elided(&["abc", "abd"], 1), None);
    }

    proptest! {
        #[test]
        fn different_texts_stay_different(
            texts in prop::collection::vec("[ab深é…]{0,24}", 1..12),
            least in 1usize..12,
        ) {
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            let width = least_width(&texts, least);
            let cut = elided(&texts, width).unwrap();
            for (i, j) in (0..texts.len()).flat_map(|i| (0..i).map(move |j| (i, j))) {
                prop_assert_eq!(texts[i] == texts[j], cut[i] == cut[j]);
            }
            prop_assert!(cut.iter().all(|text| text.width() <= width));
        }
    }
}
