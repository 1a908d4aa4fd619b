//! A follower of a URL: it sees what a follower of a directory sees, and asks the server for little.

use std::process::Command;
use std::time::{Duration, Instant};

use tbx::{Follower, LoadOptions, Reset};

use super::server::{Fault, Server};
use crate::common::{NAME, file_version, load, repository, scalar};
use crate::follow::kept::{Kept, facts_of_load};
use crate::http::Asked;

const URL: &str = "s3://bucket/logs";
/// The variable with the port of the server of a test that runs in its own process.
const PORT: &str = "TBX_TEST_STORE_PORT";
/// The exit code if the port is in use.
const IN_USE: i32 = 77;

/// Runs `test` of this file in its own process: the variables that lead to the server are read once.
fn alone(name: &str, test: impl FnOnce(&Server)) {
    if let Some(port) = std::env::var_os(PORT) {
        let port = port.to_str().unwrap().parse().unwrap();
        let Ok(server) = Server::start_at(port) else { std::process::exit(IN_USE) };
        return test(&server);
    }
    loop {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([&format!("remote::follow::{name}"), "--exact", "--nocapture"]);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_lowercase();
            if ["aws", "azure", "google"].iter().any(|store| text.starts_with(store))
                || text.ends_with("proxy")
            {
                child.env_remove(name);
            }
        }
        let done = child.envs(Server::variables_at(port)).env(PORT, port.to_string()).output();
        let done = done.unwrap();
        if done.status.code() == Some(IN_USE) {
            continue;
        }
        let said =
            [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(done.status.success(), "{}\n{}", said[0], said[1]);
        assert!(said[0].contains("1 passed"), "{}", said[0]);
        return;
    }
}

/// A follower, and what it has returned so far.
struct Scene<'s> {
    server: &'s Server,
    follower: Follower,
    kept: Kept,
}

impl<'s> Scene<'s> {
    fn new(server: &'s Server) -> Self {
        let follower = Follower::new(URL, &LoadOptions::new()).settle(Duration::ZERO);
        Self { server, follower, kept: Kept::default() }
    }

    fn key(run: &str) -> String {
        format!("logs/{run}/{NAME}")
    }

    fn put(&self, run: &str, bytes: &[u8]) {
        self.server.put(&Self::key(run), bytes.to_vec());
    }

    /// Lists the URL and reads everything that is new. Returns the names of removed runs, and of new or changed ones.
    fn look(&mut self) -> (Vec<String>, Vec<String>) {
        self.follower.look_again();
        let (mut removed, mut changed) = (Vec::new(), Vec::new());
        loop {
            let news = self.follower.poll();
            removed.extend(news.removed.iter().cloned());
            changed.extend(news.runs.iter().map(|run| run.name.clone()));
            let has_more = news.has_more;
            self.kept.add(news);
            if !has_more {
                return (removed, changed);
            }
        }
    }

    /// The steps of a run's scalar.
    fn steps(&self, run: &str) -> Vec<i64> {
        let run = &self.kept.runs[run];
        run.series.values().flat_map(|series| series.steps.clone()).collect()
    }

    fn resets(&self, run: &str) -> &[String] {
        &self.kept.runs[run].resets
    }

    fn issues(&mut self) -> Vec<String> {
        std::mem::take(&mut self.kept.issues).iter().map(ToString::to_string).collect()
    }
}

/// A log with a scalar at each of these steps.
fn log(steps: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let scalars = steps.into_iter().flat_map(|step| scalar("loss", step, step as f32));
    file_version().into_iter().chain(scalars).collect()
}

fn lists(asked: &[Asked]) -> usize {
    asked.iter().filter(|asked| asked.query.contains_key("list-type")).count()
}

#[test]
fn all_polls_together_give_what_a_load_gives() {
    alone("all_polls_together_give_what_a_load_gives", |server| {
        for folder in ["torch", "keras", "odd", "broken"] {
            server.put_all(&repository("fixtures").join(folder), &format!("logs/{folder}"));
        }
        let mut scene = Scene::new(server);
        scene.look();
        scene.kept.add(scene.follower.finish());
        let expected = load(URL.as_ref(), &LoadOptions::new());
        assert!(expected.runs.len() > 20, "{}", expected.runs.len());
        scene.kept.facts().assert_same(&facts_of_load(&expected), "followed");
    });
}

