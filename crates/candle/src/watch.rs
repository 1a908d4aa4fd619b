//! Weights and gradients over time.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use candle_core::backprop::GradStore;
use candle_nn::VarMap;
use tbx::{Bins, SummaryWriter};

use crate::error::Error;
use crate::{AddTensors, numbers};

/// Logs the weights and gradients of a [`VarMap`] at regular steps, like `watch` of Weights & Biases and under the
/// same tags: `parameters/<name>` and `gradients/<name>`, as histograms of 64 buckets.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::{Init, VarMap};
/// use tbx::SummaryWriter;
/// use tbx_candle::Watch;
///
/// let weights = VarMap::new();
/// let weight = weights.get((2, 2), "layer.weight", Init::Const(0.5), DType::F32, &Device::Cpu)?;
///
/// let writer = SummaryWriter::create(dir.path())?;
/// let watch = Watch::new(&weights).every(100);
/// for step in 0..200 {
///     let loss = weight.sqr()?.sum_all()?;
///     let gradients = loss.backward()?;
///     watch.log(&writer, Some(&gradients), step)?; // at steps 0 and 100
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Watch {
    map: VarMap,
    every: u32,
    bins: usize,
}

impl Watch {
    /// Watches the variables of `map`, also those that are added to it later. Weights and gradients are logged every
    /// 1000 steps.
    pub fn new(map: &VarMap) -> Self {
        Self { map: map.clone(), every: 1000, bins: 64 }
    }

    /// Sets how often weights and gradients are logged: at each multiple of `steps`, and never with 0.
    #[must_use]
    pub fn every(self, steps: u32) -> Self {
        Self { every: steps, ..self }
    }

    /// Sets the number of buckets of each histogram.
    #[must_use]
    pub fn bins(self, bins: usize) -> Self {
        Self { bins, ..self }
    }

    /// Logs the weights, and the gradients if there are any, if it is time for that. A variable without a gradient has
    /// none logged. NaN and infinities are in no bucket: `gradients/<name>/non_finite` is their number where there are
    /// some.
    ///
    /// # Errors
    ///
    /// The same as for [`AddTensors`].
    pub fn log(
        &self,
        writer: &SummaryWriter,
        gradients: Option<&GradStore>,
        step: i64,
    ) -> Result<(), Error> {
        if step.checked_rem(self.every.into()) != Some(0) {
            return Ok(());
        }
        let writer = writer.with_bins(Bins::Uniform(self.bins));
        let variables: BTreeMap<_, _> = {
            let data = self.map.data().lock().unwrap_or_else(PoisonError::into_inner);
            data.iter().map(|(name, variable)| (name.clone(), variable.clone())).collect()
        };
        for (name, variable) in variables {
            log(&writer, &format!("parameters/{name}"), variable.as_tensor(), step)?;
            if let Some(gradient) = gradients.and_then(|all| all.get(variable.as_tensor())) {
                log(&writer, &format!("gradients/{name}"), gradient, step)?;
            }
        }
        Ok(())
    }
}

fn log(
    writer: &SummaryWriter,
    tag: &str,
    tensor: &candle_core::Tensor,
    step: i64,
) -> Result<(), Error> {
    writer.add_histogram_of(tag, tensor, step)?;
    let non_finite = numbers::read(tensor, NonFinite)?;
    if non_finite > 0 {
        writer.add_scalar(&format!("{tag}/non_finite"), non_finite, step)?;
    }
    Ok(())
}

/// Counts NaN and infinities.
struct NonFinite;

impl numbers::Visit for NonFinite {
    type Out = u64;

    fn visit<T: tbx::Numeric>(self, numbers: &[T]) -> u64 {
        numbers.iter().map(|number| u64::from(!number.to_f64().is_finite())).sum()
    }
}
