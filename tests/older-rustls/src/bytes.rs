//! Configuration as rustls 0.20 and 0.21 have it.

use crate::rustls::{
    Certificate, ClientConfig, Error, PrivateKey, ServerConfig, ServerName,
    client::{ServerCertVerified, ServerCertVerifier},
};
use std::{sync::Arc, time::SystemTime};

pub fn server(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Result<ServerConfig, Error> {
    let chain = chain.into_iter().map(Certificate).collect();
    ServerConfig::builder()
        .with_safe_defaults()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKey(key))
}

pub fn client() -> ClientConfig {
    let builder = ClientConfig::builder().with_safe_defaults();
    builder.with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth()
}

pub fn name() -> ServerName {
    ServerName::try_from("localhost").expect("a name")
}

/// Who the server is does not matter here.
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &Certificate,
        _: &[Certificate],
        _: &ServerName,
        _: &mut dyn Iterator<Item = &[u8]>,
        _: &[u8],
        _: SystemTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
}