#[test]
fn growth_new_runs_and_what_is_gone_are_seen() {
    alone("growth_new_runs_and_what_is_gone_are_seen", |server| {
        let mut scene = Scene::new(server);
        scene.put("a", &log(0..3));
        assert_eq!(scene.look(), (vec![], vec!["a".into()]));
        scene.put("a", &log(0..5));
        scene.put("b/c", &log(0..1));
        assert_eq!(scene.look(), (vec![], vec!["a".into(), "b/c".into()]));
        assert_eq!((scene.steps("a"), scene.steps("b/c")), (vec![0, 1, 2, 3, 4], vec![0]));
        assert_eq!(scene.resets("a"), [""; 0]);
        // A second file of a run.
        server.put("logs/a/events.out.tfevents.1800000000.host", log(5..7));
        assert_eq!(scene.look(), (vec![], vec!["a".into()]));
        assert_eq!(scene.steps("a"), [0, 1, 2, 3, 4, 5, 6]);
        server.remove("logs/a/events.out.tfevents.1800000000.host");
        assert_eq!(scene.look(), (vec![], vec!["a".into()]));
        assert_eq!(scene.steps("a"), [0, 1, 2, 3, 4]);
        let gone = Reset::Removed("events.out.tfevents.1800000000.host".into()).to_string();
        assert_eq!(scene.resets("a"), [gone]);
        server.remove(&Scene::key("b/c"));
        assert_eq!(scene.look(), (vec!["b/c".into()], vec![]));
        server.remove(&Scene::key("a"));
        assert_eq!(scene.look(), (vec!["a".into()], vec![]));
        assert_eq!(scene.issues(), ["s3://bucket/logs: there is nothing at this URL; skipped"]);
        scene.put("a", &log(7..8));
        assert_eq!(scene.look(), (vec![], vec!["a".into()]));
        assert_eq!(scene.steps("a"), [7]);
    });
}

#[test]
fn another_object_of_any_length_replaces_the_first() {
    alone("another_object_of_any_length_replaces_the_first", |server| {
        let mut scene = Scene::new(server);
        scene.put("a", &log(0..4));
        scene.look();
        let replaced = Reset::Replaced(NAME.into()).to_string();
        let shortened = Reset::Shortened(NAME.into()).to_string();
        // As long as the first, with the same end.
        scene.put("a", &log([7, 1, 2, 3]));
        assert_eq!(scene.look().1, ["a"]);
        assert_eq!(scene.steps("a"), [7, 1, 2, 3]);
        scene.put("a", &log(1..3));
        scene.look();
        assert_eq!(scene.steps("a"), [1, 2]);
        scene.put("a", &log(4..9));
        scene.look();
        assert_eq!(scene.steps("a"), [4, 5, 6, 7, 8]);
        assert_eq!(scene.resets("a"), [&replaced, &shortened, &replaced].map(String::as_str));
        // The same content again, as of a copy.
        scene.put("a", &log(4..9));
        assert_eq!(scene.look(), (vec![], vec![]));
        scene.put("a", &[]);
        scene.look();
        assert_eq!(scene.steps("a"), [0i64; 0]);
        assert_eq!(scene.issues(), [""; 0]);
    });
}

#[test]
fn a_look_costs_the_pages_of_a_list_and_one_request_per_changed_object() {
    alone("a_look_costs_the_pages_of_a_list_and_one_request_per_changed_object", |server| {
        let mut scene = Scene::new(server);
        for i in 0..40 {
            scene.put(&format!("{i:02}"), &log(0..100));
        }
        scene.look();
        let asked = server.asked();
        assert_eq!((lists(&asked), asked.len()), (6, 46));
        assert_eq!(scene.look(), (vec![], vec![]));
        let asked = server.asked();
        assert_eq!((lists(&asked), asked.len()), (6, 6));
        scene.put("07", &log(0..120));
        scene.put("08", &log(0..130));
        let before = log(0..100).len();
        scene.look();
        let asked = server.asked();
        assert_eq!((lists(&asked), asked.len()), (6, 8), "{asked:?}");
        for asked in asked.iter().filter(|asked| !asked.query.contains_key("list-type")) {
            let start = format!("bytes={}-", before - 32);
            assert!(asked.headers["range"].starts_with(&start), "{asked:?}");
        }
        assert_eq!(scene.steps("08").len(), 130);
        // Without a call that asks for it, the next list is not soon.
        let start = Instant::now();
        for _ in 0..20 {
            assert!(scene.follower.poll().is_empty());
        }
        assert!(start.elapsed() > Duration::from_secs(5) || server.asked().is_empty());
    });
}

