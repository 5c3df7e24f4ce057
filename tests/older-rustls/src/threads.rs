//! A thread for each connection, each with a stream that has its socket.

use crate::{
    common::{Call, Result, Told, Wanted, answer, wait, wanted},
    config,
    rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned},
};
use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

pub fn run() -> Result<()> {
    match wanted()? {
        Wanted::Serve { port, chain, key } => {
            let config = Arc::new(config::server(chain, key)?);
            for socket in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
                let (socket, config) = (socket?, Arc::clone(&config));
                thread::spawn(move || serve(config, socket));
            }
        }
        Wanted::Ask { port, plan } => {
            wait()?;
            let config = Arc::new(config::client());
            let talk = |calls| {
                let config = Arc::clone(&config);
                thread::spawn(move || talk(config, port, calls))
            };
            let talks: Vec<_> = plan.into_iter().map(talk).collect();
            let told = talks.into_iter().map(|talk| talk.join().expect("no panic"));
            println!("{}", serde_json::to_string(&told.collect::<Result<Vec<_>>>()?)?);
        }
    }
    Ok(())
}

/// The first line of a message, and the length of its body.
fn head(reader: &mut impl BufRead) -> Result<Option<(String, usize)>> {
    let (mut first, mut length) = (String::new(), 0);
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            return Ok(Some((first, length)));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
}

fn serve(config: Arc<ServerConfig>, socket: TcpStream) -> Result<()> {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, socket));
    while let Some((first, length)) = head(&mut stream)? {
        stream.read_exact(&mut vec![0; length])?;
        let (status, body) = answer(first.split(' ').nth(1).ok_or("no target")?);
        let head = format!("HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().write_all(body.as_bytes())?;
    }
    Ok(())
}

fn talk(config: Arc<ClientConfig>, port: u16, calls: Vec<Call>) -> Result<Vec<Told>> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let local = socket.local_addr()?.port();
    let connection = ClientConnection::new(config, config::name())?;
    let mut stream = BufReader::new(StreamOwned::new(connection, socket));
    let mut told = Vec::new();
    for (method, target, length) in calls {
        let host = format!("127.0.0.1:{port}");
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
        stream.get_mut().write_all(&[head.as_bytes(), &vec![b'b'; length]].concat())?;
        let (first, length) = self::head(&mut stream)?.ok_or("no answer")?;
        stream.read_exact(&mut vec![0; length])?;
        told.push((local, first.split(' ').nth(1).ok_or("no status")?.parse()?, length));
    }
    Ok(told)
}
