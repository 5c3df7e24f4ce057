use crate::Redacted;

/// The fields of one message head, in order, names as they came.
///
/// One allocation for the bytes and one for the places: a head is copied once out of the capture buffer.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    raw: Redacted<Box<[u8]>>,
    fields: Box<[Field]>,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: u32,
    name_length: u16,
    value: u32,
    value_length: u32,
}

impl Headers {
    /// Copies the given name–value pairs.
    pub fn new<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Self {
        let (mut bytes, mut count) = (0, 0);
        for (name, value) in fields.clone() {
            bytes += name.len() + value.len();
            count += 1;
        }
        let mut raw = Vec::with_capacity(bytes);
        let mut places = Vec::with_capacity(count);
        for (name, value) in fields {
            let name_at = raw.len();
            raw.extend_from_slice(name);
            let value_at = raw.len();
            raw.extend_from_slice(value);
            let (Ok(name_at), Ok(name_length)) = (u32::try_from(name_at), u16::try_from(name.len())) else {
                continue;
            };
            let (Ok(value_at), Ok(value_length)) = (u32::try_from(value_at), u32::try_from(value.len()))
            else {
                continue;
            };
            places.push(Field { name: name_at, name_length, value: value_at, value_length });
        }
        Self { raw: Redacted::new(raw.into()), fields: places.into() }
    }

    /// Name and value of every field, in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|f| (self.part(f.name, f.name_length.into()), self.part(f.value, f.value_length)))
    }

    /// The first value of this name, compared without regard to ASCII case (RFC 9110 §5.1).
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True without any field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn part(&self, at: u32, length: u32) -> &[u8] {
        let (at, length) = (at as usize, length as usize);
        self.raw.expose().get(at..at + length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Headers;

    #[test]
    fn keeps_order_and_repeats_and_finds_without_case() {
        let pairs: [(&[u8], &[u8]); 3] = [(b"Host", b"a"), (b"Set-Cookie", b"x=1"), (b"set-cookie", b"y=2")];
        let headers = Headers::new(pairs);
        assert_eq!(headers.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(headers.get("SET-COOKIE"), Some(&b"x=1"[..]));
        assert_eq!(headers.get("cookie"), None);
    }

    #[test]
    fn debug_hides_values() {
        let headers = Headers::new([(&b"Authorization"[..], &b"Bearer hunter2"[..])]);
        assert!(!format!("{headers:?}").contains("hunter2"));
    }
}
