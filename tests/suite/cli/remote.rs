//! Logs at URLs with every subcommand: the output is the same as for local logs.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use tbx::SummaryWriter;

use super::{Done, Folder, done};
use crate::remote::server::{Fault, Server};

/// The program with environment variables for the server.
fn command(folder: &Folder, server: &Server, args: &str) -> Command {
    let mut command = folder.command(args);
    for (name, _) in std::env::vars_os() {
        let prefix = name.to_str().and_then(|name| name.split('_').next());
        if prefix.is_some_and(|prefix| ["AWS", "AZURE", "GOOGLE"].contains(&prefix)) {
            command.env_remove(name);
        }
    }
    for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    command.envs(server.variables());
    command
}

fn tbx(folder: &Folder, server: &Server, args: &str) -> Done {
    done(&mut command(folder, server, args))
}

/// The output, with the URL of the logs replaced by their local name.
fn local(text: &str) -> String {
    text.replace("s3://bucket/logs", "logs")
}

#[track_caller]
fn same(folder: &Folder, server: &Server, args: &str) {
    let expected = folder.tbx(args);
    let found = tbx(folder, server, &args.replace("logs", "s3://bucket/logs"));
    assert_eq!(found.code, expected.code, "{args}: {}", found.err);
    for (found, expected) in [(&found.out, &expected.out), (&found.err, &expected.err)] {
        let found = local(found);
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{args}");
        }
        assert!(&found == expected, "{args}: {} and {} bytes", found.len(), expected.len());
    }
}

fn fixtures(names: &[&str]) -> (Folder, Server) {
    let (folder, server) = (Folder::new(), Server::start());
    for name in names {
        folder.copy(name, format!("logs/{name}"));
    }
    server.put_all(&folder.path("logs"), "logs");
    (folder, server)
}

#[test]
fn every_subcommand_says_of_a_url_what_it_says_of_a_folder() {
    let (folder, server) = fixtures(&["torch", "keras", "broken", "odd"]);
    for args in [
        "inspect logs",
        "inspect logs/keras/train logs/torch",
        "inspect logs --format json",
        "inspect logs --kind scalar --no-checksum --by tag",
        "table logs",
        "table logs --format csv --no-fold",
        "diff logs/keras/train logs/keras/validation",
        "reduce logs/keras --no-fold --format csv",
        "plot logs/keras --tag epoch_loss",
        // Object stores have no directories that could be named like an event file.
        "verify logs --allow directory_name",
        "verify logs --allow directory_name --format json",
        "export logs --to json --out -",
        "export logs/torch --to csv --out -",
        "inspect logs --run nosuchrun",
    ] {
        same(&folder, &server, args);
    }
    let few = tbx(&folder, &server, "inspect s3://bucket/logs -j 1").out;
    assert_eq!(few, tbx(&folder, &server, "inspect s3://bucket/logs -j 9").out);
}

#[test]
fn stores_of_google_and_azure_are_read_too() {
    let (folder, server) = fixtures(&["torch"]);
    let expected = folder.tbx("inspect logs").fine();
    for url in ["gs://bucket/logs", "az://bucket/logs", "abfs://bucket/logs", "s3a://bucket/logs"] {
        let found = tbx(&folder, &server, &format!("inspect {url}")).fine();
        assert_eq!(found.replace(url, "logs"), expected);
    }
    let done = tbx(&folder, &server, "export logs --to csv --out gs://bucket/points.csv");
    assert_eq!(done.code, Some(0), "{done:?}");
    let expected = folder.tbx("export logs --to csv --out -").out;
    assert_eq!(server.get("points.csv").unwrap(), expected.as_bytes());
}