#[test]
fn a_server_that_refuses_or_is_away_hides_nothing_and_is_asked_again() {
    alone("a_server_that_refuses_or_is_away_hides_nothing_and_is_asked_again", |server| {
        let mut scene = Scene::new(server);
        scene.put("a", &log(0..3));
        scene.look();
        let body = "<Error><Code>AccessDenied</Code></Error>";
        server.fails(move |_| Fault::Status("403 Forbidden", body));
        scene.put("a", &log(0..4));
        server.asked();
        assert_eq!(scene.look(), (vec![], vec![]));
        let issues = scene.issues();
        assert!(
            issues[0].starts_with("s3://bucket/logs: 403 Forbidden, AccessDenied"),
            "{issues:?}"
        );
        assert_eq!((issues.len(), server.asked().len()), (1, 1));
        assert_eq!(scene.look(), (vec![], vec![]));
        assert_eq!((scene.issues(), server.asked().len()), (vec![], 1));
        assert_eq!(scene.steps("a"), [0, 1, 2]);
        // Not JSON, not XML, no end.
        server.fails(|_| Fault::With("200 OK", "", "<html>log in".into()));
        assert_eq!(scene.look(), (vec![], vec![]));
        assert_eq!(scene.steps("a"), [0, 1, 2]);
        scene.issues();
        server.is_well();
        assert_eq!(scene.look(), (vec![], vec!["a".into()]));
        assert_eq!(scene.steps("a"), [0, 1, 2, 3]);
        // Only the objects are refused: the list is read, and each object is asked for once per look.
        scene.put("b", &log(0..2));
        scene.put("a", &log(0..5));
        server.fails(move |asked| match asked.path.ends_with(NAME) {
            true => Fault::Status("403 Forbidden", body),
            false => Fault::None,
        });
        server.asked();
        scene.look();
        let issues = scene.issues();
        assert_eq!(issues.len(), 2, "{issues:?}");
        assert!(issues.iter().all(|issue| issue.contains("403 Forbidden")), "{issues:?}");
        let first = server.asked().len();
        assert!(first <= 4, "{first}");
        for _ in 0..5 {
            scene.kept.add(scene.follower.poll());
        }
        assert_eq!((scene.issues(), server.asked().len()), (vec![], 0));
        scene.look();
        assert_eq!(scene.issues(), [""; 0]);
        assert!(server.asked().len() <= first);
        assert_eq!(scene.steps("a"), [0, 1, 2, 3]);
        server.is_well();
        scene.look();
        assert_eq!((scene.steps("a"), scene.steps("b")), (vec![0, 1, 2, 3, 4], vec![0, 1]));
        assert_eq!(scene.resets("a"), [""; 0]);
    });
}

#[test]
fn an_object_that_is_listed_and_not_there_is_asked_for_again() {
    alone("an_object_that_is_listed_and_not_there_is_asked_for_again", |server| {
        let mut scene = Scene::new(server);
        scene.put("a", &log(0..3));
        server.fails(|asked| match asked.path.ends_with(NAME) {
            true => Fault::Status("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>"),
            false => Fault::None,
        });
        scene.look();
        server.asked();
        for _ in 0..5 {
            scene.kept.add(scene.follower.poll());
        }
        assert_eq!(server.asked().len(), 0);
        server.is_well();
        scene.look();
        assert_eq!((scene.steps("a"), scene.issues()), (vec![0, 1, 2], vec![]));
    });
}

#[test]
fn what_replaces_an_object_while_it_is_read_is_not_mixed_with_it() {
    alone("what_replaces_an_object_while_it_is_read_is_not_mixed_with_it", |server| {
        let (first, second) = (log(0..60_000), log(100_000..180_000));
        assert!(first.len() > 2 << 20, "{}", first.len());
        for replaces_at in [2, 3, 5] {
            let mut scene = Scene::new(server);
            scene.put("a", &first);
            let (same, other, mut reads) = (server.clone(), second.clone(), 0);
            server.fails(move |asked| {
                reads += usize::from(asked.path.ends_with(NAME));
                if reads == replaces_at {
                    same.put(&Scene::key("a"), other.clone());
                }
                Fault::None
            });
            scene.look();
            server.is_well();
            scene.look();
            let steps = scene.steps("a");
            let ends = (steps.first(), steps.last(), steps.len(), scene.resets("a"));
            assert_eq!(
                (ends.0, ends.1, ends.2),
                (Some(&100_000), Some(&179_999), 80_000),
                "{replaces_at} {ends:?}"
            );
            assert_eq!(scene.issues(), [""; 0], "{replaces_at}");
            server.remove(&Scene::key("a"));
        }
    });
}

