use rustc_hash::FxBuildHasher;
use siphasher::sip::SipHasher13;
use std::{
    collections::{BinaryHeap, HashMap},
    hash::Hasher,
    sync::Arc,
};

/// At most `capacity` names: those whose keyed hash is smallest.
///
/// Which names stay depends on the set of names alone, not on their order: a name once evicted, or never let in,
/// ranks above all that are held, and stays out. So whatever is folded elsewhere is folded whole.
#[derive(Clone, Debug)]
pub(crate) struct Bounded<V> {
    capacity: usize,
    entries: HashMap<Arc<str>, V, FxBuildHasher>,
    /// The same names by rank, largest on top.
    ranks: BinaryHeap<(u64, Arc<str>)>,
}

/// A name's place in the order of all names. Without the key nobody can choose names that rank low.
pub fn rank(key: u64, name: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key, 0);
    hasher.write(name.as_bytes());
    hasher.finish()
}

impl<V> Bounded<V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: HashMap::default(), ranks: BinaryHeap::new() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.entries.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.entries.get_mut(name)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// In no particular order.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut()
    }

    /// In no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.entries.iter()
    }

    /// Whether [`Self::insert`] would keep a new name of this rank.
    pub(crate) fn admits(&self, rank: u64, name: &str) -> bool {
        self.entries.len() < self.capacity
            || self.ranks.peek().is_some_and(|(largest, last)| (rank, name) < (*largest, last.as_ref()))
    }

    /// Takes in a name that [`Self::admits`] lets in and that is not yet there; gives back what had to go.
    pub(crate) fn insert(&mut self, rank: u64, name: Arc<str>, value: V) -> Option<(Arc<str>, V)> {
        self.ranks.push((rank, Arc::clone(&name)));
        self.entries.insert(name, value);
        if self.entries.len() <= self.capacity {
            return None;
        }
        let (_, last) = self.ranks.pop()?;
        self.entries.remove(&last).map(|value| (last, value))
    }
}

impl<V: PartialEq> PartialEq for Bounded<V> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}