#[test]
fn a_single_object_and_a_whole_bucket_are_logs_too() {
    let (folder, server) = fixtures(&["keras"]);
    let name = fs::read_dir(folder.path("logs/keras/train")).unwrap().next().unwrap();
    let name = name.unwrap().file_name().into_string().unwrap();
    same(&folder, &server, &format!("inspect logs/keras/train/{name}"));
    let all = tbx(&folder, &server, "inspect s3://bucket").fine();
    assert!(all.starts_with("s3://bucket: 2 runs, 2 files"), "{all}");
    assert!(all.contains("\nlogs/keras/train "), "{all}");
    let slash = tbx(&folder, &server, "inspect s3://bucket/logs/ --format json").fine();
    let plain = tbx(&folder, &server, "inspect s3://bucket/logs --format json").fine();
    assert_eq!(slash.replace("/logs/\"", "/logs\""), plain);
}

#[test]
fn keys_need_not_be_plain() {
    let (folder, server) = (Folder::new(), Server::start());
    let log = folder.path("logs/a run/50%25 é+&#?=~!'()<x>");
    let writer = SummaryWriter::options().host("host").create(&log).unwrap();
    writer.add_scalar("x", 1.0, 1).unwrap();
    writer.close().unwrap();
    server.put_all(&folder.path("logs"), "logs");
    same(&folder, &server, "table logs --format csv");
    let mut inside = command(&folder, &server, "inspect");
    let found = done(inside.arg("s3://bucket/logs/a run/50%25 é+&#?=~!'()<x>")).fine();
    assert!(found.contains("1 run, 1 file"), "{found}");
}

#[test]
fn a_small_run_costs_one_request_and_a_list_no_more_than_its_pages() {
    let (folder, server) = (Folder::new(), Server::start());
    for i in 0..40 {
        let writer = folder.run(format!("logs/{i:02}"));
        writer.add_scalar("x", i as f32, 1).unwrap();
        writer.close().unwrap();
    }
    server.put_all(&folder.path("logs"), "logs");
    server.put("logs/00/hparams.yaml", b"lr: 0.5\n".to_vec());
    let table = tbx(&folder, &server, "table s3://bucket/logs --columns lr,x --format csv").fine();
    assert_eq!(table.lines().nth(1), Some("00,0.5,0"), "{table}");
    assert_eq!(table.lines().nth(2), Some("01,,1"), "{table}");
    let asked = server.asked();
    let objects: Vec<_> = asked.iter().filter(|a| a.path.matches('/').count() > 2).collect();
    assert_eq!(objects.len(), 41, "{objects:?}");
    let paths: HashSet<_> = objects.iter().map(|asked| &asked.path).collect();
    assert_eq!(paths.len(), 41);
    assert_eq!(asked.len() - objects.len(), 41usize.div_ceil(7));
}

