//! The life of a device as a checked state machine: random commands against a model that was written from the
//! rules' words, not from their code.

use std::sync::Arc;

use identity::{DeviceId, RevocationReason, SerialNumber};
use ledger::{
    Action, AfterRenewal, CertificateStatus, Command, DeviceFacts, DeviceState, IssuanceSubject, Selection,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use store::{Listings as _, LogStore, StoreSettings};
use tempfile::TempDir;

use crate::cases::{Bench, allow_rework, days, device};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    Unused,
    Used,
    Replaced,
    Revoked,
}

#[derive(Debug, Clone)]
struct Certificate {
    number: SerialNumber,
    birth: bool,
    parent: Option<SerialNumber>,
    worth: Worth,
}

/// What a device is by the rules R-LIFE-11, R-LIFE-12 and R-CRL-06, and by ADR 0019.
#[derive(Debug, Clone, Default)]
struct Model {
    certificates: Vec<Certificate>,
    confirmed: bool,
    scrapped: bool,
    retired: bool,
    held: bool,
    rework: bool,
}

impl Model {
    fn gone(&self) -> bool {
        self.scrapped || self.retired
    }

    fn current_birth(&self) -> Option<SerialNumber> {
        self.certificates.iter().rfind(|one| one.birth).map(|one| one.number)
    }

    fn working(&self) -> bool {
        self.certificates.iter().any(|one| !one.birth && one.worth == Worth::Used)
    }

    /// Whether a certificate is left that is worth anything, or will be when a hold ends.
    fn alive(&self) -> bool {
        self.certificates.iter().any(|one| matches!(one.worth, Worth::Unused | Worth::Used))
    }

    fn find(&mut self, number: SerialNumber) -> Option<&mut Certificate> {
        self.certificates.iter_mut().find(|one| one.number == number)
    }

    fn revoke_all(&mut self) {
        self.certificates.iter_mut().for_each(|one| one.worth = Worth::Revoked);
    }

    fn state(&self) -> DeviceState {
        match self {
            _ if self.scrapped => DeviceState::Scrapped,
            _ if self.retired => DeviceState::Retired,
            _ if !self.alive() => DeviceState::Revoked,
            _ if self.held => DeviceState::Held,
            _ if self.working() => DeviceState::Enrolled,
            _ if self.confirmed => DeviceState::Provisioned,
            _ => DeviceState::Issued,
        }
    }

    fn status(&self, one: &Certificate) -> CertificateStatus {
        match one.worth {
            Worth::Revoked => CertificateStatus::Revoked,
            _ if self.held => CertificateStatus::Held,
            Worth::Unused => CertificateStatus::Issued,
            Worth::Used => CertificateStatus::InUse,
            Worth::Replaced => CertificateStatus::Superseded,
        }
    }

    /// A new birth certificate; whether it is given.
    fn birth(&mut self, number: SerialNumber) -> bool {
        let first = self.certificates.is_empty();
        if !first && (self.gone() || self.held || !self.rework) {
            return false;
        }
        self.revoke_all();
        (self.confirmed, self.rework) = (false, false);
        self.certificates.push(Certificate { number, birth: true, parent: None, worth: Worth::Unused });
        true
    }

    fn child(&mut self, parent: SerialNumber, number: SerialNumber, hold_on_fork: bool) -> bool {
        let Some(asking) = self.find(parent).cloned() else { return false };
        if self.gone() || self.held || asking.worth == Worth::Revoked {
            return false;
        }
        if asking.worth == Worth::Replaced {
            self.held |= hold_on_fork;
            return false;
        }
        if asking.birth && self.working() {
            return false;
        }
        let parent = Some(parent);
        self.certificates.push(Certificate { number, birth: false, parent, worth: Worth::Unused });
        true
    }

    fn used(&mut self, number: SerialNumber, after: AfterRenewal) -> bool {
        let gone = self.gone() || self.held;
        let Some(one) = self.find(number).cloned().filter(|one| !one.birth && !gone) else { return false };
        match one.worth {
            Worth::Used => true,
            Worth::Replaced | Worth::Revoked => false,
            Worth::Unused => {
                for other in self.certificates.iter_mut().filter(|other| !other.birth) {
                    other.worth = match (other.worth, after) {
                        _ if other.number == number => Worth::Used,
                        (Worth::Unused, _) | (Worth::Used, AfterRenewal::Revoke) => Worth::Revoked,
                        (Worth::Used, _) => Worth::Replaced,
                        (worth, _) => worth,
                    };
                }
                true
            }
        }
    }

    fn lineage(&self, root: SerialNumber) -> Vec<SerialNumber> {
        let mut line = vec![root];
        for one in &self.certificates {
            if one.parent.is_some_and(|parent| line.contains(&parent)) {
                line.push(one.number);
            }
        }
        line
    }
}

