use super::connection::Connection;
use std::{collections::HashMap, net::SocketAddr};

const NONE: u32 = u32::MAX;

/// The two ends of a connection, in an order that does not depend on who sends.
///
/// Hashed with std's keyed hasher: whoever is captured chooses addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) [SocketAddr; 2]);

impl Key {
    /// The key, and which of its two ends is the source.
    pub(super) fn of(source: SocketAddr, destination: SocketAddr) -> (Self, usize) {
        if source <= destination {
            (Self([source, destination]), 0)
        } else {
            (Self([destination, source]), 1)
        }
    }
}

/// The connections that are followed, least recently used first; those that are over apart.
#[derive(Debug, Default)]
pub(super) struct Table {
    index: HashMap<Key, u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    open: List,
    closed: List,
    recent: u32,
}

#[derive(Debug)]
struct Slot {
    key: Key,
    connection: Connection,
    older: u32,
    newer: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u32,
    newest: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE }
    }
}

impl Table {
    /// How many connections are held, those that are over included.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn find(&mut self, key: &Key) -> Option<u32> {
        // Packets come in runs of the same connection.
        if let Some(slot) = self.slots.get(self.recent as usize)
            && slot.key == *key
        {
            return Some(self.recent);
        }
        let slot = self.index.get(key).copied()?;
        self.recent = slot;
        Some(slot)
    }

    pub(super) fn insert(&mut self, key: Key, connection: Connection) -> u32 {
        let entry = Slot { key, connection, older: NONE, newer: NONE };
        let place = match self.free.pop() {
            Some(place) => place,
            None => u32::try_from(self.slots.len()).unwrap_or(NONE),
        };
        match self.slots.get_mut(place as usize) {
            Some(slot) => *slot = entry,
            None => self.slots.push(entry),
        }
        self.index.insert(key, place);
        self.append(place);
        self.recent = place;
        place
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, place: u32) {
        self.unlink(place);
        if let Some(slot) = self.slots.get(place as usize) {
            self.index.remove(&slot.key);
            self.free.push(place);
        }
        // The slot keeps its key until it is used again: it must not be found through `recent`.
        self.recent = NONE;
    }

    pub(super) fn get(&self, place: u32) -> Option<&Connection> {
        self.slots.get(place as usize).map(|slot| &slot.connection)
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Connection> {
        self.slots.get_mut(place as usize).map(|slot| &mut slot.connection)
    }

    /// Makes a connection the most recently used one of its kind.
    pub(super) fn touch(&mut self, place: u32) {
        if self.list(place).newest != place {
            self.unlink(place);
            self.append(place);
        }
    }

    /// Marks a connection as over.
    pub(super) fn close(&mut self, place: u32) {
        self.unlink(place);
        if let Some(connection) = self.get_mut(place) {
            connection.closed = true;
        }
        self.append(place);
    }

    /// The one to forget first: over for longest, else silent for longest.
    pub(super) fn oldest(&self) -> Option<u32> {
        [self.closed.oldest, self.open.oldest].into_iter().find(|&place| place != NONE)
    }

    /// Connections that are not over, in order of their ids.
    pub(super) fn unfinished(&self) -> Vec<u32> {
        let mut places = Vec::new();
        let mut at = self.open.oldest;
        while let Some(slot) = self.slots.get(at as usize) {
            places.push(at);
            at = slot.newer;
        }
        places.sort_unstable_by_key(|&place| self.get(place).map(|connection| connection.id));
        places
    }

    fn list(&mut self, place: u32) -> &mut List {
        let closed = self.get(place).is_some_and(|connection| connection.closed);
        if closed { &mut self.closed } else { &mut self.open }
    }

    fn append(&mut self, place: u32) {
        let list = self.list(place);
        let older = std::mem::replace(&mut list.newest, place);
        if older == NONE {
            list.oldest = place;
        }
        if let Some(slot) = self.slots.get_mut(older as usize) {
            slot.newer = place;
        }
        if let Some(slot) = self.slots.get_mut(place as usize) {
            (slot.older, slot.newer) = (older, NONE);
        }
    }

    fn unlink(&mut self, place: u32) {
        let Some((older, newer)) = self.slots.get(place as usize).map(|slot| (slot.older, slot.newer)) else {
            return;
        };
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.list(place).oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.list(place).newest = older,
        }
    }
}
