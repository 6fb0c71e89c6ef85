//! The rows of a trace. Plain data: whoever reads a trace turns them into what it schedules.

/// One host of a trace: a machine and what pods may use of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceHost {
    /// Unique in the trace.
    pub name: String,
    /// Processor time, in thousandths of a processor (millicores).
    pub cpu_milli: i64,
    /// Memory, in bytes.
    pub memory: i64,
    /// How many pods may run at once.
    pub pods: i64,
    /// The model of its devices, such as `V100M32`; all devices of a host are of one model.
    pub device_model: Option<String>,
    /// How many shareable devices (GPUs and the like) it has.
    pub device_count: u32,
    /// The failure zone it stands in, where the trace knows it.
    pub zone: Option<String>,
}

/// One pod of a trace: what it asks for, when it comes and how long it stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracePod {
    /// Unique in the trace.
    pub name: String,
    /// Whose pod it is.
    pub tenant: String,
    /// When it is created, in milliseconds since the trace began.
    pub arrival_ms: u64,
    /// How long it runs once it is placed, in milliseconds. `None`: it stays.
    pub duration_ms: Option<u64>,
    /// Processor time asked for, in thousandths of a processor (millicores).
    pub cpu_milli: i64,
    /// Memory asked for, in bytes.
    pub memory: i64,
    /// How many distinct devices it asks for.
    pub device_count: u32,
    /// How much of each of these devices, in thousandths of a device. 0 when it asks for none.
    pub device_milli: u32,
    /// The models of devices it accepts. Empty: any.
    pub device_models: Vec<String>,
    /// Higher goes first.
    pub priority: i32,
}
