//! The parameters of a sweep: their names and domains.

use std::collections::BTreeMap;

use rand_mt::Mt64;
use serde::{Deserialize, Serialize};

use super::domain::{Domain, Law, When};
use super::math::draw;
use crate::error::ErrorKind;
use crate::meta::Param;

/// Maximum number of trials in a grid. More are probably a mistake.
const MAX_TRIALS: u32 = 1_000_000;

/// Parameters of a trial, by name.
pub(super) type Params = BTreeMap<String, Param>;

/// The parameters of a sweep, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Space(Vec<(String, Domain)>);

impl Space {
    pub(super) fn set(&mut self, name: String, domain: Domain) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, domain));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Domain)> + Clone {
        self.0.iter().map(|(name, domain)| (name.as_str(), domain))
    }

    /// The domain of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&Domain> {
        self.iter().find(|(other, _)| *other == name).map(|(_, domain)| domain)
    }

    /// Returns an error if some parameter can have no value.
    pub(super) fn check(&self) -> Result<(), ErrorKind> {
        for (place, (name, domain)) in self.0.iter().enumerate() {
            if !domain.has_values() {
                let what =
                    format!("a sweep over {name:?}, which has no possible value: {domain:?}");
                return Err(ErrorKind::Argument(what));
            }
            if let Some(value) = domain.changed_as_json() {
                let what = format!(
                    "the value {value:?} of {name:?} would be read as a number from tbx.json: use another text"
                );
                return Err(ErrorKind::Argument(what));
            }
            let mut earlier = self.0.iter().take(place);
            if let Some(When { param, .. }) = &domain.when
                && !earlier.any(|(other, _)| other == param)
            {
                let what = format!(
                    "the parameter {name:?} depends on {param:?}, which is not a parameter before it"
                );
                return Err(ErrorKind::Argument(what));
            }
        }
        Ok(())
    }

    /// The parameters of a trial. `value` returns the value of each one, also of those that the trial does not have.
    pub(super) fn params(
        &self,
        mut value: impl FnMut(&str, &Domain, bool) -> Option<Param>,
    ) -> Params {
        let mut params = Params::new();
        for (name, domain) in self.iter() {
            let is_there = is_active(domain, &params);
            let value = value(name, domain, is_there);
            params.extend(value.filter(|_| is_there).map(|value| (name.to_owned(), value)));
        }
        params
    }

    /// Random parameters. Draws one number for each, so that conditions do not shift later trials.
    pub(super) fn random(&self, random: &mut Mt64) -> Params {
        self.params(|_, domain, _| domain.at(draw(random)))
    }

    /// Skips the random numbers of `trials` trials.
    pub(super) fn skip(&self, random: &mut Mt64, trials: u64) {
        for _ in 0..trials {
            for _ in self.iter() {
                let _ = random.next_u64();
            }
        }
    }

    /// Every combination of the choices, of the multiples of steps, and of `points` values for each other parameter.
    /// The last parameter changes fastest.
    pub(super) fn grid(&self, points: usize) -> Result<impl Iterator<Item = Params>, ErrorKind> {
        let grid = self.combinations(points)?;
        Ok((0..grid.count).filter_map(move |number| grid.at(number)))
    }

    /// The combinations by number.
    pub(super) fn combinations(&self, points: usize) -> Result<Combinations<'_>, ErrorKind> {
        let sizes: Vec<usize> = self.iter().map(|(_, domain)| domain.points(points)).collect();
        let count = sizes.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
        let count = count.and_then(|count| u32::try_from(count).ok());
        let count = count.filter(|count| *count <= MAX_TRIALS).ok_or_else(|| {
            ErrorKind::Argument(format!("a grid of more than {MAX_TRIALS} trials"))
        })?;
        Ok(Combinations { space: self, sizes, count })
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        let domains = self.iter().map(|(name, domain)| (name, Form::of(domain)));
        let domains: serde_json::Map<_, _> =
            domains.map(|(name, form)| (name.to_owned(), serde_json::json!(form))).collect();
        domains.into()
    }

    /// Reads the JSON of [`to_json`](Self::to_json), with the names in order.
    pub(super) fn from_json(
        order: &[String],
        domains: BTreeMap<String, Form>,
    ) -> Result<Self, ErrorKind> {
        let mut space = Self::default();
        let mut domains = domains;
        for name in order {
            let unknown = || ErrorKind::Value(format!("{name:?} has no domain"));
            let form = domains.remove(name).ok_or_else(unknown)?;
            space.set(name.clone(), form.domain(name)?);
        }
        for (name, form) in domains {
            let domain = form.domain(&name)?;
            space.set(name, domain);
        }
        space.check()?;
        Ok(space)
    }
}

/// The combinations of a grid.
#[derive(Debug)]
pub(super) struct Combinations<'s> {
    space: &'s Space,
    sizes: Vec<usize>,
    count: u32,
}

impl Combinations<'_> {
    /// The numbers of those that are trials.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        (0..self.count).filter(|number| self.at(*number).is_some())
    }

    /// The combination with this number; `None` if another one has the same parameters.
    pub(super) fn at(&self, number: u32) -> Option<Params> {
        let mut rest = usize::try_from(number).ok()?;
        let mut stride = usize::try_from(self.count).ok()?;
        let mut sizes = self.sizes.iter();
        let mut is_new = true;
        let params = self.space.params(|_, domain, is_there| {
            let size = sizes.next().copied().unwrap_or(1).max(1);
            stride = stride.checked_div(size).unwrap_or(1).max(1);
            let index = rest.checked_div(stride).unwrap_or(0);
            rest = rest.checked_rem(stride).unwrap_or(0);
            // The values of a parameter that the trial does not have make no other trials.
            is_new &= is_there || index == 0;
            domain.nth(index, size)
        });
        is_new.then_some(params)
    }
}

