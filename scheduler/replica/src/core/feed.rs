//! What host partitions say.
//!
//! A full account is collected beside what is known already and takes its place when it is complete; what did not change
//! in between stays as it is. So a feed that starts again, or breaks off in the middle, leaves no half a picture.

use meridian_engine::{ClassId, Constraints, Demand, DeviceDemand, HostId, Seat};
use meridian_proto::v1;
use meridian_wire::{demand_from_message, host_from_message};
use rustc_hash::FxHashMap;

use super::mirror::{ClaimKey, Entry, Known, News};
use super::pods::State;
use super::uid::Uid;
use super::{Core, MAX_PARTITIONS, Violation};

/// The most demands of one stream.
const MAX_DEMANDS: usize = 1 << 20;

/// A host partition's stream.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// A full account has been heard once.
    pub(crate) was_in_sync: bool,
    /// What is known is what the partition has.
    pub(crate) is_in_sync: bool,
    /// The demands of this stream; `None`: one that cannot be read.
    demands: FxHashMap<u32, Option<ClassId>>,
    account: Option<Account>,
    /// Something that was said has not been taken in: only a full account will do.
    is_broken: bool,
}

/// A host as it was told, or why it cannot be read.
type HostNews = Result<News, String>;

/// A full account under way.
#[derive(Debug, Default)]
struct Account {
    /// By number, with the place in order.
    hosts: FxHashMap<u32, (usize, HostNews)>,
    entries: FxHashMap<ClaimKey, (usize, Entry)>,
    said: usize,
}

/// What an entry takes: a demand without what only matters before it is placed.
fn strip(demand: Demand) -> Demand {
    Demand {
        constraints: Constraints::default(),
        devices: demand.devices.map(|devices| DeviceDemand { models: Vec::new(), ..devices }),
        terms: demand.terms.carried(),
        ..demand
    }
}

impl Core {
    /// A host partition's stream begins. `is_resumed`: it goes on where the last one ended, unless it says otherwise.
    ///
    /// # Errors
    ///
    /// [`Violation`] where it cannot go on.
    pub fn open_feed(&mut self, feed: usize, name: &str, is_resumed: bool) -> Result<(), Violation> {
        self.reset_feed(feed);
        let Some(state) = self.feeds.get_mut(feed) else { return Ok(()) };
        if is_resumed && state.is_broken {
            return Err(Violation::Resumed);
        }
        state.is_broken = false;
        if !is_resumed {
            state.account = Some(Account::default());
        } else {
            state.is_in_sync = state.was_in_sync;
        }
        if let Some(hosts) = self.mirror.feeds.get_mut(feed) {
            name.clone_into(&mut hosts.name);
        }
        Ok(())
    }

    /// A host partition's stream has ended. What it said stands.
    pub(crate) fn close_feed(&mut self, feed: usize) {
        self.reset_feed(feed);
    }

    fn reset_feed(&mut self, feed: usize) {
        let Some(state) = self.feeds.get_mut(feed) else { return };
        state.is_in_sync = false;
        let account = state.account.take();
        for class in std::mem::take(&mut state.demands).into_values().flatten() {
            self.classes.give_up(class, &mut self.scheduler);
        }
        self.discard(account);
    }

    fn discard(&mut self, account: Option<Account>) {
        for (_, entry) in account.into_iter().flat_map(|account| account.entries.into_values()) {
            self.give_up(entry.class);
        }
    }

    fn give_up(&mut self, class: Option<ClassId>) {
        if let Some(class) = class {
            self.classes.give_up(class, &mut self.scheduler);
        }
    }

    /// Takes changes in. After a violation only a full account will do.
    ///
    /// # Errors
    ///
    /// [`Violation`]: what must not be said, after which the stream is of no use.
    pub fn feed_message(&mut self, feed: usize, message: v1::HostChanges) -> Result<(), Violation> {
        self.heard += 1;
        let taken = self.take_changes(feed, message);
        if taken.is_err()
            && let Some(state) = self.feeds.get_mut(feed)
        {
            state.is_broken = true;
        }
        taken
    }

    fn take_changes(&mut self, feed: usize, message: v1::HostChanges) -> Result<(), Violation> {
        if message.restart {
            let Some(state) = self.feeds.get_mut(feed) else { return Ok(()) };
            state.is_in_sync = false;
            let former = state.account.replace(Account::default());
            self.discard(former);
        }
        for change in message.changes {
            self.feed_change(feed, change.change.ok_or(Violation::Empty)?)?;
        }
        if message.in_sync {
            self.adopt(feed);
        }
        Ok(())
    }

