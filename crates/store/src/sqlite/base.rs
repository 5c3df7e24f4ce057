//! Looks of a series resemble one another: each is compressed against one that came before, and says in what it differs.

use super::Failure;
use overhear_model::shape::Shapes;
use rusqlite::{Connection, OptionalExtension};

const LEVEL: i32 = 3;
/// Longest text in bytes; what is longer was not written by us.
const LONGEST: usize = 64 << 20;

/// A look as it is kept, and what it is read with.
pub(super) fn write(
    connection: &Connection,
    series: u32,
    shapes: &Shapes,
) -> Result<(Vec<u8>, Option<i64>), Failure> {
    let text = shapes.to_text().map_err(damage)?;
    let alone = zstd::bulk::compress(&text, LEVEL).map_err(damage)?;
    let mut select = connection
        .prepare_cached("SELECT id, shapes FROM look_base WHERE series = ? ORDER BY id DESC LIMIT 1")?;
    let known = select.query_row([series], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))).optional()?;
    if let Some((id, base)) = known {
        let beside = against(&text, &inflate(&base, &[])?)?;
        // Else there is more new in it than old.
        if beside.len() < alone.len() / 4 * 3 {
            return Ok((beside, Some(id)));
        }
    }
    let beside = against(&text, &text)?;
    let mut insert =
        connection.prepare_cached("INSERT INTO look_base (series, shapes) VALUES (?, ?) RETURNING id")?;
    let id = insert.query_row((series, alone), |row| row.get(0))?;
    Ok((beside, Some(id)))
}

/// What [`write`] was given.
pub(super) fn read(connection: &Connection, blob: &[u8], base: Option<i64>) -> Result<Shapes, Failure> {
    let text = match base {
        None => inflate(blob, &[])?,
        Some(base) => {
            let mut select = connection.prepare_cached("SELECT shapes FROM look_base WHERE id = ?")?;
            let base: Option<Vec<u8>> = select.query_row([base], |row| row.get(0)).optional()?;
            let base = base.ok_or_else(|| damage("a look without what it was compressed against"))?;
            inflate(blob, &inflate(&base, &[])?)?
        }
    };
    Shapes::from_text(&text).map_err(damage)
}

/// Takes away what no look is read with any more, but what the next ones are to be compressed against.
pub(super) fn forget(connection: &Connection) -> Result<(), Failure> {
    connection.execute(
        "DELETE FROM look_base WHERE id NOT IN (SELECT base FROM looks WHERE base IS NOT NULL)
         AND id NOT IN (SELECT max(id) FROM look_base GROUP BY series)",
        [],
    )?;
    Ok(())
}

fn against(text: &[u8], base: &[u8]) -> Result<Vec<u8>, Failure> {
    let compressor = zstd::bulk::Compressor::with_dictionary(LEVEL, base);
    compressor.and_then(|mut compressor| compressor.compress(text)).map_err(damage)
}

fn inflate(blob: &[u8], base: &[u8]) -> Result<Vec<u8>, Failure> {
    // Ours say how long they are.
    let length = zstd::zstd_safe::get_frame_content_size(blob).ok().flatten();
    let length = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| damage("compressed text of no known length"))?;
    let decompressor = zstd::bulk::Decompressor::with_dictionary(base);
    decompressor.and_then(|mut decompressor| decompressor.decompress(blob, length)).map_err(damage)
}

fn damage(why: impl ToString) -> Failure {
    Failure::Damage(why.to_string())
}
