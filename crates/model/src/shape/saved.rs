//! How evidence is written down: trees as flat lists, so that depth is no matter, and without the texts that are nobody's
//! business: keys and values that are no words, are too rare, or are data.

use super::{
    firsts::{ALWAYS, Firsts, Moment},
    maps,
    models::{Models, Used},
    node::{Arrays, Node, Texts},
    objects::{Child, Objects, Rest},
    payloads::{Bodies, Payloads},
    scalar::{Numbers, Strings},
    security::Doors,
    shapes::{Evidence, Reply, Shapes},
    sketch::Tally,
    tags::Tags,
    talk::{Side, Talk},
    tree::Tree,
    words,
};
use crate::{Histogram, OTHER};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Nodes of one tree in a saved model; more were never kept.
const MOST_ROWS: usize = 20_000;
/// Values deep in values; deeper ones were never learned.
const DEEPEST: usize = 40;

#[derive(Serialize, Deserialize)]
struct SavedShapes {
    requests: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    query: Vec<Row>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Row>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<Row>,
    #[serde(default)]
    with_body: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bodies: Vec<SavedBodies>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    replies: Vec<SavedReply>,
    doors: Doors,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    talk: Option<SavedTalk>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    models: Vec<SavedModel>,
}

#[derive(Serialize, Deserialize)]
struct SavedTalk {
    client: SavedSide,
    server: SavedSide,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subprotocols: Vec<(Box<str>, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    closed: Vec<(u16, u64)>,
}

#[derive(Serialize, Deserialize)]
struct SavedSide {
    messages: u64,
    bytes: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    unread: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    gaps: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    other: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<SavedBodies>,
}

/// Calls of one model: how soon the first token came is in seconds, at scale 5 of OTLP's exponential histogram.
#[derive(Serialize, Deserialize)]
struct SavedModel {
    name: Box<str>,
    calls: u64,
    input: u64,
    output: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    first_nanos: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    first: Vec<(i16, u64)>,
}

#[derive(Serialize, Deserialize)]
struct SavedReply {
    rank: u64,
    status: u16,
    seen: u64,
    /// When the first came, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "is_always")]
    first: Moment,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Row>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bodies: Vec<SavedBodies>,
}

#[derive(Serialize, Deserialize)]
struct SavedBodies {
    rank: u64,
    media: Box<str>,
    seen: u64,
    #[serde(default, skip_serializing_if = "is_always")]
    first: Moment,
    #[serde(default, skip_serializing_if = "is_zero")]
    partial: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    structured: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tree: Vec<Row>,
}

/// One node, after the one that holds it.
#[derive(Serialize, Deserialize)]
struct Row {
    /// Row of the node that holds it.
    #[serde(rename = "p", default, skip_serializing_if = "is_zero_place")]
    parent: u32,
    #[serde(rename = "e", default, skip_serializing_if = "Edge::is_top")]
    edge: Edge,
    #[serde(rename = "0", default, skip_serializing_if = "is_zero")]
    nulls: u64,
    #[serde(rename = "b", default, skip_serializing_if = "is_zero")]
    booleans: u64,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    numbers: Option<Box<Numbers>>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    strings: Option<Box<Strings>>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    texts: Option<SavedTexts>,
    /// Seen, fewest, most.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    arrays: Option<(u64, u64, u64)>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    objects: Option<SavedObjects>,
    /// When values of each of its types came first.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    firsts: Vec<Moment>,
}

/// How a node hangs on the one that holds it.
#[derive(Default, Serialize, Deserialize)]
enum Edge {
    #[default]
    Top,
    Items,
    /// Items of lists with commas.
    Parts,
    Rest(Strings),
    /// Hash, name, present, cut.
    Key(u64, Option<Box<str>>, u64, u64),
}

impl Edge {
    fn is_top(&self) -> bool {
        matches!(self, Self::Top)
    }
}

#[derive(Serialize, Deserialize)]
struct SavedTexts {
    booleans: u64,
    numbers: Numbers,
    lists: (u64, u64, u64),
    commas: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedObjects {
    #[serde(rename = "n")]
    seen: u64,
    #[serde(rename = "c", default, skip_serializing_if = "is_zero")]
    cut: u64,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(rename = "t", default)]
    tags: Tags,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_always(first: &Moment) -> bool {
    *first == ALWAYS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_zero_place(place: &u32) -> bool {
    *place == 0
}

impl Serialize for Shapes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.settled().map(|evidence| SavedShapes::from(evidence.as_ref())).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shapes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(saved) = Option::<SavedShapes>::deserialize(deserializer)? else {
            return Ok(Self::default());
        };
        let loaded = saved.restore().ok_or_else(|| D::Error::custom("a shape is out of its bounds"))?;
        // What was learned is within its bounds and in order; what was altered is after this.
        let mut shapes = Self::default();
        // The key decides nothing within the bounds.
        shapes.merge(0, &Self { whole: Some(Box::new(loaded)), ..Self::default() });
        Ok(shapes)
    }
}

impl From<&Evidence> for SavedShapes {
    fn from(evidence: &Evidence) -> Self {
        Self {
            requests: evidence.requests,
            query: rows(&evidence.query),
            headers: rows(&evidence.headers),
            cookies: rows(&evidence.cookies),
            with_body: evidence.with_body,
            bodies: saved_bodies(&evidence.bodies),
            replies: evidence.replies.iter().map(SavedReply::from).collect(),
            doors: evidence.doors.clone(),
            talk: evidence.talk.as_deref().map(SavedTalk::from),
            models: saved_models(&evidence.models),
        }
    }
}

impl From<&Talk> for SavedTalk {
    fn from(talk: &Talk) -> Self {
        let is_public = |(_, count): &&(Box<str>, u64)| *count >= Tally::PUBLIC;
        Self {
            client: SavedSide::from(&talk.client),
            server: SavedSide::from(&talk.server),
            subprotocols: talk.subprotocols.iter().filter(is_public).cloned().collect(),
            closed: talk.closed.clone(),
        }
    }
}

impl From<&Side> for SavedSide {
    /// What was said too rarely to be a word of the program is counted with the others.
    fn from(side: &Side) -> Self {
        let is_public = |kind: &&Bodies| kind.seen >= Tally::PUBLIC;
        let rare = side.kinds.iter().filter(|kind| !is_public(kind)).map(|kind| kind.seen).sum::<u64>();
        Self {
            messages: side.messages,
            bytes: side.bytes,
            unread: side.unread,
            gaps: side.gaps,
            other: side.other.saturating_add(rare),
            kinds: side.kinds.iter().filter(is_public).map(SavedBodies::from).collect(),
        }
    }
}

/// Of models that were called too rarely only the sums are kept.
fn saved_models(models: &Models) -> Vec<SavedModel> {
    let mut kept = Models::default();
    for used in &models.0 {
        let name = if used.calls >= Tally::PUBLIC { used.name.clone() } else { OTHER.into() };
        kept.add(0, &Used { name, ..used.clone() });
    }
    let saved = kept.0.into_iter().map(|used| SavedModel {
        name: used.name,
        calls: used.calls,
        input: used.input,
        output: used.output,
        first_nanos: used.first.sum_nanos(),
        first: used.first.indexed().collect(),
    });
    saved.collect()
}

impl From<&Reply> for SavedReply {
    fn from(reply: &Reply) -> Self {
        Self {
            rank: reply.rank,
            status: reply.status,
            seen: reply.seen,
            first: reply.first,
            headers: rows(&reply.headers),
            bodies: saved_bodies(&reply.bodies),
        }
    }
}

fn saved_bodies(payloads: &Payloads) -> Vec<SavedBodies> {
    payloads.kinds.iter().map(SavedBodies::from).collect()
}

impl From<&Bodies> for SavedBodies {
    fn from(kind: &Bodies) -> Self {
        Self {
            rank: kind.rank,
            media: kind.media.clone(),
            seen: kind.seen,
            first: kind.first,
            partial: kind.partial,
            structured: kind.structured,
            tree: rows(&kind.tree),
        }
    }
}

/// The nodes of a tree, each after the one that holds it; none for an empty tree.
fn rows(tree: &Tree) -> Vec<Row> {
    let mut rows = Vec::new();
    if tree.root != Node::default() {
        write(&tree.root, 0, Edge::Top, &mut rows);
    }
    rows
}

fn write(node: &Node, parent: u32, edge: Edge, rows: &mut Vec<Row>) {
    let place = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    rows.push(Row {
        parent,
        edge,
        nulls: node.nulls,
        booleans: node.booleans,
        numbers: node.numbers.clone(),
        strings: node.strings.as_deref().map(|strings| {
            let mut strings = strings.clone();
            strings.tally.strip();
            Box::new(strings)
        }),
        texts: node.texts.as_deref().map(|texts| SavedTexts {
            booleans: texts.booleans,
            numbers: texts.numbers.clone(),
            lists: lengths(&texts.lists),
            commas: texts.commas,
        }),
        arrays: node.arrays.as_deref().map(lengths),
        objects: node.objects.as_deref().map(|objects| {
            let mut tags = objects.tags.clone();
            tags.strip();
            let limit = (objects.limit < u64::MAX).then_some(objects.limit);
            SavedObjects { seen: objects.seen, cut: objects.cut, limit, tags }
        }),
        firsts: firsts(node),
    });
    if let Some(items) = node.texts.as_ref().and_then(|texts| texts.lists.items.as_deref()) {
        write(items, place, Edge::Parts, rows);
    }
    if let Some(items) = node.arrays.as_ref().and_then(|arrays| arrays.items.as_deref()) {
        write(items, place, Edge::Items, rows);
    }
    if let Some(objects) = &node.objects {
        write_keys(objects, place, rows);
    }
}

fn write_keys(objects: &Objects, place: u32, rows: &mut Vec<Row>) {
    let is_map = maps::is_map(objects);
    for child in &objects.children {
        let name = child.name.clone().filter(|name| !is_map && words::is_public_name(name.as_bytes()));
        write(&child.node, place, Edge::Key(child.hash, name, child.present, child.cut), rows);
    }
    if let Some(rest) = &objects.rest {
        write(&rest.values, place, Edge::Rest(rest.keys.clone()), rows);
    }
}

/// None where nothing is known.
fn firsts(node: &Node) -> Vec<Moment> {
    let saved = node.firsts.saved(node.types());
    if saved.iter().all(|first| *first == ALWAYS) { Vec::new() } else { saved }
}

fn lengths(arrays: &Arrays) -> (u64, u64, u64) {
    (arrays.seen, arrays.fewest, arrays.most)
}

impl SavedShapes {
    fn restore(self) -> Option<Evidence> {
        let replies: Option<Vec<_>> = self.replies.into_iter().map(SavedReply::restore).collect();
        Some(Evidence {
            requests: self.requests,
            query: tree(self.query)?,
            headers: tree(self.headers)?,
            cookies: tree(self.cookies)?,
            with_body: self.with_body,
            bodies: bodies(self.bodies)?,
            replies: replies?,
            doors: self.doors,
            talk: self
                .talk
                .map(|talk| talk.restore().map(Box::new))
                .map_or(Some(None), |talk| talk.map(Some))?,
            models: Models(self.models.into_iter().map(SavedModel::restore).collect::<Option<_>>()?),
        })
    }
}

impl SavedReply {
    fn restore(self) -> Option<Reply> {
        Some(Reply {
            rank: self.rank,
            status: self.status,
            seen: self.seen,
            first: self.first,
            headers: tree(self.headers)?,
            bodies: bodies(self.bodies)?,
        })
    }
}

impl SavedTalk {
    fn restore(self) -> Option<Talk> {
        Some(Talk {
            client: self.client.restore()?,
            server: self.server.restore()?,
            subprotocols: self.subprotocols,
            closed: self.closed,
        })
    }
}

impl SavedSide {
    fn restore(self) -> Option<Side> {
        Some(Side {
            messages: self.messages,
            bytes: self.bytes,
            unread: self.unread,
            gaps: self.gaps,
            other: self.other,
            kinds: bodies(self.kinds)?.kinds,
        })
    }
}

impl SavedModel {
    fn restore(self) -> Option<Used> {
        let first = Histogram::from_parts(self.first, std::time::Duration::from_nanos(self.first_nanos))?;
        Some(Used { name: self.name, calls: self.calls, input: self.input, output: self.output, first })
    }
}

fn bodies(saved: Vec<SavedBodies>) -> Option<Payloads> {
    let kinds = saved.into_iter().map(|saved| {
        Some(Bodies {
            seen: saved.seen,
            first: saved.first,
            partial: saved.partial,
            structured: saved.structured,
            tree: tree(saved.tree)?,
            ..Bodies::new(saved.rank, &saved.media)
        })
    });
    Some(Payloads { kinds: kinds.collect::<Option<_>>()? })
}

/// The tree whose nodes these are. Every node stands after the one that holds it, so the last has none below it.
fn tree(rows: Vec<Row>) -> Option<Tree> {
    if rows.len() > MOST_ROWS || !is_shallow(&rows) {
        return None;
    }
    let mut nodes: Vec<(u32, Edge, Node)> = rows.into_iter().map(Row::restore).collect();
    while nodes.len() > 1 {
        let (parent, edge, node) = nodes.pop()?;
        let (_, _, holder) = nodes.get_mut(parent as usize)?;
        attach(holder, edge, node)?;
    }
    let mut root = nodes.pop().map(|(_, _, node)| node).unwrap_or_default();
    root.each_objects(0, &mut |objects, _| objects.children.sort_by_key(|child| child.hash));
    Some(Tree::of(root))
}

fn is_shallow(rows: &[Row]) -> bool {
    let mut depths: Vec<usize> = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        let above = if at == 0 { Some(0) } else { depths.get(row.parent as usize).map(|depth| depth + 1) };
        match above {
            Some(depth) if depth <= DEEPEST => depths.push(depth),
            _ => return false,
        }
    }
    true
}