    fn feed_change(&mut self, feed: usize, change: v1::host_change::Change) -> Result<(), Violation> {
        use v1::host_change::Change;
        match change {
            Change::Host(state) => self.host(feed, state),
            Change::RemovedHost(number) => {
                match self.account(feed) {
                    Some(account) => drop(account.hosts.remove(&number)),
                    None => self.mirror.remove_host(feed, number, &mut self.scheduler),
                }
                Ok(())
            }
            Change::Demand(definition) => self.demand(feed, definition),
            Change::Entry(entry) => self.entry(feed, entry),
            Change::RemovedEntry(claim) => {
                let Some(claim) = self.mirror.claim(&claim) else { return Ok(()) };
                let class = match self.account(feed) {
                    Some(account) => account.entries.remove(&claim).and_then(|(_, entry)| entry.class),
                    None => self.mirror.remove_entry(feed, claim, &mut self.scheduler, &mut self.queue),
                };
                self.give_up(class);
                Ok(())
            }
        }
    }

    fn account(&mut self, feed: usize) -> Option<&mut Account> {
        self.feeds.get_mut(feed)?.account.as_mut()
    }

    fn host(&mut self, feed: usize, state: v1::HostState) -> Result<(), Violation> {
        let v1::HostState { number, host, incarnation, ready } = state;
        let news = host_from_message(host.ok_or(Violation::Empty)?)
            .map(|host| News { host, incarnation, is_ready: ready })
            .map_err(|error| error.to_string());
        match self.account(feed) {
            Some(account) => {
                account.said += 1;
                account.hosts.insert(number, (account.said, news));
            }
            None => self.mirror.put_host(feed, number, news, &mut self.scheduler, &mut self.queue),
        }
        Ok(())
    }

    fn demand(&mut self, feed: usize, definition: v1::DemandDefinition) -> Result<(), Violation> {
        let v1::DemandDefinition { number, demand } = definition;
        let Some(state) = self.feeds.get_mut(feed) else { return Ok(()) };
        if state.demands.len() >= MAX_DEMANDS {
            return Err(Violation::TooMany { what: "demands", limit: MAX_DEMANDS });
        }
        let class = match demand_from_message(demand.ok_or(Violation::Empty)?) {
            Ok(demand) => self.classes.intern(&strip(demand), &mut self.scheduler).ok(),
            Err(error) => {
                tracing::warn!(number, %error, "what a ledger's entries take cannot be read; their hosts are closed");
                None
            }
        };
        let former = state.demands.insert(number, class).flatten();
        self.give_up(former);
        Ok(())
    }

    fn entry(&mut self, feed: usize, entry: v1::LedgerEntry) -> Result<(), Violation> {
        let v1::LedgerEntry { claim, tenant, uid, host, demand, devices, numa } = entry;
        let claim = claim.ok_or(Violation::Empty)?;
        let Some(state) = self.feeds.get(feed) else { return Ok(()) };
        let class = *state.demands.get(&demand).ok_or(Violation::UnknownDemand { number: demand })?;
        let is_known = match &state.account {
            Some(account) => account.hosts.contains_key(&host),
            None => self.mirror.feeds.get(feed).is_some_and(|hosts| hosts.numbers.contains_key(&host)),
        };
        if !is_known {
            return Err(Violation::UnknownHost { number: host });
        }
        let partition = self
            .mirror
            .partition(&claim.partition, MAX_PARTITIONS)
            .ok_or(Violation::TooMany { what: "tenant partitions", limit: MAX_PARTITIONS })?;
        let key = ClaimKey { partition, epoch: claim.epoch, sequence: claim.sequence };
        if let Some(class) = class {
            self.classes.hold(class);
        }
        let tenant = self.tenants.intern(&tenant, &mut self.queue);
        let entry =
            Entry { host, class, seat: Seat { devices, numa }, uid: Uid::new(&uid), tenant, placement: None };
        match self.account(feed) {
            Some(account) => {
                account.said += 1;
                let former = account.entries.insert(key, (account.said, entry));
                self.give_up(former.and_then(|(_, entry)| entry.class));
            }
            None => self.add_entry(feed, key, entry),
        }
        Ok(())
    }

    /// Takes a new entry in, which confirms the assumption that it comes from.
    fn add_entry(&mut self, feed: usize, claim: ClaimKey, entry: Entry) {
        let known = self.mirror.feeds.get(feed).and_then(|hosts| hosts.entries.get(&claim));
        if known.is_some_and(|known| is_same(known, &entry) && known.host == entry.host) {
            // Said twice.
            self.give_up(entry.class);
            return;
        }
        let former = self.mirror.remove_entry(feed, claim, &mut self.scheduler, &mut self.queue);
        self.give_up(former);
        let host = self.mirror.feeds.get(feed).and_then(|hosts| hosts.numbers.get(&entry.host)).copied();
        if let Some(Known::Host(id)) = host {
            self.confirm(&entry.uid, id);
        }
        self.mirror.add_entry(feed, claim, entry, &mut self.scheduler, &mut self.queue);
        self.claim_seen(claim);
    }

