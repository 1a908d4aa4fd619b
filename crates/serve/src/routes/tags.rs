//! Lists of the series of a plugin.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde::{Serialize, Serializer};

use super::json::{Entries, Items};
use super::markdown;
use crate::http::{Answer, Refusal};
use crate::state::{Run, Runs, Series};

/// A series as most lists have it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Described<'a> {
    display_name: &'a str,
    #[serde(serialize_with = "as_text")]
    description: Rc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
}

/// Descriptions as HTML. Most series of a list have the same, which is made once.
#[derive(Default)]
pub(super) struct Descriptions<'a>(RefCell<HashMap<&'a str, Rc<str>>>);

impl<'a> Descriptions<'a> {
    fn html(&self, markdown: &'a str) -> Rc<str> {
        let mut known = self.0.borrow_mut();
        known.entry(markdown).or_insert_with(|| markdown::to_safe_html(markdown).into()).clone()
    }
}

fn as_text<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl<'a> Described<'a> {
    pub(super) fn of(series: &'a Series, descriptions: &Descriptions<'a>) -> Self {
        Self {
            display_name: &series.metadata.display_name,
            description: descriptions.html(&series.metadata.description),
            samples: None,
        }
    }

    /// With the largest number of images or clips of a point.
    pub(super) fn with_samples(self, samples: usize) -> Self {
        Self { samples: Some(samples), ..self }
    }
}

/// Per run, an object with an entry for each tag of the plugin.
pub(super) fn per_tag<'a, V: Serialize>(
    runs: &'a Runs,
    plugin: &str,
    entry: impl Fn(&'a str, &'a Run, &'a Series, &Descriptions<'a>) -> V,
) -> Result<Answer, Refusal> {
    let (entry, descriptions) = (&entry, &Descriptions::default());
    Answer::json(&Entries(|| {
        runs.of_plugin(plugin).filter_map(|(name, all)| {
            let run = runs.get(name)?;
            let tags =
                move || all.iter().map(move |one| (&*one.tag, entry(name, run, one, descriptions)));
            Some((name, Entries(tags)))
        })
    }))
}

/// Per run, the list of tags of the plugin.
pub(super) fn names<'a>(runs: &'a Runs, plugin: &'a str) -> impl Serialize + 'a {
    Entries(move || {
        runs.of_plugin(plugin)
            .map(|(name, all)| (name, Items(move || all.iter().map(|series| &*series.tag))))
    })
}

/// The descriptions of tags, as HTML. If runs describe a tag differently, all of them.
pub(super) fn descriptions<'a>(runs: &'a Runs, plugin: &str) -> BTreeMap<&'a str, String> {
    let mut by_tag: BTreeMap<&str, BTreeMap<&str, ()>> = BTreeMap::new();
    let mut by_text: BTreeMap<&str, BTreeMap<&str, ()>> = BTreeMap::new();
    for (name, all) in runs.of_plugin(plugin) {
        for series in all.iter().filter(|series| !series.metadata.description.is_empty()) {
            let text = series.metadata.description.as_str();
            by_tag.entry(&series.tag).or_default().insert(text, ());
            by_text.entry(text).or_default().insert(name, ());
        }
    }
    let combine = |texts: BTreeMap<&str, ()>| match texts.first_key_value() {
        Some((only, ())) if texts.len() == 1 => (*only).to_owned(),
        _ => {
            let part = |text: &str| {
                let runs: Vec<&str> =
                    by_text.get(text).into_iter().flat_map(|runs| runs.keys().copied()).collect();
                let word = if runs.len() == 1 { "run" } else { "runs" };
                format!("## For {word}: {}\n{text}", runs.join(", "))
            };
            let parts: Vec<String> = texts.keys().map(|text| part(text)).collect();
            format!("# Multiple descriptions\n{}", parts.join("\n"))
        }
    };
    let html = |(tag, texts)| (tag, markdown::to_safe_html(&combine(texts)));
    by_tag.into_iter().map(html).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_description_is_made_once() {
        let texts = Descriptions::default();
        let [one, same, other] = ["**a**", "**a**", "b"].map(|text| texts.html(text));
        assert!(Rc::ptr_eq(&one, &same));
        assert_eq!((&*one, &*other), ("<p><strong>a</strong></p>", "<p>b</p>"));
    }
}
