//! Sketches of `.proto` files: what can be told of remote procedures by their messages alone, in the protocol buffers
//! language (proto3). They compile, and they read what was seen.
//!
//! The wire has no names but those of services and methods. Where descriptors are at hand, they give the others.

#[cfg(test)]
mod tests;

pub use overhear_model::descriptors::{Descriptors, NotDescriptors};

use overhear_model::descriptors::{KnownField, KnownKind, KnownMessage, KnownMethod};
use overhear_query::{
    ApiProcedure,
    shape::{Procedure, ProtoField, ProtoKind, ProtoMessage, Sent},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Numbers that may not be used (protobuf.dev, Assigning Field Numbers).
const RESERVED: std::ops::RangeInclusive<u32> = 19_000..=19_999;
/// Packages that everybody has, and that others describe.
const COMMON: [&str; 3] = ["grpc.reflection.v1", "grpc.reflection.v1alpha", "grpc.health.v1"];

/// A sketch for each package, by its name. It is empty for services without one.
pub fn sketches(procedures: &[ApiProcedure], descriptors: &Descriptors) -> BTreeMap<String, String> {
    let mut packages = BTreeMap::<&str, BTreeMap<&str, Vec<(&str, &ApiProcedure)>>>::new();
    for procedure in procedures {
        let Some((service, method)) = procedure.name.split_once('/') else { continue };
        let (package, service) = service.rsplit_once('.').unwrap_or(("", service));
        if !COMMON.contains(&package)
            && is_name(service)
            && is_name(method)
            && (package.is_empty() || package.split('.').all(is_name))
        {
            packages.entry(package).or_default().entry(service).or_default().push((method, procedure));
        }
    }
    let sketch = |(package, services): (&str, BTreeMap<_, _>)| {
        let text = Sketch::new(descriptors).file(package, &services);
        (package.to_owned(), text)
    };
    packages.into_iter().map(sketch).collect()
}

/// The same of one procedure, without what a file begins with.
pub fn sketch(name: &str, procedure: &Procedure, descriptors: &Descriptors) -> Option<String> {
    let procedure = ApiProcedure { name: name.into(), procedure: procedure.clone() };
    let file = sketches(std::slice::from_ref(&procedure), descriptors).into_values().next()?;
    file.split_once("\nservice ").map(|(_, rest)| format!("service {rest}"))
}

struct Sketch<'a> {
    descriptors: &'a Descriptors,
    text: String,
    /// Names at the top that are taken.
    taken: BTreeSet<String>,
    /// What is to be written after the services.
    wanted: Vec<Wanted<'a>>,
}

type Services<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a ApiProcedure)>>;

/// A message to be written, with what is known of its names.
struct Wanted<'a> {
    name: String,
    /// Its name in the descriptors.
    full: Option<&'a str>,
    sent: &'a Sent,
    known: Option<&'a KnownMessage>,
}

impl<'a> Sketch<'a> {
    fn new(descriptors: &'a Descriptors) -> Self {
        Self { descriptors, text: String::new(), taken: BTreeSet::new(), wanted: Vec::new() }
    }

