//! `verify` is deterministic, each rule alone finds the same as together with the others, and every damaged
//! record that a load skips is found.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use tbx::{Checksums, Effect, LoadOptions, Payloads, RestartPolicy};
use tbx_fuzz::{Input, Logs, Sandbox, open};
use tbx_runs::verify::{Finding, Rule, Verify};

/// Rules about records that have the same names as issues of a load.
const RECORDS: [Rule; 5] =
    [Rule::LengthCrc, Rule::PayloadCrc, Rule::TooLong, Rule::Torn, Rule::Proto];

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let rule = Rule::ALL[input.below(Rule::ALL.len())];
    let logs = Logs::read(&mut input);
    let sandbox = Sandbox::new(data);
    logs.write_to(&sandbox.logs());
    let logdir = open(&sandbox.logs());
    let verified = Verify::new().run(&logdir);
    let all = &verified.findings;
    let again = Verify::new().run(&logdir);
    assert_eq!(*all, again.findings);
    assert_eq!((verified.more, verified.events), (again.more, again.events));
    if verified.more == 0 {
        let of = |wanted: &dyn Fn(Rule) -> bool| -> Vec<Finding> {
            all.iter().filter(|finding| wanted(finding.rule)).cloned().collect()
        };
        assert_eq!(of(&|of| of == rule), Verify::new().rules([rule]).run(&logdir).findings);
        assert_eq!(of(&|of| of != rule), Verify::new().allow([rule]).run(&logdir).findings);
    }
    let options = LoadOptions::new()
        .restart(RestartPolicy::KeepAll)
        .checksums(Checksums::All)
        .payloads(Payloads::Placed);
    let loaded = logdir.load(&options).expect("damage is in the report");
    let files = || loaded.runs.iter().flat_map(|run| &run.files);
    assert_eq!(verified.bytes, files().map(|file| file.bytes).sum::<u64>());
    if verified.more == 0 && loaded.report.more_issues == 0 {
        let found: BTreeSet<_> = all
            .iter()
            .filter(|finding| RECORDS.contains(&finding.rule))
            .map(|finding| {
                (finding.location.path.clone(), finding.location.offset, finding.rule.name())
            })
            .collect();
        let left_out: BTreeSet<_> = loaded
            .report
            .issues
            .iter()
            .filter(|issue| RECORDS.iter().any(|rule| rule.name() == issue.kind.name()))
            // The event counts if only one of its values cannot be read.
            .filter(|issue| issue.effect != Effect::SkippedValue)
            .map(|issue| (issue.location.path.clone(), issue.location.offset, issue.kind.name()))
            .collect();
        let missing: Vec<_> = left_out.difference(&found).collect();
        assert!(missing.is_empty(), "not found, but skipped by a load: {missing:?}");
        // Some events are read here, but not by loaders that decode whole events.
        let only_here: Vec<_> = found.difference(&left_out).collect();
        assert!(only_here.iter().all(|(.., rule)| *rule == Rule::Proto.name()), "{only_here:?}");
        let events = files().map(|file| file.events).sum::<u64>();
        assert_eq!(verified.events + only_here.len() as u64, events);
    }
    sandbox.check(&[]);
});
