//! How large a store gets, and how long its questions take: days of calls by a simulated clock, through the real code.

use crate::{Effort, Figure, Result, process::cpu};
use overhear_exchange::{Detail, Exchange, Headers, Timestamp};
use overhear_model::{Bodies, Hints, Model, shape};
use overhear_pipeline::Monitor;
use overhear_query::monitor::{Asked, Beside, History};
use overhear_store::{Deployed, Questions, Resolution, Retention, Sqlite, Store};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

const ENDPOINTS: u64 = 1000;
const SERVICES: u64 = 20;
const CALLS_PER_SECOND: u64 = 2000;
/// Different answers.
const BODIES: u64 = 977;
/// Calls between two writes: as `watch` does, once a second.
const SLOT: u64 = 10;
/// Names a file: a store that an earlier run left there is not filled anew; where there is none, this run leaves its own.
const KEPT: &str = "OVERHEAR_BENCH_STORE";
/// A Monday in 2026, midnight.
const BEGIN: u64 = 1_780_876_800;
const HOUR: u64 = 3600;

pub(crate) fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let hours = if effort.pairs > 2 { 24 } else { 2 };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let kept = std::env::var_os(KEPT).map(PathBuf::from);
    let mut figures = match &kept {
        Some(kept) if kept.exists() => {
            std::fs::copy(kept, &path)?;
            Vec::new()
        }
        _ => filled(&path, hours)?,
    };
    if let Some(kept) = kept.filter(|kept| !kept.exists()) {
        std::fs::copy(&path, kept)?;
    }
    figures.extend(ask(&path, BEGIN + hours * HOUR, "")?);
    let simulated = if hours < 24 { format!(", of these {hours} h again and again") } else { String::new() };
    for (what, days, aim) in [("a day", 1, "< 400 MB"), ("a month, in its last hour,", 30, "< 2 GB")] {
        let (size, parts) = stretch(&path, u32::try_from(hours)?, days)?;
        let size = format!("{:.0} MB: {parts}", megabytes(size));
        figures.push(Figure::new(format!("store: {what} in use{simulated}"), size, aim));
    }
    // Each time there is now one before to be compared with.
    figures.extend(ask(&path, BEGIN + 30 * 24 * HOUR, ", in the month")?);
    Ok(figures)
}

/// Fills a store, and says what that took.
fn filled(path: &Path, hours: u64) -> Result<Vec<Figure>> {
    let begun = cpu(std::process::id())?;
    let largest = fill(path, hours)?;
    let took = cpu(std::process::id())?.saturating_sub(begun);
    let size = std::fs::metadata(path)?.len();
    let day = megabytes(size) * 24.0 / hours as f64;
    let calls = (CALLS_PER_SECOND * hours * HOUR) as f64;
    Ok(vec![
        Figure::new(
            format!(
                "store: {hours} h of {CALLS_PER_SECOND} calls a second at {ENDPOINTS} endpoints, its file"
            ),
            format!("{:.0} MB ({day:.0} MB a day)", megabytes(size)),
            "< 400 MB a day",
        ),
        Figure::new(
            "store: CPU per call, learned, counted and written",
            format!("{:.2} µs", took as f64 / 1e3 / calls),
            "",
        ),
        Figure::new("store: resident at its largest", format!("{:.0} MB", megabytes(largest)), ""),
        Figure::new("store: what its file is made of", parts(path)?, ""),
    ])
}