/// One random command, told to the model and asked of the store. Both agree on whether it is accepted.
async fn step(bench: &Bench, random: &mut StdRng, serial: u64, model: &mut Model) {
    let some = model.certificates.choose(random).map(|one| one.number);
    let number = some.unwrap_or_else(|| crate::cases::serial_number(1 << 40));
    let id = device(serial);
    let fresh_key = 10_000 + bench.draw();
    let kind = random.random_range(0..14);
    let (command, expected) = match kind {
        0 => {
            let mut command = bench.birth(1, serial, fresh_key);
            command.request = None;
            let Action::Issue { certificate, .. } = &command.action else { unreachable!() };
            let expected = model.birth(certificate.serial_number);
            (command, expected)
        }
        1 => {
            let alive = !model.gone() && !model.held && model.current_birth() == Some(number);
            let birth = model.find(number).filter(|one| alive && one.worth != Worth::Revoked);
            let expected = birth.map(|one| one.worth = Worth::Used).is_some();
            model.confirmed |= expected;
            (bench.confirm(1, serial, number), expected)
        }
        2 => {
            let expected =
                model.scrapped || (!model.certificates.is_empty() && !model.retired && !model.working());
            if expected {
                model.scrapped = true;
                model.revoke_all();
            }
            (bench.scrap(1, serial), expected)
        }
        3..=6 => {
            let mut command = bench.enrol(serial, number, fresh_key);
            command.request = None;
            let Action::Issue { certificate, subject: IssuanceSubject::Operational { hold_on_fork, .. } } =
                &mut command.action
            else {
                unreachable!()
            };
            *hold_on_fork = random.random();
            let expected = model.child(number, certificate.serial_number, *hold_on_fork);
            (command, expected)
        }
        7..=9 => {
            let after = [AfterRenewal::Revoke, AfterRenewal::Grace(days(1)), AfterRenewal::Expire];
            let after_renewal = *after.choose(random).unwrap();
            let mut command = bench.installed(serial, number);
            command.action =
                Action::ConfirmInstalled { device: id.clone(), serial_number: number, after_renewal };
            (command, model.used(number, after_renewal))
        }
        10..=12 => operated(bench, random, id, kind, model),
        _ => {
            let line = model.lineage(number);
            let page = bench.store.select(&Selection::Lineage(number), 0, 99).await.unwrap();
            let selected: Vec<_> = page.certificates.iter().map(|one| one.serial_number).collect();
            assert_eq!(selected, if some.is_some() { line.clone() } else { Vec::new() });
            for one in &line {
                model.find(*one).into_iter().for_each(|one| one.worth = Worth::Revoked);
            }
            (bench.revoke(&line, RevocationReason::KeyCompromise), some.is_some())
        }
    };
    let verdict = bench.ask(command.clone()).await;
    assert_eq!(verdict.is_ok(), expected, "{command:?}: {verdict:?}: {model:?}");
}

/// What an operator does to a device, and whether it is accepted.
fn operated(
    bench: &Bench,
    random: &mut StdRng,
    id: DeviceId,
    kind: u32,
    model: &mut Model,
) -> (Command, bool) {
    match kind {
        10 => {
            let something = model.held || model.rework || {
                model.certificates.iter().any(|one| one.worth != Worth::Revoked)
            };
            let expected = something && !model.gone();
            model.held |= expected;
            (bench.operate(Action::Hold { device: id, note: String::new() }), expected)
        }
        11 => {
            let expected = model.held && !model.gone();
            model.held &= !expected;
            (bench.operate(Action::Release(id)), expected)
        }
        _ => match random.random_range(0..4) {
            0 => {
                let expected = !model.certificates.is_empty() && !model.scrapped;
                if expected {
                    model.retired = true;
                    model.revoke_all();
                }
                (bench.operate(Action::Retire { device: id, note: String::new() }), expected)
            }
            _ => {
                let expected = !model.certificates.is_empty() && !model.gone() && !model.held;
                model.rework |= expected;
                (bench.operate(allow_rework(id)), expected)
            }
        },
    }
}

#[tokio::test]
async fn a_device_lives_as_the_rules_say() {
    lives(150, crate::bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_lives_as_the_rules_say_in_a_store_on_disk() {
    lives(12, || {
        let directory = TempDir::new().unwrap();
        let settings = StoreSettings::new(directory.path().to_owned());
        let clock = crate::cases::clock();
        let store = LogStore::create(&settings, clock.clone()).unwrap();
        Bench::new(Arc::new(store), clock, Some(directory))
    })
    .await;
}

/// Random lives of three devices in each of so many stores.
async fn lives(stores: usize, new: impl Fn() -> Bench) {
    let seed: u64 =
        std::env::var("TOUCHMARK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..stores {
        let bench = new();
        bench.done(bench.create_order(1000)).await;
        let mut models = vec![Model::default(); 3];
        for _ in 0..80 {
            let place = random.random_range(0..models.len());
            step(&bench, &mut random, place as u64 + 1, &mut models[place]).await;
            for (serial, model) in (1..).zip(&models) {
                let record: Option<DeviceFacts> = bench.store.device(&device(serial)).await.unwrap();
                let expected = (!model.certificates.is_empty()).then(|| model.state());
                assert_eq!(record.as_ref().map(DeviceFacts::state), expected, "{model:?}");
                assert_eq!(record.map(|record| record.birth), model.current_birth());
                for one in &model.certificates {
                    assert_eq!(bench.status(one.number).await, model.status(one), "{one:?} {model:?}");
                }
                // One line of descent: at most one operational certificate is in use.
                let used = model.certificates.iter().filter(|one| !one.birth && one.worth == Worth::Used);
                assert!(used.count() <= 1);
                reached.extend(expected);
            }
        }
    }
    assert_eq!(reached.len(), 7, "the random commands did not reach every state: {reached:?}");
}