#[test]
fn what_is_not_wanted_is_not_sent() {
    let (folder, server) = (Folder::new(), Server::start());
    let writer = folder.run("logs");
    let noise: Vec<u8> =
        (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for step in 0..100 {
        writer.add_scalar("loss", step as f32, step).unwrap();
        let blob = tbx::Tensor::new([noise.len()], noise.clone()).unwrap();
        writer.add_tensor("blob", &blob, step).unwrap();
    }
    writer.close().unwrap();
    server.put_all(&folder.path("logs"), "logs");
    same(&folder, &server, "export logs --to csv --out -");
    let sent: usize = server.asked().iter().map(|asked| asked.sent).sum();
    assert!(sent < 7_500_000, "{sent} of 30 MB");
}

#[test]
fn servers_that_stumble_are_asked_again() {
    let (folder, server) = fixtures(&["torch"]);
    let expected = folder.tbx("inspect logs").fine();
    let mut seen = HashSet::new();
    server.fails(move |asked| match seen.insert(asked.path.clone()) {
        true => Fault::Status("503 Slow Down", "<Error><Code>SlowDown</Code></Error>"),
        false => Fault::None,
    });
    assert_eq!(local(&tbx(&folder, &server, "inspect s3://bucket/logs").fine()), expected);
    let mut seen = HashSet::new();
    server.fails(move |asked| match seen.insert(asked.path.clone()) {
        true if asked.path.contains("tfevents") => Fault::Cut(10),
        _ => Fault::Slow(Duration::from_millis(30)),
    });
    assert_eq!(local(&tbx(&folder, &server, "inspect s3://bucket/logs").fine()), expected);
}

#[test]
fn a_slow_server_is_asked_for_many_files_at_a_time() {
    let (folder, server) = (Folder::new(), Server::start());
    for i in 0..60 {
        folder.run(format!("logs/{i:02}")).add_scalar("x", 1.0, 1).unwrap();
    }
    server.put_all(&folder.path("logs"), "logs");
    server.fails(|_| Fault::Slow(Duration::from_millis(100)));
    let start = Instant::now();
    tbx(&folder, &server, "inspect s3://bucket/logs").fine();
    // Sequentially, the requests would take six seconds; the list has nine pages.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn what_a_server_refuses_is_said_with_the_url() {
    let (folder, server) = fixtures(&["keras"]);
    let failed = |url: &str| tbx(&folder, &server, &format!("table {url}")).failed();
    assert_eq!(
        failed("s3://other/logs"),
        "tbx: s3://other/logs: 404 Not Found, NoSuchBucket: The specified bucket does not exist\n"
    );
    assert_eq!(
        failed("s3://bucket/nothing"),
        "tbx: s3://bucket/nothing: there is nothing at this URL\n"
    );
    server.fails(|_| {
        let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        Fault::Status("403 Forbidden", body)
    });
    assert_eq!(
        failed("s3://bucket/logs"),
        "tbx: s3://bucket/logs: 403 Forbidden, AccessDenied: Access Denied; credentials are taken \
         from variables such as AWS_ACCESS_KEY_ID\n"
    );
    // If only single files are denied, they are reported as lost.
    server.fails(|asked| match asked.path.contains("validation") {
        true => Fault::Status("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"),
        false => Fault::None,
    });
    let lost = tbx(&folder, &server, "export s3://bucket/logs --to csv --out -");
    assert_eq!(lost.code, Some(2));
    assert!(lost.err.contains("/validation/events.out.tfevents."), "{}", lost.err);
    assert!(lost.err.contains("403 Forbidden, AccessDenied"), "{}", lost.err);
    assert!(lost.out.contains("keras/train,epoch_loss"), "{}", lost.out);
}

#[test]
fn an_export_to_a_url_appears_when_it_is_complete() {
    let (folder, server) = fixtures(&["keras"]);
    let export = "export logs --to csv --out";
    let expected = folder.tbx(&format!("{export} -")).out;
    let to_url = format!("{export} s3://bucket/out/points.csv");
    let done = tbx(&folder, &server, &to_url);
    assert_eq!((done.code, done.out.as_str()), (Some(0), ""), "{done:?}");
    assert!(
        done.err.ends_with("33 rows of 2 runs written to s3://bucket/out/points.csv, 2.2 kB\n"),
        "{done:?}"
    );
    assert_eq!(server.get("out/points.csv").unwrap(), expected.as_bytes());
    let again = tbx(&folder, &server, &to_url).failed();
    assert_eq!(again, "tbx: s3://bucket/out/points.csv: the file exists\n");
    server.put("out/points.csv", Vec::new());
    let forced = tbx(&folder, &server, &format!("{to_url} --force"));
    assert_eq!(forced.code, Some(0));
    assert_eq!(server.get("out/points.csv").unwrap(), expected.as_bytes());
    // Somebody else creates the object first.
    let same = server.clone();
    server.fails(move |asked| {
        if asked.method == "PUT" {
            same.put("late", b"theirs".to_vec());
        }
        Fault::None
    });
    let late = tbx(&folder, &server, &format!("{export} s3://bucket/late")).failed();
    assert!(late.starts_with("tbx: s3://bucket/late: the file exists"), "{late}");
    assert_eq!(server.get("late").unwrap(), b"theirs");
    for (to, what) in [
        ("s3://bucket", "the URL names no object"),
        ("s3://bucket/out/", "the URL names no object"),
        ("http://127.0.0.1/x", "cannot write to a web server"),
    ] {
        let said = tbx(&folder, &server, &format!("{export} {to}")).failed();
        assert_eq!(said, format!("tbx: {to}: {what}\n"));
    }
}

#[test]
fn all_tables_of_a_url_go_to_a_url() {
    let (folder, server) = fixtures(&["torch", "keras"]);
    let tables = "--to csv --table all --out";
    folder.tbx(&format!("export logs {tables} out"));
    let done = tbx(&folder, &server, &format!("export s3://bucket/logs {tables} s3://bucket/out"));
    assert_eq!(done.code, Some(0), "{done:?}");
    let files = fs::read_dir(folder.path("out")).unwrap();
    let names: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        let expected = fs::read_to_string(folder.path("out").join(&name)).unwrap();
        let found = String::from_utf8(server.get(&format!("out/{name}")).unwrap()).unwrap();
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(local(found), expected, "{name}");
        }
        assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
    }
    assert!(!folder.path("s3:").exists());
}

