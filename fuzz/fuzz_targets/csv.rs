//! CSV and JSON Lines of all presets and of exports: an import does not change the source, reads nothing outside it,
//! and writes a sound log with the reported number of points. A second import adds nothing. A trainer's state is read
//! the same way.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tbx::LoadOptions;
use tbx_fuzz::{Input, Sandbox, files, link, open, write};
use tbx_runs::import::Import;

/// Names of files, each with a header that a program gives it.
const FILES: [(&str, &str); 20] = [
    ("a/metrics.csv", "epoch,step,loss,name\n"),
    ("a/hparams.yaml", "lr: 0.1\n"),
    ("b/results.csv", "epoch,time,a/b,c\n"),
    ("b/args.yaml", "epochs: 3\n"),
    ("c/progress.csv", "time/total_timesteps,time/time_elapsed,x\n"),
    ("c/0.monitor.csv", "#{\"t_start\": 1700000000.5, \"env_id\": \"e\"}\nr,l,t\n"),
    ("c/history.csv", "epoch,train_loss,time\n"),
    ("log.csv", "epoch;loss;val_loss\n"),
    ("training.log", "epoch\tloss\n"),
    ("any.csv", ""),
    ("any.jsonl", ""),
    ("e/scalars.csv", "run,tag,step,wall_time,value\n"),
    ("e/wide.csv", "run,step,wall_time,loss,metric.step\n"),
    ("e/texts.csv", "run,tag,step,wall_time,index,text\n"),
    ("e/histograms.csv", "run,tag,step,wall_time,bucket,left,right,count\n"),
    ("e/hparams.csv", "run,name,type,value,number\n"),
    ("e/meta.csv", "run,meta\n"),
    ("e/runs.csv", "run,start,duration,status,step,param.lr,metric.a:last\n"),
    ("e/tags.csv", "run,tag,kind,plugin,data_class,display_name,description\n"),
    ("f/checkpoint-10/trainer_state.json", "{\"global_step\": 10, \"log_history\": ["),
];

/// Cells and marks, which make rows more often than bytes do.
const PIECES: [&str; 28] = [
    ",",
    ",",
    ",",
    ";",
    "\t",
    "\n",
    "\n",
    "\r\n",
    "\"",
    "\"\"",
    "0",
    "1",
    "2",
    "-3",
    "1.5",
    "nan",
    "inf",
    "NA",
    "1e300",
    "1700000000",
    "00:10",
    "r",
    "a/b",
    "loss",
    "..",
    "epoch",
    "{\"a\":",
    "}",
];

/// A row or a part of one.
fn text(input: &mut Input<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..input.byte() {
        if input.is_empty() {
            break;
        }
        match input.byte() {
            byte @ 0..=200 => text.extend(PIECES[usize::from(byte) % PIECES.len()].bytes()),
            201..=220 => text.extend(input.step().to_string().bytes()),
            221..=240 => text.extend(input.f64().to_string().bytes()),
            _ => text.extend(input.bytes()),
        }
    }
    text
}

fn import(sandbox: &Sandbox, source: &Path, options: &Import) {
    let (source, out) = (source.to_str().expect("UTF-8"), sandbox.path("out"));
    let before = files(&sandbox.logs());
    let imported = options.run(source, &out);
    assert!(before == files(&sandbox.logs()), "the source was changed");
    let Ok(imported) = imported else { return };
    let loaded = open(&out).load(&LoadOptions::new()).expect("damage is in the report");
    assert!(loaded.report.is_lossless(), "{:?}", loaded.report.issues);
    let series = loaded.runs.iter().flat_map(|run| &run.series);
    let points: usize = series.filter_map(|series| series.scalars()).map(|all| all.len()).sum();
    assert_eq!(imported.points, points as u64);
    let first = files(&out);
    let again = options.run(source, &out).expect("it was possible before");
    assert_eq!(again.runs.len(), imported.runs.len());
    let is_left = again.runs.iter().all(|run| run.was_there);
    if is_left {
        let second = files(&out);
        assert!(first == second, "a second import changed something");
    }
    sandbox.check(&["out"]);
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte();
    let sandbox = Sandbox::new(data);
    let root = sandbox.logs().join("source");
    std::fs::create_dir_all(&root).expect("a new directory");
    let mut last = root.clone();
    for _ in 0..8 {
        if input.is_empty() {
            break;
        }
        let (name, head) = FILES[input.below(FILES.len())];
        let path = root.join(name);
        match input.byte() {
            0..=200 => {
                let content = [head.as_bytes(), &text(&mut input)].concat();
                write(&sandbox.logs(), &path, &content);
                last = path;
            }
            201..=230 => write(&sandbox.logs(), &path, input.bytes()),
            _ => link(&mut input, &Path::new("source").join(name), &sandbox.logs()),
        }
    }
    let mut options = Import::new().float64(how & 1 != 0);
    if how & 2 != 0 {
        options = options.step("step");
    }
    if how & 4 != 0 {
        options = options.time("time");
    }
    let options = options.from(if how & 8 != 0 { "trainer_state" } else { "csv" });
    let source = if how & 16 != 0 { last } else { root };
    import(&sandbox, &source, &options);
});
