//! Splits the runs among machines.

use std::fmt;
use std::path::MAIN_SEPARATOR;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::safe_name::hash;

/// One of several shards of a log directory's runs, for programs that share the work. Every run is
/// in exactly one shard, which depends only on the run's name and the number of shards.
///
/// The rule never changes: the run's name, with `/` between directories, is hashed with 64-bit
/// FNV-1a and mixed with the finalizer of MurmurHash3. The shard is the hash modulo the number of
/// shards.
///
/// ```
/// use tbx::logdir::Shard;
///
/// let shards: Vec<Shard> = (1..=3).map(|i| Shard::new(i, 3)).collect::<Result<_, _>>()?;
/// for run in ["lr_0.1/seed_1", "lr_0.1/seed_2", "."] {
///     assert_eq!(shards.iter().filter(|shard| shard.contains(run)).count(), 1);
/// }
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Shard `index` of `count`, counted from 1.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): there is no such shard.
    pub fn new(index: u32, count: u32) -> Result<Self> {
        if index == 0 || index > count {
            let what = format!("there is no shard {index} of {count}: shards are 1 to {count}");
            return Err(Error::argument(what));
        }
        Ok(Self { index, count })
    }

    /// Index of the shard, counted from 1.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Number of shards.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether the run of this name is in this shard.
    pub fn contains(self, run: &str) -> bool {
        let hash = match MAIN_SEPARATOR {
            '/' => hash(run),
            other => hash(&run.replace(other, "/")),
        };
        mixed(hash) % u64::from(self.count) == u64::from(self.index - 1)
    }
}

/// Makes each bit depend on all bits: otherwise names with the same digit in two places would share
/// their last bit.
fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// A shard such as `2/8`. Any other text is an [`ErrorKind::Argument`](crate::ErrorKind::Argument).
impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            let number = |digits: &str| digits.parse().ok();
            Some((number(index)?, number(count)?))
        });
        let unreadable = || Error::argument(format!("{text:?} is not a shard such as 2/8"));
        let (index, count) = numbers.ok_or_else(unreadable)?;
        Self::new(index, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_about_equally_large() {
        for name in [|i: u32| format!("run_{i}"), |i| format!("lr_{}/seed_{}", i % 20, i % 20 + i)]
        {
            for count in [2, 3, 8] {
                let mut sizes = vec![0; count as usize];
                for i in 0..1000 {
                    let of = |index: &u32| Shard::new(*index, count).unwrap().contains(&name(i));
                    let all: Vec<u32> = (1..=count).filter(of).collect();
                    assert_eq!(all.len(), 1);
                    sizes[all[0] as usize - 1] += 1;
                }
                let fair = 1000 / count;
                assert!(
                    sizes.iter().all(|n| (fair * 7 / 10..fair * 13 / 10).contains(n)),
                    "{sizes:?}"
                );
            }
        }
    }

    /// Machines with different releases of tbx share the work.
    #[test]
    fn the_rule_never_changes() {
        let names = [".", "a", "lr_0.1/seed_1", "lr_0.1/seed_2", "größe", "a b"];
        let of = |name: &&str| (1..=1000).find(|i| Shard::new(*i, 1000).unwrap().contains(name));
        let found: Vec<_> = names.iter().filter_map(of).collect();
        assert_eq!(found, [238, 316, 783, 785, 714, 575]);
    }

    #[test]
    fn shards_are_counted_from_one() {
        assert_eq!(Shard::from_str("2/8").unwrap().to_string(), "2/8");
        for text in ["0/8", "9/8", "1", "a/b", "-1/8", "1/0", "1/8/9", ""] {
            assert!(Shard::from_str(text).is_err(), "{text}");
        }
    }
}
