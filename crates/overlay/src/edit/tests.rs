use super::{Entry, Kind, Proposal, Refused};
use crate::{Change, Overlay, propose};
use overhear_query::{Api, Owner};
use serde_json::{Value, json};

const FILE: &str = "# Ours.
overlay: 1.1.0
info: {title: shop, version: 1.0.0}
x-overhear:
  routes:
    force:   # by hand
      - /users/{userId}   # thin
    forbid: []  # none yet
  slo:
    search: {fast: 99}
actions:
- target: $.paths['/users/{userId}'].get
  update:
    summary: One user

# The end.
";

fn document() -> Value {
    json!({"paths": {
        "/users/{userId}": {"get": {"responses": {}}},
        "/orders/{id}": {"get": {"responses": {}}, "delete": {"responses": {}}},
    }})
}

fn entry() -> Entry {
    Entry { service: "shop".into(), method: "GET".into(), route: "/orders/{id}".into(), ..Entry::default() }
}

fn proposed(entry: &Entry, old: &str) -> Proposal {
    let proposal = entry.propose("o.yaml", Some(old), &document()).unwrap();
    // Nothing that was written is lost: the old lines are in the new file, in their order.
    let mut new = proposal.text.lines();
    for line in old.lines() {
        let kept = |new: &str| new == line || new == line.replace("[]", "").replace("{}", "").trim_end();
        assert!(new.by_ref().any(kept), "{line:?} is gone from\n{}", proposal.text);
    }
    proposal
}

#[test]
fn everything_finds_its_place_and_nothing_is_rewritten() {
    let entry = Entry {
        template: Some("/orders/{orderId}".into()),
        summary: Some(" One order ".into()),
        description: Some("Says \"all\": of it\nin two lines".into()),
        owner: Some("checkout".into()),
        promise: [Some(99.9), None, Some(0.25)],
        ..entry()
    };
    let proposal = proposed(&entry, FILE);
    let expected = "# Ours.
overlay: 1.1.0
info: {title: shop, version: 1.0.0}
x-overhear:
  routes:
    force:   # by hand
      - /users/{userId}   # thin
      - \"/orders/{orderId}\"
    forbid: []  # none yet
  slo:
    search: {fast: 99}
    \"shop\": {availability: 99.9, within: 0.25}
actions:
- target: $.paths['/users/{userId}'].get
  update:
    summary: One user
- target: \"$.paths['/orders/{orderId}'].get\"
  update:
    summary: \"One order\"
    description: \"Says \\\"all\\\": of it\\nin two lines\"
    x-owner: \"checkout\"

# The end.
";
    assert_eq!(proposal.text, expected);
    let overlay = Overlay::parse("o.yaml", &proposal.text).unwrap();
    let Change::Update(update) = &overlay.actions[1].change else { panic!() };
    assert_eq!(update["description"], "Says \"all\": of it\nin two lines");
    let added: Vec<_> = proposal.lines.iter().filter(|line| line.kind == Kind::Added).collect();
    assert_eq!((added.len(), added[0].number, &*added[0].text), (7, 8, "      - \"/orders/{orderId}\""));
    assert!(proposal.lines.iter().all(|line| line.kind != Kind::Gone));
    assert!(
        Overlay::parse("o", &format!("overlay: 1.1.0\ninfo: {{title: t, version: '1'}}\n{}", proposal.entry))
            .is_ok()
    );
}

#[test]
fn empty_brackets_make_room_and_their_comment_stays() {
    let words = Entry { words: true, ignore: true, ..entry() };
    let proposal = proposed(&words, FILE);
    assert!(
        proposal.text.contains("    forbid:   # none yet\n      - \"/orders/{id}\"\n"),
        "{}",
        proposal.text
    );
    let gone: Vec<_> = proposal.lines.iter().filter(|line| line.kind == Kind::Gone).collect();
    assert_eq!((gone.len(), &*gone[0].text), (1, "    forbid: []  # none yet"));
    assert!(proposal.text.contains("    x-overhear-ignore: true\n"));
}

#[test]
fn a_file_of_overlay_init_takes_everything() {
    let api = Api {
        owner: Owner::Service("shop".into()),
        servers: Vec::new(),
        operations: Vec::new(),
        elsewhere: 0,
    };
    let entry = Entry {
        template: Some("/orders/{orderId}".into()),
        owner: Some("checkout".into()),
        promise: [None, Some(99.0), None],
        ..entry()
    };
    let proposal = proposed(&entry, &propose(&api));
    let overlay = Overlay::parse("o", &proposal.text).unwrap();
    assert_eq!(overlay.routes.force[0].route, "/orders/{orderId}");
    assert_eq!((overlay.actions.len(), overlay.promises.len()), (1, 1));
}

