//! What a scheduler configuration says of the process: who leads, how it reaches the API server, how long pods back off.
//!
//! Defaults and rules are those of kube-scheduler 1.34, except for the name of the lease, so that both can run in one
//! cluster, and for the limit of requests, which is none unless the file sets one.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ConfigurationError;
use super::shape::Configuration;
use crate::error::{invalid, invalid_number};
use crate::tree::Path;

/// The lease that schedulers of one cluster compete for unless the file names another.
pub const DEFAULT_LEASE: &str = "meridian-scheduler";

/// How long a lease may be, so that no sum of times overflows: a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How the process of a scheduler behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSettings {
    /// Which of several processes schedules.
    pub leader_election: LeaderElection,
    /// How the API server is reached.
    pub client_connection: ClientConnection,
    /// How many pods are bound at a time.
    pub parallelism: u32,
    /// How long a pod that could not be bound waits before it is tried again.
    pub initial_backoff: Duration,
    /// The longest such wait: it doubles with every try.
    pub max_backoff: Duration,
}

/// Leader election by a `Lease`, by the rules of Kubernetes' own components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderElection {
    /// Whether the scheduler waits until it leads. Without it nothing keeps two schedulers apart.
    pub leader_elect: bool,
    /// How long others wait after the leader's last renewal before they take the lease.
    pub lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    pub renew_deadline: Duration,
    /// How long all wait between tries.
    pub retry_period: Duration,
    /// The lease's name.
    pub resource_name: String,
    /// The lease's namespace.
    pub resource_namespace: String,
}

/// How the API server is reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientConnection {
    /// The kubeconfig's path, where the file names one.
    pub kubeconfig: Option<String>,
    /// Requests a second, on the average; none for no limit.
    pub qps: Option<f32>,
    /// How many requests may be made at once in excess of the average.
    pub burst: u32,
}

impl Default for ProcessSettings {
    fn default() -> ProcessSettings {
        ProcessSettings {
            leader_election: LeaderElection::default(),
            client_connection: ClientConnection::default(),
            parallelism: 16,
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(10),
        }
    }
}

