//! A minimal tracking server for exports, which keeps the data that it receives and fails on
//! request.
//!
//! Source: the responses of MLflow 3.17 (`mlflow/server/handlers.py`).

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Asked, read_request};

const API: &str = "/api/2.0/mlflow/";
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts/";

/// A server. Clones are the same server.
#[derive(Clone)]
pub(super) struct Fake {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    kept: Mutex<Kept>,
    asked: Mutex<Vec<(Asked, Value)>>,
    fault: Mutex<Option<Failing>>,
}

/// Receives a request's path and the number of earlier requests.
type Failing = Box<dyn FnMut(&str, usize) -> Fault + Send>;

/// A way in which a request fails.
pub(super) enum Fault {
    None,
    /// The request is not executed, and gets a response with this status, header and body.
    Status(&'static str, &'static str, &'static str),
    /// The request is executed, but the connection ends before the response.
    Unheard,
    /// The request is executed, but only this number of bytes of the response arrive.
    Cut(usize),
    /// The response takes this long.
    Slow(Duration),
    /// The request is not executed, but the response reports success.
    Forgotten,
    /// The response is this JSON.
    Json(Value),
    /// The response is whatever this function sends.
    Raw(fn(&mut TcpStream) -> io::Result<()>),
}

#[derive(Default, Clone)]
pub(super) struct Kept {
    pub(super) experiments: Vec<String>,
    pub(super) runs: Vec<KeptRun>,
    pub(super) artifacts: BTreeMap<String, Vec<u8>>,
}

/// A run.
#[derive(Default, Clone)]
pub(super) struct KeptRun {
    pub(super) info: BTreeMap<String, Value>,
    pub(super) params: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    /// In the order of arrival.
    pub(super) metrics: Vec<Value>,
    pub(super) datasets: Vec<Value>,
}

impl Fake {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                // A client that disconnects early is not an error.
                thread::spawn(move || drop(state.serve(stream)));
            }
        });
        Self { address, state }
    }

    pub(super) fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the faults of all requests from now on.
    pub(super) fn fails(&self, fault: impl FnMut(&str, usize) -> Fault + Send + 'static) {
        *self.state.fault.lock().unwrap() = Some(Box::new(fault));
    }

    /// The requests since the last call, and their bodies.
    pub(super) fn asked(&self) -> Vec<(Asked, Value)> {
        std::mem::take(&mut self.state.asked.lock().unwrap())
    }

    /// Changes the stored data, like a person in MLflow's pages.
    pub(super) fn change(&self, change: impl FnOnce(&mut Kept)) {
        change(&mut self.state.kept.lock().unwrap());
    }

    pub(super) fn kept(&self) -> Kept {
        self.state.kept.lock().unwrap().clone()
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some((asked, body)) = read_request(&mut reader)? {
            let path = asked.path.clone();
            let json = serde_json::from_slice(&body).unwrap_or_default();
            let before = {
                let mut all = self.asked.lock().unwrap();
                all.push((asked.clone(), json));
                all.len() - 1
            };
            let fault =
                self.fault.lock().unwrap().as_mut().map_or(Fault::None, |f| f(&path, before));
            let mut end = usize::MAX;
            let (status, header, body) = match fault {
                Fault::Status(status, header, body) => (status, header, body.to_owned()),
                Fault::Forgotten => ("200 OK", "", "{}".to_owned()),
                Fault::Json(json) => ("200 OK", "", json.to_string()),
                Fault::Raw(send) => return send(&mut stream),
                other => {
                    let (status, json) = self.kept.lock().unwrap().answer(&asked, &body);
                    match other {
                        Fault::Unheard => return Ok(()),
                        Fault::Cut(bytes) => end = bytes,
                        Fault::Slow(time) => thread::sleep(time),
                        _ => {}
                    }
                    (status, "", json.to_string())
                }
            };
            let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
            let head =
                format!("HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes())?;
            stream.write_all(&body.as_bytes()[..body.len().min(end)])?;
            if end < body.len() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Kept {
    fn answer(&mut self, asked: &Asked, body: &[u8]) -> (&'static str, Value) {
        if let Some(path) = asked.path.strip_prefix(ARTIFACTS) {
            self.artifacts.insert(path.into(), body.to_vec());
            return ("200 OK", json!({}));
        }
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        let run = sent["run_id"].as_str().or(asked.query.get("run_id").map(String::as_str));
        let run = run.and_then(|id| id.strip_prefix("run")?.parse::<usize>().ok());
        let missing = ("404 Not Found", json!({ "error_code": "RESOURCE_DOES_NOT_EXIST" }));
        if run.is_some_and(|run| run >= self.runs.len()) {
            return missing;
        }
        let json = match asked.path.strip_prefix(API).unwrap_or_default() {
            "experiments/get-by-name" => {
                let name = &asked.query["experiment_name"];
                let Some(id) = self.experiments.iter().position(|known| known == name) else {
                    return missing;
                };
                json!({ "experiment": {
                    "experiment_id": id.to_string(), "name": name, "lifecycle_stage": "active",
                    "creation_time": 1,
                } })
            }
            "experiments/get" => {
                let id = &asked.query["experiment_id"];
                let Some(name) = id.parse().ok().and_then(|id: usize| self.experiments.get(id))
                else {
                    return missing;
                };
                json!({ "experiment": {
                    "experiment_id": id, "name": name, "lifecycle_stage": "active", "creation_time": 1,
                } })
            }
            "experiments/set-experiment-tag" => json!({}),
            "runs/get" => match run.and_then(|run| self.runs.get(run)) {
                Some(run) => json!({ "run": run.json() }),
                None => return missing,
            },
            "runs/delete" | "runs/restore" => {
                let stage = if asked.path.ends_with("delete") { "deleted" } else { "active" };
                self.runs[run.unwrap()].info.insert("lifecycle_stage".into(), stage.into());
                json!({})
            }
            "runs/delete-tag" => {
                let tag = sent["key"].as_str().unwrap();
                match self.runs[run.unwrap()].tags.remove(tag) {
                    Some(_) => json!({}),
                    None => return missing,
                }
            }
            "experiments/create" => {
                let name: String = sent["name"].as_str().unwrap().into();
                if self.experiments.contains(&name) {
                    let json = json!({ "error_code": "RESOURCE_ALREADY_EXISTS" });
                    return ("400 Bad Request", json);
                }
                self.experiments.push(name);
                json!({ "experiment_id": (self.experiments.len() - 1).to_string() })
            }
            "experiments/search" => {
                let all = self.experiments.iter().enumerate();
                let json = |(id, name): (usize, &String)| json!({ "experiment_id": id.to_string(), "name": name });
                json!({ "experiments": all.map(json).collect::<Vec<_>>() })
            }
            "artifacts/list" => json!({ "files": [] }),
            "registered-models/search" => json!({ "registered_models": [] }),
            "model-versions/search" => json!({ "model_versions": [] }),
            "runs/search" => {
                json!({ "runs": self.runs.iter().map(KeptRun::json).collect::<Vec<_>>() })
            }
            "runs/create" => {
                let id = format!("run{}", self.runs.len());
                let mut run = KeptRun::default();
                for name in ["start_time", "run_name", "user_id", "experiment_id"] {
                    run.info.insert(name.into(), sent[name].clone());
                }
                run.info.insert("run_id".into(), id.clone().into());
                run.info.insert("artifact_uri".into(), format!("mlflow-artifacts:/0/{id}").into());
                run.info.insert("status".into(), "RUNNING".into());
                run.tags.extend(pairs(&sent["tags"]));
                self.runs.push(run.clone());
                json!({ "run": run.json() })
            }
            "metrics/get-history" => {
                let points = self.runs[run.unwrap()].points(&asked.query["metric_key"]);
                // All results are on one page.
                match asked.query.get("page_token") {
                    Some(_) => return ("400 Bad Request", json!({ "message": "no such page" })),
                    None => json!({ "metrics": points }),
                }
            }
            "runs/log-batch" => {
                let run = &mut self.runs[run.unwrap()];
                run.metrics.extend(sent["metrics"].as_array().unwrap().iter().cloned());
                run.params.extend(pairs(&sent["params"]));
                run.tags.extend(pairs(&sent["tags"]));
                json!({})
            }
            "runs/log-inputs" => {
                let run = &mut self.runs[run.unwrap()];
                run.datasets.extend(sent["datasets"].as_array().unwrap().iter().cloned());
                json!({})
            }
            "runs/update" => {
                let run = &mut self.runs[run.unwrap()];
                for (name, value) in sent.as_object().unwrap() {
                    run.info.insert(name.clone(), value.clone());
                }
                json!({})
            }
            _ => return ("404 Not Found", "<!doctype html><title>404</title>".into()),
        };
        ("200 OK", json)
    }
}

impl KeptRun {
    /// The points of a metric, without duplicates.
    pub(super) fn points(&self, key: &str) -> Vec<Value> {
        let mut seen = std::collections::HashSet::new();
        let of_key = self.metrics.iter().filter(|point| point["key"] == key);
        of_key.filter(|point| seen.insert(point.to_string())).cloned().collect()
    }

    fn json(&self) -> Value {
        let pairs = |map: &BTreeMap<String, String>| -> Vec<Value> {
            map.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
        };
        let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
        for point in &self.metrics {
            let order = |point: &Value| (point["step"].as_i64(), point["timestamp"].as_i64());
            let known = last.entry(point["key"].as_str().unwrap()).or_insert(point);
            if order(point) >= order(known) {
                *known = point;
            }
        }
        json!({
            "info": self.info,
            "data": {
                "params": pairs(&self.params), "tags": pairs(&self.tags),
                "metrics": last.into_values().collect::<Vec<_>>(),
            },
            "inputs": { "dataset_inputs": self.datasets },
        })
    }
}

fn pairs(json: &Value) -> impl Iterator<Item = (String, String)> {
    let text = |pair: &Value, name: &str| pair[name].as_str().unwrap().to_owned();
    json.as_array().into_iter().flatten().map(move |pair| (text(pair, "key"), text(pair, "value")))
}
