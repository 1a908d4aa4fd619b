//! The crate tboard: records with both checksums, prost, columns. It has one thread and no option
//! for more.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Result;
use tboard::SummaryReader;
use tboard::tensorboard::event::What;
use tboard::tensorboard::summary::value::Value;

use super::columns::Columns;
use crate::workloads;

pub fn load(folder: &Path) -> Result<Columns> {
    let mut columns = Columns::default();
    for (name, path) in workloads::event_files(folder)? {
        let run = columns.run(&name);
        for event in SummaryReader::new(BufReader::new(File::open(&path)?)) {
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
