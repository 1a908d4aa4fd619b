//! `tbx table`.

use tbx::SummaryWriter;

use super::{Folder, START};

/// Three runs with parameters as Lightning writes them, and two scalars.
fn sweep() -> Folder {
    let folder = Folder::new();
    for (i, (name, yaml)) in [
        ("lr0.1/seed0", "lr: 0.1\nopt: adam\nbatch: 32\n"),
        ("lr0.1/seed1", "lr: 0.1\nopt: sgd\nbatch: 32\n"),
        ("lr0.01/seed0", "lr: 0.01\nopt: adam\nbatch: 32\nnote: null\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let writer = folder.run(format!("logs/{name}"));
        let offset = i as f64 / 10.0;
        for (step, loss) in [1.0, 0.25, 0.5].into_iter().enumerate() {
            at(&writer, step).add_scalar("val/loss", loss + offset, step * 10).unwrap();
        }
        at(&writer, 90).add_scalar("accuracy", 0.5 + offset, 20).unwrap();
        writer.close().unwrap();
        std::fs::write(folder.path(format!("logs/{name}/hparams.yaml")), yaml).unwrap();
    }
    folder
}

fn at(writer: &SummaryWriter, seconds: usize) -> SummaryWriter {
    writer.with_wall_time(START + seconds as f64).unwrap()
}

#[test]
fn a_table_has_a_row_a_run_and_parameters_that_differ_first() {
    assert_eq!(
        sweep().tbx("table logs").fine(),
        "\
run           start                duration  step    lr   opt  accuracy  val/loss  batch
lr0.01/seed0  2023-11-14 22:13:20    1m 30s    20  0.01  adam       0.7       0.7     32
lr0.1/seed0   2023-11-14 22:13:20    1m 30s    20   0.1  adam       0.5       0.5     32
lr0.1/seed1   2023-11-14 22:13:20    1m 30s    20   0.1   sgd       0.6       0.6     32
3 runs
"
    );
}

#[test]
fn columns_are_chosen_by_name_and_pattern() {
    let folder = sweep();
    assert_eq!(
        folder.tbx("table logs --columns val/*:min,val/loss:min_step,o?t --format csv").fine(),
        "\
run,val/loss:min,val/loss:min_step,opt
lr0.01/seed0,0.44999998807907104,10,adam
lr0.1/seed0,0.25,10,adam
lr0.1/seed1,0.3499999940395355,10,sgd
"
    );
    let said = folder.tbx("table logs --columns vl/loss").failed();
    assert_eq!(said, "tbx: there is no column \"vl/loss\"; did you mean val/loss?\n");
    let said = folder.tbx("table logs --columns x*z").failed();
    assert_eq!(said, "tbx: there is no column \"x*z\"\n");
}

#[test]
fn rows_are_sorted_filtered_and_cut() {
    let folder = sweep();
    let args = ["table", "logs", "-c", "val/loss", "--sort", "val/loss", "--reverse", "--top", "1"];
    let mut command = folder.command("");
    let done = super::done(command.args(args).args(["--where", "opt == adam and lr < 1"]));
    assert_eq!(
        done.fine(),
        "\
run           val/loss
lr0.01/seed0       0.7
1 of 2 runs of 3
"
    );
    let done = super::done(folder.command("table logs").args(["--where", "opt == 'adam"]));
    assert_eq!(
        done.failed(),
        "\
tbx: condition, column 13: expected the closing quote
  opt == 'adam
              ^
"
    );
}

#[test]
fn groups_have_means_and_deviations() {
    let folder = sweep();
    assert_eq!(
        folder.tbx("table logs --group-by lr -c val/loss:min --format csv").fine(),
        "\
lr,runs,val/loss:min,± val/loss:min
0.01,1,0.44999998807907104,NaN
0.1,2,0.29999999701976776,0.0707106739039699
"
    );
    assert_eq!(
        folder.tbx("table logs --group-by run~seed\\d -c accuracy --ddof 0").fine(),
        "\
run~seed\\d  runs  accuracy   ±
seed0          2       0.6  0.1
seed1          1       0.6    0
2 groups of 3 runs; means and standard deviations
"
    );
}

#[test]
fn every_format_has_the_same_cells() {
    let folder = sweep();
    assert_eq!(
        folder.tbx("table logs --run lr0.01 -c lr,opt,accuracy --format json").fine(),
        "{\"run\":\"lr0.01/seed0\",\"lr\":0.01,\"opt\":\"adam\",\"accuracy\":0.699999988079071}\n"
    );
    assert_eq!(
        folder.tbx("table logs --run lr0.01 -c lr,opt,accuracy --format md").fine(),
        "\
| run | lr | opt | accuracy |
| --- | ---: | ---: | ---: |
| lr0.01/seed0 | 0.01 | adam | 0.7 |
"
    );
}

#[test]
fn only_differing_columns_are_shown_on_request() {
    let shown = sweep().tbx("table logs --differing --format csv").fine();
    assert_eq!(shown.lines().next(), Some("run,lr,opt,accuracy,val/loss"));
}

#[test]
fn known_sub_runs_are_one_run_unless_told_otherwise() {
    let folder = Folder::with("keras");
    let folded = folder.tbx("table logs --format csv").fine();
    assert!(folded.lines().nth(1).unwrap().starts_with(".,"), "{folded}");
    assert!(folded.contains("validation/epoch_loss"), "{folded}");
    let apart = folder.tbx("table logs --no-fold -c epoch_loss --format csv").fine();
    assert_eq!(apart.lines().count(), 3, "{apart}");
}

#[test]
fn an_empty_folder_has_no_runs() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("logs")).unwrap();
    assert_eq!(folder.tbx("table logs --allow-empty").fine(), "run\n0 runs\n");
    assert_eq!(folder.tbx("table logs").code, Some(1));
}

