//! How a connection ends, for what was still unanswered on it.

use overhear_exchange::{ErrorType, Side, wire::CloseCause};

/// Why no more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// That is known.
    Error(ErrorType),
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
        match cause {
            CloseCause::Finished => self.finished(client),
            CloseCause::Reset(_) => Cut::Error(ErrorType::ConnectionReset),
            CloseCause::Refused => Cut::Error(ErrorType::ConnectionRefused),
            CloseCause::TimedOut => Cut::Error(ErrorType::Timeout),
            CloseCause::Unreachable => Cut::Error(ErrorType::HostUnreachable),
            CloseCause::Unknown => Cut::Unknown,
        }
    }

    /// Who left first without an error is who gave up on what was still unanswered.
    pub(crate) fn finished(&self, client: Side) -> Cut {
        let client_left = self.first == Some(client);
        Cut::Error(if client_left { ErrorType::ClientClosed } else { ErrorType::ServerClosed })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cut, Parting};
    use overhear_exchange::{ErrorType, Side, wire::CloseCause};

    #[test]
    fn who_leaves_first_gave_up() {
        let mut parting = Parting::default();
        assert_eq!(parting.cut(Side::A, CloseCause::Finished), Cut::Error(ErrorType::ServerClosed));
        parting.end(Side::A);
        parting.end(Side::A);
        assert!(parting.has_ended(Side::A) && !parting.has_ended(Side::B));
        parting.end(Side::B);
        assert!(parting.has_ended(Side::A) && parting.has_ended(Side::B));
        assert_eq!(parting.cut(Side::A, CloseCause::Finished), Cut::Error(ErrorType::ClientClosed));
        assert_eq!(parting.cut(Side::B, CloseCause::Finished), Cut::Error(ErrorType::ServerClosed));
        assert_eq!(parting.cut(Side::A, CloseCause::Unknown), Cut::Unknown);
    }
}