/// Bytes of blobs by table and level, and the rows they are in; largest first.
fn parts(path: &Path) -> Result<String> {
    let file = rusqlite::Connection::open(path)?;
    let mut levels = file.prepare(
        "SELECT what, sum(bytes), sum(rows) FROM (
           SELECT 'pack ' || level AS what, sum(length(tallies)) AS bytes, count(*) AS rows FROM pack GROUP BY level
           UNION ALL SELECT 'roll ' || level,
             sum(length(columns) + coalesce(length(latencies) + length(edges), 0)), count(*) FROM roll GROUP BY level
           UNION ALL SELECT 'looks ' || level, sum(length(shapes)), count(*) FROM looks GROUP BY level
           UNION ALL SELECT 'look', sum(length(shapes)), count(*) FROM look
           UNION ALL SELECT 'look_base', sum(length(shapes)), count(*) FROM look_base
           UNION ALL SELECT 'recent ' || level, sum(length(tallies)), count(*) FROM recent GROUP BY level
           UNION ALL SELECT 'slice', sum(length(tallies)), count(*) FROM slice
           UNION ALL SELECT 'evidence', sum(length(model)), count(*) FROM evidence
           UNION ALL SELECT 'first', 0, count(*) FROM first
         )
         GROUP BY what ORDER BY 2 DESC",
    )?;
    let told = levels.query_map([], |row| {
        let (what, bytes, rows): (String, Option<i64>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("{what} {:.1} MB in {rows}", megabytes(bytes.unwrap_or(0).unsigned_abs())))
    })?;
    let told: Vec<String> = told.collect::<rusqlite::Result<_>>()?;
    Ok(told.join(", "))
}

/// The hours that there are again and again until the days are full, then the real tidying in the last hour, when most is
/// kept: bytes in use. What is kept by ten seconds, and what was learned, does not grow with time.
fn stretch(path: &Path, hours: u32, days: u32) -> Result<(u64, String)> {
    /// Days whose minutes are still kept, and one more.
    const WITH_MINUTES: u32 = 5;
    let (day, hour) = (Resolution::Day.slots(), Resolution::Hour.slots());
    let begin = u32::try_from(BEGIN / SLOT)?;
    let file = rusqlite::Connection::open(path)?;
    let copy = |what: &str, from: u32, to: u32, length: u32| -> Result<()> {
        for (table, rest) in [
            ("pack", "series, tallies"),
            ("recent", "part, tallies"),
            ("roll", "columns, latencies, edges"),
            ("looks", "series, shapes, base"),
        ] {
            let sql = format!(
                "INSERT OR IGNORE INTO {table} (level, start, {rest}) SELECT level, start + ?1, {rest} FROM {table}
                 WHERE {what} AND start >= ?2 AND start < ?3"
            );
            file.execute(&sql, (to - from, from, from + length))?;
        }
        Ok(())
    };
    for number in hours..24 {
        copy("level <> 3", begin + number % hours * hour, begin + number * hour, hour)?;
    }
    let tidy = |hours: u32, minutes: u32| -> Result<Sqlite> {
        let now = at((BEGIN + u64::from(hours) * HOUR + u64::from(minutes) * 60) * 1_000_000_000);
        let retention = Retention { bytes: u64::MAX, ..Retention::default() };
        let mut store = Sqlite::open(path, Some(7), retention, now)?.store;
        store.tidy(now)?;
        Ok(store)
    };
    if days > 1 {
        // The day is over.
        tidy(24, 10)?;
    }
    // Minutes of earlier days are forgotten by then; those of the first stay until the end, as the others are made of them.
    for number in 1..days {
        let what = if number + WITH_MINUTES < days { "level > 1" } else { "true" };
        copy(what, begin, begin + number * day, day)?;
    }
    drop(file);
    let store = tidy(days * 24 - 1, 0)?;
    Ok((store.about()?.bytes, parts(path)?))
}

