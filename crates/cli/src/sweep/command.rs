//! The command line and the environment of a trial's program.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tbx::error::{Error, ErrorKind, Location, Result};
use tbx::meta::Param;
use tbx::replace;
use tbx::track::{ActiveTrial, SweepFile};

/// Variables that say which trial it is.
const SWEEP_DIR: &str = "TBX_SWEEP_DIR";
const TRIAL: &str = "TBX_TRIAL";
const TRIAL_DIR: &str = "TBX_TRIAL_DIR";
const ATTEMPT: &str = "TBX_TRIAL_ATTEMPT";
/// The parameters as JSON, and the prefix of the variables that have one each.
const PARAMS: &str = "TBX_PARAMS";
const PARAM: &str = "TBX_PARAM_";
/// The file of the macro `${args_json_file}`.
const JSON_FILE: &str = "params.json";

/// Words of a command, with macros.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    words: Vec<String>,
    program: Option<String>,
}

impl Template {
    /// The command of a worker: the one on the command line, otherwise that of the file, as `wandb agent` has it.
    pub(super) fn new(given: &[String], file: Option<&SweepFile>, appends: bool) -> Result<Self> {
        let program = file.and_then(|file| file.program.clone());
        let mut words = given.to_vec();
        if words.is_empty() {
            words = file.map(|file| file.command.clone()).unwrap_or_default();
        }
        if words.is_empty() && program.is_some() {
            words = ["${env}", "${interpreter}", "${program}"].map(str::to_owned).to_vec();
        }
        if words.is_empty() {
            let what =
                "no program: give it after --, as in tbx sweep run sweep.yaml -- python train.py";
            return Err(Error::argument(what));
        }
        let has_args = words.iter().any(|word| word.starts_with("${args"));
        if appends && !has_args {
            words.push("${args}".into());
        }
        Ok(Self { words, program })
    }

    /// The words for a trial.
    pub(super) fn words(&self, trial: &ActiveTrial) -> Result<Vec<String>> {
        let dir = absolute(trial.dir())?;
        let params = &trial.trial().params;
        if self.words.iter().any(|word| word == "${args_json_file}") {
            let path = dir.join(JSON_FILE);
            let json = json(params);
            replace::replace(&path, |out| std::io::Write::write_all(out, json.as_bytes()))?;
        }
        self.filled(params, &dir)
    }

    fn filled(&self, params: &BTreeMap<String, Param>, dir: &Path) -> Result<Vec<String>> {
        let pairs: Vec<(String, &Param)> =
            params.iter().map(|(name, value)| (name.replace('/', "."), value)).collect();
        let each = |prefix: &str| -> Vec<String> {
            pairs.iter().map(|(name, value)| format!("{prefix}{name}={value}")).collect()
        };
        let mut filled = Vec::new();
        for word in &self.words {
            match word.as_str() {
                "${env}" => filled.push("/usr/bin/env".to_owned()),
                "${interpreter}" => filled.push("python".into()),
                "${program}" => filled.push(self.program.clone().ok_or_else(|| {
                    Error::argument("${program} has no value: the sweep names no program")
                })?),
                "${args}" => filled.extend(each("--")),
                "${args_no_hyphens}" => filled.extend(each("")),
                "${args_append_hydra}" => filled.extend(each("+")),
                "${args_override_hydra}" => filled.extend(each("++")),
                "${args_no_equals}" => {
                    let words =
                        |(name, value): &(String, &Param)| [format!("--{name}"), value.to_string()];
                    filled.extend(pairs.iter().flat_map(words));
                }
                "${args_no_boolean_flags}" => {
                    filled.extend(pairs.iter().filter_map(|(name, value)| match value {
                        Param::Bool(false) => None,
                        Param::Bool(true) => Some(format!("--{name}")),
                        value => Some(format!("--{name}={value}")),
                    }));
                }
                "${args_json}" => filled.push(json(params)),
                "${args_json_file}" => filled.push(dir.join(JSON_FILE).display().to_string()),
                word => filled.push(inside(word, dir)?),
            }
        }
        Ok(filled)
    }
}

