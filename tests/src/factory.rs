//! A factory around a CA: an operator, stations, work orders.

use std::time::SystemTime;

use prost::bytes::Bytes;
use proto::v1::create_work_order_request::Serials;
use proto::v1::{
    CreateWorkOrderRequest, EnrollRequest, GetProductRequest, IssuePrincipalRequest, IssuePrincipalResponse,
    ResumeProductRequest, Role, WorkOrder, WorkOrderCounts,
};

use crate::seed::fresh_request_id;
use crate::{Caller, CertificateAuthority, Credentials, Device, KeyAndRequest};

/// The operator of a running CA.
#[derive(Debug, Clone)]
pub struct Factory {
    operator: Caller,
    server: std::net::SocketAddr,
}

impl Factory {
    pub fn of(authority: &CertificateAuthority) -> Self {
        Self { operator: authority.operator(), server: authority.grpc() }
    }

    pub fn operator(&self) -> &Caller {
        &self.operator
    }

    /// Issues a credential, with a new key.
    pub async fn credential(&self, role: Role, name: &str) -> Credentials {
        self.credential_for(role, name, 0).await
    }

    /// Issues a credential for this many days; zero: the profile's default.
    pub async fn credential_for(&self, role: Role, name: &str, lifetime_days: u32) -> Credentials {
        let key = KeyAndRequest::fresh();
        let request = IssuePrincipalRequest { lifetime_days, ..credential_request(role, name, &key.csr) };
        let response = self.operator.principals().issue(request).await.expect("a credential").into_inner();
        let certificate = response.certificate.expect("the answer has a certificate").certificate;
        let trust = response.trust_bundle.expect("the answer has a trust bundle");
        Credentials::from_der(&key.key, &certificate, &response.chain, &trust.anchors)
    }

    /// The CA's answer to this request for a credential.
    pub async fn issue(
        &self,
        role: Role,
        name: &str,
        csr: &Bytes,
    ) -> Result<IssuePrincipalResponse, tonic::Status> {
        let request = credential_request(role, name, csr);
        self.operator.principals().issue(request).await.map(tonic::Response::into_inner)
    }

    /// A station with a new credential.
    pub async fn station(&self, name: &str) -> Caller {
        Caller::new(self.server, &self.credential(Role::Station, name).await)
    }

    /// Makes an order; returns its id.
    pub async fn order(&self, terms: OrderTerms) -> String {
        self.try_order(terms).await.expect("a work order").id
    }

    pub async fn try_order(&self, terms: OrderTerms) -> Result<WorkOrder, tonic::Status> {
        self.operator.work_orders().create(terms.into_request()).await.map(tonic::Response::into_inner)
    }

    /// Ends the pause of a product.
    pub async fn resume_product(&self, product: &str) {
        let mut products = self.operator.products();
        let request = GetProductRequest { product: product.to_owned() };
        let known = products.get(request).await.expect("the product exists").into_inner();
        let request = ResumeProductRequest {
            product: product.to_owned(),
            pause_entry: known.last_pause.expect("it was paused").ledger_entry,
            remark: "tried".to_owned(),
        };
        products.resume(request).await.expect("it is paused");
    }

    /// The counts of an order.
    pub async fn counts(&self, work_order: &str) -> WorkOrderCounts {
        let request = proto::v1::GetWorkOrderByIdRequest { id: work_order.to_owned() };
        let order = self.operator.work_orders().get(request).await.expect("the order exists").into_inner();
        order.counts.expect("an order has counts")
    }

    /// A device with its birth certificate, and its credentials.
    pub async fn born(&self, station: &Caller, work_order: &str, device: &Device) -> Credentials {
        let request = proto::v1::GetWorkOrderRequest { work_order: work_order.to_owned() };
        let order = station.provisioning().get_work_order(request).await.expect("the order").into_inner();
        let request = device.birth_request(work_order);
        let response =
            station.provisioning().issue_birth_certificate(request).await.expect("a birth certificate");
        let certificate =
            response.into_inner().certificate.expect("the answer has a certificate").certificate;
        device.credentials(&certificate, &order.chain, &order.trust_bundle.expect("a trust bundle"))
    }
    /// The operational credentials of a device that was born, not yet confirmed.
    pub async fn enrolled(&self, birth: &Credentials) -> Credentials {
        let key = KeyAndRequest::fresh();
        let request = EnrollRequest { request_id: fresh_request_id(), csr: key.csr.clone() };
        let response =
            Caller::new(self.server, birth).enrollment().enroll(request).await.expect("it is enrolled");
        let response = response.into_inner();
        let certificate = response.certificate.expect("the answer has a certificate").certificate;
        let trust = response.trust_bundle.expect("the answer has a trust bundle");
        Credentials::from_der(&key.key, &certificate, &response.chain, &trust.anchors)
    }
}

fn credential_request(role: Role, name: &str, csr: &Bytes) -> IssuePrincipalRequest {
    IssuePrincipalRequest {
        request_id: fresh_request_id(),
        role: role.into(),
        name: name.to_owned(),
        csr: csr.clone(),
        lifetime_days: 0,
        names: if role == Role::Service { vec!["service.example.com".to_owned()] } else { Vec::new() },
    }
}

/// The terms of an order.
#[derive(Debug, Clone)]
pub struct OrderTerms {
    pub product: String,
    pub quantity: u64,
    pub serials: String,
    pub stations: Vec<String>,
    pub opens_at: Option<SystemTime>,
    pub closes_at: Option<SystemTime>,
    pub request_id: Bytes,
}

impl OrderTerms {
    /// For the product `cam-2`, with many serial numbers: `SN{000000..999999}`.
    pub fn new(quantity: u64, stations: &[&str]) -> Self {
        Self {
            product: "cam-2".to_owned(),
            quantity,
            serials: "SN{000000..999999}".to_owned(),
            stations: stations.iter().map(|name| (*name).to_owned()).collect(),
            opens_at: None,
            closes_at: None,
            request_id: fresh_request_id(),
        }
    }

    pub fn into_request(self) -> CreateWorkOrderRequest {
        CreateWorkOrderRequest {
            // Suites create the stations when they need them.
            allow_unknown_stations: true,
            request_id: self.request_id,
            product: self.product,
            quantity: self.quantity,
            profile: String::new(),
            serials: Some(Serials::Pattern(self.serials)),
            stations: self.stations,
            opens_at: self.opens_at.map(Into::into),
            closes_at: self.closes_at.map(Into::into),
        }
    }
}
