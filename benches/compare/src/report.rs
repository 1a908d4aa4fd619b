//! Medians and Markdown.

/// The median of `values`; for an even number of values, the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted.get(sorted.len() / 2 - 1)?;
    Some((lower + upper) / 2.0)
}

/// `0.0364 (0.0351 to 0.0402)`: median, minimum and maximum.
pub fn spread(values: &[f64]) -> String {
    let Some(middle) = median(values) else { return dash() };
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{} ({} to {})", short(middle), short(least), short(greatest))
}

/// Three significant digits, with k and M for large numbers.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 999_500.0 => format!("{} M", short(value / 1e6)),
        size if size >= 9_995.0 => format!("{} k", short(value / 1e3)),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        size if size >= 0.09995 => format!("{value:.3}"),
        size if size >= 0.009995 => format!("{value:.4}"),
        _ => format!("{value:.5}"),
    }
}

/// A ratio: `12.3 ×`.
pub fn ratio(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{} ×", short(value)))
}

/// The placeholder for a missing figure.
pub fn dash() -> String {
    "–".to_owned()
}

/// A Markdown table.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self { rows: vec![heads.map(str::to_owned).to_vec(), vec!["---".to_owned(); N]] }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    pub fn print(&self) {
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
        println!();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let written =
            [0.000_36, 0.0364, 0.0999, 1.0, 35.7, 99.96, 2_098.0, 13_800.0, 999_600.0].map(short);
        let expected =
            ["0.00036", "0.0364", "0.0999", "1.00", "35.7", "100", "2098", "13.8 k", "1.00 M"];
        assert_eq!(written, expected);
    }

    #[test]
    fn the_median_of_two_is_their_mean() {
        assert_eq!(median(&[3.0, 1.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
