//! A server and a client with rustls inside, as programs have it: hyper over tokio.
//!
//! `rustls serve PORT CERTIFICATE KEY`: the routes that every test server has, and `/sized/NAME?status=S&size=N`.
//! `rustls ask PORT PLAN`: planned calls, as `planned.py` has it.

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Bytes, body::Incoming};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use std::{io::BufRead as _, net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", port, certificate, key] => serve(port.parse()?, certificate, key).await,
        ["ask", port, plan] => ask(port.parse()?, plan).await,
        _ => Err("rustls serve PORT CERTIFICATE KEY | rustls ask PORT PLAN".into()),
    }
}

async fn serve(port: u16, certificate: &str, key: &str) -> Result<()> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<std::result::Result<Vec<_>, _>>()?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let stream = acceptor.accept(socket).await?;
            let service = hyper::service::service_fn(answer);
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await?;
            Ok::<(), Error>(())
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    body.collect().await?;
    let (status, body) = match (head.method.as_str(), head.uri.path()) {
        ("GET", "/items") => (200, "[1,2,3]".to_owned()),
        ("POST", "/orders") => (201, "{\"id\":7}".to_owned()),
        ("GET", "/fails") => (500, "oops".to_owned()),
        ("GET", "/slow") => {
            tokio::time::sleep(Duration::from_millis(60)).await;
            (200, "slow".to_owned())
        }
        (_, path) if path.starts_with("/sized/") => sized(head.uri.query().unwrap_or_default())?,
        _ => (404, "missing".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status)?;
    Ok(response)
}

fn sized(query: &str) -> Result<(u16, String)> {
    let asked = |name: &str| {
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).ok_or("not asked for")
    };
    Ok((asked("status")?.parse()?, "b".repeat(asked("size")?.parse()?)))
}

async fn ask(port: u16, plan: &str) -> Result<()> {
    let plan: Vec<Vec<(String, String, usize)>> = serde_json::from_slice(&std::fs::read(plan)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(ring::default_provider())))
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let talks: Vec<_> =
        plan.into_iter().map(|calls| tokio::spawn(talk(connector.clone(), port, calls))).collect();
    let mut told = Vec::new();
    for talk in talks {
        told.push(talk.await??);
    }
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

async fn talk(
    connector: TlsConnector,
    port: u16,
    calls: Vec<(String, String, usize)>,
) -> Result<Vec<(u16, u16, usize)>> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let local = socket.local_addr()?.port();
    let name = ServerName::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST));
    let stream = connector.connect(name, socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut told = Vec::new();
    for (method, target, length) in calls {
        let body = Full::new(Bytes::from("b".repeat(length)));
        let host = format!("127.0.0.1:{port}");
        let request =
            Request::builder().method(method.as_str()).uri(target).header("host", host).body(body)?;
        sender.ready().await?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        told.push((local, head.status.as_u16(), body.collect().await?.to_bytes().len()));
    }
    Ok(told)
}

/// Who the server is does not matter here.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
