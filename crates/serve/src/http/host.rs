//! Which requests are not from a web page of another site.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap};

use super::Refusal;

/// The names under which the server answers, in small letters.
#[derive(Debug)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// `localhost`, the name of this machine, and these. Addresses are always answered: an attack needs a name that it
    /// makes point here.
    pub(super) fn new(own: impl IntoIterator<Item = String>) -> Self {
        let machine = machine().into_iter();
        let machine = machine.flat_map(|name| [format!("{name}.local"), name]);
        let all = ["localhost".to_owned()].into_iter().chain(machine).chain(own);
        Self(all.map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Refuses requests to a name that is none of this machine, and requests for data from a page of another site. A web
    /// page could read the logs by the first, and keep the server busy by the second.
    pub(super) fn check(&self, headers: &HeaderMap, is_for_data: bool) -> Result<(), Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let mut hosts = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or(""));
        let first = hosts.next().unwrap_or("");
        // A request with several is not valid, and programs on its way may follow any of them.
        if let Some(host) = std::iter::once(first).chain(hosts).find(|host| !self.answers(host)) {
            return Err(Refusal::Foreign(format!(
                "this server does not answer to {host:?}: --allow-host allows a name"
            )));
        }
        if is_for_data && text("sec-fetch-site") == Some("cross-site") {
            return Err(Refusal::Foreign("a page of another site asks for data".to_owned()));
        }
        Ok(())
    }

    fn answers(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(""),
            None => host.split(':').next().unwrap_or(""),
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok() || self.0.contains(&name)
    }
}

/// The name of this machine, if it is known.
fn machine() -> Option<String> {
    let name = match cfg!(windows) {
        true => std::env::var("COMPUTERNAME").ok(),
        false => ["/proc/sys/kernel/hostname", "/etc/hostname"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok()),
    };
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let hosts = Hosts::new(["Box".to_owned(), "logs.example.".to_owned()]);
        for own in [
            "localhost:6006",
            "LOCALHOST",
            "127.0.0.1:1",
            "10.0.0.1",
            "[::1]:6006",
            "[fe80::1]",
            "box:1",
            "logs.example",
        ] {
            assert!(hosts.answers(own), "{own}");
        }
        for other in ["", "evil.example:6006", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert!(!hosts.answers(other), "{other}");
        }
        assert!(machine().is_none_or(|name| hosts.answers(&name)));
    }

    #[test]
    fn each_host_of_a_request_must_be_this_machine() {
        let hosts = Hosts::new([]);
        let mut headers = HeaderMap::new();
        assert!(hosts.check(&headers, false).is_err());
        headers.append(HOST, HeaderValue::from_static("localhost"));
        hosts.check(&headers, false).unwrap();
        headers.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(hosts.check(&headers, false).is_err());
    }

    #[test]
    fn a_page_of_another_site_gets_no_data() {
        let hosts = Hosts::new([]);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        for (site, allowed) in
            [("same-origin", true), ("same-site", true), ("none", true), ("cross-site", false)]
        {
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            assert_eq!(hosts.check(&headers, true).is_ok(), allowed, "{site}");
            // A link to the page itself.
            assert!(hosts.check(&headers, false).is_ok(), "{site}");
        }
    }
}
