//! Dotted names in an expression, turned into variables.
//!
//! CEL reads `http.response.status_code` as a field of a field. Here it is one variable of that name, so that
//! `error` and `error.type` do not conflict and nothing is built that is not asked for.

use crate::Attribute;
use cel::{
    IdedExpr,
    common::ast::{EntryExpr, Expr},
};
use std::collections::BTreeSet;

/// Begins the variable that says whether an attribute is there. No name in an expression has a space.
pub(super) const PRESENT: &str = "has ";

/// A name that stands for nothing.
#[derive(Debug)]
pub(super) enum Unknown {
    Attribute(String),
    Function(String),
}

/// What may be called, operators apart.
pub(super) const FUNCTIONS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "dyn",
    "type",
    "has",
    "exists",
    "all",
    "exists_one",
    "map",
    "filter",
];

/// Types, as in `type(x) == string`.
const TYPES: &[&str] =
    &["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"];

/// Turns names of attributes into variables and says which there are.
pub(super) fn resolve(expression: &mut IdedExpr) -> Result<BTreeSet<Attribute>, Unknown> {
    let mut resolver = Resolver { attributes: BTreeSet::new(), scope: Vec::new() };
    resolver.visit(expression)?;
    Ok(resolver.attributes)
}

struct Resolver {
    attributes: BTreeSet<Attribute>,
    /// Variables of the macros around.
    scope: Vec<String>,
}

impl Resolver {
    fn visit(&mut self, node: &mut IdedExpr) -> Result<(), Unknown> {
        if let Some((name, asks_presence)) = dotted_name(&node.expr) {
            return self.visit_name(node, name, asks_presence);
        }
        match &mut node.expr {
            Expr::Call(call) => {
                if !is_callable(&call.func_name) {
                    return Err(Unknown::Function(call.func_name.clone()));
                }
                self.visit_all(call.target.as_deref_mut().into_iter().chain(&mut call.args))
            }
            Expr::List(list) => self.visit_all(&mut list.elements),
            Expr::Select(select) => self.visit(&mut select.operand),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| self.visit_entry(&mut entry.expr)),
            Expr::Struct(fields) => Err(Unknown::Function(fields.type_name.clone())),
            Expr::Comprehension(macro_call) => {
                self.visit(&mut macro_call.iter_range)?;
                let outer = self.scope.len();
                self.scope.extend([macro_call.iter_var.clone(), macro_call.accu_var.clone()]);
                self.scope.extend(macro_call.iter_var2.clone());
                let parts = [&mut macro_call.accu_init, &mut macro_call.loop_cond, &mut macro_call.loop_step];
                self.visit_all(parts.into_iter().chain([&mut macro_call.result]))?;
                self.scope.truncate(outer);
                Ok(())
            }
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Ok(()),
        }
    }

    fn visit_all<'e>(&mut self, nodes: impl IntoIterator<Item = &'e mut IdedExpr>) -> Result<(), Unknown> {
        nodes.into_iter().try_for_each(|node| self.visit(node))
    }

    fn visit_entry(&mut self, entry: &mut EntryExpr) -> Result<(), Unknown> {
        match entry {
            EntryExpr::StructField(field) => self.visit(&mut field.value),
            EntryExpr::MapEntry(entry) => self.visit_all([&mut entry.key, &mut entry.value]),
        }
    }

    fn visit_name(&mut self, node: &mut IdedExpr, name: String, asks_presence: bool) -> Result<(), Unknown> {
        let root = name.split('.').next().unwrap_or_default();
        if self.scope.iter().any(|variable| variable == root) || TYPES.contains(&name.as_str()) {
            return Ok(());
        }
        let Some(attribute) = Attribute::named(&name) else { return Err(Unknown::Attribute(name)) };
        self.attributes.insert(attribute);
        node.expr = Expr::Ident(if asks_presence { format!("{PRESENT}{name}") } else { name });
        Ok(())
    }
}

/// `a.b.c`, and whether it stands in `has()`.
fn dotted_name(expr: &Expr) -> Option<(String, bool)> {
    let (mut parts, mut at, asks_presence) = (Vec::new(), expr, matches!(expr, Expr::Select(s) if s.test));
    loop {
        match at {
            Expr::Ident(name) => {
                parts.push(name.as_str());
                break;
            }
            Expr::Select(select) => {
                parts.push(&select.field);
                at = &select.operand.expr;
            }
            Expr::Unspecified
            | Expr::Call(_)
            | Expr::Comprehension(_)
            | Expr::List(_)
            | Expr::Literal(_)
            | Expr::Map(_)
            | Expr::Struct(_) => return None,
        }
    }
    parts.reverse();
    Some((parts.join("."), asks_presence))
}

/// Operators are called `_&&_`, `!_`, `@in`.
fn is_callable(name: &str) -> bool {
    FUNCTIONS.contains(&name) || !name.starts_with(|c: char| c.is_ascii_alphabetic())
}