impl Default for LeaderElection {
    fn default() -> LeaderElection {
        LeaderElection {
            leader_elect: true,
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
            resource_name: DEFAULT_LEASE.to_owned(),
            resource_namespace: "kube-system".to_owned(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct LeaderElectionSpec<'a> {
    leader_elect: Option<bool>,
    lease_duration: &'a str,
    renew_deadline: &'a str,
    retry_period: &'a str,
    resource_lock: &'a str,
    resource_name: &'a str,
    resource_namespace: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct ClientConnectionSpec<'a> {
    kubeconfig: &'a str,
    #[serde(rename = "acceptContentTypes")]
    _accept_content_types: Option<IgnoredAny>,
    content_type: &'a str,
    qps: Option<f64>,
    burst: Option<i64>,
}

/// The settings of a file.
pub(super) fn settings(configuration: &Configuration<'_>) -> Result<ProcessSettings, ConfigurationError> {
    let root = Path::Root;
    let default = ProcessSettings::default();
    let count = |given: Option<i64>, default: u32, field: &str, want: &str| match given {
        None => Ok(default),
        Some(given) => u32::try_from(given)
            .ok()
            .filter(|given| (1..=100_000).contains(given))
            .ok_or_else(|| invalid_number(root.field(field), given, want)),
    };
    let parallelism = count(configuration.parallelism, default.parallelism, "parallelism", "1 to 100000")?;
    let initial = configuration.pod_initial_backoff_seconds;
    let initial = count(initial, 1, "podInitialBackoffSeconds", "1 to 100000")?;
    let most = match configuration.pod_max_backoff_seconds {
        None => initial.max(10),
        Some(given) => u32::try_from(given)
            .ok()
            .filter(|given| (initial..=100_000).contains(given))
            .ok_or_else(|| {
                invalid_number(
                    "podMaxBackoffSeconds",
                    given,
                    "at least podInitialBackoffSeconds and at most 100000",
                )
            })?,
    };
    Ok(ProcessSettings {
        leader_election: match &configuration.leader_election {
            None => default.leader_election,
            Some(given) => leader_election(given, &root.field("leaderElection"))?,
        },
        client_connection: match &configuration.client_connection {
            None => default.client_connection,
            Some(given) => client_connection(given, &root.field("clientConnection"))?,
        },
        parallelism,
        initial_backoff: Duration::from_secs(initial.into()),
        max_backoff: Duration::from_secs(most.into()),
    })
}

fn leader_election(
    given: &LeaderElectionSpec<'_>,
    path: &Path<'_>,
) -> Result<LeaderElection, ConfigurationError> {
    let default = LeaderElection::default();
    if !matches!(given.resource_lock, "" | "leases") {
        return Err(invalid(path.field("resourceLock"), given.resource_lock, "leases").into());
    }
    let time = |text: &str, default: Duration, field: &str| match text {
        "" => Ok(default),
        text => go_duration(text)
            .filter(|time| !time.is_zero() && *time <= LONGEST)
            .ok_or_else(|| invalid(path.field(field), text, "a time such as 15s, above 0 and at most 24h")),
    };
    let name = |text: &str, default: String, field: &str| match text {
        "" => Ok(default),
        text if is_object_name(text) => Ok(text.to_owned()),
        text => Err(invalid(path.field(field), text, "lower case letters, digits, '-' and '.'")),
    };
    let election = LeaderElection {
        leader_elect: given.leader_elect.unwrap_or(default.leader_elect),
        lease_duration: time(given.lease_duration, default.lease_duration, "leaseDuration")?,
        renew_deadline: time(given.renew_deadline, default.renew_deadline, "renewDeadline")?,
        retry_period: time(given.retry_period, default.retry_period, "retryPeriod")?,
        resource_name: name(given.resource_name, default.resource_name, "resourceName")?,
        resource_namespace: name(given.resource_namespace, default.resource_namespace, "resourceNamespace")?,
    };
    if election.lease_duration <= election.renew_deadline {
        let (given, want) =
            (go_text(election.lease_duration), "more than renewDeadline, or two schedulers could lead");
        return Err(invalid_number(path.field("leaseDuration"), given, want).into());
    }
    if election.renew_deadline <= election.retry_period.mul_f64(1.2) {
        let (given, want) = (go_text(election.renew_deadline), "more than 1.2 times retryPeriod");
        return Err(invalid_number(path.field("renewDeadline"), given, want).into());
    }
    Ok(election)
}

fn client_connection(
    given: &ClientConnectionSpec<'_>,
    path: &Path<'_>,
) -> Result<ClientConnection, ConfigurationError> {
    let known = ["", "application/json", "application/vnd.kubernetes.protobuf"];
    if !known.contains(&given.content_type) {
        let want = "application/json or application/vnd.kubernetes.protobuf";
        return Err(invalid(path.field("contentType"), given.content_type, want).into());
    }
    let qps = match given.qps {
        Some(qps) if !qps.is_finite() || qps > 1e6 => {
            let want = "at most 1000000; below 0 for no limit";
            return Err(invalid_number(path.field("qps"), qps, want).into());
        }
        // 0 stands for the default, as in kube-scheduler, where it is another one.
        Some(qps) if qps > 0.0 => Some(qps as f32),
        _ => None,
    };
    let burst = match given.burst {
        None | Some(0) => 100,
        Some(burst) => u32::try_from(burst)
            .ok()
            .filter(|burst| *burst <= 1_000_000)
            .ok_or_else(|| invalid_number(path.field("burst"), burst, "0 to 1000000"))?,
    };
    let kubeconfig = (!given.kubeconfig.is_empty()).then(|| given.kubeconfig.to_owned());
    Ok(ClientConnection { kubeconfig, qps, burst })
}

/// Whether objects can have this name.
fn is_object_name(name: &str) -> bool {
    let inside =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    name.len() <= 253
        && name.bytes().all(inside)
        && !name.starts_with(['-', '.'])
        && !name.ends_with(['-', '.'])
}

/// A time as Go writes it: numbers with units, such as `1m30s` or `1.5h`.
fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = tail;
    }
    Some(total)
}

fn go_text(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

/// Checks what only whoever runs the process needs and nobody here does.
pub(super) fn refuse_extenders(extenders: &[IgnoredAny]) -> Result<(), ConfigurationError> {
    if extenders.is_empty() {
        return Ok(());
    }
    let path = Path::Root;
    Err(ConfigurationError::not_supported(&path.field("extenders"), "a scheduler extender"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{KUBERNETES_API_VERSION, scheduler_configuration};

    fn read(rest: &str) -> Result<ProcessSettings, ConfigurationError> {
        let text = format!("apiVersion: {KUBERNETES_API_VERSION}\nkind: KubeSchedulerConfiguration\n{rest}");
        scheduler_configuration(&text).map(|configuration| configuration.process)
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, want) in [
            ("15s", Some(15_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("250ms", Some(250)),
            ("2m0.5s", Some(120_500)),
            ("0", Some(0)),
            ("15", None),
            ("s", None),
            ("-5s", None),
            ("5d", None),
            ("1..5s", None),
            ("", None),
            ("999999999999999999999h", None),
        ] {
            assert_eq!(go_duration(text), want.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn defaults_are_kube_schedulers() {
        let settings = read("").unwrap();
        assert_eq!(settings, ProcessSettings::default());
        assert!(settings.leader_election.leader_elect);
        assert_eq!(settings.leader_election.lease_duration, Duration::from_secs(15));
        assert_eq!(settings.client_connection.qps, None);
    }

    #[test]
    fn everything_is_taken_over() {
        let settings = read(
            "
parallelism: 64
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 30
leaderElection:
  leaderElect: false
  leaseDuration: 30s
  renewDeadline: 20s
  retryPeriod: 5s
  resourceLock: leases
  resourceName: second
  resourceNamespace: sched
clientConnection: {kubeconfig: /etc/kubeconfig, qps: 200, burst: 400, contentType: application/json}
",
        )
        .unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(
            settings,
            ProcessSettings {
                leader_election: LeaderElection {
                    leader_elect: false,
                    lease_duration: seconds(30),
                    renew_deadline: seconds(20),
                    retry_period: seconds(5),
                    resource_name: "second".into(),
                    resource_namespace: "sched".into(),
                },
                client_connection: ClientConnection {
                    kubeconfig: Some("/etc/kubeconfig".into()),
                    qps: Some(200.0),
                    burst: 400,
                },
                parallelism: 64,
                initial_backoff: seconds(2),
                max_backoff: seconds(30),
            }
        );
    }

    #[test]
    fn contradictions_are_refused_with_the_path() {
        for (rest, want) in [
            (
                "leaderElection: {leaseDuration: 10}",
                "leaderElection.leaseDuration: invalid type: integer `10`",
            ),
            (
                "leaderElection: {leaseDuration: soon}",
                "leaderElection.leaseDuration is \"soon\", want a time",
            ),
            ("leaderElection: {retryPeriod: 0s}", "leaderElection.retryPeriod is \"0s\", want a time"),
            (
                "leaderElection: {leaseDuration: 10s}",
                "leaderElection.leaseDuration is 10s, want more than renewDeadline",
            ),
            (
                "leaderElection: {retryPeriod: 9s}",
                "leaderElection.renewDeadline is 10s, want more than 1.2 times retryPeriod",
            ),
            (
                "leaderElection: {resourceLock: endpoints}",
                "leaderElection.resourceLock is \"endpoints\", want leases",
            ),
            (
                "leaderElection: {resourceName: ../x}",
                "leaderElection.resourceName is \"../x\", want lower case",
            ),
            ("leaderElection: {leader: true}", "leaderElection.leader: unknown field `leader`"),
            ("clientConnection: {burst: -1}", "clientConnection.burst is -1, want 0 to 1000000"),
            (
                "clientConnection: {contentType: text/xml}",
                "clientConnection.contentType is \"text/xml\", want",
            ),
            ("clientConnection: {qps: 1e9}", "clientConnection.qps is 1000000000, want at most"),
            ("podMaxBackoffSeconds: 0", "podMaxBackoffSeconds is 0, want at least podInitialBackoffSeconds"),
            ("parallelism: 0", "parallelism is 0, want 1 to 100000"),
        ] {
            let error = read(rest).expect_err(rest).to_string();
            assert!(error.starts_with(want), "{error}");
        }
    }
}
