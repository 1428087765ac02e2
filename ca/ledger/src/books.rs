//! Rows in ordinary maps, laid over another view: alone they are the whole state of a small ledger, over an index the effect of a batch that is
//! not durable yet.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::time::SystemTime;

use identity::{
    DeviceId, IssuerName, KeyFingerprint, Principal, PrincipalName, RequestId, Role, SerialNumber,
};

use super::{
    AlarmFacts, AlarmPair, CertificateFacts, Changes, DeviceFacts, Entry, Holder, JobFacts, JobId,
    PrincipalFacts, RequestFacts, RotationFacts, Standing, View, WorkOrderFacts, WorkOrderId, apply,
};

/// Rows over a `base`.
#[derive(Debug)]
pub struct Books<B> {
    base: B,
    requests: HashMap<(Option<Principal>, RequestId), RequestFacts>,
    devices: BTreeMap<DeviceId, DeviceFacts>,
    /// Certificates of devices that were entered here.
    histories: HashMap<DeviceId, Vec<SerialNumber>>,
    certificates: HashMap<SerialNumber, CertificateFacts>,
    keys: HashMap<KeyFingerprint, SerialNumber>,
    work_orders: BTreeMap<WorkOrderId, WorkOrderFacts>,
    principals: BTreeMap<(Role, PrincipalName), PrincipalFacts>,
    issuers: HashMap<IssuerName, SerialNumber>,
    alarms: Vec<AlarmFacts>,
    pairs: HashSet<AlarmPair>,
    jobs: BTreeMap<JobId, JobFacts>,
    rotations: Vec<RotationFacts>,
}

impl<B: View> Books<B> {
    /// No changes over `base`.
    pub fn over(base: B) -> Self {
        Self::with_room(base, 0)
    }

    /// No changes over `base`, and room for those of so many entries.
    pub fn with_room(base: B, entries: usize) -> Self {
        Self {
            base,
            requests: HashMap::with_capacity(entries),
            devices: BTreeMap::new(),
            histories: HashMap::new(),
            certificates: HashMap::with_capacity(entries),
            keys: HashMap::with_capacity(entries),
            work_orders: BTreeMap::new(),
            principals: BTreeMap::new(),
            issuers: HashMap::new(),
            alarms: Vec::new(),
            pairs: HashSet::new(),
            jobs: BTreeMap::new(),
            rotations: Vec::new(),
        }
    }

    /// Enters what an entry does.
    ///
    /// # Errors
    /// The base's.
    pub fn enter(&mut self, entry: &Entry) -> Result<(), B::Fault> {
        let Changes { request, devices, certificates, work_order, principal, alarm, job, rotation } =
            apply(self, entry)?;
        if let (Some(certificate), Some(Holder::Principal(Principal::Device(device)))) =
            (entry.event.certificate(), entry.event.holder())
        {
            self.histories.entry(device).or_default().push(certificate.serial_number);
        }
        if let Some((caller, request, facts)) = request {
            self.requests.insert((caller, request), facts);
        }
        for facts in devices {
            self.devices.insert(facts.id.clone(), facts);
        }
        for facts in certificates {
            self.keys.entry(facts.key).or_insert(facts.serial_number);
            if let Holder::Issuer(issuer) = facts.holder {
                self.issuers.insert(issuer, facts.serial_number);
            }
            self.certificates.insert(facts.serial_number, facts);
        }
        if let Some(facts) = work_order {
            self.work_orders.insert(facts.id, facts);
        }
        if let Some(facts) = principal {
            self.principals.insert((facts.role, facts.name.clone()), facts);
        }
        if let Some((pair, facts)) = alarm {
            self.pairs.insert(pair);
            self.alarms.push(facts);
        }
        if let Some(facts) = job {
            self.jobs.insert(facts.id, facts);
        }
        self.rotations.extend(rotation);
        Ok(())
    }

    /// The devices entered here, in order of their ids; not those of the base.
    pub fn devices(&self) -> &BTreeMap<DeviceId, DeviceFacts> {
        &self.devices
    }

    /// The certificates entered here, in no order; not those of the base.
    pub fn certificates_here(&self) -> impl Iterator<Item = &CertificateFacts> {
        self.certificates.values()
    }

    /// The alarms entered here, oldest first; not those of the base.
    pub fn alarms(&self) -> &[AlarmFacts] {
        &self.alarms
    }

    /// The mass revocations entered here; not those of the base.
    pub fn jobs_here(&self) -> &BTreeMap<JobId, JobFacts> {
        &self.jobs
    }

    /// The rotation requests entered here, oldest first; not those of the base.
    pub fn rotations_here(&self) -> &[RotationFacts] {
        &self.rotations
    }

    /// The principals entered here; not those of the base.
    pub fn principals(&self) -> &BTreeMap<(Role, PrincipalName), PrincipalFacts> {
        &self.principals
    }
}

impl<B: View> View for Books<B> {
    type Fault = B::Fault;

    fn request(
        &self,
        principal: Option<&Principal>,
        request: &RequestId,
    ) -> Result<Option<RequestFacts>, Self::Fault> {
        if !self.requests.is_empty()
            && let Some(facts) = self.requests.get(&(principal.cloned(), *request))
        {
            return Ok(Some(facts.clone()));
        }
        self.base.request(principal, request)
    }

    fn device(&self, device: &DeviceId) -> Result<Option<DeviceFacts>, Self::Fault> {
        match self.devices.get(device) {
            Some(facts) => Ok(Some(facts.clone())),
            None => self.base.device(device),
        }
    }

