//! Hyperparameters: sessions whose columns TensorBoard derives, and an experiment that defines
//! them.

use serde_json::{Value, json};
use tbx::summary::hparams::{Domain, HparamInfo, HparamType, MetricDataset, MetricInfo};
use tbx::{Experiment, HparamValue, Hparams, SessionStatus};

use super::log::{Log, Run, number};

impl Run<'_> {
    /// `last_step` is the largest step logged so far, which the metrics must have.
    fn hparams(&mut self, hparams: &Hparams, metrics: &[(&str, f64)], last_step: i64) {
        let values: serde_json::Map<_, _> =
            hparams.values.iter().map(|(name, value)| (name.clone(), value_of(value))).collect();
        let input = json!({
            "values": values, "group": hparams.group,
            "monitor_url": hparams.monitor_url, "model_uri": hparams.model_uri,
        });
        let writer = self.call("hparams", "_hparams_/session_start_info", 0, input);
        for (tag, value) in metrics {
            self.log.calls.push(json!({
                "call": "scalar", "run": self.name, "v2": self.v2, "tag": tag,
                "step": last_step, "wall_time": self.log.now, "input": number(*value),
            }));
        }
        writer.add_hparams(hparams.clone(), metrics.iter().copied()).unwrap();
    }

    fn experiment(&mut self, experiment: &Experiment) {
        let hparams: Vec<_> = experiment.hparams.iter().map(hparam).collect();
        let metrics: Vec<_> = experiment.metrics.iter().map(metric).collect();
        let input = json!({
            "name": experiment.name, "description": experiment.description,
            "user": experiment.user, "hparams": hparams, "metrics": metrics,
        });
        let writer = self.call("experiment", "_hparams_/experiment", 0, input);
        writer.add_hparams_config(experiment).unwrap();
    }

    /// Closes the run. A run that is still running gets no end.
    fn end(mut self, status: SessionStatus) {
        let writer = match status {
            SessionStatus::Running => self.writer.clone(),
            _ => {
                let input = json!(format!("{status:?}").to_uppercase());
                self.call("session_end", "_hparams_/session_end_info", 0, input)
            }
        };
        writer.close_as(status).unwrap();
    }
}

fn value_of(value: &HparamValue) -> Value {
    match value {
        HparamValue::Bool(value) => json!(value),
        HparamValue::Number(value) if value.is_finite() => json!(value),
        HparamValue::Number(value) => json!({"number": number(*value)}),
        HparamValue::Text(value) => json!(value),
        HparamValue::Unset => panic!("no value"),
    }
}

fn hparam(info: &HparamInfo) -> Value {
    let domain = match &info.domain {
        Domain::Any => json!(null),
        Domain::Values(values) => json!(values.iter().map(value_of).collect::<Vec<_>>()),
        Domain::Interval { min, max } => json!({"min": min, "max": max}),
        other => panic!("{other:?}"),
    };
    let kind = match info.kind {
        HparamType::Unset => "UNSET",
        HparamType::Text => "STRING",
        HparamType::Bool => "BOOL",
        HparamType::Number => "FLOAT64",
        other => panic!("{other:?}"),
    };
    json!({
        "name": info.name, "display_name": info.display_name, "description": info.description,
        "type": kind, "domain": domain,
    })
}

fn metric(info: &MetricInfo) -> Value {
    json!({
        "tag": info.tag, "group": info.group, "display_name": info.display_name,
        "description": info.description, "dataset": format!("{:?}", info.dataset).to_uppercase(),
    })
}

