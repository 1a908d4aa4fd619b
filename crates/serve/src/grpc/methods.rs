//! The methods.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;
use tbx::DataClass;

use super::filter::{Filter, count};
use super::limit::Room;
use super::pb::*;
use super::status::Status;
use super::{blobs, tensors};
use crate::state::{Series, State};

/// Maximum size of a part of a blob in bytes.
const PART: usize = 8 << 20;

/// The answer to a call: one message, or several for a stream.
pub(super) type Messages = Vec<Vec<u8>>;

/// Calls a method by its name.
///
/// # Errors
///
/// There is no such method, the message is damaged, the method fails, or there is no room for the answer.
pub(super) fn call(
    state: &State,
    location: &str,
    method: &str,
    message: Bytes,
    room: &Room,
) -> Result<Messages, Status> {
    match method {
        "GetExperiment" => one(message, room, |_: GetExperimentRequest| {
            Ok(GetExperimentResponse { data_location: location.to_owned(), ..Default::default() })
        }),
        "ListPlugins" => one(message, room, |_: ListPluginsRequest| Ok(list_plugins(state))),
        "ListRuns" => one(message, room, |_: ListRunsRequest| Ok(list_runs(state))),
        "ListScalars" => one(message, room, |asked| list_scalars(state, &asked, room)),
        "ReadScalars" => one(message, room, |asked| read_scalars(state, &asked, room)),
        "ListTensors" => one(message, room, |asked| list_tensors(state, &asked, room)),
        "ReadTensors" => one(message, room, |asked| read_tensors(state, &asked, room)),
        "ListBlobSequences" => one(message, room, |asked| list_blob_sequences(state, &asked, room)),
        "ReadBlobSequences" => one(message, room, |asked| read_blob_sequences(state, &asked, room)),
        // A stream: each part is small.
        "ReadBlob" => {
            let asked: ReadBlobRequest = decode(message)?;
            let blob = blobs::read(&state.runs(), &asked.blob_key)?;
            let part = |part| ReadBlobResponse { data: blob.slice_ref(part) }.encode_to_vec();
            Ok(blob.chunks(PART).map(part).collect())
        }
        other => Err(Status::unimplemented(format!("there is no method {other:?}"))),
    }
}

fn decode<M: Message + Default>(message: Bytes) -> Result<M, Status> {
    M::decode(message).map_err(|error| Status::internal(format!("the message is damaged: {error}")))
}

fn one<Q: Message + Default, A: Message>(
    message: Bytes,
    room: &Room,
    f: impl FnOnce(Q) -> Result<A, Status>,
) -> Result<Messages, Status> {
    Ok(vec![room.encode(&f(decode(message)?)?)?])
}

fn list_plugins(state: &State) -> ListPluginsResponse {
    let runs = state.runs();
    let names = runs.iter().flat_map(|(_, run)| run.series()).map(|series| &series.metadata.plugin);
    let names: BTreeSet<&String> = names.filter(|name| !name.is_empty()).collect();
    ListPluginsResponse {
        plugins: names.into_iter().map(|name| Plugin { name: name.clone() }).collect(),
    }
}

fn list_runs(state: &State) -> ListRunsResponse {
    let runs = state.runs();
    let one = |name: &str| {
        // TensorBoard sorts by it: a run without a time is last.
        let start_time = runs.get(name).and_then(|run| run.start_time).unwrap_or(f64::INFINITY);
        Run { name: name.to_owned(), start_time }
    };
    ListRunsResponse { runs: runs.in_order().into_iter().map(one).collect() }
}

/// The step of the last point, and the largest wall time.
fn latest(series: &Series) -> (i64, f64) {
    (series.last_step().unwrap_or(0), series.max_wall_time())
}

/// Number of points of a blob sequence that TensorBoard asks for.
const BLOB_POINTS: usize = 10;

fn plugin_name(plugin: Option<&PluginFilter>) -> &str {
    plugin.map_or("", |plugin| &plugin.plugin_name)
}

fn shows_all(state: &State, plugin: Option<&PluginFilter>) -> bool {
    state.samples().shows_all(plugin_name(plugin))
}

fn list_scalars(
    state: &State,
    asked: &ListScalarsRequest,
    room: &Room,
) -> Result<ListScalarsResponse, Status> {
    use list_scalars_response::{RunEntry, TagEntry};
    let (plugin, names) = (asked.plugin_filter.as_ref(), asked.run_tag_filter.as_ref());
    let filter = Filter::new(plugin, names, DataClass::Scalar)?;
    let tag = |series: &Series| {
        let (max_step, max_wall_time) = latest(series);
        let summary_metadata = Some(tensors::metadata(&series.metadata));
        let metadata = ScalarMetadata { max_step, max_wall_time, summary_metadata };
        room.fits(TagEntry { tag_name: series.tag.to_string(), metadata: Some(metadata) })
    };
    let runs = state.runs();
    let runs = filter.series(&runs).map(|(name, _, series)| {
        let tags = series.into_iter().map(tag).collect::<Result<_, Status>>()?;
        Ok(RunEntry { run_name: name.to_owned(), tags })
    });
    Ok(ListScalarsResponse { runs: runs.collect::<Result<_, Status>>()? })
}