impl Row {
    fn restore(self) -> (u32, Edge, Node) {
        let arrays = |(seen, fewest, most)| Arrays { seen, fewest, most, items: None };
        let mut node = Node {
            nulls: self.nulls,
            booleans: self.booleans,
            numbers: self.numbers,
            strings: self.strings,
            texts: self.texts.map(|texts| {
                Box::new(Texts {
                    booleans: texts.booleans,
                    numbers: texts.numbers,
                    lists: arrays(texts.lists),
                    commas: texts.commas,
                })
            }),
            arrays: self.arrays.map(|lengths| Box::new(arrays(lengths))),
            objects: self.objects.map(|saved| {
                let limit = saved.limit.unwrap_or(u64::MAX);
                Box::new(Objects {
                    seen: saved.seen,
                    cut: saved.cut,
                    limit,
                    tags: saved.tags,
                    ..Objects::default()
                })
            }),
            firsts: Firsts::default(),
        };
        node.firsts = Firsts::restored(node.types(), &self.firsts);
        (self.parent, self.edge, node)
    }
}

/// Nothing where the node that holds it is of another type.
fn attach(holder: &mut Node, edge: Edge, node: Node) -> Option<()> {
    match edge {
        Edge::Top => return None,
        Edge::Items => holder.arrays.as_mut()?.items = Some(Box::new(node)),
        Edge::Parts => holder.texts.as_mut()?.lists.items = Some(Box::new(node)),
        Edge::Rest(keys) => holder.objects.as_mut()?.rest = Some(Box::new(Rest { keys, values: node })),
        Edge::Key(hash, name, present, cut) => {
            let secret = name.as_ref().is_none_or(|name| words::is_secret(name.as_bytes()));
            let child = Child { name, secret, present, cut, node, ..Child::new(hash) };
            holder.objects.as_mut()?.children.push(child);
        }
    }
    Some(())
}
