//! Calls of generative models: how many tokens, and how soon the first came, by the model that was asked for.

use super::{scalar::hash, schema::ModelUse};
use crate::{Histogram, OTHER};
use overhear_exchange::GenAi;

/// By model, ascending by name: those whose keyed hash is smallest, and the others as one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Models(pub(super) Vec<Used>);

/// Calls of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Used {
    pub(super) name: Box<str>,
    pub(super) calls: u64,
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) first: Histogram,
}

/// Models that are told apart.
const MOST: usize = 16;

impl Models {
    pub(super) fn learn(&mut self, key: u64, call: &GenAi) {
        let name = call.request_model.as_deref().or(call.response_model.as_deref()).unwrap_or("unknown");
        let mut used = Used {
            name: name.into(),
            calls: 1,
            input: call.input_tokens.unwrap_or(0),
            output: call.output_tokens.unwrap_or(0),
            first: Histogram::default(),
        };
        if let Some(first) = call.time_to_first_token {
            used.first.record(first);
        }
        self.add(key, &used);
    }

    pub(super) fn merge(&mut self, key: u64, other: &Self) {
        other.0.iter().for_each(|used| self.add(key, used));
    }

    pub(super) fn add(&mut self, key: u64, more: &Used) {
        match self.0.binary_search_by(|used| used.name.cmp(&more.name)) {
            Ok(at) => self.0.get_mut(at).into_iter().for_each(|known| known.add(more)),
            Err(at) => self.0.insert(at, more.clone()),
        }
        let apart = self.0.iter().enumerate().filter(|(_, used)| *used.name != *OTHER);
        if apart.clone().count() > MOST
            && let Some((_, last)) = apart.map(|(at, used)| (hash(key, used.name.as_bytes()), at)).max()
        {
            let evicted = self.0.remove(last);
            self.add(key, &Used { name: OTHER.into(), ..evicted });
        }
    }

    pub(super) fn told(&self) -> Vec<ModelUse> {
        let mut told: Vec<_> = self.0.iter().map(Used::told).collect();
        told.sort_unstable_by(|a, b| (b.calls, &a.name).cmp(&(a.calls, &b.name)));
        told
    }
}

impl Used {
    fn add(&mut self, more: &Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.first.merge(&more.first);
    }

    fn told(&self) -> ModelUse {
        ModelUse {
            name: self.name.to_string(),
            calls: self.calls,
            input_tokens: self.input,
            output_tokens: self.output,
            first_token: self.first.percentile(0.5).zip(self.first.percentile(0.95)),
        }
    }
}