/// Whether a trial with these parameters has one with this domain.
fn is_active(domain: &Domain, params: &Params) -> bool {
    domain.when.as_ref().is_none_or(|When { param, values }| {
        params.get(param).is_some_and(|value| values.contains(value))
    })
}

/// A domain in JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Param>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    weights: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    json: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    std: Option<f64>,
    /// `log`, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    int: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<WhenForm>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct WhenForm {
    param: String,
    values: Vec<Param>,
}

impl Form {
    fn of(domain: &Domain) -> Self {
        let mut form = Self {
            scale: domain.is_log.then(|| "log".into()),
            step: domain.step.filter(|_| !domain.is_int || domain.step != Some(1.0)),
            int: domain.is_int,
            json: domain.json.clone(),
            when: domain.when.clone().map(|When { param, values }| WhenForm { param, values }),
            ..Self::default()
        };
        match domain.law.clone() {
            Law::Choice { values, weights } => {
                form.values = Some(values);
                form.weights = weights;
            }
            Law::Uniform { min, max } => (form.min, form.max) = (Some(min), Some(max)),
            Law::Normal { mean, std } => (form.mean, form.std) = (Some(mean), Some(std)),
        }
        form
    }

    fn domain(self, name: &str) -> Result<Domain, ErrorKind> {
        let law = match (self.values, self.min, self.max, self.mean, self.std) {
            (Some(values), None, None, None, None) => Law::Choice { values, weights: self.weights },
            (None, Some(min), Some(max), None, None) => Law::Uniform { min, max },
            (None, None, None, Some(mean), Some(std)) => Law::Normal { mean, std },
            _ => return Err(ErrorKind::Value(format!("the domain of {name:?} is not known"))),
        };
        Ok(Domain {
            law,
            is_log: self.scale.as_deref() == Some("log"),
            step: self.step.or(self.int.then_some(1.0)),
            is_int: self.int,
            json: self.json,
            when: self.when.map(|WhenForm { param, values }| When { param, values }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditional() -> Space {
        let mut space = Space::default();
        space.set("opt".into(), Domain::choice(["adam", "sgd"]));
        space.set("momentum".into(), Domain::choice([0.5, 0.9, 0.99]).when("opt", ["sgd"]));
        space.set("nesterov".into(), Domain::choice([true, false]).when("momentum", [0.9]));
        space.set("lr".into(), Domain::log_uniform(0.01, 1.0));
        space
    }

    #[test]
    fn a_grid_has_no_combination_twice() {
        let space = conditional();
        let all: Vec<_> = space.grid(2).unwrap().collect();
        let texts: std::collections::BTreeSet<_> = all.iter().map(|p| format!("{p:?}")).collect();
        // adam; sgd with 0.5, 0.99, and with 0.9 with and without: five, with two rates each.
        assert_eq!((all.len(), texts.len()), (10, 10));
        assert!(all.iter().all(|p| p.contains_key("momentum") == (p["opt"] == "sgd".into())));
        assert_eq!(all.iter().filter(|p| p.contains_key("nesterov")).count(), 4);
    }

    #[test]
    fn trials_skip_the_numbers_of_those_before_them() {
        let space = conditional();
        let mut random = Mt64::new(3);
        let first: Vec<_> = (0..20).map(|_| space.random(&mut random)).collect();
        let mut later = Mt64::new(3);
        space.skip(&mut later, 19);
        assert_eq!(space.random(&mut later), first[19]);
    }

    #[test]
    fn what_can_have_no_value_is_refused() {
        let mut space = conditional();
        space.check().unwrap();
        space.set("x".into(), Domain::int(0, 1).when("y", [1]));
        let said = space.check().unwrap_err().to_string();
        assert!(said.contains("\"x\" depends on \"y\""), "{said}");
        space.set("x".into(), Domain::int(1, 0));
        assert!(space.check().unwrap_err().to_string().contains("no possible value"));
        space.set("x".into(), Domain::choice(["a", "Infinity"]));
        let said = space.check().unwrap_err().to_string();
        assert!(said.contains("would be read as a number"), "{said}");
        space.set("x".into(), Domain::choice([f64::INFINITY, f64::NAN]));
        space.check().unwrap();
    }

    #[test]
    fn json_has_all_of_it() {
        let mut space = conditional();
        space.set("n".into(), Domain::log_int(1, 64));
        space.set("q".into(), Domain::uniform(0.0, 1.0).step(0.25).when("n", [1, 2]));
        space.set("g".into(), Domain::log_normal(0.0, 0.5));
        space.set("w".into(), Domain::choice([1, 2]).weights([1.0, 3.0]));
        let json = vec!["[1,2]".to_owned(), "None".into()];
        space.set("l".into(), Domain { json, ..Domain::choice(["[1,2]", "None", "[]"]) });
        let order: Vec<String> = space.iter().map(|(name, _)| name.to_owned()).collect();
        let forms = serde_json::from_value(space.to_json()).unwrap();
        assert_eq!(Space::from_json(&order, forms).unwrap(), space);
    }
}
