//! The crate tfrecord: records with both checksums (its default), prost, columns. It has one thread
//! and no option for more.

use std::path::Path;

use anyhow::Result;
use tfrecord::protobuf::event::What;
use tfrecord::protobuf::summary::value::Value;
use tfrecord::{EventIter, RecordReaderConfig};

use super::columns::Columns;
use crate::workloads;

pub fn load(folder: &Path) -> Result<Columns> {
    let mut columns = Columns::default();
    for (name, path) in workloads::event_files(folder)? {
        let run = columns.run(&name);
        for event in EventIter::open(&path, RecordReaderConfig::default())? {
            let event = event?;
            let Some(What::Summary(summary)) = event.what else { continue };
            for value in summary.value {
                let plugin = value.metadata.as_ref().and_then(|m| m.plugin_data.as_ref());
                let is_scalar = plugin.is_some_and(|plugin| plugin.plugin_name == "scalars");
                let number = match value.value {
                    Some(Value::SimpleValue(number)) => number,
                    Some(Value::Tensor(tensor)) if is_scalar || run.contains(&value.tag) => {
                        match <[u8; 4]>::try_from(tensor.tensor_content.as_slice()) {
                            Ok(bytes) => f32::from_le_bytes(bytes),
                            Err(_) => continue,
                        }
                    }
                    _ => continue,
                };
                run.push(value.tag, event.step, event.wall_time, number);
            }
        }
    }
    Ok(columns)
}
