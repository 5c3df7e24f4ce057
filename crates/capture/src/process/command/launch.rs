//! Command lines of programs that only start another one.

use super::words::stem;

/// Programs that start another one and then are it, or wait for it.
const LAUNCHERS: [&str; 20] = [
    "sudo",
    "doas",
    "env",
    "nice",
    "ionice",
    "nohup",
    "setsid",
    "stdbuf",
    "timeout",
    "time",
    "exec",
    "tini",
    "dumb-init",
    "gosu",
    "su-exec",
    "setpriv",
    "chrt",
    "taskset",
    "catchsegv",
    "strace",
];

/// The arguments without what only starts the program: `sudo -u shop env A=1 sh -c "exec node server.js"`.
pub(super) fn unwrapped(arguments: &[String]) -> Vec<String> {
    let mut words = arguments.to_vec();
    // A stranger's command line may nest for ever.
    for _ in 0..8 {
        let Some(program) = words.first().map(|word| stem(word).to_owned()) else { break };
        let next = if LAUNCHERS.contains(&program.as_str()) {
            launched(&program, &words)
        } else if matches!(program.as_str(), "sh" | "bash" | "dash" | "zsh") {
            shell_command(&words)
        } else {
            None
        };
        match next {
            Some(next) if !next.is_empty() => words = next,
            _ => break,
        }
    }
    words
}

/// What a launcher launches: after its options, their values, and variable assignments.
fn launched(program: &str, words: &[String]) -> Option<Vec<String>> {
    let valued: &[&str] = match program {
        "sudo" | "doas" => &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-D"],
        "env" => &["-u", "-C"],
        "nice" | "chrt" => &["-n"],
        "ionice" => &["-c", "-n"],
        "timeout" => &["-s", "-k"],
        "stdbuf" => &["-i", "-o", "-e"],
        "strace" => &["-o", "-e", "-s", "-p"],
        _ => &[],
    };
    let operands = match program {
        "timeout" | "gosu" | "su-exec" | "taskset" => 1,
        _ => 0,
    };
    let (mut at, mut skipped) = (1, 0);
    while let Some(word) = words.get(at) {
        if word == "--" {
            at += 1;
            break;
        } else if valued.contains(&word.as_str()) {
            at += 2;
        } else if word.starts_with('-') || is_assignment(word) {
            at += 1;
        } else if skipped < operands {
            (skipped, at) = (skipped + 1, at + 1);
        } else {
            break;
        }
    }
    words.get(at..).map(<[String]>::to_vec)
}

/// The first command of `sh -c "…"`.
fn shell_command(words: &[String]) -> Option<Vec<String>> {
    let at = words
        .iter()
        .position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
    let command = words.get(at + 1)?;
    // `cd /srv/shop && node server.js`: the last command is the one that stays.
    let last = command
        .split(['\n', ';'])
        .flat_map(|part| part.split("&&"))
        .filter(|part| !part.trim().is_empty())
        .last()?;
    let words = last.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned());
    Some(words.skip_while(|word| is_assignment(word)).collect())
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}
