//! `tbx diff` and `tbx reduce`.

use std::fs;

use super::{Folder, START};

/// Three runs with one common curve, and a tag that only one of them has.
fn seeds() -> Folder {
    let folder = Folder::new();
    for (seed, values) in [[1.0, 3.0, 5.0], [2.0, 3.0, 7.0], [6.0, 3.0, 9.0]].iter().enumerate() {
        let writer = folder.run(format!("logs/seed{seed}"));
        for (i, value) in values.iter().enumerate() {
            let writer = writer.with_wall_time(START + i as f64).unwrap();
            writer.add_scalar("loss", *value, i * 10).unwrap();
        }
        if seed == 2 {
            writer.add_scalar("extra", 1.0, 0).unwrap();
        }
        writer.close().unwrap();
    }
    folder
}

#[test]
fn the_same_runs_do_not_differ() {
    let done = seeds().tbx("diff logs logs");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "3 runs the same\n"));
}

#[test]
fn runs_that_differ_say_where_and_from_which_step_on() {
    let folder = seeds();
    fs::write(folder.path("logs/seed0/hparams.yaml"), "lr: 0.1\nopt: adam\nsame: 1\n").unwrap();
    fs::write(folder.path("logs/seed2/hparams.yaml"), "lr: 0.2\nsame: 1\n").unwrap();
    let done = folder.tbx("diff logs/seed0 logs/seed2");
    assert_eq!((done.code, done.err.as_str()), (Some(1), ""));
    assert_eq!(
        done.out,
        "\
.
  PARAMETER     A    B
  lr          0.1  0.2
  opt        adam    -
  LAST VALUE  A  B  B - A  DIFFERS FROM STEP
  extra       -  1                         -
  loss        5  9      4                  0
  1 parameter the same
"
    );
    fs::remove_file(folder.path("logs/seed2/hparams.yaml")).unwrap();
    let done = folder.tbx("diff logs/seed1 logs/seed2 --tag loss --rtol 0.7 --format json");
    assert_eq!(done.code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(json["runs"][0]["same_metrics"], 1);
}

#[test]
fn runs_of_two_folders_are_matched_by_name() {
    let folder = seeds();
    fs::create_dir(folder.path("other")).unwrap();
    for (from, to) in [("seed0", "seed0"), ("seed0", "seed1"), ("seed0", "new")] {
        let to = folder.path(format!("other/{to}"));
        super::copy_all(&folder.path(format!("logs/{from}")), &to);
    }
    let done = folder.tbx("diff logs other");
    assert_eq!(done.code, Some(1));
    assert_eq!(
        done.out,
        "\
seed1
  LAST VALUE  A  B  B - A  DIFFERS FROM STEP
  loss        7  5     -2                  0
1 run the same
only in logs: seed2
only in other: new
"
    );
}

/// Values of `pandas.DataFrame.mean(axis=1)`, `std`, `median` and `quantile`.
#[test]
fn curves_of_several_runs_are_reduced_as_pandas_does() {
    let folder = seeds();
    let done = folder.tbx("reduce logs --op mean,std,median,q0.25,count --format csv");
    assert_eq!(
        done.err,
        "tbx: 1 tag left out, not in all runs: extra; --min-runs 1 includes them\n"
    );
    assert_eq!(
        done.out,
        "\
tag,runs,step,mean,std,median,q0.25,count
loss,3,0,3,2.6457513110645907,2,1.5,3
loss,3,10,3,0,3,3,3
loss,3,20,7,2,7,6,3
"
    );
    let nothing = folder.tbx("reduce logs --tag extra --min-runs 3");
    assert_eq!(nothing.code, Some(2));
    assert_eq!(
        nothing.err,
        "tbx: no tag is in at least 3 runs: extra; --min-runs 1 includes them\n"
    );
    let zero = folder.tbx("reduce logs --op std --ddof 0 --tag loss --format csv").fine();
    assert!(zero.contains("loss,3,0,2.160246899469287\n"), "{zero}");
    assert_eq!(
        folder.tbx("reduce logs --tag loss").fine(),
        "\
tag   runs  step  mean  std
loss     3    20     7    2
3 runs; the last of 3 steps: --format csv has all, --out writes runs
"
    );
}

#[test]
fn reduced_curves_become_runs() {
    let folder = seeds();
    let done = folder.tbx("reduce logs --tag loss --group-by run~(seed) --out reduced");
    assert_eq!((done.code, done.out.as_str()), (Some(0), ""));
    assert_eq!(done.err, "2 runs written to reduced\n");
    assert_eq!(
        folder.tbx("inspect reduced").fine().lines().nth(4).unwrap().trim_end(),
        "  loss  scalar      3  0..20     7    3    7"
    );
    let names = folder.tbx("table reduced -c loss --format csv").fine();
    assert_eq!(names, "run,loss\nseed/mean,7\nseed/std,2\n");
    let again = folder.tbx("reduce logs --tag loss --out reduced");
    assert_eq!(again.code, Some(2));
    assert_eq!(again.err, "tbx: reduced: it exists and is not empty\n");
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = seeds();
    assert_eq!(
        folder.tbx("reduce logs --op average").failed(),
        "tbx: there is no operation \"average\"; the choices are mean, std, min, max, median, \
         count, q0.25\n"
    );
    let writer = folder.run("twice");
    writer.add_scalar("loss", 1.0, 0).unwrap();
    writer.add_scalar("loss", 2.0, 0).unwrap();
    writer.close().unwrap();
    assert_eq!(
        folder.tbx("reduce twice --duplicates refuse").failed(),
        "tbx: tag \"loss\" has 2 points at step 0\n"
    );
    assert!(folder.tbx("diff logs logs --rtol -1").failed().contains("-1"));
}

/// Two runs that log at different steps but at the same pace, and one that begins later.
fn paces() -> Folder {
    let folder = Folder::new();
    for (run, offset, start) in [("a", 0, START), ("b", 5, START + 86_400.0)] {
        let writer = folder.run(format!("logs/{run}"));
        for i in 0..4 {
            let writer = writer.with_wall_time(start + f64::from(i) / 10.0).unwrap();
            writer.add_scalar("loss", f64::from(i * (offset + 1)), 10 * i + offset).unwrap();
        }
        writer.close().unwrap();
    }
    folder
}

#[test]
fn runs_without_a_common_step_are_told_what_to_do() {
    let folder = paces();
    for args in ["", "--format csv", "--format json", "--out reduced", "--group-by run~."] {
        let done = folder.tbx(&format!("reduce logs {args}"));
        if args == "--group-by run~." {
            assert_eq!(done.code, Some(0), "each by itself");
            continue;
        }
        assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{args}");
        assert_eq!(
            done.err,
            "tbx: 1 tag left out, since the runs have no step in common: loss; use --align outer, \
             nearest, interpolated or time\n"
        );
        assert!(!folder.path("reduced").exists());
    }
    // The other tags are there.
    for run in ["a", "b"] {
        let writer = folder.run(format!("logs/{run}"));
        writer.add_scalar("acc", 0.5, 0).unwrap();
        writer.close().unwrap();
    }
    let done = folder.tbx("reduce logs --op mean --format csv");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "tag,runs,step,mean\nacc,2,0,0.5\n"));
    assert!(done.err.contains("no step in common: loss"), "{}", done.err);
    // No tag matches.
    let done = folder.tbx("reduce logs --tag nothing");
    assert_eq!(done.code, Some(2));
    let folder = Folder::new();
    folder.run("logs").close().unwrap();
    let done = folder.tbx("reduce logs");
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""));
    assert_eq!(done.err, "tbx: no run has matching scalars\n");
}

