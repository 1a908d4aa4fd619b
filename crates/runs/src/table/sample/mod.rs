//! Downsampling of a series with a named method.

mod lttb;
mod min_max;
mod reservoir;

use std::fmt;
use std::str::FromStr;

use tbx::error::Error;

pub use lttb::lttb;

/// Method for downsampling a series. A series that does not exceed the requested number of points
/// stays whole. The last point is always kept, because tables show it.
///
/// | method | points that are kept | use |
/// |---|---|---|
/// | `reservoir:N` | N at random, the same as TensorBoard keeps | the chart in TensorBoard |
/// | `minmax:N` | the smallest and largest of each part | finding peaks |
/// | `every:N` | every N-th | equal distances |
/// | `lttb:N` | those that define the line's shape | drawing |
///
/// ```
/// use tbx_runs::table::Sampling;
///
/// let steps: Vec<i64> = (0..1000).collect();
/// let value = |i: usize| if i == 700 { 9.0 } else { 0.5 };
/// for method in ["minmax:10", "lttb:10"] {
///     let kept = method.parse::<Sampling>()?.keep(&steps, value);
///     assert!(kept.len() <= 10 && kept.contains(&700));
/// }
/// assert_eq!(Sampling::Every(400).keep(&steps, value), [0, 400, 800, 999]);
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sampling {
    /// Keeps at most this number of points, 1 or more, each with the same probability: a reservoir
    /// that replaces its points at random and always takes the last one. The random choices are the
    /// same for each series, so that series with the same steps keep the same points.
    ///
    /// The choices are those of TensorBoard's Python loader (`--load_fast=false`, with
    /// `--samples_per_plugin scalars=N`): the same points, unless a restart dropped some.
    /// TensorBoard's default loader works the same way but draws different random numbers.
    Reservoir(usize),
    /// Keeps at most this number of points, 4 or more: the first, the last, and the smallest and
    /// largest number in each of several equal parts in between. No peak is lost. NaN is ignored,
    /// but the first point of a part stays if all its numbers are NaN.
    MinMax(usize),
    /// Keeps the first point, and then every point at this distance from the one before; 1 or more.
    Every(usize),
    /// Keeps at most this number of points, 3 or more: those that keep the shape of the line
    /// through all points, see [`lttb`]. Points that are not finite are left out, unless they are
    /// first or last.
    Lttb(usize),
}

impl Sampling {
    /// The names of the methods.
    pub const NAMES: [&str; 4] = ["reservoir", "minmax", "every", "lttb"];

    /// Whether the method needs the numbers of a series.
    pub fn needs_numbers(self) -> bool {
        matches!(self, Self::MinMax(_) | Self::Lttb(_))
    }

    /// The indices of the points to keep, ascending. `value` returns the number of a point.
    pub fn keep(self, steps: &[i64], value: impl Fn(usize) -> f64) -> Vec<usize> {
        let len = steps.len();
        match self {
            Self::Reservoir(most) => reservoir::reservoir(len, most),
            Self::MinMax(most) if len > most => min_max::min_max(len, most, value),
            Self::Lttb(most) if len > most => {
                #[expect(clippy::as_conversions, reason = "a place on an axis")]
                let points = steps.iter().enumerate().map(|(i, step)| [*step as f64, value(i)]);
                lttb(&points.collect::<Vec<_>>(), most)
            }
            Self::MinMax(_) | Self::Lttb(_) => (0..len).collect(),
            Self::Every(n) => {
                let mut kept: Vec<_> = (0..len).step_by(n.max(1)).collect();
                match len.checked_sub(1) {
                    Some(last) if kept.last() != Some(&last) => kept.push(last),
                    _ => {}
                }
                kept
            }
        }
    }
}

/// A method such as `reservoir:1000`, `minmax:500`, `every:10` or `lttb:500`.
impl FromStr for Sampling {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let method = || {
            let (name, n) = text.split_once(':')?;
            let n: usize = n.parse().ok()?;
            match name {
                "reservoir" if n >= 1 => Some(Self::Reservoir(n)),
                "minmax" if n >= 4 => Some(Self::MinMax(n)),
                "every" if n >= 1 => Some(Self::Every(n)),
                "lttb" if n >= 3 => Some(Self::Lttb(n)),
                _ => None,
            }
        };
        method().ok_or_else(|| {
            let names = Self::NAMES.join(":N, ");
            Error::argument(format!("{text:?} is not one of {names}:N, or N is too small"))
        })
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reservoir(n) => write!(f, "reservoir:{n}"),
            Self::MinMax(n) => write!(f, "minmax:{n}"),
            Self::Every(n) => write!(f, "every:{n}"),
            Self::Lttb(n) => write!(f, "lttb:{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_series_stay_whole() {
        for len in 0..5 {
            let steps: Vec<i64> = (0..len).collect();
            let all: Vec<usize> = (0..steps.len()).collect();
            for method in ["reservoir:5", "minmax:5", "every:1", "lttb:5"] {
                let method = method.parse::<Sampling>().unwrap();
                assert_eq!(method.keep(&steps, |_| f64::NAN), all, "{method}");
            }
        }
    }

    #[test]
    fn the_last_point_stays() {
        let steps: Vec<i64> = (0..1003).collect();
        for method in ["reservoir:1", "reservoir:50", "minmax:4", "every:7", "lttb:3"] {
            let kept = method.parse::<Sampling>().unwrap().keep(&steps, |i| (i % 13) as f64);
            assert_eq!(kept.last(), Some(&1002), "{method}");
            assert!(kept.is_sorted_by(|a, b| a < b), "{method}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for text in ["reservoir:1", "minmax:4", "every:10", "lttb:3"] {
            assert_eq!(text.parse::<Sampling>().unwrap().to_string(), text);
        }
        for text in ["", "reservoir", "reservoir:0", "minmax:3", "every:x", "lttb:2", "none:5"] {
            assert!(text.parse::<Sampling>().is_err(), "{text}");
        }
    }
}