#[test]
fn hostile_lists_hide_nothing() {
    alone("hostile_lists_hide_nothing", |server| {
        let mut scene = Scene::new(server);
        scene.put("a", &log(0..3));
        for key in ["logs/../b/", "logs//b/", "logs/./b/", "logs/b\n/"] {
            server.put(&format!("{key}{NAME}"), log(0..1));
        }
        scene.look();
        let issues = scene.issues();
        assert_eq!(issues.len(), 4, "{issues:?}");
        assert!(issues.iter().all(|issue| issue.contains("cannot be requested")), "{issues:?}");
        assert_eq!(scene.kept.runs.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(scene.look(), (vec![], vec![]));
        assert_eq!(scene.issues(), [""; 0]);
        let mut n = 0;
        server.fails(move |_| {
            n += 1;
            let next = format!("<NextContinuationToken>{n}</NextContinuationToken>");
            Fault::With("200 OK", "", format!("<ListBucketResult>{next}</ListBucketResult>"))
        });
        server.asked();
        assert_eq!(scene.look(), (vec![], vec![]));
        let issues = scene.issues();
        assert!(issues.len() == 1 && issues[0].contains("does not end"), "{issues:?}");
        assert!(server.asked().len() < 1100);
        // A size that is not true.
        server.fails(|asked| match asked.query.contains_key("list-type") {
            true => {
                let entry = format!(
                    "<Contents><Key>logs/a/{NAME}</Key>\
                     <LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>\"1\"</ETag>\
                     <Size>9000000000000000000</Size></Contents>"
                );
                Fault::With("200 OK", "", format!("<ListBucketResult>{entry}</ListBucketResult>"))
            }
            false => Fault::None,
        });
        scene.look();
        assert_eq!(scene.steps("a"), [0, 1, 2]);
        server.is_well();
        scene.look();
        assert_eq!(scene.steps("a"), [0, 1, 2]);
    });
}

#[test]
fn two_thousand_objects_are_one_list() {
    alone("two_thousand_objects_are_one_list", |server| {
        let mut scene = Scene::new(server);
        for i in 0..2000 {
            scene.put(&format!("{i:04}"), &log(0..2));
        }
        assert_eq!(scene.look().1.len(), 2000);
        let pages = 2000usize.div_ceil(7);
        assert_eq!(server.asked().len(), 2000 + pages);
        scene.put("1234", &log(0..3));
        assert_eq!(scene.look().1, ["1234"]);
        assert_eq!(server.asked().len(), 1 + pages);
    });
}

#[test]
fn a_file_of_a_web_server_is_followed() {
    let server = Server::start();
    let url = format!("{}/{NAME}", server.url());
    server.put(NAME, log(0..3));
    let secret = url.replace("//", "//me:hunter7@") + "?X-Amz-Signature=hunter7";
    let follower = Follower::new(&secret, &LoadOptions::new()).settle(Duration::ZERO);
    let mut scene = Scene { server: &server, follower, kept: Kept::default() };
    assert_eq!(scene.look().1, ["."]);
    server.asked();
    assert_eq!(scene.look(), (vec![], vec![]));
    let asked = server.asked();
    assert_eq!(asked.iter().map(|asked| asked.sent).sum::<usize>(), 1, "{asked:?}");
    assert!(asked.iter().all(|asked| asked.method == "GET"), "a URL may be signed for GET only");
    assert_eq!(asked[0].query["X-Amz-Signature"], "hunter7");
    server.put(NAME, log(0..5));
    scene.look();
    assert_eq!(scene.steps("."), [0, 1, 2, 3, 4]);
    server.put(NAME, log([7, 1, 2, 3, 4]));
    scene.look();
    assert_eq!(scene.steps("."), [7, 1, 2, 3, 4]);
    server.put(NAME, log(0..1));
    scene.look();
    assert_eq!(scene.steps("."), [0]);
    server.fails(|_| Fault::Status("403 Forbidden", ""));
    assert_eq!(scene.look(), (vec![], vec![]));
    let said = scene.issues().join("\n") + &format!("{:?}", scene.follower);
    assert!(said.contains("403 Forbidden") && !said.contains("hunter7"), "{said}");
    assert!(!format!("{:?}", scene.kept.runs["."].files).contains("hunter7"));
    server.is_well();
    assert_eq!(scene.look(), (vec![], vec![]));
    server.remove(NAME);
    assert_eq!(scene.look(), (vec![".".into()], vec![]));
    let said = scene.issues().join("\n");
    assert!(said.contains("404 Not Found") && !said.contains("hunter7"), "{said}");
}

#[test]
fn a_file_that_is_sent_whole_is_sent_again_only_if_it_changed() {
    let server = Server::start();
    server.fails(|_| Fault::Whole);
    let url = format!("{}/{NAME}", server.url());
    server.put(NAME, log(0..3));
    let follower = Follower::new(&url, &LoadOptions::new()).settle(Duration::ZERO);
    let mut scene = Scene { server: &server, follower, kept: Kept::default() };
    scene.look();
    let first = server.asked().len();
    assert_eq!(scene.look(), (vec![], vec![]));
    assert!(server.asked().len() <= first);
    server.put(NAME, log(0..5));
    scene.look();
    assert_eq!(scene.steps("."), [0, 1, 2, 3, 4]);
    server.put(NAME, log([7, 1, 2, 3, 4]));
    scene.look();
    assert_eq!(scene.steps("."), [7, 1, 2, 3, 4]);
    assert_eq!(scene.issues(), [""; 0]);
}
