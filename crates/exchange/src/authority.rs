use std::net::IpAddr;

/// Who is asked: a host and where it was said the port, as in a `Host` field (RFC 9110 §7.2, RFC 3986 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Name or address, without the brackets of IPv6.
    pub host: &'a str,
    /// Absent where none is written, or nothing that can be one.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Takes `host:port` and `[v6]:port` apart; user information goes.
    pub fn parse(text: &'a str) -> Self {
        let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
        let port = |text: &str| text.parse().ok();
        if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return Self { host, port: rest.strip_prefix(':').and_then(port) };
        }
        match text.rsplit_once(':') {
            Some((host, digits)) if !host.contains(':') => Self { host, port: port(digits) },
            _ => Self { host: text, port: None },
        }
    }

    /// Whether the host is a name somebody gave, not an address or the machine itself.
    pub fn is_name(&self) -> bool {
        let is_address = self.host.parse::<IpAddr>().is_ok();
        !self.host.is_empty() && !is_address && !self.host.eq_ignore_ascii_case("localhost")
    }
}

#[cfg(test)]
mod tests {
    use super::Authority;

    #[test]
    fn hosts_and_names() {
        for (text, host, port, is_name) in [
            ("shop.example", "shop.example", None, true),
            ("shop.example:8080", "shop.example", Some(8080), true),
            ("user@api.example:1", "api.example", Some(1), true),
            ("127.0.0.1:80", "127.0.0.1", Some(80), false),
            ("[::1]:8080", "::1", Some(8080), false),
            ("[::1]", "::1", None, false),
            ("::1", "::1", None, false),
            ("localhost:3000", "localhost", Some(3000), false),
            ("a:", "a", None, true),
            ("a:99999", "a", None, true),
            ("[x", "[x", None, true),
            ("", "", None, false),
        ] {
            let authority = Authority::parse(text);
            assert_eq!(authority, Authority { host, port }, "{text}");
            assert_eq!(authority.is_name(), is_name, "{text}");
        }
    }
}
