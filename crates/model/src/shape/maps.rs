//! Maps and records: whether the keys of objects are data or names.

use super::{
    format,
    node::{INTEGER, NULL, NUMBER, Node, OBJECT, Types},
    objects::{Child, Objects},
    scalar::Strings,
    words,
};

/// True where the keys are data: they hardly repeat, look like data, and what stands under them is alike.
pub(super) fn is_map(objects: &Objects) -> bool {
    let folded = objects.rest.as_ref().map_or(0, |rest| rest.keys.seen);
    if objects.children.is_empty() {
        return folded > 0;
    }
    let look = Look::at(objects);
    // Keys that are plainly data, beside few that are not.
    if objects.limit == u64::MAX && folded > look.entries && look.entries < objects.seen {
        return true;
    }
    if look.are_codes() {
        return look.always < look.entries.div_ceil(2) && alike(objects);
    }
    if objects.seen == 1 {
        return look.slugs == look.keys && look.keys > 1 && alike(objects);
    }
    if look.core >= look.entries.div_ceil(2) {
        return false;
    }
    look.score(alike(objects)) > 0.0
}

/// What the keys show.
struct Look {
    keys: u64,
    /// Members, all objects together.
    entries: u64,
    /// Of those, the ones whose keys are in many of the objects.
    core: u64,
    /// Of those, the ones whose keys are in all of the objects, where there are several.
    always: u64,
    /// Keys seen once.
    single: u64,
    /// Keys of parts with hyphens or the like between, as data has them.
    slugs: u64,
    /// Keys as programmers write names of several words.
    identifiers: u64,
    /// Codes of currencies or countries.
    codes: u64,
    /// Languages, perhaps with a region.
    languages: u64,
}

impl Look {
    fn at(objects: &Objects) -> Self {
        let mut look = Self {
            keys: 0,
            entries: 0,
            core: 0,
            always: 0,
            single: 0,
            slugs: 0,
            identifiers: 0,
            codes: 0,
            languages: 0,
        };
        for child in &objects.children {
            look.keys += 1;
            look.entries = look.entries.saturating_add(child.present);
            look.single += u64::from(child.present == 1);
            if child.present > 1 && child.present.saturating_mul(5) >= objects.seen.saturating_mul(2) {
                look.core = look.core.saturating_add(child.present);
            }
            if child.present > 1 && child.present >= objects.seen {
                look.always = look.always.saturating_add(child.present);
            }
            let name = child.name.as_deref().unwrap_or_default().as_bytes();
            look.slugs += u64::from(is_slug(name));
            look.identifiers += u64::from(is_identifier(name));
            look.codes += u64::from(format::is_currency(name) || format::is_country(name));
            look.languages += u64::from(is_locale(name));
        }
        look
    }

    /// Small letters are codes only where there are several: `id`, `to`, `no` and `is` are languages too.
    fn are_codes(&self) -> bool {
        (self.codes == self.keys && self.keys > 1) || (self.languages == self.keys && self.keys > 3)
    }

    /// Above 0 for a map.
    fn score(&self, alike: bool) -> f64 {
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        // Good–Turing: how likely the next key is a new one.
        let growth = share(self.single, self.entries);
        let looks = 2.0 * share(self.slugs, self.keys) - 1.5 * share(self.identifiers, self.keys);
        // Few keys that do not repeat are chance as long as they are plain words.
        let many = (self.keys as f64 / 12.0).log2().clamp(-2.0, 3.0);
        let values = if alike { 0.5 } else { -1.5 };
        let repeated = self.entries >= self.keys.saturating_mul(5);
        let new = match growth {
            0.7.. => 1.0,
            0.4.. => 0.3,
            ..0.1 if repeated => -2.5,
            _ => -1.0,
        };
        looks + many + values + new - 1.2
    }
}

/// Small letters and digits in parts, as slugs, versions, hosts and paths have it; numbers, also after a name.
fn is_slug(name: &[u8]) -> bool {
    let separated = name.iter().any(|b| b"-.:/ ".contains(b));
    let plain = name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:/ _".contains(b));
    let numbered = matches!(name, [.., a, b] if a.is_ascii_digit() && b.is_ascii_digit());
    let number = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
    let begins = name.first().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'/');
    number || (plain && begins && (separated || numbered))
}

/// ISO 639-1, perhaps with a region.
fn is_locale(name: &[u8]) -> bool {
    const CODES: &[u8] = b"aaabaeafakamanarasavayazbabebgbhbibmbnbobrbscacechcocrcscucvcydadedvdzeeeleneoeseteufafffifj\
        fofrfygagdglgngugvhahehihohrhthuhyhziaidieigiiikioisitiujajvkakgkikjkkklkmknkokrkskukvkwkylalblglilnloltlulvmgmh\
        mimkmlmnmrmsmtmynanbndnengnlnnnonrnvnyocojomorospapiplpsptqurmrnrorurwsascsdsesgsiskslsmsnsosqsrssstsusvswtatetg\
        thtitktltntotrtstttwtyugukuruzvevivowawoxhyiyozazhzu";
    let (language, region) = name.split_at(name.len().min(2));
    let is_region = matches!(region, [] | [b'-' | b'_', _, _]);
    is_region && language.len() == 2 && CODES.chunks_exact(2).any(|code| code == language)
}

/// `camelCase`, `snake_case`, `PascalCase`.
fn is_identifier(name: &[u8]) -> bool {
    let bump = name
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    let snake = memchr::memchr(b'_', name).is_some() && !name.iter().any(|b| b.is_ascii_digit());
    name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') && (bump || snake)
}

/// True where the values under all keys could be of one shape.
fn alike(objects: &Objects) -> bool {
    let plain = |types: Types| match types & !NULL {
        types if types & (INTEGER | NUMBER) != 0 => (types & !INTEGER) | NUMBER,
        types => types,
    };
    let mut types =
        objects.children.iter().map(|child| plain(child.node.types())).filter(|types| *types != 0);
    let Some(first) = types.next() else { return true };
    types.all(|types| types == first) && (first & OBJECT == 0 || records_alike(objects))
}

/// True where objects under different keys share their own keys, or have none to compare.
fn records_alike(objects: &Objects) -> bool {
    let inner = objects.children.iter().filter_map(|child| child.node.objects.as_deref());
    let (mut all, mut slugs, mut keys) = (0usize, 0usize, Vec::new());
    for objects in inner {
        for child in &objects.children {
            all += 1;
            slugs += usize::from(is_slug(child.name.as_deref().unwrap_or_default().as_bytes()));
            keys.push(child.hash);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    all < 4 || slugs * 2 > all || keys.len() * 3 <= all * 2
}

/// All values of a map as those of one place, and its keys.
pub(super) fn fold(objects: &Objects, depth: usize) -> (Strings, Node) {
    let (mut keys, mut values) = match &objects.rest {
        Some(rest) => (rest.keys.clone(), rest.values.clone()),
        None => (Strings::keys(), Node::default()),
    };
    for child in &objects.children {
        learn_key(&mut keys, child);
        values.merge(&child.node, depth + 1);
    }
    (keys, values)
}

fn learn_key(keys: &mut Strings, child: &Child) {
    let seen = child.present;
    match child.name.as_deref().filter(|name| words::is_name(name.as_bytes()) || !name.is_empty()) {
        Some(name) => keys.learn(|| child.hash, name.as_bytes(), seen, true),
        None => keys.learn_unknown(child.hash, seen),
    }
    keys.sketch.insert(child.hash);
}
