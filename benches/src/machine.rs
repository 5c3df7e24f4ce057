//! On what the figures were measured.

use crate::Result;
use std::{fs, process::Command};

/// One line: date, processor, cores, memory, kernel.
pub(crate) fn describe() -> Result<String> {
    let date = Command::new("date").args(["--utc", "+%Y-%m-%d"]).output()?.stdout;
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = field(&processors, "model name").unwrap_or("unknown processor");
    let memory: u64 = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal")
        .and_then(|total| total.split(' ').next()?.parse().ok())
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let version = kernel.split('-').next().unwrap_or_default().trim();
    Ok(format!(
        "Measured {} by `cargo xtask bench` on {model}, {} cores, {} GiB, Linux {version}.",
        String::from_utf8_lossy(&date).trim(),
        std::thread::available_parallelism()?,
        memory.div_ceil(1 << 20),
    ))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}
