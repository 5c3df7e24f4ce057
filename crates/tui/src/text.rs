//! Text from strangers, made fit for a terminal: no control or direction characters, bounded, cut to a width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Longest piece of traffic put on one line; what is longer is cut and marked.
const MAX_CHARS: usize = 4096;

/// Marks what is left out.
pub(crate) const ELLIPSIS: char = '…';

/// One line that cannot move the cursor, change colours, reverse the writing direction or pile up marks.
///
/// C0 controls become their pictures (`␛`), other unprintable characters `�`; combining marks are dropped
/// after the second in a row. So an escape sequence in a path is seen, not obeyed.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_CHARS));
    let mut marks = 0;
    for (count, c) in text.chars().enumerate() {
        if count == MAX_CHARS {
            out.push(ELLIPSIS);
            break;
        }
        let c = printable(c);
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if marks <= 2 {
            out.push(c);
        }
    }
    out
}

/// As `clean`, for bytes that may not be UTF-8.
pub(crate) fn clean_bytes(bytes: &[u8]) -> String {
    let most = bytes.get(..MAX_CHARS * 4).unwrap_or(bytes);
    clean(&String::from_utf8_lossy(most))
}

/// Columns the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Columns one character takes.
pub(crate) fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// At most `columns` wide: what does not fit is left out in the middle, where routes and paths differ least.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let (head, tail) = ends(&letters, columns, |c| char_width(*c));
    let mut out: String = head.iter().collect();
    if columns > 0 {
        out.push(ELLIPSIS);
    }
    out.extend(tail);
    out
}

/// The parts of `items` to keep, before and after a one-column ellipsis, so that all is at most `columns` wide.
pub(crate) fn ends<T>(items: &[T], columns: usize, width: impl Fn(&T) -> usize) -> (&[T], &[T]) {
    let room = columns.saturating_sub(1);
    let mut left = room / 2;
    let mut start = 0;
    for item in items {
        let Some(rest) = left.checked_sub(width(item)) else { break };
        left = rest;
        start += 1;
    }
    let mut left = room - room / 2;
    let mut end = items.len();
    for item in items.iter().rev() {
        let Some(rest) = left.checked_sub(width(item)) else { break };
        if end <= start {
            break;
        }
        left = rest;
        end -= 1;
    }
    items.split_at_checked(start).map_or((items, &[]), |(head, _)| (head, items.get(end..).unwrap_or(&[])))
}

fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => '\u{fffd}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, clean_bytes, shorten, width};

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile: String = (0..=0x1_0000u32).filter_map(char::from_u32).collect();
        for piece in hostile.chars().collect::<Vec<_>>().chunks(1000) {
            let cleaned = clean(&piece.iter().collect::<String>());
            assert!(!cleaned.chars().any(|c| c.is_control()), "{cleaned:?}");
        }
        assert_eq!(clean("/a\x1b[2J\u{9b}31m\u{202e}b"), "/a␛[2J\u{fffd}31m\u{fffd}b");
        assert_eq!(clean_bytes(b"a\xff\x07"), "a\u{fffd}␇");
    }

    #[test]
    fn marks_do_not_pile_up_and_length_is_bounded() {
        let zalgo = format!("a{}", "\u{301}".repeat(1000));
        assert_eq!(clean(&zalgo).chars().count(), 3);
        assert_eq!(clean(&"x".repeat(1 << 20)).chars().count(), 4097);
    }

    #[test]
    fn shortened_in_the_middle_to_any_width() {
        assert_eq!(shorten("/api/v1/orders/{orderId}/items", 16), "/api/v1…d}/items");
        for text in ["/api/v1/orders/{orderId}/items", "/商品/検索/結果/一覧", "", "a"] {
            for columns in 0..40 {
                assert!(width(&shorten(text, columns)) <= columns, "{text} in {columns}");
            }
        }
    }
}
