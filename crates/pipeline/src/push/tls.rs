//! Whom to trust, and as whom to speak, where a receiver is asked by TLS.

use std::fmt;

/// Certificates as text (PEM, RFC 7468).
#[derive(Clone, Default)]
pub struct Trust {
    /// Of the authorities that vouch for the receiver; none: those that this system trusts.
    pub authorities: Option<String>,
    /// Our own certificate and its key, where the receiver wants one. A secret: never told.
    pub identity: Option<(String, String)>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("has_identity", &self.identity.is_some()).finish_non_exhaustive()
    }
}

/// Those that this system trusts, in DER.
pub(super) fn of_the_system() -> Vec<Vec<u8>> {
    // One that cannot be read vouches for nobody; the others do.
    rustls_native_certs::load_native_certs().certs.into_iter().map(|der| der.to_vec()).collect()
}
