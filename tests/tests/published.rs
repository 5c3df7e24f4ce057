//! A published port, as containers have it: the kernel translates addresses between the client and the server, and no program is
//! between them. As root only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use overhear_tests::{
    Result,
    program::{Heard, Watch},
    server::{certificate, free_port, program},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Where the machine is for others, and for its container; and these two.
const MACHINE: &str = "10.77.1.1";
const ELSEWHERE: &str = "10.77.1.2";
const CONTAINER: &str = "10.77.2.2";
/// As whom the container sees everybody.
const GATEWAY: &str = "10.77.2.1";
const CALLS: usize = 8;

/// A network of its own, as long as it lives.
struct Network(Child);

impl Network {
    fn new() -> Result<Self> {
        let script = "ip link set lo up && echo ready && exec sleep infinity";
        let mut unshare = Command::new("unshare");
        let mut child = unshare.args(["--net", "sh", "-c", script]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let network = Self(child);
        if line == "ready\n" { Ok(network) } else { Err("no network of its own".into()) }
    }

    /// What runs within it.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.0.id().to_string(), "--"]).arg(program);
        command
    }

    fn run(&self, script: &str) -> Result<()> {
        let status = self.command(Path::new("/bin/sh")).args(["-e", "-c", script]).status()?;
        if status.success() { Ok(()) } else { Err(format!("{script}: {status}").into()) }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A machine with a container that answers by TLS, and another machine.
struct Published {
    machine: Network,
    elsewhere: Network,
    _container: Network,
    server: Child,
    /// What others ask, and where it is answered.
    port: u16,
    inside: u16,
    _folder: TempDir,
}

impl Published {
    fn start() -> Result<Self> {
        let (machine, elsewhere, container) = (Network::new()?, Network::new()?, Network::new()?);
        let (port, inside, folder) = (free_port()?, free_port()?, tempfile::tempdir()?);
        let [other, inner] = [&elsewhere, &container].map(|network| network.0.id());
        machine.run(&format!(
            "ip link add outside type veth peer name machine netns {other}
             ip link add inside type veth peer name machine netns {inner}
             ip address add {MACHINE}/24 dev outside && ip link set outside up
             ip address add {GATEWAY}/24 dev inside && ip link set inside up
             echo 1 > /proc/sys/net/ipv4/ip_forward"
        ))?;
        for (network, address, gateway) in
            [(&elsewhere, ELSEWHERE, MACHINE), (&container, CONTAINER, GATEWAY)]
        {
            network.run(&format!(
                "ip address add {address}/24 dev machine && ip link set machine up && ip route add default via {gateway}"
            ))?;
        }
        // As container engines have it: for those who come from elsewhere, for the machine itself, and so that answers come back.
        let leads = format!("ip daddr {MACHINE} tcp dport {port} dnat to {CONTAINER}:{inside}");
        let nft = program("nft")?;
        machine.run(&format!(
            "{} -f - <<'END'
             table ip published {{
               chain come {{ type nat hook prerouting priority dstnat; {leads}; }}
               chain leave {{ type nat hook output priority -100; {leads}; }}
               chain out {{ type nat hook postrouting priority srcnat; oifname inside masquerade; }}
             }}\nEND",
            nft.display()
        ))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/server.py");
        let mut server = container.command(&program("python3")?);
        server.env("HOST", CONTAINER).arg(script).arg(inside.to_string()).args(certificate(folder.path())?);
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let published =
            Self { machine, elsewhere, _container: container, server, port, inside, _folder: folder };
        let begun = Instant::now();
        while !published.ask(&published.machine, &[], 1)?.1 {
            if begun.elapsed() > Duration::from_secs(20) {
                return Err("nobody answers at the published port".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(published)
    }

    /// curl asks for so many things at the published port, from this network. Which process that was, and whether it was answered.
    fn ask(&self, from: &Network, options: &[&str], calls: usize) -> Result<(u32, bool)> {
        let mut curl = from.command(&program("curl")?);
        curl.args(["--silent", "--insecure", "--fail"]).args(options);
        for number in 0..calls {
            let url = format!("https://{MACHINE}:{}/items?n={number}", self.port);
            curl.args(["--output", "/dev/null"]).arg(url);
        }
        let mut curl = curl.stderr(Stdio::null()).spawn()?;
        Ok((curl.id(), curl.wait()?.success()))
    }

    /// What is heard while somebody asks: each call once, whoever asked it.
    fn heard(&self, from: &Network, options: &[&str]) -> (Heard, u32) {
        let ports = [self.port, self.inside].map(|port| port.to_string());
        let watch = Watch::start(&["--json", "--port", &ports[0], "--port", &ports[1]]).unwrap();
        let (pid, answered) = self.ask(from, options, CALLS).unwrap();
        let heard = watch.stop().unwrap();
        assert!(answered, "{:#?}", heard.exchanges);
        (heard, pid)
    }

    /// Each call was told once, between these two.
    fn check(&self, (heard, client): &(Heard, u32), address: &str) {
        let query = |call: &Value| call["url.query"].as_str().map(str::to_owned);
        let mut queries: Vec<_> = heard.exchanges.iter().filter_map(query).collect();
        queries.sort_unstable();
        let expected: Vec<_> = (0..CALLS).map(|number| format!("n={number}")).collect();
        assert_eq!(queries, expected, "{:#?}", heard.exchanges);
        for call in &heard.exchanges {
            assert_eq!(call["process.pid"], self.server.id(), "{call}");
            assert_eq!(call["client.process.pid"], *client, "{call}");
            // Its client asked for the published one.
            assert_eq!((&call["server.address"], &call["server.port"]), (&json!(MACHINE), &json!(self.port)));
            assert_eq!(call["client.address"], address, "{call}");
            assert_eq!(call["http.response.body.size"], 7, "{call}");
        }
        assert_eq!(heard.statistics["lost"], json!({}), "{}", heard.statistics);
        assert_eq!(heard.statistics["unreadable"], json!({}), "{}", heard.statistics);
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn a_call_to_a_published_port_is_told_once_between_its_client_and_its_server() {
    let published = Published::start().unwrap();
    let at_once = ["--parallel", "--parallel-immediate"];
    // From the machine itself, whose own addresses the container does not see either.
    published.check(&published.heard(&published.machine, &[]), MACHINE);
    published.check(&published.heard(&published.elsewhere, &[]), ELSEWHERE);
    // A connection for each, all at once.
    published.check(&published.heard(&published.elsewhere, &at_once), ELSEWHERE);
}
