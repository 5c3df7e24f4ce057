//! HPACK (RFC 7541), for a listener that may have come late: an entry that was not heard is a distinct unknown, never a
//! guess, and what is heard is exact.

mod huffman;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use table::{Text, Unknown};

use std::ops::Range;
use table::{Found, Table};

/// Bytes of room for fields that stay between blocks.
const ROOM: usize = 16 * 1024;

/// The block is not HPACK, or not of this connection as far as it was heard: no more is known of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Turns the header blocks of one direction into fields.
#[derive(Debug)]
pub(crate) struct Decoder(Table);

/// The fields of one block. Reused between blocks.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    text: Vec<u8>,
    places: Vec<(Place, Place)>,
    /// There were more than may be kept.
    pub(crate) cut: bool,
}

#[derive(Clone, Debug)]
enum Place {
    At(Range<usize>),
    Unknown(Unknown),
}

impl Decoder {
    /// At the start of a connection.
    pub(crate) const fn new() -> Self {
        Self(Table::new())
    }

    /// Mid-connection, or after something was missed: every entry that is there is unknown.
    pub(crate) const fn unknown() -> Self {
        Self(Table::unknown())
    }

    /// Reads a whole block. Of its fields at most `limit` bytes are kept.
    pub(crate) fn decode(&mut self, block: &[u8], limit: usize, fields: &mut Fields) -> Result<(), Broken> {
        fields.clear();
        let mut input = block;
        while let Some(first) = input.first() {
            match first {
                0x80.. => self.indexed(&mut input, fields)?,
                0x40..=0x7f => self.literal(&mut input, 6, true, fields)?,
                0x20..=0x3f => self.0.resize(integer(&mut input, 5)?),
                0..=0x1f => self.literal(&mut input, 4, false, fields)?,
            }
            fields.keep_within(limit);
        }
        Ok(())
    }

    pub(crate) fn retained(&self) -> usize {
        self.0.retained()
    }

    /// An indexed field (§6.1).
    fn indexed(&self, input: &mut &[u8], fields: &mut Fields) -> Result<(), Broken> {
        match self.0.get(integer(input, 7)?) {
            Found::Field(name, value) => {
                let name = fields.push(name);
                let value = fields.push(Text::Known(value));
                fields.places.push((name, value));
            }
            Found::Unknown(entry) => fields.places.push((Place::Unknown(entry), Place::Unknown(entry))),
            Found::None => return Err(Broken),
        }
        Ok(())
    }

    /// A literal field (§6.2), whose name may be an index of so many bits.
    fn literal(
        &mut self,
        input: &mut &[u8],
        prefix: u32,
        insert: bool,
        fields: &mut Fields,
    ) -> Result<(), Broken> {
        let name = match integer(input, prefix)? {
            0 => fields.string(input)?,
            index => match self.0.get(index) {
                Found::Field(name, _) => fields.push(name),
                Found::Unknown(entry) => Place::Unknown(entry),
                Found::None => return Err(Broken),
            },
        };
        let value = fields.string(input)?;
        if insert {
            self.0.insert(fields.text(&name), fields.bytes(&value));
        }
        fields.places.push((name, value));
        Ok(())
    }
}

impl Fields {
    /// Name and value of every field, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Text<'_>, Text<'_>)> + Clone {
        self.places.iter().map(|(name, value)| (self.text(name), self.text(value)))
    }

    pub(crate) fn retained(&self) -> usize {
        self.text.capacity() + self.places.capacity() * size_of::<(Place, Place)>()
    }

    fn clear(&mut self) {
        // A long block is rare: its room is not kept.
        if self.text.capacity() > ROOM {
            self.text = Vec::new();
        }
        self.text.clear();
        self.places.clear();
        self.places.shrink_to(ROOM / size_of::<(Place, Place)>());
        self.cut = false;
    }

    /// One byte can stand for a long field: what is kept of a block has a bound of its own.
    fn keep_within(&mut self, limit: usize) {
        let size = self.text.len().saturating_add(self.places.len() * size_of::<(Place, Place)>());
        if size > limit
            && let Some((name, value)) = self.places.pop()
        {
            let start = [name, value].into_iter().filter_map(|place| match place {
                Place::At(range) => Some(range.start),
                Place::Unknown(_) => None,
            });
            self.text.truncate(start.min().unwrap_or(self.text.len()));
            self.cut = true;
        }
    }

    fn push(&mut self, text: Text<'_>) -> Place {
        match text {
            Text::Known(bytes) => {
                let start = self.text.len();
                self.text.extend_from_slice(bytes);
                Place::At(start..self.text.len())
            }
            Text::Unknown(entry) => Place::Unknown(entry),
        }
    }

    /// A string literal (§5.2).
    fn string(&mut self, input: &mut &[u8]) -> Result<Place, Broken> {
        let huffman = input.first().is_some_and(|first| first & 0x80 != 0);
        let length = integer(input, 7)?;
        let (string, rest) = input.split_at_checked(length).ok_or(Broken)?;
        *input = rest;
        let start = self.text.len();
        if huffman {
            huffman::decode(string, &mut self.text)?;
        } else {
            self.text.extend_from_slice(string);
        }
        Ok(Place::At(start..self.text.len()))
    }

    fn text(&self, place: &Place) -> Text<'_> {
        match place {
            Place::At(_) => Text::Known(self.bytes(place)),
            Place::Unknown(entry) => Text::Unknown(*entry),
        }
    }

    fn bytes(&self, place: &Place) -> &[u8] {
        match place {
            Place::At(range) => self.text.get(range.clone()).unwrap_or_default(),
            Place::Unknown(_) => &[],
        }
    }
}

/// An integer whose first byte has so many bits of it (§5.1).
fn integer(input: &mut &[u8], prefix: u32) -> Result<usize, Broken> {
    let (first, mut rest) = input.split_first().ok_or(Broken)?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    let mut shift = 0;
    while value >= most || shift > 0 {
        let (byte, after) = rest.split_first().ok_or(Broken)?;
        rest = after;
        // Four bytes of seven bits: 268 million is more than any length or index here.
        if shift > 21 {
            return Err(Broken);
        }
        value += (usize::from(*byte) & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    *input = rest;
    Ok(value)
}
