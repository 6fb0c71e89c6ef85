//! Statuses that hosts report, and what the partition itself says of pods.

use std::sync::Arc;

use meridian_api::shortened;
use meridian_proto::v1::{StatusReport, StatusReports, StoredStatus};
use meridian_store::Tenant;

use super::claim::Refusal;
use super::{Actor, Done};
use crate::conditions::{self, Said, Why};
use crate::events::About;
use crate::statuses::{self, Report, Stored};

/// Statuses written by one task.
const REPORTS_A_TASK: usize = 64;

impl Actor {
    pub(super) fn reports(&mut self, ledger: usize, reports: StatusReports) {
        for report in reports.reports {
            match Tenant::new(&report.tenant) {
                Ok(tenant) => self.report(Report { ledger, tenant, report }),
                Err(error) => {
                    tracing::warn!(host = %report.host, %error, "status of no tenant");
                    self.metrics.statuses.with_label_values(&[Stored::Invalid.label()]).inc();
                    self.report_stored(ledger, &report);
                }
            }
        }
    }

    pub(super) fn report(&mut self, mut report: Report) {
        let uid: Arc<str> = report.report.uid.as_str().into();
        if report.report.name.is_empty() {
            // Of a pod that its host never ran it knows no more than the uid.
            if let Some(binding) = self.bindings.get(&uid)
                && binding.name.tenant == report.tenant
            {
                report.report.namespace = binding.name.namespace.to_string();
                report.report.name = binding.name.name.to_string();
            }
        }
        if !self.statuses.push(&uid, report, Report::newer) {
            // Not acknowledged, so it comes again.
            self.metrics.statuses.with_label_values(&["dropped"]).inc();
        }
    }

    pub(super) fn submit_statuses(&mut self) {
        loop {
            let mut batch = Vec::new();
            while batch.len() < REPORTS_A_TASK
                && let Some(next) = self.statuses.next()
            {
                batch.push(next);
            }
            if batch.is_empty() {
                return;
            }
            let registry = self.registry.clone();
            self.work.spawn(async move { Done::Reported(statuses::store(registry, batch).await) });
        }
    }

    pub(super) fn reported(&mut self, reports: Vec<(Arc<str>, Report, Stored)>) {
        for (uid, report, stored) in reports {
            self.statuses.done(&uid);
            self.metrics.statuses.with_label_values(&[stored.label()]).inc();
            // What is not acknowledged comes again, as it is then: tried again from here it could undo a newer one.
            if stored != Stored::Failed {
                self.report_stored(report.ledger, &report.report);
            }
        }
    }

    fn report_stored(&mut self, ledger: usize, report: &StatusReport) {
        let StatusReport { uid, host, number, .. } = report;
        self.acknowledge(ledger, StoredStatus { uid: uid.clone(), host: host.clone(), number: *number });
    }

    /// Says why a pod has no host, in its condition and as an event.
    pub(super) fn say_unschedulable(&mut self, uid: &str, reason: &str, message: &str) {
        let Some(pod) = self.pods.get_mut(uid) else { return };
        let message = shortened(message);
        let at = self.identity.clock.date();
        let (about, component) = (pod.about.clone(), pod.profile.clone());
        if pod.said.as_deref() != Some(message) {
            pod.said = Some(message.into());
            let said = Said {
                about: about.clone(),
                component: component.clone(),
                why: Some(Why { reason: reason.to_owned(), message: message.to_owned(), has_failed: false }),
                nominated: None,
                at,
            };
            self.conditions.push(&about.uid, said, Said::newer);
        }
        // A gate is there on purpose.
        if reason != "SchedulingGated" {
            self.events.failed_scheduling(about, component, message);
        }
    }

    /// The host that a pod names itself has refused it: it will never run.
    pub(super) fn fail_pod(&mut self, about: &About, refusal: &Refusal) {
        let said = Said {
            about: about.clone(),
            component: "tenant-partition".into(),
            why: Some(Why {
                reason: refusal.reason.clone(),
                message: format!("Pod was rejected: {}", shortened(refusal.told(&about.tenant))),
                has_failed: true,
            }),
            nominated: None,
            at: self.identity.clock.date(),
        };
        self.conditions.push(&about.uid, said, Said::newer);
    }

    pub(super) fn submit_conditions(&mut self) {
        loop {
            let mut batch = Vec::new();
            while batch.len() < REPORTS_A_TASK
                && let Some(next) = self.conditions.next()
            {
                batch.push(next);
            }
            if batch.is_empty() {
                return;
            }
            let registry = self.registry.clone();
            self.work.spawn(async move { Done::Told(conditions::write(registry, batch).await) });
        }
    }
}
