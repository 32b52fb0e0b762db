//! The parts of `docs/protocol.md`: sections, tables, fenced blocks.

use std::collections::BTreeMap;

/// The text that is under test.
pub(crate) const PAGE: &str = include_str!("../../../docs/protocol.md");

/// The lines of every fenced block of a language, with their line numbers.
pub(crate) fn blocks(language: &str) -> Vec<Vec<(usize, &'static str)>> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, Vec<_>)> = None;
    for (number, line) in (1..).zip(PAGE.lines()) {
        match (line.strip_prefix("```"), &mut open) {
            (Some(found), None) => open = Some((found == language, Vec::new())),
            (Some(_), Some(_)) => {
                if let Some((true, lines)) = open.take() {
                    blocks.push(lines);
                }
            }
            (None, Some((_, lines))) => lines.push((number, line)),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fenced block is not closed");
    blocks
}

/// The rows of the table that begins with these header cells, without the header.
pub(crate) fn table(header: &[&str]) -> Vec<Vec<&'static str>> {
    let mut tables = tables_in(PAGE).into_iter().filter(|table| table[0] == header);
    let table = tables.next().unwrap_or_else(|| panic!("no table {header:?}"));
    assert!(tables.next().is_none(), "two tables {header:?}");
    table[1..].to_vec()
}

/// The table of fields in the part about a control frame: by name, whether it is always there.
pub(crate) fn fields_of(control: &str) -> BTreeMap<String, bool> {
    let start = format!("\n### `{control}`\n");
    let part = PAGE.split_once(&start).unwrap_or_else(|| panic!("no part about {control}")).1;
    let end = part.find("\n##").unwrap_or(part.len());
    let tables = tables_in(&part[..end]);
    let fields = tables.iter().find(|table| table[0] == ["field", "when", "meaning"]);
    fields.map_or_else(BTreeMap::new, |table| {
        let field = |row: &Vec<&str>| (unquoted(row[0]).to_owned(), row[1] == "always");
        table[1..].iter().map(field).collect()
    })
}

/// The cell without its back-quotes.
pub(crate) fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// Every table: the header, and the rows without the ruler.
fn tables_in(text: &str) -> Vec<Vec<Vec<&str>>> {
    let mut tables = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with('|') {
            continue;
        }
        let mut table = vec![cells(line)];
        while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
            table.push(cells(row));
        }
        table.remove(1);
        tables.push(table);
    }
    tables
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}
