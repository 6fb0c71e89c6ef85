//! Several device models in one cell of a table.

use crate::limits::{MAX_MODELS, MODEL_SEPARATOR};

/// The models of a cell, each once, in the order given. Empty for an empty cell.
pub(crate) fn split_models(cell: &str) -> Vec<String> {
    let mut models: Vec<String> = Vec::new();
    if cell.is_empty() {
        return models;
    }
    for model in cell.split(MODEL_SEPARATOR).map(str::trim) {
        // One more than allowed is enough for the check of the limits to refuse the pod.
        if models.len() > MAX_MODELS {
            break;
        }
        if !models.iter().any(|known| known == model) {
            models.push(model.to_owned());
        }
    }
    models
}

/// The cell for these models.
pub(crate) fn join_models(models: &[String]) -> String {
    models.join(&MODEL_SEPARATOR.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_kept_once_and_in_order() {
        assert_eq!(split_models(""), Vec::<String>::new());
        assert_eq!(split_models("T4"), ["T4"]);
        assert_eq!(split_models("V100M32|T4 | V100M32|T4"), ["V100M32", "T4"]);
        assert_eq!(split_models("T4||A10"), ["T4", "", "A10"]);
    }

    #[test]
    fn a_cell_of_very_many_models_is_not_read_to_its_end() {
        let cell = (0..10_000).map(|model| model.to_string()).collect::<Vec<_>>().join("|");
        assert_eq!(split_models(&cell).len(), MAX_MODELS + 1);
    }
}
