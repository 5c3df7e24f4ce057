//! What the two ends agreed on (RFC 6455 §4.2.2, RFC 7692 §7.1).

use super::inflate::Context;
use overhear_exchange::{Headers, WebSocket};

/// What follows from the answer's header fields.
#[derive(Debug)]
pub(super) struct Agreement {
    pub(super) told: WebSocket,
    /// How what the client sends is compressed.
    pub(super) client: Context,
    /// How what the server sends is.
    pub(super) server: Context,
    /// An extension that is not known changes what payloads mean.
    pub(super) is_opaque: bool,
}

const LONGEST_NAME: usize = 64;

impl Agreement {
    /// Reads the fields of the answer.
    pub(super) fn of(answer: &Headers) -> Self {
        let subprotocol = answer.get("sec-websocket-protocol").map(<[u8]>::trim_ascii);
        let subprotocol = subprotocol.filter(|name| (1..=LONGEST_NAME).contains(&name.len()));
        let subprotocol = subprotocol.and_then(|name| std::str::from_utf8(name).ok()).map(Into::into);
        let told = WebSocket { subprotocol, deflate: false, close_code: None };
        let mut agreed = Self { told, client: Context::None, server: Context::None, is_opaque: false };
        let fields = answer.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"sec-websocket-extensions"));
        for extension in fields.flat_map(|(_, value)| value.split(|b| *b == b',')) {
            agreed.add(extension);
        }
        agreed
    }

    fn add(&mut self, extension: &[u8]) {
        let mut parts = extension.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        match parts.next() {
            Some(name) if name.eq_ignore_ascii_case(b"permessage-deflate") => {
                let parameters: Vec<&[u8]> = parts.collect();
                self.told.deflate = true;
                self.client = context(&parameters, "client");
                self.server = context(&parameters, "server");
            }
            Some(b"") | None => {}
            Some(_) => self.is_opaque = true,
        }
    }
}

/// How one end compresses (RFC 7692 §7.1.1, §7.1.2).
fn context(parameters: &[&[u8]], end: &str) -> Context {
    let (mut takeover, mut bits) = (true, 15);
    for parameter in parameters {
        let mut parts = parameter.split(|b| *b == b'=').map(<[u8]>::trim_ascii);
        let name = parts.next().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        let Some(name) = name.strip_prefix(end) else { continue };
        let value = parts.next().and_then(|value| std::str::from_utf8(value).ok());
        match name {
            "_no_context_takeover" => takeover = false,
            "_max_window_bits" => {
                let said = value.and_then(|value| value.trim_matches('"').parse().ok());
                bits = said.filter(|bits| (8..=15).contains(bits)).unwrap_or(15);
            }
            _ => {}
        }
    }
    Context::new(takeover, bits)
}

#[cfg(test)]
mod tests {
    use super::{Agreement, Context};
    use overhear_exchange::Headers;

    fn agreed(extensions: &str) -> Agreement {
        Agreement::of(&Headers::new([(&b"Sec-WebSocket-Extensions"[..], extensions.as_bytes())]))
    }

    #[test]
    fn reads_what_was_agreed_on() {
        let plain = Agreement::of(&Headers::new([(&b"sec-websocket-protocol"[..], &b"graphql-ws"[..])]));
        assert_eq!(plain.told.subprotocol.as_deref(), Some("graphql-ws"));
        assert!(!plain.told.deflate && !plain.is_opaque && matches!(plain.client, Context::None));

        let both = agreed("permessage-deflate; server_max_window_bits=12; client_max_window_bits=\"10\"");
        assert!(both.told.deflate);
        assert!(matches!(both.server, Context::Kept { window: 4096, .. }));
        assert!(matches!(both.client, Context::Kept { window: 1024, .. }));

        let alone = agreed("permessage-deflate; server_no_context_takeover; client_max_window_bits=99");
        assert!(matches!(alone.server, Context::Alone));
        assert!(matches!(alone.client, Context::Kept { window: 32768, .. }));

        assert!(agreed("x-odd").is_opaque);
    }
}
