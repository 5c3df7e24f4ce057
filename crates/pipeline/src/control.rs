//! How other commands ask a running listener: a unix socket, one question per connection.
//!
//! A question is one line; the answer is whatever follows until the socket is closed. What questions and answers say
//! is the front end's business; who may ask is the file system's: the socket is its owner's alone.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Longest question, in bytes.
const LONGEST_QUESTION: u64 = 64 * 1024;
/// Questions answered at once; more have to wait for their turn to be refused.
const AT_ONCE: usize = 8;
/// How long somebody may take to ask, or to take a part of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers one question, given as its line.
pub type Answer = dyn Fn(&str, &mut dyn Write) -> io::Result<()> + Send + Sync;

/// The listening socket. Dropping it takes it away.
pub struct Control {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no socket to be asked at.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another listener is there already.
    #[error("another overhear answers at {0} already")]
    Taken(PathBuf),
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Answers questions at `path` until the result is dropped.
///
/// # Errors
/// When somebody else answers there, or the socket cannot be made.
pub fn serve(path: &Path, answer: Arc<Answer>) -> Result<Control, ServeError> {
    let failed = |source| ServeError::Io { path: path.to_owned(), source };
    if UnixStream::connect(path).is_ok() {
        return Err(ServeError::Taken(path.to_owned()));
    }
    let listener = bind(path).map_err(failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = thread::Builder::new()
        .name("answer".to_owned())
        .spawn(move || accept(&listener, &stopped, &answer))
        .map_err(failed)?;
    Ok(Control { path: path.to_owned(), stop, thread: Some(thread) })
}

/// Asks the listener at `path`. The answer is read from the result.
///
/// # Errors
/// When nobody answers there.
pub fn ask(path: &Path, question: &str) -> io::Result<impl BufRead + use<>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(question.as_bytes())?;
    stream.write_all(b"\n")?;
    Ok(BufReader::new(stream))
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread; when that fails the process is about to end anyway.
        let woken = UnixStream::connect(&self.path).is_ok();
        let _ = fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

/// Makes the socket in a folder that only its owner can enter, so that nobody connects before its mode is set.
/// What is left of a listener that died is taken away; anything that is no socket is left alone.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn accept(listener: &UnixListener, stop: &AtomicBool, answer: &Arc<Answer>) {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of file descriptors: trying again at once would only burn time.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if busy.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
            busy.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (answer, done) = (Arc::clone(answer), Arc::clone(&busy));
        let spawned = thread::Builder::new().name("answer one".to_owned()).spawn(move || {
            // Whoever asked has gone; there is nobody to tell.
            let _ = converse(&stream, &*answer);
            done.fetch_sub(1, Ordering::Relaxed);
        });
        if spawned.is_err() {
            busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn converse(stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = String::new();
    BufReader::new(stream.take(LONGEST_QUESTION)).read_line(&mut question)?;
    let mut out = BufWriter::new(stream);
    answer(question.trim_end(), &mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::{ServeError, ask, serve};
    use std::{fs, io::Read, io::Write, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

    fn echo(path: &Path) -> Result<super::Control, ServeError> {
        serve(path, Arc::new(|question: &str, out: &mut dyn Write| write!(out, "you said {question}")))
    }

    fn answer(path: &Path, question: &str) -> String {
        let mut text = String::new();
        ask(path, question).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn answers_its_owner_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/live.sock");
        let control = echo(&path).unwrap();
        assert_eq!(answer(&path, "hello"), "you said hello");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(echo(&path), Err(ServeError::Taken(_))));
        assert_eq!(answer(&path, "still there?"), "you said still there?");
        drop(control);
        assert!(!path.exists());
        assert!(ask(&path, "anybody?").is_err());
    }

    #[test]
    fn takes_the_place_of_a_dead_one_but_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(echo(&path).unwrap());
        fs::write(&path, "precious").unwrap();
        assert!(matches!(echo(&path), Err(ServeError::Io { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn an_endless_question_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.sock");
        let _control = echo(&path).unwrap();
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let _ = stream.write_all(&vec![b'x'; 1 << 20]);
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        assert!(text.len() <= (64 << 10) + 9, "{}", text.len());
    }
}
