//! Names for operations, tags and components, from the words of a route.

/// The words of a name in any of the usual spellings: `userId`, `user_id`, `user-id`, `HTTPServer2`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        if !character.is_alphanumeric() {
            words.extend(taken(&mut word));
        } else {
            let lower_follows = characters.peek().is_some_and(|next| next.is_lowercase());
            let begins = character.is_uppercase() && (!previous.is_uppercase() || lower_follows);
            if begins {
                words.extend(taken(&mut word));
            }
            word.extend(character.to_lowercase());
        }
        previous = character;
    }
    words.extend(taken(&mut word));
    words
}

fn taken(word: &mut String) -> Option<String> {
    (!word.is_empty()).then(|| std::mem::take(word))
}

/// `UserId`
pub(super) fn pascal<S: AsRef<str>>(words: &[S]) -> String {
    words.iter().map(|word| capital(word.as_ref())).collect()
}

/// `userId`
pub(super) fn camel<S: AsRef<str>>(words: &[S]) -> String {
    let mut name = pascal(words);
    if let Some(first) = name.get(..1).map(str::to_ascii_lowercase) {
        name.replace_range(..1, &first);
    }
    name
}

fn capital(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The English singular, as far as API nouns need it.
pub(super) fn singular(word: &str) -> String {
    const SAME: [&str; 8] = ["series", "news", "status", "address", "access", "analysis", "bus", "process"];
    if SAME.iter().any(|same| word.ends_with(same)) || word.len() < 4 {
        return word.to_owned();
    }
    let endings = [
        ("people", "person"),
        ("children", "child"),
        ("indices", "index"),
        ("statuses", "status"),
        ("addresses", "address"),
        ("processes", "process"),
        ("analyses", "analysis"),
        ("movies", "movie"),
        ("cookies", "cookie"),
        ("ies", "y"),
        ("sses", "ss"),
        ("shes", "sh"),
        ("ches", "ch"),
        ("xes", "x"),
        ("ss", "ss"),
        ("us", "us"),
        ("is", "is"),
        ("s", ""),
    ];
    let ending = endings.into_iter().find(|(plural, _)| word.ends_with(plural));
    ending.map_or_else(
        || word.to_owned(),
        |(plural, one)| {
            let stem = word.strip_suffix(plural).unwrap_or(word);
            format!("{stem}{one}")
        },
    )
}

/// The words with the last one in the singular.
pub(super) fn singular_words(mut words: Vec<String>) -> Vec<String> {
    if let Some(last) = words.last_mut() {
        *last = singular(last);
    }
    words
}

/// The literal segments of a route that name things: no versions, no `api`.
pub(super) fn nouns(route: &str) -> Vec<&str> {
    let literal = route.split('/').filter(|segment| !segment.is_empty() && !segment.contains('{'));
    literal.filter(|segment| !is_prefix(segment)).collect()
}

/// `api`, `rest`, `v1`, `2024-01-01`: part of an address, not of a name.
fn is_prefix(segment: &str) -> bool {
    let version = segment.strip_prefix(['v', 'V']).unwrap_or(segment);
    let numeric = version.starts_with(|first: char| first.is_ascii_digit())
        && version.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '_'));
    numeric || matches!(segment.to_ascii_lowercase().as_str(), "api" | "apis" | "rest")
}

#[cfg(test)]
mod tests {
    use super::{camel, nouns, pascal, singular, words};

    #[test]
    fn words_of_every_spelling() {
        for (text, expected) in [
            ("userId", &["user", "id"][..]),
            ("user_id", &["user", "id"]),
            ("user-ids", &["user", "ids"]),
            ("HTTPServer", &["http", "server"]),
            ("chat.postMessage", &["chat", "post", "message"]),
            ("", &[]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        assert_eq!(pascal(&words("user_id")), "UserId");
        assert_eq!(camel(&words("user-id")), "userId");
    }

    #[test]
    fn one_of_many() {
        for (many, one) in [
            ("orders", "order"),
            ("companies", "company"),
            ("addresses", "address"),
            ("status", "status"),
            ("statuses", "status"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("classes", "class"),
            ("people", "person"),
            ("news", "news"),
            ("houses", "house"),
        ] {
            assert_eq!(singular(many), one);
        }
    }

    #[test]
    fn what_names_things() {
        assert_eq!(nouns("/api/v2/users/{userId}/orders"), ["users", "orders"]);
        assert_eq!(nouns("/2024-01-01/{id}"), [""; 0]);
    }
}
