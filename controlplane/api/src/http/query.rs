//! The query parameters of a request, read by name and checked by type.
//!
//! A value that does not parse is refused with the parameter's name and what would be right. Parameters that nobody
//! asks for are not looked at, as in Kubernetes.

use std::borrow::Cow;

use super::percent;
use crate::Failure;

/// The parameters of one request.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Query<'a> {
    pub(super) fn parse(text: Option<&'a str>) -> Result<Self, Failure> {
        // More parameters than any request has; the rest of a longer list is refused, not ignored.
        const MOST: usize = 64;
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self::default()) };
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MOST {
                return Err(Failure::bad_request(format!("the query has more than {MOST} parameters")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (percent::query(name), percent::query(value)) {
                (Some(name), Some(value)) => pairs.push((name, value)),
                _ => {
                    return Err(Failure::bad_request(format!(
                        "query parameter {name}: the value is not UTF-8"
                    )));
                }
            }
        }
        Ok(Self { pairs })
    }

    /// The first value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// The first value of a parameter, unless it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(super) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.pairs.iter().filter(move |(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// A switch. Named without a value it is on.
    pub(super) fn switch(&self, name: &str) -> Result<bool, Failure> {
        self.optional_switch(name).map(|switch| switch.unwrap_or(false))
    }

    /// A switch that may be left alone.
    pub(super) fn optional_switch(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some("" | "1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(Some(true)),
            Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(Some(false)),
            Some(value) => Err(invalid(name, value, "want true or false")),
        }
    }

    /// A whole number that is not negative.
    pub(super) fn whole(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(value) = self.text(name) else { return Ok(None) };
        // Kubernetes' numbers end where Go's int64 ends.
        match value.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(invalid(name, value, "want a whole number that is not negative")),
        }
    }

    /// Whether the request is to change nothing. `All` is the one stage there is.
    pub(super) fn dry_run(&self) -> Result<bool, Failure> {
        let mut dry_run = false;
        for value in self.all("dryRun") {
            match value {
                "All" => dry_run = true,
                "" => {}
                _ => return Err(invalid("dryRun", value, "supported values: \"All\"")),
            }
        }
        Ok(dry_run)
    }

    /// Who manages the fields that the request writes, as the client says.
    pub(super) fn field_manager(&self) -> Result<Option<&str>, Failure> {
        const LONGEST: usize = 128;
        let Some(manager) = self.text("fieldManager") else { return Ok(None) };
        if manager.chars().count() > LONGEST || manager.chars().any(char::is_control) {
            return Err(invalid("fieldManager", manager, "want at most 128 printable characters"));
        }
        Ok(Some(manager))
    }
}

/// The refusal of a parameter's value.
pub(super) fn invalid(name: &str, value: &str, want: &str) -> Failure {
    // Only so much of the value is said back.
    const SHOWN: usize = 128;
    let shown: String = value.chars().take(SHOWN).collect();
    Failure::bad_request(format!("query parameter {name}: invalid value {shown:?}: {want}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_type() {
        let query =
            Query::parse(Some("watch&limit=500&labelSelector=app%3Dweb,tier+in+(a)&dryRun=All")).unwrap();
        assert!(query.switch("watch").unwrap());
        assert!(!query.switch("allowWatchBookmarks").unwrap());
        assert_eq!(query.whole("limit").unwrap(), Some(500));
        assert_eq!(query.text("labelSelector"), Some("app=web,tier in (a)"));
        assert!(query.dry_run().unwrap());
        assert_eq!(Query::parse(None).unwrap().whole("limit").unwrap(), None);
    }

    #[test]
    fn a_bad_value_is_refused_by_the_name_of_its_parameter() {
        let query =
            Query::parse(Some("watch=maybe&limit=-1&timeoutSeconds=99999999999999999999&dryRun=Some"))
                .unwrap();
        let said = |failure: Failure| failure.to_string();
        assert!(said(query.switch("watch").unwrap_err()).contains("watch: invalid value \"maybe\""));
        assert!(said(query.whole("limit").unwrap_err()).contains("limit: invalid value \"-1\""));
        assert!(said(query.whole("timeoutSeconds").unwrap_err()).contains("timeoutSeconds"));
        assert!(said(query.dry_run().unwrap_err()).contains("supported values: \"All\""));
        let many = "a=1&".repeat(65);
        assert_eq!(Query::parse(Some(&many)).unwrap_err().code, 400);
        assert_eq!(Query::parse(Some("a=%ff")).unwrap_err().code, 400);
    }
}