#[test]
fn damage_is_said_and_fails() {
    let folder = Folder::with("broken/flip_middle_payload");
    let done = folder.tbx("table logs -c v1");
    assert_eq!(done.code, Some(2));
    assert!(done.err.starts_with("tbx: logs/events.out"), "{}", done.err);
    assert!(done.out.contains("\n.     1\n"), "{}", done.out);
}

#[test]
fn tbx_json_says_what_a_run_is() {
    let folder = sweep();
    for (seed, text) in [
        (
            0,
            r#"{"schema": "tbx.run/1", "status": "RUNNING", "params": {"lr": 0.3, "deep": true},
                "process": {"heartbeat": 1.0, "interval": 10.0}}"#,
        ),
        (
            1,
            r#"{"schema": "tbx.run/1", "status": "FINISHED", "start_time": 1700000000,
                "end_time": 1700000100.5}"#,
        ),
    ] {
        std::fs::write(folder.path(format!("logs/lr0.1/seed{seed}/tbx.json")), text).unwrap();
    }
    assert_eq!(
        folder.tbx("table logs --run lr0.1 --columns run,duration,status,lr,deep,opt").fine(),
        "\
run          duration  status     lr  deep   opt
lr0.1/seed0    1m 30s  killed    0.3  true  adam
lr0.1/seed1    1m 40s  finished  0.1         sgd
2 runs
"
    );
    std::fs::write(folder.path("logs/lr0.1/seed1/tbx.json"), "{}").unwrap();
    let done = folder.tbx("table logs --run seed1 --columns run,lr");
    assert_eq!(done.code, Some(2));
    assert!(done.out.contains("lr0.1/seed1  0.1"), "{}", done.out);
    assert!(done.err.contains("lr0.1/seed1/tbx.json: its schema is"), "{}", done.err);
}

#[test]
fn parameters_are_there_whatever_tags_are_asked_for() {
    let folder = Folder::new();
    for rate in [0.5, 0.25] {
        let writer = folder.run(format!("logs/{rate}"));
        writer.add_hparams([("rate", rate.into())], [("loss", rate), ("other", 1.0)]).unwrap();
        writer.close().unwrap();
    }
    let mean = folder.tbx("reduce logs --tag loss --group-by rate --op mean --format csv").fine();
    assert_eq!(mean, "rate,tag,runs,step,mean\n0.25,loss,1,0,0.25\n0.5,loss,1,0,0.5\n");
    let table = folder.tbx("table logs --tag loss --columns status,rate,loss,other --format csv");
    assert_eq!(table.code, Some(2), "{}", table.out);
    let table = folder.tbx("table logs --tag loss --columns status,rate,loss --format csv").fine();
    assert_eq!(table, "run,status,rate,loss\n0.25,finished,0.25,0.25\n0.5,finished,0.5,0.5\n");
}

/// Parameters with the names of tags, fields and statistics.
fn names() -> Folder {
    let folder = Folder::new();
    for (run, lr) in [("a", 0.5), ("b", 0.25)] {
        let writer = folder.run(format!("logs/{run}"));
        writer
            .add_hparams([("lr", lr.into()), ("run", "x".into()), ("step", 5.into())], [])
            .unwrap();
        for (step, share) in [1.0, 0.5].into_iter().enumerate() {
            writer.add_scalar("lr", lr * share, step).unwrap();
            writer.add_scalar("loss:min", share, step).unwrap();
            writer.add_scalar("loss", share * 2.0, step).unwrap();
            writer.add_scalar("runs", share, step).unwrap();
        }
        writer.close().unwrap();
    }
    folder
}

