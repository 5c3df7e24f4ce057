//! The questions a running `watch` answers at its socket. A question is one line of JSON, such as
//! `{"ask": "requests", "where": "…"}`, `{"ask": "model"}` or `{"ask": "statistics"}`. The answer begins with a line
//! `{"ok": true}` or `{"error": "…"}`; exchanges follow as NDJSON, a model as its bytes, statistics as a line.

use crate::{
    arguments::{Period, Scope, Socket},
    choice::{self, Choice, Routes},
    fault::Fault,
    json,
    knowledge::{self, Knowledge},
    output::tell,
    time::Moment,
};
use overhear_exchange::Timestamp;
use overhear_model::{Hints, Model};
use overhear_pipeline::{
    Picture,
    control::{self, Control, ServeError},
};
use overhear_query::LiveSource;
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, ErrorKind, Read as _, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where a running `watch` of this user answers; `None` when there is no place for it.
pub(crate) fn path(socket: &Socket) -> Option<PathBuf> {
    if let Some(path) = &socket.socket {
        return Some(path.clone());
    }
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/run/overhear/live.sock"));
    }
    let folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty())?;
    Some(Path::new(&folder).join("overhear/live.sock"))
}

/// Answers questions about this picture until the result is dropped. Listening goes on without, too.
pub(crate) fn answer(socket: &Socket, picture: &Picture) -> Option<Control> {
    let picture = picture.clone();
    let respond = move |question: &str, out: &mut dyn Write| respond(question, &picture, out);
    match control::serve(&path(socket)?, Arc::new(respond)) {
        Ok(control) => Some(control),
        Err(error @ ServeError::Taken(_)) => {
            tell(&format!(
                "overhear: {error}: this one cannot be asked; give it another place with --socket"
            ));
            None
        }
        Err(error @ ServeError::Io { .. }) => {
            tell(&format!("overhear: cannot answer questions: {error}"));
            None
        }
    }
}

/// The model of the running `watch`.
pub(crate) fn model(socket: &Socket) -> Result<Model, Fault> {
    let answer = ask(socket, &json!({"ask": "model"}))?;
    Model::load(answer).map_err(|error| Fault::new(format_args!("the running watch answers oddly: {error}")))
}

/// Recent exchanges of the running `watch`, oldest first, as lines of JSON.
pub(crate) fn requests(
    socket: &Socket,
    scope: &Scope,
    period: Period,
    knowledge: &Knowledge,
) -> Result<impl BufRead + use<>, Fault> {
    let nanos = |moment: Option<Moment>| moment.map(|moment| moment.0.as_nanos());
    let question = json!({
        "ask": "requests",
        "where": scope.expression,
        "service": scope.service,
        "since": nanos(period.since),
        "until": nanos(period.until),
        "force": knowledge.forced().collect::<Vec<_>>(),
        "forbid": knowledge.forbidden().collect::<Vec<_>>(),
    });
    ask(socket, &question)
}

/// What the running `watch` captured and lost so far, as [`json::statistics`] has it; `None` when none runs here.
pub(crate) fn statistics(socket: &Socket) -> Result<Option<Value>, Fault> {
    let Some(path) = path(socket) else { return Ok(None) };
    let answer = match control::ask(&path, &json!({"ask": "statistics"}).to_string()) {
        Ok(answer) => answer,
        // The second is what is left of one that was killed.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(Fault::new(format_args!(
                "the running watch cannot be asked: {}: {error}",
                path.display()
            )));
        }
    };
    let mut line = String::new();
    let read = accepted(answer, &path)?.take(LONGEST_LINE).read_line(&mut line);
    let odd = |error: &dyn std::fmt::Display| {
        Fault::new(format_args!("{}: the running watch answers oddly: {error}", path.display()))
    };
    read.map_err(|error| odd(&error))?;
    serde_json::from_str(&line).map(Some).map_err(|error| odd(&error))
}

