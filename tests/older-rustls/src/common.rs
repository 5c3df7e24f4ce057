//! What both kinds of programs have in common: `serve PORT CERTIFICATE KEY`, and `ask PORT PLAN` with planned calls as
//! `planned.py` has it.

use std::{fs::File, io::BufReader};

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// Method, target and length of the body.
pub type Call = (String, String, usize);
/// The client's port, the status and the length of the body.
pub type Told = (u16, u16, usize);

pub enum Wanted {
    Serve { port: u16, chain: Vec<Vec<u8>>, key: Vec<u8> },
    Ask { port: u16, plan: Vec<Vec<Call>> },
}

pub fn wanted() -> Result<Wanted> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", port, certificate, key] => {
            let chain = rustls_pemfile::certs(&mut BufReader::new(File::open(certificate)?))?;
            let keys = rustls_pemfile::pkcs8_private_keys(&mut BufReader::new(File::open(key)?))?;
            let key = keys.into_iter().next().ok_or("no key")?;
            Ok(Wanted::Serve { port: port.parse()?, chain, key })
        }
        ["ask", port, plan] => {
            Ok(Wanted::Ask { port: port.parse()?, plan: serde_json::from_slice(&std::fs::read(plan)?)? })
        }
        _ => Err("serve PORT CERTIFICATE KEY | ask PORT PLAN".into()),
    }
}

/// Says that it is ready, and waits for a line.
pub fn wait() -> Result<()> {
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// The status and the body that a target wants to be answered.
pub fn answer(target: &str) -> (u16, String) {
    let asked = |name: &str| {
        let mut pairs = target.split(['?', '&']);
        pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse::<usize>().ok())
    };
    match (asked("status"), asked("size")) {
        (Some(status), Some(size)) => (u16::try_from(status).unwrap_or(500), "b".repeat(size)),
        _ if target.starts_with("/items") => (200, "[1,2,3]".to_owned()),
        _ => (404, "missing".to_owned()),
    }
}
