//! Sentences about what stays encrypted.

use overhear_exchange::{Direction, Unread, UnreadKey};

/// Names of each program that are told.
pub const TOLD: usize = 5;

/// "12 connections of java unreadable: …": whose, how many and why.
pub fn unread_sentence(key: &UnreadKey, what: &Unread) -> String {
    let connections = if what.connections == 1 { "connection" } else { "connections" };
    let cipher = match key.cipher {
        overhear_exchange::Cipher::Tls => "",
        overhear_exchange::Cipher::Quic => "QUIC ",
    };
    format!("{} {cipher}{connections} of {} unreadable: {}", what.connections, whose(key), key.reason)
}

/// `shop`, or `shop (java)` where the file it runs is called otherwise.
fn whose(key: &UnreadKey) -> String {
    match &key.executable {
        Some(executable) if **executable != *key.program => format!("{} ({executable})", key.program),
        _ => key.program.to_string(),
    }
}

/// "to api.example (8), 3 others": whom clients wanted, where that says more than the program's name.
pub fn unread_names(key: &UnreadKey, what: &Unread) -> Option<String> {
    let (top, others) = what.names.top(TOLD);
    let says_nothing = |name: &str| name == &*key.program;
    let mut parts: Vec<String> = top
        .iter()
        .filter(|(name, _)| !says_nothing(name))
        .map(
            |(name, count)| {
                if *count == what.connections { name.to_string() } else { format!("{name} ({count})") }
            },
        )
        .collect();
    if others > 0 {
        parts.push(format!("others ({others})"));
    }
    let way = match key.direction {
        Direction::Outbound => "to",
        Direction::Inbound => "as",
    };
    (!parts.is_empty()).then(|| format!("{way} {}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{unread_names, unread_sentence};
    use overhear_exchange::{Cipher, Direction, Unread, UnreadKey, UnreadReason};

    #[test]
    fn names_the_program_and_the_reason() {
        let key = UnreadKey {
            program: "shop".into(),
            executable: Some("java".into()),
            direction: Direction::Outbound,
            cipher: Cipher::Tls,
            reason: UnreadReason::Java,
        };
        let mut what = Unread { connections: 3, ..Unread::default() };
        assert_eq!(unread_names(&key, &what), None);
        what.names.add(&"api.example".into(), 2);
        what.names.add(&"shop".into(), 1);
        assert_eq!(
            unread_sentence(&key, &what),
            "3 connections of shop (java) unreadable: Java encrypts in code that it compiles while it runs, which cannot be probed"
        );
        assert_eq!(unread_names(&key, &what).as_deref(), Some("to api.example (2)"));
        let key =
            UnreadKey { program: "java".into(), cipher: Cipher::Quic, reason: UnreadReason::Quic, ..key };
        let what = Unread { connections: 1, ..what };
        assert_eq!(unread_sentence(&key, &what), "1 QUIC connection of java unreadable: QUIC is not read");
    }
}