    fn file(mut self, package: &str, services: &Services<'a>) -> String {
        self.line(0, "syntax = \"proto3\";\n");
        self.line(0, "// A sketch by Overhear, of what was heard. It reads that; it is not the contract.");
        if self.descriptors.is_empty() {
            self.line(0, "// Only services and methods have their own names: the wire knows no others.");
        }
        self.line(0, "");
        if !package.is_empty() {
            self.line(0, &format!("package {package};\n"));
        }
        self.taken.extend(services.keys().map(|service| (*service).to_owned()));
        for (service, methods) in services {
            self.line(0, &format!("service {service} {{"));
            methods.iter().for_each(|(method, procedure)| self.method(service, method, procedure));
            self.line(0, "}\n");
        }
        for Wanted { name, sent, known, .. } in std::mem::take(&mut self.wanted) {
            if sent.unread > 0 {
                self.line(0, &format!("// {} more messages could not be read.", sent.unread));
            }
            self.message(0, &name, &sent.message, known);
            self.line(0, "");
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
        self.text
    }

    fn method(&mut self, service: &str, method: &str, procedure: &'a ApiProcedure) {
        let known = self.descriptors.method(&procedure.name);
        let Procedure { calls, request, response } = &procedure.procedure;
        let [asks, answers] = known.map(|known| known.streams).unwrap_or_default();
        let stream = |told: bool, sent: &Sent| if told || sent.streams { "stream " } else { "" };
        let (asks, answers) = (stream(asks, request), stream(answers, response));
        let full = |of: fn(&KnownMethod) -> &String| known.map(|known| of(known).as_str());
        let plain = format!("{service}{method}");
        let plural = if *calls == 1 { "" } else { "s" };
        let request = self.name(full(|known| &known.input), format!("{plain}Request"), request);
        let response = self.name(full(|known| &known.output), format!("{plain}Response"), response);
        self.line(
            1,
            &format!("rpc {method}({asks}{request}) returns ({answers}{response});  // {calls} call{plural}"),
        );
    }

    /// What a message is called here. What descriptors give one name is one message: what was seen most of it is told.
    fn name(&mut self, full: Option<&'a str>, plain: String, sent: &'a Sent) -> String {
        let same = |wanted: &&mut Wanted<'_>| full.is_some() && wanted.full == full;
        if let Some(wanted) = self.wanted.iter_mut().find(same) {
            if sent.seen > wanted.sent.seen {
                wanted.sent = sent;
            }
            return wanted.name.clone();
        }
        let known = full.and_then(|full| self.descriptors.message(full));
        let name = free(&mut self.taken, known.map_or(plain, |known| known.name.clone()));
        self.wanted.push(Wanted { name: name.clone(), full, sent, known });
        name
    }

    fn message(&mut self, depth: usize, name: &str, message: &ProtoMessage, known: Option<&KnownMessage>) {
        if message.fields.is_empty() && known.is_none_or(|known| known.fields.is_empty()) {
            return self.line(depth, &format!("message {name} {{}}"));
        }
        self.line(depth, &format!("message {name} {{"));
        let mut names = BTreeSet::new();
        let told = known.into_iter().flat_map(|known| known.fields.values()).map(|field| field.name.clone());
        names.extend(told);
        for field in &message.fields {
            let known = known.and_then(|known| known.fields.get(&field.number));
            self.field(depth + 1, field, (message.seen, known), &mut names);
        }
        for (number, field) in known.into_iter().flat_map(|known| &known.fields) {
            if let Some(KnownKind::Scalar(kind)) = field.kind()
                && !message.fields.iter().any(|seen| seen.number == *number)
            {
                let repeated = if field.repeated { "repeated " } else { "" };
                let line = format!("{repeated}{kind} {} = {number};  // never seen", field.name);
                self.line(depth + 1, &line);
            }
        }
        self.line(depth, "}");
    }

    fn field(
        &mut self,
        depth: usize,
        field: &ProtoField,
        (of, known): (u64, Option<&KnownField>),
        names: &mut BTreeSet<String>,
    ) {
        let ProtoField { number, present, .. } = *field;
        if RESERVED.contains(&number) {
            return self.line(depth, &format!("// {number} was seen, which no field may be numbered."));
        }
        let repeated =
            if field.repeated || known.is_some_and(|known| known.repeated) { "repeated " } else { "" };
        let name = known.map_or_else(|| free(names, format!("field_{number}")), |known| known.name.clone());
        let mut note = format!("in {present} of {of}");
        let kind = match (&field.kind, known.and_then(KnownField::kind)) {
            (ProtoKind::Message(message), told) => {
                let told = match told {
                    Some(KnownKind::Message(name)) => self.descriptors.message(name),
                    Some(KnownKind::Scalar(_) | KnownKind::Enum(_)) | None => None,
                };
                let plain = told.map_or_else(|| format!("Field{number}"), |told| told.name.clone());
                let inner = free(names, plain);
                self.message(depth, &inner, message, told);
                inner
            }
            (_, Some(KnownKind::Scalar(scalar))) => scalar.to_owned(),
            (_, Some(KnownKind::Enum(name))) => {
                let _ = write!(note, ", {}", name.trim_start_matches('.'));
                "int32".to_owned()
            }
            // Nothing was in it whenever it was there.
            (_, Some(KnownKind::Message(_))) => "bytes".to_owned(),
            (kind, None) => scalar(kind).to_owned(),
        };
        self.line(depth, &format!("{repeated}{kind} {name} = {number};  // {note}"));
    }

    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.text, "{:1$}{text}", "", 2 * depth);
    }
}

const fn scalar(kind: &ProtoKind) -> &'static str {
    // Of a message that is not told only that is known that it is one.
    if let ProtoKind::Message(_) = kind { "bytes" } else { kind.as_str() }
}

/// The name, or one like it that is not taken.
fn free(taken: &mut BTreeSet<String>, name: String) -> String {
    let mut candidate = name.clone();
    let mut number = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}{number}");
        number += 1;
    }
    candidate
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