fn ask(socket: &Socket, question: &Value) -> Result<impl BufRead + use<>, Fault> {
    let none =
        || Fault::new("nobody listens: start `overhear watch` first, or name captures with --from FILE");
    let path = path(socket).ok_or_else(none)?;
    let user = !rustix::process::geteuid().is_root() && socket.socket.is_none();
    let answer = control::ask(&path, &question.to_string()).map_err(|error| {
        if error.kind() == ErrorKind::PermissionDenied {
            let path = path.display();
            Fault::new(format_args!("{path}: permission denied: ask with sudo, as watch was started"))
        } else if user {
            Fault::new(
                "nobody listens as this user: ask with sudo if `overhear watch` was started so, \
                 or name captures with --from FILE",
            )
        } else {
            none()
        }
    })?;
    accepted(answer, &path)
}

/// The answer behind its first line, if that says that the question was understood.
fn accepted<A: BufRead>(mut answer: A, path: &Path) -> Result<A, Fault> {
    let mut first = String::new();
    answer
        .by_ref()
        .take(LONGEST_LINE)
        .read_line(&mut first)
        .map_err(|error| Fault::new(format_args!("{}: {error}", path.display())))?;
    let first: Value = serde_json::from_str(&first).unwrap_or_default();
    match (&first["ok"], first["error"].as_str()) {
        (Value::Bool(true), _) => Ok(answer),
        (_, Some(error)) => Err(Fault::Said(error.to_owned())),
        (_, None) => Err(Fault::new(format_args!("{}: what listens there is no overhear", path.display()))),
    }
}

/// Longest line of an answer that is read whole, in bytes.
const LONGEST_LINE: u64 = 1 << 20;
/// Most exchanges in one answer.
const MOST: usize = 100_000;

fn respond(question: &str, picture: &Picture, out: &mut dyn Write) -> io::Result<()> {
    let question: Value = serde_json::from_str(question).unwrap_or_default();
    match question["ask"].as_str() {
        Some("model") => {
            writeln!(out, "{}", json!({"ok": true}))?;
            picture.model().save(out).map_err(io::Error::other)
        }
        Some("statistics") => {
            writeln!(out, "{}", json!({"ok": true}))?;
            writeln!(out, "{}", json::statistics(&picture.statistics()))
        }
        Some("requests") => match chosen(&question) {
            Ok(choice) => {
                writeln!(out, "{}", json!({"ok": true}))?;
                list(picture, &choice, told(&question), out)
            }
            Err(fault) => writeln!(out, "{}", json!({"error": fault.to_string()})),
        },
        Some(_) | None => {
            writeln!(
                out,
                "{}",
                json!({"error": "overhear: this question is not known here: use the same version for both"})
            )
        }
    }
}

fn chosen(question: &Value) -> Result<Choice, Fault> {
    let text = |key: &str| question[key].as_str().map(str::to_owned);
    let moment = |key: &str| question[key].as_u64().map(|nanos| Moment(Timestamp::from_nanos(nanos)));
    let scope = Scope { expression: text("where"), service: text("service") };
    Choice::new(&scope, Period { since: moment("since"), until: moment("until") })
}

/// What whoever asks knows of routes.
fn told(question: &Value) -> Hints {
    let templates = |key: &str| question[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    knowledge::hints(templates("force"), templates("forbid"))
}

fn list(picture: &Picture, choice: &Choice, hints: Hints, out: &mut dyn Write) -> io::Result<()> {
    let mut line = Vec::new();
    // Routes are decided anew only for somebody who knows more of them than the traffic says.
    let decided = (!hints.is_empty()).then(|| {
        let mut model = picture.model();
        model.set_hints(hints);
        model.settle();
        model
    });
    let routes: Routes<'_> = &|exchange| match &decided {
        Some(model) => model.route_of(exchange),
        None => picture.route_of(exchange),
    };
    let recent = picture.recent(None, MOST);
    for exchange in recent.iter().rev().filter(|exchange| choice.includes(exchange, routes)) {
        line.clear();
        json::write_exchange(&mut line, exchange, Some(&choice::of(exchange, routes)))?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
}
