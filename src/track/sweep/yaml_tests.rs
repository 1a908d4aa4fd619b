use super::*;

fn parsed(yaml: &str) -> SweepFile {
    SweepFile::parse(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"))
}

fn of(parameter: &str) -> Sweep {
    parsed(&format!("method: random\nparameters:\n  x: {parameter}\n")).sweep
}

#[test]
fn every_distribution_of_wandb_is_read() {
    let sweep = |domain| Sweep::minimize("").param("x", domain);
    for (yaml, domain) in [
        ("{value: 3}", Domain::choice([3])),
        ("{values: [1, a, true, 0.5]}", {
            Domain::choice([Param::Int(1), "a".into(), true.into(), 0.5.into()])
        }),
        ("{values: [a, b], probabilities: [0.25, 0.75]}", {
            Domain::choice(["a", "b"]).weights([0.25, 0.75])
        }),
        ("{values: [[1, 2], null]}", {
            let json = vec!["[1,2]".to_owned(), "None".into()];
            Domain { json, ..Domain::choice(["[1,2]", "None"]) }
        }),
        ("{min: 1, max: 5}", Domain::int(1, 5)),
        ("{min: 1, max: 5.5}", Domain::uniform(1.0, 5.5)),
        (
            "{min: 1e-5, max: 1e-1, distribution: log_uniform_values}",
            Domain::log_uniform(1e-5, 0.1),
        ),
        (
            "{min: '1e-5', max: 0.1, distribution: inv_log_uniform_values}",
            Domain::log_uniform(1e-5, 0.1),
        ),
        ("{min: 0, max: 0, distribution: log_uniform}", Domain::log_uniform(1.0, 1.0)),
        ("{min: 0, max: 0, distribution: inv_log_uniform}", Domain::log_uniform(1.0, 1.0)),
        ("{min: 0, max: 1, q: 0.1, distribution: q_uniform}", Domain::uniform(0.0, 1.0).step(0.1)),
        ("{min: 1, max: 64, distribution: q_log_uniform_values}", Domain::log_int(1, 64)),
        ("{mu: 2, sigma: 3, distribution: normal}", Domain::normal(2.0, 3.0)),
        ("{distribution: log_normal}", Domain::log_normal(0.0, 1.0)),
        ("{distribution: q_normal, mu: 1, sigma: 2, q: 0.5}", Domain::normal(1.0, 2.0).step(0.5)),
    ] {
        assert_eq!(of(yaml), sweep(domain), "{yaml}");
    }
}

#[test]
fn all_of_a_configuration_is_read() {
    let file = parsed(
        "
program: train.py
name: first
description: a try
project: mine
method: bayes
metric: {name: acc, goal: maximize, target: 0.99}
parameters:
  optimizer: {values: [adam, sgd]}
  model:
    parameters:
      width: {min: 8, max: 64}
  momentum: {min: 0.0, max: 1.0, when: {optimizer: sgd}}
command: ['${env}', python3, '${program}', '${args_no_hyphens}']
early_terminate: {type: hyperband, max_iter: 27, s: 3, eta: 3}
run_cap: 40
seed: 3
",
    );
    let sweep = Sweep::maximize("acc")
        .choice("optimizer", ["adam", "sgd"])
        .param("model/width", Domain::int(8, 64))
        .param("momentum", Domain::uniform(0.0, 1.0).when("optimizer", ["sgd"]))
        .method(Method::Tpe)
        .target(0.99)
        .pruner(Pruner::from_the_end(27, 3, 3))
        .trials(40)
        .seed(3);
    assert_eq!(file.sweep, sweep);
    assert_eq!((file.program.as_deref(), file.name.as_deref()), (Some("train.py"), Some("first")));
    assert_eq!(file.command[1..], ["python3", "${program}", "${args_no_hyphens}"]);
    assert_eq!(file.unused, ["project"]);
    let json = r#"{"method": "grid", "parameters": {"x": {"values": [1, 2]}}}"#;
    assert_eq!(parsed(json).sweep.method, Method::Grid { points: 5 });
}

#[test]
fn what_is_wrong_is_named() {
    let head = "method: random\nparameters:\n";
    let pruned = |rule: &str| {
        format!("{head}  x: {{value: 1}}\nmetric: {{name: m}}\nearly_terminate: {rule}")
    };
    for (yaml, said) in [
        ("", "not a map of keys"),
        ("- a", "not a map of keys"),
        ("method: random", "parameters: missing"),
        ("parameters: {x: {value: 1}}", "method: missing"),
        ("method: annealing", "\"annealing\", not grid, random or bayes"),
        ("method: bayes\nparameters: {x: {value: 1}}", "metric: missing"),
        ("method: random\nmethod: grid", "occurs twice"),
        ("method: random\nparametres: {}", "parametres: not a key of a sweep"),
        (&format!("{head}  x: 3"), "parameters.x: not a map"),
        (&format!("{head}  x: {{}}"), "parameters.x.distribution: missing"),
        (&format!("{head}  x: {{min: 1}}"), "parameters.x.distribution: missing"),
        (&format!("{head}  x: {{min: a, max: 2}}"), "parameters.x.min: not a number"),
        (&format!("{head}  x: {{min: 3, max: 2}}"), "no possible value"),
        (&format!("{head}  x: {{min: 1, max: 2, dist: normal}}"), "parameters.x.dist: not a key"),
        (&format!("{head}  x: {{distribution: beta}}"), "\"beta\" is not known"),
        (
            &format!("{head}  x: {{values: [None, null]}}"),
            "is a text and also a list, a map or null",
        ),
        (&format!("{head}  x: {{values: ['NaN', a]}}"), "would be read as a number"),
        (
            &format!("{head}  x: {{distribution: q_constant, value: 1}}"),
            "\"q_constant\" is not known",
        ),
        (&format!("{head}  x: {{value: 1, when: {{y: 1}}}}"), "\"x\" depends on \"y\""),
        (&format!("{head}  x: {{value: 1}}\nrun_cap: -1"), "run_cap: negative"),
        (
            &format!("{head}  x: {{value: 1}}\nmetric: {{name: m}}\nearly_terminate: {{type: x}}"),
            "early_terminate.type",
        ),
        (
            &pruned("{type: hyperband, min_iter: 3, etta: 2}"),
            "early_terminate.etta: not a key of hyperband",
        ),
        (&pruned("{type: hyperband, startup_trials: 3}"), "early_terminate.startup_trials"),
        (
            &pruned("{type: hyperband, min_iter: 3, s: 2}"),
            "early_terminate.s: only together with max_iter",
        ),
        (&pruned("{type: median, eta: 3}"), "early_terminate.eta: not a key of median"),
        (&pruned("{type: envelope}"), "\"envelope\", not hyperband or median"),
        (
            &format!(
                "{head}  x: {{value: 1}}\nmetric: {{name: m}}\nearly_terminate: {{type: hyperband, min_iter: 0}}"
            ),
            "must be at least 1",
        ),
    ] {
        let found = SweepFile::parse(yaml).unwrap_err().to_string();
        assert!(found.contains(said), "{yaml}: {found}");
    }
}

#[test]
fn early_ends_are_those_of_wandb() {
    let rule = |text: &str| {
        let head = "method: random\nparameters: {x: {value: 1}}\nmetric: {name: m, impute: best}";
        let file = parsed(&format!("{head}\nearly_terminate: {text}"));
        (file.sweep.pruner, file.unused[1..].to_vec())
    };
    let strict = vec!["early_terminate.strict".to_owned()];
    assert_eq!(
        rule("{type: hyperband, max_iter: 100, s: 2, eta: 3, strict: true}"),
        (Some(Pruner::from_the_end(100, 2, 3)), strict)
    );
    assert_eq!(
        rule("{type: hyperband, min_iter: 3}"),
        (Some(Pruner::hyperband(3, i64::MAX, 3).brackets(1)), vec![])
    );
    assert_eq!(
        rule("{type: median, min_iter: 4, startup_trials: 2}"),
        (Some(Pruner::median().warmup_steps(4).startup_trials(2)), vec![])
    );
    assert_eq!(rule("{type: none}"), (None, vec![]));
}