#[test]
fn values_of_a_url_are_extracted_one_by_one() {
    let (folder, server) = fixtures(&["torch", "odd"]);
    let local = folder.tbx("extract logs --out local");
    let remote = tbx(&folder, &server, "extract s3://bucket/logs --out remote");
    assert_eq!(remote.code, local.code, "{remote:?}");
    let (mut folders, mut files) = (vec![folder.path("local")], 0);
    while let Some(path) = folders.pop() {
        let below = path.strip_prefix(folder.path("local")).unwrap();
        let other = folder.path("remote").join(below);
        if path.is_dir() {
            folders.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
            assert!(fs::read(&path).unwrap() == fs::read(&other).unwrap(), "{}", other.display());
        }
    }
    assert!(files > 30, "{files}");
}

#[test]
fn a_big_export_goes_in_parts_and_leaves_none() {
    let (folder, server) = (Folder::new(), Server::start());
    let writer = folder.run("logs");
    for step in 0..700_000 {
        writer.add_scalar("a_tag_of_some_length/with_parts", step as f32, step).unwrap();
    }
    writer.close().unwrap();
    let export = "export logs --to json --out";
    let expected = folder.tbx(&format!("{export} -")).out;
    assert!(expected.len() > 40 << 20, "{}", expected.len());
    let done = tbx(&folder, &server, &format!("{export} s3://bucket/big"));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(server.get("big").unwrap() == expected.as_bytes());
    let parts = server.asked().into_iter().filter(|asked| asked.method == "PUT").count();
    assert!(parts >= 3, "{parts}");
    // The upload of one part fails.
    let mut puts = 0;
    server.fails(move |asked| {
        puts += usize::from(asked.method == "PUT");
        match puts > 1 {
            true if asked.method == "PUT" => Fault::Status("400 Bad Request", "no"),
            _ => Fault::None,
        }
    });
    let lost = tbx(&folder, &server, &format!("{export} s3://bucket/lost")).failed();
    assert_eq!(lost, "tbx: s3://bucket/lost: 400 Bad Request, no\n");
    assert_eq!((server.get("lost"), server.loose_parts()), (None, 0));
}

/// A page of a list of objects with these keys.
fn page(keys: &[&str], next: &str) -> Fault {
    let entry = |key: &&str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>\
             <ETag>\"1\"</ETag><Size>10</Size></Contents>"
        )
    };
    let entries: String = keys.iter().map(entry).collect();
    let next = format!("<NextContinuationToken>{next}</NextContinuationToken>");
    Fault::With("200 OK", "", format!("<ListBucketResult>{entries}{next}</ListBucketResult>"))
}

