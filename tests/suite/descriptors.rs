//! The declarations in `proto/`, checked against TensorBoard's own descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fs, io};

use protox::prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Syntax,
};
use serde_json::Value;

use crate::common::repository;

/// A field in the fixture: name, number, type, label, oneof, packed.
type Row = (String, u32, String, String, Option<String>, Option<bool>);

/// One fact per line, in words, so that differences explain themselves.
type Facts = BTreeSet<String>;

#[test]
fn compiled_descriptors_match_tensorboards() {
    let root = repository("");
    let declared = declared(&root.join("proto")).unwrap();
    let stated = stated(&root.join("fixtures/descriptors.json")).unwrap();

    let missing = stated.difference(&declared).map(|fact| format!("only in the fixture: {fact}"));
    let extra = declared.difference(&stated).map(|fact| format!("only in proto/: {fact}"));
    let differences: Vec<String> = missing.chain(extra).collect();
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// The facts in `fixtures/descriptors.json`. Its `omitted_fields` are not facts about `proto/`: if
/// such a field is declared, it counts as extra.
fn stated(path: &Path) -> Result<Facts, Box<dyn Error>> {
    let mut json: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let messages: BTreeMap<String, Vec<Row>> =
        serde_json::from_value(section(&mut json, "messages"))?;
    let enums: BTreeMap<String, Vec<(String, i32)>> =
        serde_json::from_value(section(&mut json, "enums"))?;
    let proto2: BTreeSet<String> = serde_json::from_value(section(&mut json, "proto2"))?;
    let deprecated: Vec<String> = serde_json::from_value(section(&mut json, "deprecated"))?;
    let reserved: BTreeMap<String, Vec<(u32, u32)>> =
        serde_json::from_value(section(&mut json, "reserved"))?;

    let mut facts = Facts::new();
    for (message, rows) in &messages {
        let syntax = if proto2.contains(message) { Syntax::Proto2 } else { Syntax::Proto3 };
        facts.insert(message_fact(message, syntax));
        facts.extend(rows.iter().map(|row| field_fact(message, row)));
    }
    for (name, values) in &enums {
        facts.insert(enum_fact(name));
        facts.extend(values.iter().map(|(value, number)| value_fact(name, value, *number)));
    }
    for (message, ranges) in &reserved {
        facts.extend(ranges.iter().map(|(first, last)| reserved_fact(message, *first, *last)));
    }
    facts.extend(deprecated.iter().map(|name| deprecated_fact(name)));
    Ok(facts)
}

/// Takes one section out of the fixture; null, which is not the type of any section, if absent.
fn section(json: &mut Value, name: &str) -> Value {
    json.get_mut(name).map(Value::take).unwrap_or_default()
}

/// The same facts from the compiled files, for the package `tensorboard` and the packages inside
/// it.
fn declared(proto: &Path) -> Result<Facts, Box<dyn Error>> {
    let set = protox::compile(proto_files(proto)?, [proto])?;
    let pool = DescriptorPool::from_file_descriptor_set(set)?;
    let ours = |name: &str| name.starts_with("tensorboard.");

    let mut facts = Facts::new();
    let messages = pool.all_messages().filter(|m| ours(m.full_name()) && !m.is_map_entry());
    messages.for_each(|message| add_message(&mut facts, &message));
    let enums = pool.all_enums().filter(|e| ours(e.full_name()));
    enums.for_each(|enumeration| add_enum(&mut facts, &enumeration));
    Ok(facts)
}

/// Every `.proto` file in and below `dir`, in order.
pub(crate) fn proto_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn add_message(facts: &mut Facts, message: &MessageDescriptor) {
    let name = message.full_name();
    facts.insert(message_fact(name, message.parent_file().syntax()));
    for range in message.reserved_ranges() {
        facts.insert(reserved_fact(name, range.start, range.end.saturating_sub(1)));
    }
    if message.descriptor_proto().options.as_ref().is_some_and(|o| o.deprecated()) {
        facts.insert(deprecated_fact(name));
    }
    for field in message.fields() {
        facts.insert(field_fact(name, &row(&field)));
        if field.field_descriptor_proto().options.as_ref().is_some_and(|o| o.deprecated()) {
            facts.insert(deprecated_fact(field.full_name()));
        }
    }
}

fn add_enum(facts: &mut Facts, enumeration: &EnumDescriptor) {
    let name = enumeration.full_name();
    facts.insert(enum_fact(name));
    if enumeration.enum_descriptor_proto().options.as_ref().is_some_and(|o| o.deprecated()) {
        facts.insert(deprecated_fact(name));
    }
    for value in enumeration.values() {
        facts.insert(value_fact(name, value.name(), value.number()));
    }
}

fn row(field: &FieldDescriptor) -> Row {
    let label = match field.cardinality() {
        Cardinality::Optional => "optional",
        Cardinality::Required => "required",
        Cardinality::Repeated => "repeated",
    };
    (
        field.name().to_owned(),
        field.number(),
        type_name(&field.kind()),
        label.to_owned(),
        field.containing_oneof().map(|oneof| oneof.name().to_owned()),
        Some(field.is_packed()),
    )
}

/// `int64`, `enum:NAME`, `message:NAME` or `map<KEY,VALUE>`.
fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(entry) if entry.is_map_entry() => {
            let key = type_name(&entry.map_entry_key_field().kind());
            let value = type_name(&entry.map_entry_value_field().kind());
            format!("map<{key},{value}>")
        }
        Kind::Message(message) => format!("message:{}", message.full_name()),
        Kind::Enum(enumeration) => format!("enum:{}", enumeration.full_name()),
        // `Debug` of a scalar kind prints its protobuf name.
        scalar => format!("{scalar:?}"),
    }
}

fn message_fact(name: &str, syntax: Syntax) -> String {
    format!("message {name} is {syntax:?}")
}

fn field_fact(message: &str, (name, number, kind, label, oneof, packed): &Row) -> String {
    let oneof = oneof.as_ref().map_or_else(String::new, |oneof| format!(" in oneof {oneof}"));
    // The fixture states packing only for fields that can be packed.
    let packed = if *packed == Some(true) { " packed" } else { "" };
    format!("field {message}.{name} = {number}, {label} {kind}{packed}{oneof}")
}

fn reserved_fact(message: &str, first: u32, last: u32) -> String {
    format!("reserved in {message}: {first} to {last}")
}

fn enum_fact(name: &str) -> String {
    format!("enum {name}")
}

fn value_fact(enumeration: &str, name: &str, number: i32) -> String {
    format!("value {enumeration}.{name} = {number}")
}

fn deprecated_fact(name: &str) -> String {
    format!("deprecated {name}")
}
