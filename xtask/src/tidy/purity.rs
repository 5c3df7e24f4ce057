//! The pure crates take time as an argument and touch nothing outside them.

use super::{Complaint, File};

const PURE: [&str; 5] = [
    "crates/exchange/src/",
    "crates/stream/src/",
    "crates/protocol/src/",
    "crates/model/src/",
    "crates/query/src/",
];

const WORLD: [&str; 10] = [
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::net::Tcp",
    "std::net::Udp",
];

/// The crates that may hold unsafe code.
const UNSAFE: [&str; 2] = ["crates/capture/", "crates/probe/"];

pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let rust = files.iter().filter(|file| file.is(&["rs"]));
    rust.flat_map(|file| [world(file), unsafety(file)].concat()).collect()
}

fn world(file: &File) -> Vec<Complaint> {
    if !PURE.iter().any(|folder| file.path.starts_with(folder)) {
        return Vec::new();
    }
    let lines = file.shipped().filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines
        .filter_map(|(number, line)| {
            let name = WORLD.iter().find(|name| line.contains(*name))?;
            Some(Complaint::at(file, number, format!("{name} in a pure crate")))
        })
        .collect()
}

fn unsafety(file: &File) -> Vec<Complaint> {
    if UNSAFE.iter().any(|folder| file.path.starts_with(folder)) {
        return Vec::new();
    }
    let forms = [
        concat!("uns", "afe {"),
        concat!("uns", "afe fn"),
        concat!("uns", "afe impl"),
        concat!("uns", "afe("),
    ];
    file.lines()
        .filter(|(_, line)| forms.iter().any(|form| line.contains(form)))
        .map(|(number, _)| Complaint::at(file, number, "unsafe code outside capture and probe"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{File, check};

    fn count(path: &str, text: &str) -> usize {
        check(&[File::new(path, text)]).len()
    }

    #[test]
    fn pure_crates_do_not_touch_the_world_but_their_tests_may() {
        assert_eq!(count("crates/model/src/a.rs", "let now = Instant::now();\n"), 1);
        assert_eq!(count("crates/model/src/a.rs", "/// Never calls Instant::now.\n"), 0);
        assert_eq!(count("crates/model/src/a.rs", "#[cfg(test)]\nuse std::fs;\n"), 0);
        assert_eq!(count("crates/cli/src/a.rs", "use std::fs;\n"), 0);
    }

    #[test]
    fn unsafe_code_stays_in_two_crates() {
        let text = concat!("uns", "afe { danger() }\n");
        assert_eq!(count("crates/cli/src/a.rs", text), 1);
        assert_eq!(count("crates/capture/src/a.rs", text), 0);
    }
}
