//! Named quantities, and their sums and maxima by the Kubernetes rules.
//!
//! Sums are kept exact and are rounded to the engine's whole units once, at the end, as kube-scheduler does: two
//! containers that ask for a tenth of a byte each ask for one byte together.

use std::collections::BTreeMap;

use meridian_engine::{MAX_QUANTITY, Resources};

use crate::error::{ObjectError, invalid_number};
use crate::quantity::Quantity;
use crate::tree::Path;

/// A resource list as an object gives it.
pub(crate) type Listed<'a> = BTreeMap<&'a str, Quantity>;

/// A resource list that is computed with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourceList<'a>(BTreeMap<&'a str, Quantity>);

impl<'a> ResourceList<'a> {
    /// The list at `path`, rounded to thousandths as an API server stores it. Nothing may be negative.
    pub(crate) fn from_listed(listed: &Listed<'a>, path: &Path<'_>) -> Result<ResourceList<'a>, ObjectError> {
        let mut list = BTreeMap::new();
        for (name, quantity) in listed {
            if quantity.is_negative() {
                return Err(invalid_number(path.field(name), quantity, "at least 0"));
            }
            list.insert(*name, quantity.rounded_to_milli());
        }
        Ok(ResourceList(list))
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, Quantity)> {
        self.0.iter().map(|(name, quantity)| (*name, *quantity))
    }

    /// Sets one quantity.
    pub(crate) fn set(&mut self, name: &'a str, quantity: Quantity) {
        self.0.insert(name, quantity);
    }

    /// Adds resource by resource.
    pub(crate) fn add(&mut self, other: &ResourceList<'a>) {
        for (name, quantity) in other.iter() {
            let sum = self.0.entry(name).or_default();
            *sum = sum.saturating_add(quantity);
        }
    }

    /// Raises each resource to what `other` has of it.
    pub(crate) fn raise(&mut self, other: &ResourceList<'a>) {
        for (name, quantity) in other.iter() {
            let most = self.0.entry(name).or_default();
            *most = (*most).max(quantity);
        }
    }

    /// Takes over what is only in `other`.
    pub(crate) fn fill(&mut self, other: &ResourceList<'a>) {
        for (name, quantity) in other.iter() {
            self.0.entry(name).or_insert(quantity);
        }
    }

    /// Thousandths of `cpu`.
    pub(crate) fn cpu_milli(&self, path: &Path<'_>) -> Result<i64, ObjectError> {
        self.bounded("cpu", path, Quantity::milli)
    }

    /// Whole units of a resource, 0 when it is not listed.
    pub(crate) fn whole(&self, name: &str, path: &Path<'_>) -> Result<i64, ObjectError> {
        self.bounded(name, path, Quantity::value)
    }

    /// The engine's resources. The number of pods is no part of them.
    pub(crate) fn to_resources(&self, path: &Path<'_>) -> Result<Resources, ObjectError> {
        let mut extended = BTreeMap::new();
        for (name, _) in self.iter() {
            if !matches!(name, "cpu" | "memory" | "ephemeral-storage" | "pods") {
                extended.insert(name.to_owned(), self.whole(name, path)?);
            }
        }
        Ok(Resources {
            cpu_milli: self.cpu_milli(path)?,
            memory: self.whole("memory", path)?,
            ephemeral_storage: self.whole("ephemeral-storage", path)?,
            extended,
        })
    }

    fn bounded(
        &self,
        name: &str,
        path: &Path<'_>,
        unit: impl Fn(Quantity) -> Option<i64>,
    ) -> Result<i64, ObjectError> {
        let quantity = self.0.get(name).copied().unwrap_or_default();
        unit(quantity).filter(|number| *number <= MAX_QUANTITY).ok_or_else(|| {
            let unit = if name == "cpu" { " thousandths" } else { "" };
            invalid_number(path.field(name), quantity, format!("at most {MAX_QUANTITY}{unit}"))
        })
    }
}

/// Whether a container may ask for the resource: the native ones by their names, others by a name with a domain.
pub(crate) fn is_askable(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage")
        || name.starts_with("hugepages-")
        || name.contains('/')
}

/// Whether a pod as a whole may ask for the resource, beside what its containers ask for.
pub(crate) fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list<'a>(entries: &[(&'a str, &str)]) -> ResourceList<'a> {
        let listed = entries.iter().map(|(name, text)| (*name, text.parse().unwrap())).collect();
        ResourceList::from_listed(&listed, &Path::Root).unwrap()
    }

    #[test]
    fn sums_are_rounded_once() {
        let mut sum = list(&[("memory", "100m"), ("cpu", "1u")]);
        sum.add(&list(&[("memory", "100m"), ("example.com/x", "1")]));
        let resources = sum.to_resources(&Path::Root).unwrap();
        assert_eq!((resources.memory, resources.cpu_milli), (1, 1));
        assert_eq!(resources.extended, [("example.com/x".to_owned(), 1)].into());
    }

    #[test]
    fn maxima_and_defaults_are_per_resource() {
        let mut most = list(&[("cpu", "1"), ("memory", "1Gi")]);
        most.raise(&list(&[("cpu", "500m"), ("memory", "2Gi"), ("hugepages-2Mi", "2Mi")]));
        assert_eq!(most, list(&[("cpu", "1"), ("memory", "2Gi"), ("hugepages-2Mi", "2Mi")]));
        let mut filled = list(&[("cpu", "0")]);
        filled.fill(&list(&[("cpu", "1"), ("memory", "1")]));
        assert_eq!(filled, list(&[("cpu", "0"), ("memory", "1")]));
    }

    #[test]
    fn limits_are_kept() {
        let mut huge = list(&[("memory", "9E")]);
        huge.add(&list(&[("memory", "9E")]));
        let error = huge.to_resources(&Path::Root.field("spec")).unwrap_err().to_string();
        assert_eq!(error, "spec.memory is 9223372036854775807, want at most 9007199254740991");
        let error = list(&[("cpu", "9P")]).cpu_milli(&Path::Root).unwrap_err().to_string();
        assert!(error.ends_with("want at most 9007199254740991 thousandths"), "{error}");
        let negative = Listed::from([("memory", Quantity::from_whole(-1))]);
        let error = ResourceList::from_listed(&negative, &Path::Root.field("limits")).unwrap_err();
        assert_eq!(error.to_string(), "limits.memory is -1, want at least 0");
    }
}