#[test]
fn every_column_has_a_name_of_its_own() {
    let folder = names();
    assert_eq!(
        folder.tbx("table logs --run a --format json").fine(),
        "{\"run\":\"a\",\"start\":1700000000.5,\"duration\":0.0,\"status\":\"finished\",\"step\":1,\
         \"loss\":1.0,\"loss:min\":0.5,\"metric.lr\":0.25,\"runs\":0.5,\
         \"param.lr\":0.5,\"param.run\":\"x\",\"param.step\":5.0}\n"
    );
    let head = |args: &str| {
        let mut command = folder.command("table logs --format csv");
        let table = super::done(command.args(args.split(' '))).fine();
        table.lines().next().unwrap().to_owned()
    };
    assert_eq!(head("-c param.lr,metric.lr"), "run,param.lr,metric.lr");
    assert_eq!(head("-c lr,lr,param.lr"), "run,lr");
    assert_eq!(head("-c metric.lr"), "run,metric.lr");
    assert_eq!(head("-c lr,metric.lr:min"), "run,lr,lr:min");
    assert_eq!(head("-c step,param.step,param.run"), "run,step,param.step,param.run");
    // The tag `loss:min`, and the minimum of `loss`.
    assert_eq!(head("-c loss:min"), "run,loss:min");
    assert_eq!(head("-c loss:min,metric.loss:min"), "run,metric.loss:min:last,metric.loss:min");
    assert_eq!(head("-c param.*"), "run,lr,param.run,param.step");
    // Every printed name is accepted.
    let all = head("-c *,*:min");
    let names = all.strip_prefix("run,").unwrap();
    assert_eq!(head(&format!("-c {names}")), all);
    // Groups.
    assert_eq!(head("-g lr -c lr,metric.lr"), "param.lr,runs,metric.lr,± metric.lr");
    assert_eq!(head("-g run~a|b -c runs"), "run~a|b,runs,metric.runs,± metric.runs");
    assert_eq!(
        folder.tbx("table logs -g param.run -c lr,loss --format md").fine(),
        "\
| param.run | runs | lr | ± lr | loss | ± loss |
| --- | ---: | ---: | ---: | ---: | ---: |
| x | 2 | 0.375 | 0.176777 | 1 | 0 |
"
    );
    let reduced = |args: &str| {
        let table = folder.tbx(&format!("reduce logs --tag ^lr$ --format csv {args}")).fine();
        table.lines().next().unwrap().to_owned()
    };
    assert_eq!(reduced("-g step --op mean,mean,q0.5,q0.50"), "run.step,tag,runs,step,mean,q0.5");
    assert_eq!(reduced("-g param.step --op std"), "param.step,tag,runs,step,std");
    assert_eq!(reduced("-g lr --op std"), "lr,tag,runs,step,std");
    let export = |table: &str| {
        let done = folder.tbx(&format!("export logs --to csv --out - --table {table}"));
        done.out.lines().next().unwrap().to_owned()
    };
    assert_eq!(export("wide"), "run,step,wall_time,loss,loss:min,lr,runs");
    assert!(export("runs").contains(",param.step,metric.loss:last,metric.loss:min,"));
}

/// Numbers as MLflow, YAML and people write them.
#[test]
fn texts_that_are_numbers_count_as_numbers() {
    let folder = Folder::new();
    let values = ["'9'", "'10'", "1e-3", "0.001", "' 0.001 '", "'1e-3'", "adam", "'nan'"];
    for (i, lr) in values.iter().enumerate() {
        let writer = folder.run(format!("logs/{i}"));
        writer.add_scalar("loss", i as f64, 0).unwrap();
        writer.close().unwrap();
        std::fs::write(folder.path(format!("logs/{i}/hparams.yaml")), format!("lr: {lr}\n"))
            .unwrap();
    }
    let runs = |args: &[&str]| {
        let mut command = folder.command("table logs --columns lr --format csv");
        let rows = super::done(command.args(args)).fine();
        let names: Vec<_> =
            rows.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
        names.join(" ")
    };
    assert_eq!(runs(&["--sort", "lr"]), "2 3 4 5 0 1 6 7");
    assert_eq!(runs(&["--sort", "lr", "--reverse"]), "6 1 0 2 3 4 5 7");
    assert_eq!(runs(&["--where", "lr == 0.001"]), "2 3 4 5");
    assert_eq!(runs(&["--where", "lr < 10"]), "0 2 3 4 5");
    assert_eq!(runs(&["--where", "lr > '9.5' and lr != adam"]), "1");
    assert_eq!(
        folder.tbx("table logs --group-by lr --columns loss,lr --format csv").fine(),
        "lr,runs,loss,± loss\n0.001,4,3.5,1.2909944487358056\n9,1,0,NaN\n10,1,1,NaN\n\
         adam,1,6,NaN\nnan,1,7,NaN\n"
    );
    let sorted =
        folder.tbx("table logs --group-by lr --sort lr --reverse --columns loss --format csv");
    let keys: Vec<_> = sorted.out.lines().map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(keys, ["lr", "adam", "10", "9", "0.001", "nan"]);
    let reduced = folder.tbx("reduce logs --group-by lr --op count --format csv").fine();
    assert!(reduced.starts_with("lr,tag,runs,step,count\n0.001,loss,4,0,4\n9,"), "{reduced}");
}