/// Says how much memory it took at most.
fn fill(path: &Path, hours: u64) -> Result<u64> {
    let mut store = Sqlite::open(path, Some(7), Retention::default(), at(BEGIN * 1_000_000_000))?.store;
    let mut model = Model::new(7);
    model.record_times();
    let paths: Vec<String> = (0..ENDPOINTS).map(path_of).collect();
    let services: Vec<Arc<str>> =
        (0..SERVICES).map(|number| format!("shop-{}", letters(number)).into()).collect();
    deploy(&mut store, &services, hours)?;
    let mut exchange = overhear_testkit::exchange("shop", "GET", "/", Some(200));
    let Detail::Http(http) = &mut exchange.detail;
    http.response_headers = Headers::new([(&b"content-type"[..], &b"application/json"[..])]);
    let bodies: Vec<String> = (0..BODIES).map(body).collect();
    let (mut random, mut largest) = (Random(1), 0);
    for slot in 0..hours * HOUR / SLOT {
        let second = BEGIN + slot * SLOT;
        for call in 0..SLOT * CALLS_PER_SECOND {
            next(
                &mut exchange,
                (&services, &paths),
                second * 1_000_000_000 + call * 1_000_000_000 / CALLS_PER_SECOND,
                &mut random,
            );
            let number = slot * SLOT * CALLS_PER_SECOND + call;
            let bytes = bodies[(number % BODIES) as usize].as_bytes();
            let response = Some(shape::Content { bytes, complete: true });
            let bodies = Bodies { response, ..Bodies::default() };
            model.learn_decoded(&exchange, bodies, shape::Effort::Adaptive(number));
        }
        store.append(&model.take_counted())?;
        if slot % 6 == 0 {
            let is_over = slot % (HOUR / SLOT) == 0;
            store.look(&model.open_shapes(), is_over)?;
            if is_over {
                model.close_shapes();
            }
            store.learn(&model)?;
            store.tidy(at(second * 1_000_000_000))?;
            largest = largest.max(resident()?);
        }
    }
    store.look(&model.open_shapes(), true)?;
    store.learn(&model)?;
    // Looks are put together some minutes after their hour.
    store.tidy(at((BEGIN + hours * HOUR + 600) * 1_000_000_000))?;
    Ok(largest)
}

/// Each service is deployed at the begin, and once more some minutes after another in the middle.
fn deploy(store: &mut Sqlite, services: &[Arc<str>], hours: u64) -> Result<()> {
    for (number, service) in services.iter().enumerate() {
        for second in [0, hours * HOUR / 2 + number as u64 * 133] {
            let (service, at) = (Arc::clone(service), at((BEGIN + second) * 1_000_000_000));
            store.deploy(&Deployed { service, at, version: Some(second.to_string().into()) })?;
        }
    }
    Ok(())
}

/// What most answers are: a page of records with some ten fields.
fn body(number: u64) -> String {
    let item = |n: u64| {
        format!(
            r#"{{"id":"{n:08x}-0000-4000-8000-{n:012x}","name":"thing {n}","state":"{}","price":{}.{:02},"createdAt":"2026-01-1{}T10:11:12Z","quantity":{},"tags":["a","b"],"owner":{{"id":{n},"email":"u{n}@example.com"}}}}"#,
            ["open", "paid", "sent"][(n % 3) as usize],
            n % 100,
            n % 90 + 10,
            n % 9,
            n % 7,
        )
    };
    format!(r#"{{"items":[{},{}],"total":{number}}}"#, item(number * 2), item(number * 2 + 1))
}

/// Twenty services with fifty endpoints each, by a word and an id.
fn path_of(number: u64) -> String {
    let word = |number: u64| {
        format!(
            "{}{}",
            ["orders", "users", "items", "carts", "bills"][(number % 5) as usize],
            letters(number / 5)
        )
    };
    format!("/{}/{}", word(number / 10), letters(number % 10 + 26))
}

fn letters(mut number: u64) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
        if number == 0 {
            return text;
        }
    }
}

