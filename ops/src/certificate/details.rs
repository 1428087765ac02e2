//! One certificate with its device, its lineage, and the URLs of its revocation status.

use proto::v1 as wire;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use serde::Serialize;
use tonic::Status;
use tonic::transport::Channel;

use super::by_serial;
use super::revocation_urls::RevocationUrls;
use crate::output::fact_lines;
use crate::view::{CertificateView, DeviceView};

#[derive(Debug, Serialize)]
pub(super) struct CertificateDetails {
    #[serde(flatten)]
    certificate: CertificateView,
    /// The device that holds it, in its present state.
    device: Option<DeviceView>,
    parent: Option<Relative>,
    /// Oldest first.
    children: Vec<Relative>,
    #[serde(flatten)]
    urls: RevocationUrls,
}

impl CertificateDetails {
    pub(super) async fn of(
        summary: wire::CertificateSummary,
        client: &mut LifecycleServiceClient<Channel>,
    ) -> Result<Self, Status> {
        let device = match &summary.device {
            Some(device) => {
                let request = wire::GetDeviceRequest { device: Some(device.clone()) };
                client.get_device(request).await?.into_inner().device.map(DeviceView::from)
            }
            None => None,
        };
        let parent = match summary.parent_serial_number.as_ref() {
            [] => None,
            serial => by_serial(client, serial).await?.map(Relative::from),
        };
        let mut children = Vec::new();
        for serial in summary.child_serial_numbers.iter().take(CHILDREN_SHOWN_MAX) {
            children.extend(by_serial(client, serial).await?.map(Relative::from));
        }
        let urls = RevocationUrls::of(&summary.certificate);
        Ok(Self { certificate: summary.into(), device, parent, children, urls })
    }

    pub(super) fn to_text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(device) = &self.device {
            let born = device.born_at.as_deref().unwrap_or("an unknown time");
            lines.push(("device", format!("{}, {}", device.device, device.state_text())));
            lines.push(("born", format!("{born}, by {} under {}", device.station, device.work_order)));
            let seen = device.last_seen_at.as_deref().unwrap_or("never").to_owned();
            lines.push(("last seen", seen));
        }
        lines.push(("parent", self.parent.as_ref().map_or_else(|| self.without_parent(), Relative::to_text)));
        lines.push(("children", self.children_text()));
        for (name, urls) in [
            ("CRL", &self.urls.revocation_list),
            ("OCSP", &self.urls.ocsp),
            ("issuer's cert", &self.urls.issuer),
        ] {
            lines.push((name, if urls.is_empty() { "not said in it".to_owned() } else { urls.join("\n") }));
        }
        format!("{}\n\n{}", self.certificate.to_text(), fact_lines(&lines))
    }

    fn without_parent(&self) -> String {
        match &self.certificate.work_order {
            Some(order) => format!("none: it began with work order {order}"),
            None if self.certificate.holder.is_empty() && self.certificate.requested_by.is_empty() => {
                "none: it is the CA's own".to_owned()
            }
            None => "none: an operator asked for it".to_owned(),
        }
    }

    fn children_text(&self) -> String {
        let known = self.certificate.child_serial_numbers.len();
        if known == 0 {
            return "none".to_owned();
        }
        let mut words = self.children.iter().map(Relative::to_text).collect::<Vec<_>>();
        if known > self.children.len() {
            words.push(format!("and {} more", known - self.children.len()));
        }
        let used = self.children.iter().filter(|child| child.status == "in use").count();
        if used > 1 {
            words.push(format!("FORK: {used} children are in use; see `touchmark device forks`"));
        }
        words.join("\n")
    }
}

#[derive(Debug, Serialize)]
struct Relative {
    serial_number: String,
    profile: String,
    status: String,
    not_before: Option<String>,
    not_after: Option<String>,
    #[serde(skip)]
    not_after_for_people: String,
}

impl Relative {
    fn to_text(&self) -> String {
        format!(
            "{} {}, {}, from {} until {}",
            self.profile,
            self.serial_number,
            self.status,
            self.not_before.as_deref().unwrap_or("-"),
            self.not_after_for_people,
        )
    }
}

impl From<wire::CertificateSummary> for Relative {
    fn from(summary: wire::CertificateSummary) -> Self {
        let view = CertificateView::from(summary);
        Self {
            serial_number: view.serial_number,
            profile: view.profile,
            status: view.status,
            not_before: view.not_before,
            not_after: view.not_after,
            not_after_for_people: view.not_after_for_people,
        }
    }
}

/// A device that enrolled again for years has many children; a person reads some.
const CHILDREN_SHOWN_MAX: usize = 20;
