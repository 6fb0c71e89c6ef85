//! Criterion benches of the engine's parts: a decision of a known class, of a new class, and a host's coming and going.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros have no docs, and a bench may stop")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use meridian_benches::{ProfileName, Shape, scheduler_with};
use meridian_engine::Host;

const HOST: Shape = Shape::new(64, 256);
const POD: Shape = Shape::new(2, 8);

fn known_class(criterion: &mut Criterion) {
    for profile in [ProfileName::Meridian, ProfileName::Kubernetes] {
        let mut scheduler = scheduler_with(profile.profile(), 5_000, &[HOST]).unwrap();
        let class = scheduler.class(&POD.demand()).unwrap();
        criterion.bench_function(&format!("known class, 5000 hosts, {}", profile.name()), |bencher| {
            bencher.iter(|| {
                let placement = scheduler.schedule(black_box(class)).unwrap();
                scheduler.release(placement).unwrap();
            });
        });
    }
}

fn new_class(criterion: &mut Criterion) {
    for profile in [ProfileName::Meridian, ProfileName::Kubernetes] {
        let mut scheduler = scheduler_with(profile.profile(), 100_000, &[HOST]).unwrap();
        criterion.bench_function(&format!("new class, 100000 hosts, {}", profile.name()), |bencher| {
            bencher.iter(|| {
                let class = scheduler.class(black_box(&POD.demand())).unwrap();
                let choice = scheduler.decide(class);
                scheduler.forget_class(class);
                choice
            });
        });
    }
}

fn host_churn(criterion: &mut Criterion) {
    let scheduler = scheduler_with(ProfileName::Meridian.profile(), 5_000, &[HOST]).unwrap();
    let cell = scheduler.cell().clone();
    let host = Host { name: "another".to_owned(), pods: 110, ..Host::default() };
    criterion.bench_function("host added and removed, 5000 hosts", |bencher| {
        bencher.iter_batched_ref(
            || cell.clone(),
            |cell| {
                let id = cell.add_host(&host).unwrap();
                cell.remove_host(id).unwrap();
            },
            BatchSize::LargeInput,
        );
    });
}

criterion_group!(benches, known_class, new_class, host_churn);
criterion_main!(benches);
