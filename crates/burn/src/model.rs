//! A model: its summary, and its parameters.

use burn_core::module::{Module, ModuleVisitor, Param};
use burn_core::tensor::Tensor;
use tbx::{Bins, Error, SummaryWriter};

/// Logs how a model is built, as the text `model`, and its number of parameters, as the scalar `model/parameters`, both
/// at step 0.
///
/// # Errors
///
/// Those of [`SummaryWriter::add_text`].
pub fn log_model(writer: &SummaryWriter, model: &impl Module) -> Result<(), Error> {
    // Four spaces make Markdown show the text as it is.
    let text: String = format!("{model:?}").lines().map(|line| format!("    {line}\n")).collect();
    writer.add_text("model", text.as_str(), 0)?;
    writer.add_scalar("model/parameters", u64::try_from(model.num_params()).unwrap_or(u64::MAX), 0)
}

/// Logs the parameters of a model at regular steps as histograms of 64 buckets, under the tags that `watch` of Weights &
/// Biases uses: `parameters/<path>`.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use burn_core::tensor::Device;
/// use burn_nn::LinearConfig;
/// use tbx::SummaryWriter;
/// use tbx_burn::Weights;
///
/// let writer = SummaryWriter::create(dir.path())?;
/// let model = LinearConfig::new(4, 2).init(&Device::flex());
/// let weights = Weights::every(100);
/// weights.log(&writer, &model, 0)?; // parameters/weight, parameters/bias
/// weights.log(&writer, &model, 1)?; // nothing
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    every: u32,
    bins: usize,
}

impl Weights {
    /// Logs at each multiple of `steps`, and never with 0.
    pub fn every(steps: u32) -> Self {
        Self { every: steps, bins: 64 }
    }

    /// Sets the number of buckets of each histogram.
    #[must_use]
    pub fn bins(self, bins: usize) -> Self {
        Self { bins, ..self }
    }

    /// Logs the float parameters of `model` if it is time for that.
    ///
    /// # Errors
    ///
    /// Those of [`SummaryWriter::add_histogram`]. A parameter that cannot be read from its device is left out and named
    /// by [`log::warn`].
    pub fn log(self, writer: &SummaryWriter, model: &impl Module, step: i64) -> Result<(), Error> {
        if step.checked_rem(self.every.into()) != Some(0) {
            return Ok(());
        }
        let writer = writer.with_bins(Bins::Uniform(self.bins));
        let mut visitor = Visitor { writer, step, path: Vec::new(), result: Ok(()) };
        model.visit(&mut visitor);
        visitor.result
    }
}

struct Visitor {
    writer: SummaryWriter,
    step: i64,
    path: Vec<String>,
    result: Result<(), Error>,
}

impl ModuleVisitor for Visitor {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.result.is_err() {
            return;
        }
        let tag = format!("parameters/{}", self.path.join("."));
        match param.val().try_into_vec_as::<f32>() {
            Ok(numbers) => self.result = self.writer.add_histogram(&tag, &numbers, self.step),
            Err(error) => log::warn!("{tag} is not logged: {error}"),
        }
    }

    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}
