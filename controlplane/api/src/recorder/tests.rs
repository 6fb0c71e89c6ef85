use super::*;

/// A pod's event.
pub(super) fn event(uid: &str, message: &str) -> Event {
    let subject = EventSubject {
        tenant: Tenant::system(),
        kind: meridian_schema::pod(),
        namespace: "ns".into(),
        name: "web".into(),
        uid: uid.into(),
        resource_version: None,
    };
    Event {
        subject,
        component: "scheduler".into(),
        is_warning: true,
        reason: "FailedScheduling",
        message: message.to_owned(),
        is_unique: false,
    }
}

#[test]
fn names_are_new_and_never_too_long() {
    assert_eq!(name("web", 7), "web.0000000000000007");
    let long = name(&format!("{}.{}", "x".repeat(235), "y".repeat(17)), 7);
    assert_eq!(long, format!("{}.0000000000000007", "x".repeat(235)));
    assert!(name(&"z".repeat(253), u64::MAX).len() == MAX_NAME);
}

#[test]
fn long_messages_are_cut_between_characters() {
    assert_eq!(shortened("short"), "short");
    let long = "ä".repeat(600);
    assert_eq!(shortened(&long).len(), MAX_MESSAGE);
    assert_eq!(shortened(&format!("x{long}")).len(), MAX_MESSAGE - 1);
}

#[test]
fn an_event_says_what_of_whom_and_since_when() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let place = Place { name: "web.1".into(), count: 3, first: at(0) };
    let mut entered = Entered { event: event("1", "no room"), at: at(31), place };
    let object = entered.object(Some("tenants-1"));
    assert_eq!(
        object["involvedObject"],
        json!({"apiVersion": "v1", "kind": "Pod", "namespace": "ns", "name": "web", "uid": "1"})
    );
    assert_eq!(object["metadata"], json!({"name": "web.1", "namespace": "ns"}));
    assert_eq!((&object["type"], &object["count"]), (&json!("Warning"), &json!(3)));
    assert_eq!(object["firstTimestamp"], "1970-01-01T00:00:00Z");
    assert_eq!(object["lastTimestamp"], "1970-01-01T00:00:31Z");
    assert_eq!(object["reportingInstance"], "tenants-1");
    // What is in no namespace has its events in the default one.
    entered.event.subject = EventSubject {
        kind: meridian_schema::namespace(),
        namespace: "".into(),
        resource_version: Some("9".into()),
        ..entered.event.subject
    };
    let object = entered.object(None);
    assert_eq!(object["metadata"]["namespace"], "default");
    assert_eq!(object["involvedObject"]["resourceVersion"], "9");
    assert!(object["involvedObject"].get("namespace").is_none() && object.get("reportingInstance").is_none());
}