fn read_scalars(
    state: &State,
    asked: &ReadScalarsRequest,
    room: &Room,
) -> Result<ReadScalarsResponse, Status> {
    use read_scalars_response::{RunEntry, TagEntry};
    let (plugin, names) = (asked.plugin_filter.as_ref(), asked.run_tag_filter.as_ref());
    let filter = Filter::new(plugin, names, DataClass::Scalar)?;
    let count = count(asked.downsample.as_ref(), shows_all(state, plugin))?;
    let tag = |series: &Series| {
        let mut data = ScalarData::default();
        for point in series.numbers(count) {
            data.step.push(point.step);
            data.wall_time.push(point.wall_time);
            data.value.push(narrow(point.value));
        }
        room.fits(TagEntry { tag_name: series.tag.to_string(), data: Some(data) })
    };
    let runs = state.runs();
    let runs = filter.series(&runs).map(|(name, _, series)| {
        let tags = series.into_iter().map(tag).collect::<Result<_, Status>>()?;
        Ok(RunEntry { run_name: name.to_owned(), tags })
    });
    Ok(ReadScalarsResponse { runs: runs.collect::<Result<_, Status>>()? })
}

/// The closest float32: the protocol has no other numbers.
#[expect(clippy::as_conversions, reason = "rounds, and saturates to infinity")]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn list_tensors(
    state: &State,
    asked: &ListTensorsRequest,
    room: &Room,
) -> Result<ListTensorsResponse, Status> {
    use list_tensors_response::{RunEntry, TagEntry};
    let (plugin, names) = (asked.plugin_filter.as_ref(), asked.run_tag_filter.as_ref());
    let filter = Filter::new(plugin, names, DataClass::Tensor)?;
    let tag = |series: &Series| {
        let (max_step, max_wall_time) = latest(series);
        let summary_metadata = Some(tensors::metadata(&series.metadata));
        let metadata = TensorMetadata { max_step, max_wall_time, summary_metadata };
        room.fits(TagEntry { tag_name: series.tag.to_string(), metadata: Some(metadata) })
    };
    let runs = state.runs();
    let runs = filter.series(&runs).map(|(name, _, series)| {
        let tags = series.into_iter().map(tag).collect::<Result<_, Status>>()?;
        Ok(RunEntry { run_name: name.to_owned(), tags })
    });
    Ok(ListTensorsResponse { runs: runs.collect::<Result<_, Status>>()? })
}

fn read_tensors(
    state: &State,
    asked: &ReadTensorsRequest,
    room: &Room,
) -> Result<ReadTensorsResponse, Status> {
    use read_tensors_response::{RunEntry, TagEntry};
    let (plugin, names) = (asked.plugin_filter.as_ref(), asked.run_tag_filter.as_ref());
    let filter = Filter::new(plugin, names, DataClass::Tensor)?;
    let count = count(asked.downsample.as_ref(), shows_all(state, plugin))?;
    let runs = state.runs();
    let runs = filter.series(&runs).map(|(name, run, series)| {
        let tag = |series: &Series| {
            let mut data = TensorData::default();
            for point in run.read(name, series, series.places(count)) {
                let tensor = point.value.ok().and_then(|value| tensors::tensor(&value));
                let Some(tensor) = tensor else { continue };
                data.step.push(point.step);
                data.wall_time.push(point.wall_time);
                data.value.push(room.fits(tensor)?);
            }
            Ok(TagEntry { tag_name: series.tag.to_string(), data: Some(data) })
        };
        let tags = series.into_iter().map(tag).collect::<Result<_, Status>>()?;
        Ok(RunEntry { run_name: name.to_owned(), tags })
    });
    Ok(ReadTensorsResponse { runs: runs.collect::<Result<_, Status>>()? })
}

