//! A wall around the Parquet library, which panics on some spoilt files where it should return an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::{ParquetError, Result};

/// Runs a step of decoding, and makes an error of a panic. The panic's own message still goes to the panic hook.
///
/// After an error the caller drops whatever the step worked on, so nothing half-changed is looked at again.
pub(super) fn guarded<T>(step: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|panic| {
        let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(message), _) => message,
            (_, Some(message)) => message.as_str(),
            _ => "unknown",
        };
        Err(ParquetError::General(format!("the file is damaged, decoding it panicked: {message}")))
    })
}