#[test]
fn runs_are_reduced_at_equal_times() {
    let folder = paces();
    let late = folder.run("logs/a");
    // Halfway between two points of the other run.
    late.with_wall_time(START + 0.25).unwrap().add_scalar("loss", 2.5, 25).unwrap();
    late.close().unwrap();
    assert_eq!(
        folder.tbx("reduce logs --align time --op mean,count --format csv").fine(),
        "tag,runs,time,mean,count\nloss,2,0,0,2\nloss,2,0.1,3.5,2\nloss,2,0.2,7,2\n\
         loss,2,0.25,8.75,2\nloss,2,0.3,10.5,2\n"
    );
    assert_eq!(
        folder.tbx("reduce logs --align time").fine(),
        "\
tag   runs  time  mean      std
loss     2   0.3  10.5  10.6066
2 runs; the last of 5 times: --format csv has all, --out writes runs
"
    );
    assert_eq!(folder.tbx("reduce logs --align time --op mean --out reduced").code, Some(0));
    let points = folder.tbx("export reduced --to csv --out -");
    assert_eq!(
        points.out,
        "run,tag,step,wall_time,value\nmean,loss,0,1700000000.5,0.0\n\
         mean,loss,100000,1700000000.6,3.5\nmean,loss,200000,1700000000.7,7.0\n\
         mean,loss,250000,1700000000.75,8.75\nmean,loss,300000,1700000000.8,10.5\n"
    );
}