/// Values of `numpy.mean` and `numpy.std`.
#[test]
fn means_with_infinities_are_numpys() {
    let folder = Folder::new();
    let runs =
        [("a/0", f64::INFINITY), ("a/1", 1.0), ("b/0", f64::INFINITY), ("b/1", -f64::INFINITY)];
    for (name, value) in runs.into_iter().chain([("c/0", 1.0), ("c/1", f64::NAN)]) {
        let writer = folder.run(format!("logs/{name}"));
        writer.add_scalar("x", value, 0).unwrap();
        writer.add_scalar("x", 2.0, 1).unwrap();
        writer.close().unwrap();
    }
    assert_eq!(
        folder.tbx("table logs --columns x:mean --format csv").fine(),
        "run,x:mean\na/0,Infinity\na/1,1.5\nb/0,Infinity\nb/1,-Infinity\nc/0,1.5\nc/1,2\n"
    );
    assert_eq!(
        folder.tbx("table logs -g run~^. -c x:max,x:first --ddof 0 --format csv").fine(),
        "run~^.,runs,x:max,± x:max,x:first,± x:first\na,2,Infinity,NaN,Infinity,NaN\n\
         b,2,Infinity,NaN,NaN,NaN\nc,2,2,0,1,0\n"
    );
    let reduced =
        folder.tbx("reduce logs -g run~^. --op mean,std,min,max,median,q0.5 --format csv");
    let rows: Vec<_> = reduced.out.lines().filter(|row| row.contains(",x,2,0,")).collect();
    let expected = [
        "a,x,2,0,Infinity,NaN,1,Infinity,Infinity,NaN",
        "b,x,2,0,NaN,NaN,-Infinity,Infinity,NaN,NaN",
        "c,x,2,0,1,NaN,1,1,1,1",
    ];
    assert_eq!(rows, expected);
    let tags = folder.tbx("export logs --run a/0 --to json --table tags --out -").out;
    assert!(tags.contains("\"mean\":\"Infinity\""), "{tags}");
}

#[test]
fn what_was_meant_is_said() {
    let folder = sweep();
    for (args, said) in [
        ("--columns val/loss:mni", "there is no statistic \"mni\" of val/loss; did you mean min?"),
        (
            "--sort metric.val/loss:meen",
            "there is no statistic \"meen\" of metric.val/loss; did you mean mean, min?",
        ),
        (
            "--where val/loss:mxa<1",
            "there is no statistic \"mxa\" of val/loss; did you mean max, mean?",
        ),
        (
            "--columns accuracy:zzzzzz",
            "there is no statistic \"zzzzzz\" of accuracy; the choices are last, first, min, max, \
             mean, count, step, \
             min_step, max_step, nan, inf",
        ),
        ("--group-by op", "there is no column \"op\"; did you mean opt?"),
        ("--group-by rnu~a(b)", "there is no column \"rnu~a(b)\"; did you mean run~a(b)?"),
        ("--columns acuracy", "there is no column \"acuracy\"; did you mean accuracy?"),
    ] {
        assert_eq!(folder.tbx(&format!("table logs {args}")).failed(), format!("tbx: {said}\n"));
    }
    let said = folder.tbx("reduce logs --op maen").failed();
    assert!(said.starts_with("tbx: there is no operation \"maen\"; did you mean mean"), "{said}");
    // A single = is accepted for ==, with a note.
    let mut command = folder.command("table logs --columns opt");
    let done = super::done(command.args(["--where", "opt = adam"]));
    assert_eq!((done.code, done.err.as_str()), (Some(0), "condition: = is read as ==\n"));
    assert!(done.out.ends_with("2 runs of 3\n"), "{done:?}");
    let mut command = folder.command("table logs");
    let said = super::done(command.args(["--where", "opt is adam"])).failed();
    assert!(
        said.starts_with("tbx: condition, column 5: this cannot be read; the comparisons are =="),
        "{said}"
    );
}
