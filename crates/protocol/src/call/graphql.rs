//! GraphQL over HTTP (draft of 2025, §5) and documents (GraphQL October 2021, §2), as far as they name an operation.

use super::{ANONYMOUS, BATCH, LONGEST_NAME, first, name};
use overhear_exchange::{Call, CallSystem, GraphQlType};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    query: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "operationName")]
    operation: Option<Cow<'a, str>>,
    /// Persisted documents come without their text.
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Default, Deserialize)]
struct Extensions {
    #[serde(rename = "persistedQuery")]
    persisted: Option<serde::de::IgnoredAny>,
}

/// A POST body.
pub(super) fn in_body(text: &str) -> Option<Call> {
    let (value, is_batch) = first(text)?;
    let request: Request<'_> = serde_json::from_str(value.get()).ok()?;
    let call = match (&request.query, &request.operation) {
        (Some(query), wanted) => document(query, wanted.as_deref())?,
        (None, Some(wanted)) if request.extensions.is_some_and(|all| all.persisted.is_some()) => {
            Call { system: CallSystem::GraphQl(GraphQlType::Query), name: name(wanted)?, rpc: None }
        }
        (None, _) => return None,
    };
    if is_batch { Some(Call { name: BATCH.into(), ..call }) } else { Some(call) }
}

/// The query of a GET target.
pub(super) fn in_query(query: &str) -> Option<Call> {
    let parameter = |wanted: &str| {
        let value =
            query.split('&').find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == wanted))?.1;
        Some(percent_decoded(value))
    };
    document(&parameter("query")?, parameter("operationName").as_deref())
}

/// `application/x-www-form-urlencoded`, as far as it is UTF-8.
fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                let code =
                    std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                out.extend(code);
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// An executable document: the operation that is wanted, or the only one. An anonymous one is called by the fields it
/// selects at its root.
pub(super) fn document(text: &str, wanted: Option<&str>) -> Option<Call> {
    let wanted = wanted.filter(|wanted| !wanted.is_empty());
    let operations = operations(text);
    let operation = match wanted {
        Some(wanted) => operations.iter().find(|operation| operation.name == Some(wanted)),
        None => operations.first(),
    }?;
    let name = operation.name.and_then(name).unwrap_or_else(|| operation.fields());
    Some(Call { system: CallSystem::GraphQl(operation.kind), name, rpc: None })
}

/// One OperationDefinition (§2.3).
struct Operation<'a> {
    kind: GraphQlType,
    name: Option<&'a str>,
    /// Names of the fields at its root, without their aliases.
    roots: Vec<&'a str>,
}

impl Operation<'_> {
    fn fields(&self) -> Box<str> {
        let mut roots = self.roots.clone();
        roots.sort_unstable();
        roots.dedup();
        let joined = roots.join(",");
        if joined.is_empty() || joined.len() > LONGEST_NAME { ANONYMOUS.into() } else { joined.into() }
    }
}

/// The operations of a document; nothing where it is none. A document that was cut gives what was whole.
fn operations(text: &str) -> Vec<Operation<'_>> {
    let mut tokens = Tokens { rest: text };
    let mut operations = Vec::new();
    while let Some(token) = tokens.next() {
        let kind = match token {
            "{" => {
                let roots = selection(&mut tokens);
                operations.push(Operation { kind: GraphQlType::Query, name: None, roots });
                continue;
            }
            "query" => GraphQlType::Query,
            "mutation" => GraphQlType::Mutation,
            "subscription" => GraphQlType::Subscription,
            "fragment" => {
                if until_brace(&mut tokens).is_none() {
                    return operations;
                }
                selection(&mut tokens);
                continue;
            }
            _ => return operations,
        };
        let Some(name) = until_brace(&mut tokens) else { return operations };
        operations.push(Operation { kind, name, roots: selection(&mut tokens) });
    }
    operations
}

/// Goes to the selection set, past variables and directives; the name that comes first, if one does. `None` at the end.
fn until_brace<'a>(tokens: &mut Tokens<'a>) -> Option<Option<&'a str>> {
    let mut name = None;
    let mut parentheses = 0_usize;
    for at in 0.. {
        match tokens.next()? {
            "(" => parentheses += 1,
            ")" => parentheses = parentheses.saturating_sub(1),
            "{" if parentheses == 0 => return Some(name),
            word if at == 0 && is_name(word) => name = Some(word),
            _ => {}
        }
    }
    None
}

/// Reads a selection set to its end; the fields at its root.
fn selection<'a>(tokens: &mut Tokens<'a>) -> Vec<&'a str> {
    let (mut fields, mut braces, mut parentheses) = (Vec::new(), 1_usize, 0_usize);
    let mut previous = "";
    for token in tokens {
        match token {
            "{" => braces += 1,
            "}" if braces == 1 => return fields,
            "}" => braces -= 1,
            "(" => parentheses += 1,
            ")" => parentheses = parentheses.saturating_sub(1),
            word if braces == 1 && parentheses == 0 && is_name(word) => {
                if previous == ":" {
                    fields.pop(); // it was an alias
                }
                // Neither a directive nor a spread.
                if !matches!(previous, "@" | "...") {
                    fields.push(word);
                }
            }
            _ => {}
        }
        previous = token;
    }
    fields
}

/// Name (§2.1.9).
fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Tokens (§2.1.6) without strings, comments and commas.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.rest =
                self.rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | '\u{feff}'));
            match self.rest.as_bytes().first()? {
                b'#' => self.skip_to("\n", 0),
                b'"' if self.rest.starts_with("\"\"\"") => self.skip_to("\"\"\"", 3),
                b'"' => self.skip_string(),
                _ => return Some(self.token()),
            }
        }
    }
}

impl<'a> Tokens<'a> {
    fn token(&mut self) -> &'a str {
        let word =
            self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let length = match word {
            0 if self.rest.starts_with("...") => 3,
            0 => self.rest.chars().next().map_or(0, char::len_utf8),
            length => length,
        };
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        token
    }

    fn skip_to(&mut self, end: &str, from: usize) {
        let after = self.rest.get(from..).and_then(|rest| rest.split_once(end));
        self.rest = after.map_or("", |(_, rest)| rest);
    }

    fn skip_string(&mut self) {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        self.rest = end.and_then(|(at, _)| self.rest.get(at + 1..)).unwrap_or_default();
    }
}
