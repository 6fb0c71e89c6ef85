use super::*;

fn claims() -> Claims<&'static str> {
    Claims::new("tp".into(), 2)
}

fn claim(claims: &mut Claims<&'static str>, uid: &str, deadline: u64) -> ClaimId {
    let deadline = Duration::from_secs(deadline);
    claims.claim(uid.into(), &"hp".into(), 5, deadline, "payload").unwrap()
}

fn uids(claims: Vec<LiveClaim<&'static str>>) -> Vec<String> {
    claims.into_iter().map(|live| live.uid.to_string()).collect()
}

#[test]
fn a_pod_has_one_claim_at_a_time_and_each_has_a_new_name() {
    let mut claims = claims();
    let not_fenced = claims.claim("a".into(), &"hp".into(), 0, Duration::ZERO, "");
    assert_eq!(not_fenced, Err(ClaimError::NotFenced { partition: "hp".into() }));
    let first = claim(&mut claims, "a", 2);
    let second = claims.claim("a".into(), &"hp".into(), 5, Duration::ZERO, "");
    assert_eq!(second, Err(ClaimError::Live { uid: "a".into(), live: first.clone() }));
    assert_eq!(claims.refused(&first, 5).unwrap().payload, "payload");
    let again = claim(&mut claims, "a", 2);
    assert!(again > first);
    assert_eq!(claims.of("a").unwrap().id, again);
}

#[test]
fn an_answer_counts_once_and_only_under_the_epoch_that_was_asked() {
    let mut claims = claims();
    let id = claim(&mut claims, "a", 2);
    for he in [4, 6] {
        assert!(claims.accepted(&id, he).is_none() && claims.refused(&id, he).is_none());
    }
    let foreign = [
        ClaimId { epoch: 1, ..id.clone() },
        ClaimId { partition: "other".into(), ..id.clone() },
        ClaimId { sequence: 99, ..id.clone() },
    ];
    for foreign in foreign {
        assert!(claims.accepted(&foreign, 5).is_none() && claims.get(&foreign).is_none());
    }
    assert_eq!(claims.accepted(&id, 5).unwrap().phase, Phase::Writing);
    // Twice is not two appends, and a refusal that comes late refuses nothing.
    assert!(claims.accepted(&id, 5).is_none() && claims.refused(&id, 5).is_none());
    assert_eq!(claims.written(&id).unwrap().uid, Uid::from("a"));
    assert!(claims.written(&id).is_none() && claims.is_empty());
}

/// A claim whose append may land any time must never be given up.
#[test]
fn what_is_being_written_is_never_given_up() {
    let mut claims = claims();
    let [written, sent, later] =
        ["a", "b", "c"].map(|uid| claim(&mut claims, uid, u64::from(uid == "c") * 9));
    claims.accepted(&written, 5).unwrap();
    assert!(claims.withdraw("a").is_none());
    assert_eq!(claims.next_deadline(), Some(Duration::ZERO));
    assert_eq!(uids(claims.expire(Duration::from_secs(1))), ["b"]);
    assert_eq!(claims.next_deadline(), Some(Duration::from_secs(9)));
    assert!(claims.expire(Duration::from_secs(8)).is_empty());
    assert_eq!(uids(claims.relisted("other", 6)), Vec::<String>::new());
    assert_eq!(uids(claims.relisted("hp", 5)), Vec::<String>::new());
    assert_eq!(uids(claims.relisted("hp", 6)), ["c"]);
    assert!(claims.get(&sent).is_none() && claims.get(&later).is_none());
    assert_eq!(claims.len(), 1);
    assert!(claims.expire(Duration::MAX).is_empty());
    assert!(claims.written(&written).is_some());
}

#[test]
fn an_audit_is_answered_by_the_store_first_and_never_against_a_claim_under_way() {
    let mut claims = claims();
    let id = claim(&mut claims, "a", 2);
    assert_eq!(claims.audit(&id, None), None);
    claims.accepted(&id, 5).unwrap();
    assert_eq!(claims.audit(&id, None), None);
    assert_eq!(claims.audit(&id, Some(Recorded::Bound)), Some(Settlement::Bound));
    assert_eq!(claims.audit(&id, Some(Recorded::Terminating)), Some(Settlement::Terminating));
    claims.written(&id).unwrap();
    assert_eq!(claims.audit(&id, None), Some(Settlement::Void));
    let of_predecessor = ClaimId { epoch: 1, ..id.clone() };
    assert_eq!(claims.audit(&of_predecessor, None), Some(Settlement::Void));
    let of_successor = ClaimId { epoch: 3, ..id.clone() };
    assert_eq!(claims.audit(&of_successor, None), None, "this process has been deposed");
    assert_eq!(claims.audit(&ClaimId { partition: "other".into(), ..id }, None), None);
    assert_eq!(
        [hear(5, 4), hear(5, 5), hear(5, 6)],
        [Hearing::Deposed, Hearing::Current, Hearing::NotFenced]
    );
}
