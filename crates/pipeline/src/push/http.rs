//! OTLP over HTTP with protobuf (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).

use super::{Ended, PATIENCE, Refused, Signal, Target, tls};
use std::{sync::Arc, time::Duration};
use ureq::{
    Agent,
    tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem},
};

pub(super) struct Http {
    agent: Agent,
}

impl Http {
    pub(super) fn new(target: &Target) -> Result<Self, Refused> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(format!("overhear/{}", target.version));
        if target.is_encrypted() {
            config = config.tls_config(encrypted(target)?);
        }
        Ok(Self { agent: config.build().into() })
    }

    pub(super) fn send(&self, target: &Target, signal: Signal, body: &[u8]) -> Ended {
        let url = format!("{}/v1/{}", target.url.trim_end_matches('/'), signal.name());
        let mut request = self.agent.post(url).header("content-type", "application/x-protobuf");
        for (name, value) in &target.headers {
            request = request.header(name, value);
        }
        let answer = match request.send(body) {
            Err(ureq::Error::Io(error)) => {
                return Ended::Later(tls::told(&error, target.is_encrypted()), None);
            }
            Err(error) => return Ended::Later(tls::told(&error, target.is_encrypted()), None),
            Ok(answer) => answer,
        };
        let status = answer.status().as_u16();
        let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        match status {
            200..=299 => Ended::Taken,
            // OTLP, "Retryable Response Codes"
            429 | 502..=504 => Ended::Later(format!("it answers {status}"), after.map(Duration::from_secs)),
            _ => Ended::Refused(format!("it answers {status}")),
        }
    }
}

fn encrypted(target: &Target) -> Result<TlsConfig, Refused> {
    let roots = match &target.trust.authorities {
        Some(text) => certificates(text)?,
        None => tls::of_the_system().iter().map(|der| Certificate::from_der(der).to_owned()).collect(),
    };
    let mut config = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots));
    if let Some((certificate, key)) = &target.trust.identity {
        let key = PrivateKey::from_pem(key.as_bytes()).map_err(|error| Refused::Key(error.to_string()))?;
        config = config.client_cert(Some(ClientCert::new_with_certs(&certificates(certificate)?, key)));
    }
    Ok(config.build())
}

fn certificates(text: &str) -> Result<Vec<Certificate<'static>>, Refused> {
    let mut certificates = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        if let PemItem::Certificate(one) = item.map_err(|error| Refused::Certificate(error.to_string()))? {
            certificates.push(one);
        }
    }
    if certificates.is_empty() {
        return Err(Refused::Certificate("there is none in it".to_owned()));
    }
    Ok(certificates)
}
