//! A minimal server of Weights & Biases, which keeps what `wandb sync` sends.
//!
//! Source: the requests of wandb 0.31.0.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::http::{Asked, read_request};

/// The data of a run on the server.
#[derive(Debug, Default, Clone)]
pub(super) struct Received {
    /// The variables of the requests that create and change it, in order.
    pub(super) buckets: Vec<Value>,
    pub(super) rows: Vec<Value>,
    pub(super) summary: Value,
    pub(super) output: Vec<String>,
    pub(super) exit_code: Option<i64>,
    /// Its files, by path.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// The variables of the requests that create artifacts.
    pub(super) artifacts: Vec<Value>,
    /// The files of its artifacts, by path.
    pub(super) artifact_files: BTreeMap<String, Vec<u8>>,
}

impl Received {
    /// The configuration: the values by key.
    pub(super) fn config(&self) -> BTreeMap<String, Value> {
        let last = self.buckets.iter().rev().find_map(|bucket| bucket["config"].as_str());
        let config: Value = serde_json::from_str(last.unwrap_or("{}")).unwrap();
        let values = config.as_object().unwrap().iter();
        values.map(|(name, value)| (name.clone(), value["value"].clone())).collect()
    }
}

type Runs = Arc<Mutex<BTreeMap<String, Received>>>;

/// A server. It runs until the tests end.
pub(super) struct StandIn {
    address: SocketAddr,
    runs: Runs,
}

impl StandIn {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let runs = Runs::default();
        let shared = runs.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let runs = shared.clone();
                // A client that disconnects early is not an error.
                thread::spawn(move || drop(serve(stream, address, &runs)));
            }
        });
        Self { address, runs }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The received data, by the id of the run.
    pub(super) fn runs(&self) -> BTreeMap<String, Received> {
        self.runs.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, address: SocketAddr, runs: &Runs) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some((asked, body)) = read_request(&mut reader)? {
        let answer = answer(&asked, &body, address, &mut runs.lock().unwrap());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn answer(
    asked: &Asked,
    body: &[u8],
    address: SocketAddr,
    runs: &mut BTreeMap<String, Received>,
) -> String {
    let uploads = format!("http://{address}/up");
    let path: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
    match path.as_slice() {
        ["up", "run", run, file @ ..] => {
            let files = &mut runs.entry((*run).to_owned()).or_default().files;
            files.insert(file.join("/"), body.to_vec());
            return String::new();
        }
        ["up", "artifact", run, file @ ..] => {
            let files = &mut runs.entry((*run).to_owned()).or_default().artifact_files;
            files.insert(file.join("/"), body.to_vec());
            return String::new();
        }
        ["files", _, _, run, "file_stream"] => {
            let run = runs.entry((*run).to_owned()).or_default();
            stream(run, &serde_json::from_slice(body).unwrap());
            return "{}".into();
        }
        ["graphql"] => {}
        _ => return "{}".into(),
    }
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let variables = &sent["variables"];
    let query = sent["query"].as_str().unwrap_or_default();
    let mut words = query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let operation = words.nth(1).unwrap_or_default();
    let name = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let data = match operation {
        "UpsertBucket" => {
            let run = runs.entry(name(&variables["name"])).or_default();
            run.buckets.push(variables.clone());
            json!({ "upsertBucket": { "bucket": {
                "id": "x", "name": variables["name"],
                "project": { "name": variables["project"], "entity": { "name": "e" } },
            } } })
        }
        "RunResumeStatus" => json!({ "model": {
            "id": "m", "name": "p", "entity": { "id": "e", "name": "e" }, "bucket": null,
        } }),
        "CreateRunFiles" => {
            let run = name(&variables["run"]);
            let files = variables["files"].as_array().unwrap().iter();
            let files = files.map(|file| {
                let url = format!("{uploads}/run/{run}/{}", file.as_str().unwrap());
                json!({ "name": file, "uploadUrl": url })
            });
            let files: Vec<_> = files.collect();
            json!({ "createRunFiles": { "runID": "x", "uploadHeaders": [], "files": files } })
        }
        "CreateArtifact" => {
            let input =
                if variables["input"].is_object() { &variables["input"] } else { variables };
            let run = name(&input["runName"]);
            let id = format!("{run}~{}", name(&input["clientID"]).get(..8).unwrap_or_default());
            runs.entry(run).or_default().artifacts.push(input.clone());
            json!({ "createArtifact": { "artifact": {
                "id": id, "state": "PENDING", "artifactSequence": { "latestArtifact": null },
            } } })
        }
        "CreateArtifactManifest" => {
            let file = json!({
                "id": "f", "uploadUrl": format!("{uploads}/manifest"), "uploadHeaders": [],
            });
            json!({ "createArtifactManifest": { "artifactManifest": { "id": "m", "file": file } } })
        }
        "CreateArtifactFiles" => {
            let input =
                if variables["input"].is_object() { &variables["input"] } else { variables };
            let files = input["artifactFiles"].as_array().into_iter().flatten().map(|file| {
                let (id, name) = (name(&file["artifactID"]), name(&file["name"]));
                let run = id.split('~').next().unwrap_or_default();
                json!({ "node": {
                    "id": "n", "name": name, "displayName": name, "storagePath": format!("s/{name}"),
                    "uploadUrl": format!("{uploads}/artifact/{run}/{name}"), "uploadHeaders": [],
                    "uploadMultipartUrls": null, "artifact": { "id": id },
                } })
            });
            let edges: Vec<_> = files.collect();
            json!({ "createArtifactFiles": { "files": { "edges": edges } } })
        }
        "CommitArtifact" => {
            json!({ "commitArtifact": { "artifact": { "id": "a", "digest": "d" } } })
        }
        _ => json!({}),
    };
    json!({ "data": data }).to_string()
}

/// Takes a part of the streams of a run.
fn stream(run: &mut Received, part: &Value) {
    let lines = |file: &str| {
        let content = part["files"][file]["content"].as_array();
        content.into_iter().flatten().map(|line| line.as_str().unwrap().to_owned())
    };
    run.rows.extend(lines("wandb-history.jsonl").map(|line| loose(&line)));
    run.summary =
        lines("wandb-summary.json").next_back().map_or(run.summary.take(), |all| loose(&all));
    run.output.extend(lines("output.log"));
    if part["complete"] == true {
        run.exit_code = part["exitcode"].as_i64();
    }
}

/// Parses JSON that may have bare NaN and infinities: they become texts.
pub(super) fn loose(text: &str) -> Value {
    let mut strict = String::new();
    let (mut is_text, mut is_escaped, mut word) = (false, false, String::new());
    // The space ends the last word.
    for c in text.chars().chain([' ']) {
        if !is_text && (c.is_alphabetic() || (c == '-' && word.is_empty())) {
            word.push(c);
            continue;
        }
        match word.as_str() {
            "NaN" | "Infinity" | "-Infinity" => strict += &format!("\"{word}\""),
            other => strict += other,
        }
        word.clear();
        match c {
            '"' if !is_escaped => is_text = !is_text,
            _ => {}
        }
        is_escaped = is_text && c == '\\' && !is_escaped;
        strict.push(c);
    }
    serde_json::from_str(&strict).unwrap_or_else(|error| panic!("{error}: {text}"))
}
