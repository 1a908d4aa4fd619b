//! Many clients at once.

use std::thread;
use std::time::{Duration, Instant};

use tbx::SummaryWriter;

use super::client::Serve;

#[test]
fn many_clients_at_once_get_whole_answers_while_logs_grow() {
    let dir = tempfile::tempdir().unwrap();
    let writers: Vec<_> = (0..20)
        .map(|run| SummaryWriter::create(dir.path().join(format!("run_{run}"))).unwrap())
        .collect();
    let write = |steps: std::ops::Range<i64>| {
        for writer in &writers {
            steps.clone().for_each(|step| writer.add_scalar("loss", 0.5, step).unwrap());
            writer.flush().unwrap();
        }
    };
    write(0..100);
    let serve = Serve::start(dir.path(), &[]);
    let path = "/data/plugin/timeseries/timeSeries?requests=%5B%7B%22plugin%22:%22scalars%22,%22tag%22:%22loss%22%7D%5D";
    let end = Instant::now() + Duration::from_secs(3);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                while Instant::now() < end {
                    let answer = serve.json(path);
                    let series = answer[0]["runToSeries"].as_object().unwrap();
                    assert_eq!(series.len(), 20);
                    for points in series.values() {
                        let points = points.as_array().unwrap();
                        assert!(points.len() >= 100);
                        let steps = points.iter().map(|point| point["step"].as_i64().unwrap());
                        assert!(steps.is_sorted_by(|a, b| a + 1 == *b));
                    }
                }
            });
        }
        for start in (100..600).step_by(20) {
            write(start..start + 20);
            thread::sleep(Duration::from_millis(100));
        }
    });
}
