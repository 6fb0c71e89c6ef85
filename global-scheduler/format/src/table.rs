//! Tables of sites and users as CSV: what is published about base stations and the people around them.
//!
//! Columns are found by their names, in any case and order; all others are passed over.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord};
use meridian_global_world::{Capacity, Kind, Location, MOST_ENTRIES, Position, Site};

use crate::error::FormatError;

/// What a table of sites does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteOptions {
    /// What each site has.
    pub capacity: BTreeMap<String, Capacity>,
    /// Money an hour for using a site.
    pub opening: f64,
}

/// Reads sites: a name in `SITE_ID`, `ID` or `NAME`, coordinates in `LATITUDE` and `LONGITUDE`, and if there is one a failure domain in
/// `STATE`.
pub fn read_sites(text: &str, options: &SiteOptions) -> Result<Vec<Site>, FormatError> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = header(&mut reader)?;
    let name = column(&header, &["SITE_ID", "ID", "NAME"])?;
    let coordinates = coordinates(&header)?;
    let state = column(&header, &["STATE"]).ok();
    let mut sites = Vec::new();
    for record in reader.records() {
        let (line, record) = row(record)?;
        bounded(line, sites.len())?;
        let name = record.get(name).unwrap_or_default().trim();
        if name.is_empty() {
            return Err(FormatError::Row { line, problem: "the site has no name, want one".to_owned() });
        }
        let state =
            state.and_then(|state| record.get(state)).map(str::trim).filter(|state| !state.is_empty());
        sites.push(Site {
            name: name.to_owned(),
            kind: Kind::Edge,
            position: Some(position(line, &record, coordinates)?),
            domains: state.map(|state| ("state".to_owned(), state.to_owned())).into_iter().collect(),
            opening: options.opening,
            capacity: options.capacity.clone(),
            ..Site::default()
        });
    }
    Ok(sites)
}

/// Reads users, who are told apart by nothing but coordinates in `LATITUDE` and `LONGITUDE`, and puts those in the same cell of a
/// grid together: a location for each cell with its middle, and how many users are in it.
pub fn read_users(text: &str, grid: f64) -> Result<Vec<(Location, f64)>, FormatError> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = header(&mut reader)?;
    let coordinates = coordinates(&header)?;
    let mut cells: BTreeMap<(i64, i64), (Position, f64)> = BTreeMap::new();
    for record in reader.records() {
        let (line, record) = row(record)?;
        bounded(line, cells.len())?;
        let at = position(line, &record, coordinates)?;
        let cell = |degrees: f64| (degrees / grid).floor() as i64;
        let middle = |cell: i64| (cell as f64 + 0.5) * grid;
        let (row, column) = (cell(at.latitude), cell(at.longitude));
        let latitude = middle(row).clamp(-90.0, 90.0);
        let position = Position { latitude, longitude: middle(column).clamp(-180.0, 180.0) };
        cells.entry((row, column)).or_insert((position, 0.0)).1 += 1.0;
    }
    let location = |(number, (position, users)): (usize, (Position, f64))| {
        (Location { name: format!("cell-{number:05}"), position: Some(position) }, users)
    };
    Ok(cells.into_values().enumerate().map(location).collect())
}

fn header(reader: &mut csv::Reader<&[u8]>) -> Result<StringRecord, FormatError> {
    reader.headers().cloned().map_err(|error| wrong(&error))
}

fn column(header: &StringRecord, names: &[&str]) -> Result<usize, FormatError> {
    let found = names.iter().find_map(|name| {
        header
            .iter()
            .position(|column| column.trim().trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
    });
    found.ok_or_else(|| FormatError::Column { want: names.join(" or ") })
}

fn coordinates(header: &StringRecord) -> Result<(usize, usize), FormatError> {
    Ok((column(header, &["LATITUDE"])?, column(header, &["LONGITUDE"])?))
}

fn row(record: Result<StringRecord, csv::Error>) -> Result<(u64, StringRecord), FormatError> {
    let record = record.map_err(|error| wrong(&error))?;
    Ok((record.position().map_or(0, csv::Position::line), record))
}

fn wrong(error: &csv::Error) -> FormatError {
    let line = error.position().map_or(0, csv::Position::line);
    FormatError::Row { line, problem: format!("{error}") }
}

fn bounded(line: u64, count: usize) -> Result<(), FormatError> {
    if count < MOST_ENTRIES {
        return Ok(());
    }
    Err(FormatError::Row { line, problem: format!("follows {MOST_ENTRIES} others, want at most so many") })
}

fn position(line: u64, record: &StringRecord, columns: (usize, usize)) -> Result<Position, FormatError> {
    let degrees = |column: usize, what: &str, most: f64| {
        let text = record.get(column).unwrap_or_default().trim();
        match text.parse::<f64>() {
            Ok(value) if value.abs() <= most => Ok(value),
            _ => {
                let text: String = text.chars().take(40).collect();
                let problem = format!("the {what} is {text:?}, want a number from -{most} to {most}");
                Err(FormatError::Row { line, problem })
            }
        }
    };
    Ok(Position {
        latitude: degrees(columns.0, "latitude", 90.0)?,
        longitude: degrees(columns.1, "longitude", 180.0)?,
    })
}
