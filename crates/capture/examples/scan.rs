//! How long the TLS functions of a busy machine take to find, and how much memory: starts processes that sleep with
//! libssl mapped (every tenth with a copy of its own), looks at all there are, and says so.
//!
//! `cargo run --release -p overhear-capture --example scan -- 500 [PROGRAM…]`: programs that are looked at beside.

use overhear_capture::tls::Scanner;
use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Instant,
};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let number = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(500);
    let folder = env::temp_dir().join(format!("overhear-scan-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut sleeping = start(number, &folder)?;
    let began = Instant::now();
    let mut scanner = Scanner::new(Vec::new());
    let mut found = scanner.installed();
    found.extend(scanner.scan()?);
    let first = began.elapsed();
    let began = Instant::now();
    let again = scanner.scan()?.len();
    let second = began.elapsed();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{number} processes: {} files with TLS in {first:?}, {again} more in another {second:?}; peak {}",
        found.len(),
        peak()
    )?;
    for program in arguments {
        let began = Instant::now();
        let mapped = scanner.program(Path::new(&program));
        writeln!(out, "{program}: {:?}; peak {}", began.elapsed(), peak())?;
        for site in mapped.iter().flat_map(|mapped| &mapped.found.sites) {
            writeln!(out, "    {site:x?}")?;
        }
    }
    for child in &mut sleeping {
        child.kill()?;
        child.wait()?;
    }
    fs::remove_dir_all(folder)
}

fn start(number: usize, folder: &Path) -> io::Result<Vec<Child>> {
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];
    let libraries = places.iter().map(|place| Path::new(place).join("libssl.so.3"));
    let library = libraries.into_iter().find(|path| path.exists()).ok_or(io::ErrorKind::NotFound)?;
    let own = |index: usize| -> io::Result<PathBuf> {
        let copy = folder.join(format!("libssl-{index}.so.3"));
        fs::copy(&library, &copy)?;
        Ok(copy)
    };
    let mut started = Vec::new();
    for index in 0..number {
        let mapped = if index % 10 == 0 { own(index)? } else { library.clone() };
        started.push(Command::new("sleep").arg("120").env("LD_PRELOAD", mapped).spawn()?);
    }
    // Until the last of them has its libraries.
    std::thread::sleep(std::time::Duration::from_millis(500));
    Ok(started)
}

/// `VmHWM` of proc_pid_status(5).
fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}
