//! How a connection ends, for what was still unanswered on it.

use overhear_exchange::{ErrorType, Side, wire::CloseCause};

/// Why no more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// That is known, and whether it was the client that gave up.
    Error { error: ErrorType, by_client: bool },
    /// The capture ended, not the connection.
    Unknown,
}

/// Which ends send no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parting {
    first: Option<Side>,
    second: bool,
}

impl Parting {
    /// `from` sends no more.
    pub(crate) fn end(&mut self, from: Side) {
        match self.first {
            None => self.first = Some(from),
            Some(first) => self.second |= first != from,
        }
    }

    /// Who ended first.
    pub(crate) const fn first(&self) -> Option<Side> {
        self.first
    }

    pub(crate) fn has_ended(&self, side: Side) -> bool {
        self.first.is_some_and(|first| first == side || self.second)
    }

    /// What the end of the connection is to those who still wait.
    pub(crate) fn cut(&self, client: Side, cause: CloseCause) -> Cut {
        let error = match cause {
            CloseCause::Finished => return self.finished(client),
            CloseCause::Reset(_) => ErrorType::ConnectionReset,
            CloseCause::Refused => ErrorType::ConnectionRefused,
            CloseCause::TimedOut => ErrorType::Timeout,
            CloseCause::Unreachable => ErrorType::HostUnreachable,
            CloseCause::Unknown => return Cut::Unknown,
        };
        Cut::Error { error, by_client: cause == CloseCause::Reset(Some(client)) }
    }

    /// Who left first without an error is who gave up on what was still unanswered.
    pub(crate) fn finished(&self, client: Side) -> Cut {
        let by_client = self.first == Some(client);
        let error = if by_client { ErrorType::ClientClosed } else { ErrorType::ServerClosed };
        Cut::Error { error, by_client }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cut, Parting};
    use overhear_exchange::{ErrorType, Side, wire::CloseCause};

    #[test]
    fn who_leaves_first_gave_up() {
        let mut parting = Parting::default();
        let (by_server, by_client) = (
            Cut::Error { error: ErrorType::ServerClosed, by_client: false },
            Cut::Error { error: ErrorType::ClientClosed, by_client: true },
        );
        assert_eq!(parting.cut(Side::A, CloseCause::Finished), by_server);
        parting.end(Side::A);
        parting.end(Side::A);
        assert!(parting.has_ended(Side::A) && !parting.has_ended(Side::B));
        parting.end(Side::B);
        assert!(parting.has_ended(Side::A) && parting.has_ended(Side::B));
        assert_eq!(parting.cut(Side::A, CloseCause::Finished), by_client);
        assert_eq!(parting.cut(Side::B, CloseCause::Finished), by_server);
        assert_eq!(parting.cut(Side::A, CloseCause::Unknown), Cut::Unknown);
        for (by, by_client) in [(None, false), (Some(Side::B), false), (Some(Side::A), true)] {
            let error = ErrorType::ConnectionReset;
            assert_eq!(parting.cut(Side::A, CloseCause::Reset(by)), Cut::Error { error, by_client });
        }
    }
}
