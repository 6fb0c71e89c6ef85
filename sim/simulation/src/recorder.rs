//! What is noted down while a simulation runs: samples over time, tenants, totals.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use meridian_engine::{DEVICE_MILLI, ResourceId, Scheduler};
use meridian_report::{Histogram, Sample, TenantSummary};
use meridian_trace::{TraceHost, TracePod};
use rustc_hash::FxHashMap;

use crate::typical::{self, Shape};

/// Samples kept at the most; when there are more, every second one goes and the distance doubles.
const MAX_SAMPLES: usize = 1_440;

/// The distance of samples at first: a minute.
const FIRST_INTERVAL_MS: u64 = 60_000;

/// Notes of one run.
pub(crate) struct Recorder {
    capacity: Totals,
    used: Totals,
    arrived: Totals,
    pods_arrived: u64,
    shapes: BTreeMap<Shape, u64>,
    pub(crate) queue_delay: Histogram,
    samples: Vec<Sample>,
    interval_ms: u64,
    next_ms: u64,
    tenants: Vec<Tenant>,
    tenant_ids: FxHashMap<String, u32>,
}

/// Sums of quantities. A few thousand of the largest quantities that a trace may name are more than 64 bits hold.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    cpu_milli: i128,
    memory: i128,
    device_milli: i128,
}

impl Totals {
    fn add(&mut self, pod: &Quantities) {
        self.cpu_milli += i128::from(pod.cpu_milli);
        self.memory += i128::from(pod.memory);
        self.device_milli += i128::from(pod.device_milli);
    }

    fn subtract(&mut self, pod: &Quantities) {
        self.cpu_milli -= i128::from(pod.cpu_milli);
        self.memory -= i128::from(pod.memory);
        self.device_milli -= i128::from(pod.device_milli);
    }
}

/// What a pod asks for, as the recorder counts it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quantities {
    cpu_milli: i64,
    memory: i64,
    device_milli: i64,
}

impl Quantities {
    pub(crate) fn of(pod: &TracePod) -> Quantities {
        Quantities {
            cpu_milli: pod.cpu_milli,
            memory: pod.memory,
            device_milli: i64::from(pod.device_count) * i64::from(pod.device_milli),
        }
    }
}

#[derive(Debug, Default)]
struct Tenant {
    name: String,
    arrived: u64,
    placed: u64,
    delay_ms: u128,
    max_delay_ms: u64,
    cpu_milli_ms: u128,
}

impl Recorder {
    pub(crate) fn new(hosts: &[TraceHost]) -> Recorder {
        let mut capacity = Totals::default();
        for host in hosts {
            capacity.add(&Quantities {
                cpu_milli: host.cpu_milli,
                memory: host.memory,
                device_milli: i64::from(host.device_count) * i64::from(DEVICE_MILLI),
            });
        }
        Recorder {
            capacity,
            used: Totals::default(),
            arrived: Totals::default(),
            pods_arrived: 0,
            shapes: BTreeMap::new(),
            queue_delay: Histogram::new(),
            samples: Vec::new(),
            interval_ms: FIRST_INTERVAL_MS,
            next_ms: 0,
            tenants: Vec::new(),
            tenant_ids: FxHashMap::default(),
        }
    }

    /// Notes an arrival; the tenant's number.
    pub(crate) fn arrived(&mut self, pod: &TracePod) -> u32 {
        self.arrived.add(&Quantities::of(pod));
        self.pods_arrived += 1;
        if pod.device_count > 0 {
            *self.shapes.entry(typical::shape(pod)).or_default() += 1;
        }
        let tenant = match self.tenant_ids.get(&pod.tenant) {
            Some(tenant) => *tenant,
            None => {
                self.tenants.push(Tenant { name: pod.tenant.clone(), ..Tenant::default() });
                let tenant = self.tenants.len() as u32 - 1;
                self.tenant_ids.insert(pod.tenant.clone(), tenant);
                tenant
            }
        };
        self.tenants[tenant as usize].arrived += 1;
        tenant
    }

