//! A training of candle that TensorBoard shows, with its weights and gradients.
//!
//! ```console
//! $ cargo run --example train -- runs/candle
//! $ tensorboard --logdir runs
//! ```
//!
//! A network with one hidden layer learns a wave. All data is made here.

use std::error::Error;

use candle_core::{DType, Device, Tensor};
use candle_nn::{AdamW, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, linear, loss};
use tbx::Layout;
use tbx::track::ActiveRun;
use tbx_candle::{AddTensors, Watch};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or("runs/candle".into());
    let (hidden, rate, steps) = (16, 0.02, 400);
    let run = ActiveRun::options()
        .name("wave")
        .param("hidden", i64::try_from(hidden)?)
        .param("learning_rate", rate)
        .create(&dir)?;

    let device = Device::Cpu;
    let x = Tensor::arange_step(-3f32, 3.0, 0.05, &device)?.unsqueeze(1)?;
    let y = x.sin()?;
    let weights = VarMap::new();
    let builder = VarBuilder::from_varmap(&weights, DType::F32, &device);
    let first = linear(1, hidden, builder.pp("first"))?;
    let second = linear(hidden, 1, builder.pp("second"))?;
    let mut optimizer =
        AdamW::new(weights.all_vars(), ParamsAdamW { lr: rate, ..Default::default() })?;

    let watch = Watch::new(&weights).every(100);
    for step in 0..=steps {
        let activations = first.forward(&x)?.tanh()?;
        let loss = loss::mse(&second.forward(&activations)?, &y)?;
        let gradients = loss.backward()?;
        run.add_scalar_of("train/loss", &loss, step)?;
        watch.log(&run, Some(&gradients), step)?;
        run.every(100, step).add_histogram_of("activations", &activations, None)?;
        optimizer.step(&gradients)?;
    }
    // Activations as an image: a row per input, a column per unit.
    let activations = first.forward(&x)?.tanh()?;
    run.add_image_of("activations/map", &((activations + 1.0)? / 2.0)?, Layout::Hw, steps)?;
    run.finish()?;
    Ok(())
}
