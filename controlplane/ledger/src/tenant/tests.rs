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
    assert_eq!(claims.refused(&first, 5)[0].payload, "payload");
    let again = claim(&mut claims, "a", 2);
    assert!(again > first);
    assert_eq!(claims.of("a").unwrap().id, again);
}

#[test]
fn an_answer_counts_once_and_only_under_the_epoch_that_was_asked() {
    let mut claims = claims();
    let id = claim(&mut claims, "a", 2);
    for he in [4, 6] {
        assert_eq!(claims.accepted(&id, he), Progress::Ignored);
        assert!(claims.refused(&id, he).is_empty());
    }
    let foreign = [
        ClaimId { epoch: 1, ..id.clone() },
        ClaimId { partition: "other".into(), ..id.clone() },
        ClaimId { sequence: 99, ..id.clone() },
    ];
    for foreign in foreign {
        assert_eq!(claims.accepted(&foreign, 5), Progress::Ignored);
        assert!(claims.get(&foreign).is_none());
    }
    assert_eq!(claims.accepted(&id, 5), Progress::Write(vec![id.clone()]));
    assert_eq!(claims.get(&id).unwrap().phase, Phase::Writing);
    // Twice is not two appends, and a refusal that comes late refuses nothing.
    assert_eq!([claims.accepted(&id, 5), claims.waits(&id, 5)], [Progress::Ignored, Progress::Ignored]);
    assert!(claims.refused(&id, 5).is_empty());
    assert_eq!(claims.written(&id).unwrap().uid, Uid::from("a"));
    assert!(claims.written(&id).is_none() && claims.is_empty());
}

/// A claim whose append may land any time must never be given up.
#[test]
fn what_is_being_written_is_never_given_up() {
    let mut claims = claims();
    let [written, sent, later] =
        ["a", "b", "c"].map(|uid| claim(&mut claims, uid, u64::from(uid == "c") * 9));
    claims.accepted(&written, 5);
    assert!(claims.withdraw("a").is_empty());
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
    claims.accepted(&id, 5);
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

fn group(claims: &mut Claims<&'static str>, members: &[(&'static str, &str)]) -> Vec<ClaimId> {
    let member = |(uid, hp): &(&'static str, &str)| Member {
        uid: (*uid).into(),
        host_partition: (*hp).into(),
        fence: 5,
        payload: *uid,
    };
    claims.claim_group(members.iter().map(member).collect(), Duration::from_secs(2)).unwrap()
}

#[test]
fn a_group_is_made_whole_or_not_at_all() {
    let mut claims = claims();
    let live = claim(&mut claims, "a", 2);
    let member =
        |uid: &str, fence| Member { uid: uid.into(), host_partition: "hp".into(), fence, payload: "" };
    let mut refused = |members: Vec<Member<_>>| claims.claim_group(members, Duration::ZERO).unwrap_err();
    assert_eq!(
        refused(vec![member("b", 5), member("a", 5)]),
        ClaimError::Live { uid: "a".into(), live: live.clone() }
    );
    assert_eq!(refused(vec![member("b", 5), member("b", 5)]), ClaimError::Twice { uid: "b".into() });
    assert_eq!(
        refused(vec![member("b", 5), member("c", 0)]),
        ClaimError::NotFenced { partition: "hp".into() }
    );
    assert_eq!(claims.len(), 1);
    let ids = group(&mut claims, &[("b", "hp"), ("c", "hp2")]);
    assert!(ids[0] > live && ids[1] > ids[0]);
    assert_eq!(claims.get(&ids[1]).unwrap().group, Some(ids[0].sequence));
}

#[test]
fn a_group_is_written_when_all_of_it_is_accepted_and_each_append_once() {
    let mut claims = claims();
    let ids = group(&mut claims, &[("a", "hp"), ("b", "hp2"), ("c", "hp")]);
    assert_eq!(claims.accepted(&ids[2], 5), Progress::Unanswered);
    assert_eq!(claims.waits(&ids[0], 5), Progress::Unanswered);
    assert_eq!(claims.waits(&ids[0], 5), Progress::Ignored, "said twice");
    assert_eq!(claims.accepted(&ids[1], 5), Progress::Waiting(vec![ids[0].clone()]));
    assert_eq!(claims.waits(&ids[1], 5), Progress::Ignored, "a late word takes nothing back");
    assert!(claims.expire(Duration::MAX).is_empty(), "all have been answered");
    assert_eq!(claims.accepted(&ids[0], 5), Progress::Write(ids.clone()));
    for uid in ["a", "b", "c"] {
        assert!(claims.withdraw(uid).is_empty());
    }
    assert!(claims.relisted("hp2", 6).is_empty());
    assert!(ids.iter().all(|id| claims.refused(id, 5).is_empty()));
    assert!(ids.iter().all(|id| claims.written(id).is_some()) && claims.is_empty());
}

#[test]
fn with_one_of_a_group_all_are_over_whatever_ended_it() {
    type End = fn(&mut Claims<&'static str>, &[ClaimId]) -> Vec<LiveClaim<&'static str>>;
    let ends: [End; 5] = [
        |claims, ids| claims.refused(&ids[1], 5),
        |claims, _| claims.withdraw("b"),
        |claims, _| claims.expire(Duration::from_secs(2)),
        |claims, _| claims.relisted("hp2", 6),
        |claims, ids| {
            claims.waits(&ids[1], 5);
            claims.refused(&ids[1], 5)
        },
    ];
    for end in ends {
        let mut claims = claims();
        let ids = group(&mut claims, &[("a", "hp"), ("b", "hp2"), ("c", "hp")]);
        claims.accepted(&ids[0], 5);
        assert_eq!(uids(end(&mut claims, &ids)), ["b", "a", "c"]);
        assert!(claims.is_empty());
        assert!(ids.iter().all(|id| claims.accepted(id, 5) == Progress::Ignored));
        assert_eq!(claims.audit(&ids[0], None), Some(Settlement::Void));
    }
}
