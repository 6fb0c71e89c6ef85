//! Claims that belong together, and claims that wait for victims.

use meridian_proto::v1::{
    self, Answer, Claim, ClaimState, Claims, DesiredPod, HostPort, Protocol, host_partition_message,
    tenant_partition_message,
};

use crate::peers::{Agent, Replica, Tenant, listed};
use crate::region::Region;

impl Tenant {
    /// Claims together, and hears all answers.
    async fn ask_group(&mut self, claims: &[Claim]) -> Vec<Answer> {
        let group = claims[0].id.as_ref().map_or(0, |id| id.sequence);
        let grouped = claims.iter().map(|claim| Claim { group, ..claim.clone() });
        let claims = Claims { claims: grouped.collect() };
        let many = claims.claims.len();
        self.say(tenant_partition_message::Message::Claims(claims)).await;
        let mut answers = Vec::new();
        while answers.len() < many {
            answers.extend(self.answers().await);
        }
        answers
    }

    async fn answers(&mut self) -> Vec<Answer> {
        self.hear_until(|message| match message {
            host_partition_message::Message::Answers(answers) => Some(answers.answers),
            _ => None,
        })
        .await
    }
}

fn reasons(answers: &[Answer]) -> Vec<&str> {
    answers.iter().map(|answer| if answer.accepted { "accepted" } else { &*answer.reason }).collect()
}

#[tokio::test]
async fn a_group_is_accepted_as_a_whole_and_replicas_see_nothing_of_one_that_is_not() {
    let region = Region::new().await;
    let _agent = Agent::new(&region, "h1").await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let first = tenant.claim_when_ready("first", "h1", 1).await;
    let mut replica = Replica::new(&region, None).await;
    let too_much = [tenant.claim("a", "h1", 1, 500), tenant.claim("b", "h1", 1, 500)];
    assert_eq!(reasons(&tenant.ask_group(&too_much).await), ["GroupRefused", "OutOfcpu"]);
    let unreadable =
        [tenant.claim("a", "h1", 1, 1), Claim { uid: String::new(), ..tenant.claim("b", "h1", 1, 1) }];
    assert_eq!(reasons(&tenant.ask_group(&unreadable).await), ["GroupRefused", "InvalidClaim"]);
    let fits = [tenant.claim("a", "h1", 1, 400), tenant.claim("b", "h1", 1, 500)];
    assert_eq!(reasons(&tenant.ask_group(&fits).await), ["accepted", "accepted"]);
    replica.until(|replica| replica.entries.len() == 3).await;
    // Claims that follow each other with no group stand alone.
    let alone = [tenant.claim("c", "h1", 1, 500), tenant.claim("d", "h1", 1, 0)];
    tenant.say(tenant_partition_message::Message::Claims(Claims { claims: alone.to_vec() })).await;
    let mut answers = Vec::new();
    while answers.len() < 2 {
        answers.extend(tenant.answers().await);
    }
    assert_eq!(reasons(&answers), ["OutOfcpu", "accepted"]);
    tenant.settle(&first, ClaimState::Void).await;
    replica.until(|replica| replica.entries.len() == 3).await;
    assert_eq!(replica.restarts, 1);
}

#[tokio::test]
async fn one_who_waits_is_told_when_its_victims_have_left() {
    let region = Region::new().await;
    let mut agent = Agent::new(&region, "h1").await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let victim = tenant.claim_when_ready("victim", "h1", 1).await;
    tenant.bind(&victim).await;
    assert_eq!(agent.hear_orders().await, ["run victim"]);
    let mut waiting = tenant.claim("waiting", "h1", 1, 1000);
    waiting.victims = vec![v1::ClaimId { partition: "other".into(), ..victim.id.clone().unwrap() }];
    assert_eq!(tenant.ask(&waiting).await.reason, "OutOfcpu", "another partition's are not its to stop");
    let mut waiting = tenant.claim("waiting", "h1", 1, 1000);
    waiting.victims = vec![v1::ClaimId::default(); 2_000];
    assert_eq!(tenant.ask(&waiting).await.reason, "InvalidClaim");
    let mut waiting = tenant.claim("waiting", "h1", 1, 1000);
    waiting.victims.extend(victim.id.clone());
    let answer = tenant.ask(&waiting).await;
    assert!(answer.waiting && !answer.accepted, "{answer:?}");
    assert_eq!(answer.free.unwrap().cpu_milli, -100);
    // Replicas see that the room is spoken for.
    let mut replica = Replica::new(&region, None).await;
    replica.until(|replica| replica.entries.len() == 2).await;
    tenant.settle(&victim, ClaimState::Terminating).await;
    assert_eq!(agent.hear_orders().await, ["stop victim in 7"]);
    agent.status("victim", 1, true).await;
    assert!(tenant.hear_report("victim").await.stopped);
    tenant.settle(&victim, ClaimState::Void).await;
    let answers = tenant.answers().await;
    assert_eq!((reasons(&answers), &answers[0].claim), (vec!["accepted"], &waiting.id));
    tenant.bind(&waiting).await;
    let run = |pod: &DesiredPod| (pod.uid.clone(), pod.action());
    let mut orders = Vec::new();
    while orders.len() < 2 {
        orders.extend(agent.hear_desired().await.pods.iter().map(run));
    }
    orders.sort();
    assert_eq!(orders[1], ("waiting".to_owned(), v1::desired_pod::Action::Run));
}

#[tokio::test]
async fn ports_that_were_claimed_are_taken_after_a_restart_too() {
    let region = Region::new().await;
    let agent = Agent::new(&region, "h1").await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    tenant.claim_when_ready("first", "h1", 1).await;
    let ported = |mut claim: Claim| {
        let port = HostPort { protocol: Protocol::Tcp.into(), ip: String::new(), port: 80 };
        claim.demand.as_mut().unwrap().ports.push(port);
        claim
    };
    let web = ported(tenant.claim("web", "h1", 1, 1));
    assert!(tenant.ask(&web).await.accepted);
    tenant.bind(&web).await;
    let other = ported(tenant.claim("other", "h1", 1, 1));
    assert_eq!(tenant.ask(&other).await.reason, "NodePorts");

    let region = region.restart().await;
    let mut again = Agent::register(&region, "h1", 1, Some((agent.epoch, agent.number))).await;
    again.inventory(&[("web", false)]).await;
    let mut tenant = Tenant::new(&region, "tp", 2, vec![listed(&web, ClaimState::Bound)]).await;
    tenant.claim_when_ready("next", "h1", 1).await;
    let other = ported(tenant.claim("other", "h1", 1, 1));
    assert_eq!(tenant.ask(&other).await.reason, "NodePorts");
}