#[test]
fn a_key_that_cannot_be_asked_for_costs_itself_alone() {
    let (folder, server) = fixtures(&["keras"]);
    let log = server.get(&first_log(&server)).unwrap();
    for key in [
        "logs//empty/events.out.tfevents.1.h",
        "logs/../events.out.tfevents.2.h",
        "logs/x//image.png",
    ] {
        server.put(key, log.clone());
    }
    let done = tbx(&folder, &server, "inspect s3://bucket/logs");
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.out.starts_with("s3://bucket/logs: 2 runs, 2 files"), "{}", done.out);
    for key in ["logs//empty/events.out.tfevents.1.h", "logs/../events.out.tfevents.2.h"] {
        let said = format!("s3://bucket/{key}: a key with an empty part");
        assert!(done.err.contains(&said) || done.out.contains(&said), "{done:?}");
    }
    assert!(!done.err.contains("image.png") && !done.out.contains("image.png"), "{done:?}");
}

/// The key of one of the event files.
fn first_log(server: &Server) -> String {
    let folder = Folder::new();
    let json = tbx(&folder, server, "inspect s3://bucket/logs --format json").fine();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let run = &json["runs"][0];
    format!("logs/{}/{}", run["name"].as_str().unwrap(), run["files"][0]["name"].as_str().unwrap())
}

#[test]
fn lists_of_a_store_have_an_end() {
    let (folder, server) = fixtures(&["keras"]);
    let failed = |expected: &str| {
        let said = tbx(&folder, &server, "inspect s3://bucket/logs").failed();
        assert!(
            said.contains(expected) && !said.contains("panicked") && said.len() < 1000,
            "{said}"
        );
        server.asked().len()
    };
    server.fails(|_| page(&["logs/a"], "again"));
    assert!(failed("returned a page twice") < 5);
    let mut n = 0;
    server.fails(move |_| {
        n += 1;
        page(&[], &n.to_string())
    });
    assert!(failed("does not end") < 1100);
    server.fails(|_| page(&["logs/a"], &"x".repeat(100_000)));
    failed("next page is too long");
    server.fails(|_| Fault::With("200 OK", "", "<html><p>log in".into()));
    failed("is not a list");
    server.fails(|_| Fault::With("200 OK", "", "<a>".repeat(100_000)));
    failed("is not a list");
    server.fails(|_| {
        Fault::Raw(|stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>")?;
            loop {
                stream.write_all(&[b' '; 1 << 16])?;
            }
        })
    });
    failed("more than 33554432 bytes");
    // An endless error message is cut.
    server.fails(|_| {
        Fault::Raw(|stream| {
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n<Error><Code>No</Code>")?;
            loop {
                stream.write_all(&[b' '; 1 << 16])?;
            }
        })
    });
    failed("403 Forbidden");
}

#[test]
fn an_object_is_no_longer_than_what_was_asked_for() {
    let (folder, server) = fixtures(&["keras"]);
    for header in [
        "Content-Range: bytes 0-9/18446744073709551615",
        "Content-Range: bytes 0-18446744073709551615/20",
        "Content-Range: bytes 5-9/10",
        "Content-Range: nonsense",
    ] {
        server.fails(move |asked| match asked.path.contains("tfevents") {
            true => Fault::With("206 Partial Content", header, "0123456789".into()),
            false => Fault::None,
        });
        let done = tbx(&folder, &server, "inspect s3://bucket/logs");
        assert!(done.code == Some(2) && !done.err.contains("panicked"), "{header}: {done:?}");
    }
    server.fails(|asked| match asked.path.contains("tfevents") {
        true => Fault::Raw(|stream| {
            let head = "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\n\
                        Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Range: bytes 0-9/10\r\n\r\n";
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(&[7; 1 << 16])?;
            }
        }),
        false => Fault::None,
    });
    let done = tbx(&folder, &server, "inspect s3://bucket/logs");
    assert!(done.code == Some(2) && !done.err.contains("panicked"), "{done:?}");
}

