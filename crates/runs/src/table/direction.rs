//! Determines whether small or large values of a scalar are better, as far as its name is clear.

use super::{Column, Stat};

/// The values that are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Small values, as for a loss.
    Lower,
    /// Large values, as for an accuracy.
    Higher,
}

/// Names of scalars that should be small.
const LOWER: &[&str] = &[
    "loss",
    "losses",
    "error",
    "err",
    "mse",
    "mae",
    "rmse",
    "mape",
    "nll",
    "perplexity",
    "ppl",
    "wer",
    "cer",
    "fid",
    "lpips",
    "cross entropy",
    "crossentropy",
    "error rate",
    "log loss",
    "brier score",
];
/// Names of scalars that should be large.
const HIGHER: &[&str] = &[
    "accuracy",
    "acc",
    "precision",
    "recall",
    "auc",
    "auroc",
    "auprc",
    "f1",
    "f1 score",
    "iou",
    "miou",
    "dice",
    "bleu",
    "rouge",
    "psnr",
    "ssim",
    "r2",
    "r2 score",
    "reward",
    "win rate",
    "success rate",
];
/// Words about the time or the way in which a scalar was measured, which are ignored.
const ASIDE: &[&str] = &[
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
    "testing",
    "dev",
    "eval",
    "evaluation",
    "epoch",
    "step",
    "batch",
    "mean",
    "avg",
    "average",
    "total",
    "overall",
    "top",
    "ema",
    "k",
    "at",
    "vs",
    "iterations",
    "binary",
    "categorical",
    "sparse",
    "balanced",
    "weighted",
    "macro",
    "micro",
    "final",
    "best",
    "by",
];

/// Words that reverse a name, or after which a small loss does not mean a good run, for example
/// where one part wins when another loses.
const DOUBT: &[&str] = &[
    "neg",
    "negative",
    "minus",
    "inverse",
    "signed",
    "adversarial",
    "adv",
    "gan",
    "generator",
    "discriminator",
    "d",
    "g",
    "critic",
    "actor",
    "policy",
    "value",
    "td",
    "grad",
    "gradient",
];

impl Direction {
    /// The direction for the scalar `tag`; `None` if its name is ambiguous: `loss_scale` is not a
    /// loss, and `entropy` may go either way.
    pub fn of_tag(tag: &str) -> Option<Self> {
        // `loss/train` is also a loss: the last part with a meaningful word counts.
        tag.rsplit('/').map(said).find(|words| !words.is_empty()).and_then(|words| {
            // The words before it give its kind: `cls loss`, `box error`.
            let ends = |names: &[&str]| {
                names.iter().any(|name| words == *name || words.ends_with(&format!(" {name}")))
            };
            let has_doubt = words.split(' ').any(|word| DOUBT.contains(&word));
            match (ends(LOWER) && !has_doubt, ends(HIGHER) && !has_doubt) {
                (true, false) => Some(Self::Lower),
                (false, true) => Some(Self::Higher),
                _ => None,
            }
        })
    }

    /// The direction for a column of numbers; `None` if it is not a value of a scalar, or is the
    /// largest value of a scalar that should be small, or vice versa.
    pub fn of(column: &Column) -> Option<Self> {
        let Column::Metric(tag, stat) = column else { return None };
        let direction = Self::of_tag(tag)?;
        match (stat, direction) {
            (Stat::Last | Stat::Mean, _) | (Stat::Min, Self::Lower) | (Stat::Max, Self::Higher) => {
                Some(direction)
            }
            _ => None,
        }
    }

    /// The best of `values`; `None` if there are fewer than two different ones.
    pub fn best(self, values: impl IntoIterator<Item = f64>) -> Option<f64> {
        let values = values.into_iter().filter(|value| !value.is_nan());
        let ends = values.fold(None, |ends: Option<(f64, f64)>, value| {
            Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        let (low, high) = ends.filter(|(low, high)| low < high)?;
        Some(if self == Self::Lower { low } else { high })
    }
}

/// The words of a part of a tag in lower case, without the ignored ones.
fn said(part: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for c in part.chars() {
        // `valLoss` is two words, but `F1` and `top5` are one each.
        if c.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        match c.is_alphanumeric() {
            true => words.extend(c.to_lowercase()),
            false => words.push(' '),
        }
        before = c;
    }
    let is_aside = |word: &str| {
        let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
        bare.is_empty() || ASIDE.contains(&word) || ASIDE.contains(&bare)
    };
    words.split_whitespace().filter(|word| !is_aside(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_better_only_where_there_is_no_doubt() {
        use Direction::{Higher, Lower};
        for (tag, direction) in [
            ("loss", Some(Lower)),
            ("val/loss", Some(Lower)),
            ("loss/train", Some(Lower)),
            ("Loss/valid", Some(Lower)),
            ("valLoss", Some(Lower)),
            ("epoch_loss", Some(Lower)),
            ("train/box_loss", Some(Lower)),
            ("evaluation_loss_vs_iterations", Some(Lower)),
            ("sparse_categorical_crossentropy", Some(Lower)),
            ("val.cross_entropy", Some(Lower)),
            ("error_rate", Some(Lower)),
            ("train_loss_epoch", Some(Lower)),
            ("accuracy", Some(Higher)),
            ("val/acc", Some(Higher)),
            ("epoch_accuracy", Some(Higher)),
            ("top5_accuracy", Some(Higher)),
            ("accuracy/top1", Some(Higher)),
            ("val/F1", Some(Higher)),
            ("eval/mean_reward", Some(Higher)),
            ("loss_scale", None),
            ("loss/weight", None),
            ("val_loss_delta", None),
            ("neg_mean_squared_error", None),
            ("gan/D_loss", None),
            ("policy_loss", None),
            ("grad_acc", None),
            ("entropy", None),
            ("lr", None),
            ("learning_rate", None),
            ("throughput", None),
            ("glossary", None),
            ("accuracy_loss_ratio", None),
            ("epoch", None),
            ("", None),
            ("//", None),
        ] {
            assert_eq!(Direction::of_tag(tag), direction, "{tag}");
        }
        let of = |stat| Direction::of(&Column::Metric("loss".into(), stat));
        assert_eq!(of(Stat::Min), Some(Lower));
        assert_eq!([of(Stat::Max), of(Stat::Count), of(Stat::MinStep)], [None; 3]);
        assert_eq!(Direction::of(&Column::Param("loss".into())), None);
    }

    #[test]
    fn the_best_is_one_among_others() {
        let best = |values: &[f64]| Direction::Lower.best(values.iter().copied());
        assert_eq!(best(&[2.0, 1.0, f64::NAN, 3.0]), Some(1.0));
        assert_eq!(Direction::Higher.best([2.0, f64::INFINITY]), Some(f64::INFINITY));
        assert_eq!(best(&[1.0, 1.0]), None);
        assert_eq!(best(&[1.0, f64::NAN]), None);
        assert_eq!(best(&[]), None);
    }
}