/// Sessions with different hyperparameters, in every state, resumed and repeated.
pub(super) fn write(log: &mut Log) {
    use SessionStatus::{Failure, Running, Success};
    for (i, v2) in [false, true].into_iter().enumerate() {
        let mut run = log.open(&format!("trials/{i}"), v2, None);
        let lr = [0.1, 0.01][i];
        let hparams = Hparams::new()
            .with("lr", lr)
            .with("batch", 32 << i)
            .with("bias", v2)
            .with("optimizer", ["adam", "größe 🎉"][i])
            .with("dropout", None::<f64>)
            .with("mixed", HparamValue::from([Some(3.0), None][i]))
            .with("constant", true)
            .with_monitor_url("http://a.b/?c=d&e")
            .with_model_uri("s3://bucket/model");
        run.hparams(&hparams, &[("accuracy", 0.9), ("odd", [f64::NAN, 2.0][i])], 0);
        // Points that are logged later count, too, here and in the runs of lines.
        for step in 6..9 {
            run.scalar("accuracy", 0.9 + lr * step as f64 / 100.0, step);
            run.scalar("later/loss", lr * step as f64, step);
            run.lines("parts/loss", &[("train", lr)], &["parts_loss_train"], step);
        }
        run.end(Success);
    }
    let mut run = log.open("trials/failed", false, None);
    (0..6).for_each(|step| run.scalar("accuracy", 0.1, step));
    let hparams = Hparams::new().with("lr", 10.0).with("mixed", "x");
    run.hparams(&hparams, &[("accuracy", 0.2), ("new", 0.3)], 5);
    run.end(Failure);
    let mut run = log.open("trials/running", false, None);
    run.hparams(&Hparams::new().with("lr", 1e-5).with("only here", -7), &[("accuracy", 0.5)], 0);
    run.end(Running);
    // Values that TensorBoard cannot represent.
    let mut run = log.open("trials/odd", false, None);
    let odd = Hparams::new().with("nan", f64::NAN).with("inf", f64::INFINITY).with("lr", 0.1f32);
    run.hparams(&odd, &[("accuracy", f64::INFINITY)], 0);
    run.end(Success);
    for i in 0..3 {
        let mut run = log.open(&format!("repeated/{i}"), false, None);
        let hparams = Hparams::new().with("lr", 0.3).with("bias", false).with_group("three times");
        run.text("note", "text", i64::from(i));
        run.hparams(&hparams, &[("accuracy", 0.25 * f64::from(i))], i64::from(i));
        run.end(if i == 1 { Failure } else { Success });
    }
    // The first start and the first end count.
    for first in [Running, Failure] {
        let name = format!("trials/resumed {first:?}");
        let mut run = log.open(&name, false, None);
        run.hparams(&Hparams::new().with("lr", 0.5).with("first", true), &[], 0);
        (0..6).for_each(|step| run.scalar("accuracy", 0.5, step));
        run.end(first);
        let mut run = log.open(&name, false, Some(3));
        run.hparams(&Hparams::new().with("lr", 0.6).with("second", true), &[("accuracy", 0.6)], 3);
        run.end(Success);
    }
}

/// Writes an experiment that shows only some columns of the sessions, under other names.
pub(super) fn write_experiment(log: &mut Log) {
    let experiment = Experiment::new()
        .with_name("sweep")
        .with_description("of **rates**")
        .with_user("me")
        .hparam(
            HparamInfo::number("lr")
                .interval(1e-5, 0.1)
                .with_display_name("learning rate")
                .with_description("of *Adam*"),
        )
        .hparam(HparamInfo::number("batch").values([32, 64]))
        .hparam(HparamInfo::text("optimizer").values(["adam", "sgd"]))
        .hparam(HparamInfo::bool("bias"))
        .hparam(HparamInfo::text("note"))
        .hparam(HparamInfo::unknown("any"))
        .metric(
            MetricInfo::new("accuracy")
                .with_display_name("acc")
                .with_description("the *last*")
                .with_dataset(MetricDataset::Validation),
        )
        .metric(
            MetricInfo::new("parts/loss")
                .with_group("parts_loss_train")
                .with_dataset(MetricDataset::Training),
        );
    let mut run = log.open(".", false, None);
    run.experiment(&experiment);
    run.close();
    for (i, optimizer) in ["adam", "sgd"].into_iter().enumerate() {
        let mut run = log.open(optimizer, false, None);
        let hparams = Hparams::new()
            .with("lr", [0.1, 0.001][i])
            .with("batch", [32, 64][i])
            .with("optimizer", optimizer)
            .with("bias", i == 0)
            .with("note", "a, \"b\"")
            .with("not a column", 1);
        run.hparams(&hparams, &[("accuracy", 0.75), ("not a metric", 1.0)], 0);
        run.lines("parts/loss", &[("train", 0.25)], &["parts_loss_train"], 2);
        run.end(SessionStatus::Success);
    }
}