    fn certificates(&self, device: &DeviceId) -> Result<Vec<SerialNumber>, Self::Fault> {
        let mut certificates = self.base.certificates(device)?;
        certificates.extend(self.histories.get(device).into_iter().flatten());
        Ok(certificates)
    }

    fn certificate(&self, serial_number: &SerialNumber) -> Result<Option<CertificateFacts>, Self::Fault> {
        match self.certificates.get(serial_number) {
            Some(facts) => Ok(Some(facts.clone())),
            None => self.base.certificate(serial_number),
        }
    }

    fn standing(&self, serial_number: &SerialNumber) -> Result<Option<Standing>, Self::Fault> {
        match self.certificates.get(serial_number) {
            Some(facts) => Ok(Some(facts.standing)),
            None => self.base.standing(serial_number),
        }
    }

    fn key(&self, key: &KeyFingerprint) -> Result<Option<CertificateFacts>, Self::Fault> {
        match self.keys.get(key) {
            Some(serial_number) => self.certificate(serial_number),
            None => self.base.key(key),
        }
    }

    fn work_order(&self, work_order: WorkOrderId) -> Result<Option<WorkOrderFacts>, Self::Fault> {
        match self.work_orders.get(&work_order) {
            Some(facts) => Ok(Some(facts.clone())),
            None => self.base.work_order(work_order),
        }
    }

    fn work_orders(&self) -> Result<u64, Self::Fault> {
        let here = self.work_orders.last_key_value().map_or(0, |(id, _)| id.0);
        Ok(self.base.work_orders()?.max(here))
    }

    fn principal(&self, role: Role, name: &PrincipalName) -> Result<Option<PrincipalFacts>, Self::Fault> {
        match self.principals.get(&(role, name.clone())) {
            Some(facts) => Ok(Some(facts.clone())),
            None => self.base.principal(role, name),
        }
    }

    fn principals_of(&self, role: Role) -> Result<Vec<PrincipalName>, Self::Fault> {
        let mut names = self.base.principals_of(role)?;
        names.extend(self.principals.keys().filter(|(of, _)| *of == role).map(|(_, name)| name.clone()));
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn issuer(&self, issuer: IssuerName) -> Result<Option<CertificateFacts>, Self::Fault> {
        match self.issuers.get(&issuer) {
            Some(serial_number) => self.certificate(serial_number),
            None => self.base.issuer(issuer),
        }
    }

    fn alarm(&self, pair: &AlarmPair) -> Result<bool, Self::Fault> {
        if self.pairs.contains(pair) { Ok(true) } else { self.base.alarm(pair) }
    }

    fn alarms_since(&self, since: SystemTime, enough: usize) -> Result<usize, Self::Fault> {
        let here = self.alarms.iter().rev().take(enough).take_while(|alarm| alarm.at >= since).count();
        if here >= enough {
            return Ok(here);
        }
        Ok(here + self.base.alarms_since(since, enough - here)?)
    }

    fn job(&self, job: JobId) -> Result<Option<JobFacts>, Self::Fault> {
        match self.jobs.get(&job) {
            Some(facts) => Ok(Some(facts.clone())),
            None => self.base.job(job),
        }
    }

    fn jobs(&self) -> Result<u64, Self::Fault> {
        let here = self.jobs.last_key_value().map_or(0, |(id, _)| id.0);
        Ok(self.base.jobs()?.max(here))
    }

    fn rotations(&self, now: SystemTime) -> Result<usize, Self::Fault> {
        let here = self.rotations.iter().filter(|rotation| rotation.until > now).count();
        Ok(here + self.base.rotations(now)?)
    }
}

/// The view of an empty ledger.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl View for Nothing {
    type Fault = Infallible;

    fn request(&self, _: Option<&Principal>, _: &RequestId) -> Result<Option<RequestFacts>, Infallible> {
        Ok(None)
    }

    fn device(&self, _: &DeviceId) -> Result<Option<DeviceFacts>, Infallible> {
        Ok(None)
    }

    fn certificates(&self, _: &DeviceId) -> Result<Vec<SerialNumber>, Infallible> {
        Ok(Vec::new())
    }

    fn certificate(&self, _: &SerialNumber) -> Result<Option<CertificateFacts>, Infallible> {
        Ok(None)
    }

    fn key(&self, _: &KeyFingerprint) -> Result<Option<CertificateFacts>, Infallible> {
        Ok(None)
    }

    fn work_order(&self, _: WorkOrderId) -> Result<Option<WorkOrderFacts>, Infallible> {
        Ok(None)
    }

    fn work_orders(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn principal(&self, _: Role, _: &PrincipalName) -> Result<Option<PrincipalFacts>, Infallible> {
        Ok(None)
    }

    fn principals_of(&self, _: Role) -> Result<Vec<PrincipalName>, Infallible> {
        Ok(Vec::new())
    }

    fn issuer(&self, _: IssuerName) -> Result<Option<CertificateFacts>, Infallible> {
        Ok(None)
    }

    fn alarm(&self, _: &AlarmPair) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn alarms_since(&self, _: SystemTime, _: usize) -> Result<usize, Infallible> {
        Ok(0)
    }

    fn job(&self, _: JobId) -> Result<Option<JobFacts>, Infallible> {
        Ok(None)
    }

    fn jobs(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn rotations(&self, _: SystemTime) -> Result<usize, Infallible> {
        Ok(0)
    }
}
