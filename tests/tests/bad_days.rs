//! Bad input and bad days: one clear message, the right exit code, bounded memory, no panic.

use overhear_testkit::copy_program;
use overhear_tests::{
    Result,
    program::{Said, run, run_with_input},
};
use std::{os::unix::process::CommandExt as _, path::Path, process::Command};

fn is_clear(said: &Said) {
    assert_eq!(said.code, Some(2), "{} {}", said.out, said.err);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    let lines = said.err.lines().filter(|line| !line.trim().is_empty()).count();
    assert!((1..=4).contains(&lines), "one clear message, not {lines} lines: {}", said.err);
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<String> {
    let file = folder.join(name);
    std::fs::write(&file, bytes)?;
    Ok(file.display().to_string())
}

#[test]
fn files_that_are_not_there_or_no_files() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["/does/not/exist.pcap".to_owned(), folder.path().display().to_string()] {
        for command in [vec!["read", &path], vec!["requests", "--json", "--from", &path]] {
            is_clear(&run(&command).unwrap());
        }
    }
}

/// Bytes that look random and are the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn noise_after_a_valid_header() {
    let folder = tempfile::tempdir().unwrap();
    let header = [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    let file = write(folder.path(), "noise.pcap", &[&header[..], &noise(1_000_000)].concat()).unwrap();
    is_clear(&run(&["read", &file]).unwrap());
    let file =
        write(folder.path(), "noise.pcapng", &[&[0x0a, 0x0d, 0x0d, 0x0a][..], &noise(1_000_000)].concat())
            .unwrap();
    is_clear(&run(&["read", &file]).unwrap());
}

/// A line that never ends, in no more memory than any other file.
#[test]
fn an_endless_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("line.har");
    let sparse = std::fs::File::create(&file).unwrap();
    sparse.set_len(4 << 30).unwrap();
    drop(sparse);
    let mut command = Command::new(overhear_tests::program::overhear().unwrap());
    command.args(["read", "--no-store"]).arg(&file);
    let said = limited(&command).unwrap();
    assert_eq!(said.code, Some(2), "{} {}", said.out, said.err);
}

/// Runs with a limit of 1 GiB of address space.
fn limited(command: &Command) -> Result<Said> {
    let mut limited = Command::new("prlimit");
    let output =
        limited.arg("--as=1073741824").arg(command.get_program()).args(command.get_args()).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code() })
}

#[test]
fn standard_input_that_is_empty_or_noise() {
    is_clear(&run_with_input(&["read", "-"], Vec::new()).unwrap());
    is_clear(&run_with_input(&["read", "-"], noise(100_000)).unwrap());
}

#[test]
fn unknown_words_and_broken_expressions() {
    let said = run(&["listen"]).unwrap();
    assert_eq!(said.code, Some(2), "{}", said.err);
    let file = overhear_tests::captures::folder().join("simple.pcap").display().to_string();
    is_clear(&run(&["requests", "--json", "--from", &file, "--where", "http.request.method =="]).unwrap());
}

#[test]
fn where_keeps_what_it_says() {
    let file = overhear_tests::captures::folder().join("pipelined.pcap").display().to_string();
    let expression = "http.response.status_code == 404";
    let said = run(&["requests", "--json", "--from", &file, "--where", expression]).unwrap();
    let lines = said.lines().unwrap();
    assert_eq!(lines.len(), 1, "{} {}", said.out, said.err);
    assert_eq!(lines[0]["url.path"], "/b");
}

/// Without root it says what to do, in words that can be pasted.
#[test]
fn without_root_watch_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("overhear");
    copy_program(overhear_tests::program::overhear().unwrap(), &binary).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new(&binary)
        .args(["watch", "--for", "1s", "--json"])
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("sudo") || err.contains("root"), "{err}");
}

/// Runs in a mount namespace of its own, in which this was done before.
fn after(prepare: &str, arguments: &[&str]) -> Result<Said> {
    let script = format!("{prepare} && exec \"$@\"");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script, "sh"])
        .arg(overhear_tests::program::overhear()?)
        .args(arguments)
        // The machine's own store is none of a test's business.
        .envs([("OVERHEAR_NO_STORE", "true"), ("OVERHEAR_NO_PAGE", "true")])
        .output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code() })
}

/// A `watch` that would end by itself if it could begin.
const WATCH: [&str; 6] = ["watch", "--json", "--for", "1s", "--port", "9"];

