//! A training of burn that TensorBoard, MLflow and Weights & Biases show.
//!
//! ```console
//! $ cargo run --example train -- runs/burn
//! $ tensorboard --logdir runs
//! $ tbx mirror runs --to mlflow --uri http://127.0.0.1:5000 # while it trains, or afterwards
//! ```
//!
//! A network with one hidden layer learns to separate two rings. All data is made here.

#![allow(clippy::as_conversions, reason = "small numbers")]

use std::error::Error;
use std::f32::consts::TAU;

use burn_core as burn;
use burn_core::config::Config;
use burn_core::data::dataloader::DataLoaderBuilder;
use burn_core::data::dataloader::batcher::Batcher;
use burn_core::data::dataset::InMemDataset;
use burn_core::module::Module;
use burn_core::tensor::{Device, Int, Tensor, TensorData, activation};
use burn_nn::loss::CrossEntropyLossConfig;
use burn_nn::{Linear, LinearConfig};
use burn_optim::AdamConfig;
use burn_optim::lr_scheduler::exponential::ExponentialLrSchedulerConfig;
use burn_train::metric::{AccuracyMetric, LearningRateMetric, LossMetric};
use burn_train::renderer::CliMetricsRenderer;
use burn_train::{
    ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep,
};
use tbx::track::ActiveRun;
use tbx_burn::{SummaryLogger, Weights, log_model};

#[derive(Config, Debug)]
struct TrainingConfig {
    #[config(default = 5)]
    epochs: usize,
    #[config(default = 32)]
    batch_size: usize,
    #[config(default = 16)]
    hidden: usize,
    #[config(default = 0.02)]
    learning_rate: f64,
    #[config(default = 7)]
    seed: u64,
}

#[derive(Module, Debug)]
struct Network {
    first: Linear,
    second: Linear,
}

impl Network {
    fn new(config: &TrainingConfig, device: &Device) -> Self {
        Self {
            first: LinearConfig::new(2, config.hidden).init(device),
            second: LinearConfig::new(config.hidden, 2).init(device),
        }
    }

    fn classify(&self, batch: Batch) -> ClassificationOutput {
        let hidden = activation::tanh(self.first.forward(batch.points));
        let output = self.second.forward(hidden);
        let loss = CrossEntropyLossConfig::new()
            .init(&output.device())
            .forward(output.clone(), batch.rings.clone());
        ClassificationOutput::new(loss, output, batch.rings)
    }
}

impl TrainStep for Network {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let output = self.classify(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Network {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.classify(batch)
    }
}

/// A point, and the ring that it is on.
#[derive(Clone, Debug)]
struct Item {
    point: [f32; 2],
    ring: i32,
}

#[derive(Clone, Debug)]
struct Batch {
    points: Tensor<2>,
    rings: Tensor<1, Int>,
}

struct RingBatcher;

impl Batcher<Item, Batch> for RingBatcher {
    fn batch(&self, items: Vec<Item>, device: &Device) -> Batch {
        let points = items.iter().flat_map(|item| item.point).collect();
        let rings = items.iter().map(|item| item.ring).collect();
        Batch {
            points: Tensor::from_data(TensorData::new::<f32, _>(points, [items.len(), 2]), device),
            rings: Tensor::from_data(TensorData::new::<i32, _>(rings, [items.len()]), device),
        }
    }
}

fn rings(count: u32, seed: u32) -> InMemDataset<Item> {
    // A linear congruential generator is enough for points that only look random.
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let items = (0..count).map(|i| {
        let ring = (i % 2) as i32;
        let radius = 0.5 + 0.5 * ring as f32 + 0.2 * (random() - 0.5);
        let angle = TAU * random();
        Item { point: [radius * angle.cos(), radius * angle.sin()], ring }
    });
    InMemDataset::new(items.collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or("runs/burn".into());
    let config = TrainingConfig::new();
    let run = ActiveRun::options()
        .name("rings")
        .params(&config)?
        .seed("network", config.seed)
        .create(&dir)?;

    let device = Device::flex().autodiff();
    device.seed(config.seed);
    let model = Network::new(&config, &device);
    log_model(&run, &model)?;
    let weights = Weights::every(1);
    weights.log(&run, &model, 0)?;

    let load = |count, seed| {
        DataLoaderBuilder::new(RingBatcher)
            .batch_size(config.batch_size)
            .shuffle(config.seed)
            .build(rings(count, seed))
    };
    let rate = ExponentialLrSchedulerConfig::new(config.learning_rate, 0.995).init()?;
    let learner = Learner::new(model, AdamConfig::new().init(), rate);

    let logger = SummaryLogger::new(run.clone());
    let result = SupervisedTraining::new(run.dir().join("burn"), load(1024, 1), load(256, 2))
        .metrics((AccuracyMetric::new(), LossMetric::new()))
        .metric_train_numeric(LearningRateMetric::new())
        .with_metric_logger(logger.clone())
        .renderer(Box::new(CliMetricsRenderer::new()))
        .num_epochs(config.epochs)
        .launch(learner);

    weights.log(&run, &result.model, config.epochs.try_into()?)?;
    logger.check()?;
    run.finish()?;
    Ok(())
}
