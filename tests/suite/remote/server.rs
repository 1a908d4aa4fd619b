//! A local web server with the parts of the S3 API that tbx needs: lists, ranges of objects,
//! uploads. It can simulate faults. Google's stores have the same API. Of Azure's API it supports
//! only lists.
//!
//! Sources: the API references of Amazon S3 (`ListObjectsV2`, `GetObject`, `PutObject`,
//! `CreateMultipartUpload`, `UploadPart`, `CompleteMultipartUpload`, `AbortMultipartUpload`) and of
//! Azure's Blob service (`List Blobs`).

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::http::{Asked, read_request};

/// Number of keys per page of a list.
const PAGE: usize = 7;

/// A server with one bucket, called `bucket`. Clones share the server.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    parts: Mutex<BTreeMap<u32, Vec<u8>>>,
    asked: Mutex<Vec<Asked>>,
    fault: Mutex<Option<Failing>>,
}

type Failing = Box<dyn FnMut(&Asked) -> Fault + Send>;

/// A fault in the answer to a request.
pub(crate) enum Fault {
    None,
    /// Answers with this status and body.
    Status(&'static str, &'static str),
    /// Closes the connection after this number of bytes of the body.
    Cut(usize),
    /// Delays the answer by this time.
    Slow(Duration),
    /// Sends the whole object instead of a range.
    Whole,
    /// Lets this function send the answer.
    Raw(fn(&mut TcpStream) -> io::Result<()>),
    /// Answers with this status, header and body.
    With(&'static str, &'static str, String),
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_at(0).unwrap()
    }

    /// Starts at this port.
    pub(crate) fn start_at(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
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
        Ok(Self { address, state })
    }

    /// Environment variables that direct the program to the server at this port.
    pub(crate) fn variables_at(port: u16) -> [(&'static str, String); 11] {
        variables(&format!("http://127.0.0.1:{port}"))
    }

    /// The URL of the bucket, for clients without S3 support.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/bucket", self.address)
    }

    /// Environment variables that direct the program to the server.
    pub(crate) fn variables(&self) -> [(&'static str, String); 11] {
        variables(&format!("http://{}", self.address))
    }

    pub(crate) fn put(&self, key: &str, bytes: Vec<u8>) {
        self.state.objects.lock().unwrap().insert(key.into(), bytes);
    }

    /// Uploads every file of a directory under the prefix `key`.
    pub(crate) fn put_all(&self, folder: &Path, key: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let key = format!("{key}/{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                self.put_all(&path, &key);
            } else {
                self.put(&key, fs::read(path).unwrap());
            }
        }
    }

    pub(crate) fn remove(&self, key: &str) {
        self.state.objects.lock().unwrap().remove(key).unwrap();
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.state.objects.lock().unwrap().get(key).cloned()
    }

    /// Sets the faults from now on.
    pub(crate) fn fails(&self, fault: impl FnMut(&Asked) -> Fault + Send + 'static) {
        *self.state.fault.lock().unwrap() = Some(Box::new(fault));
    }

    /// Ends the faults.
    pub(crate) fn is_well(&self) {
        *self.state.fault.lock().unwrap() = None;
    }

    /// The requests since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.asked.lock().unwrap())
    }

    /// Number of parts of uploads that were neither completed nor aborted.
    pub(crate) fn loose_parts(&self) -> usize {
        self.state.parts.lock().unwrap().len()
    }
}

