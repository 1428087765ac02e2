//! One certificate and all that surrounds it: whose, why, what came before and after, and where the world can see it revoked.

use proto::v1 as wire;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use serde::Serialize;
use tonic::Status;
use tonic::transport::Channel;

use super::places::Places;
use super::{CertificateView, by_serial};
use crate::device::DeviceView;
use crate::output::facts;

/// One certificate and all that surrounds it.
#[derive(Debug, Serialize)]
pub(super) struct CertificateStory {
    #[serde(flatten)]
    certificate: CertificateView,
    /// The device that holds it, as it is now.
    device: Option<DeviceView>,
    parent: Option<Relative>,
    /// Oldest first.
    children: Vec<Relative>,
    #[serde(flatten)]
    places: Places,
}

impl CertificateStory {
    /// Asks for everything around a certificate.
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
        let places = Places::of(&summary.certificate);
        Ok(Self { certificate: summary.into(), device, parent, children, places })
    }

    /// For people.
    pub(super) fn in_words(&self) -> String {
        let mut lines = Vec::new();
        if let Some(device) = &self.device {
            let born = device.born_at.as_deref().unwrap_or("an unknown time");
            lines.push(("device", format!("{}, {}", device.device, device.state_in_words())));
            lines.push(("born", format!("{born}, by {} under {}", device.station, device.work_order)));
            let seen = device.last_seen_at.as_deref().unwrap_or("never").to_owned();
            lines.push(("last seen", seen));
        }
        lines
            .push(("parent", self.parent.as_ref().map_or_else(|| self.without_parent(), Relative::in_words)));
        lines.push(("children", self.children_in_words()));
        for (name, urls) in [
            ("CRL", &self.places.revocation_list),
            ("OCSP", &self.places.ocsp),
            ("issuer's cert", &self.places.issuer),
        ] {
            lines.push((name, if urls.is_empty() { "not said in it".to_owned() } else { urls.join("\n") }));
        }
        format!("{}\n\n{}", self.certificate.in_words(), facts(&lines))
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

    fn children_in_words(&self) -> String {
        let known = self.certificate.child_serial_numbers.len();
        if known == 0 {
            return "none".to_owned();
        }
        let mut words = self.children.iter().map(Relative::in_words).collect::<Vec<_>>();
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

/// A certificate before or after another.
#[derive(Debug, Serialize)]
struct Relative {
    serial_number: String,
    profile: String,
    status: &'static str,
    not_before: Option<String>,
    not_after: Option<String>,
    #[serde(skip)]
    not_after_for_people: String,
}

impl Relative {
    fn in_words(&self) -> String {
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

/// A birth certificate of a device that re-enrolled for years has many; a person reads some.
const CHILDREN_SHOWN_MAX: usize = 20;
