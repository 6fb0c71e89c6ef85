//! Lists that are merged: by a merge key, or plain values by themselves; and the order that comes out.

use serde_json::{Map, Value};

use super::{DELETE_FROM, PATCH, PatchError, RETAIN_KEYS, SET_ORDER, Shape, merge_object};
use crate::decode::Path;
use crate::table::{Field, Type};

/// How one list is merged.
pub(super) struct Merge<'p> {
    /// `None` for lists of plain values.
    merge_key: Option<&'static str>,
    /// Whether the strategy of the field is to merge at all.
    merges: bool,
    shape: Shape<'static>,
    path: &'p Path<'p>,
    depth: usize,
}

impl<'p> Merge<'p> {
    pub(super) fn new(field: Option<&'static Field>, path: &'p Path<'p>, depth: usize) -> Merge<'p> {
        let element = match field.map(|field| &field.value) {
            Some(Type::List(element)) => Some(&**element),
            _ => None,
        };
        Merge {
            merge_key: field.and_then(|field| field.merge_key),
            merges: field.is_some_and(|field| field.patch_strategy.merge),
            shape: Shape::of(element),
            path,
            depth,
        }
    }

    /// Merges a list; what the patch mentions takes the patch's order, and the rest stays where it was among that.
    pub(super) fn merge(&self, original: Vec<Value>, patch: &[Value]) -> Result<Vec<Value>, PatchError> {
        let (before, merged, replaced) = self.contents(original, patch)?;
        if replaced {
            return Ok(merged);
        }
        Ok(self.order(merged, patch, &before))
    }

    /// Merges a list and brings it into the order of `order`.
    pub(super) fn merge_in_order(
        &self,
        original: Vec<Value>,
        patch: &[Value],
        order: &[Value],
    ) -> Result<Vec<Value>, PatchError> {
        for (index, element) in patch.iter().enumerate() {
            if element.get(PATCH).is_none() && !order.iter().any(|ordered| self.same(element, ordered)) {
                return Err(PatchError::BadDirective {
                    path: self.path.to_string(),
                    directive: SET_ORDER,
                    problem: format!("the list of the order lacks element {index} of the patch"),
                });
            }
        }
        let (before, merged, _) = if self.merges {
            self.contents(original, patch)?
        } else {
            (original, elements_without_directives(patch), true)
        };
        Ok(self.order(merged, order, &before))
    }

    /// The original, the elements after merging, and whether they replace the original.
    fn contents(
        &self,
        original: Vec<Value>,
        patch: &[Value],
    ) -> Result<(Vec<Value>, Vec<Value>, bool), PatchError> {
        let Some(merge_key) = self.merge_key else {
            let mut merged = original.clone();
            for value in patch {
                if !merged.contains(value) {
                    merged.push(value.clone());
                }
            }
            return Ok((original, merged, false));
        };
        let mut merged = original.clone();
        let mut replace = false;
        for (index, element) in patch.iter().enumerate() {
            let path = self.path.index(index);
            let Some(directive) = element.get(PATCH) else {
                continue;
            };
            match directive.as_str() {
                Some("replace") => replace = true,
                Some("delete") => {
                    let Some(key) = element.get(merge_key) else {
                        return Err(PatchError::NoMergeKey { path: path.to_string(), merge_key });
                    };
                    merged.retain(|other| other.get(merge_key) != Some(key));
                }
                _ => return Err(PatchError::unknown_directive(&path, PATCH, directive)),
            }
        }
        if replace {
            return Ok((original, elements_without_directives(patch), true));
        }
        for (index, element) in patch.iter().enumerate() {
            let path = self.path.index(index);
            let Value::Object(element) = element else {
                return Err(PatchError::NotAnObject { path: path.to_string() });
            };
            if element.contains_key(PATCH) {
                continue;
            }
            let Some(key) = element.get(merge_key) else {
                return Err(PatchError::NoMergeKey { path: path.to_string(), merge_key });
            };
            let found = merged.iter_mut().find(|other| other.get(merge_key) == Some(key));
            match found {
                Some(Value::Object(found)) => {
                    merge_object(self.shape, found, element, &path, self.depth + 1)?
                }
                _ => {
                    let mut new = Map::new();
                    merge_object(self.shape, &mut new, element, &path, self.depth + 1)?;
                    merged.push(Value::Object(new));
                }
            }
        }
        Ok((original, merged, false))
    }

    /// Whether two elements are the same one.
    fn same(&self, one: &Value, other: &Value) -> bool {
        match self.merge_key {
            Some(key) => one.get(key).is_some() && one.get(key) == other.get(key),
            None => one == other,
        }
    }

    /// Elements that `order` lists come in that order; the others keep their places of `before` among them.
    fn order(&self, merged: Vec<Value>, order: &[Value], before: &[Value]) -> Vec<Value> {
        let place = |list: &[Value], element: &Value| list.iter().position(|other| self.same(element, other));
        let (mut listed, mut others) = (Vec::new(), Vec::new());
        for element in merged {
            let was = place(before, &element);
            match place(order, &element) {
                Some(wanted) => listed.push((wanted, was, element)),
                None => others.push((was, element)),
            }
        }
        listed.sort_by_key(|(wanted, _, _)| *wanted);
        others.sort_by_key(|(was, _)| *was);
        let mut ordered = Vec::with_capacity(listed.len() + others.len());
        let mut others = others.into_iter().peekable();
        for (_, was, element) in listed {
            while let Some((_, other)) =
                others.next_if(|(other_was, _)| was.is_some() && other_was.is_some() && *other_was < was)
            {
                ordered.push(other);
            }
            ordered.push(element);
        }
        ordered.extend(others.map(|(_, element)| element));
        ordered
    }
}

/// Removes plain values from a list.
pub(super) fn delete_from(
    list: Option<&mut Value>,
    values: &Value,
    path: &Path<'_>,
) -> Result<(), PatchError> {
    let Value::Array(values) = values else {
        return Err(PatchError::BadDirective {
            path: path.to_string(),
            directive: DELETE_FROM,
            problem: "want a list of values".to_owned(),
        });
    };
    if let Some(Value::Array(list)) = list {
        list.retain(|value| !values.contains(value));
    }
    Ok(())
}

/// The elements of a list that is taken whole, without what was meant for merging.
pub(super) fn elements_without_directives(list: &[Value]) -> Vec<Value> {
    let elements = list.iter().filter(|element| element.get(PATCH).is_none());
    elements.map(value_without_directives).collect()
}

/// The entries of an object that is taken whole, without what was meant for merging.
pub(super) fn without_directives(object: &Map<String, Value>) -> Map<String, Value> {
    let entries = object.iter().filter(|(key, value)| !is_directive(key) && !value.is_null());
    entries.map(|(key, value)| (key.clone(), value_without_directives(value))).collect()
}

fn is_directive(key: &str) -> bool {
    key == PATCH || key == RETAIN_KEYS || key.starts_with(SET_ORDER) || key.starts_with(DELETE_FROM)
}

fn value_without_directives(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(without_directives(object)),
        Value::Array(list) => Value::Array(elements_without_directives(list)),
        plain => plain.clone(),
    }
}