    pub(crate) fn placed(&mut self, tenant: u32, pod: &Quantities, delay_ms: u64) {
        self.used.add(pod);
        self.queue_delay.record(delay_ms);
        let tenant = &mut self.tenants[tenant as usize];
        tenant.placed += 1;
        tenant.delay_ms += u128::from(delay_ms);
        tenant.max_delay_ms = tenant.max_delay_ms.max(delay_ms);
    }

    pub(crate) fn stopped(&mut self, pod: &Quantities) {
        self.used.subtract(pod);
    }

    /// Notes how long a pod ran.
    pub(crate) fn ran(&mut self, tenant: u32, pod: &Quantities, ran_ms: u64) {
        self.tenants[tenant as usize].cpu_milli_ms += pod.cpu_milli as u128 * u128::from(ran_ms);
    }

    /// Takes the samples that are due before `now_ms`: the state has been what it is since the last event.
    pub(crate) fn advance(&mut self, now_ms: u64, scheduler: &Scheduler, running: u64, waiting: u64) {
        while self.next_ms < now_ms {
            self.sample(self.next_ms, scheduler, running, waiting);
            // Pods that follow one another may run for longer than the clock can tell: it stops at its end.
            self.next_ms = self.next_ms.saturating_add(self.interval_ms);
        }
    }

    /// Takes a sample now.
    pub(crate) fn sample(&mut self, time_ms: u64, scheduler: &Scheduler, running: u64, waiting: u64) {
        let share =
            |part: i128, whole: i128| if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
        let has_devices = self.capacity.device_milli > 0;
        let fragmentation = has_devices.then(|| {
            let typical =
                typical::from_counts(self.shapes.iter().map(|(shape, count)| (shape.clone(), *count)));
            100.0 * scheduler.fragmentation(&typical) / self.capacity.device_milli as f64
        });
        self.samples.push(Sample {
            time_ms,
            cpu_percent: share(self.used.cpu_milli, self.capacity.cpu_milli),
            memory_percent: share(self.used.memory, self.capacity.memory),
            device_percent: has_devices.then(|| share(self.used.device_milli, self.capacity.device_milli)),
            device_fragmentation_percent: fragmentation,
            stranded_cpu_percent: share(self.stranded_cpu(scheduler), self.capacity.cpu_milli),
            running,
            waiting,
        });
        if self.samples.len() > MAX_SAMPLES {
            let mut number = 0;
            self.samples.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.interval_ms = self.interval_ms.saturating_mul(2);
        }
    }

    /// The free CPU of hosts that could not take a pod of the mean size of those that arrived.
    fn stranded_cpu(&self, scheduler: &Scheduler) -> i128 {
        let pods = i128::from(self.pods_arrived.max(1));
        let (cpu_milli, memory) = (self.arrived.cpu_milli / pods, self.arrived.memory / pods);
        let cell = scheduler.cell();
        cell.hosts()
            .filter_map(|host| {
                let cpu_free = i128::from(cell.free(host, ResourceId::CPU)?);
                let memory_free = i128::from(cell.free(host, ResourceId::MEMORY)?);
                (cpu_free < cpu_milli || memory_free < memory).then_some(cpu_free)
            })
            .sum()
    }

    /// The samples and the tenants, those with the largest demand first.
    pub(crate) fn finish(self) -> (Vec<Sample>, Vec<TenantSummary>, Histogram) {
        let mut tenants = self.tenants;
        tenants.sort_by(|one, other| {
            (Reverse(one.cpu_milli_ms), Reverse(one.arrived), &one.name).cmp(&(
                Reverse(other.cpu_milli_ms),
                Reverse(other.arrived),
                &other.name,
            ))
        });
        let tenants = tenants
            .into_iter()
            .map(|tenant| TenantSummary {
                tenant: tenant.name,
                pods_arrived: tenant.arrived,
                pods_placed: tenant.placed,
                mean_queue_delay_ms: tenant.delay_ms as f64 / tenant.placed.max(1) as f64,
                max_queue_delay_ms: tenant.max_delay_ms,
                cpu_core_hours: tenant.cpu_milli_ms as f64 / 3.6e9,
            })
            .collect();
        (self.samples, tenants, self.queue_delay)
    }
}
