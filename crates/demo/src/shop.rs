//! The shop: its processes, started and ended together.

use crate::{
    Error, Role,
    process::{Orders, Ports, SUBCOMMAND},
    roles,
};
use std::{
    net::{Ipv4Addr, TcpListener},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

/// How the shop runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// First of six ports in a row; without it, free ones are chosen.
    pub base_port: Option<u16>,
    /// Steps that all customers together take per second; about three exchanges each.
    pub pace: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { base_port: None, pace: 22.0 }
    }
}

/// A running shop. Dropping it ends every process and waits for it.
#[derive(Debug)]
pub struct Shop {
    ports: Ports,
    children: Vec<(Role, Child)>,
}

impl Shop {
    /// Starts `program` once per role, as `program demo-process ROLE …`. It accepts calls when this returns.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if a port is taken, [`Error::Start`] if the program cannot be run. What was started
    /// before is ended again.
    pub fn start(program: &Path, options: Options) -> Result<Self, Error> {
        let listeners = listeners(options.base_port)?;
        let mut ports = [0; 6];
        for (port, listener) in ports.iter_mut().zip(&listeners) {
            *port = listener.local_addr().map_err(Error::Listen)?.port();
        }
        let mut shop = Self { ports: Ports::new(ports), children: Vec::new() };
        for role in roles() {
            let listener = role.port_index().and_then(|index| listeners.get(usize::from(index)));
            let orders = Orders { role: *role, ports: shop.ports, pace: options.pace };
            let child = start(program, &orders, listener)
                .map_err(|source| Error::Start { role: role.service(), source })?;
            shop.children.push((*role, child));
        }
        Ok(shop)
    }

    /// Every role that can be called, with its port on 127.0.0.1.
    pub fn ports(&self) -> Vec<(Role, u16)> {
        roles().iter().filter_map(|role| Some((*role, self.ports.of(*role)?))).collect()
    }

    /// Every role with its process id.
    pub fn pids(&self) -> Vec<(Role, u32)> {
        self.children.iter().map(|(role, child)| (*role, child.id())).collect()
    }

    /// Where customers call.
    pub fn url(&self) -> String {
        self.ports.url(Role::Gateway)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Customers first: nobody should meet a closed door. Errors mean that a process has ended already.
        for (_, child) in self.children.iter_mut().rev() {
            let _ = child.kill();
        }
        for (_, child) in &mut self.children {
            let _ = child.wait();
        }
    }
}

fn listeners(base: Option<u16>) -> Result<Vec<TcpListener>, Error> {
    (0..6)
        .map(|index| {
            let port = base.map_or(Some(0), |base| base.checked_add(index));
            let port = port.ok_or_else(|| Error::Arguments("the ports end at 65535".to_owned()))?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(Error::Listen)
        })
        .collect()
}

fn start(program: &Path, orders: &Orders, listener: Option<&TcpListener>) -> std::io::Result<Child> {
    let stdout = match listener {
        Some(listener) => Stdio::from(OwnedFd::from(listener.try_clone()?)),
        None => Stdio::null(),
    };
    Command::new(program)
        .arg0(orders.role.service())
        .arg(SUBCOMMAND)
        .args(orders.arguments())
        .env("OTEL_SERVICE_NAME", orders.role.service())
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
}
