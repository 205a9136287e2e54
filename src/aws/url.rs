//! Where a call goes.

use std::fmt;

use crate::config::port::Port;
use crate::config::value::HttpUrl;
use crate::outbound::hostname::{Host, Target};

/// The URL of one call, or what several begin with. Display and Debug leave out path and query.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether to use TLS.
    pub https: bool,
    /// Host and port.
    pub target: Target,
    /// From the first `/`, escaped; empty for what others begin with.
    pub path: String,
    /// Escaped, without `?`.
    pub query: String,
}

impl Url {
    /// `https://` and a host at the usual port.
    #[must_use]
    pub fn https(host: Host) -> Self {
        Self { https: true, target: Target::new(host, Port::HTTPS), path: String::new(), query: String::new() }
    }

    /// `http://` and a host at the usual port.
    #[must_use]
    pub fn http(host: Host) -> Self {
        Self { https: false, target: Target::new(host, Port::HTTP), path: String::new(), query: String::new() }
    }

    /// This URL with `path` behind its own, and a query.
    #[must_use]
    pub fn at(&self, path: &str, query: &str) -> Self {
        Self { path: format!("{}{path}", self.path), query: query.to_owned(), ..self.clone() }
    }

    /// What stands in the field `host`: the port only when it is not the scheme's own.
    #[must_use]
    pub fn host_field(&self) -> String {
        let (host, port) = (self.target.host().authority(), self.target.port());
        let usual = if self.https { Port::HTTPS } else { Port::HTTP };
        if port == usual.number() { host.to_string() } else { format!("{host}:{port}") }
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        let (path, query) = (if self.path.is_empty() { "/" } else { &self.path }, &self.query);
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{self}{path}{separator}{query}")
    }
}

impl From<&HttpUrl> for Url {
    /// A trailing `/` goes, so that a path can follow. A query is dropped.
    fn from(url: &HttpUrl) -> Self {
        let path = url.path().trim_end_matches('/').to_owned();
        Self { https: url.is_https(), target: url.target().clone(), path, query: String::new() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.host_field())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::from(&HttpUrl::parse(text).unwrap_or_else(|_| panic!("{text}")))
    }

    #[test]
    fn the_usual_port_is_left_out_and_paths_are_joined() {
        assert_eq!(url("https://A.test").host_field(), "a.test");
        assert_eq!(url("http://a.test:443/").host_field(), "a.test:443");
        assert_eq!(url("http://[::1]:80").host_field(), "[::1]");
        assert_eq!(url("http://a.test:81/base/").at("/b", "c=d").text(), "http://a.test:81/base/b?c=d");
        assert_eq!(url("https://a.test").text(), "https://a.test/");
    }

    #[test]
    fn what_is_shown_has_neither_path_nor_query() {
        assert_eq!(url("https://a.test/secret").at("/x", "y=z").to_string(), "https://a.test");
    }
}