#[test]
fn redirects_end_and_lead_to_no_plain_address() {
    let (folder, server) = fixtures(&["keras"]);
    let to = format!("Location: {}/again", server.url());
    let to: &'static str = Box::leak(to.into_boxed_str());
    server.fails(move |_| Fault::With("302 Found", to, String::new()));
    for url in ["s3://bucket/logs".to_owned(), format!("{}/x", server.url())] {
        let said = tbx(&folder, &server, &format!("inspect {url}")).failed();
        assert!(!said.contains("panicked") && said.len() < 1000, "{said}");
    }
    assert!(server.asked().len() < 40);
}

#[test]
fn the_password_and_the_signature_of_a_url_are_shown_nowhere() {
    let (folder, server) = fixtures(&["keras"]);
    let key = first_log(&server);
    server.asked();
    let plain = format!("{}/{key}", server.url());
    let secrets = [
        plain.replace("//", "//me:hunter7@"),
        plain.replace("//", "//me:hun/ter7@x@"),
        format!("{plain}?X-Amz-Date=1&X-Amz-Signature=hunter7"),
        format!("{plain}?private_token=hunter7"),
    ];
    for url in &secrets {
        for args in
            ["inspect URL", "inspect URL --format json", "verify URL --format json", "table URL"]
        {
            let mut command = command(&folder, &server, "");
            let args = args.split(' ').map(|arg| arg.replace("URL", url));
            let done = done(command.args(args));
            let all = done.out.clone() + &done.err;
            assert!(!all.contains("ter7"), "{url}: {all}");
        }
    }
    let asked = server.asked();
    let basic = |text: &str| {
        asked.iter().any(|a| a.headers.get("authorization").is_some_and(|h| h == text))
    };
    assert!(basic("Basic bWU6aHVudGVyNw=="), "me:hunter7");
    assert!(basic("Basic bWU6aHVuL3RlcjdAeA=="), "me:hun/ter7@x");
    assert!(asked.iter().any(|a| a.query.get("X-Amz-Signature").is_some_and(|s| s == "hunter7")));
    // Errors must not contain the secrets, either.
    for url in secrets {
        let url = url.replace("bucket", "nothing");
        let mut command = command(&folder, &server, "");
        let said = done(command.args(["inspect", &url])).failed();
        assert!(!said.contains("ter7") && said.contains("404"), "{said}");
    }
}

#[test]
fn who_asks_is_told_to_no_server_that_a_redirect_leads_to() {
    let (folder, server, other) = (Folder::new(), Server::start(), Server::start());
    // The same host with another port is another server.
    let to: &'static str = Box::leak(format!("Location: {}/x", other.url()).into_boxed_str());
    server.fails(move |_| Fault::With("302 Found", to, String::new()));
    let url = format!("{}/x", server.url()).replace("//", "//me:hunter7@");
    tbx(&folder, &server, &format!("inspect {url}")).failed();
    assert!(server.asked().iter().all(|asked| asked.headers.contains_key("authorization")));
    assert!(other.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
}

#[test]
fn what_needs_local_files_says_so() {
    let (folder, server) = fixtures(&["keras"]);
    for (args, what) in [
        ("repair s3://bucket/logs --out new", "editing logs"),
        ("edit s3://bucket/logs --out new --drop-tag x", "editing logs"),
        ("edit logs --out s3://bucket/new --drop-tag x", "writing a directory"),
    ] {
        let said = tbx(&folder, &server, args).failed();
        let url = args.split_whitespace().find(|arg| arg.contains("://")).unwrap();
        assert_eq!(said, format!("tbx: {url}: {what} works with local files only\n"));
    }
    assert!(!folder.path("s3:").exists() && !folder.path("new").exists());
}
