//! Read, change, write: for parts in the same process.

use std::sync::Arc;

use serde_json::Value;

use meridian_schema::Kind;

use super::Registry;
use super::transact::{Outcome, Plan, Target, Write};
use crate::{Caller, Entry, Failure, Sub, object};

impl Registry {
    /// Reads, changes and writes an object, again and again until nobody else did in between. `change` answers whether it
    /// changed anything; it may be called several times. None: there is no such object, or it has another uid.
    ///
    /// # Errors
    ///
    /// 413, 422, 503
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    pub async fn modify(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
        uid: Option<&str>,
        sub: Option<Sub>,
        mut change: impl FnMut(&mut Value) -> bool + Send,
    ) -> Result<Option<Arc<Entry>>, Failure> {
        let target = Target { kind, tenant: &caller.tenant, ns, name };
        let lease = self.event_lease(&caller.tenant, kind).await?;
        let mut other = false;
        let decided = self.transact(target, |base| {
            let Some(old) = &base.entry else { return Ok(Plan::of(Write::Keep)) };
            other = uid.is_some_and(|uid| uid != old.uid);
            let value = old.stored_value();
            let mut new = value.clone();
            let version = old.resource_version().to_string();
            object::set_meta(&mut new, "resourceVersion", Some(Value::String(version)));
            if other || !change(&mut new) {
                return Ok(Plan::of(Write::Keep));
            }
            let plan = self.replace(target, base, old, &value, sub, new)?;
            Ok(Plan { lease, ..plan })
        });
        match Box::pin(decided).await? {
            Outcome::Is(entry) => Ok(entry.filter(|_| !other)),
            Outcome::Gone(entry) => Ok(Some(entry)),
            Outcome::Refused => Ok(None),
        }
    }
}
