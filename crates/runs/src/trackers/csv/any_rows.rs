//! Any rows are read or refused. `PROPTEST_CASES` is the number of files that are tried.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::opened::{options, read};
use super::super::source::{Points, SourceOptions};
use super::SOURCE;

/// Names of files, and what they begin with.
const FILES: [(&str, &str); 17] = [
    ("metrics.csv", "epoch,step,loss,name\n"),
    ("results.csv", "epoch,time,a/b,c\n"),
    ("progress.csv", "time/total_timesteps,time/time_elapsed,x\n"),
    ("monitor.csv", "#{\"t_start\": 1700000000.5, \"env_id\": \"e\"}\nr,l,t\n"),
    ("history.csv", "epoch,train_loss,time\n"),
    ("keras.log", "epoch;loss;val_loss\n"),
    ("any.csv", ""),
    ("any.jsonl", "{\"step\": 1}\n"),
    ("scalars.csv", "run,tag,step,wall_time,value\n"),
    ("wide.csv", "run,step,wall_time,loss,metric.step\n"),
    ("wide.jsonl", "{\"run\":\"a\",\"step\":1,\"wall_time\":1.5,\"loss\":1}\n"),
    ("texts.csv", "run,tag,step,wall_time,index,text\n"),
    ("histograms.csv", "run,tag,step,wall_time,bucket,left,right,count\n"),
    ("hparams.csv", "run,name,type,value,number\n"),
    ("meta.csv", "run,meta\n"),
    ("runs.csv", "run,start,duration,status,step,param.lr,metric.a:last\n"),
    ("tags.csv", "run,tag,kind,plugin,data_class,display_name,description\n"),
];

/// Parts of rows.
const PIECES: [&[u8]; 44] = [
    b",",
    b",",
    b",",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\n",
    b"\n",
    b"\r\n",
    b"\"",
    b"\"\"",
    b"0",
    b"1",
    b"2",
    b"-3",
    b"1.5",
    b"nan",
    b"-inf",
    b"NA",
    b"1e300",
    b"1e-320",
    b"1700000000",
    b"00:10",
    b"2023-11-14T22:13:20Z",
    b"r",
    b"a/b",
    b"..",
    b"epoch",
    b"step",
    b"{\"",
    b"\":",
    b"}",
    b"[",
    b"]",
    b"\0",
    b"\xff",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"True",
    b"1,2,3,4,5,6,7\n",
    b"r,a,1,1.0,0,1,2\n",
    b"{\"step\":2,\"a\":NaN}\n",
    b"{\"run\":\"a\",\"step\":1,\"wall_time\":1.5,\"b\":2}\n",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_are_read_or_refused(
        file in 0..FILES.len(),
        pieces in vec(0..PIECES.len(), 0..60),
        has_head in prop::bool::weighted(0.9),
        step in prop::option::weighted(0.2, prop::sample::select(vec!["step", "epoch", "r", "a"])),
        time in prop::option::weighted(0.2, prop::sample::select(vec!["time", "wall_time", "loss"])),
    ) {
        let (name, head) = FILES[file];
        let mut content = if has_head { head.as_bytes().to_vec() } else { Vec::new() };
        content.extend(pieces.iter().flat_map(|piece| PIECES[*piece]));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), &content).unwrap();
        let [step, time] = [step, time].map(|name| name.map(str::to_owned));
        let options = SourceOptions { step, time, ..options() };
        for path in [dir.path().to_owned(), dir.path().join(name)] {
            let _ = (SOURCE.is_here)(&path);
            let Ok((runs, _)) = read(&SOURCE, &path, &options) else { continue };
            for series in runs.iter().flat_map(|run| &run.content.series) {
                prop_assert!(series.points.len() > 0);
                // A value takes at least a byte.
                prop_assert!(series.points.len() <= content.len());
                match &series.points {
                    Points::Scalars(points) => {
                        prop_assert!(points.iter().all(|at| at.wall_time.is_finite()));
                    }
                    Points::Histograms(points) => {
                        let fits = |at: &super::super::source::At<super::super::source::Histogram>| {
                            at.value.edges.len() == at.value.counts.len() + 1
                        };
                        prop_assert!(points.iter().all(fits));
                    }
                    Points::Texts(points) => {
                        prop_assert!(points.iter().all(|at| at.wall_time.is_finite()));
                    }
                    _ => prop_assert!(false, "no table has such values"),
                }
            }
        }
    }
}