    /// Gives up the assumption that a pod is on a host, since an entry says so from now on.
    fn confirm(&mut self, uid: &Uid, host: HostId) {
        let Some(key) = self.pods.find(uid) else { return };
        let assumed = match self.pods.get(key).map(|pod| &pod.state) {
            Some(State::Decided(placement) | State::Bound(placement) | State::Orphaned(placement)) => {
                placement.host() == host
            }
            Some(State::Waiting | State::Confirmed) | None => false,
        };
        if !assumed {
            return;
        }
        let Some(tenant) = self.pods.get(key).map(|pod| pod.tenant) else { return };
        match self.pods.change(key, State::Confirmed) {
            Some(State::Decided(placement)) => {
                self.mirror.release(placement, tenant, &mut self.scheduler, &mut self.queue)
            }
            Some(State::Bound(placement) | State::Orphaned(placement)) => {
                // Nothing more is expected to be said about it.
                self.mirror.release(placement, tenant, &mut self.scheduler, &mut self.queue);
                self.forget(key);
            }
            Some(State::Waiting | State::Confirmed) | None => {}
        }
    }

    /// Puts a complete account in the place of what was known.
    fn adopt(&mut self, feed: usize) {
        let Some(state) = self.feeds.get_mut(feed) else { return };
        state.is_in_sync = true;
        state.was_in_sync = true;
        let Some(account) = state.account.take() else { return };
        let mut hosts: Vec<_> = account.hosts.into_iter().collect();
        hosts.sort_unstable_by_key(|(_, (place, _))| *place);
        let kept = self.adopt_hosts(feed, hosts);
        let mut entries: Vec<_> = account.entries.into_iter().collect();
        entries.sort_unstable_by_key(|(_, (place, _))| *place);
        self.adopt_entries(feed, entries, &kept);
        tracing::info!(
            partition = self.mirror.feeds.get(feed).map_or("", |hosts| &*hosts.name),
            hosts = self.scheduler.cell().len(),
            entries = self.mirror.entries(),
            "in sync with a host partition"
        );
    }

    /// Returns, by their former numbers, the hosts that stay.
    fn adopt_hosts(&mut self, feed: usize, news: Vec<(u32, (usize, HostNews))>) -> FxHashMap<u32, HostId> {
        let mut kept: FxHashMap<u32, HostId> = FxHashMap::default();
        let mut by_name: FxHashMap<String, HostId> = FxHashMap::default();
        for (number, known) in self.mirror.take_numbers(feed) {
            if let Known::Host(id) = known
                && let Some(record) = self.mirror.record(id)
            {
                kept.insert(number, id);
                by_name.insert(record.news.host.name.clone(), id);
            }
        }
        // Each once: a second host of the same name is another one, and will be refused.
        let mut stays = |news: &HostNews| by_name.remove(&news.as_ref().ok()?.host.name);
        let staying: Vec<Option<HostId>> = news.iter().map(|(_, (_, news))| stays(news)).collect();
        let mut going: Vec<HostId> =
            kept.values().copied().filter(|id| !staying.contains(&Some(*id))).collect();
        going.sort_unstable();
        for id in &going {
            self.mirror.drop_host(*id, &mut self.scheduler);
        }
        kept.retain(|_, id| going.binary_search(id).is_err());
        for ((number, (_, news)), id) in news.into_iter().zip(staying) {
            if let (Some(id), Some(hosts)) = (id, self.mirror.feeds.get_mut(feed)) {
                hosts.numbers.insert(number, Known::Host(id));
                self.mirror.renumber(id, number);
            }
            self.mirror.put_host(feed, number, news, &mut self.scheduler, &mut self.queue);
        }
        kept
    }

    fn adopt_entries(
        &mut self,
        feed: usize,
        news: Vec<(ClaimKey, (usize, Entry))>,
        kept: &FxHashMap<u32, HostId>,
    ) {
        let Some(hosts) = self.mirror.feeds.get_mut(feed) else { return };
        let mut former = std::mem::take(&mut hosts.entries);
        let mut added = Vec::new();
        let mut spare = Vec::new();
        for (claim, (_, mut entry)) in news {
            let same = former.get(&claim).is_some_and(|old| {
                let here = kept.get(&old.host).map(|id| Known::Host(*id));
                here.is_some()
                    && here.as_ref() == hosts.numbers.get(&entry.host)
                    && old.placement.as_ref().is_some_and(|placement| !placement.is_nomination())
                    && is_same(old, &entry)
            });
            if same && let Some(old) = former.remove(&claim) {
                spare.extend(entry.class);
                entry.class = old.class;
                entry.placement = old.placement;
                hosts.entries.insert(claim, entry);
            } else {
                added.push((claim, entry));
            }
        }
        let mut ended: Vec<_> = former.into_iter().collect();
        ended.sort_unstable_by_key(|(claim, _)| *claim);
        for (_, entry) in ended {
            if let Some(placement) = entry.placement {
                self.mirror.release(placement, entry.tenant, &mut self.scheduler, &mut self.queue);
            }
            spare.extend(entry.class);
        }
        for class in spare {
            self.classes.give_up(class, &mut self.scheduler);
        }
        for (claim, entry) in added {
            self.add_entry(feed, claim, entry);
        }
    }
}

fn is_same(one: &Entry, other: &Entry) -> bool {
    one.class == other.class && one.tenant == other.tenant && one.seat == other.seat && one.uid == other.uid
}