fn variables(url: &str) -> [(&'static str, String); 11] {
    let google = format!(
        "{{\"gcs_base_url\": \"{url}\", \"disable_oauth\": true, \"client_email\": \"\", \
         \"private_key\": \"\", \"private_key_id\": \"\"}}"
    );
    [
        ("GOOGLE_SERVICE_ACCOUNT_KEY", google),
        ("GOOGLE_ALLOW_HTTP", "true".into()),
        ("AZURE_STORAGE_ENDPOINT", url.into()),
        ("AZURE_STORAGE_ACCOUNT_NAME", "name".into()),
        ("AZURE_ALLOW_HTTP", "true".into()),
        ("AZURE_SKIP_SIGNATURE", "true".into()),
        ("AWS_ENDPOINT", url.into()),
        ("AWS_ALLOW_HTTP", "true".into()),
        ("AWS_REGION", "us-east-1".into()),
        ("AWS_ACCESS_KEY_ID", "key".into()),
        ("AWS_SECRET_ACCESS_KEY", "secret".into()),
    ]
}

/// The ETag of an object: as in S3, the content decides.
fn tag(object: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    object.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl State {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        while let Some((mut asked, body)) = read_request(&mut reader)? {
            let fault = self.fault.lock().unwrap().as_mut().map_or(Fault::None, |f| f(&asked));
            let mut end = usize::MAX;
            let answer = match fault {
                Fault::Raw(send) => {
                    self.asked.lock().unwrap().push(asked);
                    return send(&mut stream);
                }
                Fault::With(status, header, body) => {
                    let mut answer = Answer::new(status, &body);
                    answer.headers.extend(header.split_once(": ").map(|(n, v)| (n, v.into())));
                    answer
                }
                Fault::Status(status, body) => Answer::new(status, body),
                Fault::Cut(bytes) => {
                    end = bytes;
                    self.answer(&asked, body)
                }
                Fault::Slow(time) => {
                    thread::sleep(time);
                    self.answer(&asked, body)
                }
                Fault::Whole => {
                    asked.headers.remove("range");
                    self.answer(&asked, body)
                }
                Fault::None => self.answer(&asked, body),
            };
            let mut head = format!("HTTP/1.1 {}\r\n", answer.status);
            if !answer.headers.iter().any(|(name, _)| *name == "Content-Length") {
                head += &format!("Content-Length: {}\r\n", answer.body.len());
            }
            for (name, value) in &answer.headers {
                head += &format!("{name}: {value}\r\n");
            }
            let body = if asked.method == "HEAD" { &[][..] } else { &answer.body };
            let body = &body[..body.len().min(end)];
            asked.sent = body.len();
            // Before the head, which is all that some clients read.
            self.asked.lock().unwrap().push(asked);
            stream.write_all((head + "\r\n").as_bytes())?;
            stream.write_all(body)?;
            if body.len() == end {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&self, asked: &Asked, body: Vec<u8>) -> Answer {
        let path = asked.path.strip_prefix("/").unwrap_or_default();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket != "bucket" {
            let text = "<Error><Code>NoSuchBucket</Code>\
                        <Message>The specified bucket does not exist</Message></Error>";
            return Answer::new("404 Not Found", text);
        }
        let query = |name: &str| asked.query.get(name).map(String::as_str);
        let mut objects = self.objects.lock().unwrap();
        match asked.method.as_str() {
            "GET" if key.is_empty() => list(&objects, asked),
            "GET" | "HEAD" => match objects.get(key) {
                Some(object) => get(object, asked),
                None => Answer::new("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>"),
            },
            "POST" if query("uploads").is_some() => Answer::new(
                "200 OK",
                "<InitiateMultipartUploadResult><UploadId>1</UploadId>\
                 </InitiateMultipartUploadResult>",
            ),
            "POST" => {
                let parts = std::mem::take(&mut *self.parts.lock().unwrap());
                objects.insert(key.into(), parts.into_values().flatten().collect());
                let text = "<CompleteMultipartUploadResult><ETag>\"e\"</ETag>\
                            </CompleteMultipartUploadResult>";
                Answer::new("200 OK", text)
            }
            "DELETE" => {
                self.parts.lock().unwrap().clear();
                Answer::new("204 No Content", "")
            }
            "PUT" => {
                if let Some(number) = query("partNumber") {
                    self.parts.lock().unwrap().insert(number.parse().unwrap(), body);
                } else if asked.headers.contains_key("if-none-match") && objects.contains_key(key) {
                    let text = "<Error><Code>PreconditionFailed</Code></Error>";
                    return Answer::new("412 Precondition Failed", text);
                } else {
                    objects.insert(key.into(), body);
                }
                let mut answer = Answer::new("200 OK", "");
                answer.headers.push(("ETag", "\"e\"".into()));
                answer
            }
            _ => Answer::new("405 Method Not Allowed", ""),
        }
    }
}

impl Answer {
    fn new(status: &'static str, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }
}

fn get(object: &[u8], asked: &Asked) -> Answer {
    let range = asked.headers.get("range").map(|range| {
        let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let end = end.parse().map_or(object.len(), |end: usize| object.len().min(end + 1));
        start.parse::<usize>().unwrap()..end
    });
    let len = object.len();
    let mut answer = match range {
        Some(range) if range.start >= len => {
            return Answer::new("416 Range Not Satisfiable", "");
        }
        Some(range) => Answer {
            status: "206 Partial Content",
            headers: vec![(
                "Content-Range",
                format!("bytes {}-{}/{len}", range.start, range.end - 1),
            )],
            body: object[range].to_vec(),
        },
        None => Answer { status: "200 OK", headers: Vec::new(), body: object.to_vec() },
    };
    answer.headers.push(("ETag", format!("\"{}\"", tag(object))));
    answer.headers.push(("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT".into()));
    if asked.method == "HEAD" {
        answer.headers.push(("Content-Length", len.to_string()));
    }
    answer
}

fn list(objects: &BTreeMap<String, Vec<u8>>, asked: &Asked) -> Answer {
    let text = |name: &str| asked.query.get(name).cloned().unwrap_or_default();
    let is_azure = text("comp") == "list";
    let prefix = text("prefix");
    let after = text(if is_azure { "marker" } else { "continuation-token" });
    let found = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let found: Vec<_> = found.take(PAGE + 1).collect();
    let (root, next) = match is_azure {
        true => ("EnumerationResults", "NextMarker"),
        false => ("ListBucketResult", "NextContinuationToken"),
    };
    let mut xml = format!("<?xml version=\"1.0\"?><{root}>");
    xml += if is_azure { "<Blobs>" } else { "" };
    for (key, object) in found.iter().take(PAGE) {
        let key = key.replace('&', "&amp;").replace('<', "&lt;");
        let (len, tag) = (object.len(), tag(object));
        if is_azure {
            xml += &format!(
                "<Blob><Name>{key}</Name><Properties>\
                 <Last-Modified>Tue, 14 Nov 2023 22:13:20 GMT</Last-Modified>\
                 <Content-Length>{len}</Content-Length><Content-Type>x</Content-Type>\
                 <Etag>{tag}</Etag></Properties></Blob>"
            );
            continue;
        }
        xml += &format!(
            "<Contents><Key>{key}</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>\
             <ETag>\"{tag}\"</ETag><Size>{len}</Size></Contents>"
        );
    }
    xml += if is_azure { "</Blobs>" } else { "" };
    if found.len() > PAGE {
        let last = found[PAGE - 1].0;
        xml += &format!("<{next}>{last}</{next}>");
    }
    Answer::new("200 OK", &format!("{xml}</{root}>"))
}
