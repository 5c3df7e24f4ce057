use overhear_exchange::Scheme;

/// The parts of an absolute `http` or `https` URL (RFC 3986 §3), percent-encoding as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) scheme: Scheme,
    /// Host and port as written, without user information.
    pub(super) authority: &'a str,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// `None` for other schemes and for what is no URL. WebSockets begin as HTTP and count as such.
    pub(super) fn new(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => Scheme::Http,
            "https" | "wss" => Scheme::Https,
            _ => return None,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = split_port(authority, scheme)?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        Some(Self { scheme, authority, host, port, path, query })
    }
}

fn split_port(authority: &str, scheme: Scheme) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None | Some("") => scheme.default_port(),
        Some(digits) => digits.parse().ok()?,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn parts() {
        for (url, parts) in [
            ("http://a.example/b/c?d=e&f", Some(("a.example", "a.example", 80, "/b/c", Some("d=e&f")))),
            ("HTTPS://a:8443", Some(("a:8443", "a", 8443, "/", None))),
            ("https://a?q", Some(("a", "a", 443, "/", Some("q")))),
            ("https://a/b#c?d", Some(("a", "a", 443, "/b", None))),
            ("wss://user:pw@[::1]:9/x", Some(("[::1]:9", "::1", 9, "/x", None))),
            ("https://a/b?u=http://c/d", Some(("a", "a", 443, "/b", Some("u=http://c/d")))),
            ("data:text/plain,x", None),
            ("blob:https://a/b", None),
            ("http://", None),
            ("http://a:b/", None),
        ] {
            let got = Url::new(url);
            let got = got.as_ref().map(|u| (u.authority, u.host, u.port, u.path, u.query));
            assert_eq!(got, parts, "{url}");
        }
    }
}
