//! Requests that are wrong or hostile.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

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