/// Fills in macros that may be a part of a word: the trial's directory, and environment variables.
fn inside(word: &str, dir: &Path) -> Result<String> {
    let mut filled = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push_str("${");
            rest = after;
            continue;
        };
        match (name, name.strip_prefix("envvar:")) {
            ("trial_dir", _) => filled.push_str(&dir.display().to_string()),
            (_, Some(variable)) => match env::var(variable) {
                Ok(value) => filled.push_str(&value),
                Err(_) => {
                    let what = format!("{word:?}: the environment variable {variable} is not set");
                    return Err(Error::argument(what));
                }
            },
            // For a shell that the program starts.
            _ => filled.push_str(&format!("${{{name}}}")),
        }
        rest = behind;
    }
    Ok(filled + rest)
}

/// The environment variables of a trial.
pub(super) fn variables(trial: &ActiveTrial, sweep: &Path) -> Result<Vec<(String, String)>> {
    let params = &trial.trial().params;
    let path = |path: &Path| absolute(path).map(|path| path.display().to_string());
    let mut variables = vec![
        (SWEEP_DIR.to_owned(), path(sweep)?),
        (TRIAL.into(), trial.trial().name.clone()),
        (TRIAL_DIR.into(), path(trial.dir())?),
        (ATTEMPT.into(), trial.attempt().to_string()),
        (PARAMS.into(), json(params)),
    ];
    variables.extend(params.iter().map(|(name, value)| (variable(name), value.to_string())));
    Ok(variables)
}

/// Returns an error if two parameters have the same variable.
pub(super) fn check_variables<'n>(names: impl Iterator<Item = &'n str>) -> Result<()> {
    let mut known = BTreeMap::new();
    for name in names {
        let variable = variable(name);
        if let Some(other) = known.insert(variable.clone(), name) {
            let what = format!(
                "the parameters {other:?} and {name:?} both have the variable {variable}: rename one"
            );
            return Err(Error::argument(what));
        }
    }
    Ok(())
}

fn variable(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    PARAM.chars().chain(name.chars().map(letter)).collect()
}

fn json(params: &BTreeMap<String, Param>) -> String {
    serde_json::json!(params).to_string()
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| ErrorKind::from(error).at(Location::of(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(words: &[&str], appends: bool) -> Vec<String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let params = [
            ("flag".to_owned(), true.into()),
            ("lr".into(), Param::Number(1e-5)),
            ("model/width".into(), 8.into()),
            ("off".into(), false.into()),
        ];
        let template = Template::new(&words, None, appends).unwrap();
        template.filled(&params.into(), Path::new("/sweep/trial-0000")).unwrap()
    }

    #[test]
    fn macros_are_those_of_wandb() {
        let args = ["--flag=True", "--lr=1e-05", "--model.width=8", "--off=False"];
        assert_eq!(filled(&["train"], true), [&["train"][..], &args].concat());
        assert_eq!(filled(&["train"], false), ["train"]);
        assert_eq!(filled(&["${args}", "-x"], true), [&args[..], &["-x"]].concat());
        assert_eq!(filled(&["${args_no_hyphens}"], true)[2], "model.width=8");
        assert_eq!(filled(&["${args_override_hydra}"], true)[0], "++flag=True");
        assert_eq!(filled(&["${args_no_equals}"], true)[..4], ["--flag", "True", "--lr", "1e-05"]);
        assert_eq!(
            filled(&["${args_no_boolean_flags}"], true),
            ["--flag", "--lr=1e-05", "--model.width=8"]
        );
        let json = r#"{"flag":true,"lr":0.00001,"model/width":8,"off":false}"#;
        assert_eq!(filled(&["${args_json}"], true), [json]);
        let words = ["${env}", "${interpreter}", "a=${trial_dir}/x", "${HOME} ${ ${x", "$1"];
        let found = filled(&words, false);
        let expected = ["/usr/bin/env", "python", "a=/sweep/trial-0000/x", "${HOME} ${ ${x", "$1"];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error() {
        let said = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let template = Template::new(&words, None, true);
            template
                .and_then(|t| t.filled(&BTreeMap::new(), Path::new("/")))
                .unwrap_err()
                .to_string()
        };
        assert!(said(&[]).contains("no program"));
        assert!(said(&["${program}"]).contains("names no program"));
        assert!(said(&["a${envvar:TBX_NO_SUCH_VARIABLE}"]).contains("TBX_NO_SUCH_VARIABLE"));
        check_variables(["a.b", "c"].into_iter()).unwrap();
        assert!(check_variables(["a.b", "a/b"].into_iter()).is_err());
        assert_eq!(variable("model/lr-x"), "TBX_PARAM_MODEL_LR_X");
    }
}
