//! Requests that are wrong or hostile.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use tbx::SummaryWriter;

use super::client::Serve;
use crate::common::repository;

#[test]
fn wrong_requests_get_a_reason_and_the_server_goes_on() {
    let serve = Serve::start(&repository("fixtures/torch"), &[]);
    for (path, status) in [
        ("/", 200),
        ("/index.js", 200),
        ("/data/runs", 200),
        ("/data/runs/", 200),
        ("/experiment/defaultExperimentId/data/runs", 200),
        ("/nothing.js", 404),
        ("/../Cargo.toml", 404),
        ("/..%2f..%2fetc%2fpasswd", 404),
        ("/%00", 404),
        ("/data/nothing", 404),
        ("/data/plugin/scalars/scalars", 400),
        ("/data/plugin/scalars/scalars?run=x&tag=y", 404),
        ("/data/plugin/scalars/scalars_multirun", 405),
        ("/data/plugin/images/images?run=media&tag=batch&sample=-1", 400),
        ("/data/plugin/images/individualImage", 400),
        ("/data/plugin/images/individualImage?blob_key=../../etc/passwd", 400),
        ("/data/plugin/images/individualImage?blob_key=WyJhIiwiYiIsImMiLDAsMCwwXQ", 404),
        ("/data/plugin/audio/individualAudio?blob_key=x&content_type=text/html", 400),
        ("/data/plugin/pr_curves/pr_curves?run=x&tag=y", 400),
        ("/data/plugin/mesh/meshes?run=x&tag=y", 200),
        ("/data/plugin/mesh/data?run=media&tag=mesh&content_type=X", 400),
        ("/data/plugin/mesh/data?run=media&tag=mesh&content_type=VERTEX&step=x", 400),
        ("/data/plugin/graphs/graph", 400),
        ("/data/plugin/graphs/graph?run=graph&limit_attr_size=0&large_attrs_key=x", 400),
        ("/data/plugin/hparams/session_groups?request=x", 400),
        ("/data/plugin/timeseries/timeSeries?requests=x", 400),
    ] {
        let answer = serve.get(path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.head.contains("nosniff"), "{path}: {answer:?}");
        assert!(status < 400 || !answer.body.is_empty(), "{path}: no reason");
    }
    for (content_type, body) in [
        ("application/json", "{"),
        ("application/json", r#"{"colParams": [{}], "allowedStatuses": []}"#),
        ("application/json", r#"{"colParams": [{"hparam": "x", "filterRegexp": "("}]}"#),
        ("application/json", r#"{"sliceSize": -1}"#),
        ("application/json", r#"{"sliceSize": 1e99}"#),
        ("application/json", &"[".repeat(100_000)),
        ("multipart/form-data; boundary=x", "no form"),
    ] {
        let answer = serve.post("/data/plugin/hparams/session_groups", content_type, body);
        assert_eq!(answer.status, 400, "{body:.60}: {answer:?}");
    }
    for raw in [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "PUT /data/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "POST /data/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /data/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n",
    ] {
        let answer = serve.send(raw);
        assert!((400..500).contains(&answer.status) || answer.status == 0, "{raw:?}: {answer:?}");
    }
    assert_eq!(serve.get("/data/runs").status, 200);
}

#[test]
fn another_host_is_refused() {
    let serve = Serve::start(&repository("fixtures/torch"), &[]);
    for (host, status) in
        [("localhost", 200), ("127.0.0.1:1", 200), ("evil.example", 403), ("", 403)]
    {
        let request =
            format!("GET /data/runs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(serve.send(&request).status, status, "{host}");
    }
    assert_eq!(serve.send("GET /data/runs HTTP/1.0\r\n\r\n").status, 403);
}

/// The page asks for a graph of operations first, also if there is none.
#[test]
fn a_keras_model_is_shown_where_there_is_no_other_graph() {
    let serve = Serve::start(&repository("fixtures/keras"), &[]);
    let graph = |more: &str| serve.get(&format!("/data/plugin/graphs/graph?run=train{more}"));
    let model = graph("&conceptual=true&tag=keras");
    assert_eq!(model.status, 200);
    assert!(String::from_utf8_lossy(&model.body).contains("sequential/dense"));
    assert_eq!(graph("&conceptual=false&tag=keras").body, model.body);
    assert_eq!(graph("&conceptual=false").status, 404);
}

/// A request to a name that a web page made point here, or of a page of another site.
#[test]
fn pages_of_other_sites_get_no_data() {
    let serve = Serve::start(&repository("fixtures/torch"), &["--allow-host", "Logs.Example"]);
    let head = |path: &str, more: &str| {
        let request = format!("GET {path} HTTP/1.1\r\n{more}\r\nConnection: close\r\n\r\n");
        serve.send(&request).status
    };
    assert_eq!(head("/data/runs", "Host: logs.example:6006"), 200);
    assert_eq!(head("/data/runs", "Host: localhost\r\nSec-Fetch-Site: same-origin"), 200);
    assert_eq!(head("/data/runs", "Host: localhost\r\nSec-Fetch-Site: cross-site"), 403);
    assert_eq!(head("/", "Host: localhost\r\nSec-Fetch-Site: cross-site"), 200);

    // Whoever can connect: an address is no name that could be made point here.
    let open = Serve::start(&repository("fixtures/torch"), &["--host", "0.0.0.0"]);
    for (host, status) in [("10.1.2.3:6006", 200), ("localhost", 200), ("evil.example", 403)] {
        let request =
            format!("GET /data/runs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(open.send(&request).status, status, "{host}");
    }
}

/// Names are answered once, however often they are asked for, and an answer has a maximum size.
#[test]
fn a_small_request_has_no_huge_answer() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    (0..1000).for_each(|step| writer.add_scalar("loss", 0.1, step).unwrap());
    writer.close().unwrap();
    let serve = Serve::start(dir.path(), &[]);
    let form = "application/x-www-form-urlencoded";
    let path = "/data/plugin/scalars/scalars_multirun";
    let once = serve.post(path, form, "tag=loss&runs=.");
    let often = serve.post(path, form, &format!("tag=loss{}", "&runs=.".repeat(100_000)));
    assert_eq!((often.status, often.body), (200, once.body));
    let fields = serve.post(path, form, &"a&".repeat(1_000_000));
    assert_eq!(fields.status, 400);
    let one = r#"{"plugin":"scalars","tag":"loss"}"#;
    let many = format!("requests=[{one}{}]", format!(",{one}").repeat(9_998));
    let answer = serve.post("/data/plugin/timeseries/timeSeries", form, &many);
    assert_eq!(answer.status, 400, "{} bytes", answer.body.len());
    assert!(String::from_utf8_lossy(&answer.body).contains("256 MB"));
    // One wrong request spoils no other.
    let mixed = r#"requests=[{"plugin":"scalars","tag":"loss"},{"plugin":"images","tag":"x","run":".","sample":-1}]"#;
    let mixed = serve.post("/data/plugin/timeseries/timeSeries", form, mixed);
    assert_eq!(mixed.status, 200, "{mixed:?}");
}

#[test]
fn clients_that_send_nothing_do_not_keep_others_waiting() {
    let serve = Serve::start(&repository("fixtures/torch"), &[]);
    let idle: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&serve.address).unwrap();
            stream.write_all(b"GET /data").unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream
        })
        .collect();
    assert_eq!(serve.get("/data/runs").status, 200);
    drop(idle);
}
