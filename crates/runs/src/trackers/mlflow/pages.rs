//! Answers that consist of pages.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Client;
use super::client::API;
use tbx::budget::{self, Pages, Spent};
use tbx::error::Result;

/// Maximum number of items in one list: runs, points of a metric, versions of models. 50 million
/// points take 1.2 GB of memory.
const MAX_THINGS: usize = 50_000_000;
/// Maximum number of items per page. Old servers put all points of a metric on one page.
const MAX_ON_PAGE: usize = 5_000_000;
/// Maximum number of consecutive empty pages.
const MAX_EMPTY: usize = 100;
/// Maximum number of values per item, which is enough for a run with 60,000 parameters.
const MAX_VALUES: usize = 200_000;

impl Client {
    /// All items in the field `of` in the pages of an answer, each converted with `take`. `ask`
    /// requests the page of a token; it returns `None` if the server does not support the request.
    ///
    /// Items are read one by one, so that an answer takes no more memory than what is kept of it. A
    /// server that repeats a token or a page, or never returns a last page, causes an error.
    pub(super) fn pages<T>(
        &self,
        path: &str,
        of: &str,
        mut ask: impl FnMut(&str) -> Result<Option<Vec<u8>>>,
        take: impl Fn(&Value) -> T,
    ) -> Result<Vec<T>> {
        let (mut all, mut token) = (Vec::new(), String::new());
        let mut pages = Pages::new(MAX_THINGS, MAX_EMPTY);
        let full = format!("{API}{path}");
        while let Some(body) = ask(&token)? {
            let mut page = Page {
                of,
                take: &take,
                things: Vec::new(),
                content: DefaultHasher::new(),
                next: String::new(),
            };
            let mut json = serde_json::Deserializer::from_slice(&body);
            let read = DeserializeSeed::deserialize(&mut page, &mut json).and_then(|()| json.end());
            read.map_err(|error| self.no_answer(&full, &error, &body))?;
            let Page { things, content, next, .. } = page;
            let content = (!things.is_empty()).then(|| content.finish());
            let turned = pages.turn(things.len(), content, Some(&next));
            let turned = turned.map_err(|spent| self.failed(&full, format!("{of}: {spent}")))?;
            all.extend(things);
            match turned {
                Some(next) => token = next.to_owned(),
                None => break,
            }
        }
        Ok(all)
    }
}

/// A page that is being read.
struct Page<'p, T, F> {
    of: &'p str,
    take: &'p F,
    things: Vec<T>,
    /// Hash of everything on the page except the token of the next one.
    content: DefaultHasher,
    next: String,
}

impl<'de, T, F: Fn(&Value) -> T> DeserializeSeed<'de> for &mut Page<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T, F: Fn(&Value) -> T> Visitor<'de> for &mut Page<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == self.of {
                let Page { take, things, content, .. } = &mut *self;
                map.next_value_seed(Things { take: *take, things, content })?;
            } else if name == "next_page_token" {
                self.next = map.next_value::<Option<String>>()?.unwrap_or_default();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The items of a page.
struct Things<'p, T, F> {
    take: &'p F,
    things: &'p mut Vec<T>,
    content: &'p mut DefaultHasher,
}

impl<'de, T, F: Fn(&Value) -> T> DeserializeSeed<'de> for Things<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T, F: Fn(&Value) -> T> Visitor<'de> for Things<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    /// `null`
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(thing) = list.next_element::<&RawValue>()? {
            let json = thing.get();
            if self.things.len() == MAX_ON_PAGE {
                return Err(A::Error::custom(Spent::Things(MAX_ON_PAGE)));
            }
            if !json.starts_with('{') {
                return Err(A::Error::custom("an entry of the list is not an object"));
            }
            budget::values(json.as_bytes(), MAX_VALUES).map_err(A::Error::custom)?;
            json.hash(self.content);
            let value = serde_json::from_str(json).map_err(A::Error::custom)?;
            self.things.push((self.take)(&value));
        }
        Ok(())
    }
}
