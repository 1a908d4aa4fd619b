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
    assert_eq!(folder.tbx("table logs").fine(), "run\n0 runs\n");
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