#[test]
fn there_may_be_no_file_and_no_keys_yet() {
    let entry = Entry { summary: Some("Orders".into()), template: Some("/orders/{no}".into()), ..entry() };
    let proposal = entry.propose("o.yaml", None, &document()).unwrap();
    let overlay = Overlay::parse("o", &proposal.text).unwrap();
    assert_eq!((overlay.actions.len(), &*overlay.routes.force[0].route), (1, "/orders/{no}"));
    assert_eq!(proposal.lines.len(), proposal.text.lines().count(), "all of it is new");
    for old in [
        "overlay: 1.1.0\ninfo: {title: t, version: '1'}",
        "overlay: 1.1.0\ninfo: {title: t, version: '1'}\nx-overhear:\n  services: {}\n",
        "overlay: 1.1.0\ninfo: {title: t, version: '1'}\nx-overhear: {}\nactions: []\n",
        "'x-overhear':\n    routes: {}\n\"actions\": []\n\noverlay: 1.1.0\ninfo: {title: t, version: '1'}\n",
        "overlay: 1.1.0\r\ninfo: {title: t, version: '1'}\r\nactions: []\r\n",
    ] {
        let proposal = proposed(&entry, old);
        let overlay = Overlay::parse("o", &proposal.text).unwrap();
        assert_eq!((overlay.actions.len(), overlay.routes.force.len()), (1, 1), "{}", proposal.text);
        assert_eq!(proposal.text.contains('\r'), old.contains('\r'));
    }
}

#[test]
fn what_a_person_said_stands() {
    let user = |entry| Entry { route: "/users/{userId}".into(), ..entry };
    for (entry, line, what) in [
        (user(Entry { template: Some("/users/{id}".into()), ..entry() }), 7, "/users/{userId} of this route"),
        (user(Entry { words: true, ..entry() }), 7, "/users/{userId} of this route"),
        (user(Entry { summary: Some("A user".into()), ..entry() }), 12, "`summary` of this operation"),
        (
            Entry { service: "search".into(), promise: [Some(99.0), None, None], ..entry() },
            10,
            "what search promises",
        ),
    ] {
        let refused = entry.propose("o.yaml", Some(FILE), &document()).unwrap_err();
        let expected = Refused::Written { file: "o.yaml".into(), line, what: what.into() };
        assert_eq!(refused, expected);
    }
    // Another field of the same operation is no contradiction.
    let owner = user(Entry { owner: Some("accounts".into()), ..entry() });
    assert_eq!(Overlay::parse("o", &proposed(&owner, FILE).text).unwrap().actions.len(), 2);
}

#[test]
fn what_nothing_can_be_put_into_is_left_to_a_person_with_the_entry() {
    let entry = Entry { owner: Some("checkout".into()), template: Some("/orders/{no}".into()), ..entry() };
    for old in [
        "overlay: 1.1.0\ninfo: {title: t, version: '1'}\nactions: [{target: $.info, update: {}}]\n",
        "{\"overlay\": \"1.1.0\", \"info\": {\"title\": \"t\", \"version\": \"1\"}, \"actions\": []}",
        "overlay: 1.1.0\ninfo: {title: t, version: '1'}\nx-overhear: {routes: {force: ['/a/{b}']}}\n",
        "overlay: 1.1.0\ninfo: {title: t, version: '1'}\nactions: &a\n- {target: $.info, update: {}}\n",
        "---\noverlay: 1.1.0\ninfo: {title: t, version: '1'}\n...\n",
    ] {
        match entry.propose("o.yaml", Some(old), &document()) {
            Err(Refused::Style { entry, .. }) => {
                assert!(entry.contains("x-owner: \"checkout\"") && entry.contains("/orders/{no}"), "{entry}");
            }
            other => panic!("{old}: {other:?}"),
        }
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    for (entry, expected) in [
        (entry(), "nothing is changed yet"),
        (Entry { template: Some("/orders/{id}".into()), ..entry() }, "nothing is changed yet"),
        (Entry { summary: Some("  ".into()), ..entry() }, "nothing is changed yet"),
        (Entry { template: Some("/orders/{".into()), ..entry() }, "a `{` is not closed"),
        (Entry { template: Some("/orders".into()), ..entry() }, "number of segments"),
        (Entry { promise: [Some(100.0), None, None], ..entry() }, "below 100"),
        (Entry { promise: [None, None, Some(0.0)], ..entry() }, "number of seconds"),
        (Entry { words: true, route: "/orders".into(), ..entry() }, "no placeholder"),
    ] {
        let refused = entry.propose("o.yaml", None, &document()).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    let broken = entry().propose("o.yaml", Some("overlay: 2.0.0"), &document());
    assert_eq!(broken, Err(Refused::Nothing));
    let entry = Entry { ignore: true, ..entry() };
    assert!(matches!(entry.propose("o.yaml", Some("overlay: ["), &document()), Err(Refused::Unreadable(_))));
}
