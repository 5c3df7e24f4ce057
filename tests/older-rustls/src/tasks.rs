//! hyper over tokio.

use crate::{
    common::{Call, Error, Result, Told, Wanted, answer, wait, wanted},
    config,
    tokio_rustls::{TlsAcceptor, TlsConnector},
};
use hyper::{
    Body, Request, Response, StatusCode,
    body::to_bytes,
    client::conn::{SendRequest, handshake},
    server::conn::Http,
    service::service_fn,
};
use std::{future::poll_fn, net::Ipv4Addr, sync::Arc};
use tokio::net::{TcpListener, TcpStream};

pub fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match wanted()? {
        Wanted::Serve { port, chain, key } => {
            let acceptor = TlsAcceptor::from(Arc::new(config::server(chain, key)?));
            runtime.block_on(serve(port, acceptor))
        }
        Wanted::Ask { port, plan } => {
            wait()?;
            runtime.block_on(ask(port, plan))
        }
    }
}

async fn serve(port: u16, acceptor: TlsAcceptor) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let stream = acceptor.accept(socket).await?;
            Http::new().serve_connection(stream, service_fn(told)).await?;
            Ok::<(), Error>(())
        });
    }
}

async fn told(request: Request<Body>) -> Result<Response<Body>> {
    let (head, body) = request.into_parts();
    to_bytes(body).await?;
    let (status, body) = answer(&head.uri.to_string());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status)?;
    Ok(response)
}

async fn ask(port: u16, plan: Vec<Vec<Call>>) -> Result<()> {
    let connector = TlsConnector::from(Arc::new(config::client()));
    let talk = |calls| tokio::spawn(talk(connector.clone(), port, calls));
    let talks: Vec<_> = plan.into_iter().map(talk).collect();
    let mut told = Vec::new();
    for talk in talks {
        told.push(talk.await??);
    }
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

async fn talk(connector: TlsConnector, port: u16, calls: Vec<Call>) -> Result<Vec<Told>> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let local = socket.local_addr()?.port();
    let stream = connector.connect(config::name(), socket).await?;
    let (mut sender, connection) = handshake(stream).await?;
    tokio::spawn(connection);
    let mut told = Vec::new();
    for (method, target, length) in calls {
        let host = format!("127.0.0.1:{port}");
        let body = Body::from("b".repeat(length));
        let request =
            Request::builder().method(method.as_str()).uri(target).header("host", host).body(body)?;
        let (head, body) = send(&mut sender, request).await?.into_parts();
        told.push((local, head.status.as_u16(), to_bytes(body).await?.len()));
    }
    Ok(told)
}

async fn send(sender: &mut SendRequest<Body>, request: Request<Body>) -> Result<Response<Body>> {
    poll_fn(|context| sender.poll_ready(context)).await?;
    Ok(sender.send_request(request).await?)
}