fn list_blob_sequences(
    state: &State,
    asked: &ListBlobSequencesRequest,
    room: &Room,
) -> Result<ListBlobSequencesResponse, Status> {
    use list_blob_sequences_response::{RunEntry, TagEntry};
    let (plugin, names) = (asked.plugin_filter.as_ref(), asked.run_tag_filter.as_ref());
    let filter = Filter::new(plugin, names, DataClass::BlobSequence)?;
    let shown = state.samples().shown(plugin_name(plugin), BLOB_POINTS);
    let runs = state.runs();
    let runs = filter.series(&runs).map(|(name, run, series)| {
        let tag = |series: &Series| {
            let (max_step, max_wall_time) = latest(series);
            let max_length = blobs::first(series) + run.max_blobs(name, series, shown);
            let metadata = BlobSequenceMetadata {
                max_step,
                max_wall_time,
                max_length: i64::try_from(max_length).unwrap_or(i64::MAX),
                summary_metadata: Some(tensors::metadata(&series.metadata)),
            };
            room.fits(TagEntry { tag_name: series.tag.to_string(), metadata: Some(metadata) })
        };
        let tags = series.into_iter().map(tag).collect::<Result<_, Status>>()?;
        Ok(RunEntry { run_name: name.to_owned(), tags })
    });
    Ok(ListBlobSequencesResponse { runs: runs.collect::<Result<_, Status>>()? })
}

fn read_blob_sequences(
    state: &State,
    asked: &ReadBlobSequencesRequest,
    room: &Room,
) -> Result<ReadBlobSequencesResponse, Status> {
    use read_blob_sequences_response::{RunEntry, TagEntry};
    let (plugin, names) = (asked.plugin_filter.as_ref(), asked.run_tag_filter.as_ref());
    let filter = Filter::new(plugin, names, DataClass::BlobSequence)?;
    let count = count(asked.downsample.as_ref(), shows_all(state, plugin))?;
    let runs = state.runs();
    let runs = filter.series(&runs).map(|(name, run, series)| {
        let tag = |series: &Series| {
            let mut data = BlobSequenceData::default();
            for point in blobs::keys(name, run, series, count) {
                let reference = |blob_key| BlobReference { blob_key, ..Default::default() };
                let blob_refs = point.value.into_iter().map(reference).collect();
                data.step.push(point.step);
                data.wall_time.push(point.wall_time);
                data.values.push(BlobReferenceSequence { blob_refs });
            }
            room.fits(TagEntry { tag_name: series.tag.to_string(), data: Some(data) })
        };
        let tags = series.into_iter().map(tag).collect::<Result<_, Status>>()?;
        Ok(RunEntry { run_name: name.to_owned(), tags })
    });
    Ok(ReadBlobSequencesResponse { runs: runs.collect::<Result<_, Status>>()? })
}

#[cfg(test)]
mod tests {
    use tbx::{Graph, LoadOptions, SummaryWriter};

    use super::*;
    use crate::state::{Samples, Source, Watcher};

    /// A call for all points of a plugin.
    fn asked(plugin: &str) -> Bytes {
        let plugin_filter = Some(PluginFilter { plugin_name: plugin.to_owned() });
        let downsample = Some(Downsample { num_points: 1000 });
        // The requests of all methods for series have the same fields.
        ReadTensorsRequest { plugin_filter, downsample, ..Default::default() }
            .encode_to_vec()
            .into()
    }

    #[test]
    fn an_answer_has_a_maximum_size() {
        let dir = tempfile::tempdir().unwrap();
        let writer = SummaryWriter::create(dir.path()).unwrap();
        for step in 0..100 {
            writer.add_scalar("loss", 0.5, step).unwrap();
            writer.add_text("note", "x".repeat(100), step).unwrap();
        }
        writer.add_graph(&Graph::new()).unwrap();
        writer.close().unwrap();
        let state = State::new(Samples::new());
        let mut watcher = Watcher::new(&[Source::new(dir.path())], &LoadOptions::new()).unwrap();
        watcher.finish(&state, &mut drop);

        for (method, plugin) in [
            ("GetExperiment", ""),
            ("ListPlugins", ""),
            ("ListRuns", ""),
            ("ListScalars", "scalars"),
            ("ReadScalars", "scalars"),
            ("ListTensors", "text"),
            ("ReadTensors", "text"),
            ("ListBlobSequences", "graphs"),
            ("ReadBlobSequences", "graphs"),
        ] {
            let call = |room: &Room| call(&state, "runs", method, asked(plugin), room);
            let whole = call(&Room::default()).unwrap();
            let size = whole[0].len();
            assert!(size > 0, "{method}");
            assert_eq!(call(&Room::of(size)).unwrap(), whole, "{method}");
            let refused = call(&Room::of(size - 1)).unwrap_err();
            assert_eq!(refused.code, 8, "{method}");
            assert!(refused.message.contains("fewer runs, tags or points"), "{}", refused.message);
        }

        // The rest is not read.
        let room = Room::of(1000);
        call(&state, "", "ReadTensors", asked("text"), &room).unwrap_err();
        assert!(room.left() < 200, "{}", room.left());
    }
}
