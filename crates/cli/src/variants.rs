//! Options whose values are the variants of an enum of the library.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// An enum whose variants are the values of an option, by name.
pub(super) trait Variants: Copy + Send + Sync + 'static {
    const ALL: &'static [Self];

    /// The name, and what the help says of it.
    fn described(self) -> (&'static str, &'static str);
}

/// Parser of the names of a [`Variants`], which the help lists.
pub(super) fn variant<T: Variants>() -> impl TypedValueParser<Value = T> {
    let values = T::ALL.iter().map(|variant| {
        let (name, help) = variant.described();
        PossibleValue::new(name).help(help)
    });
    PossibleValuesParser::new(values).try_map(|text| {
        let found = T::ALL.iter().find(|variant| variant.described().0 == text);
        found.copied().ok_or("not one of the values")
    })
}