/// Few endpoints have most of the calls; latencies spread over a factor of some hundred; one call in a hundred fails.
fn next(
    exchange: &mut Exchange,
    (services, paths): (&[Arc<str>], &[String]),
    nanos: u64,
    random: &mut Random,
) {
    let share = random.unit();
    let which = ((share * share * share) * paths.len() as f64) as usize;
    let Detail::Http(http) = &mut exchange.detail;
    http.path = paths[which.min(paths.len() - 1)].as_str().into();
    exchange.service = Arc::clone(&services[which % services.len()]);
    let fails = random.unit() < 0.01;
    http.status = Some(if fails { 503 } else { 200 });
    exchange.error = fails.then_some(overhear_exchange::ErrorType::Status(503));
    exchange.time = at(nanos);
    let spread = random.unit() + random.unit() + random.unit();
    exchange.duration =
        Some(Duration::from_secs_f64(0.001 * (1.0 + which as f64 / 100.0) * (2.0 * spread).exp()));
    let caller = [10, 0, 0, (random.0 >> 40) as u8 % 3 + 1];
    exchange.client.address = overhear_exchange::Address::Ip((caller, 4000).into());
}

/// Questions of the page's views, each five times; the middle one counts. `end`: where the store ends, in seconds.
fn ask(path: &Path, end: u64, when: &str) -> Result<Vec<Figure>> {
    let monitor = Monitor::new(Box::new(Sqlite::reader(path)?), Hints::default());
    // Not a whole hour, nor a whole minute: as people ask.
    let until = at((end - 17 * 60 - 30) * 1_000_000_000);
    let asked = |hours: u64| Asked {
        since: Some(at(until.as_nanos() - hours * HOUR * 1_000_000_000)),
        until: Some(until),
        ..Asked::default()
    };
    // What is learned is read once, then when it changed.
    let all = monitor.endpoints(asked(1), 0).map_err(|error| error.to_string())?.what;
    let busiest = all.into_iter().max_by_key(|row| row.now.requests).ok_or("no endpoint in the store")?.id;
    let mut figures = Vec::new();
    let mut time = |what: &str, question: &mut dyn FnMut() -> bool| {
        let (mut times, mut costs) = (Vec::<f64>::new(), Vec::<f64>::new());
        for _ in 0..5 {
            let used = || cpu(std::process::id()).map_or(f64::NAN, |nanos| nanos as f64 / 1e6);
            let (begun, before) = (Instant::now(), used());
            let answered = question();
            times.push(if answered { begun.elapsed().as_secs_f64() * 1e3 } else { f64::NAN });
            costs.push(used() - before);
        }
        let value = format!("{:.0} ms, {:.0} ms of CPU", crate::median(&times), crate::median(&costs));
        figures.push(Figure::new(format!("store: {what}{when}"), value, "< 100 ms"));
    };
    time("all endpoints over an hour, with time lines", &mut || monitor.endpoints(asked(1), 60).is_ok());
    time("all endpoints over a quarter of an hour, with time lines", &mut || {
        monitor
            .endpoints(Asked { since: Some(at(until.as_nanos() - 900_000_000_000)), ..asked(1) }, 60)
            .is_ok()
    });
    time("all endpoints over a day, with time lines", &mut || monitor.endpoints(asked(24), 48).is_ok());
    time("services over a day, with time lines", &mut || monitor.services(asked(24), 48).is_ok());
    time("one endpoint over an hour, by minute", &mut || {
        History::endpoint(&monitor, &busiest, asked(1), 60).is_ok()
    });
    time("the map over an hour", &mut || monitor.map(asked(1)).is_ok());
    time("what changed within an hour", &mut || monitor.changes(asked(1)).is_ok());
    let since_deploy = Asked { beside: Beside::DeployBefore, ..asked(1) };
    time("all endpoints since the deploys of their services, with time lines", &mut || {
        monitor.endpoints(since_deploy, 60).is_ok()
    });
    time("the map since the deploys", &mut || monitor.map(since_deploy).is_ok());
    time("what changed since the deploys", &mut || monitor.changes(since_deploy).is_ok());
    Ok(figures)
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn resident() -> Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    Ok(statm.split_whitespace().nth(1).ok_or("statm is odd")?.parse::<u64>()? * 4096)
}

/// xorshift64: the same calls in every run.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}
