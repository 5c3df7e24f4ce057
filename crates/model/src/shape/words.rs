//! Which texts may be kept: words of the program, not data about somebody and not secrets.

use crate::route::{ValueClass, classify};

/// Longest value that may be a word of an enum, in bytes.
const LONGEST_WORD: usize = 40;

/// The text of a value that reads like one of an enum: up to four plain words, hardly any digits.
pub(super) fn enum_word(value: &[u8]) -> Option<&str> {
    if value.len() > LONGEST_WORD {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let usual = |c: char| c.is_alphanumeric() || " _-./:+".contains(c);
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let plain = text.chars().all(usual)
        && digits <= 4
        && text.split(' ').count() <= 4
        && text.split([' ', '/']).filter(|word| !word.is_empty()).all(|word| is_literal(word.as_bytes()));
    plain.then_some(text)
}

fn is_literal(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_digit) || classify(word) == ValueClass::Literal
}

/// True for a key that names a field: what a programmer writes, not an id, a date or an address.
pub(super) fn is_name(key: &[u8]) -> bool {
    (1..=128).contains(&key.len()) && !is_data(key)
}

/// True for a key that can only be data. Short numbers may be either.
pub(super) fn is_data(key: &[u8]) -> bool {
    if key.len() <= 3 && key.iter().all(u8::is_ascii_digit) {
        return false;
    }
    match classify(key) {
        ValueClass::Literal | ValueClass::Text => false,
        // Names carry a number at times: `taxDistributionCode1099R`, `address_line_00001`; ids carry little else.
        ValueClass::PrefixedId | ValueClass::Token | ValueClass::Hash => {
            key.iter().filter(|b| b.is_ascii_digit()).count() * 4 >= key.len()
        }
        ValueClass::Opaque => key.len() > 96,
        ValueClass::Integer
        | ValueClass::Number
        | ValueClass::Uuid
        | ValueClass::Date
        | ValueClass::Timestamp
        | ValueClass::IpAddress
        | ValueClass::Email
        | ValueClass::Phone => true,
    }
}

/// True when values under this name are secrets: nothing is kept of them but that they are there.
pub(super) fn is_secret(name: &[u8]) -> bool {
    const EXACT: &[&str] = &[
        "key", "sig", "pwd", "pass", "pin", "otp", "sid", "jwt", "auth", "cvv", "cvc", "ssn", "iban",
        "cookie", "bearer",
    ];
    const PARTS: &[&str] = &[
        "token",
        "secret",
        "signature",
        "sessionid",
        "sessid",
        "passw",
        "passphrase",
        "privatekey",
        "apikey",
        "accesskey",
        "authoriz",
        "authkey",
        "credential",
        "cardnumber",
        "clientkey",
        "encryptionkey",
        "signingkey",
        "subscriptionkey",
        "otpcode",
    ];
    with_plain(name, |plain| EXACT.contains(&plain) || PARTS.iter().any(|part| plain.contains(part)))
}

/// True for a key that may be written down as the name of a field.
pub(super) fn is_public_name(key: &[u8]) -> bool {
    is_name(key) && !super::format::is_email(key) && memchr::memchr(b'@', key).is_none_or(|at| at == 0)
}

/// True for what programs call the field that says of which kind an object is.
pub(super) fn is_tag_name(name: &[u8]) -> bool {
    let ends_with = |word: &[u8]| {
        let end = name.len().checked_sub(word.len()).and_then(|at| name.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    is_tag_word(name) || (name.len() <= 32 && (ends_with(b"type") || ends_with(b"typename")))
}

/// Asked for every key that is seen, so a match and no list.
fn is_tag_word(name: &[u8]) -> bool {
    let name = match name {
        [b'@' | b'$' | b'_', rest @ ..] => rest,
        name => name,
    };
    matches!(
        name,
        b"kind"
            | b"object"
            | b"event"
            | b"action"
            | b"op"
            | b"operation"
            | b"class"
            | b"variant"
            | b"discriminator"
            | b"tag"
            | b"method"
            | b"status"
            | b"state"
            | b"result"
            | b"mode"
            | b"category"
            | b"shape"
            | b"command"
            | b"cmd"
            | b"role"
            | b"provider"
            | b"channel"
            | b"model"
            | b"Kind"
            | b"Object"
            | b"Event"
            | b"Action"
            | b"Class"
            | b"Status"
            | b"State"
    )
}

/// Calls with the name in lower case, letters and digits alone, cut to 48 characters.
pub(super) fn with_plain<T>(name: &[u8], then: impl FnOnce(&str) -> T) -> T {
    let mut plain = [0; 48];
    let mut length = 0;
    let letters = name.iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
    for (slot, letter) in plain.iter_mut().zip(letters) {
        *slot = letter;
        length += 1;
    }
    then(plain.get(..length).and_then(|plain| std::str::from_utf8(plain).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{enum_word, is_data, is_name, is_secret};

    #[test]
    fn words_of_enums() {
        for word in
            ["active", "IN_PROGRESS", "Not Started", "en-US", "v2", "application/json", "1h", "", "404"]
        {
            assert!(enum_word(word.as_bytes()).is_some(), "{word}");
        }
        for value in [
            "ann@example.com",
            "+49301234567",
            "0c6fbbb8-6f0b-4e1c-8f0a-2f4c9f8e2f4c",
            "cus_9s6XKzkNRLz8i3",
            "eyJhbGciOiJIUzI1NiJ9",
            "10.0.0.1",
            "one two three four five",
            "4111111111111111",
        ] {
            assert!(enum_word(value.as_bytes()).is_none(), "{value}");
        }
    }

    #[test]
    fn keys_that_are_data() {
        for key in ["2024-01-31", "12345", "ann@example.com", "0c6fbbb8-6f0b-4e1c-8f0a-2f4c9f8e2f4c"] {
            assert!(is_data(key.as_bytes()), "{key}");
        }
        for key in ["id", "taxDistributionCode1099R", "200", "x-amz-date", "Score /5", "@type", "$ref"] {
            assert!(is_name(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn secrets_by_name() {
        for name in ["password", "X-Api-Key", "client_secret", "accessToken", "pin"] {
            assert!(is_secret(name.as_bytes()), "{name}");
        }
        assert!(!is_secret(b"name") && !is_secret(b"keyboard"));
    }
}
