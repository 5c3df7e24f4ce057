//! The wire format of protocol buffers (protobuf.dev, Encoding), read without a schema.

/// Fields numbered higher are none (protobuf.dev, Assigning Field Numbers).
const HIGHEST: u64 = (1 << 29) - 1;

/// One field as it lies in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// Text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
}

/// These bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAMessage;

/// The fields of a message, in order.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), NotAMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = field(&mut self.0);
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(NotAMessage))
    }
}

/// Whether these bytes can be read as a message from the first to the last.
pub(super) fn is_message(bytes: &[u8]) -> bool {
    !bytes.is_empty() && Fields(bytes).all(|field| field.is_ok())
}

/// The numbers that these bytes are, if they are packed varints.
pub(super) fn varints(mut bytes: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !bytes.is_empty() {
        varint(&mut bytes)?;
        count += 1;
    }
    Some(count)
}

fn field<'a>(input: &mut &'a [u8]) -> Option<(u32, Value<'a>)> {
    let tag = varint(input)?;
    let number = tag >> 3;
    if !(1..=HIGHEST).contains(&number) {
        return None;
    }
    let value = match tag & 7 {
        0 => Value::Varint(varint(input)?),
        1 => Value::Fixed64(u64::from_le_bytes(*chunk(input)?)),
        2 => {
            let length = usize::try_from(varint(input)?).ok()?;
            let (bytes, rest) = input.split_at_checked(length)?;
            *input = rest;
            Value::Bytes(bytes)
        }
        5 => Value::Fixed32(u32::from_le_bytes(*chunk(input)?)),
        // Groups are of another time.
        _ => return None,
    };
    Some((u32::try_from(number).ok()?, value))
}

fn chunk<'a, const N: usize>(input: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (chunk, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(chunk)
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let (mut value, mut rest) = (0_u64, *input);
    for shift in (0..70).step_by(7) {
        let (byte, after) = rest.split_first()?;
        rest = after;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has one bit of 64 left.
        if shift == 63 && *byte > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            *input = rest;
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Fields, NotAMessage, Value, is_message, varints};

    #[test]
    fn reads_every_type() {
        let message = b"\x08\x96\x01\x11\x01\0\0\0\0\0\0\0\x1a\x03abc\x25\x02\0\0\0";
        let fields: Vec<_> = Fields(message).map(Result::unwrap).collect();
        let expected = [
            (1, Value::Varint(150)),
            (2, Value::Fixed64(1)),
            (3, Value::Bytes(b"abc")),
            (4, Value::Fixed32(2)),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn refuses_what_is_none() {
        for bytes in [
            &b"\x00\x01"[..],
            b"\x08",
            b"\x1a\x05abc",
            b"\x0b",
            b"\x0f\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        ] {
            assert_eq!(Fields(bytes).last(), Some(Err(NotAMessage)), "{}", bytes.escape_ascii());
            assert!(!is_message(bytes));
        }
        assert_eq!(varints(b"\x01\x96\x01\x00"), Some(3));
        assert_eq!(varints(b"\x01\x96"), None);
    }
}
