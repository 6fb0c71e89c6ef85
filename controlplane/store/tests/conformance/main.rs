//! One suite of what a store must do, run on both engines.
//!
//! Every case gets a fresh partition. On the embedded engine each is a test of its own; on etcd they run one after the
//! other on one server, each under a prefix of its own, so no case counts on the partition starting at revision 1.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod backend;
mod fencing;
mod leases;
mod model;
mod ranges;
#[cfg(feature = "etcd")]
mod server;
mod tenants;
mod transactions;
mod watches;

use self::backend::Backend;

#[cfg(feature = "etcd")]
type Case = fn(Backend) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;

macro_rules! conformance {
    ($($module:ident :: $case:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$module::$case(crate::Backend::embedded()).await;
                }
            )*
        }

        #[cfg(feature = "etcd")]
        const CASES: &[(&str, Case)] = &[$((stringify!($case), |backend| Box::pin(crate::$module::$case(backend)))),*];
    };
}

conformance!(
    transactions::numbers_follow_a_key,
    transactions::compares_decide_the_branch,
    transactions::operations_see_those_before_them,
    transactions::all_or_nothing,
    transactions::bad_transactions_are_refused,
    transactions::what_changes_nothing_takes_no_revision,
    transactions::racing_increments_all_count,
    ranges::pages_come_from_one_revision,
    ranges::the_past_can_be_read_until_compacted,
    ranges::odd_ranges_are_empty,
    ranges::the_latest_can_always_be_read,
    watches::history_comes_in_order_and_whole,
    watches::a_watch_sees_its_range_and_what_was_before,
    watches::progress_is_told,
    watches::compacted_history_ends_a_watch,
    watches::racing_writers_and_watchers_agree,
    tenants::each_tenant_counts_for_itself,
    tenants::revisions_translate_both_ways,
    tenants::compaction_does_not_reach_an_idle_tenant,
    leases::an_ended_lease_takes_its_keys,
    leases::renewing_and_revoking,
    leases::leases_last_over_a_restart,
    leases::racing_a_lease_that_ends,
    fencing::a_deposed_writer_appends_nothing,
    fencing::a_deposed_writer_that_writes_nothing_is_told,
    fencing::everything_is_there_after_a_restart,
    fencing::a_dropped_store_lets_go_of_everything,
    model::agrees_with_the_model,
);

#[cfg(feature = "etcd")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd() {
    let Some(server) = server::EtcdServer::start().await else { return };
    for (name, case) in CASES {
        println!("etcd: {name}");
        case(server.backend(name)).await;
    }
}
