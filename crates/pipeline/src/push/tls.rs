//! Whom to trust, and as whom to speak, where a receiver is asked by TLS.

use rustls::AlertDescription;
use std::{error::Error, fmt, io};

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

/// What an error says, and those that it comes from; with TLS, what may be wrong with our certificate.
pub(super) fn told(error: &(dyn Error + 'static), is_encrypted: bool) -> String {
    let mut told: Vec<String> = Vec::new();
    for text in chain(error).map(ToString::to_string) {
        // Some say where to read more, which is for those who write programs.
        let text = text.split(": https://").next().unwrap_or_default();
        // Many repeat what they come from.
        if !told.iter().any(|before| before.contains(text)) {
            told.push(text.to_owned());
        }
    }
    let hint = match chain(error).find_map(alert) {
        Some(alert) => of_our_certificate(alert),
        None if is_encrypted && told.iter().any(|text| is_closed(text)) => Some(CLOSED),
        None => None,
    };
    told.extend(hint.map(str::to_owned));
    told.join(": ")
}

/// An error and what it comes from, to the last.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // What an I/O error holds is not its source.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        held.map(|held| held as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

fn alert(error: &(dyn Error + 'static)) -> Option<AlertDescription> {
    if let rustls::Error::AlertReceived(alert) = error.downcast_ref()? { Some(*alert) } else { None }
}

/// In TLS 1.3 a receiver looks at our certificate when we are done and send already: it says what is wrong with it and
/// closes, and who still writes hears of the second alone.
const CLOSED: &str =
    "as one does that wants another certificate of ours, or any (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)";

/// By its words: no other sign of it comes through all that is between here and the socket.
fn is_closed(text: &str) -> bool {
    let text = text.to_lowercase();
    ["broken pipe", "connection reset", "connection closed", "close_notify"]
        .iter()
        .any(|words| text.contains(words))
}

/// RFC 8446, section 6.2: what a receiver says of a certificate that it does not take.
const NOT_TAKEN: [AlertDescription; 7] = [
    AlertDescription::UnknownCA,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::AccessDenied,
];

/// What a receiver has against us, where it is our certificate.
fn of_our_certificate(alert: AlertDescription) -> Option<&'static str> {
    if alert == AlertDescription::CertificateRequired {
        Some("it wants a certificate of ours (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)")
    } else if NOT_TAKEN.contains(&alert) {
        Some("it does not take our certificate (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{AlertDescription, CLOSED, io, told};

    #[test]
    fn what_a_receiver_has_against_our_certificate_is_told() {
        let alert = |alert| io::Error::other(rustls::Error::AlertReceived(alert));
        let told = |error| told(&error, true);
        assert_eq!(
            told(alert(AlertDescription::UnknownCA)),
            "received fatal alert: UnknownCA: it does not take our certificate (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)"
        );
        assert!(told(alert(AlertDescription::CertificateRequired)).contains("it wants a certificate"));
        assert_eq!(told(alert(AlertDescription::InternalError)), "received fatal alert: InternalError");
        let broken = || io::Error::from_raw_os_error(32);
        assert_eq!(told(broken()), format!("Broken pipe (os error 32): {CLOSED}"));
        assert_eq!(super::told(&broken(), false), "Broken pipe (os error 32)");
    }
}
