//! What one process of the shop does with its life.

use crate::{Error, Role, services, shopper};
use std::{
    io::{self, Read},
    net::TcpListener,
    os::fd::AsFd,
    thread,
};
use tokio::sync::oneshot;

/// The hidden subcommand under which a program runs a process of the shop.
pub const SUBCOMMAND: &str = "demo-process";

/// What a process of the shop is told.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) role: Role,
    /// Of gateway, orders, catalog, users, payments, inventory.
    pub(crate) ports: Ports,
    /// Steps of the shopper per second.
    pub(crate) pace: f64,
}

/// The ports of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports([u16; 6]);

impl Ports {
    pub(crate) const fn new(ports: [u16; 6]) -> Self {
        Self(ports)
    }

    pub(crate) fn of(self, role: Role) -> Option<u16> {
        role.port_index().and_then(|index| self.0.get(usize::from(index)).copied())
    }

    /// `http://127.0.0.1:8300`; of the gateway for a role without a port.
    pub(crate) fn url(self, role: Role) -> String {
        let port = self.of(role).unwrap_or(self.0[0]);
        format!("http://127.0.0.1:{port}")
    }

    fn argument(self) -> String {
        self.0.map(|port| port.to_string()).join(",")
    }
}

impl Orders {
    /// The arguments after the subcommand.
    pub(crate) fn arguments(&self) -> [String; 5] {
        [
            self.role.name().to_owned(),
            "--ports".to_owned(),
            self.ports.argument(),
            "--pace".to_owned(),
            self.pace.to_string(),
        ]
    }

    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let arguments: Vec<String> = arguments.into_iter().collect();
        let wrong = || Error::Arguments(arguments.join(" "));
        let [role, ports_flag, ports, pace_flag, pace] = arguments.as_slice() else { return Err(wrong()) };
        if ports_flag != "--ports" || pace_flag != "--pace" {
            return Err(wrong());
        }
        let ports: Result<Vec<u16>, _> = ports.split(',').map(str::parse).collect();
        let ports = ports.ok().and_then(|ports| ports.try_into().ok()).map(Ports).ok_or_else(wrong)?;
        let pace =
            pace.parse().ok().filter(|pace: &f64| pace.is_finite() && *pace > 0.0).ok_or_else(wrong)?;
        Ok(Self { role: Role::parse(role).ok_or_else(wrong)?, ports, pace })
    }
}

/// Runs one process of the shop, given the arguments that followed [`SUBCOMMAND`], until standard input ends.
///
/// Standard input is a pipe that the shop holds: it ends when the shop does, however that comes about.
/// Standard output is the socket to accept on, so that no port can be snatched between choosing and using it.
///
/// # Errors
///
/// [`Error::Arguments`], and [`Error::Serve`] where the socket cannot be used.
pub fn serve(arguments: impl IntoIterator<Item = String>) -> Result<(), Error> {
    let orders = Orders::parse(arguments)?;
    // Process listings show this name; without it they show the program that was re-executed.
    let _ = std::fs::write("/proc/self/comm", orders.role.service());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let end = end_of_input();
    let result = runtime.block_on(async {
        tokio::select! {
            result = work(&orders) => result,
            _ = end => Ok(()),
        }
    });
    // Calls still under way are not waited for.
    runtime.shutdown_background();
    result
}

async fn work(orders: &Orders) -> Result<(), Error> {
    if orders.role == Role::Shopper {
        shopper::run(orders).await;
        return Ok(());
    }
    let listener = tokio::net::TcpListener::from_std(inherited_listener()?)?;
    axum::serve(listener, services::router(orders)).await?;
    Ok(())
}

fn inherited_listener() -> io::Result<TcpListener> {
    let listener = TcpListener::from(io::stdout().as_fd().try_clone_to_owned()?);
    listener.local_addr()?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Completes when standard input ends.
fn end_of_input() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1..)) {}
        // Nobody listens any more only when the process is ending anyway.
        let _ = sender.send(());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::{Orders, Ports};
    use crate::{Error, Role, roles};

    #[test]
    fn arguments_come_back() {
        for role in roles() {
            let orders = Orders { role: *role, ports: Ports::new([1, 2, 3, 4, 5, 6]), pace: 12.5 };
            let back = Orders::parse(orders.arguments()).expect("its own arguments");
            assert_eq!((back.role, back.ports, back.pace), (orders.role, orders.ports, orders.pace));
        }
        assert_eq!(Ports::new([1, 2, 3, 4, 5, 6]).of(Role::Inventory), Some(6));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "orders",
            "nobody --ports 1,2,3,4,5,6 --pace 1",
            "orders --ports 1,2,3 --pace 1",
            "orders --ports 1,2,3,4,5,6 --pace 0",
            "orders --ports 1,2,3,4,5,99999 --pace 1",
            "orders --pace 1 --ports 1,2,3,4,5,6",
        ] {
            let result = Orders::parse(line.split_whitespace().map(str::to_owned));
            assert!(matches!(result, Err(Error::Arguments(_))), "{line}");
        }
    }
}
