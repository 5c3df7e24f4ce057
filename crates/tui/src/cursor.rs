//! A selection in a list that changes under it.

use crate::action::Move;

/// Remembers the selected item, not its place: when the order changes the selection goes along.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<K> {
    /// `None` until the user moves: then the first row is selected, whatever it is.
    selected: Option<K>,
    index: usize,
    offset: usize,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self { selected: None, index: 0, offset: 0 }
    }
}

impl<K: Clone + PartialEq> Cursor<K> {
    /// Place of the selection in the list last given to `settle`.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// First row on screen.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Finds the selected item again and scrolls so that it is among the `page` rows on screen.
    pub(crate) fn settle(&mut self, keys: &[&K], page: usize) {
        let found = self.selected.as_ref().and_then(|key| keys.iter().position(|other| *other == key));
        self.index = found.unwrap_or(if self.selected.is_some() { self.index } else { 0 });
        self.index = self.index.min(keys.len().saturating_sub(1));
        let page = page.max(1);
        self.offset = self.offset.min(keys.len().saturating_sub(page)).min(self.index);
        self.offset = self.offset.max((self.index + 1).saturating_sub(page));
    }

    /// Moves the selection.
    pub(crate) fn go(&mut self, to: Move, keys: &[&K], page: usize) {
        self.settle(keys, page);
        self.index = moved(self.index, to, keys.len().saturating_sub(1), page);
        self.selected = keys.get(self.index).map(|key| (*key).clone());
        self.settle(keys, page);
    }
}

/// Where a move leads within `0..=last`.
pub(crate) fn moved(from: usize, to: Move, last: usize, page: usize) -> usize {
    let page = page.max(1);
    let to = match to {
        Move::Up => from.saturating_sub(1),
        Move::Down => from.saturating_add(1),
        Move::PageUp => from.saturating_sub(page),
        Move::PageDown => from.saturating_add(page),
        Move::Top => 0,
        Move::Bottom => last,
    };
    to.min(last)
}

#[cfg(test)]
mod tests {
    use super::Cursor;
    use crate::action::Move;

    #[test]
    fn goes_along_with_its_item() {
        let mut cursor = Cursor::default();
        cursor.settle(&[&'a', &'b', &'c'], 2);
        assert_eq!(cursor.index(), 0);
        cursor.go(Move::Down, &[&'a', &'b', &'c'], 2);
        cursor.settle(&[&'b', &'c', &'a'], 2);
        assert_eq!(cursor.index(), 0);
        cursor.settle(&[&'c', &'a', &'b'], 2);
        assert_eq!((cursor.index(), cursor.offset()), (2, 1));
    }

    #[test]
    fn follows_the_top_until_moved_and_survives_an_empty_list() {
        let mut cursor = Cursor::default();
        cursor.go(Move::Down, &[], 5);
        cursor.settle(&[&1, &2], 5);
        cursor.settle(&[&0, &1, &2], 5);
        assert_eq!(cursor.index(), 0);
        cursor.go(Move::Bottom, &[&0, &1, &2], 0);
        assert_eq!((cursor.index(), cursor.offset()), (2, 2));
        cursor.settle(&[], 5);
        assert_eq!((cursor.index(), cursor.offset()), (0, 0));
    }
}
