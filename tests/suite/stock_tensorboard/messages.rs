//! Messages from `log` and `tracing`: texts, which are shown verbatim, and scalars.

use log::{Level, Log, Record};
use serde_json::json;
use tbx::{Logger, TracingLayer};
use tracing_subscriber::prelude::*;

use super::log::{Run, number};

/// Text with special meaning in Markdown and HTML.
const ODD: &str = "*a* __init__ <b>b</b> `c`\n\n  1. [d](e)\n# größe 🎉 Vec<f32>";

/// [`ODD`] as code.
const CODE: &str = "*a* __init__ <b>b</b> `c`\n    \n      1. [d](e)\n    # größe 🎉 Vec<f32>";

pub(super) fn write(run: &mut Run<'_>) {
    run.messages("log", |writer| {
        let logger = Logger::new(writer).prefix("log");
        for loss in [0.5, 0.1] {
            let (args, values) = (format_args!("{ODD}"), [("loss", loss)]);
            let record = Record::builder().level(Level::Warn).target("a::b").args(args).build();
            logger.log(&record.to_builder().key_values(&values).build());
        }
    });
    run.messages("tracing", |writer| {
        let layer = TracingLayer::new(writer).prefix("tracing");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for loss in [0.5, 0.1] {
                tracing::warn!(target: "a::b", loss, "{ODD}");
            }
        });
    });
}

impl Run<'_> {
    /// Records two messages below `prefix`, and lets `write` log them.
    fn messages(&mut self, prefix: &str, write: impl FnOnce(tbx::SummaryWriter)) {
        self.log.now += 0.1;
        let mut note = |call: &str, tag: &str, step: i64, input| {
            self.log.calls.push(json!({
                "call": call, "run": self.name, "v2": self.v2, "tag": format!("{prefix}/{tag}"),
                "step": step, "wall_time": self.log.now, "input": input,
            }));
        };
        for (step, loss) in [(0, 0.5), (1, 0.1)] {
            note("scalar", "loss", step, number(loss));
            note("text", "log/warn", step, json!(format!("    a::b: {CODE} loss={loss}")));
        }
        write(self.writer.with_wall_time(self.log.now).unwrap());
    }
}