#[test]
fn without_the_kernels_types_it_says_what_is_missing() {
    let hide = "mount -t tmpfs none /sys/kernel/btf";
    let said = after(hide, &WATCH).unwrap();
    is_clear(&said);
    assert!(said.err.contains("/sys/kernel/btf/vmlinux is missing"), "{}", said.err);
    assert!(said.err.contains("CONFIG_DEBUG_INFO_BTF"), "{}", said.err);
    let doctor = after(hide, &["doctor"]).unwrap();
    assert_eq!(doctor.code, Some(1), "{}", doctor.err);
    assert!(doctor.out.contains("/sys/kernel/btf/vmlinux is missing"), "{}", doctor.out);
}

/// Mounts types in which this name is another over the kernel's.
fn without(name: &str, folder: &Path) -> std::io::Result<String> {
    let name = format!("\0{name}\0");
    let mut types = std::fs::read("/sys/kernel/btf/vmlinux")?;
    let found = types.windows(name.len()).position(|window| window == name.as_bytes());
    if let Some(first) = found.and_then(|at| types.get_mut(at + 1)) {
        *first = b'x';
    }
    let file = write(folder, "types", &types)?;
    Ok(format!("mount --bind '{file}' /sys/kernel/btf/vmlinux"))
}

/// A kernel that is new enough, and whose types name no such tracepoint.
#[test]
fn without_a_tracepoint_it_says_which_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let replace = without("btf_trace_inet_sock_set_state", folder.path()).unwrap();
    let said = after(&replace, &WATCH).unwrap();
    is_clear(&said);
    assert!(said.err.contains("tracepoint inet_sock_set_state is missing in kernel"), "{}", said.err);
    let doctor = after(&replace, &["doctor"]).unwrap();
    assert_eq!(doctor.code, Some(1), "{}", doctor.err);
    assert!(doctor.out.contains("tracepoint inet_sock_set_state is missing"), "{}", doctor.out);
}

/// What an older kernel lacks is heard by the system calls.
#[test]
fn without_the_tracepoints_of_sockets_it_hears_by_system_calls() {
    let folder = tempfile::tempdir().unwrap();
    let replace = without("btf_trace_sock_recv_length", folder.path()).unwrap();
    let said = after(&replace, &WATCH).unwrap();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("listening on port 9"), "{}", said.err);
    let doctor = after(&replace, &["doctor"]).unwrap();
    assert_eq!(doctor.code, Some(0), "{}", doctor.err);
    let why = "listens by the system calls, which costs more: tracepoint sock_recv_length is missing";
    assert!(doctor.out.contains(why), "{}", doctor.out);
    let packets = "counts what sendfile, splice and io_uring move without reading it";
    assert!(doctor.out.contains(packets), "{}", doctor.out);
}

/// What is in no buffer of a call can be counted, and not be read.
#[test]
fn without_the_tracepoints_of_packets_doctor_says_what_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let replace = without("btf_trace_tcp_probe", folder.path()).unwrap();
    let doctor = after(&replace, &["doctor"]).unwrap();
    assert_eq!(doctor.code, Some(0), "{}", doctor.err);
    let why = "! counts what sendfile, splice and io_uring move, and cannot read it: tracepoint tcp_probe is missing\n";
    assert!(doctor.out.contains(why), "{}", doctor.out);
    let doctor = after(&replace, &["doctor", "--json"]).unwrap();
    assert_eq!(doctor.document().unwrap()["checks"]["packets"]["state"], "note", "{}", doctor.out);
    // Nothing else depends on it.
    let watch = after(&replace, &WATCH).unwrap();
    assert_eq!(watch.code, Some(0), "{}", watch.err);
}

#[test]
fn an_unknown_plan_is_told() {
    let mut watch = Command::new(overhear_tests::program::overhear().unwrap());
    let output = watch.args(WATCH).env("OVERHEAR_PLAN", "guess").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("OVERHEAR_PLAN=guess: no such plan; there are sockets, syscalls"), "{err}");
}

/// A closed pipe is no reason to panic.
#[test]
fn a_reader_that_leaves() {
    let file = overhear_tests::captures::folder().join("keep_alive_100.pcap");
    let binary = overhear_tests::program::overhear().unwrap();
    let script = format!("'{}' requests --json --from '{}' | head -n 1", binary.display(), file.display());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}