/// `classicSmoothing` of TensorBoard's page.
#[test]
fn curves_are_smoothed_before_they_are_reduced_and_next_to_their_values() {
    let folder = seeds();
    // 1, (0.5 * 0.5 + 0.5 * 3) / 0.75, ...
    let smoothed = "run,tag,step,wall_time,value,smoothed\n\
                    seed0,loss,0,1700000000.5,1.0,1.0\n\
                    seed0,loss,10,1700000001.5,3.0,2.3333333333333335\n\
                    seed0,loss,20,1700000002.5,5.0,3.857142857142857\n";
    let export = "export logs --run seed0 --to csv --out -";
    assert_eq!(folder.tbx(&format!("{export} --smooth 0.5")).out, smoothed);
    let sampled = folder.tbx(&format!("{export} --smooth 0.5 --sample every:2")).out;
    assert_eq!(
        sampled,
        smoothed
            .lines()
            .filter(|line| !line.contains(",10,"))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    );
    assert_eq!(
        folder.tbx("export logs --run seed[02] --to csv --out - --smooth 0.5 --wide").out,
        "run,step,wall_time,extra,smoothed.extra,loss,smoothed.loss\n\
         seed0,0,1700000000.5,,,1.0,1.0\n\
         seed0,10,1700000001.5,,,3.0,2.3333333333333335\n\
         seed0,20,1700000002.5,,,5.0,3.857142857142857\n\
         seed2,0,1700000000.5,1.0,1.0,6.0,6.0\n\
         seed2,10,1700000001.5,,,3.0,4.0\n\
         seed2,20,1700000002.5,,,9.0,6.857142857142857\n"
    );
    assert_eq!(
        folder
            .tbx("reduce logs --tag loss --run seed[02] --op mean --smooth 0.5 --format csv")
            .fine(),
        "tag,runs,step,mean\nloss,2,0,3.5\nloss,2,10,3.166666666666667\n\
         loss,2,20,5.357142857142857\n"
    );
    for (args, why) in [
        (
            "--table runs --to csv --out -",
            "with --table runs: the tables scalars and wide have smoothed values",
        ),
        ("--to mlruns --out m", "with --to mlruns"),
    ] {
        let said = folder.tbx(&format!("export logs --smooth 0.5 {args}")).failed();
        assert_eq!(said, format!("tbx: --smooth has no effect {why}\n"));
    }
    assert!(folder.tbx("export logs --to csv --out - --smooth 2").failed().contains("0 to 1"));
}
